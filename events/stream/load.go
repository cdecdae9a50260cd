package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

// directRequest asks a stream for messages without a consumer (nats-server ADR-31).
type directRequest struct {
	Seq     uint64   `json:"seq,omitempty"`
	NextFor string   `json:"next_by_subj,omitempty"` // the first one of that subject from Seq on
	LastFor string   `json:"last_by_subj,omitempty"`
	Batch   int      `json:"batch,omitempty"` // that many, each the next one
	Multi   []string `json:"multi_last,omitempty"`
}

// stored is a message as the stream has it.
type stored struct {
	subject string
	seq     uint64
	at      time.Time
	header  nats.Header
	data    []byte
	pending uint64 // of a batch, messages behind it
}

// direct returns the messages that a request is answered with; none where there are none.
func (l *Log) direct(ctx context.Context, stream string, r directRequest) ([]stored, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	subject := "$JS.API.DIRECT.GET." + stream
	if r.Batch == 0 && r.Multi == nil {
		msg, err := l.ask(ctx, subject, body)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", stream, err)
		}
		m, end, err := answered(stream, msg)
		if end || err != nil {
			return nil, err
		}
		return []stored{m}, nil
	}
	// A subscription of the client's own making would have room for 64k messages, half a megabyte to
	// allocate and clear for each request.
	answers := make(chan *nats.Msg, max(r.Batch, len(r.Multi))+1)
	inbox := l.nc.NewInbox()
	sub, err := l.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := l.nc.PublishRequest(subject, inbox, body); err != nil {
		return nil, err
	}
	var all []stored
	for {
		select {
		case msg := <-answers:
			m, end, err := answered(stream, msg)
			if end || err != nil {
				return all, err
			}
			all = append(all, m)
		case <-ctx.Done():
			return nil, fmt.Errorf("read %s: %w", stream, ctx.Err())
		}
	}
}

// ask asks the broker for one answer to a question that changes nothing, for attemptTime at the most. Where the
// connection was lost meanwhile, the answer with it, it asks again.
func (l *Log) ask(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	for {
		if err := l.connected(ctx); err != nil {
			return nil, err
		}
		within, release := l.whileConnected(ctx)
		msg, err := l.nc.RequestWithContext(within, subject, body)
		lost := errors.Is(context.Cause(within), errReconnected)
		release()
		if err == nil || !lost {
			return msg, err
		}
	}
}

// answered reads one answer to a direct request; end says that no more come.
func answered(stream string, msg *nats.Msg) (m stored, end bool, err error) {
	switch status := msg.Header.Get("Status"); {
	case status == "204" || status == "404": // end of batch; nothing there
		return m, true, nil
	case status != "":
		return m, true, fmt.Errorf("read %s: broker says %s %s", stream, status, msg.Header.Get("Description"))
	}
	if m, err = parseStored(msg); err != nil {
		return m, true, fmt.Errorf("read %s: %w", stream, err)
	}
	return m, false, nil
}

// parseStored reads an answer to a direct request.
func parseStored(msg *nats.Msg) (stored, error) {
	m := stored{subject: msg.Header.Get("Nats-Subject"), header: msg.Header, data: msg.Data}
	var err error
	if m.seq, err = strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return m, fmt.Errorf("header Nats-Sequence: %w", err)
	}
	if m.at, err = time.Parse(time.RFC3339Nano, msg.Header.Get("Nats-Time-Stamp")); err != nil {
		return m, fmt.Errorf("header Nats-Time-Stamp: %w", err)
	}
	if pending := msg.Header.Get("Nats-Num-Pending"); pending != "" {
		if m.pending, err = strconv.ParseUint(pending, 10, 64); err != nil {
			return m, fmt.Errorf("header Nats-Num-Pending: %w", err)
		}
	}
	return m, nil
}

