package api

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// errAllRead ends the reading of a log that has come to its end.
var errAllRead = errors.New("all lines have been sent")

// openLog sends a job's log from a line on.
// The flow ends with the log: at once, or with Follow when ingestion has read all that the job has
// said. An erased log is [NotFound]; a job that never had a device has an empty one.
func (a *api) openLog(who caller, body []byte) (producer, error) {
	in, err := decode[LogRequest](body)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit func(message) error) error {
		facts, err := a.jobFacts(ctx, in.Job)
		if err != nil {
			return err
		}
		if err := a.mayJob(who, lab.View, in.Job); err != nil {
			return err
		}
		if erased, _ := removed(facts); erased {
			return refuse(NotFound, "the log of job %d was erased; strata events job/%d tells by whom", in.Job, in.Job)
		}
		j, _ := viewFacts(facts)
		first := in.Job
		if in.Whole && j.RetriedAs != 0 && !in.Resumed {
			if err := a.mayAttempt(who, first, j.RetriedAs); err != nil {
				return err
			}
			in.Job = j.RetriedAs
			if j, err = a.attempt(ctx, in.Job); err != nil {
				return err
			}
		}
		still := a.stillSees(who)
		for {
			if !j.Over() || j.Lease != 0 { // else refused or withdrawn: it never said anything
				err := a.sendLog(ctx, in, func(m message) error {
					if err := still(in.Job); err != nil {
						return err
					}
					return emit(m)
				})
				if err != nil {
					return err
				}
			}
			// Following a whole job means its last attempt, which nobody knows to be the last until
			// it is decided.
			next, err := a.furtherLog(ctx, in)
			if err != nil || next == 0 {
				return err
			}
			if err := a.mayAttempt(who, first, next); err != nil {
				return err
			}
			in.Job, in.From, j = next, 0, Job{}
		}
	}, nil
}

// furtherLog returns the attempt whose log comes after that of a request, 0 for none. Only who follows waits for one.
func (a *api) furtherLog(ctx context.Context, in LogRequest) (events.JobID, error) {
	switch {
	case in.Whole && in.Follow:
		return a.nextAttempt(ctx, in.Job)
	case in.Whole && in.Resumed:
		j, err := a.attempt(ctx, in.Job)
		return j.RetriedAs, err
	}
	return 0, nil
}

// stillSees returns what says, for one reader of a stream that may last for hours, whether the caller may see a job still.
// It asks again only when rights, or the devices of jobs, have changed.
func (a *api) stillSees(who caller) func(events.JobID) error {
	var of events.JobID
	var told uint64
	return func(job events.JobID) error {
		now := a.rightsTold.Load()
		if job == of && now == told {
			return nil
		}
		of, told = job, now
		return a.mayJob(who, lab.View, job)
	}
}

// tellsRights says of a fact that who may see which job may hang on it.
func tellsRights(e events.Event) bool {
	switch e.(type) {
	case events.PermissionsSet, events.GroupJoined, events.GroupLeft, events.GroupConfigured, events.GroupRemoved, events.UserConfigured, events.UserRemoved,
		events.SchedulingPolicySet, events.LabOpened, events.DeviceAdded, events.DeviceRemoved, events.DeviceTypeConfigured, events.DeviceTypeRemoved,
		events.JobScheduled, events.JobReturned:
		return true
	}
	return false
}

// logEnd is what one reader of a log knows of its end.
// Two goroutines meet here: the reader, and the one that learns from facts where the end is.
// Whichever is the second sees that the end is reached.
type logEnd struct {
	mu      sync.Mutex
	over    bool   // all of the job's output is in the stream
	last    uint64 // then: the sequence of its last frame
	lines   uint64 // and how many lines it has
	through uint64 // sequence in OUTPUT up to which the reader has read
}

// reached notes how far the reader has come, and reports whether that is the end.
// It may be called again and again with the same sequence.
func (e *logEnd) reached(through uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.through = max(e.through, through)
	return e.over && e.through >= e.last
}

