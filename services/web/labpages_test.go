package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// streaming has the flows of a site answered by a function: pieces of an answer, and how it ends.
func streaming(s *Site, answer func(verb, in string) ([]string, error)) {
	who := s.d.Who
	s.d.Who = func(r *http.Request) (Visitor, error) {
		v, err := who(r)
		v.Stream = func(_ context.Context, verb string, in any, each func(map[string]string, []byte) error) error {
			text, err := json.Marshal(in)
			if err != nil {
				return err
			}
			pieces, end := answer(verb, string(text))
			for _, p := range pieces {
				if err := each(nil, []byte(p)); err != nil {
					return err
				}
			}
			return end
		}
		return v, err
	}
}

// lacks reports what a page has that it is not to have.
func lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, no := range unwanted {
		if strings.Contains(text, no) {
			t.Errorf("the page has %q", no)
		}
	}
}

// TestQueue explains the first jobs of the queue, and offers more where there is more.
func TestQueue(t *testing.T) {
	t.Parallel()
	var jobs []string
	for i := range 40 {
		jobs = append(jobs, fmt.Sprintf(`{"job":%d,"display":"%d","name":"n%d","device_type":"qemu","priority":%d,"user":"bob","raised":%d,"capped":%q}`, i+1, i+1, i+1, i, map[bool]int{true: 77}[i == 1], map[bool]string{true: "bob holds <3> devices"}[i == 2]))
	}
	explained := 0
	var asked string
	l := lab{"queue.list": func(in json.RawMessage) (any, error) {
		asked = string(in)
		return `{"total":400,"jobs":[` + strings.Join(jobs, ",") + `]}`, nil
	}, "jobs.why": func(in json.RawMessage) (any, error) {
		if explained++; string(in) == `{"job":4}` {
			return nil, &Refusal{Code: "not-found", Message: "it has started"}
		} else if string(in) == `{"job":5}` { // what it waits for takes longer than such jobs did
			return `{"summary":"s","estimate":{"known":true,"likely":"2026-11-23T11:59:00Z"}}`, nil
		}
		return `{"summary":"of 2 devices that fit: 2 busy","estimate":{"known":true,"earliest":"2026-11-23T12:10:00Z","likely":"2026-11-23T12:30:00Z","latest":"2026-11-23T14:00:00Z"}}`, nil
	}, "device-types.list": `[{"device_type":"qemu","waiting":30},{"device_type":"panda","waiting":10},{"device_type":"none"}]`}
	s := l.site(t)
	text := says(t, s, "/scheduler/queue?device_type=panda&length=40", 200, "400 jobs for panda", "of 2 devices that fit: 2 busy", "in 30 min", ">any moment<", "23 Nov 12:10", "counts 77", "bob holds &lt;3&gt; devices", "see the job",
		`<option value="panda" selected>panda (10)`, "length=160")
	lacks(t, text, `value="none"`)
	if explained != explainedRows || asked != `{"device_type":"panda","limit":40}` {
		t.Errorf("%d jobs are explained, and %s is asked; want %d and the forty of panda", explained, asked, explainedRows)
	}
	for _, length := range []string{"x", "0", "-1", "1001"} {
		if says(t, s, "/scheduler/queue?length="+length, 200); asked != `{"device_type":"","limit":25}` {
			t.Errorf("length %s asks %s, want the usual 25", length, asked)
		}
	}
	l["queue.list"] = `{"total":0,"jobs":[]}`
	says(t, s, "/scheduler/queue?device_type=panda", 200, "No job waits for panda.")
}

