package lava

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/device"
)

// Server is a LAVA server that answers to REST v0.2 and XML-RPC.
type Server struct {
	URL    string // such as https://lava.example.com, without /api
	Token  string // of a superuser, or private things are missing
	Client *http.Client
	Logger *slog.Logger // nil is silent
}

// answerBytes is the most that one answer may have.
// A list of 500 rows of which each has a long description is far below it; without a limit a server
// could fill the memory.
const answerBytes = 64 << 20

// errAbsent says that the server does not have what was asked for, or does not show it.
var errAbsent = errors.New("the server does not have it, or does not show it to the token's user")

// reading is a server being read.
type reading struct {
	Server
	c         *Config
	user      string            // that the token is of
	tags      map[int]string    // by number
	users     map[int]string    // nil where the server does not tell
	groups    map[int]string    // likewise
	templates map[string]string // read so far, by name without suffix; "" of those that are not there
	kinds     map[string]deviceType
}

// Read asks the server for its configuration. What it does not tell is named in the Config; an error is a
// server that does not answer, or not as LAVA does.
func (s Server) Read(ctx context.Context) (*Config, error) {
	r := &reading{Server: s, c: &Config{}, tags: map[int]string{}, templates: map[string]string{}, kinds: map[string]deviceType{}}
	r.URL = strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(r.URL, "/"), "/RPC2"), "/api/v0.2")
	if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a server: write it like https://lava.example.com", s.URL)
	}
	var who struct {
		User string `json:"user"`
	}
	if err := r.get(ctx, "system/whoami/", &who); err != nil {
		return nil, fmt.Errorf("ask %s who the token is of: %w", r.URL, err)
	}
	if r.user = who.User; r.user == "" {
		return nil, fmt.Errorf("%s does not know the token", r.URL)
	}
	for _, step := range []func(context.Context) error{r.readPeople, r.readTypes, r.readTags, r.readWorkers, r.readDevices, r.readPermissions, r.readTemplates} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.c.healthChecks(func(template string) string { return r.healthCheck(ctx, template) })
	return r.c, nil
}

// get asks REST for one thing.
func (r *reading) get(ctx context.Context, path string, into any) error {
	body, err := r.fetch(ctx, "/api/v0.2/"+path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// fetch returns the body of an answer; the error is errAbsent for what is not there.
func (r *reading) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Token "+r.Token)
	return r.do(req)
}

func (r *reading) do(req *http.Request) ([]byte, error) {
	client := http.Client{Timeout: 2 * time.Minute}
	if r.Client != nil {
		// A copy: the caller's client keeps its own rule for redirects.
		client = *r.Client
	}
	// A server that sends http to https would get the token twice, once in the clear: say the right address.
	client.CheckRedirect = func(to *http.Request, _ []*http.Request) error {
		return fmt.Errorf("the server says to ask %s://%s instead", to.URL.Scheme, to.URL.Host)
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes+1))
	path := req.URL.RequestURI()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(body) > answerBytes:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", path, answerBytes)
	case answer.StatusCode == http.StatusOK:
		return body, nil
	}
	// DRF tells in words what is wrong; LAVA's own page of an error is long and says nothing.
	var said struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(body, &said)
	// LAVA says 400 for a file that is not there, of a worker as of a device type.
	if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusBadRequest {
		return nil, fmt.Errorf("%s: %s %s: %w", path, answer.Status, said.Detail, errAbsent)
	}
	return nil, fmt.Errorf("%s: %s", path, strings.TrimSpace(answer.Status+" "+said.Detail))
}

// pageOf is how many rows are asked for at once.
const pageOf = 500

// all asks REST for all rows of a list. The server does not promise an order, so rows that a page repeats,
// and those that one misses, are found by their keys.
// Fewer rows than the server counted is an error rather than a smaller lab.
func all[T any](ctx context.Context, r *reading, path string, key func(T) string) ([]T, error) {
	var rows []T
	seen := map[string]bool{}
	query := "?"
	if strings.Contains(path, "?") {
		query = "&"
	}
	for offset := 0; ; offset += pageOf {
		var page struct {
			Count   int `json:"count"`
			Results []T `json:"results"`
		}
		if err := r.get(ctx, fmt.Sprintf("%s%slimit=%d&offset=%d", path, query, pageOf, offset), &page); err != nil {
			return nil, err
		}
		for _, row := range page.Results {
			if !seen[key(row)] {
				seen[key(row)] = true
				rows = append(rows, row)
			}
		}
		if offset+pageOf >= page.Count || len(page.Results) == 0 {
			if len(rows) < page.Count {
				return nil, fmt.Errorf("%s: the server said there are %d and gave %d: it changed meanwhile, try again", path, page.Count, len(rows))
			}
			return rows, nil
		}
	}
}

