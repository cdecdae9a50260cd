package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"strata/services/api"
	"strata/services/api/door"
)

// Deps is what the interface needs.
// All but ExtraContext, Patience and EventSocket must be there.
type Deps struct {
	Lab    api.Inside
	Now    func() time.Time
	Logger *slog.Logger
	// ExtraContext are further names that a job's context may set in this lab.
	ExtraContext []string
	Patience     time.Duration // how long a submission waits for the lab to judge it; 0 is 10 s
	EventSocket  string        // where clients find LAVA's events, "" where none are published
}

// Versions of the interface, as they stand in addresses.
const (
	v02 = "v0.2"
	v03 = "v0.3" // LAVA's, which has nothing but token/
	v1  = "v1"
)

// Server answers requests for data; see [New].
type Server = server

// server answers requests.
// answers finds the endpoint of a pattern that http.ServeMux has matched: the mux tells no more.
type server struct {
	Deps
	mux     *http.ServeMux
	answers map[string]endpoint // by their patterns
}

// New returns the interface. It answers below /api/, and at the addresses of [Patterns].
// The table is read once: a pattern that stands in it twice makes http.ServeMux panic at the start.
func New(d Deps) *Server {
	if d.Patience == 0 {
		d.Patience = verdictTime
	}
	s := &server{Deps: d, mux: http.NewServeMux(), answers: map[string]endpoint{}}
	for _, e := range endpoints() {
		s.answers[e.pattern()] = e
		s.mux.HandleFunc(e.pattern(), func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	// Everything that is no endpoint: 404 as JSON, where a page of HTML would break clients that read the
	// body of an error.
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		q := &request{server: s, d: &s.Deps, w: w, r: r, version: v02}
		if strings.HasPrefix(r.URL.Path, "/api/v1/") {
			q.version = v1
			q.fail(&api.Error{Code: api.NotFound, Message: "there is no address " + r.URL.Path + "; /api/v0.2/openapi.json has all"})
			return
		}
		q.fail(notFound())
	})
	return s
}

// Patterns are the addresses below which a listener hands requests to [New].
func Patterns() []string {
	return []string{"/api/v0.2/", "/api/v0.3/", "/api/v1/", "/api/{$}", "/v1/healthz/", "/v1/prometheus/"}
}

// SharedPatterns are addresses below which pages for people stand, too: only what [server.Has] is for [New].
// /scheduler/job/42 is a page, /scheduler/job/42/definition/plain a file.
func SharedPatterns() []string { return []string{"/scheduler/job/", "/results/"} }

// Has says that a request is for data, and not for a page beside it.
func (s *server) Has(r *http.Request) bool {
	_, pattern := s.mux.Handler(r)
	if _, exact := s.answers[pattern]; !exact {
		_, pattern = s.mux.Handler(otherSlash(r))
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	// Where only POST is data, a page asks for it.
	return slices.ContainsFunc(s.answers[pattern].operations, func(o operation) bool { return o.method == method }) ||
		method != http.MethodGet && method != http.MethodPost && s.answers[pattern].operations != nil
}

// ServeHTTP finds the endpoint. An address that lacks its last slash means the same: LAVA sends clients
// elsewhere then, and some follow with another method. So does one that has a slash where LAVA's has none.
// Django answers 301 for the address without the slash, and requests (Python) then sends GET in place of
// POST: a submission would be lost without an error.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	other := otherSlash(r)
	_, pattern := s.mux.Handler(other)
	if _, there := s.answers[pattern]; there && strings.HasSuffix(r.URL.Path, "/") {
		if _, own := s.mux.Handler(r); s.answers[own].operations == nil {
			r = other
		}
	} else if pattern != "/" && !strings.HasSuffix(r.URL.Path, "/") {
		r = other
	}
	s.mux.ServeHTTP(w, r)
}

// otherSlash is a request for the same address with a slash at its end, or without the one that it has.
// RawPath goes along, where names in the path are escaped.
func otherSlash(r *http.Request) *http.Request {
	with := r.Clone(r.Context())
	if path, had := strings.CutSuffix(r.URL.Path, "/"); had {
		with.URL.Path, with.URL.RawPath = path, strings.TrimSuffix(r.URL.RawPath, "/")
		return with
	}
	with.URL.Path += "/"
	if with.URL.RawPath != "" {
		with.URL.RawPath += "/"
	}
	return with
}

// serve answers a request to an endpoint.
func (s *server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	q := &request{server: s, d: &s.Deps, w: w, r: r, e: e, version: e.version, query: r.URL.Query()}
	w.Header().Set("Allow", e.allowed())
	// A cache between must not hand one caller's answer to another, nor JSON to a browser.
	w.Header().Set("Vary", "Accept, Authorization, Cookie")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	// A wrong token is refused even where everybody may read: with it the caller meant to be somebody.
	if err := q.authenticate(); err != nil {
		q.fail(err)
		return
	}
	if method == http.MethodOptions {
		q.send(answer{body: q.describe()})
		return
	}
	i := slices.IndexFunc(e.operations, func(o operation) bool { return o.method == method })
	// OPTIONS has been answered for every endpoint; HEAD goes with GET.
	if i < 0 {
		q.fail(q.noMethod())
		return
	}
	// format=api is the page for people; another one is 404 to Django REST framework.
	if format := q.query.Get("format"); e.version == v02 && format != "" && format != "json" && format != "api" {
		q.fail(notFound())
		return
	}
	// Rights before form: who may not do it is told that.
	if err := errors.Join(q.allows(e.operations[i]), q.acceptable(e.operations[i])); err != nil {
		q.fail(err)
		return
	}
	a, err := e.operations[i].handle(q)
	if err != nil {
		q.fail(err)
		return
	}
	q.send(a)
}

