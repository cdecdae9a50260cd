package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// writeTAP writes TAP 13 with one plan for the job and a comment before each suite. A failed case
// carries the log lines that it covers; an unknown one is marked TODO, which is LAVA's way.
func writeTAP(to io.Writer, s Source, _ Options) error {
	suites, err := s.count()
	if err != nil {
		return err
	}
	cases := 0
	for _, t := range suites {
		cases += t.cases
	}
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "TAP version 13\n1..%d\n", cases)
	number, suite := 0, ""
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		if number++; number == 1 || c.Suite != suite {
			fmt.Fprintf(w, "# TAP results for %s\n", c.Suite)
			suite = c.Suite
		}
		if err := writePoint(w, s, c, number); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writePoint writes the line of one case, and its block.
func writePoint(w io.Writer, s Source, c Case, number int) error {
	name := strings.ReplaceAll(c.Name, "#", `\#`) // a bare one begins a directive
	switch c.Result {
	case "fail":
		fmt.Fprintf(w, "not ok %d %s\n", number, name)
		text, err := s.excerpt(c)
		if err != nil || text == "" {
			return err
		}
		fmt.Fprint(w, " ---\n")
		for line := range strings.Lines(text) {
			fmt.Fprintf(w, " %s\n", strings.TrimRight(line, "\r\n"))
		}
		fmt.Fprint(w, " ...\n")
	case "skip":
		fmt.Fprintf(w, "ok %d %s # SKIP test skipped\n", number, name)
	case "unknown":
		fmt.Fprintf(w, "not ok %d %s # TODO unknown result\n", number, name)
	default:
		fmt.Fprintf(w, "ok %d %s\n", number, name)
	}
	return nil
}

// writeKTAP writes KTAP version 1, the form of the kernel's own tests: each suite is a test whose
// cases are its subtests. A set stands before the name of its cases.
// The whole file has the plan of the suites, each suite that of its cases; names lose #, which begins
// a directive.
func writeKTAP(to io.Writer, s Source, _ Options) error {
	suites, err := s.count()
	if err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "KTAP version 1\n1..%d\n", len(suites))
	plain := strings.NewReplacer("#", "_", "\n", " ")
	open, number := -1, 0
	closeSuite := func() {
		if open >= 0 {
			fmt.Fprintf(w, "%s\n", suites[open].verdict(open+1, plain.Replace(suites[open].suite)))
		}
	}
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		if open < 0 || suites[open].suite != c.Suite {
			closeSuite()
			if open++; open >= len(suites) || suites[open].suite != c.Suite {
				return fmt.Errorf("case %d of suite %q is not beside the others of its suite", c.ID, c.Suite)
			}
			fmt.Fprintf(w, "  KTAP version 1\n  # Subtest: %s\n  1..%d\n", plain.Replace(c.Suite), suites[open].cases)
			number = 0
		}
		number++
		name := c.Name
		if c.Set != "" {
			name = c.Set + "/" + c.Name
		}
		name = plain.Replace(name)
		switch c.Result {
		case "pass":
			fmt.Fprintf(w, "  ok %d %s\n", number, name)
		case "skip":
			fmt.Fprintf(w, "  ok %d %s # SKIP test skipped\n", number, name)
		case "unknown":
			fmt.Fprintf(w, "  not ok %d %s # ERROR unknown result\n", number, name)
		default:
			fmt.Fprintf(w, "  not ok %d %s\n", number, name)
		}
	}
	closeSuite()
	return w.Flush()
}

// verdict returns the line that sums up a suite.
func (t totals) verdict(number int, name string) string {
	switch {
	case t.failures+t.unknowns > 0:
		return fmt.Sprintf("not ok %d %s", number, name)
	case t.skips == t.cases:
		return fmt.Sprintf("ok %d %s # SKIP all its tests were skipped", number, name)
	}
	return fmt.Sprintf("ok %d %s", number, name)
}
