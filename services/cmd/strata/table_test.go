package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a name from a pipeline, ", 6)
	heads := []string{"JOB", "STATE", "NAME"}
	rows := [][]string{{"7", "\x1b[32mComplete\x1b[0m", long}, {"123456", "Running", "ü"}, {"8", "Rejected", ""}}
	for room, want := range map[int]string{
		0: "JOB     STATE     NAME\n" +
			"7       \x1b[32mComplete\x1b[0m  " + strings.TrimRight(long, " ") + "\n" +
			"123456  Running   ü\n" +
			"8       Rejected\n",
		40: "JOB     STATE     NAME\n" +
			"7       \x1b[32mComplete\x1b[0m  a name from a pipelin…\n" +
			"123456  Running   ü\n" +
			"8       Rejected\n",
	} {
		var out strings.Builder
		if err := writeTable(&out, room, heads, rows); err != nil || out.String() != want {
			t.Errorf("in %d columns: %v\n got %q\nwant %q", room, err, out.String(), want)
		}
	}
	// Below what a cell needs to say anything, lines wrap rather than lose it.
	var out strings.Builder
	if err := writeTable(&out, 5, heads, rows); err != nil {
		t.Fatal(err)
	}
	if line := strings.Split(out.String(), "\n")[1]; utf8.RuneCountInString(controls.ReplaceAllString(line, "")) != 8+10+narrowest {
		t.Errorf("in 5 columns: %q, want a name of %d", line, narrowest)
	}
}

// What others have written cannot command the terminal of who reads a list; our own colours can.
func TestTame(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"nightly":                 "nightly",
		"\x1b[32mComplete\x1b[0m": "\x1b[32mComplete\x1b[0m",
		"2 \x1b[32mGood\x1b[0m 1 \x1b[31mBad\x1b[0m": "2 \x1b[32mGood\x1b[0m 1 \x1b[31mBad\x1b[0m",
		"a\x1b[2Jb":                        "ab",
		"a\x1b]0;owned\ab":                 "ab",
		"a\x1b[8mb":                        "ab",
		"a\x1b[31mb\x1b]0;owned\a\x1b[0mc": "abc",
		"one\ntwo\tthree\r":                "one two three",
		"\u009b2J\x00x":                    "2Jx",
		"\x1b[31mone\ntwo\x1b[0m":          "\x1b[31mone two\x1b[0m",
		"grün → ü":                         "grün → ü",
	} {
		if got := tame(text); got != want {
			t.Errorf("tame(%q): %q, want %q", text, got, want)
		}
	}
	var out strings.Builder
	if err := writeTable(&out, 0, []string{"JOB", "NAME"}, [][]string{{"7", "x\x1b[A\ny"}}); err != nil || out.String() != "JOB  NAME\n7    x y\n" {
		t.Errorf("table of a hostile name: %q, %v", out.String(), err)
	}
}

func TestRemedy(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[string]string{
		"Device type 'x' is unavailable.":                  "strata device-types",
		"Device tag 'usb' does not exist in the database.": "strata devices tag",
		"No devices of type x are available.":              "strata devices",
	} {
		if got := remedy(refusal); !strings.Contains(got, want) {
			t.Errorf("%s: %q does not name %q", refusal, got, want)
		}
	}
	if got := remedy("extra keys not allowed @ data['x']"); got != "" {
		t.Errorf("a refusal that says it all: %q", got)
	}
}

// TestNothingIsSaid holds that an empty answer says so, beside what programs read.
func TestNothingIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "")
	for command, want := range map[string]string{
		"jobs":             "no job waits or runs; --all",
		"jobs --user eve":  "no job is like that",
		"devices":          "`strata devices add`",
		"events device/q9": "no such facts",
	} {
		if text := w.must(t, strings.Fields(command)...); !strings.Contains(text, want) {
			t.Errorf("strata %s: said %q, want %q", command, text, want)
		}
		if text := w.must(t, append(strings.Fields(command), "--json")...); strings.Contains(text, want) {
			t.Errorf("strata %s --json: said %q to a program", command, text)
		}
	}
}
