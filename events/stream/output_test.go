package stream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestReadOutputOrdersAndDropsDoubles(t *testing.T) {
	t.Parallel()
	type sent struct{ first, count uint64 }
	tests := []struct {
		name string
		sent []sent
		from uint64
		want string // lines as "job: first+count …"
	}{
		{"in order", []sent{{0, 3}, {3, 2}}, 0, "0+3 3+2"},
		{"from a line within a frame", []sent{{0, 3}, {3, 2}}, 1, "1+2 3+2"},
		{"from a line after the end", []sent{{0, 3}}, 9, ""},
		{"same frame twice, cut elsewhere", []sent{{0, 3}, {0, 4}, {2, 4}}, 0, "0+3 3+1 4+2"},
		{"out of order", []sent{{3, 2}, {5, 1}, {0, 3}}, 0, "gap 0-3 0+3 3+2 5+1"},
		{"gap that is filled in two", []sent{{0, 1}, {4, 2}, {1, 1}, {2, 3}}, 0, "0+1 gap 1-4 1+1 2+3 5+1"},
		{"gap that stays", []sent{{0, 1}, {4, 2}, {6, 1}}, 0, "0+1 gap 1-4"},
		{"two gaps", []sent{{1, 1}, {3, 1}, {0, 1}, {2, 1}}, 0, "gap 0-1 0+1 1+1 gap 2-3 2+1 3+1"},
		{"later frames come before a held one", []sent{{4, 1}, {2, 1}, {2, 2}, {0, 2}}, 0, "gap 0-4 0+2 2+2 4+1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := eventtest.Start(t)
			for _, s := range tt.sent {
				publish(t, b, 7, 1, s.first, s.count)
				publish(t, b, 8, 1, s.first, s.count) // another job in between
			}
			var got []string
			err := b.Log.ReadOutput(t.Context(), stream.OutputReader{
				Next: func(events.JobID, events.Lease) uint64 { return tt.from },
				Gap: func(job events.JobID, from, to uint64) error {
					if job == 7 {
						got = append(got, fmt.Sprintf("gap %d-%d", from, to))
					}
					return nil
				},
				Frame: func(f stream.OutputFrame) error {
					checkLines(t, f.Frame)
					if f.Job == 7 {
						got = append(got, fmt.Sprintf("%d+%d", f.First, f.Count))
					}
					return nil
				},
				ToEnd: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(got, " "); all != tt.want {
				t.Errorf("lines\n got %s\nwant %s", all, tt.want)
			}
		})
	}
}

// A reader that is stopped at any frame, and begins again at Safe with the lines that it has, gets
// every line once, whatever order frames came in.
func TestReadOutputBeginsAgain(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	random := rand.New(rand.NewPCG(1, 2))
	const jobs, frames = 3, 40
	order := random.Perm(jobs * frames)
	for i := range order { // near where they belong, some twice
		j := min(len(order)-1, i+random.IntN(8))
		order[i], order[j] = order[j], order[i]
	}
	for _, n := range append(order, order[:20]...) {
		publish(t, b, events.JobID(1+n%jobs), 1, uint64(n/jobs)*2, 2)
	}
	next := make(map[events.JobID]uint64)
	safe := uint64(0)
	for reads, total := 0, uint64(0); total < jobs*frames*2; reads++ {
		if reads > jobs*frames*2 {
			t.Fatalf("%d reads gave %d lines only", reads, total)
		}
		stop := 1 + random.IntN(10)
		err := b.Log.ReadOutput(t.Context(), stream.OutputReader{
			From: safe + 1,
			Next: func(j events.JobID, _ events.Lease) uint64 { return next[j] },
			Frame: func(f stream.OutputFrame) error {
				checkLines(t, f.Frame)
				if f.First != next[f.Job] {
					t.Fatalf("job %d: got line %d, want %d", f.Job, f.First, next[f.Job])
				}
				next[f.Job], total, safe = f.End(), total+f.Count, f.Safe
				if stop--; stop == 0 {
					return errStop
				}
				return nil
			},
			ToEnd: true,
		})
		if err != nil && err != errStop {
			t.Fatal(err)
		}
	}
}

// A job that is given out anew counts its lines from 0; what the old worker still sends is dropped.
func TestReadOutputNewLease(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 10, 0, 2)
	publish(t, b, 7, 20, 0, 1)
	publish(t, b, 7, 10, 2, 2)
	publish(t, b, 7, 20, 1, 2)
	if got, want := readAll(t, b, 7), "10:0+2 20:0+1 20:1+2"; got != want {
		t.Errorf("lines\n got %s\nwant %s", got, want)
	}
	// A reader that had all of the old lease, and begins again, gets all of the new one.
	var got []string
	err := b.Log.ReadOutput(t.Context(), stream.OutputReader{
		ToEnd: true, From: 2,
		Next: func(_ events.JobID, lease events.Lease) uint64 {
			if lease == 10 {
				return 2
			}
			return 0
		},
		Frame: func(f stream.OutputFrame) error {
			got = append(got, fmt.Sprintf("%d:%d+%d", f.Lease, f.First, f.Count))
			return nil
		},
	})
	if all, want := strings.Join(got, " "), "20:0+1 20:1+2"; err != nil || all != want {
		t.Errorf("lines\n got %s, %v\nwant %s", all, err, want)
	}
}

