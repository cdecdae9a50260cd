package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/services/web"
)

// The rows of docs/compatibility.md: pages of the old index, and needs.
const compatPages, compatNeeds = 56, 25

// TestCompatibility holds docs/compatibility.md to the tree: no page and no need is left out, what is
// said to work cites a test, the tests are there, and what is to be typed is taken.
func TestCompatibility(t *testing.T) {
	t.Parallel()
	root := workspace(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	pages, needs, _ := strings.Cut(string(text), "\n## Needs\n")
	if p, n := claims(pages), claims(needs); len(p) != compatPages || len(n) != compatNeeds {
		t.Errorf("there are %d pages and %d needs, want %d and %d", len(p), len(n), compatPages, compatNeeds)
	}
	checkClaims(t, root, string(text), makefile)
}

// The rows of docs/lab-rules.md: rules that are kept, and weaknesses that are not.
const labRules, labWeaknesses = 56, 13

// TestLabRules holds docs/lab-rules.md to the tree in the same way.
func TestLabRules(t *testing.T) {
	t.Parallel()
	root := workspace(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "lab-rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	rules, weaknesses, _ := strings.Cut(string(text), "\n## What LAVA gets wrong\n")
	if r, w := claims(rules), claims(weaknesses); len(r) != labRules || len(w) != labWeaknesses {
		t.Errorf("there are %d rules and %d weaknesses, want %d and %d", len(r), len(w), labRules, labWeaknesses)
	}
	checkClaims(t, root, string(text), makefile)
}

// checkClaims holds that the tests of all rows are there, and that what is to be typed is taken.
func checkClaims(t *testing.T, root, text string, makefile []byte) {
	t.Helper()
	addresses := pageAddresses(t)
	for _, c := range claims(text) {
		c.checkProofs(t, root)
		for _, typed := range spans(c.ask) {
			words := shellWords(typed)
			switch words[0] {
			case "strata":
				checkFlags(t, c.name, words[1:])
			case lavaRunName:
				checkFlags(t, c.name, words)
			case "make":
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(words[1]) + `:`).Match(makefile) {
					t.Errorf("%s: the Makefile has no target %q", c.name, words[1])
				}
			case "/healthz", "/metrics": // TestUp asks them
			default:
				if !strings.HasPrefix(typed, "/") || !addresses(typed) {
					t.Errorf("%s: %q is neither a command nor the address of a page", c.name, typed)
				}
			}
		}
	}
}

// pageAddresses returns what tells whether a page stands at an address.
func pageAddresses(t *testing.T) func(address string) bool {
	t.Helper()
	site, err := web.New(web.Deps{Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux, known := http.NewServeMux(), map[string]bool{}
	for _, pattern := range site.Patterns() {
		// By path alone: beside one with a method the mux takes no wider path of another method.
		if _, path, _ := strings.Cut(pattern, " "); path != "/" && !known[path] {
			known[path] = true
			mux.Handle(path, http.NotFoundHandler())
		}
	}
	return func(address string) bool {
		path, _, _ := strings.Cut(address, "?")
		path = strings.TrimSuffix(path, "/") // addresses hold with and without it
		if path == "" {
			return true
		}
		_, found := mux.Handler(httptest.NewRequest(http.MethodGet, path, nil))
		return found != ""
	}
}

// claim is a row of the tables.
type claim struct {
	name, state, ask, proof string
}

// claims returns the rows of the tables in text.
func claims(text string) (all []claim) {
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		last := len(cells) - 1
		if last < 4 || cells[last] == "proven by" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		all = append(all, claim{strings.Join(cells[:last-3], " "), cells[last-3], cells[last-1], cells[last]})
	}
	return all
}

// checkProofs holds that the tests of a claim exist, and that one that needs any has one.
func (c claim) checkProofs(t *testing.T, root string) {
	t.Helper()
	if !slices.Contains([]string{"works", "partly", "not yet", "refused"}, c.state) {
		t.Errorf("%s: there is no state %q", c.name, c.state)
	}
	cited := spans(c.proof)
	if len(cited) == 0 && (c.state == "works" || c.state == "refused") {
		t.Errorf("%s: nothing shows that it %s", c.name, c.state)
	}
	for _, test := range cited {
		dir, name, _ := strings.Cut(test, ".")
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		head := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\((t \*testing\.T|f \*testing\.F)?\)`)
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && head.Match(text)
		}) {
			t.Errorf("%s: there is no test %s", c.name, test)
		}
	}
}

// spans returns what stands in backquotes.
func spans(cell string) (all []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}
