package zmtp

import (
	"bufio"
	"bytes"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// start returns a publisher at an address, which ends with the test.
func start(t *testing.T) (*Publisher, string) {
	t.Helper()
	p := &Publisher{Now: time.Now}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(l) }()
	t.Cleanup(func() {
		_ = l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, l.Addr().String()
}

// dial connects a subscriber of ours to the prefixes.
func dial(t *testing.T, address string, prefixes ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	say := append(greeting(), appendFrame(nil, flagCommand, appendProperty([]byte("\x05READY"), "socket-type", "SUB"))...)
	for _, prefix := range prefixes {
		say = appendFrame(say, 0, append([]byte{1}, prefix...))
	}
	if _, err := c.Write(say); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	if _, err := in.Discard(64); err != nil {
		t.Fatal(err)
	}
	if _, body, err := readFrame(in); err != nil || socketType(body) != "PUB" {
		t.Fatalf("greeted with %q (%v), want a PUB", body, err)
	}
	return c, in
}

// until publishes frames until got is closed, as nobody tells a publisher's user who has subscribed.
func until(p *Publisher, got <-chan struct{}, frames ...[]byte) {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		p.Publish(frames...)
		select {
		case <-got:
			return
		case <-again.C:
		}
	}
}

// receive reads one message.
func receive(t *testing.T, in *bufio.Reader) (frames []string) {
	t.Helper()
	for {
		flags, body, err := readFrame(in)
		if err != nil {
			t.Fatalf("after %q: %v", frames, err)
		}
		frames = append(frames, string(body))
		if flags&flagMore == 0 {
			return frames
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	p, address := start(t)
	_, in := dial(t, address, "org.lab.job", "org.lab.job", "x")
	got := make(chan struct{})
	go until(p, got, []byte("x"))
	receive(t, in)
	close(got)
	long := strings.Repeat("long", 100)
	p.Publish([]byte("org.lab.device"), []byte("not asked for"))
	p.Publish([]byte("org.lab.job.done"), []byte(""), []byte(long))
	p.Publish()
	for {
		frames := receive(t, in)
		if frames[0] == "x" {
			continue
		}
		if want := []string{"org.lab.job.done", "", long}; strings.Join(frames, "|") != strings.Join(want, "|") {
			t.Errorf("received %q, want %q", frames, want)
		}
		return
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	s := &subscriber{}
	for _, step := range []struct {
		word   byte
		prefix string
		wants  bool // "abc"
	}{{1, "ab", true}, {1, "ab", true}, {0, "ab", true}, {0, "zz", true}, {0, "ab", false}, {1, "", true}, {2, "", true}, {0, "", false}} {
		if !s.prefix(step.word, []byte(step.prefix)) || s.wants([]byte("abc")) != step.wants {
			t.Errorf("after %d %q he wants it: %t", step.word, step.prefix, !step.wants)
		}
	}
	for range maxPrefixes {
		s.prefix(1, []byte("a"))
	}
	if s.prefix(1, []byte("a")) {
		t.Error("a subscriber may say prefixes without end")
	}
}

// Who does not read loses messages; the others, and the publisher, do not notice.
func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	p, address := start(t)
	dial(t, address, "") // and never reads
	_, in := dial(t, address, "")
	big := bytes.Repeat([]byte("x"), 3000)
	reads := make(chan struct{})
	go func() {
		defer close(reads)
		for p.Lost() == 0 {
			receive(t, in)
		}
	}()
	until(p, reads, slices.Repeat([][]byte{big}, 20)...) // soon more than sockets hold
}

func TestStrangersAreSentAway(t *testing.T) {
	t.Parallel()
	p, address := start(t)
	for _, tt := range []struct {
		name string
		says []byte
	}{
		{"a browser", []byte("GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: something that is longer than a greeting is\r\n\r\n")},
		{"another kind of socket", append(greeting(), appendFrame(nil, flagCommand, appendProperty([]byte("\x05READY"), "Socket-Type", "REQ"))...)},
		{"a property that is cut", append(greeting(), appendFrame(nil, flagCommand, []byte("\x05READY\x0bSocket-Type\x00\x00\x00\xffSUB"))...)},
		{"a huge frame", append(greeting(), flagLong, 0, 0, 0, 0, 0xff, 0, 0, 0)},
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := c.Write(tt.says); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		for err == nil { // what we say first, then the end
			_, err = in.ReadByte()
		}
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("%s is still connected after a minute", tt.name)
		}
		_ = c.Close()
	}
	if n := p.Subscribers(); n != 0 {
		t.Errorf("%d subscribers, want none", n)
	}
}

// The real thing: libzmq's SUB, as lavacli has it, gets the five frames of an event.
func TestRealSubscriber(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import zmq").Run(); err != nil {
		t.Skipf("SKIPPED: python3-zmq is not installed: %v", err)
	}
	p, address := start(t)
	got := make(chan struct{})
	published := make(chan struct{})
	go func() {
		defer close(published)
		until(p, got, []byte("org.lab.job"), []byte("id"), []byte("time"), []byte("user"), []byte(`{"job":1}`))
	}()
	cmd := exec.Command(python, "-c", `import sys, zmq
s = zmq.Context().socket(zmq.SUB)
s.setsockopt(zmq.SUBSCRIBE, b"org.lab")
s.setsockopt(zmq.RCVTIMEO, 60000)
s.connect("tcp://" + sys.argv[1])
print("|".join(f.decode() for f in s.recv_multipart()))`, address)
	out, err := cmd.CombinedOutput()
	close(got)
	<-published
	if want := `org.lab.job|id|time|user|{"job":1}`; err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("a real subscriber got %q (%v), want %q", out, err, want)
	}
}

func FuzzSubscriber(f *testing.F) {
	f.Add(append(appendFrame(nil, flagCommand, appendProperty([]byte("\x05READY"), "Socket-Type", "SUB")), appendFrame(nil, 0, []byte("\x01a"))...))
	f.Add([]byte{flagLong, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 0 {
			socketType(data)
		}
		in := bufio.NewReader(bytes.NewReader(data))
		for {
			flags, body, err := readFrame(in)
			if err != nil {
				return
			}
			if again := appendFrame(nil, flags&^flagLong, body); len(again) > len(data)+9 || len(body) > maxFrame {
				t.Errorf("a frame of %d bytes out of %d", len(body), len(data))
			}
		}
	})
}
