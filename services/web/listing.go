package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// column is a column of a [listing], and what of its rows is searched and sorted by.
// Names are LAVA's where it has the column, as links and scripts use them (?hostname=, ?device_type=, ?health=).
type column[T any] struct {
	name  string           // in the address: ?sort=name, ?name=text
	title string           // its head; "" has no column and is only searched
	text  func(T) string   // what is searched; nil: nothing
	order func(a, b T) int // how it sorts; nil: by text
	// Else ?state=active would find inactive users.
	exact  bool // ?name= has to be the whole word, as of states
	number bool // stands at the right
	// It is hidden by the style sheet, and still in the page and in its search.
	narrow bool // is left out where there is little room
}

// listing is a table of rows that are all at hand, filtered, sorted and cut into pages by its address, with
// LAVA's parameters: search, sort (with - the other way round), page, length, and a column's own name.
// Several tables on one page would share these parameters; no page has more than one that is filtered.
type listing[T any] struct {
	Rows             []T
	All, Found, From int // rows there are, that meet the search, before the page
	Heads            []head
	Search           string
	Length           int
	// What the page offers; an address may name any up to 1,000.
	Lengths []int
	// A GET form sends its own fields alone and drops the query of its address, so what else the address says goes along hidden.
	Kept          []pair // of the address, for the search form
	Before, After string // addresses of the pages beside this one; "": none
	Noun          string // what the rows are: "device"
}

// head is the head of a column.
type head struct {
	Title, To, Sorted string // Sorted is ascending, descending or ""
	Number, Narrow    bool
}

// pair is a parameter of the address.
type pair struct{ Name, Value string }

// usualLength is how many rows a page has where nobody said, as in LAVA.
// Others may be asked for by ?length= or chosen in the profile ([request.tableLength]).
const usualLength = 25

// list arranges rows as the address asks.
// The rows handed over stay as they are: the caller may count or show them elsewhere. Of equal rows the caller's order holds.
// Words in the address that mean nothing, such as ?sort=colour or ?page=x, are passed over: an old link shows the list.
func list[T any](q *request, noun string, columns []column[T], rows []T) listing[T] {
	asked := q.URL.Query()
	l := listing[T]{All: len(rows), Search: asked.Get("search"), Noun: noun, Length: usualLength, Lengths: []int{10, 25, 50, 100, 500}}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row T) bool { return !l.wants(columns, asked, row) })
	l.Found = len(rows)
	by, down := strings.CutPrefix(asked.Get("sort"), "-")
	for _, c := range columns {
		if c.name == by && (c.order != nil || c.text != nil) {
			slices.SortStableFunc(rows, c.compare(down))
		}
		if c.title != "" {
			l.Heads = append(l.Heads, c.head(asked, by, down))
		}
		if v := asked.Get(c.name); v != "" {
			l.Kept = append(l.Kept, pair{c.name, v})
		}
	}
	if by != "" {
		l.Kept = append(l.Kept, pair{"sort", asked.Get("sort")})
	}
	if n, err := strconv.Atoi(asked.Get("length")); err == nil && n > 0 {
		l.Length = min(n, 1000)
	} else if n := q.tableLength(); n > 0 {
		l.Length = n
	}
	at, _ := strconv.Atoi(asked.Get("page"))
	// A page behind the last shows the last: rows may have gone since somebody kept the link.
	at = max(1, min(at, (len(rows)+l.Length-1)/l.Length))
	l.From = (at - 1) * l.Length
	to := min(len(rows), l.From+l.Length)
	l.Rows = rows[min(l.From, to):to]
	if at > 1 {
		l.Before = with(asked, "page", strconv.Itoa(at-1))
	}
	if to < len(rows) {
		l.After = with(asked, "page", strconv.Itoa(at+1))
	}
	return l
}

// tableLength is how many rows the visitor wants where the address does not say, 0 where he never said. As in LAVA it holds
// for tables that are at hand whole, not for those of jobs.
// It costs a question, so it is asked only where the address has no length.
func (q *request) tableLength() int {
	if !q.SignedIn {
		return 0
	}
	me, err := asked[account](q, "users.show", map[string]any{"user": q.Name})
	if err != nil {
		return 0 // who started the lab may have no account
	}
	return min(me.TableLength, 1000)
}

// wants tells whether a row meets the search and the conditions on single columns.
// The search means any column, a column's own parameter that one; all parameters have to hold. Unlike LAVA's, capitals do not
// count: nobody misses a device for having typed its name in lower case.
func (l *listing[T]) wants(columns []column[T], asked url.Values, row T) bool {
	found := l.Search == ""
	for _, c := range columns {
		if c.text == nil {
			continue
		}
		text := strings.ToLower(c.text(row))
		found = found || strings.Contains(text, strings.ToLower(l.Search))
		v := strings.ToLower(asked.Get(c.name))
		if v != "" && (c.exact && text != v || !strings.Contains(text, v)) {
			return false
		}
	}
	return found
}

// compare is the order of the column.
// Down turns the comparison round and not the sorted rows, or equal ones would change places with each click.
func (c column[T]) compare(down bool) func(a, b T) int {
	order := c.order
	if order == nil {
		order = func(a, b T) int { return cmp.Compare(c.text(a), c.text(b)) }
	}
	if down {
		return func(a, b T) int { return order(b, a) }
	}
	return order
}

// head is the column's head, a link that sorts by it.
// The link of the sorted column turns it round; that of another sorts it upwards. aria-sort tells the state (WCAG 1.3.1).
func (c column[T]) head(asked url.Values, by string, down bool) head {
	h := head{Title: c.title, Number: c.number, Narrow: c.narrow}
	if c.text == nil && c.order == nil {
		return h
	}
	next := c.name
	if by == c.name {
		h.Sorted = "ascending"
		if down {
			h.Sorted = "descending"
		} else {
			next = "-" + next
		}
	}
	h.To = with(asked, "sort", next)
	return h
}

// with is an address like this one with another value of a parameter; the page starts anew.
// "?…" alone is relative to the page's own address, whichever that is.
func with(asked url.Values, name, value string) string {
	v := url.Values{}
	for key, values := range asked {
		if key != "page" {
			v[key] = values
		}
	}
	if v.Set(name, value); value == "" {
		v.Del(name)
	}
	return "?" + v.Encode()
}

// First is the number of the first row on the page, from 1.
func (l listing[T]) First() int { return l.From + 1 }

// To is the number of the last row on the page.
func (l listing[T]) To() int { return l.From + len(l.Rows) }

// Many tells whether there is anything to search in.
// Short tables have no search box: eight rows are read faster than a field is filled in. One that was searched keeps it, also
// when it found nothing.
func (l listing[T]) Many() bool { return l.All > 8 || l.Search != "" || len(l.Kept) > 0 }
