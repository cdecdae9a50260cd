package rest

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsnet/compress/bzip2"

	"strata/events"
	"strata/projections"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/lava"
)

// What stands beside a job's page: files that scripts fetch, and what its buttons do.

// jobFileEndpoints are the files and the buttons.
// The buttons take forms and JSON alike. That a browser's session comes from a page of this lab is the
// door's to see to, for POST; see [door.SameSite].
func jobFileEndpoints() []endpoint {
	at := func(path, doc string, o operation) endpoint {
		return endpoint{path: "scheduler/job/{id}/" + path, doc: doc, operations: []operation{o}}
	}
	file := func(path, content, doc string, h handler) endpoint {
		return at(path, doc, getFileOf("Get it.", content, h))
	}
	act := func(path, doc string, accepts []param, h handler) endpoint {
		return at(path, doc, post("Do it; the answer leads to the job.", http.StatusFound, accepts, h))
	}
	return []endpoint{
		// The type is LAVA's and says nothing of the compression.
		file("configuration", "application/tar", "The files that a job was started with, as configuration.tar.bz2.", configuration),
		file("timing", "application/json", "How long each action of a job took, and might have taken.", timing),
		file("description", "text/yaml", "The actions of a job's pipeline that have begun, one below the other.", description),
		file("job_data", "application/gzip", "What a callback with all data is sent, for the submitter and staff.", jobData),
		act("cancel", "End a job.", []param{{"reason", text, "why", false}}, cancelPlain),
		// LAVA's for jobs that hang in Canceling; here the lab ends them, so it rarely has anything to do.
		act("fail", "Learn whether a job is to end already, for superusers.", nil, failPlain),
		act("priority", "Give a waiting job another place in the queue.", []param{{"priority", integer, "0 to 100", true}}, priorityPlain),
		act("annotate_failure", "Say why a job failed.", []param{{"failure_tags", texts, "words", false}, {"failure_comment", text, "", false}}, annotatePlain),
		act("toggle_favorite", "Make a job one of one's favourites, or no longer.", nil, favouritePlain),
	}
}

// configuration answers the five files as a compressed archive; it is empty until the job has a device.
// bzip2, because LAVA's file is called so; the standard library only reads it.
func configuration(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	id := j.Job.Job
	if j.RetriedAs != 0 {
		id = j.RetriedAs
	}
	in, err := asked[api.Inputs](q, "jobs.inputs", api.JobRequest{Job: events.JobID(id)})
	// Conflict says that the job has had no device: there is nothing to hand out yet.
	if err != nil && !api.HasCode(err, api.Conflict) {
		return answer{}, err
	}
	// A fixed time for the files: the same job gives the same archive each time.
	at := j.SubmittedAt
	if j.StartedAt != nil {
		at = *j.StartedAt
	}
	return answer{file: &file{name: "configuration.tar.bz2", contentType: "application/tar", write: func(w io.Writer) error {
		packed, err := bzip2.NewWriter(w, nil)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(packed)
		for _, f := range []struct{ name, text string }{{"job.yaml", in.Definition}, {"device.yaml", in.Config}, {"dispatcher.yaml", in.Dispatcher},
			{"env.yaml", in.Env}, {"env-dut.yaml", in.EnvDUT}} {
			if f.text == "" {
				continue
			}
			if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text)), ModTime: at}); err != nil {
				return err
			}
			if _, err := io.WriteString(archive, f.text); err != nil {
				return err
			}
		}
		if err := archive.Close(); err != nil {
			return err
		}
		return packed.Close()
	}}}, nil
}

