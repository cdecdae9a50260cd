package web

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The tests in this file hold what a stranger once found wrong with the pages.

// TestPlural says numbers of things as people do.
func TestPlural(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n          int
		noun, want string
	}{{1, "delivery", "1 delivery"}, {0, "delivery", "0 deliveries"}, {2, "day", "2 days"}, {1234, "device type", "1,234 device types"}, {1, "job", "1 job"}} {
		if got := plural(tt.n, tt.noun); got != tt.want {
			t.Errorf("plural(%d, %q): got %q, want %q", tt.n, tt.noun, got, tt.want)
		}
	}
	root := Visitor{Name: "root", SignedIn: true, Superuser: true}
	l := lab{"workers.list": []workerRow{{Worker: "w1", Devices: 1}}, "devices.list": []deviceRow{{Device: "q1", DeviceType: "qemu"}}}
	says(t, l.siteFor(t, root), "/admin/lava_scheduler_app/worker/", 200, "1 device, 0 in use")
	says(t, l.siteFor(t, root), "/admin/lava_scheduler_app/device/", 200, "qemu on no worker")
}

// TestReturnsStayHere holds that no form or link leads a browser to another site, or back to the pages of signing in.
func TestReturnsStayHere(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"": "/fallback", "/scheduler/job/1?a=b#L3": "/scheduler/job/1?a=b#L3", "https://evil.example": "/fallback", "//evil.example": "/fallback",
		`/\\evil.example`: "/fallback", `\\evil.example`: "/fallback", "/\t/evil.example": "/fallback", "\t//evil.example": "/fallback", "javascript:alert(1)": "/fallback",
		"evil": "/fallback", "/a\r\nSet-Cookie: x=y": "/fallback", " //evil.example": "/fallback",
	} {
		if got := onSite(to, "/fallback"); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
	if got := nextOf("/accounts/logout/"); got != "/" {
		t.Errorf("who signs in is led to %q", got)
	}
}

// TestNotesFitIntoACookie holds that a long sentence reaches the next page, cut: browsers drop what is longer.
func TestNotesFitIntoACookie(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	q := &request{Request: httptest.NewRequest("GET", "/", nil), w: w}
	setNote(q, strings.Repeat("ä", 5000))
	cookie := w.Header().Get("Set-Cookie")
	if len(cookie) > 4096 {
		t.Errorf("the note takes %d bytes, browsers keep 4,096", len(cookie))
	}
	q.Header.Set("Cookie", strings.SplitN(cookie, ";", 2)[0])
	if got := takeNote(q); !strings.HasPrefix(got, "äää") || !strings.HasSuffix(got, "ä …") {
		t.Errorf("the next page says %.20q … %q", got, got[max(0, len(got)-10):])
	}
}

// TestHiddenWorkersAreNotAway holds that who may not see workers is not told that every device is away.
func TestHiddenWorkersAreNotAway(t *testing.T) {
	t.Parallel()
	devices := []deviceRow{{Device: "q1", DeviceType: "qemu", Worker: "hidden", Health: "Good", State: "Idle"}, {Device: "q2", DeviceType: "qemu", Worker: "gone", Health: "Good", State: "Idle"},
		{Device: "q3", DeviceType: "qemu", Health: "Good", State: "Idle"}}
	l := lab{"devices.list": devices, "device-types.list": []wholeType{{DeviceType: "qemu"}}, "workers.list": []workerRow{{Worker: "gone", State: "Offline", Health: "Active"}}}
	text := says(t, l.site(t), "/scheduler/alldevices/online", 200, ">q1<")
	if strings.Contains(text, ">q2<") || strings.Contains(text, ">q3<") {
		t.Error("a device whose worker is offline, or that has none, counts as online")
	}
	says(t, l.site(t), "/scheduler/device_types", 200, "1 free, 0 busy, 0 in maintenance, 2 away")
}

