package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// FindJobs asks for jobs by conditions, a page at a time. Definitions that were refused are left out, unless
// a condition asks for them.
// It is what the lists of REST v0.2, XML-RPC and the web ask. Fields and operators of terms are
// those of [projections.JobTerm].
type FindJobs struct {
	Terms  []projections.JobTerm  `json:"terms,omitempty"` // all must hold
	Order  []projections.JobOrder `json:"order,omitempty"` // none: by number, the newest first
	Offset int                    `json:"offset,omitempty"`
	Limit  int                    `json:"limit,omitempty"` // 1 to 10,000; 0 is 50
	Count  bool                   `json:"count,omitempty"` // the number alone is wanted
	// Whole makes one job of each job and its further attempt: under the number of the first one, as the last
	// one stands. Conditions are held against that.
	Whole bool `json:"whole,omitempty"`
}

// FoundJobs answers FindJobs.
type FoundJobs struct {
	Jobs  []projections.SelectedJob `json:"jobs"`
	Count uint64                    `json:"count"` // of all that meet the conditions and that the caller may see
}

// most is the largest page of jobs.
const most = 10_000

// findJobs answers with every job as of now: tables and fold together. Jobs that are not over are in the
// fold, which alone answers where no other could be meant. Else the tables answer for all but those that
// the log told of a moment ago.
// A job is in every list from the moment that submission has looked at it, as LAVA's clients expect
// after a 201. [Invalid] names the field of a condition; [Away] is told only where tables are
// needed.
func (a *api) findJobs(ctx context.Context, who caller, in FindJobs) (FoundJobs, error) {
	if in.Limit == 0 {
		in.Limit = 50
	}
	if in.Limit < 0 || in.Limit > most || in.Offset < 0 {
		return FoundJobs{}, &Error{Code: Invalid, Field: "limit", Message: fmt.Sprintf("limit is %d and offset %d, allowed are 1 to %d and 0 and more", in.Limit, in.Offset, most)}
	}
	for _, t := range in.Terms {
		if err := t.Check(); err != nil {
			return FoundJobs{}, &Error{Code: Invalid, Field: t.Field, Message: err.Error()}
		}
	}
	if err := projections.CheckOrder(in.Order); err != nil {
		return FoundJobs{}, &Error{Code: Invalid, Field: "order", Message: err.Error()}
	}
	// The slice is cut to its length before it is appended to: it may be the caller's.
	if !slices.ContainsFunc(in.Terms, func(t projections.JobTerm) bool { return t.Field == "rejected" }) {
		in.Terms = append(in.Terms[:len(in.Terms):len(in.Terms)], projections.JobTerm{Field: "rejected", Op: projections.TermExact, Values: []string{"false"}})
	}
	a.read(func(s *lab.State) { in.Terms = withAliases(s, in.Terms) })
	if in.Whole {
		var err error
		if in.Terms, err = a.ofLastAttempts(ctx, in.Terms); err != nil {
			return FoundJobs{}, err
		}
	}
	if onlyCurrent(in.Terms) && !beyondFold(in.Terms) {
		return a.findCurrent(ctx, who, in)
	}
	return a.findAll(ctx, who, in)
}

// withAliases lets a device type be meant by each of its names: jobs keep the one that they asked by.
func withAliases(s *lab.State, terms []projections.JobTerm) []projections.JobTerm {
	out := slices.Clone(terms)
	for i, t := range out {
		if len(t.Any) > 0 {
			out[i].Any = withAliases(s, t.Any)
		}
		if t.Field != "device_type" || t.Op != projections.TermExact && t.Op != projections.TermIn {
			continue
		}
		for _, name := range t.Values {
			if kind := s.DeviceType(events.DeviceTypeName(name)); kind != nil && len(kind.Aliases) > 0 {
				out[i].Values, out[i].Op = append(slices.Clone(out[i].Values), kind.Aliases...), projections.TermIn
			}
		}
	}
	return out
}

