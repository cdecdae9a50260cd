package stream_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestReadMessagesOfARange(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	recorded := b.Append(t, tags(0, 20)...)
	tests := []struct {
		from, to uint64
		want     string
	}{
		{1, 3, "1 2 3"},
		{0, 1, "1"},
		{18, 20, "18 19 20"},
		{19, 99, "19 20"},
		{21, 99, ""},
	}
	for _, tt := range tests {
		var got []string
		err := b.Log.ReadMessages(t.Context(), stream.Lab, tt.from, tt.to, func(m stream.Message) error {
			got = append(got, fmt.Sprint(m.Seq))
			if id := m.Header.Get(events.HeaderID); id != recorded[m.Seq-1].ID || m.At.IsZero() {
				t.Errorf("message %d: id %s, at %s; want %s", m.Seq, id, m.At, recorded[m.Seq-1].ID)
			}
			return nil
		})
		if all := strings.Join(got, " "); err != nil || all != tt.want {
			t.Errorf("messages %d to %d: %q, %v, want %q", tt.from, tt.to, all, err, tt.want)
		}
	}
}

// What was purged in the middle is missing, and nothing else.
func TestReadMessagesPastAPurge(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	for _, user := range []events.UserName{"a", "b", "a", "b"} {
		b.Submit(t, user, "text of "+string(user))
	}
	st, err := b.Log.JetStream().Stream(t.Context(), stream.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Purge(t.Context(), purgeSubject("submit.b")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []uint64{3, 4} {
		var got []uint64
		err := b.Log.ReadMessages(t.Context(), stream.Submissions, 1, to, func(m stream.Message) error {
			got = append(got, m.Seq)
			return nil
		})
		if err != nil || fmt.Sprint(got) != "[1 3]" {
			t.Errorf("messages 1 to %d: %v, %v, want [1 3]", to, got, err)
		}
	}
}

// Messages as large as the broker takes come through a reader's window.
func TestLargeSubmissions(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	sizes := []int{1 << 20, 7 << 20, 1, 7 << 20, 7 << 20, 1 << 20, 3}
	for _, n := range sizes {
		b.Submit(t, "alice", strings.Repeat("x", n))
	}
	got := make(chan int, len(sizes))
	go func() {
		_ = b.Log.FollowSubmissions(t.Context(), 1, func(s stream.Submission, _ uint64) error {
			got <- bytes.Count(s.Text, []byte("x"))
			return nil
		})
	}()
	for i, want := range sizes {
		if n := receive(t, got); n != want {
			t.Errorf("submission %d has %d bytes, want %d", i+1, n, want)
		}
	}
}
