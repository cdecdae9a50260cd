package boot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
)

// What the checks found out.
const (
	loaderValid  pipeline.Key[bool] = "boot/uuu/bootloader_valid_check"
	otgAvailable pipeline.Key[bool] = "boot/uuu/otg_availability_check"
)

// uuuUnless is a group that does nothing where a check has found that there is no need.
type uuuUnless struct {
	pipeline.Basic
	skip pipeline.Key[bool]
	why  string
}

// Run runs the children, or says why not.
func (a uuuUnless) Run(ctx context.Context, s *pipeline.Session) error {
	if skip, _ := pipeline.Get(s, a.skip); skip {
		s.Log.Info("skipped %s: %s", s.Step.Name(), a.why)
		return nil
	}
	return s.RunChildren(ctx)
}

// checkLoader returns check-bootloader-valid: a device whose boot loader answers needs no new one.
func checkLoader() pipeline.Action {
	l := loader{"u-boot", "boot"}
	return loaderCheck{group("check-bootloader-valid", "see whether the device has a boot loader that works",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{connect{}, &loaderOverlay{loader: l, blockOnly: true}, toLoader(l, nil), disconnect{}}
		})}
}

type loaderCheck struct{ pipeline.Basic }

// Run stops at the boot loader's prompt if there is one. That there is none is no failure.
func (loaderCheck) Run(ctx context.Context, s *pipeline.Session) error {
	err := s.RunChildren(ctx)
	class := pipeline.ClassOf(err)
	if ctx.Err() != nil || err != nil && class != pipeline.Infrastructure && class != pipeline.Job {
		return err
	}
	pipeline.Put(s, loaderValid, err == nil)
	if err != nil {
		s.Log.Info("The device has no boot loader that answers: %s", err)
	}
	return nil
}

// Run writes the images, unless the device's boot loader works and the block says that this will do.
func (*uuuAction) Run(ctx context.Context, s *pipeline.Session) error {
	if valid, _ := pipeline.Get(s, loaderValid); valid {
		s.Log.Info("skipped uuu: the device's boot loader is valid")
		return nil
	}
	return s.RunChildren(ctx)
}

// Validate checks that uuu and bcu can be run and that commands name images of the job.
func (*uuuAction) Validate(_ context.Context, s *pipeline.Session) error {
	options := uuuOptions(s)
	if !options.Get("usb_otg_path").True() && !options.Get("usb_otg_path_command").True() {
		s.Invalid("uuu: the device has neither usb_otg_path nor usb_otg_path_command")
	}
	if uuuImage(s) != "" {
		_, err := container.Find(s)
		return err
	}
	for _, c := range uuuCommands(s.Block()) {
		name := "uuu"
		if c.protocol == "bcu" {
			name = "bcu"
		}
		if err := tool(name); err != nil {
			return err
		}
	}
	return nil
}

// Cleanup has bcu let go of the board.
func (*uuuAction) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if !s.Ran() || !usesBCU(s) {
		return nil
	}
	for _, text := range append(uuuOptions(s).Get("additional_bcu_cleanup_commands").Texts(), "deinit") {
		if err := runBCU(ctx, s, text); err != nil {
			return err
		}
	}
	return nil
}

func usesBCU(s *pipeline.Session) bool {
	for _, c := range uuuCommands(s.Block()) {
		if c.protocol == "bcu" {
			return true
		}
	}
	return false
}

// uuuImage returns the container image that uuu runs in, "" for none.
func uuuImage(s *pipeline.Session) string {
	if docker := s.Block().Get("docker"); docker.True() {
		name, _ := container.ImageOf(docker)
		return name
	}
	return uuuOptions(s).Get("docker_image").Text()
}

// uuuProgram returns the words that run uuu or bcu, in a container or not.
func uuuProgram(ctx context.Context, s *pipeline.Session, argv ...string) ([]string, error) {
	image := uuuImage(s)
	if image == "" {
		return argv, nil
	}
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	out := []string{engine}
	remote, err := pipeline.Words(uuuOptions(s).Get("remote_options").Text())
	if err != nil {
		return nil, pipeline.Blamef(pipeline.Configuration, "uuu remote_options: %w", err)
	}
	docker := s.Block().Get("docker")
	if !docker.True() {
		docker = pipeline.Of(image)
	}
	if len(remote) == 0 { // an engine elsewhere fetches what it lacks by itself
		if err := container.Once(ctx, s, docker, ""); err != nil {
			return nil, err
		}
	}
	out = append(append(out, remote...), "run", "--rm", "--privileged", "--volume=/dev:/dev", "--net=host", "-e", "DISABLE_SUMMARY=true")
	for _, i := range downloads(s) {
		dir := filepath.Dir(i.Path)
		if len(remote) == 0 {
			out = append(out, fmt.Sprintf("--mount=type=bind,source=%s,destination=%s", dir, dir))
			continue
		}
		ip, err := s.DispatcherIP("nfs")
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf(`--mount=type=volume,volume-driver=local,dst=%s,volume-opt=type=nfs,volume-opt=device=:%s,"volume-opt=o=addr=%s"`, dir, dir, ip))
	}
	return append(append(out, image), argv...), nil
}

