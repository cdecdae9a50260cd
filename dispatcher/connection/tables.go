package connection

import (
	"slices"
	"sync"
)

// maxTables is how many sets of patterns are ready to be searched for: a login and a test use a few in turn.
const maxTables = 16

// Tables holds compiled patterns, and what is needed to search for many of them at once. Consoles may
// share one: they wait for the same, and what is shared stays in the processor's cache.
type Tables struct {
	mu       sync.Mutex
	patterns map[string]Pattern
	tables   []*table // the last used ones, the very last at the end
}

// NewTables returns an empty one.
func NewTables() *Tables { return &Tables{patterns: map[string]Pattern{}} }

// compile returns the pattern of a text.
func (t *Tables) compile(text string) (Pattern, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.patterns[text]; ok {
		return p, nil
	}
	p, err := Compile(text, 0)
	if err == nil {
		t.patterns[text] = p
	}
	return p, err
}

// of returns the table of patterns.
func (t *Tables) of(patterns []Pattern) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.tables, func(x *table) bool { return x.serves(patterns) })
	var found *table
	switch {
	case i >= 0:
		found = t.tables[i]
		t.tables = slices.Delete(t.tables, i, i+1)
	default:
		found = newTable(patterns)
		if len(t.tables) == maxTables {
			t.tables = slices.Delete(t.tables, 0, 1)
		}
	}
	t.tables = append(t.tables, found)
	return found
}
