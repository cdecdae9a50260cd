package lab

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"time"

	"strata/events"
)

// Chart is a saved chart.
type Chart struct {
	events.ChartSaved
	Seq     uint64                   `json:"seq"`      // of its last fact
	SavedAt time.Time                `json:"saved_at"` // when it was made, or changed last
	Views   []events.ChartViewChosen `json:"views,omitempty"`
	Omitted []ChartOmission          `json:"omitted,omitempty"` // in the order in which they were left out
	// Removed is set of what is left of a chart that is gone: its number, which no other one may have.
	Removed bool `json:"removed,omitempty"`
}

// ChartOmission is a row that one query of a chart leaves out.
type ChartOmission struct {
	Number int              `json:"number"` // of the query within the chart
	Item   events.QueryItem `json:"item"`
}

// Query returns a query of the chart by its number, nil where there is none.
func (c *Chart) Query(number int) *events.ChartQuery {
	for i := range c.Queries {
		if c.Queries[i].Number == number {
			return &c.Queries[i]
		}
	}
	return nil
}

// View returns how a user wants to see one query of the chart.
func (c *Chart) View(number int, user events.UserName) events.ChartViewChosen {
	for _, v := range c.Views {
		if v.Number == number && v.User == user {
			return v
		}
	}
	return events.ChartViewChosen{Chart: c.Chart, Number: number, User: user}
}

// Chart returns a chart, nil where there is none of that number.
func (s *State) Chart(id events.ChartID) *Chart {
	if c := s.charts[id]; c != nil && !c.Removed {
		return c
	}
	return nil
}

// ChartNamed returns a chart by its name, nil where there is none. Should two have the same one, as
// [State.QueryNamed] says, it is the older one's.
func (s *State) ChartNamed(name string) *Chart {
	for c := range s.Charts() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Charts goes through all charts in order of their numbers.
func (s *State) Charts() iter.Seq[*Chart] {
	return func(yield func(*Chart) bool) {
		for c := range sorted(s.charts) {
			if !c.Removed && !yield(c) {
				return
			}
		}
	}
}

// NextChart is the number for the next one.
func (s *State) NextChart() events.ChartID {
	last := events.ChartID(0)
	for id := range s.charts {
		last = max(last, id)
	}
	return last + 1
}

// canChart says who may do what with a chart: its owner everything, the users of its group change it
// and not see what it shows, and others see it where it is published.
func (s *State) canChart(user events.UserName, verb Verb, id string) bool {
	if id == "" {
		return verb == View
	}
	c := s.chart(id)
	if c == nil || c.Removed {
		return false
	}
	switch verb {
	case View:
		return c.Owner == user || c.Published
	case Change:
		return c.Owner == user || s.InGroup(user, c.Group)
	}
	return false
}

// chart finds one by the id of its entity, or what is left of it.
func (s *State) chart(id string) *Chart {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil
	}
	return s.charts[events.ChartID(n)]
}

func (s *State) evolveChart(seq uint64, at time.Time, e events.Event) {
	if saved, ok := e.(events.ChartSaved); ok {
		c := s.charts[saved.Chart]
		if c == nil {
			c = &Chart{}
			s.charts[saved.Chart] = c
		}
		c.ChartSaved, c.SavedAt, c.Seq, c.Removed = saved, at, seq, false
		// What was about a query that the chart has no more goes with it.
		c.Views = slices.DeleteFunc(c.Views, func(v events.ChartViewChosen) bool { return c.Query(v.Number) == nil })
		c.Omitted = slices.DeleteFunc(c.Omitted, func(o ChartOmission) bool { return c.Query(o.Number) == nil })
		c.tidy()
		return
	}
	c := s.chart(e.About().ID)
	if c == nil {
		return
	}
	c.Seq = seq
	switch e := e.(type) {
	case events.ChartViewChosen:
		c.Views = slices.DeleteFunc(c.Views, func(v events.ChartViewChosen) bool { return v.Number == e.Number && v.User == e.User })
		if e != (events.ChartViewChosen{Chart: e.Chart, Number: e.Number, User: e.User}) {
			c.Views = append(c.Views, e)
		}
		slices.SortFunc(c.Views, func(a, b events.ChartViewChosen) int { return cmp.Or(cmp.Compare(a.User, b.User), a.Number-b.Number) })
	case events.ChartResultOmitted:
		if o := (ChartOmission{e.Number, e.Item}); !slices.Contains(c.Omitted, o) {
			c.Omitted = append(c.Omitted, o)
		}
	case events.ChartResultIncluded:
		c.Omitted = slices.DeleteFunc(c.Omitted, func(o ChartOmission) bool { return o == ChartOmission{e.Number, e.Item} })
	case events.ChartRemoved:
		*c = Chart{ChartSaved: events.ChartSaved{Chart: e.Chart}, Seq: seq, Removed: true}
	}
	c.tidy()
}

// tidy makes empty lists those that a checkpoint brings back.
func (c *Chart) tidy() {
	if len(c.Views) == 0 {
		c.Views = nil
	}
	if len(c.Omitted) == 0 {
		c.Omitted = nil
	}
}
