package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"strata/events"
	"strata/events/eventtest"
)

// pipes is a listener in memory: a crowd of sockets needs no descriptors, and what is not read waits nowhere but in
// the lab, so that who is slow is slow at once on every machine.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// local is an end of a pipe that seems to come from this machine, as other tests' connections do.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

// DialContext is how a client comes to it, wherever it wants to go.
func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- local{far}:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// crowd opens many sockets at /ws/ of a site.
func (s *site) crowd(t *testing.T, n int) []*websocket.Conn {
	t.Helper()
	p := newPipes()
	server := &http.Server{Handler: s.door}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = p.Close()
		<-served
	})
	client := &http.Client{Transport: &http.Transport{DialContext: p.DialContext}}
	all := make([]*websocket.Conn, n)
	var group sync.WaitGroup
	for first := range 16 {
		group.Go(func() {
			for i := first; i < n; i += 16 {
				c, _, err := websocket.Dial(t.Context(), "http://127.0.0.1/ws/", &websocket.DialOptions{HTTPClient: client})
				if err != nil {
					t.Errorf("socket %d: %v", i, err)
					return
				}
				all[i] = c
			}
		})
	}
	group.Wait()
	t.Cleanup(func() {
		for _, c := range all {
			if c != nil {
				_ = c.CloseNow()
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// inUse is what lies in memory, in bytes: on the heap and on stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// toldOf returns the state and the job that an event tells of.
func toldOf(text []byte) (state string, job int, err error) {
	var parts [5]string
	var data struct {
		State string
		Job   int
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return "", 0, err
	}
	err = json.Unmarshal([]byte(parts[4]), &data)
	return data.State, data.Job, err
}

// Two thousand sockets hear each event once and in its order, and cost what a socket costs. Not parallel: others'
// memory would be counted.
func TestCrowd(t *testing.T) {
	const sockets, jobs = 2000, 20
	s := newSite(t, Settings{})
	s.listening(t, 0)
	before := inUse()
	all := s.crowd(t, sockets)
	s.listening(t, sockets)
	if each := (inUse() - min(before, inUse())) / sockets; each > 96<<10 {
		t.Errorf("a socket that hears nothing takes %d bytes with its client's half, want no more than 96 KiB", each)
	}

	var facts []events.Event
	for n := range jobs {
		job := events.JobID(1000 + n)
		facts = append(facts, events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "smoke", DeviceType: "qemu", At: noon})
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	var group sync.WaitGroup
	for i, c := range all {
		group.Go(func() {
			for n := range jobs {
				_, text, err := c.Read(ctx)
				if err != nil {
					t.Errorf("socket %d, event %d: %v", i, n, err)
					return
				}
				if state, job, err := toldOf(text); err != nil || state != "Submitted" || job != 1000+n {
					t.Errorf("socket %d, event %d: heard %s (%v), want that job %d was submitted", i, n, text, err, 1000+n)
					return
				}
			}
		})
	}
	s.Append(t, facts...)
	group.Wait()
	if each := (inUse() - min(before, inUse())) / sockets; each > 96<<10 {
		t.Errorf("after %d events a socket takes %d bytes, want no more than 96 KiB", jobs, each)
	}
}

// Who does not read his socket is cut off and told so, while others hear on.
func TestSlowSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	s.listening(t, 0)
	both := s.crowd(t, 2)
	slow, quick := both[0], both[1]
	s.listening(t, 2)
	heard := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	turn := make(chan struct{})
	go func() {
		for range queued + 3 {
			if _, _, err := quick.Read(ctx); err != nil {
				heard <- err
				return
			}
			turn <- struct{}{}
		}
		heard <- nil
	}()
	// One is being written, and a whole queue waits behind it.
	for n := range queued + 3 {
		s.live.mu.Lock()
		s.live.tell(Event{Topic: "device", Data: fmt.Sprint(n), about: events.Entity{Kind: events.Device, ID: "q1"}})
		s.live.mu.Unlock()
		select {
		case <-turn:
		case err := <-heard:
			t.Fatalf("who reads was not told of event %d: %v", n, err)
		}
	}
	if err := <-heard; err != nil {
		t.Errorf("who reads: %v", err)
	}
	var err error
	for n := 0; err == nil; n++ {
		var text []byte
		var parts [5]string
		if _, text, err = slow.Read(ctx); err != nil {
			break
		}
		if json.Unmarshal(text, &parts) != nil || parts[4] != fmt.Sprint(n) {
			t.Fatalf("who was slow heard %s as event %d: one is missing before he was told", text, n)
		}
	}
	if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("who was slow: %v, want that he is told", err)
	}
	s.listening(t, 1)
}
