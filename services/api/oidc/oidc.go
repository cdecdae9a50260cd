// Package oidc signs people in at a page by a provider of identities that speaks OpenID Connect.
//
// A [Provider] sends a browser there and takes it back, at the addresses that LAVA has for it (/oidc/authenticate/
// and /oidc/callback/), so that a provider which knows a LAVA server needs to be told nothing new.
//
// # What it promises
//
// The flow is that of a code with PKCE, a state that is good in the browser that began and for ten minutes, and
// a nonce that the signed answer has to repeat. Issuer, audience, signature and expiry of that answer are checked. A code is
// good once, which the provider sees to (RFC 6749, 4.1.2).
// A user is known by issuer and subject, which never change hands; a name that the provider tells, and which people may
// choose there, gives nobody an account that is another's.
//
// A sign-in that was begun is kept by the browser, in a cookie that is sealed with the lab's key: it may end at another
// process of the lab than it began at, or after a restart, and costs the lab no memory.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
	"strata/services/api/door"
)

// Settings say who the provider is and what its users are here.
type Settings struct {
	Issuer       string // https://id.example.com/realms/lab
	ClientID     string
	ClientSecret string   // "": a public client
	Scopes       []string // beside openid; none: profile and email
	NameClaim    string   // that is the user's name here; "" is preferred_username
	GroupsClaim  string   // that lists the user's groups; "": none are taken
	Groups       []string // that are the provider's to give: kernel, or kernel=/lab/linux where it has another name there
	SuperGroup   string   // whose members are superusers; "": the lab says who is
	StaffGroup   string
	ExistingOnly bool   // people without an account in the lab are not let in
	Adopt        bool   // an account of the name that has no password, and that nobody vouches for, becomes the user's
	URL          string // of the lab's pages; "": as the browser names it
	Label        string // what the page of sign-in calls it; "" is the issuer's host

	Key    access.Key // the lab's, which seals what a browser keeps
	Now    func() time.Time
	Logger *slog.Logger
}

// Where browsers go.
const (
	Authenticate = "/oidc/authenticate/"
	Callback     = "/oidc/callback/"
)

const (
	begunLife = 10 * time.Minute // between leaving for the provider and coming back
	patience  = 15 * time.Second // for an answer of the provider
	cookie    = "strata_oidc"
	maxCookie = 3500 // bytes: browsers keep 4,096 of a cookie with its name and attributes
	maxClaim  = 255  // bytes of a subject, as the standard has it
)

// Provider is a provider of identities.
type Provider struct {
	s      Settings
	issuer *url.URL
	groups map[string]events.GroupName // by the name that they have there

	mu    sync.Mutex
	found *oidc.Provider // nil until it has answered
}

// begun is a sign-in that a browser has left for.
type begun struct {
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Next     string    `json:"next"` // where to go afterwards
	Until    time.Time `json:"until"`
}

// New checks the settings. The provider is asked when somebody signs in: it may be away when the lab starts.
func New(s Settings) (*Provider, error) {
	u, err := url.Parse(s.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("oidc.issuer is %q; write it like https://id.example.com", s.Issuer)
	// OpenID Connect Discovery 1.0, section 3, has issuers at https:// alone; one on this machine is for
	// trying out.
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Hostname() != "::1":
		return nil, fmt.Errorf("oidc.issuer %s is not encrypted: anybody on the way could be anybody here; take https://", s.Issuer)
	case s.ClientID == "":
		return nil, errors.New("oidc.client_id is missing")
	case s.GroupsClaim == "" && len(s.Groups)+len(s.SuperGroup)+len(s.StaffGroup) > 0:
		return nil, errors.New("groups are named and oidc.groups_claim does not say which claim lists them")
	}
	if len(s.Scopes) == 0 {
		s.Scopes = []string{"profile", "email"}
	}
	if s.NameClaim == "" {
		s.NameClaim = "preferred_username"
	}
	if s.Label == "" {
		s.Label = u.Hostname()
	}
	p := &Provider{s: s, issuer: u, groups: map[string]events.GroupName{}}
	for _, g := range s.Groups {
		here, there, both := strings.Cut(g, "=")
		if !both {
			there = here
		}
		if here == "" || there == "" {
			return nil, fmt.Errorf("oidc.groups has %q; write a group as kernel, or as kernel=/lab/linux", g)
		}
		p.groups[there] = events.GroupName(here)
	}
	return p, nil
}

// Label is what the page of sign-in calls the provider.
func (p *Provider) Label() string { return p.s.Label }

// Mount puts the addresses of the flow into a mux.
func (p *Provider) Mount(mux *http.ServeMux, in api.Inside) {
	mux.HandleFunc("GET "+Authenticate+"{$}", p.leave)
	mux.HandleFunc("GET "+Callback+"{$}", func(w http.ResponseWriter, r *http.Request) { p.comeBack(w, r, in) })
}

// client is what asks the provider.
func client(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{Timeout: patience})
}

