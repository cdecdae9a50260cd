package projections

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// What is new in one boot against another is what it says that the other does not: lines are compared
// by their templates, wherever in the log they stand, so that neither times, addresses and process
// numbers nor the order of probing make a difference. A template is first made coarser, into what we
// call a saying:
//
//   - terminal sequences, control bytes, what a backspace erases and bars that show progress are gone;
//   - a console is shared, and a line of the kernel may begin behind half a line of somebody else: a
//     line is cut where a kernel's time stamp stands in it, and the half joined with its other half on
//     a later line;
//   - hexadecimal groups that hang on a variable (of a MAC address, a UUID), units behind it (ms, kB) and
//     variables in a row are one variable; blanks are one blank.
//
// A report of the kernel (an oops, a panic, a warning, a stall) that begins with a new line is new as a
// whole, to its end, though the other boot may have a line like one of its own.

// LogDiff is what is new in the console of a job.
type LogDiff struct {
	Job     events.JobID `json:"job"`
	Against events.JobID `json:"against"`
	New     []NewLine    `json:"new"`            // in the order of the log
	Gone    []NewLine    `json:"gone,omitempty"` // lines of the other job that this one has not
	Cut     bool         `json:"cut,omitempty"`  // there are more than a page holds
}

// NewLine is a line that the other log has not.
type NewLine struct {
	Line
	Anchor string `json:"anchor"`           // 42#1200
	Times  int    `json:"times,omitempty"`  // lines like it, where there are several; the first is shown
	Report bool   `json:"report,omitempty"` // part of a report of the kernel
}

// Bounds of a comparison.
const (
	maxNew    = 20_000 // lines of either log that are looked at
	shownNew  = 3_000
	shownGone = 500
)

// fitting returns how many lines may be shown: so many, and 2 MiB of text.
func fitting(lines []NewLine, most int) int {
	size := 0
	for i, l := range lines {
		if size += len(l.Message); i == most || size > maxPageBytes {
			return i
		}
	}
	return len(lines)
}

// ErrNoGoodJob reports that no earlier job is good and comparable.
var ErrNoGoodJob = errors.New("no earlier job of its name and device type is good")

// LastGood returns the last good job before one that is comparable with it, has its role in a group, and may
// be seen by the viewer.
func (db *DB) LastGood(ctx context.Context, job events.JobID, v Viewer) (events.JobID, error) {
	j, err := db.Job(ctx, job)
	if err != nil {
		return 0, err
	}
	list, err := db.Comparables(ctx, Like{Name: j.Name, DeviceType: events.DeviceTypeName(j.DeviceType), Role: j.Role, Before: job, Viewer: v, Limit: 200})
	if err != nil {
		return 0, err
	}
	for _, c := range list {
		if c.Health == string(events.Complete) && (c.Verdict == "" || c.Verdict == "pass") {
			return events.JobID(c.Job), nil
		}
	}
	return 0, fmt.Errorf("job %d: %w", job, ErrNoGoodJob)
}

// DiffLogs compares the consoles of two jobs. Whether they may be seen is the caller's to ask.
func (db *DB) DiffLogs(ctx context.Context, job, against events.JobID) (LogDiff, error) {
	d := LogDiff{Job: job, Against: against, New: []NewLine{}}
	fail := func(err error) (LogDiff, error) {
		return LogDiff{}, fmt.Errorf("compare the logs of jobs %d and %d: %w", job, against, err)
	}
	theirs, err := db.console(ctx, against)
	if err != nil {
		return fail(err)
	}
	ours, err := db.console(ctx, job)
	if err != nil {
		return fail(err)
	}
	fresh, err := db.strange(ctx, job, ours, theirs.sayings)
	if err != nil {
		return fail(err)
	}
	gone, err := db.strange(ctx, against, theirs, ours.sayings)
	if err != nil {
		return fail(err)
	}
	d.Cut = len(fresh) == maxNew || len(gone) == maxNew
	reports := reportsIn(fresh)
	if len(reports) > 0 {
		// What the other log has too belongs to a report all the same.
		if fresh, err = db.withReports(ctx, job, fresh, reports); err != nil {
			return fail(err)
		}
	}
	d.New, d.Gone = counted(fresh, reports), counted(gone, nil)
	if n := fitting(d.New, shownNew); n < len(d.New) {
		d.New, d.Cut = d.New[:n], true
	}
	if n := fitting(d.Gone, shownGone); n < len(d.Gone) {
		d.Gone, d.Cut = d.Gone[:n], true
	}
	return d, nil
}