// TestPartsOfGroups holds that a job of a group is found by its own way of being called wherever an address has a job.
func TestPartsOfGroups(t *testing.T) {
	t.Parallel()
	l := failedJob()
	l["jobs.show"] = func(in json.RawMessage) (any, error) {
		if !strings.Contains(string(in), `"42.1"`) {
			t.Errorf("jobs.show is asked for %s, want job 42.1", in)
		}
		return `{"job":43,"display":"42.1","state":"Finished","health":"Complete","metadata":{}}`, nil
	}
	l["jobs.results"] = func(in json.RawMessage) (any, error) {
		if string(in) != `{"job":43}` {
			t.Errorf("jobs.results is asked for %s, want job 43", in)
		}
		return `{"cases":[{"suite":"0_smoke","name":"uname","result":"pass"}]}`, nil
	}
	l["queries.similar"] = func(in json.RawMessage) (any, error) {
		if !strings.Contains(string(in), `"job":43`) {
			t.Errorf("queries.similar is asked for %s, want job 43", in)
		}
		return `{"entity":"testjob","address":"a"}`, nil
	}
	s := l.site(t)
	for _, path := range []string{"/results/42.1", "/results/42.1/0_smoke", "/results/42.1/0_smoke/uname", "/scheduler/job/42.1/similarjobs"} {
		says(t, s, path, 200, "42.1")
	}
	if w := post(s, "/scheduler/job/42.1/similarjobs", url.Values{"field": {"state"}}); w.Code != http.StatusSeeOther {
		t.Errorf("jobs like 42.1: status %d, want 303", w.Code)
	}
	says(t, s, "/results/abc", 404, "jobs have numbers")
}

// TestNamesInAddresses holds that a name of a suite, a case or a file cannot end the path of its link.
func TestNamesInAddresses(t *testing.T) {
	t.Parallel()
	l := failedJob()
	l["jobs.results"] = `{"cases":[{"suite":"a/b?c","set":"s#1","name":"usb#1/2?x=%41","result":"fail","line":3}]}`
	l["jobs.files"] = `{"files":[{"suite":"a/b?c","name":"log#1?.txt","bytes":1,"line":3}]}`
	s := l.site(t)
	const suite, name = "/results/42/a%2Fb%3Fc", "usb%231%2F2%3Fx=%2541"
	says(t, s, "/results/42", 200, `href="`+suite+`"`, `href="`+suite+"/s%231/"+name+`"`, "/files/log%231%3F.txt?")
	says(t, s, suite, 200, `href="`+suite+"/s%231/"+name+`"`, `href="`+suite+`/s%231"`)
	says(t, s, suite+"/s%231/"+name, 200, "usb#1/2?x=%41")
	says(t, s, "/scheduler/job/42?tab=results", 200, `href="`+suite+`"`, `href="`+suite+"/"+name+`"`)
	says(t, s, "/scheduler/job/42?tab=files", 200, "/files/log%231%3F.txt?")
}

// TestNumbersOfAddresses holds that no number in an address of a list becomes another one.
func TestNumbersOfAddresses(t *testing.T) {
	t.Parallel()
	var asked struct {
		Offset, Limit int
		Terms         []struct {
			Field  string
			Values []string
		}
	}
	l := lab{"jobs.find": func(in json.RawMessage) (any, error) {
		asked.Terms = nil
		return `{}`, json.Unmarshal(in, &asked)
	}}
	for _, page := range []string{"9223372036854775807", "4611686018427387905", "-3", "x"} {
		says(t, l.site(t), "/scheduler/alljobs?length=1000&page="+page, 200)
		if asked.Offset < 0 || asked.Limit != 1000 {
			t.Errorf("page %s asks for %d jobs from %d on", page, asked.Limit, asked.Offset)
		}
	}
	says(t, l.site(t), "/scheduler/alljobs?end_time=1e300", 200)
	if at, err := time.Parse(time.RFC3339, asked.Terms[0].Values[0]); err != nil || at.After(noon) {
		t.Errorf("jobs that ended within 1e300 hours are those since %v, %v", at, err)
	}
	l["jobs.find"] = &Refusal{Code: "invalid", Message: "id is abc"}
	says(t, l.site(t), "/scheduler/alljobs?id=abc", 400, "id is abc", `name="submitter"`)
}

// TestListsKeepWhatTheirFormsLack holds that filtering a list, or making it longer, changes neither its order nor whose it is.
func TestListsKeepWhatTheirFormsLack(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.find": `{"count":90,"jobs":[{"job":1,"display":"1"}]}`, "jobs.favoured": `{"jobs":[1]}`}
	text := says(t, l.site(t), "/scheduler/favorite-jobs?username=bob&sort=-end_time&length=50", 200, `name="length" value="50"`)
	for _, want := range []string{`type="hidden" name="username" value="bob"`, `type="hidden" name="sort" value="-end_time"`} {
		if n := strings.Count(text, want); n != 2 {
			t.Errorf("%s stands in %d forms, want the one above the list and the one below", want, n)
		}
	}
}

