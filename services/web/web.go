package web

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"strata/docs"
	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/services/web/help"
)

// Deps is what the pages need. They are handed functions, because no service imports another.
type Deps struct {
	// Who says who looks. Its error is that the request's credential is worth nothing.
	// Asked once a request, before its page, also for HEAD and for what will be a 404: an error page is drawn for its visitor.
	Who func(*http.Request) (Visitor, error)
	// Now is asked once a request too ([request.now]), so that all times on one page are counted from the same moment.
	Now     func() time.Time
	Logger  *slog.Logger
	Name    string // of the instance, as it stands on every page
	Version string // of this build
	// Bundle writes a tar with all that reproduces a job that is over; nil where this process cannot.
	// It writes nothing before it knows that it can: the page sends its own headers with the first byte.
	Bundle func(ctx context.Context, v Visitor, job uint64, to io.Writer) error
	// ExtraContext are further names that a job's context may set in this lab.
	ExtraContext []string
	// Interfaces tells what programs can call, for the page that lists it; nil where this process has pages alone.
	Interfaces func() []Interfaces
	// SignIn gives the browser a session of the user with that password, and SignOut ends it. Their refusals are
	// *[Refusal]. Nil: this process signs nobody in.
	SignIn  func(w http.ResponseWriter, r *http.Request, user, password string) error
	SignOut func(w http.ResponseWriter, r *http.Request) error
	// Providers are who else browsers may be sent to for signing in; may be nil.
	Providers func() []Provider
}

// Visitor is who looks at a page, and what may be asked in his name.
type Visitor struct {
	// Name may be "local": whoever started the lab on the machine itself has all rights and perhaps no account ([request.profile]).
	Name                       string // of the user; "" is somebody without one
	SignedIn, Staff, Superuser bool
	// Call asks a verb of the api and decodes its answer into out, which may be nil. What the lab refuses comes
	// back as a *[Refusal].
	// Verbs and their requests are those of services/api/verbs.go. They are named by texts here, as no service imports another; a
	// text that is none of them is refused at run time as not-found, which the tests in services/cmd/strata find.
	Call func(ctx context.Context, verb string, in, out any) error
	// Stream opens a flow of the api and hands over its messages until each has an error.
	// Messages are cut where the api likes, not at the ends of lines or records. An error that each returns ends the flow.
	Stream func(ctx context.Context, verb string, in any, each func(header map[string]string, body []byte) error) error
	// Submit publishes a definition and returns its number. Calls with one id become one job; "" is an id of its own.
	// A definition that the lab refuses later is a job all the same, in state Rejected: the number says only that it lies on the bus.
	Submit func(ctx context.Context, definition []byte, id string) (uint64, error)
}

// Refusal is why the lab did not do as asked.
type Refusal struct {
	// Code is the api's word; "unauthorized" is this package's own, for a credential that is worth nothing and for who needs one.
	Code    string // invalid, not-found, denied, conflict, away, failed
	Message string // a sentence for people
	Field   string // of the request; may be empty
}

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Message }

