package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/job"
)

// subjectLine is the subject of a mail. People filter by its first words.
// The words are LAVA's; the name is cut at 200 characters.
func (s subject) subjectLine() string {
	name := []rune(s.first.job.Name)
	return fmt.Sprintf("LAVA notification for Test Job %s %s", s.first.job.Display, string(name[:min(200, len(name))]))
}

// link is where the lab shows the job; empty where the lab has no address.
// The address is LAVA's, which the lab's pages have too.
func (s subject) link(lab string) string {
	if lab == "" {
		return ""
	}
	return strings.TrimSuffix(lab, "/") + "/scheduler/job/" + s.first.job.ID.String()
}

// headline says in a line what has happened.
// IRC says it alone and mail begins with it, so it has to be understood without anything else.
func (s subject) headline() string {
	name := fmt.Sprintf("Job %s (%s)", s.first.job.Display, s.first.job.Name)
	j := s.last.job
	if s.moment == events.MomentRunning || j.End == nil {
		return name + " is running" + on(j.Run != nil, func() string { return " on " + string(j.Run.Device) }) + "."
	}
	text := fmt.Sprintf("%s has finished: %s.", name, j.Health())
	// Who wanted the end comes before the error, which is then only its consequence.
	if by, reason, _ := s.last.canceler(); by != "" {
		text = fmt.Sprintf("%s was canceled by %s%s.", name, by, on(reason != "", func() string { return ": " + reason }))
	} else if j.End.Error != "" {
		text = strings.TrimSuffix(text, ".") + fmt.Sprintf(", %s: %s.", j.End.ErrorType, strings.TrimSuffix(j.End.Error, "."))
	}
	return text
}

func on(yes bool, text func() string) string {
	if !yes {
		return ""
	}
	return text()
}

// lines writes a mail.
type lines struct{ b strings.Builder }

func (l *lines) say(format string, args ...any) { fmt.Fprintf(&l.b, format+"\n", args...) }

// row writes a name and a value, where there is one.
func (l *lines) row(name, value string) {
	if value != "" {
		l.say("%-12s %s", name+":", value)
	}
}

// write writes a mail as loud as the definition asks. compared is what was compared, or empty.
// It ends where the verbosity says: status-only after the link, quiet after the details. A job that
// runs has no more to tell. cases and compared are for verbose, and empty else.
func (s subject) write(lab string, verbosity string, cases []numbered, compared string) string {
	var l lines
	l.say("%s\n", s.headline())
	l.row("State", s.last.job.State.String())
	_, health := s.last.health()
	l.row("Health", health)
	l.row("Link", s.link(lab))
	if verbosity == "status-only" || s.moment == events.MomentRunning || !s.last.over() {
		return l.b.String()
	}
	s.details(&l)
	if verbosity != "verbose" {
		return l.b.String()
	}
	s.results(&l, cases)
	if compared != "" {
		l.say("\n%s", strings.TrimSuffix(compared, "\n"))
	}
	return l.b.String()
}

// details says where the job ran, how it ended and how long it took.
// Times are UTC; the duration is that from the first attempt's start, as the submitter has waited
// for it.
func (s subject) details(l *lines) {
	j, end := s.last.job, s.last.job.End
	if end.Health == events.Incomplete {
		l.row("Error", string(end.ErrorType))
		l.row("Message", end.Error)
	}
	if by, reason, stage := s.last.canceler(); by != "" {
		l.row("Canceled by", by)
		l.row("Reason", reason)
		l.row("Stage", stage+on(s.action != "", func() string { return ", " + s.action }))
	}
	if s.first.job.ID != j.ID {
		l.row("Attempts", fmt.Sprintf("%d (%s: %s), then %d", s.first.job.ID, s.first.job.End.ErrorType, s.first.job.End.Error, j.ID))
	}
	// [Patience] was over before the output was complete.
	if !s.last.told() {
		l.row("Output", "not all of it had arrived when this was written")
	}
	l.say("")
	if j.Run != nil {
		l.row("Device", string(j.Run.Device))
		l.row("Worker", string(j.Run.Worker))
	}
	l.row("Type", string(s.first.job.DeviceType))
	l.row("Submitter", string(s.first.job.User))
	l.row("Priority", fmt.Sprint(s.first.job.Priority))
	l.row("Submitted", moments(s.first.job.SubmittedAt))
	l.row("Started", moments(s.first.startedAt))
	l.row("Finished", moments(end.At))
	if !s.first.startedAt.IsZero() {
		l.row("Duration", end.At.Sub(s.first.startedAt).Round(time.Second).String())
	}
	if v := s.last.judged; v != nil {
		l.row("Verdict", strings.TrimSuffix(fmt.Sprintf("%s: %s", v.Verdict, v.Cause), ": "))
		l.row("Changes", changesPhrase(v.Counts, v.Baseline))
	}
}

