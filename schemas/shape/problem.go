package shape

import (
	"fmt"
	"strconv"
	"strings"

	"strata/schemas/yaml"
)

// Mode says what becomes of keys that a mapping does not know.
type Mode bool

// The modes.
const (
	Lenient Mode = false // unknown keys pass, save in a Map that is Closed
	Strict  Mode = true  // unknown keys are refused
)

// Step is one step down into a document: a key of a mapping, or an item of a list.
type Step struct {
	Key   string // of a mapping, as Python prints it without quotes
	Index int    // of a list, from 0
	Item  bool   // the step is an item
}

// Path leads from the root of a document to a value.
type Path []Step

// To returns the path to the value under key. Paths never share memory.
func (p Path) To(key string) Path { return append(p[:len(p):len(p)], Step{Key: key}) }

// At returns the path to item i.
func (p Path) At(i int) Path { return append(p[:len(p):len(p)], Step{Index: i, Item: true}) }

// String writes the path as people write it: actions[1].boot.commands.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Item:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		case i > 0:
			b.WriteString("." + s.Key)
		default:
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

// Problem is one thing that is wrong with a document.
type Problem struct {
	Path    Path
	Line    int    // from 1; 0 where unknown
	Column  int    // from 1; 0 where unknown
	Message string // for people: what is wrong and what is allowed
	Rule    string // the same in the words of voluptuous, such as "extra keys not allowed"
	weight  int    // how far a value is from what was meant; see Either
	word    string // a word that is none of words
	words   []string
}

// String returns place, path and message.
func (p Problem) String() string {
	path := p.Path.String()
	if path != "" {
		path += ": "
	}
	return fmt.Sprintf("line %d, column %d: %s%s", p.Line, p.Column, path, p.Message)
}

// How far off a problem of each sort is. An alternative whose first word or very kind is wrong was
// hardly meant; one with a key too many or too few was.
const (
	weightNear    = 1 // an unknown key that is nearly a known one
	weightUnknown = 2
	weightValue   = 3
	weightMissing = 4
	weightWord    = 10
	weightKind    = 1000
)

func problem(n *yaml.Node, at Path, weight int, rule, format string, args ...any) []Problem {
	p := Problem{Path: at, Message: fmt.Sprintf(format, args...), Rule: rule, weight: weight}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	return []Problem{p}
}

// NewProblem makes a problem of the caller's own rule, placed at n.
func NewProblem(n *yaml.Node, at Path, rule, message string) Problem {
	return problem(n, at, weightValue, rule, "%s", message)[0]
}

// weigh adds up how far off a value at a place is: wholly where it is of another kind, little where
// the fault is deep inside of it.
func weigh(at Path, problems []Problem) (sum int) {
	for _, p := range problems {
		switch depth := len(p.Path) - len(at); {
		case depth > 1:
			sum++
		case depth == 1 && p.weight == weightKind:
			sum += weightValue
		default:
			sum += p.weight
		}
	}
	return sum
}

// found names a value for a message, cut where it is long.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.Null:
		return "nothing"
	case yaml.List:
		return "a list"
	case yaml.Map:
		return "a mapping"
	case yaml.Set:
		return "a set"
	case yaml.Bool:
		return "the boolean " + strconv.FormatBool(n.Bool)
	case yaml.Int:
		return "the number " + short(n.Print())
	case yaml.String:
		return "the text " + strconv.Quote(short(n.Text))
	}
	return "the " + n.Kind.String() + " " + short(n.Print())
}

func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
