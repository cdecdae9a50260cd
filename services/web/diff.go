package web

import "strings"

// diffLine is a line of a comparison.
// A run of lines that is left out is one '@', without numbers.
type diffLine struct {
	Kind     byte // ' ' stays, '-' goes, '+' comes, '@' stands for lines that are not shown
	Old, New int  // numbers, from 1; 0 where the line is not in that text
	Text     string
}

// Class is how the line is drawn.
func (l diffLine) Class() string {
	return map[byte]string{'-': "gone", '+': "come", '@': "hunk"}[l.Kind]
}

// Sign stands before the line, for those who do not see colours.
// The first is a minus sign and not a hyphen; blank for lines that stay.
func (l diffLine) Sign() string {
	return map[byte]string{'-': "−", '+': "+", '@': "…"}[l.Kind]
}

// diffCells bounds the table of a comparison; texts that need more are shown as taken out and put in whole.
// Each is an int of 8 bytes: 32 MiB for a moment. That is about 2,000 changed lines against 2,000.
const diffCells = 4 << 20

// diffAround is how many unchanged lines are shown around a change.
// As diff -u has it.
const diffAround = 3

// diff compares two texts by lines; nil where they are equal.
// A last line end that comes or goes is no difference by lines: then the result is one '@', and not nil.
func diff(a, b string) []diffLine {
	if a == b {
		return nil
	}
	return fold(align(linesOf(a), linesOf(b)))
}

func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// align finds the longest common lines.
// Common beginnings and ends are cut off before, which is all there is of most changes; what is left is the classic table of the
// longest common subsequence, filled from its end so that it can be walked from the beginning.
func align(a, b []string) (out []diffLine) {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	for i := range begin {
		out = append(out, diffLine{' ', i + 1, i + 1, a[i]})
	}
	x, y := a[begin:len(a)-end], b[begin:len(b)-end]
	common := make([]int, 0)
	if len(x)*len(y) <= diffCells {
		common = make([]int, (len(x)+1)*(len(y)+1)) // of x[i:] and y[j:]
		for i := len(x) - 1; i >= 0; i-- {
			for j := len(y) - 1; j >= 0; j-- {
				if x[i] == y[j] {
					common[i*(len(y)+1)+j] = common[(i+1)*(len(y)+1)+j+1] + 1
				} else {
					common[i*(len(y)+1)+j] = max(common[(i+1)*(len(y)+1)+j], common[i*(len(y)+1)+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && len(common) > 0 && x[i] == y[j]:
			out = append(out, diffLine{' ', begin + i + 1, begin + j + 1, x[i]})
			i, j = i+1, j+1
		// Of two ways that are as good, lines that go stand before those that come, as people read a change.
		case i < len(x) && (j == len(y) || len(common) == 0 || common[(i+1)*(len(y)+1)+j] >= common[i*(len(y)+1)+j+1]):
			out = append(out, diffLine{'-', begin + i + 1, 0, x[i]})
			i++
		default:
			out = append(out, diffLine{'+', 0, begin + j + 1, y[j]})
			j++
		}
	}
	for k := range end {
		out = append(out, diffLine{' ', len(a) - end + k + 1, len(b) - end + k + 1, a[len(a)-end+k]})
	}
	return out
}

// fold leaves out unchanged lines that are far from any change.
// Near says of each line whether a change is within reach; a run of those that are not becomes one '@'.
func fold(all []diffLine) (out []diffLine) {
	near := make([]bool, len(all))
	for i, l := range all {
		if l.Kind == ' ' {
			continue
		}
		for k := max(0, i-diffAround); k <= min(len(all)-1, i+diffAround); k++ {
			near[k] = true
		}
	}
	hidden := false
	for i, l := range all {
		if near[i] {
			out = append(out, l)
		} else if !hidden {
			out = append(out, diffLine{Kind: '@'})
		}
		hidden = !near[i]
	}
	return out
}
