package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/projections/gate"
)

// History is the way to what is over. The zero History says that there is no ClickHouse.
// Every verb that needs tables asks DB first and refuses with [Away]; what is current never needs
// them.
type History struct {
	DB        *projections.DB
	Retention projections.Retention // what the lab's rules say, for hints about what is not found any more
}

// chunkBytes is a chunk of an answer; well below what one message of the bus may hold.
const chunkBytes = 256 << 10

// errNoHistory says that the lab was started without ClickHouse.
var errNoHistory = errors.New("this lab has no ClickHouse")

// away words the error of a ClickHouse that does not answer. What the driver tells of its connection
// is for the log of whoever runs the lab.
// Every error of the tables goes through it or [sqlError], so that answers do not tell where and how
// the engine is reached.
func away(err error) *Error {
	if errors.Is(err, projections.ErrAway) {
		return refuse(Away, "%v; what is current goes on without it", projections.ErrAway)
	}
	return refuse(Away, "history is away: %v; what is current goes on without it", err)
}

// ping reports why ClickHouse does not answer, or nil.
func (h History) ping(ctx context.Context) error {
	if h.DB == nil {
		return away(errNoHistory)
	}
	if err := h.DB.Ping(ctx); err != nil {
		return sqlError(err)
	}
	return nil
}

// query sends a read-only query and returns the bytes of its answer in a format. The error of a
// query that ClickHouse refuses, here or from Read, has its words by [sqlError].
// The reader must be closed, or the query runs on. For superusers alone: it is held to no rows.
func (h History) query(ctx context.Context, query, format string) (io.ReadCloser, error) {
	if h.DB == nil {
		return nil, away(errNoHistory)
	}
	body, err := h.DB.Stream(ctx, query, format, queryLimits())
	if err != nil {
		return nil, sqlError(err)
	}
	return body, nil
}

// visit returns query for somebody who sees the views for analysts, and of jobs those that they may see.
// The gate in projections takes the query apart and lets through what reads the views alone.
func (h History) visit(viewer projections.Viewer) func(ctx context.Context, query, format string) (io.ReadCloser, error) {
	return func(ctx context.Context, query, format string) (io.ReadCloser, error) {
		if h.DB == nil {
			return nil, away(errNoHistory)
		}
		// A connection of its own, as a user of the engine who has no more than the views.
		door, err := h.DB.Door(queryLimits())
		if err != nil {
			return nil, away(err)
		}
		answer, err := door.Ask(ctx, projections.Visit{Viewer: viewer, Text: query, Format: format})
		if err != nil {
			door.Close()
			return nil, sqlError(err)
		}
		return closing{answer.Reader(), door}, nil
	}
}

// closing closes the door behind an answer.
// A door holds a connection to the engine, which has to be given back with the answer.
type closing struct {
	io.ReadCloser
	door *projections.Door
}

func (c closing) Close() error {
	defer c.door.Close()
	return c.ReadCloser.Close()
}

// queryLimits bound what a person's query may take. They are far above what a page needs: whoever
// exports a month of results must get it.
// 10 minutes, 50 million rows of an answer, 2 GiB of memory, 20 billion rows read.
func queryLimits() projections.Limits {
	return projections.Limits{Time: 10 * time.Minute, Rows: 50_000_000, Memory: 2 << 30, Read: 20_000_000_000}
}

// sqlError tells a query that ClickHouse did not like from a ClickHouse that is away.
func sqlError(err error) *Error {
	var refused *projections.Refusal
	if errors.As(err, &refused) {
		return refuse(Invalid, "ClickHouse: %s", refused.Message)
	}
	var gated *gate.Refused
	if errors.As(err, &gated) {
		return refuse(Invalid, "ClickHouse: %v", gated)
	}
	return away(err)
}

// openSQL sends the answer to a query, as ClickHouse writes it.
// The answer comes in pieces of [chunkBytes], which have nothing to do with rows. Errors of the
// query come from within the flow, maybe after a part of the answer.
func (a *api) openSQL(who caller, body []byte) (producer, error) {
	// Who may do anything reads the storage too. Others come through the same door as over HTTP.
	var all bool
	a.read(func(s *lab.State) { all = who.can(s, lab.Administer, events.Entity{Kind: "sql"}) })
	in, err := decode[SQLRequest](body)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Query) == "" {
		return nil, &Error{Code: Invalid, Field: "query", Message: "query is empty"}
	}
	if in.Format == "" {
		// As the engine's own client shows a table.
		in.Format = "PrettyCompactMonoBlock"
	}
	ask := func(ctx context.Context) (io.ReadCloser, error) {
		if all {
			return a.history.query(ctx, in.Query, in.Format)
		}
		return a.history.visit(a.sight(who))(ctx, in.Query, in.Format)
	}
	if in.Kept && a.history.DB != nil {
		return func(ctx context.Context, emit func(message) error) error {
			text, rest, err := a.keptSQL(ctx, who, body, ask)
			if err != nil {
				return err
			}
			if rest != nil {
				defer rest.Close()
			}
			for part := range slices.Chunk(text, chunkBytes) {
				if err := emit(message{body: part}); err != nil {
					return err
				}
			}
			if rest == nil {
				return nil
			}
			return sendAnswer(rest, emit)
		}, nil
	}
	return func(ctx context.Context, emit func(message) error) error {
		answer, err := ask(ctx)
		if err != nil {
			return err
		}
		defer answer.Close()
		return sendAnswer(answer, emit)
	}, nil
}

// sendAnswer sends what ClickHouse answers, in pieces of [chunkBytes].
func sendAnswer(answer io.Reader, emit func(message) error) error {
	buf := make([]byte, chunkBytes)
	for {
		n, err := io.ReadFull(answer, buf)
		if n > 0 {
			if err := emit(message{body: bytes.Clone(buf[:n])}); err != nil {
				return err
			}
		}
		// ReadFull says the second of the last, shorter piece.
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return sqlError(err)
		}
	}
}
