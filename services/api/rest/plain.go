package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"

	"strata/events"
	"strata/projections"
	"strata/schemas/results"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/lava"
)

// Addresses of LAVA's pages that scripts fetch, below /scheduler/job/<id>/ and /results/. They are plain texts,
// and a job that the caller may not see is answered 403, as there.

// plainEndpoints are the addresses of pages that scripts fetch.
// SQUAD fetches log_file/plain of each job; bookmarks and labs' scripts the rest. They have no version in
// the address, by which [request.authenticate] knows them.
func plainEndpoints() []endpoint {
	at := func(path, content, doc string, h handler) endpoint {
		return endpoint{path: path, doc: doc, operations: []operation{getFileOf("Get it.", content, h)}}
	}
	j := func(path, content, doc string, h handler) endpoint {
		return at("scheduler/job/{id}/"+path, content, doc, h)
	}
	return []endpoint{
		j("definition/plain", "text/plain", "The definition of a job.", plainDefinition(false)),
		j("multinode_definition/plain", "text/plain", "The whole definition of a multinode job.", plainDefinition(true)),
		j("log_file/plain", "application/yaml", "The log of a job.", plainLog),
		// What LAVA's page of a log asks; the viewer of this lab has log/lines of its own.
		j("log_pipeline_incremental", "application/json", "Lines of a job's log from ?line= on; X-Is-Finished says that none will follow.", incremental),
		j("job_status", "application/json", "Where a job stands.", jobStatus),
		at("results/{id}/csv", "text/csv", "The results of a job.", plainResults("csv", "text/csv")),
		at("results/{id}/yaml", "text/yaml", "The results of a job.", plainResults("yaml", "text/yaml")),
		at("results/{id}/yaml_summary", "text/yaml", "The suites of a job.", plainSuites),
		at("results/{id}/metadata", "text/yaml", "The metadata of a job.", plainMetadata),
		// More exact than results/{id}/{name}/yaml, so http.ServeMux takes it; no job is called testcase.
		at("results/testcase/{id}/yaml", "text/yaml", "One test case, by its number.", plainCase),
		at("results/{id}/{name}/csv", "text/csv", "The results of a suite.", plainResults("csv", "text/csv")),
		at("results/{id}/{name}/yaml", "text/yaml", "The results of a suite.", plainResults("yaml", "text/yaml")),
		at("results/{id}/{name}/+testcase-count", "text/plain", "The number of cases of a suite.", plainCount),
	}
}

// seenJob is [request.job] with the answer of LAVA's pages to those who may not see it.
// So a number that is in use can be told from one that is not, as in LAVA; v1 and the bus hide that.
func (q *request) seenJob() (projections.SelectedJob, error) {
	id := q.r.PathValue("id")
	if !jobNumber(id) {
		return projections.SelectedJob{}, notFound()
	}
	j, err := asked[projections.SelectedJob](q, "jobs.row", map[string]any{"job": id, "whole": true})
	if api.HasCode(err, api.Denied) {
		return j, detail(http.StatusForbidden, forbidden)
	}
	return j, err
}

// plainDefinition answers definition/plain, and multinode_definition/plain.
func plainDefinition(multinode bool) handler {
	return func(q *request) (answer, error) {
		j, err := q.seenJob()
		if err != nil {
			return answer{}, err
		}
		rows, err := q.withTexts([]projections.SelectedJob{j})
		if err != nil {
			return answer{}, err
		}
		// Of a part of a group that is its own definition, as LAVA answers here; the group's stands at the
		// other address.
		name, text := "job_", rows[0].texts.Original
		if multinode {
			name, text = "multinode_job_", rows[0].texts.Multinode
		}
		if text == "" {
			return answer{}, notFound()
		}
		// The file is named by the number of the job, also where it was asked for as 41.2.
		return textFile(name+strconv.FormatUint(j.Job.Job, 10)+".yaml", "text/plain; charset=utf-8", text)
	}
}

