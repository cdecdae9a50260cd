package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/services/api"
	"strata/services/web"
	"strata/services/web/browser"
)

// visit is what somebody comes to a page for, and how that ends: a row for each address that the pages have. The
// rows are walked in order in one lab by one Chromium, so a row finds what those before it left.
type visit struct {
	route string // of [web.Site.Patterns]
	at    string // address that is opened; of a form, that of the page it stands on
	task  string
	as    string                                          // who comes: the lab's administrator where it is "", alice, or nobody
	given func(t *testing.T, l *pageLab)                  // the starting state, where the lab has not got it
	do    func(t *testing.T, l *pageLab, p *browser.Page) // what is done there
	shows []string                                        // texts to be seen in the end
	then  func(t *testing.T, l *pageLab)                  // what the log says of it
	file  string                                          // of a download: what stands in it
	live  func(t *testing.T, l *pageLab)                  // something happens, and the page shows liveText by itself
	news  string                                          // what it shows then
	fails int                                             // status, where it is none of success
	plain bool                                            // no page for the eye: axe does not look at it
}

// visits is the whole table, by parts of the pages.
func visits() []visit {
	return slices.Concat(firstVisits(), deviceVisits(), typeVisits(), workerVisits(), labVisits(), reportVisits(), logVisits(), jobVisits(), submitVisits(),
		resultVisits(), queryVisits(), chartVisits(), helpVisits(), accountVisits(), adminVisits())
}

// firstVisits are those of the first page and of what all pages have.
func firstVisits() []visit {
	return []visit{
		{route: "GET /", at: "/", task: "see how the lab is", shows: []string{"What broke", "Running", "no console since power on"},
			live: func(t *testing.T, l *pageLab) {
				l.world.must(t, "devices", "health", "qemu-02", "Bad", "--reason", "smoke came out")
			},
			news: "smoke came out"},
		{route: "GET /", at: "/", task: "find one's way by the keyboard alone", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.Await("document.readyState === 'complete'")
			p.Press("?")
			p.Await("document.querySelector('#_keys').open")
			p.Press("Escape")
			p.Await("!document.querySelector('#_keys').open")
			p.Press("Tab") // the first stop of every page leads past its head
			p.Await("document.activeElement.matches('a.skip')")
			p.Press("Enter")
			p.Await("document.activeElement.id === 'main'")
			p.Press("/")
			p.Await("document.activeElement.matches('.find input')")
			p.Do("", "keyboard.insertText", nil, "panda-1")
			p.Press("Enter")
			p.Await("location.pathname === '/search'")
			tabTo(t, p, `main a[href="/scheduler/device/panda-1"]`)
			p.Press("Enter")
			p.Await("location.pathname === '/scheduler/device/panda-1'")
		}, shows: []string{"lab-west"}},
		{route: "GET /", at: "/", task: "turn keys of one letter off, and on again", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			turn := func() { // the link at the foot of each page is there when the key is not
				p.Click(".show-keys")
				p.Await("document.querySelector('#_keys').open")
				p.Click("#_letters")
				p.Press("Escape")
				p.Await("!document.querySelector('#_keys').open")
			}
			p.Await("document.readyState === 'complete'")
			turn()
			p.Go("/") // it holds for further pages
			p.Await("document.readyState === 'complete'")
			p.Press("/", "?")
			var quiet bool
			p.Eval("!document.querySelector('#_keys').open && !document.activeElement.matches('.find input')", &quiet)
			if !quiet {
				t.Error("a letter does something although such keys are off")
			}
			turn()
			p.Press("/")
			p.Await("document.activeElement.matches('.find input')")
		}},
		{route: "POST /theme", at: "/", task: "choose dark colours", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Dark colours"))
			p.Await("document.documentElement.dataset.theme === 'dark'")
			p.Click(browser.Button("Light colours"))
			p.Await("document.documentElement.dataset.theme === 'light'")
			p.Forget()
		}},
	}
}

// TestPages does with each page what people come to it for, in a real browser.
func TestPages(t *testing.T) {
	t.Parallel()
	chromium := browser.Start(t)
	l := newPageLab(t)
	tabs := map[string]*browser.Page{}
	for _, who := range []string{"", "alice", "nobody"} {
		tabs[who] = chromium.Open(t, browser.Options{Lab: l.url, Headers: l.headers(who)})
	}
	bare := chromium.Open(t, browser.Options{Lab: l.url, Headers: l.headers(""), Scriptless: true})
	for _, v := range visits() {
		t.Run(v.route, func(t *testing.T) {
			v.walk(t, l, tabs[v.as].For(t), bare.For(t))
		})
	}
}

