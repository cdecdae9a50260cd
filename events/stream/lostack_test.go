package stream_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events/eventtest"
	"strata/events/stream"
)

// The broker records, but its acknowledgement is lost with the connection: Append tries again, and
// returns what is there instead of recording it twice or calling it a conflict.
func TestLostAcknowledgement(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		drafts []stream.Draft
		expect bool
	}{
		{"one fact", []stream.Draft{{Event: tag("a")}}, true},
		{"one fact, no condition", []stream.Draft{{Event: tag("a")}}, false},
		{"batch", []stream.Draft{{Event: tag("a")}, {Event: tag("b")}, {Event: tag("a")}}, true},
		{"batch, no condition", []stream.Draft{{Event: tag("a")}, {Event: tag("b")}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := eventtest.StartWith(t, eventtest.Options{TCP: true})
			b.Append(t, tag("a"), tag("b"))
			p := startProxy(t, strings.TrimPrefix(b.URL, "nats://"))
			nc, err := nats.Connect("nats://"+p.addr, nats.Timeout(eventtest.Patience), nats.MaxReconnects(-1), nats.ReconnectWait(0))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			l := b.Open(t, nc)
			seqs, err := l.LastSeqs(t.Context(), about(tt.drafts))
			if err != nil {
				t.Fatal(err)
			}
			expect := func(e entity) uint64 { return seqs[e] }
			if !tt.expect {
				expect = nil
			}

			p.deafen(true)
			type result struct {
				recorded []stream.Recorded
				err      error
			}
			got := make(chan result, 1)
			go func() {
				recorded, err := l.Append(t.Context(), tt.drafts, expect)
				got <- result{recorded, err}
			}()
			want := uint64(2 + len(tt.drafts))
			awaitRecordedThrough(t, b.Log, want)
			p.cut()
			p.deafen(false)

			r := receive(t, got)
			if r.err != nil {
				t.Fatalf("Append: %v", r.err)
			}
			there := eventtest.Facts(t, b.Log, stream.Lab)
			if fmt.Sprint(there[2:]) != fmt.Sprint(r.recorded) {
				t.Errorf("recorded %v\nAppend returned %v", there[2:], r.recorded)
			}
			if l.Counters().Duplicates.Load() != 1 {
				t.Errorf("counted %d duplicates, want 1", l.Counters().Duplicates.Load())
			}
		})
	}
}

// awaitRecordedThrough waits until LAB has fact seq.
func awaitRecordedThrough(t *testing.T, l *stream.Log, seq uint64) {
	t.Helper()
	reached := make(chan error, 1)
	go func() {
		reached <- l.Follow(t.Context(), stream.Lab, seq, func(stream.Recorded) error { return io.EOF })
	}()
	if err := receive(t, reached); err != io.EOF {
		t.Fatalf("await fact %d: %v", seq, err)
	}
}

// proxy stands between a client and the broker.
type proxy struct {
	addr string
	mu   sync.Mutex // guards what is below
	deaf bool       // what the broker says is dropped
	open []net.Conn
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close(); p.cut() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, client, broker)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(broker, client); _ = broker.Close() }()
			go func() { _, _ = io.Copy(hearing{p, client}, broker); _ = client.Close() }()
		}
	}()
	return p
}

// hearing writes to a client unless its proxy is deaf.
type hearing struct {
	p *proxy
	io.Writer
}

func (h hearing) Write(b []byte) (int, error) {
	h.p.mu.Lock()
	deaf := h.p.deaf
	h.p.mu.Unlock()
	if deaf {
		return len(b), nil
	}
	return h.Writer.Write(b)
}

func (p *proxy) deafen(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}
