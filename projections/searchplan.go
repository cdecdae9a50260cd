package projections

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// SearchKind says how the text of a search is meant.
type SearchKind string

// The kinds of search.
const (
	Words     SearchKind = "words"     // all words of the text are words of the line, in any order
	Phrase    SearchKind = "phrase"    // the line has the text, beginning and ending at words
	Substring SearchKind = "substring" // the line has the text
	Regex     SearchKind = "regex"     // an RE2 expression finds something in the line
)

// SearchKinds lists the kinds.
func SearchKinds() []SearchKind { return []SearchKind{Words, Phrase, Substring, Regex} }

// maxSearchText is the longest text of a search, bytes.
const maxSearchText = 1000

// plan is how a search is answered: which templates its lines may have, which words with digits they
// must have, and what makes sure.
type plan struct {
	templates []string   // conditions on log_templates, all of which hold; none is no restriction
	words     [][]string // for each word with a digit that stands in every line, the ways in which it may be written
	before    []string   // conditions on a line that need no message, and leave few for check
	check     []string   // conditions on a line: of message, variables and template
	message   bool       // check asks for the message
	values    []any
}

// ErrSearch reports a search that cannot be meant; the text is for people.
var ErrSearch = errors.New("the search is wrong")

func wrongSearch(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSearch, fmt.Sprintf(format, args...))
}

// planSearch makes a plan of a text.
func planSearch(text string, kind SearchKind, fold bool) (*plan, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, wrongSearch("the text is empty")
	case len(text) > maxSearchText:
		return nil, wrongSearch("the text has %d bytes; allowed are %d", len(text), maxSearchText)
	case !utf8.ValidString(text):
		return nil, wrongSearch("the text is not UTF-8")
	case strings.ContainsAny(text, "\n\x11\x12\x1b"):
		return nil, wrongSearch("the text %q has a line feed or a control byte in it; the search sees single lines without terminal sequences", text)
	}
	p := &plan{}
	switch kind {
	case Words:
		return p, p.ofWords(text, fold)
	case Phrase:
		return p, p.ofPhrase(text, fold)
	case Substring:
		p.ofText(text, fold)
		return p, nil
	case Regex:
		return p, p.ofRegex(text, fold)
	}
	return nil, wrongSearch("kind is %q; allowed are words, phrase, substring and regex", kind)
}

// bind adds a value and returns how it is written in the question.
func (p *plan) bind(value string) string {
	name := fmt.Sprintf("p%d", len(p.values))
	p.values = append(p.values, clickhouse.Named(name, value))
	return "{" + name + ":String}"
}

// token returns a condition: column has the word.
func (p *plan) token(column, word string, fold bool) string {
	if fold {
		return "hasTokenCaseInsensitive(" + column + ", " + p.bind(word) + ")"
	}
	return "hasToken(" + column + ", " + p.bind(word) + ")"
}

// text returns a condition: column has the text.
func (p *plan) text(column, text string, fold bool) string {
	if fold {
		return "positionCaseInsensitiveUTF8(" + column + ", " + p.bind(text) + ") > 0"
	}
	return "position(" + column + ", " + p.bind(text) + ") > 0"
}

func (p *plan) ofWords(text string, fold bool) error {
	words := wordsOf(withoutStamps(text))
	if len(words) == 0 {
		return wrongSearch("the text %q has no word in it: a word is a run of letters and digits; search for it as a substring", text)
	}
	var whole []string // of lines kept whole all words are looked for in the line
	for _, w := range words {
		if strings.ContainsAny(w, digits) {
			p.look(w, fold)
			p.check = append(p.check, p.token("variables", w, fold))
			continue
		}
		p.templates = append(p.templates, p.token("plain", w, fold))
		whole = append(whole, p.token("variables", w, fold))
	}
	if len(whole) > 0 {
		p.check = append(p.check, "(template != {raw:UInt64} OR "+strings.Join(whole, " AND ")+")")
	}
	return nil
}

const digits = "0123456789"

func (p *plan) ofPhrase(text string, fold bool) error {
	text = strings.TrimSpace(text)
	for _, w := range wordsOf(withoutStamps(text)) {
		if strings.ContainsAny(w, digits) {
			p.look(w, fold)
			p.before = append(p.before, p.token("variables", w, fold))
		} else {
			p.templates = append(p.templates, p.token("plain", w, fold))
		}
	}
	// What is no letter or digit of ASCII; bytes beyond it belong to words.
	const edge = "[\\x00-/:-@\\[-`{-\\x7f]"
	expression := regexp.QuoteMeta(text)
	if byteKinds[text[0]] == inWord {
		expression = "(?:^|" + edge + ")" + expression
	}
	if byteKinds[text[len(text)-1]] == inWord {
		expression += "(?:$|" + edge + ")"
	}
	if fold {
		expression = "(?i)" + expression
	}
	p.check, p.message = append(p.check, p.text("message", text, fold), "match(message, "+p.bind(expression)+")"), true
	return nil
}

