package api_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// TestHealthOfAQuietLab: the last round may be so long ago that its fact is archived, where this process does not reach.
func TestHealthOfAQuietLab(t *testing.T) {
	t.Parallel()
	b, admin := start(t)
	round := b.Append(t, events.RoundDecided{})[0].Seq
	var h api.LabHealth
	if call(t, admin, "health", struct{}{}, &h); h.Round == nil {
		t.Errorf("after a round: %+v, want when it was", h)
	}
	call(t, admin, "tags.add", api.TagRequest{Tag: "later"}, nil)
	lab, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Purge(t.Context(), jetstream.WithPurgeSequence(round+1)); err != nil {
		t.Fatal(err)
	}
	if call(t, admin, "health", struct{}{}, &h); h.Sequence <= round {
		t.Errorf("with the round's fact gone: %+v, want the rest all the same", h)
	}
}
