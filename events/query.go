package events

import "strconv"

// QueryID is a saved query's number, from 1.
type QueryID uint64

// String returns the number in decimal, as it stands in subjects.
func (q QueryID) String() string { return strconv.FormatUint(uint64(q), 10) }

// QueryEntity is what a query finds. The words are those of LAVA's addresses.
type QueryEntity string

// What queries find.
const (
	JobQuery   QueryEntity = "testjob"
	SuiteQuery QueryEntity = "testsuite"
	CaseQuery  QueryEntity = "testcase"
)

// QueryCondition is one condition of a query, as its author wrote it. What it means is said by
// docs/queries.md.
type QueryCondition struct {
	Table    string `json:"table"`    // testjob, testsuite, testcase or metadata
	Field    string `json:"field"`    // such as submitter; of metadata: the key
	Operator string `json:"operator"` // such as exact
	Value    string `json:"value"`
}

// QueryMatch says how the conditions of a clause are joined.
type QueryMatch string

// How conditions are joined.
const (
	MatchAny QueryMatch = "any" // at least one holds
	MatchNot QueryMatch = "not" // they do not hold all together
)

// QueryClause joins conditions of a query otherwise than by "and".
type QueryClause struct {
	Match      QueryMatch       `json:"match"`
	Conditions []QueryCondition `json:"conditions"` // at least one
}

// QuerySaved records a query as it stands from then on: when it is made, and whenever its settings or
// conditions change. Owner and entity never do. Written by services/api.
type QuerySaved struct {
	Query       QueryID          `json:"query"`
	Owner       UserName         `json:"owner"`
	Name        string           `json:"name"` // unique among the owner's; letters, digits, "-", "_" and "."
	Entity      QueryEntity      `json:"entity"`
	Conditions  []QueryCondition `json:"conditions,omitempty"` // all of them hold
	Clauses     []QueryClause    `json:"clauses,omitempty"`    // and all of these
	Description string           `json:"description,omitempty"`
	Group       GroupName        `json:"group,omitempty"`       // whose users may change it
	QueryGroup  string           `json:"query_group,omitempty"` // under which lists show it
	Limit       int              `json:"limit"`                 // rows that a refresh keeps, 20–10,000
	Published   bool             `json:"published,omitempty"`   // others may run it
	Live        bool             `json:"live,omitempty"`        // it is run anew each time; else it is refreshed by command
	GroupBy     string           `json:"group_by,omitempty"`    // metadata key that charts group by
	TargetGoal  *float64         `json:"target_goal,omitempty"` // line that charts draw
	CopiedFrom  QueryID          `json:"copied_from,omitempty"` // the query that it began as a copy of
	By          UserName         `json:"by"`
}

// QueryItem names one row that a query found.
type QueryItem struct {
	Job   JobID  `json:"job"`
	Suite string `json:"suite,omitempty"` // of a suite or case
	Seq   uint64 `json:"seq,omitempty"`   // of a case: the sequence in RESULTS that it came with
	N     uint64 `json:"n,omitempty"`     // and its number within that message, from 0
}

// QueryRefreshed records what a query that is not live found when it was run for keeping: it shows
// these rows until the next refresh. Each viewer sees those of jobs that he may see. Written by
// services/api.
type QueryRefreshed struct {
	Query     QueryID     `json:"query"`
	LabSeq    uint64      `json:"lab_seq"`         // the tables had LAB up to here
	ResultSeq uint64      `json:"result_seq"`      // and RESULTS up to here
	Items     []QueryItem `json:"items,omitempty"` // in the order of the query, the newest job first
	By        UserName    `json:"by"`
}

// QueryResultOmitted records that a row is left out of a query's results and charts. Written by
// services/api.
type QueryResultOmitted struct {
	Query QueryID   `json:"query"`
	Item  QueryItem `json:"item"`
	By    UserName  `json:"by"`
}

// QueryResultIncluded records that a row that was left out is back. Written by services/api.
type QueryResultIncluded struct {
	Query QueryID   `json:"query"`
	Item  QueryItem `json:"item"`
	By    UserName  `json:"by"`
}

// QueryArchived records that a query is in no list any more. Its name stays taken, and charts and
// jobs that name it go on. Written by services/api.
type QueryArchived struct {
	Query QueryID  `json:"query"`
	By    UserName `json:"by"`
}

func (e QuerySaved) About() Entity          { return aboutQuery(e.Query) }
func (e QueryRefreshed) About() Entity      { return aboutQuery(e.Query) }
func (e QueryResultOmitted) About() Entity  { return aboutQuery(e.Query) }
func (e QueryResultIncluded) About() Entity { return aboutQuery(e.Query) }
func (e QueryArchived) About() Entity       { return aboutQuery(e.Query) }

func aboutQuery(q QueryID) Entity { return Entity{Query, q.String()} }
