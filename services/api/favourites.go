package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// mostFavourites is how many jobs a user keeps: retention leaves each of them alone. It is as many as a list of them shows.
const mostFavourites = 1000

// FavouritesRequest asks which jobs a user keeps; the caller's own where none is named.
type FavouritesRequest struct {
	User events.UserName `json:"user,omitempty"`
}

// Favourites answers FavouritesRequest.
type Favourites struct {
	Jobs []events.JobID `json:"jobs"` // the newest first, at most 1000; only those that the caller may see
}

// favouriteOf tells whether a job is a user's favourite: what the user said last of it holds. The tables would tell it of all
// jobs ([projections.DB.Favourites]), but a moment late, and who presses a button wants to see that it did something.
func favouriteOf(facts []stream.Recorded, user events.UserName) (is bool) {
	if user == "" {
		return false
	}
	for _, r := range facts {
		if e, ok := r.Event.(events.JobFavoured); ok && e.By == user {
			is = e.Favourite
		}
	}
	return is
}

// favouriteJobs answers with the jobs that a user keeps. As in LAVA anybody's can be asked for: they tell no more
// than that somebody cares for a job that the caller may see.
// Of each job the rights are asked, which for one that is long over reads its facts: a thousand at
// most.
// LAVA's page of favourites asks it, for oneself or for whom the address names.
func (a *api) favouriteJobs(ctx context.Context, who caller, in FavouritesRequest) (Favourites, error) {
	out := Favourites{Jobs: []events.JobID{}}
	if in.User == "" {
		in.User = who.user
	}
	if in.User == "" {
		return out, &Error{Code: Invalid, Field: "user", Message: "user is missing: whose favourites are meant?"}
	}
	if a.history.DB == nil {
		return out, away(errNoHistory)
	}
	// Favourites are facts of jobs; only the tables have them by user.
	jobs, err := a.history.DB.Favourites(ctx, in.User)
	if err != nil {
		return out, away(err)
	}
	for _, id := range jobs {
		if a.mayJob(who, lab.View, id) == nil {
			out.Jobs = append(out.Jobs, id)
		}
	}
	return out, nil
}
