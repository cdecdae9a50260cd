package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/events/access"
	"strata/services/api"
	"strata/services/api/rest"
)

const minimal = "job_name: smoke\n"

// A submission is answered after the verdict, and the job is in every list and count from then on.
func TestSubmit(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	for n := 1; n <= 5; n++ {
		a := l.wants("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, 201)
		if want := fmt.Sprintf(`{"message":"job(s) successfully submitted","job_ids":[%d]}`, n); a.body != want {
			t.Errorf("submit: got %s, want %s", a.body, want)
		}
		if ids, page := l.list("/api/v0.2/jobs/?limit=1", "id"); page.Count != n || ids[0] != fmt.Sprint(n) {
			t.Errorf("list after job %d: got %v of %d", n, ids, page.Count)
		}
		if _, page := l.list("/api/v0.2/jobs/?state=Submitted", "id"); page.Count != n {
			t.Errorf("queue after job %d: %d jobs", n, page.Count)
		}
		l.wants("GET", fmt.Sprintf("/api/v0.2/jobs/%d/", n), nil, 200, `"state":"Submitted"`, `"definition":"job_name: smoke\n"`)
	}
	a := l.wants("POST", "/api/v0.2/jobs/", map[string]any{"definition": "job_name: x\nbad: 1\n"}, 400)
	if !strings.HasPrefix(a.body, `{"message":"Problem with submitted job data: extra keys not allowed @ data['bad']"`) || !strings.Contains(a.body, `"line":2`) {
		t.Errorf("refused: got %s", a.body)
	}
	if _, page := l.list("/api/v0.2/jobs/", "id"); page.Count != 5 {
		t.Errorf("a refused definition is counted as a job: %d", page.Count)
	}
	l.wants("POST", "/api/v0.2/jobs/", map[string]any{"definition": "group"}, 201, `"job_ids":["7.0","7.1"]`)
	l.wants("GET", "/api/v0.2/jobs/7.1/", nil, 200, `"id":1007`, `"multinode_definition":"group"`)
	l.wants("POST", "/api/v0.2/jobs/", map[string]any{}, 400, `{"definition":["This field is required."]}`)
	l.wants("POST", "/api/v0.2/jobs/", "job_name: x", 415, "Unsupported media type")
	l.wants("POST", "/api/v0.2/jobs/2/resubmit/", nil, 201, `"job_ids":[8]`)
	form := l.ask("POST", "/api/v0.2/jobs/", "definition=job_name%3A+x", "Content-Type", "application/x-www-form-urlencoded")
	if form.status != 201 || !strings.Contains(form.body, "[9]") {
		t.Errorf("as a form: got %d %s", form.status, form.body)
	}
}

// One key is one job, whoever sends it again and however often, also while nobody judges.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	l := start(t)
	patient := l.url
	l.url = l.serve(rest.Deps{Patience: time.Millisecond})
	bodies := make([]answered, 5)
	var group sync.WaitGroup
	for i := range bodies {
		group.Go(func() {
			bodies[i] = l.ask("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, "Idempotency-Key", "k1")
		})
	}
	group.Wait()
	for _, a := range bodies {
		if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, `"job_ids":[1]`) {
			t.Errorf("while nobody judges: got %d %v %s, want 503 with number 1", a.status, a.header, a.body)
		}
	}
	l.wants("GET", "/api/v0.2/jobs/1/", nil, 200, `"state":"Submitted"`)
	l.judge()
	l.url = patient
	again := l.ask("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, "Idempotency-Key", "k1")
	if again.status != 201 || !strings.Contains(again.body, `"job_ids":[1]`) {
		t.Errorf("once somebody judges: got %d %s, want job 1", again.status, again.body)
	}
	other := l.ask("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal + "# other\n"}, "Idempotency-Key", "k1")
	if other.status != 422 {
		t.Errorf("the key with another definition: got %d %s, want it refused", other.status, other.body)
	}
	l.wants("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, 201, `"job_ids":[2]`)
	if _, page := l.list("/api/v0.2/jobs/", "id"); page.Count != 2 {
		t.Errorf("%d jobs, want 2", page.Count)
	}
}

// The checks say what is wrong, to anybody.
func TestValidate(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.wants("POST", "/api/v0.2/jobs/validate/", map[string]any{"definition": "job_name: x\n"}, 200, "Job invalid: ", " @ ['")
	l.wants("POST", "/api/v0.2/jobs/validate/", map[string]any{}, 400, "required")
	// A key that nobody knows is passed over unless strict is asked for: submission has its own rules.
	extra := "job_name: a\ndevice_type: panda\nvisibility: public\ntimeouts: {job: {minutes: 9}, action: {minutes: 2}}\nactions:\n- boot: {method: minimal, prompts: ['# ']}\nx: 1\n"
	l.wants("POST", "/api/v0.2/jobs/validate/", map[string]any{"definition": extra}, 200, `{"message":"Job valid."}`)
	l.wants("POST", "/api/v0.2/jobs/validate/", map[string]any{"definition": extra, "strict": true}, 200, `{"message":"Job invalid: extra keys not allowed @ ['x']"}`)
	l.wants("POST", "/api/v0.2/jobs/validate/", map[string]any{"definition": "a: ["}, 400, "Job invalid")
	l.wants("POST", "/api/v0.2/jobs/validate_testdef/", map[string]any{"definition": "a: 1"}, 200, "Test definition invalid: ")
	l.wants("POST", "/api/v0.2/devices/validate/", "{% extends 'nothing.jinja2' %}", 200, "Device dictionary invalid: ")
	l.wants("POST", "/api/v0.2/devices/validate/", "{% set a = 1 %}{% if a == 1 %}b: 2{% endif %}\n", 200, "Device dictionary valid.")
}

// byLink follows a link that cancels a job, in a browser with a session: one on another site's page does nothing.
func (l *tested) byLink(job int) {
	l.t.Helper()
	yes := true
	if err := l.inside.Call(l.t.Context(), api.Caller{User: access.Local}, "users.add", api.UserRequest{User: "root", Superuser: &yes}, nil); err != nil {
		l.t.Fatal(err)
	}
	s, err := l.inside.Enter(l.t.Context(), api.Vouched{User: "root", Means: "password"}, "http 192.0.2.7")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, tt := range []struct {
		site string
		want int
	}{{"cross-site", 403}, {"same-site", 403}, {"same-origin", 200}} {
		r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, fmt.Sprintf("%s/api/v0.2/jobs/%d/cancel/", l.url, job), nil)
		if err != nil {
			l.t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "strata_session", Value: s.Value})
		r.Header.Set("Sec-Fetch-Site", tt.site)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			l.t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != tt.want {
			l.t.Errorf("a link to cancel, from %s: %d, want %d", tt.site, reply.StatusCode, tt.want)
		}
	}
}

// Jobs are canceled by GET, as LAVA's clients do, and by POST.
func TestCancel(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	for range 4 {
		l.wants("POST", "/api/v0.2/jobs/", map[string]any{"definition": minimal}, 201)
	}
	const sent = `{"message":"Job cancel signal sent."}`
	l.wants("GET", "/api/v0.2/jobs/1/cancel/", nil, 200, sent)
	l.wants("POST", "/api/v0.2/jobs/2/cancel/", map[string]any{"reason": "typo"}, 200, sent)
	l.wants("GET", "/api/v0.2/jobs/99/cancel/", nil, 404, `{"detail":"Not found."}`)
	l.byLink(4)
	a := l.wants("POST", "/api/v0.2/jobs/batch_cancel/", map[string]any{"job_ids": []any{3, "99", "x", "1"}}, 200)
	var got struct {
		IDs     []any `json:"job_ids"`
		Invalid []any `json:"invalid_job_ids"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || fmt.Sprint(got.IDs, got.Invalid) != "[3 1] [99 x]" {
		t.Errorf("cancel several: got %s (%v)", a.body, err)
	}
}
