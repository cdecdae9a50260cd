package jinja

import (
	"strconv"
	"strings"
)

// tuple reads an expression, or several with commas, which make a tuple.
func (p *parser) tuple() (Expr, error) { return p.tupleOf(p.expression) }

// tupleWithoutCondition reads what stands after "in" of a for, where an "if" belongs to the for, or after
// if and elif, where Jinja2 takes none either.
func (p *parser) tupleWithoutCondition() (Expr, error) { return p.tupleOf(p.or) }

// A comma at the end makes a tuple of one, as in Python.
func (p *parser) tupleOf(item func() (Expr, error)) (Expr, error) {
	line := at(p.peek().line)
	first, err := item()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenOperator || t.text != "," {
		return first, nil
	}
	list := &ListExpr{at: line, Items: []Expr{first}, Tuple: true}
	for p.accept(",") {
		if t := p.peek(); t.kind == tokenTagEnd || t.kind == tokenPrintEnd || t.text == ")" && t.kind == tokenOperator {
			break
		}
		x, err := item()
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, x)
	}
	return list, nil
}

// From here down each function is a level of precedence, the loosest first: conditional, or, and, not,
// comparison, + -, ~, * / // %, **, filter and test, sign, postfix. That filters bind tighter than +
// is Jinja2's own.
func (p *parser) expression() (Expr, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("nested deeper than " + strconv.Itoa(maxNesting))
	}
	defer func() { p.depth-- }()
	value, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.peek().text == "if" && p.peek().kind == tokenName {
		line := at(p.next().line)
		c := &Conditional{at: line, Then: value}
		if c.Condition, err = p.or(); err != nil {
			return nil, err
		}
		if p.acceptWord("else") {
			if c.Else, err = p.expression(); err != nil {
				return nil, err
			}
		}
		value = c
	}
	return value, nil
}

func (p *parser) or() (Expr, error)  { return p.words("or", p.and) }
func (p *parser) and() (Expr, error) { return p.words("and", p.not) }

// Both sides are of the next tighter level, so a chain of the same word groups to the left.
func (p *parser) words(word string, operand func() (Expr, error)) (Expr, error) {
	left, err := operand()
	for err == nil && p.peek().kind == tokenName && p.peek().text == word {
		line := at(p.next().line)
		var right Expr
		right, err = operand()
		left = &Binary{line, word, left, right}
	}
	return left, err
}

func (p *parser) not() (Expr, error) {
	line := at(p.peek().line)
	if !p.acceptWord("not") {
		return p.compare()
	}
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("nested deeper than " + strconv.Itoa(maxNesting))
	}
	defer func() { p.depth-- }()
	operand, err := p.not()
	return &Unary{line, "not", operand}, err
}

func (p *parser) compare() (Expr, error) {
	line := at(p.peek().line)
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	var ops []string
	var rest []Expr
	for {
		op := p.compareOperator()
		if op == "" {
			break
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		ops, rest = append(ops, op), append(rest, right)
	}
	if ops == nil {
		return first, nil
	}
	return &Compare{line, first, ops, rest}, nil
}

// The two-letter ones first, or <= would be read as < and =.
func (p *parser) compareOperator() string {
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.accept(op) {
			return op
		}
	}
	if p.acceptWord("in") {
		return "in"
	}
	if p.peek().text == "not" && p.tokens[min(p.pos+1, len(p.tokens)-1)].text == "in" {
		p.pos += 2
		return "not in"
	}
	return ""
}

func (p *parser) sum() (Expr, error)     { return p.binary(p.concat, "+", "-") }
func (p *parser) concat() (Expr, error)  { return p.binary(p.product, "~") }
func (p *parser) product() (Expr, error) { return p.binary(p.power, "*", "//", "/", "%") }

// Jinja2 groups it to the left, unlike Python: 2**3**2 is 64.
func (p *parser) power() (Expr, error) { return p.binary(p.unary, "**") }

func (p *parser) binary(operand func() (Expr, error), ops ...string) (Expr, error) {
	left, err := operand()
next:
	for err == nil {
		for _, op := range ops {
			if line := at(p.peek().line); p.accept(op) {
				var right Expr
				right, err = operand()
				left = &Binary{line, op, left, right}
				continue next
			}
		}
		break
	}
	return left, err
}

