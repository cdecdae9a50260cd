package events

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// checkRead compares what readResults makes of a payload with what encoding/json makes of it.
func checkRead(t *testing.T, body []byte) (taken bool) {
	t.Helper()
	got, taken := readResults(body)
	if !taken {
		return false
	}
	var want ResultsRecorded
	if err := json.Unmarshal(body, &want); err != nil {
		t.Errorf("%s\nwas read, but encoding/json says %v", body, err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", body, got, want)
	}
	return true
}

// Whatever ingestion may record is read the quick way, or the speed would be lost unseen.
func TestReadResultsTakesWhatIsWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 7))
	for range 300 {
		e := randomResults(random)
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if !checkRead(t, body) {
			t.Fatalf("%s\nis left to encoding/json", body)
		}
	}
}

// Whatever is not written so is left to encoding/json, or read as it reads it.
func TestReadResultsLeavesOtherForms(t *testing.T) {
	const whole = `{"job":7,"lease":3,"first_line":0,"lines":9,"cases":[{"suite":"a","name":"b","result":"pass","measurement":1.5,` +
		`"units":"s","at":"2026-11-22T10:00:00.25Z","line":4,"start_line":2,"metadata":{"k":"v"}}]}`
	if !checkRead(t, []byte(whole)) {
		t.Fatal("the whole one is left")
	}
	for _, change := range []struct{ from, to string }{
		{`"job":7`, `"job":07`}, {`"job":7`, `"job":-7`}, {`"job":7`, `"job":`}, {`"job":7`, `"job": 7`}, {`"job":7`, `"job":18446744073709551616`},
		{`"job":7`, `"Job":7`}, {`"job":7`, `"job":"7"`}, {`"job":7`, `"job":7.0`}, {`"job":7,"lease":3`, `"lease":3,"job":7`}, {`"lease":3`, `"lease":3,"lease":4`},
		{`"name":"b"`, "\"name\":\"b\x01\""}, {`"name":"b"`, `"name":null`}, {`"name":"b"`, `"name":"\q"`}, {`"name":"b"`, `"name":"b`}, {`"name":"b"`, `"name":"b"x`},
		{`"name":"b"`, `"name":"b","new":1`}, {`1.5`, `01.5`}, {`1.5`, `1.`}, {`1.5`, `+1`}, {`1.5`, `1e999`}, {`1.5`, `.5`}, {`1.5`, `Inf`}, {`1.5`, `1_0`}, {`1.5`, `null`},
		{`10:00:00.25Z`, `25:00:00Z`}, {`10:00:00.25Z`, `10:00:00.25\u005a`}, {`"2026-11-22T10:00:00.25Z"`, `""`},
		{`{"k":"v"}`, `{"k":1}`}, {`{"k":"v"}`, `{"k":"v",}`}, {`{"k":"v"}`, `{"k":"v""l":"w"}`}, {`{"k":"v"}`, `null`}, {`{"k":"v"}`, `{`},
		{`]}`, `],"files":[]}`}, {`]}`, `]}]`}, {`]}`, `]} `}, {`]}`, `,]}`}, {`]}`, `]`}, {`}]`, `}`}, {`[{`, `[`}, {`"line":4`, `"line":`},
	} {
		body := strings.Replace(whole, change.from, change.to, 1)
		if body == whole {
			t.Errorf("%q stands nowhere", change.from)
		}
		if checkRead(t, []byte(body)) {
			t.Errorf("%s was read", body)
		}
	}
	for _, change := range []struct{ from, to string }{
		{`"b"`, `"a \"b\" \\"`}, {`"b"`, `"\u00e9\ud83d\ude00\ud800"`}, {`"b"`, "\"\u00e9\xff\""}, {`1.5`, `-0`}, {`1.5`, `1E+5`}, {`1.5`, `5e-324`},
		{`.25Z`, `+02:00`}, {`{"k":"v"}`, `{}`}, {`{"k":"v"}`, `{"k":"v","k":"w","":""}`},
	} {
		if !checkRead(t, []byte(strings.Replace(whole, change.from, change.to, 1))) {
			t.Errorf("%q for %q was left", change.to, change.from)
		}
	}
	for n := range len(whole) {
		checkRead(t, []byte(whole[:n]))
		checkRead(t, []byte(whole[:n]+whole[n+1:]))
	}
}

// A case outlives its message in the folds of services, and must not keep the whole of it in memory.
func TestReadResultsKeepsNothingOfTheMessage(t *testing.T) {
	body := []byte(`{"job":7,"lease":3,"first_line":0,"lines":9,"cases":[{"suite":"a","name":"b","result":"pass","at":"2026-11-22T10:00:00Z","line":4}]}`)
	e, ok := readResults(body)
	clear(body)
	if c := e.Cases[0]; !ok || c.Suite != "a" || c.Name != "b" || c.Result != Pass {
		t.Errorf("after the message has gone the case is %+v", c)
	}
}

func FuzzReadResults(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		body, err := json.Marshal(randomResults(random))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkRead(t, body) })
}

func BenchmarkReadResults(b *testing.B) {
	e := ResultsRecorded{Job: 1234, Lease: 5678, Lines: 4000}
	for i := range uint64(100) {
		start, end := i*10, i*10+9
		e.Cases = append(e.Cases, Case{Suite: "0_net", Set: "round-1", Name: fmt.Sprint("net_belcor_dwc", i), Result: Pass,
			At: time.Unix(1_800_000_000, 123_456_000).UTC(), Line: end, StartLine: &start, EndLine: &end})
	}
	body, err := json.Marshal(e)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := readResults(body); !ok {
			b.Fatal("left")
		}
	}
}

// randomResults makes results with whatever texts and numbers a job can report.
func randomResults(r *rand.Rand) ResultsRecorded {
	texts := []string{"", "0_smoke", "boot", "a b", `quoted "x" \ /`, "tab\tand\nline", "<html> & more", "é 漢 😀", "\x7f", "\u2028", "s"}
	text := func() string { return texts[r.IntN(len(texts))] }
	e := ResultsRecorded{Job: JobID(r.Uint64()), Lease: Lease(r.Uint64N(9)), FirstLine: r.Uint64N(1000), Lines: r.Uint64N(3)}
	for range r.IntN(8) {
		c := Case{Suite: text(), Set: text(), Name: text(), Result: Outcome(text()), Units: text(), Line: r.Uint64(),
			At: time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()}
		if r.IntN(3) == 0 {
			c.At = c.At.In(time.FixedZone("", 3600*r.IntN(12)))
		}
		if r.IntN(2) == 0 {
			start, end := r.Uint64(), uint64(0)
			c.StartLine, c.EndLine = &start, &end
		}
		if r.IntN(2) == 0 {
			values := []float64{0, math.Copysign(0, -1), 1.5, -3, 1e21, 1e-9, math.MaxFloat64, r.NormFloat64()}
			c.Measurement = &values[r.IntN(len(values))]
		}
		for range r.IntN(4) {
			if c.Metadata == nil {
				c.Metadata = map[string]string{}
			}
			c.Metadata[text()] = text()
		}
		e.Cases = append(e.Cases, c)
	}
	return e
}
