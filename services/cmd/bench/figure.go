package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is a number that an area promises, or states.
// A name is an interface: pages keep the row of a figure that was not measured by it, and what reads
// the printed lines asks for it.
type figure struct {
	name string
	unit string
	// goal is what is promised: at least as much, or with atMost no more. 0: the number is stated.
	goal   float64
	atMost bool
	how    string // it is measured, a sentence or two for the page
}

// measure is a way to take some figures at once.
type measure struct {
	figures []figure
	// take returns one row a run, each with a value for every figure.
	take func(ctx context.Context, b *bench) ([][]float64, error)
}

// areas lists the areas of the house in the order in which they are built. One without measures
// is not built yet.
func areas() []area {
	return []area{
		{"foundation", foundation()},
		{"dispatcher", dispatching()}, {"lab", slices.Concat(laboratory(), ofLab(), simulating())}, {"tables", slices.Concat(searching(), resulting(), judging(), notifying())}, {"doors", slices.Concat(knocking(), listing(), watching())}, {"web", slices.Concat(visiting(), seeing(), paging())},
	}
}

// area is a row of the table of areas.
type area struct {
	name     string
	measures []measure
}

func areaNames() (names []string) {
	for _, a := range areas() {
		names = append(names, a.name)
	}
	return names
}

// find returns the area of a name.
func find(name string) (area, error) {
	for _, a := range areas() {
		if a.name == name {
			return a, nil
		}
	}
	return area{}, fmt.Errorf("-area %s: there are %s", name, strings.Join(areaNames(), ", "))
}

// checkRows refuses rows that do not fit the figures.
// A fault of a measure, never of the machine.
func checkRows(rows [][]float64, width int) error {
	if len(rows) == 0 {
		return fmt.Errorf("no run gave a value")
	}
	for i, row := range rows {
		if len(row) != width {
			return fmt.Errorf("run %d gave %d values for %d figures", i+1, len(row), width)
		}
	}
	return nil
}

// result is a figure with what was measured.
type result struct {
	figure
	values []float64 // one a run
	value  float64   // their median
	load   string    // of the machine before it was measured
}

// newResult takes a figure's column out of rows.
func newResult(f figure, rows [][]float64, column int) result {
	r := result{figure: f}
	for _, row := range rows {
		r.values = append(r.values, row[column])
	}
	r.value = median(r.values)
	return r
}

// met reports whether the goal is reached; a figure without one is only stated.
func (r result) met() bool {
	switch {
	case r.goal == 0:
		return true
	case r.atMost:
		return r.value <= r.goal
	}
	return r.value >= r.goal
}

// promise returns the goal as people and programs read it: ">=1000", "<=50", or "-".
func (f figure) promise() string {
	switch {
	case f.goal == 0:
		return "-"
	case f.atMost:
		return "<=" + number(f.goal)
	}
	return ">=" + number(f.goal)
}

// line returns what is printed.
// Five fields with tabs between: the form is promised to programs.
func (r result) line() string {
	verdict := "missed"
	if r.met() {
		verdict = "met"
	}
	return strings.Join([]string{r.name, number(r.value), r.unit, r.promise(), verdict}, "\t")
}

// runs returns all values.
func (r result) runs() string {
	var texts []string
	for _, v := range r.values {
		texts = append(texts, number(v))
	}
	return strings.Join(texts, " ") + " " + r.unit
}

// number writes a value with three digits that mean something: 1234, 12.3, 0.123.
// No exponents, and no digits that the next run would contradict.
func number(v float64) string {
	decimals := 0
	if a := math.Abs(v); a != 0 && a < 100 {
		decimals = min(6, 2-int(math.Floor(math.Log10(a))))
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// median returns the middle value, of an even number the mean of the two in the middle.
// It panics without values; [checkRows] has seen to that.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// percentile returns the time that p percent of times do not exceed, in milliseconds.
func percentile(times []time.Duration, p int) float64 {
	s := slices.Sorted(slices.Values(times))
	// The smallest one that at least p percent are no longer than.
	i := (len(s)*p + 99) / 100
	return milliseconds(s[max(0, i-1)])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// sizes is how much is measured with.
// A field a kind of load. -quick takes the small ones, with which the program itself is tried in
// seconds.
type sizes struct {
	submissions int // of a run
	orders      int // of a run
	devices     int // of the scheduler's lab
	queued      int
	decisions   int // of a run
	lines       int // that one job says at the pace of a console
	jobs        int // that send their output at once
	jobLines    int // of each of them
	facts       int // that stand in LAB before a restart
	// aged waits until the broker's memory of message ids (FactWindow) does not reach back to the
	// facts that were made for the measurement: a lab does not record a million in two minutes.
	aged bool
	rest time.Duration // until a lab that does nothing is idle

	consoleBytes int           // of a console that is searched
	consoles     int           // that talk at once
	talk         time.Duration // for how long

	played int // devices that are played
	lives  int // jobs that live, of a run

	yearJobs  int // of a year of logs
	yearLines int // of each of them
	yearCases int // test cases of each of them

	simulated int // days of the simulated year

	longLog int // lines of the log that browsers open

	hanging   int // callbacks that no receiver answers
	callbacks int // that are answered, of a run

	listed       int // jobs in tables that lists are asked of
	recent       int // jobs that stand in the streams too
	watchers     int // of one job
	watchedLines int // that it says
}

var (
	full = sizes{submissions: 5000, orders: 200, devices: 1000, queued: 100_000, decisions: 5000, lines: 1000,
		jobs: 4, jobLines: 250_000, facts: 1_000_000, aged: true, rest: 10 * time.Second,
		consoleBytes: 64 << 20, consoles: 1000, talk: 5 * time.Second, played: 100, lives: 5000, simulated: 365,
		yearJobs: 10_000, yearLines: 10_000, yearCases: 1000, hanging: 1000, callbacks: 100, listed: 1_000_000, longLog: 10_000_000, recent: 2000, watchers: 1000, watchedLines: 50_000}
	small = sizes{submissions: 40, orders: 3, devices: 10, queued: 100, decisions: 20, lines: 30,
		jobs: 2, jobLines: 1000, facts: 700, rest: time.Second,
		consoleBytes: 1 << 20, consoles: 10, talk: time.Second, played: 4, lives: 20, simulated: 3,
		yearJobs: 20, yearLines: 2000, yearCases: 350, hanging: 20, callbacks: 3, listed: 3000, longLog: 20_000, recent: 200, watchers: 20, watchedLines: 500}
)
