package boot

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// schroot enters a chroot on a system that the job is logged in to.
//
// The name stands in a command line of the device's shell, so it is held to the dictionary's list and
// to characters that mean nothing to a shell.
func schroot(pipeline.Data) pipeline.Action {
	entry := func(s *pipeline.Session) pipeline.Data {
		return s.Device.Get("actions", "boot", "methods", "schroot")
	}
	return pipeline.Basic{Title: "schroot-login", About: "enter a chroot of the device",
		Check: func(_ context.Context, s *pipeline.Session) error {
			name := s.Block().Get("schroot").Text()
			switch known := entry(s).Get("name").Texts(); {
			case name == "":
				s.Invalid("'schroot' is missing: the name of the chroot to enter")
			case len(known) > 0 && !slices.Contains(known, name):
				s.Invalid("%s is not one of the device's schroots: %s", python.Quote(name), pipeline.ReprList(known))
			case strings.ContainsAny(name, " \t\n;&|`$<>'\"\\"):
				s.Invalid("%s is no name of a schroot", python.Quote(name))
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c, err := console(s)
			if err != nil {
				return err
			}
			name := s.Block().Get("schroot").Text()
			command := entry(s).Get("command").TextOr("schroot -c")
			s.Log.Info("Logging into %s schroot", name)
			s.SetPrompts(c, []string{`\(` + regexp.QuoteMeta(name) + `\)`})
			if err := s.SendLine(ctx, c, command+" "+name); err != nil {
				return err
			}
			_, err = s.Wait(ctx, c)
			return err
		}}
}
