package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestJobLists asks for the jobs that each list and its filters mean.
func TestJobLists(t *testing.T) {
	var asked string
	l := lab{"jobs.find": func(in json.RawMessage) (any, error) {
		asked = string(in)
		return json.RawMessage(`{"jobs":[{"job":7,"display":"7","state":"Finished","health":"Incomplete","name":"smoke","user":"bob","device":"q1","error":"no power\nmore",
			"error_type":"Infrastructure","submitted_at":"2026-11-23T11:00:00Z"}],"count":120}`), nil
	}, "queries.list": `[{"owner":"alice","name":"mine","entity":"testjob"},{"owner":"bob","name":"his","entity":"testjob"}]`, "jobs.favoured": `{"jobs":[3,7]}`}
	s := l.site(t)
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"/scheduler/alljobs", []string{`"order":[{"field":"id","desc":true}]`, `"limit":25`}},
		{"/scheduler/alljobs?state=Incomplete&device=q1&sort=end_time&length=10&page=3", []string{`{"field":"device","op":"contains","values":["q1"]}`,
			`{"field":"health","op":"in","values":["Incomplete"]}`, `"order":[{"field":"end_time"}]`, `"offset":20,"limit":10`}},
		{"/scheduler/alljobs?end_time=24", []string{`"field":"end_time","op":"gte","values":["2026-11-22T12:00:00Z"]`}},
		{"/scheduler/alljobs?search=7", []string{`"any":[{"field":"id","op":"in","values":["7"]},{"field":"display","op":"startswith","values":["7."]},{"field":"description","op":"contains","values":["7"]}`,
			`{"field":"device_type","op":"contains","values":["7"]}]`}},
		{"/scheduler/alljobs?search=Incomplete&device=q1", []string{`"any":[{"field":"state","op":"in","values":["Incomplete"]},{"field":"health","op":"in","values":["Incomplete"]}`,
			`{"field":"device","op":"contains","values":["q1"]}`}},
		{"/scheduler/alljobs?search=%2341.2", []string{`"any":[{"field":"display","op":"in","values":["41.2"]},{"field":"description","op":"contains","values":["#41.2"]}`}},
		{"/scheduler/myjobs?search=41.2", []string{`{"field":"submitter","op":"in","values":["alice"]},{"field":"","op":"","any":[{"field":"display","op":"in","values":["41.2"]}`}},
		{"/scheduler/alljobs?id=41.2&length=10", []string{`{"field":"display","op":"in","values":["41.2"]}`}},
		{"/scheduler/alljobs?id=%2341", []string{`{"field":"id","op":"in","values":["41"]}`}},
		{"/scheduler/alljobs?sub_id=41.", []string{`{"field":"display","op":"contains","values":["41."]},{"field":"target_group","op":"isnull","values":["false"]}`}},
		{"/scheduler/activejobs", []string{`["Running","Canceling"]`}},
		{"/scheduler/longestjobs", []string{`"order":[{"field":"start_time"}]`}},
		{"/scheduler/healthcheck/", []string{`"health_check"`}},
		{"/scheduler/joberrors", []string{`["Configuration","Infrastructure","Bug"]`}},
		{"/scheduler/myqueuedjobs", []string{`{"field":"submitter","op":"in","values":["alice"]}`, `["Submitted"]`}},
		{"/scheduler/favorite-jobs", []string{`["3","7"]`}},
	} {
		says(t, s, tt.path, 200, `href="/scheduler/job/7"`, "smoke", "no power", "120", "Incomplete")
		for _, want := range tt.want {
			if !strings.Contains(asked, want) {
				t.Errorf("%s asks %s, want %s in it", tt.path, asked, want)
			}
		}
	}
	text := says(t, s, "/scheduler/alljobs?device=q1", 200, "page=2", "/results/query/~alice/mine", `value="q1"`)
	says(t, s, "/scheduler/alljobs?search=ob", 200, `<td class="tight hide-narrow">b<mark>ob</mark></td>`, ">smoke</a>")
	says(t, s, "/scheduler/alljobs?search=%3Cmo", 200, ">smoke</a>", `value="&lt;mo"`)
	says(t, s, "/scheduler/alljobs?state=Scheduling", 200, "<option selected>Scheduling</option>", "<option>Running</option>")
	if strings.Contains(text, "~bob") {
		t.Error("somebody else's queries are among the saved views")
	}
	says(t, l.siteFor(t, Visitor{}), "/scheduler/myjobs", 404, "sign in first")
	says(t, lab{"jobs.find": &Refusal{Code: "away", Message: "history is away"}}.site(t), "/scheduler/alljobs", 200, "history is away")
}

