package reference

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/schemas/yaml"
)

var update = flag.Bool("update", false, "write docs/methods anew")

// docs is where the pages lie.
var docs = filepath.Join("..", "..", "..", "docs", "methods")

// The pages of the documentation are what tables and entries give now, no more and no fewer.
func TestPagesAreCurrent(t *testing.T) {
	t.Parallel()
	want, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(docs); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		file := filepath.Join(docs, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want[name]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want[name] {
			t.Errorf("docs/methods/%s is not what the tables give (%v): run make generate", name, err)
		}
	}
	err = filepath.WalkDir(docs, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(docs, file)
		if _, ok := want[filepath.ToSlash(name)]; !ok {
			t.Errorf("docs/methods/%s is of no method: run make generate", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Every example is a job that the strict validator takes.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	v := strict.New(nil)
	for _, p := range pages(t) {
		for _, problem := range v.Check([]byte(p.Definition()), shape.Strict) {
			t.Errorf("%s %s: %v\n%s", p.Kind, p.Title(), problem, p.Definition())
		}
		if !strings.Contains(p.Example, "- "+string(p.Kind)+":") || p.Name != "" && p.Kind != strict.Test && !strings.Contains(p.Example, p.Name) {
			t.Errorf("%s %s: the example is of another method", p.Kind, p.Title())
		}
		if _, err := yaml.Parse([]byte(p.Device)); err != nil {
			t.Errorf("%s %s: device: %v", p.Kind, p.Title(), err)
		}
	}
}

// Every key has a sentence, every number a unit, and every example of a key is a value that it takes.
func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	seen := 0
	var check func(at string, k shape.Key)
	check = func(at string, k shape.Key) {
		at += " " + k.Name
		seen++
		if !strings.HasSuffix(k.Doc, ".") || len(k.Doc) < 8 {
			t.Errorf("%s: %q is no sentence", at, k.Doc)
		}
		if n, ok := k.Shape.(shape.Number); ok && k.Unit == "" {
			t.Errorf("%s: a number (%s) without a unit", at, n)
		}
		if k.Example == "" && wantsExample(k) {
			t.Errorf("%s: no example", at)
		}
		if k.Example != "" {
			value, err := yaml.Parse([]byte(k.Example))
			if err != nil {
				t.Errorf("%s: example %s: %v", at, k.Example, err)
			} else if problems := shape.Check(k.Shape, shape.Lenient, nil, value); len(problems) > 0 {
				t.Errorf("%s: example %s: %v", at, k.Example, problems)
			}
		}
		for _, c := range children(k.Shape) {
			check(at, c)
		}
	}
	for _, p := range pages(t) {
		at := string(p.Kind) + " " + p.Title()
		if !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: %q is no sentence", at, p.Doc)
		}
		for _, k := range append(p.Keys, slices.Concat(p.Forms...)...) {
			check(at, k)
		}
	}
	for _, k := range []strict.Kind{strict.Deploy, strict.Boot, strict.Test, strict.Command} {
		for _, key := range strict.Common(k) {
			check(string(k), key)
		}
	}
	for _, k := range strict.ContextKeys() {
		if strings.Contains(k.Doc, "this lab's") || len(k.Doc) < 8 {
			t.Errorf("context %s: no sentence", k.Name)
		}
	}
	if seen < 500 {
		t.Errorf("only %d keys were looked at", seen)
	}
}

// wantsExample says whether a reader could wonder how a value is written: not where it is a word, a
// switch, or a mapping with a row for each key.
func wantsExample(k shape.Key) bool {
	if len(children(k.Shape)) > 0 {
		return false
	}
	switch s := k.Shape.(type) {
	case shape.Words, shape.Flag:
		return false
	case shape.Named:
		return wantsExample(shape.Key{Shape: s.Shape})
	case shape.List:
		return wantsExample(shape.Key{Shape: s.Of})
	}
	return true
}

// A page has a row for each key, links that lead somewhere, and no empty part.
func TestPagesAreWhole(t *testing.T) {
	t.Parallel()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		text := files[string(p.Kind)+"/"+p.Title()+".md"]
		for _, k := range append(p.Keys, slices.Concat(p.Forms...)...) {
			if !strings.Contains(text, "| `"+k.Name+"` | ") {
				t.Errorf("%s %s: no row for %s", p.Kind, p.Title(), k.Name)
			}
		}
	}
	link := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	for name, text := range files {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := name
			if m[1] != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))
			}
			content, ok := files[target]
			if !ok {
				raw, err := os.ReadFile(filepath.Join(docs, target))
				if err != nil {
					t.Errorf("%s: link to %s: %v", name, m[1], err)
				}
				content = string(raw)
			}
			if m[2] != "" && !slices.Contains(anchors(content), m[2]) {
				t.Errorf("%s: %s has no section %s", name, target, m[2])
			}
		}
	}
}

func anchors(text string) (names []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			names = append(names, strings.ReplaceAll(strings.ToLower(title), " ", "-"))
		}
	}
	return names
}

func pages(t *testing.T) []Page {
	t.Helper()
	pages, err := Pages()
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
