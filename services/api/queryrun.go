package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/query"
)

// Pages of results.
const (
	usualRows = 50
	mostRows  = 1000
	mostBytes = 4 << 20 // of a page; the bus carries messages of 8 MiB
)

// QueryRun runs a saved query, or shows what its last refresh has kept.
type QueryRun struct {
	QueryRef
	Limit  int `json:"limit,omitempty"` // rows of a page; 0 is 50, 1000 the most
	Offset int `json:"offset,omitempty"`
}

// QueryCustom runs a query that is not saved.
// Address and Conditions exclude each other; Clauses, which LAVA does not have, may stand beside
// either.
type QueryCustom struct {
	Entity     events.QueryEntity      `json:"entity"`
	Address    string                  `json:"address,omitempty"` // conditions as addresses have them, or
	Conditions []events.QueryCondition `json:"conditions,omitempty"`
	Clauses    []events.QueryClause    `json:"clauses,omitempty"`
	Limit      int                     `json:"limit,omitempty"`
	Offset     int                     `json:"offset,omitempty"`
}

// QueryResult is a page of what a query found, the newest job first: one of the lists, by the entity.
type QueryResult struct {
	Entity   events.QueryEntity `json:"entity"`
	Query    *SavedQuery        `json:"query,omitempty"`   // of a saved one
	Address  string             `json:"address,omitempty"` // of the conditions, where they can be written so
	Text     string             `json:"text"`              // the conditions for people
	Jobs     []Job              `json:"jobs,omitempty"`
	Suites   []QuerySuite       `json:"suites,omitempty"`
	Cases    []QueryCase        `json:"cases,omitempty"`
	Offset   int                `json:"offset,omitempty"` // of the first row
	More     bool               `json:"more,omitempty"`   // there are rows behind these
	Warnings []string           `json:"warnings,omitempty"`
}

// QuerySuite is a test suite that a query found.
type QuerySuite struct {
	Item string       `json:"item"` // its name in queries: "42/0_smoke"
	Job  events.JobID `json:"job"`
	projections.Suite
}

// QueryCase is a test case that a query found.
type QueryCase struct {
	Item string `json:"item"` // its name in queries: "42/812.3"
	projections.Case
}

// Rows is their number.
func (r QueryResult) Rows() int { return len(r.Jobs) + len(r.Suites) + len(r.Cases) }

// parse returns the query, checked.
// Warnings are of conditions that mean less than they seem to. The error's Field is package query's
// reason.
func (in QueryCustom) parse() (query.Query, []string, error) {
	q, warnings, err := query.Query{Entity: in.Entity, Conditions: in.Conditions, Clauses: in.Clauses}.Check()
	if err == nil && in.Address != "" {
		if len(in.Conditions) > 0 {
			return q, nil, &Error{Code: Invalid, Field: "address", Message: "give conditions as a list or as an address, not both"}
		}
		var parsed query.Query
		var more []string
		parsed, more, err = query.Parse(string(in.Entity), in.Address)
		q.Conditions, warnings = parsed.Conditions, append(more, warnings...)
	}
	return q, warnings, queryError(err)
}

// runCustom runs a query that is not saved.
// Anybody may: the rows are those that the caller may see.
func (a *api) runCustom(ctx context.Context, who caller, in QueryCustom) (QueryResult, error) {
	q, warnings, err := in.parse()
	if err != nil {
		return QueryResult{}, err
	}
	view := a.sight(who)
	out := QueryResult{Entity: q.Entity, Text: q.String(), Warnings: warnings}
	out.Address, _ = query.Address(q)
	out, err = a.page(ctx, out, in.Limit, in.Offset, func(p query.Page) (query.Statement, error) { return query.Compile(q, view, nil, p) })
	if err == nil {
		a.warnAged(ctx, who, q, &out)
	}
	return out, err
}

