package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrSyntax says that a document is not XML, or has a document type.
// The error wraps encoding/xml's, which names the line.
var ErrSyntax = errors.New("no XML")

// ErrShape says that a document is XML and not of XML-RPC's shape.
// Its text names the element; the caller of a lab is told no more than "Unable to decode request".
var ErrShape = errors.New("no XML-RPC")

// DecodeCall reads a client's call. Its errors are [ErrSyntax] and [ErrShape].
// params may be absent: the specification has it so, and Python's client leaves it in.
func DecodeCall(document []byte) (Call, error) {
	d := newDecoder(document)
	var c Call
	if err := d.root("methodCall"); err != nil {
		return c, err
	}
	if err := d.open("methodName"); err != nil {
		return c, err
	}
	name, err := d.text("methodName")
	if err != nil {
		return c, err
	}
	if c.Method = strings.TrimSpace(name); c.Method == "" {
		return c, shape("the name of the method is empty")
	}
	next, err := d.start()
	if err != nil {
		return c, err
	}
	if next == "params" {
		if c.Params, err = d.params(); err != nil {
			return c, err
		}
		if next, err = d.start(); err != nil {
			return c, err
		}
	}
	if next != "" {
		return c, shape("<%s> is not expected in a call", next)
	}
	return c, d.end()
}

// DecodeResponse reads a server's answer. A fault is a *[Fault], as its error.
// It is the client's half: tests ask the lab with it, and hold that what was encoded comes back.
func DecodeResponse(document []byte) (any, error) {
	d := newDecoder(document)
	if err := d.root("methodResponse"); err != nil {
		return nil, err
	}
	next, err := d.start()
	if err != nil {
		return nil, err
	}
	var value any
	var fault *Fault
	switch next {
	case "params":
		params, err := d.params()
		if err != nil {
			return nil, err
		}
		if len(params) != 1 {
			return nil, shape("an answer has one value, this has %d", len(params))
		}
		value = params[0]
	case "fault":
		if fault, err = d.fault(); err != nil {
			return nil, err
		}
	default:
		return nil, shape("an answer holds params or a fault, not %q", next)
	}
	if next, err = d.start(); err != nil || next != "" {
		return nil, errors.Join(err, shape("<%s> is not expected after the answer", next))
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if fault != nil {
		return nil, fault
	}
	return value, nil
}

// decoder reads the elements of a document.
// It reads token by token and builds nothing but values: what a document does not hold costs no memory.
type decoder struct {
	xml *xml.Decoder
}

// Strict, as encoding/xml begins: unclosed elements and unknown entities are errors.
func newDecoder(document []byte) *decoder {
	x := xml.NewDecoder(bytes.NewReader(document))
	x.CharsetReader = charset
	return &decoder{x}
}

// charset reads the encodings that clients declare beside UTF-8.
// Called only where a document declares something; without a declaration it is UTF-8 (XML 1.0, 4.3.3).
func charset(label string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1", "latin-1":
		text, err := io.ReadAll(input)
		if err != nil {
			return nil, err
		}
		wide := make([]rune, len(text))
		for i, c := range text {
			// ISO 8859-1 is the first 256 code points of Unicode.
			wide[i] = rune(c)
		}
		return strings.NewReader(string(wide)), nil
	}
	return nil, fmt.Errorf("encoding %q is not read", label)
}

func shape(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrShape, fmt.Sprintf(format, args...))
}

// token returns the next token that matters. A document type is refused: what it could define is
// expanded without a bound.
// encoding/xml uses its buffer again for the next token: text is copied where it is kept.
func (d *decoder) token() (xml.Token, error) {
	for {
		t, err := d.xml.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		switch t.(type) {
		// "Billion laughs": a few lines of nested entities become gigabytes. encoding/xml does not expand
		// them, but what a client means by them is not known then, so nothing is guessed.
		case xml.Directive:
			return nil, fmt.Errorf("%w: a document type is not read", ErrSyntax)
		case xml.Comment, xml.ProcInst:
		default:
			return t, nil
		}
	}
}

// start returns the name of the next element, which is then open, or "" where the one around it ends.
// Names are compared without their space: Apache's ex:nil is nil, and no other prefix is in use.
func (d *decoder) start() (string, error) {
	for {
		t, err := d.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t.Name.Local, nil
		case xml.EndElement:
			return "", nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return "", shape("text %.40q stands between elements", t)
			}
		}
	}
}

// open reads the beginning of an element of that name.
func (d *decoder) open(name string) error {
	got, err := d.start()
	if err == nil && got != name {
		err = shape("got <%s>, want <%s>", got, name)
	}
	return err
}

// root reads the beginning of the document. Text there is no XML at all.
// Which of the two errors it is decides the fault: -32603 for no XML, -32600 for other XML.
func (d *decoder) root(name string) error {
	t, err := d.token()
	if text, ok := t.(xml.CharData); ok && len(bytes.TrimSpace(text)) > 0 {
		return fmt.Errorf("%w: it begins with text", ErrSyntax)
	} else if ok {
		return d.open(name)
	}
	if err != nil {
		return err
	}
	if e, ok := t.(xml.StartElement); !ok || e.Name.Local != name {
		return shape("want <%s> first", name)
	}
	return nil
}

// close reads the end of the element that is open.
func (d *decoder) close(name string) error {
	got, err := d.start()
	if err == nil && got != "" {
		err = shape("<%s> is not expected in <%s>", got, name)
	}
	return err
}

// end reads to the end of the document.
// Something behind the document would be a second request to one reader and nothing to another.
func (d *decoder) end() error {
	for {
		t, err := d.xml.Token()
		switch t := t.(type) {
		case xml.Comment, xml.ProcInst:
			continue
		case xml.CharData:
			if len(bytes.TrimSpace(t)) == 0 {
				continue
			}
		}
		if err == io.EOF {
			return nil
		}
		return errors.Join(shape("something follows the document"), err)
	}
}

