package api

import (
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/shape"
)

// newType is what to say of a device type that a device brings along, "" where there is nothing to say. A slip of the
// finger makes a type that no job asks for, and the device waits for ever; refusing it is no business of the verb's, as
// new types are what a growing lab has. A caller is told of no type that is hidden from him. The first type of a lab
// goes without saying.
func newType(s *lab.State, who caller, kind events.DeviceTypeName) string {
	var names []string
	for t := range s.DeviceTypes() {
		if seesType(s, who, t.Name) {
			names = append(append(names, string(t.Name)), t.Aliases...)
		}
	}
	if len(names) == 0 {
		return ""
	}
	said := "device type " + string(kind) + " is new here"
	if near := NearNames(string(kind), names); len(near) > 0 {
		said += "; the lab has " + strings.Join(near, ", ")
	}
	return said
}

// NearNames returns those of some names that somebody may have meant by another, the likeliest first, three at most: up
// to two letters are different, or a third of a short name, or they differ by case and dashes alone. Names that differ
// by their digits are of one family: rpi4 is no slip of rpi3.
func NearNames(meant string, names []string) []string {
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
		far := shape.Distance(plain(meant), plain(n))
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