// onlyCurrent tells whether conditions leave only jobs that are not over.
// By one condition that no finished job meets: all have to hold. A finished job never has the health
// Unknown.
func onlyCurrent(terms []projections.JobTerm) bool {
	return slices.ContainsFunc(terms, func(t projections.JobTerm) bool {
		if t.Not || t.Op != projections.TermExact && t.Op != projections.TermIn {
			return false
		}
		return t.Field == "state" && !slices.Contains(t.Values, StateFinished) ||
			t.Field == "health" && len(t.Values) == 1 && t.Values[0] == "Unknown"
	})
}

// beyondFold tells whether conditions ask for what only facts and tables know of a job.
// These stand in facts and tables, and would take too much memory for each waiting job.
func beyondFold(terms []projections.JobTerm) bool {
	return slices.ContainsFunc(terms, func(t projections.JobTerm) bool {
		return t.Field == "metadata" || t.Field == "failure_comment" || t.Field == "failure_tags" || beyondFold(t.Any)
	})
}

// holdAll says whether a row meets all conditions.
func holdAll(terms []projections.JobTerm, j *projections.SelectedJob) bool {
	for i := range terms {
		if !terms[i].Holds(j) {
			return false
		}
	}
	return true
}

// findCurrent answers from the fold.
// It goes through all jobs of the fold once, a million perhaps, and holds no more rows than the page
// and those before it.
func (a *api) findCurrent(ctx context.Context, who caller, in FindJobs) (FoundJobs, error) {
	out := FoundJobs{}
	keep := min(in.Offset, 1<<40) + in.Limit
	if in.Count {
		keep = 0
	}
	var top []*projections.SelectedJob
	var last *projections.SelectedJob // of the page's end, as far as it is known: what stands behind it is not kept
	// Sorted once for each page's length of jobs, for a page may begin behind a million that wait.
	trim := func() {
		slices.SortFunc(top, inOrder(in.Order))
		if len(top) >= keep {
			top = top[:keep]
			last = top[keep-1]
		}
	}
	a.read(func(s *lab.State) {
		var row projections.SelectedJob
		for j := range s.EachJob() {
			row = rowOf(s, j)
			if in.Whole {
				whileTried(j, &row)
			}
			if !holdAll(in.Terms, &row) || !who.can(s, lab.View, events.Entity{Kind: events.Job, ID: j.ID.String()}) {
				continue
			}
			out.Count++
			if keep > 0 && (last == nil || projections.Before(in.Order, &row, last)) {
				// row is used again for the next job.
				own := row
				if top = append(top, &own); len(top) >= 2*keep+64 {
					trim()
				}
			}
		}
	})
	if keep > 0 {
		trim()
	}
	for _, row := range top[min(in.Offset, len(top)):] {
		out.Jobs = append(out.Jobs, *row)
	}
	if err := a.complete(ctx, out.Jobs); err != nil || !in.Whole {
		return out, err
	}
	through := uint64(0) // jobs that are not over are in the fold, which knows of their attempts
	return out, a.asFirst(ctx, who, out.Jobs, through)
}

// inOrder compares rows for sorting.
func inOrder(order []projections.JobOrder) func(a, b *projections.SelectedJob) int {
	return func(a, b *projections.SelectedJob) int {
		switch {
		case a.Job.Job == b.Job.Job:
			return 0
		case projections.Before(order, a, b):
			return -1
		}
		return 1
	}
}

// findAll answers from the tables, and from what is remembered of the latest facts.
// The tables are asked for as many more rows, on both sides, as jobs are known better here: any of
// those may stand before or within the page.
func (a *api) findAll(ctx context.Context, who caller, in FindJobs) (FoundJobs, error) {
	if a.history.DB == nil {
		return FoundJobs{}, away(errNoHistory)
	}
	l, err := a.latest(ctx, who, in)
	if err != nil {
		return FoundJobs{}, err
	}
	latest := l.rows
	// Jobs of the latest facts are asked of nobody twice: the tables leave them out, and rows are
	// added here.
	sel := projections.JobSelection{Terms: in.Terms, Except: l.ids, Order: in.Order,
		Offset: max(0, in.Offset-len(latest)), Limit: in.Limit + len(latest)}
	sel.Viewer = a.sight(who)
	before := sel.Offset
	rows, count, err := a.selectCounted(ctx, sel, l, in.Count)
	if err != nil {
		return FoundJobs{}, away(err)
	}
	out := FoundJobs{Count: count + uint64(len(latest))}
	if in.Count {
		return out, nil
	}
	merged := append(rows, latest...)
	slices.SortFunc(merged, func(a, b projections.SelectedJob) int { return inOrder(in.Order)(&a, &b) })
	// As many rows were left out by the tables, and none of them belongs to the page.
	merged = merged[min(in.Offset-before, len(merged)):]
	out.Jobs = merged[:min(in.Limit, len(merged))]
	if err := a.complete(ctx, out.Jobs); err != nil || !in.Whole {
		return out, err
	}
	return out, a.asFirst(ctx, who, out.Jobs, l.tables)
}