// TestTableLength holds that tables have the rows that somebody chose in the profile, unless an address says otherwise.
func TestTableLength(t *testing.T) {
	t.Parallel()
	var devices []deviceRow
	for i := range 60 {
		devices = append(devices, deviceRow{Device: "q" + string(rune('A'+i)), Health: "Good"})
	}
	l := lab{"devices.list": devices, "users.show": account{User: "alice", TableLength: 50}}
	for address, want := range map[string]int{"/scheduler/alldevices": 50, "/scheduler/alldevices?length=10": 10} {
		if got := strings.Count(says(t, l.site(t), address, 200), `<tr id="d-`); got != want {
			t.Errorf("%s has %d rows, want %d", address, got, want)
		}
	}
	if got := strings.Count(says(t, l.siteFor(t, Visitor{}), "/scheduler/alldevices", 200), `<tr id="d-`); got != usualLength {
		t.Errorf("somebody without a name sees %d rows, want %d", got, usualLength)
	}
}

// TestNumbersOfForms holds that a number that is none is told, and not taken for 0.
func TestNumbersOfForms(t *testing.T) {
	t.Parallel()
	changed := func(json.RawMessage) (any, error) {
		t.Error("something was changed")
		return struct{}{}, nil
	}
	s := lab{"workers.register": changed, "device-types.configure": changed, "device-types.show": wholeType{DeviceType: "qemu", HealthFrequency: 24}}.
		siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true})
	for _, tt := range []struct {
		path string
		form url.Values
		want string
	}{
		{"/admin/lava_scheduler_app/worker/add/", url.Values{"name": {"w9"}, "job_limit": {"ten"}}, "allowed are whole numbers"},
		{"/scheduler/device_type/qemu/edit", url.Values{"do": {"save"}, "health_frequency": {"daily"}}, "allowed are whole numbers"},
	} {
		if w := post(s, tt.path, tt.form); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: status %d, want 400 with %q", tt.path, w.Code, tt.want)
		}
	}
}

// TestReservingSaysWhy holds that who may not set devices aside is told so, with the status of that.
func TestReservingSaysWhy(t *testing.T) {
	t.Parallel()
	l := lab{"reservations.list": "[]", "device-types.list": "[]", "reservations.add": &Refusal{Code: "denied", Message: "alice may not"}}
	form := url.Values{"devices": {"q1"}, "until": {"2026-11-24T10:00"}}
	if w := post(l.site(t), "/scheduler/reservations", form); w.Code != http.StatusForbidden {
		t.Errorf("who may not: status %d, want 403", w.Code)
	}
	l["reservations.add"] = &Refusal{Code: "conflict", Message: "q1 is set aside then"}
	if w := post(l.site(t), "/scheduler/reservations", form); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `value="q1"`) {
		t.Errorf("what overlaps: status %d, want 409 with the form as it was", w.Code)
	}
}

// TestBundlesWaitForTheirTurn holds that few bundles are made at a time, however many are asked for.
func TestBundlesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan bool, 10), make(chan bool)
	v := Visitor{Name: "alice", SignedIn: true, Call: func(_ context.Context, _ string, _, out any) error {
		return json.Unmarshal([]byte(`{"job":42,"display":"42","state":"Finished"}`), out)
	}}
	s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return v, nil }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
		Bundle: func(_ context.Context, _ Visitor, _ uint64, to io.Writer) error {
			begun <- true
			<-finish
			_, err := io.WriteString(to, "tar")
			return err
		}})
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, 10)
	for range bundlesAtOnce {
		go func() { answers <- get(s, "/scheduler/job/42/bundle").Code }()
		<-begun
	}
	// One more gives up while it waits, and another has its turn once there is room.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/scheduler/job/42/bundle", nil))
	if len(begun) != 0 {
		t.Errorf("%d bundles are made at a time, want %d", bundlesAtOnce+len(begun), bundlesAtOnce)
	}
	go func() { answers <- get(s, "/scheduler/job/42/bundle").Code }()
	close(finish)
	for range bundlesAtOnce + 1 {
		if code := <-answers; code != http.StatusOK {
			t.Errorf("a bundle: status %d", code)
		}
	}
}

