package projections

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
)

// Rows are the same whether they travel chunk by chunk, with the types that are known here, or in one
// piece with those that the engine tells; and one way is known as a repetition of the other.
func TestBothWaysOfInserting(t *testing.T) {
	t.Parallel()
	blocks, whole := openTest(t), openTest(t)
	whole.options.Protocol = clickhouse.Native // which only insertPortion looks at
	for _, db := range []*DB{blocks, whole} {
		r := &builder{db: db, log: slog.New(slog.DiscardHandler), models: models(), jobs: map[events.JobID]*coverage{}, stored: func() uint64 { return 0 }}
		for _, name := range projected() {
			b := newBatch(name)
			for _, m := range oddMessages(t, name) {
				if err := r.add(t.Context(), b, m); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.insert(t.Context(), r.models, b); err != nil {
				t.Fatalf("insert %s: %v", name, err)
			}
			// After a crash a batch goes again, perhaps by a release that sends it otherwise.
			for _, protocol := range []clickhouse.Protocol{clickhouse.Native, clickhouse.HTTP} {
				again := *blocks
				again.options.Protocol = protocol
				if err := again.insert(t.Context(), r.models, b); err != nil {
					t.Fatalf("insert %s again: %v", name, err)
				}
			}
		}
	}
	if got, want := text(t, blocks, "SELECT count() FROM test_cases"), fmt.Sprint(5*oddFacts); got != want {
		t.Errorf("%s cases, want %s", got, want)
	}
	if got, want := text(t, blocks, "SELECT count() FROM log_line_state"), fmt.Sprint(chunkLines+10); got != want {
		t.Errorf("%s lines, want %s", got, want)
	}
	for _, table := range []string{"events", "job_state FINAL", "job_transitions", "job_viewers FINAL", "test_suite_counts FINAL", "test_set_counts FINAL",
		"test_cases", "measurements", "log_line_state", "log_templates FINAL", "log_template_jobs FINAL", "log_words FINAL"} {
		sum := "SELECT count(), sum(cityHash64(tuple(*))) FROM " + table
		if a, b := text(t, blocks, sum), text(t, whole, sum); a != b {
			t.Errorf("rows of %s and their sum are %s in blocks, %s in one piece", table, a, b)
		}
	}
}

// A table of many rows that lost its known types would be slow, and nothing else.
func TestManyRowsTravelInBlocks(t *testing.T) {
	hot := map[string]bool{"events": true, "test_cases": true, "test_suite_counts": true, "test_set_counts": true, "measurements": true}
	for _, m := range models() {
		if hot[m.table] && m.wire == nil {
			t.Errorf("%s travels in one piece: a column has a type that cells does not know", m.table)
		}
	}
}

// A fact whose rows cannot be sent fails its insert, and the next one goes on.
func TestInsertTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	b := newBatch(stream.Results)
	b.first, b.last = 1, 1
	rows := []caseRow{{Job: 1, Suite: "a", Name: "b", Result: "perhaps", Time: time.Unix(5, 0)}}
	b.gather("test_cases", rows, len(rows))
	if err := db.insert(t.Context(), models(), b); err == nil {
		t.Error("a result that the table does not know was inserted")
	}
	rows[0].Result = "pass"
	if err := db.insert(t.Context(), models(), b); err != nil {
		t.Error(err)
	}
	if got := text(t, db, "SELECT job, result FROM test_cases"); got != "1 pass" {
		t.Errorf("the table has %q, want the one row of the second insert", got)
	}
}

// oddFacts is more than make a chunk.
const oddFacts = 2*chunkFacts + 3

// oddMessages makes messages of a stream whose rows have whatever rows can have.
func oddMessages(t *testing.T, name string) (list []stream.Message) {
	t.Helper()
	at := time.Date(2026, 11, 22, 10, 0, 0, 123_456_000, time.UTC)
	if name == stream.Output {
		const lines, frame = chunkLines + 10, 500
		for first := 0; first < lines; first += frame {
			var records []events.Record
			for i := first; i < min(first+frame, lines); i++ {
				records = append(records, events.Record{Time: at, Level: []events.Level{events.Target, events.Feedback}[i%2], Message: json.RawMessage(fmt.Sprintf(`"line %d é"`, i%7))})
			}
			f, err := events.NewFrame(7, 1, uint64(first), records)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, stream.Message{Stream: name, Seq: uint64(first + 1), Subject: events.OutputSubject(7), At: at, Header: nats.Header(f.Header()), Data: f.Body})
		}
		return list
	}
	value, infinite, line := 1.25, math.MaxFloat64, uint64(math.MaxUint64)
	for seq := uint64(1); seq <= oddFacts; seq++ {
		job := events.JobID(seq%50 + 1)
		var e events.Event = events.JobSubmitted{Job: job, Display: job.String(), User: "é", Name: "odd", At: at, Metadata: map[string]string{"b": "2", "a": "1"}}
		if name == stream.Results {
			e = events.ResultsRecorded{Job: job, Cases: []events.Case{
				{Suite: "0_smoke", Name: "plain", Result: events.Pass, At: at},
				{Suite: "0_smoke", Set: "s", Name: "größe\x00\n", Result: events.Fail, Measurement: &value, Units: "µs", At: at, Line: line, StartLine: &line, EndLine: &line},
				{Suite: fmt.Sprint(seq), Set: fmt.Sprint("set", seq), Result: "odd", Measurement: &infinite, At: time.Time{}, Metadata: map[string]string{"z": "", "a": "{\"x\":1}", "m": "é"}},
				{Suite: "lava", Name: "job", Result: events.Skip, At: at.AddDate(500, 0, 0), StartLine: new(uint64)},
				{Suite: "lava", Name: fmt.Sprint("step", seq), Result: events.UnknownOutcome, At: at.Add(time.Duration(seq))},
			}}
		}
		header, body, err := events.Encode(e, events.Envelope{ID: fmt.Sprint("id-", seq), Source: "services/test", Time: at, Actor: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stream.Message{Stream: name, Seq: seq, Subject: e.About().Subject(), At: at, Header: nats.Header(header), Data: body})
	}
	return list
}