// changesPhrase counts what a judgement found changed.
// since is the job before that the judgement compared with. "" where nothing changed.
func changesPhrase(n events.ChangeCounts, since events.JobID) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{n.Regressions, "regressions"}, {n.Fixes, "fixes"}, {n.Flaky, "flaky"}, {n.Shifts, "shifted measurements"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, since job %d", strings.Join(parts, ", "), since)
}

func moments(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}

// maxShownCases bounds the cases of a mail; the job's page has all.
// A thousand lines are more than anybody reads in a mail.
const maxShownCases = 1000

// results lists metadata, suites and cases.
func (s subject) results(l *lines, cases []numbered) {
	if meta := s.metadata(); len(meta) > 0 {
		l.say("\nMetadata")
		for _, m := range meta {
			l.say("  %s: %v", m.key, m.value)
		}
	}
	var order []string
	lists := map[string][]numbered{}
	for _, c := range cases {
		if lists[c.Suite] == nil {
			order = append(order, c.Suite)
		}
		lists[c.Suite] = append(lists[c.Suite], c)
	}
	shown := 0
	for _, name := range order {
		l.say("\n%s: %s", name, tally(lists[name]))
		for _, c := range lists[name] {
			if shown++; shown > maxShownCases {
				l.say("  … and more, %d cases in all", len(cases))
				return
			}
			l.say("  %-7s %s%s%s", c.Result, on(c.Set != "", func() string { return c.Set + "/" }), c.Name,
				on(c.Measurement != nil, func() string { return fmt.Sprintf(" (%v %s)", *c.Measurement, c.Units) }))
		}
	}
}

// tally counts results in words.
// "12 pass, 1 fail": outcomes without a case are left out.
func tally(cases []numbered) string {
	count := map[events.Outcome]int{}
	for _, c := range cases {
		count[c.Result]++
	}
	var parts []string
	for _, o := range []events.Outcome{events.Pass, events.Fail, events.Skip, events.UnknownOutcome} {
		if count[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[o], o))
		}
	}
	return strings.Join(parts, ", ")
}

// remark writes what is said on IRC.
// The second line, for verbose alone, is sent as a message of its own.
func (s subject) remark(lab, verbosity string) string {
	text := s.headline()
	if link := s.link(lab); link != "" {
		text += " " + link
	}
	if v := s.last.judged; verbosity == "verbose" && v != nil {
		if changes := changesPhrase(v.Counts, v.Baseline); changes != "" {
			text += "\n" + changes
		}
	}
	return text
}

// compareCases says what differs between a job's cases and those of another job. Suites and cases of the names in
// without are left out.
// A case that ran several times counts as it did last. The list is in order of names, whatever the
// sign.
func compareCases(other events.JobID, before, now []numbered, without []string) string {
	type key struct{ suite, set, name string }
	read := func(cases []numbered) (map[key]events.Outcome, map[string][]numbered) {
		by, suites := map[key]events.Outcome{}, map[string][]numbered{}
		for _, c := range cases {
			if slices.Contains(without, c.Suite) || slices.Contains(without, c.Name) {
				continue
			}
			by[key{c.Suite, c.Set, c.Name}] = c.Result
			suites[c.Suite] = append(suites[c.Suite], c)
		}
		return by, suites
	}
	old, oldSuites := read(before)
	fresh, freshSuites := read(now)
	var list []string
	add := func(sign string, k key, what string) {
		name := k.suite + "/" + on(k.set != "", func() string { return k.set + "/" }) + k.name
		list = append(list, fmt.Sprintf("  %s %s%s", sign, name, what))
	}
	for k, r := range fresh {
		if was, there := old[k]; !there {
			add("+", k, ": "+string(r))
		} else if was != r {
			add("~", k, fmt.Sprintf(": %s, was %s", r, was))
		}
	}
	for k := range old {
		if _, there := fresh[k]; !there {
			add("-", k, "")
		}
	}
	// Behind the sign: two blanks, the sign, a blank.
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(a[4:], b[4:]) })
	var l lines
	l.say("Compared with job %d", other)
	for _, name := range sortedNames(oldSuites, freshSuites) {
		l.say("  %s: %s, was %s", name, cmp.Or(tally(freshSuites[name]), "not there"), cmp.Or(tally(oldSuites[name]), "not there"))
	}
	if len(list) == 0 {
		l.say("  every case has the result that it had")
	}
	if more := len(list) - maxShownCases; more > 0 {
		list = append(list[:maxShownCases], fmt.Sprintf("  … and %d more", more))
	}
	for _, line := range list {
		l.say("%s", line)
	}
	return l.b.String()
}

func sortedNames(maps ...map[string][]numbered) []string {
	var names []string
	for _, m := range maps {
		for name := range m {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// loud is the verbosity that a definition asks for.
// quiet is LAVA's default.
func loud(n *job.Notify) string { return cmp.Or(n.Verbosity, "quiet") }
