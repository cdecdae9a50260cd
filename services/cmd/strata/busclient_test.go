package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// This file is written as somebody writes who has docs/live.md, a NATS client and a token, and none of this
// project's code: subjects, headers and fields stand here as that page has them.

// busProgram is a program on the bus, under one user's token.
type busProgram struct {
	conn *nats.Conn
	user string
}

// busMessage is a message of a flow.
type busMessage struct {
	header nats.Header
	data   []byte
}

// dialBus connects with a token, as docs/live.md says: requests need an inbox of the user's own.
func dialBus(t *testing.T, url, user, token string) *busProgram {
	t.Helper()
	conn, err := nats.Connect(url, nats.Token(token), nats.CustomInboxPrefix("_INBOX_person."+user), nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond), nats.Timeout(patience))
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(conn.Close)
	return &busProgram{conn, user}
}

// submit publishes a definition; the receipt's sequence is its number.
func (p *busProgram) submit(t *testing.T, definition string) uint64 {
	t.Helper()
	answer, err := p.conn.Request("submit."+p.user, []byte(definition), patience)
	if err != nil {
		t.Fatalf("publish a definition: %v", err)
	}
	var receipt struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &receipt); err != nil || receipt.Seq == 0 {
		t.Fatalf("publish a definition: receipt %s (%v)", answer.Data, err)
	}
	return receipt.Seq
}

// follow asks for a flow and hands over its messages until it ends, or each says that it is enough. What is
// refused, and what breaks off, is the error.
func (p *busProgram) follow(verb string, request any, each func(busMessage) (enough bool)) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	lost := p.conn.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer p.conn.RemoveStatusListener(lost)
	inbox, messages := p.conn.NewInbox(), make(chan *nats.Msg, 64)
	sub, err := p.conn.ChanSubscribe(inbox, messages)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	if err := p.conn.PublishRequest("api."+p.user+"."+verb, inbox, body); err != nil {
		return err
	}
	for number := 1; ; number++ {
		var m *nats.Msg
		select {
		case m = <-messages:
		case <-lost:
			return errors.New("the connection was lost")
		case <-time.After(30 * time.Second): // a quiet flow speaks every ten
			return errors.New("the flow broke off")
		}
		if code := m.Header.Get("Strata-Error"); code != "" {
			return fmt.Errorf("%s: %s", code, m.Data)
		}
		if m.Header.Get("Strata-End") != "" {
			return nil
		}
		if m.Header.Get("Strata-Number") != strconv.Itoa(number) {
			return fmt.Errorf("message %s came where %d was due", m.Header.Get("Strata-Number"), number)
		}
		if len(m.Data) > 0 && each(busMessage{m.Header, m.Data}) {
			return m.Respond([]byte("stop"))
		}
		if err := m.Respond([]byte(strconv.Itoa(number))); err != nil {
			return err
		}
	}
}

// cable is a way to the broker that can be cut.
type cable struct {
	listener net.Listener
	to       string
	group    sync.WaitGroup

	mu    sync.Mutex
	ends  map[net.Conn]struct{}
	calls int
}

func layCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: listener, to: strings.TrimPrefix(to, "nats://"), ends: map[net.Conn]struct{}{}}
	c.group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", c.to)
			if err != nil {
				near.Close()
				continue
			}
			c.mu.Lock()
			c.ends[near], c.ends[far] = struct{}{}, struct{}{}
			c.calls++
			c.mu.Unlock()
			c.group.Go(func() { _, _ = io.Copy(far, near); far.Close() })
			c.group.Go(func() { _, _ = io.Copy(near, far); near.Close() })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		c.cut()
		c.group.Wait()
	})
	return c
}

// cut ends all connections at once, with whatever is on the way; new ones may be made.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for end := range c.ends {
		end.Close()
	}
	clear(c.ends)
}

func (c *cable) url() string { return "nats://" + c.listener.Addr().String() }

const busJob = `job_name: from the bus
device_type: sim
visibility: personal
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`