// selectCounted returns a page of what the tables have, unless only the number is wanted, and the number of all.
// Where the question has been asked before, only what has changed since is counted.
// l has to be of the same moment as sel's exceptions.
func (a *api) selectCounted(ctx context.Context, sel projections.JobSelection, l latest, countOnly bool) (rows []projections.SelectedJob, count uint64, err error) {
	db, key := a.history.DB, tallyKey(sel)
	kept := a.tallies.get(key, a.now())
	if kept == nil {
		return a.selectFirst(ctx, sel, l, countOnly)
	}
	a.mu.RLock()
	stale := kept.stale(a.told.after(kept.through), sel.Except)
	a.mu.RUnlock()
	counts := map[uint64]uint64{}
	if len(stale) > 0 {
		if counts, err = db.CountBlocks(ctx, sel, blockJobs, stale); err != nil {
			return nil, 0, err
		}
	}
	kept = kept.with(stale, counts, l.tables)
	a.tallies.put(key, kept)
	if countOnly {
		return nil, kept.count(), nil
	}
	narrowed := sel
	want, ok := kept.narrow(&narrowed)
	if ok && want == 0 {
		return nil, kept.count(), nil
	}
	if ok {
		var group sync.WaitGroup
		defer group.Wait()
		group.Go(func() { // beside the page: asFirst, if it comes to that, finds them remembered
			if blocks := blocksOf(narrowed); len(blocks) > 4 {
				return // asFirst asks for those alone that it needs
			} else if _, err := a.firstsOf(ctx, blocks, l.tables); err != nil {
				a.logger.Debug("look for first attempts", "err", err) // who needs them asks again
			}
		})
		if rows, err = db.SelectJobs(ctx, narrowed); err != nil || len(rows) >= want {
			return rows, kept.count(), err
		}
		// Jobs have changed between the two questions: the page may reach beyond these blocks now.
	}
	rows, err = db.SelectJobs(ctx, sel)
	return rows, kept.count(), err
}

// selectFirst is selectCounted for a question that nobody has asked for a while: all is counted, beside the page.
// Counting goes through all jobs and the page through few, so the page is there long before; both
// are asked at once, and the answer waits for the count.
func (a *api) selectFirst(ctx context.Context, sel projections.JobSelection, l latest, countOnly bool) (rows []projections.SelectedJob, count uint64, err error) {
	// It lets the tables begin at the end; without it they search from the first job on.
	if newest, err := a.log.Last(ctx, stream.Submissions); err == nil {
		sel.Newest = events.JobID(newest)
	}
	var group sync.WaitGroup
	var counting error
	all := &tally{made: a.now(), through: l.tables}
	group.Go(func() { all.blocks, counting = a.history.DB.CountBlocks(ctx, sel, blockJobs, nil) })
	if !countOnly {
		rows, err = a.history.DB.SelectJobs(ctx, sel)
	}
	group.Wait()
	if err = errors.Join(err, counting); err != nil {
		return nil, 0, err
	}
	a.tallies.put(tallyKey(sel), all)
	return rows, all.count(), nil
}

// latest is what the tables may not know yet.
// All of it is of one moment, so that no job is in both the tables' rows and these, or in neither.
type latest struct {
	tables uint64                    // the fact that the tables have read up to
	ids    []events.JobID            // jobs of facts behind it, which the tables may not know as they are
	rows   []projections.SelectedJob // those of them that meet the conditions and that the caller may see
}