// TestTypesAndWhatTheyDo counts devices by what they do: one way on all pages.
func TestTypesAndWhatTheyDo(t *testing.T) {
	t.Parallel()
	l := lab{"device-types.list": `[{"device_type":"qemu","waiting":2,"health_frequency":24,"health_denominator":"hours","aliases":["vm"]},{"device_type":"old"}]`,
		"device-types.show": `{"device_type":"qemu","description":"virtual <PC>","aliases":["vm"],"health_frequency":1,"health_denominator":"jobs","health_check":"x","template":"a: {{ b }}\n"}`,
		"devices.list": `[{"device":"q1","device_type":"qemu","worker":"w1","state":"Idle","health":"Good"},{"device":"q2","device_type":"qemu","worker":"w1","state":"Running","health":"Good","job":5,"job_display":"5"},
			{"device":"q3","device_type":"qemu","worker":"w1","state":"Idle","health":"Maintenance"},{"device":"q4","device_type":"qemu","worker":"w1","state":"Reserved","health":"Good","job":6,"job_display":"6"},
			{"device":"q5","device_type":"qemu","worker":"w1","state":"Idle","health":"Retired"},{"device":"q6","device_type":"qemu","worker":"w2","state":"Idle","health":"Good"},{"device":"o1","device_type":"old","worker":"w1","state":"Idle","health":"Retired"}]`,
		"workers.list": `[{"worker":"w1","state":"Online","health":"Active"},{"worker":"w2","state":"Online","health":"Maintenance"}]`,
		"jobs.find":    `{"count":90,"jobs":[{"job":5,"display":"5","name":"smoke"}]}`, "device-types.availability": `{"queued":7,"waits":{"jobs":9,"median_s":90,"p90_s":3900}}`, "rights": `{"devicetype/qemu":["view","change"]}`}
	s := l.site(t)
	lacks(t, says(t, s, "/scheduler/device_types", 200, "1 free, 2 busy, 1 in maintenance, 1 away", "qemu"), ">old<")
	says(t, s, "/scheduler/", 200, "3 / 5", "devices online")
	lacks(t, says(t, s, "/scheduler/running", 200, "one every 24 hours"), ">old<")
	text := says(t, s, "/scheduler/device_type/qemu", 200, "virtual &lt;PC&gt;", "1 retired", "one every job", "<b class=\"\">1</b><span>of 5 devices free", "all 90", "smoke", "1 min 30 s", "1 h 05 min", "/scheduler/device_type/qemu/edit")
	lacks(t, text, ">q5<", ">o1<")
	if w := get(s, "/scheduler/device_type/vm"); w.Code != 303 || w.Header().Get("Location") != "/scheduler/device_type/qemu" {
		t.Errorf("an alias: status %d to %q, want the page of the type", w.Code, w.Header().Get("Location"))
	}
	says(t, s, "/scheduler/device_type/qemu/template", 200, "a: {{ b }}")
	if w := get(s, "/scheduler/devicetypeyaml/qemu"); w.Body.String() != "a: {{ b }}\n" || w.Header().Get("Content-Disposition") != `attachment; filename="qemu.jinja2"` {
		t.Errorf("the template as a file: %v, %q", w.Header(), w.Body)
	}
	l["device-types.show"] = `{"device_type":"qemu"}`
	says(t, s, "/scheduler/devicetypeyaml/qemu", 404, "has no template of its own")
	for _, tt := range []struct {
		of   wholeType
		want string
	}{{wholeType{HealthDisabled: true, HealthFrequency: 3}, "disabled"}, {wholeType{HealthFrequency: 1}, "one every hour"}, {wholeType{HealthFrequency: 5, HealthDenominator: "jobs"}, "one every 5 jobs"}} {
		if got := tt.of.Checks(); got != tt.want {
			t.Errorf("checks of %+v: %q, want %q", tt.of, got, tt.want)
		}
	}
	l["rights"] = `{}`
	says(t, s, "/scheduler/device_type/qemu/edit", 403, "alice may not change device type qemu")
	says(t, l.siteFor(t, Visitor{}), "/scheduler/device_type/qemu/edit", 403, "somebody without a name may not change")
}

