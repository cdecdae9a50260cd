package eventtest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"strata/events"
	"strata/events/stream"
)

// Story tells the facts of a stream, a line each: "12 job/42 job.scheduled {…}".
func Story(t testing.TB, l *stream.Log, name string) string {
	t.Helper()
	var b strings.Builder
	for _, r := range Facts(t, l, name) {
		body, err := json.Marshal(r.Event)
		if err != nil {
			t.Fatalf("%s: %v", stream.Cause(name, r.Seq), err)
		}
		fmt.Fprintf(&b, "%d %s %s %s\n", r.Seq, r.Event.About(), events.Name(r.Event), body)
	}
	return b.String()
}

// Scenario reads a story of facts from a file: a line each, the event's name and its payload,
// such as
//
//	device.added {"device":"q1","device_type":"qemu","health":"Good","by":"alice"}
//
// Empty lines and those that begin with # are passed over. Unknown names and fields fail the test with
// the file's line.
func Scenario(t testing.TB, path string) []events.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	versions := make(map[string]string)
	for _, entry := range events.Catalogue() {
		versions[entry.Name] = entry.Schema()
	}
	var facts []events.Event
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, body, _ := strings.Cut(line, " ")
		e, err := events.Decode(name, versions[name], []byte(body))
		if err != nil {
			t.Fatalf("scenario %s:%d: %v", path, i+1, err)
		}
		if unknown := unknownFields(t, e, body); len(unknown) > 0 {
			t.Fatalf("scenario %s:%d: %s has no field %s", path, i+1, name, strings.Join(unknown, ", "))
		}
		facts = append(facts, e)
	}
	return facts
}

// unknownFields returns the names that a payload has and the event as it is encoded has not.
// Fields that are left out when empty are not known by this: a scenario leaves them out too.
func unknownFields(t testing.TB, e events.Event, body string) []string {
	t.Helper()
	var said, known map[string]json.RawMessage
	encoded, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(encoded, &known)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &said)
	}
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	var unknown []string
	for field := range said {
		if _, ok := known[field]; !ok {
			unknown = append(unknown, field)
		}
	}
	return unknown
}
