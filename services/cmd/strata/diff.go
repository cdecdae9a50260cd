package main

import (
	"fmt"
	"slices"
	"strings"
)

// diffContext is how many lines a diff shows around a change.
const diffContext = 3

// diffCells bounds the table of a comparison: what is larger is shown as taken out and put in whole.
// Two texts of 4096 lines that differ from the first to the last line; an int32 each makes 64 MiB.
const diffCells = 16 << 20

// edit is a line that stays (' '), goes ('-') or comes ('+').
type edit struct {
	kind byte
	line string
}

// unified writes the difference of two texts in the unified format; "" where there is none.
// It is for texts of configurations, some thousand lines: a longest common subsequence in full needs
// no library.
func unified(from, to, a, b string) string {
	edits := compare(lines(a), lines(b))
	if !slices.ContainsFunc(edits, func(e edit) bool { return e.kind != ' ' }) {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	oldLine, newLine := 1, 1
	for i := 0; i < len(edits); {
		if edits[i].kind == ' ' {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		begin, end := max(0, i-diffContext), hunkEnd(edits, i)
		back := i - begin
		writeHunk(&out, edits[begin:end], oldLine-back, newLine-back)
		for ; i < end; i++ {
			if edits[i].kind != '+' {
				oldLine++
			}
			if edits[i].kind != '-' {
				newLine++
			}
		}
	}
	return out.String()
}

// hunkEnd returns where the hunk ends that has a change at i: changes close to each other share one.
func hunkEnd(edits []edit, i int) int {
	last := i
	for j := i; j < len(edits) && j-last <= 2*diffContext; j++ {
		if edits[j].kind != ' ' {
			last = j
		}
	}
	return min(len(edits), last+1+diffContext)
}

func writeHunk(out *strings.Builder, edits []edit, oldLine, newLine int) {
	olds, news := 0, 0
	for _, e := range edits {
		if e.kind != '+' {
			olds++
		}
		if e.kind != '-' {
			news++
		}
	}
	// A side without lines names the line before it.
	if olds == 0 {
		oldLine--
	}
	if news == 0 {
		newLine--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", oldLine, olds, newLine, news)
	for _, e := range edits {
		fmt.Fprintf(out, "%c%s\n", e.kind, e.line)
	}
}

// lines cuts a text; the newline at its end begins no line.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// compare returns the shortest way from a to b: their longest common subsequence stays.
// Beginnings and ends that are alike are set aside first, so that a change in a long text costs
// little.
func compare(a, b []string) []edit {
	var edits []edit
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		edits = append(edits, edit{' ', a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	edits = append(edits, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, line := range a[len(a)-tail:] {
		edits = append(edits, edit{' ', line})
	}
	return edits
}

// middle compares what is left between a common beginning and a common end.
func middle(a, b []string) []edit {
	var edits []edit
	i, j := 0, 0
	if len(a)*len(b) <= diffCells && len(a) > 0 && len(b) > 0 {
		// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
		common := make([][]int32, len(a)+1)
		for i := range common {
			common[i] = make([]int32, len(b)+1)
		}
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					common[i][j] = common[i+1][j+1] + 1
				} else {
					common[i][j] = max(common[i+1][j], common[i][j+1])
				}
			}
		}
		for i < len(a) && j < len(b) {
			switch {
			case a[i] == b[j]:
				edits, i, j = append(edits, edit{' ', a[i]}), i+1, j+1
			// What goes before what comes, where both would do: as diff(1) shows a changed line.
			case common[i+1][j] >= common[i][j+1]:
				edits, i = append(edits, edit{'-', a[i]}), i+1
			default:
				edits, j = append(edits, edit{'+', b[j]}), j+1
			}
		}
	}
	for ; i < len(a); i++ {
		edits = append(edits, edit{'-', a[i]})
	}
	for ; j < len(b); j++ {
		edits = append(edits, edit{'+', b[j]})
	}
	return edits
}
