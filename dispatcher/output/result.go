package output

import (
	"bytes"
	"encoding/json"

	"strata/events"
)

// Field is one entry of a result. Value is a text, bool, number, []string, Fields, nil, or
// anything else that encoding/json writes.
type Field struct {
	Key   string
	Value any
}

// Fields is a mapping in order, such as a result: LAVA's readers get its keys as they were logged.
type Fields []Field

// Set returns f with key set to value, in place if the key is there, else at the end.
func (f Fields) Set(key string, value any) Fields {
	for i := range f {
		if f[i].Key == key {
			f[i].Value = value
			return f
		}
	}
	return append(f, Field{key, value})
}

// Get returns the value of key, nil if there is none.
func (f Fields) Get(key string) any {
	for _, field := range f {
		if field.Key == key {
			return field.Value
		}
	}
	return nil
}

// MarshalJSON writes f as an object with its keys in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(field.Key); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // Encode ends with a newline
		b.WriteByte(':')
		if err := e.Encode(field.Value); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// maxResult is room for a result in a record.
const maxResult = events.MaxRecordBytes - recordHead

// Marker tells where in the log a test case lies.
type Marker int

// The markers of a test case: its start and end (STARTTC, ENDTC), or the one line that reports it.
const (
	StartCase Marker = iota
	EndCase
	Case
)

type marks struct{ start, end, both *uint64 }

// maxMarks is how many cases may wait for their result at a time.
const maxMarks = 10000

// Mark remembers the last record written as a place of the named case. The next Result whose
// "case" has that name carries it as starttc and endtc.
func (l *Logger) Mark(m Marker, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == 0 {
		return
	}
	line := l.next - 1
	at, known := l.marks[name]
	if !known && len(l.marks) >= maxMarks {
		return // a device may begin cases without end, and end none
	}
	switch m {
	case StartCase:
		at.start = &line
	case EndCase:
		at.end = &line
	case Case:
		at.both = &line
	}
	l.marks[name] = at
}

// Result logs a result: the mapping that users and programs of LAVA read, beginning with
// definition and case. Marks of that case are added and forgotten. Of a result that does not fit in a
// record the texts are shortened, all to the same length; if that does not help, only its
// identity, verdict and error are left.
func (l *Logger) Result(f Fields) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f = append(Fields(nil), f...)
	if name, ok := f.Get("case").(string); ok {
		if at, marked := l.marks[name]; marked {
			delete(l.marks, name)
			f = f.Set("starttc", line(at.start, at.both)).Set("endtc", line(at.end, at.both))
		}
	}
	f = l.maskFields(f)
	body := fit(f)
	if len(body) > maxResult {
		body = encode(essence(f))
	}
	l.put(events.Record{Level: events.Results, Message: body})
}

// fit returns v as JSON, with its texts shortened as far as a record asks for; that may not be enough.
func fit(v any) json.RawMessage {
	body := encode(v)
	for limit := 8192; len(body) > maxResult && limit >= 64; limit /= 2 {
		body = encode(shorten(v, limit))
	}
	return body
}

// line returns a mark, or the one for the whole case, or nil: null in the record.
func line(first, second *uint64) any {
	if first == nil {
		first = second
	}
	if first == nil {
		return nil
	}
	return *first
}

// shorten returns v with every text in it cut to at most limit bytes.
func shorten(v any, limit int) any {
	switch v := v.(type) {
	case string:
		head, rest := cut(v, limit)
		if rest != "" {
			head += "…"
		}
		return head
	case Fields:
		out := make(Fields, len(v))
		for i, field := range v {
			out[i] = Field{field.Key, shorten(field.Value, limit)}
		}
		return out
	case []Fields:
		out := make([]any, len(v))
		for i := range v {
			out[i] = shorten(v[i], limit)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = shorten(v[i], limit)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = shorten(v[i], limit)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = shorten(value, limit)
		}
		return out
	}
	return v
}

// essence keeps what says which result it is and how it ended; texts are cut.
func essence(f Fields) Fields {
	var out Fields
	for _, key := range []string{"definition", "namespace", "case", "level", "set", "result", "error_type", "error_msg"} {
		switch v := f.Get(key).(type) {
		case nil:
		case string:
			head, _ := cut(v, 2048)
			out = append(out, Field{key, head})
		default:
			out = append(out, Field{key, v})
		}
	}
	return out
}
