package stream

import (
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/events"
)

// message is a fact as the stream has it.
func message(t *testing.T, seq uint64, id string, e events.Event) stored {
	t.Helper()
	header, body, err := events.Encode(e, events.Envelope{ID: id, Source: "services/test", Time: time.Unix(1, 0).UTC()})
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	about := e.About()
	return stored{subject: string(about.Kind) + "." + about.ID, seq: seq, header: header, data: body}
}

// part is where the membership of a job in its group stands in memory; a fact that was decoded again has another.
func part(t *testing.T, r *recent, stream string, m stored) *events.Membership {
	t.Helper()
	got, err := r.decode(stream, m)
	if err != nil {
		t.Fatalf("decode %d: %v", m.seq, err)
	}
	if want, err := decode(stream, m.seq, m.header, m.data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("fact %d:\n got %v\nwant %v, %v", m.seq, got, want, err)
	}
	return got.Event.(events.JobSubmitted).Part
}

func TestRecent(t *testing.T) {
	job := events.JobSubmitted{Job: 42, Part: &events.Membership{Group: "g"}}
	large := job
	large.Name = strings.Repeat("x", recentBytes)
	first := message(t, 7, "a", job)
	tests := []struct {
		name   string
		stream string
		again  stored // read after first
		same   bool
	}{
		{"the same fact", Lab, first, true},
		{"another fact in its place", Lab, message(t, 7, "b", job), false},
		{"the fact of another round", Lab, message(t, 7+recentFacts, "a", job), false},
		{"of another stream", Results, first, false},
		{"too large", Lab, message(t, 7, "a", large), false},
	}
	for _, tt := range tests {
		r := new(recent)
		before := part(t, r, Lab, first)
		if got := part(t, r, tt.stream, tt.again) == before; got != tt.same {
			t.Errorf("%s: decoded once is %v, want %v", tt.name, got, tt.same)
		}
	}
}

// A reader that is far behind does not push out what the others are about to read.
func TestRecentKeepsTheNewest(t *testing.T) {
	r := new(recent)
	job := events.JobSubmitted{Job: 42, Part: &events.Membership{Group: "g"}}
	newest := message(t, 7+recentFacts, "b", job)
	kept := part(t, r, Lab, newest)
	part(t, r, Lab, message(t, 7, "a", job))
	if part(t, r, Lab, newest) != kept {
		t.Error("the newest fact was decoded again, behind one that is older")
	}
}

// A message that is no fact is refused each time, and what stood there stays.
func TestRecentRefuses(t *testing.T) {
	r := new(recent)
	job := events.JobSubmitted{Job: 42, Part: &events.Membership{Group: "g"}}
	whole := message(t, 7, "a", job)
	kept := part(t, r, Lab, whole)
	broken := message(t, 7, "b", job)
	broken.data = []byte("{")
	for range 2 {
		if got, err := r.decode(Lab, broken); err == nil {
			t.Errorf("decode of %q: %v, want an error", broken.data, got)
		}
	}
	if part(t, r, Lab, whole) != kept {
		t.Error("a message that is no fact took the place of one")
	}
}

// Of readers that come at the same moment one decodes; the race detector sees the rest.
func TestRecentReadTogether(t *testing.T) {
	r := new(recent)
	m := message(t, 7, "a", events.JobSubmitted{Job: 42, Part: &events.Membership{Group: "g"}})
	var all [8]Recorded
	var reading sync.WaitGroup
	for i := range all {
		reading.Go(func() { all[i], _ = r.decode(Lab, m) })
	}
	reading.Wait()
	for i, got := range all {
		if e, ok := got.Event.(events.JobSubmitted); !ok || e.Part != all[0].Event.(events.JobSubmitted).Part {
			t.Errorf("reader %d: %v, want what the others have", i, got)
		}
	}
}
