package test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"strata/dispatcher/boot"
	"strata/dispatcher/connection"
	"strata/dispatcher/container"
	"strata/dispatcher/feedback"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// newDocker returns lava-docker-test: a test shell in a container on the worker, beside the device,
// for tests that drive it from outside (adb, fastboot, flashing tools).
func newDocker(pipeline.Data) pipeline.Action {
	return dockerTest{pipeline.Basic{Title: "lava-docker-test", About: "run tests in a container of the worker",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			children := []pipeline.Action{setEnvironment{}, overlay.NewAlways()}
			if step.Block.Get("docker", "disconnect_connection").True() || step.Block.Get("disconnect_connection").True() {
				children = append(children, boot.Disconnect())
			}
			run := dockerShell{name: "lava-docker-test-shell", class: pipeline.TestTimeout}
			if step.Block.Has("role") {
				run = dockerShell{name: "lava-multinode-docker-test-shell", class: pipeline.Test}
			}
			for _, child := range append(children, &run, feedback.Read(false, false)) {
				if err := step.Add(child); err != nil {
					return err
				}
			}
			return nil
		}}}
}

// dockerTest is lava-docker-test.
type dockerTest struct{ pipeline.Basic }

// TimeoutClass is that of tests, which a job may skip.
func (dockerTest) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// setEnvironment is lava-docker-test-set-environment: what the tests may know of the device.
type setEnvironment struct{}

// Name returns the action's name.
func (setEnvironment) Name() string { return "lava-docker-test-set-environment" }

// Description says what the action does.
func (setEnvironment) Description() string { return "tell the tests how to reach the device" }

// TimeoutClass is that of tests, which a job may skip.
func (setEnvironment) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// Run adds the variables to the job's environment, from where the overlay takes them.
func (setEnvironment) Run(_ context.Context, s *pipeline.Session) error {
	set := func(name, value string) {
		if value != "" {
			s.SetEnvironment(name, value)
		}
	}
	set("ANDROID_SERIAL", s.Device.Get("adb_serial_number").Text())
	if infos := s.Device.Get("device_info").Items(); len(infos) > 0 {
		set("LAVA_BOARD_ID", infos[0].Get("board_id").Text())
	}
	commands := s.Device.Get("commands")
	for _, p := range commands.Get("connections").Pairs() {
		connect := p.Value.Get("connect").Text()
		for _, tag := range p.Value.Get("tags").Texts() {
			if tag == "primary" {
				set("LAVA_CONNECTION_COMMAND", connect)
			}
		}
		set("LAVA_CONNECTION_COMMAND_"+strings.ToUpper(p.Key), connect)
	}
	// A device with one console has it here; LAVA_CONNECT_COMMAND below is the older name.
	set("LAVA_CONNECTION_COMMAND", commands.Get("connect").Text())
	for _, c := range [][2]string{{"connect", "CONNECT"}, {"hard_reset", "HARD_RESET"}, {"power_on", "POWER_ON"}, {"power_off", "POWER_OFF"}} {
		set("LAVA_"+c[1]+"_COMMAND", strings.Join(commands.Get(c[0]).Texts(), " && "))
	}
	for _, section := range []string{"deploy", "boot", "test"} {
		set("LAVA_"+strings.ToUpper(section)+"_CHARACTER_DELAYS", s.Device.Get("character_delays", section).Text())
	}
	return nil
}

// dockerShell is lava-docker-test-shell.
type dockerShell struct {
	shell
	name      string
	class     pipeline.Class
	container string // the running one's name
}

// Name returns the action's name.
func (d *dockerShell) Name() string { return d.name }

// Description says what the action does.
func (*dockerShell) Description() string { return "run lava-test-shell in a container" }

// TimeoutClass is that of tests, which a job may skip unless others of a group wait.
func (d *dockerShell) TimeoutClass() pipeline.Class { return d.class }

// Validate checks the definitions and looks for a program that runs containers.
func (d *dockerShell) Validate(ctx context.Context, s *pipeline.Session) error {
	if image, _ := container.ImageOf(s.Block().Get("docker")); image == "" {
		s.Invalid("docker.image is missing")
	}
	if _, err := container.Find(s); err != nil {
		return err
	}
	checkNamed(s)
	return d.shell.Validate(ctx, s)
}

// prompt is what the container's shell prints when it waits for a line.
const prompt = "docker-test-shell:"

