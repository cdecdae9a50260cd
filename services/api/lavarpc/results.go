package lavarpc

import (
	"bytes"
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/projections"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// SQUAD reads get_testjob_suites_list_yaml and pages through get_testsuite_results_yaml, 500 cases at a
// time; lavacli reads the YAML of jobs, suites and cases and needs suite, name and result of each.
func resultMethods() []method {
	row := func(name, params, about string, f func(c call) (any, error)) method {
		return method{name: "results." + name, params: params, about: about, signed: true, call: f}
	}
	return []method{
		row("get_testjob_results_yaml", "job_id", "Returns the test cases of a job as YAML.", exported("yaml", 1)),
		row("get_testjob_results_csv", "job_id", "Returns the test cases of a job as CSV.", exported("csv", 1)),
		row("get_testjob_metadata", "job_id", "Returns the metadata of a job, a list of dictionaries of one key each.", metadata),
		row("get_testjob_suites_list_yaml", "job_id", "Returns the test suites of a job as YAML.", suitesYAML),
		row("get_testjob_suites_list_csv", "job_id", "Returns the test suites of a job as CSV.", suitesCSV),
		row("get_testsuite_results_yaml", "job_id suite_name limit=nil offset=nil", "Returns the test cases of a suite as YAML.", exported("yaml", 2)),
		row("get_testsuite_results_csv", "job_id suite_name limit=nil offset=nil", "Returns the test cases of a suite as CSV.", exported("csv", 2)),
		row("get_testsuite_results_count", "job_id suite_name", "Returns the number of test cases of a suite.", countCases),
		row("get_testcase_results_yaml", "job_id suite_name case_name", "Returns the test cases of a name as YAML.", exported("yaml", 3)),
		row("get_testcase_results_csv", "job_id suite_name case_name", "Returns the test cases of a name as CSV.", exported("csv", 3)),
		row("make_custom_query", "entity conditions limit=200", "Runs a query of jobs, suites or cases (testjob, testsuite, testcase) by conditions such as testjob__health__exact__Complete,testjob__submitter__exact__ann.", customQuery),
		row("run_query", "query_name limit=200 username=nil", "Runs a saved query, the caller's own or a user's, and returns its rows.", runQuery),
		row("refresh_query", "query_name username=nil", "Finds the rows of a saved query anew.", refreshQuery),
		row("refresh_all_queries", "", "Finds the rows of all saved queries anew.", refreshAll),
	}
}

// resultError words errors of a job whose results are asked for.
// 401, where scheduler.jobs has 403: both are LAVA's.
func (c call) resultError(id string, err error) error {
	err = missing(err, "Specified job not found.")
	return as(err, api.Denied, fault(http.StatusUnauthorized, "Permission denied for user to job %s", id))
}

// unspecified says that a value is none to Python.
// To LAVA all of these are "not specified", which is a 400 with a sentence of its own.
func unspecified(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case xmlrpc.Struct:
		return len(v) == 0
	}
	return v == nil || v == "" || v == int64(0) || v == false
}

// of returns the job of a question about results.
func (c call) of() (api.Job, error) {
	if unspecified(c.args[0]) {
		return api.Job{}, fault(http.StatusBadRequest, "Bad request: TestJob id was not specified.")
	}
	id, err := c.job()
	if err != nil {
		return api.Job{}, fault(http.StatusNotFound, "Specified job not found.")
	}
	var j api.Job
	err = c.ask("jobs.show", jobRef{Job: id, Whole: true}, &j)
	return j, c.resultError(id, err)
}

