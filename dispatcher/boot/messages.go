package boot

import (
	"context"
	"errors"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// report is a kind of message with which a kernel speaks of its own state, or a sign that the
// device has started again.
type report struct {
	start, end string // patterns
	kind       string // "" where the text decides
	fatal      bool   // nothing works after it
}

// reports lists the kernel's reports in the order in which they are tried at equal positions. The
// patterns and their kinds are a contract: kinds show in results.
func reports() []report {
	return []report{
		{`-\[ cut here \]`, `-+\[ end trace \w* \]-+[^\n]*\r`, "", false},
		{`Unhandled fault`, `\r`, "fault", false},
		{`BUG: KCSAN:`, `=+\r`, "kcsan", false},
		{`BUG: KASAN:`, `=+\r`, "kasan", false},
		{`BUG: KFENCE:`, `=+\r`, "kfence", false},
		{`Oops(?: -|:)`, `\r`, "oops", false},
		{`WARNING:`, `end trace[^\r]*\r`, "warning", false},
		{`(kernel BUG at|BUG:)`, `\r`, "bug", false},
		{`invalid opcode:`, `\r`, "invalid opcode", false},
		{panicStart, `end Kernel panic[^\r]*\r`, "panic", true},
		{`U-Boot SPL 20[0-9][0-9]`, `\r`, "DUT_has_reset", true},
	}
}

const panicStart = "Kernel panic - not syncing"

// kindOf names a "cut here" report by its text.
func kindOf(text string) string {
	switch {
	case strings.Contains(text, "Oops"):
		return "oops"
	case strings.Contains(text, "BUG"):
		return "bug"
	case strings.Contains(text, "WARNING"):
		return "warning"
	}
	return "unknown"
}

// finding is a report that was seen.
type finding struct{ kind, message string }

// outcome is where watching the kernel ended.
type outcome struct {
	findings []finding
	match    string // the pattern that ended it: a prompt, "" for a fatal report
	stopped  error  // why the boot cannot go on: a fatal report or the job's failure message
}

// maxFindings is how many reports a result lists: so many fit in a record. The log has all of them,
// and a kernel that reports without end must not fill the memory of the job.
const maxFindings = 200

// watch waits for one of the prompts and notes the kernel's reports on the way. failure is the
// job's own pattern for a boot that failed, "" for none.
func watch(ctx context.Context, s *pipeline.Session, c *connection.Connection, prompts []string, failure string) (outcome, error) {
	table := reports()
	var patterns []string
	for _, r := range table {
		patterns = append(patterns, r.start)
	}
	patterns = append(patterns, prompts...)
	// What the table lacks is named in the log only: results are what clients know.
	c.Watch = func(line string) {
		if f, ok := output.FindingIn(line); ok && !f.Listed {
			s.Log.Warning("%s kernel '%s': %s", s.Step.Name(), f.Kind, f.Text)
		}
	}
	defer func() { c.Watch = nil }()
	var out outcome
	for {
		s.Log.Debug("[%s] Waiting for messages, (timeout %s)", s.Step.Name(), pipeline.Clock(s.Remaining(ctx).Round(time.Second)))
		m, err := s.ExpectForced(ctx, c, patterns)
		if err != nil {
			return out, err
		}
		s.Log.Debug("Matched prompt #%d: %s", m.Index, patterns[m.Index])
		if m.Index >= len(table) {
			out.match = patterns[m.Index]
			if failure != "" && out.match == failure {
				out.findings = append(out.findings, finding{"custom-error", m.Text})
				out.stopped = pipeline.Blamef(pipeline.Job, "Matched job-specific failure message: '%s'", m.Text)
			}
			return out, nil
		}
		f, ended, prompt, err := capture(ctx, s, c, table[m.Index], m, prompts)
		if err != nil {
			return out, err
		}
		if prompt != "" {
			s.Log.Warning("%s: a prompt came in the middle of a kernel message", s.Step.Name())
			out.match = prompt
			return out, nil
		}
		if len(out.findings) < maxFindings || table[m.Index].fatal {
			out.findings = append(out.findings, f)
		}
		if table[m.Index].fatal {
			s.Log.Error("%s kernel '%s'", s.Step.Name(), f.kind)
			text := f.message
			if !ended {
				text = m.Text // what users of LAVA look for where the report has no end
			}
			out.stopped = pipeline.Blame(pipeline.Job, errors.New(text))
			return out, nil
		}
		s.Log.Warning("%s kernel '%s'", s.Step.Name(), f.kind)
	}
}

// capture reads a report to its end, and says whether it came. It returns the prompt that came
// instead, if one did. The end of a fatal report may never come, because the device hangs or has reset: then what
// is known is enough after the connection timeout.
func capture(ctx context.Context, s *pipeline.Session, c *connection.Connection, r report, start connection.Match, prompts []string) (f finding, ended bool, prompt string, err error) {
	line := start.Before[strings.LastIndexByte(start.Before, '\n')+1:]
	patterns := append([]string{r.end}, prompts...)
	s.Log.Debug("Setting prompt string to %s", pipeline.ReprList(patterns))
	limited := ctx
	if r.fatal {
		patterns = append(patterns, restarts(s)...)
		limit := min(s.Step.Connection, s.Remaining(ctx)*9/10)
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	m, err := s.Expect(limited, c, patterns)
	switch {
	case err == nil && m.Index > 0 && r.fatal: // the device has started again meanwhile
		first, _, _ := strings.Cut(m.Before, "\r")
		f = finding{r.kind, line + start.Text + first}
	case err == nil && m.Index > 0:
		return f, false, patterns[m.Index], nil
	case err == nil:
		ended = true
		f = finding{r.kind, line + start.Text + m.Before + strings.TrimSuffix(m.Text, "\r")}
	case r.fatal && ctx.Err() == nil && (limited.Err() != nil || errors.Is(err, connection.ErrClosed)):
		f = finding{r.kind, line + start.Text + restOfLine(c)}
	default:
		return f, false, "", err
	}
	if f.kind == "" {
		f.kind = kindOf(f.message)
	}
	return f, ended, "", nil
}

// restarts returns what shows that a device has started again: its boot loader's countdown, or a
// kernel's first line. A kernel that resets at once after a panic never prints the end of its report.
func restarts(s *pipeline.Session) (patterns []string) {
	constants := s.Device.Get("constants")
	for _, sign := range []pipeline.Data{constants.Get(s.Block().Get("method").Text(), "interrupt-prompt"), constants.Get("kernel-start-message")} {
		if text := sign.Text(); text != "" {
			patterns = append(patterns, text)
		}
	}
	return patterns
}

// restOfLine returns what has come of the line in which a report began.
func restOfLine(c *connection.Connection) string {
	now, cancel := context.WithCancel(context.Background())
	cancel() // what is there is searched first
	m, err := c.ExpectText(now, `[^\r\n]+`)
	if err != nil || m.Before != "" {
		return ""
	}
	return m.Text
}

// asFields returns findings as results have them.
func asFields(findings []finding) []output.Fields {
	out := make([]output.Fields, len(findings))
	for i, f := range findings {
		out[i] = output.Fields{{Key: "kind", Value: f.kind}, {Key: "message", Value: f.message}}
	}
	return out
}
