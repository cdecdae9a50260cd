package help

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// anchors gives headings the identifiers that GitHub gives them: lower case, blanks to hyphens, other signs
// dropped, and a number behind one that was given before.
// One for each page: identifiers are unique within it.
type anchors struct{ seen map[string]int }

// Generate returns the identifier of a heading.
// A page may have a heading "x-1" beside two called "x", which would give it a name that is there; none has so far, and links to it
// would lead to the first.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	id := anchor(string(value))
	n := a.seen[id]
	a.seen[id]++
	if n > 0 {
		id += "-" + strconv.Itoa(n)
	}
	return []byte(id)
}

// Put notes an identifier that a page gave itself.
func (a *anchors) Put(value []byte) { a.seen[string(value)]++ }

// anchor is the identifier of a title.
// It is the heading as written: marks of code and emphasis are dropped with the other signs, but a link in one would leave its
// address in the identifier.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(title))
}
