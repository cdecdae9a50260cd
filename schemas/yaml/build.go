package yaml

// The functions below make nodes that were not read from text, for documents that Strata writes:
// parts of a multinode definition, results in LAVA's shape.

// Text returns a string node.
func Text(s string) *Node { return &Node{Kind: String, Text: s, weight: 1} }

// Number returns an integer node.
func Number(i int64) *Node { return &Node{Kind: Int, Int: i, weight: 1} }

// Decimal returns a float node.
func Decimal(f float64) *Node { return &Node{Kind: Float, Float: f, weight: 1} }

// Truth returns a boolean node.
func Truth(b bool) *Node { return &Node{Kind: Bool, Bool: b, weight: 1} }

// Nothing returns a null node.
func Nothing() *Node { return &Node{Kind: Null, weight: 1} }

// Of returns a list node.
func Of(items ...*Node) *Node { return &Node{Kind: List, Items: items} }

// Texts returns a list of string nodes.
func Texts(texts []string) *Node {
	list := &Node{Kind: List}
	for _, t := range texts {
		list.Items = append(list.Items, Text(t))
	}
	return list
}

// Mapping returns an empty mapping node; fill it with [Node.With].
func Mapping() *Node { return &Node{Kind: Map} }

// With returns a copy of the mapping n in which key has the value; a key that n has keeps its
// place, a new one comes last. n itself stays as it is.
// Values are shared with n: neither may be changed afterwards.
func (n *Node) With(key string, value *Node) *Node {
	c := &Node{Kind: Map, Line: n.Line, Column: n.Column, Pairs: make([]Pair, len(n.Pairs), len(n.Pairs)+1)}
	copy(c.Pairs, n.Pairs)
	for i, p := range c.Pairs {
		if p.Key.Kind == String && p.Key.Text == key {
			c.Pairs[i].Value = value
			return c
		}
	}
	c.Pairs = append(c.Pairs, Pair{Text(key), value})
	return c
}

// Without returns a copy of the mapping n that lacks the given keys.
func (n *Node) Without(keys ...string) *Node {
	c := &Node{Kind: Map, Line: n.Line, Column: n.Column}
next:
	for _, p := range n.Pairs {
		for _, key := range keys {
			if p.Key.Kind == String && p.Key.Text == key {
				continue next
			}
		}
		c.Pairs = append(c.Pairs, p)
	}
	return c
}
