package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// chooseTemplates looks up which templates the lines may have. Many are left to the engine, which
// then looks them up itself each time.
func (s *searcher) chooseTemplates(ctx context.Context) error {
	if len(s.plan.templates) == 0 {
		return nil
	}
	rows, err := within[templateRow](ctx, s, "SELECT template, '' AS text FROM log_templates WHERE "+s.fitting()+" GROUP BY template LIMIT {most:UInt64}",
		clickhouse.Named("most", uint64(maxTemplates+1)))
	if err != nil {
		return err
	}
	s.ids = []uint64{}
	for _, r := range rows {
		s.ids = append(s.ids, r.Template)
	}
	s.none = len(rows) == 0
	return nil
}

// templates is a condition on log_templates.
func (s *searcher) fitting() string {
	return "((" + strings.Join(s.plan.templates, " AND ") + ") OR template = {raw:UInt64})"
}

// ofTemplates is a condition on tables that name templates; "" where any will do.
func (s *searcher) ofTemplates() string {
	switch {
	case s.ids == nil:
		return ""
	case len(s.ids) <= maxTemplates:
		return "template IN {ids:Array(UInt64)}"
	}
	return "template IN (SELECT template FROM log_templates WHERE " + s.fitting() + ")"
}

// places lists the stretches of jobs low to high that may have lines, newest job first.
func (s *searcher) places(ctx context.Context, low, high uint64) ([]stretch, error) {
	where := []string{"job >= {low:UInt64}", "job <= {high:UInt64}"}
	values := []any{clickhouse.Named("low", low), clickhouse.Named("high", high)}
	if s.After.Job != 0 {
		where = append(where, "(job < {after_job:UInt64} OR stretch >= {after_stretch:UInt32})")
		values = append(values, clickhouse.Named("after_job", uint64(s.After.Job)), clickhouse.Named("after_stretch", uint32(s.After.Line/stretchLines)))
	}
	if jobs, more := s.ofJobs(); jobs != "" {
		where, values = append(where, jobs), append(values, more...)
	}
	from := "(SELECT job, toUInt32(intDiv(line, {stretch:UInt64})) AS stretch FROM log_line_state WHERE job >= {low:UInt64} AND job <= {high:UInt64})"
	switch levels := s.ofLevels(); {
	case s.ids != nil:
		// It knows levels too.
		from = "log_template_jobs"
		where = append(where, s.ofTemplates())
		if levels != "" {
			where = append(where, levels)
		}
	case len(s.plan.words) > 0:
		from = "log_words"
		where, values = append(where, "word IN {word0:Array(String)}"), append(values, clickhouse.Named("word0", s.plan.words[0]))
	}
	for i, w := range s.plan.words {
		if s.ids == nil && i == 0 {
			continue
		}
		name := fmt.Sprintf("word%d", i)
		where = append(where, "(job, stretch) IN (SELECT job, stretch FROM log_words WHERE word IN {"+name+":Array(String)} AND job >= {low:UInt64} AND job <= {high:UInt64})")
		values = append(values, clickhouse.Named(name, w))
	}
	return within[stretch](ctx, s, "SELECT job, stretch FROM "+from+" WHERE "+strings.Join(where, " AND ")+
		" GROUP BY job, stretch ORDER BY job DESC, stretch", values...)
}

// jobs is a condition on the jobs whose lines are shown, for those from low to high.
func (s *searcher) ofJobs() (condition string, values []any) {
	seen := seenBy(s.Viewer)
	if len(s.Devices) > 0 {
		seen.add("device IN {devices:Array(String)}", clickhouse.Named("devices", texts(s.Devices)))
	}
	if len(s.DeviceTypes) > 0 {
		seen.add("device_type IN {device_types:Array(String)}", clickhouse.Named("device_types", texts(s.DeviceTypes)))
	}
	// The clocks of workers and of the lab are not the same: an hour each way is for that.
	if !s.Since.IsZero() {
		seen.add("(ended_at IS NULL OR ended_at >= {ended:DateTime64(6)})", stampOf("ended", s.Since.Add(-time.Hour)))
	}
	if !s.Until.IsZero() {
		seen.add("(started_at IS NULL OR started_at < {started:DateTime64(6)})", stampOf("started", s.Until.Add(time.Hour)))
	}
	where := "job >= {low:UInt64} AND job <= {high:UInt64}"
	if len(s.Jobs) > 0 {
		where += " AND job IN {jobs:Array(UInt64)}"
		seen.values = append(seen.values, clickhouse.Named("jobs", numbers(s.Jobs)))
	}
	if s.Viewer.All && len(seen.where) == 1 && len(s.Jobs) == 0 {
		return "job NOT IN (SELECT job FROM job_state WHERE removed = 1)", nil
	}
	return "job IN (" + seen.query(where) + ")", seen.values
}

