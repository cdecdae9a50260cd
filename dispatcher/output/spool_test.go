package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"strata/events"
)

func TestSpoolCutsATornLine(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 0, 3)
	path := filepath.Join(dir, spoolFile)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"dt":"2026-11-22T12:0`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	fill(t, dir, 3, 2)
	checkSpool(t, dir, 5)
}

// A process that is killed in the middle of logging loses no record that it had logged.
func TestSpoolSurvivesSIGKILL(t *testing.T) {
	if dir := os.Getenv("STRATA_TEST_SPOOL"); dir != "" {
		s, err := OpenSpool(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			if err := s.Append(numbered(i)); err != nil {
				t.Fatal(err)
			}
			if i == 1000 {
				fmt.Println("logged")
			}
		}
	}
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSpoolSurvivesSIGKILL$")
	cmd.Env = append(os.Environ(), "STRATA_TEST_SPOOL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Lines() < 1001 {
		t.Errorf("%d lines are left of at least 1001", s.Lines())
	}
	checkSpool(t, dir, int(s.Lines()))
}

func TestPublisherSendsEverythingOnce(t *testing.T) {
	for _, every := range []int{0, 2, 3} {
		t.Run(fmt.Sprintf("each %dth send fails", every), func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 0, 5000)
			synctest.Test(t, func(t *testing.T) {
				bus := &bus{failEvery: every}
				done := make(chan struct{})
				close(done)
				if err := publisher(dir, bus).Run(t.Context(), done); err != nil {
					t.Fatal(err)
				}
				bus.check(t, 5000)
			})
		})
	}
}

// A publisher that is stopped at any point is followed by one that sends the rest. The frame that
// may have been stored goes again unchanged, so that its message id is the same.
func TestPublisherResumes(t *testing.T) {
	for _, stored := range []bool{false, true} {
		for stop := 1; stop < 6; stop++ {
			t.Run(fmt.Sprintf("stopped at frame %d, stored %v", stop, stored), func(t *testing.T) {
				dir := t.TempDir()
				fill(t, dir, 0, 3000)
				synctest.Test(t, func(t *testing.T) {
					b := &bus{}
					ctx, cancel := context.WithCancel(t.Context())
					p := publisher(dir, b)
					n := 0
					p.Send = func(ctx context.Context, f events.Frame) error {
						if n++; n == stop {
							cancel()
							if stored {
								_ = b.send(ctx, f)
							}
							return ctx.Err()
						}
						return b.send(ctx, f)
					}
					if err := p.Run(ctx, nil); !errors.Is(err, context.Canceled) {
						t.Fatalf("stopped publisher: %v", err)
					}
					fill(t, dir, 3000, 1000) // the job goes on meanwhile
					done := make(chan struct{})
					close(done)
					if err := publisher(dir, b).Run(t.Context(), done); err != nil {
						t.Fatal(err)
					}
					b.check(t, 4000)
					if sent, err := Sent(dir); sent != 4000 || err != nil {
						t.Errorf("sent: %d, %v; want 4000", sent, err)
					}
				})
			})
		}
	}
}

// A machine that loses power may lose the last second of the spool and the note of what was sent. What
// is left goes out all the same: readers drop what they have.
func TestPublisherAfterALossOfPower(t *testing.T) {
	for _, cut := range []string{"note is empty", "note is gone", "spool is shorter than what was sent", "spool ends within the frame noted"} {
		t.Run(cut, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 0, 3000)
			done := make(chan struct{})
			close(done)
			b := &bus{}
			p := publisher(dir, b)
			ctx, cancel := context.WithCancel(t.Context())
			p.Send = func(ctx context.Context, f events.Frame) error {
				if len(b.frames) == 3 {
					cancel()
					return ctx.Err()
				}
				return b.send(ctx, f)
			}
			if err := p.Run(ctx, done); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			state, err := readProgress(dir)
			if err != nil || state.Frame == 0 {
				t.Fatalf("noted: %+v, %v", state, err)
			}
			note, spool := filepath.Join(dir, sentFile), filepath.Join(dir, spoolFile)
			switch cut {
			case "note is empty":
				err = os.Truncate(note, 0)
			case "note is gone":
				err = os.Remove(note)
			case "spool is shorter than what was sent":
				err = os.Truncate(spool, state.Offset-1000)
			default:
				err = os.Truncate(spool, state.Offset+1000)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err := OpenSpool(dir)
			if err != nil {
				t.Fatal(err)
			}
			lines := s.Lines()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := &bus{}
			if err := publisher(dir, again).Run(t.Context(), done); err != nil {
				t.Fatal(err)
			}
			end := b.frames[2].End()
			for _, f := range again.frames {
				if f.First > end {
					t.Fatalf("frame begins with line %d, want no gap after line %d", f.First, end)
				}
				end = max(end, f.End())
			}
			if want := max(lines, b.frames[2].End()); end != want {
				t.Errorf("%d lines arrived in all, want %d", end, want)
			}
		})
	}
}

