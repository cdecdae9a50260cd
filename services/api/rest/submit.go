package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/schemas/testdef"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/lava"
)

// verdictTime is [Deps.Patience] where nothing else is said.
// Shorter than the 20 s after which impatient clients give up; XML-RPC waits as long.
const verdictTime = 10 * time.Second

// submit answers POST jobs/.
// KernelCI posts with ?format=json&limit=256, takes job_ids[0] and follows no redirection.
func submit(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var definition string
	if err := b.read(want{"definition", &definition, must}); err != nil {
		return answer{}, err
	}
	return q.submit(definition)
}

// submit publishes a definition and answers what the lab thinks of it.
// The order is: publish, wait, answer. After the first the job exists, whatever becomes of the answer.
func (q *request) submit(definition string) (answer, error) {
	var id events.JobID
	var err error
	// The header of the IETF draft (draft-ietf-httpapi-idempotency-key-header), which has 422 for a key
	// that comes with another body.
	if key := q.r.Header.Get("Idempotency-Key"); key != "" {
		id, err = q.d.Lab.SubmitOnce(q.context(), q.who, []byte(definition), key)
	} else {
		id, err = q.d.Lab.Submit(q.context(), q.who, []byte(definition), "")
	}
	var e *api.Error
	if errors.As(err, &e) {
		switch {
		// The client has a fault: it sent another text under a key that it has used.
		case e.Field == "idempotency_key" && e.Code == api.Conflict:
			return answer{}, &problem{status: http.StatusUnprocessableEntity, body: object{{"message", e.Message}}}
		// Too large, or refused before it was published: no number, and message as in LAVA's body.
		case e.Code == api.Invalid:
			return answer{}, &problem{status: http.StatusBadRequest, body: object{{"message", e.Message}}}
		}
	}
	if err != nil {
		return answer{}, err
	}
	// The client's own end of patience ends it too; the definition is on the bus by then.
	ctx, cancel := context.WithTimeout(q.context(), q.d.Patience)
	defer cancel()
	v, err := q.d.Lab.Verdict(ctx, id)
	if err != nil {
		return answer{}, err
	}
	switch {
	// 503 is what HTTP libraries repeat by themselves; only with a key is that the same job again.
	case !v.Decided:
		return answer{status: http.StatusServiceUnavailable, header: http.Header{"Retry-After": {"10"}}, body: object{
			{"message", fmt.Sprintf("job %d was taken and has not been judged yet: ask for it again, or send it again with the same Idempotency-Key", id)},
			{"job_ids", []any{uint64(id)}}}}, nil
	case v.Rejected:
		return answer{status: http.StatusBadRequest, body: rejection(id, v)}, nil
	}
	ids := []any{}
	// 42 is a number in JSON, "41.0" a text: KernelCI takes what stands there for the id.
	for _, display := range v.Jobs {
		if n, err := strconv.ParseUint(display, 10, 64); err == nil {
			ids = append(ids, n)
		} else {
			ids = append(ids, display)
		}
	}
	return answer{status: http.StatusCreated, body: object{{"message", "job(s) successfully submitted"}, {"job_ids", ids}}}, nil
}

// rejection is the body of a refusal: LAVA's message, and what this lab knows beside it.
// message comes first and is LAVA's: its REST words unknown tags in another way than its XML-RPC. problems
// and submission are additions, which clients that know LAVA pass over.
func rejection(id events.JobID, v api.Verdict) object {
	message := "Problem with submitted job data: " + v.Message
	switch lava.Refused(v.Message) {
	case lava.Unavailable:
		message = "Device unavailable: " + v.Message
	case lava.UnknownTag:
		message = "job submission failed: " + v.Message + "."
	}
	problems := []object{}
	for _, p := range v.Problems {
		one := object{{"message", p.Message}}
		if p.Path != "" {
			one = append(one, member{"path", p.Path})
		}
		if p.Line > 0 {
			one = append(one, member{"line", p.Line}, member{"column", p.Column})
		}
		problems = append(problems, one)
	}
	return object{{"message", message}, {"problems", problems}, {"submission", uint64(id)}}
}

// resubmit answers POST jobs/<id>/resubmit/: the same definition once more, as the caller.
// An Idempotency-Key counts here, too. The job's owner, priority and group are not taken over: they come
// from the definition and from who asks.
func resubmit(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	texts, err := asked[[]api.JobTexts](q, "jobs.texts", api.JobsNamed{Jobs: []events.JobID{events.JobID(j.Job.Job)}})
	if err != nil {
		return answer{}, err
	}
	if len(texts) == 0 || texts[0].Original == "" {
		return answer{}, detail(http.StatusBadRequest, "The definition of job %s is not kept any more.", j.Display)
	}
	definition := texts[0].Original // with the comments; LAVA sends its own dump of it
	if texts[0].Multinode != "" {
		definition = texts[0].Multinode
	}
	return q.submit(definition)
}

