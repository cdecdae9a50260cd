package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
	"strata/services/web"
	"strata/services/web/browser"
)

// TestFirstView has the page of a job say at first sight why it failed, for every failed console that was recorded:
// who has to act, the failing action, the class of the error, the first line of evidence with a way to it, and what to
// do next. The verdicts are judgement's own.
func TestFirstView(t *testing.T) {
	t.Parallel()
	failed := failedConsoles(t)
	site := consoleSite(t, failed)
	for i, f := range failed {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest("GET", "/scheduler/job/"+strconv.Itoa(i+1), nil))
		text := w.Body.String()
		_, panel, _ := strings.Cut(text, `id="verdict"`)
		panel, _, _ = strings.Cut(panel, "</section>")
		evidence := fmt.Sprintf(`href="/scheduler/job/%d#L%d"`, i+1, f.Line-1)
		for what, want := range map[string]string{"the head": `<b>Failed: `, "the class": `<span class="class">` + string(f.class()), "the action": ">2.4 auto-login-action<",
			"the evidence's link": evidence, "its text": `<code>` + firstWord(f.Text), "what comes next": escaped(f.Next)} {
			if w.Code != 200 || !strings.Contains(panel, want) {
				t.Errorf("%s: the page (status %d) lacks %s, %q, in %q", f.File, w.Code, what, want, panel)
			}
		}
	}
}

// TestFirstViewIsSeen looks at these pages in a browser of 1280×800 without touching anything: all of it has to be in
// the window. CI looks at a few, `make test-all` at every one.
func TestFirstViewIsSeen(t *testing.T) {
	t.Parallel()
	failed := failedConsoles(t)
	step := 1
	if os.Getenv("STRATA_TEST_ALL") != "1" {
		step = max(1, len(failed)/7)
		t.Logf("CI looks at every %dth of %d consoles; STRATA_TEST_ALL=1 at all", step, len(failed))
	}
	server := httptest.NewServer(consoleSite(t, failed))
	t.Cleanup(server.Close)
	p := browser.Start(t).Open(t, browser.Options{Lab: server.URL})
	for i := 0; i < len(failed); i += step {
		p.Go("/scheduler/job/" + strconv.Itoa(i+1))
		for _, part := range []string{".verdict-head b", ".verdict-error .class", ".verdict-action", ".verdict-evidence a", ".verdict-evidence code", ".verdict-next"} {
			var seen struct{ Text, Why string }
			p.Eval(`(() => { const el = document.querySelector("#verdict `+part+`"); if (!el) return {Why: "is not there"};
				const r = el.getBoundingClientRect(); const at = document.elementFromPoint(r.left + Math.min(8, r.width / 2), r.top + r.height / 2);
				const inside = r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth && r.height > 0;
				return {Text: el.innerText, Why: !inside ? "lies at " + JSON.stringify(r) : at && (el.contains(at) || at.contains(el)) ? "" : "is covered"}; })()`, &seen)
			if seen.Why != "" || strings.TrimSpace(seen.Text) == "" {
				t.Errorf("%s: %s says %q and %s; want it in the first view", failed[i].File, part, seen.Text, seen.Why)
			}
		}
	}
	p.Complaints() // the viewer asks for logs that this site has none of
}

// failedConsole is a recorded console and what judgement says of it.
type failedConsole struct{ judgedFile }

// class is the class of error that a dispatcher gives such a job.
func (f failedConsole) class() events.ErrorType {
	if f.Verdict == events.VerdictInfra {
		return events.InfrastructureError
	}
	return events.JobError
}

// failedConsoles judges every failed console of the recorded data, and those that were made up.
func failedConsoles(t *testing.T) (out []failedConsole) {
	t.Helper()
	for _, m := range madeConsoles(t) {
		j, err := judgeFile(write(t, t.TempDir(), m.name+".log", m.text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, failedConsole{j})
	}
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = filepath.Join(workspace(t), "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(corpus, "consoles")); err != nil {
		t.Logf("SKIPPED, no page is seen for recorded consoles: %v (STRATA_CORPUS names their folder)", err)
		return out
	}
	table, err := os.Open(filepath.Join(workspace(t), "services", "judgement", "verdict", "testdata", "recorded.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	rows, err := csv.NewReader(table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if !strings.HasPrefix(row[0], "consoles/") || row[1] == string(events.VerdictPass) {
			continue
		}
		j, err := judgeFile(filepath.Join(corpus, row[0]))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, failedConsole{j})
	}
	if len(out) < 90 {
		t.Fatalf("%d failed consoles, want at least 90", len(out))
	}
	return out
}

