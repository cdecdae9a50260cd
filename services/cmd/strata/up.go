package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"strata/events/access"
	"strata/events/stream"
	"strata/projections/engine"
	"strata/schemas/config"
	"strata/services/api"
	"strata/services/archive"
)

// upFlags are what the flags of `strata up` say beside the configuration.
type upFlags struct {
	file     string       // of the configuration
	ready    string       // file to write once everything serves
	worker   string       // name of a worker to run in the same process
	services []string     // to run; none: all
	up       chan<- ready // told where the lab is once everything serves; may be nil
}

// It ends with 0 when it is interrupted. The line "strata is up" on standard output, the --ready file
// and READY=1 to systemd all come when everything serves, and not before.
func (a *app) upCommand() *cobra.Command {
	var f upFlags
	c := config.Defaults()
	c.Data = a.defaultData()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a whole lab in one process",
		Long: `Start a whole lab in one process: a broker that keeps its streams in the data directory, every
service, and a ClickHouse engine as a child process. It goes on until it is interrupted; started
again on the same directory, it goes on where it was.

The addresses are loopback by default. A certificate (--tls-certificate, --tls-key) encrypts them, and an
address of the network is refused without one, unless --allow-plaintext says that something else encrypts. One port
is enough: pages, APIs and the bus, at /nats, are all behind --listen. The lab is closed: its first start writes the credential of its
administrator, "local", into the file "administrator" of the data directory, which the commands of the
same user find by themselves; everybody else needs a token (see "strata users" and "strata tokens"). Workers on other machines dial in
with a token of their own (see "strata workers register").

--ready names a file that is written once everything serves: one JSON object with the addresses
"nats", "http" and "sql". Port 0 takes a free port. The other commands of the same user find the
lab without it.

The worker in the same process (--worker) serves files to devices on loopback, where virtual devices
find them; a configuration file names other addresses for boards.

A configuration file (--config) sets the same and more; flags win. ` + "`STRATA_CLICKHOUSE_DSN`" + ` names a
ClickHouse server to use instead of the engine.`,
		Example: `  strata up
  strata up --name "Kernel lab" --data /srv/lab --listen 0.0.0.0:443 --tls-certificate lab.pem --tls-key lab.key
  strata up --data $(mktemp -d) --listen 127.0.0.1:0 --listen-nats 127.0.0.1:0 --listen-sql 127.0.0.1:0 --ready ready.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			merged, err := mergeConfig(cmd, f.file, c)
			if err != nil {
				return err
			}
			if f.file == "" {
				merged.Worker = onLoopback(merged.Worker)
			}
			if a.room != nil {
				a.room()
			}
			return a.up(cmd.Context(), merged, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.file, "config", "", "configuration file")
	fl.StringVar(&c.Data, "data", c.Data, "directory of everything that the lab keeps")
	nameFlag(fl, &c)
	fl.StringVar(&c.Listen.HTTP, "listen", c.Listen.HTTP, "address of HTTP: the APIs, /healthz and /metrics")
	fl.StringVar(&c.Listen.NATS, "listen-nats", c.Listen.NATS, "address of the broker")
	fl.StringVar(&c.Listen.SQL, "listen-sql", c.Listen.SQL, "address of ClickHouse's HTTP interface; \"\" starts no engine")
	listenFlags(fl, &c.Listen)
	fl.Uint64Var(&c.Jobs.First, "first-job", c.Jobs.First, "number of the first job of a new lab")
	fl.StringVar(&f.ready, "ready", "", "file to write once everything serves")
	fl.StringVar(&f.worker, "worker", "", "run a worker of this name in the same process")
	fl.StringSliceVar(&f.services, "services", nil, "run only these services, with commas between them; \"none\" runs the broker alone")
	return cmd
}

// onLoopback keeps a worker's servers for devices off the network.
// Port 69 is TFTP's; where it is taken or not allowed the worker says so when a job needs it.
func onLoopback(w config.Worker) config.Worker {
	w.TFTP, w.Web = "127.0.0.1:69", "127.0.0.1:0"
	return w
}

// nameFlag is the flag for the lab's name, of commands that serve its pages.
func nameFlag(f *pflag.FlagSet, c *config.Config) {
	f.StringVar(&c.Name, "name", c.Name, "name of the lab, in the head and the titles of its pages")
}

// mergeConfig reads the configuration file and puts the flags that were given over it.
// A flag counts where it was given, whatever its value: --listen-sql "" switches the engine off though
// the file names an address. The flags of all callers are looked for; one that a command does not have
// was not given.
func mergeConfig(cmd *cobra.Command, file string, flags config.Config) (config.Config, error) {
	c, err := config.Load(file)
	if err != nil {
		return c, usageError{err}
	}
	given := cmd.Flags().Changed
	if given("data") || c.Data == "" {
		c.Data = flags.Data
	}
	if given("name") {
		if err := config.CheckName(flags.Name); err != nil {
			return c, misuse("--name %v", err)
		}
		c.Name = flags.Name
	}
	if given("listen") {
		c.Listen.HTTP, c.Listen.Metrics = flags.Listen.HTTP, flags.Listen.HTTP
	}
	if given("listen-nats") {
		c.Listen.NATS = flags.Listen.NATS
	}
	if given("listen-sql") {
		c.Listen.SQL = flags.Listen.SQL
	}
	if err := mergeListen(given, &c.Listen, flags.Listen); err != nil {
		return c, err
	}
	if given("first-job") {
		c.Jobs.First = flags.Jobs.First
	}
	if given("monitor") {
		c.Broker.Monitor = flags.Broker.Monitor
	}
	if given("allow-lossy-broker") {
		c.Broker.AllowLossy = flags.Broker.AllowLossy
	}
	if c.Jobs.First == 0 {
		return c, misuse("--first-job 0: numbers begin at 1")
	}
	return c, nil
}

// up runs a lab until ctx ends.
// In this order: addresses that cannot be are refused before anything is made on disk, and the
// directory is locked before anything in it is read.
func (a *app) up(ctx context.Context, c config.Config, f upFlags) error {
	logger, err := a.newLogger(c.Log)
	if err != nil {
		return usageError{err}
	}
	pair, err := openings(c.Listen, a.now, logger,
		opening{"listen.http", "--listen", c.Listen.HTTP, true}, opening{"listen.nats", "--listen-nats", brokerAddress(c.Listen.NATS), true},
		opening{"listen.sql", "--listen-sql", c.Listen.SQL, true},
		opening{"listen.coordinator", "", c.Listen.Coordinator, false}, opening{"listen.events", "", c.Listen.Events, false})
	if err != nil {
		return err
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	release, err := lockData(c.Data)
	if err != nil {
		return err
	}
	defer release()
	key, err := access.OpenKey(keyPath(c.Data))
	if err != nil {
		return err
	}
	room := roomIn(c.Data, c.Space.Server)
	administrator, err := writeAdministrator(c.Data, key)
	if err != nil {
		return err
	}
	settings := brokerSettings{Data: c.Data, Listen: c.Listen.NATS, Key: key, Logger: logger}
	if exposed(brokerAddress(c.Listen.NATS)) {
		settings.TLS = pair.config()
	}
	b, err := startBroker(settings)
	if err != nil {
		return err
	}
	defer b.stop()

	l := &running{app: a, administrator: administrator, config: c, flags: f, logger: logger, broker: b, key: key, room: room, pair: pair,
		super: newSupervisor(logger, a.now), metrics: newMetrics()}
	return l.run(ctx)
}

// running is a lab that `strata up` runs.
type running struct {
	app    *app
	config config.Config
	flags  upFlags
	logger *slog.Logger
	broker *broker
	key    access.Key
	pair   *certificates // of all ports; nil: plaintext
	room   func() error
	super  *supervisor

	administrator string // the credential
	metrics       *metrics

	mu    sync.Mutex
	notes map[string]string // what is away
}

// run starts what stands on the broker and waits for the end of ctx. What was started last is
// stopped first: services, then the engine that they write to, then (by the caller) the broker.
func (l *running) run(ctx context.Context) error {
	if err := shareAdministrator(l.config.Data, l.config.Administrators); err != nil {
		return err
	}
	conn, err := l.broker.connect()
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	defer conn.Close()
	store, err := openArchive(l.config, l.app.env)
	if err != nil {
		return err
	}
	log, err := stream.Open(ctx, conn, stream.Settings{
		Archive: archive.NewReader(store).Archive(),
		Now:     l.app.now, Logger: l.logger, Synced: l.broker.synced, FirstJob: l.config.Jobs.First,
		OutputBytes: l.config.Broker.OutputBytes, AsyncOutput: l.config.Broker.AsyncOutput,
	})
	if err != nil {
		return err
	}
	if l.config.Listen.SQL, err = settledAddress(l.config.Listen.SQL); err != nil {
		return err
	}
	// It outlives ctx: services write to it until they have ended.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	dsn, waitEngine, err := l.startEngine(engineCtx)
	defer func() { stopEngine(); waitEngine() }()
	if err != nil {
		return err
	}

	picked, err := pick(l.flags.services)
	if err != nil {
		return err
	}
	serviceCtx, stop := context.WithCancel(ctx)
	defer func() { stop(); l.super.wait() }()
	opened, served := make(chan struct{}), make(chan struct{})
	s := surroundings{config: l.config, dial: l.broker.dial, log: log, key: l.key, logger: l.logger, now: l.app.now, dsn: dsn, room: l.room, metrics: l.metrics, archive: store, pair: l.pair,
		open: sync.OnceFunc(func() { close(opened) }), served: sync.OnceFunc(func() { close(served) })}
	if s.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this binary: %w", err)
	}
	s.servers = l.broker.url()
	if s.vouch, err = newVouchers(l.config, l.key, l.app.now, l.logger); err != nil {
		return err
	}
	s.door, s.live, s.lavaWorkers = s.newDoor(), s.newLive(), s.newLAVAWorkers()
	s.start(serviceCtx, l.super, picked)
	// Beside the services, so that /healthz shows it as one.
	l.super.start(serviceCtx, "broker", func(ctx context.Context) error { l.broker.keep(ctx, l.room); return ctx.Err() })

	more := bus{func() (*url.URL, error) { return l.broker.websocket(), nil }, s.door, l.logger}.patterns()
	more["GET /jsz"] = l.broker.jsz
	observation, err := observe(l.config.Listen.HTTP, observed{super: l.super, metrics: l.metrics, notes: l.away, more: more, door: s.door, private: hasAPI(picked),
		config: l.config, pair: l.pair, logger: l.logger, now: l.app.now})
	if err != nil {
		return err
	}
	defer observation.stop(l.logger)
	// With services left out nobody can say when it serves: then the ports are up, and that is all.
	if len(l.flags.services) == 0 {
		// Who knocks before somebody answers is left standing at the door for seconds.
		for _, ready := range []chan struct{}{opened, served} {
			select {
			case <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := untilAnswers(ctx, conn, l.broker.url(), l.administrator); err != nil {
			return err
		}
		client := api.Client{Conn: conn, User: access.Local}
		if l.flags.worker != "" {
			if err := l.startWorker(serviceCtx, client); err != nil {
				return err
			}
		}
	}
	return l.announce(ctx, observation.url(), dsn)
}

// announce tells everybody where the lab is, once it serves, and waits for the end of ctx.
// The note is taken away when it returns, so that commands do not look for a lab that has ended.
func (l *running) announce(ctx context.Context, http, dsn string) (err error) {
	r := ready{Token: l.administrator, NATS: l.broker.url(), HTTP: http, SQL: l.sqlAddress(dsn), Data: l.config.Data, PID: os.Getpid()}
	// Only its own engine is noted: another server's address is configured, and may hold a password.
	if l.config.ClickHouse.DSN == "" && l.app.env("STRATA_CLICKHOUSE_DSN") == "" {
		r.Engine = dsn
	}
	if l.flags.file != "" {
		if r.Config, err = filepath.Abs(l.flags.file); err != nil {
			return fmt.Errorf("find the configuration: %w", err)
		}
	}
	if other, err := l.app.noted(); err == nil && other.PID != r.PID && alive(other.PID) {
		fmt.Fprintf(l.app.err, "strata: another lab of yours runs in %s: commands find this one now, and that one with --server %s\n", other.Data, other.NATS)
	}
	forget, err := l.app.note(r)
	if err != nil {
		l.logger.Warn("other commands will not find this lab by themselves", "err", err)
	} else {
		defer forget()
	}
	if err := l.app.publish(r); err != nil {
		l.logger.Warn("others on this machine will not find this lab by themselves", "err", err)
	}
	// Last: whoever waits for the file may at once call commands that look for the note.
	if l.flags.ready != "" {
		if err := writeSecret(l.flags.ready, r); err != nil {
			return fmt.Errorf("write --ready file: %w", err)
		}
	}
	if l.flags.up != nil {
		l.flags.up <- r
	}
	fmt.Fprintf(l.app.out, "strata is up: pages %s, bus %s, SQL %s\ndata in %s; interrupt to stop\n",
		r.HTTP, r.NATS, or(r.SQL), l.config.Data)
	l.app.tellManager(managerReady)
	<-ctx.Done()
	l.app.tellManager(managerStopping)
	l.logger.Info("stopping")
	return nil
}

// startEngine starts the ClickHouse engine, or uses the server that a DSN names. A lab without the
// library goes on without history, and says so.
// dsn is empty where there is none. wait returns when the child has ended; it is never nil.
func (l *running) startEngine(ctx context.Context) (dsn string, wait func(), err error) {
	wait = func() {}
	dsn = l.config.ClickHouse.DSN
	if env := l.app.env("STRATA_CLICKHOUSE_DSN"); env != "" {
		dsn = env
	}
	if dsn != "" || l.config.Listen.SQL == "" {
		return dsn, wait, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", wait, fmt.Errorf("find this binary: %w", err)
	}
	if library := l.config.ClickHouse.Library; library != "" {
		// The child looks for it where everybody does.
		if err := os.Setenv("STRATA_CHDB_LIB", library); err != nil {
			return "", wait, fmt.Errorf("clickhouse.library: %w", err)
		}
	}
	v, err := engine.Start(ctx, engine.Settings{
		Command: []string{self, "clickhouse"}, Path: filepath.Join(l.config.Data, "clickhouse"),
		Database: "strata", Logger: l.logger.With("service", "clickhouse"), Stderr: l.app.err,
	})
	if errors.Is(err, engine.ErrNoLibrary) {
		l.logger.Warn("no ClickHouse: SQL and lists of finished jobs are away", "err", err)
		l.setAway("clickhouse", err.Error())
		return "", wait, nil
	}
	if err != nil {
		return "", wait, fmt.Errorf("start the ClickHouse engine: %w", err)
	}
	return v.DSN(), v.Wait, nil
}

func (l *running) setAway(what, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notes == nil {
		l.notes = map[string]string{}
	}
	l.notes[what] = why
}

// away returns what /healthz says of parts that are missing without the lab being ill.
// A copy, since /healthz writes it while services set theirs.
func (l *running) away() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	notes := map[string]string{}
	for what, why := range l.notes {
		notes[what] = why
	}
	if err := l.room(); err != nil {
		notes["space"] = err.Error()
	}
	return notes
}

// untilAnswers waits until a person of this machine is let in and answered, which is when a lab
// serves: access and api have folded what there is by then.
// There is no bound of time: a lab with a long log takes as long as it needs, and ctx ends the
// waiting.
func untilAnswers(ctx context.Context, own *nats.Conn, broker, token string) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		if err := answers(ctx, own, broker, token); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// answers logs in as the administrator does, and asks for the lab's state. Of a broker that listens on an
// address of the network only, the process's own connection asks.
func answers(ctx context.Context, own *nats.Conn, broker, token string) error {
	conn := own
	if u, err := url.Parse(broker); err == nil && local(u.Hostname()) {
		person, err := nats.Connect(broker, nats.Name("strata up"), nats.Token(token))
		if err != nil {
			return fmt.Errorf("log in at %s: %w", broker, err)
		}
		defer person.Close()
		conn = person
	}
	return api.Client{Conn: conn, User: access.Local}.Call(ctx, "status", nil, nil)
}

// local tells whether an address to listen on takes connections from loopback.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsLoopback() || a.IsUnspecified())
}

// settledAddress turns port 0 into a free port, which others are told before the service listens, and
// refuses an address that it could not listen on.
// Between this and the service's own bind another process may take the port; the service then fails
// and says so.
func settledAddress(listen string) (string, error) {
	if listen == "" {
		return "", nil
	}
	probe, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("listen for SQL: %w", err)
	}
	defer probe.Close()
	return probe.Addr().String(), nil
}

// sqlAddress returns where SQL is answered; nowhere without ClickHouse.
func (l *running) sqlAddress(dsn string) string {
	if dsn == "" || l.config.Listen.SQL == "" {
		return ""
	}
	if l.pair == nil || !exposed(l.config.Listen.SQL) {
		return "http://" + l.config.Listen.SQL
	}
	host, port, err := net.SplitHostPort(l.config.Listen.SQL)
	if err != nil {
		return "https://" + l.config.Listen.SQL
	}
	return "https://" + net.JoinHostPort(l.pair.host(host), port)
}

// lockData keeps a second lab off a data directory.
// The kernel lets the lock go when the process ends, however it does: none is left behind to be
// removed.
func lockData(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another strata runs on %s: stop it, or name another directory with --data", dir)
	}
	return func() { f.Close() }, nil
}