// walk does one row.
func (v visit) walk(t *testing.T, l *pageLab, p, bare *browser.Page) {
	if v.given != nil {
		v.given(t, l)
	}
	if v.file != "" {
		if text := l.get(t, v.at); !strings.Contains(text, v.file) {
			t.Errorf("%s is %.500q, want %q in it", v.at, text, v.file)
		}
		return
	}
	want := http.StatusOK
	if v.fails != 0 {
		want = v.fails
	}
	if status := p.Go(v.at); status != want {
		t.Fatalf("%s: status %d, want %d", v.at, status, want)
	}
	if v.do != nil {
		v.do(t, l, p)
	}
	p.See(v.shows...)
	if v.then != nil {
		v.then(t, l)
	}
	if v.live != nil {
		p.Unsee(v.news)
		v.live(t, l)
		p.See(v.news)
	}
	if !v.plain {
		p.Examine()
	}
	for _, complaint := range p.Complaints() {
		if v.fails == 0 || !strings.Contains(complaint, fmt.Sprintf("status of %d", v.fails)) {
			t.Errorf("%s: the browser complains: %s", v.at, complaint)
		}
	}
	if v.do == nil && v.as == "" && v.fails == 0 {
		v.read(t, bare)
	}
}

// read holds that a page says the same where scripts are off, and fits into the window of a phone.
func (v visit) read(t *testing.T, bare *browser.Page) {
	bare.Go(v.at)
	text := bare.Text("body")
	for _, want := range append(v.shows, v.news) {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) && !seenByCase(text, want) {
			t.Errorf("%s without JavaScript does not say %q; it says:\n%.1500s", v.at, want, text)
		}
	}
	bare.Do("", "setViewportSize", nil, map[string]int{"width": 390, "height": 844})
	var wider float64
	bare.Eval("document.documentElement.scrollWidth - innerWidth", &wider)
	if wider > 0 {
		t.Errorf("%s on a phone is %v pixels wider than the window", v.at, wider)
	}
	bare.Do("", "setViewportSize", nil, map[string]int{"width": 1280, "height": 800})
}

// seenByCase compares as the browser's own search for texts does.
func seenByCase(text, want string) bool {
	return strings.Contains(strings.ToLower(strings.Join(strings.Fields(text), " ")), strings.ToLower(want))
}

