package test

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"strata/events"
)

// A device that floods its console costs no memory and no result: of 100 MiB beyond a limit of 1 MiB
// the panic after them can be read with what stood around it, three cases are recorded under true
// line numbers, and one record says which lines are missing.
func TestFlood(t *testing.T) {
	const limit, flood = 1 << 20, 100 << 20
	line := "[flood] noise line %d: " + strings.Repeat("x", 80) + "\n"
	var most uint64
	j := &job{stays: true, timeout: 600, limit: limit, speak: func(console io.Writer) {
		fmt.Fprint(console, start)
		for said, n := 0, 0; said < flood; n++ {
			var piece strings.Builder
			for range 40 {
				fmt.Fprintf(&piece, line, n)
			}
			said += piece.Len()
			io.WriteString(console, piece.String())
			if n%2000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
		fmt.Fprint(console, "last words\n[   99.5] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n[   99.6] CPU: 0 PID: 1 Comm: init\n")
		for n := range 3 {
			fmt.Fprintf(console, "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=c%d RESULT=pass>\n", n)
		}
		fmt.Fprint(console, end, over)
	}}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	// A hundred times less than what came, and much more than it takes.
	if grown := int64(most) - int64(before.HeapInuse); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	var kept int64
	at, cases, missing := map[string]int{}, 0, ""
	for n, r := range j.log {
		kept += int64(len(r.Message))
		text := string(r.Message)
		for _, words := range []string{"last words", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "CPU: 0 PID: 1"} {
			if r.Level == events.Target && strings.Contains(text, words) {
				at[words[:8]] = n
			}
		}
		if strings.Contains(text, "later lines") {
			missing += text
		}
		var result struct {
			Definition, Case, Result string
			Line                     *int `json:"starttc"`
		}
		if r.Level != events.Results || json.Unmarshal(r.Message, &result) != nil || result.Definition != "0_smoke" {
			continue
		}
		cases++
		if result.Result != "pass" || result.Line == nil || *result.Line >= n ||
			!strings.Contains(string(j.log[*result.Line].Message), "Received signal: <TESTCASE> TEST_CASE_ID="+result.Case) {
			t.Errorf("record %d of %d: %s", n, len(j.log), text)
		}
	}
	// Between the panic and the line after it stands what the job says of it.
	if cases != 3 || len(at) != 3 || at["CPU: 0 P"] > at["Kernel p"]+2 || at["CPU: 0 P"] < at["Kernel p"] || at["Kernel p"] != at["last wor"]+1 {
		t.Errorf("%d cases; the panic and what is around it stand at %v, want three cases, and the lines together", cases, at)
	}
	if strings.Count(missing, "Output limit of 1048576 bytes") != 1 {
		t.Errorf("what is missing is told so: %q", missing)
	}
	if kept > 4*limit {
		t.Errorf("%d bytes were kept, want little more than the limit", kept)
	}
}