// otgPaths returns the USB paths of the device's download mode, as uuu names them.
func otgPaths(ctx context.Context, s *pipeline.Session) ([]string, error) {
	options := uuuOptions(s)
	paths := options.Get("usb_otg_path").Texts()
	if command := options.Get("usb_otg_path_command"); command.True() {
		out, err := s.CommandOutput(ctx, false, command.Texts()...)
		if err != nil {
			return nil, err
		}
		paths = strings.Fields(out)
	}
	for _, path := range paths {
		if !otgPath.MatchString(path) {
			return nil, pipeline.Blamef(pipeline.Configuration, "uuu_usb_otg_path '%s' does not respect the format NUMBER:NUMBER", path)
		}
	}
	return paths, nil
}

// downloadWait is how long uuu waits for a device that may not be in its download mode; busy is
// how long the device takes to show itself.
const downloadWait, busy = "10", 5 * time.Second

// checkDownloadMode is check-serial-availability.
func checkDownloadMode() pipeline.Action {
	return pipeline.Basic{Title: "check-serial-availability", About: "see whether the device is in its download mode",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := pipeline.Sleep(ctx, busy); err != nil {
				return err
			}
			paths, err := otgPaths(ctx, s)
			if err != nil {
				return err
			}
			boot, ok := pipeline.Get(s, pipeline.Artefact("boot"))
			if !ok {
				return pipeline.Blamef(pipeline.Job, "there is no image 'boot': deploy one with 'to: uuu'")
			}
			argv := []string{"timeout", "--preserve-status", downloadWait, "uuu"}
			for _, path := range paths {
				argv = append(argv, "-m", path)
			}
			program, err := uuuProgram(ctx, s, append(argv, boot)...)
			if err != nil {
				return err
			}
			err = s.Command(ctx, program...)
			var failed *pipeline.CommandError
			switch {
			case err == nil:
				pipeline.Put(s, otgAvailable, true)
				return nil
			case errors.As(err, &failed) && (failed.Exit == endedByTimeout || failed.Exit == -15):
				pipeline.Put(s, otgAvailable, false)
				return nil
			}
			return err
		}}
}

// endedByTimeout is the status of uuu when timeout ended it with SIGTERM: nobody answered.
const endedByTimeout = 143

// uuuBoot is uuu-boot: it runs the block's commands.
func uuuBoot() pipeline.Action {
	return pipeline.Basic{Title: "uuu-boot", About: "run the commands of uuu and bcu", Late: pipeline.Infrastructure,
		Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			paths, err := otgPaths(ctx, s)
			if err != nil {
				return err
			}
			for _, c := range uuuCommands(s.Block()) {
				if c.protocol == "bcu" {
					if err := runBCU(ctx, s, c.text); err != nil {
						return err
					}
					continue
				}
				if err := runUUU(ctx, s, paths, c); err != nil {
					return err
				}
			}
			return nil
		}}
}

// runUUU runs one command. A protocol of uuu's own, such as SDP or FB, stands before the text.
func runUUU(ctx context.Context, s *pipeline.Session, paths []string, c uuuCommand) error {
	if err := pipeline.Sleep(ctx, time.Second); err != nil { // the device may be starting anew
		return err
	}
	text := placeholder.ReplaceAllStringFunc(c.text, func(name string) string {
		if file, ok := pipeline.Get(s, pipeline.Artefact(name[1:len(name)-1])); ok {
			return file
		}
		return name
	})
	args, err := pipeline.Words(text)
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "uuu command '%s': %w", c.text, err)
	}
	if c.protocol != "uuu" {
		args = []string{c.protocol + ": " + text}
	}
	argv := []string{"uuu"}
	for _, path := range paths {
		argv = append(argv, "-m", path)
	}
	program, err := uuuProgram(ctx, s, append(argv, args...)...)
	if err != nil {
		return err
	}
	return s.Command(ctx, program...)
}

// placeholder is the name of a download in a command.
var placeholder = regexp.MustCompile(`\{[^{}]+\}`)

// runBCU runs one command of the board control utility.
func runBCU(ctx context.Context, s *pipeline.Session, text string) error {
	options := uuuOptions(s)
	id := options.Get("bcu_board_id").Text()
	if command := options.Get("bcu_board_id_command"); command.True() {
		out, err := s.CommandOutput(ctx, false, command.Texts()...)
		if err != nil {
			return err
		}
		id = strings.TrimSpace(out)
	}
	if !bcuID.MatchString(id) {
		return pipeline.Blamef(pipeline.Configuration, "bcu_board_id '%s' does not respect bcu format", id)
	}
	args, err := pipeline.Words(text)
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "bcu command '%s': %w", text, err)
	}
	args = append(append([]string{"bcu"}, args...), "-board="+options.Get("bcu_board_name").Text(), "-id="+id)
	program, err := uuuProgram(ctx, s, args...)
	if err != nil {
		return err
	}
	return s.Command(ctx, program...)
}
