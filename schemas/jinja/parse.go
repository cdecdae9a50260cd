package jinja

import (
	"fmt"
	"strings"
)

// maxNesting bounds how deep tags and expressions may nest, so that no text overflows the stack.
const maxNesting = 200

type parser struct {
	name   string
	tokens []token
	pos    int
	depth  int
	blocks map[string]*Block
}

// Parse reads a template. The error is an [*Error].
func Parse(name, text string) (*Template, error) {
	tokens, err := lex(name, text)
	if err != nil {
		return nil, err
	}
	p := &parser{name: name, tokens: tokens, blocks: map[string]*Block{}}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEOF {
		return nil, p.fail("unexpected " + p.describe())
	}
	return &Template{Name: name, Body: body, Blocks: p.blocks}, nil
}

// body reads statements up to a tag of the words in until, which is left unread, or to the end.
func (p *parser) body(until ...string) ([]Node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail(fmt.Sprintf("nested deeper than %d", maxNesting))
	}
	defer func() { p.depth-- }()
	var nodes []Node
	for {
		t := p.peek()
		switch t.kind {
		case tokenText:
			p.pos++
			nodes = append(nodes, &Text{at(t.line), t.text})
		case tokenPrintStart:
			p.pos++
			value, err := p.tuple()
			if err != nil {
				return nil, err
			}
			if err := p.want(tokenPrintEnd, "}}"); err != nil {
				return nil, err
			}
			nodes = append(nodes, &Print{at(t.line), value})
		case tokenTagStart:
			word := p.tokens[p.pos+1]
			for _, u := range until {
				if word.kind == tokenName && word.text == u {
					return nodes, nil
				}
			}
			p.pos++
			node, err := p.statement()
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, node)
		case tokenEOF:
			if len(until) > 0 {
				return nil, p.fail("template ends inside a tag: want " + strings.Join(until, " or "))
			}
			return nodes, nil
		default:
			return nil, p.fail("unexpected " + p.describe())
		}
	}
}

// Tags that are not here are refused by name: to pass over one would render something else without a
// word.
func (p *parser) statement() (Node, error) {
	word := p.next()
	if word.kind != tokenName {
		p.pos--
		return nil, p.fail("want a tag's name, found " + p.describe())
	}
	line := at(word.line)
	switch word.text {
	case "set":
		return p.set(line)
	case "if":
		return p.ifTag(line)
	case "for":
		return p.forTag(line)
	case "block":
		return p.block(line)
	case "extends":
		parent, err := p.expression()
		if err != nil {
			return nil, err
		}
		return &Extends{line, parent}, p.endTag()
	case "include":
		return p.include(line)
	case "filter":
		return p.filterTag(line)
	case "with":
		return p.with(line)
	}
	return nil, &Error{p.name, word.line, fmt.Sprintf(
		"tag %q is not supported: want set, if, for, block, extends, include, filter, with or raw", word.text)}
}

func (p *parser) set(line at) (Node, error) {
	targets, err := p.targets()
	if err != nil {
		return nil, err
	}
	if p.accept("=") {
		value, err := p.tuple()
		if err != nil {
			return nil, err
		}
		return &Set{at: line, Targets: targets, Value: value}, p.endTag()
	}
	if len(targets) != 1 {
		return nil, p.fail("want =, found " + p.describe())
	}
	var filter Expr
	if p.peek().text == "|" {
		if filter, err = p.filters(&section{line}); err != nil {
			return nil, err
		}
	}
	body, err := p.section("endset")
	if err != nil {
		return nil, err
	}
	return &Set{at: line, Targets: targets, Body: body, Filter: filter}, nil
}

// section reads the end of the tag at hand, the body, and the tag that ends it.
func (p *parser) section(end string) ([]Node, error) {
	if err := p.endTag(); err != nil {
		return nil, err
	}
	body, err := p.body(end)
	if err != nil {
		return nil, err
	}
	p.pos += 2
	return body, p.endTag()
}

func (p *parser) ifTag(line at) (Node, error) {
	node := &If{at: line}
	for {
		condition, err := p.tupleWithoutCondition()
		if err != nil {
			return nil, err
		}
		if err := p.endTag(); err != nil {
			return nil, err
		}
		body, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		node.Branches = append(node.Branches, Branch{condition, body})
		p.pos++
		switch p.next().text {
		case "elif":
			continue
		case "else":
			if node.Else, err = p.section("endif"); err != nil {
				return nil, err
			}
			return node, nil
		}
		return node, p.endTag()
	}
}

