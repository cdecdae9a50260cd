package output

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"strata/events"
)

// Masked stands in the log where a secret was.
const Masked = "[MASKED]"

// recordHead is room for all of a record but its message: time, level, namespace.
const recordHead = 512

// maxNamespace is the longest that a namespace may be in a record, as JSON. Jobs choose the names.
const maxNamespace = 256

// maxText is the longest text of one record. JSON may write a byte as six (\u001b), but a console
// line is nearly all plain text, so cut measures the encoded length.
const maxText = events.MaxRecordBytes - recordHead

// Mask hides a secret in everything logged from now on, as it is and in the forms that programs write
// it in: quoted, in base64 (also amid other text, as in HTTP's authorization), in URLs. Of a secret of several lines, such as a
// key file, each line of eight or more bytes is hidden too, because a console shows line by line.
func (l *Logger) Mask(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add := func(s string) {
		for _, form := range written(s) {
			if form != "" && !slices.Contains(l.secrets, form) {
				l.secrets = append(l.secrets, form)
			}
		}
	}
	add(secret)
	if strings.Contains(secret, "\n") {
		for _, part := range strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if len(part) >= 8 {
				add(part)
			}
		}
	}
	// The longest first: a secret may hold another one.
	slices.SortFunc(l.secrets, func(a, b string) int { return len(b) - len(a) })
}

// Hide returns text with every secret in it masked, for places other than the log.
func (l *Logger) Hide(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mask(text)
}

// Whole returns as much of a text that was cut as may be shown: neither half a character nor what may
// be the beginning of a secret stands at its end.
func (l *Logger) Whole(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return text[:l.safeCut(text)]
}

func (l *Logger) mask(text string) string {
	for _, secret := range l.secrets {
		text = strings.ReplaceAll(text, secret, Masked)
	}
	return text
}

// safeCut returns the greatest length at which text may be cut, when more of it is to come, so that
// neither a character nor a secret is in both halves.
func (l *Logger) safeCut(text string) int {
	at := len(text)
	if len(l.secrets) > 0 {
		at -= len(l.secrets[0]) - 1 // the longest: from here on one may begin that is not all there
	}
	for moved := true; moved && at > 0; {
		moved = false
		for _, secret := range l.secrets {
			from := max(at-len(secret)+1, 0)
			if i := strings.Index(text[from:min(at+len(secret)-1, len(text))], secret); i >= 0 {
				at, moved = from+i, true
			}
		}
	}
	at = max(at, 0)
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// maskFields masks every text in a result, however deep.
func (l *Logger) maskFields(f Fields) Fields {
	out := make(Fields, len(f))
	for i, field := range f {
		out[i] = Field{l.mask(field.Key), l.maskValue(field.Value)}
	}
	return out
}

func (l *Logger) maskValue(v any) any {
	switch v := v.(type) {
	case string:
		return l.mask(v)
	case Fields:
		return l.maskFields(v)
	case []Fields:
		out := make([]Fields, len(v))
		for i := range v {
			out[i] = l.maskFields(v[i])
		}
		return out
	case []string:
		out := make([]string, len(v))
		for i := range v {
			out[i] = l.mask(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = l.maskValue(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[l.mask(key)] = l.maskValue(value)
		}
		return out
	case nil, bool, int, int64, uint64, float64:
		return v
	}
	// Anything else goes through JSON once and is masked as what came out.
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var plain any
	if json.Unmarshal(raw, &plain) != nil {
		return nil
	}
	return l.maskValue(plain)
}

// cut returns the longest head of text whose JSON form has at most limit bytes, and the rest. It
// never cuts a character in two. Bytes that are no UTF-8 count as the replacement that JSON has.
func cut(text string, limit int) (head, rest string) {
	if 6*len(text) <= limit {
		return text, ""
	}
	size := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		size += jsonLen(r, n)
		if size > limit-2 { // the quotes
			return text[:i], text[i:]
		}
		i += n
	}
	return text, ""
}

func jsonLen(r rune, n int) int {
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
		return 2
	case r < 0x20, r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return 6
	}
	return n
}
