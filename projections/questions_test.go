package projections

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// asked projects three stories, of jobs 1, 11 and 21, and returns the tables.
func asked(t *testing.T) *DB {
	t.Helper()
	broker, db := eventtest.Start(t), openTest(t)
	for _, job := range []events.JobID{1, 11, 21} {
		story(t, broker, job)
	}
	lab := broker.Append(t, events.JobSubmitted{Job: 30, Display: "30", User: "carol", Name: "Boot of Next",
		At: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), DeviceType: "bbb", HealthCheck: true})[0].Seq
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	awaitPosition(t, db, stream.Results, 6)
	awaitPosition(t, db, stream.Output, 12)
	stop()
	return db
}

// The questions are asked of one set of tables: to fill them takes longer than to ask.
func TestQuestions(t *testing.T) {
	db := asked(t)
	for name, test := range map[string]func(*testing.T, *DB){
		"Jobs":    testJobs,
		"OneJob":  testOneJob,
		"JobPage": testJobPage,
		"Results": testResults,
		"Lines":   testLines,
		"SQL":     testSQL,
		"Stream":  testStream,
	} {
		t.Run(name, func(t *testing.T) { test(t, db) })
	}
}

func testJobs(t *testing.T, db *DB) {
	yes, no := true, false
	tests := []struct {
		name   string
		filter JobFilter
		want   []uint64
		count  uint64
	}{
		{"all, newest first", JobFilter{Viewer: Viewer{All: true}}, []uint64{30, 21, 11, 1}, 4},
		{"rejected too", JobFilter{Viewer: Viewer{All: true}, Rejected: true}, []uint64{30, 22, 21, 12, 11, 2, 1}, 7},
		{"a page", JobFilter{Viewer: Viewer{All: true}, Limit: 2}, []uint64{30, 21}, 4},
		{"the next page", JobFilter{Viewer: Viewer{All: true}, Limit: 2, Before: 21}, []uint64{11, 1}, 4},
		{"of a user", JobFilter{Viewer: Viewer{All: true}, User: "carol"}, []uint64{30}, 1},
		{"of a device type", JobFilter{Viewer: Viewer{All: true}, DeviceType: "qemu"}, []uint64{21, 11, 1}, 3},
		{"on a device", JobFilter{Viewer: Viewer{All: true}, Device: "qemu-01"}, []uint64{21, 11, 1}, 3},
		{"on a worker", JobFilter{Viewer: Viewer{All: true}, Worker: "w2"}, nil, 0},
		{"in a state", JobFilter{Viewer: Viewer{All: true}, States: []string{"Submitted", "Running"}}, []uint64{30}, 1},
		{"with a health", JobFilter{Viewer: Viewer{All: true}, Healths: []string{"Canceled"}}, []uint64{21, 11, 1}, 3},
		{"by name", JobFilter{Viewer: Viewer{All: true}, Name: "of next"}, []uint64{30}, 1},
		{"with a quote in the name", JobFilter{Viewer: Viewer{All: true}, Name: "' OR 1 --"}, nil, 0},
		{"health checks", JobFilter{Viewer: Viewer{All: true}, HealthChecks: &yes}, []uint64{30}, 1},
		{"no health checks", JobFilter{Viewer: Viewer{All: true}, HealthChecks: &no}, []uint64{21, 11, 1}, 3},
		{"since", JobFilter{Viewer: Viewer{All: true}, Since: time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)}, []uint64{30}, 1},
		{"several at once", JobFilter{Viewer: Viewer{All: true}, User: "alice", States: []string{"Finished"}, Before: 20, Limit: 1}, []uint64{11}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := db.Jobs(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, j := range list {
				got = append(got, j.Job)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Jobs(%+v) = %v; want %v", tt.filter, got, tt.want)
			}
			if n, err := db.CountJobs(t.Context(), tt.filter); err != nil || n != tt.count {
				t.Errorf("CountJobs(%+v) = %d, %v; want %d", tt.filter, n, err, tt.count)
			}
		})
	}
}

func testOneJob(t *testing.T, db *DB) {
	j, err := db.Job(t.Context(), 11)
	if err != nil {
		t.Fatal(err)
	}
	if j.State != "Finished" || j.Health != "Canceled" || j.Metadata["branch"] != "next" || j.Device != "qemu-01" ||
		j.StartedAt == nil || j.EndedAt.Sub(*j.StartedAt) != 59*time.Second || !j.Complete || j.Lines != 5 {
		t.Errorf("Job(11) = %+v", j)
	}
	if _, err := db.Job(t.Context(), 404); !errors.Is(err, ErrNotFound) {
		t.Errorf("Job(404): %v; want ErrNotFound", err)
	}
	steps, err := db.JobTransitions(t.Context(), 11)
	if err != nil || len(steps) != 8 || steps[7].Event != "job.judged" || steps[0].Event != "job.submitted" || steps[3].Device != "qemu-01" {
		t.Errorf("JobTransitions(11) = %+v, %v", steps, err)
	}
	device, err := db.DeviceTransitions(t.Context(), "qemu-01", 2)
	if err != nil || len(device) != 2 || device[0].Event != "device.health-changed" || device[0].Job != 21 {
		t.Errorf("DeviceTransitions = %+v, %v", device, err)
	}
}