func (p *plan) ofText(text string, fold bool) {
	p.narrow(text, fold)
	p.check, p.message = append(p.check, p.text("message", text, fold)), true
}

// narrow restricts templates and words to those of lines that may have text somewhere. The text may
// begin and end within a word, and a word to which the line adds a digit there is variable, however
// it looks here: so it is taken apart as it is, and with a digit before and behind it.
func (p *plan) narrow(text string, fold bool) {
	if insideStamp.MatchString(text) {
		return
	}
	var either []string
	for _, cut := range []string{text, stampEnd.ReplaceAllString(text, "")} {
		for _, left := range []string{"", "0"} {
			for _, right := range []string{"", "0"} {
				var m mined
				m.mine(left + cut + right)
				if string(m.template) == rawTemplate {
					return // it has too many variables to say what a line with it looks like
				}
				either = append(either, p.text("plain", string(m.template), fold))
			}
		}
		if cut == text && !stampEnd.MatchString(text) {
			break
		}
	}
	p.templates = append(p.templates, "("+strings.Join(either, " OR ")+")")
	inner := withoutStamps(text)
	words := wordsOf(inner)
	for i, w := range words {
		edge := i == 0 && strings.HasPrefix(inner, w) || i == len(words)-1 && strings.HasSuffix(inner, w)
		if !edge && strings.ContainsAny(w, digits) {
			p.look(w, fold)
			p.before = append(p.before, p.token("variables", w, fold))
		}
	}
}

func (p *plan) ofRegex(text string, fold bool) error {
	expression := text
	if fold {
		expression = "(?i)" + text
	}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return wrongSearch("the expression %q: %v", text, err)
	}
	for _, literal := range required(tree.Simplify(), fold) {
		p.narrow(literal, fold)
	}
	p.check, p.message = append(p.check, "match(message, "+p.bind(expression)+")"), true
	return nil
}

// required returns texts that each stand in whatever an expression finds.
func required(tree *syntax.Regexp, fold bool) []string {
	switch tree.Op {
	case syntax.OpLiteral:
		if text := string(tree.Rune); tree.Flags&syntax.FoldCase == 0 || fold {
			return []string{text}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(tree.Sub[0], fold)
	case syntax.OpRepeat:
		if tree.Min > 0 {
			return required(tree.Sub[0], fold)
		}
	case syntax.OpConcat:
		var all []string
		for _, sub := range tree.Sub {
			all = append(all, required(sub, fold)...)
		}
		return all
	}
	return nil
}

// A stamp is no part of a template, and its digits are not in the index over words.
var (
	stampWhole  = regexp.MustCompile(`\[ *\d+\.\d{6}\]`)
	stampBegin  = regexp.MustCompile(`\[ *\d+(\.\d*)?$`)
	stampEnd    = regexp.MustCompile(`^[\[ ]*\d*\.?\d*\]`)
	insideStamp = regexp.MustCompile(`^[\[ ]*\d*\.?\d*\]?$`)
)

// withoutStamps returns text without what may be a time stamp, or the end or the beginning of one.
func withoutStamps(text string) string {
	text = stampWhole.ReplaceAllString(text, " ")
	return stampBegin.ReplaceAllString(stampEnd.ReplaceAllString(text, " "), " ")
}

// wordsOf returns the words of text.
func wordsOf(text string) (words []string) {
	variableWords(text, func(w string) { words = append(words, w) })
	return words
}

// look notes that each line has a word with a digit; with fold in any way to write it, where these are
// few enough to be looked up.
func (p *plan) look(word string, fold bool) {
	ways := []string{""}
	if !fold {
		ways = []string{word}
		word = ""
	}
	for _, r := range word {
		lower, upper := strings.ToLower(string(r)), strings.ToUpper(string(r))
		var next []string
		for _, w := range ways {
			if next = append(next, w+lower); lower != upper {
				next = append(next, w+upper)
			}
		}
		if ways = next; len(ways) > 64 {
			return
		}
	}
	p.words = append(p.words, ways)
}
