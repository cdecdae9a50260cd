package rest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a field or parameter holds.
// JSON's types and the words of OPTIONS hang on it, and how filters compare: "10" comes after "9" among
// integers and before it among texts.
type kind uint8

const (
	text kind = iota
	integer
	number
	truth
	moment
	integers // a list
	texts    // a list
	mapping
	related // another row, by its name or number
	choice  // a number that has a meaning
)

// word is the kind as Django's OPTIONS has it.
func (k kind) word() string {
	// "field" is what Django REST framework calls whatever it has no better word for.
	return [...]string{"string", "integer", "decimal", "boolean", "datetime", "field", "field", "field", "field", "choice"}[k]
}

// field is a field of a resource's rows.
// doc stands in the OpenAPI document alone.
type field[R any] struct {
	name  string
	kind  kind
	doc   string
	write bool // callers may set it
	get   func(*R) any
}

// filter is what a list can be narrowed by.
type filter[R any] struct {
	name    string // as in the address: device_type__name
	kind    kind
	lookups []string
	get     func(*R) []string // a row meets a filter with any of them; none is no value
}

// Lookups that LAVA has for kinds of fields.
// Named as in Django's addresses. "range", "week" and others that Django has LAVA does not offer.
var (
	textLookups    = []string{"exact", "in", "contains", "icontains", "startswith", "endswith"}
	exactLookups   = []string{"exact"}
	orderedLookups = []string{"exact", "lt", "lte", "gt", "gte"}
)

// resource is a table of rows that are few enough to be gone through.
// Filters and orders are worked out in memory here; jobs, of which there may be millions, have their own
// way ([jobTerms]) that ends in the tables.
type resource[R any] struct {
	name    string
	fields  []field[R]
	filters []filter[R]
}

// show is a row as an object.
func (res resource[R]) show(row *R) object {
	out := make(object, len(res.fields))
	for i, f := range res.fields {
		out[i] = member{f.name, f.get(row)}
	}
	return out
}

// docs describes the fields, for documents.
func (res resource[R]) docs() []fieldDoc {
	list := make([]fieldDoc, len(res.fields))
	for i, f := range res.fields {
		list[i] = fieldDoc{f.name, f.kind, f.doc, f.write}
	}
	return list
}

// params are the parameters of a list, for documents.
func (res resource[R]) params() []param {
	list := pageParams()
	for _, f := range res.filters {
		for _, l := range f.lookups {
			list = append(list, filterParam(f.name, f.kind, l))
		}
	}
	return append(list, param{name: "ordering", doc: "fields with commas between them, each with - before it for the other direction"})
}

// filterParam describes a filter with a lookup.
// "exact" has no suffix, as in Django's addresses; name__exact is taken too but not documented.
func filterParam(name string, k kind, lookup string) param {
	p := param{name: name, kind: k}
	if lookup != "exact" {
		p.name += "__" + lookup
	}
	switch lookup {
	case "in":
		p.kind, p.doc = text, "values with commas between them"
	case "isnull":
		p.kind = truth
	}
	return p
}

// pageParams are the parameters that every list takes.
func pageParams() []param {
	return []param{{name: "limit", kind: integer, doc: fmt.Sprintf("rows of a page; %d where none is given", defaultLimit)},
		{name: "offset", kind: integer, doc: "rows left out at the beginning"}}
}

// condition is a filter with its lookup and value, ready to be held against rows.
type condition[R any] struct {
	filter[R]
	lookup string
	values []string
}

// lookupOf splits a parameter into a filter's name and its lookup.
func lookupOf(name, key string, lookups []string) (string, bool) {
	if key == name {
		return "exact", slices.Contains(lookups, "exact")
	}
	// name__in of a filter "name" is not a filter "name__in": each lookup must be one that LAVA has there.
	lookup, ok := strings.CutPrefix(key, name+"__")
	return lookup, ok && slices.Contains(lookups, lookup)
}

// find makes a condition of a parameter; nil where the resource has no such filter.
func (res resource[R]) find(key, value string) (*condition[R], error) {
	for _, f := range res.filters {
		lookup, ok := lookupOf(f.name, key, f.lookups)
		if !ok {
			continue
		}
		// Words first: state=idle is an error that lists the words, rather than a list without rows.
		value, err := checkWord(res.name, key, value)
		if err != nil {
			return nil, err
		}
		c := &condition[R]{filter: f, lookup: lookup, values: []string{value}}
		if lookup == "in" {
			c.values = strings.Split(value, ",")
		}
		for i, v := range c.values {
			var err error
			if c.values[i], err = canonical(f.kind, lookup, v); err != nil {
				return nil, invalid(key, "%s", err)
			}
		}
		// "?health=&limit=5" is what forms send, and LAVA passes over it.
		if value == "" || c.values[0] == ignored {
			return nil, nil // an empty field of a form asks for nothing
		}
		return c, nil
	}
	return nil, nil
}

// ignored stands for a value that asks for nothing, such as maybe for a truth.
// No query parameter can be equal to it by accident; one that is on purpose is ignored.
const ignored = "\x00ignored"

