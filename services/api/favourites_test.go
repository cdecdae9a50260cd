package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// TestFavourites holds that anybody's favourites can be asked for, and show to each who asks only the jobs that he may see.
func TestFavourites(t *testing.T) {
	t.Parallel()
	b, as := analysed(t) // jobs 1 of alice, 2 of bob and public, 3 refused, 4 of bob
	favours := func(user events.UserName, off bool, jobs ...events.JobID) {
		for _, job := range jobs {
			call(t, as(user), "jobs.favour", map[string]any{"job": job, "off": off}, nil)
		}
	}
	kept := func(by, of events.UserName, want ...events.JobID) {
		t.Helper()
		deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
		defer stop()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var got api.Favourites
			if err := as(by).Call(deadline, "jobs.favoured", api.FavouritesRequest{User: of}, &got); err != nil {
				t.Fatalf("favourites of %q asked by %q: %v", of, by, err)
			}
			if slices.Equal(got.Jobs, want) {
				return
			}
			select {
			case <-tick.C: // the tables are a moment behind
			case <-deadline.Done():
				t.Fatalf("favourites of %q, asked by %q: %v, want %v", of, by, got.Jobs, want)
			}
		}
	}
	// Of one job it is known at once, and only of one's own.
	shown := func(by events.UserName, job events.JobID, want bool) {
		t.Helper()
		var got api.Job
		if call(t, as(by), "jobs.show", api.JobRequest{Job: job}, &got); got.Favourite != want {
			t.Errorf("job %d is a favourite of %q: %t, want %t", job, by, got.Favourite, want)
		}
	}
	kept("bob", "", []events.JobID{}...)
	shown("bob", 2, false)
	favours("bob", false, 2, 4)
	shown("bob", 2, true)
	shown("alice", 2, false)
	favours("local", false, 1, 2, 4)
	kept("bob", "", 4, 2)
	kept("bob", "bob", 4, 2)
	kept("local", "", 4, 2, 1)
	// Others see of them what they see at all; somebody without a name sees what the lab has opened, which is nothing.
	kept("alice", "bob", 2)
	kept("alice", "local", 2, 1)
	kept("alice", "nobody-of-that-name", []events.JobID{}...)
	refused(t, as("alice"), "jobs.favour", map[string]any{"job": 4}, api.NotFound, "4")
	favours("bob", true, 4)
	shown("bob", 4, false)
	shown("local", 4, true)
	kept("bob", "", 2)
	kept("local", "", 4, 2, 1) // each has one's own

	// As many as there may be: what is among them can be said again and taken back, and then there is room.
	var many []events.Event
	for i := range 1000 {
		many = append(many, events.JobFavoured{Job: events.JobID(1000 + i), Favourite: true, By: "alice"})
	}
	b.Append(t, many...)
	until(t, "the tables have a thousand", func() bool {
		err := as("alice").Call(t.Context(), "jobs.favour", map[string]any{"job": 2}, nil)
		return api.HasCode(err, api.Conflict) && strings.Contains(err.Error(), "alice has 1000 favourites, more are not allowed")
	})
	favours("bob", false, 2)
}
