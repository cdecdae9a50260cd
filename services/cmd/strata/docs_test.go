package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"strata/schemas/config"
)

// TestDocumentedCommands holds that every command line in the documents is one that the binary
// takes: what a newcomer types first must work.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	root := workspace(t)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		whole, named := commandLines(string(text))
		for _, line := range whole {
			checkCommand(t, filepath.Base(page), shellWords(line))
		}
		for _, line := range named {
			checkFlags(t, filepath.Base(page), shellWords(line))
		}
		seen += len(whole) + len(named)
	}
	if seen < 20 {
		t.Errorf("found %d command lines in the documents: the test misses them", seen)
	}
}

// TestDocumentedSettings holds that docs/operations.md has each key of the configuration file with
// its default.
func TestDocumentedSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(workspace(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Settings() {
		row := regexp.MustCompile(`(?m)^\| .` + regexp.QuoteMeta(s.Key) + `. \| (.*?) \|`).FindSubmatch(text)
		if row == nil {
			t.Errorf("docs/operations.md does not have %s", s.Key)
			continue
		}
		if got := strings.Trim(string(row[1]), "`–"); got != strings.Trim(s.Default, `"`) {
			t.Errorf("docs/operations.md: default of %s is %q, want %q", s.Key, got, s.Default)
		}
	}
}

// commandLines returns what stands behind "strata " at the start of lines in code blocks, which are
// whole commands, and in inline code, which may only name one.
func commandLines(text string) (whole, named []string) {
	for i, part := range strings.Split(text, "```") {
		if i%2 == 0 {
			for _, m := range regexp.MustCompile("`strata ([a-z][^`]*)`").FindAllStringSubmatch(part, -1) {
				named = append(named, m[1])
			}
			continue
		}
		for _, line := range strings.Split(part, "\n") {
			line = strings.TrimPrefix(line, "$ ")
			line = regexp.MustCompile(`^(STRATA_[A-Z]+=\S+ )?(bin/)?`).ReplaceAllString(line, "")
			rest, ok := strings.CutPrefix(line, "strata ")
			// "strata submit ───▶" is a drawing.
			if ok && !strings.Contains(rest, "─") {
				line, _, _ := strings.Cut(rest, " #")
				line, _, _ = strings.Cut(line, " > ")
				line, _, _ = strings.Cut(line, " || ")
				line, _, _ = strings.Cut(line, " | ")
				whole = append(whole, line)
			}
		}
	}
	return whole, named
}

// shellWords splits a line as a shell does, with quotes and no variables.
func shellWords(line string) (words []string) {
	for _, m := range regexp.MustCompile(`"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}
