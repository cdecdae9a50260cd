package web

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"strata/events"
)

// verdictPanel is what stands first on the page of a job that is over: who has to act, why, and what to do next.
// Somebody who has never seen the job understands it by this alone.
// Who, Class and Error may be empty, and Line and ActionAt nil: then the panel has a line less. It has to fit the first view
// of 1280×800 with all of them.
type verdictPanel struct {
	Shown    bool
	Tone     string // good, bad, warn, off
	Head     string // "Failed: kernel panic"
	Who      string // has to act
	Class    string // of the error: Infrastructure, Job, Test, …
	Error    string // the dispatcher's words
	Action   string // that failed first
	ActionAt *uint64
	// At most three, so that the panel keeps its height.
	Failed []events.Case // the first of them, where no action failed
	Line   *uint64       // of the first evidence
	Text   string        // of that line
	Next   string
	// It is the cause's own word, which the page of judgements has as an anchor.
	Help     string // anchor in the guide about judgements
	Pending  bool   // judgement is still to come
	Problems []events.Problem
	Findings []foundLine
	Issues   []issueShown
	Changes  []changeCount
	// 0: there was no comparable job before.
	Baseline events.JobID
	Comment  string
	Tags     []string
	// Cause is what a person wrote, unlike the judgement's.
	By, Cause string // who canceled it, and what he said
}

// foundLine is another line of the log that says that something was wrong.
// Kind is in words; Line leads into the log.
type foundLine struct {
	Line uint64
	Kind string
}

// issueShown is a known issue that shows in a job.
// Line is nil for an issue known by a case and not by a line.
type issueShown struct {
	Number events.IssueID
	Title  string
	URL    string
	Line   *uint64
}

// changeCount is how many cases changed in one way since the job before.
type changeCount struct {
	N    int
	Noun string
	Tone string
}

// verdictOfJob puts a job's end into words.
// Where the job is judged the judgement speaks; before that, or for a job from before there were judgements, the dispatcher's error.
func verdictOfJob(q *request, d *jobData) verdictPanel {
	j := d.shownJob
	if !j.Over() {
		return verdictPanel{}
	}
	v := verdictPanel{Shown: true, Tone: "bad", Class: j.ErrorType, Error: j.Error, Problems: problemsShown(j.Problems, j.Error), Comment: d.Row.Comment, Tags: d.Row.FailureTags,
		By: j.CanceledBy, Cause: j.CancelWhy}
	switch {
	case j.State == "Rejected":
		v.Head, v.Who, v.Class = "Rejected: the definition is not valid", "", "Job"
		// Rejected is neither the lab's fault nor the device's, so nobody else has to act.
		v.Next, v.Help = "Correct the definition at the marked lines and submit it again.", "definition"
		v.Problems = slices.Clone(v.Problems)
		for i := range v.Problems {
			// Only the path that the sentence has already is left out.
			if p := &v.Problems[i]; strings.Contains(p.Message, p.Path) {
				p.Path = "" // LAVA's words name it
			}
		}
		return v
	case j.Judgement == nil:
		v.unjudged(d)
		return v
	}
	e := j.Judgement
	v.Help, v.Next, v.Line, v.Text, v.Action, v.Baseline = string(e.Cause), e.Next, e.Evidence, resultWords(e.Text), e.Action, e.Baseline
	v.Head, v.Who, v.Tone = verdictWords(e.Verdict, e.Cause)
	// By whom says more than that.
	if e.Verdict == events.VerdictCanceled && v.By != "" {
		v.Head = "Canceled by " + v.By
	}
	if v.Class == "" {
		v.Class = classOf(e.Verdict, e.Cause)
	}
	for _, f := range e.Findings {
		v.Findings = append(v.Findings, foundLine{f.Line, causeWords(f.Kind)})
	}
	if len(v.Findings) > 4 {
		// Four more lines are as many as the panel has room for; the outline of the log has all.
		v.Findings = v.Findings[:4]
	}
	v.place(d)
	if e.Cause == events.CauseTestFailed {
		v.tests(d)
	}
	v.quote(q, j.Job)
	v.changed(e.Counts)
	if len(e.Issues) > 0 {
		v.issues(q, e.Issues)
	}
	return v
}

// resultWords says a result as the view of the log does (worded in log-text.js). The line of a result is JSON, which nobody wants to
// read as the evidence of a failure. Any other text, such as what a console said, is returned as it is.
func resultWords(text string) string {
	var r struct {
		Definition  string      `json:"definition"`
		Set         string      `json:"set"`
		Case        string      `json:"case"`
		Result      string      `json:"result"`
		Measurement json.Number `json:"measurement"`
		Units       string      `json:"units"`
		ErrorType   string      `json:"error_type"`
		ErrorMsg    string      `json:"error_msg"`
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &r) != nil || r.Case == "" {
		return text
	}
	words := r.Case + ": " + r.Result
	for _, around := range []string{r.Set, r.Definition} {
		if around != "" {
			words = around + " / " + words
		}
	}
	if r.Measurement != "" {
		words += " (" + strings.TrimSpace(r.Measurement.String()+" "+r.Units) + ")"
	}
	why := strings.TrimSuffix(r.ErrorType+": "+r.ErrorMsg, ": ")
	if why = strings.TrimPrefix(why, ": "); why != "" {
		words += " — " + why
	}
	return words
}

