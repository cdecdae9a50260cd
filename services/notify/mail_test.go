package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"strata/events/eventtest"
)

// mailServer is a server of mail for one address after the other: as much of RFC 5321, 3207 and 4954 as clients ask for.
type mailServer struct {
	address string
	first   bool   // TLS from the first byte; else STARTTLS is offered
	auth    string // mechanisms that it offers once encrypted
	tls     *tls.Config

	mu    sync.Mutex
	boxes map[string]string // mail by receiver, as it came
	log   []string          // commands, with "tls " before those that came encrypted
}

// certified returns a certificate for 127.0.0.1 and example.com, and the configuration of a client that trusts it.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

func serveMail(t *testing.T, s *mailServer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.boxes = l.Addr().String(), map[string]string{}
	var group sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				s.session(conn)
			})
		}
	})
}

// session talks to one client until it goes.
func (s *mailServer) session(conn net.Conn) {
	secure := s.first
	if secure {
		conn = tls.Server(conn, s.tls)
	}
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	hear := func() string {
		line, err := in.ReadString('\n')
		if err != nil {
			return "QUIT"
		}
		return strings.TrimRight(line, "\r\n")
	}
	known, to := false, ""
	say("220 mail.example.com")
	for {
		line := hear()
		s.note(secure, line)
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.example.com")
			if !secure {
				say("250-STARTTLS")
			} else if s.auth != "" {
				say("250-AUTH %s", s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			conn, secure = tls.Server(conn, s.tls), true
			in = bufio.NewReader(conn)
		case "AUTH":
			known = secure && s.login(rest, say, hear)
			say(map[bool]string{true: "235 welcome", false: "535 no"}[known])
		case "MAIL":
			if s.auth != "" && !known {
				say("530 log in first")
				continue
			}
			say("250 ok")
		case "RCPT":
			to = strings.Trim(rest[len("TO:"):], "<>")
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for line := hear(); line != "."; line = hear() {
				text.WriteString(strings.TrimPrefix(line, ".") + "\n")
			}
			s.mu.Lock()
			s.boxes[to] = text.String()
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

// login takes alice with the password hush.
func (s *mailServer) login(rest string, say func(string, ...any), hear func() string) bool {
	mechanism, first, _ := strings.Cut(rest, " ")
	read := func(text string) string {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err.Error()
		}
		return string(plain)
	}
	switch {
	case !strings.Contains(s.auth, mechanism):
		return false
	case mechanism == "PLAIN":
		return read(first) == "\x00alice\x00hush"
	}
	say("334 %s", base64.StdEncoding.EncodeToString([]byte("Username:")))
	user := read(hear())
	say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:")))
	return user == "alice" && read(hear()) == "hush"
}

func (s *mailServer) note(secure bool, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, map[bool]string{true: "tls "}[secure]+line)
}

// said returns the commands that a server was given.
func (s *mailServer) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// Mail goes over an encrypted connection to who may send it, and to nobody who cannot say who they are.
func TestMailIsEncrypted(t *testing.T) {
	t.Parallel()
	server, client := certified(t)
	stranger := &tls.Config{ServerName: "127.0.0.1"} // of no certificate that it knows
	elsewhere := client.Clone()
	elsewhere.ServerName = "mail.example.org"
	for _, tt := range []struct {
		name     string
		first    bool
		auth     string
		password string
		trust    *tls.Config
		fails    string // what the error says; empty: it goes
	}{
		{"STARTTLS and PLAIN", false, "PLAIN LOGIN", "hush", client, ""},
		{"STARTTLS and LOGIN", false, "LOGIN", "hush", client, ""},
		{"TLS and PLAIN", true, "CRAM-MD5 PLAIN", "hush", client, ""},
		{"TLS and LOGIN", true, "LOGIN XOAUTH2", "hush", client, ""},
		{"nobody logs in", false, "", "", client, ""},
		{"wrong password", false, "LOGIN", "guess", client, "log in as alice: 535"},
		{"an unknown way", true, "XOAUTH2", "hush", client, `but "XOAUTH2"`},
		{"no authority that is known, STARTTLS", false, "PLAIN", "hush", stranger, "certificate is not to be trusted: x509: certificate signed by unknown authority"},
		{"no authority that is known, TLS", true, "PLAIN", "hush", stranger, "certificate is not to be trusted: x509: certificate signed by unknown authority"},
		{"the certificate of another", false, "PLAIN", "hush", elsewhere, "not mail.example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{first: tt.first, auth: tt.auth, tls: server}
			serveMail(t, s)
			m := Mail{Server: s.address, Security: map[bool]string{true: "tls", false: "starttls"}[tt.first], Password: tt.password, From: "lab@example.com", TLS: tt.trust}
			if tt.password != "" {
				m.User = "alice"
			}
			ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
			defer cancel()
			_, err := m.send(ctx, letter{to: "bob@example.com", subject: "done", text: "all went well\n", delivery: "7.1", at: noon})
			var wrong permanent
			if tt.fails == "" {
				if s.mu.Lock(); err != nil || !strings.Contains(s.boxes["bob@example.com"], "all went well") {
					t.Errorf("%v; the box has %q", err, s.boxes["bob@example.com"])
				}
				s.mu.Unlock()
			} else if err == nil || !strings.Contains(err.Error(), tt.fails) || !strings.Contains(err.Error(), s.address) || errors.As(err, &wrong) {
				t.Errorf("%v, want it tried again because of %q", err, tt.fails)
			}
			for _, line := range strings.Split(s.said(), "\n") {
				if verb, _, _ := strings.Cut(line, " "); verb == "AUTH" || verb == "MAIL" || err != nil && strings.HasPrefix(line, "tls MAIL") {
					t.Errorf("the server heard %q in\n%s", line, s.said())
				}
			}
		})
	}
}

// On IRC too a server has to say who it is.
func TestIRCIsEncrypted(t *testing.T) {
	t.Parallel()
	server, client := certified(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard := make(chan string, 2)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewScanner(conn)
			var all strings.Builder
			for in.Scan() {
				all.WriteString(in.Text() + "\n")
				switch verb, _, _ := strings.Cut(in.Text(), " "); verb {
				case "USER":
					_, _ = io.WriteString(conn, ":s 001 strata :welcome\r\n")
				case "PING":
					_, _ = io.WriteString(conn, ":s PONG s :done\r\n")
				}
			}
			_ = conn.Close()
			heard <- all.String()
		}
	}()
	g, err := newGuard([]string{"127.0.0.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	if _, err := (IRC{TLS: true}).send(ctx, g, remark{"bob", l.Addr().String(), "hello"}); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server that nobody knows: %v, want it refused", err)
	}
	if _, err := (IRC{TLS: true, Config: client}).send(ctx, g, remark{"bob", l.Addr().String(), "hello"}); err != nil {
		t.Errorf("over TLS: %v", err)
	}
	if first, second := <-heard, <-heard; first != "" || !strings.Contains(second, "PRIVMSG bob :hello") {
		t.Errorf("the server heard %q and %q, want nothing and then the message", first, second)
	}
}
