package multinode

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/events/eventtest"
	m "strata/schemas/multinode"
)

// TestLAVADispatchers lets jobs of LAVA's own dispatcher form groups: its client code, as Debian has it,
// asks this service by the coordinator's protocol. What it types at devices is what LAVA types.
func TestLAVADispatchers(t *testing.T) {
	t.Parallel()
	dispatchertest.Slow(t)
	dispatchertest.Need(t, systemPython+":python3", "/usr/lib/python3/dist-packages/lava_dispatcher:lava-dispatcher")
	t.Run("calls", lavaCalls)
	t.Run("times out", lavaTimeout)
	t.Run("delayed start", lavaDelayedStart)
	t.Run("ended", lavaEnded)
	t.Run("mixed", lavaMixed)
}

// systemPython is the interpreter that Debian's packages are for.
const systemPython = "/usr/bin/python3"

// All requests of two jobs, as actions and test shells make them.
func lavaCalls(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	address, _ := start(t, b)
	server, client := lavaJob(t, address, "41", `"role":"server","group_size":2`), lavaJob(t, address, "42", `"role":"client","group_size":2`)
	joined := server.later(`["set_up"]`)
	client.want(`null`, `["set_up"]`)
	joined.want(`null`)

	waits := client.later(`["signal","WAIT","ready"]`)
	server.want(`{"handled": true, "typed": []}`, `["signal","SEND","ready","ip=10.0.0.1","note=a b"]`)
	waits.want(`{"handled": true, "typed": ["<LAVA_WAIT_COMPLETE 41:ip=10.0.0.1 41:note=a b>", "\n"]}`)
	client.want(`{"handled": true, "typed": ["<LAVA_WAIT_COMPLETE 41:ip=10.0.0.1 41:note=a b>", "\n"]}`, `["signal","WAIT","ready"]`)

	for range 2 { // an id can be met at again
		comes := server.later(`["signal","SYNC","both"]`)
		client.want(`{"handled": true, "typed": ["<LAVA_SYNC_COMPLETE>", "\n"]}`, `["signal","SYNC","both"]`)
		comes.want(`{"handled": true, "typed": ["<LAVA_SYNC_COMPLETE>", "\n"]}`)
	}

	// LAVA's coordinator refuses who waits before anybody has sent; here it waits.
	all := server.later(`["signal","WAIT_ALL","done"]`)
	client.want(`{"handled": true, "typed": []}`, `["signal","SEND","done"]`)
	server.quiet(all)
	late := lavaJob(t, address, "41", `"role":"server","group_size":2`)
	late.want(`null`, `["set_up"]`) // the same job, asked from elsewhere
	late.want(`{"handled": true, "typed": []}`, `["signal","SEND","done","k=v"]`)
	all.want(`{"handled": true, "typed": ["<LAVA_WAIT_ALL_COMPLETE 41:k=v>", "\n"]}`)
	server.want(`{"handled": true, "typed": ["<LAVA_WAIT_ALL_COMPLETE 41:k=v>", "\n"]}`, `["signal","WAIT_ALL","done","client"]`)
	server.want(`{"handled": true, "typed": ["<LAVA_WAIT_ALL_COMPLETE nack>", "\n"]}`, `["signal","WAIT_ALL","done","nobody"]`)

	// Requests of actions: the answer is what placeholders are filled from.
	server.want(`"ack"`, `["call",{"request":"lava-send","messageID":"ipv4","message":{"ipaddr":"10.0.0.7"}}]`)
	client.want(`{"41": {"ipaddr": "10.0.0.7"}}`, `["call",{"request":"lava-wait","messageID":"ipv4","message":{"ipaddr":"$ipaddr"}}]`)
	client.want(`{"error": "JobError", "text": "Missing messageID"}`, `["call",{"request":"lava-wait"}]`)
	server.want(`null`, `["finalise"]`)
	client.want(`{"41": {"ipaddr": "10.0.0.7"}}`, `["call",{"request":"lava-wait","messageID":"ipv4"}]`) // the group is there while one is
	client.want(`null`, `["finalise"]`)
}

// A client gives up by itself, and its group lives on without it.
func lavaTimeout(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	address, _ := start(t, b)
	one, two := lavaJob(t, address, "41", `"role":"r","group_size":2`), lavaJob(t, address, "42", `"role":"r","group_size":2`)
	joined := one.later(`["set_up"]`)
	two.want(`null`, `["set_up"]`)
	joined.want(`null`)
	const timedOut = `{"error": "MultinodeProtocolTimeoutError", "text": "protocol lava-multinode timed out"}`
	one.want(timedOut, `["call",{"request":"lava-wait","messageID":"never","timeout":1}]`)
	one.want(timedOut, `["call",{"request":"lava-sync","messageID":"alone","timeout":1}]`)
	two.want(`"ack"`, `["call",{"request":"lava-send","messageID":"x","message":{"k":"v"}}]`)
	one.want(`{"42": {"k": "v"}}`, `["call",{"request":"lava-wait","messageID":"x"}]`)
	one.want(`null`, `["finalise"]`) // it cleared twice already: LAVA's coordinator would have forgotten the group
	two.want(`{"42": {"k": "v"}}`, `["call",{"request":"lava-wait","messageID":"x"}]`)
}

