package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/dispatcher/exports"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/worker"
	"strata/dispatcher/worker/played"
	"strata/events"
	"strata/schemas/config"
	"strata/services/api"
)

// It ends with 0 when it is interrupted, and its jobs go on: they are processes of their own. A
// directory that another worker has is status 1.
func (a *app) workerCommand() *cobra.Command {
	var file, name, data, listen, simulate string
	var registers bool
	var listens config.Listen
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run jobs on the devices of this machine",
		Long: `Take the lab's orders for the devices that hang on this machine, and run each job in a process of
its own. The worker only dials out. Its data directory is its memory: started again on it, it takes
its running jobs back. When it stops, running jobs go on.

The lab's address is https://HOST, its one port, or that of its bus. Where the environment names a proxy for
that (HTTPS_PROXY, NO_PROXY), the worker goes that way, as do its jobs for what they fetch: it needs no other.

A machine that was enrolled ("strata worker enroll") needs no flag. Else --token or STRATA_TOKEN is what
"strata workers register" printed. On the lab's own machine the
worker registers itself and needs none; elsewhere --register does the same where the lab's address
holds the name and password of somebody who may.

--simulate serves devices that are played: so many of type sim, or those of a script, see
docs/simulation.md. With --register they are put into the lab first. Nothing is kept on disk.`,
		Example: "  strata worker --name lab2 --server https://lab.example.com --token strata1_…\n  strata worker\n  strata worker --simulate 20 --register --name rehearsal",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return usageError{err}
			}
			logger, err := a.newLogger(c.Log)
			if err != nil {
				return usageError{err}
			}
			given := cmd.Flags().Changed
			if given("name") || c.Worker.Name == "" {
				c.Worker.Name = name
			}
			if given("data") || c.Data == "" {
				c.Data = data
			}
			// Tried at once: what is tried again and again would hide that the directory is wrong.
			if err := os.MkdirAll(c.Data, 0o700); err != nil {
				return fmt.Errorf("make the worker's data directory: %w", err)
			}
			if !registers {
				if err := a.asEnrolled(&c, given("name")); err != nil {
					return err
				}
			}
			script, err := readScript(simulate)
			if err != nil {
				return err
			}
			w := worker.Deps{Name: events.WorkerName(c.Worker.Name), StateDir: c.Data, Logger: logger, MinFree: uint64(c.Space.Worker), Exports: exportsOf(c.Worker)}
			if given("listen") || c.Listen.Metrics == "" {
				c.Listen.Metrics = listen
			}
			if err := mergeListen(given, &c.Listen, listens); err != nil {
				return err
			}
			pair, err := openings(c.Listen, a.now, logger, opening{"listen.metrics", "--listen", c.Listen.Metrics, true})
			if err != nil {
				return err
			}
			if registers {
				a.token, c.Broker.Token, c.Broker.TokenFile = "", "", ""
			}
			if err := a.introduce(cmd.Context(), c, &w); err != nil {
				return explain(err)
			}
			if err := a.registerDevices(cmd.Context(), w.Name, script, registers); err != nil {
				return explain(err)
			}
			return a.keepWorking(cmd.Context(), w, script, observed{super: newSupervisor(logger, a.now), metrics: newMetrics(), config: c, pair: pair, logger: logger, now: a.now})
		},
	}
	f := cmd.Flags()
	cmd.AddCommand(a.workerEnroll())
	f.StringVar(&file, "config", "", "configuration file")
	f.StringVar(&name, "name", hostname(), "name of this worker in the lab")
	f.StringVar(&listen, "listen", "127.0.0.1:0", "address of /healthz and /metrics")
	listenFlags(f, &listens)
	f.BoolVar(&registers, "register", false, "register this worker first, as the user in the lab's address")
	f.StringVar(&simulate, "simulate", "", "serve devices that are played: a `number` of them, or a script")
	f.StringVar(&data, "data", filepath.Join(a.defaultData(), "worker"), "the worker's data directory")
	return cmd
}

