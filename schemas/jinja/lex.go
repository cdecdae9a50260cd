package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is what is wrong with a template, or went wrong while it was rendered.
type Error struct {
	Template string // its name, as the loader knows it
	Line     int    // from 1
	Message  string
}

// Error says template, line and message.
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Template, e.Line, e.Message) }

type tokenKind int

const (
	tokenText       tokenKind = iota // outside of tags
	tokenTagStart                    // {%
	tokenTagEnd                      // %}
	tokenPrintStart                  // {{
	tokenPrintEnd                    // }}
	tokenName
	tokenString
	tokenInt
	tokenFloat
	tokenOperator
	tokenEOF
)

type token struct {
	kind tokenKind
	text string // of a string: its value
	line int
}

// lexer cuts a template's text into tokens. White space next to "-" marks, and the newline after
// a block tag or a comment (trim_blocks), are dropped here.
type lexer struct {
	name   string
	text   string
	pos    int
	line   int
	tokens []token
}

// lex cuts text into tokens; the last one is tokenEOF.
// One newline at the end is dropped (keep_trailing_newline is off in LAVA), and all line ends are \n
// from here on.
func lex(name, text string) ([]token, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	l := &lexer{name: name, text: strings.TrimSuffix(text, "\n"), line: 1}
	trimLeft := false // the tag before ended in "-"
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		at := nextOpening(rest)
		data := rest
		if at >= 0 {
			data = rest[:at]
		}
		if err := l.data(data, at, &trimLeft); err != nil {
			return nil, err
		}
	}
	l.add(tokenEOF, "")
	return l.tokens, nil
}

// nextOpening finds the first {{, {% or {# in s, or -1.
func nextOpening(s string) int {
	for i := 0; ; {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			return -1
		}
		if c := s[i+j+1]; c == '{' || c == '%' || c == '#' {
			return i + j
		}
		i += j + 1
	}
}

// data emits the text up to the opening at, then reads the tag there.
func (l *lexer) data(data string, at int, trimLeft *bool) error {
	raw := data
	if *trimLeft {
		data = strings.TrimLeftFunc(data, unicode.IsSpace)
		*trimLeft = false
	}
	if at < 0 {
		l.addText(data, raw)
		return nil
	}
	open := l.text[l.pos+at : l.pos+at+2]
	after := l.pos + at + 2
	sign := byte(0)
	if after < len(l.text) && (l.text[after] == '-' || l.text[after] == '+') {
		sign = l.text[after]
		after++
	}
	if sign == '-' {
		data = strings.TrimRightFunc(data, unicode.IsSpace)
	}
	l.addText(data, raw)
	l.pos = after
	switch open {
	case "{#":
		end := strings.Index(l.text[l.pos:], "#}")
		if end < 0 {
			return l.fail("comment is not closed: want #}")
		}
		comment := l.text[l.pos : l.pos+end]
		l.line += strings.Count(comment, "\n")
		l.pos += end + 2
		*trimLeft = strings.HasSuffix(comment, "-")
		if !*trimLeft && !strings.HasSuffix(comment, "+") {
			l.skipNewline()
		}
		return nil
	case "{%":
		l.add(tokenTagStart, "")
		if raw, ok := l.rawBlock(); ok {
			return l.raw(raw, trimLeft)
		}
		return l.inside("%}", tokenTagEnd, trimLeft)
	default:
		l.add(tokenPrintStart, "")
		return l.inside("}}", tokenPrintEnd, trimLeft)
	}
}