// noMethod refuses a method that an endpoint lacks. As in LAVA who may not write there is told that before.
func (q *request) noMethod() error {
	if safe := q.r.Method == http.MethodGet || q.r.Method == http.MethodHead; !safe && q.version == v02 && !slices.Contains([]string{"jobs/validate/", "jobs/validate_testdef/", "token/"}, q.e.path) {
		if err := q.named(); err != nil {
			return err
		}
		for _, o := range q.e.operations {
			if err := q.allows(o); err != nil {
				return err
			}
		}
	}
	return detail(http.StatusMethodNotAllowed, "Method %q not allowed.", q.r.Method)
}

// request is one request and what is known of it.
// version "" is an address of LAVA's pages or monitors: no JSON page for browsers is tied to it, and
// SQUAD's token in the query is taken there.
type request struct {
	*server
	d       *Deps
	w       http.ResponseWriter
	r       *http.Request
	e       endpoint
	who     api.Caller
	version string
	query   url.Values
	sent    *body // once it has been read
}

// authenticate finds out who asks. Django REST framework answers 403 to a wrong token, never 401.
func (q *request) authenticate() error {
	if q.e.path == prometheusPath {
		return q.basic()
	}
	c, err := door.Read(q.r)
	if errors.Is(err, door.ErrHeader) {
		switch words := strings.Fields(q.r.Header.Get("Authorization")); {
		// A header of another scheme that cannot be read falls through to "Invalid token.".
		case len(words) > 0 && !strings.EqualFold(words[0], "Token"):
		case len(words) == 1:
			return detail(http.StatusForbidden, "Invalid token header. No credentials provided.")
		case len(words) > 2:
			return detail(http.StatusForbidden, "Invalid token header. Token string should not contain spaces.")
		}
	}
	if err != nil {
		return detail(http.StatusForbidden, unknownToken)
	}
	switch c.Scheme {
	case "Basic", "Token", "Bearer", "":
	default:
		c = door.Credential{} // of somebody else, such as a proxy
	}
	// It lands in access logs of proxies, hence nowhere else; the door's own log leaves queries out.
	if c.Token == "" && q.version == "" && q.r.Method == http.MethodGet {
		// Below the addresses of pages scripts give their token so, SQUAD among them. Nothing is done by it, only read.
		c.User, c.Token = q.r.URL.Query().Get("user"), q.r.URL.Query().Get("token")
		if c.Token == "" {
			c.User = ""
		}
	}
	// Busy and away are told as such: they say nothing of the token.
	if q.who, err = door.Who(q.d.Lab, q.r, c); err != nil {
		if errors.Is(err, api.ErrUnknownToken) {
			return detail(http.StatusForbidden, unknownToken)
		}
		return err
	}
	return nil
}

// named refuses callers without a name.
// It is LAVA's refusal of anonymous writes; on most lists somebody without a name sees what is public.
func (q *request) named() error {
	if q.who.User == "" {
		return detail(http.StatusForbidden, noCredentials)
	}
	return nil
}

// fail answers an error.
func (q *request) fail(err error) {
	p := q.refusal(err)
	// 503 would stand in the log once a request for as long as something is away.
	if p.status >= 500 && p.status != http.StatusServiceUnavailable {
		q.d.Logger.Error("request failed", "path", q.r.URL.Path, "err", err)
	}
	for key, values := range p.header {
		q.w.Header()[key] = values
	}
	if p.plain != "" {
		q.send(answer{status: p.status, plain: p.plain})
		return
	}
	q.sendJSON(p.status, p.body)
}

// ask asks a verb of the api.
func (q *request) ask(verb string, in, out any) error {
	return q.d.Lab.Call(q.r.Context(), q.who, verb, in, out)
}

// asked asks a verb for an answer of a type.
func asked[Out any](q *request, verb string, in any) (out Out, err error) {
	err = q.ask(verb, in, &out)
	return out, err
}

// context is the request's.
func (q *request) context() context.Context { return q.r.Context() }

// address returns the absolute address of a path.
// The host as the client named it, so that links work behind whatever name or tunnel it came by; https is
// believed of a proxy only where it is trusted, see [door.Secure].
func (q *request) address(path string) string {
	scheme := "http"
	if door.Secure(q.r) {
		scheme = "https"
	}
	return scheme + "://" + q.r.Host + path
}

// base is the path below which this version's addresses lie.
func (q *request) base() string { return "/api/" + q.version + "/" }
