package jinja

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits bound one rendering.
type Limits struct {
	Steps int // nodes and expressions evaluated, and items walked; 0: 1,000,000
	Depth int // templates, blocks and expressions within each other; 0: 200
	Bytes int // of output, and of any one text or list; 0: 4 MiB
}

// ErrMissing is what a loader returns, wrapped or not, for a template that does not exist.
var ErrMissing = errors.New("template does not exist")

// Environment renders templates that may extend and include others.
type Environment struct {
	// Load returns the parsed template of a name, such as "base-uboot.jinja2".
	Load   func(name string) (*Template, error)
	Limits Limits
}

// Render renders t with vars. The error is an [*Error].
func (e Environment) Render(t *Template, vars map[string]any) (string, error) {
	r := &rendering{env: e, limits: Limits{cmp.Or(e.Limits.Steps, 1_000_000), cmp.Or(e.Limits.Depth, 200), cmp.Or(e.Limits.Bytes, 4<<20)}}
	r.left, r.depthLeft, r.bytes = r.limits.Steps, r.limits.Depth, r.limits.Bytes
	c := newContext(vars)
	var out strings.Builder
	if err := r.template(t, c, &out); err != nil {
		return "", err
	}
	return out.String(), nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// context is what the templates of one extends chain share.
type context struct {
	vars   map[string]any
	blocks map[string][]blockOf // the youngest first
	parent *Template            // once extends has run
}

type blockOf struct {
	block *Block
	owner *Template
}

// The caller's map stays as it is: what a template sets is its own.
func newContext(vars map[string]any) *context {
	c := &context{vars: make(map[string]any, len(vars)), blocks: map[string][]blockOf{}}
	for k, v := range vars {
		c.vars[k] = FromGo(v)
	}
	return c
}

// add makes the blocks of a template known behind those of its children, which extend it. Jinja2 does so
// where extends stands, so that a block which a child writes itself can ask for super().
func (c *context) add(t *Template) {
	for name, b := range t.Blocks {
		c.blocks[name] = append(c.blocks[name], blockOf{b, t})
	}
}

// scope is a chain of local names; the context stands behind the outermost.
type scope struct {
	outer *scope
	names map[string]any
	top   bool // sets reach the context
	inSet bool // within {% set x %}…{% endset %}: output is a value, which a child keeps
	of    *blockCall
	ctx   *context
}

// blockCall is where super() looks for the next older block.
type blockCall struct {
	name string
	next int
}

func (s *scope) inner() *scope {
	return &scope{outer: s, names: map[string]any{}, inSet: s.inSet, of: s.of, ctx: s.ctx}
}

// Within a for or a with the name is gone behind it, which surprises people who come from Python.
func (s *scope) set(name string, v any) {
	if s.top {
		s.ctx.vars[name] = v
		return
	}
	s.names[name] = v
}

func (s *scope) get(name string) (any, bool) {
	for at := s; at != nil; at = at.outer {
		if v, ok := at.names[name]; ok {
			return v, true
		}
	}
	v, ok := s.ctx.vars[name]
	return v, ok
}

// rendering is the state of one Render: what is left of its budgets.
type rendering struct {
	env       Environment
	limits    Limits // those that hold: the defaults put in
	left      int
	depthLeft int
	bytes     int
	name      string // of the template being rendered, for errors
	weights   map[any]int
}

func (r *rendering) fail(n interface{ Line() int }, format string, args ...any) error {
	return &Error{Template: r.name, Line: n.Line(), Message: fmt.Sprintf(format, args...)}
}

// spend takes steps from the budget.
func (r *rendering) spend(n interface{ Line() int }, steps int) error {
	if r.left -= steps; r.left < 0 {
		return r.fail(n, "template takes too many steps: the limit is %d", r.limits.Steps)
	}
	return nil
}

// enter goes one level deeper; the caller defers leave.
func (r *rendering) enter(n interface{ Line() int }) error {
	if r.depthLeft--; r.depthLeft < 0 {
		return r.fail(n, "template nests too deep: templates, blocks and values together may nest %d levels", r.limits.Depth)
	}
	return nil
}

func (r *rendering) leave() { r.depthLeft++ }

// write appends to the output within the budget.
func (r *rendering) write(n interface{ Line() int }, out *strings.Builder, text string) error {
	if out.Len()+len(text) > r.bytes {
		return r.fail(n, "output is larger than %d bytes", r.bytes)
	}
	out.WriteString(text)
	return r.spend(n, len(text)/bytesAStep)
}

// template renders t, then the chain of its parents, into out.
// Each parent runs after its child has, with what that has set; only blocks go the other way.
func (r *rendering) template(t *Template, c *context, out *strings.Builder) error {
	outer := r.name
	defer func() { r.name = outer }()
	c.add(t)
	for t != nil {
		r.name = t.Name
		if err := r.enter(at(1)); err != nil {
			return err
		}
		defer r.leave()
		c.parent = nil
		s := &scope{top: true, ctx: c}
		if err := r.nodes(t.Body, s, out); err != nil {
			return err
		}
		t = c.parent
	}
	return nil
}

func (r *rendering) nodes(nodes []Node, s *scope, out *strings.Builder) error {
	for _, n := range nodes {
		if err := r.spend(n, 1); err != nil {
			return err
		}
		if err := r.node(n, s, out); err != nil {
			return err
		}
	}
	return nil
}

// extended reports whether output at this place is dropped: a child's text outside of blocks. As in
// Jinja2 that is text and {{ }} only: includes and filter sections of a child are written, and so is
// a block which stands in a for, a filter, a with or a set, where it is no mere override.
func (s *scope) extended() bool { return s.of == nil && s.ctx.parent != nil && !s.inSet }

func (r *rendering) node(n Node, s *scope, out *strings.Builder) error {
	switch n := n.(type) {
	case *Text:
		if s.extended() {
			return nil
		}
		return r.write(n, out, n.Text)
	case *Print:
		if s.extended() {
			return nil
		}
		v, err := r.eval(n.Value, s)
		if err != nil {
			return err
		}
		if err := r.weigh(n, v); err != nil {
			return err
		}
		return r.write(n, out, Str(v))
	case *If:
		return r.ifNode(n, s, out)
	case *For:
		return r.forNode(n, s, out)
	case *Set:
		return r.setNode(n, s)
	case *With:
		inner := s.inner()
		for i, name := range n.Names {
			v, err := r.eval(n.Values[i], s)
			if err != nil {
				return err
			}
			inner.names[name] = v
		}
		return r.nodes(n.Body, inner, out)
	case *Block:
		if s.top && s.extended() {
			return nil
		}
		return r.call(n, n.Name, 0, s, n.Scoped, out)
	case *Extends:
		return r.extends(n, s)
	case *Include:
		return r.include(n, s, out)
	case *FilterSection:
		text, err := r.captured(n.Body, s.inner())
		if err != nil {
			return err
		}
		v, err := r.section(n.Filter, text, s)
		if err != nil {
			return err
		}
		return r.write(n, out, Str(v))
	}
	return r.fail(n, "cannot render %T", n)
}

// captured renders nodes into a text of their own.
func (r *rendering) captured(nodes []Node, s *scope) (string, error) {
	var b strings.Builder
	err := r.nodes(nodes, s, &b)
	return b.String(), err
}

// section evaluates a chain of filters over a rendered text.
func (r *rendering) section(chain Expr, text string, s *scope) (any, error) {
	inner := s.inner()
	inner.names[sectionName] = text
	return r.eval(chain, inner)
}

// sectionName holds a filter section's text; no template can spell it.
const sectionName = "\x00section"

// The branches share the scope around them: what an if sets stays.
func (r *rendering) ifNode(n *If, s *scope, out *strings.Builder) error {
	for _, b := range n.Branches {
		v, err := r.eval(b.Condition, s)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.nodes(b.Body, s, out)
		}
	}
	return r.nodes(n.Else, s, out)
}

