package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"strata/events/lab"
	"strata/events/stream"
)

// AtRequest asks a verb of the lab as it was: after a fact, or at a time. It opens a flow of one message,
// the verb's answer; the headers [HeaderAtSeq] and [HeaderAtTime] say which fact was the last. A flow and no
// plain verb, because reading a long log may take longer than a caller waits for an answer.
// Its callers are `strata at` and REST v1's ?at=; the web's pages show the present only.
type AtRequest struct {
	Seq     uint64          `json:"seq,omitempty"`  // of the last fact in LAB that counts
	Time    *time.Time      `json:"time,omitempty"` // or: all facts that were written until then
	Verb    string          `json:"verb"`           // such as "devices.list"
	Request json.RawMessage `json:"request,omitempty"`
}

// The headers of the answer to [AtRequest].
const (
	// Both are in the answer's headers, so that the body stays what the verb answers today.
	HeaderAtSeq  = "Strata-At-Sequence" // of the last fact that was read
	HeaderAtTime = "Strata-At-Time"     // when that one was written, RFC 3339
)

// travels is how many such requests are answered at the same time: each holds a lab in memory.
const travels = 2

// errPassed ends the reading at the first fact that is too late.
var errPassed = errors.New("the moment has passed")

// verbsAt is what can be asked of the lab as it was: all that is answered from the fold.
// A verb belongs here if it reads nothing but the fold: tables and streams know only the present. Each is asked of
// [past.view], which has none of the caches.
func verbsAt() map[string]handler {
	return map[string]handler{
		"devices.list":      verb((*api).listDevices),
		"devices.show":      verb((*api).showDevice),
		"device-types.list": verb((*api).listDeviceTypes),
		"device-types.show": verb((*api).showDeviceType),
		"tags.list":         verb((*api).listTags),
		"workers.list":      verb((*api).listWorkers),
		"workers.show":      verb((*api).showWorker),
		"queries.list":      verb((*api).listQueries),
		"queries.show":      verb((*api).showQuery),
		"charts.list":       verb((*api).listCharts),
		"charts.show":       verb((*api).showChart),
		"jobs.list":         verb((*api).jobsThen),
		"jobs.show":         verb((*api).showJob), // replaced by [past.showJob], which knows where to stop
	}
}

// openAt answers a verb out of the log.
// Its refusals come before anything is read: [Invalid] for a verb, sequence or time that cannot be meant, [Denied] for those
// from whom parts of the lab are hidden. A moment before the log begins is [NotFound], from within the flow.
func (a *api) openAt(who caller, body []byte) (producer, error) {
	in, err := decode[AtRequest](body)
	if err != nil {
		return nil, err
	}
	handle, ok := verbsAt()[in.Verb]
	switch {
	case !ok:
		known := []string{}
		for name := range verbsAt() {
			known = append(known, name)
		}
		sort.Strings(known)
		return nil, refuse(Invalid, "verb is %q; of the lab as it was one can ask %s", in.Verb, strings.Join(known, ", "))
	case (in.Seq == 0) == (in.Time == nil):
		return nil, refuse(Invalid, "say either seq, from 1, or time")
	}
	// Rights are those of now, also on what was there then. But on which device a job came to run later, the lab as it
	// was does not know, so who may not see all public jobs is shown nothing of it.
	if v := a.sight(who); v.None || v.Hides() {
		return nil, refuse(Denied, "parts of this lab are hidden from you, and the lab as it was does not keep them apart: ask about the lab as it is")
	}
	return func(ctx context.Context, emit func(message) error) error {
		select {
		// Who comes third waits for as long as its flow lives.
		case a.travels <- struct{}{}:
			defer func() { <-a.travels }()
		case <-ctx.Done():
			return ctx.Err()
		}
		p, err := a.travel(ctx, in)
		if err != nil {
			return err
		}
		if err := p.underRightsOfNow(); err != nil {
			return err
		}
		if in.Verb == "jobs.show" {
			// A job that is over has left the fold of any moment; its own facts, cut off at that moment, tell it all the same.
			handle = func(_ *api, ctx context.Context, who caller, body []byte) (any, error) {
				ask, err := decode[JobRequest](body)
				if err != nil {
					return nil, err
				}
				return p.showJob(ctx, who, ask)
			}
		}
		request, err := a.named(ctx, who, in.Request)
		if err != nil {
			return err
		}
		out, err := handle(p.view(), ctx, who, request)
		if err != nil {
			return p.dated(err)
		}
		answer, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("encode reply to %s: %w", in.Verb, err)
		}
		return emit(message{body: answer, header: map[string]string{
			HeaderAtSeq: strconv.FormatUint(p.seq, 10), HeaderAtTime: p.at.UTC().Format(time.RFC3339Nano)}})
	}, nil
}

// past is the lab as it was.
// It is used by one request and has a whole lab in memory until that is answered.
type past struct {
	now   *api // the lab as it is
	state *lab.State
	seq   uint64    // of the last fact that counts
	at    time.Time // when it was written
}

// travel folds the log up to the moment that a request names: from the service's own checkpoint where that
// lies below, else from the first fact.
func (a *api) travel(ctx context.Context, in AtRequest) (past, error) {
	last, err := a.log.Last(ctx, stream.Lab)
	if err != nil {
		return past{}, err
	}
	// A time that is still to come means now; a sequence that is still to come may never be.
	if in.Seq > last {
		return past{}, refuse(NotFound, "there is no fact %d yet; the last is %d", in.Seq, last)
	}
	if p, found := a.fromCheckpoint(ctx, in); found {
		return p, nil
	}
	p := past{now: a, state: lab.New()}
	err = p.read(ctx, in, 1)
	switch {
	case errors.Is(err, stream.ErrArchived):
		return past{}, a.tooLongAgo(ctx)
	case err != nil:
		return past{}, err
	case p.seq == 0:
		return past{}, a.tooLongAgo(ctx)
	}
	return p, nil
}