// text reads the text of the element that is open, and its end.
// Comments within are passed over, so a text may come in several pieces.
func (d *decoder) text(name string) (string, error) {
	var b []byte
	for {
		t, err := d.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			b = append(b, t...)
		case xml.EndElement:
			return string(b), nil
		case xml.StartElement:
			return "", shape("<%s> is not expected in <%s>", t.Name.Local, name)
		}
	}
}

// params reads the values of <params>, which is open, and its end.
func (d *decoder) params() ([]any, error) {
	var list []any
	for {
		name, err := d.start()
		if err != nil || name == "" {
			return list, err
		}
		if name != "param" {
			return nil, shape("got <%s>, want <param>", name)
		}
		if err := d.open("value"); err != nil {
			return nil, err
		}
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		if err := d.close("param"); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

// fault reads the value of <fault>, which is open, and its end.
// The code is an int of XML-RPC, 32 bits, so that it is one everywhere.
func (d *decoder) fault() (*Fault, error) {
	if err := d.open("value"); err != nil {
		return nil, err
	}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	s, _ := v.(Struct)
	code, _ := s.Get("faultCode")
	text, _ := s.Get("faultString")
	number, isNumber := code.(int64)
	sentence, isText := text.(string)
	if !isNumber || !isText || number < math.MinInt32 || number > math.MaxInt32 {
		return nil, shape("a fault has a faultCode and a faultString")
	}
	return &Fault{int(number), sentence}, d.close("fault")
}

// value reads a <value>, which is open, and its end.
// White space before an element is layout; without an element it is the string, and stays.
func (d *decoder) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, shape("values lie more than %d deep", MaxDepth)
	}
	var bare []byte // text without a type is a string
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			bare = append(bare, t...)
		case xml.EndElement:
			return string(bare), nil
		case xml.StartElement:
			if len(bytes.TrimSpace(bare)) > 0 {
				return nil, shape("text %.40q stands before <%s>", bare, t.Name.Local)
			}
			v, err := d.typed(t.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			return v, d.close("value")
		}
	}
}

// typed reads what an element of a type's name holds, and its end.
func (d *decoder) typed(name string, depth int) (any, error) {
	switch name {
	case "array":
		return d.array(depth)
	case "struct":
		return d.members(depth)
	}
	text, err := d.text(name)
	if err != nil {
		return nil, err
	}
	v, err := scalar(name, text)
	if err != nil {
		return nil, shape("<%s>%.40s</%s>: %v", name, text, name, err)
	}
	return v, nil
}

// Python's client sends ints, booleans, doubles, strings, dateTimes, base64, arrays, structs and nil; the
// other names are those that its reader takes.
func scalar(name, text string) (any, error) {
	trimmed := strings.TrimSpace(text)
	switch name {
	case "string":
		return text, nil
	case "nil":
		return nil, nil
	case "int", "i1", "i2", "i4", "i8", "biginteger":
		// biginteger has no bound in Apache's extension; here it has 64 bits.
		return strconv.ParseInt(trimmed, 10, 64)
	case "boolean":
		if trimmed != "0" && trimmed != "1" {
			return nil, errors.New("want 0 or 1")
		}
		return trimmed == "1", nil
	// Exponents are taken, as Python writes them; the specification has digits alone.
	case "double":
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, errors.New("want a finite number")
		}
		return f, nil
	case "base64":
		// Python breaks base64 into lines of 76 characters.
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, errors.New("want base64")
		}
		return b, nil
	case "dateTime.iso8601":
		return moment(trimmed)
	}
	return nil, errors.New("there is no such type")
}

// layout is how XML-RPC writes a time; it says nothing of a zone.
const layout = "20060102T15:04:05"

// moment reads a time. Clients write it with hyphens too, and with a zone.
// The specification leaves the zone to the server: without one it is UTC here, as for LAVA's clients.
func moment(text string) (time.Time, error) {
	for _, l := range []string{layout, "2006-01-02T15:04:05", layout + "Z07:00", time.RFC3339} {
		t, err := time.Parse(l, text)
		if err != nil {
			continue
		}
		// The form has no fraction: what was read is what would be written.
		t = t.UTC().Truncate(time.Second)
		if t.Year() < 1 || t.Year() > 9999 {
			break
		}
		return t, nil
	}
	return time.Time{}, errors.New("want a time such as 20261123T12:00:00")
}

// An empty array is an empty list, never nil: nil is a value of its own.
func (d *decoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	list := []any{}
	for {
		name, err := d.start()
		if err != nil {
			return nil, err
		}
		if name == "" {
			return list, d.close("array")
		}
		if name != "value" {
			return nil, shape("got <%s>, want <value>", name)
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

// members reads the members of <struct>, which is open, and its end. Names may be empty and hold anything.
func (d *decoder) members(depth int) (any, error) {
	s := Struct{}
	// Looked up rather than searched: a struct of a million members must not take a million squared.
	at := map[string]int{}
	for {
		element, err := d.start()
		if err != nil || element == "" {
			return s, err
		}
		if element != "member" {
			return nil, shape("got <%s>, want <member>", element)
		}
		if err := d.open("name"); err != nil {
			return nil, err
		}
		name, err := d.text("name")
		if err != nil {
			return nil, err
		}
		if err := d.open("value"); err != nil {
			return nil, err
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := d.close("member"); err != nil {
			return nil, err
		}
		if i, known := at[name]; known {
			s[i].Value = v // the last one counts, as in Python
			continue
		}
		at[name] = len(s)
		s = append(s, Member{name, v})
	}
}
