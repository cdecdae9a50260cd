package shape

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"strata/schemas/yaml"
)

// Shape is a set of values.
// It has two private methods: all shapes are those of this package, so that each of its three readers
// knows them all.
type Shape interface {
	// String says in a few words what is allowed, such as "a text" or "one of gz, xz".
	String() string
	check(m Mode, at Path, n *yaml.Node) []Problem
	schema(w *writer) map[string]any
}

// Check returns what is wrong with n, in the order of the document; nothing means that it fits.
func Check(s Shape, m Mode, at Path, n *yaml.Node) []Problem { return s.check(m, at, n) }

func wrongKind(s Shape, at Path, n *yaml.Node, rule string) []Problem {
	return problem(n, at, weightKind, rule, "expected %s, found %s", s, found(n))
}

// Anything is every value.
type Anything struct{}

func (Anything) String() string                         { return "anything" }
func (Anything) check(Mode, Path, *yaml.Node) []Problem { return nil }
func (Nothing) String() string                          { return "nothing" }
func (Flag) String() string                             { return "true or false" }
func (s Nothing) check(_ Mode, at Path, n *yaml.Node) []Problem {
	if n.Empty() {
		return nil
	}
	return wrongKind(s, at, n, "expected None")
}

// Nothing is a key without a value.
type Nothing struct{}

// Flag is true or false.
type Flag struct{}

func (s Flag) check(_ Mode, at Path, n *yaml.Node) []Problem {
	if n.Is(yaml.Bool) {
		return nil
	}
	return wrongKind(s, at, n, "expected bool")
}

// Text is a text.
type Text struct {
	Least   int            // characters at least
	Most    int            // characters at most; 0 is no limit
	Pattern *regexp.Regexp // that it has to match, nil for any
	Not     []string       // texts that it may not be
	Rule    string         // what voluptuous says where Pattern or Not refuses
	Says    string         // what it is, "a text" where empty
}

func (s Text) String() string {
	if s.Says != "" {
		return s.Says
	}
	return "a text"
}

// A scalar of another kind is mostly a text without its quotes: 010, yes, 1.10.
func (s Text) check(_ Mode, at Path, n *yaml.Node) []Problem {
	if !n.Is(yaml.String) {
		p := wrongKind(s, at, n, "expected str")
		if n.Kind < yaml.List && n.Kind != yaml.Null {
			p[0].Message += "; put it in quotes"
		}
		return p
	}
	switch count := utf8.RuneCountInString(n.Text); {
	case count < s.Least && s.Least == 1:
		return problem(n, at, weightValue, "length of value must be at least 1", "%s may not be empty", s)
	case count < s.Least:
		return problem(n, at, weightValue, "length of value must be at least "+strconv.Itoa(s.Least), "%s needs at least %d characters", s, s.Least)
	case s.Most > 0 && count > s.Most:
		return problem(n, at, weightValue, "length of value must be at most "+strconv.Itoa(s.Most),
			"%s has at most %d characters, found %d", s, s.Most, count)
	case s.Pattern != nil && !s.Pattern.MatchString(n.Text):
		return problem(n, at, weightValue, s.Rule, "%q is not %s: it has to match %s", short(n.Text), s, s.Pattern)
	case slices.Contains(s.Not, n.Text):
		return problem(n, at, weightValue, s.Rule, "%q is reserved: %s may not be %s", n.Text, s, strings.Join(s.Not, " or "))
	}
	return nil
}

// Words is one text of a few.
type Words []string

func (s Words) String() string {
	if len(s) == 1 {
		return strconv.Quote(s[0])
	}
	return "one of " + strings.Join(s, ", ")
}

func (s Words) check(_ Mode, at Path, n *yaml.Node) []Problem {
	if !n.Is(yaml.String) {
		return wrongKind(s, at, n, "not a valid value")
	}
	if slices.Contains(s, n.Text) {
		return nil
	}
	p := problem(n, at, weightWord, "not a valid value", "%q is not allowed here%s", short(n.Text), allowed(n.Text, s))
	p[0].word, p[0].words = n.Text, s
	return p
}

// Number is a number. As in Python true is 1 and false is 0.
type Number struct {
	Whole bool   // without a fraction
	Least *int64 // nil is no limit
}

// AtLeast returns a limit for Number.
func AtLeast(i int64) *int64 { return &i }

func (s Number) String() string {
	text := "a number"
	if s.Whole {
		text = "a whole number"
	}
	if s.Least != nil {
		text += " of at least " + strconv.FormatInt(*s.Least, 10)
	}
	return text
}

