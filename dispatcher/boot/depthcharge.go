package boot

import (
	"context"
	"os"
	"path"
	"path/filepath"

	"strata/dispatcher/pipeline"
)

// depthcharge boots a Chromebook with commands typed at depthcharge, its boot loader.
func depthcharge(block pipeline.Data) pipeline.Action {
	l := of(block)
	return group("depthcharge-action", "boot with depthcharge",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{
				&depthchargeOverlay{loaderOverlay{loader: l}},
				retried("depthcharge-retry", "reset the device, type the commands and log in",
					func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
						actions := []pipeline.Action{resetConnection(), reset(), depthchargeStart(), &loaderCommands{loader: l}}
						return append(actions, tail(step, s)...)
					}),
			}
		})
}

// depthchargeOverlay is depthcharge-overlay: bootloader-overlay, and the kernel's arguments in a
// file that depthcharge fetches.
type depthchargeOverlay struct{ loaderOverlay }

// Name returns the action's name.
func (*depthchargeOverlay) Name() string { return "depthcharge-overlay" }

// Run writes the arguments and fills in the commands.
func (a *depthchargeOverlay) Run(_ context.Context, s *pipeline.Session) error {
	lines, err := a.commands(s)
	if err != nil {
		return err
	}
	table, err := a.table(s)
	if err != nil {
		return err
	}
	kernel := served(s, pipeline.Served("kernel"))
	arguments := ""
	if set := s.Block().Get("commands"); set.Kind() == pipeline.Text {
		arguments = a.loader.entry(s).Get(set.Text(), "cmdline").Text()
	}
	if extra := s.Block().Get("extra_kernel_args").Text(); extra != "" {
		arguments += " " + extra
	}
	if kernel != "" {
		file, err := a.writeArguments(s, table, arguments)
		if err != nil {
			return err
		}
		table.set("{CMDLINE}", path.Join(path.Dir(kernel), filepath.Base(file)))
	}
	fit := served(s, pipeline.FITImage)
	table.set("{DEPTHCHARGE_KERNEL}", first(fit, kernel))
	ramdisk := served(s, pipeline.PreparedRamdisk, pipeline.Served("ramdisk"))
	if fit != "" {
		ramdisk = "" // it is in the FIT image
	}
	// No ramdisk is no reason to leave the line out, unlike elsewhere.
	lines = substitutions{pairs: []pipeline.Pair{{Key: "{DEPTHCHARGE_RAMDISK}", Value: pipeline.Of(ramdisk)}}}.always(lines)
	return a.finish(s, table, lines)
}

// writeArguments writes the kernel's arguments beside the kernel.
func (a *depthchargeOverlay) writeArguments(s *pipeline.Session, table substitutions, text string) (string, error) {
	kernel, ok := pipeline.Get(s, pipeline.Artefact("kernel"))
	if !ok {
		return "", pipeline.Blamef(pipeline.Job, "there is no kernel: deploy one with 'to: tftp'")
	}
	file := filepath.Join(filepath.Dir(kernel), "cmdline")
	text = table.replace([]string{text})[0]
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return "", pipeline.Blamef(pipeline.Infrastructure, "write the kernel's arguments: %w", err)
	}
	s.Log.Debug("Kernel arguments: %s", text)
	return file, pipeline.PublicFile(file)
}

// depthchargeStart is depthcharge-start: it waits until the loader runs.
func depthchargeStart() pipeline.Action {
	const method = "depthcharge"
	return pipeline.Basic{Title: "depthcharge-start", About: "wait for depthcharge", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			if parametersOf(s, method).Get("bootloader_prompt").Text() == "" {
				s.Invalid("Missing bootloader prompt for device")
			}
			if parametersOf(s, method).Get("start_message").Text() == "" {
				s.Invalid("Missing Depthcharge start message for device")
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c, err := console(s)
			if err != nil {
				return err
			}
			pipeline.Put(s, atPrompt, false)
			s.SetPrompts(c, []string{parametersOf(s, method).Get("start_message").Text()})
			_, err = s.Wait(ctx, c)
			return err
		}}
}
