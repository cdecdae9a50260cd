package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// AuditRequest asks who did what, from where. Every part that is given has to fit.
type AuditRequest struct {
	User   events.UserName `json:"user,omitempty"`   // who did it; "": everybody
	Entity string          `json:"entity,omitempty"` // to what, such as device/q1
	From   string          `json:"from,omitempty"`   // part of where from: an address, a door, a token's name, "acts as"
	Since  time.Time       `json:"since,omitzero"`
	Until  time.Time       `json:"until,omitzero"`
	Limit  int             `json:"limit,omitempty"` // 0: 100; at most 1000
}

// Audit answers [AuditRequest]: facts that somebody asked for, the newest first.
// Limit facts at most; to ask again with Until at the last one's time goes on from there.
type Audit struct {
	Facts []Fact `json:"facts"`
	// Through is when the oldest fact was recorded that was looked at. What is older is beyond what one question
	// reads, and is found by asking again with Until; or it is in an archive that this lab does not have.
	// Zero: nothing was looked at.
	Through time.Time `json:"through,omitzero"`
}

// How much of the log one question reads: in steps, from its end or from Until. Facts that were purged from the stream
// come from the archive.
// Without an entity a question reads at most auditMost facts, and holds no more than auditStep of them in memory.
const (
	auditStep  = 2_000
	auditMost  = 100_000
	auditSlack = 100 // facts that may stand out of order
	maxAudited = 1000
)

// listAudit reads the log backwards. Superusers and staff see what everybody did, others what they did themselves.
// The log is the audit: nothing is kept beside it, so nothing can be missing from one and not the other.
func (a *api) listAudit(ctx context.Context, who caller, in AuditRequest) (out Audit, err error) {
	out.Facts = []Fact{}
	if in.Limit < 0 || in.Limit > maxAudited {
		return out, &Error{Code: Invalid, Field: "limit", Message: "limit must be 1 to 1000"}
	}
	in.Limit = cmp.Or(in.Limit, 100)
	about, err := parseEntity(in.Entity)
	if err != nil {
		return out, err
	}
	a.read(func(s *lab.State) {
		if oversees(s, who, false) == nil {
			return
		}
		if in.User == "" {
			in.User = who.user
		}
		if in.User != who.user {
			err = refuse(Denied, "%s may see what %s did itself; what others did, staff may", who.user, who.user)
		}
	})
	if err != nil {
		return out, err
	}
	fits := func(r stream.Recorded) bool {
		_, use := r.Event.(events.TokenUsed) // says that somebody came, not that something was done
		return r.Actor != "" && !use && (in.User == "" || r.Actor == in.User) && (about.Kind == "" || r.Event.About() == about) &&
			(in.From == "" || strings.Contains(r.From, in.From)) && (in.Since.IsZero() || !r.Time.Before(in.Since)) && (in.Until.IsZero() || r.Time.Before(in.Until))
	}
	// It asks the log about old jobs, so note calls it before it takes the state in hand.
	blank := a.blank(who)
	note := func(facts []stream.Recorded) {
		for _, r := range slices.Backward(facts) {
			if fits(r) && len(out.Facts) < in.Limit {
				r = blank(r)
				fact := viewFact(r)
				a.read(func(s *lab.State) { fact.Data = audited(s, who, r) })
				out.Facts = append(out.Facts, fact)
				out.Through = r.Time
			}
		}
		if len(facts) > 0 && len(out.Facts) < in.Limit {
			out.Through = facts[0].Time
		}
	}
	if about.Kind != "" {
		facts, err := a.log.Load(ctx, about)
		note(facts)
		return out, err
	}
	last, err := a.log.Last(ctx, stream.Lab)
	if err != nil {
		return out, err
	}
	if !in.Until.IsZero() {
		if last, err = a.lastBefore(ctx, last, in.Until); err != nil {
			return out, err
		}
	}
	for end, read := last, 0; end > 0 && read < auditMost && len(out.Facts) < in.Limit; read += auditStep {
		from := max(1, end-min(end, auditStep)+1)
		facts, err := a.factsBetween(ctx, from, end)
		if errors.Is(err, stream.ErrArchived) { // in an archive that is not here: Through says how far the answer reaches
			first, unknown := a.log.First(ctx, stream.Lab)
			if unknown != nil || first > end {
				break
			}
			from = 1 // the last step
			facts, err = a.factsBetween(ctx, first, end)
		}
		if err != nil {
			return out, err
		}
		note(facts)
		if len(facts) == 0 || facts[0].Time.Before(in.Since) {
			break
		}
		end = from - 1
	}
	return out, nil
}

// factsBetween returns the facts of LAB from a sequence to another one.
func (a *api) factsBetween(ctx context.Context, from, end uint64) (facts []stream.Recorded, err error) {
	// ReadAll has no upper end, so an error of our own ends it; at most auditStep facts are gathered.
	err = a.log.ReadAll(ctx, stream.Lab, from, func(r stream.Recorded) error {
		if r.Seq > end {
			return errUntil
		}
		facts = append(facts, r)
		return nil
	})
	if errors.Is(err, errUntil) {
		err = nil
	}
	return facts, err
}

// lastBefore returns a sequence behind which no fact is older than a time, by halving: a question about last year must not
// read all of this one. Those who write facts have clocks of their own, so it lies a little behind.
func (a *api) lastBefore(ctx context.Context, last uint64, until time.Time) (uint64, error) {
	low, high := uint64(1), last+1 // the first fact that is not older is among these
	// About thirty reads of one message for a log of a billion facts.
	for low < high {
		middle := low + (high-low)/2
		var at stream.Recorded
		err := a.log.ReadAll(ctx, stream.Lab, middle, func(r stream.Recorded) error {
			at = r
			return errUntil
		})
		switch {
		case errors.Is(err, stream.ErrArchived):
			low = middle + 1 // older than what is here
		case err != nil && !errors.Is(err, errUntil):
			return 0, err
		case at.Seq == 0 || !at.Time.Before(until):
			high = middle
		default:
			low = at.Seq + 1
		}
	}
	// What lies behind until by its own time is left out by fits; reading a hundred facts too many costs nothing.
	return min(last, low+auditSlack), nil
}

// audited returns what an audit shows of a fact beside who did it: nothing, where it is another's and about what the caller
// may not see, such as a private job with its definition. Accounts and groups are staff's to look at.
// The fact itself stays: who did what to what is the audit's to tell.
func audited(s *lab.State, who caller, r stream.Recorded) any {
	about := r.Event.About()
	if r.Actor != who.user && about.Kind != events.User && about.Kind != events.Group && !who.can(s, lab.View, about) {
		return nil
	}
	return withoutHidden(s, who, r.Event)
}
