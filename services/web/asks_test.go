package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manyRows is how many rows the lab of [TestPagesAskLittle] has of each list: more than any page looks at one by one.
const manyRows = 60

// mostAsks is how many questions a page may ask of the lab, however large that is. What it asks one by one is bounded by
// what it shows, and stands in freeAsks.
const mostAsks = 14

// freeAsks are the pages that ask about several things one by one, with their bounds.
func freeAsks() map[string]int64 {
	return map[string]int64{
		"/scheduler/queue":      mostAsks + explainedRows, // why each job waits
		"/scheduler/allworkers": mostAsks + workersShown,  // what became of each
		"/me":                   mostAsks + groupsShown,   // who is in each
	}
}

// long makes each list of an answer as long as those of a large lab.
// The first entry is repeated, so names are not unique; no page may rely on that either.
func long(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() == 0 || v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		rows := reflect.MakeSlice(v.Type(), manyRows, manyRows)
		for i := range manyRows {
			rows.Index(i).Set(v.Index(0))
		}
		v.Set(rows)
	case reflect.Struct:
		for i := range v.NumField() {
			if depth < 2 && v.Field(i).CanSet() { // lists within rows stay short
				long(v.Field(i), depth+1)
			}
		}
	}
}

// TestPagesAskLittle holds that no page asks the lab about its rows one by one: each question costs a part of a
// millisecond of the broker, and those of the tables tens.
func TestPagesAskLittle(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"Finished", "Submitted"} {
		var asked atomic.Int64
		v := made{fill: true, state: state}.visitor(visitors()["a superuser"])
		call, stream := v.Call, v.Stream
		v.Call = func(ctx context.Context, verb string, in, out any) error {
			asked.Add(1)
			err := call(ctx, verb, in, out)
			if _, paged := out.(*queryRows); err == nil && out != nil && !paged {
				long(reflect.ValueOf(out).Elem(), 0)
			}
			return err
		}
		v.Stream = func(ctx context.Context, verb string, in any, each func(map[string]string, []byte) error) error {
			asked.Add(1)
			return stream(ctx, verb, in, each)
		}
		s, err := New(Deps{Who: func(*http.Request) (Visitor, error) { return v, nil }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		free := freeAsks()
		for _, r := range routes() {
			if r.method != http.MethodGet {
				continue
			}
			for _, address := range []string{addressOf(r.path, "x"), addressOf(r.path, "x") + "?length=1000&all"} {
				asked.Store(0)
				w := httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
				most, bounded := free[r.path]
				if !bounded {
					most = mostAsks
				}
				if n := asked.Load(); n > most {
					t.Errorf("%s of a lab with %d of everything, jobs %s: %d questions, want at most %d", address, manyRows, state, n, most)
				}
			}
		}
	}
}

// TestFactsOfEach reads several stories at a time, in the order in which they were asked for.
// An error is told only when all are done: none may write into the slice after that.
func TestFactsOfEach(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	q := &request{Request: httptest.NewRequest(http.MethodGet, "/", nil)}
	q.Stream = func(_ context.Context, _ string, in any, each func(map[string]string, []byte) error) error {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		thing, _ := in.(map[string]any)["entity"].(string)
		if thing == "worker/hidden" {
			return &Refusal{Code: "denied", Message: "not yours"}
		}
		return each(nil, []byte(`{"seq":1,"entity":"`+thing+`"}`))
	}
	var things []string
	for i := range 50 {
		things = append(things, "worker/"+string(rune('a'+i%26)))
	}
	all, err := factsOfEach(q, things)
	if err != nil || len(all) != len(things) {
		t.Fatalf("%d stories, %v", len(all), err)
	}
	for i, facts := range all {
		if len(facts) != 1 || facts[0].Entity != things[i] {
			t.Errorf("story %d is %+v, want that of %s", i, facts, things[i])
		}
	}
	if n := most.Load(); n > storiesAtOnce {
		t.Errorf("%d stories were read at once, want at most %d", n, storiesAtOnce)
	}
	if all, err := factsOfEach(q, append(things, "worker/hidden")); err == nil || all != nil {
		t.Errorf("with one that is hidden: %d stories, %v", len(all), err)
	}
}

// TestWorkerWithManyDevices shows a hundred at first, and the rest to who asks.
func TestWorkerWithManyDevices(t *testing.T) {
	t.Parallel()
	var devices []map[string]any
	for i := range 130 {
		devices = append(devices, map[string]any{"device": fmt.Sprintf("d%03d", i), "device_type": "qemu", "worker": "w1", "state": "Idle", "health": "Good"})
	}
	s := lab{"workers.show": `{"worker":"w1","state":"Online","health":"Active"}`, "devices.list": devices, "workers.list": "[]", "rights": "{}"}.site(t)
	for address, want := range map[string]int{"/scheduler/worker/w1": devicesShown, "/scheduler/worker/w1?all": 130} {
		text := get(s, address).Body.String()
		if n := strings.Count(text, `<tr id="d-`); n != want {
			t.Errorf("%s has %d devices, want %d", address, n, want)
		}
		if more := strings.Contains(text, `<a href="?all">30 further devices</a>`); more != (want != 130) {
			t.Errorf("%s leads to the others: %v", address, more)
		}
	}
}