// unjudged says what is known before judgement has looked at the job: the dispatcher's own error, and the first
// line that was found.
func (v *verdictPanel) unjudged(d *jobData) {
	v.Pending = true
	v.Head, v.Next = "Failed", "The log is being judged; this page shows the cause as soon as it is known."
	switch d.Health {
	// What completed may have failed tests all the same: that is for the judgement to say.
	case "Complete":
		v.Head, v.Tone, v.Next = "Complete", "good", ""
	case "Canceled":
		v.Head, v.Tone, v.Next = "Canceled", "off", "Submit the job again if it is still wanted."
		if v.By != "" {
			v.Head = "Canceled by " + v.By
		}
	}
	// The first line that a rule found is the best guess until somebody has judged.
	if v.Tone == "bad" && len(d.Log.Findings) > 0 {
		f := d.Log.Findings[0]
		v.Line, v.Text = &f.Line, f.Text
	}
	v.place(d)
}

// place finds the failing action in the pipeline: the one that the judgement names, else the innermost that failed.
// Of several that match the last that failed counts, as retries come one after the other.
func (v *verdictPanel) place(d *jobData) {
	if v.Tone == "good" || v.Tone == "off" && v.Action == "" {
		return
	}
	var found *stretch
	for i := range d.Log.Sections {
		s := &d.Log.Sections[i]
		switch {
		case s.Kind != "action":
		case v.Action != "" && (s.Name == v.Action || s.Level+" "+s.Name == v.Action):
			if found == nil || s.Result == "fail" {
				found = s
			}
		case v.Action == "" && s.Result == "fail" && (found == nil || s.Depth >= found.Depth):
			found = s
		}
	}
	if found != nil {
		v.Action = strings.TrimSpace(found.Level + " " + found.Name)
		v.ActionAt = &found.Start
	}
}

// tests names the test cases that failed, of a job whose pipeline went through.
// Where an action failed, cases failed by it, and naming them would lead away from it.
func (v *verdictPanel) tests(d *jobData) {
	// Further ones are a click away, under Results.
	const most = 3 // the panel has to stay in the first view
	if v.Action != "" {
		return
	}
	for _, s := range d.Suites {
		for _, c := range s.Cases {
			if s.Name != "lava" && c.Result == events.Fail && len(v.Failed) < most {
				v.Failed = append(v.Failed, c)
			}
		}
	}
	if v.Error == "" {
		v.Error = strconv.Itoa(d.Counts.Fail) + " of " + plural(d.Counts.All(), "test case") + " failed"
	}
}

// quote reads the evidence line from the log, where the answer had no text of it.
// levels is an empty list and not left out: all levels are wanted, whatever the viewer was told last.
func (v *verdictPanel) quote(q *request, job events.JobID) {
	if v.Line == nil || v.Text != "" {
		return
	}
	lines, err := asked[struct {
		Records []struct {
			N   uint64 `json:"n"`
			Msg any    `json:"msg"`
		} `json:"records"`
	}](q, "log.lines", map[string]any{"job": job, "row": *v.Line, "count": 1, "levels": []string{}})
	if err != nil {
		return
	}
	for _, r := range lines.Records {
		if text, ok := r.Msg.(string); ok && r.N == *v.Line {
			v.Text = text
		}
	}
}

// changed lists what changed since the comparable job before.
// What got worse stands first; a link behind them leads to the page that compares.
func (v *verdictPanel) changed(n events.ChangeCounts) {
	for _, c := range []struct {
		n               int
		one, many, tone string
	}{
		{n.Regressions, "regression", "regressions", "bad"}, {n.FirstFailed, "case fails for the first time", "cases fail for the first time", "bad"},
		{n.StillFailing, "case still fails", "cases still fail", "off"}, {n.Flaky, "flaky case", "flaky cases", "warn"},
		{n.Fixes, "fix", "fixes", "good"}, {n.Shifts, "shifted measurement", "shifted measurements", "warn"},
	} {
		switch {
		case c.n == 1:
			v.Changes = append(v.Changes, changeCount{1, c.one, c.tone})
		case c.n > 1:
			v.Changes = append(v.Changes, changeCount{c.n, c.many, c.tone})
		}
	}
}

// issues names the known issues that show.
// An issue that was forgotten since keeps its number here: the judgement is a fact and stays.
func (v *verdictPanel) issues(q *request, matches []events.IssueMatch) {
	known, err := asked[[]events.KnownIssueAdded](q, "issues.list", nil)
	if err != nil {
		return
	}
	for _, m := range matches {
		shown := issueShown{Number: m.Issue, Title: "known issue", Line: m.Line}
		for _, k := range known {
			if k.Issue == m.Issue {
				shown.Title, shown.URL = k.Title, k.URL
			}
		}
		v.Issues = append(v.Issues, shown)
	}
}