// runQuery runs a saved query that is live, or shows what its refresh has kept.
// [Conflict] is told of one that is not live and was never refreshed, [Denied] of one that is not
// published to the caller.
func (a *api) runQuery(ctx context.Context, who caller, in QueryRun) (QueryResult, error) {
	r, err := a.runnable(who, in.QueryRef)
	if err != nil {
		return QueryResult{}, err
	}
	out := QueryResult{Entity: r.saved.Entity, Query: &r.saved, Address: r.saved.Address, Text: r.saved.Text}
	if !r.saved.Live && r.saved.Changed {
		out.Warnings = append(out.Warnings, "the query has changed since its rows were kept; refresh it")
	}
	if err := a.keptRows(ctx, r); err != nil {
		return out, err
	}
	out, err = a.page(ctx, out, in.Limit, in.Offset, r.statement)
	if err == nil {
		a.warnAged(ctx, who, query.Of(r.saved.QuerySaved), &out)
	}
	return out, err
}

// keptWithin is how long a query waits for the rows of its refresh to reach the tables.
const keptWithin = 15 * time.Second

// keptRows waits until the tables have the rows that a refresh has kept. Without them the query would
// seem to find nothing.
// Of a query that is live there is nothing to wait for. Its error is [Away].
func (a *api) keptRows(ctx context.Context, r runnable) error {
	if r.saved.Live || a.history.DB == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keptWithin)
	defer cancel()
	for {
		// The rows are in the fact itself, so tables that have read it have them.
		at, err := a.position(ctx, stream.Lab, r.saved.Refresh.Seq)
		switch {
		case err != nil:
			return away(err)
		case at >= r.saved.Refresh.Seq:
			return nil
		case pause(ctx) != nil:
			return refuse(Away, "the tables are at fact %d and have not taken in the refresh, fact %d, yet; try again in a moment", at, r.saved.Refresh.Seq)
		}
	}
}

// runnable is a saved query and for whom it runs.
type runnable struct {
	saved   SavedQuery
	omitted []events.QueryItem
	viewer  query.Viewer
}

// runnable finds a query that the caller may run, and that can be.
func (a *api) runnable(who caller, ref QueryRef) (r runnable, err error) {
	a.read(func(s *lab.State) {
		var q *lab.Query
		if q, err = ref.mayQuery(s, who, lab.View); err == nil {
			r, err = toRun(s, who, q)
		}
	})
	return r, err
}

// toRun takes what running a query needs out of the state.
// What it returns is copied, so it may be used after the lock is given back.
func toRun(s *lab.State, who caller, q *lab.Query) (runnable, error) {
	if !q.Live && q.Refresh == nil {
		return runnable{}, refuse(Conflict, "query ~%s/%s is not live, and its rows were never kept: refresh it (`strata query refresh`) or make it live", q.Owner, q.Name)
	}
	return runnable{viewQuery(s, who, q), append([]events.QueryItem(nil), q.Omitted...), who.sight(s)}, nil
}

// statement finds a page of its rows.
func (r runnable) statement(p query.Page) (query.Statement, error) {
	if r.saved.Live {
		return query.Compile(query.Of(r.saved.QuerySaved), r.viewer, r.omitted, p)
	}
	return query.CompileItems(r.saved.Query, r.saved.Entity, r.saved.Refresh.Seq, r.viewer, r.omitted, p), nil
}

