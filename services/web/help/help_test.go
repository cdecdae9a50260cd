package help

import (
	"strings"
	"testing"
	"testing/fstest"

	"strata/docs"
)

// TestProjectsPages holds that the project's own pages load: all on shelves, no link that leads nowhere.
func TestProjectsPages(t *testing.T) {
	l, err := Load(docs.Pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ question, want string }{
		{"u-boot", "methods/boot/u-boot"},
		{"reservations", "scheduling"},
		{"callback", "notifications"},
		{"lava-test-case", "writing-tests"},
		{"health check", "health-checks"},
		{"namespace", "glossary"},
	} {
		hits := l.Search(tt.question, 5)
		found := false
		for _, h := range hits {
			found = found || h.Path == tt.want
		}
		if !found {
			t.Errorf("search %q: none of %+v is on page %s", tt.question, hits, tt.want)
		}
	}
	for _, path := range l.paths() {
		p, _ := l.Page(path)
		for _, bad := range []string{"<script", " style=", "javascript:", "<!-- raw HTML omitted --><a"} {
			if strings.Contains(string(p.HTML), bad) {
				t.Errorf("page %s holds %q, which the pages' policy refuses", path, bad)
			}
		}
	}
}

// library makes one of a few pages, on the shelves of the real one.
func library(t *testing.T, pages map[string]string) (*Library, error) {
	t.Helper()
	files := fstest.MapFS{}
	for _, s := range shelves {
		for _, p := range s.Paths {
			files[p+".md"] = &fstest.MapFile{Data: []byte("# " + p + "\n")}
		}
	}
	for name, text := range pages {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Load(files)
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name  string
		pages map[string]string
		want  string // in the error; "" for none
	}{
		{"as it is", nil, ""},
		{"links", map[string]string{"rest.md": "# REST\n[a](people.md#tokens) [b](#here) [c](methods/boot/x.md)\n\n## Here\n",
			"people.md": "# People\n## Tokens\n", "methods/boot/x.md": "# x\n[up](../../rest.md)\n"}, ""},
		{"link to no page", map[string]string{"rest.md": "# REST\n[a](gone.md)\n"}, "rest.md links to gone#"},
		{"link to no section", map[string]string{"rest.md": "# REST\n[a](people.md#gone)\n"}, "rest.md links to people#gone"},
		{"page on no shelf", map[string]string{"stray.md": "# Stray\n"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := library(t, tt.pages)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Load has error %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Load has error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestRendering(t *testing.T) {
	t.Parallel()
	l, err := library(t, map[string]string{"rest.md": "# REST & more\n\nText <b>raw</b> [code](../services/api/rest/x.go) [p](people.md).\n\n![a picture](../a/picture.svg)\n\n" +
		"## Same\n\n## Same\n\n## `GET` what's *new*?\n\n| a | b |\n|--:|---|\n| 1 | [out](https://example.org/) |\n"})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := l.Page("rest")
	if !ok || p.Title != "REST & more" {
		t.Fatalf("page has title %q, want %q", p.Title, "REST & more")
	}
	for _, want := range []string{`<h2 id="same">`, `<h2 id="same-1">`, `<h2 id="get-whats-new">`, `align="right"`,
		`href="/help/people"`, `href="https://example.org/"`, "REST &amp; more"} {
		if !strings.Contains(string(p.HTML), want) {
			t.Errorf("page has no %s:\n%s", want, p.HTML)
		}
	}
	for _, bad := range []string{"<b>raw", "services/api/rest", "<img", "picture"} {
		if strings.Contains(string(p.HTML), bad) {
			t.Errorf("page has %s:\n%s", bad, p.HTML)
		}
	}
	if n := len(p.Sections); n != 4 {
		t.Errorf("page has %d sections, want 4: %+v", n, p.Sections)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	l, err := library(t, map[string]string{
		"rest.md":   "# REST\n\nTokens are sent in a header.\n\n## Limits\n\nEach token has its own rate.\n",
		"people.md": "# People\n\n## Tokens\n\nA token stands for a person.\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		question string
		want     []string // addresses, best first
	}{
		{"tokens", []string{"/help/people#tokens", "/help/rest#rest"}},
		{"TOKEN rate", []string{"/help/rest#limits"}},
		{"token nowhere", nil},
		{"  ?! ", nil},
		{"", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, h := range l.Search(tt.question, 10) {
			got = append(got, h.Address())
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("search %q: got %v, want %v", tt.question, got, tt.want)
		}
	}
	if hits := l.Search("rate", 10); len(hits) != 1 || hits[0].Snippet != "Each token has its own rate." {
		t.Errorf("search for rate: %+v, want the sentence as snippet", hits)
	}
	if hits := l.Search("token", 1); len(hits) != 1 {
		t.Errorf("search with limit 1 has %d hits", len(hits))
	}
}