// TestVisitsAreWhole holds that every address of the pages has a row, and that no row is about none.
func TestVisitsAreWhole(t *testing.T) {
	t.Parallel()
	site, err := web.New(web.Deps{Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, v := range visits() {
		rows[v.route] = true
		if v.task == "" || v.at == "" || len(v.shows) == 0 && v.do == nil && v.file == "" {
			t.Errorf("the row of %s has no task, no address or no end that can be seen", v.route)
		}
	}
	for _, pattern := range site.Patterns() {
		if !rows[pattern] {
			t.Errorf("%s has no row: nobody tries what people come there for", pattern)
		}
		delete(rows, pattern)
	}
	for route := range rows {
		t.Errorf("there is no page %s", route)
	}
}

// tabTo goes with the key Tab from where the focus is to what a selector finds.
func tabTo(t *testing.T, p *browser.Page, on string) {
	t.Helper()
	p.Await("document.readyState === 'complete' && document.querySelector(" + strconv.Quote(on) + ")")
	for range 200 {
		p.Press("Tab")
		var there bool
		if p.Eval("document.activeElement.matches("+strconv.Quote(on)+")", &there); there {
			return
		}
	}
	t.Fatalf("%s: the key Tab does not lead to %s", p.At(), on)
}

// pageLab is the lab whose pages are looked at.
type pageLab struct {
	world    *world
	url      string
	tokens   map[string]string
	files    string // directory for what rows write
	notified string // a job whose mail was not sent
}

// newPageLab starts a lab that has something of everything: jobs that passed, failed, run and wait.
//
//	job 1, 2  passed on qemu-01 or qemu-02, with results
//	job 3     failed by the lab's fault on beagle-1
//	job 4     runs on panda-1 until it is canceled
//	job 5     waits for panda-1
//	job 6     was refused
//	job 7     passed on q0, which no script plays: its log is that of a pipeline
func newPageLab(t *testing.T) *pageLab {
	t.Helper()
	needEngine(t)
	w := newWorld(t)
	_, r := w.up(t, "--worker", "w1")
	l := &pageLab{world: w, url: r.HTTP, tokens: map[string]string{}, files: w.dir}
	token, err := os.ReadFile(filepath.Join(r.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	l.tokens[""] = strings.TrimSpace(string(token))
	if l.get(t, "/"); t.Failed() {
		t.FailNow() // no page can be made at all, and the log says why
	}
	for name, script := range map[string]string{"lab-east": playedWell, "lab-west": playedForEver, "lab-south": playedBadly} {
		w.spawn(t, "worker", "--simulate", write(t, w.dir, name+".yaml", script), "--register", "--name", name, "--data", filepath.Join(w.dir, name))
	}
	real := w.quickDevices(t, 1) // of the worker w1, whose jobs have actions
	eventually(t, "the workers are online with their devices", func() bool {
		var workers []api.Worker
		w.ask(t, &workers, "workers")
		var devices []api.Device
		w.ask(t, &devices, "devices")
		online := 0
		for _, one := range workers {
			if one.State == "Online" {
				online++
			}
		}
		return online == 4 && len(devices) >= 5
	})
	c, done, err := w.app(&bytes.Buffer{}).client()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var issued api.Token
	for _, err := range []error{c.Call(t.Context(), "users.add", api.UserRequest{User: "alice"}, nil),
		c.Call(t.Context(), "tokens.issue", api.TokenRequest{User: "alice"}, &issued),
		c.Call(t.Context(), "permissions.open", api.OpenRequest{Open: true}, nil)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.tokens["alice"] = issued.Value
	for _, kind := range []string{"qemu", "qemu", "beagle", "panda", "panda"} {
		w.must(t, "submit", write(t, w.dir, kind+"-job.yaml", strings.ReplaceAll(seenJob, "KIND", kind)))
	}
	if status, text := w.strata(t, "submit", write(t, w.dir, "refused.yaml", "job_name: x\ndevice_type: qemu\n")); status != exitFailed {
		t.Fatalf("a definition without actions: status %d, %s", status, text)
	}
	w.must(t, "submit", real)
	eventually(t, "the first jobs are over", func() bool {
		var all api.Jobs
		w.ask(t, &all, "jobs", "--all")
		over := 0
		for _, j := range all.Jobs {
			if j.Over() && j.Complete {
				over++
			}
		}
		return over >= 4
	})
	eventually(t, "the fourth job runs, and the tables have what the others did", func() bool {
		var runs api.Job
		w.ask(t, &runs, "show", "4")
		_, text := w.strata(t, "sql", "--format", "CSV", `SELECT (SELECT count() FROM jobs WHERE complete) >= 4, (SELECT count() FROM events WHERE type = 'job.judged') >= 4,
			(SELECT count() FROM test_cases WHERE suite = '0_smoke') = 6, (SELECT count() FROM log_lines WHERE message LIKE '%Starting kernel%') > 0`)
		return runs.State == "Running" && text == "1,1,1,1\n"
	})
	return l
}

// headers are what somebody's browser sends.
func (l *pageLab) headers(who string) map[string]string {
	if who == "nobody" {
		return nil
	}
	return map[string]string{"Authorization": "Token " + l.tokens[who]}
}

// call asks a verb of the api as the lab's administrator.
func (l *pageLab) call(t *testing.T, verb string, in any) {
	t.Helper()
	c, done, err := l.world.app(&bytes.Buffer{}).client()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := c.Call(t.Context(), verb, in, nil); err != nil {
		t.Fatalf("%s %v: %v", verb, in, err)
	}
}

// get fetches what is no page.
func (l *pageLab) get(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", l.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", l.headers("")["Authorization"])
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %s, %v", path, answer.Status, err)
	}
	return string(text)
}

// recorded waits until the log has a fact of a name about an entity, whose payload has all the texts.
func (l *pageLab) recorded(t *testing.T, entity, name string, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has a fact %s with %q", entity, name, texts), func() bool {
		for line := range strings.Lines(l.world.must(t, "events", entity, "--json")) {
			var f api.Fact
			if json.Unmarshal([]byte(line), &f) != nil || f.Name != name {
				continue
			}
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				return true
			}
		}
		return false
	})
}

// seenJob is the definition of the lab's jobs; KIND stands for the device type.
const seenJob = `job_name: smoke on KIND
device_type: KIND
visibility: public
timeouts: {job: {minutes: 60}, action: {minutes: 5}, connection: {minutes: 2}}
metadata: {build: "42"}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`

// The three workers' parts.
const (
	playedWell = `
device_type: qemu
devices: [qemu-01, qemu-02]
jobs:
- name: passes
  console:
  - {say: Linux version 6.12.9}
  - {noise: 30}
  - {result: {suite: lava, case: login-action}}
  - {result: {suite: 0_smoke, case: uname}}
  - {result: {suite: 0_smoke, case: boot-time, measurement: 7.5, units: seconds}}
  - {result: {suite: 0_smoke, case: network, result: fail}}
`
	playedForEver = `
device_type: panda
devices: [panda-1]
jobs:
- name: hangs
  end: hang
  console:
  - {say: Starting kernel}
`
	playedBadly = `
device_type: beagle
devices: [beagle-1]
jobs:
- name: silent
  end: fail
  error_type: Infrastructure
  error: no console since power on
  console:
  - {say: U-Boot 2026.01}
`
)
