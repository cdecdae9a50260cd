package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"strata/events"
)

// failedJob is a job that failed, as the api tells it, and what else its page asks for.
func failedJob() lab {
	return lab{
		"jobs.show": `{"job":42,"display":"42","state":"Finished","health":"Incomplete","user":"alice","name":"boot <mainline>","device_type":"bbb","device":"bbb-1",
			"worker":"w1","priority":50,"submitted":"2026-11-23T11:00:00Z","started":"2026-11-23T11:01:00Z","ended":"2026-11-23T11:06:00Z","output_complete":true,
			"error_type":"Job","error":"auto-login-action timed out","judgement":{"job":42,"verdict":"test","cause":"kernel-panic","evidence":219,
			"action":"auto-login-action","text":"Kernel panic - not syncing: <x>","next":"Report the trace.","baseline":40,"findings":[{"line":230,"kind":"hung-task"}],
			"counts":{"regressions":2,"fixes":1},"issues":[{"issue":7,"line":221,"cases":1}]}}`,
		"jobs.row":    `{"job":42,"display":"42","public":true,"comment":"loose cable","failure_tags":["cable"]}`,
		"rights":      `{"job/42":["view","resubmit","change"]}`,
		"issues.list": `[{"issue":7,"title":"panic at boot","url":"https://bugs.example.com/7"}]`,
		"log.outline": `{"lines":300,"done":true,"sections":[
			{"kind":"action","name":"validate","level":"0","start":1},
			{"kind":"action","name":"boot","level":"2","depth":1,"start":10,"end":290,"seconds":300,"result":"fail"},
			{"kind":"action","name":"auto-login-action","level":"2.4","depth":2,"start":100,"end":280,"seconds":200,"result":"fail"},
			{"kind":"test","name":"0_smoke","depth":1,"start":291,"end":299,"seconds":2},
			{"kind":"case","name":"uname","depth":2,"start":292,"end":293,"result":"pass"},
			{"kind":"case","name":"network","depth":2,"start":294,"end":295,"result":"fail"}]}`,
		"log.lines": `{"first":0,"rows":300,"lines":300,"done":true,"records":[{"n":219,"lvl":"target","msg":"Kernel panic"}]}`,
		"jobs.results": `{"cases":[{"suite":"lava","name":"validate","result":"pass","line":5},{"suite":"0_smoke","name":"uname","result":"pass","line":293},
			{"suite":"0_smoke","name":"network","result":"fail","line":295},{"suite":"0_smoke","name":"speed","result":"pass","line":296,"measurement":7.5,"units":"s"}]}`,
		"jobs.texts":  `[{"definition":"a","original":"job_name: x\nactions:\n- deploy:\n    to: tmpfs\n- boot:\n    method: qemu\n    prompts: ['#']\n- test:\n    a: b\nmetadata: {}\n"}]`,
		"jobs.inputs": `{"definition":"x","config":"commands: {}","dispatcher":"dispatcher_ip: 127.0.0.1","notes":["the device has changed since"]}`,
		"jobs.files":  `{"files":[{"suite":"0_smoke","name":"trace.txt","bytes":2048,"line":298}]}`,
	}
}

