package web

import (
	"strings"
	"testing"
	"time"
)

// TestAgoAndLength says moments and lengths as people do, and never a unit that is full.
func TestAgoAndLength(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d                 time.Duration
		ago, coarse, long string
	}{
		{0, "just now", "0 s", "0 ms"},
		{9 * time.Second, "just now", "9 s", "9.0 s"},
		{59600 * time.Millisecond, "59 s ago", "59 s", "1 min 00 s"},
		{61 * time.Second, "1 min ago", "1 min", "1 min 01 s"},
		{59*time.Minute + 59600*time.Millisecond, "59 min ago", "59 min", "1 h 00 min"},
		{47*time.Hour + 59*time.Minute + 40*time.Second, "47 h ago", "47 h", "2 days 0 h"},
		{50 * time.Hour, "2 days ago", "2 days", "2 days 2 h"},
		{61 * 24 * time.Hour, "2 months ago", "2 months", "61 days 0 h"},
		{800 * 24 * time.Hour, "2 years ago", "2 years", "800 days 0 h"},
		{-time.Millisecond, "just now", "0 s", "0 s"},
	} {
		if got := ago(noon, noon.Add(-tt.d)); got != tt.ago {
			t.Errorf("%s before now is said %q, want %q", tt.d, got, tt.ago)
		}
		if got := length(tt.d); got != tt.long {
			t.Errorf("%s is as long as %q, want %q", tt.d, got, tt.long)
		}
		if got := coarse(max(0, tt.d)); got != tt.coarse {
			t.Errorf("%s is roughly %q, want %q", tt.d, got, tt.coarse)
		}
	}
	if got := ago(noon, noon.Add(90*time.Second)); got != "in 1 min" {
		t.Errorf("what is to come: %q", got)
	}
	if got := ago(noon, noon.Add(119*time.Minute)); got != "in 2 h" {
		t.Errorf("two hours less a minute are said %q, want them rounded", got)
	}
}

