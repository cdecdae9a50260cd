package notify

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/schemas/job"
)

// Private addresses are refused in every writing, unless they are allowed.
func TestGuard(t *testing.T) {
	g, err := newGuard([]string{"10.1.0.0/16", "::1"}, []string{"*.example.com", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "10.1.2.3": true, "::1": true, "::ffff:10.1.2.3": true,
		"10.2.0.1": false, "127.0.0.1": false, "::ffff:127.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "169.254.169.254": false,
		"0.0.0.0": false, "::": false, "fe80::1": false, "fc00::1": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false, "198.18.0.1": false, "192.0.0.1": false,
	} {
		if got := g.address(netip.MustParseAddr(address)) == nil; got != want {
			t.Errorf("address %s: allowed %v, want %v", address, got, want)
		}
	}
	for host, want := range map[string]bool{"a.example.com": true, "A.Example.COM": true, "localhost": true, "example.org": false, "example.com": false} {
		if got := g.host(host) == nil; got != want {
			t.Errorf("host %s: allowed %v, want %v", host, got, want)
		}
	}
	for _, wrong := range [][2][]string{{{"10.0.0.0/33"}, nil}, {{"home"}, nil}, {nil, {"["}}} {
		if _, err := newGuard(wrong[0], wrong[1]); err == nil {
			t.Errorf("configuration %v was taken", wrong)
		}
	}
}

func sender(t *testing.T, allow ...string) *caller {
	t.Helper()
	g, err := newGuard(allow, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newCaller(g, "s3cret", eventtest.Patience, func() time.Time { return noon })
}

// A private receiver is not called, by its number, its name or a redirect, and that is for good.
func TestPrivateReceivers(t *testing.T) {
	t.Parallel()
	private := newReceiver(t, nil)
	port := private.URL[strings.LastIndex(private.URL, ":"):]
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	redirects := &http.Server{Handler: http.RedirectHandler("http://localhost"+port+"/x", http.StatusFound)}
	go func() { _ = redirects.Serve(listener) }()
	t.Cleanup(func() { _ = redirects.Close() })
	c := sender(t, "127.0.0.2")
	for _, address := range []string{private.URL, "http://localhost" + port, "http://[::ffff:127.0.0.1]" + port, "http://" + listener.Addr().String(),
		"file:///etc/passwd", "gopher://127.0.0.1", "http://", "nonsense"} {
		_, err := c.send(t.Context(), call{url: address, callback: job.Callback{Method: "GET"}})
		var wrong permanent
		if !errors.As(err, &wrong) {
			t.Errorf("callback to %s: %v, want it refused for good", address, err)
		}
	}
	if len(private.came) != 0 {
		t.Errorf("%d requests came", len(private.came))
	}
}

// The token goes to whom it was meant for, and the signature can be made again from what the receiver has.
func TestTokenAndSignature(t *testing.T) {
	t.Parallel()
	other := newReceiver(t, nil)
	first := newReceiver(t, nil)
	first.Config.Handler = http.RedirectHandler(other.URL+"/there", http.StatusTemporaryRedirect)
	c := sender(t, "127.0.0.1")
	post := call{url: other.URL + "/a?b=c", token: "tok", delivery: "42.1", callback: job.Callback{Method: "POST", Header: "x-token", ContentType: "json"},
		body: func(w io.Writer) error { _, err := w.Write([]byte(`{"id": 42}`)); return err }}
	if answer, err := c.send(t.Context(), post); err != nil || answer != "200 OK" {
		t.Fatalf("callback: %q, %v", answer, err)
	}
	g := other.next(t)
	if g.header.Get("X-Token") != "tok" || g.header.Get("Content-Type") != "application/json" || g.path != "/a?b=c" {
		t.Errorf("came to %s with header %v, want the token and JSON", g.path, g.header)
	}
	if got, want := g.header.Get(HeaderSignature), Sign("s3cret", noon, g.header.Get(HeaderDelivery), []byte(g.body)); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
	// Of HMAC-SHA256 as any other program makes it.
	if want := "t=1795435200,v1=f"; Sign("s3cret", noon, "42.1", []byte("x"))[:13] != want[:13] {
		t.Errorf("signature begins %q, want %q", Sign("s3cret", noon, "42.1", []byte("x"))[:13], want[:13])
	}
	post.url = first.URL
	if _, err := c.send(t.Context(), post); err != nil {
		t.Fatalf("redirected callback: %v", err)
	}
	if g := other.next(t); g.header.Get("X-Token") != "" || g.header.Get(HeaderSignature) != "" || g.method != "POST" || g.body == "" {
		t.Errorf("another host got %s, header %v; want the body without token and signature", g.method, g.header)
	}
	post.secret = true
	var wrong permanent
	if _, err := c.send(t.Context(), post); err != nil {
		t.Errorf("a body with a token in it, to the same host: %v", err)
	}
	other.next(t)
	away := newReceiver(t, nil)
	away.Config.Handler = http.RedirectHandler(strings.Replace(other.URL, "127.0.0.1", "127.0.0.2", 1), http.StatusPermanentRedirect)
	post.url = away.URL
	if _, err := c.send(t.Context(), post); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "token in its body") {
		t.Errorf("a body with a token in it, to another host: %v, want it refused for good", err)
	}
	post.secret = false
	post.callback.Header, post.url = "Bad Header", other.URL
	if _, err := c.send(t.Context(), post); err == nil {
		t.Error("a header with a blank in its name was sent")
	}
}

// talks serves one connection after the other with a script: what is read is answered by what answer returns.
func talks(t *testing.T, greeting string, answer func(line string) string) (address string, heard func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	said := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var all strings.Builder
		defer func() { said <- all.String() }()
		_, _ = conn.Write([]byte(greeting))
		in := bufio.NewScanner(conn)
		for in.Scan() {
			all.WriteString(in.Text() + "\n")
			if out := answer(in.Text()); out != "" {
				_, _ = conn.Write([]byte(out))
			}
			if strings.HasPrefix(in.Text(), "QUIT") {
				return
			}
		}
	}()
	return l.Addr().String(), func() string {
		t.Helper()
		select {
		case text := <-said:
			return text
		case <-time.After(eventtest.Patience):
			t.Fatal("nobody said good-bye")
		}
		return ""
	}
}

