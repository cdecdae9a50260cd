package yaml

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Where the scanner of yaml.v3 refuses what libyaml reads, the text is changed before it is scanned
// and the values are changed back. Each change keeps the number of characters, so that places stay
// what they are. The two characters are of Unicode's private use area; a text that has them itself
// is scanned as it is.
const (
	question = '\uE000' // stands for a ? within a word
	escape   = '\uE001' // stands for the backslash of \/
)

var directive = regexp.MustCompile(`(?m)^%YAML 1\.2`)

// prepared returns text as yaml.v3 can scan it, and whether values have to be restored:
//   - it refuses %YAML 1.2, which libyaml reads with a shrug;
//   - it ends a plain text of a flow collection at ?, as in {url: http://a/b?c};
//   - it does not know the escape \/ of JSON. Where a text begins like JSON all of them are changed;
//     elsewhere, where only the scanner knows what is between double quotes, see escaped.
func prepared(text []byte) (ready []byte, changed bool) {
	if bytes.Contains(text, []byte("%YAML")) {
		text = directive.ReplaceAll(text, []byte("%YAML 1.1"))
	}
	json := bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
	if !bytes.Contains(text, []byte("?")) && !json || bytes.ContainsRune(text, question) || bytes.ContainsRune(text, escape) {
		return text, false
	}
	var out bytes.Buffer
	out.Grow(len(text) + 64)
	quoted := false // within double quotes; followed in JSON only
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '?' && i > 0 && !bytes.ContainsRune([]byte(" \t\r\n[]{},:'\""), rune(text[i-1])):
			out.WriteRune(question)
		case json && quoted && c == '\\' && i+1 < len(text) && text[i+1] == '/':
			out.WriteRune(escape)
		case json && quoted && c == '\\' && i+1 < len(text):
			out.Write(text[i : i+2])
			i++
		default:
			if c == '"' {
				quoted = !quoted
			}
			out.WriteByte(c)
		}
	}
	return out.Bytes(), true
}

// restored undoes prepared in a value.
func restored(value string) string {
	if !strings.ContainsRune(value, question) && !strings.ContainsRune(value, escape) {
		return value
	}
	return strings.ReplaceAll(strings.ReplaceAll(value, string(question), "?"), string(escape), "")
}

// escaped changes each \/ of the double-quoted text that the scanner did not get through: from the
// backslash at line and column, both from 1, to the closing quote. ok is false where none is there.
func escaped(text []byte, line, column int) (changed []byte, ok bool) {
	at := offset(text, line, column)
	if !bytes.HasPrefix(text[min(at, len(text)):], []byte(`\/`)) || bytes.ContainsRune(text[at:], escape) {
		return nil, false
	}
	out := bytes.NewBuffer(bytes.Clone(text[:at]))
	for ; at < len(text) && text[at] != '"'; at++ {
		switch {
		case text[at] == '\\' && at+1 < len(text) && text[at+1] == '/':
			out.WriteRune(escape)
		case text[at] == '\\' && at+1 < len(text):
			out.Write(text[at : at+2])
			at++
		default:
			out.WriteByte(text[at])
		}
	}
	out.Write(text[at:])
	return out.Bytes(), true
}

// offset returns where in text a line and column, both from 1, are; at most the text's length.
// Columns count characters, so a line is decoded up to there.
func offset(text []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		next := bytes.IndexByte(text[at:], '\n')
		if next < 0 {
			return len(text)
		}
		at += next + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}
