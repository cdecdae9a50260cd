package events

import (
	"strconv"
	"time"
)

// ChartID is a chart's number, from 1.
type ChartID uint64

// String returns the number in decimal, as it stands in subjects.
func (c ChartID) String() string { return strconv.FormatUint(uint64(c), 10) }

// ChartType is what a chart tells of the rows of a query. The words are LAVA's.
type ChartType string

// What charts tell.
const (
	ChartPassFail    ChartType = "pass/fail"   // how many cases passed
	ChartMeasurement ChartType = "measurement" // what was measured
	ChartAttributes  ChartType = "attributes"  // numbers in metadata
)

// ChartVisibility is what a page shows of a chart.
type ChartVisibility string

// What pages show.
const (
	ShowChart ChartVisibility = "chart"
	ShowTable ChartVisibility = "table"
	ShowBoth  ChartVisibility = "both"
)

// ChartRepresentation is how the points of a chart are joined.
type ChartRepresentation string

// How points are joined.
const (
	ChartLines ChartRepresentation = "lines"
	ChartBars  ChartRepresentation = "bars"
)

// ChartQuery is one drawing of a chart: a query, and how its rows are shown.
type ChartQuery struct {
	Number         int                 `json:"number"`                    // names it within the chart, from 1; no other one ever has it
	Query          QueryID             `json:"query"`                     // whose rows are drawn
	Type           ChartType           `json:"chart_type"`                // what is told of them
	TargetGoal     *float64            `json:"target_goal,omitempty"`     // a line across; none: that of the query
	Height         int                 `json:"chart_height"`              // pixels, 200–400
	Percentage     bool                `json:"is_percentage,omitempty"`   // of pass/fail: in hundredths of all cases
	Visibility     ChartVisibility     `json:"chart_visibility"`          // what pages show
	XAxis          string              `json:"xaxis_attribute,omitempty"` // metadata key of the job; empty is the date
	Representation ChartRepresentation `json:"representation"`            // how points are joined
	Attributes     []string            `json:"attributes,omitempty"`      // metadata keys whose numbers are drawn
	Trend          bool                `json:"trend,omitempty"`           // a line through the median of the points around
}

// ChartSaved records a chart as it stands from then on: when it is made, and whenever its settings or
// queries change. Its owner never does. Written by services/api.
type ChartSaved struct {
	Chart       ChartID      `json:"chart"`
	Owner       UserName     `json:"owner"`
	Name        string       `json:"name"` // unique in the lab; letters, digits, "-", "_" and "."
	Description string       `json:"description,omitempty"`
	Group       GroupName    `json:"group,omitempty"`       // whose users may change it
	ChartGroup  string       `json:"chart_group,omitempty"` // under which lists show it
	Published   bool         `json:"published,omitempty"`   // others may see it
	Queries     []ChartQuery `json:"queries,omitempty"`     // in the order in which pages show them
	Numbers     int          `json:"numbers,omitempty"`     // the last number that was given to a query
	By          UserName     `json:"by"`
}

// ChartViewChosen records how a user wants to see one query of a chart. Written by services/api.
type ChartViewChosen struct {
	Chart  ChartID   `json:"chart"`
	Number int       `json:"number"` // of the query within the chart
	User   UserName  `json:"user"`
	Start  time.Time `json:"start,omitzero"`   // points from then on; none: all
	Plain  bool      `json:"plain,omitempty"`  // without the legend
	Deltas bool      `json:"deltas,omitempty"` // what each point differs by from the one before
}

// ChartResultOmitted records that a row is left out of one query of a chart; the query itself keeps it.
// Written by services/api.
type ChartResultOmitted struct {
	Chart  ChartID   `json:"chart"`
	Number int       `json:"number"` // of the query within the chart
	Item   QueryItem `json:"item"`
	By     UserName  `json:"by"`
}

// ChartResultIncluded records that a row that was left out is back. Written by services/api.
type ChartResultIncluded struct {
	Chart  ChartID   `json:"chart"`
	Number int       `json:"number"` // of the query within the chart
	Item   QueryItem `json:"item"`
	By     UserName  `json:"by"`
}

// ChartRemoved records that a chart is gone; its name may be given to another. Written by services/api.
type ChartRemoved struct {
	Chart ChartID  `json:"chart"`
	By    UserName `json:"by"`
}

func (e ChartSaved) About() Entity          { return aboutChart(e.Chart) }
func (e ChartViewChosen) About() Entity     { return aboutChart(e.Chart) }
func (e ChartResultOmitted) About() Entity  { return aboutChart(e.Chart) }
func (e ChartResultIncluded) About() Entity { return aboutChart(e.Chart) }
func (e ChartRemoved) About() Entity        { return aboutChart(e.Chart) }

func aboutChart(c ChartID) Entity { return Entity{Chart, c.String()} }
