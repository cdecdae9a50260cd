package web

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestStatusOfRefusals answers each kind of refusal with its status, in a heading for people and as JSON for programs.
// The words of a refusal are kept to the letter in both: clients match on some of them.
func TestStatusOfRefusals(t *testing.T) {
	t.Parallel()
	l := lab{}
	s := l.site(t)
	for code, want := range map[string]struct {
		status  int
		heading string
	}{"invalid": {400, "That is not possible"}, "denied": {403, "Not yours to see"}, "not-found": {404, "Nothing here"}, "conflict": {409, "Not now"}, "busy": {429, "Too often"},
		"away": {503, "Not at the moment"}, "failed": {500, "Something broke"}, "": {500, "Something broke"}} {
		l["devices.show"] = error(&Refusal{Code: code, Field: "name", Message: "q1 <is> so"})
		text := says(t, s, "/scheduler/device/q1", want.status, "<h1>"+want.heading+"</h1>", "q1 &lt;is&gt; so", "(field <code>name</code>)")
		if strings.Contains(text, "/accounts/login/?next=%2F") {
			t.Errorf("%s: somebody who is signed in is told to sign in", code)
		}
		r := httptest.NewRequest("GET", "/scheduler/device/q1", nil)
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var told struct {
			Type  string `json:"exception_type"`
			Value string `json:"exception_value"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Code != want.status || told.Value != "q1 <is> so" || told.Type != http.StatusText(want.status) {
			t.Errorf("%s for a program: status %d, %s", code, w.Code, w.Body)
		}
		if again := w.Header().Get("Retry-After"); (again != "") != (want.status == 503 || want.status == 429) {
			t.Errorf("%s: Retry-After is %q", code, again)
		}
	}
	l["devices.show"] = errors.New("the wire is cut")
	says(t, s, "/scheduler/device/q1", 500, "the wire is cut")
}

// TestStrangersAreAskedToSignIn leads who has no name, or a session that is over, to the page that makes one, and back.
func TestStrangersAreAskedToSignIn(t *testing.T) {
	t.Parallel()
	l := lab{"devices.show": error(&Refusal{Code: "denied", Message: "sign in first; give a token with --token"})}
	text := says(t, l.siteFor(t, Visitor{}), "/scheduler/device/q1?x=1&y=2", 403, "The lab shows this to people who have signed in.", `href="/accounts/login/?next=%2fscheduler%2fdevice%2fq1%3fx%3d1%26y%3d2"`)
	if strings.Contains(text, "--token") {
		t.Error("a page has words for a terminal")
	}
	s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return Visitor{}, errors.New("the token is unknown") }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/scheduler/alljobs", "/help/", "/scheduler/job/3/bundle"} {
		says(t, s, path, 401, "the token is unknown", "Sign in")
	}
	if w := post(s, "/scheduler/job/3/cancel", nil); w.Code != 401 {
		t.Errorf("a form with a token that is worth nothing: status %d, want 401", w.Code)
	}
}

// TestNotes carries a sentence over to the next page, once, and not to what scripts ask beside it.
func TestNotes(t *testing.T) {
	t.Parallel()
	s := lab{"jobs.show": `{"job":5,"display":"5"}`, "jobs.priority": "{}"}.site(t)
	w := post(s, "/scheduler/job/5/priority", url.Values{"priority": {"50"}})
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("the note's cookies are %v, want one that scripts and other sites do not get", cookies)
	}
	look := func(live bool) (text string, taken bool) {
		r := httptest.NewRequest("GET", "/none", nil)
		r.AddCookie(cookies[0])
		if live {
			r.Header.Set(liveHeader, "1")
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			taken = taken || c.Name == noteCookie && c.MaxAge < 0
		}
		return w.Body.String(), taken
	}
	if text, taken := look(true); strings.Contains(text, "has priority") || taken {
		t.Error("what a script asks for takes the note from the page")
	}
	if text, taken := look(false); !strings.Contains(text, `<p class="note" role="status">The job has priority 50 now.</p>`) || !taken {
		t.Errorf("the next page does not say what was done, or says it for ever (taken %t)", taken)
	}
	// A cookie is the browser's to send, and anybody's to make up.
	cookies[0].Value = "%zz"
	if text, _ := look(false); strings.Contains(text, `class="note"`) {
		t.Error("a cookie that was never ours is shown")
	}
}

// TestPagesArePacked sends long pages packed to who takes that, and the same bytes to who does not.
// "br" stands first, as browsers send it; the server knows gzip alone.
func TestPagesArePacked(t *testing.T) {
	t.Parallel()
	s := lab{}.site(t)
	plain := get(s, "/help/").Body.String()
	r := httptest.NewRequest("GET", "/help/", nil)
	r.Header.Set("Accept-Encoding", "br, gzip")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
		t.Fatalf("headers are %v, want gzip that varies with what is accepted", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || string(text) != plain {
		t.Errorf("%d bytes unpacked, %v; want the %d of the plain page", len(text), err, len(plain))
	}
}

// TestAssets keeps what cannot change for a year, asks about the rest, and sends nothing that the browser has.
// A file that is not there must not be kept either: the next release may have it.
func TestAssets(t *testing.T) {
	t.Parallel()
	s := lab{}.site(t)
	address, err := s.files.address("base.css")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.files.address("none.css"); err == nil {
		t.Error("a page can name a file that is not there")
	}
	first := get(s, address)
	tag := first.Header().Get("ETag")
	for _, tt := range []struct {
		path, method string
		header       http.Header
		status       int
		cache        string
	}{
		{address, "GET", nil, 200, "public, max-age=31536000, immutable"},
		{address, "HEAD", nil, 200, "public, max-age=31536000, immutable"},
		{"/static/base.css", "GET", nil, 200, "no-cache"},
		{"/static/base.css", "GET", http.Header{"If-None-Match": {tag}}, 304, "no-cache"},
		{"/static/base.css", "GET", http.Header{"If-None-Match": {`"old", W/` + tag}}, 304, "no-cache"},
		{"/static/base.css", "GET", http.Header{"If-None-Match": {`"old"`}}, 200, "no-cache"},
		{"/static/base.0123456789ab.css", "GET", nil, 404, ""},
		{"/static/..%2fweb.go", "GET", nil, 404, ""},
		{"/static/base.css", "POST", nil, 404, "no-store"},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		for name, values := range tt.header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("Cache-Control") != tt.cache {
			t.Errorf("%s %s %v: status %d, Cache-Control %q; want %d, %q", tt.method, tt.path, tt.header, w.Code, w.Header().Get("Cache-Control"), tt.status, tt.cache)
		}
		if w.Code == 304 && w.Body.Len() > 0 {
			t.Errorf("%s %v is sent again with %d bytes", tt.path, tt.header, w.Body.Len())
		}
	}
	for name, kind := range map[string]string{"base.css": "text/css; charset=utf-8", "base.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml"} {
		w := get(s, "/static/"+name)
		if got := w.Header().Get("Content-Type"); got != kind || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has type %q, want %q that browsers do not guess at", name, got, kind)
		}
	}
	packed := httptest.NewRecorder()
	r := httptest.NewRequest("GET", address, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	s.ServeHTTP(packed, r)
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Body.Len() >= first.Body.Len() {
		t.Errorf("packed it has %d bytes of %d", packed.Body.Len(), first.Body.Len())
	}
}

// TestRobots tells search engines to stay out of what has no end, whoever they are.
func TestRobots(t *testing.T) {
	t.Parallel()
	w := get(lab{}.siteFor(t, Visitor{}), "/robots.txt")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("robots.txt: status %d, %v", w.Code, w.Header())
	}
	for _, want := range []string{"User-agent: *", "Disallow: /scheduler/", "Disallow: /results/", "Disallow: /api/"} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("robots.txt lacks %q: %s", want, w.Body)
		}
	}
}

// TestProfileNeedsItsAccount holds that a profile whose account cannot be read is no form that would empty it.
// The form has all fields of the account; sent from a page that could not read them, it would write them all empty.
func TestProfileNeedsItsAccount(t *testing.T) {
	t.Parallel()
	l := lab{"users.show": error(&Refusal{Code: "away", Message: "the lab is busy"}), "tokens.list": "[]"}
	says(t, l.site(t), "/me/", 503, "the lab is busy")
	l["users.show"] = error(&Refusal{Code: "not-found", Message: "there is no user alice"})
	says(t, l.site(t), "/me/", 200, "alice", `name="first_name"`)
}

// TestSections marks the part of the navigation where a page belongs.
func TestSections(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/": "home", "/scheduler/": "home", "/scheduler/alljobs": "jobs", "/scheduler/job/5": "jobs", "/scheduler/myqueuedjobs": "queue", "/scheduler/queue": "queue",
		"/scheduler/jobsubmit": "submit", "/scheduler/device/q1": "devices", "/scheduler/labhealth/": "devices", "/scheduler/alldevices/active": "devices", "/scheduler/worker/w1": "workers",
		"/results/5": "results", "/results/query/": "results", "/scheduler/reports": "reports"} {
		if got := section(path); got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
	text := says(t, lab{"devices.list": "[]"}.site(t), "/scheduler/alldevices", 200)
	if n := strings.Count(text, `<a href="/scheduler/alldevices/active" aria-current="page">Devices</a>`); n != 1 {
		t.Errorf("the list of devices is marked %d times in the navigation, want once", n)
	}
}

// TestLiveIsForNames has pages follow the lab for those who may ask for facts.
func TestLiveIsForNames(t *testing.T) {
	t.Parallel()
	l := lab{"devices.list": "[]"}
	if text := says(t, l.site(t), "/scheduler/alldevices", 200, `data-facts="device/ worker/"`, `data-drawn="2026-11-23T12:00:00.000Z"`); !strings.Contains(text, "/static/live.") {
		t.Error("nothing follows the facts")
	}
	if text := says(t, l.siteFor(t, Visitor{}), "/scheduler/alldevices", 200); strings.Contains(text, "data-facts") || strings.Contains(text, "/static/live.") {
		t.Error("the page of somebody without a name asks for facts that nobody tells him")
	}
}

// TestBundle sends a job's bundle as a file, and a page where there is none.
func TestBundle(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.show": `{"job":43,"display":"42.1","state":"Finished","health":"Incomplete"}`}
	s := l.site(t)
	says(t, s, "/scheduler/job/42.1/bundle", 503, "`strata jobs bundle 42.1` does")
	var fails error
	s.d.Bundle = func(_ context.Context, v Visitor, job uint64, to io.Writer) error {
		if fails != nil {
			return fails
		}
		_, err := fmt.Fprintf(to, "bundle of %d for %s", job, v.Name)
		return err
	}
	w := get(s, "/scheduler/job/42.1/bundle")
	if h := w.Header(); w.Code != 200 || w.Body.String() != "bundle of 43 for alice" || h.Get("Content-Type") != "application/x-tar" || h.Get("Content-Disposition") != `attachment; filename="job-42.1.tar"` ||
		h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the bundle: status %d, %v, %q", w.Code, h, w.Body)
	}
	fails = &Refusal{Code: "denied", Message: "its texts are not yours"}
	text := says(t, s, "/scheduler/job/42.1/bundle", 403, "its texts are not yours")
	if got := get(s, "/scheduler/job/42.1/bundle").Header(); got.Get("Content-Disposition") != "" || !strings.HasPrefix(got.Get("Content-Type"), "text/html") {
		t.Errorf("a bundle that was refused is kept as a file: %v, %.80s", got, text)
	}
	l["jobs.show"] = `{"job":43,"display":"42.1","state":"Running"}`
	says(t, s, "/scheduler/job/42.1/bundle", 409, "job 42.1 is Running: a bundle is made of one that is over")
	l["jobs.show"] = error(&Refusal{Code: "not-found", Message: "there is no job 9"})
	says(t, s, "/scheduler/job/9/bundle", 404, "there is no job 9")
}

// TestDownloads sends the rows of queries and charts under names that every file system takes; what fails before the first
// byte is a page, what fails after it does not look whole.
// A panic of http.ErrAbortHandler is how a handler breaks a connection off: nothing else tells a client that a file is cut.
func TestDownloads(t *testing.T) {
	t.Parallel()
	var verb, asked string
	pieces, fails := []string{"a,b\n", "1,2\n"}, error(nil)
	s := lab{}.siteFor(t, alice)
	who := s.d.Who
	s.d.Who = func(r *http.Request) (Visitor, error) {
		v, err := who(r)
		v.Stream = func(_ context.Context, what string, in any, each func(map[string]string, []byte) error) error {
			text, _ := json.Marshal(in)
			verb, asked = what, string(text)
			for _, p := range pieces {
				if err := each(nil, []byte(p)); err != nil {
					return err
				}
			}
			return fails
		}
		return v, err
	}
	for _, tt := range []struct{ path, verb, asked, kind, file string }{
		{"/results/query/~a%20b/c%22d/+export?format=yaml", "queries.export", `{"format":"yaml","name":"c\"d","owner":"a b"}`, "application/yaml", `attachment; filename="query_a_b_c_d.yaml"`},
		{"/results/query/~a/b/+export?format=exe", "queries.export", `{"format":"csv","name":"b","owner":"a"}`, "text/csv; charset=utf-8", `attachment; filename="query_a_b.csv"`},
		{"/results/query/+export-custom?entity=testjob&conditions=x&format=json", "queries.export", `{"custom":{"address":"x","entity":"testjob"},"format":"json"}`, "application/json", `attachment; filename="query.json"`},
		{"/results/chart/boot/2/+export?since=2026-11-01", "charts.export", `{"format":"csv","name":"boot","number":2,"since":"2026-11-01T00:00:00Z"}`, "text/csv; charset=utf-8", `attachment; filename="chart_boot_2.csv"`},
		{"/results/chart/boot/2.png?width=300&height=-1&theme=dark", "charts.draw", `{"dark":true,"format":"png","height":0,"name":"boot","number":2,"width":300}`, "image/png", ""},
	} {
		w := get(s, tt.path)
		if w.Code != 200 || w.Body.String() != "a,b\n1,2\n" || verb != tt.verb || asked != tt.asked || w.Header().Get("Content-Type") != tt.kind || w.Header().Get("Content-Disposition") != tt.file {
			t.Errorf("%s: status %d, %q, asks %s %s, headers %v", tt.path, w.Code, w.Body, verb, asked, w.Header())
		}
	}
	if got := get(s, "/results/chart/boot/2.svg").Header().Get("Content-Security-Policy"); got != "default-src 'none'; style-src 'unsafe-inline'" {
		t.Errorf("a picture may load by the policy %q", got)
	}
	for _, path := range []string{"/results/chart/boot/2.gif", "/results/chart/boot/0.svg", "/results/chart/boot/x.svg", "/results/chart/boot/none"} {
		says(t, s, path, 404, "pictures are N.svg and N.png")
	}
	says(t, s, "/results/chart/boot/2/+export?until=later", 400, "until is &#34;later&#34;; allowed are days")
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a file that broke off looks whole")
			}
		}()
		fails = errors.New("the tables went away")
		get(s, "/results/query/~a/b/+export")
	}()
	pieces, fails = nil, &Refusal{Code: "away", Message: "history is away"}
	w := get(s, "/results/chart/boot/2.svg")
	if w.Code != 503 || w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("a picture that cannot be drawn: status %d, headers %v; want a page", w.Code, w.Header())
	}
	fails = nil
	if w := get(s, "/results/query/~a/b/+export?format=json"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a query that finds nothing: status %d, %v", w.Code, w.Header())
	}
}
