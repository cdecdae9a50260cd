package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/services/api"
)

// encrypted is a lab behind one port with TLS.
type encrypted struct {
	*world
	authority        *authority
	certificate, key string
	lab              *process
	ready            ready
	host             string // and port
}

// startEncrypted starts one, with a certificate for 127.0.0.1.
func startEncrypted(t *testing.T, args ...string) *encrypted {
	t.Helper()
	l := &encrypted{world: newWorld(t), authority: newAuthority(t)}
	l.certificate, l.key = filepath.Join(l.dir, "lab.pem"), filepath.Join(l.dir, "lab.key")
	l.renew(t)
	l.env["SSL_CERT_FILE"] = l.authority.file
	l.lab, l.ready = l.up(t, append([]string{"--listen-sql", "", "--tls-certificate", l.certificate, "--tls-key", l.key}, args...)...)
	u, err := url.Parse(l.ready.HTTP)
	if err != nil || u.Scheme != "https" {
		t.Fatalf("the lab says that it is at %q (%v), want https", l.ready.HTTP, err)
	}
	l.host = u.Host
	return l
}

// renew replaces the certificate, and returns its serial number.
func (l *encrypted) renew(t *testing.T) int64 {
	t.Helper()
	return l.authority.issue(t, l.certificate, l.key, time.Now().Add(365*24*time.Hour), "127.0.0.1", "lab.example.com")
}

func (l *encrypted) tls() *tls.Config { return &tls.Config{RootCAs: l.authority.pool} }

// serial returns the number of the certificate that a new connection is shown.
func (l *encrypted) serial(t *testing.T) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", l.host, l.tls())
	if err != nil {
		t.Fatalf("a new connection: %v", err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// client returns a client of HTTP for the lab.
func (l *encrypted) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: l.tls(), ForceAttemptHTTP2: true}}
}

// get asks for a page with a token.
func (l *encrypted) get(t *testing.T, c *http.Client, path, token string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Token "+token)
	}
	reply, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(text)
}

// bus connects a plain client of NATS at the lab's one port.
func (l *encrypted) bus(t *testing.T, token, inbox string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect("wss://"+l.host, nats.ProxyPath("/nats"), nats.Secure(l.tls()), nats.Token(token), nats.CustomInboxPrefix(inbox),
		nats.MaxReconnects(-1), nats.Timeout(patience), nats.PermissionErrOnSubscribe(true), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatalf("a plain client of NATS at /nats: %v", err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// person adds a user and returns a token of hers.
func (l *encrypted) person(t *testing.T, name string) string {
	t.Helper()
	l.must(t, "users", "add", name)
	return strings.TrimSpace(l.must(t, "tokens", "add", "--user", name, "--description", "test"))
}

// TestOnePort shows pages, the bus and LAVA's events behind one encrypted port, each by a real client.
func TestOnePort(t *testing.T) {
	t.Parallel()
	l := startEncrypted(t)
	alice := l.person(t, "alice")

	web := l.client()
	if reply, text := l.get(t, web, "/healthz", ""); reply.StatusCode != 200 || reply.ProtoMajor != 2 || !strings.Contains(text, `"ok"`) {
		t.Errorf("/healthz: got %s %s %q, want 200 over HTTP/2", reply.Proto, reply.Status, text)
	}
	if reply, _ := l.get(t, web, "/nats", ""); reply.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("/nats in a browser: got %s, want 426", reply.Status)
	}

	for token, want := range map[string]int{"": 401, "made-up": 401, alice: 200} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.host+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != want {
			t.Errorf("/metrics with the token %.8q: got %s, want %d", token, reply.Status, want)
		}
	}
	if reply, text := l.get(t, web, "/jsz?streams=1&accounts=1", ""); reply.StatusCode != 200 || text != "{\"config\": {\"sync_always\": true}}\n" {
		t.Errorf("/jsz: got %s %q, want whether the broker syncs, and nothing else", reply.Status, text)
	}

	// LAVA's events, to a client of websockets.
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+alice))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h1 := &http.Client{Transport: &http.Transport{TLSClientConfig: l.tls()}}
	socket, _, err := websocket.Dial(ctx, "wss://"+l.host+"/ws/", &websocket.DialOptions{HTTPClient: h1, HTTPHeader: http.Header{"Authorization": {basic}}})
	if err != nil {
		t.Fatalf("/ws/: %v", err)
	}
	defer socket.CloseNow()

	// The bus, to a plain client of NATS: her own subjects, and no others.
	conn := l.bus(t, alice, "_INBOX_person.alice")
	reply, err := conn.Request("submit.alice", []byte("nonsense: 1\n"), patience)
	var receipt struct {
		Seq uint64 `json:"seq"`
	}
	if err != nil || json.Unmarshal(reply.Data, &receipt) != nil || receipt.Seq != 1 {
		t.Fatalf("submit.alice: got %v, %v; want a receipt with sequence 1", reply, err)
	}
	var me api.Me
	if err := (api.Client{Conn: conn, User: "alice"}).Call(ctx, "whoami", nil, &me); err != nil || me.User != "alice" {
		t.Errorf("whoami on the bus: got %+v, %v", me, err)
	}
	if _, err := conn.Request("submit.local", []byte("nonsense: 1\n"), 500*time.Millisecond); err == nil {
		t.Error("alice submitted as local")
	}
	for _, subject := range []string{">", "output.>", "$SYS.>", "submit.>"} {
		refusedSubscription(t, conn, subject)
	}
	if _, err := nats.Connect("wss://"+l.host, nats.ProxyPath("/nats"), nats.Secure(l.tls()), nats.Token("wrong"), nats.Timeout(patience)); err == nil {
		t.Error("a wrong token was let in")
	}

	// What happens is told at /ws/.
	l.must(t, "workers", "register", "w1")
	l.must(t, "devices", "add", "q1", "--type", "qemu", "--worker", "w1", "--health", "Maintenance")
	l.must(t, "devices", "health", "q1", "Good")
	for seen := false; !seen; {
		_, text, err := socket.Read(ctx)
		if err != nil {
			t.Fatalf("/ws/ ended before it told of the device: %v", err)
		}
		seen = bytes.Contains(text, []byte(".device")) && bytes.Contains(text, []byte("q1"))
	}

	// One address is enough for commands and workers.
	p := l.spawn(t, "devices", "--server", "https://"+l.host, "--token", alice)
	<-p.done
	if text := p.text(); !strings.Contains(text, "q1") {
		t.Errorf("strata devices --server https://…: %s", text)
	}
	token := strings.TrimSpace(l.must(t, "workers", "token", "w1"))
	l.spawn(t, "worker", "--name", "w1", "--server", "https://"+l.host, "--token", token, "--data", filepath.Join(l.dir, "worker"))
	eventually(t, "the worker is online", func() bool {
		var workers []api.Worker
		l.ask(t, &workers, "workers")
		return len(workers) == 1 && workers[0].State == "Online"
	})
}

