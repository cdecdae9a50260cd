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

// Marker tells where in the log a test case lies.
type Marker int

// The markers of a test case: its start and end (STARTTC, ENDTC), or the one line that reports it.
const (
	StartCase Marker = iota
	EndCase
	Case
)

type marks struct{ start, end, both *uint64 }

// Mark remembers the last record written as a place of the named case. The next Result whose
// "case" has that name carries it as starttc and endtc.
func (l *Logger) Mark(m Marker, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == 0 {
		return
	}
	line := l.next - 1
	at := l.marks[name]
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
// definition and case. Marks of that case are added and forgotten. A result that does not fit in a
// record loses everything but its identity, verdict and error.
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
	body := encode(l.maskFields(f))
	if len(body) > events.MaxRecordBytes-recordHead {
		body = encode(l.maskFields(essence(f)))
	}
	l.put(events.Record{Level: events.Results, Message: body})
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
