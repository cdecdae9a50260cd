// Package labelled is the set of logs and consoles whose verdict, cause and evidence line people have
// written down: recorded ones, which lie in the recorded data of the project; jobs on virtual boards with each
// of their faults; and consoles of other kinds, written after their sources. The rules of package verdict are held to it by tests and measured by it.
package labelled

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/services/judgement/verdict"
)

// Log is a log with its label.
type Log struct {
	Name  string
	Cause events.Cause // its verdict follows from it
	Line  uint64       // of the evidence, from 1; 0 where no line shows it
	file  string       // of a recorded log
	text  string       // of another one
}

// Set returns the labelled set. testdata is the folder of that name in package verdict, corpus that of the
// recorded data; empty leaves the recorded logs out.
func Set(testdata, corpus string) ([]Log, error) {
	var set []Log
	for _, name := range []string{"consoles.txt", "general.txt"} {
		text, err := os.ReadFile(filepath.Join(testdata, name))
		if err != nil {
			return nil, err
		}
		consoles, err := written(name, string(text))
		if err != nil {
			return nil, err
		}
		set = append(set, consoles...)
	}
	jobs, err := listed(filepath.Join(testdata, "jobs.csv"), testdata)
	if err != nil || corpus == "" {
		return append(set, jobs...), err
	}
	recorded, err := listed(filepath.Join(testdata, "recorded.csv"), corpus)
	return slices.Concat(set, jobs, recorded), err
}

// listed reads a table of files with their verdicts, causes and lines.
func listed(table, folder string) (set []Log, err error) {
	in, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", table, err)
	}
	for i, row := range rows[1:] {
		l := Log{Name: row[0], Cause: events.Cause(row[2]), file: filepath.Join(folder, row[0])}
		if l.Line, err = strconv.ParseUint(row[3], 10, 64); err != nil || string(l.Cause.Verdict()) != row[1] {
			return nil, fmt.Errorf("%s, line %d: %q is no verdict, cause and line that fit", table, i+2, row)
		}
		set = append(set, l)
	}
	return set, nil
}

// written reads the consoles of one file: each begins with ===, its cause and its name.
func written(file, text string) (set []Log, err error) {
	for i, part := range strings.Split("\n"+text, "\n=== ") {
		head, body, _ := strings.Cut(part, "\n")
		if i == 0 {
			continue // what the file says of itself
		}
		cause, name, ok := strings.Cut(head, " ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is no cause and name", file, head)
		}
		l := Log{Name: name, Cause: events.Cause(strings.TrimPrefix(cause, "-"))}
		lines := strings.Split(body, "\n")
		for n, line := range lines {
			if rest, marked := strings.CutPrefix(line, "* "); marked {
				lines[n], l.Line = rest, uint64(n+1)
			}
		}
		l.text = strings.Join(lines, "\n")
		set = append(set, l)
	}
	return set, nil
}

// Judge judges the log, and tells how many lines it has.
func (l Log) Judge() (j verdict.Judgement, lines uint64, err error) {
	var s *verdict.Scan
	if l.file == "" {
		s, err = verdict.ReadConsole(strings.NewReader(l.text))
	} else {
		in, oerr := os.Open(l.file)
		if oerr != nil {
			return j, 0, oerr
		}
		defer in.Close()
		s, _, err = verdict.Read(in)
	}
	if err != nil {
		return j, 0, fmt.Errorf("%s: %w", l.Name, err)
	}
	o, _ := s.Outcome()
	return s.Decide(o), s.Lines(), nil
}

// Line returns a judgement's evidence line as labels count it: from 1, 0 where there is none.
func Line(j verdict.Judgement) uint64 {
	if j.Evidence == nil {
		return 0
	}
	return *j.Evidence + 1
}
