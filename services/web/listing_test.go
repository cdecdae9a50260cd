package web

import (
	"fmt"
	"net/http/httptest"
	"testing"
)

// TestList arranges rows as LAVA's addresses ask.
func TestList(t *testing.T) {
	t.Parallel()
	type row struct{ name, health string }
	var rows []row
	for i := range 60 {
		rows = append(rows, row{fmt.Sprintf("q%02d", i), []string{"Good", "Bad", "Not Good"}[i%3]})
	}
	columns := []column[row]{
		{name: "hostname", title: "Device", text: func(r row) string { return r.name }},
		{name: "health", title: "Health", text: func(r row) string { return r.health }, exact: true},
		{name: "mute", title: "Mute"},
	}
	for _, tt := range []struct {
		address, want string // first row, rows on the page, found
		before, after string
	}{
		{"/", "q00 25 60", "", "?page=2"},
		{"/?page=3", "q50 10 60", "?page=2", ""},
		{"/?page=99", "q50 10 60", "?page=2", ""},
		{"/?page=-1&length=x", "q00 25 60", "", "?length=x&page=2"},
		{"/?length=100", "q00 60 60", "", ""},
		{"/?sort=-hostname&length=1", "q59 1 60", "", "?length=1&page=2&sort=-hostname"},
		{"/?search=Q1", "q10 10 10", "", ""},
		{"/?health=good", "q00 20 20", "", ""},
		{"/?health=bad&hostname=2", "q22 4 4", "", ""},
		{"/?search=nothing", " 0 0", "", ""},
		{"/?sort=mute", "q00 25 60", "", "?page=2&sort=mute"},
	} {
		q := &request{Request: httptest.NewRequest("GET", tt.address, nil)}
		l := list(q, "device", columns, rows)
		first := ""
		if len(l.Rows) > 0 {
			first = l.Rows[0].name
		}
		if got := fmt.Sprintf("%s %d %d", first, len(l.Rows), l.Found); got != tt.want || l.Before != tt.before || l.After != tt.after || l.All != 60 {
			t.Errorf("%s: %s, before %q, after %q; want %s, %q, %q", tt.address, got, l.Before, l.After, tt.want, tt.before, tt.after)
		}
	}
	l := list(&request{Request: httptest.NewRequest("GET", "/?sort=hostname&health=Bad", nil)}, "device", columns, rows)
	if l.Heads[0].To != "?health=Bad&sort=-hostname" || l.Heads[0].Sorted != "ascending" || l.Heads[1].Sorted != "" || l.Heads[2].To != "" {
		t.Errorf("heads: %+v", l.Heads)
	}
	if fmt.Sprint(l.Kept) != "[{health Bad} {sort hostname}]" {
		t.Errorf("what the search form keeps: %v", l.Kept)
	}
}
