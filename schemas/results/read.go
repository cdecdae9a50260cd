package results

import (
	"fmt"
	"strings"
)

// MaxRead is the size, in bytes, of the largest text that [Read] takes.
const MaxRead = 64 << 20

// Readable lists the formats that [Read] knows, sorted.
func Readable() []string { return []string{"junit", "ktap", "tap"} }

// Read reads the cases of a text in a format of [Readable]; an empty format is told from the text.
// Suites within the text become sets, joined by "/". The problems are sentences about what does not
// add up, such as a plan of five tests of which three were reported; the error says why nothing
// could be read.
// Results are LAVA's four words. The text is held whole: it has a bound.
func Read(format, text string) (cases []Case, problems []string, err error) {
	if len(text) > MaxRead {
		return nil, nil, fmt.Errorf("it has %d bytes; at most %d are read", len(text), MaxRead)
	}
	if format == "" {
		format = "tap"
		if strings.HasPrefix(strings.TrimLeft(text, "\ufeff \t\r\n"), "<") {
			format = "junit"
		}
	}
	switch format {
	case "junit":
		cases, err = readJUnit(text)
	case "tap", "ktap":
		cases, problems, err = readTAP(text)
	default:
		return nil, nil, fmt.Errorf("format %q: want one of %s", format, strings.Join(Readable(), ", "))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", format, err)
	}
	return cases, problems, nil
}