// exported answers with results as a file: of a job, of a suite, of the cases of a name.
// The text is a string, no base64, other than files and logs. What is not recorded yet is not in it:
// clients that fetch at once after Finished may miss the end, which is why SQUAD waits two minutes.
func exported(format string, depth int) func(c call) (any, error) {
	return func(c call) (any, error) {
		j, err := c.of()
		if err != nil {
			return nil, err
		}
		in := api.ResultsExport{Job: j.Job, Whole: true, Format: format}
		if depth > 1 {
			if in.Suite, err = c.text(1); err != nil {
				return nil, err
			}
			if in.Suite == "" { // which would be all of them
				return nil, fault(http.StatusNotFound, "Specified test suite not found.")
			}
		}
		if depth > 2 {
			if in.Case, err = c.text(2); err != nil {
				return nil, err
			}
			if in.Case == "" { // which would be all of them; LAVA finds none of that name
				if _, err := countCases(c); err != nil {
					return nil, err
				}
				if format == "csv" {
					return nil, fault(http.StatusNotFound, "Specified test case not found.")
				}
				return "[]\n", nil
			}
		}
		if depth == 2 {
			limit, err := c.number(2, 0)
			if err != nil {
				return nil, err
			}
			offset, err := c.number(3, 0)
			if err != nil {
				return nil, err
			}
			if limit < 0 || offset < 0 || limit > 1<<31 || offset > 1<<31 {
				return nil, fault(http.StatusBadRequest, "Bad request: limit and offset are %d and %d, expected numbers from 0", limit, offset)
			}
			in.Limit, in.Offset = int(limit), int(offset)
			if limit == 0 {
				in.Offset = 0 // LAVA looks at it only beside a limit
			}
		}
		text, err := c.export(in)
		if err != nil {
			return nil, err
		}
		// The heading alone, and no line behind it: no case has that name. In YAML that is an empty list.
		if depth == 3 && format == "csv" && strings.Count(text, "\n") < 2 {
			return nil, fault(http.StatusNotFound, "Specified test case not found.")
		}
		return text, nil
	}
}

// export returns a file of results as text.
// It is read from the facts rather than from the tables, so it works while ClickHouse is away.
func (c call) export(in api.ResultsExport) (string, error) {
	var b bytes.Buffer
	err := c.h.API.Stream(c.ctx, c.who, "results.export", in, func(p api.Piece) error {
		b.Write(p.Body)
		return nil
	})
	if err != nil && in.Suite != "" {
		return "", missing(err, "Specified test suite not found.")
	}
	// LAVA writes CSV's line ends as they are, and whoever reads XML sees the carriage returns no more.
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), err
}

func metadata(c call) (any, error) {
	j, err := c.of()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, key := range sortedKeys(j.Metadata) {
		out = append(out, xmlrpc.Struct{{Name: key, Value: j.Metadata[key]}})
	}
	return out, nil
}

// Go's maps have no order; an answer should be the same each time it is asked for.
func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// suite is a test suite as LAVA's lists have it.
type suite struct {
	name string
	id   uint64 // that of its first case
	size int
}

// suites returns the suites of a job in the order in which they began.
// Cases are exported suite by suite, so the first case of a suite is the first of its name.
func (c call) suites() (api.Job, []suite, error) {
	j, err := c.of()
	if err != nil {
		return j, nil, err
	}
	// Suites have no records of their own: they are what cases name.
	text, err := c.export(api.ResultsExport{Job: j.Job, Whole: true, Format: "csv"})
	if err != nil {
		return j, nil, err
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		return j, nil, err
	}
	name, id := slices.Index(records[0], "suite"), slices.Index(records[0], "id")
	if name < 0 || id < 0 {
		return j, nil, errors.New("results have no column suite or id")
	}
	var all []suite
	for _, r := range records[1:] {
		i := slices.IndexFunc(all, func(s suite) bool { return s.name == r[name] })
		if i < 0 {
			first, err := strconv.ParseUint(r[id], 10, 64)
			if err != nil {
				return j, nil, err
			}
			i, all = len(all), append(all, suite{name: r[name], id: first})
		}
		all[i].size++
	}
	return j, all, nil
}

// SQUAD goes through it for the names that it then asks get_testsuite_results_yaml for.
func suitesYAML(c call) (any, error) {
	j, all, err := c.suites()
	if err != nil {
		return nil, err
	}
	var records []*yaml.Node
	for _, s := range all {
		// All three are text in LAVA's records, numbers too.
		records = append(records, yaml.Mapping().With("name", yaml.Text(s.name)).With("job", yaml.Text(number(j.Job))).
			With("id", yaml.Text(strconv.FormatUint(s.id, 10))))
	}
	return yaml.Dump(yaml.Of(records...)), nil
}

// encoding/csv quotes only what needs it, so the lines are written here.
func suitesCSV(c call) (any, error) {
	j, all, err := c.suites()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	line := func(fields ...string) { // LAVA quotes all of them
		for i, f := range fields {
			fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
		b.WriteString(strings.Join(fields, ",") + "\n")
	}
	line("name", "job", "id")
	for _, s := range all {
		line(s.name, number(j.Job), strconv.FormatUint(s.id, 10))
	}
	return b.String(), nil
}

// A suite without a case is one that there is not: suites are what cases name.
func countCases(c call) (any, error) {
	_, all, err := c.suites()
	if err != nil {
		return nil, err
	}
	name, err := c.text(1)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s suite) bool { return s.name == name })
	if i < 0 {
		return nil, fault(http.StatusNotFound, "Specified test suite not found.")
	}
	return int64(all[i].size), nil
}