// discover asks the provider what it is, once it has answered never again.
// Two browsers at once may both ask; the later answer stays, and they are the same. An error is not
// remembered.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	found := p.found
	p.mu.Unlock()
	if found != nil {
		return found, nil
	}
	// Its keys are fetched by this context later, so it must not end with the request.
	found, err := oidc.NewProvider(client(context.WithoutCancel(ctx)), p.s.Issuer)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = found
	return found, nil
}

// config is the flow's, for the address by which a browser knows the lab.
// The address of the callback has to be one that the provider knows, to the letter; oidc.url says it where
// browsers reach the lab by several names.
func (p *Provider) config(found *oidc.Provider, r *http.Request) *oauth2.Config {
	base := strings.TrimSuffix(p.s.URL, "/")
	if base == "" {
		base = "http://" + r.Host
		if door.Secure(r) {
			base = "https://" + r.Host
		}
	}
	return &oauth2.Config{ClientID: p.s.ClientID, ClientSecret: p.s.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: base + Callback,
		Scopes: append([]string{oidc.ScopeOpenID}, p.s.Scopes...)}
}

// leave sends a browser to the provider.
func (p *Provider) leave(w http.ResponseWriter, r *http.Request) {
	found, err := p.discover(r.Context())
	if err != nil {
		p.s.Logger.Error("the provider of identities does not answer", "issuer", p.s.Issuer, "err", err)
		refuse(w, http.StatusServiceUnavailable, p.s.Label+" does not answer; try again later")
		return
	}
	// rand.Text has 128 bits at least: state and nonce cannot be guessed (RFC 6749, 10.10).
	state := rand.Text()
	b := begun{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: local(r.URL.Query().Get("next")), Until: p.s.Now().Add(begunLife)}
	text, err := p.seal(state, b)
	if err != nil {
		p.s.Logger.Error("a sign-in cannot be begun", "err", err)
		refuse(w, http.StatusInternalServerError, "the sign-in cannot be begun; the lab's log has more")
		return
	}
	// It ties the answer to this browser: a link with somebody else's code and state would sign its reader
	// in as that one (RFC 6749, 10.12).
	http.SetCookie(w, door.Cookie(r, cookie, text, b.Until))
	w.Header().Set("Cache-Control", "no-store")
	// S256 of RFC 7636: who reads the code on its way cannot redeem it without the verifier.
	http.Redirect(w, r, p.config(found, r).AuthCodeURL(state, oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier)), http.StatusFound)
}

// place is what a sign-in is sealed for: it opens with its own state alone, and is no other secret of the lab.
func place(state string) string { return "oidc sign-in " + state }

// seal returns a sign-in as a cookie holds it. One that would not fit ends at the lab's first page.
func (p *Provider) seal(state string, b begun) (string, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	if out := p.s.Key.Seal(string(text), place(state)); len(out) <= maxCookie || b.Next == "/" {
		return out, nil
	}
	b.Next = "/"
	return p.seal(state, b)
}

// open returns the sign-in that a browser has begun with that state; false where it has not, or too long ago.
func (p *Provider) open(state, cookie string) (b begun, ok bool) {
	if state == "" || len(cookie) > maxCookie {
		return b, false
	}
	text, err := p.s.Key.Open(cookie, place(state))
	if err != nil || json.Unmarshal([]byte(text), &b) != nil {
		return b, false
	}
	return b, p.s.Now().Before(b.Until)
}

// local returns an address of this lab to go to; whatever leads elsewhere is its first page.
// Browsers take // and /\ for the beginning of a host, and leave out control characters before they look.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || r < ' ' }) {
		return "/"
	}
	return next
}

// comeBack takes a browser back with the provider's answer.
func (p *Provider) comeBack(w http.ResponseWriter, r *http.Request, in api.Inside) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address has the code
	q := r.URL.Query()
	kept := ""
	if c, err := r.Cookie(cookie); err == nil {
		kept = c.Value
	}
	// Before the provider's error is read: it could be anybody's.
	b, ok := p.open(q.Get("state"), kept)
	if !ok {
		refuse(w, http.StatusBadRequest, "this sign-in was not begun here in this browser, took too long, or is through already; begin again")
		return
	}
	// A time in the past removes it (RFC 6265, 3.1).
	http.SetCookie(w, door.Cookie(r, cookie, "", time.Unix(1, 0)))
	// RFC 6749, 4.1.2.1, such as access_denied. Its description is the provider's text and not shown.
	if failed := q.Get("error"); failed != "" {
		p.s.Logger.Info("the provider of identities refused a sign-in", "issuer", p.s.Issuer, "error", failed, "from", door.From(r))
		refuse(w, http.StatusForbidden, p.s.Label+" did not let you in")
		return
	}
	v, err := p.redeem(r, q.Get("code"), b)
	if err != nil {
		p.s.Logger.Warn("an answer of the provider of identities is not believed", "issuer", p.s.Issuer, "err", err, "from", door.From(r))
		refuse(w, http.StatusForbidden, "what "+p.s.Label+" says of you cannot be believed; the lab's log has more")
		return
	}
	err = door.Enter(in, w, r, v)
	var e *api.Error
	switch {
	case errors.Is(err, api.ErrUnknownToken):
		refuse(w, http.StatusForbidden, "this account is not active")
	// What the api refuses (no account, a name that is another's) is for the person to know.
	case errors.As(err, &e) && e.Code != api.Failed && e.Code != api.Away:
		refuse(w, http.StatusForbidden, e.Message)
	case err != nil:
		p.s.Logger.Error("a sign-in cannot be recorded", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the lab cannot record the sign-in; try again later")
	default:
		http.Redirect(w, r, b.Next, http.StatusSeeOther)
	}
}