func (s Number) check(_ Mode, at Path, n *yaml.Node) []Problem {
	value, ok := 0.0, true
	switch i, whole := n.AsInt(); {
	case whole:
		value = float64(i)
	// Beyond 64 bits: on the right side of any limit is all that matters.
	case n.Is(yaml.Int):
		value = float64(n.Big.Sign()) * 1e300
	case n.Is(yaml.Float) && !s.Whole:
		value = n.Float
	default:
		ok = false
	}
	switch {
	case !ok && s.Least != nil:
		return wrongKind(s, at, n, "invalid value or type (must have a partial ordering)")
	case !ok:
		return wrongKind(s, at, n, "expected int")
	case s.Least != nil && !(value >= float64(*s.Least)): // so that not-a-number is refused
		return problem(n, at, weightValue, "value must be at least "+strconv.FormatInt(*s.Least, 10), "expected %s, found %s", s, n.Print())
	}
	return nil
}

// List is a list whose every item has the shape Of.
type List struct {
	Of    Shape
	Least int // items at least
}

func (s List) String() string {
	if _, any := s.Of.(Anything); any {
		return "a list"
	}
	return "a list, each item " + s.Of.String()
}

func (s List) check(m Mode, at Path, n *yaml.Node) (problems []Problem) {
	if !n.Is(yaml.List) {
		return wrongKind(s, at, n, "expected a list")
	}
	if len(n.Items) < s.Least {
		return problem(n, at, weightValue, "length of value must be at least "+strconv.Itoa(s.Least), "expected at least %d items", s.Least)
	}
	for i, item := range n.Items {
		problems = append(problems, s.Of.check(m, at.At(i), item)...)
	}
	return problems
}

// Filled is a text, list or mapping of any content that is not empty.
type Filled struct{}

func (Filled) String() string { return "a text, list or mapping that is not empty" }

func (s Filled) check(_ Mode, at Path, n *yaml.Node) []Problem {
	switch n.Kind {
	case yaml.String, yaml.Binary, yaml.List, yaml.Map, yaml.Set:
		if n.Truth() {
			return nil
		}
		return problem(n, at, weightValue, "length of value must be at least 1", "expected %s", s)
	}
	return wrongKind(s, at, n, "invalid value or type")
}

// Either is a value of one of several shapes. A value that fits none is reported in the words of
// the shape that it is nearest to.
type Either []Shape

func (s Either) String() string {
	texts := make([]string, 0, len(s))
	for _, o := range s {
		if t := o.String(); !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, ", or ")
}

// Which alternative somebody meant is told by weights, not by the first that comes: messages about one
// that nobody meant send people the wrong way.
func (s Either) check(m Mode, at Path, n *yaml.Node) (best []Problem) {
	own := false // one of the shapes is of the value's kind
	least := 0
	var all [][]Problem
	var missing []string // of the shapes that are equally near, where each lacks just one key
	for _, o := range s {
		problems := o.check(m, at, n)
		if len(problems) == 0 {
			return nil
		}
		all = append(all, problems)
		own = own || problems[0].weight != weightKind || len(problems[0].Path) > len(at)
		weight := weigh(at, problems)
		if best == nil || weight < least {
			best, least, missing = problems, weight, nil
		}
		if weight == least && len(problems) == 1 && problems[0].weight == weightMissing && len(problems[0].Path) == len(at)+1 {
			missing = append(missing, problems[0].Path[len(at)].Key)
		}
	}
	switch {
	case !own:
		return wrongKind(s, at, n, best[0].Rule)
	case len(missing) > 1:
		best[0].Message = "one of the keys " + strings.Join(missing, ", ") + " is missing"
	}
	for i := range best {
		if best[i].words != nil {
			best[i].Message = fmt.Sprintf("%q is not allowed here%s", short(best[i].word), allowed(best[i].word, wordsAt(best[i].Path, all)))
		}
	}
	return best
}

// wordsAt gathers what all alternatives allow at one place, so that a message does not know only
// those of the alternative that it speaks for.
func wordsAt(at Path, alternatives [][]Problem) (words []string) {
	for _, problems := range alternatives {
		for _, p := range problems {
			if p.words != nil && slices.Equal(p.Path, at) {
				words = append(words, p.words...)
			}
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// Named is a shape that stands in several places: the JSON Schema defines it once under Name.
type Named struct {
	Name string // such as "timeout"
	Shape
}
