package events_test

import (
	"strings"
	"testing"

	"strata/events"
)

func TestEscapeToken(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, token string }{
		{"qemu-01_a", "qemu-01_a"},
		{"lab1.example.com", "lab1=2Eexample=2Ecom"},
		{"a@b", "a=40b"},
		{"=", "=3D"},
		{"", "="},
		{"*", "=2A"},
		{">", "=3E"},
		{" \t\n\x00", "=20=09=0A=00"},
		{"µ", "=C2=B5"},
		{"\xff", "=FF"},
	}
	for _, tt := range tests {
		if got := events.EscapeToken(tt.name); got != tt.token {
			t.Errorf("EscapeToken(%q) = %q, want %q", tt.name, got, tt.token)
		}
		if got, err := events.UnescapeToken(tt.token); err != nil || got != tt.name {
			t.Errorf("UnescapeToken(%q) = %q, %v, want %q", tt.token, got, err, tt.name)
		}
	}
}

func TestUnescapeTokenRefuses(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"=4", "a=", "=zz", "=2e", "=41", "a.b", "a b", "", "=+1"} {
		if got, err := events.UnescapeToken(token); err == nil {
			t.Errorf("UnescapeToken(%q) = %q, want an error", token, got)
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		about           events.Entity
		subject, spoken string
	}{
		{events.JobRemoved{Job: 42}.About(), "job.42", "job/42"},
		{events.WorkerRemoved{Worker: "w.example.com"}.About(), "worker.w=2Eexample=2Ecom", "worker/w.example.com"},
		{events.RoundDecided{}.About(), "scheduling", "scheduling"},
		{events.ResultsRecorded{Job: 42}.About(), "result.42", "result/42"},
	}
	for _, tt := range tests {
		if got := tt.about.Subject(); got != tt.subject {
			t.Errorf("%v: subject %q, want %q", tt.about, got, tt.subject)
		}
		if got := tt.about.String(); got != tt.spoken {
			t.Errorf("%v: spoken %q, want %q", tt.about, got, tt.spoken)
		}
		if got, err := events.ParseSubject(tt.subject); err != nil || got != tt.about {
			t.Errorf("ParseSubject(%q) = %v, %v, want %v", tt.subject, got, err, tt.about)
		}
	}
	if _, err := events.ParseSubject("worker.a.b"); err == nil {
		t.Error("ParseSubject takes three tokens")
	}
}

// Every name has one token that a subject may hold, and comes back from it.
func FuzzEscapeToken(f *testing.F) {
	for _, s := range []string{"", "=", "a.b", "*", ">", "é", "\x00\xff", "=2E", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := events.EscapeToken(name)
		if token == "" || strings.ContainsAny(token, ".*> \t\r\n\x00") {
			t.Fatalf("EscapeToken(%q) = %q, which is no token", name, token)
		}
		if back, err := events.UnescapeToken(token); err != nil || back != name {
			t.Fatalf("UnescapeToken(%q) = %q, %v, want %q", token, back, err, name)
		}
		if back, err := events.UnescapeToken(name); err == nil && events.EscapeToken(back) != name {
			t.Fatalf("UnescapeToken(%q) = %q, whose token is %q", name, back, events.EscapeToken(back))
		}
	})
}
