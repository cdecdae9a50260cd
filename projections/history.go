package projections

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"strata/events"
	"strata/events/lab"
	"strata/projections/trend"
)

// Viewer is whose question it is: rows of jobs that they may not see are left out.
type Viewer = lab.Sight

// Like says which jobs are comparable with one: those of its name, device type, role and chosen metadata.
// An empty field wants any, but for the role.
type Like struct {
	Name        string
	DeviceType  events.DeviceTypeName
	Role        string
	AnyRole     bool
	HealthCheck *bool
	Metadata    map[string]string // an empty value wants jobs without that entry
	Before      events.JobID      // only jobs with a smaller number; 0 is all
	Limit       int               // the newest so many; 0 is 50
	Viewer      Viewer
	Infra       bool // those too whose end says nothing of what they tested
}

// Comparable is a job that others are compared with.
type Comparable struct {
	Job        uint64     `ch:"job" json:"job"`
	Display    string     `ch:"display" json:"display"`
	Name       string     `ch:"name" json:"name"`
	DeviceType string     `ch:"device_type" json:"device_type"`
	Device     string     `ch:"device" json:"device"`
	Health     string     `ch:"health" json:"health"`
	EndedAt    *time.Time `ch:"ended_at" json:"ended_at,omitempty"`
	ErrorType  string     `ch:"error_type" json:"error_type,omitempty"`
	Lost       bool       `ch:"lost" json:"lost,omitempty"`
	Verdict    string     `json:"verdict,omitempty"` // empty where it was not judged
	Cause      string     `json:"cause,omitempty"`
}

// Comparables lists finished jobs whose results are all there, the newest first.
func (db *DB) Comparables(ctx context.Context, l Like) ([]Comparable, error) {
	seen := seenBy(l.Viewer)
	where := append(seen.where, "state = 'Finished'", "complete", "NOT rejected")
	values := seen.values
	bind := func(wanted bool, condition, name string, value any) {
		if wanted {
			where = append(where, condition)
			values = append(values, clickhouse.Named(name, value))
		}
	}
	bind(l.Name != "", "name = {name:String}", "name", l.Name)
	bind(l.DeviceType != "", "device_type = {type:String}", "type", string(l.DeviceType))
	bind(l.Before != 0, "job < {before:UInt64}", "before", uint64(l.Before))
	bind(!l.AnyRole, "role = {role:String}", "role", l.Role)
	if l.HealthCheck != nil {
		bind(true, "health_check = {check:Bool}", "check", *l.HealthCheck)
	}
	if len(l.Metadata) > 0 {
		keys, wanted := make([]string, 0, len(l.Metadata)), make([]string, 0, len(l.Metadata))
		for k, v := range l.Metadata {
			keys, wanted = append(keys, k), append(wanted, v)
		}
		bind(true, "arrayAll((k, v) -> metadata[k] = v, {keys:Array(String)}, {wanted:Array(String)})", "keys", keys)
		values = append(values, clickhouse.Named("wanted", wanted))
	}
	wanted := int(limit(l.Limit))
	values = append(values, clickhouse.Named("limit", uint64(wanted*spare)))
	list, err := all[Comparable](ctx, db, selectJobs(strings.Fields("job display name device_type device health ended_at error_type lost"),
		strings.Join(where, " AND "))+" ORDER BY job DESC LIMIT {limit:UInt64}", values...)
	if err == nil {
		err = db.addVerdicts(ctx, list)
	}
	if err != nil {
		return nil, fmt.Errorf("list comparable jobs: %w", err)
	}
	if !l.Infra {
		list = slices.DeleteFunc(list, func(c Comparable) bool { return !c.tells() })
	}
	return list[:min(len(list), wanted)], nil
}

// spare is how many times the wanted jobs are read: some of them ended by the lab's fault.
const spare = 4

// tells says that a job's end says something of what it tested. What was not judged goes by the class of its error.
func (c Comparable) tells() bool {
	switch {
	case c.Health == string(events.Canceled):
		return false
	case c.Verdict != "":
		return c.Verdict == string(events.VerdictPass) || c.Verdict == string(events.VerdictTest)
	}
	switch events.ErrorType(c.ErrorType) {
	case events.InfrastructureError, events.ConfigurationError, events.BugError:
		return false
	}
	return !c.Lost
}

