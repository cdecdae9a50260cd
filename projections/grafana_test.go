package projections

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"strata/projections/grafana"
)

// Every panel and every choice has an answer, with the macros written out as the plug-in writes them.
func TestDashboards(t *testing.T) {
	t.Parallel()
	db := asked(t)
	to := soughtNoon.AddDate(0, 0, 2) // the jobs of the tables end before that
	for _, d := range grafana.Dashboards() {
		rows := 0
		ask := func(what, sql string) {
			for _, v := range d.Variables {
				sql = strings.ReplaceAll(sql, "${"+v.Name+"}", v.Default)
			}
			sql = expand(sql, to.AddDate(-1, 0, 0), to, time.Hour)
			sql = strings.ReplaceAll(sql, Published+".", quoteName(publishedName(db.database))+".")
			if strings.Contains(sql, "$") {
				t.Errorf("%s: %s: a macro or a choice is left:\n%s", d.Title, what, sql)
			}
			answer, err := db.SQL(t.Context(), sql, Limits{})
			if err != nil {
				t.Errorf("%s: %s: %v\n%s", d.Title, what, err, sql)
			}
			rows += len(answer.Rows)
		}
		for _, v := range d.Variables {
			if v.SQL != "" {
				ask(v.Label, v.SQL)
			}
		}
		for _, p := range d.Panels {
			ask(p.Title, p.SQL)
		}
		if rows == 0 {
			t.Errorf("%s: all its panels are empty, though the lab is not", d.Title)
		}
	}
}

// expand writes the macros of grafana-clickhouse-datasource out.
func expand(sql string, from, to time.Time, interval time.Duration) string {
	argument := func(name string) *regexp.Regexp {
		return regexp.MustCompile(`\$__` + name + `\(((?:[^()]|\([^()]*\))*)\)`)
	}
	sql = argument("timeFilter").ReplaceAllString(sql, fmt.Sprintf("${1} >= toDateTime(%d) AND ${1} <= toDateTime(%d)", from.Unix(), to.Unix()))
	sql = argument("timeInterval").ReplaceAllString(sql, fmt.Sprintf("toStartOfInterval(toDateTime(${1}), INTERVAL %d second)", int(interval.Seconds())))
	return strings.ReplaceAll(sql, "$__interval_s", fmt.Sprint(int(interval.Seconds())))
}