// refusedSubscription holds that a client may not listen there.
func refusedSubscription(t *testing.T, conn *nats.Conn, subject string) {
	t.Helper()
	sub, err := conn.SubscribeSync(subject)
	if err != nil {
		return
	}
	defer sub.Unsubscribe()
	if _, err := sub.NextMsg(patience); err == nil || !strings.Contains(err.Error(), "ermissions") {
		t.Errorf("listening on %s: got %v, want a violation of rights", subject, err)
	}
}

// TestReload shows that a new certificate is used at once, that a bad one is not, and that connections live on.
func TestReload(t *testing.T) {
	t.Parallel()
	l := startEncrypted(t)
	first := l.serial(t)
	conn := l.bus(t, l.ready.Token, "_INBOX")
	old := l.client()
	l.get(t, old, "/healthz", "")

	second := l.renew(t)
	if got := l.serial(t); got != second || got == first {
		t.Errorf("after the files were replaced: got certificate %d, want %d", got, second)
	}
	write(t, l.dir, "lab.pem", "nonsense")
	if got := l.serial(t); got != second {
		t.Errorf("after nonsense: got certificate %d, want %d", got, second)
	}
	eventually(t, "the log says why", func() bool {
		return strings.Contains(l.lab.text(), "the new certificate cannot be used") && strings.Contains(l.lab.text(), l.certificate)
	})
	third := l.renew(t)
	if got := l.serial(t); got != third {
		t.Errorf("after it was mended: got certificate %d, want %d", got, third)
	}
	if reply, _ := l.get(t, old, "/healthz", ""); reply.StatusCode != 200 || reply.TLS.PeerCertificates[0].SerialNumber.Int64() != first {
		t.Error("a connection did not live on")
	}
	var status map[string]any
	if err := (api.Client{Conn: conn, User: "local"}).Call(t.Context(), "status", nil, &status); err != nil || conn.Statistics.Reconnects != 0 {
		t.Errorf("the bus after it: %v, after %d connections anew", err, conn.Statistics.Reconnects)
	}
}

