package jinja

// Template is a parsed template.
type Template struct {
	Name   string // as the loader knows it
	Body   []Node
	Blocks map[string]*Block // all of its blocks, nested ones too
}

// Node is a statement: [*Text], [*Print], [*If], [*For], [*Set], [*Block], [*Extends], [*Include],
// [*FilterSection], [*With].
type Node interface{ Line() int }

// Expr is an expression: [*Literal], [*Name], [*ListExpr], [*DictExpr], [*Unary], [*Binary],
// [*Compare], [*Conditional], [*Attribute], [*Index], [*Slice], [*Call], [*FilterExpr], [*TestExpr].
type Expr interface{ Line() int }

type at int // the line of a node, from 1

// Line is the template's line on which the node begins, from 1.
func (a at) Line() int { return int(a) }

type (
	// Text is copied to the output.
	Text struct {
		at
		Text string
	}
	// Print is {{ Value }}.
	Print struct {
		at
		Value Expr
	}
	// If holds the branches of if and elif, and what else renders.
	If struct {
		at
		Branches []Branch
		Else     []Node
	}
	// Branch is one condition of an [If].
	Branch struct {
		Condition Expr
		Body      []Node
	}
	// For runs Body for each item of Over.
	For struct {
		at
		Targets   []string
		Over      Expr
		Condition Expr // nil where there is none
		Body      []Node
		Else      []Node // where no item came
	}
	// Set assigns Value, or the rendered Body of its block form, to Targets.
	Set struct {
		at
		Targets []string
		Value   Expr // nil in the block form
		Body    []Node
		Filter  Expr // of the block form, over the [Literal] it is applied to; nil where there is none
	}
	// With runs Body with names of its own.
	With struct {
		at
		Names  []string
		Values []Expr
		Body   []Node
	}
	// Block is a named part that a child may replace.
	Block struct {
		at
		Name   string
		Scoped bool
		Body   []Node
	}
	// Extends names the parent.
	Extends struct {
		at
		Parent Expr
	}
	// Include renders another template in place.
	Include struct {
		at
		Template      Expr
		IgnoreMissing bool
		WithoutScope  bool
	}
	// FilterSection is {% filter f %}Body{% endfilter %}.
	FilterSection struct {
		at
		Filter Expr // chain of filters; its innermost value is [*section]
		Body   []Node
	}
)

type (
	// Literal is a constant: a value as package jinja holds them.
	Literal struct {
		at
		Value any
	}
	// Name is a variable.
	Name struct {
		at
		Name string
	}
	// ListExpr is a list or a tuple.
	ListExpr struct {
		at
		Items []Expr
		Tuple bool
	}
	// DictExpr is a dictionary; Keys and Values are of one length.
	DictExpr struct {
		at
		Keys, Values []Expr
	}
	// Unary is not, - or +.
	Unary struct {
		at
		Operator string
		Operand  Expr
	}
	// Binary is and, or, +, -, *, /, //, %, ** or ~.
	Binary struct {
		at
		Operator    string
		Left, Right Expr
	}
	// Compare is a chain such as a < b <= c.
	Compare struct {
		at
		First     Expr
		Operators []string // ==, !=, <, <=, >, >=, in, not in
		Rest      []Expr
	}
	// Conditional is Then if Condition else Else; Else may be nil.
	Conditional struct {
		at
		Condition, Then, Else Expr
	}
	// Attribute is Of.Name.
	Attribute struct {
		at
		Of   Expr
		Name string
	}
	// Index is Of[Key].
	Index struct {
		at
		Of, Key Expr
	}
	// Slice is Of[From:To:Step]; each may be nil.
	Slice struct {
		at
		Of, From, To, Step Expr
	}
	// Call is Function(Args, Named).
	Call struct {
		at
		Function Expr
		Args     []Expr
		Named    []Argument
	}
	// Argument is one that is given by name.
	Argument struct {
		Name  string
		Value Expr
	}
	// FilterExpr is Of | Name(Args, Named).
	FilterExpr struct {
		at
		Of    Expr
		Name  string
		Args  []Expr
		Named []Argument
	}
	// TestExpr is Of is Name(Args).
	TestExpr struct {
		at
		Of     Expr
		Name   string
		Args   []Expr
		Negate bool
	}
	// section stands for the text that a filter section has rendered.
	section struct{ at }
)

// Extends names the template that t extends, where it says so once, at top level, with a literal.
// A template that chooses its parent by a condition has none here: which it is only rendering tells.
func (t *Template) Extends() (name string, ok bool) {
	for _, node := range t.Body {
		e, is := node.(*Extends)
		if !is {
			continue
		}
		literal, is := e.Parent.(*Literal)
		text, isText := literalText(literal, is)
		if ok || !isText {
			return "", false
		}
		name, ok = text, true
	}
	return name, ok
}

func literalText(l *Literal, is bool) (string, bool) {
	if !is {
		return "", false
	}
	s, ok := l.Value.(string)
	return s, ok
}

// Assigned gives the last value that t assigns to name at top level, where it is made of literals
// only.
// An assignment that is not made of literals takes the ones before it away: ok is false then.
func (t *Template) Assigned(name string) (value any, ok bool) {
	for _, node := range t.Body {
		set, is := node.(*Set)
		if !is || len(set.Targets) != 1 || set.Targets[0] != name || set.Value == nil {
			continue
		}
		value, ok = constant(set.Value)
	}
	return value, ok
}

// constant evaluates an expression that is made of literals only.
func constant(e Expr) (any, bool) {
	switch e := e.(type) {
	case *Literal:
		return e.Value, true
	case *ListExpr:
		items := make([]any, 0, len(e.Items))
		for _, x := range e.Items {
			v, ok := constant(x)
			if !ok {
				return nil, false
			}
			items = append(items, v)
		}
		if e.Tuple {
			return Tuple(items), true
		}
		return List(items), true
	case *DictExpr:
		d := NewDict()
		for i := range e.Keys {
			k, ok1 := constant(e.Keys[i])
			v, ok2 := constant(e.Values[i])
			if !ok1 || !ok2 || !d.Set(k, v) {
				return nil, false
			}
		}
		return d, true
	}
	return nil, false
}
