package yaml

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What a plain scalar means in YAML 1.1: the patterns of the type repository (yaml.org/type) as
// PyYAML 6 has them. They differ from YAML 1.2 and from each other in ways that jobs rely on: a
// float needs a point and a signed exponent, an octal is 0 and digits, colons make base 60.
var (
	intPattern   = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	floatPattern = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	timePattern = regexp.MustCompile(`^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$`)
	timeParts   = regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d\d?)(?::(\d\d))?))?)?$`)
)

// The tags that have a meaning, in the short form of yaml.v3.
const (
	tagNull   = "!!null"
	tagBool   = "!!bool"
	tagInt    = "!!int"
	tagFloat  = "!!float"
	tagStr    = "!!str"
	tagBinary = "!!binary"
	tagTime   = "!!timestamp"
	tagMerge  = "!!merge"
	tagValue  = "!!value"
	tagSeq    = "!!seq"
	tagMap    = "!!map"
	tagSet    = "!!set"
	tagOmap   = "!!omap"
	tagPairs  = "!!pairs"
)

// implicitTag returns the tag of a plain scalar without one of its own.
func implicitTag(s string) string {
	switch s { // no patterns for these: every word of a definition comes by here
	case "", "~", "null", "Null", "NULL":
		return tagNull
	case "<<":
		return tagMerge
	case "=":
		return tagValue
	case "yes", "Yes", "YES", "no", "No", "NO", "true", "True", "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF":
		return tagBool
	}
	// All that follow begin with a digit, a sign or a point: most scalars are spared the patterns.
	if !strings.ContainsRune("0123456789+-.", rune(s[0])) {
		return tagStr
	}
	switch {
	case intPattern.MatchString(s):
		return tagInt
	case floatPattern.MatchString(s):
		return tagFloat
	case timePattern.MatchString(s):
		return tagTime
	}
	return tagStr
}

// scalar gives n, whose place is set, the value of text under tag.
// A tag that is written wins over the look of the text: !!str 010 is a text, and !!int x an error.
func (n *Node) scalar(tag, text string) error {
	n.Text = text
	switch tag {
	case tagNull:
		n.Kind = Null
		return nil
	case tagStr:
		n.Kind = String
		return nil
	case tagBool:
		n.Kind = Bool
		n.Bool = strings.EqualFold(text, "yes") || strings.EqualFold(text, "true") || strings.EqualFold(text, "on")
		if !n.Bool && !strings.EqualFold(text, "no") && !strings.EqualFold(text, "false") && !strings.EqualFold(text, "off") {
			return fmt.Errorf("%q is not a boolean", text)
		}
		return nil
	case tagInt:
		return n.integer(text)
	case tagFloat:
		return n.float(text)
	case tagTime:
		return n.timestamp(text)
	case tagBinary:
		// Python leaves out what is no base64, and stops at the padding.
		digits, _, _ := strings.Cut(text, "=")
		digits = strings.Map(base64Digit, digits)
		raw, err := base64.RawStdEncoding.DecodeString(digits)
		if rest := len(digits) % 4; err != nil || rest > 0 && rest+strings.Count(text, "=") < 4 {
			return errors.New("failed to decode base64 data")
		}
		n.Kind, n.Text = Binary, string(raw)
		return nil
	}
	return unknownTag(tag)
}

// base64Digit keeps a character of the base64 alphabet and drops any other, as Python does.
func base64Digit(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' {
		return r
	}
	return -1
}

// unknownTag words the refusal of a tag as PyYAML does.
func unknownTag(tag string) error {
	if rest, ok := strings.CutPrefix(tag, "!!"); ok {
		tag = "tag:yaml.org,2002:" + rest
	}
	return fmt.Errorf("could not determine a constructor for the tag '%s'", tag)
}

// integer reads base 2, 8, 10, 16 and 60.
// A number that fits 64 bits is in Int, any other in Big.
func (n *Node) integer(text string) error {
	n.Kind = Int
	s := strings.ReplaceAll(text, "_", "")
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = strings.TrimPrefix(s[:1], "+"), s[1:]
	}
	base := 10
	switch {
	case strings.HasPrefix(s, "0b"):
		base, s = 2, s[2:]
	case strings.HasPrefix(s, "0x"):
		base, s = 16, s[2:]
	case strings.HasPrefix(s, "0") && s != "0":
		base = 8
	case strings.Contains(s, ":"):
		return n.sexagesimal(sign, s)
	}
	if s == "" || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return fmt.Errorf("%q is not an integer", text)
	}
	if i, err := strconv.ParseInt(sign+s, base, 64); err == nil {
		n.Int = i
		return nil
	}
	// Decimal conversion is quadratic in the number of digits; no honest number has so many.
	if len(s) > 4300 {
		return fmt.Errorf("integer has %d digits, more than 4300", len(s))
	}
	big, ok := new(big.Int).SetString(sign+s, base)
	if !ok {
		return fmt.Errorf("%q is not an integer", text)
	}
	n.Big = big
	return nil
}

// sexagesimal reads base 60: parts between colons, the highest first, such as hours:minutes:seconds.
// The first may have any length, and so may the sum; the number of parts is bounded, as each makes
// the sum longer.
func (n *Node) sexagesimal(sign, s string) error {
	parts := strings.Split(s, ":")
	if len(parts) > 16 {
		return fmt.Errorf("base 60 number has %d parts, more than 16", len(parts))
	}
	sum, sixty := new(big.Int), big.NewInt(60)
	for _, part := range parts {
		digit, ok := new(big.Int).SetString(part, 10)
		if !ok || len(part) > 4300 {
			return fmt.Errorf("%q is not an integer", s)
		}
		sum.Add(sum.Mul(sum, sixty), digit)
	}
	if sign == "-" {
		sum.Neg(sum)
	}
	if sum.IsInt64() {
		n.Int = sum.Int64()
	} else {
		n.Big = sum
	}
	return nil
}

// float reads a decimal, infinity, not-a-number, or base 60 with a fraction. What is too large for 64
// bits is infinite, as in Python.
func (n *Node) float(text string) error {
	n.Kind = Float
	s := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	sign := 1.0
	if strings.HasPrefix(s, "-") {
		sign = -1
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	switch s {
	case ".inf":
		n.Float = sign * math.Inf(1)
		return nil
	case ".nan":
		n.Float = math.NaN()
		return nil
	}
	sum := 0.0
	for _, part := range strings.Split(s, ":") {
		// ParseFloat knows hexadecimal and words that YAML does not.
		f, err := strconv.ParseFloat(part, 64)
		if strings.ContainsAny(part, "xpin") || err != nil && !errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%q is not a float", text)
		}
		sum = sum*60 + f
	}
	n.Float = sign * sum
	return nil
}

// timestamp reads a date, or a date and time of day; without an offset the time is taken as it is
// written (Python calls it naive), which Node.Bool tells apart from UTC.
func (n *Node) timestamp(text string) error {
	n.Kind = Time
	m := timeParts.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is not a timestamp", text)
	}
	var v [7]int // year … second, then offset hours
	for i := range 6 {
		v[i], _ = strconv.Atoi(m[i+1]) // digits by the pattern, or empty
	}
	nanos := 0
	if m[7] != "" {
		// Python keeps microseconds and cuts the rest.
		nanos, _ = strconv.Atoi((m[7] + "000000")[:6])
		nanos *= 1000
	}
	zone := time.UTC
	n.DateOnly = m[4] == ""
	n.Bool = m[8] != ""
	if m[9] != "" {
		hours, _ := strconv.Atoi(m[10])
		minutes, _ := strconv.Atoi(m[11])
		offset := hours*3600 + minutes*60
		if m[9] == "-" {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	n.Time = time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], nanos, zone)
	if v[0] == 0 || int(n.Time.Month()) != v[1] || n.Time.Day() != v[2] || v[3] > 23 || v[4] > 59 || v[5] > 59 {
		return fmt.Errorf("%q is not a date of the calendar", text)
	}
	return nil
}