func TestReadOutputPassesOverNonsense(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 0, 1)
	for _, m := range []*nats.Msg{
		{Subject: "output.7", Data: []byte("{}\n")},
		{Subject: "output.x"},
		{Subject: "output.7", Header: events.Frame{Job: 8, Lease: 1, First: 1, Count: 1}.Header(), Data: []byte("{}\n")},
		{Subject: "output.7", Header: events.Frame{Job: 7, Lease: 1, First: 1, Count: 5}.Header(), Data: []byte("{}\n")},
	} {
		if _, err := b.Log.JetStream().PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, 7, 1, 1, 1)
	if got, want := readAll(t, b, 7), "1:0+1 1:1+1"; got != want {
		t.Errorf("lines\n got %s\nwant %s", got, want)
	}
	if n := b.Log.Counters().BadFrames.Load(); n != 4-1 { // output.x is not of job 7
		t.Errorf("counted %d bad frames, want 3", n)
	}
}

// A gap that the caller gives up by answering with a line beyond it does not hold later lines back.
func TestReadOutputGapGivenUp(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 0, 1)
	publish(t, b, 7, 1, 5, 1)
	publish(t, b, 7, 1, 6, 1)
	var next uint64
	var got []string
	err := b.Log.ReadOutput(t.Context(), stream.OutputReader{
		Job: 7, Next: func(events.JobID, events.Lease) uint64 { return next },
		Gap: func(_ events.JobID, _, to uint64) error { next = to; return nil },
		Frame: func(f stream.OutputFrame) error {
			got = append(got, fmt.Sprintf("%d+%d", f.First, f.Count))
			return nil
		},
		ToEnd: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, want := strings.Join(got, " "), "0+1 5+1 6+1"; all != want {
		t.Errorf("lines\n got %s\nwant %s", all, want)
	}
}

// Once output is no longer wanted, what was kept back behind a gap no longer holds the safe place
// back, though the job says nothing more.
func TestReadOutputNoMore(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 5, 1)
	publish(t, b, 8, 1, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wanted := uint64(0)
	var safe []uint64
	err := b.Log.ReadOutput(ctx, stream.OutputReader{
		Next: func(job events.JobID, _ events.Lease) uint64 {
			if job == 7 {
				return wanted
			}
			return 0
		},
		Frame: func(f stream.OutputFrame) error {
			if f.Job == 7 {
				t.Errorf("got line %d of a job that is not wanted", f.First)
			}
			safe = append(safe, f.Safe)
			return nil
		},
		Gap:      func(events.JobID, uint64, uint64) error { wanted = stream.NoMore; return nil },
		CaughtUp: func(at uint64) error { safe = append(safe, at); cancel(); return nil },
	})
	if got, want := fmt.Sprint(safe), "[0 2]"; err != nil || got != want {
		t.Errorf("safe places %s, %v, want %s", got, err, want)
	}
}

// More than is kept in memory waits for a gap: it is read again when it has its turn.
func TestReadOutputHoldsMoreThanFits(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const frames = 80 // of nearly 64 KiB
	for n := range uint64(frames) {
		f := events.Frame{Job: 7, Lease: 1, First: 1 + n, Count: 1, Body: []byte(fmt.Sprintf(`{"msg":"%d%s"}`+"\n", 1+n, strings.Repeat("x", 60<<10)))}
		if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, 7, 1, 0, 1)
	var next uint64
	err := b.Log.ReadOutput(t.Context(), stream.OutputReader{ToEnd: true, Frame: func(f stream.OutputFrame) error {
		checkLines(t, f.Frame)
		if f.First != next {
			t.Fatalf("got line %d, want %d", f.First, next)
		}
		next = f.End()
		return nil
	}})
	if err != nil || next != frames+1 {
		t.Errorf("read up to line %d (%v), want %d", next, err, frames+1)
	}
}

var errStop = fmt.Errorf("stop")

// publish sends a frame whose records hold their own line numbers.
func publish(t *testing.T, b *eventtest.Broker, job events.JobID, lease events.Lease, first, count uint64) {
	t.Helper()
	var records []events.Record
	for n := range count {
		records = append(records, events.Record{Level: events.Target, Message: fmt.Appendf(nil, `"%d"`, first+n)})
	}
	f, err := events.NewFrame(job, lease, first, records)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
		t.Fatal(err)
	}
}

