package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/yaml"
)

// recording is what a LAVA 2023.01 sent for a job of testdata/lava-*.json: 9 callbacks, of each dataset and content type
// and one without a body. The definition, the log (of which lines were left out) and the results were the same in all of
// them and are said once; a value such as "@log" stands for them.
type recording struct {
	Definition string            `json:"definition"`
	Log        string            `json:"log"`
	Results    map[string]string `json:"results"`
	Requests   []struct {
		Method string            `json:"method"`
		Path   string            `json:"path"`
		Header map[string]string `json:"header"`
		Body   [][2]any          `json:"body"`
	} `json:"requests"`
}

// onPurpose are the keys whose values differ from the recorded ones, and why.
var onPurpose = map[string]string{
	"end_time":        "LAVA sent its callbacks before it knew the end",
	"failure_comment": "says what went wrong also where the job itself has found out",
	"metadata":        "LAVA 2023.01 had lost it",
}

// beyond are the keys that LAVA 2023.01 did not send: two of later releases', and those of ours.
var beyond = []string{"submitter_email", "health_check", "output_complete", "error_type", "canceled_by", "cancel_reason", "cancel_stage", "cancel_action"}

// The callbacks of a job are those that a LAVA sent for it: to the same addresses with the same headers, every key in its
// place, every value the same, but for what differs on purpose.
func TestAsLAVA(t *testing.T) {
	for _, name := range []string{"complete", "invalid", "canceled", "queued", "running"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", "lava-"+name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var rec recording
			if err := json.Unmarshal(text, &rec); err != nil {
				t.Fatal(err)
			}
			r := newReceiver(t, nil)
			rec.Definition = strings.ReplaceAll(rec.Definition, "127.0.0.1:8599", strings.TrimPrefix(r.URL, "http://"))
			rec.play(t)
			came := map[string]got{}
			for range rec.Requests {
				g := r.next(t)
				came[g.method+" "+endpoint(g.path)] = g
			}
			for _, want := range rec.Requests {
				what := want.Method + " " + endpoint(want.Path)
				g, there := came[what]
				if !there {
					t.Errorf("%s: did not come; came %v", what, slices.Sorted(maps.Keys(came)))
					continue
				}
				wanted := want.Path
				if name == "running" { // LAVA sent its callbacks before it knew the start
					wanted = strings.Replace(wanted, "&e=None&", "&e="+url.PathEscape(pythonTime(begun))+"&", 1)
				}
				if a, b := address(t, g.path), address(t, wanted); a != b {
					t.Errorf("%s: address %s, want %s", what, a, b)
				}
				for key, value := range want.Header {
					if g.header.Get(key) != value {
						t.Errorf("%s: header %s is %q, want %q", what, key, g.header.Get(key), value)
					}
				}
				rec.compare(t, what, fieldsOf(t, g), want.Body)
			}
		})
	}
}

// endpoint is the beginning of an address, by which the callbacks of the definition differ.
func endpoint(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return strings.Join(strings.Split(path, "/")[:4], "/")
}

// address is a path with its query as both sides mean it. The device's name has words of the server's language behind it
// in LAVA, as what stands for it there is no name but an object.
func address(t *testing.T, path string) string {
	t.Helper()
	text, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(text, "&d=")
	device, rest, _ := strings.Cut(after, "&x=")
	if !found {
		return text
	}
	return before + "&d=" + strings.Fields(device)[0] + "&x=" + rest
}

