package connection

import (
	"regexp/syntax"
	"slices"
)

// maxLiterals bounds the texts of which one must be in a match.
const maxLiterals = 16

// literals returns texts of which every match of an expression holds at least one, as many bytes of
// each as are certain; nil where there are none.
func literals(text string) []string {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil
	}
	return required(re)
}

func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		// Of the parts that must all be there the best is asked for: the one whose shortest text is longest.
		var best []string
		for _, sub := range re.Sub {
			if found := required(sub); shortest(found) > shortest(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			found := required(sub)
			if found == nil || len(all)+len(found) > maxLiterals {
				return nil
			}
			all = append(all, found...)
		}
		return all
	}
	return nil
}

func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}

// table is an automaton (that of Aho and Corasick) over the literals of many patterns.
type table struct {
	patterns []Pattern
	classes  [256]uint8 // bytes that no literal holds are one class
	width    int        // of a row: the number of classes
	next     []uint32   // row + class → row; rows are multiples of width
	accepts  uint32     // rows from here on end a literal
	ends     [][]int    // of these rows: the patterns
}

// scanner finds in one pass over a stream which of the patterns of a table may match. Consoles say
// megabytes that match nothing, and the engines look only where a literal was seen.
type scanner struct {
	*table
	seen []int64 // by pattern: where in the stream a literal ended last; 0 for nowhere
	row  uint32
	at   int64 // up to where the stream was scanned
}

// node is a state while the automaton is made.
type node struct {
	next [256]int32 // 0: none
	fail int32
	ends []int
}

func newTable(patterns []Pattern) *table {
	s := &table{patterns: slices.Clone(patterns), width: 1}
	nodes := []node{{}}
	for i, p := range patterns {
		for _, text := range p.literals {
			at := int32(0)
			for j := range len(text) {
				b := text[j]
				if s.classes[b] == 0 {
					s.classes[b] = uint8(s.width)
					s.width++
				}
				if nodes[at].next[b] == 0 {
					nodes = append(nodes, node{})
					nodes[at].next[b] = int32(len(nodes) - 1)
				}
				at = nodes[at].next[b]
			}
			nodes[at].ends = append(nodes[at].ends, i)
		}
	}
	s.layOut(nodes, link(nodes))
	return s
}

// link completes the transitions with those of the longest suffix, and returns the states in order of
// their depth.
func link(nodes []node) (order []int32) {
	order = []int32{0}
	for i := 0; i < len(order); i++ {
		at := order[i]
		for b := range 256 {
			to := nodes[at].next[b]
			suffix := int32(0)
			if at != 0 {
				suffix = nodes[nodes[at].fail].next[b]
			}
			if to == 0 {
				nodes[at].next[b] = suffix
				continue
			}
			nodes[to].fail = suffix
			nodes[to].ends = append(nodes[to].ends, nodes[suffix].ends...)
			order = append(order, to)
		}
	}
	return order
}

// layOut writes the states as rows, those that end a literal last.
func (s *table) layOut(nodes []node, order []int32) {
	slices.SortStableFunc(order[1:], func(a, b int32) int { return min(len(nodes[a].ends), 1) - min(len(nodes[b].ends), 1) })
	rows := make([]uint32, len(nodes))
	s.accepts = uint32(len(nodes) * s.width)
	for i, n := range order {
		rows[n] = uint32(i * s.width)
		if len(nodes[n].ends) > 0 {
			s.accepts = min(s.accepts, rows[n])
			s.ends = append(s.ends, nodes[n].ends)
		}
	}
	s.next = make([]uint32, len(nodes)*s.width)
	for i, n := range order {
		for b := range 256 {
			if class := s.classes[b]; class > 0 {
				s.next[i*s.width+int(class)] = rows[nodes[n].next[b]]
			}
		}
	}
}

// serves says whether the table was made for these patterns.
func (s *table) serves(patterns []Pattern) bool {
	return s != nil && slices.EqualFunc(s.patterns, patterns, func(a, b Pattern) bool { return a.full == b.full })
}

// scan reads on in the stream: text ends at position end.
func (s *scanner) scan(text []byte, end int64) {
	if skip := s.at - (end - int64(len(text))); skip > 0 {
		text = text[min(skip, int64(len(text))):]
	} else if skip < 0 {
		s.row = 0
	}
	row, next, accepts := s.row, s.next, s.accepts
	for i, b := range text {
		row = next[row+uint32(s.classes[b])]
		if row >= accepts {
			for _, p := range s.ends[(row-accepts)/uint32(s.width)] {
				s.seen[p] = end - int64(len(text)-i-1)
			}
		}
	}
	s.row, s.at = row, end
}

// forget begins anew at a position: what stands before it was matched, and is no part of anything.
func (s *scanner) forget(at int64) {
	clear(s.seen)
	s.row, s.at = 0, at
}

// may says whether pattern i may match in the part of the stream from a position on.
func (s *scanner) may(i int, from int64) bool {
	return s.patterns[i].literals == nil || s.seen[i] > from
}
