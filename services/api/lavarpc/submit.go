package lavarpc

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/lava"
	"strata/services/api/xmlrpc"
)

// verdictWithin is how long a submission waits for the lab to look at it. After that the number alone is
// the answer: the definition lies on the bus and will be looked at.
// lavacli gives up after 20 s where its identity says nothing else, and would then not know the number.
const verdictWithin = 10 * time.Second

// submit publishes a definition and answers with its number, or with a list of those of a group's parts.
func submit(c call) (any, error) {
	text, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return c.submit(text)
}

// A number is given for every text that the bus takes, at most 1 MiB; LAVA's clients get none for what is
// refused, though it is kept and can be looked at with strata.
func (c call) submit(text string) (any, error) {
	id, err := c.h.API.Submit(c.ctx, c.who, []byte(text), "")
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(c.ctx, verdictWithin)
	defer cancel()
	// A verdict that is late is no error: v is then undecided, and the number alone is the answer, also of
	// a group, whose parts nobody has counted yet.
	v, err := c.h.API.Verdict(patient, id)
	switch {
	case err != nil:
		return nil, err
	case v.Rejected:
		return nil, refusal(v.Message)
	case v.Group:
		// A list, of texts such as "41.0", is how lavacli knows a multinode job.
		return list(v.Jobs), nil
	}
	return int64(id), nil
}

// refusal words why a definition is no job.
// The beginnings are LAVA's, so that scripts can tell "Device unavailable", which may pass, from what
// never will. The definition is kept under its number all the same, as REST tells it; here there is no
// place for it.
func refusal(message string) *xmlrpc.Fault {
	switch lava.Refused(message) {
	case lava.Unavailable:
		return fault(http.StatusBadRequest, "Device unavailable: %s", message)
	case lava.UnknownTag:
		return fault(http.StatusBadRequest, "Invalid job definition: %s.", message)
	}
	return fault(http.StatusBadRequest, "Problem with submitted job data: %s", message)
}

// resubmit submits the text of a job again: a group's as a whole.
// Whoever asks is the submitter of the new job, with the rights of now: LAVA wants a name and that the job
// can be seen, no more. A text that was erased with its job cannot be submitted again.
func resubmit(c call) (any, error) {
	_, texts, err := c.texted()
	if err != nil {
		return nil, err
	}
	text := texts.Original
	if texts.Multinode != "" {
		text = texts.Multinode
	}
	if text == "" {
		return nil, fault(http.StatusNotFound, "the definition of the job is not kept any more")
	}
	return c.submit(text)
}

// texted returns the job that is the first argument, and its texts.
func (c call) texted() (api.Job, api.JobTexts, error) {
	j, err := c.show()
	if err != nil {
		return j, api.JobTexts{}, err
	}
	var texts []api.JobTexts
	if err := c.ask("jobs.texts", api.JobsNamed{Jobs: []events.JobID{j.Job}}, &texts); err != nil {
		return j, api.JobTexts{}, err
	}
	if len(texts) == 0 {
		return j, api.JobTexts{}, fault(http.StatusNotFound, "the definition of job %s is not kept any more", j.Display)
	}
	return j, texts[0], nil
}

// cancel asks for the end of a job. One that is over stays as it is, and LAVA says so with true.
// lavacli cancels several jobs one after the other and prints each fault: one that has ended meanwhile is
// none, in LAVA as here.
func cancel(c call) (any, error) {
	if c.args[0] == nil || c.args[0] == "" {
		return nil, fault(http.StatusBadRequest, "Bad request: TestJob id was not specified.")
	}
	id, err := c.job()
	if err != nil {
		return nil, err
	}
	err = c.ask("jobs.cancel", jobRef{Job: id}, nil)
	if api.HasCode(err, api.Denied) {
		// Of a job that is over, or about to be, LAVA asks nobody for a right.
		var j api.Job
		if c.ask("jobs.show", jobRef{Job: id, Whole: true}, &j) == nil && (j.Over() || j.State == string(lab.Canceling)) {
			return true, nil
		}
	}
	if api.HasCode(err, api.Conflict) {
		return true, nil
	}
	err = missing(err, "Job '%s' was not found.", id)
	return true, as(err, api.Denied, fault(http.StatusForbidden, "Permission denied."))
}

