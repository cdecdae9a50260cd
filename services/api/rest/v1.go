package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/services/api"
	"strata/services/api/door"
)

// v1 has what v0.2 cannot say. Its rows are the api's own, as on the bus.

// v1Endpoints lists them. Each answers with an object, so that members can be added.
func v1Endpoints() []endpoint {
	at := func(path, doc string, o ...operation) endpoint {
		return endpoint{version: v1, path: path, doc: doc, operations: o}
	}
	reservation := []param{{"devices", texts, "names of devices, or", false}, {"device_type", text, "those of this type", false},
		{"count", integer, "only so many of them", false}, {"user", text, "who holds them", false}, {"group", text, "whose users do; neither is a maintenance window", false},
		{"from", moment, "now where it is not given", false}, {"until", moment, "", true}, {"reason", text, "", false}}
	return []endpoint{
		at("", "What v0.2 cannot say.", get("List it.", v1Root)),
		at("jobs/{id}/", "A job with a stable code of its error, the first action that failed, the verdict and its attempts.", get("Show it.", v1Job)),
		at("jobs/{id}/why/", "Why a job waits, and when it may start.", get("Tell it.", v1Why)),
		at("jobs/{id}/history/", "Every fact about a job, in order.", get("Tell it.", v1History)),
		at("events/", "The facts of the lab since a cursor. Answers hold the next cursor; with wait, an answer comes as soon as there is a fact.",
			list("Read on.", []param{{"since", integer, "cursor: facts after this one; 0 is the log's beginning", false}, {"wait", integer, "seconds to wait where there are none, 0 to 60", false},
				{"limit", integer, "facts at most, 1 to 10000; 1000 where none is given", false}, {"entity", text, "of this one only, such as job/42", false}}, v1Events)),
		at("audit/", "Who did what, and from where: the facts that people asked for, the newest first. Staff see everybody's, others their own.",
			list("Read it.", []param{{"user", text, "who did it", false}, {"entity", text, "to what, such as device/q1", false}, {"from", text, "part of where from: an address, a door, a token's name", false},
				{"since", moment, "", false}, {"until", moment, "", false}, {"limit", integer, "1 to 1000; 100 where none is given", false}}, v1Audit)),
		at("at/", "The lab as it was, after a fact or at a time.",
			list("Look.", []param{{"time", moment, "", false}, {"seq", integer, "of the last fact that counts", false}, {"ask", text, "such as devices.list or jobs.show", true}, {"request", text, "what that takes, JSON", false}}, v1At)),
		at("device-types/{name}/availability/", "What a device type has to give, and how long jobs wait for it.", get("Tell it.", v1Availability)),
		at("reservations/", "Devices that are set aside.", get("List them.", v1Reservations), post("Set devices aside.", 201, reservation, v1Reserve)),
		at("reservations/{id}/", "Devices that are set aside.", operation{method: http.MethodDelete, doc: "Give them back.", status: 204, handle: v1Release}),
		at("queue/", "The queue in the order in which jobs would get the next device.", list("List it.", []param{{"device_type", text, "of this type only", false}, {"limit", integer, "1 to 1000", false}}, v1Queue)),
		at("health/", "Whether the lab keeps up: age of the last scheduling round, workers, how far the tables are behind.", get("Tell it.", v1Health)),
	}
}

// v1Root answers with the addresses that need no name.
func v1Root(q *request) (answer, error) {
	out := object{}
	for _, e := range v1Endpoints() {
		if e.path != "" && !strings.Contains(e.path, "{") {
			out = append(out, member{strings.TrimSuffix(e.path, "/"), q.address(e.address())})
		}
	}
	return ok(out)
}

// v1Audit answers with who did what.
// Times are RFC 3339 alone, other than in filters of v0.2.
func v1Audit(q *request) (answer, error) {
	form := q.r.URL.Query()
	in := api.AuditRequest{User: events.UserName(form.Get("user")), Entity: form.Get("entity"), From: form.Get("from")}
	for name, to := range map[string]*time.Time{"since": &in.Since, "until": &in.Until} {
		if text := form.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return answer{}, &api.Error{Code: api.Invalid, Field: name, Message: name + " is " + strconv.Quote(text) + "; write it like 2026-11-23T10:00:00Z"}
			}
			*to = at
		}
	}
	limit, err := q.whole("limit", 0, 1, 1000)
	if err != nil {
		return answer{}, err
	}
	in.Limit = int(limit)
	out, err := asked[api.Audit](q, "audit.list", in)
	return answer{body: out}, err
}

// failed is the first action of a job that failed.
// Lines are numbers of the job's log, from 0.
type failed struct {
	Name      string  `json:"name"`
	StartLine *uint64 `json:"start_line,omitempty"`
	EndLine   *uint64 `json:"end_line,omitempty"`
}

