package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// evil is what somebody hopes to get into a page as it is: every text of these labs has it.
// The braces would be an action of a template, the quotes would end an attribute, and & begins an entity.
const evil = `<i>evil</i>"'&{{.}}`

// made is a lab whose answers are made from the types that pages ask for, so that no page is forgotten: all fields are
// filled, or none is, or every question is refused.
type made struct {
	name  string
	fill  bool
	no    *Refusal
	state string // of jobs, whose pages differ by it
}

// madeLabs are the labs that every page is asked in.
func madeLabs() []made {
	labs := []made{{name: "that has nothing"}, {name: "that is away", no: &Refusal{Code: "away", Message: evil + " is away"}},
		{name: "that denies all", no: &Refusal{Code: "denied", Message: evil + " may not"}}, {name: "that is too busy", no: &Refusal{Code: "busy", Message: evil}},
		{name: "that finds nothing", no: &Refusal{Code: "not-found", Message: "there is no " + evil}}}
	for _, state := range []string{"Submitted", "Running", "Finished", "Rejected", evil} {
		labs = append(labs, made{name: "full of evil, with jobs that are " + state, fill: true, state: state})
	}
	return labs
}

// visitor is somebody who comes to such a lab.
func (m made) visitor(v Visitor) Visitor {
	v.Call = func(_ context.Context, verb string, in, out any) error {
		switch {
		case m.no != nil:
			return m.no
		case verb == "log.lines" && !m.fill:
			return json.Unmarshal([]byte(`{"done":true}`), out)
		case out == nil || !m.fill:
			return nil
		case verb == "rights":
			return m.rights(in, out)
		}
		filled(reflect.ValueOf(out).Elem(), 0)
		switch j := out.(type) {
		case *shownJob:
			j.State, j.Health = m.state, "Incomplete"
		case *queryRows:
			j.More = false // a matrix asks until there is no more
		case *json.RawMessage: // log.lines
			*j = json.RawMessage(`{"job":3,"first":0,"rows":1,"lines":1,"done":true,"records":[{"n":0,"dt":"2026-11-23T10:00:00Z","lvl":"target","msg":` + quotedJSON(evil) + `}]}`)
		}
		return nil
	}
	v.Submit = func(context.Context, []byte, string) (uint64, error) { return 3, nil }
	v.Stream = func(_ context.Context, verb string, _ any, each func(map[string]string, []byte) error) error {
		switch {
		case m.no != nil:
			return m.no
		case !m.fill || verb == "sql":
			return nil
		case verb == "events":
			return each(nil, []byte(`{"seq":3,"name":`+quotedJSON(evil)+`,"entity":"job/3","time":"2026-11-23T10:00:00Z","actor":`+quotedJSON(evil)+`,"data":{}}`))
		case verb == "charts.draw":
			return each(nil, []byte("<svg></svg>"))
		}
		return each(nil, []byte(`{"line":`+quotedJSON(evil)+`,"step":{"step":`+quotedJSON(evil)+`,"says":`+quotedJSON(evil)+`}}`))
	}
	return v
}

// everySite is the pages of all these labs. Packing what pages are made of takes longer than most of them, so there is
// one site, and a header of the request says in which lab and for whom it is answered.
// The header is read by Who alone, which no real process has so.
func everySite(t *testing.T, labs []made) *Site {
	t.Helper()
	of := func(r *http.Request) made {
		i, _ := strconv.Atoi(r.Header.Get("Test-Lab")) // of this test
		return labs[i]
	}
	s, err := New(Deps{Who: func(r *http.Request) (Visitor, error) {
		return of(r).visitor(visitors()[r.Header.Get("Test-Who")]), nil
	},
		Now: func() time.Time { return noon }, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})), Name: evil, Version: evil,
		Bundle: func(_ context.Context, _ Visitor, _ uint64, to io.Writer) error {
			_, err := io.WriteString(to, "tar")
			return err
		},
		SignIn:  func(_ http.ResponseWriter, r *http.Request, _, _ string) error { return of(r).refused() },
		SignOut: func(_ http.ResponseWriter, r *http.Request) error { return of(r).refused() },
		Interfaces: func() []Interfaces {
			return []Interfaces{{Title: evil, Lead: evil, Reference: "/" + evil, Page: evil, All: []Interface{{evil, evil, evil}}}}
		},
		Providers: func() []Provider { return []Provider{{evil, "/oidc/authenticate/"}} }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asking is a request of a visitor of a lab, with a form if there is one.