// TestWorkers shows what hangs on a worker and its secrets only to who may change it.
func TestWorkers(t *testing.T) {
	t.Parallel()
	l := lab{"workers.list": `[{"worker":"w1","state":"Online","health":"Active","devices":2,"running":1,"version":"2025.01"},{"worker":"gone","state":"Offline","health":"Retired"}]`,
		"workers.show": `{"worker":"w1","state":"Online","health":"Maintenance","health_reason":"moved <away>","health_by":"ann","job_limit":3,"version":"2025.01","dispatcher":"secret: x","configured":2}`,
		"devices.list": `[{"device":"q1","worker":"w1","state":"Idle","health":"Good"},{"device":"q2","worker":"w1","state":"Idle","health":"Retired"},{"device":"q3","worker":"w2","state":"Idle","health":"Good"}]`,
		"rights":       `{"worker/w1":["view","change"]}`}
	s := l.site(t)
	streaming(s, func(verb, in string) ([]string, error) {
		seq := map[bool]int{true: 4, false: 5}[strings.Contains(in, "gone")]
		return []string{fmt.Sprintf(`{"seq":%d,"name":"worker.went-offline","time":"2026-11-23T11:00:00Z","data":{"reason":"no sign"}}`, seq)}, nil
	})
	lacks(t, says(t, s, "/scheduler/allworkers", 200, ">w1<", "2025.01"), ">gone<")
	says(t, s, "/scheduler/allworkers?retired", 200, ">gone<")
	text := says(t, s, "/scheduler/worker/w1", 200, "moved &lt;away&gt;", "ann", "3 at once", ">q1<", "Set health")
	lacks(t, text, ">q3<", "secret: x")
	says(t, s, "/scheduler/worker/w1/edit", 200, "secret: x")
	l["rights"] = `{"worker/w1":["view"]}`
	lacks(t, says(t, s, "/scheduler/worker/w1", 200, ">q1<"), "Set health", "/scheduler/worker/w1/edit")
	says(t, s, "/scheduler/worker/w1/edit", 403, "alice may not change worker w1")
	l["workers.show"] = error(&Refusal{Code: "not-found", Message: "there is no worker w9"})
	for _, path := range []string{"/scheduler/worker/w9", "/scheduler/worker/w9/edit"} {
		says(t, s, path, 404, "there is no worker w9")
	}
}

// TestHands says what a check found, as far as it came, and why it went no further.
func TestHands(t *testing.T) {
	t.Parallel()
	l := boards()
	s := l.site(t)
	var end error
	asked := ""
	streaming(s, func(verb, in string) ([]string, error) {
		asked = verb + " " + in
		return []string{`{"line":"relay <on>"}`, `{"step":{"step":"dictionary","ok":true,"says":"version 3 renders"}}`, `{"step":{"step":"console","says":"said nothing","saw":"\u0000?","hint":"is the <cable> in?"}}`}, end
	})
	says(t, s, "/scheduler/device/b2/hands", 200, "Power on", "no job is given to it", `data-console="/api/v1/devices/b2/console"`, "Open the console", "<noscript>")
	use := func(status int, texts ...string) {
		t.Helper()
		w := post(s, "/scheduler/device/b2/hands", url.Values{"use": {"check"}})
		if w.Code != status || asked != `devices.hands {"device":"b2","use":"check"}` {
			t.Errorf("a check: status %d, asks %s; want %d", w.Code, asked, status)
		}
		for _, want := range texts {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("a check that ended with %v lacks %q", end, want)
			}
		}
		checkPage(t, w.Body.String())
	}
	use(200, "relay &lt;on&gt;", "version 3 renders", "said nothing", "is the &lt;cable&gt; in?")
	end = &Refusal{Code: "failed", Message: "the console says nothing"}
	use(409, "version 3 renders", "the console says nothing")
	end = &Refusal{Code: "denied", Message: "alice may not"}
	use(403, "alice may not")
	l["rights"] = `{"device/b2":["view","hands"]}` // who has it reserved
	says(t, s, "/scheduler/device/b2/hands", 200, "Power on")
	says(t, s, "/scheduler/device/b2", 200, `href="/scheduler/device/b2/hands"`)
	l["rights"] = `{"device/b2":["view"]}`
	if strings.Contains(says(t, s, "/scheduler/device/b2", 200), `href="/scheduler/device/b2/hands"`) {
		t.Error("who may not take the device in hand is led to where he is refused")
	}
	says(t, s, "/scheduler/device/b2/hands", 403, "only who may change device b2, or has it reserved now, may take it in hand")
}

