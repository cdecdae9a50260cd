package projections

import (
	"regexp"
	"strings"
)

// Piece is a part of a line that a search found, and whether it is what was searched for.
type Piece struct {
	Text string
	Hit  bool
}

// mostMarks bounds the hits that are told of one line: who searches for "a" has seen enough by then.
const mostMarks = 200

// Marker returns what cuts a line that a search has found into pieces, by which a page shows why it was found. The pieces
// together are the line without terminal sequences, which the search does not see either. A text that the search would refuse
// marks nothing.
//
// It goes by the rules of [Search] and not by its index, so a line that it marks nothing in may still be a hit: of words, one
// that stands in a part of a time stamp is not looked for; of capitals outside of ASCII, Go and the engine differ on a few.
func (k SearchKind) Marker(text string, fold bool) func(message string) []Piece {
	var find func(line string, cuts []int) [][]int
	switch k {
	case Words, "":
		words := map[string]bool{}
		for _, w := range wordsOf(withoutStamps(text)) {
			words[folded(w, fold)] = true
		}
		find = func(line string, cuts []int) [][]int { return wordPlaces(line, cuts, words, fold) }
	case Phrase:
		text = strings.TrimSpace(text)
		literal := expressionOf(regexp.QuoteMeta(text), fold)
		find = func(line string, _ []int) [][]int { return phrasePlaces(line, literal) }
	case Substring:
		find = placesOf(expressionOf(regexp.QuoteMeta(text), fold))
	case Regex:
		find = placesOf(expressionOf(text, fold))
	}
	return func(message string) []Piece {
		line, cuts := withoutSequences(message)
		if find == nil || text == "" {
			return []Piece{{Text: line}}
		}
		return pieces(line, find(line, cuts))
	}
}

// expressionOf compiles an expression; nil where it is none.
func expressionOf(expression string, fold bool) *regexp.Regexp {
	if fold {
		expression = "(?i)" + expression
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil
	}
	return re
}

func placesOf(re *regexp.Regexp) func(string, []int) [][]int {
	return func(line string, _ []int) [][]int {
		if re == nil {
			return nil
		}
		return re.FindAllStringIndex(line, mostMarks)
	}
}

func folded(word string, fold bool) string {
	if fold {
		return strings.ToLower(word)
	}
	return word
}

// wordPlaces are the words of a line that are among those wanted. Cuts are places where a terminal sequence stood: one ends
// a word there, however the letters around it join without it.
func wordPlaces(line string, cuts []int, words map[string]bool, fold bool) (places [][]int) {
	for i := 0; i < len(line) && len(places) < mostMarks; {
		if byteKinds[line[i]] != inWord {
			i++
			continue
		}
		end, _ := wordEnd(line, i)
		for len(cuts) > 0 && cuts[0] <= i {
			cuts = cuts[1:]
		}
		if len(cuts) > 0 && cuts[0] < end {
			end = cuts[0]
		}
		if words[folded(line[i:end], fold)] {
			places = append(places, []int{i, end})
		}
		i = end
	}
	return places
}

// phrasePlaces are those places of a text that begin and end at words. One that is refused may overlap one that is not, so
// each is looked for from the byte behind where the last one began.
func phrasePlaces(line string, text *regexp.Regexp) (places [][]int) {
	if text == nil {
		return nil
	}
	for at := 0; at < len(line) && len(places) < mostMarks; {
		m := text.FindStringIndex(line[at:])
		if m == nil || m[0] == m[1] {
			break
		}
		from, to := at+m[0], at+m[1]
		left := from == 0 || byteKinds[line[from-1]] != inWord || byteKinds[line[from]] != inWord
		right := to == len(line) || byteKinds[line[to]] != inWord || byteKinds[line[to-1]] != inWord
		at = from + 1
		if left && right {
			places, at = append(places, []int{from, to}), to
		}
	}
	return places
}

// Shown is a line as people see it: without terminal sequences.
func Shown(message string) string {
	line, _ := withoutSequences(message)
	return line
}

// withoutSequences is a line as people see it, and where in it terminal sequences stood.
func withoutSequences(message string) (line string, cuts []int) {
	if !strings.Contains(message, "\x1b") {
		return message, nil
	}
	var b strings.Builder
	for i := 0; i < len(message); {
		if message[i] == '\x1b' {
			cuts = append(cuts, b.Len())
			i = escapeEnd(message, i)
			continue
		}
		b.WriteByte(message[i])
		i++
	}
	return b.String(), cuts
}

// pieces cuts a line at places, which come in order and apart from each other. Empty ones, as of the expression x*, are left out.
func pieces(line string, places [][]int) (out []Piece) {
	at := 0
	for _, p := range places {
		if p[0] == p[1] {
			continue
		}
		if p[0] > at {
			out = append(out, Piece{Text: line[at:p[0]]})
		}
		out = append(out, Piece{line[p[0]:p[1]], true})
		at = p[1]
	}
	if at < len(line) || len(out) == 0 {
		out = append(out, Piece{Text: line[at:]})
	}
	return out
}