// TestProgramOnTheBus: who publishes on the bus reads on the bus, with one user's token and nothing but NATS: a
// definition that is none is refused with line and column; a job is followed from its first line to the fact that
// all its output is there, through a connection that is cut on the way, without a line twice and none lost; and
// another's private job is none.
func TestProgramOnTheBus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "", "--worker", "")
	w.must(t, "users", "add", "alice")
	w.must(t, "users", "add", "bob")
	tokens := map[string]string{}
	for _, user := range []string{"alice", "bob"} {
		tokens[user] = strings.TrimSpace(w.must(t, "tokens", "add", "--user", user))
	}
	script := write(t, w.dir, "played.yaml", `
device_type: sim
devices: [sim-1]
jobs:
- name: talks
  console:
  - {say: first words, times: 50}
  - {say: more, after: 100ms}
  - {say: and more, times: 500}
  - {say: still there, after: 300ms}
  - {say: last words, times: 50}
  - {result: {suite: 0_smoke, case: boot}}
`)
	w.spawn(t, "worker", "--simulate", script, "--register", "--name", "played", "--data", filepath.Join(w.dir, "worker"))
	eventually(t, "the lab has the device", func() bool { // a job for none is refused
		status, text := w.strata(t, "devices", "--json")
		return status == exitOK && strings.Contains(text, `"sim-1"`)
	})
	cable := layCable(t, r.NATS)
	alice := dialBus(t, cable.url(), "alice", tokens["alice"])

	t.Run("refused", func(t *testing.T) {
		bad := alice.submit(t, "job_name: x\ndevice_type: sim\nvisibility: personal\nactions:\n- boot: {method: qemu\n")
		var fact struct {
			Name string `json:"name"`
			Data struct {
				Problems []struct {
					Message      string
					Line, Column int
				} `json:"problems"`
			} `json:"data"`
		}
		err := alice.follow("events", map[string]any{"entity": fmt.Sprintf("job/%d", bad), "follow": true}, func(m busMessage) bool {
			return json.Unmarshal(m.data, &fact) != nil || fact.Name == "job.rejected"
		})
		if err != nil || fact.Name != "job.rejected" || len(fact.Data.Problems) == 0 || fact.Data.Problems[0].Line == 0 || fact.Data.Problems[0].Column == 0 {
			t.Errorf("facts of a definition that is none: %+v (%v), want job.rejected with line and column", fact, err)
		}
	})

	job := alice.submit(t, busJob)
	t.Run("followed", func(t *testing.T) {
		eventually(t, "the job has begun", func() bool { // it waits for the worker to come online
			status, text := w.strata(t, "show", fmt.Sprint(job), "--json")
			return status == exitOK && !strings.Contains(text, `"Submitted"`)
		})
		lines, calls := followThroughCuts(t, alice, cable, job)
		facts := factsThroughCuts(t, alice, cable, job)
		if calls < 2 {
			t.Errorf("the cable was used %d times: nothing was cut", calls)
		}
		names := strings.Join(facts.names, " ")
		for _, name := range []string{"job.submitted", "job.scheduled", "job.started", "job.finished", "job.output-complete"} {
			if strings.Count(names+" ", name+" ") != 1 {
				t.Errorf("facts %s: want %s once", names, name)
			}
		}
		if uint64(len(lines)) != facts.lines {
			t.Errorf("%d lines came, %d is what the lab says it has", len(lines), facts.lines)
		}
		if text := strings.Join(lines, "\n"); strings.Count(text, "first words") < 50 || strings.Count(text, "and more") != 500 || strings.Count(text, "last words") < 50 {
			t.Errorf("the log is not what the device said:\n%s", lastOf(text))
		}
	})

	t.Run("another's", func(t *testing.T) {
		bob := dialBus(t, r.NATS, "bob", tokens["bob"])
		request := map[string]any{"job": job, "entity": fmt.Sprintf("job/%d", job)}
		for verb, field := range map[string]string{"jobs.log": "job", "events": "entity"} {
			err := bob.follow(verb, map[string]any{field: request[field], "follow": true}, func(m busMessage) bool { return true })
			if err == nil || !strings.HasPrefix(err.Error(), "not-found: ") {
				t.Errorf("bob asks %s of alice's job: %v, want not-found", verb, err)
			}
		}
		answer, err := bob.conn.Request("api.bob.jobs.show", fmt.Appendf(nil, `{"job":%d}`, job), patience)
		if err != nil || answer.Header.Get("Strata-Error") != "not-found" {
			t.Errorf("bob asks for alice's job: %v %s (%v), want not-found", answer.Header, answer.Data, err)
		}
	})
}

