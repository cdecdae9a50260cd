package order_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"strata/schemas/order"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string // part of the error; "" for none
	}{
		{"start", `{"version":1,"kind":"start","job":42,"lease":7,"device":"q1","work":{"display":"42"}}`, ""},
		{"cancel of a guest", `{"version":1,"kind":"cancel","job":42,"lease":7,"over":true}`, ""},
		{"tell", `{"version":1,"kind":"tell"}`, ""},
		{"from a newer lab", `{"version":2,"kind":"start","job":42,"lease":7,"work":{}}`, "version is 2, this worker knows 1"},
		{"without a version", `{"kind":"check","job":42,"lease":7}`, "version is 0"},
		{"another kind", `{"version":1,"kind":"restart","job":42,"lease":7}`, `kind is "restart", want start, cancel, check, discard or tell`},
		{"without a lease", `{"version":1,"kind":"check","job":42}`, "job is 42 and lease 0"},
		{"start of nothing", `{"version":1,"kind":"start","job":42,"lease":7}`, "start of job 42 has no work"},
		{"negative job", `{"version":1,"kind":"check","job":-1,"lease":7}`, "read order"},
		{"no JSON", `start`, "read order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := order.Decode([]byte(tt.text))
			wantError(t, err, tt.want)
			if tt.want == "" && got.Kind != order.Tell && got.Job != 42 {
				t.Errorf("Decode(%s): got job %d, want 42", tt.text, got.Job)
			}
		})
	}
}

func TestDecodeReport(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string
	}{
		{"started", `{"version":1,"claim":"started","job":42,"lease":7}`, ""},
		{"holding nothing", `{"version":1,"claim":"holding","session":"s1"}`, ""},
		{"holding without a session", `{"version":1,"claim":"holding"}`, "holding has no session"},
		{"finished without a verdict", `{"version":1,"claim":"finished","job":42,"lease":7}`, "finished of job 42 has no verdict"},
		{"another claim", `{"version":1,"claim":"bored","job":42,"lease":7}`, `claim is "bored"`},
		{"of no job", `{"version":1,"claim":"taken","lease":7}`, "want both above 0"},
		{"from a newer worker", `{"version":9,"claim":"taken","job":42,"lease":7}`, "version is 9, want 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := order.DecodeReport([]byte(tt.text))
			wantError(t, err, tt.want)
		})
	}
}

// TestMisfit: whoever is outside the window of versions is told which side to update.
func TestMisfit(t *testing.T) {
	for version, want := range map[int]string{order.Version: "", order.Version + 1: "update the lab", order.Oldest - 1: "update the worker"} {
		got := order.Misfit(version)
		if (got == "") != (want == "") || !strings.Contains(got, want) || order.Known(version) != (want == "") {
			t.Errorf("Misfit(%d): got %q, want it to say %q", version, got, want)
		}
	}
}

// TestLongSentences: a sentence that no fact could hold does not reach one.
func TestLongSentences(t *testing.T) {
	long := strings.Repeat("ü", order.MaxSentence)
	body, err := json.Marshal(order.Report{Version: order.Version, Claim: order.Finished, Job: 42, Lease: 7, Reason: long, Build: long,
		Verdict: &order.Verdict{Result: "fail", Error: "x" + long}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := order.DecodeReport(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{r.Reason, r.Build, r.Verdict.Error} {
		if len(got) > order.MaxSentence+3 || !strings.HasSuffix(got, "ü…") || !utf8.ValidString(got) {
			t.Errorf("kept %d bytes that end in %q, want at most %d, cut between characters and marked", len(got), got[len(got)-6:], order.MaxSentence)
		}
	}
}

// FuzzDecode shows that whatever is taken survives the way back and forth.
func FuzzDecode(f *testing.F) {
	f.Add(`{"version":1,"kind":"start","job":42,"lease":7,"work":{"display":"42","definition":{"inline":"x"}}}`)
	f.Add(`{"version":1,"kind":"cancel","job":1,"lease":1,"reason":"canceled by alice"}`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := order.Decode([]byte(text))
		if err != nil {
			return
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("encode %+v: %v", o, err)
		}
		back, err := order.Decode(again)
		if err != nil || !reflect.DeepEqual(o, back) {
			t.Errorf("Decode(%q) twice: got %+v then %+v, error %v", text, o, back, err)
		}
	})
}

func ExampleDecode() {
	o, err := order.Decode([]byte(`{"version":1,"kind":"cancel","job":42,"lease":812,"device":"qemu01","reason":"canceled by alice"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Kind, o.Job, o.Lease, o.Reason)
	// Output: cancel 42 812 canceled by alice
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
