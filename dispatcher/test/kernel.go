package test

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// maxFindings is how many reports of a kernel a test notes; the console has all of them.
const maxFindings = 200

// again is what a device prints that starts once more.
var again = regexp.MustCompile(`U-Boot SPL 20\d\d|U-Boot 20\d\d|Linux version \d`)

// watched runs a test's listening and notes what the kernel of the device says of itself meanwhile: in
// the log after the line in question, and in the result of a test that failed. That a kernel has
// panicked ends no test: some are made to do that, and wait for what comes then. But where the console
// is closed after it, the machine has gone with its kernel, and the lab is not to blame.
func watched(ctx context.Context, s *pipeline.Session, c *connection.Connection, listen func(context.Context) error) error {
	var seen []output.Finding
	c.Watch = func(line string) {
		f, ok := output.FindingIn(line)
		if !ok {
			if !strings.Contains(line, "U-Boot ") && !strings.Contains(line, "Linux version ") || !again.MatchString(line) {
				return
			}
			f = output.Finding{Kind: "DUT_has_reset", Text: again.FindString(line)}
		}
		if len(seen) >= maxFindings && !f.Fatal {
			return
		}
		seen = append(seen, f)
		if f.Fatal {
			s.Log.Error("%s kernel '%s': %s", s.Step.Name(), f.Kind, f.Text)
		} else {
			s.Log.Warning("%s kernel '%s': %s", s.Step.Name(), f.Kind, f.Text)
		}
	}
	defer func() { c.Watch = nil }()
	err := listen(ctx)
	if err == nil || len(seen) == 0 {
		return err
	}
	list := make([]output.Fields, len(seen))
	for i, f := range seen {
		list[i] = output.Fields{{Key: "kind", Value: f.Kind}, {Key: "message", Value: f.Text}}
		if f.Fatal && errors.Is(err, connection.ErrClosed) {
			err = pipeline.Blamef(pipeline.Job, "%w after: %s", connection.ErrClosed, f.Text)
		}
	}
	s.Result("extra", list)
	return err
}