// play has the recorded job happen, in a lab that gives it its number.
func (rec recording) play(t *testing.T) {
	t.Helper()
	said := map[string]any{}
	for _, p := range rec.Requests[0].Body {
		said[p[0].(string)] = p[1]
	}
	id := events.JobID(said["id"].(float64))
	l := bench{eventtest.StartWith(t, eventtest.Options{FirstJob: uint64(id)}), t}
	user := events.UserName(said["submitter_username"].(string))
	if got := l.Submit(t, user, rec.Definition); got != id {
		t.Fatalf("the job has number %d, want %d", got, id)
	}
	l.Append(t, events.JobSubmitted{Job: id, Display: id.String(), User: user, Name: said["description"].(string), At: instant(t, said["submit_time"]),
		DeviceType: "qemu", Priority: int(said["priority"].(float64)), Visibility: events.Visibility{Public: true}, Source: events.Source{Sequence: uint64(id)},
		Metadata: map[string]string{"build": "7"}})
	canceled := said["health_string"] == "Canceled"
	device, ran := said["actual_device_id"].(string)
	if !ran {
		l.Append(t, events.JobCancelRequested{Job: id, By: user}, events.JobWithdrawn{Job: id, Reason: "canceled by " + string(user)})
		l.serve()
		return
	}
	lease := events.Lease(id)
	l.Append(t, events.JobScheduled{Job: id, Device: events.DeviceName(device), Worker: "w", Lease: lease},
		events.JobStarted{Job: id, Device: events.DeviceName(device), Worker: "w", Lease: lease, At: instant(t, said["start_time"])})
	if said["state_string"] == "Running" {
		l.serve()
		return
	}
	f, err := events.NewFrame(id, lease, 0, records(t, rec.Log))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.PublishFrame(t.Context(), l.Log.JetStream(), f); err != nil {
		t.Fatal(err)
	}
	cases, errorType := rec.cases(t)
	l.Append(t, events.ResultsRecorded{Job: id, Lease: lease, Lines: f.Count, Cases: cases})
	if canceled {
		l.Append(t, events.JobCancelRequested{Job: id, By: user})
	}
	l.Append(t, events.JobFinished{Job: id, Device: events.DeviceName(device), Worker: "w", Lease: lease, Health: events.JobHealth(said["health_string"].(string)),
		ErrorType: errorType, Error: "what went wrong", At: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)}, events.JobOutputComplete{Job: id, Lease: lease})
	l.serve()
}

// begun is when a job began whose start LAVA did not know yet.
var begun = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// instant reads a time as LAVA writes it.
func instant(t *testing.T, text any) time.Time {
	t.Helper()
	if text == "None" {
		return begun
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999-07:00", text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// records reads a log of LAVA's. Its times had no zone yet.
func records(t *testing.T, log string) (list []events.Record) {
	t.Helper()
	for _, item := range parse(t, log).Items {
		at, err := time.Parse("2006-01-02T15:04:05.000000", item.Get("dt").Text)
		if err != nil {
			t.Fatal(err)
		}
		message, err := json.Marshal(item.Get("msg").Data())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, events.Record{Time: at, Level: events.Level(item.Get("lvl").Text), Message: message, Namespace: item.Get("ns").TextOr("")})
	}
	return list
}

func parse(t *testing.T, text string) *yaml.Node {
	t.Helper()
	n, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return n
}

// cases reads the recorded results, in the order of their numbers, and what kind of error ended the job.
func (rec recording) cases(t *testing.T) (list []events.Case, errorType events.ErrorType) {
	t.Helper()
	number := map[*yaml.Node]int{}
	var items []*yaml.Node
	for _, text := range rec.Results {
		for _, item := range parse(t, text).Items {
			n, err := strconv.Atoi(item.Get("id").Text)
			if err != nil {
				t.Fatal(err)
			}
			number[item], items = n, append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b *yaml.Node) int { return number[a] - number[b] })
	line := func(n *yaml.Node) *uint64 {
		v, err := strconv.ParseUint(n.Text, 10, 64)
		if err != nil {
			return nil
		}
		return &v
	}
	for _, item := range items {
		c := events.Case{Suite: item.Get("suite").Text, Name: item.Get("name").Text, Result: events.Outcome(item.Get("result").Text), Units: item.Get("unit").Text,
			At: instant(t, item.Get("logged").Text), StartLine: line(item.Get("log_start_line")), EndLine: line(item.Get("log_end_line")), Metadata: map[string]string{}}
		if v, err := strconv.ParseFloat(item.Get("measurement").Text, 64); err == nil {
			c.Measurement = &v
		}
		about := item.Get("metadata")
		c.Set = about.Get("set").TextOr("")
		for _, key := range about.Keys() {
			value := about.Get(key)
			switch {
			case slices.Contains([]string{"case", "definition", "result", "set", "measurement", "units"}, key):
			case key == "extra": // a mapping, as the worker has sent it
				whole := yaml.Mapping()
				for _, one := range value.Items {
					whole = whole.With(one.Keys()[0], one.Get(one.Keys()[0]))
				}
				c.Metadata[key] = asJSON(t, whole)
			case value.Is(yaml.String):
				c.Metadata[key] = value.Text
			default:
				c.Metadata[key] = asJSON(t, value)
			}
		}
		if c.Suite == "lava" && c.Name == "job" {
			errorType = events.ErrorType(about.Get("error_type").TextOr(""))
		}
		list = append(list, c)
	}
	return list, errorType
}

func asJSON(t *testing.T, n *yaml.Node) string {
	t.Helper()
	text, err := json.Marshal(n.Data())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fieldsOf reads the body of a request in the order of its keys.
func fieldsOf(t *testing.T, g got) (list [][2]any) {
	t.Helper()
	if g.header.Get("Content-Type") != "application/json" {
		for _, part := range strings.Split(g.body, "&") {
			key, value, _ := strings.Cut(part, "=")
			text, err := url.QueryUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			if g.body != "" {
				list = append(list, [2]any{key, text})
			}
		}
		return list
	}
	d := json.NewDecoder(strings.NewReader(g.body))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		var value any
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatalf("%v in %s", err, g.body)
		}
		list = append(list, [2]any{key, value})
	}
	return list
}