// addVerdicts fills in what the jobs were judged.
func (db *DB) addVerdicts(ctx context.Context, list []Comparable) error {
	numbers, at := make([]uint64, len(list)), map[uint64]int{}
	for i, c := range list {
		numbers[i], at[c.Job] = c.Job, i
	}
	type judged struct {
		Job     uint64 `ch:"job"`
		Verdict string `ch:"verdict"`
		Cause   string `ch:"cause"`
	}
	rows, err := all[judged](ctx, db, "SELECT job, verdict, cause FROM job_judgements WHERE job IN {jobs:Array(UInt64)}", clickhouse.Named("jobs", numbers))
	for _, r := range rows {
		c := &list[at[r.Job]]
		c.Verdict, c.Cause = r.Verdict, r.Cause
	}
	return err
}

// Series is what some jobs had of one case, oldest first.
type Series struct {
	Suite, Set, Name string
	Units            string
	Runs             []trend.Run // of a name that occurs more than once in a job, fail outweighs pass
}

// CaseName limits series to cases; an empty field wants any.
type CaseName struct{ Suite, Set, Name string }

// Series hands over the cases of jobs, each with its runs. Of the suite lava only the case job is
// among them: the other actions say the same again.
func (db *DB) Series(ctx context.Context, jobs []events.JobID, of CaseName, each func(Series) error) error {
	numbers := make([]uint64, len(jobs))
	for i, j := range jobs {
		numbers[i] = uint64(j)
	}
	where, values := []string{"job IN {jobs:Array(UInt64)}"}, []any{clickhouse.Named("jobs", numbers)}
	bind := func(value, condition, name string) {
		if value != "" {
			where = append(where, condition)
			values = append(values, clickhouse.Named(name, value))
		}
	}
	bind(of.Suite, "suite = {suite:String}", "suite")
	bind(of.Set, "set = {set:String}", "set")
	bind(of.Name, "name = {name:String}", "name")
	if of.Suite == "" {
		where = append(where, "(suite != 'lava' OR name = 'job')")
	}
	// Numbers that are no numbers stand for runs without a measurement: arrays of NULLs lose them.
	question := `SELECT suite, set, name, anyLast(unit) AS units, arraySort(groupArray((job, outcome, value))) AS runs,
		arrayMap(r -> r.1, runs) AS jobs, arrayMap(r -> r.2, runs) AS outcomes, arrayMap(r -> r.3, runs) AS measured FROM (
		SELECT job, suite, set, name, multiIf(countIf(result = 'fail') > 0, 'fail', countIf(result = 'pass') > 0, 'pass', countIf(result = 'skip') > 0, 'skip', 'unknown') AS outcome,
			ifNull(argMax(measurement, (seq, n)), nan) AS value, anyLast(units) AS unit
		FROM test_cases WHERE ` + strings.Join(where, " AND ") + ` GROUP BY job, suite, set, name)
		GROUP BY suite, set, name ORDER BY suite, set, name`
	type row struct {
		Suite    string    `ch:"suite"`
		Set      string    `ch:"set"`
		Name     string    `ch:"name"`
		Units    string    `ch:"units"`
		Jobs     []uint64  `ch:"jobs"`
		Outcomes []string  `ch:"outcomes"`
		Measured []float64 `ch:"measured"`
	}
	err := db.ask(ctx, "SELECT suite, set, name, units, jobs, outcomes, measured FROM ("+question+")", func(rows driver.Rows) error {
		var r row
		if err := rows.ScanStruct(&r); err != nil {
			return err
		}
		s := Series{Suite: r.Suite, Set: r.Set, Name: r.Name, Units: r.Units, Runs: make([]trend.Run, len(r.Jobs))}
		for i := range r.Jobs {
			s.Runs[i] = trend.Run{Job: events.JobID(r.Jobs[i]), Result: events.Outcome(r.Outcomes[i])}
			if !math.IsNaN(r.Measured[i]) {
				s.Runs[i].Value = &r.Measured[i]
			}
		}
		return each(s)
	}, values...)
	if err != nil {
		return fmt.Errorf("read the history of cases: %w", err)
	}
	return nil
}

// Line returns one line of a job's log, "" where it is not in the tables.
func (db *DB) Line(ctx context.Context, job events.JobID, line uint64) (string, error) {
	lines, err := db.Lines(ctx, LineFilter{Job: job, From: line, To: line + 1, Limit: 1})
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return lines[0].Message, nil
}
