package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections/query"
)

// Saved queries: who may do what with them is said by lab.Can, what their conditions mean by package
// query. All facts about them are written here.

// Bounds of a saved query.
const (
	// LAVA's bounds and default of a query's limit.
	leastKept   = 20 // rows that a refresh keeps
	usualKept   = 200
	mostKept    = 10_000
	mostOmitted = 1000 // rows that are left out of one query

	mostQueries  = 500    // of a user, beside archived ones
	mostArchived = 10_000 // of a user, archived ones with them: those stay, and so do their names
	mostCharts   = 500    // of a user
)

// QueryRef names a saved query: by its number, or by owner and name. An empty owner is the caller.
type QueryRef struct {
	Query events.QueryID  `json:"query,omitempty"`
	Owner events.UserName `json:"owner,omitempty"`
	Name  string          `json:"name,omitempty"`
}

func (r QueryRef) String() string {
	if r.Query != 0 {
		return r.Query.String()
	}
	return "~" + string(r.Owner) + "/" + r.Name
}

// QuerySave makes a query, or changes what it names of one. What is nil stays as it is; of a new one
// it takes its default.
type QuerySave struct {
	QueryRef
	New         bool                     `json:"new,omitempty"`        // refuse where the name is taken
	Rename      string                   `json:"rename,omitempty"`     // another name
	Entity      events.QueryEntity       `json:"entity,omitempty"`     // of a new query; it never changes
	Address     *string                  `json:"address,omitempty"`    // conditions as addresses have them, instead of Conditions
	Conditions  *[]events.QueryCondition `json:"conditions,omitempty"` // all of them, in place of those before
	Clauses     *[]events.QueryClause    `json:"clauses,omitempty"`    // likewise
	Description *string                  `json:"description,omitempty"`
	// Whose users may change it, beside the owner.
	Group *events.GroupName `json:"group,omitempty"`
	// A heading under which lists put it; nobody's rights hang on it.
	QueryGroup *string  `json:"query_group,omitempty"`
	Limit      *int     `json:"limit,omitempty"` // 20–10,000; 200 of a new one
	Published  *bool    `json:"published,omitempty"`
	Live       *bool    `json:"live,omitempty"`
	GroupBy    *string  `json:"group_by,omitempty"`
	TargetGoal *float64 `json:"target_goal,omitempty"`
}

// QueriesRequest asks for a list: the caller's own queries, those of the groups, and what others have
// published.
type QueriesRequest struct {
	Owner events.UserName `json:"owner,omitempty"` // of this user only
	Group string          `json:"group,omitempty"` // under this query group only
	All   bool            `json:"all,omitempty"`   // archived ones too
}

// SavedQuery is what the api tells of a saved query.
type SavedQuery struct {
	events.QuerySaved
	Address  string       `json:"address,omitempty"` // its conditions as addresses have them, where they can be written so
	Text     string       `json:"text"`              // the same for people
	SavedAt  time.Time    `json:"saved_at"`
	Refresh  *lab.Refresh `json:"refresh,omitempty"`  // when its rows were kept last
	Changed  bool         `json:"changed,omitempty"`  // since the refresh
	Omitted  []string     `json:"omitted,omitempty"`  // rows that are left out
	Archived bool         `json:"archived,omitempty"` // no list shows it
	Editable bool         `json:"editable,omitempty"` // the caller may change it
	Warnings []string     `json:"warnings,omitempty"` // of its conditions
}

// viewQuery shows a query; which rows are left out is told to who may change it.
func viewQuery(s *lab.State, who caller, q *lab.Query) SavedQuery {
	v := SavedQuery{QuerySaved: q.QuerySaved, SavedAt: q.SavedAt, Refresh: q.Refresh, Changed: q.Changed, Archived: q.Archived,
		Text: query.Of(q.QuerySaved).String(), Editable: allow(s, who, lab.Change, events.Query, q.Query.String()) == nil}
	v.Address, _ = query.Address(query.Of(q.QuerySaved))
	if v.Editable { // others may look at the query, and not at which jobs it has found
		for _, item := range q.Omitted {
			v.Omitted = append(v.Omitted, query.ItemID(item))
		}
	}
	return v
}

// find returns the query that a request names, archived ones too.
func (r QueryRef) find(s *lab.State, who caller) (*lab.Query, error) {
	if r.Query != 0 {
		if q := s.Query(r.Query); q != nil {
			return q, nil
		}
		return nil, refuse(NotFound, "there is no query %d", r.Query)
	}
	if r.Owner == "" {
		r.Owner = who.user
	}
	if r.Name == "" {
		return nil, &Error{Code: Invalid, Field: "name", Message: "name is missing: a query is named by its number, or by owner and name"}
	}
	if q := s.QueryNamed(r.Owner, r.Name); q != nil {
		return q, nil
	}
	return nil, refuse(NotFound, "there is no query %s", r)
}