// The condition is applied first, so that loop.length and loop.last count what is left.
func (r *rendering) forNode(n *For, s *scope, out *strings.Builder) error {
	over, err := r.eval(n.Over, s)
	if err != nil {
		return err
	}
	list, err := items(over)
	if err != nil {
		return r.fail(n, "for: %v", err)
	}
	if err := r.spend(n, len(list)); err != nil {
		return err
	}
	if n.Condition != nil {
		if list, err = r.chosen(n, list, s); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return r.nodes(n.Else, s.inner(), out)
	}
	for i, item := range list {
		inner := s.inner()
		if err := r.assign(n, n.Targets, item, inner); err != nil {
			return err
		}
		inner.names["loop"] = loopOf(list, i)
		if err := r.nodes(n.Body, inner, out); err != nil {
			return err
		}
	}
	return nil
}

// chosen keeps the items that a for's condition is true of.
func (r *rendering) chosen(n *For, list []any, s *scope) ([]any, error) {
	var kept []any
	for _, item := range list {
		inner := s.inner()
		if err := r.assign(n, n.Targets, item, inner); err != nil {
			return nil, err
		}
		v, err := r.eval(n.Condition, inner)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

// Plain values and no object: cycle and changed are not there.
func loopOf(list []any, i int) *Dict {
	d := NewDict()
	n := len(list)
	d.Set("index", int64(i+1))
	d.Set("index0", int64(i))
	d.Set("revindex", int64(n-i))
	d.Set("revindex0", int64(n-i-1))
	d.Set("first", i == 0)
	d.Set("last", i == n-1)
	d.Set("length", int64(n))
	if i > 0 {
		d.Set("previtem", list[i-1])
	}
	if i < n-1 {
		d.Set("nextitem", list[i+1])
	}
	return d
}

// assign gives v to the targets; several targets take one item each.
func (r *rendering) assign(n interface{ Line() int }, targets []string, v any, s *scope) error {
	if len(targets) == 1 {
		s.set(targets[0], v)
		return nil
	}
	parts, err := items(v)
	if err != nil {
		return r.fail(n, "cannot unpack: %v", err)
	}
	if len(parts) != len(targets) {
		return r.fail(n, "cannot unpack %d values into %d names", len(parts), len(targets))
	}
	for i, t := range targets {
		s.set(t, parts[i])
	}
	return nil
}

func (r *rendering) setNode(n *Set, s *scope) error {
	if n.Value != nil {
		v, err := r.eval(n.Value, s)
		if err != nil {
			return err
		}
		return r.assign(n, n.Targets, v, s)
	}
	inner := s.inner()
	inner.inSet = true
	text, err := r.captured(n.Body, inner)
	if err != nil {
		return err
	}
	v := any(text)
	if n.Filter != nil {
		if v, err = r.section(n.Filter, text, s); err != nil {
			return err
		}
	}
	return r.assign(n, n.Targets, v, s)
}

// The parent's blocks are known from here on; its body runs when the child's is over.
func (r *rendering) extends(n *Extends, s *scope) error {
	if s.of != nil {
		return r.fail(n, "extends stands in a block: it belongs to the top level")
	}
	if s.ctx.parent != nil {
		return r.fail(n, "extended multiple times")
	}
	name, err := r.eval(n.Parent, s)
	if err != nil {
		return err
	}
	if s.ctx.parent, err = r.load(n, name); err != nil {
		return err
	}
	s.ctx.add(s.ctx.parent)
	return nil
}

// A fault inside the other template keeps its own place.
func (r *rendering) load(n interface{ Line() int }, name any) (*Template, error) {
	text, ok := name.(string)
	if !ok {
		return nil, r.fail(n, "a template's name is a text, not %s", typeName(name))
	}
	if r.env.Load == nil {
		return nil, r.fail(n, "template %q: no folder of templates is given", text)
	}
	t, err := r.env.Load(text)
	var own *Error
	switch {
	case errors.As(err, &own):
		return nil, err
	case err != nil:
		return nil, &Error{r.name, n.Line(), fmt.Sprintf("template %q: %v", text, err)}
	}
	return t, nil
}

// Of a list the first that there is counts. It sees the names around it, and what it sets is gone
// behind it.
func (r *rendering) include(n *Include, s *scope, out *strings.Builder) error {
	value, err := r.eval(n.Template, s)
	if err != nil {
		return err
	}
	names := []any{value}
	if list, ok := value.(List); ok {
		names = list
	}
	var t *Template
	for i, name := range names {
		t, err = r.load(n, name)
		if err == nil || i == len(names)-1 {
			break
		}
	}
	if err != nil {
		if n.IgnoreMissing {
			return nil
		}
		return err
	}
	c := newContext(nil)
	if !n.WithoutScope {
		maps.Copy(c.vars, s.ctx.vars)
		for _, local := range slices.Backward(s.chain()) {
			maps.Copy(c.vars, local.names)
		}
	}
	var inner strings.Builder
	if err := r.template(t, c, &inner); err != nil {
		return err
	}
	return r.write(n, out, inner.String())
}

// chain lists the scopes from the innermost out.
func (s *scope) chain() []*scope {
	var all []*scope
	for at := s; at != nil; at = at.outer {
		all = append(all, at)
	}
	return all
}

// call renders the block of a name, the given number of generations up from the youngest.
// A block sees the names of the template, and those of a loop around it only where it is scoped.
func (r *rendering) call(n interface{ Line() int }, name string, generation int, s *scope, scoped bool, out *strings.Builder) error {
	if err := r.enter(n); err != nil {
		return err
	}
	defer r.leave()
	chosen := s.ctx.blocks[name][generation]
	outer := r.name
	r.name = chosen.owner.Name
	defer func() { r.name = outer }()
	inner := &scope{names: map[string]any{}, of: &blockCall{name, generation + 1}, ctx: s.ctx}
	if scoped {
		inner.outer = s
	}
	return r.nodes(chosen.block.Body, inner, out)
}
