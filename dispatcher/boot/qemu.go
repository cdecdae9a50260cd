package boot

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

func acceptsQEMU(device, block pipeline.Data) (string, error) {
	method := block.Get("method").Text()
	switch {
	case !offers(device, "qemu") && !offers(device, "qemu-nfs"):
		return "'qemu' not in the device configuration boot methods", nil
	case method != "qemu" && method != "qemu-nfs" && method != "monitor":
		return "'method' was not 'qemu', 'qemu-nfs' or 'monitor'", nil
	}
	return "", nil
}

// qemu boots an emulator that the worker starts itself. The retry actions start it anew.
//
// The emulator's own terminal is the console, so there is nothing to connect to. Its command line is
// the dictionary's options, then each download's image_arg, then the drive with the test overlay. The
// first part is assembled while validating, where a wrong architecture or a missing program is told
// before anything is downloaded.
func qemu(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "boot-image-retry", About: "boot an image in QEMU, again if it fails",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			start := pipeline.Retry{Basic: pipeline.Basic{
				Title: "boot-qemu-image", About: "start QEMU",
				Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(&execute{}) },
			}}
			return addAll(step, append([]pipeline.Action{start}, tail(step, s)...))
		},
	}}
}

// execute is execute-qemu.
type execute struct {
	command []string // QEMU and its options, without the images
	version string
	name    string // of the container, if it runs in one
}

// Name returns the action's name.
func (*execute) Name() string { return "execute-qemu" }

// Description says what the action does.
func (*execute) Description() string { return "start QEMU with the job's images" }

// qemuVersion finds the version in the first line of `qemu-system-… --version`.
var qemuVersion = regexp.MustCompile(`version ([0-9.]+)`)

// Validate checks the architecture, assembles the command line as far as it is known and asks the
// emulator for its version.
func (e *execute) Validate(ctx context.Context, s *pipeline.Session) error {
	arch := s.Job.Get("context", "arch").Text()
	if arch == "" {
		return pipeline.Blamef(pipeline.Job, "Missing 'arch' in job context")
	}
	if !slices.Contains(s.Device.Get("available_architectures").Texts(), arch) {
		s.Invalid("Non existing architecture specified in context arch parameter. Please check the device configuration for available options.")
		return nil
	}
	method := s.Block().Get("method").Text()
	if !offers(s.Device, method) {
		s.Invalid("Unknown boot method '%s'", method)
		return nil
	}
	parameters := s.Device.Get("actions", "boot", "methods", method, "parameters")
	program, err := e.program(ctx, s, strings.TrimSpace(parameters.Get("command").Text()))
	if err != nil {
		return err
	}
	e.command = program[len(program)-1:]
	options := append(parameters.Get("options").Texts(), parameters.Get("extra").Texts()...)
	for _, text := range options {
		words, err := pipeline.Words(text)
		if err != nil {
			return pipeline.Blamef(pipeline.Configuration, "QEMU option %s: %w", python.Quote(text), err)
		}
		e.command = append(e.command, words...)
	}
	if method == "qemu-nfs" {
		a := parameters.Get("append")
		e.command = append(e.command, "--append", fmt.Sprintf("console=%s root=/dev/nfs %s rw %s",
			a.Get("console").Text(), a.Get("nfsrootargs").Text(), a.Get("ipargs").Text()))
	}
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], "--version")...)
	cmd.Env = s.Env()
	out, err := cmd.Output()
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "ask %s for its version: %w", e.command[0], err)
	}
	if m := qemuVersion.FindSubmatch(out); m != nil {
		e.version = string(m[1])
	}
	s.Log.Info("qemu: %s, host architecture %s, job architecture %s", e.version, hostArch(), arch)
	return nil
}

// program returns the words that run the emulator: its file on the worker, or its name in the
// container that the block's docker asks for.
func (e *execute) program(ctx context.Context, s *pipeline.Session, binary string) ([]string, error) {
	docker := s.Block().Get("docker")
	if !docker.True() {
		path, err := exec.LookPath(binary)
		if err != nil {
			return nil, pipeline.Blamef(pipeline.Infrastructure, "Cannot find command '%s' in $PATH", binary)
		}
		return []string{path}, nil
	}
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	if err := container.Pull(ctx, s, docker, ""); err != nil {
		return nil, err
	}
	image, _ := container.ImageOf(docker)
	return []string{engine, "run", "--rm", image, docker.Get("binary").TextOr(binary)}, nil
}

// contained returns the words before the emulator's own that run it in a container. It has the
// worker's network, because jobs name ports and bridges of that, and the files of the job under
// their own names.
func (e *execute) contained(s *pipeline.Session) ([]string, error) {
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	docker := s.Block().Get("docker")
	e.name = container.Name(s, "lava")
	if own := docker.Get("container_name").Text(); own != "" {
		e.name = own + "-lava-" + s.ID
	}
	argv := []string{engine, "run", "--interactive", "--tty", "--rm", "--init", "--name=" + e.name, "--hostname=lava",
		"--network=host", "--cap-add=NET_ADMIN"}
	devices := docker.Get("devices").Texts()
	for _, node := range []string{"/dev/kvm", "/dev/net/tun"} {
		if exists(node) {
			devices = append(devices, node)
		}
	}
	for _, node := range devices {
		argv = append(argv, "--device="+node)
	}
	image, _ := container.ImageOf(docker)
	return append(argv, "--mount=type=bind,source="+s.JobDir()+",destination="+s.JobDir(), image), nil
}