// named is a row with a number and a name.
type named struct {
	ID          int     `json:"id"`
	Name        string  `json:"name"`
	Username    string  `json:"username"`
	Description *string `json:"description"`
}

func (n named) key() string { return strconv.Itoa(n.ID) }

// readPeople reads the names of users and groups where the server tells them: to superusers, and not the
// older ones. Devices name them by number.
// So no answer here ends the import: owners come from the devices' pages then.
func (r *reading) readPeople(ctx context.Context) error {
	for path, into := range map[string]*map[int]string{"users/": &r.users, "groups/": &r.groups} {
		rows, err := all(ctx, r, path, named.key)
		if err != nil {
			r.note("the server does not tell its people", "path", path, "err", err)
			continue
		}
		*into = map[int]string{}
		for _, n := range rows {
			(*into)[n.ID] = n.Username + n.Name // each has one of them
		}
	}
	return nil
}

// readTags reads tags. Anonymous users and those without the right get none.
func (r *reading) readTags(ctx context.Context) error {
	rows, err := all(ctx, r, "tags/", named.key)
	if err != nil {
		r.c.unread(events.Tag, "*", "tags: %v", err)
		return nil
	}
	for _, t := range rows {
		r.tags[t.ID] = t.Name
		r.c.object(events.Tag, t.Name).Settings["description"] = deref(t.Description)
	}
	return nil
}

// permission is a row of a group's right on a device or device type.
type permission struct {
	ID         int    `json:"id"`
	Group      string `json:"group"`
	Permission string `json:"permission"`
	Device     string `json:"device"`
	DeviceType string `json:"devicetype"`
}

// readPermissions reads what groups may do with devices and types: for superusers only.
// A thing without rows gets an empty setting: a right that was taken away there must not live on here.
func (r *reading) readPermissions(ctx context.Context) error {
	for path, kind := range map[string]events.Kind{"permissions/devices/": events.Device, "permissions/devicetypes/": events.DeviceType} {
		rows, err := all(ctx, r, path, func(p permission) string { return strconv.Itoa(p.ID) })
		if err != nil {
			r.c.unread(kind, "*", "permissions: %v", err)
			continue
		}
		granted := map[string][]string{}
		for _, p := range rows {
			name := p.Device + p.DeviceType
			granted[name] = append(granted[name], p.Group+":"+p.Permission)
		}
		for _, o := range r.c.Objects {
			if o.Kind == kind {
				slices.Sort(granted[o.Name])
				o.Settings["permissions"] = strings.Join(granted[o.Name], "\n")
			}
		}
	}
	return nil
}

// readTemplates reads the templates of all types, of what devices extend, and of what those extend.
// Each name is asked for once, so templates that include one another come to an end. One that is not
// there but comes with Strata is no loss, and is not told.
func (r *reading) readTemplates(ctx context.Context) error {
	var want []string
	for _, o := range r.c.Objects {
		if o.Kind == events.DeviceType {
			want = append(want, o.Name)
		}
		for _, file := range needs(o.Settings["dictionary"]) {
			want = append(want, templateName(file))
		}
	}
	for len(want) > 0 {
		name := want[0]
		want = want[1:]
		if _, done := r.templates[name]; done {
			continue
		}
		text, err := r.template(ctx, name)
		r.templates[name] = text
		if err != nil {
			if _, ours := device.OwnTemplate(name + suffix); !ours {
				r.c.unread(events.DeviceType, name, "its template cannot be read: %v", err)
			}
			continue
		}
		r.c.object(events.DeviceType, name).Settings["template"] = text
		for _, file := range needs(text) {
			want = append(want, templateName(file))
		}
	}
	return nil
}

// template reads a template: by REST where it is one of a device type, by XML-RPC otherwise.
// REST answers for templates that are device types; base templates are not.
func (r *reading) template(ctx context.Context, name string) (string, error) {
	if _, is := r.kinds[name]; is {
		if body, err := r.fetch(ctx, "/api/v0.2/devicetypes/"+url.PathEscape(name)+"/template/"); err == nil {
			return string(body), nil
		}
	}
	return r.call(ctx, "scheduler.device_types.get_template", name)
}

// healthCheck reads the check of a template's name. REST and XML-RPC know those of device types only, the
// scheduler every file: one that belongs to no device type cannot be read.
func (r *reading) healthCheck(ctx context.Context, template string) string {
	if _, is := r.kinds[template]; !is {
		return ""
	}
	body, err := r.fetch(ctx, "/api/v0.2/devicetypes/"+url.PathEscape(template)+"/health_check/")
	switch {
	case err == nil:
		return string(body)
	case !errors.Is(err, errAbsent):
		r.c.unread(events.DeviceType, template, "its health check cannot be read: %v", err)
	}
	return ""
}

func (r *reading) note(msg string, args ...any) {
	if r.Logger != nil {
		r.Logger.Debug(msg, args...)
	}
}

// deref returns what p points at, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
