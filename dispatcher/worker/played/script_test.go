package played

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
)

const example = `seed: 7
device_type: panda
devices: [panda-1, panda-2]
jobs:
- name: passes
  weight: 3
  takes: 1s..2m
  console:
  - {say: Starting kernel ..., after: 100ms}
  - {noise: 20, after: 1ms..5ms}
  - result: {case: boot, measurement: 3.5, units: s}
- name: bad board
  devices: [panda-2]
  end: fail
  error_type: Infrastructure
  error: the console is silent
`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	took := 3.5
	want := Script{Seed: 7, DeviceType: "panda", Devices: []events.DeviceName{"panda-1", "panda-2"}, Dictionary: dictionary, Jobs: []Play{
		{Name: "passes", Weight: 3, Takes: Span{time.Second, 2 * time.Minute}, End: Pass, Class: "Job", Error: "the simulated job failed", Console: []Step{
			{Say: "Starting kernel ...", Times: 1, After: Span{100 * time.Millisecond, 100 * time.Millisecond}},
			{Times: 1, Noise: 20, After: Span{time.Millisecond, 5 * time.Millisecond}},
			{Times: 1, Case: &Case{Suite: "0_simulated", Name: "boot", Result: "pass", Measurement: &took, Units: "s"}},
		}},
		{Name: "bad board", Weight: 1, Devices: []events.DeviceName{"panda-2"}, End: Fail, Class: events.InfrastructureError, Error: "the console is silent"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse:\n got %+v\nwant %+v", got, want)
	}
}

// TestParseRefuses holds that each mistake is told with its line and what is allowed.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"misspelt key", "devices: 2\njobs: [{name: a, wait: 3}]", "line 2"},
		{"no jobs", "devices: 2", "jobs"},
		{"no devices", "devices: 0\njobs: [{name: a}]", "line 1"},
		{"too many devices", "devices: 100001\njobs: [{name: a}]", "at most 100000"},
		{"a span backwards", "devices: 2\njobs:\n- name: a\n  takes: 5s..1s", "line 4, column 10: \"5s..1s\" is not a span"},
		{"not a time", "devices: 2\njobs: [{name: a, takes: soon}]", "500ms"},
		{"an unknown end", "devices: 2\njobs: [{name: a, end: explode}]", "allowed are pass, fail, hang"},
		{"an error of a job that passes", "devices: 2\njobs: [{name: a, error: none}]", "its end is pass"},
		{"noise that is said", "devices: 2\njobs: [{name: a, console: [{noise: 1, say: x}]}]", "line 2"},
		{"times of nothing", "devices: 2\njobs: [{name: a, console: [{times: 3}]}]", "times goes with say"},
		{"a device that is none", "devices: [a]\njobs: [{name: j, devices: [b]}]", "no device b"},
		{"a device named twice", "devices:\n- a\n- b\n- a\njobs: [{name: j}]", "device a is named twice"},
		{"a device without jobs", "devices: [a, b]\njobs: [{name: j, devices: [b]}]", "no job is for device a"},
		{"too much noise", "devices: 2\njobs: [{name: a, console: [{noise: 1000001}]}]", "at most 1000000"},
		{"not YAML", "devices: [", "line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse %q: got %v, want an error with %q", tt.text, err, tt.want)
			}
		})
	}
}

// TestDrawRepeats holds that a job is the same each time, that weights count, and that a play for one
// device is drawn on no other.
func TestDrawRepeats(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]int{}
	const jobs = 4000
	for job := range uint64(jobs) {
		p, r := s.draw(job, "panda-2")
		again, r2 := s.draw(job, "panda-2")
		if p.Name != again.Name || p.Takes.draw(r) != again.Takes.draw(r2) {
			t.Errorf("job %d is %s the first time and %s the second, or takes another time", job, p.Name, again.Name)
		}
		drawn[p.Name]++
		if other, _ := s.draw(job, "panda-1"); other.Name != "passes" {
			t.Errorf("job %d on panda-1 is %s, which is for panda-2 only", job, other.Name)
		}
	}
	if share := float64(drawn["passes"]) / jobs; share < 0.70 || share > 0.80 {
		t.Errorf("weights 3 and 1 gave %v, want three quarters and one", drawn)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	s, err := Plain(12)
	if err != nil || len(s.Devices) != 12 || s.Devices[11] != "sim-12" {
		t.Errorf("Plain(12): got %v and error %v, want twelve devices to sim-12", s.Devices, err)
	}
	for _, n := range []int{-1, 0, mostDevices + 1} {
		if _, err := Plain(n); err == nil {
			t.Errorf("Plain(%d): got no error", n)
		}
	}
}

// TestDocumentedScript holds that the example of the guide is a script.
func TestDocumentedScript(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("docs/simulation.md has no script")
	}
	if _, err := Parse([]byte(text)); err != nil {
		t.Errorf("the script of docs/simulation.md: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("devices: 1\njobs: [{name: a, takes: 1s..1h, console: [{say: x, times: 2}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text))
		if err != nil {
			return
		}
		for _, d := range s.Devices[:min(len(s.Devices), 3)] {
			s.draw(1, d) // finds something for every device
		}
	})
}
