package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	keys "strata/events/access"
	"strata/events/stream"
	"strata/projections"
	"strata/schemas/config"
	"strata/schemas/job"
	"strata/services/access"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/lavaworker"
	"strata/services/api/live"
	"strata/services/api/quota"
	"strata/services/archive"
	"strata/services/dispatch"
	"strata/services/health"
	"strata/services/ingestion"
	"strata/services/judgement"
	"strata/services/multinode"
	"strata/services/projector"
	"strata/services/scheduling"
	"strata/services/sqldoor"
	"strata/services/submission"
)

// submitters is of how many users it is remembered how much they published on the bus; who has been quiet longest is
// forgotten, and begins anew.
const submitters = 16 << 10

// surroundings is what every service of a process is started with.
// It is copied to each service: what they share is behind pointers, and nothing in it is changed once
// they run.
type surroundings struct {
	config  config.Config
	dial    func(...nats.Option) (*nats.Conn, error) // a further connection to the same broker
	log     *stream.Log                              // of no writer; each service gets its own
	key     keys.Key
	logger  *slog.Logger
	now     func() time.Time
	dsn     string       // of ClickHouse; empty: there is none
	room    func() error // why no new submissions are taken, or nil
	metrics *metrics
	archive archive.Store // of what the streams forget
	open    func()        // called once people, workers and jobs are let in; may be nil
	served  func()        // called once the door stands open; may be nil
	door    *door.Door    // in front of the api's HTTP interfaces
	pair    *certificates // of this process's ports; nil: plaintext
	live    *live.Live    // behind it: what happens, as it happens
	vouch   vouchers      // who says who somebody is, beside the lab

	servers     string              // addresses of the broker, for workers
	self        string              // path of this binary
	lavaWorkers *lavaworker.Workers // stand-ins for workers of LAVA
}

// service is a row of the table of services.
type service struct {
	name  string
	about string
	run   func(ctx context.Context, s surroundings, log *stream.Log, logger *slog.Logger) error
}

// services lists what a lab consists of, in the order in which a job meets them. A row is the only
// place where a service is known to the commands.
// Each of them returns nil when its ctx ends; any other return has the supervisor start it again.
func services() []service {
	return []service{
		{"access", "lets workers, jobs and people in, each with their own rights", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			system, err := s.dial(access.SystemOptions(s.key)...)
			if err != nil {
				return fmt.Errorf("connect to the broker's system account: %w", err)
			}
			defer system.Close()
			return access.Run(ctx, access.Deps{Log: log, Key: s.key, Now: s.now, Logger: l, System: system, Ready: s.open})
		}},
		{"submission", "checks definitions that were published, and numbers their parts", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			published := quota.New(quota.Rate{PerSecond: s.config.Limits.TokenRate, Burst: s.config.Limits.TokenBurst}, submitters)
			return submission.Run(ctx, submission.Deps{Log: log, Logger: l, Rules: job.Rules{ExtraContext: s.config.Jobs.ExtraContext},
				QueueTimeout: s.config.Jobs.QueueTimeout, Retry: s.config.Jobs.Retry, Refuse: s.refuse, Counts: &s.metrics.counts.submission,
				Admit: func(user events.UserName, at time.Time) time.Duration {
					if v := published.Take(string(user), at); !v.OK {
						return max(v.Wait, 1)
					}
					return 0
				}})
		}},
		{"scheduling", "gives waiting jobs their devices", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return scheduling.Run(ctx, scheduling.Deps{Log: log, Now: s.now, Logger: l, Instance: instance(), Metrics: &s.metrics.counts.scheduling})
		}},
		{"dispatch", "hands jobs to workers, and believes their reports or not", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return dispatch.Run(ctx, dispatch.Deps{Log: log, Key: s.key, Now: s.now, Logger: l,
				LostAfter: s.config.Jobs.WorkerLossLimit, OutputLimit: s.config.Jobs.OutputLimit,
				FileLimit: s.config.Jobs.FileLimit, FilesLimit: s.config.Jobs.FilesLimit})
		}},
		{"ingestion", "turns output into results", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return ingestion.Run(ctx, ingestion.Deps{Log: log, Now: s.now, Logger: l})
		}},
		{"multinode", "lets the jobs of a multinode group talk to each other", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			door, err := s.coordinator()
			if err != nil {
				return err
			}
			return multinode.Run(ctx, multinode.Deps{Log: log, Now: s.now, Logger: l, Listen: door})
		}},
		{"health", "frees devices after jobs, and has them checked", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return health.Run(ctx, health.Deps{Log: log, Logger: l, Metrics: &s.metrics.counts.health})
		}},
		{"judgement", "says what the end of each job means, and what changed", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			history, done, err := s.history()
			if err != nil {
				return err
			}
			defer done()
			return judgement.Run(ctx, judgement.Deps{Log: log, Now: s.now, Logger: l, DB: history.DB, By: s.config.Jobs.CompareBy})
		}},
		{"notify", "tells people and programs of jobs, as definitions ask", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return s.runNotify(ctx, log, l)
		}},
		{"projector", "keeps ClickHouse's tables behind the log", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			return projector.Run(ctx, projector.Deps{Log: log, DSN: s.dsn, Now: s.now, Logger: l, Metrics: s.metrics.counts.projector,
				Retention: projections.Retention(s.config.Retention)})
		}},
		{"archive", "keeps what the streams held, and lets them forget it", func(ctx context.Context, s surroundings, log *stream.Log, _ *slog.Logger) error {
			return s.runArchive(ctx, log)
		}},
		{"sqldoor", "answers ClickHouse's HTTP interface, each caller with the rows that they may see", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			history, done, err := s.history()
			if err != nil {
				return err
			}
			defer done()
			return sqldoor.Run(ctx, sqldoor.Deps{Log: log, Now: s.now, DB: history.DB, Key: s.key, Listen: s.config.Listen.SQL, TLS: s.sqlTLS(), Logger: l})
		}},
		{"live", "tells LAVA's events to who listens", func(ctx context.Context, s surroundings, log *stream.Log, _ *slog.Logger) error {
			return s.live.Run(ctx, log)
		}},
		{"lavaworkers", "stands in for workers of LAVA, whose dispatchers run jobs of this lab", func(ctx context.Context, s surroundings, _ *stream.Log, _ *slog.Logger) error {
			return s.lavaWorkers.Run(ctx)
		}},
		{"api", "answers the commands, and writes what people change", func(ctx context.Context, s surroundings, log *stream.Log, l *slog.Logger) error {
			history, done, err := s.history()
			if err != nil {
				return err
			}
			defer done()
			defer s.door.Shut()
			return api.Run(ctx, api.Deps{Log: log, Now: s.now, Logger: l, Key: s.key, History: history, Version: version, Refuse: s.refuse, Directory: s.vouch.directory,
				Logs: filepath.Join(s.config.Data, "logs"), Metrics: s.metrics.counts.api, Rate: quota.Rate{PerSecond: s.config.Limits.TokenRate, Burst: s.config.Limits.TokenBurst}, Ready: s.openDoor})
		}},
	}
}