// mayQuery finds a query that the caller may do something with.
func (r QueryRef) mayQuery(s *lab.State, who caller, verb lab.Verb) (*lab.Query, error) {
	q, err := r.find(s, who)
	if err != nil {
		return nil, err
	}
	switch {
	case allow(s, who, verb, events.Query, q.Query.String()) == nil:
		return q, nil
	case !lab.Covers(who.scopes, verb, events.Query):
		return nil, notFor(who)
	}
	if verb == lab.View {
		return nil, refuse(Denied, "query ~%s/%s is not published; %s may look at its conditions and copy it", q.Owner, q.Name, who.user)
	}
	return nil, refuse(Denied, "query ~%s/%s is its owner's and its group's to change; %s may copy it", q.Owner, q.Name, who.user)
}

// checkQueryName holds to names that need no escaping in an address.
func checkQueryName(field, name string) error {
	if err := checkName(field, name, maxNameBytes); err != nil {
		return err
	}
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf("%s is %q; allowed are letters, digits, \"-\", \"_\" and \".\"", field, name)}
		}
	}
	return nil
}

// queryError words what package query has against a query; Field is its reason.
func queryError(err error) error {
	if e, ok := err.(*query.Error); ok { //nolint:errorlint // Check wraps nothing
		return &Error{Code: Invalid, Field: string(e.Reason), Message: e.Error()}
	}
	return err
}

// saveQuery makes a query or changes one.
// Errors: [Conflict] for a name that is taken, [Denied] for another's query, [NotFound] for a number
// or a group that there is not, [Invalid] with the field or, for conditions, package query's reason.
func (a *api) saveQuery(ctx context.Context, who caller, in QuerySave) (SavedQuery, error) {
	if !lab.Covers(who.scopes, lab.Change, events.Query) {
		return SavedQuery{}, notFor(who)
	}
	var id events.QueryID
	var warnings []string
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		e, err := in.begin(s, who)
		if err != nil {
			return nil, err
		}
		if warnings, err = in.apply(&e); err != nil {
			return nil, err
		}
		if e.Group != "" && !hasGroup(s, e.Group) {
			return nil, refuse(NotFound, "there is no group %s: groups and their users stand in the policy (`strata policy show`)", e.Group)
		}
		e.By, id = who.user, e.Query
		return []events.Event{e}, nil
	})
	if err != nil {
		return SavedQuery{}, err
	}
	out, err := a.showQuery(ctx, who, QueryRef{Query: id})
	out.Warnings = warnings
	return out, err
}

// roomForQuery says whether a user may have one more query; the error is [Conflict].
// Every process that folds the log holds all of them.
func roomForQuery(s *lab.State, owner events.UserName) error {
	all, live := 0, 0
	for q := range s.Queries() {
		if q.Owner == owner {
			all++
			if !q.Archived {
				live++
			}
		}
	}
	switch {
	case live >= mostQueries:
		return refuse(Conflict, "%s has %d queries, more are not allowed: archive or change one", owner, mostQueries)
	case all >= mostArchived:
		return refuse(Conflict, "%s has %d queries with those that are archived, more are not allowed: change one", owner, mostArchived)
	}
	return nil
}

// roomForChart is the same for charts.
func roomForChart(s *lab.State, owner events.UserName) error {
	has := 0
	for c := range s.Charts() {
		if c.Owner == owner {
			has++
		}
	}
	if has >= mostCharts {
		return refuse(Conflict, "%s has %d charts, more are not allowed: remove or change one", owner, mostCharts)
	}
	return nil
}