// A mail is handed over whole, and what the server says decides whether it is tried again.
func TestMail(t *testing.T) {
	t.Parallel()
	serve := func(rcpt string) (string, func() string) {
		body := false
		return talks(t, "220 here\r\n", func(line string) string {
			verb, _, _ := strings.Cut(line, " ")
			switch {
			case body && line == ".":
				body = false
				return "250 taken\r\n"
			case body:
				return ""
			case verb == "EHLO":
				return "250-here\r\n250 8BITMIME\r\n"
			case verb == "RCPT":
				return rcpt
			case verb == "DATA":
				body = true
				return "354 go on\r\n"
			}
			return "250 ok\r\n"
		})
	}
	l := letter{to: "bob@example.com", subject: "LAVA notification for Test Job 7 päth\r\nBcc: x@y.z", text: "Hello.\n.\nDot above, and ü.\n", delivery: "7.2", at: noon}
	address, heard := serve("250 ok\r\n")
	m := Mail{Server: address, Security: "none", From: "Lab <lab@example.com>"}
	if _, err := m.send(t.Context(), l); err != nil {
		t.Fatalf("send a mail: %v", err)
	}
	text := heard()
	for _, want := range []string{"MAIL FROM:<lab@example.com>", "RCPT TO:<bob@example.com>", "Message-ID: <7.2.strata@example.com>", "Auto-Submitted: auto-generated", "\n..\n", "=C3=BC"} {
		if !strings.Contains(text, want) {
			t.Errorf("the server heard\n%s\nwant %q in it", text, want)
		}
	}
	if strings.Contains(text, "\nBcc:") {
		t.Errorf("the subject has made a header of its own:\n%s", text)
	}
	var wrong permanent
	m.Server, heard = serve("550 no such box\r\n")
	if _, err := m.send(t.Context(), l); !errors.As(err, &wrong) {
		t.Errorf("a box that is not there: %v, want it given up", err)
	}
	heard()
	m.Server, heard = serve("451 later\r\n")
	if _, err := m.send(t.Context(), l); err == nil || errors.As(err, &wrong) {
		t.Errorf("a server that is busy: %v, want it tried again", err)
	}
	heard()
	m.Server, heard = serve("250 ok\r\n")
	m.Security = "starttls"
	if _, err := m.send(t.Context(), l); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("a server without STARTTLS: %v, want it not told anything", err)
	}
	if text := heard(); strings.Contains(text, "MAIL") {
		t.Errorf("a mail went in the clear: %s", text)
	}
}

