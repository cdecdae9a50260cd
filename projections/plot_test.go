package projections

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/projections/query"
)

// TestPlot asks for the points of random queries of a random lab, and finds the same by going through it.
func TestPlot(t *testing.T) {
	r := rand.New(rand.NewPCG(26, 11))
	db, lab := sought(t, r, 40)
	found := map[string]int{}
	for i := range 120 {
		q := soughtQuery(r)
		q.Clauses = nil
		if i%2 == 0 {
			q.Conditions = nil
		}
		viewer := pick(r, []query.Viewer{{All: true}, {User: "alice"}, {User: "o'hara"}})
		p := soughtPlot(r, q.Entity)
		s, err := query.CompilePlot(q, viewer, nil, p)
		if err != nil {
			t.Fatalf("query %d, %s, %+v: %v", i, q, p, err)
		}
		var got []string
		last := time.Time{}
		err = db.Plot(t.Context(), s, Bounds{}, func(point PlotPoint) error {
			if point.At.Before(last) {
				t.Errorf("query %d: %v after %v", i, point.At, last)
			}
			last = point.At
			got = append(got, pointText(point))
			return nil
		})
		if err != nil {
			t.Fatalf("query %d, %s, %+v: %v\n%s", i, q, p, err, s.SQL)
		}
		want := soughtPoints(q, viewer, p, lab)
		found[string(q.Entity)+" "+string(p.Type)] += len(want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("query %d for %+v, %s, %+v:\n got %v\nwant %v\n%s\n%v", i, viewer, q, p, got, want, s.SQL, s.Values)
		}
	}
	if len(found) != 8 {
		t.Errorf("points were found of %v; want all eight kinds", found)
	}
	for kind, n := range found {
		if n < 10 {
			t.Errorf("%s: %d points: too few to show anything", kind, n)
		}
	}
	t.Run("Newest", func(t *testing.T) { testNewestPoints(t, db, lab) })
}

// Of more points than a chart holds, the newest come, the newest first; rows that are left out do not.
func testNewestPoints(t *testing.T, db *DB, lab []soughtJob) {
	q, all := query.Query{Entity: events.CaseQuery}, query.Viewer{All: true}
	p := query.Plot{Type: events.ChartMeasurement, Limit: 3}
	var items []events.QueryItem
	var times []time.Time
	for range 2 {
		s, err := query.CompilePlot(q, all, items, p)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := db.Plot(t.Context(), s, Bounds{}, func(point PlotPoint) error {
			n++
			if slices.Contains(items, point.Item()) {
				t.Errorf("%+v is left out, and there", point)
			}
			items, times = append(items, point.Item()), append(times, point.At)
			return nil
		}); err != nil || n != 3 {
			t.Fatalf("%d points, %v; want 3", n, err)
		}
	}
	if !slices.IsSortedFunc(times, func(a, b time.Time) int { return b.Compare(a) }) {
		t.Errorf("times %v; want the newest first", times)
	}
}

func TestPlotRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		entity events.QueryEntity
		plot   query.Plot
		want   string
	}{
		{events.CaseQuery, query.Plot{Type: events.ChartPassFail}, "Pass/fail is incorrect value for 'chart_type' with TestCase based queries."},
		{events.JobQuery, query.Plot{Type: "pie"}, `chart_type is "pie"`},
		{events.JobQuery, query.Plot{Type: events.ChartAttributes}, "attributes is empty"},
		{"job", query.Plot{Type: events.ChartPassFail}, `entity is "job"`},
	} {
		_, err := query.CompilePlot(query.Query{Entity: tt.entity}, query.Viewer{}, nil, tt.plot)
		var refused *query.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: got %v, want %q", tt.entity, tt.plot, err, tt.want)
		}
	}
}

func soughtPlot(r *rand.Rand, entity events.QueryEntity) query.Plot {
	p := query.Plot{Type: pick(r, []events.ChartType{events.ChartPassFail, events.ChartMeasurement, events.ChartAttributes})}
	if p.Type == events.ChartPassFail && entity == events.CaseQuery {
		p.Type = events.ChartMeasurement
	}
	if p.Type == events.ChartAttributes {
		p.Attributes = []string{"build", "load", "none"}
	}
	if r.IntN(3) == 0 {
		p.XAxis = pick(r, []string{"branch", "b'r"})
	}
	if r.IntN(3) == 0 {
		p.GroupBy = "branch"
	}
	if r.IntN(3) == 0 {
		p.Since = soughtNoon.Add(20 * time.Hour)
	}
	if r.IntN(3) == 0 {
		p.Until = soughtNoon.Add(50 * time.Hour)
	}
	return p
}