// says reports what a page lacks of texts.
func says(t *testing.T, s *Site, path string, status int, texts ...string) string {
	t.Helper()
	w := get(s, path)
	text := w.Body.String()
	if w.Code != status {
		t.Fatalf("%s: status %d, want %d: %.600s", path, w.Code, status, text)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	checkPage(t, text)
	return text
}

// TestErrorOfManyLines shows the first line of an error alone: a kernel's trace would push what to do next out of sight.
// The rest is a click away, in a <details> that needs no script.
func TestErrorOfManyLines(t *testing.T) {
	t.Parallel()
	answers := failedJob()
	answers["jobs.show"] = strings.Replace(answers["jobs.show"].(string), "auto-login-action timed out", `Kernel panic - not syncing\n[    4.660047]  dump_stack_lvl`, 1)
	says(t, answers.site(t), "/scheduler/job/42", 200, `Job error</span>: Kernel panic - not syncing <details class="whole"><summary>all of it</summary>`, "dump_stack_lvl")
}

// TestJobPage shows a failed job: why, where, what next, its pipeline, its results, with everything escaped.
func TestJobPage(t *testing.T) {
	s := failedJob().site(t)
	text := says(t, s, "/scheduler/job/42", 200, "boot &lt;mainline&gt;", "<b>Failed: kernel panic</b>", "what was tested is to blame", `<span class="class">Job error</span>: auto-login-action timed out`,
		`<a href="/scheduler/job/42#L100">2.4 auto-login-action</a>`, `href="/scheduler/job/42#L219"`, "Kernel panic - not syncing: &lt;x&gt;", "Report the trace.",
		"hung task in the kernel at", "2 regressions", "1 fix", "/scheduler/job/42/compare?with=40", "https://bugs.example.com/7", "loose cable", `class="mark">cable`,
		"ran 5 min 00 s", "public", `log-view job="42"`, `evidence="219"`, "✗", "network", "annotate_failure", "resubmit")
	if strings.Contains(text, "/cancel") {
		t.Error("a job that is over can be canceled")
	}
	says(t, s, "/scheduler/job/42?tab=results", 200, "7.5 s", "0_smoke", "#L295")
	says(t, s, "/scheduler/job/42?tab=timing", 200, "With the device", "66 %", "auto-login-action")
	says(t, s, "/scheduler/job/42?tab=inputs", 200, "dispatcher_ip", "changed since")
	says(t, s, "/scheduler/job/42?tab=files", 200, "trace.txt", "2.0 KiB")
}

// TestJobStates shows jobs that are elsewhere in their lives.
func TestJobStates(t *testing.T) {
	head := `"job":5,"display":"5","user":"alice","name":"x","submitted":"2026-11-23T11:59:00Z",`
	tests := []struct {
		name, show string
		more       lab
		want       []string
	}{
		{"waits", `"state":"Submitted","why":"the one device that fits: busy"`, lab{"jobs.why": `{"summary":"the one device that fits: busy","place":2,"behind":["4"],
			"devices":["bbb-1: job 3 has it"],"estimate":{"known":true,"earliest":"2026-11-23T12:01:00Z","likely":"2026-11-23T12:05:00Z","latest":"2026-11-23T12:20:00Z","basis":9}}`},
			[]string{"Waits", "the one device that fits: busy", "2 among", `href="/scheduler/job/4"`, "bbb-1: job 3 has it", "in 5 min", "9 measured jobs"}},
		{"runs", `"state":"Running","started":"2026-11-23T11:59:30Z"`, lab{"log.outline": `{"lines":9,"sections":[{"kind":"action","name":"boot","level":"2","start":1,"began":"2026-11-23T11:59:40Z"}]}`},
			[]string{"<b>Running</b>", "in boot", "runs for", "live"}},
		{"is refused", `"state":"Rejected","health":"Incomplete","error_type":"Job","problems":[{"message":"extra keys","path":"data['x']","line":2,"column":1}]`, lab{"jobs.texts": `[{"original":"a: b\nx: 1\n"}]`},
			[]string{"Rejected: the definition is not valid", "definition#defline2", `<li id="defline2" class="marked">`, "<em>extra keys</em>", "extra keys", "Correct the definition"}},
		{"was canceled", `"state":"Finished","health":"Canceled","canceled_by":"bob","cancel_reason":"no longer needed","judgement":{"verdict":"canceled","cause":"canceled","next":"Submit again."}`, nil,
			[]string{"Canceled by bob", "no longer needed", "Submit again."}},
		{"is not judged", `"state":"Finished","health":"Incomplete","error_type":"Infrastructure","error":"no power"`, lab{"log.outline": `{"done":true,"sections":[],"findings":[{"line":3,"kind":"error","text":"relay stuck"}]}`},
			[]string{"<b>Failed</b>", "Infrastructure", "relay stuck", "is being judged"}},
		{"passed", `"state":"Finished","health":"Complete","judgement":{"verdict":"pass"}`, nil, []string{"<b>Passed</b>"}},
		{"is tried again", `"state":"Finished","health":"Incomplete","retried_as":6,"attempts":[{"job":5,"state":"Finished","health":"Incomplete"},{"job":6,"state":"Running"}]`, nil,
			[]string{"Attempts", `href="/scheduler/job/6"`}},
		{"is of a group", `"state":"Running","role":"server","parts":[{"job":5,"display":"5.0","role":"server","state":"Running"},{"job":6,"display":"5.1","role":"client","state":"Submitted"}]`, nil,
			[]string{"Jobs of the group", "client", "/scheduler/job/5.1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := lab{"jobs.show": "{" + head + tt.show + "}"}
			for verb, answer := range tt.more {
				l[verb] = answer
			}
			says(t, l.site(t), "/scheduler/job/5", 200, tt.want...)
		})
	}
	says(t, lab{"jobs.show": &Refusal{Code: "not-found", Message: "there is no job 9"}}.site(t), "/scheduler/job/9", 404, "there is no job 9")
	says(t, lab{"jobs.show": &Refusal{Code: "denied", Message: "nobody may view job 9"}}.siteFor(t, Visitor{}), "/scheduler/job/9", 403, "nobody may view job 9", "/accounts/login/?next=")
}

// TestPipeline makes a tree by levels, whatever depth a log that never ends an action suggests.
func TestPipeline(t *testing.T) {
	end := func(n uint64) *uint64 { return &n }
	roots, now := pipeline([]stretch{
		{Kind: "action", Name: "validate", Level: "0", Start: 1},
		{Kind: "action", Name: "boot", Level: "2", Depth: 1, Start: 3, End: end(9), Seconds: 5},
		{Kind: "action", Name: "login", Level: "2.1", Depth: 2, Start: 4, End: end(8), Result: "fail"},
		{Kind: "action", Name: "test", Level: "3", Depth: 1, Start: 10, Began: "2026-11-23T11:00:00Z"},
		{Kind: "test", Name: "smoke", Depth: 2, Start: 11},
		{Kind: "case", Name: "good", Depth: 3, Start: 12, End: end(13), Result: "pass"},
		{Kind: "case", Name: "poor", Depth: 3, Start: 14, End: end(15), Result: "fail"},
	}, false)
	var text strings.Builder
	var write func(steps []*stage, in string)
	write = func(steps []*stage, in string) {
		for _, s := range steps {
			fmt.Fprintf(&text, "%s%s", in, s.Name)
			for _, f := range []struct {
				is   bool
				word string
			}{{s.Running, " runs"}, {s.Failed, " failed"}, {s.Open, " open"}, {s.Cases > 0, fmt.Sprintf(" +%d", s.Cases)}} {
				if f.is {
					text.WriteString(f.word)
				}
			}
			text.WriteString("\n")
			write(s.Steps, in+" ")
		}
	}
	write(roots, "")
	const want = "validate\nboot failed open\n login failed open\ntest runs failed open\n smoke runs failed open +1\n  poor failed open\n"
	if text.String() != want || now != "smoke" {
		t.Errorf("tree with %q running:\n%s\nwant smoke running:\n%s", now, text.String(), want)
	}
	if _, now := pipeline([]stretch{{Kind: "action", Name: "boot", Level: "2"}}, true); now != "" {
		t.Errorf("%q runs in a job that is over", now)
	}
}

// TestJobActs does what a job's buttons say.
func TestJobActs(t *testing.T) {
	var asked []string
	l := failedJob()
	for _, verb := range []string{"jobs.cancel", "jobs.priority", "jobs.annotate", "jobs.favour"} {
		l[verb] = func(in json.RawMessage) (any, error) {
			asked = append(asked, verb+" "+string(in))
			return struct{}{}, nil
		}
	}
	s := l.site(t)
	for _, tt := range []struct {
		path string
		form url.Values
		want string
	}{
		{"cancel", url.Values{"reason": {" late "}}, `jobs.cancel {"job":"42","reason":"late"}`},
		{"priority", url.Values{"priority": {"High"}}, `jobs.priority {"job":"42","priority":100}`},
		{"annotate_failure", url.Values{"failure_comment": {"cable"}, "failure_tags": {"a, b"}}, `jobs.annotate {"comment":"cable","job":"42","tags":["a","b"]}`},
		{"toggle_favorite", nil, `jobs.favour {"job":42,"off":false}`},
	} {
		asked = nil
		w := post(s, "/scheduler/job/42/"+tt.path, tt.form)
		if got := strings.Join(asked, "; "); w.Code != 303 || w.Header().Get("Location") != "/scheduler/job/42" || got != tt.want {
			t.Errorf("%s: status %d to %q, asked %s; want 303 to the job after %s", tt.path, w.Code, w.Header().Get("Location"), got, tt.want)
		}
	}
	for path, want := range map[string]string{"priority": "it is a number from 0 to 100", "fail": "Only superusers can fail a job"} {
		if w := post(s, "/scheduler/job/42/"+path, url.Values{"priority": {"soon"}}); w.Code < 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s with nonsense: status %d, want a refusal with %q", path, w.Code, want)
		}
	}
}