func (s *searcher) ofLevels() string {
	if len(s.Levels) == 0 {
		return ""
	}
	return "level IN {levels:Array(String)}"
}

// searchPlaces reads stretches, a few at first, until the page is full.
func (s *searcher) searchPlaces(ctx context.Context, places []stretch) (stopped string, err error) {
	size := 16
	for len(places) > 0 {
		chunk := places[:min(size, len(places))]
		lines, err := s.readChunk(ctx, chunk)
		if why, err := overLimit(err); why != "" && len(chunk) > 1 && s.Now().Before(s.ends) {
			size = max(1, len(chunk)/4)
			continue
		} else if why != "" || err != nil {
			return why, err
		}
		if s.take(lines) {
			return "", nil
		}
		end := chunk[len(chunk)-1]
		s.through = Place{events.JobID(end.Job), uint64(end.Stretch+1)*stretchLines - 1}
		places, size = places[len(chunk):], min(2*size, 512)
	}
	return "", nil
}

// readChunk returns the lines of stretches that are found.
func (s *searcher) readChunk(ctx context.Context, chunk []stretch) ([]Line, error) {
	var jobs []uint64
	low, high := chunk[0].Stretch, chunk[0].Stretch
	pairs := make([]string, len(chunk))
	for i, c := range chunk {
		if len(jobs) == 0 || jobs[len(jobs)-1] != c.Job {
			jobs = append(jobs, c.Job)
		}
		low, high = min(low, c.Stretch), max(high, c.Stretch)
		pairs[i] = fmt.Sprintf("(%d,%d)", c.Job, c.Stretch) // numbers of ours
	}
	return s.read(ctx, []string{"job IN {chunk_jobs:Array(UInt64)}", "line >= {low_line:UInt64}", "line < {high_line:UInt64}",
		"(job, intDiv(line, {stretch:UInt64})) IN (SELECT arrayJoin({chunk:Array(Tuple(UInt64, UInt64))}) AS c)"},
		[]any{clickhouse.Named("chunk_jobs", jobs), clickhouse.Named("low_line", uint64(low)*stretchLines),
			clickhouse.Named("high_line", uint64(high+1)*stretchLines), clickhouse.Named("chunk", "["+strings.Join(pairs, ",")+"]")})
}

// read returns the lines that are found among some, one more than the page has room for.
func (s *searcher) read(ctx context.Context, where []string, values []any) ([]Line, error) {
	values = append(values, clickhouse.Named("room", uint64(s.Limit-len(s.page.Hits)+1)))
	if s.After.Job != 0 {
		where = append(where, "(job < {after_job:UInt64} OR line > {after_line:UInt64})")
		values = append(values, clickhouse.Named("after_job", uint64(s.After.Job)), clickhouse.Named("after_line", s.After.Line))
	}
	if t := s.ofTemplates(); t != "" {
		where = append(where, t)
	}
	if l := s.ofLevels(); l != "" {
		where = append(where, l)
	}
	if !s.Since.IsZero() {
		where, values = append(where, "time >= {since:DateTime64(6)}"), append(values, stampOf("since", s.Since))
	}
	if !s.Until.IsZero() {
		where, values = append(where, "time < {until:DateTime64(6)}"), append(values, stampOf("until", s.Until))
	}
	where = append(where, s.plan.before...)
	from := "log_line_state WHERE " + strings.Join(append(where, s.plan.check...), " AND ")
	if s.plan.message {
		// What decides about the message comes last: few lines are left for it to be put together.
		among := ""
		if t := s.ofTemplates(); t != "" {
			among = " WHERE " + t
		}
		from = "(SELECT " + strings.Join(columns[lineRow](), ", ") + ", " + messageOf("ifNull(t.text, '')") + " AS message FROM (SELECT * FROM log_line_state WHERE " +
			strings.Join(where, " AND ") + ") AS l LEFT ANY JOIN (SELECT template, plain AS text FROM log_templates" + among + ") AS t USING template) WHERE " +
			strings.Join(s.plan.check, " AND ")
	}
	rows, err := within[lineRow](ctx, s, "SELECT "+strings.Join(columns[lineRow](), ", ")+" FROM "+from+" ORDER BY job DESC, line LIMIT {room:UInt64}", values...)
	if err != nil {
		return nil, err
	}
	return s.db.assemble(ctx, rows)
}

