package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events/access"
	"strata/events/dial"
	"strata/events/stream"
	"strata/schemas/config"
	"strata/services/archive"
)

// It ends with 0 when it is interrupted. A service that fails is started again and shown by /healthz;
// the command itself ends only over what concerns all of them, such as a port.
func (a *app) serveCommand() *cobra.Command {
	var file string
	c := config.Defaults()
	c.Data = a.defaultData()
	// The help lists the table of services, so that it cannot be out of date.
	var names strings.Builder
	for _, s := range services() {
		fmt.Fprintf(&names, "\n  %-12s %s", s.name, s.about)
	}
	cmd := &cobra.Command{
		Use:   "serve SERVICE…",
		Short: "Run some services against a broker elsewhere",
		Long: `Run some of the lab's services in this process, against the broker that --server or STRATA_SERVER
names. A service may run in several processes at once: they meet in the log, and none waits for
another. The data directory holds the lab's secret, the file "key" (see "strata keys").

The services are:` + names.String(),
		Example: `  strata serve scheduling submission --server nats://broker:4222 --monitor http://broker:8222
  STRATA_CLICKHOUSE_DSN=http://default@clickhouse:8123/strata strata serve projector --server nats://broker:4222`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(serviceNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			merged, err := mergeConfig(cmd, file, c)
			if err != nil {
				return err
			}
			picked, err := pick(args)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("websocket") {
				merged.Broker.Websocket = c.Broker.Websocket
			}
			if a.room != nil {
				a.room()
			}
			return a.serve(cmd.Context(), merged, picked)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration file")
	f.StringVar(&c.Data, "data", c.Data, "directory with the lab's file \"key\"")
	nameFlag(f, &c)
	f.StringVar(&c.Listen.SQL, "listen-sql", c.Listen.SQL, "address of ClickHouse's HTTP interface, of the service sqldoor")
	f.StringVar(&c.Listen.HTTP, "listen", "127.0.0.1:0", "address of /healthz and /metrics, and of the APIs with the service api")
	f.Uint64Var(&c.Jobs.First, "first-job", c.Jobs.First, "number of the first job of a new lab")
	f.StringVar(&c.Broker.Websocket, "websocket", "", "where the broker speaks websocket, for clients who come by /nats, such as ws://broker:4223")
	listenFlags(f, &c.Listen)
	f.StringVar(&c.Broker.Monitor, "monitor", "", "monitoring address of the broker, to ask whether it syncs")
	f.BoolVar(&c.Broker.AllowLossy, "allow-lossy-broker", false, "use a broker that may lose acknowledged facts when the power fails")
	return cmd
}

// serve runs services until ctx ends.
// Ports are opened before the broker is there, so that a container's health check is answered while it
// waits.
func (a *app) serve(ctx context.Context, c config.Config, picked []service) error {
	logger, err := a.newLogger(c.Log)
	if err != nil {
		return usageError{err}
	}
	// Processes of one machine would all open the file's one port.
	if c.Listen.Metrics == "" {
		c.Listen.Metrics = "127.0.0.1:0"
		// The file's address of the APIs is meant where they are; the default would be one port for all processes.
		if hasAPI(picked) && c.Listen.HTTP != config.Defaults().Listen.HTTP {
			c.Listen.Metrics = c.Listen.HTTP
		}
	}
	pair, err := openings(c.Listen, a.now, logger, portsOf(c.Listen, picked)...)
	if err != nil {
		return err
	}
	server, err := a.brokerOf(&c)
	if err != nil {
		return err
	}
	key, err := access.OpenKey(keyPath(c.Data))
	if err != nil {
		return err
	}
	super, m := newSupervisor(logger, a.now), newMetrics()
	door := surroundings{config: c, logger: logger, now: a.now}.newDoor()
	what := observed{super: super, metrics: m, door: door, private: hasAPI(picked), config: c, pair: pair, logger: logger, now: a.now}
	if c.Broker.Websocket != "" {
		what.more = bus{busAt(c.Broker.Websocket), door, logger}.patterns()
	}
	observation, err := observe(c.Listen.Metrics, what)
	if err != nil {
		return err
	}
	defer observation.stop(logger)
	logger.Info("serving", "health", observation.url()+"/healthz")

	// A broker that is not there yet is waited for: containers start in any order.
	conn, err := dial.Connect(server, nats.Name("strata serve"), nats.UserInfo(access.ServiceUser, key.Password()),
		nats.CustomInboxPrefix(access.ServiceInbox), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", server, err)
	}
	defer conn.Close()
	store, err := openArchive(c, a.env)
	if err != nil {
		return err
	}
	settings := stream.Settings{
		Archive: archive.NewReader(store).Archive(),
		Now:     a.now, Logger: logger, FirstJob: c.Jobs.First, Replicas: c.Broker.Replicas,
		OutputBytes: c.Broker.OutputBytes, AsyncOutput: c.Broker.AsyncOutput, AllowLossyBroker: c.Broker.AllowLossy,
	}
	if c.Broker.Monitor != "" {
		settings.Synced = stream.SyncedByMonitor(c.Broker.Monitor)
	}
	log, err := openWhenThere(ctx, conn, settings)
	if err != nil {
		return err
	}
	dsn := c.ClickHouse.DSN
	if env := a.env("STRATA_CLICKHOUSE_DSN"); env != "" {
		dsn = env
	}
	further := func(o ...nats.Option) (*nats.Conn, error) { return dial.Connect(withoutUser(server), o...) }
	s := surroundings{config: c, dial: further, log: log, key: key, logger: logger, now: a.now, dsn: dsn, metrics: m, archive: store, door: door, pair: pair,
		room: roomIn(c.Data, c.Space.Server)}
	if s.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this binary: %w", err)
	}
	s.servers = withoutUser(server)
	if s.vouch, err = newVouchers(c, key, a.now, logger); err != nil {
		return err
	}
	s.live, s.lavaWorkers = s.newLive(), s.newLAVAWorkers()
	s.start(ctx, super, picked)
	super.wait()
	return nil
}

// hasAPI says that the api is among services.
func hasAPI(picked []service) bool {
	return slices.ContainsFunc(picked, func(s service) bool { return s.name == "api" })
}

// portsOf is what services open.
// Only those of the services that run here, so that a file for all processes can name them all.
func portsOf(l config.Listen, picked []service) []opening {
	all := []opening{{"listen.metrics", "--listen", l.Metrics, true}}
	for _, p := range picked {
		switch p.name {
		case "sqldoor":
			all = append(all, opening{"listen.sql", "--listen-sql", l.SQL, true})
		case "live":
			all = append(all, opening{"listen.events", "", l.Events, false})
		case "multinode":
			all = append(all, opening{"listen.coordinator", "", l.Coordinator, false})
		}
	}
	return all
}

// brokerOf returns the address of the broker: that of a lab on this machine where nothing names one, which is then
// asked whether it syncs, too.
// Flags win over the file, and the file over the running lab.
func (a *app) brokerOf(c *config.Config) (string, error) {
	if a.server != "" || c.Broker.URL != "" {
		return cmp.Or(a.server, c.Broker.URL), nil
	}
	r, err := a.local()
	if err != nil {
		return "", err
	}
	c.Broker.Monitor = cmp.Or(c.Broker.Monitor, r.HTTP)
	return r.NATS, nil
}

// openWhenThere opens the log once the connection stands.
// It waits for as long as it takes; the error is that of ctx, or one of the streams' settings.
func openWhenThere(ctx context.Context, conn *nats.Conn, s stream.Settings) (*stream.Log, error) {
	for !conn.IsConnected() {
		status := conn.StatusChanged(nats.CONNECTED)
		if conn.IsConnected() {
			break
		}
		select {
		case <-status:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return stream.Open(ctx, conn, s)
}