// TestEmptyPasswordsAreNone holds that an empty form takes nobody's password away: to the verb "" is no password any more.
func TestEmptyPasswordsAreNone(t *testing.T) {
	t.Parallel()
	l := lab{"tokens.list": "[]", "groups.list": "[]", "users.show": account{User: "x"}, "users.set": func(json.RawMessage) (any, error) {
		t.Error("an empty password was set")
		return struct{}{}, nil
	}}
	s := l.siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true})
	for path, form := range map[string]url.Values{"/me/password": {}, "/admin/auth/user/x/change/": {"do": {"password"}}} {
		if w := post(s, path, form); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "the new password is empty") {
			t.Errorf("%s: status %d, want 400", path, w.Code)
		}
	}
}

// TestChangingNoChartMakesNone holds that the form of a chart which there is not makes none: the verb would.
func TestChangingNoChartMakesNone(t *testing.T) {
	t.Parallel()
	l := lab{"charts.show": &Refusal{Code: "not-found", Message: "there is no chart x"}, "charts.save": func(json.RawMessage) (any, error) {
		t.Error("a chart was saved")
		return struct{}{}, nil
	}}
	if w := post(l.site(t), "/results/chart/x/+edit", url.Values{"name": {"y"}}); w.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", w.Code)
	}
}

// TestFigures writes measurements as people do, not as 1.234567e+06.
func TestFigures(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 7.5: "7.5", 1234567: "1234567", -25000000.25: "-25000000.25", 0.0001: "0.0001", 3e20: "3e+20", 2e-9: "2e-09"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v): got %q, want %q", v, got, want)
		}
		if got := figure(&v); got != want {
			t.Errorf("figure of a pointer to %v: got %q, want %q", v, got, want)
		}
	}
	if got := figure((*float64)(nil)); got != "" {
		t.Errorf("no measurement is %q", got)
	}
	l := failedJob()
	l["jobs.results"] = `{"cases":[{"suite":"s","set":"a","name":"speed","result":"pass","measurement":1234567,"units":"B/s"}]}`
	for _, path := range []string{"/results/42/s", "/results/42/s/a/speed", "/scheduler/job/42?tab=results"} {
		says(t, l.site(t), path, 200, "1234567 B/s")
	}
	l["jobs.find"] = `{"count":1,"jobs":[{"job":42,"display":"42"}]}`
	l["queries.custom"] = `{"cases":[{"job":42,"suite":"s","set":"a","name":"speed","result":"fail","measurement":1234567,"units":"B/s"}]}`
	// Colour alone must not say that it failed.
	says(t, l.site(t), "/results/matrix?jobs=42", 200, `href="/results/42/s/a/speed">1234567 B/s fail<`)
}

// TestFailuresSayWhatIsLeftOut holds that the report does not pass off the newest failures for all.
func TestFailuresSayWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.find": `{"count":12,"jobs":[{"job":42,"display":"42","health":"Incomplete"}]}`}
	says(t, l.site(t), "/scheduler/reports/failures", 200, "11 older ones not shown")
}

// TestFailPromisesNothing holds that the button for a job that does not end says what will be: canceling once more changes
// nothing, and was called the job's end.
func TestFailPromisesNothing(t *testing.T) {
	t.Parallel()
	l := failedJob()
	l["jobs.show"] = `{"job":42,"display":"42","state":"Canceling","started":"2026-11-23T11:00:00Z"}`
	l["jobs.cancel"] = func(json.RawMessage) (any, error) {
		t.Error("a job that is being canceled was canceled")
		return struct{}{}, nil
	}
	s := l.siteFor(t, Visitor{Name: "root", SignedIn: true, Superuser: true})
	says(t, s, "/scheduler/job/42", 200, "When does it end?")
	w := post(s, "/scheduler/job/42/fail", nil)
	if note, _ := url.QueryUnescape(w.Header().Get("Set-Cookie")); w.Code != http.StatusSeeOther || !strings.Contains(note, "being canceled already") {
		t.Errorf("status %d, note %s", w.Code, note)
	}
}
