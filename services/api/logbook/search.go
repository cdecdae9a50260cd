package logbook

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Query is what is searched in a book.
// From counts lines, not rows: a search goes on from the line that the viewer has in sight.
type Query struct {
	Text   string // up to 1,000 bytes
	Regexp bool   // Text is an expression as Go's package regexp reads them
	Case   bool   // capitals and small letters are different
	Levels Levels
	From   uint64 // line to begin at; the search goes round
	Back   bool   // towards the beginning
}

// maxQuery is the longest text that is searched.
const maxQuery = 1000

// Found is what a search tells each time that it has gone through some of the log.
type Found struct {
	Lines    []uint64 // that have it, in the order of the search
	Rows     []uint64 // of these lines
	Searched uint64   // lines that have been gone through, of all
}

// finder looks for a query in lines.
// It holds no room of its own, so it may be used by several searches at once.
type finder struct {
	needle []byte // "" where an expression decides
	fold   bool
	must   []byte // every line that is found has it, folded; may be empty
	expr   *regexp.Regexp
}

// newFinder reads a query. Plain text, the usual case, is searched for as bytes, which is far faster
// than an expression.
func newFinder(q Query) (finder, error) {
	if q.Text == "" || len(q.Text) > maxQuery {
		return finder{}, fmt.Errorf("the text has %d bytes, allowed are 1 to %d", len(q.Text), maxQuery)
	}
	// Letters beyond ASCII fold by tables that package regexp has; bytes alone do not.
	ascii := true
	for i := range len(q.Text) {
		ascii = ascii && q.Text[i] < utf8.RuneSelf
	}
	if !q.Regexp && (q.Case || ascii) {
		f := finder{needle: []byte(q.Text), fold: !q.Case}
		if f.fold {
			f.needle = folded(nil, f.needle)
		}
		f.must = f.needle
		return f, nil
	}
	text := q.Text
	if !q.Regexp {
		text = regexp.QuoteMeta(text)
	}
	if !q.Case {
		text = "(?i)" + text
	}
	expr, err := regexp.Compile(text)
	if err != nil {
		return finder{}, fmt.Errorf("the expression cannot be read: %w", err)
	}
	f := finder{expr: expr}
	// What every hit must have lets leaves be passed over without being opened.
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		f.must = folded(nil, []byte(literal(tree)))
	}
	return f, nil
}

// literal returns the longest text of ASCII that everything that an expression matches has in it.
// "" is always right, and has every leaf opened.
func literal(e *syntax.Regexp) string {
	switch e.Op {
	case syntax.OpLiteral:
		for _, r := range e.Rune {
			if r >= utf8.RuneSelf || e.Flags&syntax.FoldCase != 0 && (r|0x20 == 'k' || r|0x20 == 's') { // K and ſ fold to these
				return ""
			}
		}
		return string(e.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return literal(e.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, s := range e.Sub {
			if l := literal(s); len(l) > len(longest) {
				longest = l
			}
		}
		return longest
	}
	return ""
}

// folded appends a text with small letters of ASCII.
func folded(to, text []byte) []byte {
	at := len(to)
	to = append(to, text...)
	for i := at; i < len(to); i++ {
		to[i] = lower(to[i])
	}
	return to
}

// each hands over the numbers, within a text of lines, of those that have it.
// Each line is told once, however often it has the text.
func (f finder) each(text []byte, scratch *[]byte, found func(n uint64)) {
	// An expression is held against each line by itself, so ^ and $ are a line's.
	if f.expr != nil {
		for n, line := range lines(text) {
			if f.expr.Match(line) {
				found(uint64(n))
			}
		}
		return
	}
	if f.fold {
		*scratch = folded((*scratch)[:0], text)
		text = *scratch
	}
	for n := uint64(0); ; n++ {
		// Over the whole leaf at once rather than line by line; a needle has no line's end in it.
		at := bytes.Index(text, f.needle)
		if at < 0 {
			return
		}
		n += uint64(bytes.Count(text[:at], []byte{10}))
		found(n)
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return
		}
		text = text[at+end+1:]
	}
}

// tellEvery is after how many leaves without a hit a search says how far it is.
const tellEvery = 64

// Search goes through the book, once round, and hands over what it finds after each leaf that has some. It ends early
// when each returns false or ctx ends. What is wrong with a query is an error of it.
// It looks at the book as it is when each leaf's turn comes: lines that come meanwhile may be found
// or not. Between two calls of each no lock is held.
func (b *Book) Search(ctx context.Context, q Query, each func(Found) bool) error {
	f, err := newFinder(q)
	if err != nil {
		return &QueryError{err}
	}
	b.mu.RLock()
	count := len(b.leaves) + 1
	begin := 0
	for begin < count-1 && b.leaves[begin].end() <= q.From {
		begin++
	}
	b.mu.RUnlock()
	s := searching{book: b, finder: f, q: q}
	var told Found
	quiet := 0
	for k := 0; k <= count; k++ { // the leaf that it begins in is looked at twice: behind From, and before it
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Leaves that are added meanwhile are not gone to: count is that of the beginning.
		i := (begin + k) % count
		if q.Back {
			i = (begin - k + 2*count) % count
		}
		first, last := k == 0, k == count
		lo, hi := uint64(0), uint64(1)<<63
		switch {
		case first && !q.Back, last && q.Back:
			lo = q.From
		case first, last:
			hi = q.From
			if first {
				hi++
			}
		}
		if last && q.Back {
			lo++
		}
		if err := s.leaf(i, lo, hi, &told); err != nil {
			return err
		}
		if last {
			told.Searched = b.total()
		}
		if quiet++; len(told.Lines) > 0 || quiet >= tellEvery || last {
			if !each(told) {
				return nil
			}
			told, quiet = Found{Searched: told.Searched}, 0
		}
	}
	return nil
}

// total returns how many lines there are.
func (b *Book) total() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.lastOf.end()
}

