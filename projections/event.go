package projections

import (
	"strings"
	"time"

	"strata/events"
)

// eventRow is a row of events: a message as it was written.
type eventRow struct {
	Stream string    `ch:"stream"`
	Seq    uint64    `ch:"seq"`
	Time   time.Time `ch:"time"`
	Type   string    `ch:"type"`
	Schema string    `ch:"schema"`
	Kind   string    `ch:"kind"`
	Entity string    `ch:"entity"`
	Actor  string    `ch:"actor"`
	Source string    `ch:"source"`
	Cause  string    `ch:"cause"`
	Trace  string    `ch:"trace"`
	ID     string    `ch:"id"`
	Body   []byte    `ch:"body"`
}

func eventRows(f fact) []eventRow {
	at := f.Time
	if at.IsZero() { // a message without a readable envelope still has its place in time
		at = f.At
	}
	kind, entity, _ := strings.Cut(f.header(events.HeaderSubject), "/")
	return []eventRow{{
		Stream: f.Stream, Seq: f.Seq, Time: utc(at),
		Type: f.header(events.HeaderType), Schema: f.header(events.HeaderSchema), Kind: kind, Entity: entity,
		Actor: string(f.Actor), Source: f.Source, Cause: f.Cause, Trace: f.Trace, ID: f.ID, Body: f.Data,
	}}
}
