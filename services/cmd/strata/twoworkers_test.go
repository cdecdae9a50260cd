package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestTwoWorkers has two workers on one machine, each with a device whose job runs. A third on the memory
// of the first ends, a second of a name in use is told so and takes nothing. One worker's connection is
// cut: the lab calls it Offline, its job ends meanwhile, and all of that arrives when it is back.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, lab := w.up(t, "--listen-sql", "")
	link := startLink(t, strings.TrimPrefix(lab.NATS, "nats://"))
	tokens := map[string]string{}
	for _, name := range []string{"w1", "w2", "w3"} {
		var registered api.Worker
		w.ask(t, &registered, "workers", "register", name)
		tokens[name] = registered.Token
	}
	worker := func(name, memory, server string) []string {
		return []string{"worker", "--name", name, "--data", filepath.Join(w.dir, memory), "--server", server, "--token", tokens[name]}
	}
	w.spawn(t, worker("w1", "one", lab.NATS)...)
	w.spawn(t, worker("w2", "two", "nats://"+link.address)...)
	job := w.gatedDevices(t, map[string]string{"a": "w1", "b": "w2"})
	eventually(t, "both workers are Online", func() bool { return w.workerState(t, "w1") == "Online" && w.workerState(t, "w2") == "Online" })

	onA, onB := w.submitTo(t, job, "a"), w.submitTo(t, job, "b")
	eventually(t, "both jobs run", func() bool { return w.stateOf(t, onA) == "Running" && w.stateOf(t, onB) == "Running" })
	if status, text := w.strata(t, worker("w3", "one", lab.NATS)...); status != exitFailed || !strings.Contains(text, "name another directory with --data") {
		t.Errorf("a worker on the memory of another: status %d, said %q", status, text)
	}
	second := w.spawn(t, worker("w2", "three", lab.NATS)...)
	eventually(t, "a second worker of a name is told", func() bool { return strings.Contains(second.text(), "another worker goes by this name") })
	second.kill()
	if status, text := w.strata(t, "devices", "move", "b", "w1"); status != exitFailed || !strings.Contains(text, fmt.Sprintf("held by job %d", onB)) {
		t.Errorf("move a device while its job runs: status %d, said %q", status, text)
	}

	link.cut()
	eventually(t, "the lab misses w2", func() bool { return w.workerState(t, "w2") == "Offline" })
	w.open(t, "b")
	eventually(t, "the job ends where nobody hears it", func() bool {
		_, err := os.Stat(filepath.Join(w.dir, "b.ended"))
		return err == nil
	})
	if state := w.stateOf(t, onB); state != "Running" {
		t.Errorf("the job of the worker that is away: %s, want Running: it is not lost yet", state)
	}
	next := w.submitTo(t, job, "b")
	link.mend()
	for _, j := range []events.JobID{onB, next} { // the second finds the gate open
		// Its report may come before what it wrote while the link was cut.
		eventually(t, fmt.Sprintf("job %d of w2 is over, and all of its log is there", j), func() bool { return w.jobShown(t, j).Complete })
		log := w.must(t, "logs", j.String())
		if shown := w.jobShown(t, j); shown.Health != events.Complete || shown.Worker != "w2" || strings.Count(log, "b began") != 1 || strings.Count(log, "b ended") != 1 {
			t.Errorf("job %d: %s on %s, want Complete on w2, begun and ended once:\n%s", j, shown.Health, shown.Worker, lastOf(log))
		}
	}
	if state := w.stateOf(t, onA); state != "Running" {
		t.Errorf("the other worker's job: %s, want Running, undisturbed", state)
	}

	// A device moves while a job waits for it: the job goes where the device is.
	w.must(t, "devices", "health", "b", "Maintenance", "--reason", "to the other bench")
	waits := w.submitTo(t, job, "b")
	w.must(t, "devices", "move", "b", "w1")
	w.must(t, "devices", "health", "b", "Good")
	eventually(t, "the job that waited is over", func() bool { return w.stateOf(t, waits) == "Finished" })
	if shown := w.jobShown(t, waits); shown.Health != events.Complete || shown.Worker != "w1" {
		t.Errorf("the job that waited: %s on %s, want Complete on w1", shown.Health, shown.Worker)
	}
	w.open(t, "a")
	eventually(t, "the first job is over", func() bool { return w.stateOf(t, onA) == "Finished" })
}

// gatedDevices adds devices to workers, whose jobs end once the device's gate is open, and returns the
// text of such a job.
func (w *world) gatedDevices(t *testing.T, on map[string]string) (job string) {
	t.Helper()
	for device, worker := range on {
		script := write(t, w.dir, device+".sh", fmt.Sprintf("echo %[2]s began\nwhile [ ! -e %[1]s/%[2]s.gate ]; do sleep 0.1; done\necho %[2]s ended\ntouch %[1]s/%[2]s.ended\n", w.dir, device))
		dict := write(t, w.dir, device+".yaml", strings.Replace(quickDevice, "do: echo hello", "do: sh "+script, 1))
		w.must(t, "devices", "add", device, "--type", "quick", "--worker", worker, "--dict", dict, "--health", "Good")
	}
	return quickJob
}

// open lets the jobs of a gated device end.
func (w *world) open(t *testing.T, device string) {
	t.Helper()
	write(t, w.dir, device+".gate", "")
}

// submitTo submits a job that is for one device.
func (w *world) submitTo(t *testing.T, job, device string) events.JobID {
	t.Helper()
	var j api.Job
	w.ask(t, &j, "submit", write(t, w.dir, "on-"+device+".job.yaml", job+"device: "+device+"\n"))
	return j.Job
}

func (w *world) jobShown(t *testing.T, job events.JobID) (j api.Job) {
	t.Helper()
	w.ask(t, &j, "show", job.String())
	return j
}

func (w *world) stateOf(t *testing.T, job events.JobID) string {
	t.Helper()
	return w.jobShown(t, job).State
}

func (w *world) workerState(t *testing.T, name string) string {
	t.Helper()
	var x api.Worker
	w.ask(t, &x, "workers", "show", name)
	return x.State
}

// link is a network between a worker and the lab that can be cut.
type link struct {
	address string
	to      string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// startLink forwards connections to an address until the test ends.
func startLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &link{address: l.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { x.forward(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		x.cut()
		served.Wait()
	})
	return x
}

// forward carries one connection. It takes both ends down with either.
func (x *link) forward(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("tcp", x.to)
	if err != nil {
		return
	}
	defer far.Close()
	x.mu.Lock()
	down := x.down
	if !down {
		x.conns[c], x.conns[far] = true, true
	}
	x.mu.Unlock()
	if down {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, far) // ends with the connection
		c.Close()
	})
	_, _ = io.Copy(far, c)
	far.Close()
	back.Wait()
}

// cut ends all connections, and lets none come up until mend.
func (x *link) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = true
	for c := range x.conns {
		c.Close()
	}
	clear(x.conns)
}

func (x *link) mend() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = false
}
