package rest

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/results"
	"strata/services/api"
)

// suiteRow is a suite of a job.
// Clients go from a suite to its tests by the address; LAVA's ids are rows of its database, here they are
// made of where the case stands among all results, see [events.CaseNumber].
type suiteRow struct {
	api.JobSuite
	uri string
	job uint64
}

// suites are the suites of a job.
func suites() resource[suiteRow] {
	return resource[suiteRow]{
		name: "suites",
		fields: []field[suiteRow]{
			{"id", integer, "number of the suite", false, func(s *suiteRow) any { return s.ID }},
			{"resource_uri", text, "its address", false, func(s *suiteRow) any { return s.uri }},
			{"name", text, "lava, or 0_smoke", false, func(s *suiteRow) any { return s.Name }},
			{"job", integer, "number of the job", false, func(s *suiteRow) any { return s.job }},
		},
		filters: []filter[suiteRow]{
			{"id", integer, []string{"exact", "lt", "gt"}, func(s *suiteRow) []string { return []string{strconv.FormatUint(s.ID, 10)} }},
			{"name", text, textLookups, func(s *suiteRow) []string { return []string{s.Name} }},
		},
	}
}

// caseRow is a test case.
type caseRow struct {
	api.NumberedCase
	uri string
}

// cases are the cases of a job. Decimals are texts, as Django has them.
// The field is unit and the filter units: both are LAVA's. result has no lookup but exact there.
func cases() resource[caseRow] {
	line := func(n *uint64) []string {
		if n == nil {
			return nil
		}
		return []string{strconv.FormatUint(*n, 10)}
	}
	id := func(n uint64) []string {
		if n == 0 {
			return nil
		}
		return []string{strconv.FormatUint(n, 10)}
	}
	res := resource[caseRow]{
		name: "tests",
		fields: []field[caseRow]{
			{"id", integer, "number of the case", false, func(c *caseRow) any { return c.ID }},
			{"result", text, strings.Join(outcomes, ", "), false, func(c *caseRow) any { return c.Result }},
			{"resource_uri", text, "its address", false, func(c *caseRow) any { return c.uri }},
			{"unit", text, "of the measurement", false, func(c *caseRow) any { return c.Units }},
			{"name", text, "", false, func(c *caseRow) any { return c.Name }},
			{"measurement", number, "a decimal number as text", false, func(c *caseRow) any { return decimal(c.Measurement) }},
			{"metadata", text, "the whole record, as YAML", false, func(c *caseRow) any { return c.Metadata }},
			{"start_log_line", integer, "first log line of the case, from 0", false, func(c *caseRow) any { return lineOrNull(c.StartLine) }},
			{"end_log_line", integer, "last log line of the case", false, func(c *caseRow) any { return lineOrNull(c.EndLine) }},
			{"logged", moment, "when it was reported", false, func(c *caseRow) any { return stamp(c.Logged) }},
			{"suite", integer, "number of its suite", false, func(c *caseRow) any { return c.SuiteID }},
			// Of a set the number is that of its first case; its name is told by the filter test_set__name
			// alone.
			{"test_set", integer, "number of its set", false, func(c *caseRow) any {
				if c.SetID == 0 {
					return nil
				}
				return c.SetID
			}},
		},
		filters: []filter[caseRow]{
			{"id", integer, append(slices.Clone(orderedLookups), "in"), func(c *caseRow) []string { return id(c.ID) }},
			{"name", text, textLookups, func(c *caseRow) []string { return []string{c.Name} }},
			{"units", text, textLookups, func(c *caseRow) []string { return []string{c.Units} }},
			{"metadata", text, textLookups, func(c *caseRow) []string { return []string{c.Metadata} }},
			{"result", text, exactLookups, func(c *caseRow) []string { return []string{c.Result} }},
			{"measurement", number, orderedLookups, func(c *caseRow) []string {
				if c.Measurement == nil {
					return nil
				}
				return []string{strconv.FormatFloat(*c.Measurement, 'g', -1, 64)}
			}},
			{"start_log_line", integer, orderedLookups, func(c *caseRow) []string { return line(c.StartLine) }},
			{"end_log_line", integer, orderedLookups, func(c *caseRow) []string { return line(c.EndLine) }},
			{"logged", moment, orderedLookups, func(c *caseRow) []string { return []string{c.Logged.UTC().Format(time.RFC3339Nano)} }},
			{"suite", integer, exactLookups, func(c *caseRow) []string { return id(c.SuiteID) }},
			{"test_set", integer, exactLookups, func(c *caseRow) []string { return id(c.SetID) }},
			{"test_set__name", text, textLookups, func(c *caseRow) []string { return some(c.Set) }},
		},
	}
	for _, f := range suites().filters {
		res.filters = append(res.filters, filter[caseRow]{"suite__" + f.name, f.kind, f.lookups, func(c *caseRow) []string {
			return f.get(&suiteRow{JobSuite: api.JobSuite{ID: c.SuiteID, Name: c.Suite}})
		}})
	}
	return res
}

