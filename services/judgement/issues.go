package judgement

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"strata/events"
)

// issue is a known issue, ready to be looked for in one job.
type issue struct {
	id   events.IssueID
	log  *regexp.Regexp // nil: no line is asked for
	glob string         // for failed cases; empty: none is asked for
	line *uint64        // where the log has it
}

// issuesFor returns the known issues that a job may have at all: by its device type, name and metadata.
func issuesFor(known map[events.IssueID]events.KnownIssueAdded, job events.JobSubmitted) []*issue {
	var list []*issue
	for _, k := range known {
		if k.DeviceType != "" && k.DeviceType != job.DeviceType || k.Name != "" && !glob(k.Name, job.Name) || !includes(job.Metadata, k.Metadata) {
			continue
		}
		i := &issue{id: k.Issue, glob: k.Case}
		if k.Log != "" {
			log, err := regexp.Compile(k.Log)
			if err != nil {
				continue // the api refuses those; one of another release is no reason to judge nothing
			}
			i.log = log
		}
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b *issue) int { return cmp.Compare(a.id, b.id) })
	return list
}

// includes says whether metadata has all entries that are asked for.
func includes(has, wanted map[string]string) bool {
	for k, v := range wanted {
		if has[k] != v {
			return false
		}
	}
	return true
}

// glob says whether a name fits a pattern: * stands for any characters, ? for one.
func glob(pattern, name string) bool {
	// The last star may take one character more whenever the rest does not fit.
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// look notes where the log has what issues ask for.
func look(issues []*issue, text string, line uint64) {
	for _, i := range issues {
		if i.log != nil && i.line == nil && i.log.MatchString(text) {
			i.line = &line
		}
	}
}

// matches says which issues show, and which of them explains a failed case.
func matches(issues []*issue, failed []events.CaseName) (found []events.IssueMatch, explains map[events.CaseName]events.IssueID) {
	explains = map[events.CaseName]events.IssueID{}
	for _, i := range issues {
		if i.log != nil && i.line == nil || i.log == nil && i.glob == "" {
			continue
		}
		m := events.IssueMatch{Issue: i.id, Line: i.line}
		for _, c := range failed {
			if i.glob == "" || !glob(i.glob, c.Suite+"/"+c.Name) {
				continue
			}
			m.Cases++
			if explains[c] == 0 {
				explains[c] = i.id
			}
		}
		if i.glob == "" || m.Cases > 0 {
			found = append(found, m)
		}
	}
	return found, explains
}
