package web

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// stretch is a part of a log: an action, a test, a case. See log.outline.
// Start and End are lines, from 0; End is nil until it has ended, and Seconds are its length as its own times have it. Depth
// counts from 0; Result is pass, fail or "".
type stretch struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name"`
	Level   string  `json:"level"`
	Depth   int     `json:"depth"`
	Start   uint64  `json:"start"`
	End     *uint64 `json:"end"`
	Began   string  `json:"began"`
	Seconds float64 `json:"seconds"`
	Result  string  `json:"result"`
}

// stage is a stretch in the tree of a job's pipeline.
// Open decides whether its <details> is unfolded when the page comes; what somebody opens and closes live.js keeps.
type stage struct {
	stretch
	Steps   []*stage
	Running bool
	Failed  bool // itself, or something below it
	Open    bool // shown with what is below it
	Cases   int  // cases below it that passed, which the tree leaves out
	BeganAt time.Time
}

// Took is how long the step took.
// 0 of one that goes on.
func (s *stage) Took() time.Duration { return time.Duration(s.Seconds * float64(time.Second)) }

// pipeline makes a tree of sections, which come in order, and names the stage that runs. Where an action stands its
// level says (2.1 is within 2); tests and cases stand in the action that they began in. Cases that passed are counted,
// not listed: their place is the results.
// Way is where in the tree the last section stood, the outermost first: each next one belongs to the innermost that holds it.
func pipeline(sections []stretch, over bool) (roots []*stage, now string) {
	var way []*stage
	for _, one := range sections {
		s := &stage{stretch: one, Failed: one.Result == "fail"}
		// Zero where it cannot be read: then no time is counted on.
		s.BeganAt, _ = time.Parse(time.RFC3339Nano, one.Began)
		for len(way) > 0 && !way[len(way)-1].holds(one) {
			way = way[:len(way)-1]
		}
		if one.Kind == "case" && !s.Failed && len(way) > 0 {
			way[len(way)-1].Cases++
			continue
		}
		if len(way) > 0 {
			above := way[len(way)-1]
			above.Steps = append(above.Steps, s)
			for _, w := range way {
				w.Failed = w.Failed || s.Failed
			}
		} else {
			roots = append(roots, s)
		}
		way = append(way, s)
	}
	for _, s := range way { // only what came last can still run: some actions never say that they end
		if s.Running = s.End == nil && !over; s.Running {
			now = s.Name
		}
	}
	open(roots)
	return roots, now
}

// holds tells whether a later section stands within the stage.
// Actions go by level and not by lines, as some never say that they end. A case holds nothing.
func (s *stage) holds(one stretch) bool {
	switch one.Kind {
	case "action":
		return s.Kind == "action" && strings.HasPrefix(one.Level, s.Level+".")
	case "test":
		return s.Kind == "action" && (s.End == nil || *s.End > one.Start)
	}
	return s.Kind != "case" && (s.End == nil || *s.End > one.Start)
}

// open unfolds what somebody looks for: the way to what failed or runs.
// What passed stays folded with all below it, or the failure would be out of sight.
func open(steps []*stage) {
	for _, s := range steps {
		s.Open = s.Failed || s.Running
		open(s.Steps)
	}
}

// timing is where a job's time went.
// Shares need not add up to Total: there is time between actions, and actions may overlap their own cleaning up.
type timing struct {
	Total   time.Duration
	Queue   time.Duration // from its submission to its start
	Shares  []portion     // of the actions of the first rank
	Longest []portion     // of all steps
}

// portion is what one step took of the whole.
// Line is where the step begins, for a link into the log.
type portion struct {
	Level, Name string
	Line        uint64
	Took        time.Duration
	Percent     int // of the whole
}

// timingOf adds up the tree.
// A job without a start has no times. LAVA's page counts the same from its log's lines.
func timingOf(roots []*stage, j shownJob, now time.Time) (t timing) {
	if j.Started != nil {
		t.Queue = j.Started.Sub(j.Submitted)
		end := now
		if j.Ended != nil {
			end = *j.Ended
		}
		t.Total = end.Sub(*j.Started)
	}
	whole := t.Total
	var walk func(steps []*stage)
	walk = func(steps []*stage) {
		for _, s := range steps {
			one := portion{Level: s.Level, Name: s.Name, Line: s.Start, Took: s.Took()}
			if whole > 0 {
				one.Percent = min(100, int(100*one.Took/whole))
			}
			// Only innermost actions, and tests: those around them take as long and say less.
			if s.Kind == "action" && len(s.Steps) == 0 || s.Kind == "test" {
				t.Longest = append(t.Longest, one)
			}
			walk(s.Steps)
		}
	}
	for _, s := range roots {
		one := portion{Level: s.Level, Name: s.Name, Line: s.Start, Took: s.Took()}
		if whole > 0 {
			one.Percent = min(100, int(100*one.Took/whole))
		}
		t.Shares = append(t.Shares, one)
	}
	walk(roots)
	slices.SortStableFunc(t.Longest, func(a, b portion) int { return cmp.Compare(b.Took, a.Took) })
	// Fifteen fit a screen.
	t.Longest = t.Longest[:min(len(t.Longest), 15)]
	return t
}

// estimate is when a job may start.
type estimate struct {
	Known                    bool
	Earliest, Likely, Latest time.Time
}

// readEstimate reads the moments of an estimate; one that cannot be read is none.
// They are texts, as a job that nothing is known of has "" in their place.
func readEstimate(earliest, likely, latest string) (e estimate) {
	var errs [3]error
	e.Earliest, errs[0] = time.Parse(time.RFC3339Nano, earliest)
	e.Likely, errs[1] = time.Parse(time.RFC3339Nano, likely)
	e.Latest, errs[2] = time.Parse(time.RFC3339Nano, latest)
	e.Known = errs[0] == nil && errs[1] == nil && errs[2] == nil
	return e
}
