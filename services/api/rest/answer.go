package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"strata/services/api"
)

// object is a JSON object whose keys keep their order, as LAVA's do. The dispatcher's log records and the schemas of
// events have one each: below them there is no package that all three may import, and for twenty lines an interface
// should not hang on the program that runs jobs.
// A nil one is written as {}, which LAVA has where nothing is there; a list must be made non-nil for [].
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members in their order.
// Go's maps are written sorted. LAVA's answers have the order of its serializers, and recordings and
// people's scripts (cut, grep) hang on it.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := encoded(m.key)
		if err != nil {
			return nil, err
		}
		value, err := encoded(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encoded is a value as JSON, with the characters of HTML as they are.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	// Python's json leaves < and > as they are, and logs and definitions are full of them.
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// answer is what an operation answers: a value as JSON, or a file.
// header is for what the operation adds: Retry-After, X-Is-Finished, Location.
type answer struct {
	status int // 0 is 200
	body   any // as JSON; nil has no body, but for files
	header http.Header
	file   *file
	plain  string // in place of a body: a sentence, as LAVA's pages refuse
}

// file is a download.
type file struct {
	name, contentType string
	write             func(w io.Writer) error
}

// ok answers a value with 200.
func ok(body any) (answer, error) { return answer{body: body}, nil }

// said answers a message, in the shape of LAVA's actions.
func said(status int, message string) (answer, error) {
	return answer{status: status, body: object{{"message", message}}}, nil
}

// textFile is a download of a text.
// name stands in Content-Disposition, as LAVA's clients save the file; see [fileName].
func textFile(name, contentType, text string) (answer, error) {
	return answer{file: &file{name: name, contentType: contentType, write: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}}, nil
}

// problem is an error with the answer that it gets.
// It is an error so that helpers can return it from any depth; [server.serve] is where it becomes an
// answer.
type problem struct {
	status int
	body   any
	header http.Header
	plain  string // in place of a body, see answer
}

// Error is what logs are told.
// The body may repeat what the caller sent: it goes to the log of this lab alone.
func (p *problem) Error() string {
	text, err := encoded(p.body)
	return fmt.Sprintf("%d %s %v", p.status, text, err)
}

// detail is the shape of most errors.
// Django REST framework has {"detail": …} for all that is not about one field; clients print it.
func detail(status int, format string, args ...any) *problem {
	return &problem{status: status, body: object{{"detail", fmt.Sprintf(format, args...)}}}
}

// invalid is an error about a field.
// A field has a list of sentences; what is about no field has the name non_field_errors.
func invalid(field, format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, body: object{{field, []string{fmt.Sprintf(format, args...)}}}}
}

// notFound and the others are worded as Django REST framework words them.
// The sentences are that framework's own, and clients match on them.
func notFound() *problem { return detail(http.StatusNotFound, "Not found.") }

const (
	unknownToken  = "Invalid token."
	noCredentials = "Authentication credentials were not provided."
	forbidden     = "You do not have permission to perform this action."
)