// A message on IRC finds a nick that is free, and is known to have arrived.
func TestIRC(t *testing.T) {
	t.Parallel()
	serve := func(reply string) (string, func() string) {
		return talks(t, ":s NOTICE * :hello\r\nPING :early\r\n", func(line string) string {
			switch {
			case line == "NICK strata":
				return ":s 433 * strata :in use\r\n"
			case line == "NICK strata_":
				return ":s 001 strata_ :welcome\r\n"
			case strings.HasPrefix(line, "PRIVMSG"):
				return reply
			case strings.HasPrefix(line, "PING"):
				return ":s PONG s :done\r\n"
			}
			return ""
		})
	}
	g, err := newGuard([]string{"127.0.0.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	address, heard := serve("")
	if _, err := (IRC{}).send(ctx, g, remark{"#lab", address, "one\r\nQUIT :x\ntwo"}); err != nil {
		t.Fatalf("send a message: %v", err)
	}
	if text := heard(); !strings.Contains(text, "JOIN #lab\nPRIVMSG #lab :one \nPRIVMSG #lab :QUIT :x\nPRIVMSG #lab :two\n") || !strings.Contains(text, "PONG :early\n") {
		t.Errorf("the server heard\n%s\nwant three lines of text, and its ping answered", text)
	}
	address, heard = serve(":s 401 strata_ bob :no such nick\r\n")
	if _, err := (IRC{}).send(ctx, g, remark{"bob", address, "one"}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("nobody of that name: %v, want what the server said", err)
	}
	heard()
	var wrong permanent
	for _, r := range []remark{{"a b", address, "x"}, {"", address, "x"}, {"bob", "", "x"}, {"bob", "127.0.0.9", "x"}} {
		if _, err := (IRC{}).send(ctx, g, r); !errors.As(err, &wrong) {
			t.Errorf("to %q at %q: %v, want it refused for good", r.nick, r.server, err)
		}
	}
}

// A canceled job's callback says who wanted its end, why, and where it was; one in plain form is as Python writes it.
func TestCanceled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := newReceiver(t, nil)
	l.serve()
	id := l.submit("notify: {criteria: {status: canceled}, callbacks: [{url: '" + r.URL + "/{ID}/{STATUS_STRING}?d={DESCRIPTION}&t={TOKEN}', method: POST, content-type: json, token: nam, header: X-T}, " +
		"{url: '" + r.URL + "/form', method: POST, dataset: all}, {url: '" + r.URL + "/get'}]}\n")
	l.start(id)
	l.say(id, []string{"start: 2 boot (timeout 00:01:00) [common]", "start: 2.1 login-action (timeout 00:01:00) [common]", "start: 2.2 x", "end: 2.2 x"}, events.Case{Suite: "lava", Name: "validate", Result: events.Pass})
	l.Append(t, events.JobCancelRequested{Job: id, By: "bob", Reason: "wrong image"})
	l.end(id, events.JobFinished{Health: events.Canceled, ErrorType: events.CanceledError, Error: "canceled by bob"}, true)
	bodies := map[string]got{}
	for range 3 {
		g := r.next(t)
		bodies[strings.SplitN(g.path, "?", 2)[0]] = g
	}
	g := bodies["/"+id.String()+"/canceled"]
	if g.path != "/"+id.String()+"/canceled?d=smoke&t={TOKEN}" && g.path != "/"+id.String()+"/canceled?d=smoke&t=%7BTOKEN%7D" {
		t.Errorf("came to %q, want its placeholders filled, and not the secret one", g.path)
	}
	m := g.fields(t)
	for key, want := range map[string]any{"canceled_by": "bob", "cancel_reason": "wrong image", "cancel_stage": "running", "cancel_action": "login-action", "status": 4.0, "status_string": "canceled",
		"state": 5.0, "state_string": "Finished", "health": 3.0, "health_string": "Canceled", "submit_time": "2025-11-23 10:00:00+00:00", "start_time": "2025-11-23 10:01:00.123456+00:00",
		"submitter_username": "alice", "actual_device_id": "q1", "health_check": false, "priority": 50.0, "output_complete": true} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	if meta, ok := m["metadata"].([]any); !ok || len(meta) != 2 || meta[0].(map[string]any)["branch"] != "main" {
		t.Errorf("metadata is %v, want a list of mappings with one key", m["metadata"])
	}
	if m["results"] != nil || m["log"] != nil || g.header.Get("X-T") != "nam" {
		t.Errorf("a minimal body has results %v, log %v; token %q, want none of them and the token", m["results"], m["log"], g.header.Get("X-T"))
	}
	form := bodies["/form"].body
	for _, want := range []string{"id=" + id.String() + "&status=4&status_string=canceled&state=5", "&metadata=branch&metadata=build&", "&health_check=False&", "&log=-+%7B%22dt%22", "%0A&results=lava"} {
		if !strings.Contains(form, want) {
			t.Errorf("form is %q, want %q in it", form, want)
		}
	}
	if g := bodies["/get"]; g.method != "GET" || g.body != "" {
		t.Errorf("without a method came %s with %q, want GET without a body", g.method, g.body)
	}
}

// The callback of a job that was tried again waits for the last attempt, and names both.
func TestAttempts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := newReceiver(t, nil)
	l.serve()
	text := callback(r.URL, "")
	first := l.submit(text, func(e *events.JobSubmitted) { e.Retries = 1 })
	l.finish(first, events.JobFinished{Health: events.Incomplete, ErrorType: events.InfrastructureError, Error: "no power"})
	second := l.submit(text, func(e *events.JobSubmitted) { e.Attempt = &events.Attempt{Of: first, N: 2} })
	l.Append(t, events.JobRetried{Job: first, As: second, Attempt: 2})
	l.finish(second, complete())
	l.sent(first, 1)
	m := r.next(t).fields(t)
	if m["id"] != float64(first) || m["health_string"] != "Complete" || m["error_type"] != nil {
		t.Errorf("job %v is told as %v (%v), want %d, Complete", m["id"], m["health_string"], m["error_type"], first)
	}
	list, _ := m["attempts"].([]any)
	if len(list) != 2 || list[0].(map[string]any)["failure_comment"] != "no power" || list[1].(map[string]any)["id"] != float64(second) {
		t.Errorf("attempts are %v, want both", m["attempts"])
	}
	other := l.submit(text)
	l.finish(other, complete())
	if m := r.next(t).fields(t); m["id"] != float64(other) {
		t.Errorf("the next callback is of job %v, want %d: the second attempt has none of its own", m["id"], other)
	}
}

