package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"strata/schemas/yaml"
)

// Error says what is wrong with a configuration file and where.
type Error struct {
	File    string
	Line    int // 0 where unknown
	Message string
}

// Error returns file, line and message in the manner of a compiler.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// Load returns the defaults with what file says put over them. An empty name is no file. A fault
// in the file is an [*Error].
// The configuration that comes with an error is not to be used: what the file says up to its fault is
// in it.
func Load(file string) (Config, error) {
	c := Defaults()
	if file == "" {
		return c, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	// Not in one return: Go leaves open whether c is read before the call changes it.
	err = c.apply(file, text)
	return c, err
}

// Setting describes a key for the documentation.
type Setting struct {
	Key     string // such as "jobs.output_limit"
	Default string // as it would be written in the file
	About   string
}

// Settings lists every key of the file in order.
func Settings() []Setting {
	c := Defaults()
	var list []Setting
	for _, s := range c.settings() {
		list = append(list, Setting{s.key, s.print(), s.about})
	}
	return list
}

// apply puts what text says over c.
func (c *Config) apply(file string, text []byte) error {
	// LAVA's reading would let the second of two equal keys win without a word; in a configuration
	// that is a mistake.
	root, err := yaml.ParseUnique(text)
	if err != nil {
		var bad *yaml.Error
		if errors.As(err, &bad) {
			return &Error{file, bad.Line, bad.Message}
		}
		return &Error{File: file, Message: err.Error()}
	}
	if root.Empty() {
		return nil
	}
	table := map[string]setting{}
	for _, s := range c.settings() {
		table[s.key] = s
	}
	return walk(file, "", root, table)
}

// walk sets every key below n, which stands under prefix ("" or "jobs.").
// The first fault ends it: those behind it may come of it.
func walk(file, prefix string, n *yaml.Node, table map[string]setting) error {
	if !n.Is(yaml.Map) {
		return &Error{file, n.Line, fmt.Sprintf("%s: expected a mapping, found a %s", orFile(prefix), n.Kind)}
	}
	for _, p := range n.Pairs {
		key := prefix + p.Key.Print()
		if s, ok := table[key]; ok {
			if p.Value.Empty() {
				continue // `key:` alone says nothing
			}
			if err := s.set(p.Value); err != nil {
				return &Error{file, p.Value.Line, fmt.Sprintf("%s: %v", key, err)}
			}
			continue
		}
		below := known(table, key+".")
		if len(below) == 0 {
			return &Error{file, p.Key.Line, fmt.Sprintf("unknown key %s: %s has %s", key, orFile(prefix), strings.Join(known(table, prefix), ", "))}
		}
		if p.Value.Empty() {
			continue
		}
		if err := walk(file, key+".", p.Value, table); err != nil {
			return err
		}
	}
	return nil
}

// orFile names a section of the file in a message.
func orFile(prefix string) string {
	if prefix == "" {
		return "the file"
	}
	return strings.TrimSuffix(prefix, ".")
}

// known lists what may stand under prefix, sorted.
func known(table map[string]setting, prefix string) []string {
	var names []string
	for key := range table {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// set gives the setting the value of n.
// The error says what is allowed; file, line and key are put before it.
func (s setting) set(n *yaml.Node) error {
	switch into := s.into.(type) {
	case *string:
		// A number is taken for a text as it is written: a token or a name may look like one.
		if n.Kind >= yaml.List {
			return fmt.Errorf("expected a text, found a %s", n.Kind)
		}
		if len(s.oneOf) > 0 && !slices.Contains(s.oneOf, n.Text) {
			return fmt.Errorf("%q is not one of %s", n.Text, strings.Join(s.oneOf, ", "))
		}
		if s.check != nil {
			if err := s.check(n.Text); err != nil {
				return err
			}
		}
		*into = n.Text
	case *bool:
		b, ok := n.AsBool()
		if !ok {
			return fmt.Errorf("expected true or false, found %s", n.Repr())
		}
		*into = b
	case *int:
		i, ok := n.AsInt()
		// AsInt takes true for 1, as Python does.
		if !ok || n.Is(yaml.Bool) || i < 1 || s.atMost > 0 && i > int64(s.atMost) {
			return fmt.Errorf("expected a number from 1 to %d, found %s", s.atMost, n.Repr())
		}
		*into = int(i)
	case *uint64:
		i, ok := n.AsInt()
		if !ok || n.Is(yaml.Bool) || i < 1 {
			return fmt.Errorf("expected a number from 1, found %s", n.Repr())
		}
		*into = uint64(i)
	case *int64:
		b, err := ParseSize(n.Text)
		if err != nil {
			return err
		}
		*into = b
	case *time.Duration:
		d, ok := length(n.Text)
		if !ok {
			return fmt.Errorf("expected a length of time such as 90d, 10m or 1h30m, found %s", n.Repr())
		}
		*into = d
	case *[]string:
		if !n.Is(yaml.List) {
			return fmt.Errorf("expected a list of texts, found a %s", n.Kind)
		}
		if s.check != nil {
			for _, text := range n.Texts() {
				if err := s.check(text); err != nil {
					return err
				}
			}
		}
		*into = n.Texts()
	}
	return nil
}

// print writes the setting's value as the file would have it.
func (s setting) print() string {
	switch v := s.into.(type) {
	case *string:
		return *v
	case *bool:
		return strconv.FormatBool(*v)
	case *int:
		return strconv.Itoa(*v)
	case *uint64:
		return strconv.FormatUint(*v, 10)
	case *int64:
		return FormatSize(*v)
	case *time.Duration:
		return v.String()
	case *[]string:
		return "[" + strings.Join(*v, ", ") + "]"
	}
	return ""
}

// length reads a length of time as Go writes it, or a number of days or weeks. A bare 0 is one; any other
// number lacks its unit.
// Months and years are not there: they have no one length. Less than nothing is refused.
func length(text string) (d time.Duration, ok bool) {
	for unit, each := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || time.Duration(n) > math.MaxInt64/each {
				return 0, false
			}
			return time.Duration(n) * each, true
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// units of sizes; the binary ones are what is printed.
var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// ParseSize reads a number of bytes, such as 4096, 64KiB or 1.5GiB. It is what flags read, too.
// KiB and its kin are powers of 1024, kB and its kin of 1000. Fractions of a byte are cut off.
func ParseSize(s string) (int64, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || math.IsNaN(f) || f*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf("expected a size such as 4096, 64KiB or 1GiB, found %q", s)
	}
	return int64(f * float64(unit)), nil
}

// FormatSize writes a number of bytes with the largest binary unit that divides it.
// [ParseSize] reads it back to the byte.
func FormatSize(bytes int64) string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; bytes != 0 && bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// checkPorts checks a range of ports.
// "" and "none" are no range, and allowed.
func checkPorts(text string) error {
	if text == "" || text == "none" {
		return nil
	}
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || first > last {
		return fmt.Errorf("%q is no port and no range of ports from 1 to 65535: such as 42000-42099; none opens none", text)
	}
	return nil
}

// checkNetwork checks an address or a range of addresses.
func checkNetwork(text string) error {
	if _, err := netip.ParsePrefix(text); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(text); err != nil {
		return fmt.Errorf("%q is neither an address such as 127.0.0.1 nor a range such as 10.0.0.0/8", text)
	}
	return nil
}

// mostName is how long the name of a lab may be: it stands in the bar of every page, beside all else that is there.
const mostName = 40

// CheckName says what is wrong with the name of a lab. It has 1 to 40 characters and one line, and neither begins nor ends
// with a blank: it stands in titles of pages, where nobody would see those.
func CheckName(text string) error {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		return fmt.Errorf("%q is no text in UTF-8", text)
	case n < 1 || n > mostName:
		return fmt.Errorf("%q has %d characters; allowed are 1 to %d", text, n, mostName)
	case strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%q begins or ends with a blank, or has several lines; allowed is one line of text", text)
	}
	return nil
}

// checkGlob checks a pattern of host names.
// Patterns are those of path.Match, in which * goes over dots: *.example.com has a.b.example.com in
// it.
func checkGlob(text string) error {
	if _, err := path.Match(text, ""); err != nil {
		return fmt.Errorf("%q is no pattern of hosts such as *.example.com", text)
	}
	return nil
}

// checkWebsocket accepts an address of websockets.
func checkWebsocket(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		return fmt.Errorf("%q is no address of websockets such as ws://broker:4223", text)
	}
	return nil
}