// inside reads the tokens of a tag up to its closing mark.
func (l *lexer) inside(closing string, end tokenKind, trimLeft *bool) error {
	depth := 0 // of brackets: a dictionary may end in "}}"
	for {
		l.skipSpace()
		rest := l.text[l.pos:]
		if rest == "" {
			return l.fail("tag is not closed: want " + closing)
		}
		if depth == 0 {
			if mark, ok := closes(rest, closing); ok {
				l.add(end, "")
				l.pos += len(mark)
				*trimLeft = mark[0] == '-'
				if end == tokenTagEnd && mark == closing {
					l.skipNewline()
				}
				return nil
			}
		}
		switch c := rest[0]; {
		case c == '\'' || c == '"':
			if err := l.stringLiteral(c); err != nil {
				return err
			}
		case c >= '0' && c <= '9':
			l.number()
		case c == '_' || c >= utf8.RuneSelf || unicode.IsLetter(rune(c)):
			l.identifier()
		default:
			op := operatorAt(rest)
			if op == "" {
				return l.fail(fmt.Sprintf("unexpected character %q", c))
			}
			switch op {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
			l.add(tokenOperator, op)
			l.pos += len(op)
		}
	}
}

// closes reports whether rest starts with the closing mark, with or without a sign before it.
func closes(rest, closing string) (string, bool) {
	if strings.HasPrefix(rest, closing) {
		return closing, true
	}
	if (rest[0] == '-' || rest[0] == '+') && strings.HasPrefix(rest[1:], closing) {
		return rest[:1+len(closing)], true
	}
	return "", false
}

var operators = []string{"**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "|", "(", ")", "[", "]", "{", "}", ".", ":", ",", "<", ">", "="}

func operatorAt(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func (l *lexer) identifier() {
	end := strings.IndexFunc(l.text[l.pos:], func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(l.text) - l.pos
	}
	if end == 0 { // an invalid byte: let the parser refuse it by name
		end = 1
	}
	l.add(tokenName, l.text[l.pos:l.pos+end])
	l.pos += end
}

// _ between digits is Python's, and is dropped; a dot without a digit behind it is an attribute's.
func (l *lexer) number() {
	rest := l.text[l.pos:]
	digits := func(s, set string) int {
		n := 0
		for n < len(s) && strings.IndexByte(set, s[n]) >= 0 {
			n++
		}
		return n
	}
	kind, n := tokenInt, 0
	if len(rest) > 2 && rest[0] == '0' && strings.IndexByte("xXoObB", rest[1]) >= 0 {
		n = 2 + digits(rest[2:], "0123456789abcdefABCDEF_")
	} else {
		n = digits(rest, "0123456789_")
		if f := rest[n:]; len(f) > 1 && f[0] == '.' && f[1] >= '0' && f[1] <= '9' {
			kind = tokenFloat
			n += 1 + digits(f[1:], "0123456789_")
		}
		if e := rest[n:]; len(e) > 1 && (e[0] == 'e' || e[0] == 'E') {
			m := 1
			if e[1] == '+' || e[1] == '-' {
				m = 2
			}
			if d := digits(e[m:], "0123456789_"); d > 0 {
				kind = tokenFloat
				n += m + d
			}
		}
	}
	l.add(kind, strings.ReplaceAll(rest[:n], "_", ""))
	l.pos += n
}

// stringLiteral reads a quoted string with Python's escapes; it may span lines.
func (l *lexer) stringLiteral(quote byte) error {
	start := l.line
	s := l.text[l.pos+1:]
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			value, err := unescape(s[:i])
			if err != nil {
				return l.fail(err.Error())
			}
			l.tokens = append(l.tokens, token{tokenString, value, start})
			l.line += strings.Count(s[:i], "\n")
			l.pos += i + 2
			return nil
		}
	}
	return l.fail(fmt.Sprintf("string is not closed: want %c", quote))
}

// rawBlock reports the text of {% raw %}…{% endraw %} when the tag at hand opens one.
func (l *lexer) rawBlock() (string, bool) {
	rest := strings.TrimLeft(l.text[l.pos:], " \t\n")
	if !strings.HasPrefix(rest, "raw") {
		return "", false
	}
	rest = strings.TrimLeft(rest[len("raw"):], " \t\n")
	mark, ok := "", false
	if rest != "" {
		mark, ok = closes(rest, "%}")
	}
	return mark, ok
}

// raw emits a raw block's body as text.
// Nothing within is read, tags least of all: shell scripts in dictionaries stand in such blocks.
func (l *lexer) raw(mark string, trimLeft *bool) error {
	l.tokens = l.tokens[:len(l.tokens)-1] // the tag start is no token of the parser
	start := strings.Index(l.text[l.pos:], "%}") + l.pos + 2
	l.line += strings.Count(l.text[l.pos:start], "\n")
	l.pos = start
	for i := l.pos; ; {
		j := strings.Index(l.text[i:], "{%")
		if j < 0 {
			return l.fail("raw is not closed: want {% endraw %}")
		}
		i += j
		inner := strings.TrimLeft(l.text[i+2:], "-+ \t\n")
		end := strings.Index(inner, "%}")
		if end >= 0 && strings.Trim(inner[:end], "-+ \t\n") == "endraw" {
			body := l.text[l.pos:i]
			if mark[0] == '-' {
				body = strings.TrimLeftFunc(body, unicode.IsSpace)
			}
			if l.text[i+2] == '-' {
				body = strings.TrimRightFunc(body, unicode.IsSpace)
			}
			stop := len(l.text) - len(inner) + end + 2
			l.addText(body, l.text[l.pos:stop])
			*trimLeft = inner[end-1] == '-'
			if !*trimLeft && inner[end-1] != '+' {
				l.skipNewline()
			}
			return nil
		}
		i += 2
	}
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.text) {
		switch l.text[l.pos] {
		case '\n':
			l.line++
		case ' ', '\t', '\f', '\v':
		default:
			return
		}
		l.pos++
	}
}

// trim_blocks, which LAVA has on.
func (l *lexer) skipNewline() {
	if l.pos < len(l.text) && l.text[l.pos] == '\n' {
		l.line++
		l.pos++
	}
}

// addText emits data and steps over raw, the template's text that it came from.
func (l *lexer) addText(data, raw string) {
	if data != "" {
		l.add(tokenText, data)
	}
	l.line += strings.Count(raw, "\n")
	l.pos += len(raw)
}

func (l *lexer) add(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind, text, l.line})
}

func (l *lexer) fail(message string) error {
	return &Error{Template: l.name, Line: l.line, Message: message}
}