// latest returns the jobs that the tables may not know as they are, and those of them that meet the conditions.
// The lock is taken for writing, since what the tables have read by now is forgotten on the way.
// Rows made of facts alone are read after it is given back: that asks the log.
func (a *api) latest(ctx context.Context, who caller, in FindJobs) (out latest, err error) {
	through, err := a.tablesReach(ctx)
	if err != nil {
		return latest{}, err
	}
	var rows []projections.SelectedJob
	var ids []events.JobID
	var unknown []events.JobID
	a.mu.Lock()
	a.fresh.forget(through)
	out.tables = through
	for id, f := range a.fresh.jobs {
		ids = append(ids, id)
		// The fold had forgotten it at the last fact, or keeps too little of it.
		if f.job == nil || beyondFold(in.Terms) {
			unknown = append(unknown, id)
			continue
		}
		row := rowOf(a.state, f.job)
		if in.Whole {
			whileTried(f.job, &row)
		}
		if !f.job.Removed && holdAll(in.Terms, &row) && seesFresh(a.state, who, f.job) {
			rows = append(rows, row)
		}
	}
	a.mu.Unlock()
	for _, id := range unknown {
		row, known, err := a.rowByFacts(ctx, id)
		if err != nil {
			return latest{}, err
		}
		if known && !row.Removed && holdAll(in.Terms, &row) && a.mayJob(who, lab.View, id) == nil {
			rows = append(rows, row)
		}
	}
	slices.Sort(ids)
	out.ids, out.rows = ids, rows
	return out, nil
}

// seesFresh says whether the caller may see a job that is remembered here. The state knows some thousands of those that are
// over; of more that end at once, such as a queue that is emptied, the job itself tells.
func seesFresh(s *lab.State, who caller, j *lab.Job) bool {
	rights, known := s.JobRights(j.ID)
	if !known {
		rights = lab.JobRights{User: j.User, Public: j.Visibility.Public, Groups: j.Visibility.Groups, Type: j.DeviceType}
		if j.Run != nil {
			rights.Device = j.Run.Device
		}
		if j.Guest() { // it may have run beside any
			for t := range s.DeviceTypes() {
				rights.Hosts = append(rights.Hosts, t.Name)
			}
		}
	}
	return lab.Covers(who.scopes, lab.View, events.Job) && s.CanJob(who.user, lab.View, rights)
}

// tablesReach returns the fact up to which the tables have read, once that is far enough for the rest to be
// remembered here.
// It waits [tablesLag] at most. [Away] is both: tables that do not answer, and tables that are made
// anew and further behind than what is remembered here.
func (a *api) tablesReach(ctx context.Context) (uint64, error) {
	patient, cancel := context.WithTimeout(ctx, tablesLag)
	defer cancel()
	for {
		var through uint64
		a.read(func(s *lab.State) { through = s.Through() })
		at, err := a.position(patient, stream.Lab, through)
		if err != nil && ctx.Err() == nil && patient.Err() != nil {
			return 0, refuse(Away, "history is behind: its tables are being made anew; what is current goes on without them")
		}
		if err != nil {
			return 0, away(err)
		}
		a.mu.RLock()
		enough := at >= a.fresh.from
		a.mu.RUnlock()
		if enough {
			return at, nil
		}
		if pause(patient) != nil {
			return 0, refuse(Away, "history is behind: its tables are being made anew; what is current goes on without them")
		}
	}
}

