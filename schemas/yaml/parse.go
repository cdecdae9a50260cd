package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"unicode/utf8"

	yamlv3 "gopkg.in/yaml.v3"
)

// Limits are the budgets of reading. A zero field takes the value of [DefaultLimits].
type Limits struct {
	Bytes int // of text
	Depth int // of nested lists and mappings
	Nodes int // in the document, each alias counted as what it stands for, and each 64 bytes of a text as one more
}

// DefaultLimits returns the budgets for job definitions, device dictionaries and test definitions.
// Real ones have at most a few thousand nodes in ten levels.
func DefaultLimits() Limits { return Limits{Bytes: 1 << 20, Depth: 100, Nodes: 500_000} }

// Error says what is wrong with a text and where.
type Error struct {
	Line    int // from 1; 0 where unknown
	Column  int // from 1; 0 where unknown
	Message string
}

// Error returns the message and the place.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Message
	case e.Column == 0:
		return fmt.Sprintf("%s in line %d", e.Message, e.Line)
	}
	return fmt.Sprintf("%s in line %d, column %d", e.Message, e.Line, e.Column)
}

// Parse reads one document within the default limits. An empty text is a null. The error is always
// an [*Error].
func Parse(text []byte) (*Node, error) { return ParseWithin(text, Limits{}) }

// ParseUnique reads one document within the default limits, and refuses a key that stands twice in a mapping. It
// is for files that are Strata's own. Those of LAVA are read as PyYAML reads them, which takes the last.
func ParseUnique(text []byte) (*Node, error) { return read(text, Limits{}, true) }

// ParseWithin reads one document within limits.
func ParseWithin(text []byte, limits Limits) (*Node, error) { return read(text, limits, false) }

func read(text []byte, limits Limits, unique bool) (*Node, error) {
	def := DefaultLimits()
	if limits.Bytes == 0 {
		limits.Bytes = def.Bytes
	}
	if limits.Depth == 0 {
		limits.Depth = def.Depth
	}
	if limits.Nodes == 0 {
		limits.Nodes = def.Nodes
	}
	if len(text) > limits.Bytes {
		return nil, &Error{Message: fmt.Sprintf("text has %d bytes, more than %d", len(text), limits.Bytes)}
	}
	if err := checkCharacters(text); err != nil {
		return nil, err
	}
	ready, changed := prepared(text)
	root, err := scan(ready)
	for scanned := 0; err != nil && scanned < maxScanned; scanned += len(text) {
		var fault *Error
		cured, ok := []byte(nil), errors.As(err, &fault)
		if ok {
			cured, ok = escaped(ready, fault.Line, fault.Column)
		}
		if !ok {
			break
		}
		ready, changed = cured, true
		root, err = scan(ready)
	}
	if err != nil {
		return nil, err
	}
	if root == nil {
		return &Node{Kind: Null, Line: 1, Column: 1, weight: 1}, nil
	}
	c := constructor{limits: limits, unique: unique, text: ready, changed: changed, anchored: map[*yamlv3.Node]*Node{}, names: map[string]*yamlv3.Node{}}
	n, err := c.node(root, 1)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// maxScanned bounds how many bytes of a text are scanned again because of the escape \/.
const maxScanned = 16 << 20

// checkCharacters refuses what YAML 1.1 §5.1 does not let stand in a text: everything but UTF-8,
// and control characters.
func checkCharacters(text []byte) *Error {
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return &Error{line, column, fmt.Sprintf("invalid UTF-8: byte 0x%02x", text[i])}
		case r == '\n':
			line, column = line+1, 0
		case r < 0x20 && r != '\t' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return &Error{line, column, fmt.Sprintf("unacceptable character #x%04x: control characters are not allowed", r)}
		}
		i += size
		column++
	}
	return nil
}

// scan gives the nodes of yaml.v3 for the one document in text, nil for an empty text.
func scan(text []byte) (root *yamlv3.Node, err error) {
	// The scanner is not ours and has had texts that made it panic; one must not end a service.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, &Error{Message: fmt.Sprintf("text cannot be scanned: %v", p)}
		}
	}()
	decoder := yamlv3.NewDecoder(bytes.NewReader(text))
	var document, second yamlv3.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, scanError(err, decoder)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &Error{second.Line, second.Column, "expected a single document in the stream but found another document"}
	case !errors.Is(err, io.EOF):
		return nil, scanError(err, decoder)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

var scanLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// scanError words an error of the scanner. Its text has at most a line, and often that of the
// collection around the fault; the exact place stands in fields that yaml.v3 does not export, but
// lets reflection read. Should another version of it lack them, the line of the text is what is left.
func scanError(err error, decoder *yamlv3.Decoder) *Error {
	e := &Error{Message: err.Error()}
	if m := scanLine.FindStringSubmatch(e.Message); m != nil {
		e.Message = e.Message[len(m[0]):]
		e.Line, _ = strconv.Atoi(m[1]) // 0 where the text has none
	}
	parser := reflect.ValueOf(decoder).Elem().FieldByName("parser").Elem()
	scanner := field(parser, "parser")
	mark := field(scanner, "problem_mark")
	if problem := field(scanner, "problem"); !problem.IsValid() || problem.String() == "" {
		// The syntax is right, the fault is in composing: an alias without its anchor.
		mark = field(parser, "event", "start_mark")
	}
	if line, column := field(mark, "line"), field(mark, "column"); line.IsValid() && column.IsValid() {
		e.Line, e.Column = int(line.Int())+1, int(column.Int())+1
	}
	context, around := field(scanner, "context"), field(scanner, "context_mark", "line")
	if context.IsValid() && context.String() != "" && around.IsValid() {
		e.Message = fmt.Sprintf("%s from line %d: %s", context.String(), around.Int()+1, e.Message)
	}
	return e
}

// field follows names into structs, and gives an invalid value where one is missing.
func field(v reflect.Value, names ...string) reflect.Value {
	for _, name := range names {
		if !v.IsValid() || v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		v = v.FieldByName(name)
	}
	return v
}
