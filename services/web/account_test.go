package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSignInLeadsBackOnThisSiteOnly(t *testing.T) {
	t.Parallel()
	l := lab{}
	s := l.siteFor(t, Visitor{})
	s.d.SignIn = func(_ http.ResponseWriter, _ *http.Request, user, password string) error {
		if user == "alice" && password == "right" {
			return nil
		}
		return &Refusal{Code: "denied", Message: "the name or the password is wrong"}
	}
	for next, want := range map[string]string{"/scheduler/job/4#L12": "/scheduler/job/4#L12", "": "/", "//evil.example/": "/", "https://evil.example/": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "/accounts/logout/": "/", "scheduler": "/"} {
		w := post(s, "/accounts/login/", url.Values{"username": {" alice "}, "password": {"right"}, "next": {next}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("next %q: status %d to %q, want 303 to %q", next, w.Code, got, want)
		}
	}
	w := post(s, "/accounts/login/", url.Values{"username": {"alice"}, "password": {"<wrong>"}, "next": {"/me/"}})
	body := w.Body.String()
	if w.Code != http.StatusForbidden || !strings.Contains(body, "the name or the password is wrong") || !strings.Contains(body, `value="alice"`) {
		t.Errorf("wrong password: status %d, page %s", w.Code, body)
	}
	if strings.Contains(body, "&lt;wrong&gt;") {
		t.Error("the page shows the password that was typed")
	}
}

// TestOwnAccountNeedsASignIn holds that pages about one's own account tell strangers nothing.
func TestOwnAccountNeedsASignIn(t *testing.T) {
	t.Parallel()
	s := lab{"users.show": account{User: "alice"}, "tokens.list": []issuedToken{{Token: "t1"}}}.siteFor(t, Visitor{})
	for _, path := range []string{"/me/", "/api/tokens/", "/api/tokens/create/", "/api/tokens/t1/edit/", "/api/tokens/t1/delete/", "/api/tokens/delete_unused/", "/delete-remote-auth/x/"} {
		if w := get(s, path); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "/accounts/login/") {
			t.Errorf("%s answers a stranger with %d, want 403 and the way to sign in", path, w.Code)
		}
	}
}

func TestTokensAreShownOnce(t *testing.T) {
	t.Parallel()
	s := lab{"tokens.list": []issuedToken{{Token: "t1", Description: "CI <1>"}},
		"tokens.issue": issuedToken{Token: "t2", Value: "secret-value-of-a-token"}}.site(t)
	w := post(s, "/api/tokens/create/", url.Values{"description": {"CI"}, "days": {"30"}})
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "secret-value-of-a-token") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a new token: status %d, cache %q, page %s", w.Code, w.Header().Get("Cache-Control"), w.Body)
	}
	if w := post(s, "/api/tokens/create/", url.Values{"days": {"soon"}}); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "allowed are 1 to 36500") {
		t.Errorf("days that are none: status %d, page %s", w.Code, w.Body)
	}
	if w := get(s, "/api/tokens/"); !strings.Contains(w.Body.String(), "CI &lt;1&gt;") || strings.Contains(w.Body.String(), "secret-value") {
		t.Errorf("the list: %s", w.Body)
	}
	if w := get(s, "/api/tokens/none/edit/"); w.Code != http.StatusNotFound {
		t.Errorf("a token that is none: status %d, want 404", w.Code)
	}
}
