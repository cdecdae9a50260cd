package submission

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// request is a submission that has been through the gate. It holds no more of the text than
// deciding needs.
type request struct {
	job    events.JobID
	user   events.UserName
	at     time.Time
	trace  string
	from   string // by which door and from where, where the door has said so
	source events.Source
	check  bool              // a health check
	pin    events.DeviceName // by header
	// retryOf is the job of which this is a further attempt; 0: none.
	retryOf events.JobID
	// retries is how often the job itself wants to be tried again; nil: it does not say.
	retries *int

	problems []*job.Problem  // found before the lab was asked
	def      *job.Definition // nil where there are problems
	metadata map[string]string
	group    string // of a multinode definition
	parts    []part
	split    *job.Problem // why it cannot be split; told after the lab was asked
	weight   int          // bytes that it holds, roughly
}

// part is one part of a multinode definition.
// job and source are set by number, once the text is on the bus.
type part struct {
	job.SplitPart
	text   []byte
	job    events.JobID  // once its text is published
	source events.Source // same
}

// maxPartBytes is the size that the texts of all parts of one definition may have together.
const maxPartBytes = 16 << 20

// groupSpace makes the ids of multinode groups from their numbers, so that splitting a definition
// again gives the same group.
var groupSpace = uuid.MustParse("9bd3bd4c-4f0a-4d0b-9a53-7c6f1f2a5e60")

// newRequest runs a submission through the gate.
// It runs on the inbox's goroutine and knows nothing of the lab.
func newRequest(s stream.Submission, gate *job.Gate) *request {
	digest := sha256.Sum256(s.Text)
	r := &request{job: s.Job, user: s.User, at: s.At, trace: traceOf(s),
		source: events.Source{Sequence: uint64(s.Job), SHA256: hex.EncodeToString(digest[:]), Bytes: len(s.Text)}}
	if isRetry(s) {
		r.readRetry(s)
		return r
	}
	if p := r.readHeaders(s); p != nil {
		r.problems = []*job.Problem{p}
		return r
	}
	if r.check {
		r.def, r.problems = job.ReadCheck(s.Text)
	} else {
		r.def, r.problems = gate.Check(s.Text)
	}
	if r.def == nil {
		return r
	}
	r.metadata = r.def.MetadataTexts()
	if n, said := r.def.Retries(); said {
		r.retries = &n
	}
	r.weight = len(s.Text)
	if r.def.Multinode() && !r.check {
		r.splitParts()
	}
	// What deciding needs is small; the tree of a definition can be a hundred times its text.
	r.def.Actions = nil
	r.def.Root = r.def.Root.Without("actions", "notify", "metadata", "context", "environment", "secrets")
	r.def.Metadata, r.def.Notify, r.def.Context, r.def.Environment, r.def.Secrets = nil, nil, nil, nil, nil
	return r
}

// hurried returns the request of a definition that came too soon after others of its user, nil for one that did not. Such
// a one is not parsed: it is to cost the lab as little as may be. What counts is when the broker took it, so that each
// instance, and each start, judges alike.
func (d Deps) hurried(s stream.Submission) *request {
	if d.Admit == nil || s.Parent != 0 || s.User == events.DoorUser || s.User == lab.LavaHealth || s.User == lab.Local {
		return nil
	}
	wait := d.Admit(s.User, s.At)
	if wait == 0 {
		return nil
	}
	digest := sha256.Sum256(s.Text)
	r := &request{job: s.Job, user: s.User, at: s.At, trace: traceOf(s),
		source: events.Source{Sequence: uint64(s.Job), SHA256: hex.EncodeToString(digest[:]), Bytes: len(s.Text)}}
	if !utf8.ValidString(string(r.user)) || strings.ContainsFunc(string(r.user), unicode.IsControl) {
		r.user = events.UserName(events.EscapeToken(string(r.user))) // as it stands in the subject
	}
	r.problems = []*job.Problem{job.At(nil, fmt.Sprintf("%s submits too often: the next definition is taken in %d s", r.user, int(wait.Seconds())+1))}
	return r
}

// traceparent is the shape of that header (W3C Trace Context, version 00).
var traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceOf returns the submission's trace. Anything else that a client sends as one is dropped: it
// would become a header of facts, which takes no line breaks.
func traceOf(s stream.Submission) string {
	if trace := s.Header.Get(events.HeaderTrace); traceparent.MatchString(trace) {
		return trace
	}
	return ""
}

// readHeaders finds out who asks, and what services may say besides.
// What headers of a user's own submission say of user, device or door is not read: anybody may write
// them.
func (r *request) readHeaders(s stream.Submission) *job.Problem {
	token := s.User
	switch token {
	case events.DoorUser:
		r.user = events.UserName(s.Header.Get(events.HeaderUser))
		r.pin, r.from = events.DeviceName(s.Header.Get(events.HeaderPinDevice)), s.Header.Get(events.HeaderSubmitted)
		if r.user == "" {
			r.user = token
			return job.At(nil, "header "+events.HeaderUser+" is missing: submit."+string(token)+" is for services that say for whom they submit")
		}
	case lab.LavaHealth:
		r.check = true
		r.pin = events.DeviceName(s.Header.Get(events.HeaderPinDevice))
		if r.pin == "" {
			return job.At(nil, "header "+events.HeaderPinDevice+" is missing: a health check is for one device")
		}
	}
	if !utf8.ValidString(string(r.user)) || strings.ContainsFunc(string(r.user), unicode.IsControl) {
		r.user = events.UserName(events.EscapeToken(string(r.user))) // as it stands in the subject
		return job.At(nil, "user name "+string(r.user)+" has characters that cannot be printed")
	}
	if s.MsgID == "" || strings.HasPrefix(s.MsgID, string(token)+"/") || strings.HasPrefix(s.MsgID, string(r.user)+"/") {
		return nil
	}
	return job.At(nil, fmt.Sprintf("Nats-Msg-Id %q does not start with %q: message ids of all users share one table", s.MsgID, string(token)+"/"))
}

// splitParts makes the texts of a multinode definition's parts.
func (r *request) splitParts() {
	r.group = uuid.NewSHA1(groupSpace, []byte(r.job.String())).String()
	parts, problem := r.def.Split(r.group)
	if problem != nil {
		r.split = problem
		return
	}
	for _, p := range parts {
		// Each part is a definition of its own, which its worker is handed and people can read.
		text, err := yaml.Write(p.Root)
		if err != nil {
			r.split = job.At(p.Role.Node, fmt.Sprintf("Unable to split multinode job submission. Part %d: %v", p.N, err))
			r.parts = nil
			return
		}
		p.Root = nil
		r.parts = append(r.parts, part{SplitPart: p, text: text})
		if r.weight += len(text); r.weight > maxPartBytes {
			r.split = job.At(p.Role.Node, fmt.Sprintf("multinode job's parts have together more than %d bytes", maxPartBytes))
			r.parts = nil
			return
		}
	}
}

// facts is how many facts decide the request, at most.
func (r *request) facts() int {
	if r.retryOf != 0 {
		return 2
	}
	if len(r.parts) == 0 {
		return 1
	}
	return len(r.parts) + 1
}

// number gives the parts the numbers that their texts got: part 0 has that of the submission.
func (r *request) number(sequences []uint64) {
	for i := range r.parts {
		p := &r.parts[i]
		digest := sha256.Sum256(p.text)
		p.job = events.JobID(sequences[i])
		if p.N == 0 {
			p.job = r.job
		}
		p.source = events.Source{Sequence: sequences[i], SHA256: hex.EncodeToString(digest[:]), Bytes: len(p.text)}
	}
}
