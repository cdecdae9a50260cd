package boot

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// commandsKey names the lines to type at the loader.
func (l loader) commandsKey() pipeline.Key[[]string] {
	return pipeline.Key[[]string]("bootloader-overlay/" + l.method + "/commands")
}

// loaderOverlay is bootloader-overlay: it fills the names and addresses of what was deployed into
// the commands for the boot loader.
type loaderOverlay struct {
	loader loader
	// literal, if set, are the commands, whatever the block and the device's method have.
	literal func(s *pipeline.Session) []string
	// blockOnly ignores the device's sets of commands: the block has a list or nothing.
	blockOnly bool
}

// Name returns the action's name.
func (*loaderOverlay) Name() string { return "bootloader-overlay" }

// Description says what the action does.
func (*loaderOverlay) Description() string { return "fill in the commands for the boot loader" }

// Validate checks that the commands can be found.
func (a *loaderOverlay) Validate(_ context.Context, s *pipeline.Session) error {
	if a.literal != nil {
		return nil
	}
	if !a.blockOnly && a.loader.entry(s).Kind() != pipeline.Mapping {
		s.Invalid("%s is not a method of the device configuration", a.loader.method)
		return nil
	}
	_, err := a.commands(s)
	return err
}

// commands returns the lines as they are written, placeholders and all.
func (a *loaderOverlay) commands(s *pipeline.Session) ([]string, error) {
	if a.literal != nil {
		return a.literal(s), nil
	}
	commands := s.Block().Get("commands")
	if a.blockOnly || commands.Kind() == pipeline.List {
		return commands.Texts(), nil
	}
	set, ok := a.loader.entry(s).Lookup(commands.Text())
	if !ok {
		return nil, pipeline.Blamef(pipeline.Job, "Command '%s' not found in supported methods of '%s'", commands.Text(), a.loader.method)
	}
	lines := set.Get("commands")
	if lines.Kind() != pipeline.List {
		return nil, pipeline.Blamef(pipeline.Configuration, "the set '%s' of method '%s' has no list of commands", commands.Text(), a.loader.method)
	}
	return lines.Texts(), nil
}

// Run fills in the commands and leaves them for bootloader-commands.
func (a *loaderOverlay) Run(_ context.Context, s *pipeline.Session) error {
	lines, err := a.commands(s)
	if err != nil {
		return err
	}
	if s.Block().Get("commands").Kind() == pipeline.List && a.literal == nil {
		s.Log.Warning("Using boot commands supplied in the job definition, NOT the LAVA device configuration")
	}
	table, err := a.table(s)
	if err != nil {
		return err
	}
	return a.finish(s, table, lines)
}

// finish fills lines in and leaves them.
func (a *loaderOverlay) finish(s *pipeline.Session, table substitutions, lines []string) error {
	scripted := s.Block().Get("use_bootscript")
	if scripted.IsNull() {
		scripted = a.loader.parameters(s).Get("use_bootscript")
	}
	if scripted.True() {
		var err error
		if lines, err = a.script(s, table, lines); err != nil {
			return err
		}
	} else {
		lines = table.fill(lines)
	}
	s.Log.Info("Parsed boot commands:")
	for _, line := range lines {
		s.Log.Info("- %s", line)
	}
	pipeline.Put(s, a.loader.commandsKey(), lines)
	pipeline.Put(s, pipeline.Substitutions, table.pairs)
	return nil
}

// script writes the commands into a file that the loader fetches and runs. There a placeholder
// without a value leaves its line.
func (a *loaderOverlay) script(s *pipeline.Session, table substitutions, lines []string) ([]string, error) {
	const name = "script.ipxe"
	dir, ok := pipeline.Get(s, pipeline.TFTPDir)
	suffix, ok2 := pipeline.Get(s, pipeline.TFTPSuffix)
	if !ok || !ok2 {
		return nil, pipeline.Blamef(pipeline.Job, "use_bootscript needs a TFTP deploy in the same namespace")
	}
	text := "#!ipxe\n\n" + strings.Join(table.replace(lines), "\n") + "\n"
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, pipeline.Blamef(pipeline.Infrastructure, "write the boot script: %w", err)
	}
	ip, err := s.DispatcherIP("tftp")
	if err != nil {
		return nil, err
	}
	return []string{"dhcp net0", fmt.Sprintf("chain tftp://%s/%s", ip, path.Join(suffix, name))}, nil
}

// addresses says where the kernel and the others go, in the words of the boot command.
type addresses struct{ kernel, ramdisk, dtb, tee, dtbo string }

// result tells the addresses in the result of the step.
func (a addresses) result(s *pipeline.Session) {
	for _, f := range []output.Field{
		{Key: "kernel_addr", Value: a.kernel}, {Key: "dtb_addr", Value: a.dtb},
		{Key: "ramdisk_addr", Value: a.ramdisk}, {Key: "tee_addr", Value: a.tee},
	} {
		s.Result(f.Key, f.Value)
	}
}
