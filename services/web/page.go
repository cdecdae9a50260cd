package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one request and who sent it.
type request struct {
	*http.Request
	Visitor
	site *Site
	now  time.Time
	w    http.ResponseWriter // for answers that are no pages; see [page.written]
}

// ask asks a verb of the api in the visitor's name.
func (q *request) ask(verb string, in, out any) error {
	return q.Call(q.Context(), verb, in, out)
}

// asked asks a verb for an answer of a type.
func asked[Out any](q *request, verb string, in any) (out Out, err error) {
	err = q.ask(verb, in, &out)
	return out, err
}

// lately is how exact pages are about where "the last day" begins: the same question within so long has the same answer,
// which the api keeps.
const lately = time.Minute

// lately is when a time that ends now began.
func (q *request) lately(long time.Duration) time.Time { return q.now.Truncate(lately).Add(-long) }

// page is what a page function returns: a template and what it shows, or a way elsewhere.
type page struct {
	template string // of templates/<template>.html
	title    string // of the document; "" is the route's
	data     any    // what the template shows, as .Data
	status   int    // 0 is 200
	crumbs   []crumb
	styles   []string // of static/, beside base.css: "job.css"
	scripts  []string // modules of static/, beside base.js: "log-view.js"
	// live names the entities whose facts make the page stale, with spaces between them: "job/42", "device/", or
	// "*" for all. Empty is a page that stands still.
	live string
	help string // anchor or page below /help/ that explains this page: "first-job"
	wide bool   // takes the whole width of the window

	to      string // address that the browser is sent to with 303, in place of all above
	note    string // sentence that the next page shows
	json    any    // answered in place of a page
	written bool   // the answer has been written to request.w already
	header  http.Header
}

// crumb is a step of the way to a page. The last one is the page itself and has no address.
type crumb struct {
	Text, To string
}

// frame is what every template gets.
type frame struct {
	Title, Instance, Version string
	Visitor                  Visitor
	Crumbs                   []crumb
	Styles, Scripts          []string
	Live, Help, Theme, Note  string
	Path                     string // with its query: where a form comes back to
	Section                  string // of the navigation
	Wide                     bool
	Now                      time.Time
	Data                     any
}

// policy is the content security policy of every page: nothing from elsewhere, nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// serve answers a request to a route.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, to route) {
	q := &request{Request: r, site: s, now: s.d.Now(), w: w}
	var p page
	var err error
	if q.Visitor, err = s.d.Who(r); err != nil {
		q.Visitor = Visitor{Call: func(context.Context, string, any, any) error { return err }}
		err = &Refusal{Code: "unauthorized", Message: err.Error()}
	} else {
		p, err = to.page(q)
	}
	if err != nil {
		p = s.failed(q, err)
	}
	if p.title == "" {
		p.title = to.title
	}
	p.placed(to)
	s.answer(q, p)
}

// placed gives a page that does not say so itself its place and its chapter of the manual, so that each has both above
// its head. The first page, questions and errors stand for themselves.
func (p *page) placed(to route) {
	switch {
	case p.template == "", p.template == "home", p.template == "error", p.template == "confirm", p.template == "sign-in", strings.HasPrefix(to.path, "/help"):
		return
	case len(p.crumbs) == 0:
		p.crumbs = []crumb{{p.title, ""}}
	}
	if p.help != "" {
		return
	}
	switch part := section(to.path); {
	case part == "devices" || part == "workers":
		p.help = part
	case part == "results" || part == "reports":
		p.help = "judgement"
	case part == "search":
		p.help = "log-search"
	default:
		p.help = "web"
	}
}

// answer writes what a page function returned.
func (s *Site) answer(q *request, p page) {
	h := q.w.Header()
	for key, values := range p.header {
		h[key] = values
	}
	if p.note != "" {
		setNote(q, p.note)
	}
	switch {
	case p.written:
	case p.to != "":
		http.Redirect(q.w, q.Request, p.to, http.StatusSeeOther)
	case p.json != nil:
		h.Set("Content-Type", "application/json")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if p.status != 0 {
			q.w.WriteHeader(p.status)
		}
		_ = json.NewEncoder(q.w).Encode(p.json) // the browser may be gone
	default:
		s.draw(q, p)
	}
}

