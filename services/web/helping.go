package web

import (
	"net/http"
	"strings"

	"strata/services/web/help"
)

// helpRoutes are the pages of the lab's own manual.
// Links in errors and editors lead here. Only GET: the manual is embedded and the same for everybody, signed in or not.
func helpRoutes() []route {
	const get = http.MethodGet
	return []route{
		{get, "/help", helpContents, "Help", "find out how something is done, by title or by search"},
		{get, "/help/{page}", helpPage, "Help", "read a page of the manual"},
		{get, "/help/methods/{page}", helpPage, "Help", "read what methods have in common"},
		{get, "/help/methods/{kind}/{page}", helpPage, "Help", "read what a method takes"},
		// LAVA's address of the same list, which its menu and many bookmarks have.
		{get, "/api/help", methodsPage, "Interfaces for programs", "see which methods and endpoints programs have"},
	}
}

// shelf is a group of pages as the contents show it.
// The index of the administration uses it too ([adminIndex]): headings with links below.
type shelf struct {
	Title string
	Pages []helpEntry
}

type helpEntry struct{ To, Title string }

// contents are the shelves with the titles of their pages.
func (s *Site) contents() (out []shelf) {
	for _, one := range s.manual.Shelves {
		group := shelf{Title: one.Title}
		for _, path := range one.Paths {
			group.Pages = append(group.Pages, helpEntry{help.Root + path, s.manual.Title(path)})
		}
		out = append(out, group)
	}
	return out
}

// helpContents shows what the manual has, or what a search in it finds.
// Forty hits are more than anybody scrolls through; the best stand first.
func helpContents(q *request) (page, error) {
	question := strings.TrimSpace(q.URL.Query().Get("q"))
	data := map[string]any{"Shelves": q.site.contents(), "Question": question}
	if question != "" {
		data["Hits"] = q.site.manual.Search(question, 40)
	}
	return page{template: "help", data: data, styles: []string{"help.css"}}, nil
}

// helpPage shows one page.
// The path is read from the address and not from the pattern's names, as methods/boot/u-boot has as many parts as its folder is deep.
func helpPage(q *request) (page, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(q.URL.Path, help.Root), "/")
	p, ok := q.site.manual.Page(path)
	if !ok {
		return page{}, &Refusal{Code: "not-found", Message: "the manual has no page " + path}
	}
	return page{template: "help-page", title: p.Title, data: p, styles: []string{"help.css"},
		crumbs: []crumb{{"Help", "/help/"}, {p.Title, ""}}}, nil
}

// Interface is what a door tells of one method or endpoint, for the page of interfaces.
// It is the door's own description and is shown as text: what a door says of itself need not be HTML.
type Interface struct {
	Name      string // "scheduler.jobs.submit", or "GET /api/v0.2/jobs/"
	Signature string // of arguments, such as "(definition)"
	Text      string // what it does
}

// Interfaces is a group of them.
type Interfaces struct {
	Title, Lead string
	Reference   string // address of the machine-readable description; "" where there is none
	Page        string // of the manual, which explains them
	All         []Interface
}

// methodsPage lists what programs can call.
// Interfaces makes its list anew for each call, so that what is filtered here is nobody else's.
func methodsPage(q *request) (page, error) {
	var all []Interfaces
	if q.site.d.Interfaces != nil {
		all = q.site.d.Interfaces()
	}
	find := strings.ToLower(strings.TrimSpace(q.URL.Query().Get("q")))
	for i := range all {
		var some []Interface
		for _, one := range all[i].All {
			if find == "" || strings.Contains(strings.ToLower(one.Name+" "+one.Text), find) {
				some = append(some, one)
			}
		}
		all[i].All = some
	}
	return page{template: "methods", data: map[string]any{"Groups": all, "Question": q.URL.Query().Get("q")}, styles: []string{"help.css"},
		crumbs: []crumb{{"Help", "/help/"}, {"Interfaces for programs", ""}}}, nil
}
