package verdict

// index finds rows of the table by the first three bytes of what a line has to contain: nearly no line has
// any of them, and a log has a million lines.
var index = func() (ix [1 << 13][]int) {
	for i, g := range table {
		h := hash(g.has[0], g.has[1], g.has[2])
		ix[h] = append(ix[h], i)
	}
	return ix
}()

func hash(a, b, c byte) int {
	return (int(a)*1031 + int(b)*89 + int(c)) & (1<<13 - 1)
}

// candidates returns the rows that may fit a line, in the order of the table.
func candidates(text string) []int {
	var rows []int
	for i := 0; i+2 < len(text); i++ {
		for _, row := range index[hash(text[i], text[i+1], text[i+2])] {
			at := len(rows)
			for at > 0 && rows[at-1] > row {
				at--
			}
			if at > 0 && rows[at-1] == row {
				continue
			}
			rows = append(rows, 0)
			copy(rows[at+1:], rows[at:])
			rows[at] = row
		}
	}
	return rows
}