// sqlTLS is how the SQL door is encrypted. On loopback, as the broker, it is not: nobody listens on the way, and no
// certificate is for that address.
func (s surroundings) sqlTLS() *tls.Config {
	if !exposed(s.config.Listen.SQL) {
		return nil
	}
	return s.pair.config()
}

// refuse says why no new submissions are taken, or nothing.
// Asked for each submission, so it looks at the disk and nothing else.
func (s surroundings) refuse() string {
	if err := s.room(); err != nil {
		return err.Error()
	}
	return ""
}

// coordinator opens the port of LAVA's multinode protocol, where one is configured.
// LAVA's port for it is 3079.
func (s surroundings) coordinator() (net.Listener, error) {
	if s.config.Listen.Coordinator == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.config.Listen.Coordinator)
	if err != nil {
		return nil, fmt.Errorf("listen for LAVA's multinode protocol (listen.coordinator): %w", err)
	}
	return l, nil
}

// history opens the way to ClickHouse, where there is one.
// No question is asked yet: a server that is away is found out by who asks first. done is nil only
// beside an error.
func (s surroundings) history() (h api.History, done func(), err error) {
	if s.dsn == "" {
		return api.History{}, func() {}, nil
	}
	db, err := projections.Open(s.dsn)
	if err != nil {
		return api.History{}, nil, err
	}
	return api.History{DB: db, Retention: projections.Retention{Logs: s.config.Retention.Logs, Results: s.config.Retention.Results}}, func() { _ = db.Close() }, nil
}

// instance names this process among those that run the same service.
// Host and process number, by which two processes of scheduling are told apart in the log.
func instance() string { return fmt.Sprintf("%s-%d", hostname(), os.Getpid()) }

// serviceNames returns the names of all services.
func serviceNames() []string {
	var names []string
	for _, s := range services() {
		names = append(names, s.name)
	}
	return names
}

// noServices is the name that stands for running none.
const noServices = "none"

// pick returns the services of those names; all of them where no name is given.
// A name that is not there is a misuse, which lists those that are; one that is named twice runs once.
func pick(names []string) ([]service, error) {
	all := services()
	switch {
	case len(names) == 0:
		return all, nil
	case len(names) == 1 && names[0] == noServices:
		return nil, nil
	}
	var picked []service
	for _, name := range names {
		i := slices.IndexFunc(all, func(s service) bool { return s.name == name })
		if i < 0 {
			return nil, misuse("there is no service %q; there are %s", name, strings.Join(serviceNames(), ", "))
		}
		if !slices.ContainsFunc(picked, func(s service) bool { return s.name == name }) {
			picked = append(picked, all[i])
		}
	}
	for _, name := range []string{"live", "lavaworkers"} {
		if slices.Contains(names, name) && !slices.Contains(names, "api") {
			return nil, misuse("%s answers behind the api's door, and nobody without it: name api too, such as `strata serve api %s`", name, name)
		}
	}
	return picked, nil
}

// start runs services under a supervisor, each with a log of its own name.
// A log under the service's own name is what lets each event have one writer: an append of another's
// event is refused.
func (s surroundings) start(ctx context.Context, super *supervisor, picked []service) {
	for _, p := range picked {
		log := s.log.As(events.Service(p.name))
		s.metrics.watch(p.name, log)
		logger := s.logger.With("service", p.name)
		super.start(ctx, p.name, func(ctx context.Context) error { return p.run(ctx, s, log, logger) })
	}
}

// newLogger returns the logger that the configuration asks for.
// Levels are slog's (debug, info, warn, error); formats text and json, the lines on standard error.
func (a *app) newLogger(c config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(a.err, o)), nil
}
