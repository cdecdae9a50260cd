package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/oidc"
)

// idp is a small provider of identities that does what the standard says, unless a test bends it.
type idp struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]url.Values // what each code was asked with
	claims map[string]any        // of who signs in
	info   map[string]any        // of userinfo; nil: it answers nobody
	bend   func(claims map[string]any)
	signer *ecdsa.PrivateKey // nil: its own key
}

const clientID, clientSecret = "lab", "the client's secret"

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{key: key, codes: map[string]url.Values{}, claims: map[string]any{"sub": "1234", "preferred_username": "alice", "email": "alice@example.com", "given_name": "Alice"}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // a test's client may be gone
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = q
		p.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		asked, known := p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		user, secret, _ := r.BasicAuth()
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !known || user != clientID || secret != url.QueryEscape(clientSecret) || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") ||
			asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			answer(w, 400, map[string]string{"error": "invalid_grant"})
			return
		}
		claims := maps.Clone(p.claims)
		now := time.Now()
		for name, value := range map[string]any{"iss": p.URL, "aud": clientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": asked.Get("nonce")} {
			claims[name] = value
		}
		if p.bend != nil {
			p.bend(claims)
		}
		answer(w, 200, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": p.sign(t, claims)})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.info == nil || r.Header.Get("Authorization") != "Bearer at" {
			answer(w, 401, map[string]string{"error": "invalid_token"})
			return
		}
		answer(w, 200, p.info)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) sign(t *testing.T, claims map[string]any) string {
	key := p.key
	if p.signer != nil {
		key = p.signer
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Error(err)
	}
	return text
}

// lab is a lab whose users come by the provider.
type lab struct {
	*httptest.Server
	in    api.Inside
	idp   *idp
	other *httptest.Server // another process of the same lab
	ahead atomic.Int64
}

func newLab(t *testing.T, change func(*oidc.Settings)) *lab {
	t.Helper()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{idp: newIDP(t)}
	now := func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan api.Inside, 1), make(chan error, 1)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: now, Logger: slog.New(slog.DiscardHandler), Key: key, Ready: func(in api.Inside) { ready <- in }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	l.in = (<-ready).Closed()
	s := oidc.Settings{Issuer: l.idp.URL, ClientID: clientID, ClientSecret: clientSecret, Key: key, Now: now, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&s)
	}
	l.Server, l.other = l.serve(t, s), l.serve(t, s)
	return l
}

