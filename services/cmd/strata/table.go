package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// narrowest is what a column is cut to at the most; below that its cells say nothing any more.
const narrowest = 12

// table writes rows under their heads, in columns; heads alone where there are no rows. Where it
// would be wider than the terminal its widest column is cut: a list whose lines wrap is no list. What
// goes into a pipe is never cut.
// Columns are two blanks apart and the heads are words without blanks, so that awk and cut can take
// them apart; programs that want more have --json.
func (a *app) table(heads []string, rows [][]string) error {
	return writeTable(a.out, columns(a.out), heads, rows)
}

// writeTable is table for a terminal of some columns; 0 is a pipe.
// One write: a table that is printed beside other output is not torn.
func writeTable(out io.Writer, room int, heads []string, rows [][]string) error {
	width := make([]int, len(heads))
	all := [][]string{heads}
	for _, r := range rows {
		all = append(all, tamed(r))
	}
	for _, r := range all {
		for i, cell := range r {
			width[i] = max(width[i], visible(cell))
		}
	}
	total, widest := 2*(len(width)-1), 0
	for i, w := range width {
		total += w
		if w > width[widest] {
			widest = i
		}
	}
	if room > 0 && total > room {
		width[widest] = max(narrowest, width[widest]-(total-room))
	}
	var text strings.Builder
	for _, r := range all {
		var line strings.Builder
		for i, cell := range r {
			cell = cut(cell, width[i])
			line.WriteString(cell + strings.Repeat(" ", width[i]-visible(cell)+2))
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// coloured is a text as paint returns it.
var coloured = regexp.MustCompile("\x1b\\[(?:3[1-6]|[12])m[^\x1b]*\x1b\\[0m")

// tame returns a text in which a terminal obeys nothing but our own colours, on one line. Names of jobs and
// reasons are the words of others, and YAML can write any character into them: a list of jobs must not
// move the cursor or write the title of the terminal of who reads it.
func tame(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		return text
	}
	var b strings.Builder
	rest := 0
	for _, at := range append(coloured.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		b.WriteString(bare(text[rest:at[0]]))
		if own := text[at[0]:at[1]]; own != "" {
			begins, ends := strings.IndexByte(own, 'm')+1, len(own)-len("\x1b[0m")
			b.WriteString(own[:begins] + bare(own[begins:ends]) + own[ends:])
		}
		rest = at[1]
	}
	return b.String()
}

// bare returns a text on one line, without control characters and the sequences that they begin.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, controls.ReplaceAllString(text, ""))
}

// tamed is tame of each cell of a row.
func tamed(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = tame(cell)
	}
	return out
}

// visible is how many columns of a terminal a cell takes: colours take none.
// It counts runes: wide and combining ones are taken for one column each.
func visible(cell string) int { return utf8.RuneCountInString(controls.ReplaceAllString(cell, "")) }

// cut shortens a cell to a width, and shows that it did. It takes the colours away with the text.
func cut(cell string, width int) string {
	if visible(cell) <= width {
		return cell
	}
	return string([]rune(controls.ReplaceAllString(cell, ""))[:width-1]) + "…"
}

// columns is the width of a terminal, or 0 where out is none.
func columns(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok || !terminal(out) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// say tells a person something beside what a command prints, on standard error; programs that asked
// for JSON are left alone.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.err, "strata: "+format+"\n", args...)
	}
}
