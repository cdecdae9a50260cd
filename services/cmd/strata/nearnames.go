package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strata/events"
	"strata/services/api"
)

// meantType refuses a device type that the lab does not have but that reads like one that it has: a slip of the finger
// would become a type that no job asks for. One that is like none is new, and said to be so.
func (a *app) meantType(ctx context.Context, kind events.DeviceTypeName) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	var types []api.DeviceType
	if err := c.Call(ctx, "device-types.list", struct{}{}, &types); err != nil {
		return explain(err)
	}
	var names []string
	for _, t := range types {
		names = append(names, string(t.DeviceType))
		names = append(names, t.Aliases...)
	}
	if slices.Contains(names, string(kind)) {
		return nil
	}
	if near := nearNames(string(kind), names); len(near) > 0 {
		return fmt.Errorf("the lab has no device type %s, but %s; --new-type adds it all the same", kind, strings.Join(near, ", "))
	}
	if len(names) > 0 && !a.json {
		fmt.Fprintf(a.err, "strata: device type %s is new here\n", kind)
	}
	return nil
}

// nearNames returns those of some names that somebody may have meant by another, the likeliest first, three at most: up
// to two letters are different, or a third of a short name, or they differ by case and dashes alone. Names that differ
// by their digits are of one family: rpi4 is no slip of rpi3.
func nearNames(meant string, names []string) []string {
	type near struct {
		name string
		far  int
	}
	// People write one name in several ways: beaglebone-black, beaglebone_black, BeagleBone Black.
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(s))
	}
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, s)
	}
	var found []near
	for _, n := range names {
		if plain(n) != plain(meant) && letters(plain(n)) == letters(plain(meant)) {
			continue
		}
		far := distance(plain(meant), plain(n))
		if far <= min(2, len(plain(n))/3) {
			found = append(found, near{n, far})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.far - b.far })
	var out []string
	for _, f := range found[:min(len(found), 3)] {
		out = append(out, f.name)
	}
	return out
}

// distance is how many letters have to be put in, left out, changed or exchanged with the next to make one text of
// another (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range t {
		rows[0][j+1] = j + 1
	}
	for i := range s {
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(s)][len(t)]
}