// serve is a process of the lab.
func (l *lab) serve(t *testing.T, s oidc.Settings) *httptest.Server {
	t.Helper()
	p, err := oidc.New(s)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	p.Mount(mux, l.in)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		who, _ := door.Who(l.in, r, door.Credential{})
		_, _ = io.WriteString(w, r.URL.Path+" as "+string(who.User)) // the test reads it
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// browser is one that keeps cookies. It stops before an address for which stop says so.
func browser(t *testing.T, stop func(*http.Request) bool) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if stop != nil && stop(r) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func get(t *testing.T, c *http.Client, address string) (int, string, *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, strings.TrimSpace(string(body)), reply
}

// comesBack leaves for the provider and returns the address with its answer, not followed yet.
func (l *lab) comesBack(t *testing.T, c *http.Client) string {
	t.Helper()
	stopping := &http.Client{Jar: c.Jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == oidc.Callback {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	status, text, reply := get(t, stopping, l.URL+oidc.Authenticate)
	back := reply.Header.Get("Location")
	if status != http.StatusFound || !strings.HasPrefix(back, l.URL+oidc.Callback) {
		t.Fatalf("leave and come back: %d %q to %q", status, text, back)
	}
	return back
}

// TestSignIn signs in a person for the first time, and again after the provider says other things of it.
func TestSignIn(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(s *oidc.Settings) {
		s.GroupsClaim, s.Groups, s.SuperGroup = "groups", []string{"kernel=/lab/linux", "firmware"}, "admins"
	})
	l.idp.claims["groups"] = []string{"/lab/linux", "admins", "others"}
	if status, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate+"?next=/jobs?x=1"); status != http.StatusOK || text != "/jobs as alice" {
		t.Fatalf("first sign-in: %d %q, want the page that was wanted, as alice", status, text)
	}
	admin := api.Caller{User: access.Local}
	show := func() (u api.User) {
		t.Helper()
		if err := l.in.Call(t.Context(), admin, "users.show", api.UserRequest{User: "alice"}, &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := show()
	if u.Identity != "oidc "+l.idp.URL+" 1234" || u.Email != "alice@example.com" || u.FirstName != "Alice" || !u.Superuser || u.HasPassword || len(u.Groups) != 1 || u.Groups[0] != "kernel" {
		t.Errorf("alice: got %+v", u)
	}
	l.idp.mu.Lock()
	l.idp.claims["groups"], l.idp.claims["email"] = []string{"firmware"}, "not an address"
	l.idp.mu.Unlock()
	if err := l.in.Call(t.Context(), admin, "groups.add", api.GroupRequest{Group: "own"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.in.Call(t.Context(), admin, "groups.join", api.GroupRequest{Group: "own", User: "alice"}, nil); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate); status != http.StatusOK || text != "/ as alice" {
		t.Fatalf("second sign-in: %d %q", status, text)
	}
	if u = show(); u.Superuser || u.Email != "alice@example.com" || len(u.Groups) != 2 || u.Groups[0] != "firmware" || u.Groups[1] != "own" {
		t.Errorf("alice after the second: got %+v; want the provider's groups as it says now, and the lab's own as they were", u)
	}
	for _, next := range []string{"https://evil.example.com/", "//evil.example.com", `/\evil.example.com`, "javascript:alert(1)", "http:/x", "jobs"} {
		if status, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate+"?next="+url.QueryEscape(next)); status != http.StatusOK || text != "/ as alice" {
			t.Errorf("sign in and go to %q: %d %q, want the lab's first page", next, status, text)
		}
	}
}

// TestDisbelieved bends the provider's answers in every way: nobody comes in by one.
func TestDisbelieved(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	tests := map[string]struct {
		bend   func(map[string]any)
		signer *ecdsa.PrivateKey
		want   string
	}{
		"another nonce":        {bend: set("nonce", "another"), want: "cannot be believed"},
		"no nonce":             {bend: func(c map[string]any) { delete(c, "nonce") }, want: "cannot be believed"},
		"expired":              {bend: set("exp", time.Now().Add(-time.Hour).Unix()), want: "cannot be believed"},
		"another audience":     {bend: set("aud", "another"), want: "cannot be believed"},
		"another issuer":       {bend: set("iss", "https://evil.example.com"), want: "cannot be believed"},
		"another key":          {signer: other, want: "cannot be believed"},
		"no subject":           {bend: set("sub", ""), want: "cannot be believed"},
		"a subject with words": {bend: set("sub", "1234 5678"), want: "cannot be believed"},
		"no name":              {bend: func(c map[string]any) { delete(c, "preferred_username") }, want: "cannot be believed"},
		"the administrator":    {bend: set("preferred_username", "local"), want: "nobody else vouches"},
		"nearly so":            {bend: set("preferred_username", "LOCAL"), want: "by the case of letters"},
		"a service":            {bend: set("preferred_username", "lava-health"), want: "a name of the lab's own"},
		"a token's name":       {bend: set("preferred_username", "@0123456789abcdef"), want: "a name of the lab's own"},
		"a name with blanks":   {bend: set("preferred_username", "al ice"), want: "allowed are letters"},
		"a look-alike":         {bend: set("preferred_username", "ａlice"), want: "look like others"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l.idp.mu.Lock()
			l.idp.bend, l.idp.signer = tt.bend, tt.signer
			l.idp.mu.Unlock()
			c := browser(t, nil)
			if status, text, _ := get(t, c, l.URL+oidc.Authenticate); status != http.StatusForbidden || !strings.Contains(text, tt.want) {
				t.Errorf("got %d %q, want it refused with %q", status, text, tt.want)
			}
			if _, text, _ := get(t, c, l.URL+"/"); text != "/ as" {
				t.Errorf("afterwards the browser is %q", text)
			}
		})
	}
}

// TestReplay brings answers again, late, or in another browser.
func TestReplay(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	refused := func(what string, c *http.Client, back string) {
		t.Helper()
		if status, text, _ := get(t, c, back); status != http.StatusBadRequest || !strings.Contains(text, "begin again") {
			t.Errorf("%s: %d %q, want it refused", what, status, text)
		}
	}
	c := browser(t, nil)
	back := l.comesBack(t, c)
	lab, err := url.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := c.Jar.Cookies(lab)
	if status, text, _ := get(t, c, back); status != http.StatusOK || text != "/ as alice" {
		t.Fatalf("come back: %d %q", status, text)
	}
	refused("the same answer again", c, back)
	c.Jar.SetCookies(lab, kept)
	if status, text, _ := get(t, c, back); status != http.StatusForbidden || !strings.Contains(text, "cannot be believed") {
		t.Errorf("the same answer with a cookie that was put back: %d %q, want it refused by the provider, whose code is good once", status, text)
	}
	refused("in another browser", browser(t, nil), l.comesBack(t, browser(t, nil)))
	refused("without a state", c, l.URL+oidc.Callback+"?code=x")
	refused("with a state of nobody's", c, l.URL+oidc.Callback+"?code=x&state=y")
	late := browser(t, nil)
	back = l.comesBack(t, late)
	l.ahead.Store(int64(11 * time.Minute))
	refused("eleven minutes later", late, back)
	l.ahead.Store(0)

	// A code that the provider gave to one browser is of no use in another that has begun too.
	mine, theirs := browser(t, nil), browser(t, nil)
	one, two := l.comesBack(t, mine), l.comesBack(t, theirs)
	a, _ := url.Parse(one) //nolint:errcheck // it was an address a moment ago
	b, _ := url.Parse(two) //nolint:errcheck // so was this
	mixed := url.Values{"state": {a.Query().Get("state")}, "code": {b.Query().Get("code")}}
	if status, text, _ := get(t, mine, l.URL+oidc.Callback+"?"+mixed.Encode()); status != http.StatusForbidden || !strings.Contains(text, "cannot be believed") {
		t.Errorf("another's code: %d %q, want it refused", status, text)
	}
	failed := browser(t, nil)
	back = l.comesBack(t, failed)
	u, _ := url.Parse(back) //nolint:errcheck // it was an address a moment ago
	if status, text, _ := get(t, failed, l.URL+oidc.Callback+"?error=access_denied&state="+u.Query().Get("state")); status != http.StatusForbidden || !strings.Contains(text, "did not let you in") {
		t.Errorf("a refusal of the provider's: %d %q", status, text)
	}
}

// TestWhoseAccount shows that a name at the provider gives nobody an account that is another's.
func TestWhoseAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	admin := api.Caller{User: access.Local}
	do := func(verb string, in any) {
		t.Helper()
		if err := l.in.Call(t.Context(), admin, verb, in, nil); err != nil {
			t.Fatal(err)
		}
	}
	sign := func(want string) {
		t.Helper()
		if _, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate); !strings.Contains(text, want) {
			t.Errorf("sign in: %q, want %q", text, want)
		}
	}
	as := func(sub, name string) {
		l.idp.mu.Lock()
		defer l.idp.mu.Unlock()
		l.idp.claims["sub"], l.idp.claims["preferred_username"] = sub, name
	}
	do("users.add", api.UserRequest{User: "alice"})
	sign("the account alice is another's")
	identity := "oidc " + l.idp.URL + " 1234"
	do("users.set", api.UserRequest{User: "alice", Identity: &identity})
	sign("/ as alice")
	as("9999", "alice")
	sign("the account alice is another's")
	as("1234", "Alice") // the same person, who has changed its name there
	sign("by the case of letters")
	as("1234", "alice")
	no := false
	do("users.set", api.UserRequest{User: "alice", Active: &no})
	sign("this account is not active")

	closed := newLab(t, func(s *oidc.Settings) { s.ExistingOnly = true })
	if _, text, _ := get(t, browser(t, nil), closed.URL+oidc.Authenticate); !strings.Contains(text, "alice has no account in this lab") {
		t.Errorf("a stranger where only accounts are let in: %q", text)
	}
	adopting := newLab(t, func(s *oidc.Settings) { s.Adopt = true })
	password := "correct horse"
	for user, want := range map[events.UserName]string{"alice": "/ as alice", "bob": "the account bob is another's"} {
		in := api.UserRequest{User: user}
		if user == "bob" {
			in.Password = &password
		}
		if err := adopting.in.Call(t.Context(), admin, "users.add", in, nil); err != nil {
			t.Fatal(err)
		}
		adopting.idp.mu.Lock()
		adopting.idp.claims["sub"], adopting.idp.claims["preferred_username"] = "of-"+string(user), string(user)
		adopting.idp.mu.Unlock()
		if _, text, _ := get(t, browser(t, nil), adopting.URL+oidc.Authenticate); !strings.Contains(text, want) {
			t.Errorf("sign in as %s where accounts are adopted: %q, want %q", user, text, want)
		}
	}
}

