package yaml

import (
	"fmt"
	"math/big"
	"time"
)

// Kind says what a node is, in the types of PyYAML's safe loader.
type Kind uint8

// The kinds of node.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Binary // !!binary; Text holds the bytes
	Time   // a timestamp; Node.DateOnly where it has no time of day
	List   // a sequence, also !!omap and !!pairs (whose items are lists of key and value)
	Map
	Set // !!set; its members are the keys of Pairs
)

// String returns what the kind is called in messages.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "integer", "float", "string", "binary", "timestamp", "list", "mapping", "set"}[k]
}

// Node is one value of a document. Nodes behind an alias are shared, so a tree is read-only.
// The methods that look things up work on a nil node too: it has no value and no children.
type Node struct {
	Kind     Kind
	Line     int // from 1; 0 for a node that was not read from text
	Column   int // from 1, in characters
	Bool     bool
	Int      int64     // where Big is nil
	Big      *big.Int  // an integer beyond 64 bits
	Float    float64   //
	Text     string    // a string or the bytes of a binary; of other scalars the text as written
	Time     time.Time // with the offset that was written, else UTC
	DateOnly bool      // a Time that is a date
	Items    []*Node   // of a List
	Pairs    []Pair    // of a Map or Set, each key once, in order of first appearance
	weight   int       // nodes in this tree, aliases followed; saturates
}

// Pair is one entry of a mapping. In a set Value is a null.
type Pair struct {
	Key   *Node
	Value *Node
}

// Get follows string keys down through mappings and returns the node there, nil if there is none.
// A key whose value is empty gives a node of kind Null, not nil.
func (n *Node) Get(keys ...string) *Node {
	for _, key := range keys {
		n = n.child(key)
	}
	return n
}

// child looks up one key. Mappings are small, so that a search is as fast as an index.
func (n *Node) child(key string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for _, p := range n.Pairs {
		if p.Key.Kind == String && p.Key.Text == key {
			return p.Value
		}
	}
	return nil
}

// Has reports whether the mapping n has a string key, whatever its value.
func (n *Node) Has(key string) bool { return n.child(key) != nil }

// Is reports whether n is there and of kind k.
func (n *Node) Is(k Kind) bool { return n != nil && n.Kind == k }

// Empty reports whether n is absent or null.
func (n *Node) Empty() bool { return n == nil || n.Kind == Null }

// Truth is Python's truth of the value: false for nothing, null, false, zero and what is empty.
func (n *Node) Truth() bool {
	if n == nil {
		return false
	}
	switch n.Kind {
	case Null:
		return false
	case Bool:
		return n.Bool
	case Int:
		return n.Big != nil || n.Int != 0
	case Float:
		return n.Float != 0
	case String, Binary:
		return n.Text != ""
	case List:
		return len(n.Items) > 0
	case Map, Set:
		return len(n.Pairs) > 0
	}
	return true
}

// AsText returns the text of a string node.
func (n *Node) AsText() (string, bool) {
	if !n.Is(String) {
		return "", false
	}
	return n.Text, true
}

// AsInt returns the value of an integer that fits 64 bits. A boolean counts as 0 or 1, as in
// Python; the schemas of LAVA rely on it.
func (n *Node) AsInt() (int64, bool) {
	switch {
	case n.Is(Int) && n.Big == nil:
		return n.Int, true
	case n.Is(Bool) && n.Bool:
		return 1, true
	case n.Is(Bool):
		return 0, true
	}
	return 0, false
}

// AsBool returns the value of a boolean node.
func (n *Node) AsBool() (value, ok bool) {
	if !n.Is(Bool) {
		return false, false
	}
	return n.Bool, true
}

// TextOr returns the text of a string node, or otherwise what is given.
func (n *Node) TextOr(otherwise string) string {
	if n.Is(String) {
		return n.Text
	}
	return otherwise
}

// Texts returns the strings of a list, or a lone string as a list of one. Items that are other
// scalars are printed as Python prints them; nothing else counts. Absent and null give nil.
func (n *Node) Texts() []string {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case String:
		return []string{n.Text}
	case List:
		texts := make([]string, 0, len(n.Items))
		for _, item := range n.Items {
			if item.Kind < List && item.Kind != Null {
				texts = append(texts, item.Print())
			}
		}
		return texts
	}
	return nil
}

// Keys returns the string keys of a mapping in order.
func (n *Node) Keys() []string {
	if !n.Is(Map) {
		return nil
	}
	keys := make([]string, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		if p.Key.Kind == String {
			keys = append(keys, p.Key.Text)
		}
	}
	return keys
}

// Data returns the value as plain Go data that encoding/json can write: nil, bool, int64,
// *big.Int, float64, string, []any and map[string]any. Keys that are not strings, binaries and
// timestamps become the text that Python prints for them; a set becomes a list of its members.
// Of keys that print alike the last one counts.
func (n *Node) Data() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Null:
		return nil
	case Bool:
		return n.Bool
	case Int:
		if n.Big != nil {
			return n.Big
		}
		return n.Int
	case Float:
		return n.Float
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Data()
		}
		return list
	case Map:
		m := make(map[string]any, len(n.Pairs))
		for _, p := range n.Pairs {
			m[p.Key.Print()] = p.Value.Data()
		}
		return m
	case Set:
		list := make([]any, len(n.Pairs))
		for i, p := range n.Pairs {
			list[i] = p.Key.Data()
		}
		return list
	}
	return n.Print()
}

// Where names the place of n for a message, such as "line 14, column 3".
func (n *Node) Where() string {
	if n == nil || n.Line == 0 {
		return "unknown place"
	}
	return fmt.Sprintf("line %d, column %d", n.Line, n.Column)
}
