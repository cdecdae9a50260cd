package main

import (
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"strata/events/access"
)

// brokerConfig is the configuration of a lab's broker. The same file is mounted into the nats
// container of compose.yaml, with the $-variables in its environment.
//
//go:embed nats.conf
var brokerConfig string

// brokerSettings is what `strata up` knows when it starts its broker.
type brokerSettings struct {
	Data   string      // the lab's data directory
	Listen string      // host:port; port 0 takes a free one
	TLS    *tls.Config // of Listen; nil: plaintext
	Key    access.Key
	Logger *slog.Logger
}

// broker is the NATS server inside `strata up`.
type broker struct {
	settings brokerSettings
	options  server.Options

	mu      sync.Mutex
	running *server.Server
}

// errNoBroker says that a connection was wanted while the broker starts again.
// It passes: whoever gets it tries again, as a connection that is there already does by itself.
var errNoBroker = errors.New("the broker is starting")

// startBroker starts a NATS server with JetStream that syncs every write, and waits until it
// takes connections. A port that is taken, or a store that cannot be opened, is the error.
func startBroker(s brokerSettings) (*broker, error) {
	host, port, err := splitListen(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	store := filepath.Join(s.Data, "nats")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, fmt.Errorf("make broker's directory: %w", err)
	}
	// Bind once before the server does, which waits a minute where an address is in use. A free port is for
	// the server to choose: one that was bound here could be somebody else's by the time that the server binds it.
	probe, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("broker: %w; --listen-nats names another address, port 0 takes a free one", err)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("broker: release %s: %w", probe.Addr(), err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	values, err := brokerVariables(s.Key, store)
	if err != nil {
		return nil, err
	}
	b := &broker{settings: s}
	if err := b.options.ProcessConfigString(expandConfig(brokerConfig, values)); err != nil {
		return nil, fmt.Errorf("broker configuration: %w", err)
	}
	// The monitoring address is for services elsewhere; these ones ask the server itself.
	b.options.Host, b.options.Port, b.options.HTTPHost, b.options.HTTPPort = host, port, "", 0
	// Interrupts are the lab's to take, in its own order: services first, then the broker.
	b.options.NoSigs, b.options.NoLog = true, true
	b.options.TLSConfig, b.options.TLSTimeout = s.TLS, headerTime.Seconds()
	// What comes by the lab's one port; it has taken TLS off. Only the first start chooses the number.
	b.options.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true, HandshakeTimeout: headerTime}
	return b, b.start()
}

// start runs the server. A store of many gigabytes takes seconds to open.
func (b *broker) start() error {
	options := b.options // the server writes into it
	srv, err := server.NewServer(&options)
	if err != nil {
		return fmt.Errorf("make broker: %w", err)
	}
	srv.SetLoggerV2(brokerLog{b.settings.Logger}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(time.Minute) {
		srv.Shutdown()
		return fmt.Errorf("broker at %s with its store in %s did not come up in a minute", b.settings.Listen, b.settings.Data)
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		return fmt.Errorf("broker cannot use its store in %s: see the log above; is the disk full?", b.settings.Data)
	}
	if at, ok := srv.Addr().(*net.TCPAddr); ok {
		b.options.Port = at.Port // a free one is chosen once: after a restart it has to be found again
	}
	// Kept for the starts to come: the lab's note, which others have read, may name this port.
	if b.options.Websocket.Port == server.RANDOM_PORT {
		u, err := url.Parse(srv.WebsocketURL())
		if err == nil {
			b.options.Websocket.Port, err = strconv.Atoi(u.Port())
		}
		if err != nil {
			srv.Shutdown()
			return fmt.Errorf("broker's port for websockets: %w", err)
		}
	}
	b.mu.Lock()
	b.running = srv
	b.mu.Unlock()
	return nil
}

// server returns the server that runs, nil between two.
func (b *broker) server() *server.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}

// url returns the address that clients on this machine use. Where the broker's own port speaks TLS, its certificate
// is for the name by which other machines know it: there it is the port behind /nats.
func (b *broker) url() string {
	if b.settings.TLS != nil {
		return "ws://" + b.websocket().Host
	}
	return "nats://" + net.JoinHostPort(b.options.Host, strconv.Itoa(b.options.Port))
}

// websocket returns where the broker listens for websockets.
func (b *broker) websocket() *url.URL {
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(b.options.Websocket.Host, strconv.Itoa(b.options.Websocket.Port))}
}

// InProcessConn connects without the network; the client library asks for it at each attempt, so
// a connection finds the server that runs then.
func (b *broker) InProcessConn() (net.Conn, error) {
	s := b.server()
	if s == nil {
		return nil, errNoBroker
	}
	return s.InProcessConn()
}

// dial returns a connection inside the process.
func (b *broker) dial(options ...nats.Option) (*nats.Conn, error) {
	// The library's own two seconds are little while a whole lab starts beside it; nothing tries the first connection again.
	return nats.Connect(b.url(), append([]nats.Option{nats.InProcessServer(b), nats.Timeout(time.Minute / 2)}, options...)...)
}