// begin returns the query as it stands, or a new one.
func (in QuerySave) begin(s *lab.State, who caller) (events.QuerySaved, error) {
	q, err := in.find(s, who)
	// By its name a query is made where there is none; a number names one that has to be there.
	if HasCode(err, NotFound) && in.Query == 0 {
		if in.Owner != "" && in.Owner != who.user && allow(s, who, lab.Administer, events.Query, "") != nil {
			return events.QuerySaved{}, refuse(Denied, "%s may not make queries of %s", who.user, in.Owner)
		}
		owner := in.Owner
		if owner == "" {
			owner = who.user
		}
		if err := checkQueryName("name", in.Name); err != nil {
			return events.QuerySaved{}, err
		}
		if err := roomForQuery(s, owner); err != nil {
			return events.QuerySaved{}, err
		}
		return events.QuerySaved{Query: s.NextQuery(), Owner: owner, Name: in.Name, Entity: in.Entity, Limit: usualKept}, nil
	}
	switch {
	case err != nil:
		return events.QuerySaved{}, err
	// LAVA's words, which its forms show.
	case q.Archived && in.Query == 0:
		return events.QuerySaved{}, refuse(Conflict, "Query already exists but is archived: ~%s/%s; choose another name", q.Owner, q.Name)
	case in.New:
		return events.QuerySaved{}, refuse(Conflict, "there is a query ~%s/%s already", q.Owner, q.Name)
	}
	if _, err := in.mayQuery(s, who, lab.Change); err != nil {
		return events.QuerySaved{}, err
	}
	e := q.QuerySaved
	if in.Entity != "" && in.Entity != e.Entity {
		return e, &Error{Code: Invalid, Field: "entity", Message: fmt.Sprintf("query ~%s/%s finds %s, and that never changes; make another one", e.Owner, e.Name, e.Entity)}
	}
	if in.Rename != "" && in.Rename != e.Name {
		if err := checkQueryName("rename", in.Rename); err != nil {
			return e, err
		}
		if s.QueryNamed(e.Owner, in.Rename) != nil {
			return e, refuse(Conflict, "there is a query ~%s/%s already", e.Owner, in.Rename)
		}
		e.Name = in.Rename
	}
	return e, nil
}

// apply changes what the request names, and checks the whole.
func (in QuerySave) apply(e *events.QuerySaved) (warnings []string, err error) {
	set(&e.Description, in.Description)
	set(&e.Group, in.Group)
	set(&e.QueryGroup, in.QueryGroup)
	set(&e.Limit, in.Limit)
	set(&e.Published, in.Published)
	set(&e.Live, in.Live)
	set(&e.GroupBy, in.GroupBy)
	set(&e.Conditions, in.Conditions)
	set(&e.Clauses, in.Clauses)
	if in.TargetGoal != nil {
		e.TargetGoal = in.TargetGoal
	}
	// The whole is checked, whatever the request names: what was saved by an earlier release may be
	// refused by this one, and is then to be mended.
	q := query.Of(*e)
	if in.Address != nil {
		if in.Conditions != nil {
			return nil, &Error{Code: Invalid, Field: "address", Message: "give conditions as a list or as an address, not both"}
		}
		parsed, _, err := query.Parse(string(e.Entity), *in.Address)
		if err != nil {
			return nil, queryError(err)
		}
		q.Conditions = parsed.Conditions
	}
	if q, warnings, err = q.Check(); err != nil {
		return nil, queryError(err)
	}
	e.Entity, e.Conditions, e.Clauses = q.Entity, q.Conditions, q.Clauses
	if e.Limit < leastKept || e.Limit > mostKept {
		return nil, &Error{Code: Invalid, Field: "limit", Message: fmt.Sprintf("limit is %d; allowed are %d to %d", e.Limit, leastKept, mostKept)}
	}
	if e.QueryGroup != "" {
		if err := checkQueryName("query_group", e.QueryGroup); err != nil {
			return nil, err
		}
	}
	if len(e.Description) > 4096 || len(e.GroupBy) > maxNameBytes {
		return nil, &Error{Code: Invalid, Field: "description", Message: "description or group_by is too long"}
	}
	return warnings, nil
}

// hasGroup says whether a query or chart may be a group's.
// Groups of saved queries are the policy's, not those of accounts.
func hasGroup(s *lab.State, group events.GroupName) bool {
	for _, g := range s.Policy().Groups {
		if g.Group == group {
			return true
		}
	}
	return false
}

// listQueries answers with the queries that concern the caller, by owner and name.
func (a *api) listQueries(_ context.Context, who caller, in QueriesRequest) ([]SavedQuery, error) {
	out := []SavedQuery{}
	a.read(func(s *lab.State) {
		for q := range s.Queries() {
			about := events.Entity{Kind: events.Query, ID: q.Query.String()}
			if q.Archived && !in.All || in.Owner != "" && q.Owner != in.Owner || in.Group != "" && q.QueryGroup != in.Group ||
				!who.can(s, lab.View, about) && !who.can(s, lab.Change, about) {
				continue
			}
			out = append(out, viewQuery(s, who, q))
		}
	})
	return out, nil
}

// showQuery answers with a query's conditions and settings, whoever asks: only what it finds is
// for few.
func (a *api) showQuery(_ context.Context, who caller, in QueryRef) (out SavedQuery, err error) {
	a.read(func(s *lab.State) {
		var q *lab.Query
		if q, err = in.find(s, who); err == nil {
			out = viewQuery(s, who, q)
		}
	})
	return out, err
}

