package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestHome says at a glance what runs, what waits, what broke and what is out of use; what is away leaves its own part empty.
func TestHome(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.find": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), "Incomplete") {
			if !strings.Contains(string(in), "2026-11-22T12:00:00Z") {
				t.Errorf("what broke is asked for with %s, want since a day ago", in)
			}
			return `{"count":1200,"jobs":[{"job":7,"display":"7","name":"boot <x>","device":"q1","error":"no prompt\nmore","end_time":"2026-11-23T11:00:00Z"}]}`, nil
		}
		return `{"count":3,"jobs":[{"job":9,"display":"9","name":"running","state":"Running","device":"q2"}]}`, nil
	}, "queue.list": `{"total":41,"jobs":[{"job":11,"display":"11","name":"next","device_type":"qemu","priority":50}]}`,
		"devices.list": `[{"device":"q1","worker":"w1","state":"Idle","health":"Good"},{"device":"q2","worker":"w1","state":"Running","health":"Good"},
			{"device":"q3","worker":"w1","state":"Idle","health":"Maintenance","health_reason":"new relay"},{"device":"q4","worker":"w1","state":"Idle","health":"Bad","health_reason":"smoke"},
			{"device":"q5","worker":"w2","state":"Idle","health":"Good"},{"device":"q6","state":"Idle","health":"Good"},{"device":"q7","worker":"w1","state":"Idle","health":"Retired"}]`,
		"workers.list": `[{"worker":"w1","state":"Online","health":"Active"},{"worker":"w2","state":"Offline","state_reason":"no sign for 15s","health":"Active"},{"worker":"w3","state":"Offline","health":"Retired"}]`}
	s := l.site(t)
	text := says(t, s, "/", 200, "<h1>Testlab</h1>", "<b>3</b><span>running", "<b>41</b><span>waiting", "<b>1</b><span>of 6 devices free", ">4</b><span>out of use", ">1,200</b><span>failed in 24 hours",
		"boot &lt;x&gt;", "no prompt</span>", "no sign for 15s", "smoke", "new relay")
	if strings.Contains(text, "q7") || strings.Contains(text, ">w3<") || strings.Contains(text, ">w1<") {
		t.Error("what is retired, or well, stands among what is out of use")
	}
	if strings.Index(text, ">q4<") > strings.Index(text, ">q3<") {
		t.Error("what is bad stands behind what is being mended")
	}
	l["jobs.find"] = func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), "Incomplete") {
			return nil, &Refusal{Code: "away", Message: "ClickHouse is away"}
		}
		return `{"count":3}`, nil
	}
	says(t, s, "/", 200, "Finished jobs are not at hand: ClickHouse is away", "<b>41</b><span>waiting")
	l["workers.list"] = error(&Refusal{Code: "denied", Message: "no"})
	says(t, s, "/", 200, "devices free")
}