// TestUserInfo takes claims that the provider tells only where one asks for them, of the same subject alone.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(s *oidc.Settings) { s.NameClaim = "email" })
	for name, tt := range map[string]struct {
		info map[string]any
		want string
	}{
		"told":             {map[string]any{"sub": "1234", "email": "carol@example.com", "email_verified": true}, "/ as carol@example.com"},
		"not verified":     {map[string]any{"sub": "1234", "email": "carol@example.com"}, "cannot be believed"},
		"of another":       {map[string]any{"sub": "5678", "email": "carol@example.com", "email_verified": true}, "cannot be believed"},
		"without the name": {map[string]any{"sub": "1234"}, "cannot be believed"},
		"not told":         {nil, "cannot be believed"},
	} {
		l.idp.mu.Lock()
		l.idp.claims, l.idp.info = map[string]any{"sub": "1234"}, tt.info
		l.idp.mu.Unlock()
		if _, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate); !strings.Contains(text, tt.want) {
			t.Errorf("claims %s: %q, want %q", name, text, tt.want)
		}
	}
}

// TestAway shows what a person is told while the provider is away, and that it works once it is there.
func TestAway(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(s *oidc.Settings) { s.Issuer = "http://127.0.0.1:1" })
	if status, text, _ := get(t, browser(t, nil), l.URL+oidc.Authenticate); status != http.StatusServiceUnavailable || !strings.Contains(text, "does not answer") {
		t.Errorf("without a provider: %d %q", status, text)
	}
}

