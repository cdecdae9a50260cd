package overlay

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/door"
	"strata/dispatcher/pipeline"
)

// New returns lava-overlay: the overlay for the namespace's tests, or nothing where none of them
// needs one.
func New() pipeline.Action { return &create{name: "lava-overlay"} }

// NewAlways returns lava-create-overlay, which does the same without asking the tests.
func NewAlways() pipeline.Action { return &create{name: "lava-create-overlay", always: true} }

// create is the root of the overlay's actions.
type create struct {
	name   string
	always bool
	work   *work // nil where nothing is made
	door   *door.Door
}

// work is what the actions of one overlay share.
type work struct {
	dir     string   // on the worker; made when the first action runs
	root    string   // on the device
	shell   string   // on the device
	distro  string   // of the deployment data; empty where it has none
	beside  []string // directories on the worker, below dir, that are packed beside the root
	entries []*entry // the definitions
	mounted bool     // the device sees the directory itself
}

// local returns the path on the worker of a path below the root.
func (w *work) local(parts ...string) string {
	return filepath.Join(append([]string{w.dir, w.root}, parts...)...)
}

// Name returns the action's name.
func (c *create) Name() string { return c.name }

// Description says what the action does.
func (c *create) Description() string { return "add lava scripts during deployment for test shell use" }

// Populate adds the actions that fill the overlay.
func (c *create) Populate(step *pipeline.Step, s *pipeline.Session) error {
	if !c.always && !s.TestInfo().NeedsOverlay {
		return nil
	}
	root, err := s.Constant("lava_test_results_dir", "posix")
	if err != nil {
		return err
	}
	// Two jobs on one device must not meet in one directory, so the number is not optional.
	if !strings.Contains(root.Text(), "%s") {
		return pipeline.Blamef(pipeline.Configuration, "lava_test_results_dir is '%s', but needs a %%s for the job's number", root.Text())
	}
	shell, err := s.Constant("lava_test_sh_cmd", "posix")
	if err != nil {
		return err
	}
	c.work = &work{
		root:   path.Clean("/" + strings.Replace(root.Text(), "%s", s.ID, 1)),
		shell:  shell.Text(),
		distro: step.Block.Get("deployment_data", "distro").Text(),
	}
	// Planned here, because boot methods plan with them.
	pipeline.Put(s, pipeline.ResultsDir, c.work.root)
	pipeline.Put(s, pipeline.TestShell, c.work.shell)
	children := []pipeline.Action{multinode{c.work}, &definitions{work: c.work}}
	if s.Device.Get("actions", "deploy", "methods").Has("ssh") {
		children = append([]pipeline.Action{sshAuthorize{c.work}}, children...)
	}
	// A container is handed the directory, not a tarball.
	if c.work.mounted = step.Block.Get("to").Text() == "docker" || step.Section == "test"; !c.work.mounted {
		children = append(children, compress{c.work})
	}
	for _, child := range children {
		if err := step.Add(child); err != nil {
			return err
		}
	}
	return nil
}

// Run makes the directory with the helpers and the environment, then lets the children fill it.
func (c *create) Run(ctx context.Context, s *pipeline.Session) error {
	if c.work == nil {
		s.Log.Info("[%s] skipped %s - no test needs an overlay.", s.Namespace(), c.name)
		return nil
	}
	dir, err := s.Dir()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	c.work.dir = dir
	pipeline.Put(s, pipeline.OverlayDir, dir)
	s.Log.Debug("[%s] Preparing overlay tarball in %s", s.Namespace(), dir)
	if err := c.fill(s); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "make the overlay: %w", err)
	}
	return s.RunChildren(ctx)
}

