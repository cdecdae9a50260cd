package yaml

import (
	"math"
	"strings"
	"testing"
)

// TestScalars lists what plain scalars mean: the traps first that surprise people who know YAML 1.2.
func TestScalars(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		kind Kind
		repr string
	}{
		// Booleans in all spellings of YAML 1.1, but not y and n.
		{"yes", Bool, "True"}, {"Off", Bool, "False"}, {"ON", Bool, "True"}, {"No", Bool, "False"}, {"TRUE", Bool, "True"},
		{"y", String, "'y'"}, {"n", String, "'n'"}, {"tRUE", String, "'tRUE'"}, {"oFF", String, "'oFF'"},
		// Integers: octal is 0 and digits, colons make base 60, underscores mean nothing.
		{"0", Int, "0"}, {"-0", Int, "0"}, {"+17", Int, "17"}, {"010", Int, "8"}, {"-017", Int, "-15"}, {"0o17", String, "'0o17'"},
		{"08", String, "'08'"}, {"0b101", Int, "5"}, {"-0b11", Int, "-3"}, {"0b2", String, "'0b2'"}, {"0x1F", Int, "31"}, {"0xG", String, "'0xG'"},
		{"1_000", Int, "1000"}, {"_1", String, "'_1'"}, {"1:30", Int, "90"}, {"-1:30", Int, "-90"}, {"1:60", String, "'1:60'"},
		{"23:59:59", Int, "86399"}, {"00:30", String, "'00:30'"}, {"99999999999999999999", Int, "99999999999999999999"},
		{"9223372036854775807", Int, "9223372036854775807"}, {"-9223372036854775808", Int, "-9223372036854775808"},
		{"9223372036854775808", Int, "9223372036854775808"}, {"9999999999999999:59:59", Int, "35999999999999999999"},
		// Floats need a point, and a sign in the exponent.
		{"1.0", Float, "1.0"}, {"1e3", String, "'1e3'"}, {"1.0e3", String, "'1.0e3'"}, {"1.0e+3", Float, "1000.0"}, {"1.5E-7", Float, "1.5e-07"},
		{".5", Float, "0.5"}, {"-.5", String, "'-.5'"}, {"5.", Float, "5.0"}, {".", String, "'.'"}, {"1_0.5", Float, "10.5"},
		{".inf", Float, "inf"}, {"-.INF", Float, "-inf"}, {".nan", Float, "nan"}, {"inf", String, "'inf'"}, {"190:20:30.15", Float, "685230.15"},
		{"1.7e+400", Float, "inf"}, {"0x1.8p+1", String, "'0x1.8p+1'"},
		// Dates and times.
		{"2024-02-29", Time, "datetime(2024-02-29)"}, {"2024-2-9", String, "'2024-2-9'"},
		{"2024-02-09 1:02:03", Time, "datetime(2024-02-09 01:02:03)"},
		{"2024-02-09T01:02:03.5Z", Time, "datetime(2024-02-09 01:02:03.500000+00:00)"},
		{"2024-02-09 01:02:03 -05:30", Time, "datetime(2024-02-09 01:02:03-05:30)"},
		{"2024-02-09T01:02:03.123456789", Time, "datetime(2024-02-09 01:02:03.123456)"},
		// Nothing.
		{"~", Null, "None"}, {"null", Null, "None"}, {"NULL", Null, "None"}, {"nil", String, "'nil'"}, {"None", String, "'None'"},
		// What is quoted or has a tag is not looked at.
		{"'yes'", String, "'yes'"}, {"\"010\"", String, "'010'"}, {"!!str yes", String, "'yes'"}, {"!!int '12'", Int, "12"},
		{"!!float 3", Float, "3.0"}, {"!!bool 'on'", Bool, "True"}, {"!!null x", Null, "None"}, {"|\n yes", String, "'yes'"}, {">\n 1\n 2", String, "'1 2'"},
		{"!!timestamp '2024-02-09'", Time, "datetime(2024-02-09)"}, {"!!binary aGk=", Binary, "b'hi'"},
	}
	for _, tt := range tests {
		n := parse(t, tt.text)
		if n.Kind != tt.kind || n.Repr() != tt.repr {
			t.Errorf("%q is the %s %s, want the %s %s", tt.text, n.Kind, n.Repr(), tt.kind, tt.repr)
		}
	}
}

