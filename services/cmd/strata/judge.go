package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
	judging "strata/services/judgement/verdict"
)

// judgedFile is what `strata judge --json` prints of a file.
// A line of output a file.
type judgedFile struct {
	File     string         `json:"file"`
	Kind     string         `json:"kind"` // console or log
	Verdict  events.Verdict `json:"verdict"`
	Cause    events.Cause   `json:"cause"`
	Line     uint64         `json:"line"` // of the file, from 1; 0 where no line shows it
	Text     string         `json:"text"`
	Action   string         `json:"action,omitempty"`
	Findings []judgedLine   `json:"findings,omitempty"`
	Next     string         `json:"next,omitempty"`
	Rules    int            `json:"rules"`
}

type judgedLine struct {
	Line uint64       `json:"line"`
	Kind events.Cause `json:"kind"`
	Text string       `json:"text"`
}

// The status is 0 for any verdict; 1 for a file that cannot be read, at which it stops.
func (a *app) judgeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "judge FILE…",
		Short: "Say who has to act on a log or a recorded console",
		Long: `Judge a job's log (JSON lines of "strata logs --json" or "strata run --json", or LAVA's log as YAML) or
what a console printed, without a lab: whether what was tested is to blame or the lab, by which line of the
file, and what to do next. Lines count from 1. It is how the lab judges its own jobs; docs/judgement.md has the rules.`,
		Example:           "  strata judge console.log\n  strata judge lava-job.yaml --json | jq -r '.verdict, .line'",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: file,
		RunE: func(_ *cobra.Command, args []string) error {
			for _, name := range args {
				j, err := judgeFile(name)
				if err != nil {
					return err
				}
				if a.json {
					if err := a.printJSON(j); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(a.out, "%s: %s\n", name, a.paint(a.out, verdictColour(j.Verdict), verdictPhrase(j.Verdict, j.Cause)))
				if j.Line > 0 {
					fmt.Fprintf(a.out, "  line %d: %s\n", j.Line, plain(j.Text))
				}
				if j.Next != "" {
					fmt.Fprintf(a.out, "  next: %s\n", j.Next)
				}
			}
			return nil
		},
	}
}

// judgeFile judges a file, and reads it again for the lines that tell why.
// Read twice, since only the end says which lines tell why, and a console may have millions.
func judgeFile(name string) (judgedFile, error) {
	in, err := os.Open(name)
	if err != nil {
		return judgedFile{}, err
	}
	defer in.Close()
	s, console, err := judging.Read(in)
	if err != nil {
		return judgedFile{}, fmt.Errorf("%s: %w", name, err)
	}
	o, _ := s.Outcome()
	j := s.Decide(o)
	out := judgedFile{File: name, Kind: "log", Verdict: j.Verdict(), Cause: j.Cause, Action: j.Action, Next: j.Cause.Next(), Rules: judging.Rules}
	if console {
		out.Kind = "console"
	}
	wanted := map[uint64]string{}
	if j.Evidence != nil {
		// Judging counts lines from 0, as logs do; editors count from 1.
		out.Line = *j.Evidence + 1
		wanted[out.Line] = ""
	}
	for _, f := range j.Findings {
		out.Findings = append(out.Findings, judgedLine{Line: f.Line + 1, Kind: f.Kind})
		wanted[f.Line+1] = ""
	}
	if err := linesOf(name, wanted); err != nil {
		return judgedFile{}, err
	}
	out.Text = wanted[out.Line]
	for i := range out.Findings {
		out.Findings[i].Text = wanted[out.Findings[i].Line]
	}
	return out, nil
}

// linesOf fills in the texts of lines of a file, from 1.
// Bytes that are no UTF-8 are shown as U+FFFD: consoles have them, and JSON does not take them.
func linesOf(name string, wanted map[uint64]string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	// A console that never sends a newline is one line; longer ones are an error.
	lines.Buffer(nil, 64<<20)
	for n := uint64(1); lines.Scan(); n++ {
		if _, ok := wanted[n]; ok {
			wanted[n] = strings.TrimSpace(strings.ToValidUTF8(lines.Text(), "\ufffd"))
		}
	}
	return lines.Err()
}

// verdictPhrase says a verdict as people do.
// A canceled job has a cause too, which says nothing to the one who canceled it.
func verdictPhrase(v events.Verdict, c events.Cause) string {
	who := map[events.Verdict]string{events.VerdictPass: "all is well", events.VerdictTest: "what was tested", events.VerdictInfra: "the lab", events.VerdictCanceled: "canceled"}[v]
	if c == "" || v == events.VerdictCanceled {
		return string(v) + " (" + who + ")"
	}
	return fmt.Sprintf("%s (%s): %s", v, who, c)
}

func verdictColour(v events.Verdict) string {
	if v == events.VerdictPass {
		return healthColour(string(events.Complete))
	}
	return healthColour(string(events.Incomplete))
}

// printJudgement adds what a job's end means to what is known of it.
func (a *app) printJudgement(j *api.Judgement, line func(name, value string)) {
	if j == nil {
		return
	}
	line("verdict", a.paint(a.out, verdictColour(j.Verdict), verdictPhrase(j.Verdict, j.Cause)))
	if j.Evidence != nil {
		line("evidence", strings.TrimSuffix(fmt.Sprintf("line %d: %s", *j.Evidence, plain(j.Text)), ": "))
	}
	line("next", j.Next)
	var parts []string
	for _, n := range []struct {
		count int
		what  string
	}{{j.Counts.Regressions, "regressions"}, {j.Counts.Fixes, "fixes"}, {j.Counts.Flaky, "flaky"}, {j.Counts.Shifts, "shifted measurements"},
		{j.Counts.StillFailing, "still failing"}, {j.Counts.FirstFailed, "failed at their first run"}} {
		if n.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	if len(parts) > 0 {
		changes := strings.Join(parts, ", ")
		if j.Baseline != 0 { // the first of its kind has nothing before it
			changes += fmt.Sprintf(", since job %d", j.Baseline)
		}
		line("changes", changes)
	}
	for i, c := range j.Changes {
		if i == maxShownChanges {
			line("", fmt.Sprintf("… and %d more (--json has them)", len(j.Changes)-i))
			break
		}
		line(string(c.Change), changePhrase(c))
	}
	for _, i := range j.Issues {
		text := fmt.Sprintf("%d", i.Issue)
		if i.Line != nil {
			text += fmt.Sprintf(", line %d", *i.Line)
		}
		if i.Cases > 0 {
			text += fmt.Sprintf(", %d failed cases", i.Cases)
		}
		line("known issue", text)
	}
	if j.HistoryAway {
		line("changes", "nothing was compared: ClickHouse was away")
	}
}

// maxShownChanges bounds what `strata show` lists.
const maxShownChanges = 20

func changePhrase(c events.CaseChange) string {
	name := caseText(c.Suite, c.Set, c.Name)
	switch c.Change {
	case events.ShiftedUp, events.ShiftedDown:
		return fmt.Sprintf("%s from %.4g to %.4g since job %d", name, c.Before, c.After, c.Since)
	case events.Flaky:
		return fmt.Sprintf("%s (score %.2f)", name, c.Score)
	}
	if c.Since == 0 {
		return name
	}
	return fmt.Sprintf("%s since job %d", name, c.Since)
}

// caseText writes the name of a case with its suite and set.
func caseText(suite, set, name string) string {
	if set != "" {
		return suite + "/" + set + "/" + name
	}
	return suite + "/" + name
}