// description answers which actions a job's pipeline has, one below the other, as its log tells of those that have
// begun. LAVA dumps the classes of its dispatcher there before the job runs; what has level, name, description and
// timeout there has them here.
// 404 before the first action began, as LAVA has before the dispatcher has sent its plan.
func description(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	all, err := q.actions(events.JobID(j.Job.Job))
	if err != nil {
		return answer{}, err
	}
	if len(all) == 0 {
		return answer{}, notFound()
	}
	id := strconv.FormatUint(j.Job.Job, 10)
	root := yaml.Mapping().With("job", yaml.Mapping().With("job_id", yaml.Text(id)).With("job_name", yaml.Text(j.Name)).With("device_type", yaml.Text(j.DeviceType))).
		With("device", yaml.Mapping().With("hostname", yaml.Text(j.Device))).With("pipeline", pipeline(all, ""))
	return textFile("job_description_"+id+".yaml", "text/yaml", yaml.Dump(root))
}

// pipeline lists the actions right below a level, "" for the topmost, each with those below it.
// Levels are dotted: 2.1.3 stands below 2.1.
func pipeline(all []timed, above string) *yaml.Node {
	list := yaml.Of()
	for _, a := range all {
		rest, below := strings.CutPrefix(a.level, above)
		if !below || strings.Contains(rest, ".") {
			continue
		}
		one := yaml.Mapping().With("level", yaml.Text(a.level)).With("name", yaml.Text(a.name)).With("timeout", yaml.Number(int64(a.timeout)))
		if inner := pipeline(all, a.level+"."); len(inner.Items) > 0 {
			one = one.With("pipeline", inner)
		}
		list.Items = append(list.Items, one)
	}
	return list
}

// timed is an action of a job: LAVA's row is [level, name, seconds, seconds allowed, whether it took over 85 % of these].
type timed struct {
	level, name       string
	duration, timeout float64
}

// MarshalJSON writes the row.
// LAVA's page draws the row, by these places, and marks what has nearly run out of time.
func (a timed) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{a.level, a.name, a.duration, a.timeout, a.timeout > 0 && a.duration >= 0.85*a.timeout})
}

// The words of a dispatcher, LAVA's and ours, that tools parse: "start: 2.1 uboot-interrupt (timeout
// 00:05:00)". Hours may have more than two digits.
var (
	actionStarts = regexp.MustCompile(`^start: ([\d.]+) (\S+) \(timeout (\d+):(\d\d):(\d\d)\)`)
	actionEnds   = regexp.MustCompile(`^end: ([\d.]+) (\S+) \(duration (\d+):(\d\d):(\d\d)\)`)
)

// clock reads hours, minutes and seconds.
func clock(parts []string) float64 {
	total := 0
	for _, p := range parts {
		n, _ := strconv.Atoi(p) // digits, by the pattern
		total = total*60 + n
	}
	return float64(total)
}

// actions reads from a job's log which actions ran, in the order of their levels.
// The whole log is read for it; an action that has not ended has a duration of 0.
func (q *request) actions(job events.JobID) ([]timed, error) {
	at := map[string]int{}
	var all []timed
	err := q.logRecords(job, func(r events.Record) error {
		var message string
		if json.Unmarshal(r.Message, &message) != nil {
			return nil
		}
		if m := actionStarts.FindStringSubmatch(message); m != nil {
			if _, again := at[m[1]]; !again { // a retry starts once more
				at[m[1]] = len(all)
				all = append(all, timed{level: m[1], name: m[2], timeout: clock(m[3:])})
			}
		} else if m := actionEnds.FindStringSubmatch(message); m != nil {
			if i, known := at[m[1]]; known {
				all[i].duration = clock(m[3:])
			}
		}
		return nil
	})
	// As texts, so 1.10 stands before 1.2.
	slices.SortStableFunc(all, func(a, b timed) int { return strings.Compare(a.level, b.level) })
	return all, err
}

// timing answers what the tab Timing of LAVA's pages is made of.
func timing(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	all, err := q.actions(events.JobID(j.Job.Job))
	if err != nil {
		return answer{}, err
	}
	var b strings.Builder
	b.WriteString("<table class=\"table table-striped\"><thead><tr><th>Level</th><th>Action</th><th>Duration (seconds)</th><th>Timeout (seconds)</th></tr></thead><tbody>\n")
	for _, a := range all {
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td><td>%.1f</td><td>%.0f</td></tr>\n", html.EscapeString(a.level), html.EscapeString(a.name), a.duration, a.timeout)
	}
	b.WriteString("</tbody></table>\n")
	if all == nil {
		all = []timed{}
	}
	return ok(object{{"timing", b.String()}, {"graph", all}})
}

