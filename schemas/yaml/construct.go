package yaml

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlv3 "gopkg.in/yaml.v3"
)

// constructor turns scanned nodes into values as PyYAML's SafeConstructor does.
type constructor struct {
	limits   Limits
	unique   bool                   // a key may stand once in a mapping
	anchored map[*yamlv3.Node]*Node // what an anchor stands for; nil while it is being built
	names    map[string]*yamlv3.Node
	flow     int    // flow collections around the node
	text     []byte // as it was scanned
	changed  bool   // the text was, before it was scanned
	begins   []int  // where each line of the text begins; made when it is first asked for
	at       spot   // that was asked for last
	merges   int    // entries taken by << so far
}

// fault makes an error at the place of a node.
func fault(at *yamlv3.Node, format string, args ...any) *Error {
	return &Error{at.Line, at.Column, fmt.Sprintf(format, args...)}
}

// node builds y, which stands at depth (the root at 1).
func (c *constructor) node(y *yamlv3.Node, depth int) (*Node, error) {
	if y.Kind == yamlv3.AliasNode {
		n, known := c.anchored[y.Alias]
		switch {
		case known && n == nil:
			return nil, fault(y, "alias *%s stands inside what it names", y.Value)
		case !known:
			return nil, fault(y, "found undefined alias '%s'", y.Value)
		}
		return n, nil
	}
	if depth > c.limits.Depth {
		return nil, fault(y, "nested deeper than %d levels", c.limits.Depth)
	}
	if y.Anchor != "" {
		if first := c.names[y.Anchor]; first != nil {
			return nil, fault(y, "found duplicate anchor '%s'; first occurrence in line %d", y.Anchor, first.Line)
		}
		c.names[y.Anchor] = y
		c.anchored[y] = nil
	}
	n := &Node{Line: y.Line, Column: y.Column, weight: 1}
	if err := c.fill(n, y, depth); err != nil {
		return nil, err
	}
	n.weight += len(n.Text) / bytesANode
	for _, item := range n.Items {
		n.weight += item.weight
	}
	for _, p := range n.Pairs {
		n.weight += p.Key.weight + p.Value.weight
	}
	// Every child is within the budget, and a text of limited size has a limited number of
	// children, so the sum cannot overflow.
	if n.weight > c.limits.Nodes {
		return nil, fault(y, "document has more than %d nodes once its aliases are followed", c.limits.Nodes)
	}
	if y.Anchor != "" {
		c.anchored[y] = n
	}
	return n, nil
}

// bytesANode is how many bytes of a scalar's text count as one more node: a few aliases of a long
// text would else be a document of gigabytes.
const bytesANode = 64

// fill gives n the value of y, which is no alias.
func (c *constructor) fill(n *Node, y *yamlv3.Node, depth int) error {
	raw := y.Value
	if c.changed {
		y.Value = restored(y.Value)
	}
	tag := tagOf(y)
	if c.lone(y) {
		tag = implicitTag(y.Value)
	}
	if y.Style&yamlv3.FlowStyle != 0 {
		c.flow++
		defer func() { c.flow-- }()
	}
	switch y.Kind {
	case yamlv3.ScalarNode:
		if c.flow > 0 && y.Style&quoted == 0 && strings.HasSuffix(y.Value, ":") {
			// yaml.v3 takes {a:} for the text "a:", libyaml refuses it, and people mean an empty value.
			end := offset(c.text, y.Line, y.Column) + len(raw)
			if end < len(c.text) && strings.IndexByte(",[]{}", c.text[end]) >= 0 {
				return &Error{y.Line, y.Column + utf8.RuneCountInString(raw) - 1, "found unexpected ':' after a plain text: put a space behind it"}
			}
		}
		switch tag {
		case tagSeq, tagOmap, tagPairs, tagMap, tagSet:
			return fault(y, "expected a %s, but found a scalar", wanted(tag))
		}
		if err := n.scalar(tag, y.Value); err != nil {
			return fault(y, "%s", err)
		}
		return nil
	case yamlv3.SequenceNode:
		switch tag {
		case tagSeq:
			return c.list(n, y, depth)
		case tagOmap, tagPairs:
			return c.pairs(n, y, depth)
		}
	case yamlv3.MappingNode:
		switch tag {
		case tagMap, tagSet:
			n.Kind = Map
			if tag == tagSet {
				n.Kind = Set
			}
			return c.mapping(n, y, depth)
		}
	}
	if want := wanted(tag); want != "" {
		return fault(y, "expected a %s, but found a %s", want, shape(y))
	}
	return fault(y, "%s", unknownTag(tag))
}