// TestSubmit checks, refuses with what is wrong, and submits.
func TestSubmit(t *testing.T) {
	good, err := examples.ReadFile("examples/boot-in-qemu.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := lab{"jobs.show": `{"job":42,"display":"42","state":"Submitted"}`}.site(t)
	says(t, s, "/scheduler/jobsubmit", 200, "Validate", "boot in qemu")
	says(t, s, "/scheduler/jobsubmit?example=two-nodes", 200, "lava-multinode")
	says(t, s, "/scheduler/jobsubmit?example=../submit", 404, "there is no example")
	if w := post(s, "/scheduler/jobsubmit", url.Values{"definition-input": {string(good)}, "submit": {""}}); w.Code != 303 || w.Header().Get("Location") != "/scheduler/job/42" {
		t.Errorf("a good definition: status %d to %q, want 303 to the job: %.400s", w.Code, w.Header().Get("Location"), w.Body)
	}
	bad := strings.Replace(string(good), "device_type:", "devicetype:", 1)
	if w := post(s, "/scheduler/jobsubmit", url.Values{"definition-input": {bad}}); w.Code != 400 || !strings.Contains(w.Body.String(), "devicetype: qemu") || !strings.Contains(w.Body.String(), "line 3") {
		t.Errorf("a bad definition: status %d, want 400 with the text kept and the line named", w.Code)
	}
	if w := post(s, "/scheduler/jobsubmit", url.Values{"definition-input": {string(good)}, "validate": {""}}); w.Code != 200 || !strings.Contains(w.Body.String(), "The definition is valid") {
		t.Errorf("validating: status %d, want 200 and that it is valid", w.Code)
	}
	refused := lab{"jobs.show": `{"job":42,"display":"42","state":"Rejected","problems":[{"message":"no such device type","line":3}]}`}.site(t)
	if w := post(refused, "/scheduler/jobsubmit", url.Values{"definition-input": {string(good)}}); w.Code != 400 || !strings.Contains(w.Body.String(), "no such device type") {
		t.Errorf("what only the lab refuses: status %d, want 400 with its words", w.Code)
	}
	if w := post(lab{}.siteFor(t, Visitor{}), "/scheduler/jobsubmit", url.Values{"definition-input": {string(good)}}); w.Code != 401 {
		t.Errorf("submitting without a name: status %d, want 401", w.Code)
	}
}

// TestSubmitInTheBackground keeps what LAVA's own page asks: result, errors and warnings; places come beside them.
// Always with 200, as LAVA's: its page looks at the result and not at the status.
func TestSubmitInTheBackground(t *testing.T) {
	s := lab{}.site(t)
	for _, tt := range []struct{ text, result, errors string }{
		{"job_name: x\n", "failure", "required key"},
		{"a: [", "failure", "did not find"},
		{"", "failure", "empty"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/scheduler/jobsubmit", strings.NewReader(url.Values{"definition-input": {tt.text}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Requested-With", "XMLHttpRequest")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var told struct {
			Result, Errors, Warnings string
			Problems                 []problem
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Code != 200 || told.Result != tt.result || !strings.Contains(told.Errors, tt.errors) || len(told.Problems) == 0 {
			t.Errorf("checking %q: status %d, %s, want %s with %q", tt.text, w.Code, w.Body, tt.result, tt.errors)
		}
	}
}

// TestExamples holds that what the page offers is what the lab takes, without a warning.
func TestExamples(t *testing.T) {
	list, err := examples.ReadDir("examples")
	if err != nil || len(list) < 3 {
		t.Fatalf("%d examples, %v; want some", len(list), err)
	}
	for _, e := range list {
		text, err := examples.ReadFile("examples/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if problems := checkDefinition(string(text), nil); len(problems) > 0 {
			t.Errorf("%s: %+v", e.Name(), problems)
		}
	}
}

// TestResubmit begins with the job's definition, answers errors with 200, and refuses whom the job refuses.
// The right is the lab's word for the job: resubmit, and not view.
func TestResubmit(t *testing.T) {
	l := failedJob()
	l["jobs.texts"] = `[{"original":"job_name: again\n"}]`
	s := l.site(t)
	says(t, s, "/scheduler/job/42/resubmit", 200, "job_name: again", "is_resubmit")
	if w := post(s, "/scheduler/job/42/resubmit", url.Values{"definition-input": {"job_name: x\n"}, "is_resubmit": {"true"}}); w.Code != 200 || !strings.Contains(w.Body.String(), "required key") {
		t.Errorf("resubmitting what is wrong: status %d, want 200 with what is wrong", w.Code)
	}
	l["rights"] = `{"job/42":["view"]}`
	says(t, l.site(t), "/scheduler/job/42/resubmit", 403, "you cannot re-submit this job")
}

// TestJobsByNumber reads numbers as people write them, and asks for all that they mean.
func TestJobsByNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"42": `[{"field":"id","op":"in","values":["42"]},{"field":"display","op":"startswith","values":["42."]}]`, "#42": `[{"field":"id","op":"in","values":["42"]},{"field":"display","op":"startswith","values":["42."]}]`,
		"41.2": `[{"field":"display","op":"in","values":["41.2"]}]`, "#41.0": `[{"field":"display","op":"in","values":["41.0"]}]`,
		"": "null", "#": "null", "41.": "null", ".2": "null", "41.x": "null", "41.2.3": "null", "+41": "null", "-1": "null", "6.12-rc3": "null", "41.70000": "null",
		"9223372036854775808": "null", // the tables' numbers end before it, and would refuse the whole search
	} {
		got, err := json.Marshal(numberTerms(text))
		if err != nil || string(got) != want {
			t.Errorf("%q asks for %s (%v), want %s", text, got, err, want)
		}
	}
}

