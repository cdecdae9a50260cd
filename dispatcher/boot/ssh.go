package boot

import (
	"context"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// sshLogin logs in to a running system over ssh: the device itself, or a guest on the device of
// another job of the group.
func sshLogin(pipeline.Data) pipeline.Action {
	return retried("login-ssh", "log in over ssh and bring the overlay",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{copyOverlay(), prepareSSH(), sshConnection(), autoLogin(false),
				expectShell{}, exportEnv{}, sshUnpack()}
		})
}

// sshMethod is the device's deploy method ssh, where host, port and key stand.
func sshMethod(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "deploy", "methods", "ssh")
}

// sshOptions returns the options of ssh and scp: the device's, and those without which a board with
// a new key each time cannot be logged in to.
func sshOptions(s *pipeline.Session) ([]string, error) {
	argv := append([]string(nil), sshMethod(s).Get("options").Texts()...)
	argv = append(argv, "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no")
	name := sshMethod(s).Get("identity_file").Text()
	if name == "" {
		return argv, nil
	}
	key, err := s.SSHIdentity(name)
	return append(argv, "-i", key), err
}

// sshTarget returns user and host. The host of another job's device comes by a multinode message: the
// block names the message and the key in it.
func sshTarget(s *pipeline.Session) (string, error) {
	host := sshMethod(s).Get("host").Text()
	if id := s.Block().Get("parameters", "hostID").Text(); id != "" {
		message, _ := pipeline.Get(s, pipeline.ProtocolData("lava-multinode", id))
		host = pipeline.Of(message).Get(s.Block().Get("parameters", "host_key").Text()).Text()
	}
	if host == "" {
		return "", pipeline.Blamef(pipeline.Job, "Unable to retrieve the address of the device - missing ssh deploy?")
	}
	return sshMethod(s).Get("user").TextOr("root") + "@" + host, nil
}

func sshPort(s *pipeline.Session) string { return sshMethod(s).Get("port").TextOr("22") }

// checkSSH records what is missing in the dictionary.
func checkSSH(_ context.Context, s *pipeline.Session) error {
	if !s.Device.Get("actions", "deploy", "methods").Has("ssh") || !offers(s.Device, "ssh") {
		s.Invalid("ssh is not among the device's deploy and boot methods")
		return nil
	}
	if p := sshMethod(s).Get("port"); !p.IsNull() && p.Int(0) <= 0 {
		s.Invalid("the port of the device's ssh method is %s, which is no number", p.Python())
	}
	if host := sshMethod(s).Get("host").Text(); strings.HasPrefix(host, "-") || net.ParseIP(host) == nil && strings.ContainsAny(host, " /@") {
		s.Invalid("the host of the device's ssh method is %s, which is no host", python.Quote(host))
	}
	if name := sshMethod(s).Get("identity_file").Text(); filepath.IsAbs(name) { // the worker's own is made when it is needed
		if _, err := s.SSHIdentity(name); err != nil {
			return err
		}
	}
	return tool("ssh")
}

// connectSSH opens a session, unless there is one.
func connectSSH(s *pipeline.Session) (*connection.Connection, error) {
	if c := s.ConsoleOf(s.Namespace()); c != nil && c.Connected() {
		s.Log.Debug("Already connected")
		return c, nil
	}
	target, err := sshTarget(s)
	if err != nil {
		return nil, err
	}
	options, err := sshOptions(s)
	if err != nil {
		return nil, err
	}
	argv := append(append([]string{"ssh"}, options...), "-p", sshPort(s), target)
	if err := open(s, argv, []string{"ssh"}); err != nil {
		return nil, err
	}
	c, err := console(s)
	if err == nil {
		c.Farewell = connection.Logout
	}
	return c, err
}

