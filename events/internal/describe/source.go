// Package describe writes what is derived from the catalogue of events for readers outside Go: a
// JSON Schema for each event, and the documentation page. It takes names and types from the
// catalogue by reflection, and the words from the comments in the package's source, so that a fact
// is described in one place. `go generate ./events` runs it; a test says when that was forgotten.
package describe

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
)

// Source is what the source of package events says of its types.
type Source struct {
	Structs []string                     // names of all exported structs that have a method About
	docs    map[string]string            // comment of a type
	fields  map[string]map[string]string // comment of a struct's field, by Go names
	values  map[string][]value           // all values of a string type, in order
	names   map[string]bool              // types of names, which have other values than their constants
}

// value is a constant of a string type.
type value struct {
	text    string // as it stands in JSON
	comment string
}

// Read reads the source of package events in dir.
func Read(dir string) (*Source, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	s := &Source{docs: make(map[string]string), fields: make(map[string]map[string]string), values: make(map[string][]value),
		names: make(map[string]bool)}
	files := token.NewFileSet()
	facts := make(map[string]bool)
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "About" && d.Recv != nil {
					facts[receiver(d)] = true
				}
			case *ast.GenDecl:
				if names, err = s.declare(d, names); err != nil {
					return nil, fmt.Errorf("%s: %w", path, err)
				}
			}
		}
	}
	for _, name := range names {
		if facts[name] {
			s.Structs = append(s.Structs, name)
		}
	}
	maps.DeleteFunc(s.values, func(name string, _ []value) bool { return s.names[name] })
	return s, nil
}

// declare notes types and constants; it returns names with those of structs added.
func (s *Source) declare(d *ast.GenDecl, names []string) ([]string, error) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			name := spec.Name.Name
			s.names[name] = d.Lparen.IsValid() // the group of names in entity.go
			s.docs[name] = text(spec.Doc, spec.Comment)
			if s.docs[name] == "" && len(d.Specs) == 1 {
				s.docs[name] = text(d.Doc, nil)
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			names = append(names, name)
			s.fields[name] = make(map[string]string)
			for _, f := range st.Fields.List {
				for _, id := range f.Names {
					s.fields[name][id.Name] = text(f.Doc, f.Comment)
				}
			}
		case *ast.ValueSpec:
			of, ok := spec.Type.(*ast.Ident)
			if !ok || d.Tok != token.CONST || len(spec.Values) != 1 {
				continue
			}
			lit, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			v, err := strconv.Unquote(lit.Value)
			if err != nil {
				return nil, fmt.Errorf("constant %s: %w", spec.Names[0], err)
			}
			s.values[of.Name] = append(s.values[of.Name], value{v, text(nil, spec.Comment)})
		}
	}
	return names, nil
}

// receiver returns the type's name of a method.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// text returns a comment as one line.
func text(doc, line *ast.CommentGroup) string {
	if doc == nil {
		doc = line
	}
	return strings.Join(strings.Fields(doc.Text()), " ")
}

// Doc returns the comment of a type, as one line.
func (s *Source) Doc(name string) string { return s.docs[name] }