func TestScalarsRefused(t *testing.T) {
	t.Parallel()
	for text, message := range map[string]string{
		"a: !!int x":                `"x" is not an integer in line 1, column 4`,
		"a: !!int ''":               `"" is not an integer`,
		"a: !!int 0b":               `"0b" is not an integer`,
		"a: !!int --1":              `"--1" is not an integer`,
		"a: !!int 1:x":              `is not an integer`,
		"a: !!float x":              `"x" is not a float`,
		"a: !!float 0x10":           `"0x10" is not a float`,
		"a: !!float inf":            `"inf" is not a float`,
		"a: !!bool maybe":           `"maybe" is not a boolean`,
		"a: !!timestamp now":        `"now" is not a timestamp`,
		"a: !!binary x":             "failed to decode base64 data",
		"a: 2024-02-30":             `"2024-02-30" is not a date of the calendar`,
		"a: 0000-01-01":             `"0000-01-01" is not a date of the calendar`,
		"a: 2024-01-01 24:00:00":    "is not a date of the calendar",
		"a: =":                      "could not determine a constructor for the tag 'tag:yaml.org,2002:value'",
		"a: !mine x":                "could not determine a constructor for the tag '!mine'",
		"a: !!python/none":          "could not determine a constructor for the tag 'tag:yaml.org,2002:python/none'",
		"a: !!seq x":                "expected a list, but found a scalar",
		"a: !!map [x]":              "expected a mapping, but found a list",
		"a: !!str [x]":              "expected a scalar, but found a list",
		"a: !mine [x]":              "could not determine a constructor for the tag '!mine'",
		"a: !!omap [x]":             "expected a mapping of one entry in line 1, column 12",
		"a: !!pairs [{x: 1, y: 2}]": "expected a mapping of one entry",
		"a: {[x]: y}":               "found unhashable key: a list cannot be the key of a mapping",
	} {
		n, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("Parse(%q) = %v, %v, want %q", text, n.Repr(), err, message)
		}
	}
}

// TestKeys: one key where Python's dict has one, in its first place and with its last value.
func TestKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{a: 1, b: 2, a: 3}":                 "{'a': 3, 'b': 2}",
		"{1: a, yes: b, 1.0: c, '1': d}":     "{1: 'c', '1': 'd'}",
		"{0: a, no: b, -0.0: c}":             "{0: 'c'}",
		"{~: a, null: b, '': c}":             "{None: 'b', '': 'c'}",
		"{1.5: a, 1.5: b}":                   "{1.5: 'b'}",
		"{.nan: a, .nan: b}":                 "{nan: 'a', nan: 'b'}",
		"{.inf: a, .inf: b, -.inf: c}":       "{inf: 'b', -inf: 'c'}",
		"{2024-01-01: a, 2024-01-01: b}":     "{datetime(2024-01-01): 'b'}",
		"{!!binary aGk=: a, hi: b}":          "{b'hi': 'a', 'hi': 'b'}",
		"{99999999999999999999: a}":          "{99999999999999999999: 'a'}",
		"{=: a}":                             "{'=': 'a'}",
		"!!set {a, a, b}":                    "{'a', 'b'}",
		"!!set {}":                           "set()",
		"{<<: {a: 1, b: 2}, b: 3, c: 4}":     "{'a': 1, 'b': 3, 'c': 4}",
		"{b: 3, <<: [{a: 1}, {a: 2, b: 2}]}": "{'a': 1, 'b': 3}",
	} {
		if got := parse(t, text).Repr(); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	for want, n := range map[string]*Node{
		"None":                  Nothing(),
		"True":                  Truth(true),
		"-3":                    Number(-3),
		"1.0":                   Decimal(1),
		"1e+16":                 Decimal(1e16),
		"1e-05":                 Decimal(0.00001),
		"1234567890123456.0":    Decimal(1234567890123456),
		"nan":                   Decimal(math.NaN()),
		"it's":                  Text("it's"),
		`["it's", 'a"b']`:       Texts([]string{"it's", `a"b`}),
		`['\'"', '\\\n\t\r']`:   Texts([]string{`'"`, "\\\n\t\r"}),
		`['\x01\x7f\xa0']`:      Texts([]string{"\x01\x7f\u00a0"}),
		`['é\u2028\U000e0001']`: Texts([]string{"é\u2028\U000e0001"}),
		"{'a': [], 'b': {}}":    Mapping().With("a", Of()).With("b", Mapping()),
		`b'\x00\xff\'"'`:        {Kind: Binary, Text: "\x00\xff'\""},
		`b"it's"`:               {Kind: Binary, Text: "it's"},
	} {
		if got := n.Print(); got != want {
			t.Errorf("prints %s, want %s", got, want)
		}
	}
	var nothing *Node
	if nothing.Print() != "None" || nothing.Repr() != "None" || nothing.Data() != nil {
		t.Error("no node does not print as None")
	}
}