func testResults(t *testing.T, db *DB) {
	suites, err := db.Suites(t.Context(), 1)
	if err != nil || len(suites) != 2 || suites[0].Suite != "0_smoke" || suites[0].Cases != 3 || suites[1].Passes != 1 {
		t.Errorf("Suites(1) = %+v, %v", suites, err)
	}
	cases, err := db.Cases(t.Context(), CaseFilter{Job: 1, Limit: 3})
	if err != nil || len(cases) != 3 || cases[1].Set != "net" || *cases[0].StartLine != 3 {
		t.Fatalf("Cases = %+v, %v", cases, err)
	}
	rest, err := db.Cases(t.Context(), CaseFilter{Job: 1, Limit: 3, After: &cases[2]})
	if err != nil || len(rest) != 1 || rest[0].Name != "login-action" || *rest[0].Measurement != 2.5 || rest[0].Metadata["level"] != "1.2" {
		t.Errorf("Cases after the third = %+v, %v", rest, err)
	}
	failed, err := db.Cases(t.Context(), CaseFilter{Results: []string{"fail"}, Suite: "0_smoke", Set: "net", Name: "b"})
	if err != nil || len(failed) != 3 {
		t.Errorf("failed cases of all jobs = %+v, %v; want 3", failed, err)
	}
}

func testLines(t *testing.T, db *DB) {
	tests := []struct {
		name   string
		filter LineFilter
		want   []uint64
	}{
		{"all", LineFilter{Job: 1}, []uint64{0, 1, 2, 3, 4}},
		{"from a line", LineFilter{Job: 1, From: 3}, []uint64{3, 4}},
		{"between", LineFilter{Job: 1, From: 1, To: 3}, []uint64{1, 2}},
		{"of a level", LineFilter{Job: 1, Levels: []events.Level{events.Results}}, []uint64{4}},
		{"a page", LineFilter{Job: 1, From: 1, Limit: 2}, []uint64{1, 2}},
		{"another job", LineFilter{Job: 99}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := db.Lines(t.Context(), tt.filter)
			var got []uint64
			for _, l := range list {
				got = append(got, l.Line)
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Lines(%+v) = %v, %v; want %v", tt.filter, got, err, tt.want)
			}
		})
	}
}