// queryLimit reads the number of rows that are wanted.
// From 1 to 1,000, the api's bound of a page; LAVA has none and runs until its database gives up.
func (c call) queryLimit(i int) (int, error) {
	n, err := c.number(i, 200)
	if err != nil {
		return 0, err
	}
	return int(min(max(n, 1), 1000)), nil
}

// Conditions are text as in addresses of LAVA's pages: "testjob__health__exact__Complete", commas between.
// An entity or field that there is not is a 400; LAVA has -32603 for all else that is wrong.
func customQuery(c call) (any, error) {
	in := api.QueryCustom{}
	var entity string
	if err := c.all(&entity, &in.Address); err != nil {
		return nil, err
	}
	in.Entity = events.QueryEntity(entity)
	var err error
	if in.Limit, err = c.queryLimit(2); err != nil {
		return nil, err
	}
	var out api.QueryResult
	// Of the caller's own sight: rows of jobs that it may not see are not in it.
	if err := c.ask("queries.custom", in, &out); err != nil {
		return nil, err
	}
	return c.rows(out)
}

// saved reads the name and the owner of a query.
func (c call) saved(owner int) (api.QueryRef, error) {
	name, err := c.text(0)
	if err != nil {
		return api.QueryRef{}, err
	}
	of, err := c.text(owner)
	return api.QueryRef{Name: name, Owner: events.UserName(of)}, err
}

func (c call) queryError(err error, ref api.QueryRef) error {
	owner := ref.Owner
	if owner == "" {
		owner = c.who.User
	}
	// The caller's own query is meant where no owner is named.
	return missing(err, "Query with name %s owned by user %s does not exist.", ref.Name, owner)
}

// One that is not live shows what its last refresh has kept, and 400 where there was none.
func runQuery(c call) (any, error) {
	ref, err := c.saved(2)
	if err != nil {
		return nil, err
	}
	in := api.QueryRun{QueryRef: ref}
	if in.Limit, err = c.queryLimit(1); err != nil {
		return nil, err
	}
	var out api.QueryResult
	if err := c.ask("queries.run", in, &out); err != nil {
		return nil, c.queryError(err, ref)
	}
	return c.rows(out)
}

// 401 where others refuse with 403: LAVA's.
func refreshQuery(c call) (any, error) {
	ref, err := c.saved(1)
	if err != nil {
		return nil, err
	}
	err = c.queryError(c.ask("queries.refresh", ref, nil), ref)
	var f *xmlrpc.Fault
	// LAVA's run_query has 404 for a query that there is not, its refresh_query 400.
	if errors.As(err, &f) && f.Code == http.StatusNotFound {
		return nil, fault(http.StatusBadRequest, "%s", f.String)
	}
	return nil, as(err, api.Denied, fault(http.StatusUnauthorized, "Permission denied for user to query %s", ref.Name))
}

// It waits for the last one, at most as long as a call may take ([patience]).
func refreshAll(c call) (any, error) {
	err := c.h.API.Stream(c.ctx, c.who, "queries.refresh-all", struct{}{}, func(api.Piece) error { return nil })
	return nil, as(err, api.Denied, fault(http.StatusUnauthorized, "Permission denied for user %s. Must be a superuser to refresh all queries.", c.user()))
}

// rows returns what a query found as structs of their public columns.
// LAVA marshals its objects whole: the job's token, and where it has been looked at the submitter's
// account with the hash of its password. Only columns that pages show are here.
func (c call) rows(r api.QueryResult) (any, error) {
	out := []any{}
	columns, texts, err := c.columns(r.Jobs)
	if err != nil {
		return nil, err
	}
	for _, j := range r.Jobs {
		row, text := columns[j.Job], texts[j.Job]
		out = append(out, xmlrpc.Struct{
			{Name: "id", Value: int64(j.Job)},
			{Name: "submitter", Value: string(j.User)},
			{Name: "description", Value: j.Name},
			{Name: "health_check", Value: j.HealthCheck},
			{Name: "requested_device_type", Value: orNil(j.DeviceType)},
			{Name: "actual_device", Value: orNil(j.Device)},
			{Name: "submit_time", Value: j.Submitted.UTC()},
			{Name: "start_time", Value: momentOrNil(j.Started)},
			{Name: "end_time", Value: momentOrNil(j.Ended)},
			{Name: "state", Value: j.State},
			{Name: "health", Value: healthOr(string(j.Health))},
			{Name: "priority", Value: int64(j.Priority)}, // 0 to 100
			{Name: "sub_id", Value: subID(j.Display)},
			{Name: "target_group", Value: orNil(row.GroupID)},
			{Name: "is_public", Value: row.Public},
			{Name: "queue_timeout", Value: seconds(row.QueueTimeout)}, // seconds
			{Name: "failure_comment", Value: orNil(row.Comment)},
			{Name: "metadata", Value: textStruct(j.Metadata)},
			{Name: "definition", Value: text.Definition},
			{Name: "original_definition", Value: text.Original},
			{Name: "multinode_definition", Value: text.Multinode},
		})
	}
	for _, s := range r.Suites {
		out = append(out, xmlrpc.Struct{{Name: "name", Value: s.Suite.Suite}, {Name: "job_id", Value: int64(s.Job)}})
	}
	for _, k := range r.Cases {
		out = append(out, caseRow(k.Case))
	}
	return out, nil
}

