package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/schemas/yaml"
	"strata/services/api"
)

// heard is a way to a lab that notes which lines of logs went over it. It is the test's second witness: what LAVA's
// dispatcher has sent stands here, whatever the lab made of it.
type heard struct {
	mu    sync.Mutex
	lines []string // of the one job that runs; each once, however often it was sent
	sent  int      // lines in all requests, repeated ones too
	lost  bool     // whether an answer was lost on the way
	url   string
}

// hear opens a way to a lab for as long as the test runs. It survives the lab.
func hear(t *testing.T, lab string) *heard {
	t.Helper()
	to, err := url.Parse(lab)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	// While the lab is away its sender sees the connection break, as it would without this.
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // who asked is gone
		}
		if strings.HasSuffix(r.URL.Path, "/logs/") {
			if err := h.note(body); err != nil {
				t.Errorf("lines for %s: %v", r.URL.Path, err)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasSuffix(r.URL.Path, "/logs/") && h.loses() {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // the lab has the lines, and their sender does not know
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// note takes a request with lines of a log: "index" is the number of the first within the log.
func (h *heard) note(body []byte) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(form.Get("index"))
	if err != nil {
		return err
	}
	lines, err := said([]byte(form.Get("lines")))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent += len(lines)
	for i, line := range lines {
		switch at := first + i; {
		case at > len(h.lines):
			return fmt.Errorf("line %d is sent after %d lines", at, len(h.lines))
		case at == len(h.lines):
			h.lines = append(h.lines, line)
		case h.lines[at] != line:
			return fmt.Errorf("line %d was %s and is %s", at, h.lines[at], line)
		}
	}
	return nil
}

// loses reports whether the answer to the request that was noted last is to get lost: one of each log is.
func (h *heard) loses() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := !h.lost
	h.lost = true
	return first
}

// taken returns the lines since it was asked last.
func (h *heard) taken() (lines []string, sent int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines, sent = h.lines, h.sent
	h.lines, h.sent, h.lost = nil, 0, false
	return lines, sent
}

// said returns level and message of each line of a log in LAVA's form.
func said(log []byte) (lines []string, err error) {
	list, err := yaml.Parse(log)
	if err != nil {
		return nil, err
	}
	for _, line := range list.Items {
		if message := line.Get("msg"); message.Is(yaml.Map) {
			// The two print a number differently ("1.50", ! "1.5"): which keys there are is enough here.
			keys := make([]string, len(message.Pairs))
			for i, p := range message.Pairs {
				keys[i] = p.Key.Print()
			}
			lines = append(lines, fmt.Sprint(line.Get("lvl").TextOr(""), keys, message.Get("case").TextOr(""), message.Get("result").TextOr("")))
			continue
		}
		lines = append(lines, line.Get("lvl").TextOr("")+" "+line.Get("msg").TextOr(""))
	}
	return lines, nil
}

// machine returns the process of the virtual machine whose files lie below a directory; 0 is none.
func machine(dir string) int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		program, args, _ := strings.Cut(string(text), "\x00")
		if strings.Contains(filepath.Base(program), "qemu-system") && strings.Contains(args, dir) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	return 0
}