func asking(s *Site, lab int, who, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Test-Lab", strconv.Itoa(lab))
	r.Header.Set("Test-Who", who)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// refused is what the lab says to whoever signs in or out.
func (m made) refused() error {
	if m.no == nil {
		return nil // a *Refusal in an error would not be nil
	}
	return m.no
}

// rights gives the visitor every right with all that is asked about.
func (m made) rights(in, out any) error {
	var asked struct{ Of []string }
	text, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(text, &asked)
	}
	all := map[string][]string{}
	for _, thing := range asked.Of {
		all[thing] = []string{"view", "submit", "resubmit", "cancel", "change", "add", "remove"}
	}
	if err == nil {
		text, err = json.Marshal(all)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// filled puts something into each field of a value, evil into its texts.
// Six levels deep, as some answers hold themselves. A type that is embedded under a small letter cannot be set as a whole, but its
// fields can, as JSON does.
func filled(v reflect.Value, depth int) {
	if depth > 6 || !v.CanSet() && v.Kind() != reflect.Struct {
		return
	}
	if v.CanSet() {
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(noon.Add(-time.Hour)))
			return
		case json.RawMessage:
			v.SetBytes([]byte(quotedJSON(evil)))
			return
		}
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(3)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), depth+1)
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(evil))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		filled(v.Index(0), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		filled(key, depth+1)
		filled(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == "-" {
				continue // is no answer of the lab
			}
			filled(v.Field(i), depth+1)
		}
	}
}

func quotedJSON(text string) string {
	out, _ := json.Marshal(text) // a text can always be written
	return string(out)
}

// visitors are who comes.
func visitors() map[string]Visitor {
	return map[string]Visitor{"a superuser": {Name: evil, SignedIn: true, Staff: true, Superuser: true}, "somebody": {Name: "alice", SignedIn: true}, "nobody": {}}
}

// placeholders are the parts of an address that stand for something.
var placeholders = regexp.MustCompile(`\{[a-z]+\}`)

// addressOf is an address of a route, with words put in for what stands for something.
func addressOf(path, word string) string {
	number := regexp.MustCompile(`\{(job|number|id)\}`)
	return placeholders.ReplaceAllString(number.ReplaceAllString(path, "3"), url.PathEscape(word))
}

// TestEveryPage asks for every page there is, in labs that have everything, nothing, or no answer, for people with all
// rights, some and none. Whatever comes back is a whole page under the policy, whose texts are text, or a file.
// The filled answers contradict themselves, as each field is filled by itself: pages have to bear what no lab would say.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	labs := madeLabs()
	s := everySite(t, labs)
	questions := url.Values{}
	for _, name := range []string{"search", "q", "name", "length", "page", "device_type", "suite", "case", "conditions", "entity", "state", "with", "next", "tab"} {
		questions.Set(name, evil)
	}
	questions.Set("sort", "-"+evil)
	for i, m := range labs {
		for who := range visitors() {
			for _, r := range routes() {
				if r.method != http.MethodGet {
					continue
				}
				asks := map[string]string{"x": addressOf(r.path, "x"), "evil": addressOf(r.path, evil) + "?" + questions.Encode()}
				if strings.HasSuffix(r.path, "/{job}") {
					for _, tab := range []string{"results", "timing", "inputs", "files"} {
						asks[tab] = addressOf(r.path, "x") + "?tab=" + tab
					}
				}
				for with, ask := range asks {
					wholePage(t, fmt.Sprintf("%s with %s to %s in a lab %s", r.path, with, who, m.name), asking(s, i, who, r.method, ask, nil), m)
				}
			}
		}
	}
}

