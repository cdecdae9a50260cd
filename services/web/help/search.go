package help

import (
	"slices"
	"strings"
	"unicode"
)

// Hit is a section that a search found.
type Hit struct {
	Path, Anchor string
	Page, Title  string // of the page; of the section
	Snippet      string // of the text, around the first word found; "" where only the title has it
	score        int
}

// Address returns where the section lies on the lab's listener.
func (h Hit) Address() string { return address(link{page: h.Path, anchor: h.Anchor}) }

// index is what the search looks at.
// Entries stand in the order of pages and sections, which decides among hits of the same weight.
type index struct {
	entries []entry
}

// entry is a section in lower case.
type entry struct {
	page           *Page
	section        *Section
	title, heading string // of the page; of the section
	text           string
}

// words makes the index. Half a megabyte is looked through in a millisecond or two, so it is no more than
// the texts in lower case.
func (l *Library) words() index {
	var x index
	for _, path := range l.paths() {
		p := l.pages[path]
		for i := range p.Sections {
			s := &p.Sections[i]
			x.entries = append(x.entries, entry{p, s, strings.ToLower(p.Title), strings.ToLower(s.Title), strings.ToLower(s.text)})
		}
	}
	return x
}

// Weights of a word by where it stands.
// A page's title outweighs any number of mentions: who searches "workers" wants that page and not the one that names them most.
const (
	inPageTitle = 40
	inHeading   = 20
	whole       = 10 // the heading is the word itself
	inText      = 1  // each time, up to mostInText
	mostInText  = 8
)

// Search returns the sections that have every word of the question, as a word's beginning in a title or anywhere in the text, best
// first and at most limit. A question without letters and digits has none.
func (l *Library) Search(question string, limit int) []Hit {
	// Hyphens and underscores are part of a word here, as in names of options and keys.
	words := strings.FieldsFunc(strings.ToLower(question), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	})
	if len(words) == 0 {
		return nil
	}
	var hits []Hit
	for _, e := range l.index.entries {
		score := 0
		for _, w := range words {
			n := e.score(w)
			if n == 0 {
				score = 0
				break
			}
			score += n
		}
		if score > 0 {
			hits = append(hits, Hit{Path: e.page.Path, Anchor: e.section.Anchor, Page: e.page.Title, Title: e.section.Title,
				Snippet: snippet(e.section.text, e.text, words[0]), score: score})
		}
	}
	// Stable, so that the same question has the same answer.
	slices.SortStableFunc(hits, func(a, b Hit) int { return b.score - a.score })
	if len(hits) > limit {
		hits = hits[:limit]
	}
	return hits
}

// score weighs a word in a section; 0 where it is nowhere.
// Contains and not whole words: "board" finds "boards", and the beginning of a word is enough.
func (e entry) score(w string) int {
	n := min(strings.Count(e.text, w), mostInText) * inText
	// What compares or measures everything names every word, and explains none.
	if e.page.Path == "compatibility" || strings.HasPrefix(e.page.Path, "measurements") {
		n = min(n, inText)
	}
	if strings.Contains(e.heading, w) {
		n += inHeading
		if e.heading == w {
			n += whole
		}
	}
	// The title speaks for the first section, else every section of a page would outrank the right one of another.
	if e.section == &e.page.Sections[0] && strings.Contains(e.title, w) {
		n += inPageTitle
	}
	return n
}

// around is how many bytes a snippet has on each side of the word.
// With the word about two lines of a page.
const around = 90

// snippet cuts the text around a word, at blanks.
func snippet(text, lower, word string) string {
	at := strings.Index(lower, word)
	// Lower case may have another length in some scripts; then the place is no place in the text.
	if at < 0 || len(lower) != len(text) {
		return ""
	}
	from, to := max(0, at-around), min(len(text), at+len(word)+around)
	if from > 0 {
		if i := strings.IndexAny(text[from:at], " \n"); i >= 0 {
			from += i + 1
		}
	}
	if to < len(text) {
		if i := strings.LastIndexAny(text[at+len(word):to], " \n"); i >= 0 {
			to = at + len(word) + i
		}
	}
	// A cut may go through a letter; it is made of bytes.
	return strings.ToValidUTF8(strings.Join(strings.Fields(text[from:to]), " "), "")
}
