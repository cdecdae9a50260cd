package notify

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"
)

// IRC says how messages are sent on IRC.
type IRC struct {
	Server string // host or host:port where a job names none
	Nick   string
	TLS    bool
	Config *tls.Config // nil is the usual one, for the server's name
}

// remark is a message on IRC that is ready to go.
// server may be "", and text may have several lines, each of which is said by itself.
type remark struct {
	nick, server, text string
}

// maxRemark bounds a line; a server cuts messages at 512 bytes with everything around the text.
const maxRemark = 400

// address is host:port of where a remark goes.
// 6697 is the port of TLS (RFC 7194), 6667 the other one that everybody uses.
func (c IRC) address(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), map[bool]string{true: "6697", false: "6667"}[c.TLS])
}

// send says a remark to somebody, or in a channel, and returns once the server has taken it.
// Each remark has a connection of its own: a bot that stays would be one more thing to keep up.
func (c IRC) send(ctx context.Context, g guard, r remark) (answer string, err error) {
	odd := func(ch rune) bool { return unicode.IsSpace(ch) || unicode.IsControl(ch) || ch == ',' }
	switch {
	case r.server == "":
		return "", permanent{errors.New("no server of IRC is named, and the lab's configuration has no notify.irc_server")}
	// A blank, a comma or a colon in front would be another command's parameter, or several
	// receivers.
	case r.nick == "" || strings.HasPrefix(r.nick, ":") || strings.ContainsFunc(r.nick, odd):
		return "", permanent{fmt.Errorf("%q is no nick name and no channel", r.nick)}
	}
	address := c.address(r.server)
	conn, err := g.dial(ctx, "tcp", address)
	if errors.Is(err, errRefused) {
		return "", permanent{err}
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	bound(ctx, conn)
	if c.TLS {
		config := c.Config
		if config == nil {
			host, _, _ := net.SplitHostPort(address)
			config = &tls.Config{ServerName: host}
		}
		conn = tls.Client(conn, config)
	}
	// Servers send lines of 512 bytes, with tags up to 8 KiB; a longer one ends the attempt.
	t := &talk{conn: conn, lines: bufio.NewReaderSize(conn, 8<<10), nick: cmp.Or(c.Nick, "strata")}
	if err := t.enter(); err != nil {
		return "", fmt.Errorf("IRC server %s: %w", address, err)
	}
	if err := t.say(r.nick, r.text); err != nil {
		return "", fmt.Errorf("IRC server %s: %w", address, err)
	}
	_ = t.write("QUIT :done")
	return "taken by " + address, nil
}

// talk is a connection to a server (RFC 2812).
type talk struct {
	conn  net.Conn
	lines *bufio.Reader
	nick  string
}

func (t *talk) write(line string) error {
	_, err := t.conn.Write([]byte(line + "\r\n"))
	return err
}

// await reads until a command or number comes that is wanted. It answers pings, and an error of the server ends it.
// The error is the server's words, quoted, or that of the connection, whose deadline is the
// attempt's.
func (t *talk) await(wanted ...string) (command string, rest string, err error) {
	for {
		raw, err := t.lines.ReadSlice('\n')
		if err != nil {
			return "", "", err
		}
		line := strings.TrimRight(string(raw), "\r\n")
		// Who says it, a server or a user, is of no interest.
		if strings.HasPrefix(line, ":") {
			_, line, _ = strings.Cut(line, " ")
		}
		command, rest, _ := strings.Cut(line, " ")
		switch command {
		case "PING":
			if err := t.write("PONG " + rest); err != nil {
				return "", "", err
			}
		case "ERROR":
			return "", "", fmt.Errorf("it says %.200q", rest)
		}
		for _, w := range wanted {
			if command == w {
				return command, rest, nil
			}
		}
	}
}

// enter tells the server who comes. A nick that is in use gets another.
func (t *talk) enter() error {
	if err := t.write("NICK " + t.nick + "\r\nUSER strata 0 * :Strata"); err != nil {
		return err
	}
	// Five names: who meets that many of its own has left connections behind, and waits for the next
	// attempt.
	for range 5 {
		// Welcome; erroneous nick, nick in use, nick collision; banned (RFC 2812, section 5).
		switch command, rest, err := t.await("001", "432", "433", "436", "465"); {
		case err != nil:
			return err
		case command == "001":
			return nil
		case command == "433" || command == "436":
			t.nick += "_"
			if err := t.write("NICK " + t.nick); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it says %s %.200q", command, rest)
		}
	}
	return errors.New("all nick names are in use")
}

// say sends text, a line at a time. That the server has dealt with it is known once it answers a ping behind it.
// Control characters would end the line, and with it the message.
func (t *talk) say(to, text string) error {
	if strings.HasPrefix(to, "#") || strings.HasPrefix(to, "&") {
		// Most channels take nothing from who is not in them.
		if err := t.write("JOIN " + to); err != nil {
			return err
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, line)
		if len(line) > maxRemark {
			line = strings.ToValidUTF8(line[:maxRemark], "") + "…"
		}
		if err := t.write("PRIVMSG " + to + " :" + line); err != nil {
			return err
		}
	}
	if err := t.write("PING :done"); err != nil {
		return err
	}
	// No such nick or channel; cannot send to it; it is full, by invitation, banned, with a key.
	command, rest, err := t.await("PONG", "401", "403", "404", "471", "473", "474", "475")
	if err != nil {
		return err
	}
	if command != "PONG" {
		return fmt.Errorf("it says %s %.200q", command, rest)
	}
	return nil
}
