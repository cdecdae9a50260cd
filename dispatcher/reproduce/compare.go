package reproduce

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Difference is one thing that two runs have in common, or not.
type Difference struct {
	What           string // "verdict", "action", "findings", "case smoke/ping", "artefact kernel"
	Recorded, Here string
	Same           bool
}

// String writes the difference as a line.
func (d Difference) String() string {
	if d.Same {
		return fmt.Sprintf("same     %s: %s", d.What, d.Here)
	}
	return fmt.Sprintf("differs  %s: recorded %s, here %s", d.What, d.Recorded, d.Here)
}

// varying are parts of messages that no two runs have in common: addresses, times, numbers.
var varying = regexp.MustCompile(`\b(0x)?[0-9a-f]{8,}\b|\d+(\.\d+)?`)

func steady(text string) string { return varying.ReplaceAllString(text, "#") }

// Compare lists what a run has in common with a recorded one, and what not: first how they ended, then
// what they worked with. Where the run was stopped early (until is set), only what it did is compared.
func Compare(recorded, here Outcome, until bool) []Difference {
	var all []Difference
	add := func(what, a, b string, same bool) {
		none := func(s string) string {
			if s == "" {
				return "none"
			}
			return s
		}
		all = append(all, Difference{what, none(a), none(b), same})
	}
	if !until {
		a, b := verdict(recorded), verdict(here)
		add("verdict", a, b, a == b)
		add("failed action", recorded.Action, here.Action, recorded.Action == here.Action)
		if recorded.Error+here.Error != "" {
			add("error", firstLine(recorded.Error), firstLine(here.Error), steady(recorded.Error) == steady(here.Error))
		}
		a, b = strings.Join(recorded.Findings, "; "), strings.Join(here.Findings, "; ")
		add("findings", a, b, steady(a) == steady(b))
	}
	all = append(all, cases(recorded, here, until)...)
	for _, f := range here.Artefacts {
		i := slices.IndexFunc(recorded.Artefacts, func(r Fetched) bool { return r.Level == f.Level && r.Label == f.Label })
		if i < 0 {
			add("artefact "+f.Label, "", f.SHA256, false)
			continue
		}
		if was := recorded.Artefacts[i]; was.SHA256 != f.SHA256 {
			add("artefact "+f.Label, was.SHA256, f.SHA256, false)
		}
	}
	for _, c := range here.Commits {
		i := slices.IndexFunc(recorded.Commits, func(r Commit) bool { return r.Level == c.Level && r.Repository == c.Repository })
		if i >= 0 && recorded.Commits[i].Commit != c.Commit {
			add("tests of "+c.Repository, recorded.Commits[i].Commit, c.Commit, false)
		}
	}
	if recorded.Version != here.Version {
		add("dispatcher", recorded.Version, here.Version, false)
	}
	return all
}

// verdict is how a run ended, in a few words.
func verdict(o Outcome) string {
	if o.ErrorType == "" {
		return o.Result
	}
	return o.Result + ", " + o.ErrorType
}

// cases compares the results of tests: one line where all are the same, one for each that is not.
func cases(recorded, here Outcome, until bool) []Difference {
	type key struct {
		suite, name string
		n           int // the same case may come several times
	}
	index := func(all []Case) (map[key]string, []key) {
		results, count := map[key]string{}, map[Case]int{}
		var order []key
		for _, c := range all {
			k := key{c.Suite, c.Name, count[Case{c.Suite, c.Name, ""}]}
			count[Case{c.Suite, c.Name, ""}]++
			results[k] = c.Result
			order = append(order, k)
		}
		return results, order
	}
	before, order := index(recorded.Cases)
	now, added := index(here.Cases)
	for _, k := range added {
		if _, known := before[k]; !known {
			order = append(order, k)
		}
	}
	var out []Difference
	same := 0
	for _, k := range order {
		a, b := before[k], now[k]
		switch {
		case a == b:
			same++
		case b == "" && until:
		default:
			d := Difference{What: "case " + k.suite + "/" + k.name, Recorded: a, Here: b}
			if a == "" {
				d.Recorded = "none"
			}
			if b == "" {
				d.Here = "none"
			}
			out = append(out, d)
		}
	}
	if same > 0 {
		out = append([]Difference{{What: "test cases", Here: fmt.Sprint(same), Same: true}}, out...)
	}
	return out
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimRight(line, "\r")
}