// verdictWords says a verdict for people: a head, who has to act, and its tone.
// Tones: bad is the job's own fault, warn the lab's, so that the two are told apart in a list at a glance.
// Who is "" where nobody has to act.
func verdictWords(v events.Verdict, c events.Cause) (head, who, tone string) {
	switch v {
	case events.VerdictPass:
		return "Passed", "", "good"
	case events.VerdictCanceled:
		return "Canceled", "", "off"
	case events.VerdictInfra:
		return "Failed: " + causeWords(c), "the lab is to blame, not what was tested", "warn"
	}
	return "Failed: " + causeWords(c), "what was tested is to blame, not the lab", "bad"
}

// classOf is the class of error that a verdict amounts to, where the dispatcher named none.
// They are LAVA's kinds of error, by which its users have learned to ask who is to blame.
func classOf(v events.Verdict, c events.Cause) string {
	switch {
	case v == events.VerdictInfra && c == events.CauseSettings:
		return string(events.ConfigurationError)
	case v == events.VerdictInfra:
		return string(events.InfrastructureError)
	case v == events.VerdictTest && (c == events.CauseTestFailed || c == events.CauseTestRun || c == events.CauseTestTimeout):
		return string(events.TestError)
	case v == events.VerdictTest:
		return string(events.JobError)
	}
	return ""
}

// causeWords is a cause as people say it.
// A cause that a later release adds is shown by its own word until it has one here.
func causeWords(c events.Cause) string {
	words := map[events.Cause]string{
		events.CauseTestFailed: "a test failed", events.CauseTestTimeout: "a test did not end in time", events.CauseTestRun: "a test could not be run",
		events.CausePanic: "kernel panic", events.CauseOops: "kernel oops", events.CauseBug: "kernel bug", events.CauseLockup: "kernel lockup",
		events.CauseHungTask: "hung task in the kernel", events.CauseMemory: "out of memory", events.CauseSanitizer: "a kernel sanitizer's report",
		events.CauseWarning: "kernel warning", events.CauseFirmware: "firmware fault", events.CauseRootfs: "no root file system",
		events.CauseImage: "the boot loader refused an image", events.CauseCommand: "the boot loader refused a command",
		events.CauseReset: "the device started again by itself", events.CauseHang: "the device hangs", events.CauseLogin: "nobody could log in",
		events.CauseDefinition: "the definition or its artefacts cannot be used", events.CauseDownload: "artefacts could not be fetched",
		events.CauseNetwork: "the device found no network", events.CauseConsole: "the console broke off", events.CauseNoise: "the console lost characters",
		events.CauseSilent: "the device said nothing", events.CausePower: "power could not be switched", events.CauseLoader: "the device did not get past its firmware",
		events.CauseHardware: "the device reports a hardware fault", events.CauseHost: "the worker failed", events.CauseLost: "the worker was lost",
		events.CauseSettings: "the lab's settings are wrong", events.CauseStrata: "a fault of Strata", events.CauseGroup: "another job of the group failed",
	}[c]
	if words == "" {
		return string(c)
	}
	return words
}

// waitPanel is what stands first on the page of a job that waits.
// Place counts from 1 among the jobs that ask for the same devices; Over says what a job does that no longer waits.
type waitPanel struct {
	Summary  string   `json:"summary"`
	Place    int      `json:"place"`
	Capped   string   `json:"capped"`
	Behind   []string `json:"behind"`
	Devices  []string `json:"devices"`
	Over     string   `json:"over"`
	Estimate struct {
		Known    bool   `json:"known"`
		Earliest string `json:"earliest"`
		Likely   string `json:"likely"`
		Latest   string `json:"latest"`
		Basis    int    `json:"basis"`
	} `json:"estimate"`
	When estimate `json:"-"`
}

// waiting says why a job waits, and how long it may.
// Without an answer the sentence of jobs.show stands in its place: it is shorter, and there.
func waiting(q *request, j shownJob) *waitPanel {
	w, err := asked[waitPanel](q, "jobs.why", map[string]any{"job": j.Job})
	if err != nil {
		w.Summary = j.Why
	}
	if w.Summary == "" {
		w.Summary = j.Why
	}
	if w.Summary == "" {
		w.Summary = "it has got its device and is about to start"
	}
	w.When = readEstimate(w.Estimate.Earliest, w.Estimate.Likely, w.Estimate.Latest)
	return &w
}

// problemsShown is what the list of a refusal's problems has beside the error above it: of the one that is the error
// only where it is, and no path that stands in LAVA's words already.
func problemsShown(all []events.Problem, above string) []events.Problem {
	shown := slices.Clone(all)
	for i := range shown {
		p := &shown[i]
		if p.Path != "" && strings.Contains(p.Message, p.Path) {
			p.Path = ""
		}
		if p.Message == above && p.Line > 0 {
			p.Message = ""
		}
	}
	return shown
}
