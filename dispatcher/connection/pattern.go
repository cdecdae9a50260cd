package connection

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
)

// Pattern is a compiled regular expression of Python's dialect.
//
// Two engines stand behind it. Go's own runs in linear time, and gives what Python gives for the
// common part of the dialects on ASCII text; a backtracking one knows the rest (look-around,
// backreferences, Unicode classes). Patterns come from users: the second engine gives up after
// matchLimit instead of hanging the job.
type Pattern struct {
	text string
	fast *regexp.Regexp // nil where the dialects differ
	full *backtracker
	// names of the groups by the number they have in fast, where that is set.
	names []string
	bytes bool // fast gives what Python gives on any text, not only on ASCII
	last  bool // ends with a $, which in Python stands before a last newline too
	// literals are texts of which every match holds at least one; nil where none are known.
	literals []string
}

// backtracker is the second engine, compiled when it is first needed: most patterns never need it, and
// it takes more memory than all else of a console.
type backtracker struct {
	text    string
	options regexp2.RegexOptions
	once    sync.Once
	engine  *regexp2.Regexp
	err     error
}

func (b *backtracker) compiled() (*regexp2.Regexp, error) {
	b.once.Do(func() {
		if b.engine, b.err = regexp2.Compile(b.text, b.options); b.err == nil {
			b.engine.MatchTimeout = matchLimit
		}
	})
	return b.engine, b.err
}

// matchLimit is how long the backtracking engine may take for one search.
const matchLimit = 2 * time.Second

// Flags change how a pattern matches.
type Flags int

const (
	// Multiline makes ^ and $ match at every line, as Python's re.MULTILINE does.
	Multiline Flags = 1 << iota
	// OneLine leaves DOTALL out: a dot matches no newline.
	OneLine
)

// Compile compiles a regular expression as Python's re.compile with DOTALL would, unless flags say
// otherwise. The error names the pattern.
func Compile(text string, flags Flags) (Pattern, error) {
	t := translate(text)
	options, prefix := regexp2.None, ""
	if flags&OneLine == 0 {
		options |= regexp2.Singleline
		prefix += "(?s)"
	}
	if flags&Multiline != 0 {
		options |= regexp2.Multiline
		prefix += "(?m)"
	}
	p := Pattern{text: text, full: &backtracker{text: t.text, options: regexp2.RegexOptions(options)}}
	var err error
	p.last = t.dollar && flags&Multiline == 0 && !t.special && endsOnce(prefix+text)
	if !t.special && (p.last || !t.dollar || flags&Multiline != 0) {
		if p.fast, err = regexp.Compile(prefix + text); err != nil {
			p.fast = nil // a construct that only the other engine knows
		}
	}
	if p.fast == nil {
		if _, err := p.full.compiled(); err != nil {
			return Pattern{}, fmt.Errorf("Invalid regular expression '%s': %w", text, err)
		}
	}
	if !t.special {
		p.literals = literals(prefix + text)
	}
	if p.fast != nil {
		p.names = p.fast.SubexpNames()
		p.bytes = !unicodeMatters.MatchString(text)
	}
	return p, nil
}

