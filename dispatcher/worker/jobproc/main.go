package jobproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"strata/dispatcher/output"
	"strata/schemas/order"
)

// linger is how long the process stays after its result to send the rest of its output. The worker
// goes on with what is left, so a broker that is away keeps no device waiting.
const linger = 5 * time.Second

// Job is what a [Deps.Run] is given.
type Job struct {
	Order   order.Order
	Log     *output.Logger // what it writes is in the spool when it returns
	Scratch string         // an empty directory for downloads and overlays
	Spool   string         // directory of the job's log
}

// Deps is what the process needs from outside.
type Deps struct {
	// Run does the job and says how it ended; Lines of the verdict are filled in here. When ctx ends
	// its cause is [ErrCanceled], and Run powers the device off and returns as soon as it can.
	Run    func(ctx context.Context, j Job) order.Verdict
	Now    func() time.Time
	Logger *slog.Logger // to standard error, which the worker keeps
}

// ErrCanceled is the cause of the end of a job's context: the process was asked to end.
var ErrCanceled = errors.New("The job was canceled") //lint:ignore ST1005 the text is what LAVA's clients look for

// Main runs the job whose order lies in dir. It returns nil where the job passed or failed by itself,
// and an error where there is nothing the result could be written for.
func Main(dir string, d Deps) error {
	// Before the directory is claimed: from then on the worker sends signals.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	who, err := Identify(os.Getpid())
	if err != nil {
		return err
	}
	release, err := claim(dir, who)
	if err != nil {
		return err
	}
	defer release()
	var o order.Order
	var task Task
	if err := errors.Join(Read(filepath.Join(dir, OrderFile), &o), Read(filepath.Join(dir, TaskFile), &task)); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() { // ends with the process
		for range signals {
			cancel(ErrCanceled)
		}
	}()
	return perform(ctx, dir, o, task, d)
}

// perform runs the job between opening its spool and writing its result.
func perform(ctx context.Context, dir string, o order.Order, task Task, d Deps) error {
	spoolDir := filepath.Join(dir, SpoolDir)
	spool, err := output.OpenSpool(spoolDir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	log := output.New(output.Settings{Now: d.Now, Write: spool.Append, Limit: o.Work.OutputLimit})
	log.Mask(o.Work.Credential)
	scratch := filepath.Join(dir, ScratchDir)
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	bus, err := dial(spoolDir, o, task.Servers, d.Logger)
	if err != nil {
		return err
	}
	defer bus.conn.Close()
	sending, stop := context.WithCancel(context.Background()) // goes on when the job is canceled
	defer stop()
	said, sent := make(chan struct{}), make(chan error, 1)
	go func() { sent <- bus.publisher.Run(sending, said) }()

	verdict := d.Run(ctx, Job{Order: o, Log: log, Scratch: scratch, Spool: spoolDir})
	if err := log.Err(); err != nil && verdict.Result == "pass" {
		// Part of what the job said is not on the disk, so nobody could see why it passed.
		verdict = order.Verdict{Result: "fail", ErrorType: "Infrastructure", Error: "the job's output could not be kept: " + err.Error()}
	}
	verdict.Lines = spool.Lines()
	if err := errors.Join(spool.Close(), Write(filepath.Join(dir, ResultFile), verdict)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	close(said)
	select {
	case err := <-sent:
		return err
	case <-time.After(linger):
		stop()
		<-sent
		return nil
	}
}
