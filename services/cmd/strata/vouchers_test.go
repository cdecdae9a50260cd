package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestVouchers starts a lab whose people come by a directory and by a provider: what the file says reaches both, and a
// mistake in it is told at the start.
func TestVouchers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provider := httptest.NewServer(nil)
	defer provider.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"issuer": "`+provider.URL+`", "authorization_endpoint": "`+provider.URL+`/authorize", "token_endpoint": "`+provider.URL+`/token", "jwks_uri": "`+provider.URL+`/keys"}`) // read or not
	})
	provider.Config.Handler = mux
	file := write(t, w.dir, "lab.yaml", "ldap: {server_uri: 'ldap://127.0.0.1:1', user_dn_template: 'uid=%(user)s'}\noidc: {issuer: '"+provider.URL+"', client_id: lab}\nnotify: {url: 'https://lab.example.com'}\n")
	_, r := w.up(t, "--listen-sql", "", "--config", file)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reply, err := stay.Get(r.HTTP + "/oidc/authenticate/")
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if to := reply.Header.Get("Location"); reply.StatusCode != http.StatusFound || !strings.HasPrefix(to, provider.URL+"/authorize?") || !strings.Contains(to, "redirect_uri=https%3A%2F%2Flab.example.com%2Foidc%2Fcallback%2F") ||
		!strings.Contains(to, "code_challenge_method=S256") {
		t.Errorf("sign in by the provider: %d to %q", reply.StatusCode, to)
	}
	status, body := posted(t, r.HTTP+"/api/v0.2/token/", map[string][]string{"username": {"alice"}, "password": {"x"}})
	if status != http.StatusServiceUnavailable {
		t.Errorf("a password while the directory is away: %d %s, want 503: it is not wrong", status, body)
	}
	for text, want := range map[string]string{
		"ldap: {server_uri: 'ldap://ldap.example.com', user_search: 'dc=x'}": "would carry passwords in clear",
		"oidc: {issuer: 'https://id.example.com'}":                           "oidc.client_id is missing",
		"oidc: {issuer: 'https://id.example.com', client_secret_file: /no}":  "oidc.client_secret_file",
	} {
		other := newWorld(t)
		if status, said := other.strata(t, "up", "--listen", "127.0.0.1:0", "--listen-nats", "127.0.0.1:0", "--listen-sql", "", "--data", other.dir, "--config", write(t, other.dir, "bad.yaml", text)); status == exitOK || !strings.Contains(said, want) {
			t.Errorf("start with %q: status %d, %q; want it refused with %q", text, status, said, want)
		}
	}
}
