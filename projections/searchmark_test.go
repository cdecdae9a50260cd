package projections

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// marked writes pieces with what was found between < and >.
func marked(all []Piece) string {
	var b strings.Builder
	for _, p := range all {
		if p.Hit {
			b.WriteString("<" + p.Text + ">")
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// TestMarker marks what each kind of search means.
func TestMarker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind SearchKind
		text string
		fold bool
		line string
		want string
	}{
		{Words, "panic kernel", false, "Kernel panic - not syncing: kernelpanic, panic!", "Kernel <panic> - not syncing: kernelpanic, <panic>!"},
		{Words, "panic kernel", true, "Kernel Panic", "<Kernel> <Panic>"},
		{"", "usb1", false, "usb1-2: usb12 \x1b[1musb1\x1b[0mx", "<usb1>-2: usb12 <usb1>x"},
		{Words, "größe", false, "die größe", "die <größe>"},
		{Phrase, "not found", false, "cannot found, not found: not foundry", "cannot found, <not found>: not foundry"},
		{Phrase, " a.b ", true, "xA.B A.B", "xA.B <A.B>"},
		{Phrase, ": x", false, "a: x: x", "a<: x><: x>"},
		{Phrase, "aa aa", false, "aa aa aa", "<aa aa> aa"},
		{Substring, "<b>&", false, "a <b>& <B>&", "a <<b>&> <B>&"},
		{Substring, "ÜB", true, "drüber", "dr<üb>er"},
		{Substring, "a.c", false, "abc a.c", "abc <a.c>"},
		{Substring, "plain", false, "\x1b[32mpl\x1b[0main\x1b[m", "<plain>"},
		{Regex, `e[0-9]+`, false, "e1 E2 e33", "<e1> E2 <e33>"},
		{Regex, `e[0-9]*`, true, "E2x", "<E2>x"},
		{Regex, `x*`, false, "abc", "abc"},
		{Regex, `(`, false, "a(b", "a(b"},
		{Regex, `^a|a$`, false, "aba", "<a>b<a>"},
		{"fuzzy", "a", false, "a", "a"},
		{Words, "a", false, "", ""},
	} {
		if got := marked(tt.kind.Marker(tt.text, tt.fold)(tt.line)); got != tt.want {
			t.Errorf("%s %q, fold %t, in %q:\n got %q\nwant %q", tt.kind, tt.text, tt.fold, tt.line, got, tt.want)
		}
	}
	if got := Substring.Marker("a", false)(strings.Repeat("a", 1000)); len(got) != mostMarks+1 {
		t.Errorf("a thousand hits in a line make %d pieces, want %d and the rest", len(got), mostMarks)
	}
}

// TestMarkerMarksWhatIsFound holds over random lines that the pieces are the whole line, and that one is marked where, and as a
// rule only where, a search for the line finds it.
func TestMarkerMarksWhatIsFound(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	parts := []string{"ab", "b1", "7", "x", "Ab", " ", ".", ":", "-", "_", "é", "0", "\x1b[1m", "\x1b[0m ", "#", "<", "&"}
	some := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	found := 0
	for n := range 4000 {
		q := Search{Text: strings.ReplaceAll(some(1+r.IntN(2)), "\x1b", ""), Kind: SearchKinds()[n%4], Fold: n%3 == 0}
		if q.Kind == Regex {
			q.Text = regexp.QuoteMeta(q.Text)
		}
		if _, err := planSearch(q.Text, q.Kind, q.Fold); err != nil {
			continue
		}
		line := some(1 + r.IntN(8))
		pieces := q.Kind.Marker(q.Text, q.Fold)(line)
		whole, hit := "", false
		for _, p := range pieces {
			whole, hit = whole+p.Text, hit || p.Hit
		}
		if want := terminal.ReplaceAllString(line, ""); whole != want {
			t.Fatalf("pieces of %q make %q, want %q", line, whole, want)
		}
		if is := reads(q, line); is && !hit {
			t.Errorf("%s %q, fold %t, finds %q, and nothing in it is marked", q.Kind, q.Text, q.Fold, line)
		} else if hit && !is && q.Kind != Words { // of several words one may be there
			t.Errorf("%s %q, fold %t, does not find %q, in which %q is marked", q.Kind, q.Text, q.Fold, line, marked(pieces))
		} else if is {
			found++
		}
	}
	if found < 200 {
		t.Errorf("only %d lines were found: the test shows little", found)
	}
}