// console is what a job's console said, without times and places.
type console struct {
	sayings map[string]bool
	byID    map[uint64][]string // the sayings of each template
}

// console reads what a job's console said.
func (db *DB) console(ctx context.Context, job events.JobID) (console, error) {
	type row struct {
		Template uint64 `ch:"template"`
		Raw      string `ch:"raw"` // of lines kept whole
	}
	rows, err := all[row](ctx, db, `SELECT template, if(template = {raw:UInt64}, variables, '') AS raw FROM log_line_state
		WHERE job = {job:UInt64} AND level IN ('target', 'feedback') GROUP BY template, raw LIMIT 200000`,
		clickhouse.Named("job", uint64(job)), clickhouse.Named("raw", templateID([]byte(rawTemplate))))
	if err != nil {
		return console{}, err
	}
	ids := make([]uint64, len(rows))
	for i, r := range rows {
		ids[i] = r.Template
	}
	texts, err := db.templates(ctx, ids)
	if err != nil {
		return console{}, err
	}
	c := console{sayings: map[string]bool{"": true}, byID: map[uint64][]string{}}
	var halved []uint64
	for _, r := range rows {
		said := sayings(texts[r.Template])
		if r.Raw != "" {
			said = sayings(maskRaw(r.Raw))
		}
		c.byID[r.Template] = append(c.byID[r.Template], said...)
		for _, s := range said {
			c.sayings[s] = true
		}
		if len(said) > 1 {
			halved = append(halved, r.Template)
		}
	}
	return c, db.joinHalves(ctx, job, halved, c.sayings)
}

// joinHalves adds what was said in two halves with a line of the kernel between.
func (db *DB) joinHalves(ctx context.Context, job events.JobID, halved []uint64, into map[string]bool) error {
	if len(halved) == 0 {
		return nil
	}
	halved = halved[:min(len(halved), maxTemplates)]
	type row struct {
		Line uint64 `ch:"line"`
	}
	rows, err := all[row](ctx, db, "SELECT line FROM log_line_state WHERE job = {job:UInt64} AND template IN {halved:Array(UInt64)} ORDER BY line LIMIT 500",
		clickhouse.Named("job", uint64(job)), clickhouse.Named("halved", halved))
	if err != nil {
		return err
	}
	var wanted []uint64
	for _, r := range rows {
		for n := range uint64(joinReach + 1) {
			wanted = append(wanted, r.Line+n)
		}
	}
	lines, err := db.numbered(ctx, job, wanted)
	if err != nil {
		return err
	}
	for i := range lines {
		for _, s := range joined(lines, i) {
			into[s] = true
		}
	}
	return nil
}

// numbered returns lines of a job by their numbers, in order.
func (db *DB) numbered(ctx context.Context, job events.JobID, wanted []uint64) ([]Line, error) {
	slices.Sort(wanted)
	var lines []Line
	for chunk := range slices.Chunk(slices.Compact(wanted), 4000) { // a parameter travels in a URL
		some, err := db.lines(ctx, "WHERE job = {job:UInt64} AND line IN {wanted:Array(UInt64)} AND level IN ('target', 'feedback') ORDER BY line",
			clickhouse.Named("job", uint64(job)), clickhouse.Named("wanted", chunk))
		if err != nil {
			return nil, err
		}
		lines = append(lines, some...)
	}
	return lines, nil
}

// joinReach is how many lines the second half of a line comes later at most.
const joinReach = 4

// joined returns what line i says together with a later line, where the kernel cut it in two.
func joined(lines []Line, i int) (said []string) {
	first := maskRaw(lines[i].Message)
	at := stampInside.FindStringIndex(first)
	if at == nil || at[0] == 0 {
		return nil
	}
	for _, l := range lines[i+1 : min(i+1+joinReach, len(lines))] {
		if second := maskRaw(l.Message); l.Line <= lines[i].Line+joinReach && stampInside.FindStringIndex(second) == nil {
			said = append(said, saying(first[:at[0]]+second))
		}
	}
	return said
}