// complete notes where the end is, and reports whether the reader is there already.
func (e *logEnd) complete(c events.JobOutputComplete) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over, e.last, e.lines = true, c.OutputSeq, c.Lines
	return e.through >= e.last
}

// lacks reports whether a reader who is due a line has not got all.
func (e *logEnd) lacks(line uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over && line < e.lines
}

// sendLog reads frames and emits them until the log's end.
// It returns nil at the end, emit's error as it is, or the log's. Doubles and disorder of frames are
// dealt with by [stream.Log.ReadOutput]; a frame may begin before in.From.
func (a *api) sendLog(asked context.Context, in LogRequest, emit func(message) error) error {
	ctx, cancel := context.WithCancel(asked)
	var end logEnd
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	if in.Follow {
		group.Add(1)
		go func() {
			defer group.Done()
			// Cancelled only where the reader is at the end already; else it comes there by itself.
			if c, ok := a.outputComplete(ctx, in.Job); ok && end.complete(c) {
				cancel()
			}
		}()
	}
	due := in.From // line
	hand := func(f stream.OutputFrame) error {
		due = max(due, f.End())
		return emit(message{body: f.Body, header: map[string]string{
			events.HeaderJob:       in.Job.String(),
			events.HeaderFirstLine: strconv.FormatUint(f.First, 10),
			events.HeaderLines:     strconv.FormatUint(f.Count, 10),
		}})
	}
	frame := func(f stream.OutputFrame) error {
		err := hand(f)
		if err == nil && end.reached(f.Seq) {
			return errAllRead
		}
		return err
	}
	caughtUp := func(through uint64) error {
		if end.reached(through) {
			return errAllRead
		}
		return nil
	}
	var err error
	if in.Follow {
		// Followers of one job share a reader of the stream: a thousand of them read it once.
		watch := a.watching.Watch
		if in.Newest {
			watch = a.watching.WatchNewest
		}
		err = watch(ctx, in.Job, in.From, frame, caughtUp)
	} else {
		err = a.log.ReadOutput(ctx, stream.OutputReader{
			Job: in.Job, ToEnd: true, Frame: frame, CaughtUp: caughtUp,
			Next:     func(events.JobID, events.Lease) uint64 { return in.From },
			SkipGaps: true, // a person who looks on is told of a gap by the line numbers, not made to wait
		})
	}
	if err != nil && !errors.Is(err, errAllRead) || asked.Err() != nil || !end.lacks(due) {
		return ignoreAllRead(err)
	}
	// A broker whose disk was full has told of sequences that it could not keep, and given them away again once there was room:
	// who had read so far passed over what has them now.
	return a.log.ReadOutput(asked, stream.OutputReader{Job: in.Job, ToEnd: true, SkipGaps: true, Frame: hand,
		Next: func(events.JobID, events.Lease) uint64 { return due }})
}

// ignoreAllRead returns nil for the end of a log.
func ignoreAllRead(err error) error {
	if errors.Is(err, errAllRead) {
		return nil
	}
	return err
}

// outputComplete waits until all output of a job has been read by ingestion, and returns what it said then: the
// sequence of the last frame in OUTPUT, and how many lines there are. It reports false when ctx ends first.
// A job that was refused or withdrawn never says anything: its end is 0.
// False comes only with the end of ctx, or with a log that cannot be read.
func (a *api) outputComplete(ctx context.Context, job events.JobID) (end events.JobOutputComplete, ok bool) {
	for {
		a.mu.RLock()
		j, changed := a.state.Job(job), a.changed
		settled := j == nil || j.Run != nil && j.Run.OutputComplete || j.State == lab.Finished && j.Run == nil
		a.mu.RUnlock()
		if settled {
			// The state says that it has ended, the facts where: it keeps no sequences of OUTPUT.
			facts, err := a.jobFacts(ctx, job)
			if err != nil {
				return end, false
			}
			for _, r := range facts {
				switch e := r.Event.(type) {
				case events.JobOutputComplete:
					return e, true
				case events.JobRejected, events.JobWithdrawn:
					return end, true
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return end, false
		}
	}
}