// checkLines fails where a record is not at its place.
func checkLines(t *testing.T, f events.Frame) {
	t.Helper()
	records, err := f.Records()
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(records)) != f.Count {
		t.Fatalf("frame %d+%d of job %d has %d records", f.First, f.Count, f.Job, len(records))
	}
	for i, r := range records {
		if got := strings.Trim(string(r.Message), `"x`); got != fmt.Sprint(f.First+uint64(i)) {
			t.Fatalf("line %d of job %d holds what was sent as %s", f.First+uint64(i), f.Job, got)
		}
	}
}

// readAll returns all lines of a job as "lease:first+count …".
func readAll(t *testing.T, b *eventtest.Broker, job events.JobID) string {
	t.Helper()
	var got []string
	err := b.Log.ReadOutput(t.Context(), stream.OutputReader{Job: job, ToEnd: true, Frame: func(f stream.OutputFrame) error {
		checkLines(t, f.Frame)
		got = append(got, fmt.Sprintf("%d:%d+%d", f.Lease, f.First, f.Count))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

// TestPurgeAheadOfAReader purges what is announced to a reader before it was sent: the reader ends.
func TestPurgeAheadOfAReader(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const total = 200 // more than are on their way at once
	for n := range uint64(total) {
		f := events.Frame{Job: 7, Lease: 1, First: n, Count: 1, Body: []byte("{}\n")}
		if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
			t.Fatal(err)
		}
	}
	st, err := b.Log.JetStream().Stream(t.Context(), stream.Output)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	read := 0
	err = b.Log.ReadOutput(ctx, stream.OutputReader{Job: 7, ToEnd: true, Frame: func(stream.OutputFrame) error {
		if read++; read == 1 {
			return st.Purge(ctx)
		}
		return nil
	}})
	if err != nil || ctx.Err() != nil || read >= total {
		t.Errorf("read %d of %d frames, %v, %v, want fewer and the end", read, total, err, ctx.Err())
	}
}