// quoted are the styles whose text is a string without a look at it.
const quoted = yamlv3.SingleQuotedStyle | yamlv3.DoubleQuotedStyle | yamlv3.LiteralStyle | yamlv3.FoldedStyle

// tagOf returns the tag of y, resolved where it has none of its own.
func tagOf(y *yamlv3.Node) string {
	if y.Style&yamlv3.TaggedStyle != 0 {
		return y.Tag
	}
	switch {
	case y.Kind == yamlv3.SequenceNode:
		return tagSeq
	case y.Kind == yamlv3.MappingNode:
		return tagMap
	case y.Style&quoted != 0:
		return tagStr
	}
	return implicitTag(y.Value)
}

// lone tells whether a quoted scalar stands behind a lone "!": YAML 1.1's way to have it read as if it
// stood there plainly, which LAVA's logs use for numbers. The scanner tells nothing of it, so the text does.
func (c *constructor) lone(y *yamlv3.Node) bool {
	if y.Kind != yamlv3.ScalarNode || y.Style&quoted == 0 || y.Style&yamlv3.TaggedStyle != 0 {
		return false
	}
	if c.begins == nil {
		c.begins = []int{0}
		for i, b := range c.text {
			if b == '\n' {
				c.begins = append(c.begins, i+1)
			}
		}
	}
	if y.Line > len(c.begins) {
		return false
	}
	// Nodes come in the order of the text, so a line is gone through once however many stand in it.
	if c.at.line != y.Line || c.at.column > y.Column {
		c.at = spot{y.Line, 1, c.begins[y.Line-1]}
	}
	for ; c.at.column < y.Column && c.at.offset < len(c.text); c.at.column++ {
		_, size := utf8.DecodeRune(c.text[c.at.offset:])
		c.at.offset += size
	}
	rest := c.text[c.at.offset:]
	return len(rest) > 1 && rest[0] == '!' && rest[1] == ' '
}

// spot is a character of the text.
type spot struct{ line, column, offset int }

// wanted says which shape a known tag needs; "" for a tag that is not known.
func wanted(tag string) string {
	switch tag {
	case tagSeq, tagOmap, tagPairs:
		return "list"
	case tagMap, tagSet:
		return "mapping"
	case tagNull, tagBool, tagInt, tagFloat, tagStr, tagBinary, tagTime:
		return "scalar"
	}
	return ""
}

// shape names what was found where something else was wanted.
func shape(y *yamlv3.Node) string {
	switch y.Kind {
	case yamlv3.SequenceNode:
		return "list"
	case yamlv3.MappingNode:
		return "mapping"
	}
	return "scalar"
}

// list reads a sequence; its items may be shared with other places by alias.
func (c *constructor) list(n *Node, y *yamlv3.Node, depth int) error {
	n.Kind = List
	n.Items = make([]*Node, 0, len(y.Content))
	for _, item := range y.Content {
		child, err := c.node(item, depth+1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, child)
	}
	return nil
}

// pairs reads !!omap and !!pairs: a list of mappings of one entry, which Python holds as tuples.
func (c *constructor) pairs(n *Node, y *yamlv3.Node, depth int) error {
	n.Kind = List
	for _, item := range y.Content {
		item = follow(item)
		if item.Kind != yamlv3.MappingNode || len(item.Content) != 2 {
			return fault(item, "expected a mapping of one entry")
		}
		key, err := c.node(item.Content[0], depth+2)
		if err != nil {
			return err
		}
		value, err := c.node(item.Content[1], depth+2)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, &Node{Kind: List, Line: item.Line, Column: item.Column,
			Items: []*Node{key, value}, weight: 1 + key.weight + value.weight})
	}
	return nil
}

// follow returns what an alias names, any other node as it is.
func follow(y *yamlv3.Node) *yamlv3.Node {
	if y.Kind == yamlv3.AliasNode {
		return y.Alias
	}
	return y
}