// TestConnections offers the consoles that a configuration names, and none where it cannot be read.
func TestConnections(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"commands:\n  connections:\n    uart1: {connect: telnet a, tags: [primary]}\n    uart0: {connect: telnet b}\n": "[uart1 uart0]",
		"commands: {connect: telnet a}\n": "[]", "commands: {connections: [a, b]}": "[]", "commands: {connections: {}}": "[]", "a: [": "[]", "": "[]",
		"commands: {connections: {1: {connect: x}, <b>: {connect: y}}}": "[<b>]", // a number names no connection
	} {
		if got := fmt.Sprint(connectionsOf(config)); got != want {
			t.Errorf("%q has the connections %s, want %s", config, got, want)
		}
	}
}

// TestReservations lists what is set aside, the next first, and fills its form from the address.
func TestReservations(t *testing.T) {
	t.Parallel()
	l := lab{"device-types.list": "[]", "reservations.list": `[{"reservation":2,"user":"bob","from":"2026-11-25T10:00:00Z","until":"2026-11-26T10:00:00Z","reason":"later","covers":[{"device":"q2","state":"Idle"}]},
		{"reservation":1,"from":"2026-11-23T10:00:00Z","until":"2026-11-24T10:00:00Z","reason":"paint <walls>","active":true,"by":"ann","covers":[{"device":"q1","state":"Running","job":5}],"jobs":[{"job":5,"user":"eve","device":"q1","until":"2026-11-23T13:00:00Z"}]}]`}
	text := says(t, l.site(t), "/scheduler/reservations?device=q1", 200, "maintenance window", "paint &lt;walls&gt;", "bob", `value="q1"`, `value="alice"`, `href="/scheduler/job/5"`)
	if strings.Index(text, "paint") > strings.Index(text, "later") {
		t.Error("what comes later stands first")
	}
	lacks(t, says(t, l.siteFor(t, Visitor{}), "/scheduler/reservations", 200, "paint"), "<button>End", `name="until"`)
}

// TestNotices lists deliveries, and offers to send again only what is dead, to those with a name.
func TestNotices(t *testing.T) {
	t.Parallel()
	var asked string
	l := lab{"notices.list": func(in json.RawMessage) (any, error) {
		asked = string(in)
		return `[{"job":5,"n":1,"kind":"mail","to":"ann@example.com","state":"dead","attempts":9,"answer":"550 <no such user>"},{"job":6,"n":2,"kind":"callback","to":"https://x.example","state":"waiting","attempts":1}]`, nil
	}}
	s := l.site(t)
	says(t, s, "/notifications", 200, "550 &lt;no such user&gt;", "Send dead letters again", "https://x.example")
	if asked != `{"dead":false}` {
		t.Errorf("asked %s", asked)
	}
	if says(t, s, "/notifications?job=5&dead", 200, "of job"); asked != `{"dead":true,"job":"5"}` {
		t.Errorf("asked %s, want the dead ones of the job", asked)
	}
	lacks(t, says(t, s, "/notifications?state=waiting", 200, "https://x.example"), "550")
	lacks(t, says(t, l.siteFor(t, Visitor{}), "/notifications", 200, "550"), "Send dead letters again")
	l["notices.list"] = "[]"
	says(t, l.site(t), "/notifications", 200, "Everything has arrived.")
}