// pointText is what a point says, in one line.
func pointText(p PlotPoint) string {
	return fmt.Sprintf("%d/%s/%s/%s/%s %d.%d %s %.6f %s %t %d/%d/%d/%d %q %q", p.Job, p.Suite, p.Set, p.Name, p.Key, p.Seq, p.N, p.At.UTC().Format(time.RFC3339Nano),
		p.Value, p.Units, p.Pass, p.Passes, p.Failures, p.Skips, p.Unknowns, p.Attribute, p.Series)
}

// soughtPoints finds the points of a plot by going through the lab.
func soughtPoints(q query.Query, viewer query.Viewer, p query.Plot, lab []soughtJob) (texts []string) {
	if p.Type == events.ChartAttributes {
		p.XAxis = ""
	}
	for _, item := range soughtItems(q, viewer, lab) {
		j := lab[slices.IndexFunc(lab, func(j soughtJob) bool { return j.Job.Job == uint64(item.Job) })]
		attribute, there := j.Job.Metadata[p.XAxis]
		if p.XAxis != "" && !there || item.Seq == 0 && j.Job.EndedAt == nil {
			continue
		}
		add := func(point PlotPoint) {
			if point.Job, point.Attribute, point.Series = j.Job.Job, attribute, j.Job.Metadata[p.GroupBy]; item.Seq == 0 {
				point.At = *j.Job.EndedAt
			}
			if point.At.Before(p.Since) || !p.Until.IsZero() && !point.At.Before(p.Until) {
				return
			}
			texts = append(texts, pointText(point))
		}
		var mine []Case // what the row has below it, or is
		for _, c := range j.cases {
			if (item.Suite == "" || c.Suite == item.Suite) && (item.Seq == 0 || c.Seq == item.Seq && uint64(c.N) == item.N) {
				mine = append(mine, c)
			}
		}
		switch {
		case p.Type == events.ChartPassFail:
			for suite, cases := range bySuite(mine) {
				point := PlotPoint{Suite: suite}
				for _, c := range cases {
					count(events.Outcome(c.Result), &point.Passes, &point.Failures, &point.Skips, &point.Unknowns)
				}
				point.Value, point.Pass = float64(point.Passes), point.Failures == 0
				add(point)
			}
		case p.Type == events.ChartMeasurement && q.Entity == events.JobQuery:
			for suite, cases := range bySuite(mine) {
				point := PlotPoint{Suite: suite, Pass: true}
				n := 0.0
				for _, c := range cases {
					point.Pass = point.Pass && c.Result != "fail"
					if c.Measurement != nil {
						point.Value, point.Units, n = point.Value+*c.Measurement, c.Units, n+1
					}
				}
				if point.Value /= n; n > 0 {
					add(point)
				}
			}
		case p.Type == events.ChartMeasurement:
			for _, c := range mine {
				if c.Measurement != nil {
					add(PlotPoint{Suite: c.Suite, Set: c.Set, Name: c.Name, Seq: c.Seq, N: c.N, At: c.Time, Value: *c.Measurement, Units: c.Units, Pass: c.Result == "pass"})
				}
			}
		default:
			soughtAttributes(q.Entity, p, j, mine, add)
		}
	}
	return texts
}

func bySuite(cases []Case) map[string][]Case {
	suites := map[string][]Case{}
	for _, c := range cases {
		suites[c.Suite] = append(suites[c.Suite], c)
	}
	return suites
}

func soughtAttributes(entity events.QueryEntity, p query.Plot, j soughtJob, mine []Case, add func(PlotPoint)) {
	for _, key := range p.Attributes {
		point := PlotPoint{Key: key}
		if entity == events.JobQuery {
			var err error
			if point.Value, err = strconv.ParseFloat(j.Job.Metadata[key], 64); err == nil {
				point.Pass = j.Job.Health == "Complete"
				add(point)
			}
			continue
		}
		for _, c := range mine {
			text, there := c.Metadata[key]
			if !there {
				continue
			}
			value, err := strconv.ParseFloat(text, 64)
			if err == nil && !math.IsInf(value, 0) {
				add(PlotPoint{Suite: c.Suite, Set: c.Set, Name: c.Name, Key: key, Seq: c.Seq, N: c.N, At: c.Time, Value: value, Pass: c.Result == "pass"})
			}
			if entity == events.SuiteQuery {
				break // the first one alone
			}
		}
	}
}
