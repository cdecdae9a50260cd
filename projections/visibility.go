package projections

import (
	"fmt"
	"slices"
	"strings"

	"strata/events"
)

// jobViewerRow is a row of job_viewers. It says of a job what lab.Can goes by; a test of services/sqldoor
// holds the two together.
type jobViewerRow struct {
	Job    uint64 `ch:"job"`
	User   string `ch:"user"`
	Public bool   `ch:"public"`
	Seq    uint64 `ch:"seq"`
}

func jobViewerRows(f fact) []jobViewerRow {
	switch e := f.Event.(type) {
	case events.JobSubmitted:
		return []jobViewerRow{{uint64(e.Job), string(e.User), e.Visibility.Public && len(e.Visibility.Groups) == 0, f.Seq}}
	case events.JobRejected:
		return []jobViewerRow{{uint64(e.Job), string(e.User), false, f.Seq}}
	}
	return nil
}

// viewerSetting carries the viewer to the row policies: a setting of ClickHouse that changes nothing
// else, as settings of one's own names cannot be had in the embedded engine. Under readonly=1 no statement
// can change it. Empty, it is nobody, who sees no job.
const viewerSetting = "query_cache_tag"

// everybody is the value of viewerSetting for those who may see every job.
const everybody = "*"

// maxListed bounds in bytes the names of devices and workers that a tag lists: it travels in the address of a request.
const maxListed = 64 << 10

// tag is the value of viewerSetting. It begins with which jobs are the viewer's: u for public ones and their own, where
// no device or worker is hidden from them, so that they see all of those too. A policy cannot ask for groups, nor what
// is hidden. Where a device or a device type is, the tag begins with o, for their own jobs alone; where only a worker
// is, with p, for public ones too. Then it goes on, line by line, with the devices (d) and workers (w) that they see,
// so that those that have left the lab, of which nobody knows any more from whom they were hidden, are not shown.
func tag(v Viewer) string {
	kind := "u"
	switch {
	case v.None || strings.Contains(string(v.User), "\n"):
		return ""
	case v.All:
		return everybody
	case v.Hides():
		kind = "o"
	case v.Partial:
		kind = "p"
	default:
		return kind + string(v.User)
	}
	var list strings.Builder
	list.WriteString("\nd") // the row of device_state that stands for all
	for _, d := range v.Devices {
		list.WriteString("\nd" + string(d))
	}
	for _, w := range v.Workers {
		list.WriteString("\nw" + string(w))
	}
	if list.Len() > maxListed {
		list.Reset() // none of them is less than all of them
	}
	return kind + string(v.User) + list.String()
}

// RowPolicy is a condition that rows of a table must meet where a visitor's statement reads them.
type RowPolicy struct{ Database, Table, Filter string }

// unguarded tells whether rows of a table are shown to all: job_viewers, which policies read, is in no view.
func unguarded(table string) bool { return table == "job_viewers" }

// RowPolicies returns the policies of the tables of a database: of each with a column job, and of those about
// devices and workers. The engine applies them to the views of [Published] (engine.Access), [Grants] writes them for
// a server.
func RowPolicies(database string) []RowPolicy {
	// all holds for who sees everything; lines are the tag's.
	all, lines := fmt.Sprintf("getSetting('%s') = '%s'", viewerSetting, everybody), fmt.Sprintf("splitByChar('\\n', getSetting('%s'))", viewerSetting)
	jobs := fmt.Sprintf("%[1]s OR (getSetting('%[2]s') != '' AND job IN (SELECT job FROM %[3]s.job_viewers WHERE (public AND substring(getSetting('%[2]s'), 1, 1) IN ('u', 'p')) OR user = substring(%[4]s[1], 2)))",
		all, viewerSetting, quoteName(database), lines)
	named := func(column, letter string) string {
		return fmt.Sprintf("%s OR startsWith(getSetting('%s'), 'u') OR concat('%s', %s) IN (SELECT arrayJoin(%s))", all, viewerSetting, letter, column, lines)
	}
	devices, workers := named("device", "d"), named("worker", "w")
	list := []RowPolicy{}
	for _, table := range []string{"log_line_state", "log_template_jobs", "log_words", "aged"} { // those that are no models of facts
		list = append(list, RowPolicy{database, table, jobs})
	}
	for _, m := range models() {
		switch has := func(column string) bool { return slices.Contains(m.columns, column) }; {
		case unguarded(m.table):
		case m.table == "device_state", m.table == "device_transitions":
			list = append(list, RowPolicy{database, m.table, devices})
		case m.table == "worker_state":
			list = append(list, RowPolicy{database, m.table, workers})
		case has("job"):
			list = append(list, RowPolicy{database, m.table, jobs})
		}
	}
	return list
}

// Grants returns the SQL that prepares a server as the embedded engine is: the role that visitors have,
// the user in whose name views are read, and the policies on it. The lab itself comes as user.
func Grants(database, user string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+";\n", args...) }
	line("CREATE ROLE IF NOT EXISTS %s", visitorRole)
	line("GRANT SELECT ON %s.* TO %s", quoteName(publishedName(database)), visitorRole)
	line("CREATE USER IF NOT EXISTS %s HOST NONE", definer)
	line("GRANT SELECT ON %s.* TO %s", quoteName(database), definer)
	line("GRANT %s TO %s", visitorRole, quoteName(user))
	line("GRANT SET DEFINER ON %s TO %s", definer, quoteName(user))
	for _, p := range RowPolicies(database) {
		on := quoteName(p.Database) + "." + quoteName(p.Table)
		line("CREATE ROW POLICY OR REPLACE strata_visitors ON %s USING %s TO %s", on, p.Filter, definer)
		line("CREATE ROW POLICY OR REPLACE strata_others ON %s USING 1 TO ALL EXCEPT %s", on, definer)
	}
	return b.String()
}