// v1Job answers with a job and what programs decide by.
func v1Job(q *request) (answer, error) {
	// Whole: programs ask what became of what they submitted, attempts included.
	j, err := asked[api.Job](q, "jobs.show", map[string]any{"job": q.r.PathValue("id"), "whole": true})
	if err != nil {
		return answer{}, err
	}
	out := object{{"job", j}, {"code", orNull(errorCode(j))}, {"verdict", nil}, {"first_failing_action", nil}}
	if j.Judgement != nil {
		out[2].value = j.Judgement.Verdict
	}
	if j.Over() && j.State != api.StateRejected && j.Health != events.Complete {
		c, err := asked[api.Cases](q, "jobs.cases", api.CasesRequest{Job: j.Job, Whole: true, Suite: "lava"})
		if err != nil {
			return answer{}, err
		}
		for _, one := range c.Cases {
			// The suite lava has a case for each action, in the order in which they ended; "job" is the
			// sum of all.
			if one.Result == string(events.Fail) && one.Name != "job" {
				out[3].value = failed{one.Name, one.StartLine, one.EndLine}
				break
			}
		}
	}
	attempts := j.Attempts
	if attempts == nil {
		attempts = []api.Attempt{}
	}
	return ok(append(out, member{"attempts", attempts}))
}

// errorCode is a word that stays the same over releases: the cause where the job was judged, else the class of
// its error. docs/compatibility.md lists them.
// docs/rest.md lists the words. Programs branch on them, so one is added rather than changed.
func errorCode(j api.Job) string {
	switch {
	case j.State == api.StateRejected:
		return "rejected"
	case j.Judgement != nil && j.Judgement.Cause != events.CauseNone:
		return string(j.Judgement.Cause)
	case j.ErrorType == events.MultinodeTimeout:
		return "multinode-timeout"
	}
	return strings.ToLower(string(j.ErrorType))
}

// v1Why answers with what keeps a job waiting.
// A job that does not wait any more is answered, too, with a member that says so and why it left the
// queue.
func v1Why(q *request) (answer, error) {
	w, err := asked[api.Why](q, "jobs.why", map[string]any{"job": q.r.PathValue("id")})
	if err != nil {
		return answer{}, err
	}
	return ok(w)
}

// mostFacts bounds one answer with facts.
// Most facts have some hundred bytes; none holds the text of a definition or a log.
const mostFacts = 10_000