// messageOf is the message of a line in SQL, as [join] makes it. The view log_lines has the same.
func messageOf(template string) string {
	return strings.ReplaceAll(`if(TEXT = '\x12', variables, concat(
		if(stamp < 0, '', concat('[', repeat(' ', greatest(0, 5 - length(toString(intDiv(stamp, 1000000))))),
			toString(intDiv(stamp, 1000000)), '.', leftPad(toString(stamp % 1000000), 6, '0'), ']')),
		arrayStringConcat(arrayMap((text, variable) -> concat(text, variable), splitByChar('\x11', TEXT),
			arrayResize(splitByChar('\x12', variables), length(splitByChar('\x11', TEXT)), '')))))`, "TEXT", template)
}

// within asks a question of a search, bounded in time, memory and rows; the values that all of a search's
// questions may name are bound.
func within[R any](ctx context.Context, s *searcher, question string, values ...any) ([]R, error) {
	left := s.ends.Sub(s.Now())
	if left <= 0 {
		return nil, errOutOfTime
	}
	if s.hasty {
		left /= 2
	}
	values = append(values, s.plan.values...)
	values = append(values, clickhouse.Named("raw", templateID([]byte(rawTemplate))), clickhouse.Named("stretch", uint64(stretchLines)),
		clickhouse.Named("levels", texts(s.Levels)))
	if s.ids != nil && len(s.ids) <= maxTemplates {
		values = append(values, clickhouse.Named("ids", s.ids))
	}
	// The engine keeps a session for each set of settings, so that times are few: multiples of half a second.
	left = (left + searchStep - 1).Truncate(searchStep)
	// The driver takes a deadline of the context for the engine's limit. So there is none: the engine
	// ends the question, and where it does not, we do, a moment later.
	bounded, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	defer time.AfterFunc(left+2*time.Second, func() { cancel(context.DeadlineExceeded) }).Stop()
	rows, err := s.db.conn.Query(clickhouse.Context(bounded, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time": left.Seconds(), "max_memory_usage": uint64(searchMemory), "max_rows_to_read": uint64(searchRows), "max_threads": 2,
	})), question, values...)
	if err != nil {
		return nil, searchError(bounded, err)
	}
	defer rows.Close()
	var list []R
	for rows.Next() {
		var r R
		if err := rows.ScanStruct(&r); err != nil {
			return nil, searchError(bounded, err)
		}
		list = append(list, r)
	}
	return list, searchError(bounded, rows.Err())
}

// searchStep is what the times of a search's questions are multiples of.
const searchStep = 500 * time.Millisecond

var errOutOfTime = errors.New("the time of the search is over")

func searchError(bounded context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(bounded), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return away(err)
}

// overLimit tells an error that says that a limit was reached, by its word, from others.
func overLimit(err error) (why string, rest error) {
	var exception *clickhouse.Exception
	switch {
	case errors.Is(err, errOutOfTime):
		return "time", nil
	case !errors.As(err, &exception):
		return "", err
	}
	switch exception.Code {
	case 159, 160: // TIMEOUT_EXCEEDED, TOO_SLOW
		return "time", nil
	case 241: // MEMORY_LIMIT_EXCEEDED
		return "memory", nil
	case 158, 307: // TOO_MANY_ROWS, TOO_MANY_BYTES
		return "rows", nil
	case 427: // CANNOT_COMPILE_REGEXP
		return "", wrongSearch("%s", exception.Message)
	}
	return "", err
}

// stampOf binds a time to the microsecond.
func stampOf(name string, t time.Time) any {
	return clickhouse.Named(name, utc(t).Format("2006-01-02 15:04:05.000000"))
}

func numbers(jobs []events.JobID) []uint64 {
	list := make([]uint64, len(jobs))
	for i, j := range jobs {
		list[i] = uint64(j)
	}
	return list
}
