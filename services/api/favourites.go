package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
)

// FavouritesRequest asks which jobs a user keeps; the caller's own where none is named.
type FavouritesRequest struct {
	User events.UserName `json:"user,omitempty"`
}

// Favourites answers FavouritesRequest.
type Favourites struct {
	Jobs []events.JobID `json:"jobs"` // the newest first, at most 1000; only those that the caller may see
}

// favouriteJobs answers with the jobs that a user keeps. As in LAVA anybody's can be asked for: they tell no more
// than that somebody cares for a job that the caller may see.
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