// v1History answers with the facts of a job.
// A job without a fact is one that there is not: its submission is the first.
func v1History(q *request) (answer, error) {
	facts := []json.RawMessage{}
	err := q.d.Lab.Stream(q.context(), q.who, "events", map[string]any{"entity": "job/" + q.r.PathValue("id")}, func(p api.Piece) error {
		facts = append(facts, json.RawMessage(p.Body))
		if len(facts) == mostFacts {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return answer{}, err
	}
	if len(facts) == 0 {
		return answer{}, &problem{status: http.StatusNotFound, body: object{{"code", "not-found"}, {"detail", "there is no job " + q.r.PathValue("id")}}}
	}
	return ok(object{{"facts", facts}})
}

// whole reads a number of the address within bounds.
// Other than v0.2 it refuses what is no number or out of bounds, and says what is allowed.
func (q *request) whole(name string, otherwise, least, most uint64) (uint64, error) {
	s := q.query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, &api.Error{Code: api.Invalid, Field: name, Message: name + " is " + strconv.Quote(s) + "; allowed are numbers from " +
			strconv.FormatUint(least, 10) + " to " + strconv.FormatUint(most, 10)}
	}
	return n, nil
}

// v1Events answers with the facts since a cursor. A fact that the caller may not see moves the cursor all the
// same, so that nobody is asked for it again.
// The cursor is the sequence in LAB of the last fact that was looked at. It survives restarts, and changes
// of process; facts that have left the stream are read from the archive.
func v1Events(q *request) (answer, error) {
	since, err := q.whole("since", 0, 0, 1<<62)
	if err != nil {
		return answer{}, err
	}
	wait, err := q.whole("wait", 0, 0, 60)
	if err != nil {
		return answer{}, err
	}
	limit, err := q.whole("limit", 1000, 1, mostFacts)
	if err != nil {
		return answer{}, err
	}
	// All facts up to here have been read when the flow ends by itself.
	// Asked before the facts are read: what comes meanwhile stands behind the cursor, and is told next
	// time.
	through, err := asked[api.LabHealth](q, "health", nothing{})
	if err != nil {
		return answer{}, err
	}
	entity := q.query.Get("entity")
	facts, err := q.facts(q.context(), api.EventsRequest{Entity: entity, From: since + 1}, int(limit))
	if err != nil {
		return answer{}, err
	}
	cursor := max(since, through.Sequence)
	if len(facts) == 0 && wait > 0 {
		door.Long(q.r) // who waits for facts with many programs has others asking meanwhile
		ctx, cancel := context.WithTimeout(q.context(), time.Duration(wait)*time.Second)
		defer cancel()
		// One is enough: the client that waits is answered at once and asks again for those behind it.
		facts, err = q.facts(ctx, api.EventsRequest{Entity: entity, From: cursor + 1, Follow: true}, 1)
		if err != nil && ctx.Err() == nil {
			return answer{}, err
		}
	}
	rows := []json.RawMessage{}
	for _, f := range facts {
		rows = append(rows, f.text)
		cursor = max(cursor, f.Seq)
	}
	// Not the log's end, which was asked for before: what lies between would be lost.
	if n := len(facts); n == int(limit) {
		cursor = facts[n-1].Seq // others may stand behind it
	}
	return ok(object{{"events", rows}, {"next", cursor}})
}

// fact is a fact as it is shown, and its place.
type fact struct {
	Seq  uint64 `json:"seq"`
	text json.RawMessage
}

// facts reads facts of a flow, at most so many.
// The text is kept as the api wrote it; only the place is read.
func (q *request) facts(ctx context.Context, in api.EventsRequest, most int) ([]fact, error) {
	var list []fact
	err := q.d.Lab.Stream(ctx, q.who, "events", in, func(p api.Piece) error {
		f := fact{text: json.RawMessage(p.Body)}
		if err := json.Unmarshal(p.Body, &f); err != nil {
			return err
		}
		if list = append(list, f); len(list) == most {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

// v1At answers a question of the lab as it was.
// The answer has the sequence that counted, so that the same question can be asked again.
func v1At(q *request) (answer, error) {
	in := map[string]any{"verb": q.query.Get("ask")}
	if s := q.query.Get("time"); s != "" {
		t, err := readTime(s)
		if err != nil {
			return answer{}, &api.Error{Code: api.Invalid, Field: "time", Message: err.Error()}
		}
		in["time"] = t
	}
	seq, err := q.whole("seq", 0, 1, 1<<62)
	if err != nil {
		return answer{}, err
	}
	if seq > 0 {
		in["seq"] = seq
	}
	// What the verb takes, as on the bus: {"job": 42} for jobs.show.
	request := json.RawMessage("{}")
	if s := q.query.Get("request"); s != "" {
		if !json.Valid([]byte(s)) {
			return answer{}, &api.Error{Code: api.Invalid, Field: "request", Message: "request is no JSON"}
		}
		request = json.RawMessage(s)
	}
	in["request"] = request
	out := object{}
	err = q.d.Lab.Stream(q.context(), q.who, "at", in, func(p api.Piece) error {
		seq, err := strconv.ParseUint(p.Header[api.HeaderAtSeq], 10, 64)
		out = object{{"seq", seq}, {"time", p.Header[api.HeaderAtTime]}, {"answer", json.RawMessage(p.Body)}}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(out)
}

// v1Availability answers with what a device type has to give.
func v1Availability(q *request) (answer, error) {
	a, err := asked[api.Availability](q, "device-types.availability", api.AvailabilityRequest{DeviceType: events.DeviceTypeName(q.r.PathValue("name"))})
	if err != nil {
		return answer{}, err
	}
	return ok(a)
}

// v1Reservations answers with what is set aside.
func v1Reservations(q *request) (answer, error) {
	list, err := asked[[]api.Reservation](q, "reservations.list", nothing{})
	if err != nil {
		return answer{}, err
	}
	return ok(object{{"reservations", list}})
}

// v1Reserve sets devices aside; the body is that of the api's verb.
// Unknown members are refused by the verb, with their name.
func v1Reserve(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	text, err := q.text()
	if err != nil {
		return answer{}, err
	}
	if !json.Valid([]byte(text)) {
		return answer{}, &api.Error{Code: api.Invalid, Message: "the body is no JSON"}
	}
	r, err := asked[api.Reservation](q, "reservations.add", json.RawMessage(text))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: r}, nil
}

// v1Release ends a reservation.
// Whoever holds it ends it, and who may change its devices.
func v1Release(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	id, err := strconv.ParseUint(q.r.PathValue("id"), 10, 64)
	if err != nil {
		return answer{}, &api.Error{Code: api.NotFound, Message: "there is no reservation " + q.r.PathValue("id")}
	}
	return answer{status: http.StatusNoContent}, q.ask("reservations.end", api.ReservationRequest{Reservation: events.ReservationID(id)}, nil)
}

// v1Queue answers with the best of the queue.
// In the order of now; a job that comes with a higher priority changes it.
func v1Queue(q *request) (answer, error) {
	limit, err := q.whole("limit", 50, 1, 1000)
	if err != nil {
		return answer{}, err
	}
	queue, err := asked[api.Queue](q, "queue.list", api.QueueRequest{DeviceType: events.DeviceTypeName(q.query.Get("device_type")), Limit: int(limit)})
	if err != nil {
		return answer{}, err
	}
	return ok(queue)
}

// v1Health answers whether the lab keeps up.
// 200 with whatever numbers: which of them is bad is the monitor's to say.
func v1Health(q *request) (answer, error) {
	h, err := asked[api.LabHealth](q, "health", nothing{})
	if err != nil {
		return answer{}, err
	}
	return ok(h)
}
