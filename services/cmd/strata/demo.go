package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events"
	"strata/schemas/config"
	"strata/services/api"
)

// What the demo submits, and the device that it runs on.
var (
	//go:embed demo/job.yaml
	demoJob string
	//go:embed demo/device.yaml
	demoDevice string
)

// demoName is the demo's one device, and its worker.
const demoName = "demo"

// It is what a newcomer runs first: everything is real, nothing is played. The status is that of its
// job.
func (a *app) demoCommand() *cobra.Command {
	var data string
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See one real job walk through a lab",
		Long: `Start a lab in this process, with a worker and a virtual device; publish a job that boots a Linux
kernel in QEMU and runs a few tests on its console; show its log as it arrives, its results, and
what ClickHouse makes of them. --keep leaves the lab running for the other commands.

It needs a kernel and a ramdisk: "make demo" fetches them, STRATA_ASSETS names a directory that has
bzImage and initramfs.cpio.gz.`,
		Example: "  make demo\n  strata demo --keep",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			assets, err := a.assets()
			if err != nil {
				return err
			}
			if data == "" {
				if data, err = os.MkdirTemp("", "strata-demo-"); err != nil {
					return fmt.Errorf("make a directory for the demo: %w", err)
				}
				defer os.RemoveAll(data) //nolint:errcheck // what stays behind is in the temporary directory
			}
			return a.demo(cmd.Context(), data, assets, keep)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "directory of the demo's lab (default: a new one, removed afterwards)")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the lab running until it is interrupted")
	return cmd
}

// assets returns the directory with the demo's kernel and ramdisk.
// Of several sets that were fetched whole the last by name counts; one that was cut short has no file
// "complete".
func (a *app) assets() (string, error) {
	if dir := a.env("STRATA_ASSETS"); dir != "" {
		return dir, nil
	}
	made, err := filepath.Glob(filepath.Join(a.cacheDir(), "assets-*", "complete"))
	if err != nil || len(made) == 0 {
		return "", errors.New("the demo has no kernel to boot: run `make demo`, or name a directory with bzImage and initramfs.cpio.gz in STRATA_ASSETS")
	}
	return filepath.Dir(made[len(made)-1]), nil
}

// step says what the demo does now.
func (a *app) step(format string, args ...any) {
	fmt.Fprintf(a.out, "\n%s\n", a.paint(a.out, bold, "==> "+fmt.Sprintf(format, args...)))
}

// demo runs the whole walk.
func (a *app) demo(ctx context.Context, data, assets string, keep bool) error {
	a.step("Starting a lab in one process: broker, services, ClickHouse, a worker")
	ctx, stop := context.WithCancel(ctx)
	lab, wait, err := a.demoLab(ctx, data)
	defer wait()
	// First stop, then wait: deferred calls run from the last to the first.
	defer stop()
	if err != nil {
		return err
	}
	// From here on the demo does what anybody could do from another terminal.
	person := *a
	person.server, person.token = lab.NATS, lab.Token
	c, done, err := person.client()
	if err != nil {
		return err
	}
	defer done()
	fmt.Fprintf(a.out, "bus %s   health %s/healthz   data %s\n", lab.NATS, lab.HTTP, data)

	a.step("Adding a virtual device to the lab")
	err = c.Call(ctx, "devices.add", api.DeviceRequest{Device: demoName, DeviceType: "qemu", Worker: demoName,
		Dictionary: demoDevice, Health: events.Good, Description: "a PC in QEMU"}, nil)
	if err != nil && !api.HasCode(err, api.Conflict) { // a kept directory has it already
		return err
	}
	address, stopFiles, err := serveFiles(assets)
	if err != nil {
		return err
	}
	defer stopFiles()

	definition := strings.ReplaceAll(demoJob, "${ASSETS}", address)
	a.step("Publishing a job definition of %d bytes on %s", len(definition), submitTo(c.User))
	job, err := publish(ctx, c, []byte(definition))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "the bus gave it number %d\n\n", job)
	// All but what only people who debug a pipeline read.
	shown := []events.Level{events.Info, events.Warning, events.Error, events.Exception, events.Input, events.Target, events.Results}
	ended := person.follow(ctx, c, job, followed{shown, true})
	if ended != nil && !errors.Is(ended, errQuiet) {
		return ended
	}
	if err := person.demoTables(ctx, c, job); err != nil {
		return err
	}
	if ended != nil || !keep {
		fmt.Fprintf(a.out, "\nThis lab ends here. `make demo KEEP=1` leaves one running to look around in; README.md has a tour.\n")
		return ended
	}
	a.step("The lab goes on until you interrupt it")
	self := os.Args[0] // as it was typed: bin/strata need not be on the PATH
	fmt.Fprintf(a.out, "in another terminal: %[1]s jobs --all, %[1]s logs %[2]d, %[1]s sql (a prompt); SQL over HTTP at %[3]s with a token (%[1]s tokens add)\n", self, job, lab.SQL)
	again := filepath.Join(data, "job.yaml")
	if err := os.WriteFile(again, []byte(definition), 0o600); err != nil {
		return fmt.Errorf("write the demo's job: %w", err)
	}
	fmt.Fprintf(a.out, "the job once more: %s submit %s --follow\n", self, again)
	<-ctx.Done()
	return nil
}

