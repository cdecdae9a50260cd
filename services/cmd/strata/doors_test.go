package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"strata/schemas/config"
	"strata/services/api/rest"
)

// TestPagesAndDataShareAddresses holds who answers where LAVA has pages and texts for scripts beside each other: what
// browsers open and send are pages, what scripts fetch and send is data, with the last slash and without.
func TestPagesAndDataShareAddresses(t *testing.T) {
	t.Parallel()
	data := rest.New(rest.Deps{})
	const browser, program = "text/html,application/xhtml+xml,*/*;q=0.8", "*/*"
	for _, tt := range []struct {
		ask, accept string
		data        bool
	}{
		{"GET /scheduler/job/42", browser, false}, {"GET /scheduler/job/42", program, false}, {"GET /scheduler/job/42.1/", program, false},
		{"GET /scheduler/job/42/definition", program, false}, {"GET /scheduler/job/42/definition/plain", browser, true}, {"GET /scheduler/job/42/definition/plain/", program, true},
		{"HEAD /scheduler/job/42/log_file/plain", program, true}, {"GET /scheduler/job/42/log", browser, false}, {"GET /scheduler/job/42/job_status", program, true},
		{"GET /scheduler/job/42/configuration", program, true}, {"GET /scheduler/job/42/cancel", browser, false},
		{"POST /scheduler/job/42/cancel", browser, false}, {"POST /scheduler/job/42/cancel", program, true}, {"POST /scheduler/job/42/cancel", "", true},
		{"POST /scheduler/job/42/annotate_failure", browser, false}, {"POST /scheduler/job/42/resubmit", program, false}, {"POST /scheduler/job/42/toggle_favorite", browser, false},
		{"GET /results/42", program, false}, {"GET /results/42/csv", browser, true}, {"GET /results/42/yaml", program, true}, {"GET /results/42/0_smoke", program, false},
		{"GET /results/42/0_smoke/csv", program, true}, {"GET /results/query/~ann/smoke", browser, false}, {"DELETE /results/42/csv", program, true},
	} {
		method, path, _ := strings.Cut(tt.ask, " ")
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Accept", tt.accept)
		if got := wantsData(r, data.Has); got != tt.data {
			t.Errorf("%s with Accept %q is answered with data: %t, want %t", tt.ask, tt.accept, got, tt.data)
		}
	}
}

// TestSizesOfRequests bounds what forms may bring: definitions and secrets are small, logs of LAVA's workers are not. Nothing
// may bring more than the lab says.
func TestSizesOfRequests(t *testing.T) {
	t.Parallel()
	most := config.Defaults().Limits.Body
	at := map[string]int64{}
	for _, s := range sizes(most) {
		at[s.Prefix] = s.Bytes
	}
	if at["/scheduler/"] < 3<<20 || at["/scheduler/"] >= most || at["/accounts/"] > 64<<10 || at["/scheduler/internal/"] != most {
		t.Errorf("forms may bring %v, of %d at most", at, most)
	}
	for _, s := range sizes(1000) {
		if s.Bytes > 1000 {
			t.Errorf("below %s a request may bring %d bytes in a lab that takes 1000", s.Prefix, s.Bytes)
		}
	}
}

// TestFreeRequests holds that only the questions whether the lab is there are answered without being counted.
func TestFreeRequests(t *testing.T) {
	t.Parallel()
	for ask, want := range map[string]bool{"GET /v1/healthz": true, "GET /v1/healthz/": true, "HEAD /api/v0.2/system/version/": true, "POST /v1/healthz/": false, "GET /": false,
		"GET /api/v0.2/jobs/": false, "GET /v1/healthz/x": false} {
		method, path, _ := strings.Cut(ask, " ")
		if got := free(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is free: %t, want %t", ask, got, want)
		}
	}
}