// page runs a statement for one page and puts its rows into out.
// It bounds rows by limit and mostBytes, whichever is reached first; More says that there is a next
// page, which begins at Offset plus Rows.
func (a *api) page(ctx context.Context, out QueryResult, limit, offset int, statement func(query.Page) (query.Statement, error)) (QueryResult, error) {
	switch {
	case limit < 0 || limit > mostRows:
		return out, &Error{Code: Invalid, Field: "limit", Message: fmt.Sprintf("limit is %d; allowed are 1 to %d, more rows come by export", limit, mostRows)}
	case offset < 0:
		return out, &Error{Code: Invalid, Field: "offset", Message: fmt.Sprintf("offset is %d; rows are counted from 0", offset)}
	case limit == 0:
		limit = usualRows
	}
	s, err := statement(query.Page{Limit: limit + 1, Offset: offset})
	if err != nil {
		return out, queryError(err)
	}
	if a.history.DB == nil {
		return out, away(errNoHistory)
	}
	a.tablesCatchUp(ctx)
	a.resultsCatchUp(ctx)
	// Metadata of a case may be long: a page ends where the bus would not carry it. One row more than
	// wanted is asked for, which tells whether there are more.
	bytes := 0
	err = a.history.DB.Select(ctx, out.Entity, s, projections.Bounds{}, func(row any) error {
		if out.Rows() == limit || bytes > mostBytes {
			out.More = true
			return errEnough
		}
		added := out.add(row)
		if text, err := json.Marshal(added); err == nil {
			bytes += len(text)
		}
		return nil
	})
	out.Offset = offset
	if err != nil && !errors.Is(err, errEnough) {
		return out, selectError(err)
	}
	return out, nil
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough rows")

// add puts a row of the tables into its list, and returns it as it stands there.
func (r *QueryResult) add(row any) any {
	switch row := row.(type) {
	case projections.SelectedSuite:
		s := QuerySuite{Job: events.JobID(row.Job), Suite: row.Suite}
		s.Item = query.ItemID(events.QueryItem{Job: s.Job, Suite: row.Suite.Suite})
		r.Suites = append(r.Suites, s)
		return s
	case projections.Case:
		c := QueryCase{query.ItemID(events.QueryItem{Job: events.JobID(row.Job), Seq: row.Seq, N: uint64(row.N)}), row}
		r.Cases = append(r.Cases, c)
		return c
	case projections.SelectedJob:
		j := viewPast(row.Job)
		r.Jobs = append(r.Jobs, j)
		return j
	}
	return nil
}

// selectError tells a query that asks too much from a ClickHouse that is away.
func selectError(err error) error {
	var refused *query.Error
	if errors.As(err, &refused) {
		return queryError(refused)
	}
	return away(err)
}

// resultsCatchUp waits a little until the tables have the results that are recorded now.
func (a *api) resultsCatchUp(ctx context.Context) {
	last, err := a.log.Last(ctx, stream.Results)
	if err != nil {
		return // an error is told by the query itself
	}
	a.awaitTables(ctx, stream.Results, last, tablesLag)
}

// refreshQuery runs a query that is not live, for keeping. Rows are kept that who asks may see: of others their number, or
// which of them the limit has left out, would tell. Which of them a viewer sees is decided when they are shown.
// Two at once: the second one is told [Conflict], and may ask again. The rows are facts of the log, so a kept result is
// the same on any host and after any rebuild of the tables.
// XML-RPC, the page's button and `strata query refresh` ask it.
func (a *api) refreshQuery(ctx context.Context, who caller, in QueryRef) (SavedQuery, error) {
	var q lab.Query
	var err error
	a.read(func(s *lab.State) {
		var found *lab.Query
		if found, err = in.mayQuery(s, who, lab.Change); err == nil {
			q = *found
		}
	})
	switch {
	case err != nil:
		return SavedQuery{}, err
	case q.Live:
		return SavedQuery{}, refuse(Conflict, "query ~%s/%s is live: it is run anew each time, and there is nothing to refresh", q.Owner, q.Name)
	case a.history.DB == nil:
		return SavedQuery{}, away(errNoHistory)
	}
	e, err := a.keep(ctx, who, q)
	if err != nil {
		return SavedQuery{}, err
	}
	e.By = who.user
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		switch now := s.Query(q.Query); {
		case now.Live || !sameQuery(now.QuerySaved, q.QuerySaved):
			return nil, refuse(Conflict, "query ~%s/%s has changed meanwhile; refresh it again", q.Owner, q.Name)
		case (now.Refresh == nil) != (q.Refresh == nil) || now.Refresh != nil && now.Refresh.Seq != q.Refresh.Seq:
			// Whichever process it was in: the log has the other one.
			return nil, refuse(Conflict, "query ~%s/%s has been refreshed by somebody else meanwhile", q.Owner, q.Name)
		}
		return []events.Event{e}, nil
	})
	if err != nil {
		return SavedQuery{}, err
	}
	return a.showQuery(ctx, who, QueryRef{Query: q.Query})
}