// followThroughCuts reads a job's log to its end. The cable is cut three times on the way; each time the program asks
// again from the line that is due.
func followThroughCuts(t *testing.T, p *busProgram, cable *cable, job uint64) (lines []string, calls int) {
	t.Helper()
	cuts := []int{10, 60, 300} // after so many lines
	for tries := 0; ; tries++ {
		if tries > 200 {
			t.Fatalf("the log does not come to its end: %d lines", len(lines))
		}
		err := p.follow("jobs.log", map[string]any{"job": job, "from": len(lines), "follow": true}, func(m busMessage) bool {
			first, err := strconv.Atoi(m.header.Get("strata-first-line"))
			if err != nil || first > len(lines) {
				t.Errorf("a message begins at line %q, %d is due", m.header.Get("strata-first-line"), len(lines))
				return true
			}
			for i, record := range strings.Split(strings.TrimSuffix(string(m.data), "\n"), "\n") {
				if first+i >= len(lines) {
					lines = append(lines, record)
				}
			}
			if len(cuts) > 0 && len(lines) >= cuts[0] {
				cuts = cuts[1:]
				cable.cut()
			}
			return false
		})
		if err == nil {
			cable.mu.Lock()
			defer cable.mu.Unlock()
			return lines, cable.calls
		}
		if t.Failed() || strings.HasPrefix(err.Error(), "invalid: ") || strings.HasPrefix(err.Error(), "not-found: ") {
			t.Fatalf("follow the log: %v", err)
		}
		eventually(t, "the connection is there again", p.conn.IsConnected)
	}
}

// storyOf is what the facts of a job tell.
type storyOf struct {
	names []string
	lines uint64
}

// factsThroughCuts reads a job's facts to job.output-complete, with a cut after the second.
func factsThroughCuts(t *testing.T, p *busProgram, cable *cable, job uint64) (story storyOf) {
	t.Helper()
	from, cut := uint64(1), false
	for tries := 0; ; tries++ {
		if tries > 200 {
			t.Fatalf("the facts do not come to their end: %v", story.names)
		}
		over := false
		err := p.follow("events", map[string]any{"entity": fmt.Sprintf("job/%d", job), "from": from, "follow": true}, func(m busMessage) bool {
			var fact struct {
				Seq  uint64 `json:"seq"`
				Name string `json:"name"`
				Data struct {
					Lines uint64 `json:"lines"`
				} `json:"data"`
			}
			if err := json.Unmarshal(m.data, &fact); err != nil || fact.Seq < from {
				t.Errorf("fact %s (%v), want one from %d on", m.data, err, from)
				return true
			}
			from = fact.Seq + 1
			story.names = append(story.names, fact.Name)
			if over = fact.Name == "job.output-complete" || fact.Name == "job.rejected"; over {
				story.lines = fact.Data.Lines
			}
			if len(story.names) == 2 && !cut {
				cut = true
				cable.cut()
			}
			return over
		})
		if over || t.Failed() {
			return story
		}
		if err != nil && strings.HasPrefix(err.Error(), "not-found: ") {
			t.Fatalf("follow the facts: %v", err)
		}
		eventually(t, "the connection is there again", p.conn.IsConnected)
	}
}

// The page has the subjects and headers of this file.
func TestBusIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(workspace(t), "docs", "live.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"## From a program on the bus", "submit.<user>", "api.<user>.events", "api.<user>.jobs.log", "api.<user>.jobs.show", "_INBOX_person.<user>",
		"Strata-Number", "Strata-End", "Strata-Error", "strata-first-line", "job.rejected", "job.output-complete", "not-found"} {
		if !strings.Contains(string(page), word) {
			t.Errorf("docs/live.md does not mention %q", word)
		}
	}
}