func (p *parser) unary() (Expr, error) {
	value, err := p.signed()
	if err != nil {
		return nil, err
	}
	return p.filters(value)
}

func (p *parser) signed() (Expr, error) {
	line := at(p.peek().line)
	for _, op := range []string{"-", "+"} {
		if p.accept(op) {
			if p.depth++; p.depth > maxNesting {
				return nil, p.fail("nested deeper than " + strconv.Itoa(maxNesting))
			}
			defer func() { p.depth-- }()
			operand, err := p.signed()
			return &Unary{line, op, operand}, err
		}
	}
	return p.postfixed()
}

// a.1 is an index: Jinja2 looks a number behind a dot up as one.
func (p *parser) postfixed() (Expr, error) {
	value, err := p.primary()
	for err == nil {
		line := at(p.peek().line)
		switch {
		case p.accept("."):
			t := p.next()
			switch t.kind {
			case tokenName:
				value = &Attribute{line, value, t.text}
			case tokenInt:
				n, _ := strconv.ParseInt(t.text, 10, 64)
				value = &Index{line, value, &Literal{line, n}}
			default:
				p.pos--
				return nil, p.fail("want an attribute, found " + p.describe())
			}
		case p.accept("["):
			value, err = p.subscript(line, value)
		case p.accept("("):
			call := &Call{at: line, Function: value}
			call.Args, call.Named, err = p.arguments()
			value = call
		default:
			return value, nil
		}
	}
	return value, err
}

func (p *parser) subscript(line at, of Expr) (Expr, error) {
	var parts [3]Expr
	colons := 0
	for !p.accept("]") {
		if p.accept(":") {
			if colons++; colons > 2 {
				return nil, p.fail("a slice has at most two colons")
			}
			continue
		}
		if parts[colons] != nil {
			return nil, p.fail("want ], found " + p.describe())
		}
		x, err := p.tuple()
		if err != nil {
			return nil, err
		}
		parts[colons] = x
	}
	if colons > 0 {
		return &Slice{line, of, parts[0], parts[1], parts[2]}, nil
	}
	if parts[0] == nil {
		return nil, p.fail("want a key between [ and ]")
	}
	return &Index{line, of, parts[0]}, nil
}

// arguments reads up to the closing bracket of a call.
func (p *parser) arguments() (args []Expr, named []Argument, err error) {
	for first := true; !p.accept(")"); first = false {
		if !first && !p.accept(",") {
			return nil, nil, p.fail("want ), found " + p.describe())
		}
		if !first && p.accept(")") {
			return args, named, nil
		}
		name := ""
		if t := p.peek(); t.kind == tokenName && p.tokens[p.pos+1].text == "=" && p.tokens[p.pos+1].kind == tokenOperator {
			name = t.text
			p.pos += 2
		}
		value, err := p.expression()
		switch {
		case err != nil:
			return nil, nil, err
		case name != "":
			named = append(named, Argument{name, value})
		case named != nil:
			return nil, nil, p.fail("an argument without a name follows one with a name")
		default:
			args = append(args, value)
		}
	}
	return args, named, nil
}