// demoLab starts `strata up` in this process and returns its addresses once it serves. Its own log
// goes to a file. wait returns when the lab has ended.
func (a *app) demoLab(ctx context.Context, data string) (r ready, wait func(), err error) {
	wait = func() {}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return ready{}, wait, fmt.Errorf("make the demo's directory: %w", err)
	}
	logName := filepath.Join(data, "strata.log")
	logFile, err := os.Create(logName)
	if err != nil {
		return ready{}, wait, fmt.Errorf("make the lab's log: %w", err)
	}
	lab := *a
	lab.out, lab.err = io.Discard, logFile
	c := config.Defaults()
	c.Data, c.Listen = data, config.Listen{HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0", SQL: "127.0.0.1:0"}
	// A laptop's disk may have less free than what a lab wants to keep, and a demo needs little.
	c.Space.Server, c.Space.Worker = 100<<20, 100<<20
	c.Worker = onLoopback(c.Worker)
	up, ended, failed := make(chan ready, 1), make(chan struct{}), error(nil)
	go func() {
		defer close(ended)
		failed = lab.up(ctx, c, upFlags{worker: demoName, up: up})
		logFile.Close()
	}()
	wait = func() { <-ended }
	select {
	case r := <-up:
		return r, wait, nil
	case <-ended:
		text, _ := os.ReadFile(logName) // may be empty; the error itself says enough
		return ready{}, wait, fmt.Errorf("the lab did not start: %w\n%s", failed, bytes.TrimSpace(text))
	}
}

// demoTables shows what ClickHouse has of the job, as soon as it has all of it.
func (a *app) demoTables(ctx context.Context, c api.Client, job events.JobID) error {
	var r api.Results
	if err := c.Call(ctx, "jobs.results", api.JobRequest{Job: job}, &r); err != nil {
		return err
	}
	query := func(text, format string) (string, error) {
		var out bytes.Buffer
		err := c.Stream(ctx, "sql", api.SQLRequest{Query: text, Format: format}, func(m *nats.Msg) error {
			out.Write(m.Data)
			return nil
		})
		return out.String(), err
	}
	count := fmt.Sprintf("SELECT count() FROM test_cases WHERE job = %d", job)
	// The tables follow within a second; a minute is for a machine that is busy with other things.
	deadline := time.Now().Add(time.Minute)
	for {
		n, err := query(count, "TSV")
		if err == nil && strings.TrimSpace(n) == fmt.Sprint(len(r.Cases)) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the tables do not follow: ClickHouse has %q of %d results: %w", strings.TrimSpace(n), len(r.Cases), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, q := range []string{
		fmt.Sprintf("SELECT suite, name, result, measurement, units FROM test_cases WHERE job = %d AND suite != 'lava' ORDER BY line", job),
		fmt.Sprintf("SELECT level, count() AS lines FROM log_lines WHERE job = %d GROUP BY level ORDER BY lines DESC", job),
	} {
		a.step("strata sql %q", q)
		answer, err := query(q, "PrettyCompactMonoBlock")
		if err != nil {
			return err
		}
		fmt.Fprint(a.out, answer)
	}
	return nil
}

// serveFiles serves a directory on loopback, as a job's artefacts are usually served.
// Loopback is enough: it is the worker that downloads from here, in this process, and the guest gets
// its files by QEMU's command line.
func serveFiles(dir string) (address string, stop func(), err error) {
	for _, name := range []string{"bzImage", "initramfs.cpio.gz"} {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("the demo needs %s in %s: run `make demo`, which fetches it", name, dir)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve the demo's kernel: %w", err)
	}
	server := &http.Server{Handler: http.FileServerFS(os.DirFS(dir)), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close
	}()
	return "http://" + listener.Addr().String(), func() { _ = server.Close(); <-done }, nil
}
