package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/services/api"
	"strata/services/web/browser"
)

// talkative is a console that says a thousand lines with a bit of everything, waits for a file, says twenty
// more and waits for another one, and then shows its prompt.
const talkative = `
i=0
while [ $i -lt 1000 ]; do
  case $i in
  200) printf '\033[31mall is red\033[0m here\n' ;;
  300) echo '[   12.345678] Out of memory: Killed process 77 (hungry)' ;;
  *) echo "said line $i" ;;
  esac
  i=$((i+1))
done
while [ ! -e "$1/more" ]; do sleep 0.1; done
i=0
while [ $i -lt 20 ]; do echo "later line $i"; i=$((i+1)); done
while [ ! -e "$1/last" ]; do sleep 0.1; done
echo 'done-with-it#'
sleep 1000
`

// talkingJob waits for the prompt of it.
const talkingJob = `
job_name: talks
device_type: shell
visibility: public
timeouts: {job: {minutes: 10}, action: {minutes: 9}, connection: {minutes: 9}}
actions:
- boot: {method: minimal, reset: false, prompts: ['done-with-it#']}
`

// logReader is somebody who looks at a log in a browser.
type logReader struct {
	*testing.T
	*browser.Page
}

// is waits until an expression of the viewer is true; v is the viewer.
func (r logReader) is(expression string) {
	r.Helper()
	r.Await("(v => v && " + expression + ")(document.querySelector('log-view'))")
}

// has reads a value of the viewer.
func (r logReader) has(expression string, into any) {
	r.Helper()
	r.Eval("(v => "+expression+")(document.querySelector('log-view'))", into)
}

// shows is an expression: whether a line is drawn within the window.
func shows(line int) string {
	return fmt.Sprintf("v.slots.some(s => s.record?.n === %d && !s.el.hidden && s.el.getBoundingClientRect().top < innerHeight)", line)
}

// key presses keys on the log.
func (r logReader) key(names ...string) {
	r.Helper()
	r.Page.Do(".lv-view", "focus", nil)
	r.Press(names...)
}

// search looks for a text and waits until all of the log has been gone through.
func (r logReader) search(text string, hits int) {
	r.Helper()
	r.key("/")
	r.Fill(browser.Label("Search the log"), text)
	r.is(fmt.Sprintf("v.query?.text === %q && v.hits.done && v.hits.count === %d", text, hits))
}