func TestFramesGatherFor20Milliseconds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenSpool(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := &bus{}
		p := publisher(dir, b)
		p.Grown = s.Grown()
		arrived := make(chan struct{}, 100)
		p.Send = func(ctx context.Context, f events.Frame) error {
			defer func() { arrived <- struct{}{} }()
			return b.send(ctx, f)
		}
		done, ended := make(chan struct{}), make(chan error)
		go func() { ended <- p.Run(t.Context(), done) }()
		start := time.Now()
		synctest.Wait()
		for i := range 5 {
			if err := s.Append(numbered(i)); err != nil {
				t.Error(err)
			}
		}
		<-arrived
		if took := time.Since(start); took > 21*time.Millisecond {
			t.Errorf("the first frame left after %v, want 20 ms after its first line", took)
		}
		if b.frames[0].Count != 5 {
			t.Errorf("the first frame has %d lines, want the 5 that came together", b.frames[0].Count)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.check(t, 5)
	})
}

func TestPublisherWithoutASpool(t *testing.T) {
	done := make(chan struct{})
	close(done)
	if err := publisher(t.TempDir(), &bus{}).Run(t.Context(), done); err != nil {
		t.Errorf("a job that never logged: %v, want nothing to send and no error", err)
	}
}

// Two spools never share a message id, whatever their jobs: else one could make the broker drop
// frames of the other as doubles.
func TestSpoolsShareNoMessageID(t *testing.T) {
	done := make(chan struct{})
	close(done)
	both := &bus{}
	for range 2 {
		dir := t.TempDir()
		fill(t, dir, 0, 100)
		if err := publisher(dir, both).Run(t.Context(), done); err != nil {
			t.Fatal(err)
		}
	}
	if len(both.frames) != both.n || both.n < 2 {
		t.Errorf("%d of %d frames were stored, want none dropped as a double", len(both.frames), both.n)
	}
}

// bus stands for a broker with a dedup window.
type bus struct {
	failEvery, n int
	frames       []events.Frame
	ids          map[string]bool
}

func (b *bus) send(_ context.Context, f events.Frame) error {
	b.n++
	lost := b.failEvery > 0 && b.n%b.failEvery == 0
	if lost && b.n%2 == 0 {
		return errors.New("no responders") // it never arrived
	}
	id := f.Header()[events.HeaderMsgID][0]
	if b.ids == nil {
		b.ids = map[string]bool{}
	}
	if !b.ids[id] {
		b.ids[id] = true
		f.Body = append([]byte(nil), f.Body...)
		b.frames = append(b.frames, f)
	}
	if lost {
		return errors.New("timeout") // it was stored, but nobody said so
	}
	return nil
}

// check verifies that the frames hold lines 0 to n-1, each once and in order.
func (b *bus) check(t *testing.T, n int) {
	t.Helper()
	next := 0
	for _, f := range b.frames {
		if f.First != uint64(next) || len(f.Body) > events.MaxFrameBytes {
			t.Fatalf("frame begins with line %d and has %d bytes, want line %d and at most 64 KiB", f.First, len(f.Body), next)
		}
		records, err := f.Records()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if want := string(numbered(next).Message); string(r.Message) != want {
				t.Fatalf("line %d: %s, want %s", next, r.Message, want)
			}
			next++
		}
	}
	if next != n {
		t.Errorf("%d lines arrived, want %d", next, n)
	}
}

func publisher(dir string, b *bus) *Publisher {
	return &Publisher{Dir: dir, Job: 42, Lease: 7, Send: b.send}
}

func numbered(i int) events.Record {
	text, _ := json.Marshal(fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%200)))
	return events.Record{Time: noon, Level: events.Target, Message: text}
}

func fill(t *testing.T, dir string, from, n int) {
	t.Helper()
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < from+n; i++ {
		if err := s.Append(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkSpool(t *testing.T, dir string, n int) {
	t.Helper()
	i := 0
	err := ReadSpool(dir, func(line []byte) error {
		var r events.Record
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if string(r.Message) != string(numbered(i).Message) {
			return fmt.Errorf("line %d is %s", i, r.Message)
		}
		i++
		return nil
	})
	if err != nil || i != n {
		t.Errorf("spool: %d lines, %v; want %d", i, err, n)
	}
}