// wholePage reports what an answer may not be.
// ZgotmplZ is what html/template writes in place of what it holds for unsafe, such as an address that begins with "javascript:".
func wholePage(t *testing.T, what string, w *httptest.ResponseRecorder, m made) {
	t.Helper()
	text, h := w.Body.String(), w.Header()
	if w.Code >= 500 && (m.no == nil || m.no.Code != "away") {
		t.Errorf("%s: status %d, %q", what, w.Code, regexp.MustCompile(`<p>.*</p>`).FindString(text))
		return
	}
	if to := h.Get("Location"); w.Code == http.StatusSeeOther && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "<>\"\r\n")) {
		t.Errorf("%s leads to %q, which is no address here", what, to)
	}
	if kind := h.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		if strings.HasPrefix(kind, "text/html") || kind == "" && w.Body.Len() > 0 {
			t.Errorf("%s: the type %q of %q leaves browsers to guess", what, kind, text)
		}
		return
	}
	if w.Code == http.StatusSeeOther {
		return // the server's own line about where it leads
	}
	for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", what, name, got, want)
		}
	}
	if strings.Contains(text, "<i>evil") || strings.Contains(text, `evil</i>"`) {
		at := max(strings.Index(text, "<i>evil"), strings.Index(text, `evil</i>"`))
		t.Errorf("%s has a text as markup: …%s…", what, text[max(0, at-200):min(len(text), at+100)])
	}
	if strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "%!") && strings.Contains(text, "(MISSING)") || strings.Contains(text, "&lt;nil&gt;") || strings.Contains(text, "<no value>") {
		t.Errorf("%s has what a template or a format leaves behind: %.300s", what, regexp.MustCompile(`.{0,80}(ZgotmplZ|MISSING|&lt;nil&gt;|<no value>).{0,80}`).FindString(text))
	}
	if !strings.Contains(text, "<title>") || !strings.HasSuffix(strings.TrimSpace(text), "</html>") {
		t.Errorf("%s is no whole page", what)
	}
	checkPage(t, text)
}

// TestEveryForm sends every form there is, empty and full of evil, and nothing breaks: what is refused is a page that
// says so, what is done leads to an address here.
func TestEveryForm(t *testing.T) {
	t.Parallel()
	fields := url.Values{}
	for _, name := range []string{"action", "active", "again", "attributes", "aliases", "architecture", "back", "base", "chart_height", "chosen", "comment", "count", "current", "days", "definition-input",
		"description", "device_type", "devices", "dictionary", "dispatcher", "email", "env", "failure_comment", "failure_tags", "field", "from", "group", "health", "health_check", "health_frequency",
		"hostname", "irc_handle", "item", "job", "job_limit", "join", "kind", "limit", "log", "name", "next", "number", "operator", "password", "permission", "permissions", "priority", "query", "reason",
		"scope", "session", "start_date", "table_length", "tag", "tags", "target_goal", "template", "text", "theme", "title", "token", "until", "up", "use", "user", "username", "value", "worker"} {
		fields.Set(name, evil)
	}
	labs := madeLabs()
	s := everySite(t, labs)
	for i, m := range labs {
		for who := range visitors() {
			for _, r := range routes() {
				if r.method != http.MethodPost {
					continue
				}
				for _, do := range []string{"", "save", "look", "remove", "revoke", "join", evil} {
					form := url.Values{}
					if do != "" { // the empty form is sent once, too
						form = url.Values(http.Header(fields).Clone())
						form.Set("do", do)
					}
					wholePage(t, fmt.Sprintf("POST %s do %q by %s in a lab %s", r.path, do, who, m.name), asking(s, i, who, r.method, addressOf(r.path, evil), form), m)
				}
			}
		}
	}
}

// TestStrangersChangeNothing holds that the forms of somebody without a name, in a lab that refuses nothing by itself,
// do not reach what changes one's own account, jobs or the lab's administration.
// The list is of prefixes: a new verb of these groups passes, one of another group has to be thought about here.
func TestStrangersChangeNothing(t *testing.T) {
	t.Parallel()
	// What the api knows better: it refuses each of these to whom it is not for, and says why.
	asks := []string{"jobs.", "devices.", "workers.", "device-types.", "queries.", "charts.", "reservations.", "notices.", "issues.", "rights", "users.show", "log.", "remote-tokens.", "tokens.revoke", "whoami"}
	v := Visitor{Submit: func(context.Context, []byte, string) (uint64, error) {
		t.Error("a definition of nobody is submitted")
		return 0, nil
	}}
	v.Stream = func(context.Context, string, any, func(map[string]string, []byte) error) error { return nil }
	at := ""
	v.Call = func(_ context.Context, verb string, _, _ any) error {
		if !slices.ContainsFunc(asks, func(prefix string) bool { return strings.HasPrefix(verb, prefix) }) {
			t.Errorf("POST %s of somebody without a name asks %s", at, verb)
		}
		return nil
	}
	s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return v, nil }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes() {
		if r.method == http.MethodPost {
			at = addressOf(r.path, "x")
			post(s, at, url.Values{"do": {"save"}, "definition-input": {"job_name: x\n"}, "user": {"x"}, "days": {"3"}, "table_length": {"10"}, "password": {"x"}, "again": {"x"}})
		}
	}
}
