package door_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"strata/events/eventtest"
	"strata/services/api/door"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestBelieve shows who is taken for a request's client.
func TestBelieve(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")}
	tests := []struct {
		name, remote   string
		header         http.Header
		client, host   string
		encrypted, raw bool
	}{
		{name: "nothing said", remote: "10.0.0.1:5", client: "10.0.0.1", host: "lab"},
		{name: "a proxy", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"lab.example.com"}},
			client: "192.0.2.7", host: "lab.example.com", encrypted: true},
		{name: "an IPv6 proxy", remote: "[2001:db8::1]:5", header: http.Header{"X-Forwarded-For": {"2001:db8::7"}}, client: "2001:db8::7", host: "lab"},
		{name: "forged", remote: "192.0.2.9:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil"}},
			client: "192.0.2.9", host: "lab"},
		{name: "forged before a proxy", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1, 192.0.2.7"}}, client: "192.0.2.7", host: "lab"},
		{name: "forged in a line of its own", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1", "192.0.2.7"}}, client: "192.0.2.7", host: "lab"},
		{name: "two proxies", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"192.0.2.7, 10.0.0.2"}}, client: "192.0.2.7", host: "lab"},
		{name: "proxies alone", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, client: "10.0.0.3", host: "lab"},
		{name: "nonsense", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"unknown"}}, client: "10.0.0.1", host: "lab"},
		{name: "nonsense behind a client", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-For": {"127.0.0.1, <script>, 10.0.0.2"}}, client: "10.0.0.2", host: "lab"},
		{name: "a host that is none", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-Host": {"evil/path"}}, client: "10.0.0.1", host: "lab"},
		{name: "plain behind the proxy", remote: "10.0.0.1:5", header: http.Header{"X-Forwarded-Proto": {"https, http"}}, client: "10.0.0.1", host: "lab"},
		{name: "mapped", remote: "[::ffff:10.0.0.1]:5", header: http.Header{"X-Forwarded-For": {"::ffff:192.0.2.7"}}, client: "192.0.2.7", host: "lab"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = tt.remote, "lab"
		for name, values := range tt.header {
			r.Header[name] = values
		}
		g := door.Guard{Now: time.Now, Trusted: trusted, Next: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil || host != tt.client || r.Host != tt.host || door.Secure(r) != tt.encrypted {
				t.Errorf("%s: got client %s (%v), host %s, encrypted %v; want %s, %s, %v", tt.name, r.RemoteAddr, err, r.Host, door.Secure(r), tt.client, tt.host, tt.encrypted)
			}
			if from := door.From(r); from != "http "+tt.client {
				t.Errorf("%s: facts would say %q", tt.name, from)
			}
		})}
		g.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// guarded serves a handler behind a guard with short times, which a machine that has much to do keeps all the same.
func guarded(t *testing.T, encrypted bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(&door.Guard{Next: h, Now: time.Now, Send: 6 * time.Second, Take: 4 * time.Second})
	if encrypted {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// TestSlowBody shows that a client which sends a byte now and then does not hold a handler, be the body read or
// left.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprint("read ", read), func(t *testing.T) {
			t.Parallel()
			s := guarded(t, false, func(w http.ResponseWriter, r *http.Request) {
				if !read {
					return
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					w.WriteHeader(http.StatusRequestTimeout)
				}
			})
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 1000\r\n\r\nx")
			if err := conn.SetDeadline(time.Now().Add(eventtest.Patience)); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			reply, err := http.ReadResponse(reader, nil)
			if read && (err != nil || reply.StatusCode != http.StatusRequestTimeout) {
				t.Errorf("got %v, %v; want a handler that was told", reply, err)
			}
			if _, err := io.Copy(io.Discard, reader); err != nil {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
}

// TestPace shows that a body which comes slowly and steadily may take longer than a short one, and that
// the deadline is over with the body: an answer may take its time.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprint("encrypted ", encrypted), func(t *testing.T) {
			t.Parallel()
			s := guarded(t, encrypted, func(w http.ResponseWriter, r *http.Request) {
				if n, err := io.Copy(io.Discard, r.Body); err != nil || n != 7*64<<10 {
					t.Errorf("read %d bytes, %v", n, err)
				}
				select { // longer than the guard's times
				case <-time.After(6500 * time.Millisecond):
				case <-r.Context().Done():
					t.Error("the client was taken for lost")
				}
				fmt.Fprint(w, "done")
			})
			body, writer := io.Pipe()
			go func() {
				for range 7 { // a piece may be six seconds late
					writer.Write(make([]byte, 64<<10))
					<-time.After(time.Second)
				}
				writer.Close()
			}()
			reply, err := s.Client().Post(s.URL, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(reply.Body); err != nil || string(text) != "done" || (reply.ProtoMajor == 2) != encrypted {
				t.Errorf("%s: got %q, %v", reply.Proto, text, err)
			}
			reply.Body.Close()
		})
	}
}

