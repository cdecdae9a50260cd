package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// jlink writes a microcontroller's flash with SEGGER's J-Link Commander.
//
// The console is connected before the flash is written: the program starts by itself at the end of
// the script, and boards without an operating system say what they have to say within milliseconds.
// Several probes on one worker are told apart by the serial number, board_id.
func jlink(pipeline.Data) pipeline.Action {
	return retried("boot-jlink-image", "write the images with a J-Link probe",
		func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			return append(probeReset(s), connect{}, flashJLink())
		})
}

// probeReset returns what makes a debug probe start afresh: nothing where its power is not switched.
func probeReset(s *pipeline.Session) []pipeline.Action {
	if !switched(s) {
		return nil
	}
	return []pipeline.Action{reset(), usb.WaitBoard()}
}

// flashJLink is flash-jlink.
func flashJLink() pipeline.Action {
	return pipeline.Basic{Title: "flash-jlink", About: "write the images with J-Link Commander",
		Check: func(_ context.Context, s *pipeline.Session) error {
			needsBoardID(s)
			p := parametersOf(s, "jlink")
			if core := s.Block().Get("coretype"); !core.IsNull() {
				if known := p.Get("supported_core_types").Texts(); !slices.Contains(known, core.Text()) {
					s.Invalid("[FLASH-JLINK] Invalid coretype %s: the device has %s", core.Text(), pipeline.ReprList(known))
				}
			}
			if p.Get("command").Text() == "" {
				return pipeline.Blamef(pipeline.Configuration, "the device's boot method jlink has no parameters.command")
			}
			return tool(p.Get("command").Text())
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			script, err := jlinkScript(s)
			if err != nil {
				return err
			}
			dir, err := s.Dir()
			if err != nil {
				return err
			}
			file := filepath.Join(dir, "cmd.jlink")
			if err := os.WriteFile(file, []byte(strings.Join(script, "\n")+"\n"), 0o644); err != nil {
				return pipeline.Blamef(pipeline.Infrastructure, "write the J-Link script: %w", err)
			}
			for _, line := range script {
				s.Log.Debug("- %s", line)
			}
			return s.Command(ctx, jlinkCommand(s, file)...)
		}}
}

// jlinkCommand returns the command line.
func jlinkCommand(s *pipeline.Session, script string) []string {
	p := parametersOf(s, "jlink")
	argv := []string{p.Get("command").Text()}
	for _, option := range p.Get("options").Texts() {
		argv = append(argv, strings.Fields(option)...)
	}
	processor := p.Get("processor").Text()
	if core := s.Block().Get("coretype").Text(); core != "" {
		processor += "_" + core
	}
	return append(argv, "-device", processor, "-autoconnect", "1", "-SelectEmuBySN", s.Device.Get("board_id").Text(),
		"-NoGui", "1", "-ExitOnError", "1", "-CommanderScript", script)
}

// jlinkScript returns the lines for J-Link Commander: reset, halt, erase, write, reset.
func jlinkScript(s *pipeline.Session) ([]string, error) {
	p, images := parametersOf(s, "jlink"), downloads(s)
	if len(images) == 0 {
		return nil, pipeline.Blamef(pipeline.Job, "there is nothing to write: no image was deployed")
	}
	script := []string{"r", "h", "sleep 500"}
	script = append(script, p.Get("erase_command").Texts()...)
	if commands := s.Block().Get("commands").Texts(); len(commands) > 0 {
		for _, line := range commands {
			script = append(script, named(line, images, false))
		}
	} else {
		address := p.Get("address")
		at := address.Text()
		if address.Kind() == pipeline.Int {
			at = fmt.Sprintf("0x%x", address.Int(0))
		}
		for _, image := range images {
			script = append(script, fmt.Sprintf("loadfile %s %s", image.Path, at), fmt.Sprintf("verifybin %s %s", image.Path, at))
		}
	}
	return append(append(script, p.Get("reset_command").Texts()...), "qc"), nil
}
