package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"strata/services/web/browser"
)

// liveLab is a lab whose one job a test moves on while a browser looks at it.
type liveLab struct {
	mu     sync.Mutex
	job    string        // of jobs.show, without what never changes
	facts  []string      // what the flow of facts says, from the first on
	news   chan struct{} // closed, and made anew, with each fact
	log    string        // what the log says at each connection but the refused ones; "" is a log that is over
	heard  int           // connections to the log
	refuse int           // how many flows of facts are refused before one is not
	busy   int           // how many looks of a page that is live are refused before one is not
	server *httptest.Server
}

// become gives the job another state, and tells it.
func (l *liveLab) become(state string) {
	l.mu.Lock()
	l.job = state
	l.mu.Unlock()
	l.tell()
}

// tell says that something happened to the job.
func (l *liveLab) tell() {
	l.say(`{"entity":"job/5","name":"job.started","time":"2026-11-23T12:00:01Z"}`)
}

// say tells a fact to every flow, also to those that begin later, as a lab does: a page that is being loaded again has a
// flow that nobody hears any more, and none of its own yet.
func (l *liveLab) say(fact string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = append(l.facts, fact)
	close(l.news)
	l.news = make(chan struct{})
}

func newLiveLab(t *testing.T, first string, more ...lab) *liveLab {
	t.Helper()
	l := &liveLab{job: first, news: make(chan struct{})}
	answers := lab{"jobs.why": `{"summary":"of 2 devices that fit: 2 busy"}`, "rights": `{"job/5":["view","change","cancel"]}`,
		"log.lines":   `{"lines":1,"rows":1,"done":true,"records":[{"n":0,"lvl":"info","msg":"hello from the log"}]}`,
		"log.outline": `{"lines":1,"done":true}`, "jobs.results": `{}`}
	answers["jobs.texts"] = `[{"original":"job_name: x\nactions: []\n"}]`
	answers["jobs.show"] = func(json.RawMessage) (any, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return `{"job":5,"display":"5","user":"alice","name":"x","submitted":"2026-11-23T11:59:00Z",` + l.job + `}`, nil
	}
	for _, m := range more {
		maps.Copy(answers, m)
	}
	mux := http.NewServeMux()
	site := answers.site(t)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		no := l.busy > 0 && r.Header.Get(liveHeader) != ""
		if no {
			l.busy--
		}
		l.mu.Unlock()
		if no {
			http.Error(w, "not at the moment", http.StatusServiceUnavailable)
			return
		}
		site.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /api/v1/events/live", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		no := l.refuse > 0
		l.refuse--
		l.mu.Unlock()
		if no {
			http.Error(w, "not at the moment", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // 0 of who comes for the first time
		for told := last; ; {
			l.mu.Lock()
			facts, news := l.facts, l.news
			l.mu.Unlock()
			for ; told < len(facts); told++ {
				fmt.Fprintf(w, "id: %d\nevent: x\ndata: %s\n\n", told+1, facts[told])
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-news:
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("GET /api/v1/jobs/5/log/{what}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("what") {
		case "live":
			l.sayLine(w, r)
		case "lines":
			first, records := 0, `{"n":0,"dt":"2026-11-23T11:59:30Z","lvl":"info","msg":"hello from the log"}`
			if row := r.URL.Query().Get("row"); row != "" && row != "0" { // the copy of the log is behind what is told live
				first, records = 1, ""
			}
			fmt.Fprintf(w, `{"first":%d,"rows":1,"lines":1,"done":%t,"records":[%s]}`, first, l.log == "", records)
		case "outline":
			fmt.Fprint(w, `{"lines":1,"done":true,"sections":[],"findings":[],"levels":{}}`)
		}
	})
	l.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		l.server.CloseClientConnections()
		l.server.Close()
	})
	return l
}