// filters reads | filters and is tests behind a value.
func (p *parser) filters(value Expr) (Expr, error) {
	for {
		var err error
		line := at(p.peek().line)
		switch {
		case p.accept("|"):
			value, err = p.filter(value)
		case p.acceptWord("is"):
			value, err = p.test(line, value)
		default:
			return value, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Filters that are not known are refused here, with their line, and not only once they are met: most
// branches of a template are rarely rendered.
func (p *parser) filter(value Expr) (Expr, error) {
	t := p.next()
	if t.kind != tokenName {
		p.pos--
		return nil, p.fail("want a filter's name, found " + p.describe())
	}
	f := &FilterExpr{at: at(t.line), Of: value, Name: t.text}
	if !filterKnown(f.Name) {
		return nil, &Error{p.name, t.line, "no filter named " + strconv.Quote(f.Name) + ": there are " + filterNames()}
	}
	var err error
	if p.accept("(") {
		f.Args, f.Named, err = p.arguments()
	}
	return f, err
}

// A test without brackets may take one argument: "x is divisibleby 3".
func (p *parser) test(line at, value Expr) (Expr, error) {
	negate := p.acceptWord("not")
	t := p.next()
	if t.kind != tokenName {
		p.pos--
		return nil, p.fail("want a test's name, found " + p.describe())
	}
	node := &TestExpr{at: line, Of: value, Name: t.text, Negate: negate}
	if !testKnown(t.text) {
		return nil, &Error{p.name, t.line, "no test named " + strconv.Quote(t.text) + ": there are " + testNames()}
	}
	switch next := p.peek(); {
	case p.accept("("):
		args, named, err := p.arguments()
		if err == nil && named != nil {
			err = p.fail("a test takes no named arguments")
		}
		if err != nil {
			return nil, err
		}
		node.Args = args
	case next.kind == tokenString, next.kind == tokenInt, next.kind == tokenFloat,
		next.kind == tokenOperator && (next.text == "[" || next.text == "{"),
		next.kind == tokenName && !bindsLooser(next.text):
		arg, err := p.postfixed()
		if err != nil {
			return nil, err
		}
		node.Args = []Expr{arg}
	}
	return node, nil
}

// bindsLooser reports the words that may follow a test and are not its argument.
func bindsLooser(word string) bool {
	switch word {
	case "else", "or", "and", "is", "if", "not", "in", "ignore", "with", "without", "recursive":
		return true
	}
	return false
}

func (p *parser) primary() (Expr, error) {
	t := p.next()
	line := at(t.line)
	switch t.kind {
	case tokenString:
		var all strings.Builder
		all.WriteString(t.text)
		for p.peek().kind == tokenString { // neighbours are one, as in Python
			all.WriteString(p.next().text)
		}
		return &Literal{line, all.String()}, nil
	case tokenInt:
		n, err := strconv.ParseInt(t.text, 0, 64)
		if err != nil && strings.Trim(t.text, "0") == "" { // 00 is 0
			n, err = 0, nil
		}
		if err != nil {
			return nil, &Error{p.name, t.line, "integer " + t.text + " is out of range or malformed: want at most 9223372036854775807"}
		}
		return &Literal{line, n}, nil
	case tokenFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, &Error{p.name, t.line, "number " + t.text + " is out of range"}
		}
		return &Literal{line, f}, nil
	case tokenName:
		switch t.text {
		case "true", "True":
			return &Literal{line, true}, nil
		case "false", "False":
			return &Literal{line, false}, nil
		case "none", "None":
			return &Literal{line, nil}, nil
		}
		if keyword(t.text) {
			break
		}
		return &Name{line, t.text}, nil
	case tokenOperator:
		switch t.text {
		case "(":
			if p.accept(")") {
				return &ListExpr{at: line, Tuple: true}, nil
			}
			x, err := p.tuple()
			if err != nil {
				return nil, err
			}
			if !p.accept(")") {
				return nil, p.fail("want ), found " + p.describe())
			}
			return x, nil
		case "[":
			return p.list(line)
		case "{":
			return p.dict(line)
		}
	}
	if t.kind != tokenEOF {
		p.pos--
	}
	return nil, p.fail("want a value, found " + p.describe())
}

// A comma behind the last item is allowed, in dictionaries too.
func (p *parser) list(line at) (Expr, error) {
	list := &ListExpr{at: line}
	for !p.accept("]") {
		if len(list.Items) > 0 {
			if !p.accept(",") {
				return nil, p.fail("want ], found " + p.describe())
			}
			if p.accept("]") {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, x)
	}
	return list, nil
}

func (p *parser) dict(line at) (Expr, error) {
	d := &DictExpr{at: line}
	for !p.accept("}") {
		if len(d.Keys) > 0 {
			if !p.accept(",") {
				return nil, p.fail("want }, found " + p.describe())
			}
			if p.accept("}") {
				break
			}
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if !p.accept(":") {
			return nil, p.fail("want :, found " + p.describe())
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
	}
	return d, nil
}
