package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// noon is when the tests' pages are looked at.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// lab answers verbs with JSON texts; what it has no answer for it refuses.
// What it refuses, it refuses as not-found: pages have to bear any of their questions being refused.
type lab map[string]any

// site returns the pages of a lab, as somebody signed in sees them. Its answers are given by verb: a value, an
// error, or a function of the request's JSON.
func (l lab) site(t *testing.T) *Site {
	t.Helper()
	return l.siteFor(t, Visitor{Name: "alice", SignedIn: true})
}

func (l lab) siteFor(t *testing.T, v Visitor) *Site {
	t.Helper()
	v.Call = func(_ context.Context, verb string, in, out any) error {
		answer, ok := l[verb]
		if !ok {
			return &Refusal{Code: "not-found", Message: "the test has no answer to " + verb}
		}
		if f, ok := answer.(func(json.RawMessage) (any, error)); ok {
			asked, err := json.Marshal(in)
			if err != nil {
				return err
			}
			if answer, err = f(asked); err != nil {
				return err
			}
		}
		if err, ok := answer.(error); ok {
			return err
		}
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if text, ok := answer.(string); ok {
			body = []byte(text)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(body, out)
	}
	v.Submit = func(context.Context, []byte, string) (uint64, error) { return 42, nil }
	v.Stream = func(context.Context, string, any, func(map[string]string, []byte) error) error { return nil }
	s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return v, nil }, Now: func() time.Time { return noon },
		Logger: slog.New(slog.DiscardHandler), Name: "Testlab", Version: "devel"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks for a page.
func get(s *Site, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// post sends a form.
func post(s *Site, path string, form url.Values) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.ServeHTTP(w, r)
	return w
}

// TestPageRules holds for every page: no inline script or style, nothing from elsewhere, a title, a language.
func TestPageRules(t *testing.T) {
	w := get(lab{}.site(t), "/no/such/page")
	text := w.Body.String()
	if w.Code != 404 || !strings.Contains(text, "there is no page at /no/such/page") {
		t.Errorf("an unknown page: status %d, says %q", w.Code, text)
	}
	if got := w.Header().Get("Content-Security-Policy"); got != policy {
		t.Errorf("content security policy: got %q, want %q", got, policy)
	}
	checkPage(t, text)
}

// checkPage reports what a page may not have.
// One heading of the first rank, and ids that are unique, are what screen readers go by (WCAG 1.3.1, 2.4.6).
func checkPage(t *testing.T, text string) {
	t.Helper()
	for _, banned := range []string{"<style", " style=", " onclick=", "javascript:", "<script>", `src="http`, `href="//`} {
		if strings.Contains(text, banned) {
			t.Errorf("the page has %q, which its policy forbids", banned)
		}
	}
	if n := strings.Count(text, "<h1"); n != 1 {
		t.Errorf("the page has %d headings of the first rank, want 1", n)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if seen[m[1]] {
			t.Errorf("id %q stands twice on the page", m[1])
		}
		seen[m[1]] = true
	}
}

// TestErrors answers in the visitor's language: HTML to a browser, JSON to a program.
func TestErrors(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/none", nil)
	r.Header.Set("Accept", "application/json")
	lab{}.site(t).ServeHTTP(w, r)
	var told map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told["exception_value"] == "" || w.Code != 404 {
		t.Errorf("an error for a program: status %d, %q, want JSON with exception_value", w.Code, w.Body)
	}
	if w := post(lab{}.site(t), "/", nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
		t.Errorf("POST /: status %d, Allow %q; want 405 and GET", w.Code, w.Header().Get("Allow"))
	}
}

// TestCrossSite refuses a form that another site's page sends.
// Browsers set this header by themselves, and no script can.
func TestCrossSite(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/theme", strings.NewReader("theme=dark"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	lab{}.site(t).ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
		t.Errorf("a form from another site: status %d with cookies %v, want 403 and none", w.Code, w.Result().Cookies())
	}
}

// TestTheme remembers light or dark, goes back only to places of this site, and draws accordingly.
func TestTheme(t *testing.T) {
	s := lab{}.site(t)
	for back, want := range map[string]string{"/scheduler/queue?x=1": "/scheduler/queue?x=1", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "": "/"} {
		w := post(s, "/theme", url.Values{"theme": {"dark"}, "back": {back}})
		if got := w.Header().Get("Location"); w.Code != 303 || got != want {
			t.Errorf("theme with back %q: status %d to %q, want 303 to %q", back, w.Code, got, want)
		}
	}
	w := post(s, "/theme", url.Values{"theme": {"pink"}})
	if w.Code != 400 || !strings.Contains(w.Body.String(), "allowed are light, dark and auto") {
		t.Errorf("theme pink: status %d, want 400 with what is allowed", w.Code)
	}
	r := httptest.NewRequest("GET", "/none", nil)
	r.AddCookie(&http.Cookie{Name: themeCookie, Value: "dark"})
	out := httptest.NewRecorder()
	s.ServeHTTP(out, r)
	if !strings.Contains(out.Body.String(), `data-theme="dark"`) {
		t.Error("a page for who chose dark is not drawn dark")
	}
}

// TestStatic serves files by names that change with their content, and lets modules find each other by them.
func TestStatic(t *testing.T) {
	s := lab{}.site(t)
	text := get(s, "/none").Body.String()
	for _, m := range regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(text, -1) {
		w := get(s, m[1])
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, Cache-Control %q; want 200, immutable", m[1], w.Code, w.Header().Get("Cache-Control"))
		}
	}
	for name, f := range s.files.byName {
		for _, m := range imports.FindAllSubmatch(f.body, -1) {
			if s.files.byName[string(m[2])] == nil {
				t.Errorf("%s imports %s, which is not there", name, m[2])
			}
		}
	}
	if w := get(s, "/static/none.js"); w.Code != 404 {
		t.Errorf("a file that is not there: status %d, want 404", w.Code)
	}
}

// TestRoutesAreWhole has a task for each page, and no address twice.
func TestRoutesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range routes() {
		key := r.method + " " + strings.TrimSuffix(r.path, "/")
		if r.task == "" || r.page == nil || seen[key] {
			t.Errorf("route %s: task %q, twice %t; want a task and a page, once", key, r.task, seen[key])
		}
		seen[key] = true
	}
}
