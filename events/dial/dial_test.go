package dial

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events/eventtest"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct{ address, want, fails string }{
		{"nats://lab:4222", "nats://lab:4222", ""},
		{"tls://lab:4222", "tls://lab:4222", ""},
		{"lab:4222", "lab:4222", ""},
		{"nats://a:4222, nats://b:4222", "nats://a:4222,nats://b:4222", ""},
		{"wss://lab/nats", "wss://lab/nats", ""},
		{"wss://lab:8443", "wss://lab:8443", ""}, // a broker's own port of websockets
		{"ws://lab:8080/nats", "ws://lab:8080/nats", ""},
		{"https://lab", "wss://lab/nats", ""},
		{"https://lab/", "wss://lab/nats", ""},
		{"HTTPS://lab", "wss://lab/nats", ""},
		{"http://127.0.0.1:8080", "ws://127.0.0.1:8080/nats", ""},
		{"https://lab/nats", "wss://lab/nats", ""},
		{"https://lab/nats/", "wss://lab/nats/", ""},
		{"https://web/strata", "wss://web/strata/nats", ""},
		{"https://ann:secret@lab", "wss://ann:secret@lab/nats", ""},
		{"https://a,https://b", "wss://a/nats,wss://b/nats", ""},
		{"https://", "", "names no host"},
		{"https:///nats", "", "names no host"},
		{"https://ann:secret@lab:port", "", "invalid port"},
	}
	for _, tt := range tests {
		got, _, err := Options(tt.address)
		if tt.fails == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.address, got, err, tt.want)
		}
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: got %q, %v; want an error that says %q and no password", tt.address, got, err, tt.fails)
		}
	}
}

// proxy is a proxy that opens ways by CONNECT, all of them to one address.
type proxy struct {
	to, password string
	answer       func(net.Conn) // in place of a way; may be nil

	mu    sync.Mutex
	asked []string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+p.password))
	switch {
	case p.password != "" && r.Header.Get("Proxy-Authorization") != want:
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	case p.to == "" && p.answer == nil:
		w.WriteHeader(http.StatusForbidden)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	if p.answer != nil {
		p.answer(near)
		return
	}
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer far.Close()
	io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { io.Copy(far, near); far.Close() }()
	io.Copy(near, far)
}

// behindTLS is a broker's websocket port below the path of a server with TLS, as a lab's one port is.
func behindTLS(t *testing.T) (address string, trust nats.Option) {
	t.Helper()
	broker, err := url.Parse(eventtest.StartWith(t, eventtest.Options{Server: eventtest.Websocket}).WebsocketURL())
	if err != nil {
		t.Fatal(err)
	}
	broker.Scheme = "http"
	mux := http.NewServeMux()
	mux.Handle(Path, httputil.NewSingleHostReverseProxy(broker))
	lab := httptest.NewTLSServer(mux)
	t.Cleanup(lab.Close)
	trusted := lab.Client().Transport.(*http.Transport).TLSClientConfig
	return lab.Listener.Addr().String(), nats.Secure(&tls.Config{RootCAs: trusted.RootCAs})
}

// TestThrough shows a client that reaches the bus by a proxy alone: the lab's name is known to the proxy
// only, and the machine reaches nothing else.
func TestThrough(t *testing.T) {
	t.Parallel()
	lab, trust := behindTLS(t)
	p := &proxy{to: lab, password: "secret"}
	by := httptest.NewServer(p)
	t.Cleanup(by.Close)
	where, err := url.Parse(by.URL)
	if err != nil {
		t.Fatal(err)
	}
	where.User = url.UserPassword("ann", "secret")
	address, options, err := through("https://example.com", func(u *url.URL) (*url.URL, error) {
		if u.String() != "https://example.com:443" {
			t.Errorf("the proxy was looked up for %s", u)
		}
		return where, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(address, append(options, trust)...)
	if err != nil {
		t.Fatal(err)
	}
	echo(t, conn)
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) != 1 || p.asked[0] != "CONNECT example.com:443" {
		t.Errorf("the proxy was asked %q", p.asked)
	}
}

// TestDirect shows that no proxy is asked where there is none for the host.
func TestDirect(t *testing.T) {
	t.Parallel()
	lab, trust := behindTLS(t)
	conn, err := Connect("https://"+lab, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echo(t, conn)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		proxy *proxy
		at    string // scheme and user of the proxy's address
		says  string
	}{
		{"forbidden", &proxy{}, "http://", "opens no way to lab.invalid:443: 403 Forbidden"},
		{"wrong password", &proxy{to: "127.0.0.1:1", password: "right"}, "http://ann:wrong@", "407 Proxy Authentication Required"},
		{"nonsense", &proxy{answer: func(c net.Conn) { io.WriteString(c, "SSH-2.0\r\n") }}, "http://", "cannot be read"},
		{"speaks first", &proxy{answer: func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello") }}, "http://", "speaks before"},
		{"socks", &proxy{}, "socks5://", "http and https are"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			by := httptest.NewServer(tt.proxy)
			t.Cleanup(by.Close)
			where, err := url.Parse(tt.at + by.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			address, options, err := through("https://lab.invalid", func(*url.URL) (*url.URL, error) { return where, nil })
			if err != nil {
				t.Fatal(err)
			}
			_, err = nats.Connect(address, options...)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "wrong@") {
				t.Errorf("got %v, want an error that says %q, and no password", err, tt.says)
			}
		})
	}
}

// TestSilent shows that a proxy that says nothing, or a lab that does, does not hold a client for ever.
func TestSilent(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(net.Conn){
		"proxy": func(c net.Conn) { io.Copy(io.Discard, c) },
		"lab":   func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := httptest.NewServer(&proxy{answer: answer})
			t.Cleanup(by.Close)
			where, err := url.Parse(by.URL)
			if err != nil {
				t.Fatal(err)
			}
			d := dialer{scheme: "https", patience: 200 * time.Millisecond, proxy: func(*url.URL) (*url.URL, error) { return where, nil }}
			_, err = nats.Connect("wss://lab.invalid/nats", nats.SetCustomDialer(d), nats.SkipHostLookup())
			var slow net.Error
			if !errors.As(err, &slow) || !slow.Timeout() {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

// echo sends a message and gets it back.
func echo(t *testing.T, conn *nats.Conn) {
	t.Helper()
	sub, err := conn.SubscribeSync("echo")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("echo", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(eventtest.Patience); err != nil || string(m.Data) != "hello" {
		t.Errorf("got %v, %v", m, err)
	}
}