// TestDefinition marks the action of the definition in which the job failed, and the lines that a refusal names.
func TestDefinition(t *testing.T) {
	text := says(t, failedJob().site(t), "/scheduler/job/42/definition", 200, `id="defline5"`, "auto-login-action failed")
	for line, marked := range map[int]bool{4: false, 5: true, 6: true, 7: true, 8: false, 10: false} {
		if got := strings.Contains(text, fmt.Sprintf(`<li id="defline%d" class="marked">`, line)); got != marked {
			t.Errorf("line %d marked: got %t, want %t", line, got, marked)
		}
	}
	refused := lab{"jobs.show": `{"job":6,"display":"6","state":"Rejected","problems":[{"message":"no such key","line":2}]}`,
		"jobs.texts": `[{"original":"job_name: x\nbogus: 1\n"}]`}.site(t)
	says(t, refused, "/scheduler/job/6/definition", 200, `<li id="defline2" class="marked">`, "<em>no such key</em>")
	says(t, failedJob().site(t), "/scheduler/job/42/multinode_definition", 404, "no such definition")
}

// TestCompare says what differs, and what is wrong with a question.
func TestCompare(t *testing.T) {
	l := failedJob()
	l["jobs.compare"] = func(in json.RawMessage) (any, error) {
		var asked struct{ Before, After events.JobID }
		if err := json.Unmarshal(in, &asked); err != nil || asked.Before == 0 || asked.After == 0 {
			t.Errorf("the page asks %s, %v; want the numbers of two jobs", in, err)
		}
		return json.RawMessage(`{"before":{"job":40,"display":"40","verdict":"pass","cases":3,"complete":true},"after":{"job":42,"display":"42","verdict":"test","cause":"kernel-panic","cases":3,"complete":true},
		"cases":[{"suite":"0_smoke","name":"network","change":"regression","before":"pass","after":"fail"},{"suite":"0_smoke","name":"speed","change":"measurement","was":5,"is":7.5,"units":"s"}],
		"same":1,"counts":{"regression":1,"measurement":1},"metadata":[{"key":"build","before":"1","after":"2"}]}`), nil
	}
	says(t, l.site(t), "/scheduler/job/42/compare", 200, "Passed", "Failed: kernel panic", "1 case alike", "regression", "7.5 s", "build")
	if text := says(t, l.site(t), "/scheduler/job/42/compare?with=40&change=measurement", 200, "7.5 s"); strings.Contains(text, ">0_smoke / network<") {
		t.Error("a filter by change shows the others")
	}
	l["jobs.compare"] = &Refusal{Code: "not-found", Message: "there is no job 999"}
	says(t, l.site(t), "/scheduler/job/42/compare?with=999", 200, "there is no job 999", `aria-invalid="true"`)
}