// keepWorking runs a worker until ctx ends, again where it fails.
// READY=1 says that it dials, not that it is let in: the unit of a worker must not fail because the
// lab is away.
func (a *app) keepWorking(ctx context.Context, w worker.Deps, script *played.Script, what observed) error {
	observation, err := observe(what.config.Listen.Metrics, what)
	if err != nil {
		return err
	}
	defer observation.stop(what.logger)
	// A second worker on the same memory would never be let in: it ends, and says why.
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	what.super.start(ctx, "worker", func(ctx context.Context) error {
		err := a.work(ctx, w, script)
		if errors.Is(err, worker.ErrInUse) {
			end(err)
		}
		return err
	})
	// The lab may be away for hours, which the worker takes as it comes: it is ready to dial.
	a.tellManager(managerReady)
	what.super.wait()
	if err := context.Cause(ctx); errors.Is(err, worker.ErrInUse) {
		return fmt.Errorf("%w; stop that one, or name another directory with --data", err)
	}
	return nil
}

// exportsOf is what a worker serves to devices and keeps for jobs.
// A cache of 0 bytes is none.
func exportsOf(w config.Worker) exports.Settings {
	s := exports.Settings{TFTP: w.TFTP, TFTPDir: w.TFTPDir, Web: w.Web, FilePorts: w.Ports}
	if w.Cache > 0 {
		s.Cache = pipeline.Store{Dir: w.CacheDir, Limit: w.Cache}
	}
	return s
}

// introduce finds out where the lab is and what token the worker has there. Without a token it
// registers itself, which the lab allows to people on its own machine.
// Tokens in this order: flag or environment, configuration, its file. w.Token is never empty where it
// returns nil.
func (a *app) introduce(ctx context.Context, c config.Config, w *worker.Deps) error {
	w.Servers, w.Token = a.server, a.token
	if w.Servers == "" {
		w.Servers = c.Broker.URL
	}
	if w.Token == "" {
		w.Token = c.Broker.Token
	}
	if w.Token == "" && c.Broker.TokenFile != "" {
		text, err := a.readText(c.Broker.TokenFile)
		if err != nil {
			return fmt.Errorf("read the worker's token: %w", err)
		}
		w.Token = strings.TrimSpace(text)
	}
	if w.Servers == "" {
		r, err := a.local()
		if err != nil {
			return err
		}
		w.Servers = r.NATS
	}
	if w.Token != "" {
		return nil
	}
	client, done, err := a.client()
	if err != nil {
		return fmt.Errorf("the worker has no token, and cannot register itself: %w", err)
	}
	defer done()
	token, err := register(ctx, client, w.Name)
	w.Token, w.Servers = token, withoutUser(w.Servers)
	return err
}

// withoutUser takes a name and password out of an address: they would win over the worker's token,
// and let its jobs do what somebody else may.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	u.User = nil
	return u.String()
}

// register puts a worker into the lab, if it is not there, and returns its token.
// Asked again it gives the same token: a worker that has lost its disk comes back as itself.
func register(ctx context.Context, c api.Client, name events.WorkerName) (string, error) {
	var w api.Worker
	err := c.Call(ctx, "workers.register", api.WorkerRequest{Worker: name}, &w)
	if err != nil {
		return "", fmt.Errorf("register worker %s: %w", name, err)
	}
	return w.Token, nil
}

// work runs a worker until ctx ends; with a script its devices are played.
// The job's command is this binary: worker and jobs are of one build.
func (a *app) work(ctx context.Context, w worker.Deps, script *played.Script) error {
	if script != nil {
		return a.playDevices(ctx, w, *script)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this binary: %w", err)
	}
	w.Command, w.Build, w.Now, w.After = []string{self, "job"}, version, a.now, time.After
	return worker.Run(ctx, w)
}

// startWorker runs a worker in the process of `strata up`.
// Its data lies below the lab's: no other worker of the machine has it.
func (l *running) startWorker(ctx context.Context, c api.Client) error {
	name := events.WorkerName(l.flags.worker)
	token, err := register(ctx, c, name)
	if err != nil {
		return err
	}
	w := worker.Deps{
		Name: name, Servers: l.broker.url(), Token: token, StateDir: filepath.Join(l.config.Data, "worker", string(name)),
		MinFree: uint64(l.config.Space.Worker), Exports: exportsOf(l.config.Worker), Logger: l.logger.With("service", "worker"),
	}
	l.super.start(ctx, "worker", func(ctx context.Context) error { return l.app.work(ctx, w, nil) })
	return nil
}

// hostname returns the machine's own name, which is what LAVA calls a worker by default.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