// canonical writes a value of a kind so that equal ones are equal texts; its error has Django's words.
// So that "exact" and "in" can compare texts: 007 is 7, and 12:00+01:00 is 11:00Z.
func canonical(k kind, lookup, value string) (string, error) {
	if lookup == "isnull" {
		k = truth
	}
	switch k {
	case integer:
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return "", fmt.Errorf("Enter a number.")
		}
		return strconv.FormatInt(n, 10), nil
	case number:
		f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return "", fmt.Errorf("Enter a number.")
		}
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	// A word that is neither asks for nothing, as Django's NullBooleanField has it.
	case truth:
		switch strings.ToLower(value) {
		case "true", "1":
			return "true", nil
		case "false", "0":
			return "false", nil
		}
		return ignored, nil
	case moment:
		t, err := readTime(value)
		if err != nil {
			return "", fmt.Errorf("Enter a valid date/time.")
		}
		return t.UTC().Format(time.RFC3339Nano), nil
	}
	return value, nil
}

// readTime reads the forms of times that Django takes; without a zone they are in UTC.
// With the + of a zone unescaped in an address it arrives as a blank and is refused: scripts escape it.
func readTime(value string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.TrimSpace(value)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", value)
}

// holds tells whether a row meets the condition.
// A row without a value meets nothing but isnull: NULL in LAVA's database.
func (c *condition[R]) holds(row *R) bool {
	values := c.get(row)
	if c.lookup == "isnull" {
		return (len(values) == 0) == (c.values[0] == "true")
	}
	return slices.ContainsFunc(values, c.meets)
}

// meets holds one value of a row against the condition.
func (c *condition[R]) meets(is string) bool {
	want := c.values[0]
	// icontains and iexact alike; "isnull" never comes here.
	if strings.HasPrefix(c.lookup, "i") && c.lookup != "in" {
		is, want = strings.ToLower(is), strings.ToLower(want)
	}
	switch c.lookup {
	case "exact":
		return compare(c.kind, is, want) == 0
	case "iexact":
		return is == want
	case "in":
		return slices.Contains(c.values, is)
	case "contains", "icontains":
		return strings.Contains(is, want)
	case "startswith":
		return strings.HasPrefix(is, want)
	case "endswith":
		return strings.HasSuffix(is, want)
	case "lt":
		return compare(c.kind, is, want) < 0
	case "lte":
		return compare(c.kind, is, want) <= 0
	case "gt":
		return compare(c.kind, is, want) > 0
	case "gte":
		return compare(c.kind, is, want) >= 0
	}
	return false
}

// compare orders two values of a kind.
func compare(k kind, a, b string) int {
	switch k {
	case integer, number:
		// Job and case numbers stay below 1<<53, so nothing is rounded.
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	case moment:
		x, _ := time.Parse(time.RFC3339Nano, a)
		y, _ := time.Parse(time.RFC3339Nano, b)
		return x.Compare(y)
	}
	return cmp.Compare(a, b)
}

// choose narrows rows to what the request's filters leave. Parameters that are no filters are ignored, as
// LAVA does.
// Of a parameter that is given twice the last one counts, as in Django's QueryDict.
func (res resource[R]) choose(q *request, rows []R) ([]R, error) {
	for key, values := range q.query {
		c, err := res.find(key, values[len(values)-1])
		if err != nil {
			return nil, err
		}
		if c != nil {
			rows = slices.DeleteFunc(rows, func(r R) bool { return !c.holds(&r) })
		}
	}
	return rows, nil
}

// sorted puts rows in the order that the request asks for; keys that are no fields are ignored.
// The order before is by name or number, and stays among equals.
func (res resource[R]) sorted(q *request, rows []R) {
	var keys []func(a, b *R) int
	for _, key := range strings.Split(q.query.Get("ordering"), ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(key), "-")
		i := slices.IndexFunc(res.fields, func(f field[R]) bool { return f.name == name })
		if i < 0 {
			continue
		}
		f := res.fields[i]
		keys = append(keys, func(a, b *R) int {
			c := compareAny(f.kind, f.get(a), f.get(b))
			if descending {
				return -c
			}
			return c
		})
	}
	if len(keys) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b R) int {
		for _, k := range keys {
			if c := k(&a, &b); c != 0 {
				return c
			}
		}
		return 0
	})
}

// compareAny orders values of fields; none comes last, and so first where the order goes down: LAVA's rows are
// PostgreSQL's, which holds NULL to be above all values.
func compareAny(k kind, a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compare(k, fmt.Sprint(a), fmt.Sprint(b))
}

// list answers with a page of rows.
// Filters first, then order, then the page: count is of what the filters leave.
func (res resource[R]) list(q *request, rows []R) (answer, error) {
	rows, err := res.choose(q, rows)
	if err != nil {
		return answer{}, err
	}
	res.sorted(q, rows)
	p := q.page()
	shown := []object{}
	for i := range rows[min(p.offset, len(rows)):min(p.offset+p.limit, len(rows))] {
		shown = append(shown, res.show(&rows[p.offset+i]))
	}
	return ok(q.paged(p, uint64(len(rows)), shown))
}