// complete adds to rows of the fold what only facts tell of a job.
// Eight jobs are read at once, from the log or from what is remembered.
func (a *api) complete(ctx context.Context, rows []projections.SelectedJob) error {
	var group sync.WaitGroup
	places, failed := make(chan struct{}, 8), make([]error, len(rows))
	for i := range rows {
		if rows[i].Metadata != nil {
			continue // of the tables
		}
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			row, known, err := a.rowByFacts(ctx, events.JobID(rows[i].Job.Job))
			if failed[i] = err; err == nil && known {
				rows[i] = row
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// knownRow is a job by its facts up to one.
type knownRow struct {
	seq uint64
	row projections.SelectedJob
}

// rowByFacts returns a job by its own facts, and whether they say what it is.
// It may be kept for as long as the state's last sequence of the job is the same; of a job that has
// left the state that is not known, and its facts are read.
func (a *api) rowByFacts(ctx context.Context, id events.JobID) (projections.SelectedJob, bool, error) {
	about, last := events.Entity{Kind: events.Job, ID: id.String()}, uint64(0)
	a.read(func(s *lab.State) { last = s.Seq(about) })
	kept, ok, turn := a.rows.get(id)
	if ok && last != 0 && kept.seq == last {
		return kept.row, true, nil
	}
	facts, err := a.log.Load(ctx, about)
	if err != nil {
		return projections.SelectedJob{}, false, err
	}
	var row projections.SelectedJob
	known := false
	a.read(func(s *lab.State) { row, known = rowOfFacts(s, facts) })
	if known && !row.Removed {
		// 1,000 bytes is what a row takes without its long texts, roughly.
		a.rows.put(id, knownRow{facts[len(facts)-1].Seq, row}, 1000+len(row.Error)+len(row.Name), turn)
	}
	return row, known, nil
}

// rowOfFacts is a job as its facts tell it.
func rowOfFacts(s *lab.State, facts []stream.Recorded) (projections.SelectedJob, bool) {
	j, known := jobOfFacts(facts)
	if !known {
		return projections.SelectedJob{}, false
	}
	row := rowOf(s, &j)
	row.Metadata = map[string]string{}
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			for k, v := range e.Metadata {
				row.Metadata[k] = v
			}
		// LAVA has no refused jobs; lists that ask for them show them as jobs that ended at once.
		case events.JobRejected:
			row.Rejected, row.State, row.Health, row.Error, row.ErrorType = true, StateFinished, string(events.Incomplete), e.Message, string(events.JobError)
			row.EndedAt = moment(e.At)
		case events.JobAnnotated:
			row.FailureTags, row.Comment = e.Tags, e.Comment
		case events.JobRemoved:
			row.Removed = row.Removed || !e.LogsOnly
		case events.JobOutputComplete:
			row.Lines, row.Cases, row.MissingLines, row.Complete = e.Lines, e.Cases, e.Missing, true
		}
	}
	return row, true
}

// rowOf is a job of the fold as the tables will have it, without what the fold does not keep.
// Lists merge its rows with those of the tables, so both have to agree in every field that can be
// sorted by, times to the microsecond.
func rowOf(s *lab.State, j *lab.Job) projections.SelectedJob {
	row := projections.SelectedJob{Job: projections.Job{
		Job: uint64(j.ID), Display: j.Display, User: string(j.User), Name: j.Name, State: j.State.String(), Health: string(cmp.Or(j.Health(), "Unknown")),
		SubmittedAt: j.SubmittedAt, DeviceType: string(j.DeviceType), Priority: int32(j.Priority), Public: j.Visibility.Public,
		HealthCheck: j.HealthCheck, RetriedAs: uint64(j.RetriedAs), Removed: j.Removed,
	}, QueueTimeout: uint64(j.QueueTimeout)}
	row.Tags, row.Groups = names(j.Tags), names(j.Visibility.Groups)
	if j.Part != nil {
		row.GroupID, row.Parent, row.Role = j.Part.Group, uint64(j.Part.Parent), j.Part.Role
	}
	if r := j.Run; r != nil {
		row.Device, row.Worker, row.StartedAt, row.ScheduledAt, row.Complete = string(r.Device), string(r.Worker), micro(r.StartedAt), micro(r.ScheduledAt), r.OutputComplete
	}
	if e := j.End; e != nil {
		row.EndedAt, row.ErrorType, row.Error = micro(e.At), string(e.ErrorType), e.Error
	}
	return row
}

// micro is a time as the tables keep it, or nil.
func micro(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}

func names[N ~string](list []N) []string {
	var out []string
	for _, n := range list {
		out = append(out, string(n))
	}
	return out
}
