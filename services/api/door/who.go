package door

import (
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"strata/events"
	"strata/services/api"
)

// Credential is what a request's header Authorization says.
type Credential struct {
	Scheme string // as it was written: Basic, Token, Bearer; "" where there is no header
	User   string // of Basic
	Token  string
}

// Errors of a header that cannot be read, with LAVA's words.
var (
	ErrHeader = errors.New("Invalid HTTP_AUTHORIZATION header")
	ErrBase64 = errors.New("Corrupted HTTP_AUTHORIZATION header, bad base64 encoding")
	ErrColon  = errors.New("Corrupted HTTP_AUTHORIZATION header, no user:pass")
)

// Read reads the header of a request. Schemes that it does not know come back with their name only.
// The error is one of the three above. Who comes with it is for [Who] to find out.
func Read(r *http.Request) (Credential, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Credential{}, nil
	}
	parts := strings.Fields(header)
	if len(parts) != 2 {
		return Credential{}, ErrHeader
	}
	c := Credential{Scheme: parts[0]}
	// LAVA's REST reads its scheme in any case, its XML-RPC does not.
	for _, scheme := range []string{"Token", "Bearer"} {
		if strings.EqualFold(c.Scheme, scheme) {
			c.Scheme = scheme
		}
	}
	switch c.Scheme {
	case "Basic":
		text, err := base64.StdEncoding.DecodeString(parts[1])
		if err != nil || !utf8.Valid(text) {
			return c, ErrBase64
		}
		user, token, ok := strings.Cut(string(text), ":")
		if !ok {
			return c, ErrColon
		}
		c.User, c.Token = user, token
	case "Token", "Bearer":
		c.Token = parts[1]
	}
	return c, nil
}

// Who returns whom a request stands for: the bearer of its token, or where it has none the user whose session its
// cookie holds (see [SignIn]), or else whom [api.Inside.Anonymous] says. A cookie that is worth nothing is as none,
// and so is one on a request that another site's page sends. A wrong token is [api.ErrUnknownToken], as is one beside another's name.
// It is the one place where HTTP makes a caller of a request; nothing else of a request says who
// asks.
func Who(in api.Inside, r *http.Request, c Credential) (api.Caller, error) {
	who := api.Caller{}
	if c.Token == "" {
		if c.User != "" {
			return who, api.ErrUnknownToken
		}
		var ok bool
		if who, ok = bySession(in, r); !ok {
			who = in.Anonymous(Direct(r))
		}
	} else {
		var err error
		if who, err = in.Authenticate(c.Token, From(r)); err != nil {
			return api.Caller{}, err
		}
		if c.User != "" && events.UserName(c.User) != who.User {
			return api.Caller{}, api.ErrUnknownToken
		}
	}
	who.From, who.Trace = From(r), r.Header.Get("Traceparent")
	return who, nil
}

// Direct tells whether a request comes from a program on this machine. A proxy speaks for others, and a
// page in a browser may reach this port by a name of its own.
// It decides who is the machine's own administrator without a token, so each doubt is a no: a
// browser on this machine may be sent here by any page, by a name that it has made point to
// loopback.
func Direct(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}
