package events

import (
	"encoding/json"
	"fmt"
	"time"
)

// The headers of a fact: CloudEvents 1.0 in NATS binary mode (the NATS protocol binding of
// CloudEvents, §3.1: each attribute is a header "ce-" + name), and Strata's own. Header names are
// case-sensitive on NATS.
const (
	HeaderID          = "ce-id"          // UUIDv7; equal to Nats-Msg-Id
	HeaderSpecVersion = "ce-specversion" // always "1.0"
	HeaderType        = "ce-type"        // the event's name, such as "job.scheduled"
	HeaderSource      = "ce-source"      // who wrote it, such as "services/scheduling"
	HeaderSubject     = "ce-subject"     // the entity as users write it, such as "job/42"
	HeaderTime        = "ce-time"        // RFC 3339 with nanoseconds, UTC
	HeaderSchema      = "ce-dataschema"  // such as "job.scheduled.v1"
	HeaderContentType = "content-type"   // always "application/json"
	HeaderActor       = "strata-actor"   // the user, where one asked
	HeaderFrom        = "strata-from"    // by which door and from where the user asked, such as "http 192.0.2.7"
	HeaderCause       = "strata-cause"   // what led to it, such as "LAB/8812" or "SUBMISSIONS/42"
	HeaderTrace       = "traceparent"    // W3C trace context
	HeaderMsgID       = "Nats-Msg-Id"    // the broker drops a second message with the same one
)

// Envelope is what is known of a fact besides its payload.
type Envelope struct {
	ID     string    // UUIDv7
	Source string    // such as "services/scheduling"
	Time   time.Time // when it was written, by the writer's clock, UTC
	Actor  UserName  // the user, where one asked
	From   string    // by which door and from where, where one asked; who acts as the user
	Cause  string    // stream and sequence that led to it, such as "LAB/8812"
	Trace  string    // W3C traceparent
}

// Encode returns a fact's headers and JSON body. The map is of the kind that nats.Header is.
func Encode(e Event, env Envelope) (header map[string][]string, body []byte, err error) {
	d := row(e)
	body, err = json.Marshal(e)
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", d.name, err)
	}
	header = map[string][]string{
		HeaderID:          {env.ID},
		HeaderMsgID:       {env.ID},
		HeaderSpecVersion: {"1.0"},
		HeaderType:        {d.name},
		HeaderSource:      {env.Source},
		HeaderSubject:     {headerText(e.About().String())}, // names may be anything; the NATS subject escapes them
		HeaderTime:        {env.Time.UTC().Format(time.RFC3339Nano)},
		HeaderSchema:      {schemaName(d.name, d.version())},
		HeaderContentType: {"application/json"},
	}
	for name, value := range map[string]string{
		HeaderActor: string(env.Actor), HeaderFrom: env.From, HeaderCause: env.Cause, HeaderTrace: env.Trace,
	} {
		if value == "" {
			continue
		}
		// A line break would end the header and begin another one.
		if clean := headerText(value); clean != value {
			return nil, nil, fmt.Errorf("encode %s: header %s: %q has control characters", d.name, name, value)
		}
		header[name] = []string{value}
	}
	return header, body, nil
}

// DecodeMessage returns fact and envelope of a message of LAB or RESULTS.
func DecodeMessage(header map[string][]string, body []byte) (Event, Envelope, error) {
	get := func(name string) string {
		if v := header[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	env := Envelope{
		ID: get(HeaderID), Source: get(HeaderSource), Actor: UserName(get(HeaderActor)),
		From: get(HeaderFrom), Cause: get(HeaderCause), Trace: get(HeaderTrace),
	}
	at, err := time.Parse(time.RFC3339Nano, get(HeaderTime))
	if err != nil {
		return nil, env, fmt.Errorf("header %s: %w", HeaderTime, err)
	}
	env.Time = at
	e, err := Decode(get(HeaderType), get(HeaderSchema), body)
	return e, env, err
}

// headerText returns s with control characters, which would break a header apart, made spaces.
func headerText(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c < ' ' || c == 0x7f {
			out[i] = ' '
		}
	}
	return string(out)
}
