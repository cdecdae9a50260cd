package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// laboratory lists the figures of the third area.
func laboratory() []measure {
	return []measure{
		{[]figure{{"full lives of jobs", "1/s", 116, false,
			"Eight clients publish definitions for devices that `strata worker --simulate N` plays in a process of its own: each job says two lines and records a result. " +
				"The time runs from the first publication until `DeviceReleased` of the last job is in `LAB`: submitted, scheduled, ordered, started, finished, output read. " +
				"Everything shares the machine: lab, worker, clients."},
			{"submit to released p99", "ms", 0, true, "The same jobs one by one: from the fact that a job was submitted to the fact that its device is free again; most of it is waiting for a device."}}, lives},
	}
}

// playedJob is a short definition for a played device.
// What happens in its one action, the played device says.
const playedJob = `job_name: live
device_type: sim
visibility: public
timeouts: {job: {minutes: 15}, action: {minutes: 5}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`

// lives measures how many jobs a second go from submission to the release of their device.
func lives(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "lives"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	end, err := l.playedWorker(ctx, benchWorker, strconv.Itoa(b.sizes.played))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	log, err := l.log(ctx)
	if err != nil {
		return nil, err
	}
	for range b.runs {
		row, err := live(ctx, l, log)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// playedWorker starts a worker whose devices are played, so many or those of a script, and waits until it is online. The
// function that it returns ends it.
// Its output goes to worker.log, which an error shows.
func (l *lab) playedWorker(ctx context.Context, name events.WorkerName, script string) (end func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	said, err := os.Create(filepath.Join(l.dir, "worker.log"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	command := exec.Command(l.b.strata, "worker", "--simulate", script, "--register", "--name", string(name),
		"--server", l.NATS, "--data", filepath.Join(l.dir, "worker"))
	command.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+l.b.scratch)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	end = func() error {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			return fmt.Errorf("stop the worker: %w", err)
		}
		// A worker that is interrupted ends with status 0, so that anything else is an error of the
		// run.
		return command.Wait()
	}
	person, err := l.person()
	if err != nil {
		return nil, errors.Join(err, end())
	}
	// Coarse: what is measured begins after this.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var workers []api.Worker
		if err := person.Call(ctx, "workers.list", nil, &workers); err != nil {
			return nil, errors.Join(err, end())
		}
		for _, w := range workers {
			if w.Worker == name && w.State == "Online" {
				return end, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := os.ReadFile(said.Name())
			return nil, errors.Join(fmt.Errorf("the worker does not come online: %w\n%s", ctx.Err(), text), end())
		}
	}
}

// live lets jobs live, and returns the figures.
// The clock of each job runs by the times of the facts; since is read by the same goroutine that
// writes it.
func live(ctx context.Context, l *lab, log *stream.Log) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	last, err := log.Last(ctx, stream.Lab)
	if err != nil {
		return nil, err
	}
	over := make(chan error, 1)
	var ended time.Time
	var took []time.Duration
	go func() {
		since := map[events.JobID]time.Time{}
		n := 0
		over <- until(ctx, log, last+1, func(r stream.Recorded) bool {
			switch e := r.Event.(type) {
			case events.JobSubmitted:
				since[e.Job] = r.Time
			case events.DeviceReleased:
				took = append(took, r.Time.Sub(since[e.Job]))
				ended = l.b.now()
				n++
			}
			return n == l.b.sizes.lives
		})
	}()
	began := l.b.now()
	err = all(clients, func(c int) error {
		person, err := l.person()
		if err != nil {
			return err
		}
		// Each client has a connection of its own and waits for its own acknowledgements, as programs
		// of different people do.
		for i := c; i < l.b.sizes.lives; i += clients {
			if _, err := submitText(ctx, person.Conn, playedJob); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := <-over; err != nil {
		return nil, fmt.Errorf("wait for the last job: %w", err)
	}
	return []float64{float64(l.b.sizes.lives) / ended.Sub(began).Seconds(), percentile(took, 99)}, nil
}
