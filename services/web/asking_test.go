package web

import (
	"context"
	"html"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// endings are the routes of forms that end jobs, or do what nobody takes back, with the controls that have to ask before: the
// form itself, a button by its value, or a choice.
func endings() map[string][]string {
	const lab, auth = "/admin/lava_scheduler_app/", "/admin/auth/"
	return map[string][]string{
		"/scheduler/job/{job}/cancel":          {`<form[^>]*>`},
		"/scheduler/reservations/{number}/end": {`<form[^>]*>`},
		"/notifications":                       {`<form[^>]*>`},
		"/scheduler/device/{name}/health":      {`<option[^>]*>Retired`},
		"/scheduler/worker/{name}/health":      {`<option[^>]*>Retired`},
		lab + "device":                         {`<option[^>]*>Retired`},
		lab + "worker":                         {`<option[^>]*>Retired`},
		lab + "testjob":                        {`<option[^>]*>Cancel`},
		lab + "tag":                            {`<button[^>]* value="remove"[^>]*>`},
		"/admin/issues":                        {`<button[^>]* value="remove"[^>]*>`},
		auth + "group/{name}/change":           {`<button[^>]* value="remove"[^>]*>`},
		auth + "user/{name}/change":            {`<button[^>]* value="remove"[^>]*>`, `<button[^>]* value="revoke"[^>]*>`, `<button[^>]* value="password"[^>]*>`},
	}
}

// harmless are the other routes of forms: what they do, the same form or the one beside it takes back, or it adds something.
func harmless() []string {
	const lab, auth = "/admin/lava_scheduler_app/", "/admin/auth/"
	const query, chart = "/results/query/{owner}/{name}", "/results/chart/{name}"
	return []string{
		"/theme", "/accounts/login", "/accounts/logout", "/me", "/me/password", "/me/sessions", "/update-irc-settings", "/update-table-length-setting", "/update-remote-auth",
		"/api/tokens/create", "/api/tokens/{id}/edit", auth + "user", auth + "group", auth + "permission", lab + "device/add", lab + "devicetype/add", lab + "worker/add",
		"/results/chart/+add", chart + "/+edit", chart + "/+chart-query-add", chart + "/{number}/+chart-query-edit", chart + "/+chart-query-order-update",
		chart + "/{number}/+settings-update", chart + "/{number}/+omit-result", chart + "/{number}/+include-result",
		"/scheduler/device/{name}/edit", "/scheduler/device/{name}/describe", "/scheduler/device/{name}/hands", "/scheduler/device_type/{name}/edit", "/scheduler/worker/{name}/edit",
		"/scheduler/job/{job}/fail", "/scheduler/job/{job}/priority", "/scheduler/job/{job}/annotate_failure", "/scheduler/job/{job}/toggle_favorite",
		"/results/query/+add", query + "/+edit", query + "/+copy", query + "/+omit-result", query + "/+include-result",
		"/scheduler/job/{job}/similarjobs", "/scheduler/reservations", "/scheduler/favorite-jobs", "/scheduler/jobsubmit", "/scheduler/job/{job}/resubmit",
	}
}

// TestEndingsAsk holds that what ends jobs, and what nobody takes back, is asked for first: by the form, or by a page of its
// own at the same address. A form that is new has to be weighed here.
func TestEndingsAsk(t *testing.T) {
	t.Parallel()
	s := fullSite(t)
	asked := map[string]bool{} // "route control" that a page has
	pages := map[string]string{}
	forms, action := regexp.MustCompile(`(?s)<form method="post".*?</form>`), regexp.MustCompile(`^<form[^>]* action="([^"]*)"`)
	for _, r := range routes() {
		if r.method != http.MethodGet {
			continue
		}
		text := get(s, addressOf(r.path, "x")+"?dead").Body.String()
		pages[strings.TrimSuffix(r.path, "/")] = text
		for _, form := range forms.FindAllString(text, -1) {
			at := addressOf(r.path, "x")
			if m := action.FindStringSubmatch(form); m != nil {
				at = html.UnescapeString(m[1])
			}
			to := formRoute(at)
			if to == "" {
				t.Errorf("%s has a form to %q, which is no address here", r.path, at)
			}
			for _, control := range endings()[to] {
				for _, tag := range regexp.MustCompile(control).FindAllString(form, -1) {
					if !strings.Contains(tag, ` data-ask="`) || strings.Contains(tag, ` data-ask=""`) {
						t.Errorf("%s: %s does not ask first", r.path, tag)
					}
					asked[to+" "+control] = true
				}
			}
		}
	}
	for _, r := range routes() {
		if r.method != http.MethodPost {
			continue
		}
		path := strings.TrimSuffix(r.path, "/")
		controls, ends := endings()[path]
		for _, control := range controls {
			if !asked[path+" "+control] {
				t.Errorf("no page has what POST %s asks by, %s", path, control)
			}
		}
		if byPage := strings.Contains(pages[path], `class="panel ask"`); !ends && !byPage && !slices.Contains(harmless(), path) {
			t.Errorf("POST %s asks nothing first: if it ends jobs or cannot be taken back it has to", path)
		}
	}
}

// fullSite is the pages of a lab that has everything, for who runs it.
func fullSite(t *testing.T) *Site {
	t.Helper()
	v := made{fill: true, state: "Running"}.visitor(root)
	call := v.Call
	v.Call = func(ctx context.Context, verb string, in, out any) error {
		err := call(ctx, verb, in, out)
		switch all := out.(type) {
		case *[]notice:
			(*all)[0].State = "dead"
		case *[]issuedToken:
			(*all)[0].Token = "3" // that the address names
		}
		return err
	}
	s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return v, nil }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// formRoute is the route of a form's address, of several that fit the one that says most. Names in addresses of these labs hold slashes.
func formRoute(at string) (route string) {
	at, _, _ = strings.Cut(at, "?")
	for _, r := range routes() {
		path := strings.TrimSuffix(r.path, "/")
		pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), ".+")
		if r.method == http.MethodPost && len(path) > len(route) && regexp.MustCompile("^"+pattern+"/?$").MatchString(at) {
			route = path
		}
	}
	return route
}