// status is the HTTP status of a refusal.
// What has no row is a fault of the lab. LAVA's clients match on 403 for what is denied and 404 for what is not there, or may
// not be seen: the api tells the two apart as LAVA does, so nothing is hidden or shown here.
func (r *Refusal) status() int {
	switch r.Code {
	case "invalid":
		return http.StatusBadRequest
	case "not-found":
		return http.StatusNotFound
	case "denied":
		return http.StatusForbidden
	case "conflict":
		return http.StatusConflict
	case "away":
		return http.StatusServiceUnavailable
	case "busy":
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

// Site answers with pages.
type Site struct {
	d       Deps
	mux     *http.ServeMux
	files   *files
	drawn   *templates
	manual  *help.Library
	handler http.Handler
	// Made at the first request that wants it and kept: it is large, and the same for everybody while the process lives.
	schema  func() ([]byte, error) // of job definitions, for the editor
	zips    sync.Pool              // of *gzip.Writer: a new one takes more time than a page has to be compressed
	packing chan struct{}          // holds one for each bundle that is being made
}

// bundlesAtOnce is how many bundles are made at a time, each a whole log on the disk: further ones wait for their turn.
const bundlesAtOnce = 2

// New returns the pages. A template or a static file that cannot be used is an error of the build, which tests find.
func New(d Deps) (*Site, error) {
	s := &Site{d: d, mux: http.NewServeMux(), packing: make(chan struct{}, bundlesAtOnce)}
	s.zips.New = func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a valid one
		return z
	}
	// An error is kept as well; it would be a fault of the build that the next request cannot mend.
	s.schema = sync.OnceValues(func() ([]byte, error) { return strict.JSONSchema(shape.Strict, d.ExtraContext) })
	var err error
	if s.files, err = readFiles(); err != nil {
		return nil, err
	}
	if s.drawn, err = parseTemplates(s); err != nil {
		return nil, err
	}
	if s.manual, err = help.Load(docs.Pages); err != nil {
		return nil, fmt.Errorf("load the manual: %w", err)
	}
	// A path is registered for all methods at once: beside one with a method, a wider path of another method
	// would be no less specific, and the mux takes no such pair.
	at := map[string]map[string]route{}
	for _, r := range routes() {
		if at[r.path] == nil {
			at[r.path] = map[string]route{}
		}
		at[r.path][r.method] = r
	}
	// Both spellings lead to the same page rather than one to the other: a redirect would lose the body of a form.
	for path, methods := range at {
		for _, path := range bothSlashes(path) {
			s.mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) { s.choose(w, q, methods) })
		}
	}
	// Beside the routes, as neither has a visitor: a style sheet is the same for all, and asking who looks costs a question.
	s.mux.HandleFunc("GET /static/{name}", s.files.serve)
	s.mux.HandleFunc("GET /robots.txt", robots)
	// The wider pattern gets what no route takes. It is drawn as a page, with the way to the search and to signing in.
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, route{method: http.MethodGet, page: func(*request) (page, error) {
			return page{}, &Refusal{Code: "not-found", Message: "there is no page at " + r.URL.Path}
		}})
	})
	// It looks at Sec-Fetch-Site, or at Origin against Host where a browser sends no such header, and lets GET, HEAD and OPTIONS
	// through: so no GET of a route may change anything. Programs send neither header and pass; they have tokens, not cookies, and
	// no page of somebody else can make a browser send a token.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, route{method: r.Method, page: func(*request) (page, error) {
			return page{}, &Refusal{Code: "denied", Message: "the form was sent from another site, so nothing was done"}
		}})
	}))
	s.handler = guard.Handler(s.mux)
	return s, nil
}

// ServeHTTP answers a request; see [Site.Patterns] for which.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Patterns lists the addresses that the pages have, as methods and patterns of [http.ServeMux].
// Tests of the binary hold to it what docs/compatibility.md promises, and what a browser has been through.
func (s *Site) Patterns() []string {
	var out []string
	for _, r := range routes() {
		out = append(out, r.method+" "+r.path)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// robots tells search engines what not to walk through, which is what LAVA tells them: lists of a lab have no end.
// It stands here and not among the static files, as robots look for it in the root alone (RFC 9309).
func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, "User-agent: *\nDisallow: /scheduler/\nDisallow: /results/\nDisallow: /api/\n") // the robot may be gone
}

// bothSlashes returns a path with and without its last slash: LAVA's addresses have it here and there, and
// people type neither.
// The pattern "/{$}" takes the slash and nothing behind it; "/" alone would take all that lies below, and a mistyped address
// would show the page above it in place of a 404.
func bothSlashes(path string) []string {
	if path == "/" {
		return []string{"/{$}"}
	}
	path = strings.TrimSuffix(path, "/")
	return []string{path, path + "/{$}"}
}

// choose answers a request by its method; HEAD is asked as GET, and the server leaves the body out.
// An answer of 405 has to say what is allowed (RFC 9110, section 15.5.6).
func (s *Site) choose(w http.ResponseWriter, q *http.Request, methods map[string]route) {
	method := q.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if r, ok := methods[method]; ok {
		s.serve(w, q, r)
		return
	}
	known := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	w.Header().Set("Allow", known)
	s.serve(w, q, route{method: q.Method, page: func(*request) (page, error) {
		return page{}, &wrongMethod{fmt.Sprintf("%s is not how %s is used; it takes %s", q.Method, q.URL.Path, known)}
	}})
}

// wrongMethod is a request with a method that the page has no use for.
type wrongMethod struct{ text string }

// Error returns the sentence.
func (e *wrongMethod) Error() string { return e.text }