func (p *parser) forTag(line at) (Node, error) {
	targets, err := p.targets()
	if err != nil {
		return nil, err
	}
	if !p.acceptWord("in") {
		return nil, p.fail("want in, found " + p.describe())
	}
	node := &For{at: line, Targets: targets}
	if node.Over, err = p.tupleWithoutCondition(); err != nil {
		return nil, err
	}
	if p.acceptWord("if") {
		if node.Condition, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.peek().text == "recursive" {
		return nil, p.fail("a recursive for is not supported")
	}
	if err := p.endTag(); err != nil {
		return nil, err
	}
	if node.Body, err = p.body("else", "endfor"); err != nil {
		return nil, err
	}
	p.pos++
	if p.next().text == "else" {
		if node.Else, err = p.section("endfor"); err != nil {
			return nil, err
		}
		return node, nil
	}
	return node, p.endTag()
}

// Blocks are known by name in the whole template, whatever they stand in, so a name stands once.
// "required" is read and means nothing: a child that lacks it renders the parent's.
func (p *parser) block(line at) (Node, error) {
	name := p.next()
	if name.kind != tokenName {
		p.pos--
		return nil, p.fail("want the block's name, found " + p.describe())
	}
	if p.blocks[name.text] != nil {
		return nil, p.fail(fmt.Sprintf("block %q is defined twice", name.text))
	}
	node := &Block{at: line, Name: name.text}
	p.blocks[name.text] = node
	node.Scoped = p.acceptWord("scoped")
	p.acceptWord("required")
	if err := p.endTag(); err != nil {
		return nil, err
	}
	var err error
	if node.Body, err = p.body("endblock"); err != nil {
		return nil, err
	}
	p.pos += 2
	p.acceptWord(name.text)
	return node, p.endTag()
}

func (p *parser) include(line at) (Node, error) {
	node := &Include{at: line}
	var err error
	if node.Template, err = p.expression(); err != nil {
		return nil, err
	}
	for p.peek().kind == tokenName {
		switch w := p.next().text; {
		case w == "ignore" && p.acceptWord("missing"):
			node.IgnoreMissing = true
		case w == "without" && p.acceptWord("context"):
			node.WithoutScope = true
		case w == "with" && p.acceptWord("context"):
		default:
			p.pos--
			return nil, p.fail("want ignore missing or with context, found " + p.describe())
		}
	}
	return node, p.endTag()
}

func (p *parser) filterTag(line at) (Node, error) {
	first, err := p.filter(&section{line})
	if err != nil {
		return nil, err
	}
	chain, err := p.filters(first)
	if err != nil {
		return nil, err
	}
	body, err := p.section("endfilter")
	if err != nil {
		return nil, err
	}
	return &FilterSection{line, chain, body}, nil
}

func (p *parser) with(line at) (Node, error) {
	node := &With{at: line}
	for p.peek().kind != tokenTagEnd {
		if len(node.Names) > 0 && !p.accept(",") {
			return nil, p.fail("want a comma, found " + p.describe())
		}
		name := p.next()
		if name.kind != tokenName || !p.accept("=") {
			return nil, p.fail("want name = value in with")
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		node.Names = append(node.Names, name.text)
		node.Values = append(node.Values, value)
	}
	var err error
	node.Body, err = p.section("endwith")
	return node, err
}

// targets reads the names of a set or for.
func (p *parser) targets() ([]string, error) {
	var names []string
	bracket := p.accept("(")
	for {
		t := p.next()
		if t.kind != tokenName || keyword(t.text) {
			p.pos--
			return nil, p.fail("want a name to assign to, found " + p.describe())
		}
		names = append(names, t.text)
		if !p.accept(",") {
			break
		}
	}
	if bracket && !p.accept(")") {
		return nil, p.fail("want ), found " + p.describe())
	}
	return names, nil
}

func keyword(s string) bool {
	switch s {
	case "and", "or", "not", "in", "is", "if", "else", "true", "True", "false", "False", "none", "None":
		return true
	}
	return false
}

func (p *parser) peek() token { return p.tokens[p.pos] }

// next reads a token; the last one, tokenEOF, again and again.
func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokenEOF {
		p.pos++
	}
	return t
}

func (p *parser) accept(op string) bool {
	if t := p.peek(); t.kind == tokenOperator && t.text == op {
		p.pos++
		return true
	}
	return false
}

func (p *parser) acceptWord(word string) bool {
	if t := p.peek(); t.kind == tokenName && t.text == word {
		p.pos++
		return true
	}
	return false
}

func (p *parser) want(kind tokenKind, what string) error {
	if p.peek().kind != kind {
		return p.fail("want " + what + ", found " + p.describe())
	}
	p.pos++
	return nil
}

func (p *parser) endTag() error { return p.want(tokenTagEnd, "%}") }

func (p *parser) describe() string {
	switch t := p.peek(); t.kind {
	case tokenEOF:
		return "the end"
	case tokenTagEnd:
		return "%}"
	case tokenPrintEnd:
		return "}}"
	case tokenTagStart:
		return "{% " + p.tokens[p.pos+1].text
	case tokenPrintStart:
		return "{{"
	case tokenString:
		return fmt.Sprintf("string %q", t.text)
	default:
		return fmt.Sprintf("%q", t.text)
	}
}

// The place is that of the token at hand, which is the one that is not as it should be.
func (p *parser) fail(message string) error {
	return &Error{Template: p.name, Line: p.peek().line, Message: message}
}
