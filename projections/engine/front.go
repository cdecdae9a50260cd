package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// front answers HTTP requests with the engine of this process.
type front struct {
	pool   *pool
	killer func(tag string) error // ends the statement that a session runs
	log    *slog.Logger
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping":
		_, _ = io.WriteString(w, "Ok.\n") // the client has gone; nothing is lost
		return
	case r.URL.Path != "/":
		http.Error(w, "there is only / and /ping here", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		http.Error(w, "GET and POST only", http.StatusMethodNotAllowed)
		return
	}
	out := newReply(w, r)
	s, err := parse(r)
	if err == nil {
		err = f.execute(r.Context(), s, out)
	}
	if err == nil {
		err = out.close()
	}
	if err != nil {
		out.fail(err)
	}
}

// execute runs s and writes what it gives to out.
func (f *front) execute(ctx context.Context, s statement, out *reply) error {
	if strings.TrimSpace(s.text) == handshakeQuery && s.protocol != "" {
		return answerHandshake(s.protocol, out)
	}
	session, err := f.pool.get(ctx, s.asked)
	if err != nil {
		return err
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		if err := f.killer(session.tag); err != nil {
			f.log.Warn("statement of a gone client not killed", "err", err)
		}
	})
	err = s.run(session.conn, out)
	if !stop() {
		// The kill is under way: it must not hit the next statement of this connection.
		<-killed
		f.pool.drop(session)
	} else if changesSession.MatchString(s.text) {
		f.pool.drop(session)
	} else {
		f.pool.put(session)
	}
	return err
}

// run executes the statement on c.
func (s statement) run(c *conn, out *reply) (err error) {
	if s.token != "" {
		if err := c.run("SET insert_deduplication_token = "+quote(s.token), "Native", nil, nil); err != nil {
			return err
		}
		defer func() {
			// The next insert on this connection would be taken for a repetition of this one.
			err = errors.Join(err, c.run("SET insert_deduplication_token = ''", "Native", nil, nil))
		}()
	}
	if s.rows != nil {
		return c.load(s.text, s.format, s.params, pieces(s.rows))
	}
	if sink := s.streamed(out.write); sink != nil {
		err := c.runStream(s.text, s.format, s.params, sink)
		if err == nil || !strings.Contains(err.Error(), "Streaming query is not supported") {
			return err
		}
	}
	return c.run(s.text, s.format, s.params, out.write)
}

// pieces reads r in pieces of up to 1 MiB; the last one is empty.
func pieces(r io.Reader) func() ([]byte, error) {
	buffer := make([]byte, 1<<20)
	ended := false
	return func() ([]byte, error) {
		n := 0
		for n < len(buffer) && !ended {
			m, err := r.Read(buffer[n:])
			n += m
			// ch-go wraps the end of a compressed body. A body cut off inside a block ends with
			// ErrUnexpectedEOF, which is none.
			if errors.Is(err, io.EOF) {
				ended = true
			} else if err != nil {
				return nil, err
			}
		}
		return buffer[:n], nil
	}
}