// strange returns the lines of a job with a saying that is not known, in order.
func (db *DB) strange(ctx context.Context, job events.JobID, c console, known map[string]bool) ([]Line, error) {
	var ids []uint64
	for id, said := range c.byID {
		if slices.ContainsFunc(said, func(s string) bool { return !known[s] }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var lines []Line
	for chunk := range slices.Chunk(ids, 4000) { // a parameter travels in a URL
		some, err := db.lines(ctx, "WHERE job = {job:UInt64} AND template IN {ids:Array(UInt64)} AND level IN ('target', 'feedback') ORDER BY line LIMIT {most:UInt64}",
			clickhouse.Named("job", uint64(job)), clickhouse.Named("ids", chunk), clickhouse.Named("most", uint64(maxNew)))
		if err != nil {
			return nil, err
		}
		lines = append(lines, some...)
	}
	slices.SortFunc(lines, func(a, b Line) int { return int(int64(a.Line) - int64(b.Line)) })
	lines = lines[:min(len(lines), maxNew)]
	return db.withoutHalves(ctx, job, lines, known)
}

// withoutHalves drops lines that are halves of something known.
func (db *DB) withoutHalves(ctx context.Context, job events.JobID, lines []Line, known map[string]bool) ([]Line, error) {
	half := map[uint64]bool{}
	var wanted []uint64
	for _, l := range lines {
		if at := stampInside.FindStringIndex(maskRaw(l.Message)); at != nil && at[0] > 0 {
			for n := range uint64(joinReach + 1) {
				wanted = append(wanted, l.Line+n)
			}
		}
	}
	around, err := db.numbered(ctx, job, wanted)
	if err != nil {
		return nil, err
	}
	for i, l := range around {
		first := maskRaw(l.Message)
		at := stampInside.FindStringIndex(first)
		if at == nil || at[0] == 0 {
			continue
		}
		for _, later := range around[i+1 : min(i+1+joinReach, len(around))] {
			second := maskRaw(later.Message)
			if stampInside.FindStringIndex(second) != nil || !known[saying(first[:at[0]]+second)] {
				continue
			}
			if half[later.Line] = true; known[saying(first[at[1]:])] {
				half[l.Line] = true
			}
		}
	}
	return slices.DeleteFunc(lines, func(l Line) bool { return half[l.Line] || allKnown(l.Message, known) }), nil
}

func allKnown(message string, known map[string]bool) bool {
	return !slices.ContainsFunc(sayings(maskRaw(message)), func(s string) bool { return !known[s] })
}

// maskRaw returns the template of a line, its stamp as a hole in brackets.
func maskRaw(line string) string {
	var m mined
	line = strings.NewReplacer(string(rune(hole)), "", string(rune(separator)), "").Replace(line)
	m.mine(line)
	switch {
	case string(m.template) == rawTemplate: // a dump of data
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return hole
			}
			return r
		}, line)
	case m.stamp != noStamp:
		return "[" + string(rune(hole)) + "]" + string(m.template)
	}
	return string(m.template)
}

// hexTail is a group of hexadecimal digits that goes on a variable.
const hexTail = `(?:[:-](?:[0-9a-fA-F]{2}|[0-9a-fA-F]{4}|[0-9a-fA-F]{12})\b|[:-]\x11)`

var (
	// A stamp within a line, or at its head, and the thread or processor that printk may add.
	stampInside = regexp.MustCompile(`(?:<\x11>)?\[ *\x11\](?:\[ *\x11\])?(?: |$)`)
	control     = regexp.MustCompile("\x1b\\[[ -?]*[@-~]|\x1b[^\\[]|[\x00-\x07\x0b\x0c\x0e-\x10\x13-\x1f\x7f]")
	hexGroups   = regexp.MustCompile(`(?:\b[0-9a-fA-F]{2}:)+\x11` + hexTail + `*|\x11` + hexTail + `+`)
	hexWord     = regexp.MustCompile(`\b(?:[a-f]{8}|[a-f]{12}|[a-f]{16})\b`)
	units       = regexp.MustCompile(`\x11 ?(?:ns|us|ms|s|secs?|seconds?|minutes?|min|[kKMG]i?B|[kMG]?Hz|bytes|[KMG]bps|[KMG]B/s)\b`)
	row         = regexp.MustCompile(`\x11(?:[ ,.:/+*-]*\x11)+`)
	blanks      = regexp.MustCompile(`[ \t]+`)
)

// sayings returns what a template says, in pieces where the kernel broke into a line.
func sayings(template string) []string {
	if template == rawTemplate {
		return nil
	}
	var said []string
	for line := range strings.SplitSeq(erased(control.ReplaceAllString(template, "")), "\r") {
		for _, piece := range stampInside.Split(line, -1) {
			if s := saying(piece); s != "" && !bar.MatchString(s) {
				said = append(said, s)
			}
		}
	}
	return said
}