func testSQL(t *testing.T, db *DB) {
	got, err := db.SQL(t.Context(), "SELECT job, suite, measurement, metadata, time FROM test_cases WHERE job = 1 AND suite = 'lava'", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"rows":[[1,"lava",2.5,{"case":"login-action","level":"1.2"},"2026-11-22T10:00:00Z"]],"cut":false`; !strings.Contains(string(out), want) {
		t.Errorf("SQL = %s\nwant it to have %s", out, want)
	}
	cut, err := db.SQL(t.Context(), "SELECT number FROM numbers(100000)", Limits{Rows: 7})
	if err != nil || len(cut.Rows) != 7 || !cut.Cut {
		t.Errorf("SQL of too many rows: %d rows, cut %t, %v; want 7, cut", len(cut.Rows), cut.Cut, err)
	}
	for statement, code := range map[string]int32{
		"DROP TABLE log_lines":                              164, // READONLY
		"INSERT INTO log_lines (job) VALUES (1)":            164,
		"SELECT 1 SETTINGS max_execution_time = 0":          164,
		"SELECT * FROM file('/etc/passwd', 'LineAsString')": 164,
		"SELEC 1": 62, // SYNTAX_ERROR
		"SELECT groupArray(number) FROM numbers(100000000)":                                         241, // MEMORY_LIMIT_EXCEEDED
		"SELECT count() FROM log_lines WHERE nothing = 1":                                           47,  // UNKNOWN_IDENTIFIER
		"SELECT max(number * 2) FROM system.numbers":                                                158, // TOO_MANY_ROWS
		"SELECT count() FROM numbers(190000000) WHERE cityHash64(repeat(toString(number), 20)) = 1": 159, // TIMEOUT_EXCEEDED
	} {
		var exception *clickhouse.Exception
		within := Limits{Time: time.Minute, Memory: 64 << 20, Read: 200_000_000} // on a busy machine a bound of rows may take its time
		if code == 159 {
			within.Time = 2 * time.Second
		}
		_, err := db.SQL(t.Context(), statement, within)
		if !errors.As(err, &exception) || exception.Code != code {
			t.Errorf("%s: %v; want code %d", statement, err, code)
		}
		if errors.Is(err, ErrAway) {
			t.Errorf("%s: %v; history is not away", statement, err)
		}
	}
}

func testStream(t *testing.T, db *DB) {
	read := func(statement, format string, l Limits) (string, error) {
		body, err := db.Stream(t.Context(), statement, format, l)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(body)
		return string(text), errors.Join(err, body.Close())
	}
	got, err := read("SELECT job, name FROM jobs ORDER BY job", "CSVWithNames", Limits{})
	if want := "\"job\",\"name\"\n1,\"smoke\"\n"; err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("as CSV: %q, %v; want %q", got, err, want)
	}
	got, err = read("SELECT number FROM numbers(200000)", "TSV", Limits{Rows: 1_000_000})
	if err != nil || strings.Count(got, "\n") != 200_000 || !strings.HasSuffix(got, "\n199999\n") {
		t.Errorf("200,000 rows: %d, %v", strings.Count(got, "\n"), err)
	}
	var refused *Refusal
	got, err = read("SELECT throwIf(number = 3000000) FROM numbers(10000000)", "TSV", Limits{Rows: 100_000_000})
	if !errors.As(err, &refused) || refused.Code != 395 || strings.Contains(got, "exception") || strings.Contains(refused.Message, "__exception__") || len(got) == 0 {
		t.Errorf("in the middle: %d bytes, %v; want some and code 395", len(got), err)
	}
	for statement, code := range map[string]int{
		"SELECT number FROM numbers(100)": 396, "SELEC 1": 62, "DROP TABLE log_lines": 164, "SELECT 1 SETTINGS readonly = 0": 164,
	} {
		if _, err := read(statement, "TSV", Limits{Rows: 10}); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s: %v; want code %d", statement, err, code)
		}
	}
}

func TestResultReader(t *testing.T) {
	const frame = "\r\n__exception__\r\ntag\r\nCode: 241. DB::Exception: too much\n34 tag\r\n__exception__\r\n"
	for _, size := range []int{1, 7, 4096} {
		for text, want := range map[string]string{
			"": "", "a\tb\n": "a\tb\n", "a\r\n__exception__\r\nother": "a\r\n__exception__\r\nother",
			"rows\n" + frame: "rows\n", frame: "",
		} {
			body := io.NopCloser(strings.NewReader(text))
			r := &resultReader{body: body, in: bufio.NewReaderSize(iotest.OneByteReader(body), 64), marker: []byte("\r\n__exception__\r\ntag")}
			var got []byte
			var err error
			for piece := make([]byte, size); err == nil; {
				var n int
				n, err = r.Read(piece)
				got = append(got, piece[:n]...)
			}
			var refused *Refusal
			if failed := strings.Contains(text, frame); failed != errors.As(err, &refused) || !failed && err != io.EOF || string(got) != want {
				t.Errorf("%q in pieces of %d: %q, %v; want %q", text, size, got, err, want)
			} else if failed && (refused.Code != 241 || refused.Message != "Code: 241. DB::Exception: too much") {
				t.Errorf("%q: %+v", text, refused)
			}
		}
	}
}

func TestQuestionsWhileAway(t *testing.T) {
	db, err := Open("http://default@127.0.0.1:1/strata") // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, ask := range map[string]func(context.Context) error{
		"Ping": db.Ping,
		"Job":  func(ctx context.Context) error { _, err := db.Job(ctx, 1); return err },
		"Jobs": func(ctx context.Context) error {
			_, err := db.Jobs(ctx, JobFilter{Viewer: Viewer{All: true}})
			return err
		},
		"SQL":     func(ctx context.Context) error { _, err := db.SQL(ctx, "SELECT 1", Limits{}); return err },
		"Migrate": db.Migrate,
		"Stream":  func(ctx context.Context) error { _, err := db.Stream(ctx, "SELECT 1", "TSV", Limits{}); return err },
	} {
		if err := ask(t.Context()); !errors.Is(err, ErrAway) {
			t.Errorf("%s: %v; want ErrAway", name, err)
		}
	}
}

func TestOpenRefusesWhatIsNoDSN(t *testing.T) {
	for _, dsn := range []string{"", "strata", "http://", "ftp://h/x"} {
		if db, err := Open(dsn); err == nil {
			db.Close()
			t.Errorf("Open(%q) was taken", dsn)
		}
	}
}