// TestHostile shows what the port answers to those who do not speak as they should.
func TestHostile(t *testing.T) {
	t.Parallel()
	l := startEncrypted(t)
	raw := func(t *testing.T, say string, over func(net.Conn) net.Conn) string {
		t.Helper()
		conn, err := net.Dial("tcp", l.host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if over != nil {
			conn = over(conn)
		}
		go io.WriteString(conn, say) // the lab may answer, and close, before it has heard all
		text, _ := io.ReadAll(bufio.NewReader(conn))
		return string(text)
	}
	inside := func(c net.Conn) net.Conn {
		return tls.Client(c, &tls.Config{RootCAs: l.authority.pool, ServerName: "127.0.0.1"})
	}
	if text := raw(t, "GET /healthz HTTP/1.1\r\nHost: lab\r\n\r\n", nil); !strings.HasPrefix(text, "HTTP/1.0 400") || !strings.Contains(text, "HTTPS") {
		t.Errorf("HTTP without TLS: got %q, want a 400 that says so", text)
	}
	if text := raw(t, "CONNECT {}\r\nPING\r\n", nil); strings.Contains(text, "INFO") || strings.Contains(text, "PONG") {
		t.Errorf("NATS without TLS: got %q", text)
	}
	if text := raw(t, "CONNECT {}\r\nPING\r\n", inside); strings.Contains(text, "INFO") || strings.Contains(text, "PONG") {
		t.Errorf("NATS without websocket: got %q", text)
	}
	huge := "GET /healthz HTTP/1.1\r\nHost: lab\r\nX-Filler: " + strings.Repeat("x", 128<<10) + "\r\n\r\n"
	if text := raw(t, huge, inside); !strings.HasPrefix(text, "HTTP/1.1 431") {
		t.Errorf("a head of 128 KiB: got %.100q, want 431", text)
	}
	if _, err := tls.Dial("tcp", l.host, &tls.Config{RootCAs: l.authority.pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	// A name that the certificate is not for is the client's to refuse; there is no other certificate to show.
	for _, name := range []string{"evil.example.com", strings.Repeat("a.", 100) + "example.com", "127.0.0.1"} {
		conn, err := tls.Dial("tcp", l.host, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Errorf("asked for %.30s: %v", name, err)
			continue
		}
		leaf := conn.ConnectionState().PeerCertificates[0]
		conn.Close()
		if err := leaf.VerifyHostname("lab.example.com"); err != nil {
			t.Errorf("asked for %.30s: got the certificate of somebody else: %v", name, err)
		}
	}
}

// TestLimitsReach shows the limits at work in a lab: by token over HTTP and on the bus, and that health and
// version are beyond them.
func TestLimitsReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := write(t, w.dir, "limits.yaml", "limits: {token_rate: 1, token_burst: 20, address_rate: 1, address_burst: 10, body: 64KiB}\n")
	_, lab := w.up(t, "--listen-sql", "", "--config", config)
	w.must(t, "users", "add", "alice")
	var made api.Token
	w.ask(t, &made, "tokens", "add", "--user", "alice", "--description", "a")
	forged := 0
	ask := func(path, token string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, lab.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		// Whoever forges where he comes from is limited as who he is.
		forged++
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", forged%250))
		if token != "" {
			r.Header.Set("Authorization", "Token "+token)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply
	}
	until429 := func(path, token string) (n int, last *http.Response) {
		for n = 1; n < 500; n++ {
			if last = ask(path, token); last.StatusCode == http.StatusTooManyRequests {
				return n, last
			}
		}
		return n, last
	}
	if n, last := until429("/api/v0.2/devices/", made.Value); n <= 20 || n == 500 || last.Header.Get("Retry-After") == "" {
		t.Errorf("alice's token: request %d got %s, Retry-After %q; want 429 after 20", n, last.Status, last.Header.Get("Retry-After"))
	}
	if n, _ := until429("/api/v0.2/devices/", "made-up"); n <= 10 || n == 500 {
		t.Errorf("a token that is none: 429 at request %d, want it after 10", n)
	}
	if n, _ := until429("/api/v0.2/devices/", ""); n > 10 {
		t.Errorf("no token: 429 at request %d, want it before 10, for the address has asked", n)
	}
	for _, path := range []string{"/healthz", "/v1/healthz/", "/api/v0.2/system/version/", "/ws/v1/healthz"} {
		if reply := ask(path, ""); reply.StatusCode != http.StatusOK {
			t.Errorf("%s beyond the limit: got %s", path, reply.Status)
		}
	}
	if reply := ask("/api/v0.2/devices/", lab.Token); reply.StatusCode != http.StatusOK {
		t.Errorf("another's token: got %s", reply.Status)
	}

	conn, err := nats.Connect(lab.NATS, nats.Token(made.Value), nats.CustomInboxPrefix("_INBOX_person.alice"), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	busy := 0
	for range 500 {
		if err := (api.Client{Conn: conn, User: events.UserName("alice")}).Call(t.Context(), "whoami", nil, nil); api.HasCode(err, api.Busy) {
			if !strings.Contains(err.Error(), "try again in") {
				t.Errorf("on the bus: %v, want it to say when to try again", err)
			}
			busy++
			break
		}
	}
	if busy == 0 {
		t.Error("on the bus: 500 requests passed, want them refused after 20")
	}
	if status, text := w.strata(t, "devices"); status != exitOK {
		t.Errorf("another on the bus: status %d, %s", status, text)
	}
}
