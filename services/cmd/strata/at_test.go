package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 3, 1, 12, 30, 15, 0, zone)
	day := func(month time.Month, day, hour, minute, second int) time.Time {
		return time.Date(2026, month, day, hour, minute, second, 0, zone)
	}
	for text, want := range map[string]time.Time{
		"2026-01-31T10:00:00Z":      time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC),
		"2026-01-31T10:00:00.5Z":    time.Date(2026, 1, 31, 10, 0, 0, 5e8, time.UTC),
		"2026-01-31T10:00:00+02:00": day(1, 31, 10, 0, 0),
		"2026-01-31":                day(1, 31, 0, 0, 0),
		"2026-01-31 10:00":          day(1, 31, 10, 0, 0),
		"2026-01-31T10:00":          day(1, 31, 10, 0, 0),
		"2026-01-31 10:00:07":       day(1, 31, 10, 0, 7),
		"10:00":                     day(3, 1, 10, 0, 0),
		"today 10:00:07":            day(3, 1, 10, 0, 7),
		" yesterday 10:00":          day(2, 28, 10, 0, 0),
		"2h ago":                    day(3, 1, 10, 30, 15),
		"1h30m ago":                 day(3, 1, 11, 0, 15),
		"90 s ago":                  day(3, 1, 12, 28, 45),
		"3d ago":                    day(2, 26, 12, 30, 15),
		"1w ago":                    day(2, 22, 12, 30, 15),
	} {
		got, err := parseMoment(text, now)
		if err != nil || got.Seq != 0 || got.Time == nil || !got.Time.Equal(want) {
			t.Errorf("--at %q: got %+v, %v; want %s", text, got, err, want)
		}
	}
	if got, err := parseMoment("8812", now); err != nil || got.Seq != 8812 || got.Time != nil {
		t.Errorf("--at 8812: got %+v, %v; want the sequence", got, err)
	}
	for text, want := range map[string]string{
		"": "allowed are", "0": "allowed are", "-5": "allowed are", "noon": "allowed are", "2h": "allowed are", "-2h ago": "allowed are",
		"ago": "allowed are", "2026-02-30": "allowed are", "25:00": "allowed are", "yesterday": "allowed are",
		"12:31": "still to come", "2027-01-01": "still to come",
	} {
		if got, err := parseMoment(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--at %q: got %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}
