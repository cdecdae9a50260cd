package door_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/events/access"
	"strata/events/eventtest"
	"strata/services/api"
	"strata/services/api/door"
)

// inside runs an api that knows alice by her password.
func inside(t *testing.T) api.Inside {
	t.Helper()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan api.Inside, 1), make(chan error, 1)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Key: key, Ready: func(in api.Inside) { ready <- in }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	in := <-ready
	password := "correct horse"
	if err := in.Call(t.Context(), api.Caller{User: access.Local}, "users.add", api.UserRequest{User: "alice", Password: &password}, nil); err != nil {
		t.Fatal(err)
	}
	return in.Closed()
}

// enter signs alice in by a request and returns her cookie.
func enter(t *testing.T, in api.Inside, r *http.Request) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := door.SignIn(in, w, r, "alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies of a sign-in: got %v, want one", cookies)
	}
	return cookies[0]
}

// post returns a request with a cookie and headers, each written "Name: value".
func post(c *http.Cookie, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://lab.example.com/x", nil)
	if c != nil {
		r.AddCookie(c)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// TestCookie shows what a cookie is like, that it is its user until the session ends, and that a second sign-in
// in the same browser leaves nothing of the first.
func TestCookie(t *testing.T) {
	t.Parallel()
	in := inside(t)
	first := enter(t, in, post(nil))
	if !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Secure || first.Path != "/" || first.Domain != "" {
		t.Errorf("cookie: got %+v, want one that scripts and other sites cannot use", first)
	}
	who, err := door.Who(in, post(first), door.Credential{})
	if err != nil || who.User != "alice" || !who.Session {
		t.Fatalf("a request with the cookie: got %+v, error %v; want alice", who, err)
	}
	if _, err := door.Who(in, post(first), door.Credential{Token: "wrong"}); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a wrong token beside a right cookie: got error %v, want ErrUnknownToken", err)
	}
	second := enter(t, in, post(first))
	if who, _ := door.Who(in, post(first), door.Credential{}); second.Value == first.Value || who.User != "" {
		t.Errorf("the cookie from before a sign-in: stands for %q", who.User)
	}
	w := httptest.NewRecorder()
	if err := door.SignOut(in, w, post(second)); err != nil {
		t.Fatal(err)
	}
	if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].Value != "" || gone[0].Expires.After(time.Now()) {
		t.Errorf("cookies after a sign-out: got %v, want the session's taken away", gone)
	}
	if who, _ := door.Who(in, post(second), door.Credential{}); who.User != "" {
		t.Errorf("the cookie after a sign-out: stands for %q", who.User)
	}
	if err := door.SignIn(in, httptest.NewRecorder(), post(nil), "alice", "wrong"); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("a wrong password: got error %v", err)
	}
}

// TestCookieUnderTLS shows that under TLS a cookie is for this host and for TLS alone, and that one that came in
// the clear counts for nothing there.
func TestCookieUnderTLS(t *testing.T) {
	t.Parallel()
	in := inside(t)
	encrypted := func(r *http.Request) *http.Request { r.TLS = &tls.ConnectionState{}; return r }
	c := enter(t, in, encrypted(post(nil)))
	if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("cookie under TLS: got %+v, want it secure, for this host", c)
	}
	if who, err := door.Who(in, encrypted(post(c)), door.Credential{}); err != nil || who.User != "alice" {
		t.Errorf("a request with it: got %+v, error %v", who, err)
	}
	plain := enter(t, in, post(nil))
	if who, _ := door.Who(in, encrypted(post(plain)), door.Credential{}); who.User != "" {
		t.Errorf("a cookie that was given in the clear, under TLS: stands for %q", who.User)
	}
}

// TestCrossSite sends requests as browsers do for pages of other sites: the cookie counts for none of them.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	in := inside(t)
	c := enter(t, in, post(nil))
	tests := []struct {
		headers []string
		want    bool
	}{
		{nil, true}, // a program
		{[]string{"Sec-Fetch-Site: same-origin"}, true},
		{[]string{"Sec-Fetch-Site: none"}, true},
		{[]string{"Origin: http://lab.example.com"}, true},
		{[]string{"Sec-Fetch-Site: cross-site"}, false},
		{[]string{"Sec-Fetch-Site: same-site"}, false},
		{[]string{"Origin: http://evil.example.com"}, false},
		{[]string{"Origin: null"}, false},
	}
	for _, tt := range tests {
		who, err := door.Who(in, post(c, tt.headers...), door.Credential{})
		if got := who.User == "alice"; err != nil || got != tt.want {
			t.Errorf("a POST with %v: alice %v, error %v; want %v", tt.headers, got, err, tt.want)
		}
		if err := door.SignIn(in, httptest.NewRecorder(), post(nil, tt.headers...), "alice", "correct horse"); (err == nil) != tt.want || err != nil && !errors.Is(err, door.ErrCrossSite) {
			t.Errorf("a sign-in with %v: error %v, want one %v", tt.headers, err, !tt.want)
		}
		if err := door.SignOut(in, httptest.NewRecorder(), post(nil, tt.headers...)); (err == nil) != tt.want {
			t.Errorf("a sign-out with %v: error %v, want one %v", tt.headers, err, !tt.want)
		}
	}
	for origin, want := range map[string]bool{"http://lab.example.com": true, "http://lab.example.com:80": true, "http://x.lab.example.com": false,
		"http://evil.example.com": false, "null": false, "http://lab.example.com:81": false} {
		r := post(c, "Origin: "+origin, "Upgrade: websocket")
		r.Method = http.MethodGet
		if who, _ := door.Who(in, r, door.Credential{}); (who.User == "alice") != want {
			t.Errorf("a websocket of a page of %s: stands for %q", origin, who.User)
		}
	}
	for site, want := range map[string]bool{"": true, "none": true, "same-origin": true, "same-site": false, "cross-site": false} {
		r := post(c, "Sec-Fetch-Site: "+site)
		r.Method = http.MethodGet
		if site == "" {
			r.Header.Del("Sec-Fetch-Site")
		}
		if who, _ := door.Who(in, r, door.Credential{}); who.User != "alice" || door.Meant(r) != want {
			t.Errorf("a GET from %q: stands for %q, meant %v; want alice, meant %v", site, who.User, door.Meant(r), want)
		}
	}
}
