package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"
)

// Mail says how mail is sent.
type Mail struct {
	// Its address is the lab's own choice, so the guard for people's addresses does not judge it.
	Server   string // host:port; empty sends none
	Security string // starttls (which the server has to offer), tls from the first byte, or none
	User     string // empty does not log in
	Password string
	From     string      // sender; empty is strata@ and the machine's name
	TLS      *tls.Config // nil is the usual one, for the server's name
}

// letter is a mail that is ready to go.
// delivery makes the Message-ID, so it is the same for each attempt.
type letter struct {
	to, subject, text string
	delivery          string
	at                time.Time
}

// sender is who mail comes from.
// Receivers refuse mail of a name that cannot be: a lab should have notify.from.
func (m Mail) sender() string {
	if m.From != "" {
		return m.From
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return "strata@" + host
}

// send hands a letter to the mail server. It returns when that has taken it.
// A permanent error says that the letter is at fault; any other is the server's, and is tried again.
func (m Mail) send(ctx context.Context, l letter) (answer string, err error) {
	if m.Server == "" {
		return "", permanent{errors.New("the lab sends no mail: its configuration has no notify.smtp")}
	}
	// A sender that is none is the configuration's fault and can be mended while letters wait.
	from, err := mail.ParseAddress(m.sender())
	if err != nil {
		return "", fmt.Errorf("sender %q (notify.from): %w", m.sender(), err)
	}
	to, err := mail.ParseAddress(l.to)
	if err != nil {
		return "", permanent{fmt.Errorf("%q is no address to send mail to", l.to)}
	}
	c, err := m.connect(ctx)
	if err != nil {
		return "", m.judge(err)
	}
	defer func() { _ = c.Close() }()
	if err := m.hand(c, from.Address, to.Address, l.compose(from, to)); err != nil {
		return "", m.judge(err)
	}
	_ = c.Quit() // the mail is the server's already
	return "taken by " + m.Server, nil
}

// judge tells what a further attempt would meet again: replies from 550 on are about this letter.
// Replies of 4xx and up to 549 are of a server that is busy, full, or does not know the lab.
func (m Mail) judge(err error) error {
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 550 {
		return permanent{fmt.Errorf("the mail server answered: %w", err)}
	}
	var certificate *tls.CertificateVerificationError
	// Only what is wrong with it, for the error's own text repeats the whole chain.
	if errors.As(err, &certificate) {
		return fmt.Errorf("mail server %s: its certificate is not to be trusted: %w", m.Server, certificate.Err)
	}
	return fmt.Errorf("mail server %s: %w", m.Server, err)
}

// connect returns a connection to the mail server that is encrypted and signed in as configured.
func (m Mail) connect(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, fmt.Errorf("notify.smtp: %w", err)
	}
	secure := m.TLS
	if secure == nil {
		secure = &tls.Config{ServerName: host}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return nil, err
	}
	bound(ctx, conn)
	if m.Security == "tls" {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if err := m.prepare(c, host, secure); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// prepare greets the server, encrypts the connection and logs in.
// Its errors say what the server lacks, and which key of the configuration is about that.
func (m Mail) prepare(c *smtp.Client, host string, secure *tls.Config) error {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	if err := c.Hello(name); err != nil {
		return err
	}
	// Without a word in the configuration mail goes encrypted or not at all.
	if m.Security == "starttls" || m.Security == "" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("it offers no STARTTLS (notify.smtp_security: none sends mail in the clear)")
		}
		if err := c.StartTLS(secure); err != nil {
			return err
		}
	}
	if m.User == "" {
		return nil
	}
	way, err := m.login(c, host)
	if err != nil {
		return err
	}
	if err := c.Auth(way); err != nil {
		return fmt.Errorf("log in as %s: %w", m.User, err)
	}
	return nil
}

// login is a way to log in that the server offers.
// The first of these that the server offers. PLAIN and LOGIN refuse to send a password over a
// connection that is not encrypted; CRAM-MD5 never sends one.
func (m Mail) login(c *smtp.Client, host string) (smtp.Auth, error) {
	_, offered := c.Extension("AUTH")
	for _, way := range []struct {
		name string
		auth smtp.Auth
	}{{"PLAIN", smtp.PlainAuth("", m.User, m.Password, host)}, {"LOGIN", &loginAuth{m.User, m.Password}}, {"CRAM-MD5", smtp.CRAMMD5Auth(m.User, m.Password)}} {
		if slices.Contains(strings.Fields(strings.ToUpper(offered)), way.name) {
			return way.auth, nil
		}
	}
	return nil, fmt.Errorf("it offers no way to log in that is known (PLAIN, LOGIN, CRAM-MD5) but %q", offered)
}

// loginAuth is the mechanism LOGIN, which has no standard: some servers offer it alone. The server asks for name and
// password in words that differ, one after the other.
type loginAuth struct{ user, password string }

// Start begins it, over a connection that nobody else reads.
func (a *loginAuth) Start(server *smtp.ServerInfo) (proto string, toServer []byte, err error) {
	if !server.TLS && server.Name != "localhost" && server.Name != "127.0.0.1" && server.Name != "::1" {
		return "", nil, errors.New("unencrypted connection")
	}
	return "LOGIN", nil, nil
}

// Next answers a question of the server.
func (a *loginAuth) Next(fromServer []byte, more bool) (toServer []byte, err error) {
	switch asked := strings.ToLower(string(fromServer)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(asked, "user"):
		return []byte(a.user), nil
	case strings.HasPrefix(asked, "pass"):
		return []byte(a.password), nil
	}
	return nil, fmt.Errorf("the server asks %.100q, which is neither a user name nor a password", fromServer)
}

// hand hands the letter over; after the last reply it is the server's.
func (m Mail) hand(c *smtp.Client, from, to string, text []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

// compose writes a letter with its headers. The id is the delivery's: mail boxes drop a double by it.
func (l letter) compose(from, to *mail.Address) []byte {
	var b bytes.Buffer
	_, domain, _ := strings.Cut(from.Address, "@")
	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	for _, h := range []struct{ name, value string }{
		{"From", from.String()}, {"To", to.String()}, {"Subject", mime.QEncoding.Encode("utf-8", oneLine.Replace(l.subject))},
		{"Date", l.at.Format(time.RFC1123Z)}, {"Message-ID", "<" + l.delivery + ".strata@" + domain + ">"},
		// So that no absence assistant answers (RFC 3834).
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(l.text, "\n", "\r\n"))) // into memory: it cannot fail
	_ = w.Close()
	return b.Bytes()
}