// connect returns a connection inside the process, with the rights of the services.
func (b *broker) connect(options ...nats.Option) (*nats.Conn, error) {
	return b.dial(append([]nats.Option{
		nats.UserInfo(access.ServiceUser, b.settings.Key.Password()), nats.CustomInboxPrefix(access.ServiceInbox),
		// For ever: [broker.keep] may have the server down for as long as its store needs, and no
		// service could work without.
		nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		// The client library would write to standard error, past the log.
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			b.settings.Logger.Warn("connection to the broker", "err", err, "subject", subject)
		})}, options...)...)
}

// synced reports whether every JetStream write is synced to disk before it is acknowledged.
// The log refuses to open where the answer is false, unless told otherwise by name.
func (b *broker) synced() (bool, error) {
	s := b.server()
	if s == nil {
		return false, errNoBroker
	}
	config := s.JetStreamConfig()
	if config == nil {
		return false, errors.New("the broker has no JetStream")
	}
	return config.SyncAlways, nil
}

// jsz answers the one thing of the broker's own monitoring address that services of other processes ask: whether
// JetStream syncs. All else there is about who uses the lab, and how much.
func (b *broker) jsz(w http.ResponseWriter, _ *http.Request) {
	always, err := b.synced()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"config": {"sync_always": %t}}`+"\n", always)
}

// keep starts the server again when one of its stores has failed to write, which it does when the disk
// is full: the server refuses further writes then, for good, also where there is room again. It
// returns when ctx ends.
func (b *broker) keep(ctx context.Context, room func() error) {
	const shortest, longest = time.Second, time.Minute
	pause := shortest
	var alarm alarm
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		err := b.failed()
		// While the disk is still full a restart would fail in the same way: the pause stays short, so
		// that room is noticed at once.
		if err == nil || room() != nil {
			alarm, pause = 0, shortest
			continue
		}
		if !alarm.raised(err) {
			continue
		}
		// Where it is not the disk's size that is wrong, a restart a second would only hide it.
		pause = min(2*pause, longest)
		b.settings.Logger.Warn("starting the broker again: it could not write, and there is room now", "err", err)
		b.stop()
		if err := b.start(); err != nil {
			b.settings.Logger.Error("broker does not start", "err", err)
		}
	}
}

// alarm counts looks that found a failed store, one after the other.
type alarm int

// looks is how many of them make a restart. A stream that is being made or removed has a directory and no store, or none
// any more: a look in that moment finds it lost, which the next ones do not.
const looks = 3

// raised takes the finding of a look, and says whether the server is to be started again. One that does not run is at once.
func (a *alarm) raised(err error) bool {
	if *a++; *a < looks && !errors.Is(err, errNoBroker) {
		return false
	}
	*a = 0
	return true
}

// failed says what the server itself reports as wrong with its stores, nil where they are well.
func (b *broker) failed() error {
	s := b.server()
	if s == nil {
		return errNoBroker
	}
	return storeFault(s.Healthz(nil))
}

// storeFault picks from what the server says of itself what is about its stores.
// Status 500 is about its ports: it gives itself a millisecond to look at them, which a busy machine does not, and a
// restart for that would cut every connection of a lab that is well.
func storeFault(h *server.HealthStatus) error {
	if h.Status == "ok" || h.StatusCode == http.StatusInternalServerError {
		return nil
	}
	return errors.New(h.Error)
}

// stop ends the server and waits until its store is closed.
// May be called again, and between two starts.
func (b *broker) stop() {
	b.mu.Lock()
	s := b.running
	b.running = nil
	b.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// expandConfig puts values in place of the $-variables of nats.conf. The server itself reads
// them from its environment only, where every child process would see them too.
func expandConfig(text string, values map[string]string) string {
	var pairs []string
	for name, value := range values {
		quoted, err := json.Marshal(value)
		if err != nil {
			panic(err) // a string always encodes
		}
		// The colon before it keeps a $ in a comment from being taken for a variable.
		pairs = append(pairs, ": $"+name, ": "+string(quoted))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// splitListen cuts host:port as listen flags have it. An empty host is loopback, never all
// interfaces: whoever means those writes 0.0.0.0.
// Port 0 takes a free one. An IPv6 address stands in brackets, as in [::1]:4222.
func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q: want host:port, such as 127.0.0.1:4222", listen)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listen address %q: the port is %q, allowed are 0 to 65535", listen, text)
	}
	return host, port, nil
}

// brokerLog passes the server's own log on. What is routine there is debug here.
type brokerLog struct{ logger *slog.Logger }

func (l brokerLog) say(level slog.Level, format string, v []any) {
	l.logger.Log(context.Background(), level, "broker", "said", fmt.Sprintf(format, v...))
}

// Warnf passes a warning on, but for two: the password in the configuration is 256 random bits that
// nobody chose, and a slow hash of it would cost every connection 60 ms; and the port for websockets is on loopback,
// behind one that takes TLS off.
func (l brokerLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, "Plaintext passwords") && !strings.HasPrefix(format, "Websocket not configured with TLS") {
		l.say(slog.LevelWarn, format, v)
	}
}

func (l brokerLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l brokerLog) Fatalf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l brokerLog) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l brokerLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l brokerLog) Tracef(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
