package boot

import (
	"context"
	"slices"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
)

// acceptsInstaller accepts `media: img`.
func acceptsInstaller(_, block pipeline.Data) (string, error) {
	if block.Get("media").Text() != "img" {
		return `"media" was not "img"`, nil
	}
	return "", nil
}

// installer runs an installer from an ISO image in QEMU, and then what it installed.
//
// The installer asks nothing: its answers are a preseed file, and that it has ended shows in one of a
// few lines, good or bad, on its console. The second machine has the same disk, without the kernel and
// the disc that the first was started with.
func installer(pipeline.Data) pipeline.Action {
	return retried("boot-installer-iso", "install a system from an ISO image and boot it",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{runInstaller(), watchInstaller(), bootInstalled(), autoLogin(true), expectShell{}, exportEnv{}}
		})
}

// startMachine starts a machine of ours as the namespace's console, ending the one before.
func startMachine(s *pipeline.Session, command []string) error {
	if old := s.Console(); old != nil {
		if err := old.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
		s.SetConsole(nil)
	}
	s.Log.Info("Boot command: %s", pipeline.ReprList(command))
	c, err := connection.Start(connection.Settings{Command: command, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	c.Farewell, c.Tags = connection.Poweroff, []string{"qemu"}
	s.SetConsole(c)
	return nil
}

// prepared returns the machine that the deploy block prepared.
func prepared(s *pipeline.Session) (pipeline.Installer, error) {
	m, ok := pipeline.Get(s, pipeline.InstallerRun)
	if !ok {
		return m, pipeline.Blamef(pipeline.Job, "there is no installer: deploy one with 'to: iso-installer'")
	}
	return m, nil
}

// runInstaller is execute-installer-command.
func runInstaller() pipeline.Action {
	return pipeline.Basic{Title: "execute-installer-command", About: "start the installer in QEMU",
		Do: func(_ context.Context, s *pipeline.Session) error {
			m, err := prepared(s)
			if err != nil {
				return err
			}
			command := slices.Clone(m.Command)
			if m.Append != "" {
				command = append(command, "-append", m.Append)
			}
			return startMachine(s, command)
		}}
}

// watchInstaller is monitor-installer-connection: it waits until the installer has ended.
func watchInstaller() pipeline.Action {
	return pipeline.Basic{Title: "monitor-installer-connection", About: "wait for the end of the installation",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c, err := console(s)
			if err != nil {
				return err
			}
			m, err := prepared(s)
			if err != nil {
				return err
			}
			s.Log.Debug("%s: Waiting for the installer (timeout %s)", s.Step.Name(), pipeline.Clock(s.Remaining(ctx).Round(time.Second)))
			s.SetPrompts(c, m.Prompts)
			match, err := s.WaitForced(ctx, c)
			if err != nil {
				return err
			}
			s.Log.Info("The installer ended with: %s", match.Text)
			return nil
		}}
}

// bootInstalled is reboot-into-installed.
func bootInstalled() pipeline.Action {
	return pipeline.Basic{Title: "reboot-into-installed", About: "boot the installed system",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			m, err := prepared(s)
			if err != nil {
				return err
			}
			// The same machine, without the installer's kernel and disc: what is left boots the disk.
			command := withoutInstaller(m.Command)
			if guest, ok := pipeline.Get(s, pipeline.Guest); ok {
				command = append(command, guestDrive(s, guest)...)
			}
			if err := startMachine(s, command); err != nil {
				return err
			}
			c, err := console(s)
			if err != nil {
				return err
			}
			s.SetPrompts(c, []string{"Loading initial ramdisk"})
			_, err = s.Wait(ctx, c)
			return err
		}}
}

// withoutInstaller leaves out the options that boot the installer.
func withoutInstaller(command []string) []string {
	var out []string
	for i := 0; i < len(command); i++ {
		switch command[i] {
		case "-kernel", "-initrd", "-append", "-no-reboot", "-cdrom":
			if command[i] != "-no-reboot" {
				i++
			}
			continue
		case "-drive":
			if i+1 < len(command) && strings.Contains(command[i+1], "media=cdrom") {
				i++
				continue
			}
		}
		out = append(out, command[i])
	}
	return out
}