// decimal writes a measurement as LAVA's decimals: a text.
func decimal(m *float64) any {
	if m == nil {
		return nil
	}
	// Ten places: LAVA's column is decimal(30, 10).
	return strconv.FormatFloat(*m, 'f', 10, 64)
}

// lineOrNull is a line's number, null for none; 0 is a line.
func lineOrNull(n *uint64) any {
	if n == nil {
		return nil
	}
	return *n
}

// jobCases returns suites and cases of the job that the address names. Suites of a job that the caller may not see
// are answered 403, as LAVA does.
// The job's cases are read for each request, of the facts: what was recorded a moment ago is there,
// and ClickHouse is not asked. in says which of them are kept.
func (q *request) jobCases(in api.CasesRequest) (api.Cases, error) {
	j, err := q.seenJob()
	if err != nil {
		return api.Cases{}, err
	}
	in.Job, in.Whole = events.JobID(j.Job.Job), true
	return asked[api.Cases](q, "jobs.cases", in)
}

// suiteRows gives suites their addresses.
func (q *request) suiteRows(c api.Cases) []suiteRow {
	rows := make([]suiteRow, len(c.Suites))
	for i, s := range c.Suites {
		rows[i] = suiteRow{s, q.suiteAddress(c.Job, s.ID), uint64(c.Job)}
	}
	return rows
}

// suiteAddress is the address of a suite.
// With the job's number, never 41.2: LAVA's own addresses have that.
func (q *request) suiteAddress(job events.JobID, suite uint64) string {
	return q.address(q.base() + "jobs/" + job.String() + "/suites/" + strconv.FormatUint(suite, 10) + "/")
}

// listSuites answers jobs/<id>/suites/.
func listSuites(q *request) (answer, error) {
	c, err := q.jobCases(api.CasesRequest{Suites: true})
	if err != nil {
		return answer{}, err
	}
	return suites().list(q, q.suiteRows(c))
}

// suite returns the suite that the address names, and the job's number.
func (q *request) suite() (*suiteRow, events.JobID, error) {
	c, err := q.jobCases(api.CasesRequest{Suites: true})
	if err != nil {
		return nil, 0, err
	}
	// By number alone; the pages' addresses below /results/ have names.
	for _, s := range q.suiteRows(c) {
		if strconv.FormatUint(s.ID, 10) == q.r.PathValue("suite") {
			return &s, c.Job, nil
		}
	}
	return nil, 0, notFound()
}

// showSuite answers jobs/<id>/suites/<suite>/.
func showSuite(q *request) (answer, error) {
	s, _, err := q.suite()
	if err != nil {
		return answer{}, err
	}
	return ok(suites().show(s))
}