// cancel answers jobs/<id>/cancel/, to GET as LAVA does and to POST as it should be.
// A part of a group ends alone; what follows of that for the others is dispatch's to decide.
func cancel(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	const sent = "Job cancel signal sent."
	// To anybody who sees the job, as in LAVA: nothing is asked of it any more.
	if j.State == "Finished" || j.State == "Canceling" {
		return said(http.StatusOK, sent)
	}
	if err := q.named(); err != nil {
		return answer{}, err
	}
	// A link on another site's page must not cancel by the session of who follows it.
	// A token in a header is never sent by a link, so only sessions are asked.
	if q.who.Session && !door.Meant(q.r) {
		return answer{}, detail(http.StatusForbidden, "%s", door.ErrCrossSite)
	}
	reason := ""
	if q.r.Method == http.MethodPost {
		// A body that cannot be read must not keep a job running.
		if b, err := q.body(); err == nil {
			reason, _ = b.text("reason")
		}
	}
	err = q.ask("jobs.cancel", api.JobRequest{Job: events.JobID(j.Job.Job), Reason: reason}, nil)
	if err != nil && !api.HasCode(err, api.Conflict) { // over meanwhile
		return answer{}, err
	}
	return said(http.StatusOK, sent)
}

// batchCancel answers POST jobs/batch_cancel/.
// Each is canceled by itself: one that fails keeps none of the others.
func batchCancel(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	if !b.has("job_ids") {
		return answer{}, invalid("job_ids", "This field is required.")
	}
	done, wrong := []any{}, []any{}
	// LAVA answers 200 whatever became of them; clients read invalid_job_ids. Three kinds are among these
	// and not told apart: not there, not to be seen, not to be canceled.
	for _, id := range b.list("job_ids") {
		var shown any = id
		if n, err := strconv.ParseUint(id, 10, 64); err == nil {
			shown = n
		}
		failed := !jobNumber(id)
		if !failed {
			e := q.ask("jobs.cancel", map[string]any{"job": id}, nil)
			failed = e != nil && !api.HasCode(e, api.Conflict)
		}
		if failed {
			wrong = append(wrong, shown)
		} else {
			done = append(done, shown)
		}
	}
	return ok(object{{"message", "Job cancel signal sent for job ids."}, {"job_ids", done}, {"invalid_job_ids", wrong}})
}

// validate answers POST jobs/validate/: what the strict validator says, to anybody.
// It is not what submission holds a definition to: without strict an unknown key is passed over here and refused there. LAVA
// has two validators, of which XML-RPC has a method each (scheduler.jobs.validate, scheduler.validate_yaml).
// Also to callers without a name: it looks at nothing of the lab but the names that a context may set.
func validate(q *request) (answer, error) {
	definition, err := q.only("definition", "Test job definition is required.")
	if err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	// strict refuses keys that no method knows.
	exact, _, err := b.truth("strict")
	if err != nil {
		return answer{}, err
	}
	if _, err := yaml.Parse([]byte(definition)); err != nil {
		return answer{}, &problem{status: http.StatusBadRequest, body: object{{"message", "Job invalid: " + err.Error()}}}
	}
	if found := strict.New(q.d.ExtraContext).Check([]byte(definition), shape.Mode(exact)); len(found) > 0 {
		return said(http.StatusOK, "Job invalid: "+listed(found[0].Classic))
	}
	return said(http.StatusOK, "Job valid.")
}

// only reads the one text that an operation is about; lacks is said, bare, where there is none.
// These few operations of LAVA answer {"field": "sentence"}, where all others have a list.
func (q *request) only(field, lacks string) (string, error) {
	b, err := q.body()
	if err != nil {
		return "", err
	}
	if text, _ := b.text(field); text != "" {
		return text, nil
	}
	return "", &problem{status: http.StatusBadRequest, body: object{{field, lacks}}}
}

// listed writes the place of a problem as a list: @ data['a'][0] becomes @ ['a', 0].
// voluptuous writes the place as Python code, LAVA's REST the list behind it.
func listed(classic string) string {
	message, path, ok := strings.Cut(classic, " @ data[")
	if !ok {
		return classic
	}
	return message + " @ [" + strings.ReplaceAll(strings.TrimSuffix(path, "]"), "][", ", ") + "]"
}

// validateTestdef answers POST jobs/validate_testdef/.
// 200 for both verdicts, as LAVA: the message tells.
func validateTestdef(q *request) (answer, error) {
	definition, err := q.only("definition", "Test definition is required.")
	if err != nil {
		return answer{}, err
	}
	if found := testdef.Validate([]byte(definition), false); len(found) > 0 {
		return said(http.StatusOK, "Test definition invalid: "+found[0].String())
	}
	return said(http.StatusOK, "Test definition valid.")
}

// validateDevice answers POST devices/validate/: it renders a dictionary and parses what comes of it.
// The schema of devices is not asked, as in LAVA: "strata devices check" does.
func validateDevice(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	text, err := q.text()
	if err != nil {
		return answer{}, err
	}
	// A JSON string is taken for the text in it; anything else is the text, as text/plain is.
	if strings.HasPrefix(q.r.Header.Get("Content-Type"), "application/json") {
		var inner string
		if json.Unmarshal([]byte(text), &inner) == nil {
			text = inner
		}
	}
	if err := q.ask("devices.check", api.CheckDictionary{Dictionary: text}, nil); err != nil {
		if api.HasCode(err, api.Invalid) {
			return said(http.StatusOK, "Device dictionary invalid: "+err.Error())
		}
		return answer{}, err
	}
	return said(http.StatusOK, "Device dictionary valid.")
}