// validateYAML holds a text to what every submission passes.
// It knows nothing of methods: unknown keys of a deploy pass here, as they pass LAVA's submission, and are
// found by scheduler.jobs.validate.
func validateYAML(c call) (any, error) {
	text, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if _, err := yaml.Parse([]byte(text)); err != nil {
		return nil, fault(http.StatusBadRequest, "Decoding job submission failed: %v.", err)
	}
	_, problems := job.NewGate(job.Rules{ExtraContext: c.h.ExtraContext}).Check([]byte(text))
	if len(problems) > 0 {
		return nil, fault(http.StatusBadRequest, "Invalid YAML submission: %s", problems[0].Message)
	}
	return nil, nil
}

// validate holds a text to the schemas of all methods.
func validate(c call) (any, error) {
	text, err := c.text(0)
	if err != nil {
		return nil, err
	}
	mode, err := c.flag(1)
	if err != nil {
		return nil, err
	}
	if _, err := yaml.Parse([]byte(text)); err != nil {
		return nil, internal("%v", err)
	}
	problems := strict.New(c.h.ExtraContext).Check([]byte(text), shape.Mode(mode))
	if len(problems) == 0 {
		return xmlrpc.Struct{}, nil
	}
	// lavacli prints both members and fails where one is missing. path is how Python prints the list of
	// keys: data['actions'][0] in voluptuous' words is ['actions', 0].
	message, path := problems[0].Classic, "[]"
	if at := strings.LastIndex(message, " @ data"); at >= 0 {
		message, path = message[:at], strings.ReplaceAll(message[at+len(" @ data"):], "][", ", ")
	}
	return xmlrpc.Struct{{Name: "path", Value: path}, {Name: "msg", Value: message}}, nil
}

// definition answers with the text that was submitted: a group's as a whole.
func definition(c call) (any, error) {
	_, texts, err := c.texted()
	if err != nil {
		return nil, err
	}
	if texts.Multinode != "" {
		return texts.Multinode, nil
	}
	return texts.Original, nil
}

// configuration answers with the five files that a job was started with. They are text: lavacli writes them
// to files as such, and fails on LAVA's base64.
// "lavacli jobs config" takes five values in this order and leaves out the files of those that are nil. A
// job of several attempts answers with what the last one was given.
func configuration(c call) (any, error) {
	j, texts, err := c.texted()
	if err != nil {
		return nil, err
	}
	if j.Started == nil && j.Over() {
		return []any{nil, nil, nil, nil, nil}, nil // it was never handed to a worker
	}
	if j.Started == nil {
		return nil, fault(http.StatusNotFound, "Job '%s' has not started yet", j.Display)
	}
	var in api.Inputs
	if err := c.ask("jobs.inputs", api.JobRequest{Job: lastAttempt(j)}, &in); err != nil {
		return nil, err
	}
	out := []any{texts.Original}
	for _, text := range []string{in.Config, in.Dispatcher, in.Env, in.EnvDUT} {
		out = append(out, orNil(text))
	}
	return out, nil
}

// lastAttempt is the job that a job became last.
func lastAttempt(j api.Job) events.JobID {
	if n := len(j.Attempts); n > 0 {
		return j.Attempts[n-1].Job
	}
	return j.Job
}

// number is a job's own number as a text.
func number(id events.JobID) string { return strconv.FormatUint(uint64(id), 10) }

// minutes is a number of minutes, at most ten years.
// Beyond 153 million minutes a Duration overflows, and a list since then would be empty.
func minutes(n int64) (time.Duration, error) {
	if n < 0 || n > 10*366*24*60 {
		return 0, fmt.Errorf("%d minutes", n)
	}
	return time.Duration(n) * time.Minute, nil
}