// TestSentences draws what the interface says of times and jobs, and nothing of it as markup.
func TestSentences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<b>: job 4 has it since 2026-11-23T11:33:09Z": `&lt;b&gt;: job 4 has it since <span title="2026-11-23T11:33:09Z">11:33 UTC</span>`,
		"reserved until 2026-12-01T08:00:00Z (<i>)":    `reserved until <span title="2026-12-01T08:00:00Z">1 Dec 2026 08:00 UTC</span> (&lt;i&gt;)`,
		"2026-02-30T08:00:00Z is no day":               "2026-02-30T08:00:00Z is no day",
	} {
		if got := string(sentence(noon, text)); got != want {
			t.Errorf("%q is drawn as %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"Infrastructure error after [77]": `Infrastructure error after <a class="id" href="/scheduler/job/77">77</a>`,
		"<b>":                             `&lt;b&gt; <a class="id" href="/scheduler/job/77">77</a>`,
	} {
		if got := string(linked(text, 77)); got != want {
			t.Errorf("%q of job 77 is drawn as %s, want %s", text, got, want)
		}
	}
	if got := string(linked("a & b", 0)); got != "a &amp; b" {
		t.Errorf("a sentence about no job is drawn as %s", got)
	}
}

// TestMoments draws times with the exact one beside them, and what is no time as a dash.
func TestMoments(t *testing.T) {
	t.Parallel()
	at := noon.Add(-time.Hour).In(time.FixedZone("east", 3600))
	got := string(moment(noon, &at))
	for _, want := range []string{`datetime="2026-11-23T11:00:00Z"`, `title="2026-11-23 11:00:00 UTC"`, ">1 h ago<"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	var none *time.Time
	for _, none := range []any{none, time.Time{}, nil, "yesterday"} {
		if got := string(moment(noon, none)); !strings.Contains(got, "–") {
			t.Errorf("moment of %v: %s, want a dash", none, got)
		}
		if got := string(elapsed(noon, none, nil)); !strings.Contains(got, "–") {
			t.Errorf("what never began took %s, want a dash", got)
		}
	}
	if got := string(elapsed(noon, at, nil)); !strings.Contains(got, `data-since="2026-11-23T11:00:00Z"`) || !strings.Contains(got, "1 h 00 min") {
		t.Errorf("what goes on: %s, want since when, for the script, and how long", got)
	}
	if got := string(elapsed(noon, at, noon)); got != "1 h 00 min" {
		t.Errorf("what is over: %q", got)
	}
}

// TestNumbers writes numbers as people read them.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[any]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123", uint64(10_000_000): "10,000,000", int64(-1_000_000): "-1,000,000", 1.5: "1.5"} {
		if got := count(n); got != want {
			t.Errorf("count(%v): %q, want %q", n, got, want)
		}
	}
	for n, want := range map[any]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 10: "10 KiB", uint64(5 << 30): "5.0 GiB", uint64(3 << 40): "3072 GiB", "x": "x"} {
		if got := bytesOf(n); got != want {
			t.Errorf("bytesOf(%v): %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "low", 50: "medium", 100: "high", 51: "51"} {
		if got := priorityOf(n); got != want {
			t.Errorf("priority %d: %q, want %q", n, got, want)
		}
	}
}

// TestMarks gives colours to what means something, whatever stands beside it, and escapes what it does not know.
func TestMarks(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		string(stateOf("Finished", "Complete")):         `<span class="mark good">Complete</span>`,
		string(stateOf("Finished", "Incomplete")):       `<span class="mark bad">Incomplete</span>`,
		string(stateOf("Finished", "Canceled")):         `<span class="mark off">Canceled</span>`,
		string(stateOf("Finished", "Unknown")):          `<span class="mark ">Finished</span>`,
		string(stateOf("Running", "Unknown")):           `<span class="mark busy">Running</span>`,
		string(stateOf("Canceling", "Unknown")):         `<span class="mark warn">Canceling</span>`,
		string(stateOf("Rejected", "Incomplete")):       `<span class="mark bad">Rejected</span>`,
		string(stateOf("Submitted", "")):                `<span class="mark ">Submitted</span>`,
		string(healthOf("Good")):                        `<span class="mark good">Good</span>`,
		string(healthOf("Maintenance")):                 `<span class="mark warn">Maintenance</span>`,
		string(healthOf("<b>")):                         `<span class="mark ">&lt;b&gt;</span>`,
		string(outcomeOf("fail")):                       `<span class="mark bad">fail</span>`,
		string(outcomeOf("unknown")):                    `<span class="mark warn">unknown</span>`,
		string(verdictOf("infra")):                      `<span class="mark warn">Failed: the lab&#39;s fault</span>`,
		string(verdictOf("test")):                       `<span class="mark bad">Failed: the job&#39;s own fault</span>`,
		string(verdictOf("")):                           "",
		strings.Join([]string{firstLine(" a\nb ")}, ""): "a",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestSizes never says a size that would fill its unit.
func TestSizes(t *testing.T) {
	t.Parallel()
	for size, want := range map[any]string{0: "0 B", uint64(1023): "1023 B", 1024: "1.0 KiB", 10188: "9.9 KiB", 10239: "10 KiB", int64(1048000): "1023 KiB", 1048200: "1.0 MiB",
		5 << 30: "5.0 GiB", uint64(2048 << 30): "2048 GiB", "many": "many"} {
		if got := bytesOf(size); got != want {
			t.Errorf("%v bytes are %q, want %q", size, got, want)
		}
	}
}

// TestNamesOfFiles keeps out of names what a header, a shell or a file system would take for something else.
func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"query_1.csv": "query_1.csv", "a b/../c": "a_b_.._c", "x\"\r\ny": "x___y", "größe": "gr__e", "": "", "-rf": "-rf"} {
		if got := safeFile(name); got != want {
			t.Errorf("%q is the file %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{"timeout after 62 s": "timeout after # s", "192.0.2.17:8080": "#.#.#.#:#", "no numbers": "no numbers", "5": "#", "": ""} {
		if got := withoutNumbers(text); got != want {
			t.Errorf("%q is like %q, want %q", text, got, want)
		}
	}
}