// madeConsole is a console that somebody made up, and what is to be said of it.
type madeConsole struct{ name, verdict, cause, evidence, text string }

// madeConsoles reads testdata/madeconsoles.txt.
func madeConsoles(t *testing.T) (out []madeConsole) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "madeconsoles.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		head, console, _ := strings.Cut(part, "\n")
		f := strings.SplitN(head, " | ", 4)
		if len(f) != 4 || console == "" {
			t.Fatalf("testdata/madeconsoles.txt: %q is no name | verdict | cause | evidence with a console below", head)
		}
		out = append(out, madeConsole{f[0], f[1], f[2], f[3], console + "\n"})
	}
	return out
}

// TestMadeConsoles judges consoles of kinds that nobody has recorded: who has to act, the cause, and the line to look at.
func TestMadeConsoles(t *testing.T) {
	t.Parallel()
	made := madeConsoles(t)
	if len(made) < 30 {
		t.Fatalf("%d consoles, want at least 30", len(made))
	}
	for _, m := range made {
		j, err := judgeFile(write(t, t.TempDir(), m.name+".log", m.text))
		if err != nil {
			t.Fatal(err)
		}
		if string(j.Verdict) != m.verdict || m.cause != "*" && string(j.Cause) != m.cause || !strings.Contains(j.Text, m.evidence) || j.Next == "" {
			t.Errorf("%s: %s, %s by line %d, %q, next %q; want %s, %s by %q, and what comes next", m.name, j.Verdict, j.Cause, j.Line, j.Text, j.Next, m.verdict, m.cause, m.evidence)
		}
	}
}

// consoleSite is the pages of a lab whose job N failed as the Nth console did.
func consoleSite(t *testing.T, failed []failedConsole) http.Handler {
	t.Helper()
	began := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
	job := func(n int) api.Job {
		f := failed[n-1]
		ended, line := began.Add(7*time.Minute), f.Line-1
		return api.Job{Job: events.JobID(n), Display: strconv.Itoa(n), State: api.StateFinished, Health: events.Incomplete, User: "alice", Name: "boot of " + filepath.Base(f.File),
			DeviceType: "board", Device: "board-1", Worker: "w1", Priority: 50, Submitted: began, Started: &began, Ended: &ended, Lines: 400, Complete: true,
			ErrorType: f.class(), Error: "auto-login-action timed out after 300 seconds",
			Judgement: &api.Judgement{JobJudged: events.JobJudged{Job: events.JobID(n), Verdict: f.Verdict, Cause: f.Cause, Evidence: &line, Action: "auto-login-action"}, Text: f.Text, Next: f.Next}}
	}
	answers := func(verb string, n int) any {
		switch verb {
		case "jobs.show":
			return job(n)
		case "log.outline":
			return map[string]any{"lines": 400, "done": true, "sections": []map[string]any{
				{"kind": "action", "name": "boot", "level": "2", "start": 0, "end": 399, "seconds": 310.0},
				{"kind": "action", "name": "auto-login-action", "level": "2.4", "depth": 1, "start": 1, "end": 399, "seconds": 300.0, "result": "fail"}}}
		}
		return nil
	}
	who := web.Visitor{Name: "alice", SignedIn: true}
	who.Call = func(_ context.Context, verb string, in, out any) error {
		var asked struct {
			Job json.RawMessage `json:"job"`
		}
		body, err := json.Marshal(in)
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(strings.Trim(string(asked.Job), `"`))
		answer := any(nil)
		if n > 0 && n <= len(failed) {
			answer = answers(verb, n)
		}
		if answer == nil {
			return &web.Refusal{Code: "not-found", Message: "the test has no answer to " + verb}
		}
		if body, err = json.Marshal(answer); err != nil {
			return err
		}
		return json.Unmarshal(body, out)
	}
	who.Stream = func(context.Context, string, any, func(map[string]string, []byte) error) error { return nil }
	site, err := web.New(web.Deps{Who: func(*http.Request) (web.Visitor, error) { return who, nil }, Now: func() time.Time { return began.Add(time.Hour) },
		Logger: slog.New(slog.DiscardHandler), Name: "Lab", Version: "devel"})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// escaped is a text as pages have it.
func escaped(text string) string { return strings.ReplaceAll(text, "'", "&#39;") }

// firstWord is the beginning of a line that no markup changes.
func firstWord(line string) string {
	if i := strings.IndexAny(line, "\"'&<>+"); i >= 0 {
		line = line[:i]
	}
	return line
}
