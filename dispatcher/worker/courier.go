package worker

import (
	"context"
	"path/filepath"

	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// spoolSent is what a courier says when it is done.
type spoolSent struct {
	job   *job
	lines uint64
	err   error
}

// dispatchCourier sends what is left of a job's spool, under the job's own credential: the process
// that should have sent it has ended. Most often nothing is left, and the courier finds out without a
// connection.
func (s *supervisor) dispatchCourier(j *job) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.couriers[j] = cancel
	dir, o, servers := filepath.Join(j.dir, jobproc.SpoolDir), j.Order, s.Servers
	s.wait.Go(func() {
		defer cancel()
		lines, err := jobproc.Drain(ctx, dir, o, servers, s.Logger)
		select {
		case s.spools <- spoolSent{j, lines, err}:
		case <-s.ctx.Done():
		}
	})
}

// emptied reports that all output of a job is on the bus.
func (s *supervisor) emptied(sent spoolSent) {
	j := sent.job
	delete(s.couriers, j)
	if j.unwanted {
		if err := s.discard(j); err != nil {
			// At the next holding report dispatch asks for it again.
			s.Logger.Error("job stays", "job", j.Job, "error", err)
		}
		return
	}
	if sent.err != nil {
		if s.ctx.Err() == nil {
			s.Logger.Error("spool of job cannot be sent", "job", j.Job, "lines", sent.lines, "error", sent.err)
		}
		return // tried again at the next look
	}
	s.report(j, order.Report{Claim: order.SpoolEmpty, Lines: sent.lines})
	j.Emptied = true
	s.save(j)
}