// TestTimes says times as people do.
func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Hour: "in 1 h", 3 * time.Second: "just now", 90 * time.Second: "1 min ago", 26 * time.Hour: "26 h ago", 72 * time.Hour: "3 days ago"} {
		if got := ago(noon, noon.Add(-d)); got != want {
			t.Errorf("ago %v: got %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 ms", 1500 * time.Millisecond: "1.5 s", 61 * time.Second: "1 min 01 s", 3*time.Hour + 5*time.Minute: "3 h 05 min", 50 * time.Hour: "2 days 2 h"} {
		if got := length(d); got != want {
			t.Errorf("length %v: got %q, want %q", d, got, want)
		}
	}
}

// TestTimingOf shares a job's time among its steps, and shows the innermost that took longest.
func TestTimingOf(t *testing.T) {
	t.Parallel()
	start, end := noon.Add(-100*time.Second), noon
	line := func(n uint64) *uint64 { return &n }
	tree, _ := pipeline([]stretch{
		{Kind: "action", Name: "deploy", Level: "1", Start: 1, End: line(9), Seconds: 30},
		{Kind: "action", Name: "fetch", Level: "1.1", Start: 2, End: line(8), Seconds: 29},
		{Kind: "action", Name: "boot", Level: "2", Start: 10, End: line(20), Seconds: 250}, // by a clock that was set meanwhile
		{Kind: "action", Name: "test", Level: "3", Start: 21, End: line(40), Seconds: 20},
		{Kind: "test", Name: "0_smoke", Start: 22, End: line(39), Seconds: 19},
		{Kind: "case", Name: "uname", Start: 23, End: line(24), Seconds: 18, Result: "fail"},
	}, true)
	say := func(all []portion) (out []string) {
		for _, p := range all {
			out = append(out, fmt.Sprintf("%s %s %d%% L%d", p.Name, p.Took, p.Percent, p.Line))
		}
		return out
	}
	got := timingOf(tree, shownJob{Submitted: start.Add(-time.Minute), Started: &start, Ended: &end}, noon.Add(time.Hour))
	if got.Total != 100*time.Second || got.Queue != time.Minute {
		t.Errorf("the job took %s after %s in the queue, want 100 s and a minute", got.Total, got.Queue)
	}
	if want := "[deploy 30s 30% L1 boot 4m10s 100% L10 test 20s 20% L21]"; fmt.Sprint(say(got.Shares)) != want {
		t.Errorf("shares:\n got %v\nwant %v", say(got.Shares), want)
	}
	if want := "[boot 4m10s 100% L10 fetch 29s 29% L2 0_smoke 19s 19% L22]"; fmt.Sprint(say(got.Longest)) != want {
		t.Errorf("longest:\n got %v\nwant %v", say(got.Longest), want)
	}
	if runs := timingOf(tree, shownJob{Submitted: start, Started: &start}, noon.Add(time.Hour)); runs.Total != time.Hour+100*time.Second {
		t.Errorf("a job that runs has taken %s until now", runs.Total)
	}
	if waits := timingOf(nil, shownJob{Submitted: start}, noon); waits.Total != 0 || waits.Queue != 0 || waits.Shares != nil {
		t.Errorf("a job that never began has the times %+v", waits)
	}
	many := make([]stretch, 40)
	for i := range many {
		many[i] = stretch{Kind: "test", Name: "t", Start: uint64(i), End: line(uint64(i)), Seconds: float64(i)}
	}
	tree, _ = pipeline(many, true)
	if got := timingOf(tree, shownJob{}, noon); len(got.Longest) != 15 || got.Longest[0].Took != 39*time.Second || got.Longest[0].Percent != 0 {
		t.Errorf("of forty steps %d are shown, the first %+v", len(got.Longest), got.Longest[0])
	}
}

// TestEstimateOfAJob knows a moment where all three can be read.
func TestEstimateOfAJob(t *testing.T) {
	t.Parallel()
	const at = "2026-11-23T12:00:00.5Z"
	for _, tt := range []struct {
		earliest, likely, latest string
		known                    bool
	}{{at, at, at, true}, {"", "", "", false}, {at, at, "", false}, {at, "soon", at, false}} {
		if got := readEstimate(tt.earliest, tt.likely, tt.latest); got.Known != tt.known {
			t.Errorf("%+v is known: %t", tt, got.Known)
		}
	}
}

// TestSumSuites counts what was tested, and shows what failed first.
func TestSumSuites(t *testing.T) {
	t.Parallel()
	suites, all := sumSuites([]events.Case{{Suite: "lava", Name: "login", Result: events.Fail}, {Suite: "z", Name: "a", Result: events.Pass}, {Suite: "b", Name: "c", Result: events.Skip},
		{Suite: "z", Name: "d", Result: events.Fail}, {Suite: "z", Name: "e", Result: "odd"}, {Suite: "z", Name: "f", Result: events.Fail}})
	var got []string
	for _, s := range suites {
		names := ""
		for _, c := range s.Cases {
			names += c.Name
		}
		got = append(got, fmt.Sprintf("%s %s %v", s.Name, names, s.Counts))
	}
	if want := "[b c {0 0 1 0} z dfae {1 2 0 1} lava login {0 1 0 0}]"; fmt.Sprint(got) != want {
		t.Errorf("suites:\n got %v\nwant %v", got, want)
	}
	if all != (outcomeCounts{1, 2, 1, 1}) || all.All() != 5 {
		t.Errorf("in all %+v, want the pipeline's own left out", all)
	}
}

// TestPlaceOfFailure names the failing action: the judgement's, of several attempts the last that failed, else the innermost.
func TestPlaceOfFailure(t *testing.T) {
	t.Parallel()
	sections := []stretch{
		{Kind: "action", Name: "boot", Level: "2", Depth: 1, Start: 10, Result: "fail"},
		{Kind: "action", Name: "login", Level: "2.1", Depth: 2, Start: 20, Result: "fail"},
		{Kind: "action", Name: "login", Level: "2.2", Depth: 2, Start: 30, Result: "fail"},
		{Kind: "action", Name: "login", Level: "2.3", Depth: 2, Start: 40},
		{Kind: "case", Name: "deep", Depth: 9, Start: 50, Result: "fail"},
	}
	for _, tt := range []struct {
		tone, action, want string
		line               uint64
	}{
		{"bad", "login", "2.2 login", 30}, {"bad", "2.1 login", "2.1 login", 20}, {"bad", "2.3 login", "2.3 login", 40}, {"warn", "", "2.2 login", 30},
		{"bad", "gone", "gone", 0}, {"good", "", "", 0}, {"off", "", "", 0}, {"off", "boot", "2 boot", 10},
	} {
		v := verdictPanel{Tone: tt.tone, Action: tt.action}
		v.place(&jobData{Log: logOutline{Sections: sections}})
		line := uint64(0)
		if v.ActionAt != nil {
			line = *v.ActionAt
		}
		if v.Action != tt.want || line != tt.line {
			t.Errorf("%s, judged to have failed in %q: %q at %d, want %q at %d", tt.tone, tt.action, v.Action, line, tt.want, tt.line)
		}
	}
}

// TestClassOfVerdicts says in LAVA's kinds who is to blame, and every cause in words.
func TestClassOfVerdicts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		verdict    events.Verdict
		cause      events.Cause
		class      string
		head, tone string
	}{
		{events.VerdictPass, "", "", "Passed", "good"},
		{events.VerdictCanceled, "", "", "Canceled", "off"},
		{events.VerdictInfra, events.CausePower, "Infrastructure", "Failed: power could not be switched", "warn"},
		{events.VerdictInfra, events.CauseSettings, "Configuration", "Failed: the lab's settings are wrong", "warn"},
		{events.VerdictTest, events.CauseTestFailed, "Test", "Failed: a test failed", "bad"},
		{events.VerdictTest, events.CauseTestTimeout, "Test", "Failed: a test did not end in time", "bad"},
		{events.VerdictTest, events.CausePanic, "Job", "Failed: kernel panic", "bad"},
		{events.VerdictTest, "solar-flare", "Job", "Failed: solar-flare", "bad"}, // of a later release
	} {
		head, _, tone := verdictWords(tt.verdict, tt.cause)
		if class := classOf(tt.verdict, tt.cause); class != tt.class || head != tt.head || tone != tt.tone {
			t.Errorf("%s by %s: class %q, %q, %s; want %q, %q, %s", tt.verdict, tt.cause, class, head, tone, tt.class, tt.head, tt.tone)
		}
	}
}