// TestLogOfAThousandLines reads a log with all that the viewer has for it, while its job runs and when it is over.
func TestLogOfAThousandLines(t *testing.T) {
	t.Parallel()
	chromium := browser.Start(t)
	w := newWorld(t)
	_, up := w.up(t, "--listen-sql", "", "--worker", "w1")
	token, err := os.ReadFile(filepath.Join(up.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	console := fmt.Sprintf("sh %s %s", write(t, w.dir, "talkative.sh", talkative), w.dir)
	dict := write(t, w.dir, "sh1.yaml", strings.NewReplacer("@ROOT@", "/tmp", "env PS1='shell:# ' bash --norc --noprofile -i", console).Replace(shellDevice))
	w.must(t, "devices", "add", "sh1", "--type", "shell", "--worker", "w1", "--dict", dict, "--health", "Good")
	w.must(t, "submit", write(t, w.dir, "talks.yaml", talkingJob))
	eventually(t, "the console has said its thousand lines", func() bool {
		_, text := w.strata(t, "logs", "1")
		return strings.Contains(text, "said line 999")
	})
	r := logReader{t, chromium.Open(t, browser.Options{Lab: up.HTTP, Headers: map[string]string{"Authorization": "Token " + strings.TrimSpace(string(token))}})}
	if status := r.Go("/scheduler/job/1/log"); status != 200 {
		t.Fatalf("the log's page: status %d", status)
	}
	r.follows(w)
	r.reads()
	r.folds()
	r.links()
	for _, complaint := range r.Complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
}

// follows has the job say more while the reader follows it, and while he does not.
func (r logReader) follows(w *world) {
	r.is("v.source.events && v.follow && v.lines >= 1000 && " + "v.slots.some(s => s.plain.includes('said line 999'))")
	r.key("PageUp", "PageUp")
	r.is("!v.follow && v.querySelector('.lv-follow').ariaPressed === 'false'")
	write(r.T, w.dir, "more", "")
	r.is("v.querySelector('.lv-place').textContent.includes('20 new') && !v.slots.some(s => s.plain.includes('later line'))")
	r.key("f")
	r.is("v.follow && v.slots.some(s => s.plain.includes('later line 19'))")
	write(r.T, w.dir, "last", "")
	r.is("v.done && v.querySelector('.lv-follow').hidden && v.outline.sections.some(s => s.kind === 'action' && s.end - s.start > 900)")
}

// reads looks at colours, times, findings, levels and hits.
func (r logReader) reads() {
	r.search("all is red", 1)
	r.is("[...v.querySelectorAll('.row:not([hidden]) .ink-1')].some(e => e.textContent === 'all is red')")
	r.key("Escape", "Home") // searches begin with what is seen
	r.is("v.first === 0 && !v.query")
	r.search("said line 99", 11)
	r.is("v.querySelector('.lv-count').textContent === '1 of 11' && v.hits.marks(300, v.rows.count).some(m => m)")
	r.key("n")
	r.is("v.querySelector('.lv-count').textContent === '2 of 11' && v.querySelector('.row mark')?.textContent === 'said line 99'")
	r.key("Escape")
	for kind, like := range map[string]string{"absolute": `^\\d\\d:\\d\\d:\\d\\d\\.\\d{3}`, "relative": `^\\d\\d:\\d\\d\\.\\d{3}$`, "delta": `^\\+\\d+\\.\\d{3}$`} {
		r.Choose(".lv-time select", kind)
		r.is(fmt.Sprintf("v.slots.filter(s => s.record && !s.el.hidden).every(s => new RegExp('%s').test(s.time.textContent))", like))
	}
	r.Choose(".lv-time select", "none")
	r.key("Home")
	r.is("v.first === 0")
	r.key("]")
	r.is("v.querySelector('.row.finding.selected')?.textContent.includes('Out of memory: Killed process 77') && " +
		"[...v.outline.el.querySelectorAll('a')].some(a => a.textContent.includes('out of memory'))")
	var named bool
	r.has("location.hash === '#L' + v.selection.from", &named)
	if !named {
		r.Error("the finding that the reader went to is not in the address")
	}
	r.key("Escape")
}

// folds folds an action with all levels, and with the console's alone.
func (r logReader) folds() {
	for _, all := range []bool{true, false} {
		if !all {
			r.Click("summary:has-text('Levels')")
			r.Page.Do(".lv-levels label:has-text('Info') input", "uncheck", nil)
			r.is("!v.querySelector('.row.info:not([hidden])') && v.outline.sections.length && v.outline.sections.every(s => s.first !== undefined)")
			r.Click("summary:has-text('Levels')")
		}
		var before, after struct{ Places, Rows int }
		r.has("({Places: v.places, Rows: v.rows.count})", &before)
		var line int // an action around the console's lines
		r.has("v.outline.sections.find(s => s.kind === 'action' && s.end - s.start > 900).start", &line)
		r.Click(fmt.Sprintf(".lv-outline [data-section='%d'] .tuck", line))
		r.is(fmt.Sprintf("v.folded.has(%d) && v.places < %d - 900", line, before.Places))
		r.key("Home")
		r.is("v.querySelector('.row:not([hidden]) .folded')?.textContent.includes('lines')")
		r.has("({Places: v.places, Rows: v.rows.count})", &after)
		if after.Rows != before.Rows {
			r.Errorf("folding made %d rows of %d", after.Rows, before.Rows)
		}
		r.Click(fmt.Sprintf(".lv-outline [data-section='%d'] .tuck", line))
		r.is(fmt.Sprintf("v.places === %d", before.Places))
	}
	r.Click("summary:has-text('Levels')")
	r.Click(".lv-levels button")
	r.is("!v.source.levels && v.querySelector('.row.info:not([hidden])')")
	r.Press("Escape")
}

// links follows a link to some lines and copies them.
func (r logReader) links() {
	var line int
	r.search("said line 500", 1)
	r.has("v.hit.line", &line)
	r.Go("/scheduler/queue") // from elsewhere, as links are followed
	r.Go(fmt.Sprintf("/scheduler/job/1/log#L%d-L%d", line, line+2))
	r.is("v.querySelectorAll('.row.selected:not([hidden])').length === 3 && " + shows(line))
	// What the browser would copy of the lines: no numbers, no times.
	var text string
	r.Eval(`(() => {
		const v = document.querySelector('log-view'), rows = v.slots.filter(s => s.el.classList.contains('selected'));
		getSelection().setBaseAndExtent(rows[0].text, 0, rows[2].text, rows[2].text.childNodes.length);
		const e = new ClipboardEvent('copy', { clipboardData: new DataTransfer(), bubbles: true, cancelable: true });
		v.querySelector('.lv-view').dispatchEvent(e);
		getSelection().removeAllRanges();
		return e.clipboardData.getData('text/plain');
	})()`, &text)
	if want := "said line 500\nsaid line 501\nsaid line 502"; text != want {
		r.Errorf("copied is %q, want %q", text, want)
	}
	r.Go("/scheduler/job/1/log?from=999999")
	r.See("Line 999999 is not there")
}

// TestLogOfTenMillionLines reads a log of ten million lines.
func TestLogOfTenMillionLines(t *testing.T) {
	t.Parallel()
	dispatchertest.Slow(t)
	chromium := browser.Start(t)
	w := newWorld(t)
	_, up := w.up(t, "--listen-sql", "")
	token, err := os.ReadFile(filepath.Join(up.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	const lines = 10_000_000
	var script strings.Builder
	script.WriteString("device_type: long\ndevices: [long-1]\njobs:\n- name: talks\n  console:\n")
	for range 7 {
		script.WriteString("  - {noise: 1000000}\n")
	}
	script.WriteString("  - {say: the one line with a wombat in it}\n  - {say: the end of the hay, times: 999999}\n  - {noise: 1000000}\n  - {noise: 1000000}\n")
	w.spawn(t, "worker", "--simulate", write(t, w.dir, "long.yaml", script.String()), "--register", "--name", "long", "--data", filepath.Join(w.dir, "long"))
	eventually(t, "the device is there", func() bool {
		var devices []api.Device
		w.ask(t, &devices, "devices")
		return len(devices) == 1
	})
	w.must(t, "submit", write(t, w.dir, "long-job.yaml", strings.Replace(talkingJob, "shell", "long", 1)))
	var whole struct {
		Lines int `json:"lines"`
	}
	for range 10 { // it takes its minutes
		if whole.Lines >= lines {
			break
		}
		late := time.Now().Add(patience / 2)
		eventually(t, "the job has said all", func() bool {
			_, text := w.strata(t, "show", "1", "--json")
			return json.Unmarshal([]byte(text), &whole) == nil && whole.Lines >= lines || time.Now().After(late)
		})
	}
	r := logReader{t, chromium.Open(t, browser.Options{Lab: up.HTTP, Headers: map[string]string{"Authorization": "Token " + strings.TrimSpace(string(token))}})}
	last := whole.Lines - 1
	if status := r.Go(fmt.Sprintf("/scheduler/job/1/log#L%d", last)); status != 200 {
		t.Fatalf("the log's page: status %d", status)
	}
	// It is there before the lab has copied it.
	r.is(shows(last) + " && v.lines === " + fmt.Sprint(whole.Lines))
	r.same(w, whole.Lines, 4)
	for range 10 { // the copy, too
		r.is("(v.copy.of === 0 || (window.looks = (window.looks ?? 0) + 1) % 200 === 0)")
	}
	r.is("v.copy.of === 0 && v.done")
	r.same(w, whole.Lines, 20)
	r.search("wombat", 1)
	var wombat int
	r.has("v.hit.line", &wombat)
	r.is(shows(wombat) + " && v.querySelector('.row mark')?.textContent === 'wombat'")
	r.search("end of the hay", 999_999)
	r.is("(marks => marks.slice(215, 235).every(m => m) && !marks.slice(0, 200).some(m => m) && !marks.slice(250).some(m => m))(v.hits.marks(300, v.rows.count))")
	r.key("Escape", "End")
	r.is(shows(last))
	r.key("Home")
	r.is(shows(0))
	r.Go("/scheduler/queue") // from elsewhere, as links are followed
	r.Go(fmt.Sprintf("/scheduler/job/1/log#L%d-L%d", wombat-1, wombat+1))
	r.is("v.querySelectorAll('.row.selected:not([hidden])').length === 3 && " + shows(wombat))
	for _, complaint := range r.Complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
}

// same goes to places all over the log, and compares what stands there with the job's output, which is no copy.
func (r logReader) same(w *world, lines, places int) {
	r.Helper()
	c, done, err := w.app(&bytes.Buffer{}).client()
	if err != nil {
		r.Fatal(err)
	}
	defer done()
	for i := range places {
		line := int(uint64(i)*6_180_339_887/1000%uint64(lines)+uint64(i)) % lines
		r.Eval(fmt.Sprintf("document.querySelector('log-view').toLine(%d)", line), nil)
		r.is(shows(line))
		var got string
		r.has(fmt.Sprintf("v.slots.find(s => s.record?.n === %d).plain", line), &got)
		var want string
		enough := fmt.Errorf("that is all")
		err := c.Log(r.Context(), api.LogRequest{Job: 1, From: uint64(line), Follow: true}, func(n uint64, record events.Record) error {
			if n != uint64(line) {
				r.Errorf("asked for line %d, the log begins at %d", line, n)
			}
			if json.Unmarshal(record.Message, &want) != nil {
				want = got // a result is shown as a sentence
			}
			return enough
		})
		if err != enough || got != want {
			r.Errorf("line %d is %q, want %q (%v)", line, got, want, err)
		}
	}
}
