package help

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Root is where pages lie on the lab's HTTP listener.
const Root = "/help/"

// Library is all pages.
// It is safe for any number of readers: nothing in it changes after [Load].
type Library struct {
	Shelves []Shelf
	pages   map[string]*Page
	index   index
}

// Page is one file of the documentation.
// Title is the first heading of the first rank, or the path where there is none.
type Page struct {
	Path     string // "methods/boot/u-boot"
	Title    string
	HTML     template.HTML
	Sections []Section // in the order of the page; the first is the page itself
}

// Section is a heading with the text below it, up to the next heading.
// text is without marks, for the search alone.
type Section struct {
	Anchor string // "" for the page itself
	Title  string
	Level  int // of the heading, from 1
	text   string
}

// Load reads every Markdown file of a folder. It refuses a shelf with a page that is not there, and a link between
// pages that leads nowhere.
// Links are looked at once all pages are there: they lead forwards, too. What leads out of docs/, such as to README.md, is left as
// plain text, as a lab has no file to show for it.
func Load(files fs.FS) (*Library, error) {
	l := &Library{pages: map[string]*Page{}}
	var links []link
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".md") {
			return err
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p, out, err := read(strings.TrimSuffix(name, ".md"), source)
		if err != nil {
			return fmt.Errorf("render %s: %w", name, err)
		}
		l.pages[p.Path] = p
		links = append(links, out...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.Shelves = shelve(l.paths())
	for _, s := range l.Shelves {
		for _, p := range s.Paths {
			if l.pages[p] == nil {
				return nil, fmt.Errorf("shelf %q has %s, which is not there", s.Title, p)
			}
		}
	}
	for _, k := range links {
		if !l.has(k.page, k.anchor) {
			return nil, fmt.Errorf("%s.md links to %s#%s, which is not there", k.from, k.page, k.anchor)
		}
	}
	l.index = l.words()
	return l, nil
}

// Page returns the page of a path.
func (l *Library) Page(path string) (Page, bool) {
	p, ok := l.pages[path]
	if !ok {
		return Page{}, false
	}
	return *p, true
}

// Title returns a page's title, or its path where there is none.
func (l *Library) Title(path string) string {
	if p := l.pages[path]; p != nil {
		return p.Title
	}
	return path
}

// paths returns those of all pages, sorted.
// Sorted, as maps have no order and shelves shall have one.
func (l *Library) paths() []string {
	var out []string
	for p := range l.pages {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func (l *Library) has(page, anchor string) bool {
	p := l.pages[page]
	return p != nil && (anchor == "" || slices.ContainsFunc(p.Sections, func(s Section) bool { return s.Anchor == anchor }))
}

// link is a reference from one page to another.
// page is "" for a file that the library does not have.
type link struct{ from, page, anchor string }

// markdown reads what GitHub reads of it: tables, strike-through, task lists, and headings with identifiers.
// Alignment of cells goes into an attribute, as the pages' policy refuses styles.
// Raw HTML stays off, which is goldmark's default: pages are rendered into the lab's own origin.
func markdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough, extension.Linkify, extension.TaskList),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()))
}

// read renders one page and returns its links to others.
func read(name string, source []byte) (*Page, []link, error) {
	md := markdown()
	doc := md.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&anchors{seen: map[string]int{}}))))
	p := &Page{Path: name, Title: name, Sections: []Section{{Title: name, Level: 1}}}
	var links []link
	var away []*ast.Link     // to files that the library does not have
	var unseen []*ast.Image  // pictures, none of which it has
	var body strings.Builder // of the section that is being read
	// Text before the first heading belongs to the page itself.
	closeSection := func() {
		p.Sections[len(p.Sections)-1].text = body.String()
		body.Reset()
	}
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				body.WriteByte('\n')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			closeSection()
			title := plain(n, source)
			id, _ := n.AttributeString("id")
			anchor, _ := id.([]byte)
			if n.Level == 1 && len(p.Sections) == 1 {
				p.Title, p.Sections[0].Title, p.Sections[0].Anchor = title, title, string(anchor)
			} else {
				p.Sections = append(p.Sections, Section{Anchor: string(anchor), Title: title, Level: n.Level})
			}
			return ast.WalkSkipChildren, nil // a title is no text of its section
		// The tree is changed here and drawn later; a link that is taken out would confuse the walk, so those are noted.
		case *ast.Link:
			if k, ok := resolve(name, string(n.Destination)); ok {
				if k.page == "" {
					away = append(away, n)
					break
				}
				links = append(links, k)
				n.Destination = []byte(address(k))
			}
		case *ast.Image:
			if _, ok := resolve(name, string(n.Destination)); ok {
				unseen = append(unseen, n)
				return ast.WalkSkipChildren, nil
			}
		case *ast.Text:
			// Only what is read: addresses of links and marks are no text of it.
			body.Write(n.Segment.Value(source))
			if n.SoftLineBreak() {
				body.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			lines := n.Lines()
			for i := range lines.Len() {
				at := lines.At(i)
				body.Write(at.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, nil, err
	}
	closeSection()
	for _, n := range away {
		unlink(n)
	}
	// The library holds texts alone: pictures would be most of what the binary embeds.
	for _, n := range unseen {
		n.Parent().RemoveChild(n.Parent(), n)
	}
	var out bytes.Buffer
	if err := md.Renderer().Render(&out, source, doc); err != nil {
		return nil, nil, err
	}
	// What is wider than the page has to be reached by keys too, to be scrolled.
	text := strings.ReplaceAll(out.String(), "<pre>", `<pre tabindex="0">`)
	p.HTML = template.HTML(text) // our own pages, with raw HTML left out by the renderer
	return p, links, nil
}

// resolve tells where a link of a page leads: to a page of the library, or, with an empty page, to a file of the
// repository that the library does not have. A link to elsewhere is none of ours.
// Paths are as in the repository, relative to the page's own folder.
func resolve(from, to string) (link, bool) {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return link{}, false
	}
	file, anchor, _ := strings.Cut(to, "#")
	if file == "" {
		return link{from, from, anchor}, true
	}
	file = path.Join(path.Dir(from), file)
	page, ok := strings.CutSuffix(file, ".md")
	if !ok || strings.HasPrefix(page, "..") {
		return link{from: from}, true
	}
	return link{from, page, anchor}, true
}

// address returns where a link leads on the lab's listener.
func address(k link) string {
	a := Root + k.page
	if k.anchor != "" {
		a += "#" + k.anchor
	}
	return a
}

// unlink leaves a link's text in its place.
// Its children keep their marks, such as code.
func unlink(n *ast.Link) {
	for c := n.FirstChild(); c != nil; c = n.FirstChild() {
		n.Parent().InsertBefore(n.Parent(), n, c)
	}
	n.Parent().RemoveChild(n.Parent(), n)
}

// plain returns the text of a node without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) { // the function has no errors
		if t, ok := c.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}
