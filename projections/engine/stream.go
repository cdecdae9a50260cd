package engine

import (
	"bytes"
	"regexp"
	"strings"
)

// The library streams an answer block by block, and writes each block as if it were an answer of its
// own: with a header, a frame, a document around it. Only where such answers, one after the other,
// make one whole may a SELECT be streamed; any other format is made in one piece, and held whole.

// seamless are the formats without anything around their rows.
var seamless = map[string]bool{
	"native": true, "rowbinary": true, "tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true,
	"csv": true, "jsoneachrow": true, "jsonlines": true, "ndjson": true, "jsoncompacteachrow": true,
	"jsonstringseachrow": true, "jsoncompactstringseachrow": true, "null": true,
}

// formatClause finds the FORMAT of a query, which wins over the request's. A column or an alias of
// that name looks the same; then the answer is made in one piece, which is right too.
var formatClause = regexp.MustCompile(`(?i)\bFORMAT\s+(\w+)`)

// streamed returns what the pieces of a streamed answer go through on their way to sink, or nil where
// s must not be streamed.
func (s statement) streamed(sink func([]byte) error) func([]byte) error {
	if !mayStream.MatchString(s.text) {
		return nil
	}
	format := s.format
	if all := formatClause.FindAllStringSubmatch(s.text, -1); all != nil {
		format = all[len(all)-1][1]
	}
	format = strings.ToLower(format)
	if seamless[format] {
		return sink
	}
	bare, lines := format, 0
	if b, ok := strings.CutSuffix(format, "withnames"); ok {
		bare, lines = b, 1
	} else if b, ok := strings.CutSuffix(format, "withnamesandtypes"); ok {
		bare, lines = b, 2
	}
	if lines == 0 || !seamless[bare] || bare == "rowbinary" {
		return nil
	}
	first := true
	return func(piece []byte) error {
		if !first {
			piece = dropLines(piece, lines, bare == "csv")
		}
		first = false
		return sink(piece)
	}
}

// dropLines returns text without its first n lines. In CSV a line break between quotes is text.
func dropLines(text []byte, n int, quotes bool) []byte {
	for ; n > 0; n-- {
		end := bytes.IndexByte(text, '\n')
		for quotes && end >= 0 && bytes.Count(text[:end], []byte{'"'})%2 != 0 {
			next := bytes.IndexByte(text[end+1:], '\n')
			if next < 0 {
				return nil
			}
			end += 1 + next
		}
		if end < 0 {
			return nil
		}
		text = text[end+1:]
	}
	return text
}
