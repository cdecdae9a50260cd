package python

import (
	"math"
	"testing"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"a": "'a'", "it's": `"it's"`, `it's "x"`: `'it\'s "x"'`, "a\nb\\": `'a\nb\\'`, "\x1b": `'\x1b'`, "ü": "'ü'",
		"\u00ad": `'\xad'`, "\u2028": `'\u2028'`, "\U000e0001": `'\U000e0001'`, "\t\r": `'\t\r'`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q): %s, want %s", text, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]string{"a": "b'a'", "it's": `b"it's"`, "\xff\n": `b'\xff\n'`} {
		if got := Bytes(text); got != want {
			t.Errorf("Bytes(%q): %s, want %s", text, got, want)
		}
	}
}

func TestFloat(t *testing.T) {
	for f, want := range map[float64]string{
		1: "1.0", 0.5: "0.5", 1e20: "1e+20", 1e-5: "1e-05", 1e15: "1000000000000000.0", math.Inf(-1): "-inf", 0: "0.0",
	} {
		if got := Float(f); got != want {
			t.Errorf("Float(%v): %s, want %s", f, got, want)
		}
	}
	if got := Float(math.NaN()); got != "nan" {
		t.Errorf("Float(NaN): %s, want nan", got)
	}
}