// refusal returns what a caller is answered for an error.
// v0.2 answers 404 alike for what is not there and for what the caller may not see, where a handler does
// not say otherwise; v1 hides in the api's own words. An error of the program is never shown: it may hold
// paths and addresses of this machine.
func (q *request) refusal(err error) *problem {
	var p *problem
	var e *api.Error
	switch {
	case errors.As(err, &p) && q.version == v1:
		return p.coded()
	case errors.As(err, &p):
		return p
	case !errors.As(err, &e):
		return detail(http.StatusInternalServerError, "internal error; the lab's log has more")
	}
	// Before the status is chosen: what is hidden becomes not-found.
	if q.version == v1 {
		e = e.Strangers()
	}
	// LAVA itself has no 409, 429 and 503 here; each is for what it does not tell.
	status := map[api.Code]int{api.Invalid: 400, api.NotFound: 404, api.Denied: 403, api.Conflict: 409, api.Busy: 429, api.Away: 503}[e.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if q.version == v1 {
		body := object{{"code", string(e.Code)}, {"detail", e.Message}}
		if e.Field != "" {
			body = append(body, member{"field", e.Field})
		}
		return &problem{status: status, body: body, header: later(status)}
	}
	switch {
	case e.Code == api.NotFound:
		return notFound()
	// 403 and not 401, also without a credential: LAVA sends no challenge, and with one browsers would ask
	// their user for a password.
	case e.Code == api.Denied && q.who.User == "":
		return detail(status, noCredentials)
	case e.Code == api.Denied:
		return detail(status, forbidden)
	case e.Code == api.Invalid && e.Field != "":
		return invalid(e.Field, "%s", e.Message)
	}
	p = detail(status, "%s", e.Message)
	p.header = later(status)
	return p
}

// coded is a problem that both versions have, such as a wrong token or a method that is none, as v1 tells it: with a code
// beside the sentence, so that a program need not know which part of the server refused it.
func (p *problem) coded() *problem {
	body, _ := p.body.(object)
	if len(body) != 1 || body[0].key != "detail" {
		return p
	}
	code, known := map[int]api.Code{400: api.Invalid, 403: api.Denied, 404: api.NotFound, 405: api.Invalid, 413: api.Invalid, 429: api.Busy, 503: api.Away}[p.status]
	if !known {
		code = api.Failed
	}
	return &problem{status: p.status, header: p.header, body: object{{"code", string(code)}, body[0]}}
}

// later tells when to try again, where that is of use.
// Seconds (RFC 9110, section 10.2.3).
func later(status int) http.Header {
	if status != http.StatusServiceUnavailable {
		return nil
	}
	return http.Header{"Retry-After": {"5"}}
}

// stamp writes a time as LAVA's REST does: ISO 8601 with microseconds, where there are any.
// Python's isoformat leaves the fraction out where it is zero, and so do the recordings; UTC is a Z.
func stamp(t time.Time) string {
	if t = t.UTC().Truncate(time.Microsecond); t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000000Z")
}

// stamped is stamp, or nil for no time.
// The zero time, 0001-01-01, is none as well: it would be sent as a year that some readers refuse.
func stamped(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return stamp(*t)
}

// orNull is a text, or nil for an empty one.
// LAVA's text columns are null where they were never set, and "" where somebody emptied them; here both
// are null.
func orNull[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// send writes an answer.
func (q *request) send(a answer) {
	// An operation's own headers win over those that [server.serve] has set for all.
	h := q.w.Header()
	for key, values := range a.header {
		h[key] = values
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	switch {
	case a.file != nil:
		q.sendFile(a)
	case a.plain != "":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		q.w.WriteHeader(a.status)
		_, _ = io.WriteString(q.w, a.plain) // the caller may have gone
	// 204, and the 302 of the buttons: no Content-Type either, for there is nothing that has one.
	case a.body == nil:
		q.w.WriteHeader(a.status)
	default:
		q.sendJSON(a.status, a.body)
	}
}

// sendJSON writes a value, to a browser as a page.
// The value is encoded before the first byte is sent, so that an error of it is a 500 of its own.
func (q *request) sendJSON(status int, body any) {
	text, err := encoded(body)
	if err != nil {
		q.d.Logger.Error("encode an answer", "path", q.r.URL.Path, "err", err)
		http.Error(q.w, "internal error", http.StatusInternalServerError)
		return
	}
	if q.html() {
		q.sendPage(status, text)
		return
	}
	if n := q.indent(); n > 0 {
		var b bytes.Buffer
		if json.Indent(&b, text, "", strings.Repeat(" ", n)) == nil {
			text = b.Bytes()
		}
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	// The headers of HEAD are those of GET (RFC 9110, section 9.3.2), which is why it goes all this way.
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write(text) // the caller may have gone
	}
}

// sendFile sends a download. What comes from devices and people is never shown as a page.
func (q *request) sendFile(a answer) {
	h := q.w.Header()
	h.Set("Content-Type", a.file.contentType)
	// With nosniff it keeps browsers from showing a log or a device's file as a page of this origin, where
	// a script in it would have the reader's session.
	h.Set("Content-Disposition", "attachment; filename="+fileName(a.file.name))
	h.Set("X-Content-Type-Options", "nosniff")
	if q.r.Method == http.MethodHead {
		q.w.WriteHeader(a.status)
		return
	}
	begun := &started{ResponseWriter: q.w, status: a.status}
	err := a.file.write(begun)
	switch {
	case err == nil:
		begun.begin()
	// A log without a line is 404, which is known only after it was looked for.
	case !begun.done: // nothing has been sent: an error can still be
		for _, key := range []string{"Content-Disposition", "Content-Type"} {
			h.Del(key)
		}
		q.fail(err)
	default:
		q.d.Logger.Warn("a download broke off", "path", q.r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // else the client takes a part for the whole
	}
}

// started writes the status before the first bytes.
// A download is streamed, so its status must wait for the first byte: an error before it still gets one of
// its own.
type started struct {
	http.ResponseWriter
	status int
	done   bool
}

// begin writes the status, once.
func (s *started) begin() {
	if !s.done {
		s.done = true
		s.WriteHeader(s.status)
	}
}

// Write begins, and writes on.
func (s *started) Write(p []byte) (int, error) {
	s.begin()
	return s.ResponseWriter.Write(p)
}

// fileName writes a name for a header; names of devices and suites may hold anything.
// RFC 6266 would have filename* for other characters; LAVA has plain names, which "curl -OJ" and scripts
// take as they are. A quote or a line end in a name must not begin another parameter or header.
func fileName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\/;`, r) {
			return '_'
		}
		return r
	}, name)
	if strings.ContainsAny(plain, " ()<>@,:[]?={}'") {
		return `"` + plain + `"`
	}
	return plain
}