// TestSettings shows which settings are refused.
func TestSettings(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]oidc.Settings{
		"write it like":     {Issuer: "id.example.com", ClientID: "x"},
		"is not encrypted":  {Issuer: "http://id.example.com", ClientID: "x"},
		"oidc.client_id":    {Issuer: "https://id.example.com"},
		"oidc.groups_claim": {Issuer: "https://id.example.com", ClientID: "x", Groups: []string{"kernel"}},
		"oidc.groups has":   {Issuer: "https://id.example.com", ClientID: "x", GroupsClaim: "groups", Groups: []string{"=x"}},
	} {
		if _, err := oidc.New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", s, err, want)
		}
	}
	if p, err := oidc.New(oidc.Settings{Issuer: "https://id.example.com/realms/x", ClientID: "x"}); err != nil || p.Label() != "id.example.com" {
		t.Errorf("the least that is to be said: error %v, called %q", err, p.Label())
	}
}

// TestOtherProcess ends a sign-in at another process of the lab than it began at, as a balancer before them may have it.
func TestOtherProcess(t *testing.T) {
	t.Parallel()
	const address = "http://lab.example.com"
	l := newLab(t, func(s *oidc.Settings) { s.URL = address })
	c := browser(t, func(r *http.Request) bool { return strings.HasPrefix(r.URL.String(), address) })
	long := "/" + strings.Repeat("x", 4000)
	for next, want := range map[string]string{"/jobs?x=1": "/jobs?x=1", long: "/"} {
		_, _, reply := get(t, c, l.URL+oidc.Authenticate+"?next="+url.QueryEscape(next))
		back := reply.Header.Get("Location")
		if !strings.HasPrefix(back, address+oidc.Callback) {
			t.Fatalf("the provider sends the browser to %q", back)
		}
		// The two are one host to a browser, which tells no ports apart.
		stopping := &http.Client{Jar: c.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		status, text, reply := get(t, stopping, l.other.URL+strings.TrimPrefix(back, address))
		if status != http.StatusSeeOther || reply.Header.Get("Location") != want {
			t.Errorf("come back to another process: %d %q to %.40q, want to %q", status, text, reply.Header.Get("Location"), want)
		}
		if _, text, _ := get(t, c, l.other.URL+"/"); text != "/ as alice" {
			t.Errorf("afterwards the browser is %q", text)
		}
	}
	// What another lab has sealed is nothing here.
	_, _, reply := get(t, c, l.URL+oidc.Authenticate)
	if status, text, _ := get(t, c, newLab(t, nil).URL+strings.TrimPrefix(reply.Header.Get("Location"), address)); status != http.StatusBadRequest || !strings.Contains(text, "begin again") {
		t.Errorf("at another lab: %d %q", status, text)
	}
}