// TestNumberStaysInTheForm holds that a list which was narrowed to a number stays so when its other filters are changed.
func TestNumberStaysInTheForm(t *testing.T) {
	t.Parallel()
	s := lab{"jobs.find": `{"jobs":[],"count":0}`}.site(t)
	says(t, s, "/scheduler/alljobs?id=41.2", 200, `<label>Number<input name="id" value="41.2"`, "No job is as searched for.")
	says(t, s, "/scheduler/alljobs?sub_id=41", 200, `<label>Part of a group<input name="sub_id" value="41"`)
}

// TestMatrixOfParts takes parts of groups beside jobs.
func TestMatrixOfParts(t *testing.T) {
	t.Parallel()
	for jobs, want := range map[string]string{
		"12,%2314":  `"terms":[{"field":"","op":"","any":[{"field":"id","op":"in","values":["12","14"]}]}]`,
		"41.1+41.2": `"terms":[{"field":"","op":"","any":[{"field":"display","op":"in","values":["41.1","41.2"]}]}]`,
		"12,41.2":   `"any":[{"field":"id","op":"in","values":["12"]},{"field":"display","op":"in","values":["41.2"]}]`,
	} {
		asked := ""
		s := lab{"jobs.find": func(in json.RawMessage) (any, error) {
			asked = string(in)
			return json.RawMessage(`{"jobs":[],"count":0}`), nil
		}}.site(t)
		says(t, s, "/results/matrix?jobs="+jobs, 200)
		if !strings.Contains(asked, want) {
			t.Errorf("jobs=%s asks %s, want %s in it", jobs, asked, want)
		}
	}
}

// TestPagesOfJobs leads from page to page, and to the last where an address asks for one behind it.
func TestPagesOfJobs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		address             string
		count               int
		asks, before, after string // of the last question
		says                string
	}{
		{"?", 0, `"limit":25}`, "", "", "There is no job yet"},
		{"?page=9", 0, `"limit":25}`, "", "", "There is no job yet"},
		{"?search=x&page=9", 0, `"limit":25}`, "", "", "No job is as searched for"},
		{"?", 26, `"limit":25}`, "", "?page=2", "1–1 of 26"},
		{"?page=2", 26, `"offset":25,"limit":25}`, "?page=1", "", "26–26 of 26"},
		{"?page=99", 26, `"offset":25,"limit":25}`, "?page=1", "", "26–26 of 26"}, // behind the last
		{"?page=99&length=10", 50, `"offset":40,"limit":10}`, "?length=10&amp;page=4", "?length=10&amp;page=6", "41–41 of 50"},
		{"?page=-3", 26, `"limit":25}`, "", "?page=2", "1–1 of 26"},
		{"?length=0", 2, `"limit":25}`, "", "?length=0&amp;page=2", "1–1 of 2"},
		{"?length=99999", 2, `"limit":1000}`, "", "?length=99999&amp;page=2", "1–1 of 2"},
		{"?page=99999999999999999999", 26, `"offset":25,"limit":25}`, "?page=1", "", "26–26 of 26"},
	} {
		asked := ""
		s := lab{"jobs.find": func(in json.RawMessage) (any, error) {
			asked = string(in)
			var search jobSearch
			if err := json.Unmarshal(in, &search); err != nil {
				return nil, err
			}
			jobs := "[]" // one on each page there is
			if search.Offset < tt.count {
				jobs = `[{"job":7,"display":"7","name":"smoke"}]`
			}
			return json.RawMessage(fmt.Sprintf(`{"jobs":%s,"count":%d}`, jobs, tt.count)), nil
		}}.site(t)
		text := says(t, s, "/scheduler/alljobs"+tt.address, 200, tt.says)
		if !strings.HasSuffix(asked, tt.asks) {
			t.Errorf("%s asks %s, want it to end with %s", tt.address, asked, tt.asks)
		}
		for rel, want := range map[string]string{"prev": tt.before, "next": tt.after} {
			if got := regexp.MustCompile(`<a href="([^"]*)" rel="` + rel + `">`).FindStringSubmatch(text); want == "" && got != nil || want != "" && (got == nil || got[1] != want) {
				t.Errorf("%s of %d leads with %s to %q, want %q", tt.address, tt.count, rel, got, want)
			}
		}
	}
}
