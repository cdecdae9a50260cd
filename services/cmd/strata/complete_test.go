package main

import (
	"strings"
	"testing"
)

// TestCompletion holds what a shell offers without a lab: words that never change, files where a
// file is meant, and nothing, without a complaint, where only a lab knows.
func TestCompletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for line, want := range map[string]string{
		"jobs --state ":           "Submitted\nScheduled\nRunning\nCanceling\nFinished\n:4",
		"devices health q1 ":      "Good\nUnknown\nLooping\nBad\nMaintenance\nRetired\n:4",
		"workers health w1 ":      "Active\nMaintenance\nRetired\n:4",
		"jobs --color ":           "auto\nalways\nnever\n:4",
		"devices configure q1 ":   ":0",
		"submit ":                 ":0",
		"show ":                   ":4",
		"devices show q1 ":        ":4",
		"devices health q1 Good ": ":4",
		"jobs bundle 1 -o a ":     ":4",
		"logs 1 --level ":         "target\nresults\ninput",
	} {
		status, text := w.strata(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if status != exitOK || !strings.HasPrefix(text, want) {
			t.Errorf("strata %s<Tab>: status %d, offers %q; want %q", line, status, text, want)
		}
	}
}