// plainLog answers log_file/plain: the whole log.
// The whole of it as a stream: memory holds 64 KiB whatever its length.
func plainLog(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	id := strconv.FormatUint(j.Job.Job, 10)
	return q.logFile("job_"+id+".log", events.JobID(j.Job.Job), logRange{0, -1})
}

// mostIncremental is how many lines one answer has; a client asks for the next ones.
// LAVA answers [] and the header X-Size-Warning for logs of 5 MB and more, which this bound replaces.
const mostIncremental = 20_000

// incremental answers log_pipeline_incremental: lines as JSON, for pages that follow a job.
// LAVA's page asks it again from the line after the last one until X-Is-Finished is there.
func incremental(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	from, err := strconv.ParseInt(q.query.Get("line"), 10, 64)
	// A page of LAVA sends no line the first time.
	if err != nil || from < 0 {
		from = 0
	}
	lines := []json.RawMessage{}
	err = q.logLines(events.JobID(j.Job.Job), logRange{from, from + mostIncremental}, func(_ uint64, text []byte) error {
		// The line as JSON has the values of its YAML: what is marked with a lone ! there is a number here, as PyYAML makes of it.
		root, err := yaml.Parse(text)
		if err != nil || len(root.Items) != 1 {
			return err
		}
		line, err := encoded(root.Items[0].Data())
		lines = append(lines, line)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	a := answer{body: lines}
	// A full answer may have more lines behind it: the client would stop too early.
	if j.State == "Finished" && len(lines) < mostIncremental {
		a.header = http.Header{"X-Is-Finished": {"1"}}
	}
	return a, nil
}

// jobStatus answers job_status, with words where LAVA has markup.
// job_health is LAVA's number; job_state one word of its old five; subjobs are [number, word] of a group's
// parts, this one included.
func jobStatus(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	out := object{{"actual_device", orNull(j.Device)}}
	if j.StartedAt != nil {
		end := q.d.Now()
		if j.EndedAt != nil {
			end = *j.EndedAt
		}
		out = append(out, member{"duration", end.Sub(*j.StartedAt).Round(1e9).String()})
	}
	health := map[string]int{"Unknown": 0, "Complete": 1, "Incomplete": 2, "Canceled": 3}[j.Health]
	parts, err := q.parts(j)
	if err != nil {
		return answer{}, err
	}
	out = append(out, member{"job_state", lava.Status(j.State, j.Health)}, member{"job_health", health},
		member{"failure_comment", orNull(j.Comment)}, member{"started", stamped(j.StartedAt)}, member{"subjobs", parts})
	a := answer{}
	if j.State == "Finished" {
		// In the body, where LAVA has it, and as a header like that of log_pipeline_incremental.
		out = append(out, member{"X-JobState", "1"})
		a.header = http.Header{"X-JobState": {"1"}}
	}
	a.body = out
	return a, nil
}

// parts returns the numbers and states of the parts of a job's group; none of a job of its own.
// The bound is far above any group that a lab has devices for.
func (q *request) parts(j projections.SelectedJob) ([]any, error) {
	list := []any{}
	if j.GroupID == "" {
		return list, nil
	}
	group := api.FindJobs{Terms: []projections.JobTerm{{Field: "target_group", Op: projections.TermExact, Values: []string{j.GroupID}}},
		Order: []projections.JobOrder{{Field: "id"}}, Limit: 1000, Whole: true}
	found, err := asked[api.FoundJobs](q, "jobs.find", group)
	for _, one := range found.Jobs {
		list = append(list, []any{one.Job.Job, lava.Status(one.State, one.Health)})
	}
	return list, err
}

// plainResults answers the results of a job or of one of its suites.
// It reads facts rather than tables, so what was recorded a moment ago is in it.
func plainResults(format, content string) handler {
	return func(q *request) (answer, error) {
		j, err := q.seenJob()
		if err != nil {
			return answer{}, err
		}
		// A whole job's CSV is quoted only where it must be, a suite's everywhere: LAVA has two writers.
		suite := q.r.PathValue("name")
		in := api.ResultsExport{Job: events.JobID(j.Job.Job), Format: format, Whole: true, Suite: suite, Minimal: suite == ""}
		if limit, err := strconv.Atoi(q.query.Get("limit")); err == nil && limit > 0 && suite != "" {
			in.Limit = limit
			if offset, err := strconv.Atoi(q.query.Get("offset")); err == nil && offset > 0 {
				in.Offset = offset // LAVA ignores it without a limit
			}
		}
		name := "lava_" + strconv.FormatUint(j.Job.Job, 10)
		if suite != "" {
			name = "lava_" + suite
		}
		_, extension := results.ContentType(format)
		return answer{file: &file{name: name + "." + extension, contentType: content, write: func(w io.Writer) error {
			return q.d.Lab.Stream(q.context(), q.who, "results.export", in, func(p api.Piece) error {
				_, err := w.Write(p.Body)
				return err
			})
		}}}, nil
	}
}

// seenSuites returns a job and its suites.
func (q *request) seenSuites() (projections.SelectedJob, api.Cases, error) {
	j, err := q.seenJob()
	if err != nil {
		return j, api.Cases{}, err
	}
	c, err := asked[api.Cases](q, "jobs.cases", api.CasesRequest{Job: events.JobID(j.Job.Job), Whole: true, Suites: true})
	return j, c, err
}

// plainSuites answers yaml_summary: LAVA's records of suites.
// Text in all three members, as in XML-RPC's get_testjob_suites_list_yaml.
func plainSuites(q *request) (answer, error) {
	j, c, err := q.seenSuites()
	if err != nil {
		return answer{}, err
	}
	id := strconv.FormatUint(j.Job.Job, 10)
	list := yaml.Of()
	for _, s := range c.Suites {
		list.Items = append(list.Items, yaml.Mapping().With("name", yaml.Text(s.Name)).With("job", yaml.Text(id)).With("id", yaml.Text(strconv.FormatUint(s.ID, 10))))
	}
	return textFile("lava_"+id+"_summary.yaml", "text/yaml", yaml.Dump(list))
}

// plainMetadata answers metadata, as YAML.
// A mapping, where REST and XML-RPC have a list of mappings of one key.
func plainMetadata(q *request) (answer, error) {
	j, err := q.seenJob()
	if err != nil {
		return answer{}, err
	}
	m := yaml.Mapping()
	for key, value := range j.Metadata {
		m = m.With(key, yaml.Text(value))
	}
	return textFile("lava_metadata_"+strconv.FormatUint(j.Job.Job, 10)+".yaml", "text/yaml", yaml.Dump(m))
}

// plainCase answers one case, by its number in the lab, as a mapping. Of a job that may not be seen there is none.
func plainCase(q *request) (answer, error) {
	id, err := strconv.ParseUint(q.r.PathValue("id"), 10, 64)
	if err != nil {
		return answer{}, notFound()
	}
	c, err := asked[projections.Case](q, "cases.find", api.CaseRequest{ID: id})
	if err != nil {
		return answer{}, err
	}
	record := results.Record(strconv.FormatUint(c.Job, 10), results.Case{ID: id, Suite: c.Suite, Set: c.Set, Name: c.Name, Result: c.Result,
		Measurement: c.Measurement, Units: c.Units, Logged: c.Time, StartLine: c.StartLine, EndLine: c.EndLine, Metadata: c.Metadata})
	return textFile("lava_"+c.Name+".yaml", "text/yaml", yaml.Dump(record))
}

// plainCount answers +testcase-count: a number.
// +testcase-count is LAVA's address; the plus cannot begin a suite's name there.
func plainCount(q *request) (answer, error) {
	_, c, err := q.seenSuites()
	if err != nil {
		return answer{}, err
	}
	at := slices.IndexFunc(c.Suites, func(s api.JobSuite) bool { return s.Name == q.r.PathValue("name") })
	if at < 0 {
		return answer{}, notFound()
	}
	return answer{file: &file{name: "count.txt", contentType: "text/plain; charset=utf-8", write: func(w io.Writer) error {
		_, err := io.WriteString(w, strconv.Itoa(c.Suites[at].Cases))
		return err
	}}}, nil
}