// compare holds a body against the recorded one.
func (rec recording) compare(t *testing.T, what string, got, want [][2]any) {
	t.Helper()
	got = slices.DeleteFunc(got, func(p [2]any) bool {
		extra := slices.Contains(beyond, p[0].(string))
		// Urlencoded, metadata is a key an entry, and the recorded job has none.
		return extra || !slices.ContainsFunc(want, func(w [2]any) bool { return w[0] == p[0] }) && (p[0] == "metadata" || p[0] == "failure_comment")
	})
	ordered := func(list [][2]any) (keys []string) {
		for _, p := range list {
			keys = append(keys, p[0].(string))
		}
		return keys
	}
	if a, b := ordered(got), ordered(want); !slices.Equal(a, b) {
		t.Errorf("%s: keys\n got %v\nwant %v", what, a, b)
		return
	}
	for i, w := range want {
		key, value, is := w[0].(string), w[1], got[i][1]
		switch {
		case onPurpose[key] != "", key == "start_time" && value == "None" && is == pythonTime(begun):
		case value == "@definition":
			if is != rec.Definition {
				t.Errorf("%s: definition is\n%s", what, is)
			}
		case value == "@log":
			if a, b := records(t, strings.ReplaceAll(is.(string), "+00:00\", \"lvl\"", "\", \"lvl\"")), records(t, rec.Log); !reflect.DeepEqual(a, b) {
				t.Errorf("%s: log is\n%s\nwant\n%s", what, is, rec.Log)
			}
		case value == "@results":
			rec.compareResults(t, what, is.(map[string]any))
		case is != value:
			t.Errorf("%s: %s is %v, want %v", what, key, is, value)
		}
	}
}

// compareResults holds results against the recorded ones: each case with all that is said of it but its number in the lab.
func (rec recording) compareResults(t *testing.T, what string, is map[string]any) {
	t.Helper()
	read := func(text string) (list []string) {
		for _, item := range parse(t, text).Items {
			if want := "/results/testcase/" + item.Get("id").Text; item.Get("url").Text != want {
				t.Errorf("%s: url is %s, want %s", what, item.Get("url").Text, want)
			}
			list = append(list, fmt.Sprint(plainNumbers(item.Without("id", "url").Data())))
		}
		slices.Sort(list)
		return list
	}
	if a, b := slices.Sorted(maps.Keys(is)), slices.Sorted(maps.Keys(rec.Results)); !slices.Equal(a, b) {
		t.Errorf("%s: suites %v, want %v", what, a, b)
		return
	}
	for suite, text := range rec.Results {
		if a, b := read(is[suite].(string)), read(text); !slices.Equal(a, b) {
			t.Errorf("%s: suite %s is\n%s\nwant\n%s", what, suite, strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	}
}

// plainNumbers has 5 and 5.0 be the same.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = plainNumbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case float64:
		if v == math.Trunc(v) {
			return int64(v)
		}
	}
	return v
}

// Every key of a body stands in the manual.
func TestKeysAreDocumented(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "notifications.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(manual), func(r rune) bool { return strings.ContainsRune("` ,|\n()", r) })
	st := told(ran(ended(events.Complete, ""))...)
	for _, p := range (subject{first: st, last: st}).pairs() {
		if !slices.Contains(words, p.key) {
			t.Errorf("docs/notifications.md does not name %s", p.key)
		}
	}
}