// draw renders a page. It is rendered whole before a byte is sent, so that one that fails half-way is an error page.
func (s *Site) draw(q *request, p page) {
	f := frame{Title: p.title, Instance: s.d.Name, Version: s.d.Version, Visitor: q.Visitor, Crumbs: p.crumbs, Styles: p.styles,
		Scripts: p.scripts, Live: p.live, Help: p.help, Theme: theme(q.Request), Path: q.URL.RequestURI(), Section: section(q.URL.Path),
		Wide: p.wide, Now: q.now, Data: p.data}
	f.Note = takeNote(q)
	if !q.SignedIn {
		f.Live = "" // facts are told to those who have a name
	}
	var text bytes.Buffer
	if err := s.drawn.render(&text, p.template, f); err != nil {
		s.d.Logger.Error("page failed", "path", q.URL.Path, "template", p.template, "err", err)
		text.Reset()
		f.Data, p.status = failure{Status: http.StatusInternalServerError, Message: "this page could not be drawn; the lab's log says why"}, http.StatusInternalServerError
		if err := s.drawn.render(&text, "error", f); err != nil {
			http.Error(q.w, "this page could not be drawn", http.StatusInternalServerError)
			return
		}
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Cookie, Authorization, Accept-Encoding")
	if p.status == 0 {
		p.status = http.StatusOK
	}
	if text.Len() < 1400 || !strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
		q.w.WriteHeader(p.status)
		_, _ = q.w.Write(text.Bytes()) // the browser may be gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	z := s.zips.Get().(*gzip.Writer)
	defer s.zips.Put(z)
	var short bytes.Buffer
	short.Grow(text.Len() / 3)
	z.Reset(&short)
	_, _ = z.Write(text.Bytes()) // into memory
	_ = z.Close()
	h.Set("Content-Length", strconv.Itoa(short.Len())) // or the server cuts it into chunks, each a write of its own
	q.w.WriteHeader(p.status)
	_, _ = q.w.Write(short.Bytes()) // the browser may be gone
}

// failure is what the page of an error shows.
type failure struct {
	Status  int
	Heading string
	Message string
	Field   string
	SignIn  bool // signing in may help
}

// failed is the page of an error. Programs that did not ask for HTML get JSON, as from LAVA.
func (s *Site) failed(q *request, err error) page {
	f := failure{Status: http.StatusInternalServerError, Message: err.Error()}
	var no *Refusal
	var wrong *wrongMethod
	switch {
	case errors.As(err, &no):
		f.Status, f.Field = no.status(), no.Field
		if no.Code == "unauthorized" {
			f.Status = http.StatusUnauthorized
		}
	case errors.As(err, &wrong):
		f.Status = http.StatusMethodNotAllowed
	case errors.Is(err, context.Canceled):
		return page{written: true}
	}
	if f.Status == http.StatusInternalServerError {
		s.d.Logger.Error("page failed", "path", q.URL.Path, "err", err)
	}
	f.SignIn = !q.SignedIn && (f.Status == http.StatusForbidden || f.Status == http.StatusUnauthorized)
	if f.SignIn && strings.Contains(f.Message, "sign in first; give a token") {
		f.Message = "The lab shows this to people who have signed in." // the api has words for a terminal
	}
	f.Heading = map[int]string{400: "That is not possible", 401: "Sign in again", 403: "Not yours to see", 404: "Nothing here",
		405: "Not here", 409: "Not now", 429: "Too often", 500: "Something broke", 503: "Not at the moment"}[f.Status]
	header := http.Header{}
	if f.Status == http.StatusServiceUnavailable || f.Status == http.StatusTooManyRequests {
		header.Set("Retry-After", "5")
	}
	if accept := q.Header.Get("Accept"); accept != "" && !strings.Contains(accept, "html") && !strings.Contains(accept, "*/*") {
		return page{status: f.Status, header: header, json: map[string]string{"exception_type": http.StatusText(f.Status), "exception_value": f.Message}}
	}
	return page{template: "error", title: f.Heading, status: f.Status, header: header, data: f}
}

// note is the cookie that carries a sentence to the next page.
const noteCookie = "strata-note"

// mostNote is how many bytes of a note are kept: browsers drop cookies of more than 4 KiB, in which a byte may take three.
const mostNote = 1000

// setNote has the next page say something.
func setNote(q *request, text string) {
	if len(text) > mostNote {
		text = strings.ToValidUTF8(text[:mostNote], "") + " …"
	}
	http.SetCookie(q.w, &http.Cookie{Name: noteCookie, Value: url.QueryEscape(text), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: q.TLS != nil})
}

// takeNote returns what this page is to say, once.
func takeNote(q *request) string {
	c, err := q.Cookie(noteCookie)
	if err != nil || c.Value == "" || q.Header.Get(liveHeader) != "" {
		return ""
	}
	http.SetCookie(q.w, &http.Cookie{Name: noteCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return text
}

// liveHeader marks requests of static/live.js, which take no notes from those who look.
const liveHeader = "X-Strata-Live"

// section is the part of the navigation that an address belongs to.
func section(path string) string {
	rest := strings.TrimPrefix(path, "/scheduler/")
	word, _, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	switch {
	case path == "/" || path == "/scheduler/" || path == "/scheduler":
		return "home"
	case word == "queue" || strings.HasSuffix(word, "queuedjobs"):
		return "queue"
	case word == "jobsubmit":
		return "submit"
	case strings.HasPrefix(word, "job") || strings.HasSuffix(word, "jobs") || word == "running":
		return "jobs"
	case strings.HasPrefix(word, "device") || strings.HasSuffix(word, "devices") || word == "labhealth":
		return "devices"
	case strings.HasPrefix(word, "worker") || word == "allworkers":
		return "workers"
	case strings.HasPrefix(path, "/results"):
		return "results"
	case word == "reports" || word == "failures":
		return "reports"
	}
	return word
}

// back is the address on this site that a form names to come back to, or fallback.
func (q *request) back(fallback string) string { return onSite(q.PostFormValue("back"), fallback) }

// onSite is an address that somebody may have planted in a link or a form, where it leads to a page of this site, or else
// fallback. Browsers take \ for / and leave tabs and ends of lines out, by which "/\t/evil" would be another host's; the
// latter [url.Parse] refuses.
func onSite(to, fallback string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return fallback
	}
	return to
}
