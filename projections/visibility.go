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

// tag is the value of viewerSetting. A policy cannot ask for groups, nor what is hidden: where anything is hidden
// from the viewer, they see their own jobs alone.
func tag(v Viewer) string {
	switch {
	case v.None:
		return ""
	case v.All:
		return everybody
	case v.Hides():
		return "o" + string(v.User)
	}
	return "u" + string(v.User)
}

// RowPolicy is a condition that rows of a table must meet where a visitor's statement reads them.
type RowPolicy struct{ Database, Table, Filter string }

// unguarded tells whether rows of a table are shown to all: job_viewers, which policies read, is in no view,
// and every named user may see what happens to devices.
func unguarded(table string) bool { return table == "job_viewers" || table == "device_transitions" }

// RowPolicies returns the policies of the tables of a database: of each with a column job, but for what
// every named user may see of devices. The engine applies them to the views of [Published]
// (engine.Access), [Grants] writes them for a server.
func RowPolicies(database string) []RowPolicy {
	filter := fmt.Sprintf("getSetting('%[1]s') = '%[2]s' OR (getSetting('%[1]s') != '' AND job IN (SELECT job FROM %[3]s.job_viewers WHERE (public AND startsWith(getSetting('%[1]s'), 'u')) OR user = substring(getSetting('%[1]s'), 2)))",
		viewerSetting, everybody, quoteName(database))
	list := []RowPolicy{}
	for _, table := range []string{"log_line_state", "log_template_jobs", "log_words", "aged"} { // those that are no models of facts
		list = append(list, RowPolicy{database, table, filter})
	}
	for _, m := range models() {
		if slices.Contains(m.columns, "job") && !unguarded(m.table) {
			list = append(list, RowPolicy{database, m.table, filter})
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