// TestUtilisation shares a window among devices, idle ones too, and says how long jobs waited.
func TestUtilisation(t *testing.T) {
	t.Parallel()
	l := lab{"devices.list": `[{"device":"idle","device_type":"qemu","health":"Good"},{"device":"busy","device_type":"qemu","health":"Good"},{"device":"over","device_type":"qemu","health":"Good"},{"device":"gone","health":"Retired"}]`}
	s := l.site(t)
	var queries []string
	streaming(s, func(verb, in string) ([]string, error) {
		if queries = append(queries, in); strings.Contains(in, "GROUP BY device_type") {
			return []string{`{"device_type":"qemu","jobs":"12","median":90,"p90":3900}`}, nil
		}
		return []string{`{"device":"busy","jobs":"3","bu`, `sy":43200}` + "\n" + `{"device":"over","jobs":"9","busy":99999999}`}, nil
	})
	text := says(t, s, "/scheduler/reports/utilisation?days=1", 200, "50 %", "100 %", "0 %", "12 h 00 min", "1 min 30 s", "1 h 05 min", `width="50.0"`)
	lacks(t, text, ">gone<")
	if strings.Index(text, ">over<") > strings.Index(text, ">busy<") || strings.Index(text, ">busy<") > strings.Index(text, ">idle<") {
		t.Error("the busiest do not stand first")
	}
	if !strings.Contains(queries[0], fmt.Sprint(noon.Unix()-86400)) {
		t.Errorf("the tables are asked %s, want since a day", queries[0])
	}
	says(t, l.siteFor(t, Visitor{}), "/scheduler/reports/utilisation", 403, "sign in to see how busy the lab is")
}

// TestReportOfType counts the jobs that asked for the type by any of its names, at one address.
func TestReportOfType(t *testing.T) {
	t.Parallel()
	s := lab{"device-types.show": `{"device_type":"qemu","aliases":["kvm"]}`, "jobs.find": "{}"}.site(t)
	var query string
	streaming(s, func(_, in string) ([]string, error) {
		query = in
		return nil, nil
	})
	says(t, s, "/scheduler/reports/device_type/qemu", 200, "Report of qemu")
	if want := "device_type IN (" + quoted("qemu") + ", " + quoted("kvm") + ")"; !strings.Contains(query, want) {
		t.Errorf("the tables are asked %s, want %s in it", query, want)
	}
	if w := get(s, "/scheduler/reports/device_type/kvm"); w.Code != 303 || w.Header().Get("Location") != "/scheduler/reports/device_type/qemu" {
		t.Errorf("the report of an alias: status %d to %q, want 303 to the type's", w.Code, w.Header().Get("Location"))
	}
}