func refuse(w http.ResponseWriter, status int, why string) { http.Error(w, why, status) }

// redeem asks the provider for what a code stands for, and checks every word of the answer.
func (p *Provider) redeem(r *http.Request, code string, b begun) (api.Vouched, error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	ctx = client(ctx)
	found, err := p.discover(ctx)
	if err != nil {
		return api.Vouched{}, err
	}
	config := p.config(found, r)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(b.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) {
			err = errors.New(refused.ErrorCode) // without the answer, which may repeat what was sent
		}
		return api.Vouched{}, fmt.Errorf("exchange the code: %w", err)
	}
	// "" where a provider that is none of OpenID's answers; Verify refuses it.
	raw, _ := token.Extra("id_token").(string)
	// Signature, issuer, audience and expiry, with the lab's clock (OpenID Connect Core 1.0, 3.1.3.7).
	id, err := found.Verifier(&oidc.Config{ClientID: p.s.ClientID, Now: p.s.Now}).Verify(ctx, raw)
	if err != nil {
		return api.Vouched{}, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(b.Nonce)) != 1 {
		return api.Vouched{}, errors.New("the nonce is another one")
	}
	// It becomes a part of the account's identity, in which a blank ends the issuer.
	if id.Subject == "" || len(id.Subject) > maxClaim || strings.ContainsAny(id.Subject, " \t\r\n") {
		return api.Vouched{}, errors.New("the subject is empty, too long or has blanks")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return api.Vouched{}, err
	}
	if claims[p.s.NameClaim] == nil || p.s.GroupsClaim != "" && claims[p.s.GroupsClaim] == nil {
		// Many providers tell such things only where one asks for them.
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return api.Vouched{}, fmt.Errorf("ask for the user's claims: %w", err)
		}
		// OpenID Connect Core 1.0, 5.3.2, wants this compared: the answer is of a token, not of this
		// sign-in.
		if info.Subject != id.Subject {
			return api.Vouched{}, errors.New("the claims are of another subject")
		}
		more := map[string]any{}
		if err := info.Claims(&more); err != nil {
			return api.Vouched{}, err
		}
		for name, value := range more {
			// What was signed wins over what was only told.
			if claims[name] == nil {
				claims[name] = value
			}
		}
	}
	return p.vouch(id.Subject, claims)
}

// vouch makes an account of claims.
func (p *Provider) vouch(subject string, claims map[string]any) (api.Vouched, error) {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	name := text(p.s.NameClaim)
	if name == "" {
		return api.Vouched{}, fmt.Errorf("the claim %s (oidc.name_claim) is missing", p.s.NameClaim)
	}
	// Else somebody who types another's address at the provider would have that one's name here.
	if verified, told := claims["email_verified"].(bool); p.s.NameClaim == "email" && (!told || !verified) {
		return api.Vouched{}, errors.New("the claim email is the user's name, and the provider has not verified it")
	}
	// The identity is issuer and subject (Core 1.0, 2: never reassigned); the name may change without
	// making another account.
	v := api.Vouched{User: events.UserName(name), Means: "oidc " + p.s.Issuer, Identity: "oidc " + p.s.Issuer + " " + subject, Email: text("email"),
		FirstName: text("given_name"), LastName: text("family_name"), Create: !p.s.ExistingOnly, Adopt: p.s.Adopt}
	if p.s.GroupsClaim == "" {
		return v, nil
	}
	var in []string
	// The claim is nobody's standard: providers send a list, or one name where there is one.
	switch list := claims[p.s.GroupsClaim].(type) {
	case string:
		in = []string{list}
	case []any:
		for _, g := range list {
			if s, ok := g.(string); ok {
				in = append(in, s)
			}
		}
	}
	for there, here := range p.groups {
		v.Managed = append(v.Managed, here)
		if slices.Contains(in, there) {
			v.Groups = append(v.Groups, here)
		}
	}
	slices.Sort(v.Managed)
	slices.Sort(v.Groups)
	for _, flag := range []struct {
		group string
		to    **bool
	}{{p.s.SuperGroup, &v.Superuser}, {p.s.StaffGroup, &v.Staff}} {
		if flag.group != "" {
			yes := slices.Contains(in, flag.group)
			*flag.to = &yes
		}
	}
	return v, nil
}
