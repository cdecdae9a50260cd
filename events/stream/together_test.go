package stream_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events/eventtest"
	"strata/events/stream"
)

// TestPublishTogether publishes more than one batch, then the same with some that are new among them:
// each lies in the stream once, in order.
func TestPublishTogether(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	order := func(i, bytes int) *nats.Msg {
		m := nats.NewMsg("work.w1")
		m.Data = []byte(fmt.Sprint(i, strings.Repeat(" ", bytes)))
		m.Header.Set(jetstream.MsgIDHeader, fmt.Sprint("start/", i))
		return m
	}
	var msgs []*nats.Msg
	for i := range 2*stream.MaxBatch + 1 {
		msgs = append(msgs, order(i, 0))
	}
	for i := range 6 { // two batches by their bytes
		msgs = append(msgs, order(len(msgs)+i, 1<<20))
	}
	if err := b.Log.PublishTogether(t.Context(), msgs[:150]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Log.PublishTogether(t.Context(), msgs[100:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Log.PublishTogether(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	work, err := b.Log.JetStream().Stream(t.Context(), stream.Work)
	if err != nil {
		t.Fatal(err)
	}
	if got := work.CachedInfo().State.Msgs; got != uint64(len(msgs)) {
		t.Fatalf("%d messages in the stream, want %d", got, len(msgs))
	}
	for i, m := range msgs {
		got, err := work.GetMsg(t.Context(), uint64(i+1))
		if err != nil || string(got.Data) != string(m.Data) {
			t.Fatalf("message %d: %.20q, %v, want %.20q", i+1, got.Data, err, m.Data)
		}
	}
	if err := b.Log.PublishTogether(t.Context(), []*nats.Msg{order(1, 0), {Subject: "nowhere", Header: nats.Header{}}}); err == nil {
		t.Error("published where no stream is, without an error")
	}
}
