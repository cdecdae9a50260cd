package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"strata/events"
	"strata/services/api"
)

// handsDevice is a board of shell scripts: what its power switch does appears on its line.
const handsDevice = `constants: {u-boot: {interrupt-prompt: Hit any key, interrupt-character: x}}
commands:
  connect: "sh -c 'tail -n +1 -f @DIR@/said & while read -r typed; do printf \"got %s\\r\\n=> \" $typed >>@DIR@/said; done'"
  power_off: sh -c 'echo clack off'
  power_on: sh -c 'echo clack on'
  hard_reset: sh -c 'echo U-Boot >>@DIR@/said; echo Hit any key >>@DIR@/said'
  users: {wait: {do: "sh -c 'until test -e @DIR@/gate; do sleep 0.05; done'"}}
actions: {deploy: {methods: {}}, boot: {methods: {u-boot: {parameters: {bootloader_prompt: '=> '}}}}}
`

const handsJob = `job_name: has the board
device_type: bench
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {minutes: 1}}
actions:
- command: {name: wait}
`

// keyboard is somebody's typing: what is typed is read as it comes, and at its end nothing more does.
type keyboard struct {
	io.Reader
	keys *io.PipeWriter
}

func newKeyboard() keyboard {
	r, w := io.Pipe()
	return keyboard{r, w}
}

func (k keyboard) types(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(k.keys, text); err != nil {
		t.Error(err)
	}
}

// screen is what a command has shown so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// console runs `strata devices console` in the background.
func (w *world) console(t *testing.T, args ...string) (keys keyboard, shown *screen, ended <-chan int) {
	t.Helper()
	keys, shown = newKeyboard(), &screen{}
	a := &app{in: keys, out: shown, err: shown, env: func(name string) string { return w.env[name] }, now: w.app(nil).now}
	done := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- a.run(ctx, append([]string{"devices", "console"}, args...)) }()
	t.Cleanup(func() {
		cancel()
		_ = keys.keys.Close()
	})
	return keys, shown, done
}

func (w *world) device(t *testing.T, name string) (d api.Device) {
	t.Helper()
	w.ask(t, &d, "devices", "show", name)
	return d
}

// TestHandsOnADevice has a person switch, watch and check a board beside jobs that want it: through a lab, its
// worker and the commands of the board, by right, and as facts.
func TestHandsOnADevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--worker", "w1")
	dir := t.TempDir()
	dict := write(t, w.dir, "bench.yaml", strings.ReplaceAll(handsDevice, "@DIR@", dir))
	if err := os.WriteFile(filepath.Join(dir, "said"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(t, "devices", "add", "b1", "--type", "bench", "--worker", "w1", "--dict", dict, "--health", "Good")
	eventually(t, "the worker is there", func() bool {
		status, _ := w.strata(t, "devices", "power", "b1", "on")
		return status == exitOK
	})
	if text := w.must(t, "devices", "power", "b1", "off"); !strings.Contains(text, ">> clack off") || !strings.Contains(text, "device b1: power off is done") {
		t.Errorf("power off said %q", text)
	}
	text := w.must(t, "devices", "check", "b1")
	for _, step := range strings.Fields("render validate programs console power_off power_on hard_reset output prompt") {
		if !strings.Contains(text, "ok   "+step) {
			t.Errorf("the check has no step %s that went well: %s", step, text)
		}
	}

	// The console is a person's while no job has the device, and no job gets it.
	keys, shown, ended := w.console(t, "b1")
	eventually(t, "the console is open", func() bool { return strings.Contains(shown.String(), "Ctrl-] leaves") })
	keys.types(t, "hello\n")
	eventually(t, "the board answers", func() bool { return strings.Contains(shown.String(), "got hello") })
	var job api.Job
	w.ask(t, &job, "submit", write(t, w.dir, "job.yaml", handsJob))
	eventually(t, "why says whose hands the device is in", func() bool {
		_, why := w.strata(t, "why", job.Job.String())
		return strings.Contains(why, "local has it in hand (console)")
	})
	if status, text := w.strata(t, "devices", "check", "b1"); status != exitFailed || !strings.Contains(text, "in the hands of local (console)") {
		t.Errorf("a check beside the console: %d %q", status, text)
	}
	w.must(t, "devices", "power", "b1", "off") // one's own switch beside one's own console
	if status, text := w.strata(t, "devices", "move", "b1", ""); status != exitFailed || !strings.Contains(text, "in the hands of local") {
		t.Errorf("move of a held device: %d %q", status, text)
	}
	keys.types(t, "\x1d")
	if status := <-ended; status != exitOK {
		t.Errorf("leaving the console gives %d: %s", status, shown)
	}

	// Now the job has it: power is refused by the job's number, the console can only be read.
	eventually(t, "the job has the device", func() bool { return w.device(t, "b1").State == "Running" })
	if status, text := w.strata(t, "devices", "power", "b1", "off"); status != exitFailed || !strings.Contains(text, "device b1 runs job "+job.Job.String()+";") {
		t.Errorf("power off during a job: %d %q", status, text)
	}
	keys, shown, ended = w.console(t, "b1")
	eventually(t, "the console is the job's", func() bool {
		return strings.Contains(shown.String(), "runs job "+job.Job.String()+": its console can only be read")
	})
	keys.types(t, "reboot\n")
	if status := <-ended; status != exitFailed || !strings.Contains(shown.String(), "job "+job.Job.String()+" has the device, and what is typed here is refused") {
		t.Errorf("typing at a job's console: %d %q", status, shown)
	}
	if err := os.WriteFile(filepath.Join(dir, "gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job is over", func() bool { return w.device(t, "b1").State == "Idle" })

	// Another's hold can be ended, and the session hears of it.
	_, shown, ended = w.console(t, "b1")
	eventually(t, "the console is open again", func() bool { return strings.Contains(shown.String(), "Ctrl-] leaves") })
	w.must(t, "devices", "release", "b1", "--reason", "lunch")
	if status := <-ended; status != exitFailed || !strings.Contains(shown.String(), "somebody else has ended this use of device b1") {
		t.Errorf("the console of a released device: %d %q", status, shown)
	}
	var told []string
	for line := range strings.Lines(w.must(t, "events", "device/b1", "--json")) {
		var f struct {
			Name string
			Data struct {
				Use, Outcome string
				By           events.UserName
			}
		}
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if f.Data.Use != "" || f.Data.Outcome != "" {
			told = append(told, strings.Join(strings.Fields(f.Data.Use+" "+f.Data.Outcome+" "+string(f.Data.By)), " "))
		}
	}
	want := "power off local|done|check local|done|console local|power off local|done|console local|ended by local: lunch local"
	if got := strings.Join(told, "|"); !strings.HasSuffix(got, want) {
		t.Errorf("the device's story is %q, want it to end with %q", got, want)
	}
}

// TestDevicesGuide types what docs/devices.md says, block by block.
func TestDevicesGuide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(workspace(t), "docs", "devices.md"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.up(t, "--worker", "w1", "--listen-sql", "")
	eventually(t, "the worker is online", func() bool {
		var workers []api.Worker
		w.ask(t, &workers, "workers")
		return len(workers) == 1 && workers[0].State == "Online"
	})
	said := ""
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1) {
		said += w.typed(t, string(m[1]))
	}
	for _, want := range []string{"ok   prompt", `asks with "=> "`, "FAIL prompt", `never showed "Press any key"`, "the check failed", "got hello", ">> clack off",
		"device.held", "device.let-go", `"health":"Maintenance"`} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing that was typed printed %q; printed was:\n%s", want, said)
		}
	}
}