// bar is what systemd shows while it waits: "[ *** ] (1 of 3) Job … running (17s / no limit)".
var bar = regexp.MustCompile(`^\[ ?\*[ *]*\]`)

// erased carries out backspaces, of which those that move over a blank stand for one that erases.
func erased(text string) string {
	if strings.IndexByte(text, '\b') < 0 {
		return text
	}
	var kept []rune
	for _, r := range text {
		if r != '\b' {
			kept = append(kept, r)
		} else if len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
	}
	return string(kept)
}

// saying makes a template coarser.
func saying(template string) string {
	text := erased(control.ReplaceAllString(template, ""))
	text = hexWord.ReplaceAllString(text, string(rune(hole)))
	text = hexGroups.ReplaceAllString(text, string(rune(hole)))
	text = units.ReplaceAllString(text, string(rune(hole)))
	text = row.ReplaceAllString(text, string(rune(hole)))
	return strings.TrimSpace(blanks.ReplaceAllString(text, " "))
}

// Reports of the kernel: how they begin and end (kernel/panic.c, arch/*/kernel/traps.c, kernel/rcu,
// kernel/watchdog.c, kernel/hung_task.c).
var (
	reportHead = regexp.MustCompile(`BUG: |kernel BUG at|Oops(?: -|:)|Internal error: |Unable to handle kernel|general protection fault|WARNING: |-\[ cut here \]|` +
		`Kernel panic - not syncing|rcu: INFO: |rcu_\w+ self-detected|INFO: task .* blocked for|soft lockup|hard LOCKUP|invoked oom-killer|Unhandled fault|invalid opcode:`)
	reportEnd = regexp.MustCompile(`---\[ end `)
)

// reach of a report.
const (
	reportLines = 200 // it has at most
	reportGap   = 3   // lines within it that the other log has too
)

// report is a report of the kernel. Where the kernel stamps its lines, those of others, who go on talking
// meanwhile, are not of the report.
type report struct {
	span
	stamped bool
}

// has says whether a line is of the report.
func (r report) has(l Line) bool {
	return l.Line >= r.from && l.Line < r.to && (!r.stamped || stampWhole.MatchString(l.Message))
}

// reportsIn finds reports that begin among new lines.
func reportsIn(fresh []Line) []report {
	var list []report
	for i, l := range fresh {
		if len(list) > 0 && l.Line < list[len(list)-1].to || !reportHead.MatchString(l.Message) {
			continue
		}
		r := report{span{l.Line, l.Line + 1}, stampWhole.MatchString(l.Message)}
		for _, next := range fresh[i+1:] {
			if next.Line >= l.Line+reportLines || next.Line > r.to+reportGap && !ends(fresh, next.Line, l.Line+reportLines) {
				break
			}
			r.to = next.Line + 1
		}
		list = append(list, r)
	}
	return list
}

// ends says whether a report that goes on at a line comes to its end marker in time.
func ends(fresh []Line, from, to uint64) bool {
	return slices.ContainsFunc(fresh, func(l Line) bool { return l.Line >= from && l.Line < to && reportEnd.MatchString(l.Message) })
}

// withReports adds the lines of reports that are missing.
func (db *DB) withReports(ctx context.Context, job events.JobID, fresh []Line, reports []report) ([]Line, error) {
	have := map[uint64]bool{}
	for _, l := range fresh {
		have[l.Line] = true
	}
	for _, r := range reports {
		lines, err := db.Lines(ctx, LineFilter{Job: job, From: r.from, To: r.to, Levels: []events.Level{events.Target, events.Feedback}, Limit: maxLimit})
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if !have[l.Line] && r.has(l) && strings.TrimSpace(l.Message) != "" {
				fresh = append(fresh, l)
			}
		}
	}
	slices.SortFunc(fresh, func(a, b Line) int { return int(int64(a.Line) - int64(b.Line)) })
	return fresh, nil
}

// counted puts lines that say the same together, but not those of reports.
func counted(lines []Line, reports []report) []NewLine {
	list, first := []NewLine{}, map[string]int{}
	for _, l := range lines {
		n := NewLine{Line: l, Anchor: Place{events.JobID(l.Job), l.Line}.String()}
		n.Report = slices.ContainsFunc(reports, func(r report) bool { return r.has(l) })
		said := strings.Join(sayings(maskRaw(l.Message)), "\n")
		if at, known := first[said]; known && !n.Report {
			list[at].Times = max(list[at].Times, 1) + 1
			continue
		}
		if !n.Report {
			first[said] = len(list)
		}
		list = append(list, n)
	}
	return list
}