// A job with request lava-start begins once all of the role that it expects have sent lava_start.
func lavaDelayedStart(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	address, _ := start(t, b)
	host := lavaJob(t, address, "41", `"role":"host","group_size":2`)
	guest := lavaJob(t, address, "42", `"role":"guest","group_size":2,"request":"lava-start","expect_role":"host","timeout":{"minutes":1}`)
	starts := guest.later(`["set_up"]`)
	host.want(`null`, `["set_up"]`)
	host.want(`{"handled": true, "typed": []}`, `["signal","SEND","somethingelse"]`)
	guest.quiet(starts)
	host.want(`{"handled": true, "typed": []}`, `["signal","SEND","lava_start"]`)
	starts.want(`null`)
}

// A job of the lab that is over sends nothing any more: who waits for it hears "nack" at once instead of
// polling until its timeout. So it goes when an essential role has ended.
func lavaEnded(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 100})
	address, _ := start(t, b)
	for i, id := range []events.JobID{41, 42} {
		b.Append(t, events.JobSubmitted{Job: id, Display: fmt.Sprintf("41.%d", i), User: "alice", Name: "mn", DeviceType: "qemu",
			JobTimeout: 60, Part: &events.Membership{Group: groupID, Parent: 41, Role: "r", Essential: i == 0, Size: 2}})
	}
	one, two := lavaJob(t, address, "41", `"role":"r","group_size":2`), lavaJob(t, address, "42", `"role":"r","group_size":2`)
	joined := one.later(`["set_up"]`)
	two.want(`null`, `["set_up"]`)
	joined.want(`null`)
	waits := two.later(`["signal","SYNC","end"]`)
	two.quiet(waits)
	b.Append(t, events.JobWithdrawn{Job: 41, Reason: "canceled by alice"})
	waits.want(`{"handled": true, "typed": ["<LAVA_SYNC_COMPLETE nack>", "\n"]}`)
	two.want(`{"handled": true, "typed": ["<LAVA_WAIT_ALL_COMPLETE nack>", "\n"]}`, `["signal","WAIT_ALL","done"]`)
	two.want(`null`, `["finalise"]`)
}

// A LAVA dispatcher and a worker of this lab are in one group.
func lavaMixed(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	address, _ := start(t, b)
	theirs := lavaJob(t, address, "41", `"role":"r41","group_size":2`)
	ours := bus(t, b, "42")
	joined := theirs.later(`["set_up"]`)
	ours.want("42 ack 41=r41 42=r42", m.Request{Op: m.Join, Size: 2})
	joined.want(`null`)
	waits := ours.later(m.Request{Op: m.Wait, ID: "ready"})
	theirs.want(`{"handled": true, "typed": []}`, `["signal","SEND","ready","k=v"]`)
	if got := <-waits; got != "42 ack 41:k=v" {
		t.Errorf("wait: answered %q", got)
	}
	comes := theirs.later(`["signal","SYNC","both"]`)
	ours.want("42 ack", m.Request{Op: m.Sync, ID: "both"})
	comes.want(`{"handled": true, "typed": ["<LAVA_SYNC_COMPLETE>", "\n"]}`)
}

// lavaMember is the process of a job of LAVA's dispatcher.
type lavaMember struct {
	t       *testing.T
	name    string
	in      io.Writer
	answers chan string
}

// lavaJob starts a job whose section lava-multinode has these keys beside its group.
func lavaJob(t *testing.T, address, job, keys string) *lavaMember {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	section := `{"lava-multinode":{"target_group":"` + groupID + `",` + keys + `}}`
	cmd := exec.CommandContext(t.Context(), systemPython, "testdata/member.py", port, "0.2", "60", job, section)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &lavaMember{t, job, in, make(chan string, 16)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(x.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			x.answers <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		<-read
		_ = cmd.Wait() // it was told to end, or the test's end has killed it
	})
	return x
}

// lavaAnswer is an answer that is to come.
type lavaAnswer struct {
	x     *lavaMember
	asked string
}

// later asks; the answer comes when it comes.
func (x *lavaMember) later(ask string) lavaAnswer {
	x.t.Helper()
	if !json.Valid([]byte(ask)) {
		x.t.Fatalf("%s is no JSON", ask)
	}
	if _, err := io.WriteString(x.in, ask+"\n"); err != nil {
		x.t.Fatal(err)
	}
	return lavaAnswer{x, ask}
}

func (x *lavaMember) want(want, ask string) {
	x.t.Helper()
	x.later(ask).want(want)
}

// quiet holds that an answer is not there yet.
func (x *lavaMember) quiet(a lavaAnswer) {
	x.t.Helper()
	select {
	case got := <-x.answers:
		x.t.Fatalf("%s of job %s: answered %s, want nothing yet", a.asked, x.name, got)
	default:
	}
}

func (a lavaAnswer) want(want string) {
	a.x.t.Helper()
	select {
	case got, ok := <-a.x.answers:
		if got != want {
			a.x.t.Fatalf("%s of job %s: answered %s (%v), want %s", a.asked, a.x.name, strings.TrimSpace(got), ok, want)
		}
	case <-time.After(2 * time.Minute):
		a.x.t.Fatalf("%s of job %s: no answer", a.asked, a.x.name)
	}
}