// TestSearch leads numbers to their jobs, finds things by their names, and shows what it found where logs cannot be searched.
// Logs that cannot be searched leave what was found by name; a refusal of the question itself does not.
func TestSearch(t *testing.T) {
	t.Parallel()
	var asked string
	l := lab{"devices.list": `[{"device":"panda-1","device_type":"panda"},{"device":"panda-2","device_type":"panda"},{"device":"other","device_type":"x"}]`, "workers.list": `[{"worker":"pandas.example.com"}]`,
		"jobs.find": `{"jobs":[{"job":5,"display":"4.1","name":"boot of a Panda"}]}`, "search": func(in json.RawMessage) (any, error) {
			asked = string(in)
			return `{"hits":[{"job":5,"line":12,"message":"\u001b[1mPanda\u001b[0m <b> pandas","anchor":"5#12","before":[{"line":11,"message":"\u001b[32mok\u001b[0m"}]},{"job":5,"line":13,"message":"again","anchor":"5#13"}],"next":"cursor&1","stopped":"time","aged_out":{"hint":"older logs are gone"}}`, nil
		}}
	s := l.site(t)
	for question, to := range map[string]string{"42": "/scheduler/job/42", "%2342": "/scheduler/job/42", "41.2": "/scheduler/job/41.2", "+42+": "/scheduler/job/42"} {
		if w := get(s, "/search?q="+question); w.Code != http.StatusSeeOther || w.Header().Get("Location") != to {
			t.Errorf("search for %s: status %d to %q, want the job at %s", question, w.Code, w.Header().Get("Location"), to)
		}
	}
	text := says(t, s, "/search?q=panda&since=2026-11-20&device=a,+b&ignore_case=on", 200, `href="/scheduler/device/panda-1"`, `href="/scheduler/device_type/panda"`, `href="/scheduler/worker/pandas.example.com"`, "boot of a Panda",
		`href="/scheduler/job/5#L12"`, "<mark>Panda</mark> &lt;b&gt; pandas</span>", "<b>11</b>ok</span>", "The search ended early: time", "after=cursor%261")
	if strings.Contains(text, ">other<") || strings.Count(text, `<h3><a href="/scheduler/job/5">`) != 1 {
		t.Error("the search names what was not asked for, or a job for each of its lines")
	}
	if want := `{"after":"","context":1,"devices":["a","b"],"ignore_case":true,"kind":"words","limit":50,"since":"2026-11-20T00:00:00Z","text":"panda"}`; asked != want {
		t.Errorf("logs are asked\n%s, want\n%s", asked, want)
	}
	says(t, s, "/search?q=nda+%3C&kind=substring", 200, "Pa<mark>nda &lt;</mark>b&gt; pandas")
	says(t, s, "/search?q=p.%2Ba&kind=regex", 200, "Panda &lt;b&gt; <mark>panda</mark>s")
	says(t, s, "/search?q=(&kind=regex", 200, "Panda &lt;b&gt; pandas")
	if says(t, s, "/search?q=42&kind=phrase", 200); !strings.Contains(asked, `"kind":"phrase"`) {
		t.Errorf("a number that is looked for in logs: %s", asked)
	}
	if text := says(t, s, "/search?q=panda&after=cursor", 200); strings.Contains(text, "Named so") {
		t.Error("further lines come with the names once more")
	}
	says(t, s, "/search?q=x&since=yesterday", 400, "since is &#34;yesterday&#34;; allowed are days such as 2026-11-22")
	says(t, s, "/search", 200, "A number goes to that job")
	for code, status := range map[string]int{"away": 200, "invalid": 200, "denied": 403} {
		l["search"] = error(&Refusal{Code: code, Message: "no logs: " + code})
		says(t, s, "/search?q=panda", status, "no logs: "+code)
	}
	for text, want := range map[string]string{"-1": "", "4 2": "", "41.": "", "41.x": "", ".1": "", "99999999999999999999": "", "0": "/scheduler/job/0", "41.70000": ""} {
		if got := jobAddress(text); got != want {
			t.Errorf("%q is the job at %q, want %q", text, got, want)
		}
	}
}

// TestSearchNamesThingsOfEachKind holds that many devices do not hide the worker of that name.
func TestSearchNamesThingsOfEachKind(t *testing.T) {
	t.Parallel()
	var devices []deviceRow
	for i := range 5 * mostThings {
		devices = append(devices, deviceRow{Device: fmt.Sprintf("panda-%02d", i), DeviceType: "board"})
	}
	s := lab{"search": "{}", "devices.list": devices, "workers.list": `[{"worker":"pandas.example.com"}]`}.site(t)
	text := says(t, s, "/search?q=panda", 200, `href="/scheduler/worker/pandas.example.com"`)
	if n := strings.Count(text, `href="/scheduler/device/panda-`); n != mostThings {
		t.Errorf("%d devices are named, want %d", n, mostThings)
	}
}