// Mail goes to the address that a user's account has; one that a definition spells out goes there,
// whoever has an account of that name.
func TestMailOfAccounts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := &mailServer{}
	serveMail(t, server)
	l.Append(t, events.UserAdded{User: "alice"}, events.UserConfigured{User: "alice", Email: "alice@desk.org"},
		events.UserAdded{User: "x@y.z"}, events.UserConfigured{User: "x@y.z", Email: "other@desk.org"})
	l.serve(func(d *Deps) { d.Mail = Mail{Server: server.address, Security: "none", From: "lab@example.com"} })
	job := l.submit("notify: {criteria: {status: finished}, recipients: [{to: {method: email, user: alice}}, {to: {method: email, email: x@y.z}}]}\n")
	l.finish(job, complete())
	l.sent(job, 1)
	l.sent(job, 2)
	said := server.said()
	for _, want := range []string{"RCPT TO:<alice@desk.org>", "RCPT TO:<x@y.z>"} {
		if !strings.Contains(said, want) {
			t.Errorf("the mail server heard\n%s\nwant %q", said, want)
		}
	}
	told, err := l.Log.Load(t.Context(), events.Entity{Kind: events.Notification, ID: job.String()})
	if err != nil {
		t.Fatal(err)
	}
	if plan, ok := told[0].Event.(events.NotificationPlanned); !ok || plan.Deliveries[0].To != "alice" {
		t.Errorf("the plan is %+v; want it to name alice without her address", told[0].Event)
	}
}