// fromCheckpoint is travel from the service's last checkpoint. It does not find what lies before that, or
// where the checkpoint cannot be used: the log's first fact is then where to begin.
// It is an optimization that may fail for any reason without harm, so it reports no error.
func (a *api) fromCheckpoint(ctx context.Context, in AtRequest) (past, bool) {
	// The service saves it every minute or so, so it helps only those who ask about what has just been; a question about
	// yesterday reads from the first fact on.
	format, seq, data, err := a.log.LoadCheckpoint(ctx, "api")
	if err != nil || seq == 0 || in.Seq > 0 && seq > in.Seq {
		return past{}, false
	}
	s, err := lab.Decode(format, data)
	if err != nil {
		return past{}, false
	}
	p := past{now: a, state: s}
	// The fact that the checkpoint ends with is read once more: it says whether the checkpoint is too late.
	if err := p.read(ctx, in, seq); err != nil || p.seq == 0 {
		return past{}, false
	}
	return p, true
}

// read folds the facts from a sequence on, until the moment that was asked for.
// It stops at the first fact with a later time, although clocks of writers differ a little: what one asked for "10:00" is the
// lab as the log's order had it then, and that order is the only one.
func (p *past) read(ctx context.Context, in AtRequest, from uint64) error {
	err := p.now.log.ReadAll(ctx, stream.Lab, from, func(r stream.Recorded) error {
		if in.Seq > 0 && r.Seq > in.Seq || in.Time != nil && r.Time.After(*in.Time) {
			return errPassed
		}
		p.state.Evolve(r.Seq, r.Time, r.Event)
		p.seq, p.at = r.Seq, r.Time
		if r.Seq == in.Seq {
			return errPassed
		}
		return nil
	})
	if errors.Is(err, errPassed) {
		return nil
	}
	return err
}

// underRightsOfNow has the lab as it was decide by the accounts, groups and permissions of now: what somebody may no
// longer see, they may not see by asking about the time when they could.
func (p past) underRightsOfNow() error {
	var rule lab.Rule
	var err error
	p.now.read(func(s *lab.State) { rule, err = s.Rule() })
	if err != nil {
		return err
	}
	return p.state.PutUnder(rule)
}

// tooLongAgo refuses a moment before the first fact that the log has.
func (a *api) tooLongAgo(ctx context.Context) error {
	s, err := a.log.JetStream().Stream(ctx, stream.Lab)
	if err != nil {
		return err
	}
	// The stream's own view is enough: it was fetched a moment ago, and its beginning moves only
	// forward.
	first := s.CachedInfo().State
	switch {
	case first.Msgs == 0:
		return refuse(NotFound, "the lab has no facts yet")
	case first.FirstSeq > 1:
		return refuse(NotFound, "the log begins with fact %d of %s: what was before cannot be told from it any more",
			first.FirstSeq, first.FirstTime.UTC().Format(time.RFC3339))
	}
	return refuse(NotFound, "the lab's first fact is of %s: there was no lab before", first.FirstTime.UTC().Format(time.RFC3339))
}

// view is a service that stands at the past moment, and answers what is answered from the fold alone.
// It has no tables, counts, books or turn: a verb that needs one of them would panic or hang here, so it may not stand
// in verbsAt.
func (p past) view() *api {
	return &api{log: p.now.log, conn: p.now.conn, logger: p.now.logger, key: p.now.key, version: p.now.version,
		now: func() time.Time { return p.at }, state: p.state, changed: make(chan struct{})}
}

// showJob shows a job by those of its facts that had been recorded.
func (p past) showJob(ctx context.Context, who caller, in JobRequest) (Job, error) {
	all, err := p.now.jobFacts(ctx, in.Job)
	if err != nil {
		return Job{}, err
	}
	// Whoever may see the job now may see how it was.
	if err := p.now.mayJob(who, lab.View, in.Job); err != nil {
		return Job{}, err
	}
	then := until(all, p.seq)
	j, known := viewFacts(then)
	if !known {
		return Job{}, refuse(NotFound, "there was no job %d", in.Job)
	}
	if j.Parts, err = p.now.groupOf(ctx, then, p.seq, p.now.seesJob(who)); err != nil {
		return Job{}, err
	}
	if j.State == lab.Submitted.String() {
		j.Why = why(p.state, who, in.Job, p.at)
	}
	return j, nil
}

// until returns the facts up to a sequence.
// They are in order of their sequences, as [stream.Log.Load] gives them.
func until(facts []stream.Recorded, seq uint64) []stream.Recorded {
	return facts[:sort.Search(len(facts), func(i int) bool { return facts[i].Seq > seq })]
}

// jobsThen lists the jobs that waited or ran. Those that were over then have left the fold.
func (a *api) jobsThen(ctx context.Context, who caller, in JobsRequest) (Jobs, error) {
	if in.All || in.State == StateFinished {
		return Jobs{}, refuse(Invalid, "of the lab as it was one can list the jobs that waited or ran; those that were over stand in the tables: strata sql \"SELECT job, health FROM jobs WHERE ended_at < '2026-01-31'\"")
	}
	return a.listJobs(ctx, who, in)
}

// dated says of an answer "there is no such thing" which moment it is about.
func (p past) dated(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	dated := *e // with what strangers are told instead
	dated.Message = fmt.Sprintf("%s (as of fact %d, %s)", e.Message, p.seq, p.at.UTC().Format(time.RFC3339))
	return &dated
}
