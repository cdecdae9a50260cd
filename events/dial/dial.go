// Package dial finds the way to a lab's bus: it makes a connection of an address as people write it.
//
// # Addresses
//
//   - nats://HOST:4222 and tls://HOST:4222 are the broker's own port, reached directly.
//   - wss://HOST/nats and ws://HOST/nats are the bus behind the lab's one port: NATS over websocket.
//   - https://HOST and http://HOST are the lab itself, as browsers know it; its bus is at /nats below that.
//
// Several addresses of one kind may stand in a row with commas between them.
//
// # Proxies
//
// What goes to a port of the web goes by the proxy of the environment, where it names one for that host
// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY; loopback is never proxied), by the method CONNECT. The proxy looks up the
// lab's name, so the machine needs no name server. The broker's own port is reached directly: there is no rule by
// which proxies are named for it.
package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Path is where a lab has its bus, below its address.
const Path = "/nats"

// patience is how long the way may take: through a proxy, and the handshakes of TLS and websocket.
const patience = 20 * time.Second

// Connect connects to the bus at an address. The options come after those that the way asks for.
func Connect(address string, options ...nats.Option) (*nats.Conn, error) {
	settled, own, err := Options(address)
	if err != nil {
		return nil, err
	}
	return nats.Connect(settled, append(own, options...)...)
}

// Options returns an address as NATS' library has it, and what to tell the library for the way there.
func Options(address string) (settled string, options []nats.Option, err error) {
	return through(address, func(u *url.URL) (*url.URL, error) {
		return http.ProxyFromEnvironment(&http.Request{URL: u})
	})
}

// through is Options with proxies that the caller knows: proxy returns that of a URL of http or https.
func through(address string, proxy func(*url.URL) (*url.URL, error)) (settled string, options []nats.Option, err error) {
	var all []string
	scheme := ""
	for text := range strings.SplitSeq(address, ",") {
		text = strings.TrimSpace(text)
		web, err := behindPath(text)
		if err != nil {
			return "", nil, err
		}
		if web != nil {
			text = web.String()
			if scheme != "wss" {
				scheme = web.Scheme
			}
		}
		all = append(all, text)
	}
	settled = strings.Join(all, ",")
	if scheme == "" {
		return settled, nil, nil
	}
	d := dialer{scheme: strings.Replace(scheme, "ws", "http", 1), proxy: proxy, patience: patience}
	return settled, []nats.Option{
		nats.SetCustomDialer(d), nats.Timeout(patience / 2),
		nats.SkipHostLookup(), // the proxy knows the name, and the dialer below looks it up where there is none
		// Brokers tell of one another by addresses of their own, which the one port does not have.
		nats.IgnoreDiscoveredServers(),
	}, nil
}

// behindPath returns an address that is reached by websocket; nil of one of NATS' own.
func behindPath(text string) (*url.URL, error) {
	scheme, _, _ := strings.Cut(text, "://")
	web := map[string]string{"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}[strings.ToLower(scheme)]
	if web == "" || !strings.Contains(text, "://") {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("address of the lab: %w", errors.Unwrap(err)) // without the text, which may hold a password
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("address of the lab %q names no host: write it like https://lab.example.com", u.Redacted())
	}
	if strings.HasPrefix(strings.ToLower(scheme), "http") && path.Base(u.Path) != path.Base(Path) {
		u = u.JoinPath(Path)
	}
	u.Scheme = web
	return u, nil
}

// dialer opens the byte stream that NATS' library then speaks TLS and websocket on.
type dialer struct {
	scheme   string // of the web, by which proxies are named: http or https
	proxy    func(*url.URL) (*url.URL, error)
	patience time.Duration
}

// Dial connects to host:port, through the proxy where there is one for it.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.patience)
	defer cancel()
	proxy, err := d.proxy(&url.URL{Scheme: d.scheme, Host: address})
	if err != nil {
		return nil, fmt.Errorf("proxy for %s: %w", address, err)
	}
	var conn net.Conn
	if proxy == nil {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	} else if conn, err = tunnel(ctx, proxy, address); err != nil {
		err = fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	if err != nil {
		return nil, err
	}
	// The library has no limit of its own for the handshakes that follow; it sets its own deadlines after them.
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// tunnel asks a proxy for a way to host:port.
func tunnel(ctx context.Context, proxy *url.URL, address string) (net.Conn, error) {
	port := map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	if port == "" {
		return nil, fmt.Errorf("%s is no kind of proxy that is known here: http and https are", proxy.Scheme)
	}
	if p := proxy.Port(); p != "" {
		port = p
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: proxy.Hostname(), MinVersion: tls.VersionTLS12})
	}
	if err := ask(conn, proxy.User, address); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// ask sends the request CONNECT and reads the answer.
func ask(conn net.Conn, user *url.Userinfo, address string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, r)
	if err != nil {
		return fmt.Errorf("its answer cannot be read: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it opens no way to %s: %s", address, answer.Status)
	}
	if reader.Buffered() > 0 {
		return fmt.Errorf("it speaks before %s was spoken to", address) // in TLS and websocket clients begin
	}
	return nil
}