// fill writes what does not depend on the definitions.
func (c *create) fill(s *pipeline.Session) error {
	for _, name := range []string{"bin", "tests", "results"} {
		dir := c.work.local(name)
		s.Log.Debug("makedir: %s", dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	helpers, err := Scripts(c.work.shell, c.work.distro, s.Device)
	if err != nil {
		return err
	}
	for _, script := range helpers {
		file := c.work.local("bin", script.Name)
		if script.Distro == "" {
			s.Log.Debug("Creating %s", file)
		} else {
			s.Log.Debug("Updating %s (%s)", file, script.Distro)
		}
		if err := writeFile(file, script.Body, 0o755); err != nil {
			return err
		}
	}
	if err := c.environment(s); err != nil {
		return err
	}
	if err := c.openDoor(s); err != nil {
		return err
	}
	return c.secrets(s)
}

// environment writes the file that the device's shell sources before the tests.
func (c *create) environment(s *pipeline.Session) error {
	file := c.work.local("environment")
	s.Log.Debug("Creating %s", file)
	ip, err := s.DispatcherIP("")
	if err != nil {
		// A worker without a network runs jobs all the same; only what needs the address will miss it.
		s.Log.Warning("LAVA_DISPATCHER_IP stays empty: %s", err)
	}
	facts := Facts{
		Job:          s.ID,
		DispatcherIP: ip,
		Tags:         s.Job.Get("tags").Texts(),
		Prefix:       s.Dispatcher.Get("prefix").Text(),
		HTTPCache:    s.Dispatcher.Get("http_url_format_string").Text(),
	}
	var b strings.Builder
	for _, group := range Environment(s.Device, pipeline.Of(nil).With("environment", s.Environment()), facts) {
		title := group.Title
		if title != "LAVA metadata" {
			title += ":"
		}
		s.Log.Debug("%s", title)
		for _, v := range group.Variables {
			s.Log.Debug("- %s=%s", v.Name, v.Value)
			b.WriteString(v.Line() + "\n")
		}
	}
	return writeFile(file, b.String(), 0o644)
}

// secrets writes what tests may read but no log shows.
func (c *create) secrets(s *pipeline.Session) error {
	// Of env-dut only what was read while validating; there is none without a test that wants it.
	env, _ := pipeline.Get(s, pipeline.TargetEnv)
	pairs := append(append([]pipeline.Pair(nil), s.Job.Get("secrets").Pairs()...), env...)
	if len(pairs) == 0 {
		return nil
	}
	file := c.work.local("secrets")
	s.Log.Debug("Creating %s", file)
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(p.Key + "=" + p.Value.Text() + "\n")
	}
	return writeFile(file, b.String(), 0o644)
}

// writeFile writes a file with exactly this mode, whatever the umask says. What a repository has in
// its place goes: writing through a link would change a file of the worker.
func writeFile(file, content string, mode os.FileMode) error {
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(file, mode)
}

// compress packs the overlay.
type compress struct{ work *work }

// Name returns compress-overlay.
func (compress) Name() string { return "compress-overlay" }

// Description says what the action does.
func (compress) Description() string {
	return "Create a lava overlay tarball and store alongside the job"
}

// Run writes overlay-<level>.tar.gz, whose names begin with the results directory without its
// slash: it is for unpacking at / of the device.
func (c compress) Run(_ context.Context, s *pipeline.Session) error {
	dir, err := s.Dir()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	file := filepath.Join(dir, "overlay-"+s.Step.Level+".tar.gz")
	if err := pack(file, c.work); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to create the overlay tarball: %w", err)
	}
	pipeline.Put(s, pipeline.OverlayFile, file)
	return nil
}

// delay is the pause between characters that the device needs in its tests.
func delay(s *pipeline.Session) time.Duration {
	if !s.TestInfo().CharacterDelay {
		return 0
	}
	return time.Duration(s.Device.Get("character_delays", "test").Int(0)) * time.Millisecond
}

// blamef is an error of the worker's own file system.
func blamef(format string, args ...any) error {
	return pipeline.Blame(pipeline.Infrastructure, fmt.Errorf(format, args...))
}