// QueryError says what is wrong with a query.
type QueryError struct{ error }

// searching is a search under way.
type searching struct {
	book   *Book
	finder finder
	q      Query
	text   []byte // room
	fold   []byte
}

// leaf looks for lines from lo up to hi, not included, in a leaf.
func (s *searching) leaf(i int, lo, hi uint64, to *Found) error {
	b := s.book
	b.mu.RLock()
	l, o := b.leafAt(min(i, len(b.leaves)))
	b.mu.RUnlock()
	// The leaf that it begins in counts once both its parts are through, at the end.
	if lo <= l.First && hi >= l.end() {
		to.Searched += l.Count
	}
	_, in := l.count(s.q.Levels)
	if in == 0 || l.lost() || o == nil && len(s.finder.must) > 2 && !l.mayHave(s.finder.must) {
		return nil
	}
	text, err := b.plain(l, o, s.text)
	if err != nil {
		return err
	}
	// The room is used again for the next leaf; text that is not on the disk is the book's own.
	if o == nil {
		s.text = text
	}
	from := len(to.Lines)
	s.finder.each(text, &s.fold, func(n uint64) {
		if line := l.First + n; line >= lo && line < hi && n < l.Count {
			to.Lines = append(to.Lines, line)
		}
	})
	if len(to.Lines) == from {
		return nil
	}
	if err := s.rows(l, o, to, from); err != nil {
		return err
	}
	if s.q.Back {
		for i, j := from, len(to.Lines)-1; i < j; i, j = i+1, j-1 {
			to.Lines[i], to.Lines[j] = to.Lines[j], to.Lines[i]
			to.Rows[i], to.Rows[j] = to.Rows[j], to.Rows[i]
		}
	}
	return nil
}

// rows adds the rows of lines that were found in a leaf, and drops those of levels that are not wanted.
// Only where some lines of the leaf are hidden does it open the records.
func (s *searching) rows(l *leaf, o *open, to *Found, from int) error {
	row, in := l.count(s.q.Levels)
	if in == l.Count {
		for _, line := range to.Lines[from:] {
			to.Rows = append(to.Rows, row+line-l.First)
		}
		return nil
	}
	records, err := s.book.records(l, o)
	if err != nil {
		return err
	}
	// found and kept share their memory: a line is kept at or before the place where it was found.
	found := to.Lines[from:]
	kept := to.Lines[:from]
	for n, record := range lines(records) {
		if len(found) == 0 {
			break
		}
		shown := s.q.Levels.has(parse(record).level)
		if line := l.First + uint64(n); line == found[0] {
			found = found[1:]
			if shown {
				kept, to.Rows = append(kept, line), append(to.Rows, row)
			}
		}
		if shown {
			row++
		}
	}
	to.Lines = kept
	return nil
}