// columns returns what a query's page does not have of its jobs: their further columns and their texts, by number. A
// job that was erased since has neither.
func (c call) columns(jobs []api.Job) (map[events.JobID]projections.SelectedJob, map[events.JobID]api.JobTexts, error) {
	if len(jobs) == 0 {
		return nil, nil, nil
	}
	named, numbers := api.JobsNamed{}, []string{}
	for _, j := range jobs {
		named.Jobs, numbers = append(named.Jobs, j.Job), append(numbers, number(j.Job))
	}
	// Each attempt is a row of its own in queries, so they are not made one here.
	var found api.FoundJobs
	if err := c.ask("jobs.find", api.FindJobs{Terms: []projections.JobTerm{exact("id", numbers...)}, Limit: len(jobs)}, &found); err != nil {
		return nil, nil, err
	}
	var texts []api.JobTexts
	if err := c.ask("jobs.texts", named, &texts); err != nil {
		return nil, nil, err
	}
	if n := len(texts); n > 0 && texts[n-1].Cut {
		return nil, nil, fault(http.StatusBadRequest, "The definitions of these jobs have more than 64 MiB; ask for fewer of them, by limit.")
	}
	columns, byJob := map[events.JobID]projections.SelectedJob{}, map[events.JobID]api.JobTexts{}
	for _, j := range found.Jobs {
		columns[events.JobID(j.Job.Job)] = j
	}
	for _, t := range texts {
		byJob[t.Job] = t
	}
	return columns, byJob, nil
}

// seconds is a number of them, nil for none: LAVA's queue_timeout is null where the definition sets none.
func seconds(n uint64) any {
	if n == 0 {
		return nil
	}
	return int64(n)
}

// lineOf is a line's number, nil for none; 0 is a line.
func lineOf(n *uint64) any {
	if n == nil {
		return nil
	}
	return int64(*n)
}

// A measurement is a double, which LAVA's decimals are not for XML-RPC: there the whole answer fails.
func caseRow(k projections.Case) xmlrpc.Struct {
	s := xmlrpc.Struct{
		{Name: "id", Value: int64(events.CaseNumber(k.Seq, int(k.N)))}, // see events.CaseNumber; i8, for it has more than 32 bits
		{Name: "name", Value: k.Name},
		{Name: "units", Value: k.Units},
		{Name: "result", Value: k.Result},
		{Name: "measurement", Value: nil},
		{Name: "suite", Value: k.Suite}, // its name, where LAVA has the number of its row
		{Name: "job_id", Value: int64(k.Job)},
		{Name: "metadata", Value: textStruct(k.Metadata)},
		{Name: "start_log_line", Value: lineOf(k.StartLine)},
		{Name: "end_log_line", Value: lineOf(k.EndLine)},
		{Name: "logged", Value: k.Time.UTC()},
	}
	if k.Measurement != nil {
		s[4].Value = *k.Measurement
	}
	return s
}

func healthOr(text string) string {
	if text == "" {
		return "Unknown"
	}
	return text
}

// subID is the number of a part of a group, "" of other jobs.
func subID(display string) string {
	if strings.Contains(display, ".") {
		return display
	}
	return ""
}

// Values that were no text in the definition are texts here, lists and mappings as JSON.
func textStruct(m map[string]string) xmlrpc.Struct {
	s := xmlrpc.Struct{}
	for _, k := range sortedKeys(m) {
		s = append(s, xmlrpc.Member{Name: k, Value: m[k]})
	}
	return s
}