// TestSlowReader shows that a client which takes nothing of an answer loses it, and that a stream which is only
// quiet for longer does not.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprint("encrypted ", encrypted), func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			s := guarded(t, encrypted, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/quiet" {
					for range 2 {
						fmt.Fprint(w, "x")
						if err := http.NewResponseController(w).Flush(); err != nil {
							t.Errorf("flush: %v", err)
						}
						<-time.After(4400 * time.Millisecond)
					}
					return
				}
				chunk := make([]byte, 1<<20)
				for {
					if _, err := w.Write(chunk); err != nil {
						ended <- err
						return
					}
				}
			})
			reply, err := s.Client().Get(s.URL + "/quiet")
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(reply.Body); err != nil || string(text) != "xx" {
				t.Errorf("%s, a quiet stream: got %q, %v", reply.Proto, text, err)
			}
			reply.Body.Close()
			reply, err = s.Client().Get(s.URL) // and never reads on
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Body.Close()
			select {
			case <-ended:
			case <-time.After(eventtest.Patience):
				t.Errorf("%s: the handler still writes to a client that takes nothing", reply.Proto)
			}
		})
	}
}

// TestOwnDeadlines shows that a handler's own deadlines stand, and that a connection given away has none.
func TestOwnDeadlines(t *testing.T) {
	t.Parallel()
	s := guarded(t, false, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.URL.Path == "/own" {
			if err := control.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
				t.Error(err)
			}
			w.Write(make([]byte, 1<<20))
			return
		}
		conn, _, err := control.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer conn.Close()
			<-time.After(4400 * time.Millisecond)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nmine")
		}()
	})
	if reply, err := s.Client().Get(s.URL + "/own"); err == nil {
		if _, err := io.ReadAll(reply.Body); err == nil {
			t.Error("a deadline of the handler's own was moved")
		}
		reply.Body.Close()
	}
	reply, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if text, err := io.ReadAll(reply.Body); err != nil || !strings.HasPrefix(string(text), "mine") {
		t.Errorf("a connection that was given away: got %q, %v", text, err)
	}
}

// TestConnections shows that idle connections make room for new ones, that those which work stay, and that
// one address does not take all.
func TestConnections(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		c := &door.Connections{Most: 20, PerAddress: 10}
		leave := make(chan bool)
		inside := make(chan bool, 20)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/work" {
				inside <- true
				<-leave
			}
			fmt.Fprint(w, "done")
		}))
		s.Listener = c.Listener(s.Listener)
		s.Config.ConnState = c.State
		if encrypted {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		dial := func() net.Conn {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if encrypted {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			return conn
		}
		works := dial()
		fmt.Fprintf(works, "GET /work HTTP/1.1\r\nHost: lab\r\n\r\n")
		<-inside
		var idle []net.Conn
		for range 1000 {
			idle = append(idle, dial())
		}
		if n := c.Count(); n > 10 {
			t.Errorf("there are %d connections of one address, want at most 10", n)
		}
		for _, conn := range idle[:1000-10] { // the longest quiet are closed
			if err := conn.SetReadDeadline(time.Now().Add(eventtest.Patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
				t.Fatalf("an idle connection too many: got %v, want it closed", err)
			}
		}
		newest := idle[len(idle)-1]
		fmt.Fprintf(newest, "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
		if text, err := io.ReadAll(newest); !strings.HasSuffix(string(text), "done") {
			t.Errorf("the newest connection: got %q, %v", text, err)
		}
		leave <- true
		if reply, err := http.ReadResponse(bufio.NewReader(works), nil); err != nil || reply.StatusCode != 200 {
			t.Errorf("the one that worked: got %v, %v", reply, err)
		}
		works.Close()
	}
}

// TestAllBusy shows that where all connections work, a new one is turned away, and that a place is free again
// once one of them is over.
func TestAllBusy(t *testing.T) {
	t.Parallel()
	c := &door.Connections{Most: 100, PerAddress: 2}
	leave, inside := make(chan bool), make(chan bool, 2)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside <- true; <-leave }))
	s.Listener = c.Listener(s.Listener)
	s.Config.ConnState = c.State
	s.Start()
	t.Cleanup(s.Close)
	client := func() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }
	done := make(chan error, 2)
	for range 2 {
		go func() {
			reply, err := client().Get(s.URL)
			if err == nil {
				reply.Body.Close()
			}
			done <- err
		}()
	}
	<-inside
	<-inside
	if reply, err := client().Get(s.URL); err == nil {
		reply.Body.Close()
		t.Error("a third connection was taken")
	}
	close(leave)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("one that was there: %v", err)
		}
	}
	eventually(t, "a place is free again", func() bool { return c.Count() == 0 })
	if reply, err := client().Get(s.URL); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		reply.Body.Close()
	}
}

// TestTrustedCrowd shows that a proxy which is trusted brings as many people as there are.
func TestTrustedCrowd(t *testing.T) {
	t.Parallel()
	c := &door.Connections{Most: 20, PerAddress: 2, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener = c.Listener(s.Listener)
	s.Config.ConnState = c.State
	s.Start()
	t.Cleanup(s.Close)
	for range 10 {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	eventually(t, "all ten are there", func() bool { return c.Count() == 10 })
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(eventtest.Patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