// sayLine answers a connection to the log: the first one breaks off behind a line, the second is refused as by a lab that
// is being started, the third has a further line.
// Each line is told only to who asks from it on: a viewer that asks again from the beginning never gets the second.
func (l *liveLab) sayLine(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.heard++
	n := l.heard
	l.mu.Unlock()
	if n == 2 {
		http.Error(w, "not at the moment", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if line := min(n, 2); r.URL.Query().Get("from") == fmt.Sprint(line) {
		fmt.Fprintf(w, "retry: 1\nid: 5/%d\ndata: {\"lvl\":\"target\",\"msg\":\"%s %d\"}\n\n", line, l.log, line)
	}
	_ = http.NewResponseController(w).Flush()
	if n > 2 {
		<-r.Context().Done()
	}
}

// TestLiveLogComesBack follows a log through a restart of the lab: it goes on behind the last line that came.
func TestLiveLogComesBack(t *testing.T) {
	t.Parallel()
	l := newLiveLab(t, `"state":"Running","started":"2026-11-23T11:59:30Z"`)
	l.log = "the console says"
	p := browser.Start(t).Open(t, browser.Options{Lab: l.server.URL})
	p.Go("/scheduler/job/5/log")
	p.See("the console says 1", "the console says 2")
	p.Await("document.querySelector('log-view').dataset.live === 'live'")
	p.Complaints() // of the refusal
}

// TestCopyingByHTTP copies where browsers keep the clipboard from pages, as they do from those that come unencrypted.
// httptest serves from 127.0.0.1, which browsers trust as they do https: so the clipboard is taken away by hand.
func TestCopyingByHTTP(t *testing.T) {
	t.Parallel()
	p := browser.Start(t).Open(t, browser.Options{Lab: newLiveLab(t, `"state":"Submitted"`).server.URL})
	p.Go("/scheduler/job/5/definition")
	p.Eval("void Object.defineProperty(navigator, 'clipboard', { value: undefined })", nil)
	// The button says so for a second and a half, in which a busy machine may not look.
	p.Eval("void new MutationObserver(() => { window.saidCopied ||= document.body.innerText.includes('Copied') })"+
		".observe(document.body, { childList: true, characterData: true, subtree: true })", nil)
	p.Click(browser.Button("Copy"))
	p.Await("window.saidCopied")
	p.See("Copy") // the button has its word again
	p.Do(".find input", "focus", nil)
	p.Press("Control+v")
	var got string
	p.Do(".find input", "inputValue", &got)
	if got != "job_name: x actions: []" && got != "job_name: xactions: []" { // a field has one line
		t.Errorf("the clipboard has %q, want the definition", got)
	}
}

// TestLiveFields ticks a box and chooses a day of a form whose part is then replaced: both stay until they are sent.
// The chart has a new value each time that it is asked, so the part is replaced for certain.
func TestLiveFields(t *testing.T) {
	t.Parallel()
	const boot = `{"chart":1,"owner":"alice","name":"boot","editable":true,"queries":[{"number":1,"query":1,"chart_type":"measurement"}]}`
	var values atomic.Int64
	l := newLiveLab(t, `"state":"Running"`, lab{"charts.show": boot, "charts.data": func(json.RawMessage) (any, error) {
		return fmt.Sprintf(`{"chart":%s,"drawings":[{"number":1,"chart_type":"measurement","query_name":"~alice/boot","is_legend_visible":true,
			"data":[{"id":"boot time","pk":"5","link":"/results/5","date":"2026-11-23T11:00:00Z","value":%d,"units":"s","pass":true}]}]}`,
			boot, 70+values.Add(1)), nil
	}})
	p := browser.Start(t).Open(t, browser.Options{Lab: l.server.URL})
	p.Go("/results/chart/boot")
	p.Await("document.querySelector('.live-state').textContent === 'live'")
	p.Do("input[name=is_delta]", "check", nil)
	p.Do("input[name=is_legend_visible]", "uncheck", nil)
	p.Fill("input[name=start_date]", "2026-11-01")
	p.Do("h1", "click", nil) // the field is left
	before := values.Load()
	l.say(`{"entity":"chart/1","name":"chart.saved","time":"2126-11-23T12:00:01Z"}`)
	p.Await(fmt.Sprintf("[...document.querySelectorAll('.drawing td')].some((d) => d.textContent === '%d s')", 70+before+1))
	p.Await("document.querySelector('input[name=is_delta]').checked && !document.querySelector('input[name=is_legend_visible]').checked")
	p.Await("document.querySelector('input[name=start_date]').value === '2026-11-01'")
}

// TestLivePage looks at a job from the queue to its end without loading the page: what it becomes is shown, also in
// parts that the page had no place for, and what somebody types meanwhile stays.
func TestLivePage(t *testing.T) {
	t.Parallel()
	l := newLiveLab(t, `"state":"Submitted"`)
	l.refuse = 1 // as while a lab starts: the page comes back to it
	p := browser.Start(t).Open(t, browser.Options{Lab: l.server.URL})
	p.Go("/scheduler/job/5")
	p.See("of 2 devices that fit: 2 busy")
	p.Await("document.querySelector('.live-state').textContent === 'live'")

	// Its priority is being changed by hand when something else happens to it.
	p.Click("summary:has-text('More') >> visible=true >> nth=-1")
	p.Fill("input[name=priority]", "77")
	l.mu.Lock()
	l.busy = 1 // no further fact tells of the tag: the page asks again
	l.mu.Unlock()
	l.become(`"state":"Submitted","tags":["usb"]`)
	p.See("usb")
	var typed string
	p.Do("input[name=priority]", "inputValue", &typed)
	if typed != "77" || p.Count("input[name=priority] >> visible=true") != 1 {
		t.Errorf("what was being typed became %q, want 77 in a menu that is still open", typed)
	}
	p.Do("h1", "click", nil) // the field is left, and the menu closed
	p.Click("summary:has-text('More') >> visible=true >> nth=-1")
	l.become(`"state":"Submitted","tags":["serial"]`)
	p.See("serial")
	p.See("Similar jobs") // the menu is still open

	l.become(`"state":"Running","started":"2026-11-23T11:59:30Z"`)
	p.See("hello from the log", "Pipeline")
	p.Unsee("of 2 devices that fit: 2 busy")
	p.Await("document.querySelector('.live-state').textContent === 'live'")
	l.become(`"state":"Finished","health":"Complete","started":"2026-11-23T11:59:30Z","ended":"2026-11-23T11:59:50Z","judgement":{"verdict":"pass"}`)
	p.See("Passed")
	for _, complaint := range p.Complaints() {
		if !strings.Contains(complaint, "status of 503") {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
