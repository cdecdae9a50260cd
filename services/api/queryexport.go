package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/projections/query"
)

// QueryExport opens what a query finds as a file: of a saved query by its name, else of conditions.
// The messages are the file's bytes. It is as long as it is: a query that is live has no limit here.
type QueryExport struct {
	QueryRef
	Custom *QueryCustom `json:"custom,omitempty"`
	Format string       `json:"format"` // csv, yaml or json
}

// exportTime and exportRows bound an export: far above a page, as whoever takes a year home must get it.
const (
	exportTime = 10 * time.Minute
	exportRows = 20_000_000_000
)

// openExport sends all rows of a query. Any user may export any query, published or not, as in LAVA:
// its conditions are no secret, and the rows are those that the user may see.
// Rows are written as they come; nothing but a piece of [chunkBytes] is held.
func (a *api) openExport(who caller, body []byte) (producer, error) {
	in, err := decode[QueryExport](body)
	if err != nil {
		return nil, err
	}
	write, err := newExporter(in.Format)
	if err != nil {
		return nil, err
	}
	if a.history.DB == nil {
		return nil, away(errNoHistory)
	}
	var entity events.QueryEntity
	var s query.Statement
	saved := runnable{saved: SavedQuery{QuerySaved: events.QuerySaved{Live: true}}} // where there is none, it keeps nothing to be waited for
	if in.Custom != nil {
		q, _, err := in.Custom.parse()
		if err != nil {
			return nil, err
		}
		s, err = query.Compile(q, a.sight(who), nil, query.Page{})
		if err != nil {
			return nil, queryError(err)
		}
		entity = q.Entity
	} else {
		if saved, err = a.exported(who, in.QueryRef); err != nil {
			return nil, err
		}
		if s, err = saved.statement(query.Page{}); err != nil {
			return nil, queryError(err)
		}
		entity = saved.saved.Entity
	}
	return func(ctx context.Context, emit func(message) error) error {
		if err := a.keptRows(ctx, saved); err != nil {
			return err
		}
		a.tablesCatchUp(ctx)
		a.resultsCatchUp(ctx)
		out := &chunks{emit: emit}
		// A file that breaks off is told by the flow's error: what has been sent cannot be taken back.
		write.begin(entity)
		err := a.history.DB.Select(ctx, entity, s, projections.Bounds{Time: exportTime, Read: exportRows}, func(row any) error {
			write.row(exportRow(row))
			return write.pass(out)
		})
		if err != nil {
			return selectError(err)
		}
		write.end()
		if err := write.pass(out); err != nil {
			return err
		}
		return out.flush()
	}, nil
}

// exported finds the query of an export.
func (a *api) exported(who caller, ref QueryRef) (r runnable, err error) {
	a.read(func(s *lab.State) {
		var q *lab.Query
		if q, err = ref.find(s, who); err == nil {
			r, err = toRun(s, who, q)
		}
	})
	return r, err
}

// cell is one value of an exported row; its value is nil, a string, bool, number, time or map of texts.
// Names are the columns' in LAVA's exports.
type cell struct {
	name  string
	value any
}

// exportRow is a row as its file has it: the public columns of LAVA's models, by their names.
func exportRow(row any) []cell {
	switch r := row.(type) {
	case projections.SelectedSuite:
		return []cell{{"id", query.ItemID(events.QueryItem{Job: events.JobID(r.Job), Suite: r.Suite.Suite})}, {"name", r.Suite.Suite}, {"job", r.Job},
			{"passes", r.Passes}, {"failures", r.Failures}, {"skips", r.Skips}, {"unknowns", r.Unknowns}}
	case projections.Case:
		return []cell{{"id", query.ItemID(events.QueryItem{Job: events.JobID(r.Job), Seq: r.Seq, N: uint64(r.N)})}, {"name", r.Name}, {"units", r.Units},
			{"result", r.Result}, {"measurement", orNone(r.Measurement)}, {"metadata", r.Metadata}, {"suite", r.Suite}, {"test_set", r.Set},
			{"start_log_line", orNone(r.StartLine)}, {"end_log_line", orNone(r.EndLine)}, {"logged", r.Time}, {"job", r.Job}}
	case projections.SelectedJob:
		// LAVA has a sub_id for parts of a multinode job alone.
		sub := ""
		if r.Parent != 0 {
			sub = r.Display
		}
		// requested_device_type is the name that the job asked by, an alias too.
		return []cell{{"id", r.Job.Job}, {"submitter", r.User}, {"description", r.Name}, {"health_check", r.HealthCheck},
			{"requested_device_type", r.DeviceType}, {"actual_device", r.Device}, {"submit_time", r.SubmittedAt}, {"start_time", orNone(r.StartedAt)},
			{"end_time", orNone(r.EndedAt)}, {"state", r.State}, {"health", r.Health}, {"priority", r.Priority}, {"metadata", r.Metadata},
			{"failure_comment", r.Error}, {"sub_id", sub}, {"target_group", r.GroupID}, {"is_public", r.Public}, {"queue_timeout", r.QueueTimeout}}
	}
	return nil
}

