package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"strata/events/stream"
	"strata/services/archive"
)

// An archive without a segment is that of a new lab, one that was taken away, or none: three things to a person and to
// a script.
func TestVerifyWithoutSegments(t *testing.T) {
	t.Parallel()
	status := func(archived uint64) string {
		text, err := json.Marshal(archive.Status{Streams: map[string]archive.StreamStatus{
			stream.Lab: {First: 1, Last: 900, Archived: archived}, stream.Results: {First: 1}, stream.Output: {First: 1, Last: 7}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, tt := range []struct {
		name, status string
		want         int
		says, json   string
	}{
		{"new lab", status(0), exitOK, "no segment is closed", `"findings":[]`},
		{"taken away", status(812), exitFailed, "archived through 812", `"object":"LAB"`},
		{"no lab's", "", exitFailed, "there is no archive of a lab here: the service archive of a lab begins one there", "begins one there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.status != "" {
				write(t, w.dir, "status.json", tt.status)
			}
			for _, how := range []struct {
				flag, says string
			}{{"--color=never", tt.says}, {"--json", tt.json}} {
				if got, text := w.strata(t, "archive", "verify", "--path", w.dir, how.flag); got != tt.want || !strings.Contains(text, how.says) {
					t.Errorf("archive verify %s: status %d, %q; want %d and %q", how.flag, got, text, tt.want, how.says)
				}
			}
		})
	}
	// Segments were there by what the service wrote, so nobody who restores is told that the lab is new.
	w := newWorld(t)
	write(t, w.dir, "status.json", status(812))
	if got, text := w.strata(t, "archive", "restore", w.dir, "--data", filepath.Join(w.dir, "anew")); got != exitFailed || !strings.Contains(text, "no archive") {
		t.Errorf("restore of what was taken away: status %d, %q", got, text)
	}
}