// mapping reads a mapping or set: a key that stands again replaces the value and keeps its place.
// Entries merged in by << come first, so that the mapping's own entries win over them.
func (c *constructor) mapping(n *Node, y *yamlv3.Node, depth int) error {
	at := map[string]int{}
	put := func(p Pair) {
		id := identity(p.Key)
		if i, again := at[id]; again {
			n.Pairs[i].Value = p.Value
			return
		}
		at[id] = len(n.Pairs)
		n.Pairs = append(n.Pairs, p)
	}
	var merged, own []Pair
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if isMerge(key) {
			pairs, err := c.merged(value, depth)
			if err != nil {
				return err
			}
			// Merging one anchor a thousand times must not cost what the budget of nodes forbids.
			if c.merges += len(pairs); c.merges > c.limits.Nodes {
				return fault(key, "document has more than %d nodes once its aliases are followed", c.limits.Nodes)
			}
			merged = append(merged, pairs...)
			continue
		}
		k, err := c.key(key, depth)
		if err != nil {
			return err
		}
		v, err := c.node(value, depth+1)
		if err != nil {
			return err
		}
		if n.Kind == Set {
			v = &Node{Kind: Null, Line: v.Line, Column: v.Column, weight: 1}
		}
		own = append(own, Pair{k, v})
	}
	if c.unique {
		if err := once(own); err != nil {
			return err
		}
	}
	for _, p := range append(merged, own...) {
		put(p)
	}
	return nil
}

// once refuses a key that stands twice, and names both places.
// Keys that << has merged may be repeated: to override them is what it is for.
func once(own []Pair) error {
	first := map[string]*Node{}
	for _, p := range own {
		id := identity(p.Key)
		if other := first[id]; other != nil {
			return &Error{p.Key.Line, p.Key.Column, fmt.Sprintf("key %s stands twice, here and in line %d: keep one of them", p.Key.Repr(), other.Line)}
		}
		first[id] = p.Key
	}
	return nil
}

// isMerge says that a key is <<, plain: '<<' in quotes is a text like any other.
func isMerge(key *yamlv3.Node) bool {
	return key.Kind == yamlv3.ScalarNode && tagOf(key) == tagMerge
}

// key reads a key. A plain "=" is text here, as in PyYAML; what Python cannot hash is refused.
func (c *constructor) key(y *yamlv3.Node, depth int) (*Node, error) {
	if y.Kind == yamlv3.ScalarNode && tagOf(y) == tagValue {
		return &Node{Kind: String, Line: y.Line, Column: y.Column, Text: y.Value, weight: 1}, nil
	}
	k, err := c.node(y, depth+1)
	if err != nil {
		return nil, err
	}
	if k.Kind >= List {
		return nil, fault(y, "found unhashable key: a %s cannot be the key of a mapping", k.Kind)
	}
	return k, nil
}

// merged returns the entries that << takes from a mapping or a list of mappings. In a list the
// earlier mapping wins, so it comes last here.
func (c *constructor) merged(y *yamlv3.Node, depth int) ([]Pair, error) {
	source := follow(y)
	switch source.Kind {
	case yamlv3.MappingNode:
		n, err := c.node(y, depth+1)
		if err != nil {
			return nil, err
		}
		if n.Kind != Map && n.Kind != Set {
			return nil, fault(y, "expected a mapping for merging, but found a %s", n.Kind)
		}
		return n.Pairs, nil
	case yamlv3.SequenceNode:
		var pairs []Pair
		for i := len(source.Content) - 1; i >= 0; i-- {
			item := source.Content[i]
			if follow(item).Kind != yamlv3.MappingNode {
				return nil, fault(item, "expected a mapping for merging, but found a %s", shape(follow(item)))
			}
			n, err := c.node(item, depth+1)
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, n.Pairs...)
			if c.merges+len(pairs) > c.limits.Nodes {
				return nil, fault(item, "document has more than %d nodes once its aliases are followed", c.limits.Nodes)
			}
		}
		return pairs, nil
	}
	return nil, fault(y, "expected a mapping or list of mappings for merging, but found a scalar")
}

// identity names a key so that two keys are the same exactly where Python's dict says so: 1, 1.0
// and true are one key, '1' is another.
func identity(k *Node) string {
	switch k.Kind {
	case Null:
		return "n"
	case Bool, Int:
		if k.Big != nil {
			return "i" + k.Big.String()
		}
		i, _ := k.AsInt()
		return "i" + strconv.FormatInt(i, 10)
	case Float:
		if k.Float == math.Trunc(k.Float) && !math.IsInf(k.Float, 0) {
			i, _ := big.NewFloat(k.Float).Int(nil)
			return "i" + i.String()
		}
		if math.IsNaN(k.Float) {
			// No NaN equals another; its place tells them apart.
			return fmt.Sprintf("f%d:%d", k.Line, k.Column)
		}
		return "f" + strconv.FormatFloat(k.Float, 'g', -1, 64)
	case Binary:
		return "b" + k.Text
	case Time:
		return "t" + k.printTime()
	}
	return "s" + k.Text
}