// withoutHidden returns a fact about a query or chart without the rows of jobs that the caller may not see, or that
// are so old that the fold does not know whose they are: a refresh finds the rows for all. Of a worker it leaves out what
// [api.showWorker] does, its files, and by what a token that it brought is known.
// It is called with the state in hand, for each fact that a flow or an audit shows; the fact in the
// log stays as it is.
func withoutHidden(s *lab.State, who caller, e events.Event) events.Event {
	hidden := func(item events.QueryItem) bool {
		return !s.Can(who.user, lab.View, events.Entity{Kind: events.Job, ID: item.Job.String()})
	}
	switch e := e.(type) {
	case events.WorkerConfigured:
		if !who.can(s, lab.Change, e.About()) {
			e.Dispatcher, e.Env, e.EnvDUT = "", "", ""
		}
		return e
	case events.WorkerTokenTaken:
		e.SHA256 = ""
		return e
	case events.QueryRefreshed:
		// A copy: the fact is the log's, and others read it too.
		e.Items = slices.DeleteFunc(slices.Clone(e.Items), hidden)
		return e
	case events.QueryResultOmitted:
		if hidden(e.Item) {
			e.Item = events.QueryItem{}
		}
		return e
	case events.QueryResultIncluded:
		if hidden(e.Item) {
			e.Item = events.QueryItem{}
		}
		return e
	case events.ChartResultOmitted:
		if hidden(e.Item) {
			e.Item = events.QueryItem{}
		}
		return e
	case events.ChartResultIncluded:
		if hidden(e.Item) {
			e.Item = events.QueryItem{}
		}
		return e
	}
	return e
}

// sameQuery says that two versions of a query find the same.
func sameQuery(a, b events.QuerySaved) bool {
	return a.Limit == b.Limit && query.Of(a).String() == query.Of(b).String()
}

// keep finds the rows of a query that the caller may see, and how far the tables had read when it looked.
// q is a copy: the fold may change its own meanwhile, which refreshQuery then notices.
func (a *api) keep(ctx context.Context, who caller, q lab.Query) (events.QueryRefreshed, error) {
	a.tablesCatchUp(ctx)
	a.resultsCatchUp(ctx)
	e := events.QueryRefreshed{Query: q.Query}
	var err, more error
	// Positions are read first: the rows may be of a little later, and never of earlier.
	e.LabSeq, err = a.history.DB.Position(ctx, stream.Lab)
	e.ResultSeq, more = a.history.DB.Position(ctx, stream.Results)
	if err = errors.Join(err, more); err != nil {
		return e, away(err)
	}
	// Rows that are left out are kept all the same: who takes one back sees it at once.
	s, err := query.Compile(query.Of(q.QuerySaved), a.sight(who), nil, query.Page{Limit: q.Limit})
	if err != nil {
		return e, queryError(err)
	}
	// Some time has to be left to record what was found.
	found, err := a.history.DB.SelectPage(ctx, q.Entity, s, projections.Bounds{Time: patience - 5*time.Second})
	if err != nil {
		return e, selectError(err)
	}
	e.Items = found.Items()
	return e, nil
}

// openRefreshAll refreshes every query that is not live, one after the other; it sends a message for each.
// A fault of one is in its message and stops none of the others. `strata query refresh --all` may be
// run by a timer.
func (a *api) openRefreshAll(who caller, _ []byte) (producer, error) {
	var err error
	var refs []QueryRef
	a.read(func(s *lab.State) {
		if err = allow(s, who, lab.Administer, events.Query, ""); err != nil {
			return
		}
		// Named now, run later: what is changed or archived meanwhile is found out when its turn
		// comes.
		for q := range s.Queries() {
			if !q.Live && !q.Archived {
				refs = append(refs, QueryRef{Query: q.Query, Owner: q.Owner, Name: q.Name})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit func(message) error) error {
		for _, ref := range refs {
			said := RefreshedQuery{Query: ref.Query, Name: "~" + string(ref.Owner) + "/" + ref.Name}
			q, err := a.refreshQuery(ctx, who, ref)
			if err != nil {
				said.Error = err.Error()
			} else if q.Refresh != nil {
				said.Items = q.Refresh.Items
			}
			body, err := json.Marshal(said)
			if err != nil {
				return fmt.Errorf("encode the refresh of %s: %w", said.Name, err)
			}
			if err := emit(message{body: body}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// RefreshedQuery is what became of one query of all.
type RefreshedQuery struct {
	Query events.QueryID `json:"query"`
	Name  string         `json:"name"`            // ~owner/name
	Items int            `json:"items"`           // rows that are kept
	Error string         `json:"error,omitempty"` // why it was not refreshed
}
