package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"strata/projections"
)

// History is the way to what is over. The zero History says that there is no ClickHouse.
type History struct {
	DB *projections.DB // asks what the api itself wants to know
	// DSN is where people's own queries go, http://user:password@host:8123/strata: their answers are
	// ClickHouse's bytes in the format that they asked for, which its HTTP interface gives.
	DSN string
}

const (
	// Whoever asks for history must hear at once that it is away, so connecting gets little time. The
	// answer itself may take as long as the query does.
	connectWithin = 2 * time.Second
	// A chunk of an answer; well below what one message of the bus may hold.
	chunkBytes = 256 << 10
	// queryLimit ends queries that a person would long have given up.
	queryLimit = 10 * time.Minute
)

// errNoHistory says that the lab was started without ClickHouse.
var errNoHistory = errors.New("this lab has no ClickHouse")

// away words the error of a ClickHouse that does not answer.
func away(err error) *Error {
	return refuse(Away, "history is away: %v; what is current goes on without it", err)
}

// ping reports why ClickHouse does not answer, or nil.
func (h History) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	body, err := h.query(ctx, "SELECT 1", "TSV")
	if err != nil {
		return err
	}
	return body.Close()
}

// query sends a read-only query and returns the bytes of its answer in a format. The error of a
// query that ClickHouse refuses is an [*Error] with its words; any other says that it is away.
func (h History) query(ctx context.Context, query, format string) (io.ReadCloser, error) {
	address, user, err := h.address(format)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse: %w", err)
	}
	if user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext:       (&net.Dialer{Timeout: connectWithin}).DialContext,
		DisableKeepAlives: true, // a person's query comes alone
	}}
	reply, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address, which holds a password
		}
		return nil, away(err)
	}
	if reply.StatusCode != http.StatusOK {
		defer reply.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(reply.Body, 4<<10)) // what came of the message is better than none
		return nil, refuse(Invalid, "ClickHouse: %s", bytes.TrimSpace(text))
	}
	return reply.Body, nil
}

// address returns where queries are sent, and as whom.
func (h History) address(format string) (string, *url.Userinfo, error) {
	if h.DSN == "" {
		return "", nil, away(errNoHistory)
	}
	u, err := url.Parse(h.DSN)
	if err != nil {
		return "", nil, fmt.Errorf("ClickHouse's address: %w", err)
	}
	user := u.User
	q := url.Values{
		"database":       {strings.Trim(u.Path, "/")},
		"default_format": {format},
		// 1, not 2: a query must not lift its own limits, nor read files with table functions.
		"readonly":           {"1"},
		"max_execution_time": {fmt.Sprint(int(queryLimit.Seconds()))},
	}
	if name := q.Get("database"); name == "" || name == "default" {
		q.Set("database", "strata") // as projections choose it
	}
	u.User, u.Path, u.RawQuery = nil, "/", q.Encode()
	return u.String(), user, nil
}

// openSQL sends the answer to a query, as ClickHouse writes it.
func (a *api) openSQL(_ caller, body []byte) (producer, error) {
	in, err := decode[SQLRequest](body)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Query) == "" {
		return nil, &Error{Code: Invalid, Field: "query", Message: "query is empty"}
	}
	if in.Format == "" {
		in.Format = "PrettyCompactMonoBlock"
	}
	return func(ctx context.Context, emit func(message) error) error {
		answer, err := a.history.query(ctx, in.Query, in.Format)
		if err != nil {
			return err
		}
		defer answer.Close()
		buf := make([]byte, chunkBytes)
		for {
			n, err := io.ReadFull(answer, buf)
			if n > 0 {
				if err := emit(message{body: bytes.Clone(buf[:n])}); err != nil {
					return err
				}
			}
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			if err != nil {
				return away(err)
			}
		}
	}, nil
}