// jobData answers, compressed, what LAVA has sent to a callback with all data: the job, its log and its results.
// It is written as a stream, for logs may be larger than memory: head, log and results are pieces of one
// JSON object, whose last brace is cut off and set again.
func jobData(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	// It has the log and all texts at once; LAVA keeps it to these people.
	if !q.d.Lab.Staff(q.who) && !q.d.Lab.Superuser(q.who) && (q.who.User == "" || string(q.who.User) != j.User) {
		return answer{}, detail(http.StatusForbidden, forbidden)
	}
	if j.State != "Finished" {
		return answer{}, notFound()
	}
	rows, err := q.withTexts([]projections.SelectedJob{j})
	if err != nil {
		return answer{}, err
	}
	head, err := encoded(callbackBody(rows[0]))
	if err != nil {
		return answer{}, err
	}
	suites, err := q.suiteTexts(events.JobID(j.Job.Job))
	if err != nil {
		return answer{}, err
	}
	tail, err := encoded(suites)
	if err != nil {
		return answer{}, err
	}
	return answer{file: &file{name: fmt.Sprintf("job_data_%d.gz", j.Job.Job), contentType: "application/gzip", write: func(w io.Writer) error {
		packed := gzip.NewWriter(w)
		if _, err := fmt.Fprintf(packed, `%s,"log":"`, head[:len(head)-1]); err != nil {
			return err
		}
		err := q.logLines(events.JobID(j.Job.Job), logRange{0, -1}, func(_ uint64, text []byte) error {
			line, err := encoded(string(text))
			if err == nil {
				_, err = packed.Write(line[1 : len(line)-1])
			}
			return err
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(packed, `","results":%s}`, tail); err != nil {
			return err
		}
		return packed.Close()
	}}}, nil
}

// callbackBody is a job as callbacks tell of it, in LAVA's order: words with its numbers beside them, times as Python
// prints them, metadata as mappings of one key.
// services/notify makes the same of a job for callbacks; services do not import each other.
func callbackBody(j jobRow) object {
	word := strings.ToLower(lava.Status(j.State, j.Health))
	status := map[string]int{"submitted": 0, "running": 1, "complete": 2, "incomplete": 3, "canceled": 4, "canceling": 5}[word]
	pairs := []object{}
	for _, m := range metadata(j.Metadata) {
		pairs = append(pairs, object{m})
	}
	moment := func(t *time.Time) string { return lava.Moment(t) }
	return object{{"id", j.Job.Job}, {"status", status}, {"status_string", word}, {"state", slices.Index(jobStates, j.State)}, {"state_string", j.State},
		{"health", max(slices.Index(jobHealths, j.Health), 0)}, {"health_string", j.Health}, {"submit_time", moment(&j.SubmittedAt)}, {"start_time", moment(j.began())},
		{"end_time", moment(j.EndedAt)}, {"submitter_username", j.User}, {"failure_comment", comment(&j)}, {"priority", j.Priority}, {"description", j.Name},
		{"actual_device_id", orNull(j.Device)}, {"definition", j.texts.Definition}, {"metadata", pairs}, {"health_check", j.HealthCheck}}
}

// suiteTexts returns the results of a job: of each suite its cases as YAML.
// The values are YAML within JSON, as callbacks have had them since before LAVA's REST.
func (q *request) suiteTexts(job events.JobID) (object, error) {
	c, err := asked[api.Cases](q, "jobs.cases", api.CasesRequest{Job: job, Whole: true, Suites: true})
	if err != nil {
		return nil, err
	}
	out := object{}
	for _, s := range c.Suites {
		var b strings.Builder
		err := q.d.Lab.Stream(q.context(), q.who, "results.export", api.ResultsExport{Job: job, Format: "yaml", Whole: true, Suite: s.Name}, func(p api.Piece) error {
			b.Write(p.Body)
			return nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, member{s.Name, b.String()})
	}
	return out, nil
}

// toJob leads to the page of a job, after something was done with it.
// Scripts that press LAVA's buttons look for the redirection.
func toJob(j projections.SelectedJob) answer {
	return answer{status: http.StatusFound, header: http.Header{"Location": {"/scheduler/job/" + strconv.FormatUint(j.Job.Job, 10)}}}
}

// acted does something with the job that the address names. Who may not is told so in LAVA's words, as plain text.
func (q *request) acted(refusal string, do func(j projections.SelectedJob, b *body) error) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	err = do(j, b)
	if api.HasCode(err, api.Denied) {
		return refusedPlain(refusal), nil
	}
	return toJob(j), err
}

// refusedPlain is a refusal as LAVA's pages have it.
func refusedPlain(why string) answer {
	return answer{status: http.StatusForbidden, plain: why}
}

func cancelPlain(q *request) (answer, error) {
	return q.acted("you cannot cancel this job", func(j projections.SelectedJob, b *body) error {
		// To anybody who has a name and sees the job.
		if j.State == "Finished" || j.State == "Canceling" {
			return nil // silently, as LAVA
		}
		reason, _ := b.text("reason")
		err := q.ask("jobs.cancel", api.JobRequest{Job: events.JobID(j.Job.Job), Reason: reason}, nil)
		if api.HasCode(err, api.Conflict) { // over meanwhile
			return nil
		}
		return err
	})
}

// failPlain is LAVA's button for a job that should have ended. It changes nothing: the job is to end already, which is not
// said to its worker a second time, and the lab ends it by itself when the worker does not come back.
// The two refusals are LAVA's, as plain text with 403.
func failPlain(q *request) (answer, error) {
	if !q.d.Lab.Superuser(q.who) {
		return refusedPlain("Only superusers can fail a job"), nil
	}
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	if j.State != "Canceling" {
		return refusedPlain("Job should be canceled before being failed"), nil
	}
	return toJob(j), nil
}

// Of jobs that wait alone: the verb refuses others with a conflict, 409.
func priorityPlain(q *request) (answer, error) {
	return q.acted("you cannot change the priority of this job", func(j projections.SelectedJob, b *body) error {
		n, there, err := b.whole("priority")
		if err != nil || !there {
			return invalid("priority", "Enter a number from 0 to 100.")
		}
		return q.ask("jobs.priority", api.PriorityRequest{Job: events.JobID(j.Job.Job), Priority: n}, nil)
	})
}

// What is not in the form is emptied: LAVA's form has both fields always.
func annotatePlain(q *request) (answer, error) {
	return q.acted("you cannot annotate this job", func(j projections.SelectedJob, b *body) error {
		comment, _ := b.text("failure_comment")
		return q.ask("jobs.annotate", api.AnnotateRequest{Job: events.JobID(j.Job.Job), Tags: b.list("failure_tags"), Comment: comment}, nil)
	})
}

// favouritePlain turns what the caller said last of the job round.
func favouritePlain(q *request) (answer, error) {
	return q.acted("you cannot see this job", func(j projections.SelectedJob, _ *body) error {
		shown, err := asked[api.Job](q, "jobs.show", api.JobRequest{Job: events.JobID(j.Job.Job)})
		if err != nil {
			return err
		}
		return q.ask("jobs.favour", api.KeepRequest{Job: shown.Job, Off: shown.Favourite}, nil)
	})
}

// logRecords hands over the records of a job's log.
// As records, without the detour by YAML; for what a program looks for in a log.
func (q *request) logRecords(job events.JobID, each func(events.Record) error) error {
	return q.d.Lab.Stream(q.context(), q.who, "jobs.log", api.LogRequest{Job: job, Whole: true}, func(p api.Piece) error {
		for line := range strings.Lines(string(p.Body)) {
			var record events.Record
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				return fmt.Errorf("log of job %d: %w", job, err)
			}
			if err := each(record); err != nil {
				return err
			}
		}
		return nil
	})
}