// copyOverlay is scp-deploy: it brings the overlay to the device.
func copyOverlay() pipeline.Action {
	return pipeline.Basic{Title: "scp-deploy", About: "copy the overlay over ssh", Late: pipeline.Infrastructure,
		Check: func(ctx context.Context, s *pipeline.Session) error {
			if err := checkSSH(ctx, s); err != nil {
				return err
			}
			return tool("scp")
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.OverlayFile)
			results, ok2 := pipeline.Get(s, pipeline.ResultsDir)
			if !ok || !ok2 {
				return pipeline.Blamef(pipeline.Job, "there is no overlay to copy: deploy it with 'to: ssh'")
			}
			c, err := connectSSH(s)
			if err != nil {
				return err
			}
			s.SetPrompts(c, s.Block().Get("prompts").Texts())
			if _, err := s.Wait(ctx, c); err != nil {
				return err
			}
			if err := s.SendLine(ctx, c, "mkdir -p "+results); err != nil {
				return err
			}
			if _, err := s.Wait(ctx, c); err != nil {
				return err
			}
			target, err := sshTarget(s)
			if err != nil {
				return err
			}
			options, err := sshOptions(s)
			if err != nil {
				return err
			}
			argv := append(append([]string{"scp"}, options...), "-P", sshPort(s), file, target+":"+results)
			if err := s.Command(ctx, argv...); err != nil {
				return err
			}
			s.Result("success", "ssh deployment")
			return nil
		}}
}

// prepareSSH is prepare-ssh: the address of a guest comes in a message of its group.
func prepareSSH() pipeline.Action {
	return pipeline.Basic{Title: "prepare-ssh", About: "find the address of the device",
		Do: func(_ context.Context, s *pipeline.Session) error {
			if !s.Block().Get("parameters").Has("hostID") {
				return nil // the device's own
			}
			target, err := sshTarget(s)
			if err != nil {
				return err
			}
			s.Log.Info("%s is the address of the device", target)
			return nil
		}}
}

// sshConnection is ssh-connection.
func sshConnection() pipeline.Action {
	return pipeline.Basic{Title: "ssh-connection", About: "log in over ssh", Late: pipeline.Infrastructure,
		Check: func(ctx context.Context, s *pipeline.Session) error {
			checkPrompts(s)
			return checkSSH(ctx, s)
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			live := s.ConsoleOf(s.Namespace())
			again := live != nil && live.Connected()
			c, err := connectSSH(s)
			if err != nil {
				return err
			}
			s.SetPrompts(c, s.Block().Get("prompts").Texts())
			if again {
				if err := s.SendLine(ctx, c, ""); err != nil { // its prompt was seen before
					return err
				}
			}
			_, err = s.Wait(ctx, c)
			return err
		}}
}

// sshUnpack is scp-overlay-unpack.
func sshUnpack() pipeline.Action {
	return pipeline.Basic{Title: "scp-overlay-unpack", About: "unpack the overlay on the device",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.OverlayFile)
			results, _ := pipeline.Get(s, pipeline.ResultsDir)
			if !ok {
				return pipeline.Blamef(pipeline.Job, "there is no overlay to unpack: deploy it with 'to: ssh'")
			}
			c, err := console(s)
			if err != nil {
				return err
			}
			flags := pipeline.DeploymentData(deployedOS(s)).Get("tar_flags").Text()
			line := strings.Join(strings.Fields(fmt.Sprintf("tar %s -C %s -xzf %s", flags, path.Dir(results),
				path.Join(results, filepath.Base(file)))), " ")
			if err := s.SendLine(ctx, c, line); err != nil {
				return err
			}
			_, err = s.Wait(ctx, c)
			return err
		}}
}

// deployedOS returns the `os` of the namespace's deploy block.
func deployedOS(s *pipeline.Session) string {
	os := ""
	for _, entry := range s.Job.Get("actions").Items() {
		if block := entry.Get("deploy"); block.Get("namespace").TextOr("common") == s.Namespace() {
			os = first(block.Get("os").Text(), os)
		}
	}
	return os
}
