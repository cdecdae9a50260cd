package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultLimit is the length of a page where none is asked for, mostLimit of any: a client that asks for more
// is told where the next page is.
// LAVA has no bound; without one a single request for a million jobs with their definitions would hold
// gigabytes. KernelCI asks for 256 at a time.
const (
	defaultLimit = 50
	mostLimit    = 10_000
)

// page says which rows of a list are wanted.
type page struct{ limit, offset int }

// page reads the page that is asked for; what is no number counts as not given, as in Django.
func (q *request) page() page {
	p := page{limit: defaultLimit}
	if n, err := strconv.Atoi(q.query.Get("limit")); (err == nil || errors.Is(err, strconv.ErrRange)) && n > 0 {
		p.limit = min(n, mostLimit)
	}
	// A number that has no end here stands behind every row, as Python's do. The bound keeps the sum of both a number.
	if n, err := strconv.Atoi(q.query.Get("offset")); (err == nil || errors.Is(err, strconv.ErrRange)) && n > 0 {
		p.offset = min(n, 1<<40)
	}
	return p
}

// paged is a list as Django REST framework has it.
// count is of all rows that meet the filters, so lists cannot leave it out; clients follow next until it
// is null.
func (q *request) paged(p page, count uint64, rows []object) object {
	var next, previous any
	if uint64(p.offset+p.limit) < count {
		next = q.pageAt(p, p.offset+p.limit)
	}
	if p.offset > 0 {
		previous = q.pageAt(p, p.offset-p.limit)
	}
	return object{{"count", count}, {"next", next}, {"previous", previous}, {"results", rows}}
}

// pageAt is the address of the page at an offset: parameters in order, as Django writes them.
// An offset of 0 is left out, as Django does: previous of the second page is the plain address.
func (q *request) pageAt(p page, offset int) string {
	query := url.Values{}
	for key, values := range q.query {
		// Django builds the link from the last value of each parameter; url.Values.Encode sorts them by
		// name.
		query.Set(key, values[len(values)-1])
	}
	query.Set("limit", strconv.Itoa(p.limit))
	query.Del("offset")
	if offset > 0 {
		query.Set("offset", strconv.Itoa(offset))
	}
	return q.address(q.r.URL.EscapedPath()) + "?" + query.Encode()
}

// html tells whether the caller is a browser, which is shown a page rather than JSON.
func (q *request) html() bool {
	if q.query.Get("format") != "" {
		return q.query.Get("format") == "api"
	}
	// A browser names text/html first. What takes both and says so is a program.
	accept := q.r.Header.Get("Accept")
	return strings.Contains(accept, "text/html") && !strings.Contains(accept, "application/json")
}

// acceptable refuses a caller of v0.2 who takes no JSON where there is nothing else.
// 406 is LAVA's. Downloads have one form and are sent whatever is accepted, as there; ?format wins over
// the header.
func (q *request) acceptable(o operation) error {
	accept := q.r.Header.Get("Accept")
	if accept == "" || q.version != v02 || o.content != "" || q.query.Get("format") != "" {
		return nil
	}
	for _, part := range strings.Split(accept, ",") {
		// Weights (q=0.8) are not compared: there is nothing to choose from.
		kind, _, err := mime.ParseMediaType(part)
		if err == nil && slices.Contains([]string{"*/*", "application/*", "application/json", "text/*", "text/html"}, kind) {
			return nil
		}
	}
	return detail(http.StatusNotAcceptable, "Could not satisfy the request Accept header.")
}

// indent is how many blanks the caller wants JSON indented by, as in "application/json; indent=4"; 0 is one line.
func (q *request) indent() int {
	for _, part := range strings.Split(q.r.Header.Get("Accept"), ",") {
		if kind, params, err := mime.ParseMediaType(part); err == nil && kind == "application/json" {
			n, _ := strconv.Atoi(params["indent"]) // what is no number asks for nothing
			// The bounds are those of Django REST framework's JSONRenderer.
			return min(max(n, 0), 8)
		}
	}
	return 0
}

// sendPage shows an answer to a person: indented, with addresses to follow. Nothing in it is markup of others.
// The JSON was escaped before links are put into it, and the policy allows neither scripts nor forms:
// names of jobs are whatever their submitters like.
func (q *request) sendPage(status int, text []byte) {
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	q.w.WriteHeader(status)
	shown := html.EscapeString(indented(text))
	// Addresses of this very lab only.
	own := html.EscapeString(`"` + q.address("/api/"))
	var b strings.Builder
	for rest := shown; ; {
		before, after, found := strings.Cut(rest, own)
		b.WriteString(before)
		if !found {
			break
		}
		end := strings.Index(after, "&#34;")
		if end < 0 {
			b.WriteString(own)
			rest = after
			continue
		}
		at := strings.TrimPrefix(own, "&#34;") + after[:end]
		fmt.Fprintf(&b, `&#34;<a href="%s">%s</a>`, at, at)
		rest = after[end:]
	}
	fmt.Fprintf(q.w, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title></head>\n<body><h1>%s</h1><p>%s</p>\n<p>%s %s</p>\n<pre>HTTP %d\nAllow: %s\n\n%s</pre></body></html>\n",
		html.EscapeString(title(q.e.path)), html.EscapeString(title(q.e.path)), html.EscapeString(q.e.doc), html.EscapeString(q.r.Method), html.EscapeString(q.r.URL.RequestURI()),
		status, html.EscapeString(q.e.allowed()), b.String())
}

// indented is JSON for people.
func indented(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "    ") != nil {
		return string(text)
	}
	return b.String()
}