// TestLAVAWorkerBoots has Debian's lava-worker and dispatcher boot a kernel in QEMU, on a device of LAVA's own type: as
// its health check, during which the lab is killed and started again, and once more to be canceled.
func TestLAVAWorkerBoots(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "lava-worker:lava-dispatcher", "lava-run:lava-dispatcher")
	assets := needBoot(t)
	types := t.TempDir()
	for _, name := range []string{"base.jinja2", "qemu.jinja2"} {
		text, err := os.ReadFile(filepath.Join(dispatchertest.Corpus(t, "corpus/device-types"), "corpus", "device-types", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, types, name, string(text))
	}
	files := httptest.NewServer(http.FileServer(http.Dir(assets)))
	t.Cleanup(files.Close)

	w := newWorld(t)
	first := ownNumbers(t, 2)
	p, r := w.up(t, "--listen-sql", "", "--first-job", first)
	h := hear(t, r.HTTP)
	token := strings.TrimSpace(w.must(t, "workers", "register", "far1"))
	w.must(t, "workers", "configure", "far1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	w.must(t, "device-types", "import", types)
	boots := write(t, w.dir, "boots.yaml", strings.ReplaceAll(demoJob, "${ASSETS}", files.URL))
	w.must(t, "device-types", "configure", "qemu", "--health-check", boots)
	// Without KVM the boot takes long enough to be interrupted, and every machine can.
	w.must(t, "devices", "add", "vm1", "--type", "qemu", "--worker", "far1", "--dict", write(t, w.dir, "vm1.jinja2",
		"{% extends 'qemu.jinja2' %}\n{% set no_kvm = True %}\n{% set memory = 256 %}\n{% set netdevice = 'user' %}\n"))
	startLAVAWorker(t, h.url, "far1", token)

	// halts stops a job's machine as soon as the lab has heard its kernel.
	halts := func(job string) *os.Process {
		eventually(t, "job "+job+" boots", func() bool {
			_, text := w.strata(t, "logs", job, "--level", "target")
			return strings.Contains(text, "Linux version")
		})
		machine, err := os.FindProcess(machine("/tmp/" + job + "/"))
		if err == nil {
			err = machine.Signal(syscall.SIGSTOP)
		}
		if err != nil {
			t.Fatalf("the machine of job %s: %v", job, err)
		}
		return machine
	}
	ends := func(job string) (j api.Job) {
		eventually(t, "job "+job+" ends", func() bool {
			w.ask(t, &j, "show", job)
			return j.State == api.StateFinished && j.Complete
		})
		return j
	}
	vm := func() (d api.Device) {
		eventually(t, "the device is idle", func() bool { w.ask(t, &d, "devices", "show", "vm1"); return d.State == "Idle" })
		return d
	}

	machine := halts(first)
	p.kill()
	if err := machine.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.up(t, "--listen-sql", "", "--listen", strings.TrimPrefix(r.HTTP, "http://"), "--listen-nats", strings.TrimPrefix(r.NATS, "nats://"))
	j := ends(first)
	if j.Health != events.Complete || j.Missing != 0 || !j.HealthCheck {
		t.Errorf("a health check during which the lab was killed: %+v, want it Complete with every line", j)
	}
	w.sameLog(t, r, first, h)
	if text := w.must(t, "results", first); !strings.Contains(text, "kernel-version") || !strings.Contains(text, "boot-time") {
		t.Errorf("its results:\n%s", text)
	}
	if d := vm(); d.Health != events.Good {
		t.Errorf("the device afterwards: %+v, want it Good", d)
	}

	var submitted api.Job
	w.ask(t, &submitted, "submit", boots)
	job := submitted.Job.String()
	machine = halts(job)
	w.must(t, "cancel", job, "--reason", "enough seen")
	if err := machine.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if j := ends(job); j.Health != events.Canceled || j.Missing != 0 {
		t.Errorf("a job that was canceled as it booted: %+v", j)
	}
	w.sameLog(t, r, job, h)
	if d := vm(); d.Health != events.Good {
		t.Errorf("the device of a job that was canceled: %+v, want it Good as before", d)
	}
	eventually(t, "the machine of the canceled job is gone", func() bool { return machine.Signal(syscall.Signal(0)) != nil })
}

// sameLog holds the log that a lab gives out against what its dispatcher sent.
func (w *world) sameLog(t *testing.T, r ready, job string, h *heard) {
	t.Helper()
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.HTTP+"/scheduler/job/"+job+"/log_file/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Authorization", "Token "+r.Token)
	reply, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("log of job %s: %s, %v", job, reply.Status, err)
	}
	got, err := said(text)
	if err != nil {
		t.Fatal(err)
	}
	want, sent := h.taken()
	if sent <= len(want) {
		t.Errorf("job %s: no line was sent twice, though an answer was lost", job)
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of job %s: the lab has %q, the dispatcher sent %q (%d and %d lines)", i, job, at(got, i), at(want, i), len(got), len(want))
		}
	}
}

// at returns a line, "" after the last.
func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