// QueryCopy makes a copy of any query, of one's own and not published.
type QueryCopy struct {
	QueryRef
	As string `json:"as"` // its name
}

// copyQuery makes a copy of a query, the caller's own.
// Nobody's consent is needed: conditions are no secret. The rows are those that the copy's owner may
// see.
func (a *api) copyQuery(ctx context.Context, who caller, in QueryCopy) (SavedQuery, error) {
	if !lab.Covers(who.scopes, lab.Change, events.Query) {
		return SavedQuery{}, notFor(who)
	}
	if err := checkQueryName("as", in.As); err != nil {
		return SavedQuery{}, err
	}
	var id events.QueryID
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		q, err := in.find(s, who)
		if err != nil {
			return nil, err
		}
		switch taken := s.QueryNamed(who.user, in.As); {
		case taken != nil && taken.Archived:
			return nil, refuse(Conflict, "Query already exists but is archived: ~%s/%s; choose another name", who.user, in.As)
		case taken != nil:
			return nil, refuse(Conflict, "there is a query ~%s/%s already", who.user, in.As)
		}
		if err := roomForQuery(s, who.user); err != nil {
			return nil, err
		}
		e := q.QuerySaved
		e.Query, e.Owner, e.Name, e.By, e.CopiedFrom = s.NextQuery(), who.user, in.As, who.user, q.Query
		// What is another's to see or change is not handed on by a copy.
		e.Published, e.Group, e.QueryGroup = false, "", ""
		id = e.Query
		return []events.Event{e}, nil
	})
	if err != nil {
		return SavedQuery{}, err
	}
	return a.showQuery(ctx, who, QueryRef{Query: id})
}

// archiveQuery takes a query out of the lists. It goes on working for those who know its name.
// Charts go on drawing it. There is no way back, and its name stays taken.
func (a *api) archiveQuery(ctx context.Context, who caller, in QueryRef) (SavedQuery, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		q, err := in.mayQuery(s, who, lab.Change)
		if err != nil || q.Archived {
			return nil, err
		}
		return []events.Event{events.QueryArchived{Query: q.Query, By: who.user}}, nil
	})
	if err != nil {
		return SavedQuery{}, err
	}
	return a.showQuery(ctx, who, in)
}

// QueryItemRequest names a row of a query, as [query.ItemID] writes it.
type QueryItemRequest struct {
	QueryRef
	Item string `json:"item"`
}

// omitResult leaves a row out of a query's results and charts.
// The results' own page asks it, row by row, as LAVA's does.
func (a *api) omitResult(ctx context.Context, who caller, in QueryItemRequest) (SavedQuery, error) {
	return a.changeItem(ctx, who, in, func(q *lab.Query, item events.QueryItem, left bool) ([]events.Event, error) {
		if left {
			return nil, nil
		}
		if len(q.Omitted) >= mostOmitted {
			return nil, refuse(Conflict, "%d rows are left out of query ~%s/%s already; add a condition instead", mostOmitted, q.Owner, q.Name)
		}
		return []events.Event{events.QueryResultOmitted{Query: q.Query, Item: item, By: who.user}}, nil
	})
}

// includeResult takes back what [api.omitResult] did.
func (a *api) includeResult(ctx context.Context, who caller, in QueryItemRequest) (SavedQuery, error) {
	return a.changeItem(ctx, who, in, func(q *lab.Query, item events.QueryItem, left bool) ([]events.Event, error) {
		if !left {
			return nil, nil
		}
		return []events.Event{events.QueryResultIncluded{Query: q.Query, Item: item, By: who.user}}, nil
	})
}

// changeItem finds the row of a request; left says that it is left out already.
func (a *api) changeItem(ctx context.Context, who caller, in QueryItemRequest,
	change func(q *lab.Query, item events.QueryItem, left bool) ([]events.Event, error)) (SavedQuery, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		q, err := in.mayQuery(s, who, lab.Change)
		if err != nil {
			return nil, err
		}
		item, ok := query.ParseItem(q.Entity, in.Item)
		if !ok {
			return nil, &Error{Code: Invalid, Field: "item", Message: fmt.Sprintf("item is %s; a row of %s is named like %s", strconv.Quote(in.Item), q.Entity,
				map[events.QueryEntity]string{events.JobQuery: "42", events.SuiteQuery: "42/0_smoke", events.CaseQuery: "42/812.3"}[q.Entity])}
		}
		for _, left := range q.Omitted {
			// By its text: what ParseItem makes of a case lacks its suite.
			if query.ItemID(left) == in.Item {
				return change(q, left, true)
			}
		}
		return change(q, item, false)
	})
	if err != nil {
		return SavedQuery{}, err
	}
	return a.showQuery(ctx, who, in.QueryRef)
}
