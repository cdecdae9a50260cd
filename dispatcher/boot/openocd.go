package boot

import (
	"context"

	"strata/dispatcher/pipeline"
)

// openocd writes a microcontroller's flash with OpenOCD.
//
// One call per image, since the dictionary's commands speak of one {BINARY}. The dictionary says which probe by board_selection_cmd, since
// each kind of probe has a command of its own for that.
func openocd(pipeline.Data) pipeline.Action {
	return retried("boot-openocd-image", "write the images with OpenOCD",
		func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			return append(probeReset(s), connect{}, flashOpenOCD())
		})
}

// flashOpenOCD is flash-openocd.
func flashOpenOCD() pipeline.Action {
	return pipeline.Basic{Title: "flash-openocd", About: "write the images with OpenOCD",
		Check: func(_ context.Context, s *pipeline.Session) error {
			needsBoardID(s)
			command := parametersOf(s, "openocd").Get("command").Text()
			if command == "" {
				return pipeline.Blamef(pipeline.Configuration, "the device's boot method openocd has no parameters.command")
			}
			return tool(command)
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			commands, err := openocdCommands(s)
			if err != nil {
				return err
			}
			for _, argv := range commands {
				if err := s.Command(ctx, argv...); err != nil {
					return err
				}
			}
			return nil
		}}
}

// openocdCommands returns a command line for each image. A download called openocd_script is the
// configuration file and not written.
func openocdCommands(s *pipeline.Session) ([][]string, error) {
	p := parametersOf(s, "openocd")
	options := p.Get("options")
	argv := []string{p.Get("command").Text()}
	if level := options.Get("debug"); !level.IsNull() {
		argv = append(argv, "--debug="+level.Text())
	}
	for _, dir := range options.Get("search").Texts() {
		argv = append(argv, "--search", dir)
	}
	script, scripted := pipeline.Get(s, pipeline.Artefact("openocd_script"))
	if scripted {
		argv = append(argv, "--file", script)
	} else {
		for _, file := range options.Get("file").Texts() {
			argv = append(argv, "--file", file)
		}
	}
	if which := s.Device.Get("actions", "boot", "methods", "openocd", "board_selection_cmd").Text(); which != "" {
		argv = append(argv, "--command", which)
	}
	var out [][]string
	for _, image := range downloads(s) {
		if image.Label == "openocd_script" {
			continue
		}
		own := append([]string(nil), argv...)
		for _, line := range options.Get("command").Texts() {
			own = append(own, "--command", named(line, []pipeline.Image{{Label: "BINARY", Path: image.Path}}, false))
		}
		out = append(out, own)
	}
	if len(out) == 0 {
		return nil, pipeline.Blamef(pipeline.Job, "No OpenOCD command to execute: no image was deployed")
	}
	return out, nil
}
