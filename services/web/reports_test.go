package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"strata/projections"
)

// TestGather counts what failed alike, whatever numbers were said.
func TestGather(t *testing.T) {
	t.Parallel()
	failed := func(id uint64, device, kind, text string) projections.SelectedJob {
		return projections.SelectedJob{Job: projections.Job{Job: id, Device: device, Health: "Incomplete", ErrorType: kind, Error: text}}
	}
	canceled := failed(9, "q1", "Canceled", "by ann")
	canceled.Health = "Canceled"
	got := gather([]projections.SelectedJob{
		failed(8, "q2", "Job", "no prompt after 30 s"),
		canceled,
		failed(7, "q1", "Job", "no prompt after 12 s\nmore"),
		failed(6, "q1", "Job", "no prompt after 300 s"),
		failed(5, "q1", "Infrastructure", "no prompt after 300 s"),
	})
	want := []likeness{{"Job", "no prompt after # s", "q1", 2, 7}, {"Job", "no prompt after # s", "q2", 1, 8}, {"Infrastructure", "no prompt after # s", "q1", 1, 5}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("gathered:\n got %v\nwant %v", got, want)
	}
}

// TestPassedBy asks once for days and weeks, of checks and test jobs; names of an address stay text.
func TestPassedBy(t *testing.T) {
	t.Parallel()
	const name = "q1' OR 1=1 --"
	var query string
	q := &request{Request: httptest.NewRequest("GET", "/", nil), now: noon}
	q.Stream = func(_ context.Context, verb string, in any, each func(map[string]string, []byte) error) error {
		text, _ := json.Marshal(in)
		query = verb + " " + string(text)
		// An answer comes in pieces, cut anywhere.
		for _, piece := range []string{`{"n":0,"checks":1,"pass":"3","fa`, "il\":\"1\"}\n", `{"n":6,"checks":1,"pass":"0","fail":"2"}` + "\n",
			`{"n":7,"checks":1,"pass":"4","fail":"0"}` + "\n", `{"n":0,"checks":0,"pass":"9","fail":"0"}`} {
			if err := each(nil, []byte(piece)); err != nil {
				return err
			}
		}
		return nil
	}
	days, err := passedByDay(q, " AND device = "+quoted(name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(query, "OR 1=1") || !strings.Contains(query, "unhex('713127204f5220313d31202d2d')") {
		t.Errorf("the query is %s", query)
	}
	got := days.rows(q, true, 1, 7, url.Values{"device": {name}})
	if len(got) != 7 || got[0].Share() != "75 %" || got[1].Share() != "–" || got[6].Share() != "0 %" {
		t.Errorf("rows: %+v", got)
	}
	if weeks := days.rows(q, true, 7, 10, nil); len(weeks) != 10 || weeks[0].Pass != 3 || weeks[0].Fail != 3 || weeks[1].Pass != 4 || weeks[2].Pass != 0 {
		t.Errorf("weeks: %+v", weeks)
	}
	if tests := days.rows(q, false, 1, 7, nil); tests[0].Pass != 9 || tests[6].Fail != 0 {
		t.Errorf("days of test jobs: %+v", tests)
	}
	if first := got[0]; !first.Begin.Equal(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) ||
		first.To != "/scheduler/reports/failures?device=q1%27+OR+1%3D1+--&end=0&health_check=1&start=-1" {
		t.Errorf("the first row begins %v and leads to %s", first.Begin, first.To)
	}
}
