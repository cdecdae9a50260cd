package api

import (
	"context"
	"errors"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
)

// SearchRequest asks for lines in the logs of all jobs that the caller may see. The answer is a
// [SearchAnswer], the newest job first.
// Lists of jobs, devices, types and levels narrow it, each by any of its members; empty ones do not.
type SearchRequest struct {
	Text        string                  `json:"text"`
	Kind        projections.SearchKind  `json:"kind,omitempty"` // words, phrase, substring or regex; words where it is empty
	IgnoreCase  bool                    `json:"ignore_case,omitempty"`
	Jobs        []events.JobID          `json:"jobs,omitempty"` // of one of them, as the next four
	Devices     []events.DeviceName     `json:"devices,omitempty"`
	DeviceTypes []events.DeviceTypeName `json:"device_types,omitempty"`
	Levels      []events.Level          `json:"levels,omitempty"`
	Since       time.Time               `json:"since,omitzero"` // lines not older
	Until       time.Time               `json:"until,omitzero"` // lines older
	// A place in the logs, and not a number of hits: new lines do not move it.
	After   string  `json:"after,omitempty"`   // next of the page before
	Limit   int     `json:"limit,omitempty"`   // 1 to 1,000 lines; 50
	Context int     `json:"context,omitempty"` // lines around each, 0 to 20
	Seconds float64 `json:"seconds,omitempty"` // that it may take, up to 20; 5
}

// SearchAnswer is a page of lines. Behind the last, it says which logs could not be searched.
type SearchAnswer struct {
	projections.SearchPage
	AgedOut *AgedOut `json:"aged_out,omitempty"`
}

// maxSearchSeconds is below what a caller waits for an answer.
const maxSearchSeconds = 20

// searchLogs answers with lines that are found.
// It stops after Seconds and says so in Stopped; Next of the answer goes on from there. [Invalid] is
// an expression that cannot be searched for, [Away] tables that do not answer.
func (a *api) searchLogs(ctx context.Context, who caller, in SearchRequest) (SearchAnswer, error) {
	if a.history.DB == nil {
		return SearchAnswer{}, away(errNoHistory)
	}
	// Written so that NaN, which is neither, is refused.
	if !(in.Seconds >= 0 && in.Seconds <= maxSearchSeconds) {
		return SearchAnswer{}, &Error{Code: Invalid, Field: "seconds", Message: "seconds must be a number from 0 to 20"}
	}
	q := projections.Search{Text: in.Text, Kind: in.Kind, Fold: in.IgnoreCase, Viewer: a.sight(who), Limit: in.Limit, Context: in.Context,
		Time: time.Duration(in.Seconds * float64(time.Second)), Now: a.now,
		Filter: projections.Filter{Jobs: in.Jobs, Devices: in.Devices, DeviceTypes: in.DeviceTypes, Levels: in.Levels, Since: in.Since, Until: in.Until}}
	if in.After != "" {
		var err error
		if q.After, err = projections.ParsePlace(in.After); err != nil {
			return SearchAnswer{}, &Error{Code: Invalid, Field: "after", Message: err.Error()}
		}
	}
	found, err := a.history.DB.Search(ctx, q)
	page := SearchAnswer{SearchPage: found}
	if errors.Is(err, projections.ErrSearch) {
		return page, refuse(Invalid, "%v", err)
	} else if err != nil {
		a.logger.Warn("search the logs", "err", err)
		return page, away(err)
	}
	// Only behind the last page: before that nobody knows yet what is missing.
	if page.Next == "" && page.Stopped == "" {
		page.AgedOut = a.agedOut(ctx, q.Viewer, "logs", in.Jobs, in.Since)
	}
	return page, nil
}

// sight says whose jobs the caller may see, as lab.Can would of each.
// Every question to the tables that shows jobs takes it along.
func (a *api) sight(who caller) (v projections.Viewer) {
	a.read(func(s *lab.State) { v = who.sight(s) })
	return v
}

// LogDiffRequest asks what is new in the console of a job against another's. The answer is a
// [projections.LogDiff].
type LogDiffRequest struct {
	Job     events.JobID `json:"job"`
	Against events.JobID `json:"against,omitempty"` // 0: the last good job before it that is comparable
}

// diffLogs answers with the lines that the other log has not.
// Rights are asked of the tables, which have both logs; a job that they do not have is [NotFound].
// `strata diff-log` asks it; pages show what a judgement has found.
func (a *api) diffLogs(ctx context.Context, who caller, in LogDiffRequest) (projections.LogDiff, error) {
	none := projections.LogDiff{}
	if a.history.DB == nil {
		return none, away(errNoHistory)
	}
	if in.Job == 0 {
		return none, &Error{Code: Invalid, Field: "job", Message: "job is missing: numbers begin at 1"}
	}
	v := a.sight(who)
	for _, job := range []events.JobID{in.Job, in.Against} {
		if job == 0 {
			continue
		}
		if may, err := a.history.DB.MaySee(ctx, v, job); err != nil {
			return none, away(err)
		} else if !may {
			return none, refuse(NotFound, "there is no job %d in the tables that you may see", job)
		}
	}
	// Comparable is a job of the same name, device type and role: see [projections.DB.LastGood].
	if in.Against == 0 {
		var err error
		if in.Against, err = a.history.DB.LastGood(ctx, in.Job, v); errors.Is(err, projections.ErrNoGoodJob) {
			return none, refuse(NotFound, "%v: name the job to compare with", err)
		} else if err != nil {
			return none, away(err)
		}
	}
	d, err := a.history.DB.DiffLogs(ctx, in.Job, in.Against)
	if err != nil {
		a.logger.Warn("compare logs", "err", err)
		return none, away(err)
	}
	return d, nil
}
