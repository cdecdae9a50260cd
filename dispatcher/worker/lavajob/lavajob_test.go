package lavajob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/worker/jobproc"
	"strata/events"
	"strata/schemas/order"
)

// far is a dispatcher of LAVA as the job sees it.
type far struct {
	t       *testing.T
	door    Door
	records []events.Record
	verdict chan order.Verdict
	cancel  context.CancelCauseFunc
}

// start answers for a job until the test ends.
func start(t *testing.T) *far {
	t.Helper()
	return startWith(t, order.Work{Definition: order.Text{Inline: "job_name: x"}, Device: order.Text{Inline: "a: 1"}})
}

func startWith(t *testing.T, work order.Work) *far {
	t.Helper()
	f := &far{t: t, verdict: make(chan order.Verdict, 1)}
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	f.cancel = cancel
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		f.records = append(f.records, r)
		return nil
	}})
	job := jobproc.Job{Order: order.Order{Job: 42, Work: &work},
		Dir: dir, Log: log, Again: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.verdict <- Run(time.Now)(ctx, job)
	}()
	t.Cleanup(func() {
		cancel(nil)
		if f.door.Phase != Over {
			f.post("", url.Values{"state": {"FINISHED"}, "result": {"fail"}})
		}
		<-done
	})
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		door, err := Open(dir)
		if err == nil {
			tick.Stop()
			f.door = door
			return f
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// ask sends a request about the job and returns status and body.
func (f *far) ask(method, what, token string, form url.Values) (int, string) {
	f.t.Helper()
	r, err := http.NewRequest(method, "http://"+f.door.Address+Path+"42/"+what, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("LAVA-Token", token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error() // the job is over
	}
	defer answer.Body.Close()
	var body json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		f.t.Fatalf("%s %s: %v", method, what, err)
	}
	return answer.StatusCode, string(body)
}

func (f *far) post(what string, form url.Values) (int, string) {
	f.t.Helper()
	return f.ask(http.MethodPost, what, f.door.Token, form)
}

// logs sends lines as a dispatcher does that knows of index lines that they were taken.
func (f *far) logs(index int, lines ...string) {
	f.t.Helper()
	status, body := f.post("logs/", url.Values{"lines": {"- " + strings.Join(lines, "\n- ")}, "index": {fmt.Sprint(index)}})
	if want := fmt.Sprintf(`{"line_count":%d}`, len(lines)); status != http.StatusOK || body != want {
		f.t.Fatalf("lines from %d: %d %s, want %s", index, status, body, want)
	}
}

func said(text string) string {
	return fmt.Sprintf(`{"dt": "2026-07-01T12:00:00.123456", "lvl": "info", "msg": %q}`, text)
}

// messages returns what was logged.
func (f *far) messages() (all []string) {
	for _, r := range f.records {
		all = append(all, string(r.Level)+" "+string(r.Message))
	}
	return all
}

func TestLifeOfAJob(t *testing.T) {
	t.Parallel()
	f := start(t)
	if status, body := f.ask(http.MethodGet, "", f.door.Token, nil); status != http.StatusOK ||
		body != `{"definition":"job_name: x","device":"a: 1","dispatcher":"","env":"","env-dut":""}` {
		t.Errorf("what the job is made of: %d %s", status, body)
	}
	if status, body := f.post("", url.Values{"state": {"RUNNING"}}); status != http.StatusOK || body != "{}" {
		t.Errorf("it runs: %d %s", status, body)
	}
	f.logs(0, said("zero"), said("one"))
	f.logs(0, said("zero"), said("one"), said("two")) // the answer was lost
	f.logs(1, said("one"))
	f.logs(3, `{"dt": "2026-07-01T12:00:01+00:00", "lvl": "results", "msg": {"definition": "0_a", "case": "c", "result": "pass", "measurement": ! "6.17", "starttc": ! "1", "endtc": ! "2"}}`,
		`{"lvl": "loud", "msg": ! "5"}`, `plain`)
	want := []string{`info "zero"`, `info "one"`, `info "two"`,
		`results {"definition":"0_a","case":"c","result":"pass","measurement":6.17,"starttc":1,"endtc":2}`, `debug "5"`, `debug "plain"`}
	if got := f.messages(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if at := f.records[0].Time; !at.Equal(time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC)) {
		t.Errorf("the first line was said at %s", at)
	}
	f.logs(6, `{"lvl": "results", "msg": {"definition": "lava", "case": "job", "result": "fail", "error_msg": "no prompt", "error_type": "Job"}}`)
	if status, body := f.post("", url.Values{"state": {"FINISHED"}, "result": {"fail"}, "error_type": {"Job"}, "errors": {"Traceback"}}); status != http.StatusOK {
		t.Errorf("it has ended: %d %s", status, body)
	}
	if v := <-f.verdict; v.Result != "fail" || v.ErrorType != "Job" || v.Error != "no prompt" {
		t.Errorf("verdict %+v, want what the log says", v)
	}
	f.verdict <- order.Verdict{}
}

// A long line is several records, and numbers of lines in results follow.
func TestLongLines(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.logs(0, said("zero"), said(strings.Repeat("x", 3*events.MaxRecordBytes)), said("two"),
		`{"lvl": "results", "msg": {"definition": "0_a", "case": "c", "result": "pass", "starttc": 1, "endtc": 2}}`)
	last := string(f.records[len(f.records)-1].Message)
	if n := len(f.records); n < 6 || !strings.Contains(last, `"starttc":1,`) || !strings.Contains(last, fmt.Sprintf(`"endtc":%d}`, n-2)) {
		t.Errorf("%d records, the result is %s", n, last)
	}
}

// Lines that never came are missed aloud.
func TestMissingLines(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.logs(3, said("three"))
	f.logs(3, said("three"), said("four"))
	if got := strings.Join(f.messages(), "|"); got != `warning "3 lines of the dispatcher's log did not arrive"|info "three"|info "four"` {
		t.Errorf("log %s", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, tt := range []struct {
		what   string
		form   url.Values
		status int
		says   string
	}{
		{"", url.Values{"state": {"FLYING"}}, 400, "Invalid state 'FLYING'"},
		{"", url.Values{"state": {"CANCELING"}}, 400, "Not handled state 'CANCELING'"},
		{"", url.Values{"state": {"FINISHED"}, "result": {"good"}}, 400, "Invalid health 'good'"},
		{"logs/", url.Values{"index": {"0"}}, 400, "Missing 'lines'"},
		{"logs/", url.Values{"lines": {"- a"}}, 400, "Missing 'index'"},
		{"logs/", url.Values{"lines": {"- a"}, "index": {"-1"}}, 400, "Invalid 'index'"},
		{"logs/", url.Values{"lines": {"a: 1"}, "index": {"0"}}, 400, "Invalid 'lines': not a list"},
		{"logs/", url.Values{"lines": {"- {"}, "index": {"0"}}, 400, "Invalid 'lines': "},
		{"logs/", url.Values{"lines": {"- " + strings.Repeat("x", bodyBytes)}, "index": {"0"}}, 413, "bytes are taken at once"},
		{"fly/", nil, 405, "POST is not answered here"},
	} {
		if status, body := f.post(tt.what, tt.form); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %.60v: %d %s, want %d %s", tt.what, tt.form, status, body, tt.status, tt.says)
		}
	}
	if status, body := f.ask(http.MethodGet, "", "guess", nil); status != 404 || body != `{"error":"Unknown job '42'"}` {
		t.Errorf("a wrong token: %d %s", status, body)
	}
	if len(f.records) != 0 {
		t.Errorf("log %v, want nothing", f.messages())
	}
}

// A job that is canceled before it began is over at once, one that runs when its dispatcher says so.
func TestCancel(t *testing.T) {
	t.Parallel()
	early := start(t)
	early.cancel(pipeline.CanceledBy{Text: "by alice"})
	if v := <-early.verdict; v.ErrorType != "Canceled" {
		t.Errorf("canceled before it began: %+v", v)
	}
	early.verdict <- order.Verdict{}
	late := start(t)
	late.post("", url.Values{"state": {"RUNNING"}})
	late.cancel(pipeline.CanceledBy{Text: "by alice"})
	late.post("", url.Values{"state": {"FINISHED"}, "result": {"fail"}, "error_type": {"Canceled"}})
	if v := <-late.verdict; v.ErrorType != "Canceled" || v.Result != "fail" {
		t.Errorf("canceled while it ran: %+v", v)
	}
	late.verdict <- order.Verdict{}
}

// TestSecrets shows that the far dispatcher is given the secrets that the definition names.
func TestSecrets(t *testing.T) {
	f := startWith(t, order.Work{Definition: order.Text{Inline: "job_name: x\nsecrets: {A: store, B: plain}\n"}, Device: order.Text{Inline: "a: 1"},
		Secrets: map[string]string{"store": "s3cret"}})
	status, body := f.ask(http.MethodGet, "", f.door.Token, nil)
	if status != http.StatusOK || !strings.Contains(body, "s3cret") || strings.Contains(body, "store") || !strings.Contains(body, "plain") {
		t.Errorf("the job: %d %s; want it with its secret", status, body)
	}
}
