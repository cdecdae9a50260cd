package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// declaration begins every document; without an encoding it is UTF-8.
const declaration = "<?xml version='1.0'?>\n"

// EncodeCall writes a call. Its error names a value that has no type here.
func EncodeCall(c Call) ([]byte, error) {
	e := encoder{}
	e.b.WriteString(declaration + "<methodCall>\n<methodName>")
	e.text(c.Method)
	e.b.WriteString("</methodName>\n<params>\n")
	for _, p := range c.Params {
		e.b.WriteString("<param>\n")
		e.value(p, 0)
		e.b.WriteString("</param>\n")
	}
	e.b.WriteString("</params>\n</methodCall>\n")
	return e.b.Bytes(), e.err
}

// EncodeResponse writes an answer of one value.
// The layout, line ends included, is that of Python's xmlrpc.client.
func EncodeResponse(value any) ([]byte, error) {
	e := encoder{}
	e.b.WriteString(declaration + "<methodResponse>\n<params>\n<param>\n")
	e.value(value, 0)
	e.b.WriteString("</param>\n</params>\n</methodResponse>\n")
	return e.b.Bytes(), e.err
}

// EncodeFault writes an answer that tells of an error.
// It cannot fail: code and text have a form always.
func EncodeFault(f *Fault) []byte {
	e := encoder{}
	e.b.WriteString(declaration + "<methodResponse>\n<fault>\n")
	e.value(f.Struct(), 0)
	e.b.WriteString("</fault>\n</methodResponse>\n")
	return e.b.Bytes()
}

// encoder writes values, and keeps the first error.
// bytes.Buffer never fails, so the only errors are of values that this package has no form for.
type encoder struct {
	b   bytes.Buffer
	err error
}

// value goes on after an error: the document is thrown away then.
func (e *encoder) value(value any, depth int) {
	if depth > MaxDepth {
		e.err = errors.Join(e.err, fmt.Errorf("encode XML-RPC: values lie more than %d deep", MaxDepth))
		return
	}
	e.b.WriteString("<value>")
	defer e.b.WriteString("</value>\n")
	switch v := value.(type) {
	case nil:
		e.b.WriteString("<nil/>")
	case bool:
		e.scalar("boolean", map[bool]string{true: "1", false: "0"}[v])
	case int64:
		name := "int"
		// Python's writer refuses such numbers; its reader takes i8.
		if v < math.MinInt32 || v > math.MaxInt32 {
			name = "i8"
		}
		e.scalar(name, strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			e.err = errors.Join(e.err, fmt.Errorf("encode XML-RPC: %v is no finite number", v))
		}
		// The shortest form that reads back as the same number.
		e.scalar("double", strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		e.b.WriteString("<string>")
		e.text(v)
		e.b.WriteString("</string>")
	case time.Time:
		e.scalar("dateTime.iso8601", v.UTC().Format(layout))
	case []byte:
		e.scalar("base64", base64.StdEncoding.EncodeToString(v))
	// data stands inside array by the specification, and Python's reader wants it.
	case []any:
		e.b.WriteString("<array><data>\n")
		for _, item := range v {
			e.value(item, depth+1)
		}
		e.b.WriteString("</data></array>")
	case Struct:
		e.b.WriteString("<struct>\n")
		for _, m := range v {
			e.b.WriteString("<member>\n<name>")
			e.text(m.Name)
			e.b.WriteString("</name>\n")
			e.value(m.Value, depth+1)
			e.b.WriteString("</member>\n")
		}
		e.b.WriteString("</struct>")
	// A mistake of this program: an int or a named string in an answer. Tests meet it, users get -32603.
	default:
		e.err = errors.Join(e.err, fmt.Errorf("encode XML-RPC: %T is no value", value))
	}
}

func (e *encoder) scalar(name, text string) {
	fmt.Fprintf(&e.b, "<%s>%s</%s>", name, text, name)
}

// text writes text so that every reader gets it back. A bare carriage return would become a line feed, and
// some characters can stand in no XML: those are written as U+FFFD.
func (e *encoder) text(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			e.b.WriteString("&amp;")
		case r == '<':
			e.b.WriteString("&lt;")
		case r == '>':
			e.b.WriteString("&gt;")
		case r == '\r':
			// XML 1.0, 2.11: a reader makes a line feed of a bare carriage return.
			e.b.WriteString("&#13;")
		// XML 1.0, 2.2: Char. Bytes that are no UTF-8 have become U+FFFD by ranging over the string.
		case r == '\t', r == '\n', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
			e.b.WriteRune(r)
		default:
			e.b.WriteRune('�')
		}
	}
}