// TestNothingIsSentByChoosing holds that no control sends its form by itself (WCAG 3.2.2), and that each form that is filled in has
// a button, which works without scripts.
func TestNothingIsSentByChoosing(t *testing.T) {
	t.Parallel()
	s := fullSite(t)
	for name, f := range s.files.byName {
		if strings.HasSuffix(name, ".js") && regexp.MustCompile(`"change"[^;]*(requestSubmit|\.submit\()`).Match(f.body) {
			t.Errorf("%s sends a form when a choice is made", name)
		}
	}
	forms := regexp.MustCompile(`(?s)<form.*?</form>`)
	for _, r := range routes() {
		if r.method != http.MethodGet {
			continue
		}
		for _, form := range forms.FindAllString(get(s, addressOf(r.path, "x")).Body.String(), -1) {
			if strings.Contains(form, "<select") && !strings.Contains(regexp.MustCompile(`(?s)<noscript>.*?</noscript>`).ReplaceAllString(form, ""), "<button") {
				t.Errorf("%s has a choice and no button to send it by: %.300s", r.path, form)
			}
		}
	}
}

// TestRetiringSaysWhatEnds tells apart what is lost by retiring a machine.
func TestRetiringSaysWhatEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{wholeDevice{deviceRow: deviceRow{Device: "q1"}}.Retiring(), "Retire q1? It gets no more jobs, and one that it runs is canceled."},
		{wholeWorker{workerRow: workerRow{Worker: "w1"}}.Retiring(), "Retire w1? Its devices retire with it, and what runs on them is canceled."},
		{bulkData{Kind: "device"}.Asks("Maintenance"), ""},
		{bulkData{Kind: "worker"}.Asks("Active"), ""},
		{bulkData{Kind: "device"}.Asks("Retired"), "Retire every device that is ticked? What runs on them is canceled."},
		{bulkData{Kind: "worker"}.Asks("Retired"), "Retire every worker that is ticked? Their devices retire with them, and what runs on those is canceled."},
		{bulkData{Kind: "job"}.Asks("Cancel"), "Cancel every job that is ticked?"},
	} {
		if tt.got != tt.want {
			t.Errorf("the question is %q, want %q", tt.got, tt.want)
		}
	}
}