// orNone is what p points at, or nil: a cell without a value.
func orNone[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// exporter writes rows in one format.
// It writes into a buffer of its own, which pass empties; so nothing can go wrong while a row is
// written.
type exporter struct {
	out   bytes.Buffer
	rows  int
	begin func(events.QueryEntity)
	row   func([]cell)
	end   func()
}

// newExporter returns a writer of csv, yaml or json; another format is [Invalid].
func newExporter(format string) (*exporter, error) {
	e := &exporter{begin: func(events.QueryEntity) {}, end: func() {}}
	switch format {
	case "csv":
		e.begin, e.row = e.csvHead, e.csvRow
	case "yaml":
		e.row = e.yamlRow
		// Without rows the document would be empty, which reads as null and not as a list.
		e.end = func() {
			if e.rows == 0 {
				e.out.WriteString("[]\n")
			}
		}
	case "json":
		e.begin = func(events.QueryEntity) { e.out.WriteString("[") }
		e.row = e.jsonRow
		e.end = func() { e.out.WriteString("\n]\n") }
	default:
		return nil, &Error{Code: Invalid, Field: "format", Message: fmt.Sprintf("format is %q; allowed are csv, yaml and json", format)}
	}
	return e, nil
}

// pass hands on what has been written.
func (e *exporter) pass(to *chunks) error {
	_, err := to.Write(e.out.Bytes())
	e.out.Reset()
	return err
}

// csvHead writes the names of the columns, which a file without rows has too.
func (e *exporter) csvHead(entity events.QueryEntity) {
	var cells []cell
	switch entity {
	case events.SuiteQuery:
		cells = exportRow(projections.SelectedSuite{})
	case events.CaseQuery:
		cells = exportRow(projections.Case{})
	default:
		cells = exportRow(projections.SelectedJob{})
	}
	for i, c := range cells {
		cells[i].value = c.name
	}
	e.csvRow(cells)
}

// csvRow writes a row by RFC 4180, each field quoted, as LAVA does.
func (e *exporter) csvRow(cells []cell) {
	for i, c := range cells {
		if i > 0 {
			e.out.WriteByte(',')
		}
		e.out.WriteString(`"` + strings.ReplaceAll(csvText(c.value), `"`, `""`) + `"`)
	}
	e.out.WriteString("\r\n")
}

// csvText is a value as a field of CSV has it.
// Times and truths as Python writes them: scripts that read LAVA's exports parse those.
func csvText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000+00:00")
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]string:
		text, _ := json.Marshal(texts(v)) // texts always encode
		return string(text)
	}
	return fmt.Sprint(value)
}

// jsonRow writes a row as an object, its columns in their order.
func (e *exporter) jsonRow(cells []cell) {
	if e.rows > 0 {
		e.out.WriteByte(',')
	}
	e.rows++
	e.out.WriteString("\n {")
	for i, c := range cells {
		if i > 0 {
			e.out.WriteString(", ")
		}
		e.out.WriteString(scalar(c.name) + ": " + scalar(c.value))
	}
	e.out.WriteByte('}')
}

// yamlRow writes a row as an entry of a list. Values are written as JSON has them, which is YAML too.
func (e *exporter) yamlRow(cells []cell) {
	e.rows++
	for i, c := range cells {
		e.out.WriteString(map[bool]string{true: "- ", false: "  "}[i == 0] + c.name + ": " + scalar(c.value) + "\n")
	}
}

// scalar writes a value as JSON, which YAML reads as the same.
func scalar(value any) string {
	switch v := value.(type) {
	case map[string]string:
		value = texts(v)
	case time.Time:
		value = v.UTC().Format(time.RFC3339Nano)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // of the types of cell all encode
	// These two YAML 1.1 does not take as they are: the one ends a line, the other cannot be printed.
	return strings.TrimSuffix(strings.NewReplacer("\u0085", `\u0085`, "\u007f", `\u007f`).Replace(b.String()), "\n")
}

// texts is never nil, so that a row without metadata has an empty mapping.
func texts(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