// caseRows gives cases their addresses, in order of their numbers.
func (q *request) caseRows(c api.Cases) []caseRow {
	rows := make([]caseRow, len(c.Cases))
	for i, one := range c.Cases {
		rows[i] = caseRow{one, q.suiteAddress(c.Job, one.SuiteID) + "tests/" + strconv.FormatUint(one.ID, 10) + "/"}
	}
	// By id, as LAVA; the api has them suite by suite. No two are equal.
	slices.SortFunc(rows, func(a, b caseRow) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return rows
}

// listTests answers jobs/<id>/tests/.
func listTests(q *request) (answer, error) {
	c, err := q.jobCases(api.CasesRequest{})
	if err != nil {
		return answer{}, err
	}
	return cases().list(q, q.caseRows(c))
}

// listSuiteTests answers jobs/<id>/suites/<suite>/tests/.
func listSuiteTests(q *request) (answer, error) {
	s, _, err := q.suite()
	if err != nil {
		return answer{}, err
	}
	c, err := q.jobCases(api.CasesRequest{Suite: s.Name})
	if err != nil {
		return answer{}, err
	}
	return cases().list(q, q.caseRows(c))
}

// showTest answers a case by its number, of the job or of the suite that the address names.
// A case of another suite than the address names is not there.
func showTest(q *request) (answer, error) {
	number, err := strconv.ParseUint(q.r.PathValue("test"), 10, 64)
	if err != nil || number == 0 || strconv.FormatUint(number, 10) != q.r.PathValue("test") {
		// Whether the job may be seen is said first, as of any other number.
		if _, err := q.seenJob(); err != nil {
			return answer{}, err
		}
		return answer{}, notFound()
	}
	c, err := q.jobCases(api.CasesRequest{Case: number})
	if err != nil {
		return answer{}, err
	}
	suite, rows := q.r.PathValue("suite"), q.caseRows(c)
	if len(rows) == 0 || suite != "" && strconv.FormatUint(rows[0].SuiteID, 10) != suite {
		return answer{}, notFound()
	}
	return ok(cases().show(&rows[0]))
}

// export answers jobs/<id>/csv/ and the like, of the job or of one of its suites.
// limit and offset count cases; of junit and tap LAVA does not know them. LAVA's limit on a suite is an
// HTTP 500, ours works.
func export(format string) func(*request) (answer, error) {
	return func(q *request) (answer, error) {
		in := api.ResultsExport{Format: format, Whole: true, Prefix: q.query.Get("classname_prefix")}
		name := ""
		if q.r.PathValue("suite") != "" {
			s, job, err := q.suite()
			if err != nil {
				return answer{}, err
			}
			// LAVA names the file so; the suite's name may hold anything, see [fileName].
			in.Job, in.Suite, name = job, s.Name, "suite_"+s.Name
		} else {
			j, err := q.job()
			if err != nil {
				return answer{}, err
			}
			in.Job, name = events.JobID(j.Job.Job), "job_"+strconv.FormatUint(j.Job.Job, 10)
		}
		for _, p := range []struct {
			name string
			to   *int
		}{{"limit", &in.Limit}, {"offset", &in.Offset}} {
			text := q.query.Get(p.name)
			if text == "" {
				continue
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return answer{}, invalid(p.name, "Enter a whole number.")
			}
			*p.to = n
		}
		contentType, extension := results.ContentType(format)
		return answer{file: &file{name: name + "." + extension, contentType: contentType, write: func(w io.Writer) error {
			return q.d.Lab.Stream(q.context(), q.who, "results.export", in, func(p api.Piece) error {
				_, err := w.Write(p.Body)
				return err
			})
		}}}, nil
	}
}

// jobMetadata answers jobs/<id>/metadata/.
// A list of objects of one key each, sorted.
func jobMetadata(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	list := []object{}
	for _, m := range metadata(j.Metadata) {
		list = append(list, object{m})
	}
	return ok(object{{"metadata", list}})
}

// listFiles answers jobs/<id>/files/, which LAVA does not have: what the tests gave to be kept.
// Two suites may give files of one name: then resource_uri is the same, and ?suite= chooses.
func listFiles(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	found, err := asked[api.Files](q, "jobs.files", api.JobRequest{Job: events.JobID(j.Job.Job), Whole: true})
	if err != nil {
		return answer{}, err
	}
	rows := []object{}
	for _, f := range found.Files {
		rows = append(rows, object{{"name", f.Name}, {"resource_uri", q.address(q.base() + "jobs/" + found.Job.String() + "/files/" + f.Name + "/")},
			{"suite", f.Suite}, {"set", orNull(f.Set)}, {"case", orNull(f.Case)}, {"bytes", f.Bytes}, {"sha256", f.SHA256}, {"logged", stamp(f.At)}})
	}
	p := q.page()
	return ok(q.paged(p, uint64(len(rows)), rows[min(p.offset, len(rows)):min(p.offset+p.limit, len(rows))]))
}

// getFile answers jobs/<id>/files/<name>/. The bytes are what a test on a device made, so they are never
// shown as a page.
func getFile(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	name := q.r.PathValue("name")
	// A name that no test can have given is not looked for: it could lead elsewhere.
	if !events.FileName(name) {
		return answer{}, notFound()
	}
	in := api.FileRequest{Job: events.JobID(j.Job.Job), Name: name, Suite: q.query.Get("suite")}
	header := api.DownloadHeader(name, -1)
	return answer{header: header,
		file: &file{name: name, contentType: header.Get("Content-Type"), write: func(w io.Writer) error {
			return q.d.Lab.Stream(q.context(), q.who, "files.get", in, func(p api.Piece) error {
				_, err := w.Write(p.Body)
				return err
			})
		}}}, nil
}
