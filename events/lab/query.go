package lab

import (
	"iter"
	"slices"
	"strconv"
	"time"

	"strata/events"
)

// Query is a saved query.
type Query struct {
	events.QuerySaved
	Seq      uint64             `json:"seq"`      // of its last fact
	SavedAt  time.Time          `json:"saved_at"` // when it was made, or changed last
	Refresh  *Refresh           `json:"refresh,omitempty"`
	Changed  bool               `json:"changed,omitempty"`  // what it finds or keeps has changed since the refresh
	Omitted  []events.QueryItem `json:"omitted,omitempty"`  // in the order in which they were left out
	Archived bool               `json:"archived,omitempty"` // lists do not show it
}

// Refresh is when a query's rows were kept last. The rows themselves are in the fact and in the table
// query_items: a fold that held them would grow with every query.
type Refresh struct {
	Seq       uint64    `json:"seq"`        // of QueryRefreshed in LAB, by which the tables find the rows
	LabSeq    uint64    `json:"lab_seq"`    // LAB as far as the query had read
	ResultSeq uint64    `json:"result_seq"` // RESULTS likewise
	Items     int       `json:"items"`      // rows that it keeps
	At        time.Time `json:"at"`
}

// Query returns a saved query, archived ones too; nil where there is none of that number.
func (s *State) Query(id events.QueryID) *Query { return s.queries[id] }

// QueryNamed returns a user's query by its name, archived ones too; nil where there is none. Should a
// new name and a new query have met, so that two have the same one, it is the older one's.
func (s *State) QueryNamed(owner events.UserName, name string) *Query {
	for q := range s.Queries() {
		if q.Owner == owner && q.Name == name {
			return q
		}
	}
	return nil
}

// Queries goes through all saved queries, archived ones too, in order of their numbers.
func (s *State) Queries() iter.Seq[*Query] { return sorted(s.queries) }

// NextQuery is the number for the next one.
func (s *State) NextQuery() events.QueryID {
	last := events.QueryID(0)
	for id := range s.queries {
		last = max(last, id)
	}
	return last + 1
}

// canQuery says who may do what with a saved query: its owner everything, the users of its group
// change it and not run it, and others run it where it is published. Anybody may look at its
// conditions and copy it, for which no right is asked.
func (s *State) canQuery(user events.UserName, verb Verb, id string) bool {
	if id == "" {
		return verb == View
	}
	q := s.query(id)
	if q == nil {
		return false
	}
	switch verb {
	case View:
		return q.Owner == user || q.Published
	case Change:
		return q.Owner == user || s.InGroup(user, q.Group)
	}
	return false
}

// query finds one by the id of its entity.
func (s *State) query(id string) *Query {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil
	}
	return s.queries[events.QueryID(n)]
}

func (s *State) evolveQuery(seq uint64, at time.Time, e events.Event) {
	if saved, ok := e.(events.QuerySaved); ok {
		q := s.queries[saved.Query]
		if q == nil {
			q = &Query{QuerySaved: saved}
			s.queries[saved.Query] = q
		}
		if q.Limit != saved.Limit || !slices.Equal(q.Conditions, saved.Conditions) || !slices.EqualFunc(q.Clauses, saved.Clauses, sameClause) {
			q.Changed = q.Refresh != nil
		}
		q.QuerySaved, q.SavedAt, q.Seq = saved, at, seq
		return
	}
	q := s.query(e.About().ID)
	if q == nil {
		return
	}
	q.Seq = seq
	switch e := e.(type) {
	case events.QueryRefreshed:
		q.Refresh = &Refresh{seq, e.LabSeq, e.ResultSeq, len(e.Items), at}
		q.Changed = false
	case events.QueryResultOmitted:
		if !slices.Contains(q.Omitted, e.Item) {
			q.Omitted = append(q.Omitted, e.Item)
		}
	case events.QueryResultIncluded:
		q.Omitted = slices.DeleteFunc(q.Omitted, func(i events.QueryItem) bool { return i == e.Item })
		if len(q.Omitted) == 0 {
			q.Omitted = nil // as a checkpoint brings it back
		}
	case events.QueryArchived:
		q.Archived = true
	}
}

func sameClause(a, b events.QueryClause) bool {
	return a.Match == b.Match && slices.Equal(a.Conditions, b.Conditions)
}
