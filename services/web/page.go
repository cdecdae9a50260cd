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
	"sync"
	"time"
)

// request is one request and who sent it.
type request struct {
	*http.Request
	Visitor
	site *Site
	// now is taken once, so that "3 min ago" and "since" on one page agree; it is in the zone of the process, and pages write UTC.
	now time.Time
	w   http.ResponseWriter // for answers that are no pages; see [page.written]
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

// beside asks several things at the same time, and waits for all. Each writes what it learns to places of its own.
func beside(things ...func()) {
	var group sync.WaitGroup
	for _, thing := range things {
		group.Go(thing)
	}
	group.Wait()
}

// lately is how exact pages are about where "the last day" begins: the same question within so long has the same answer,
// which the api keeps.
// Exact moments would make each request a question of its own, and none would ever be answered from what is kept
// (services/api/kept.go); a minute is less than anybody reads off "the last day".
const lately = time.Minute

// lately is when a time that ends now began.
func (q *request) lately(long time.Duration) time.Time { return q.now.Truncate(lately).Add(-long) }

// page is what a page function returns: a template and what it shows, or a way elsewhere.
// Of to, json and written at most one is set; the first that is set wins, in the order of [Site.answer].
type page struct {
	template string // of templates/<template>.html
	title    string // of the document; "" is the route's
	data     any    // what the template shows, as .Data
	status   int    // 0 is 200
	crumbs   []crumb
	// They come in the head and hold back the first paint, so a page names those alone that it needs.
	styles []string // of static/, beside base.css: "job.css"
	// Modules run once the document has been read, in this order, and never before what they look for is there.
	scripts []string // modules of static/, beside base.js: "log-view.js"
	// live names the entities whose facts make the page stale, with spaces between them: "job/42", "device/", or
	// "*" for all. Empty is a page that stands still.
	// Too wide a net costs: at each fact that concerns it the whole page is asked for and drawn anew, for everybody who has it open.
	live string
	// Not an address: the part of one behind /help/, such as "queries#conditions".
	help string // anchor or page below /help/ that explains this page: "first-job"
	// For what is as wide as its content, such as logs and matrices; prose and forms are unreadable across a large screen.
	wide bool // takes the whole width of the window

	to   string // address that the browser is sent to with 303, in place of all above
	note string // sentence that the next page shows
	json any    // answered in place of a page
	// Then status and headers have been sent, or set on request.w, by the page function itself; header below is merged before.
	written bool // the answer has been written to request.w already
	header  http.Header
}

// crumb is a step of the way to a page. The last one is the page itself and has no address.
// Its address is left out on the last one, which a screen reader is told to be the current page (aria-current).
type crumb struct {
	Text, To string
}

// frame is what every template gets.
// Templates reach these as $.Name from anywhere; what a page itself shows is .Data.
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
// style-src has no 'unsafe-inline', so neither <style> nor style="…" works, also not when html/template or a chart writes it:
// lengths go into SVG attributes, tones into classes. Scripts may still set el.style, which the policy does not see as inline.
// form-action keeps a planted form from sending what is typed elsewhere; Chromium holds redirects that answer a form to it, too,
// so a sign-in by a provider begins with a link and not with a button.
// frame-ancestors does what X-Frame-Options did; base-uri keeps a planted <base> from leading relative addresses away.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// serve answers a request to a route.
// A credential that is worth nothing gets the error page of somebody without a name, whose every further question fails
// likewise: the page must not fall back to what anybody may see, or a program with a revoked token would take that for all.
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
// It goes by the route's path and not by the request's, so that a device called "workers" does not change its chapter.
func (p *page) placed(to route) {
	switch {
	case p.template == "", p.template == "home", p.template == "error", p.template == "confirm", p.template == "sign-in", strings.HasPrefix(to.path, "/help"):
		return
	// Falls through to the help below: a page may know its way and not its chapter, or the other way round.
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
// Nothing may be written to request.w before it, other than by who says so with written.
func (s *Site) answer(q *request, p page) {
	h := q.w.Header()
	for key, values := range p.header {
		h[key] = values
	}
	// Before the status goes out: a cookie is a header.
	if p.note != "" {
		setNote(q, p.note)
	}
	switch {
	case p.written:
	case p.to != "":
		// 303 and not 302: the next request is a GET whatever this one was, so a reload of the next page sends no form again.
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
	// The stream of facts would answer 401, and live.js would say so at the foot of each page.
	if !q.SignedIn {
		f.Live = "" // facts are told to those who have a name
	}
	// The template has the visitor's own rights in it and is never shared: what is kept is kept by the api, for one caller.
	var text bytes.Buffer
	if err := s.drawn.render(&text, p.template, f); err != nil {
		s.d.Logger.Error("page failed", "path", q.URL.Path, "template", p.template, "err", err)
		// What stands in it already may end in the middle of a tag.
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
	// Addresses name jobs, devices and what was searched for; other sites learn none of it from a link in a log or a comment.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	// Proxies that keep pages in spite of no-store at least do not show one person's to another.
	h.Set("Vary", "Cookie, Authorization, Accept-Encoding")
	if p.status == 0 {
		p.status = http.StatusOK
	}
	// What fits a packet is not made smaller by compressing it; 1,400 bytes and the headers are about what one carries.
	if text.Len() < 1400 || !strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
		q.w.WriteHeader(p.status)
		_, _ = q.w.Write(text.Bytes()) // the browser may be gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	// The pool hands out writers that have been used: Reset below is what makes one new.
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
// Message is written by the api or by a page for people, and escaped by the template as all else is.
type failure struct {
	Status  int
	Heading string
	Message string
	Field   string
	SignIn  bool // signing in may help
}

// failed is the page of an error. Programs that did not ask for HTML get JSON, as from LAVA.
// The words of a refusal are shown as they are: they name the field, the value and what is allowed, and hide what may not be
// known. Those of a fault are shown too, as on LAVA's pages; whoever runs the lab finds it in the log with its path.
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
	// The browser has gone, which is no fault: nobody reads an answer, and the log would fill with people who click on.
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
	// One for each status that this package answers with; a status without one would draw a page without a heading.
	f.Heading = map[int]string{400: "That is not possible", 401: "Sign in again", 403: "Not yours to see", 404: "Nothing here",
		405: "Not here", 409: "Not now", 429: "Too often", 500: "Something broke", 503: "Not at the moment"}[f.Status]
	// Clients that honour it come back by themselves; five seconds is about what tables need to be there after a start.
	header := http.Header{}
	if f.Status == http.StatusServiceUnavailable || f.Status == http.StatusTooManyRequests {
		header.Set("Retry-After", "5")
	}
	// No Accept, or */* as curl sends it, gets the page: LAVA too gives JSON to those alone who name types without HTML.
	if accept := q.Header.Get("Accept"); accept != "" && !strings.Contains(accept, "html") && !strings.Contains(accept, "*/*") {
		return page{status: f.Status, header: header, json: map[string]string{"exception_type": http.StatusText(f.Status), "exception_value": f.Message}}
	}
	return page{template: "error", title: f.Heading, status: f.Status, header: header, data: f}
}

// note is the cookie that carries a sentence to the next page.
// A cookie, as a redirect carries nothing else that does not stay in an address, where a reload or a bookmark would repeat it.
const noteCookie = "strata-note"

// mostNote is how many bytes of a note are kept: browsers drop cookies of more than 4 KiB, in which a byte may take three.
// The value is escaped, as a cookie holds neither blanks, quotes, commas nor anything beyond ASCII (RFC 6265).
const mostNote = 1000

// setNote has the next page say something.
func setNote(q *request, text string) {
	if len(text) > mostNote {
		// The cut may have gone through a letter.
		text = strings.ToValidUTF8(text[:mostNote], "") + " …"
	}
	http.SetCookie(q.w, &http.Cookie{Name: noteCookie, Value: url.QueryEscape(text), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: q.TLS != nil})
}

// takeNote returns what this page is to say, once.
// live.js is told none: it takes of a page only the parts that differ, and the note would be gone unseen.
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
// A page may leave out for it what the browser has already, such as the lines of a log ([jobData.viewLog]).
const liveHeader = "X-Strata-Live"

// section is the part of the navigation that an address belongs to.
// Its words are those of the template "nav" and of [page.placed]; what is not among them marks nothing.
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
// The address of a sign-in's next page is the usual way to lead people who trust this site's name to another (CWE-601).
func onSite(to, fallback string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return fallback
	}
	return to
}