// Load returns all facts of one entity, in order: those that were purged come of the archive, where the
// log has one.
func (l *Log) Load(ctx context.Context, e events.Entity) ([]Recorded, error) {
	var all []Recorded
	err := l.Each(ctx, e, func(r Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Each hands over what [Log.Load] returns, one fact at a time, for entities with more facts than
// memory should hold. An error of each ends it and comes back as it is.
func (l *Log) Each(ctx context.Context, e events.Entity, each func(Recorded) error) error {
	stream, from := streamOf(e), uint64(1)
	hand := func(m stored) error {
		r, err := decode(stream, m.seq, m.header, m.data)
		if err != nil {
			return fmt.Errorf("load %s: %w", e, err)
		}
		from = m.seq + 1
		return each(r)
	}
	old, err := l.archived(ctx, stream, e.Subject(), math.MaxUint64)
	if err != nil {
		return fmt.Errorf("load %s: %w", e, err)
	}
	for _, m := range old {
		if err := hand(m); err != nil {
			return err
		}
	}
	for {
		got, err := l.direct(ctx, stream, directRequest{Seq: from, NextFor: e.Subject(), Batch: 250})
		if err != nil {
			return fmt.Errorf("load %s: %w", e, err)
		}
		for _, m := range got {
			if err := hand(m); err != nil {
				return err
			}
		}
		if len(got) == 0 || got[len(got)-1].pending == 0 {
			return nil
		}
	}
}

// ErrBehind says that what was loaded is not all that the stream's leader has: a replica answered
// that is a moment behind. Try again.
var ErrBehind = errors.New("a replica is behind the stream's leader")

// Current asks the stream's leader whether facts, which [Log.Load] returned, are all there are of an
// entity; the error is [ErrBehind] where they are not. Any replica answers Load. Who decides for
// good that something never happened has to ask.
func (l *Log) Current(ctx context.Context, e events.Entity, facts []Recorded) error {
	there, err := l.lastStored(ctx, streamOf(e), e.Subject())
	if err != nil {
		return fmt.Errorf("last fact of %s: %w", e, err)
	}
	last := uint64(0)
	if len(facts) > 0 {
		last = facts[len(facts)-1].Seq
	}
	if last < there {
		return fmt.Errorf("facts of %s up to %d, the last is %d: %w", e, last, there, ErrBehind)
	}
	return nil
}

// lastStored asks the stream's leader for the sequence of the last message on a subject, 0 where it has none.
func (l *Log) lastStored(ctx context.Context, stream, subject string) (uint64, error) {
	body, err := json.Marshal(directRequest{LastFor: subject})
	if err != nil {
		return 0, err
	}
	msg, err := l.ask(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return 0, err
	}
	if answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return 0, answer.Error
	}
	return answer.Message.Seq, nil
}

// Last returns the sequence of the last message that a stream has had: where it never had one, the
// sequence before its first.
func (l *Log) Last(ctx context.Context, stream string) (uint64, error) {
	// A fact is told much sooner than all that there is to tell of a stream, but not where it was purged.
	if stream == Lab {
		last, err := l.lastStored(ctx, stream, ">")
		if err != nil {
			return 0, fmt.Errorf("last sequence of %s: %w", stream, err)
		}
		if last != 0 {
			return last, nil
		}
	}
	st, err := l.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("last sequence of %s: %w", stream, err)
	}
	return st.CachedInfo().State.LastSeq, nil
}

// LastSeqs returns the sequence of each entity's last fact, 0 where the stream has none: what to
// expect after a conflict for entities whose facts may have aged out.
func (l *Log) LastSeqs(ctx context.Context, entities []events.Entity) (map[events.Entity]uint64, error) {
	seqs := make(map[events.Entity]uint64, len(entities))
	for _, e := range entities {
		got, err := l.direct(ctx, streamOf(e), directRequest{LastFor: e.Subject()})
		if err != nil {
			return nil, fmt.Errorf("last fact of %s: %w", e, err)
		}
		seqs[e] = 0
		if len(got) > 0 {
			seqs[e] = got[0].seq
		}
	}
	return seqs, nil
}

// AgedOut returns the entities of drafts that have no facts in the stream: where an append of them
// was refused although nobody was faster, their last facts were archived, and 0 is what to expect.
func (l *Log) AgedOut(ctx context.Context, drafts []Draft) ([]events.Entity, error) {
	var about, gone []events.Entity
	for _, d := range drafts {
		about = append(about, d.Event.About())
	}
	last, err := l.LastSeqs(ctx, about)
	if err != nil {
		return nil, fmt.Errorf("look for facts that aged out: %w", err)
	}
	for e, seq := range last {
		if seq == 0 {
			gone = append(gone, e)
		}
	}
	return gone, nil
}

// decode reads a message of Lab or Results.
func decode(stream string, seq uint64, header nats.Header, data []byte) (Recorded, error) {
	e, env, err := events.DecodeMessage(header, data)
	if err != nil {
		return Recorded{}, fmt.Errorf("%s: %w", Cause(stream, seq), err)
	}
	return Recorded{Stream: stream, Seq: seq, ID: env.ID, Time: env.Time, Source: env.Source,
		Actor: env.Actor, From: env.From, Cause: env.Cause, Trace: env.Trace, Event: e}, nil
}

// ErrNoSubmission says that SUBMISSIONS has no such message (any more).
var ErrNoSubmission = errors.New("no such submission")

// Submission is a job definition as it was published.
type Submission struct {
	Job    events.JobID    // its sequence
	User   events.UserName // who submitted it; empty for a part
	Parent events.JobID    // of a part or retry: the submission it came from; else 0
	Part   string          // of a part "1", of a retry "r2", as in its subject; else empty
	At     time.Time       // when the bus took it
	MsgID  string          // Nats-Msg-Id, empty where there was none
	Header nats.Header
	Text   []byte
}

// Submission returns a definition by its number, or [ErrNoSubmission].
func (l *Log) Submission(ctx context.Context, seq uint64) (Submission, error) {
	got, err := l.direct(ctx, Submissions, directRequest{Seq: seq})
	if err != nil {
		return Submission{}, fmt.Errorf("submission %d: %w", seq, err)
	}
	if len(got) == 0 && l.s.Archive != nil {
		if got, err = l.archivedSubmission(ctx, seq); err != nil {
			return Submission{}, fmt.Errorf("submission %d: %w", seq, err)
		}
	}
	if len(got) == 0 {
		return Submission{}, fmt.Errorf("submission %d: %w", seq, ErrNoSubmission)
	}
	return parseSubmission(got[0])
}

// archivedSubmission returns a definition that was purged; none where it was erased, or is still to come.
func (l *Log) archivedSubmission(ctx context.Context, seq uint64) ([]stored, error) {
	first, err := l.first(ctx, Submissions)
	if err != nil || seq >= first {
		return nil, err
	}
	var got []stored
	err = l.s.Archive.Messages(ctx, Submissions, "", seq, seq, func(m Message) error {
		got = append(got, stored{m.Subject, m.Seq, m.At, m.Header, m.Data, 0})
		return nil
	})
	if errors.Is(err, ErrArchived) {
		err = nil // from before the lab's first job
	}
	return got, err
}

// SubmissionText returns the text of a definition by its number, byte for byte, or [ErrNoSubmission].
func (l *Log) SubmissionText(ctx context.Context, seq uint64) ([]byte, error) {
	s, err := l.Submission(ctx, seq)
	return s.Text, err
}

func parseSubmission(m stored) (Submission, error) {
	s := Submission{Job: events.JobID(m.seq), At: m.at.UTC(), MsgID: m.header.Get(events.HeaderMsgID), Header: m.header, Text: m.data}
	tokens := strings.Split(m.subject, ".")
	switch {
	case len(tokens) == 2 && tokens[0] == "submit":
		// A user who publishes by hand may write a name unescaped, such as "a@b": it is refused by who
		// validates it, not here, so a token that cannot be read stands for itself.
		if user, err := events.UnescapeToken(tokens[1]); err == nil {
			s.User = events.UserName(user)
		} else {
			s.User = events.UserName(tokens[1])
		}
		return s, nil
	case len(tokens) == 3 && tokens[0] == "part":
		parent, err := strconv.ParseUint(tokens[1], 10, 64)
		s.Parent, s.Part = events.JobID(parent), tokens[2]
		if err == nil {
			return s, nil
		}
	}
	return s, fmt.Errorf("submission %d: subject %q is neither submit.<user> nor part.<number>.<n>", m.seq, m.subject)
}
