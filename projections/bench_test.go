package projections

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// BenchmarkStoredLines measures how fast lines that stand in OUTPUT come into log_lines, with broker,
// projector and engine on the same cores. One iteration is 500,000 lines of 50 jobs.
//
//	go test -run '^$' -bench StoredLines -benchtime 1x ./projections
func BenchmarkStoredLines(b *testing.B) {
	const jobs, lines = 50, 10_000
	console := consoleLines(b)
	broker := eventtest.Start(b)
	frames := uint64(0)
	for job := range events.JobID(jobs) {
		var records []events.Record
		size, first := 0, uint64(0)
		for i := range lines {
			r := events.Record{Time: time.Unix(1_800_000_000+int64(i), 123_000_000).UTC(), Level: events.Target, Message: console[(int(job)*777+i)%len(console)]}
			size += len(r.Message) + 80
			records = append(records, r)
			if size < events.MaxFrameBytes-4<<10 && i < lines-1 {
				continue
			}
			f, err := events.NewFrame(job+1, 1, first, records)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := broker.Log.JetStream().PublishMsg(b.Context(), &nats.Msg{Subject: events.OutputSubject(f.Job), Header: nats.Header(f.Header()), Data: f.Body}); err != nil {
				b.Fatal(err)
			}
			frames++
			first, size, records = f.End(), 0, nil
		}
	}
	b.ResetTimer()
	total := time.Duration(0)
	for range b.N {
		b.StopTimer()
		db := openTest(b)
		p := NewProjector(Settings{DB: db, Log: broker.Log})
		b.StartTimer()
		began := time.Now()
		if err := p.fill(b.Context(), db, nil); err != nil {
			b.Fatal(err)
		}
		total += time.Since(began)
		b.StopTimer()
		if at, err := db.Position(b.Context(), stream.Output); err != nil || at != frames {
			b.Fatalf("tables are at %d of %d frames, %v", at, frames, err)
		}
		size, err := db.LogSize(b.Context())
		if err != nil || size.Lines != jobs*lines {
			b.Fatalf("%d lines in the table, %v; want %d", size.Lines, err, jobs*lines)
		}
		b.ReportMetric(float64(size.Columns)/float64(size.Lines), "bytes/line")
		b.ReportMetric(float64(size.Index)/float64(size.Lines), "index-bytes/line")
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*jobs*lines)/total.Seconds(), "lines/s")
}

// BenchmarkStoredCases measures how fast test cases that stand in RESULTS come into their tables, in the
// manner of BenchmarkStoredLines. One iteration is 300,000 cases of 300 jobs.
func BenchmarkStoredCases(b *testing.B) {
	const jobs, cases, fact = 300, 1000, 100
	broker := eventtest.Start(b)
	at := time.Unix(1_800_000_000, 0).UTC()
	for job := range events.JobID(jobs) {
		var facts []events.Event
		for first := uint64(0); first < cases; first += fact {
			e := events.ResultsRecorded{Job: job + 1, Lease: 1, FirstLine: first * 10, Lines: fact * 10}
			for i := first; i < first+fact; i++ {
				start, end := i*10, i*10+9
				c := events.Case{Suite: fmt.Sprint(i/200, "_bench"), Set: fmt.Sprint("round-", i/50), Name: fmt.Sprint("net_belcor_dwc", i), Result: events.Pass,
					At: at.Add(time.Duration(i) * time.Millisecond), Line: end, StartLine: &start, EndLine: &end}
				if i%10 == 3 {
					value := float64(i) + 0.25
					c.Measurement, c.Units = &value, "ms"
				}
				e.Cases = append(e.Cases, c)
			}
			facts = append(facts, e)
		}
		broker.Append(b, facts...)
	}
	b.ResetTimer()
	total := time.Duration(0)
	for range b.N {
		db := openTest(b)
		began := time.Now()
		if err := NewProjector(Settings{DB: db, Log: broker.Log}).fill(b.Context(), db, nil); err != nil {
			b.Fatal(err)
		}
		total += time.Since(began)
		if n, _, err := db.ResultSize(b.Context()); err != nil || n != jobs*cases {
			b.Fatalf("%d cases in the table, %v; want %d", n, err, jobs*cases)
		}
	}
	b.ReportMetric(float64(b.N*jobs*cases)/total.Seconds(), "cases/s")
}

// BenchmarkFacts measures how fast facts that stand in LAB come into their tables.
func BenchmarkFacts(b *testing.B) {
	const jobs = 4_000
	broker := eventtest.Start(b)
	at := time.Unix(1_800_000_000, 0).UTC()
	var facts []events.Event
	for job := range events.JobID(jobs) {
		facts = append(facts,
			events.JobSubmitted{Job: job + 1, Display: (job + 1).String(), User: "alice", Name: "bench", At: at, DeviceType: "qemu"},
			events.JobScheduled{Job: job + 1, Device: "qemu-01", Worker: "w1", Lease: events.Lease(job + 1)},
			events.DeviceReserved{Device: "qemu-01", Job: job + 1, Lease: events.Lease(job + 1)},
			events.JobStarted{Job: job + 1, Device: "qemu-01", Worker: "w1", Lease: events.Lease(job + 1), At: at},
			events.JobFinished{Job: job + 1, Device: "qemu-01", Worker: "w1", Lease: events.Lease(job + 1), Health: events.Complete, At: at})
	}
	broker.Append(b, facts...)
	b.ResetTimer()
	total := time.Duration(0)
	for range b.N {
		db := openTest(b)
		began := time.Now()
		if err := NewProjector(Settings{DB: db, Log: broker.Log}).fill(b.Context(), db, nil); err != nil {
			b.Fatal(err)
		}
		total += time.Since(began)
	}
	b.ReportMetric(float64(b.N*len(facts))/total.Seconds(), "facts/s")
}

// consoleLines returns recorded console lines as JSON texts, or made ones where none are there.
func consoleLines(b *testing.B) [][]byte {
	b.Helper()
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "shared")
	}
	var lines [][]byte
	files, err := filepath.Glob(filepath.Join(corpus, "consoles", "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(file); s.Scan() && len(lines) < 100_000; {
			lines = append(lines, fmt.Appendf(nil, "%q", printable(s.Bytes())))
		}
		file.Close()
	}
	if len(lines) < 1000 {
		b.Log("no recorded consoles: made lines instead")
		for i := range 20_000 {
			lines = append(lines, fmt.Appendf(nil, `"[%12.6f] usb %d-1: new high-speed USB device number %d using xhci-hcd"`, float64(i)/1000, i%7, i%128))
		}
	}
	return lines
}

// printable leaves out what a JSON string would have to escape in another way than %q does.
func printable(line []byte) string {
	var out []byte
	for _, c := range line {
		if c >= ' ' && c < 0x7f && c != '\\' {
			out = append(out, c)
		}
	}
	return string(out[:min(len(out), 2000)])
}
