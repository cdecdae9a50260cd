package connection

import (
	"strings"
	"testing"
)

func TestPythonDialect(t *testing.T) {
	tests := []struct {
		name, pattern string
		flags         Flags
		text          string
		want          string // matched text, "-" for none
		group         string // name=text of a group to check
	}{
		{"dot matches newlines", "a.b", 0, "a\nb", "a\nb", ""},
		{"dot, one line", "x.*", OneLine, "x1\nx2", "x1", ""},
		{"dot and dollar, one line", ".+ok$", OneLine | Multiline, "a\nis ok\nb", "is ok", ""},
		{"named group", `(?P<id>\w+) ok`, 0, "boot ok", "boot ok", "id=boot"},
		{"named group, not ASCII", `(?P<id>\w+) ok`, 0, "größe ok", "größe ok", "id=größe"},
		{"reference to a name", `(?P<q>['"]).*?(?P=q)`, 0, `say "it's" now`, `"it's"`, `q="`},
		{"reference to a number", `(a)(b)\2\1`, 0, "abba", "abba", ""},
		{"dollar before a last newline", `end$`, 0, "the end\n", "end", ""},
		{"dollar before a last newline, greedy", `e.*$`, 0, "the end\n", "e end\n", ""},
		{"dollar before a last newline, not greedy", `e.*?$`, 0, "the end\n", "e end", ""},
		{"dollar, the earlier match wins", `(end|d\n)$`, 0, "the end\n", "end", "1=end"},
		{"dollar at one of two ends", `x$|nd`, 0, "end\n", "nd", ""},
		{"dot, not ASCII", `gr..e`, 0, "die größe", "größe", ""},
		{"class of others, not ASCII", `<([^>]+)>`, 0, "<größe>", "<größe>", "1=größe"},
		{"digit, not ASCII", `ü\d`, 0, "ü٣", "ü٣", ""},
		{"dollar in the middle", `end$`, 0, "end\nx", "-", ""},
		{"dollar, multi-line", `end$`, Multiline, "end\nx", "end", ""},
		{"caret, multi-line", `^x`, Multiline, "a\nx", "x", ""},
		{"absolute end", `end\Z`, 0, "end\n", "-", ""},
		{"look-ahead", `foo(?!bar)`, 0, "foobar foo", "foo", ""},
		{"look-behind", `(?<=\d )ok`, 0, "ok 1 ok", "ok", ""},
		{"missing lower bound", `a{,2}b`, 0, "aaab", "aab", ""},
		{"bracket first in a class", `[]x]+`, 0, "a]x]", "]x]", ""},
		{"bracket in a class", `[[a]+`, 0, "x[a[", "[a[", ""},
		{"negated class", `[^]]+`, 0, "ab]", "ab", ""},
		{"posix look-alike is a plain class", `[[:d]+`, 0, "x[d:", "[d:", ""},
		{"not greedy", `<.+?>`, 0, "<a><b>", "<a>", ""},
		{"inline flag", `(?i)LOGIN`, 0, "login", "login", ""},
		{"signal", `<LAVA_SIGNAL_(\S+) ([^>]+)>`, 0, "[1.0] <LAVA_SIGNAL_STARTTC x y>\r\n", "<LAVA_SIGNAL_STARTTC x y>", "1=STARTTC"},
		{"group that took no part", `a(?P<n>b)?`, 0, "ac", "a", "n=-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Compile(tt.pattern, tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			f, ok, err := p.find(tt.text, isASCII(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			got := "-"
			if ok {
				got = tt.text[f.start:f.end]
			}
			if got != tt.want {
				t.Errorf("%q in %q: got %q, want %q", tt.pattern, tt.text, got, tt.want)
			}
			if name, text, found := strings.Cut(tt.group, "="); found {
				if g, valid := (Match{Groups: f.groups}).Group(name); (valid && g != text) || (!valid && text != "-") {
					t.Errorf("group %s: %q (took part: %v), want %q", name, g, valid, text)
				}
			}
		})
	}
}

// What is no UTF-8 becomes as many replacement characters as Python makes of it.
func TestDecode(t *testing.T) {
	for in, want := range map[string]string{
		"größe":            "größe",
		"a\xffb":           "a\uFFFDb",
		"\xff\xfe":         "\uFFFD\uFFFD",
		"\xe2\x82x":        "\uFFFDx", // the beginning of a character counts once
		"\xf0\x9f\x98":     "\uFFFD",
		"\xe0\x80\x80":     "\uFFFD\uFFFD\uFFFD", // an overlong form is no beginning
		"\xed\xa0\x80":     "\uFFFD\uFFFD\uFFFD", // half a surrogate pair is none either
		"\xc3(":            "\uFFFD(",
		"\xf4\x90\x80\x80": "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\x00\x1b[0m":      "\x00\x1b[0m",
	} {
		if got := decode([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCompileNamesABadPattern(t *testing.T) {
	_, err := Compile("(gdb", 0)
	if err == nil || !strings.Contains(err.Error(), "Invalid regular expression '(gdb'") {
		t.Errorf("compile of an open group: %v", err)
	}
}

// The two engines must agree wherever the fast one is used.
func FuzzEnginesAgree(f *testing.F) {
	f.Add(`(?P<a>x+)|y`, "zyx")
	f.Add(`[]a-c]*?d`, "]abd")
	f.Add(`-\[ cut here \]`, "---[ cut here ]---\r\n")
	f.Add(`\bWARNING:|Oops(?: -|:)`, "x Oops: 1")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 40 || len(text) > 200 || !isASCII(text) || !isASCII(pattern) {
			t.Skip()
		}
		p, err := Compile(pattern, 0)
		if err != nil || p.fast == nil {
			t.Skip()
		}
		got, ok, _ := p.find(text, true)
		slow := Pattern{text: pattern, full: p.full}
		want, wantOK, err := slow.find(text, true)
		if err != nil {
			t.Skip()
		}
		if ok != wantOK || got.start != want.start {
			t.Errorf("%q in %q: fast says %v at %d, full says %v at %d", pattern, text, ok, got.start, wantOK, want.start)
		}
	})
}
