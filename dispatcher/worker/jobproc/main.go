package jobproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/protocol"
	"strata/events"
	"strata/events/access"
	"strata/schemas/order"
)

// linger is how long the process stays after its result to send the rest of its output. The worker
// goes on with what is left, so a broker that is away keeps no device waiting.
const linger = 5 * time.Second

// Job is what a [Deps.Run] is given.
type Job struct {
	Order   order.Order
	Dir     string
	Log     *output.Logger  // what it writes is in the spool when it returns
	Scratch string          // an empty directory for downloads and overlays, removed after the job
	Again   <-chan struct{} // closed when a job that is canceled is asked to end once more
	Ask     protocol.Ask    // reaches the job's multinode group; nil where it is in none

	Keyboard *connection.Keyboard // that people take over by way of the bus
}

// Deps is what the process needs from outside.
type Deps struct {
	// Run does the job and says how it ended; Lines of the verdict are filled in here. When the job is
	// canceled ctx ends with a pipeline.CanceledBy as its cause, and Run powers the device off and
	// returns as soon as it can. See [Pipeline].
	Run    func(ctx context.Context, j Job) order.Verdict
	Now    func() time.Time
	Logger *slog.Logger // to standard error, which the worker keeps
}

// reserveBytes is how much room is kept for the result.
const reserveBytes = 64 << 10

// Main runs the job whose order lies in dir. It returns nil where the job passed or failed by itself,
// and an error where there is nothing the result could be written for.
func Main(dir string, d Deps) error {
	// Before the directory is claimed: from then on the worker sends signals.
	ctx, again, stop := dispatcher.Signals(context.Background())
	defer stop()
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
	return perform(ctx, Job{Order: o, Dir: dir, Scratch: filepath.Join(dir, ScratchDir), Again: again}, task, d)
}

// perform runs the job between opening its spool and writing its result.
func perform(ctx context.Context, j Job, task Task, d Deps) error {
	spoolDir := filepath.Join(j.Dir, SpoolDir)
	spool, err := output.OpenSpool(spoolDir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	j.Log = output.New(output.Settings{Now: d.Now, Write: spool.Append, Limit: j.Order.Work.OutputLimit,
		Files: output.FileLimits{File: j.Order.Work.FileLimit, Job: j.Order.Work.FilesLimit}})
	hideSecrets(j)
	if err := os.MkdirAll(j.Scratch, 0o755); err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	reserve := filepath.Join(j.Dir, ReserveFile)
	if err := os.WriteFile(reserve, make([]byte, reserveBytes), 0o600); err != nil {
		return fmt.Errorf("reserve room for the result: %w", err)
	}
	bus, err := dial(spoolDir, j.Order, task.Servers, d.Logger)
	if err != nil {
		return err
	}
	defer bus.conn.Close()
	bus.publisher.Grown = spool.Grown()
	if j.Order.Work.Group != "" {
		me := access.Principal{Role: access.Job, Job: events.JobID(j.Order.Job), Lease: events.Lease(j.Order.Lease)}
		j.Ask = protocol.Bus{Conn: bus.conn, Inbox: me.Inbox()}.Ask
	}
	j.Keyboard = connection.NewKeyboard(j.Log)
	if err := bus.hear(events.JobID(j.Order.Job), j.Keyboard); err != nil {
		return err
	}
	sending, stop := context.WithCancel(context.Background()) // goes on when the job is canceled
	defer stop()
	said, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		bus.run(sending, said)
	}()

	letGo := context.AfterFunc(ctx, j.Keyboard.Close) // a job that is canceled has a device to power off
	verdict := d.Run(ctx, j)
	letGo()
	j.Keyboard.Close()
	if err := j.Log.Err(); err != nil && verdict.Result == "pass" {
		// Part of what the job said is not on the disk, so nobody could see why it passed.
		verdict = order.Verdict{Result: "fail", ErrorType: "Infrastructure", Error: "the job's output could not be kept: " + err.Error()}
	}
	verdict.Lines = spool.Lines()
	if err := errors.Join(os.Remove(reserve), spool.Close(), Write(filepath.Join(j.Dir, ResultFile), verdict)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	close(said)
	select {
	case <-sent:
	case <-time.After(linger):
		stop()
		<-sent
	}
	return nil
}

// hideSecrets has no log of the job show what its order has that is secret.
func hideSecrets(j Job) {
	j.Log.Mask(j.Order.Work.Credential)
	for _, secret := range j.Order.Work.Secrets {
		j.Log.Mask(secret)
	}
}
