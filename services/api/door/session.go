package door

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"strata/events"
	"strata/services/api"
)

// The name of the cookie that holds a session. Under TLS browsers take it only from this host itself and only
// encrypted, which the prefix asks of them; the plain name is for a lab on one's own machine, and counts for
// nothing under TLS.
const (
	plainCookie  = "strata_session"
	secureCookie = "__Host-strata_session"
)

// ErrCrossSite says that another site's page sent a request in its visitor's name.
var ErrCrossSite = errors.New("the request comes from a page of another site")

// From says by which door and from where a request comes, as facts tell it: "http 192.0.2.7".
func From(r *http.Request) string { return "http " + address(r) }

// cookieName is the name of the session's cookie on this way.
func cookieName(r *http.Request) string {
	if Secure(r) {
		return secureCookie
	}
	return plainCookie
}

// SignIn checks a name and password and gives the browser a session. A session that the browser had before is
// over: nobody goes on in one that somebody else may have put there. Errors are those of [api.Inside.SignIn],
// and [ErrCrossSite].
func SignIn(in api.Inside, w http.ResponseWriter, r *http.Request, user, password string) error {
	if err := SameSite(r); err != nil {
		return err
	}
	s, err := in.SignIn(r.Context(), events.UserName(user), password, From(r))
	if err != nil {
		return err
	}
	return settle(in, w, r, s)
}

// Enter is [SignIn] for a user whom somebody else vouches for, such as a provider of identities.
func Enter(in api.Inside, w http.ResponseWriter, r *http.Request, v api.Vouched) error {
	s, err := in.Enter(r.Context(), v, From(r))
	if err != nil {
		return err
	}
	return settle(in, w, r, s)
}

// settle replaces the browser's session.
func settle(in api.Inside, w http.ResponseWriter, r *http.Request, s api.Session) error {
	if err := in.SignOut(r.Context(), session(r), From(r)); err != nil {
		return err
	}
	http.SetCookie(w, Cookie(r, cookieName(r), s.Value, s.Expires))
	return nil
}

// SignOut ends the browser's session, in the lab too. Its errors are those of the lab, and [ErrCrossSite].
func SignOut(in api.Inside, w http.ResponseWriter, r *http.Request) error {
	if err := SameSite(r); err != nil {
		return err
	}
	http.SetCookie(w, Cookie(r, cookieName(r), "", time.Unix(1, 0)))
	return in.SignOut(r.Context(), session(r), From(r))
}

// Cookie returns a cookie as all of the lab's are: no script reads it, no other site's request carries it but
// that of somebody who follows a link.
func Cookie(r *http.Request, name, value string, expires time.Time) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: Secure(r), SameSite: http.SameSiteLaxMode}
}

// session returns what the session's cookie holds, "" where there is none.
func session(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

// SameSite refuses what a page of another site has a browser do: forms and scripts that change something, and
// websockets. Programs, which are no browsers, it lets through.
// Its error is [ErrCrossSite]. It goes by Sec-Fetch-Site and Origin, which every browser of the last
// years sends and no page can forge.
func SameSite(r *http.Request) error {
	if new(http.CrossOriginProtection).Check(r) != nil {
		return ErrCrossSite
	}
	if origin := r.Header.Get("Origin"); origin != "" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		if u, err := url.Parse(origin); err != nil || !sameHost(u.Host, r.Host) {
			return ErrCrossSite
		}
	}
	return nil
}

// Meant says that a request which changes something though it is a GET, as LAVA has some, was asked for on a
// page of this site or typed: a link elsewhere must not cancel a job.
func Meant(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return SameSite(r) == nil
	}
	return false
}

// sameHost compares hosts with their ports, as a browser names them.
func sameHost(a, b string) bool {
	trim := func(s string) string {
		if host, port, err := net.SplitHostPort(s); err == nil && (port == "80" || port == "443") {
			return host
		}
		return s
	}
	return strings.EqualFold(trim(a), trim(b))
}

// bySession returns whom the browser's session stands for. Where there is none, it is over, or another site's
// page sends the request, ok is false: the caller has no name then.
func bySession(in api.Inside, r *http.Request) (who api.Caller, ok bool) {
	value := session(r)
	if value == "" || SameSite(r) != nil {
		return who, false
	}
	who, err := in.Session(value, From(r))
	return who, err == nil
}