// Run starts the emulator. A machine that an earlier block or attempt started is ended first.
func (e *execute) Run(_ context.Context, s *pipeline.Session) error {
	if old := s.Console(); old != nil {
		s.Log.Debug("Ending the machine that ran before")
		if err := old.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
		s.SetConsole(nil)
	}
	s.Result("qemu_version", e.version)
	s.Result("host_arch", hostArch())
	s.Result("job_arch", s.Job.Get("context", "arch").Text())
	replace, err := placeholders(s)
	if err != nil {
		return err
	}
	var command []string
	for _, word := range e.command { // the dictionary's own arguments may name the NFS root
		command = append(command, replace.Replace(word))
	}
	more, err := images(s, replace)
	if err != nil {
		return err
	}
	command = append(command, more...)
	if emulated, asked := withoutKVM(command); asked {
		if why := kvmUnusable("/dev/kvm", "/sys/module"); why != nil {
			s.Log.Warning("KVM cannot be used on this worker (%s): the machine is emulated, which is slower", why)
			command = emulated
		}
	}
	if guest, ok := pipeline.Get(s, pipeline.Guest); ok {
		s.Log.Info("Extending command line for qcow2 test overlay")
		command = append(command, guestDrive(s, guest)...)
	}
	if s.Block().Get("docker").True() {
		around, err := e.contained(s)
		if err != nil {
			return err
		}
		command = append(around, command...)
	}
	s.Log.Info("Boot command: %s", strings.Join(command, " "))
	c, err := connection.Start(connection.Settings{Command: command, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	c.Tags = []string{"qemu"}
	if s.Block().Has("prompts") { // else nobody is at a shell that takes the word, as on a microcontroller
		c.Farewell = connection.Poweroff
	}
	s.Log.Debug("started a shell command")
	s.SetConsole(c)
	return nil
}

// Cleanup ends the machine, so that another attempt finds its images and ports free.
func (e *execute) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if e.name != "" {
		defer func() {
			container.Stop(ctx, s, e.name)
			e.name = ""
		}()
	}
	c := s.ConsoleOf(s.Namespace())
	if c == nil || !slices.Contains(c.Tags, "qemu") {
		return nil
	}
	s.SetConsole(nil)
	if err := c.Close(); err != nil {
		return errors.Join(errors.New("end the machine"), err)
	}
	return nil
}

// placeholders replaces {label} by the file of what was downloaded, and names the NFS root where there
// is one.
func placeholders(s *pipeline.Session) (*strings.Replacer, error) {
	downloads, _ := pipeline.Get(s, pipeline.Images)
	var pairs []string
	for _, image := range downloads {
		pairs = append(pairs, "{"+image.Label+"}", image.Path)
	}
	if root, ok := pipeline.Get(s, pipeline.NFSRoot); ok {
		ip, err := s.DispatcherIP("nfs")
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, "{NFS_SERVER_IP}", ip, "{NFSROOTFS}", root)
	}
	return strings.NewReplacer(pairs...), nil
}

// images returns the words for what was downloaded: each image's argument, with its placeholders
// replaced after splitting, so that a path needs no quotes.
func images(s *pipeline.Session, replace *strings.Replacer) ([]string, error) {
	downloads, _ := pipeline.Get(s, pipeline.Images)
	var words []string
	for _, image := range downloads {
		split, err := pipeline.Words(image.Arg)
		if err != nil {
			return nil, pipeline.Blamef(pipeline.Job, "image_arg of '%s': %w", image.Label, err)
		}
		for _, word := range split {
			words = append(words, replace.Replace(word))
		}
	}
	if dir, ok := pipeline.Get(s, pipeline.UEFI); ok {
		words = append(words, "-L", dir, "-monitor", "none")
	}
	return words, nil
}

// guestDrive returns the words for the drive with the overlay, and leaves for the test how to
// mount it.
func guestDrive(s *pipeline.Session, guest pipeline.GuestOverlay) []string {
	guestParameters := s.Device.Get("actions", "deploy", "methods", "image", "parameters", "guest")
	interfaceDefault := "virtio"
	switch s.Job.Get("context", "arch").Text() {
	case "amd64", "x86_64", "i386":
		interfaceDefault = "ide"
	}
	drive := fmt.Sprintf("format=qcow2,file=%s,media=disk,if=%s,id=%s", guest.Path,
		guestParameters.Get("interface").TextOr(interfaceDefault), guestParameters.Get("driveid").TextOr("lavatest"))
	if dir, ok := pipeline.Get(s, pipeline.ResultsDir); ok {
		pipeline.Put(s, pipeline.PreCommands, []string{
			"mkdir " + dir,
			fmt.Sprintf("mount /dev/disk/by-uuid/%s -t ext2 %s", guest.UUID, dir),
			fmt.Sprintf("ls -la %s/bin/lava-test-runner", dir),
		})
	}
	return []string{"-drive", drive}
}

// hostArch returns the worker's architecture as uname names it.
func hostArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	}
	return runtime.GOARCH
}