// TestQueryPages shows what a query finds, says why where it cannot, and offers changes to whom they are.
func TestQueryPages(t *testing.T) {
	t.Parallel()
	const saved = `{"query":1,"owner":"bob","name":"smoke","entity":"testjob","text":"testjob where submitter is <bob>","address":"testjob__submitter__exact__bob","editable":false,"omitted":["9"]}`
	l := lab{"queries.run": `{"entity":"testjob","text":"testjob where submitter is <bob>","query":` + saved + `,"offset":50,"more":true,"jobs":[{"job":5,"display":"5","name":"<boot>"}],"warnings":["a field is <gone>"]}`, "queries.show": saved,
		"queries.custom": `{"entity":"testsuite","address":"x","suites":[{"item":"1","job":5,"suite":"0_a","passes":2}]}`,
		"queries.list":   `[{"query":1,"owner":"alice","name":"own"},{"query":2,"owner":"bob","name":"shared","group":"kernel","editable":true},{"query":3,"owner":"bob","name":"published"}]`}
	s := l.site(t)
	text := says(t, s, "/results/query/~bob/smoke?offset=50", 200, "&lt;boot&gt;", "submitter is &lt;bob&gt;", "offset=51", `href="?"`)
	lacks(t, text, "/smoke/+edit", "/smoke/&#43;edit", "+omit-result", "&#43;omit-result")
	says(t, s, "/results/query/~bob/smoke/+edit", 403, "its owner&#39;s and its group&#39;s to change; you may copy it")
	says(t, s, "/results/query/~bob/smoke/+detail", 200, "submitter is &lt;bob&gt;")
	says(t, s, "/results/query/+custom?entity=testsuite&conditions=x", 200, "0_a", "/results/query/&#43;add?conditions=x&amp;entity=testsuite")
	// Suites know their job by its number: its name is asked for beside them, and missed by nobody while the tables are away.
	l["jobs.find"] = func(in json.RawMessage) (any, error) {
		if want := `{"terms":[{"field":"id","op":"in","values":["5"]}],"limit":1}`; string(in) != want {
			t.Errorf("names of jobs are asked by %s, want %s", in, want)
		}
		return `{"jobs":[{"job":5,"name":"boot <it>","user":"carol"}]}`, nil
	}
	says(t, s, "/results/", 200, "0_a", "boot &lt;it&gt;", ">carol<", "Submitter")
	l["jobs.find"] = error(&Refusal{Code: "away", Message: "history is away"})
	says(t, s, "/results/", 200, "0_a")
	text = says(t, s, "/results/query/", 200, "Mine", "Of my groups", "Published by others")
	if mine, shared, public := strings.Index(text, ">own<"), strings.Index(text, ">shared<"), strings.Index(text, ">published<"); mine < 0 || mine > shared || shared > public {
		t.Errorf("queries stand at %d, %d and %d, want one's own first, then those of one's groups", mine, shared, public)
	}
	l["queries.run"] = error(&Refusal{Code: "conflict", Message: "it was never refreshed"})
	says(t, s, "/results/query/~bob/smoke", 200, "it was never refreshed", "smoke")
	l["queries.custom"] = error(&Refusal{Code: "invalid", Field: "conditions", Message: "there is no field <colour>"})
	says(t, s, "/results/query/+custom?entity=testjob&conditions=colour", 400, "there is no field &lt;colour&gt;")
	l["queries.show"] = error(&Refusal{Code: "not-found", Message: "there is no query ~bob/none"})
	for _, page := range []string{"", "/+detail", "/+edit", "/+copy", "/+delete", "/+refresh", "/+toggle-published"} {
		if w := get(s, "/results/query/~bob/none"+page); w.Code != 404 {
			t.Errorf("%s of a query that is none: status %d, want 404", page, w.Code)
		}
	}
	says(t, l.siteFor(t, Visitor{}), "/results/query/+add", 403, "queries are saved under a name; sign in first")
	says(t, l.siteFor(t, Visitor{}), "/results/chart/+add", 403, "charts are saved under a name; sign in first")
}

// TestNothingIsDoneByALink holds that addresses which do something in LAVA ask first, and do it by their button alone.
func TestNothingIsDoneByALink(t *testing.T) {
	t.Parallel()
	l := lab{"queries.show": `{"owner":"alice","name":"smoke","editable":true}`, "charts.show": `{"name":"boot","owner":"alice","editable":true,"queries":[{"number":1}],"query_names":["~alice/smoke"]}`,
		"tokens.list": `[{"token":"t1","description":"CI <1>"}]`}
	s := l.site(t)
	for path, button := range map[string]string{"/results/query/~alice/smoke/+delete": "Archive", "/results/query/~alice/smoke/+toggle-published": "Publish", "/results/query/~alice/smoke/+refresh": "Refresh",
		"/results/chart/boot/+delete": "Delete", "/results/chart/boot/+toggle-published": "Publish", "/results/chart/boot/1/+chart-query-remove": "Take out",
		"/api/tokens/t1/delete/": "Revoke", "/api/tokens/delete_unused/": "Revoke them", "/delete-remote-auth/a%20b/": "Remove", "/accounts/logout/": "Sign out"} {
		text := says(t, s, path, 200, ">"+button+"</button>", "Leave it as it is")
		if !strings.Contains(text, `method="post"`) {
			t.Errorf("%s does it without a form", path)
		}
	}
	says(t, s, "/results/chart/boot/9/+chart-query-remove", 404, "chart boot has no drawing 9")
	for _, path := range []string{"/scheduler/job/5/cancel", "/scheduler/job/5/toggle_favorite", "/scheduler/job/5/fail", "/scheduler/device/q1/health", "/theme", "/me/password", "/results/query/~alice/smoke/+omit-result"} {
		if w := get(s, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("GET %s: status %d, Allow %q; want 405 and POST", path, w.Code, w.Header().Get("Allow"))
		}
	}
}
