package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestManPages holds that there is a page for each command, that man shows it without a complaint, and that
// it says, line by line, what --help says.
func TestManPages(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("man"); err != nil {
		missing(t, "man is missing: apt-get install man-db")
	}
	w := newWorld(t)
	dir := filepath.Join(w.dir, "man")
	w.must(t, "man-pages", dir)
	shown := render(t, dir)
	root := w.app(&bytes.Buffer{}).root()
	for _, c := range commandsIn(root) {
		page, ok := shown[strings.ToUpper(pageName(c))]
		if !ok {
			t.Errorf("there is no page %s.1", pageName(c))
			continue
		}
		delete(shown, strings.ToUpper(pageName(c)))
		for _, line := range helpLines(t, w, c) {
			if !strings.Contains(page, line) {
				t.Errorf("%s --help says %q, and %s(1) does not:\n%.3000s", c.CommandPath(), line, pageName(c), page)
			}
		}
	}
	for name := range shown {
		t.Errorf("%s(1) is of no command", name)
	}
	again := filepath.Join(w.dir, "again")
	w.must(t, "man-pages", again)
	if out, err := exec.Command("diff", "-r", dir, again).CombinedOutput(); err != nil {
		t.Errorf("the manual differs when it is written again: %v\n%s", err, out)
	}
}

// TestManPageEscapes holds that a page shows what a text says, whatever groff would make of it.
func TestManPageEscapes(t *testing.T) {
	t.Parallel()
	c := &cobra.Command{Use: "odd", Short: `a \ b`, Long: ".PP is no macro\n'tis neither, nor is\n\n  `x` ~ ^ \"y\" -- 'z' \\fB\n\tafter a tab\nand on", Run: func(*cobra.Command, []string) {}}
	c.Flags().String("host", hostname(), "a `NAME`")
	page := manPage(c)
	for _, want := range []string{
		"odd \\- a \\e b\n", "\n\\&.PP is no macro\n", "\n\\(aqtis neither, nor is\n",
		"\n.nf\n.RS\n\\(gax\\(ga \\(ti \\(ha \"y\" \\-\\- \\(aqz\\(aq \\efB\n", "\n.fi\nand on\n",
		"\\fB\\-\\-host\\fP \\fINAME\\fP\na NAME (default: the name of the machine)\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// TestCompletionParses holds that each shell takes the script that is made for it.
func TestCompletionParses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for shell, check := range map[string][]string{"bash": {"-n"}, "zsh": {"-n"}, "fish": {"--no-execute"}} {
		if _, err := exec.LookPath(shell); err != nil {
			missing(t, shell+" is missing: apt-get install "+shell)
		}
		script := write(t, w.dir, "completion."+shell, w.must(t, "completion", shell))
		if out, err := exec.Command(shell, append(check, script)...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s does not take its completion: %v\n%s", shell, err, out)
		}
	}
}

// missing skips a test for want of a program, where CI has not said that there shall be none.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("STRATA_REQUIRE_BOOT") == "1" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

// title is the head line of a page; the one of the next ends the page before.
var title = regexp.MustCompile(`(?m)^(STRATA[A-Z-]*)\(1\) .*\(1\)$`)

// render returns the pages of a directory by their titles, as man shows them, blanks made single.
func render(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in %s: %v", dir, err)
	}
	// Wide enough that no line is broken.
	cmd := exec.Command("man", append([]string{"--warnings", "-l"}, files...)...)
	cmd.Env = append(os.Environ(), "MANWIDTH=3000", "MANROFFSEQ=", "MANPAGER=cat", "LC_ALL=C.UTF-8")
	var shown, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &shown, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Errorf("man: %v, and it says: %s", err, &said)
	}
	text := shown.String()
	pages := map[string]string{}
	heads := title.FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		pages[text[h[2]:h[3]]] = single(text[h[1]:end])
	}
	return pages
}

// helpLines returns what --help says of a command, but for its headings.
func helpLines(t *testing.T, w *world, c *cobra.Command) (lines []string) {
	t.Helper()
	text := w.must(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "Usage:", line == "Flags:", line == "Global Flags:", line == "Examples:", line == "Available Commands:",
			strings.HasPrefix(line, `Use "strata`):
		case hostname() != "" && strings.Contains(line, `(default "`+hostname()+`")`):
			// the page says that it is the name of the machine
		default:
			lines = append(lines, single(line))
		}
	}
	return lines
}

// single returns a text with its blanks made single.
func single(text string) string { return strings.Join(strings.Fields(text), " ") }
