package web

import (
	"fmt"
	"net/http"
)

// bundleRoutes are the address of a job's bundle.
// A route of its own and no view of the job's page, as its answer is a file for `strata run`.
func bundleRoutes() []route {
	return []route{{http.MethodGet, "/scheduler/job/{job}/bundle", bundleFile, "Bundle", "take all that reproduces a job away in one file"}}
}

// bundleFile sends a tar with all that reproduces a job without the lab, for a report of a fault. It is made whole
// before a byte of it is sent: half a bundle is none.
// It costs the disk a copy of the log, so only so many are made at a time; who waits in vain has gone by then.
func bundleFile(q *request) (page, error) {
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	if !j.Over() {
		return page{}, &Refusal{Code: "conflict", Message: "job " + j.Display + " is " + j.State + ": a bundle is made of one that is over"}
	}
	if q.site.d.Bundle == nil {
		return page{}, &Refusal{Code: "away", Message: "this process makes no bundles; `strata jobs bundle " + j.Display + "` does"}
	}
	select {
	case q.site.packing <- struct{}{}:
		defer func() { <-q.site.packing }()
	// The browser has closed: [Site.failed] answers nobody.
	case <-q.Context().Done():
		return page{}, q.Context().Err()
	}
	// These are set before it is known that there is one, as the first byte sends them.
	h := q.w.Header()
	h.Set("Content-Type", "application/x-tar")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="job-%s.tar"`, j.Display))
	if err := q.site.d.Bundle(q.Context(), q.Visitor, uint64(j.Job), q.w); err != nil {
		h.Del("Content-Disposition") // nothing has been sent: the answer is a page that says why
		return page{}, err
	}
	return page{written: true}, nil
}