// Literal returns a pattern that matches text as it stands.
func Literal(text string) Pattern {
	quoted := regexp.QuoteMeta(text)
	p, err := Compile(quoted, 0)
	if err != nil {
		panic(err) // a quoted text always compiles
	}
	return p
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// found is a match within a window: byte offsets, and groups.
type found struct {
	start, end int
	groups     []Group
}

// Search returns the first part of a text that matches.
func (p Pattern) Search(text string) (string, bool, error) {
	f, ok, err := p.find(text, isASCII(text))
	if err != nil || !ok {
		return "", false, err
	}
	return text[f.start:f.end], true, nil
}

// find returns the first match in a window. ascii says that the window holds only ASCII.
func (p Pattern) find(window string, ascii bool) (found, bool, error) {
	if p.fast != nil && (ascii || p.bytes) {
		f, ok := p.findFast(window)
		shorter, cut := strings.CutSuffix(window, "\n")
		if !p.last || !cut {
			return f, ok, nil
		}
		g, before := p.findFast(shorter)
		switch {
		case !before || ok && f.start < g.start:
			return f, ok, nil
		case !ok || g.start < f.start:
			return g, true, nil
		}
		// Both match at one place: which of them wins depends on how greedy the pattern is.
	}
	runes := []rune(window)
	full, err := p.full.compiled()
	if err != nil {
		return found{}, false, fmt.Errorf("Invalid regular expression '%s': %w", p.text, err)
	}
	m, err := full.FindRunesMatch(runes)
	if err != nil {
		// The engine says how long it searched, and the whole text, which is a console's.
		return found{}, false, fmt.Errorf("The regular expression '%s' takes more than %s to search %d characters of the console: "+
			"write it without repetitions within repetitions", p.text, matchLimit, len(runes))
	}
	if m == nil {
		return found{}, false, nil
	}
	f := found{start: len(string(runes[:m.Index]))}
	f.end = f.start + len(string(runes[m.Index:m.Index+m.Length]))
	for _, g := range m.Groups()[1:] {
		f.groups = append(f.groups, Group{g.Name, g.String(), len(g.Captures) > 0})
	}
	return f, true, nil
}

// findFast returns the first match that Go's own engine finds.
func (p Pattern) findFast(window string) (found, bool) {
	at := p.fast.FindStringSubmatchIndex(window)
	if at == nil {
		return found{}, false
	}
	f := found{start: at[0], end: at[1]}
	for i := 1; i < len(p.names); i++ {
		g := Group{Name: p.names[i]}
		if g.Name == "" {
			g.Name = strconv.Itoa(i)
		}
		if at[2*i] >= 0 {
			g.Text, g.Valid = window[at[2*i]:at[2*i+1]], true
		}
		f.groups = append(f.groups, g)
	}
	return f, true
}

// unicodeMatters finds what means something else for Python where a text is not ASCII: classes of
// characters, word boundaries, flags.
var unicodeMatters = regexp.MustCompile(`\\[wWdDsSbB]|\(\?[aiLmsux-]`)

// endsOnce says whether the only end of the text that an expression asks for is its own last part.
func endsOnce(text string) bool {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return false
	}
	ends := 0
	var count func(*syntax.Regexp)
	count = func(re *syntax.Regexp) {
		if re.Op == syntax.OpEndText {
			ends++
		}
		for _, sub := range re.Sub {
			count(sub)
		}
	}
	count(re)
	return ends == 1
}

// translation is a Python expression as the backtracking engine wants it.
type translation struct {
	text    string
	special bool // uses something that Go's engine lacks or reads differently
	dollar  bool // has a $, which in Python also matches before a last newline
}

// translate rewrites what Python spells differently: named groups and references to them, \Z,
// {,n}, and brackets within classes, which the other dialect takes for set operations.
func translate(text string) translation {
	var t translation
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case c == '\\' && len(rest) > 1:
			if rest[1] == 'Z' && !class {
				b.WriteString(`\z`)
				t.special = true
			} else {
				b.WriteString(rest[:2])
			}
			if rest[1] >= '1' && rest[1] <= '9' || rest[1] == 'p' || rest[1] == 'P' || rest[1] == 'Q' {
				t.special = true
			}
			i++
		case class:
			switch {
			case c == '[':
				b.WriteString(`\[`)
				t.special = t.special || strings.HasPrefix(rest, "[:")
			case c == ']':
				class = false
				b.WriteByte(c)
			default:
				b.WriteByte(c)
			}
		case c == '[':
			class = true
			b.WriteByte(c)
			if strings.HasPrefix(rest, "[^") {
				b.WriteByte('^')
				i++
				rest = text[i:]
			}
			if len(rest) > 1 && rest[1] == ']' { // a bracket that comes first is an ordinary one
				b.WriteString(`\]`)
				i++
			}
		case strings.HasPrefix(rest, "(?P<"):
			b.WriteString("(?<")
			i += 3
		case strings.HasPrefix(rest, "(?P="):
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				b.WriteByte(c)
				continue
			}
			b.WriteString(`\k<` + rest[4:end] + ">")
			t.special = true
			i += end
		case strings.HasPrefix(rest, "{,"):
			b.WriteString("{0,")
			t.special = true
			i++
		case c == '$':
			t.dollar = true
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	t.text = b.String()
	return t
}