// TestAcrossJobs compares cases across jobs and through time.
func TestAcrossJobs(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.find": `{"jobs":[{"job":9,"display":"9","state":"Finished","health":"Complete"},{"job":8,"display":"8","state":"Finished","health":"Incomplete"}]}`,
		"queries.custom": `{"entity":"testcase","cases":[{"job":9,"suite":"0_a","name":"same","result":"pass"},{"job":8,"suite":"0_a","name":"same","result":"pass"},{"job":9,"suite":"0_a","name":"fixed","result":"pass"},
			{"job":8,"suite":"0_a","name":"fixed","result":"pass"},{"job":8,"suite":"0_a","name":"fixed","result":"fail","measurement":7.5,"units":"s"},{"job":9,"suite":"0_a","name":"new","result":"skip"}]}`,
		"cases.history": `{"runs":[{"job":9,"display":"9","result":"fail"},{"job":8,"display":"8","result":"fail","change":"regression"},{"job":7,"display":"7","result":"pass"}],"flaky":true,"score":0.4,"aged_out":{"hint":"older runs are gone"}}`}
	s := l.site(t)
	text := says(t, s, "/results/matrix?device_type=qemu&suite=0_a", 200, ">same<", ">fixed<", ">new<", `href="/results/8/0_a/fixed"`)
	if !strings.Contains(text, "7.5") {
		t.Error("of several runs in one job the worst is not the one that is shown")
	}
	if text := says(t, s, "/results/matrix?device_type=qemu&only=failed", 200, ">fixed<"); strings.Contains(text, ">same<") || strings.Contains(text, ">new<") {
		t.Error("what never failed stands among what did")
	}
	if text := says(t, s, "/results/matrix?device_type=qemu&only=changed", 200, ">fixed<"); strings.Contains(text, ">same<") {
		t.Error("what was always the same stands among what changed")
	}
	says(t, s, "/results/matrix", 200, "<form")
	l["jobs.find"] = `{"jobs":[]}`
	says(t, s, "/results/matrix?device_type=none", 200)
	says(t, s, "/results/history?suite=0_a&case=fixed", 200, "older runs are gone", `href="/scheduler/job/8`)
	says(t, s, "/results/history?suite=0_a", 200, "<form")
	h := testHistory{}
	if err := json.Unmarshal([]byte(`{"runs":[{"job":9,"result":"fail"},{"job":8,"result":"fail"},{"job":7,"result":"pass"},{"job":6,"result":"fail"}]}`), &h); err != nil {
		t.Fatal(err)
	}
	if h.Passes() != 1 || h.FailsSince() != 8 {
		t.Errorf("%d passes, fails since %d; want 1, and 8", h.Passes(), h.FailsSince())
	}
}

// TestComparePage compares with the last good job where no other is named, and says why it cannot.
func TestComparePage(t *testing.T) {
	t.Parallel()
	var asked []string
	l := lab{"jobs.show": func(in json.RawMessage) (any, error) {
		asked = append(asked, string(in))
		if strings.Contains(string(in), "40") {
			return `{"job":40,"display":"40"}`, nil
		}
		return `{"job":43,"display":"42.1","judgement":{"baseline":40}}`, nil
	}, "jobs.compare": `{"before":{"job":40,"display":"40","health":"Complete"},"after":{"job":43,"display":"42.1","verdict":"test","cause":"kernel-panic"},"same":3,"counts":{"regression":1,"fix":1},
		"metadata":[{"key":"build","before":"1","after":"<2>"}],"cases":[{"suite":"s","name":"broke","change":"regression","before":"pass","after":"fail"},{"suite":"s","name":"mended","change":"fix","before":"fail","after":"pass"},
		{"suite":"s","name":"slower","change":"shift","was":1.5,"is":2.5,"units":"s"}]}`}
	s := l.site(t)
	says(t, s, "/scheduler/job/42.1/compare", 200, "Failed: kernel panic", "&lt;2&gt;", "broke", "mended", "2.5 s", "3 cases alike")
	if text := says(t, s, "/scheduler/job/42.1/compare?with=40&change=fix", 200, "mended"); strings.Contains(text, "broke<") {
		t.Error("a change of another kind is shown")
	}
	if len(asked) != 4 || asked[1] != `{"job":"40"}` {
		t.Errorf("jobs are asked for by %q, want as people call them", asked)
	}
	l["jobs.compare"] = `{"before":{"job":40,"display":"40"},"after":{"job":43,"display":"42.1"},"same":3,"counts":{}}`
	if text := says(t, s, "/scheduler/job/42.1/compare", 200, "No case differs."); strings.Contains(text, `aria-label="Changes"`) {
		t.Error("jobs that do not differ have changes to choose from")
	}
	l["jobs.compare"] = error(&Refusal{Code: "not-found", Message: "there is no job 40"})
	says(t, s, "/scheduler/job/42.1/compare?with=40", 200, "there is no job 40", `aria-invalid="true"`)
	l["jobs.show"] = `{"job":43,"display":"42.1"}`
	says(t, s, "/scheduler/job/42.1/compare", 200, "No comparable job came before this one")
}