// Run starts the container and runs the tests in its shell.
func (d *dockerShell) Run(ctx context.Context, s *pipeline.Session) error {
	if err := container.Pull(ctx, s, s.Block().Get("docker"), ""); err != nil {
		return err
	}
	argv, err := d.command(s)
	if err != nil {
		return err
	}
	s.Log.Debug("Starting docker test shell container: %s", pipeline.ReprList(argv))
	c, err := connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log,
		MaxRead: s.Device.Get("constants", "spawn_maxread").Int(0)})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
		container.Stop(context.WithoutCancel(ctx), s, d.container)
		d.container = ""
	}()
	// The console of the device stays the namespace's: what it says meanwhile is feedback.
	s.SetPrompts(c, []string{prompt})
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	defer keepNamed(s, d.places(s))
	return d.over(ctx, s, c, s.Namespace())
}

// places lists the directories in which the definitions run, as the worker sees them.
func (*dockerShell) places(s *pipeline.Session) (places []place) {
	dir, _ := pipeline.Get(s, pipeline.OverlayDir)
	root, _ := pipeline.Get(s, pipeline.ResultsDir)
	names, stage, _ := overlay.Find(s.TestBlocks(), s.Block())
	for i, suite := range names {
		name := s.Block().Get("definitions").Items()[i].Get("name").Text()
		places = append(places, place{suite, name, filepath.Join(dir, root, strconv.Itoa(stage), "tests", suite)})
	}
	return places
}

// command returns the words that start the container.
func (d *dockerShell) command(s *pipeline.Session) ([]string, error) {
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	dir, ok := pipeline.Get(s, pipeline.OverlayDir)
	results, known := pipeline.Get(s, pipeline.ResultsDir)
	if !ok || !known {
		return nil, pipeline.Blamef(pipeline.Bug, "there is no overlay for the container")
	}
	docker, method := s.Block().Get("docker"), s.Device.Get("actions", "test", "methods", "docker")
	// The dictionary's options stand before ours: they cannot take the overlay away.
	d.container = container.Name(s, "lava-docker-test-shell")
	argv := append([]string{engine}, flat(method.Get("global_options"))...)
	argv = append(append(argv, "run"), flat(method.Get("options"))...)
	if network := docker.Get("network_from").Text(); network != "" {
		argv = append(argv, "--network=container:"+network+"-lava-"+s.ID)
	}
	name := d.container
	if own := docker.Get("container_name").Text(); own != "" {
		name = own + "-lava-" + s.ID
	}
	d.container = name
	argv = append(argv, "--rm", "--interactive", "--tty", "--hostname=lava", "--name="+name, mount(filepath.Join(dir, results), results, "rw"))
	namespace := s.Block().Get("downloads-namespace").TextOr(s.Namespace())
	downloads := filepath.Join(s.JobDir(), "downloads", namespace)
	if _, err := os.Stat(downloads); err == nil {
		argv = append(argv, mount(downloads, "/lava-downloads", "rw"))
	}
	for _, bind := range s.Dispatcher.Get("test_docker_bind_mounts").Items() {
		texts := bind.Texts()
		if len(texts) < 2 {
			return nil, pipeline.Blamef(pipeline.Configuration, "test_docker_bind_mounts: %s is not [source, destination] or [source, destination, rw]", bind.Python())
		}
		mode := "ro"
		if len(texts) > 2 {
			mode = texts[2]
		}
		argv = append(argv, mount(texts[0], texts[1], mode))
	}
	for _, device := range docker.Get("devices").Texts() {
		if !strings.Contains(device, ":") {
			argv = append(argv, "--device="+device)
		}
	}
	// What of the device is on USB now: one that comes later, in another mode, is not seen inside.
	for _, q := range usb.BoardQueries(boot.Device(s)) {
		for _, d := range usb.Of(s).Find(q) {
			if d.Node != "" {
				argv = append(argv, "--device="+d.Node)
			}
		}
	}
	image, _ := container.ImageOf(docker)
	argv = append(argv, "--env", "PS1="+prompt+"$ ", image, "bash", "--norc", "-i")
	return argv, nil
}

func mount(from, to, mode string) string {
	text := "--mount=type=bind,source=" + from + ",destination=" + to
	if mode != "rw" {
		text += ",readonly"
	}
	return text
}

// flat returns a list of options: nulls are dropped, and one level of lists in it is opened.
func flat(d pipeline.Data) []string {
	var out []string
	for _, item := range d.Items() {
		switch {
		case item.Kind() == pipeline.List:
			for _, inner := range item.Items() {
				if !inner.IsNull() {
					out = append(out, inner.Text())
				}
			}
		case !item.IsNull():
			out = append(out, item.Text())
		}
	}
	return out
}

// Cleanup stops a container that is still there, and reports expected cases.
func (d *dockerShell) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if d.container != "" {
		container.Stop(ctx, s, d.container)
		d.container = ""
	}
	return d.shell.Cleanup(ctx, s)
}