// TestDefinitions marks what a mistake or a failure is about, and goes back to one's own group.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.show": `{"job":43,"display":"42.1","judgement":{"action":"auto-login-action","verdict":"test"}}`,
		"jobs.texts":  `[{"original":"job_name: <x>\nactions:\n- deploy:\n    to: tmpfs\n- boot:\n    method: qemu\n\n- test:\n    a: b\nmetadata: {}\n","multinode":"whole: group\n"}]`,
		"log.outline": `{"sections":[{"kind":"action","name":"auto-login-action","level":"2.4","start":1,"result":"fail"}]}`}
	s := l.site(t)
	text := says(t, s, "/scheduler/job/42.1/definition", 200, "job_name: &lt;x&gt;", "auto-login-action failed, which is part of this action", `<li id="defline5" class="marked">`, `<li id="defline6" class="marked">`, "/scheduler/job/42.1/definition/plain")
	for _, not := range []string{`<li id="defline4" class="marked">`, `<li id="defline8" class="marked">`, `<li id="defline10" class="marked">`} {
		if strings.Contains(text, not) {
			t.Errorf("a line of another action is marked: %s", not)
		}
	}
	says(t, s, "/scheduler/job/42.1/multinode_definition", 200, "whole: group", "/scheduler/job/42.1/multinode_definition/plain")
	l["jobs.show"] = `{"job":43,"display":"42.1","problems":[{"line":2,"message":"unknown <key>"},{"line":2,"message":"and more"},{"line":99,"message":"nowhere"},{"line":0,"message":"no line"}]}`
	says(t, s, "/scheduler/job/42.1/definition", 200, "unknown &lt;key&gt;; and more", `<li id="defline2" class="marked">`)
	l["jobs.texts"] = `[]`
	says(t, s, "/scheduler/job/42.1/definition", 404, "has no such definition, or it is not kept any more")
}

// TestHelp finds pages of the manual, and says where there is none.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := lab{}.siteFor(t, Visitor{}) // the manual is for everybody
	says(t, s, "/help/", 200, "/help/first-job", "/help/glossary")
	says(t, s, "/help/?q="+url.QueryEscape("health check"), 200, "health", `value="health check"`)
	says(t, s, "/help/?q=%3Cb%3Exyzzyx", 200, "&lt;b&gt;xyzzyx")
	says(t, s, "/help/methods/boot/qemu/", 200, "qemu")
	for _, shelf := range s.contents() {
		for _, p := range shelf.Pages {
			if says(t, s, p.To, 200); p.Title == "" {
				t.Errorf("%s has no title", p.To)
			}
		}
	}
	for _, path := range []string{"/help/none", "/help/methods/boot/none", "/help/..%2f..%2fREADME", "/help/first-job.md"} {
		says(t, s, path, 404, "the manual has no page")
	}
	s.d.Interfaces = func() []Interfaces {
		return []Interfaces{{Title: "XML-RPC", All: []Interface{{"scheduler.submit_job", "(definition)", "submits <one>"}, {"system.version", "()", ""}}}}
	}
	if text := says(t, s, "/api/help/?q=SUBMIT", 200, "scheduler.submit_job", "submits &lt;one&gt;"); strings.Contains(text, "system.version") {
		t.Error("a search among methods names others")
	}
}

// TestHistories compares the versions that an address names, and begins from nothing where there was none before.
func TestHistories(t *testing.T) {
	t.Parallel()
	versions := map[string]string{"1": "a: 1\n", "2": "a: 2\n", "3": "a: 3\n"}
	l := lab{"devices.config": func(in json.RawMessage) (any, error) {
		var asked struct {
			Name  string
			Texts []int
		}
		if err := json.Unmarshal(in, &asked); err != nil {
			return nil, err
		}
		var all []configVersion
		for n := 1; n <= 3; n++ {
			v := configVersion{Version: n, By: "ann", Comment: "change <" + string(rune('0'+n)) + ">", Time: noon}
			for _, want := range asked.Texts {
				if want == n {
					v.Text = versions[string(rune('0'+n))]
				}
			}
			all = append(all, v)
		}
		return map[string]any{"versions": all}, nil
	}}
	s := l.site(t)
	says(t, s, "/scheduler/device/q1/devicedict/history", 200, "From version 2 to 3", "− a: 2", "&#43; a: 3", "change &lt;3&gt;")
	says(t, s, "/scheduler/device/q1/devicedict/history?from=1&to=3", 200, "From version 1 to 3", "− a: 1", "&#43; a: 3")
	says(t, s, "/scheduler/device/q1/devicedict/history?from=0&to=1", 200, "&#43; a: 1")
	says(t, s, "/scheduler/device/q1/devicedict/history?from=2&to=2", 200, "2 to 2")
}
