package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/container"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// askFVPVersion runs the model for its version and reports that as a result of its own.
func askFVPVersion(ctx context.Context, s *pipeline.Session) error {
	engine, err := container.Find(s)
	if err != nil {
		return err
	}
	begin := s.Now()
	if err := container.Pull(ctx, s, s.Block().Get("docker"), ""); err != nil {
		return err
	}
	argv := []string{engine, "run", "--rm", fvpImage(s), s.Block().Get("image").Text()}
	argv = append(argv, strings.Fields(s.Block().Get("version_args").TextOr("--version"))...)
	out, err := s.CommandOutput(ctx, true, argv...)
	if err != nil {
		return err
	}
	text := s.Block().Get("version_string").TextOr(`Fast Models[^\n]+`)
	pattern, err := connection.Compile(text, 0)
	if err != nil {
		return pipeline.Blame(pipeline.Job, err)
	}
	version, ok, err := pattern.Search(out)
	if err != nil {
		return pipeline.Blame(pipeline.Job, err)
	}
	if !ok {
		return pipeline.Blamef(pipeline.Job, "the model's version does not match '%s'", text)
	}
	s.Log.Result(output.Fields{
		{Key: "definition", Value: "lava"}, {Key: "case", Value: "fvp-version"}, {Key: "level", Value: s.Step.Level},
		{Key: "extra", Value: output.Fields{{Key: "fvp-version", Value: version}}},
		{Key: "result", Value: "pass"}, {Key: "duration", Value: pipeline.Seconds(s.Now().Sub(begin))},
	})
	return nil
}

// fvpPorts are the ports of the model's consoles, as it told them.
type fvpPorts struct {
	serial   string
	feedback map[string]string // port by namespace
	order    []string
}

const fvpConsoles pipeline.Key[fvpPorts] = "run-fvp/fvp/ports"

// runFVP is run-fvp: it starts the model and learns where its consoles are.
type runFVP struct {
	name  string
	model *connection.Connection // what the model itself prints
}

// Name returns the action's name.
func (*runFVP) Name() string { return "run-fvp" }

// Description says what the action does.
func (*runFVP) Description() string { return "start the model" }

// Run starts the container and waits for a line for each console.
func (a *runFVP) Run(ctx context.Context, s *pipeline.Session) error {
	if err := a.Cleanup(ctx, s); err != nil { // of an earlier attempt
		return err
	}
	argv, err := a.command(s)
	if err != nil {
		return err
	}
	s.Log.Info("Boot command: %s", pipeline.ReprList(argv))
	a.model, err = connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	s.SetConsole(a.model)
	pipeline.Put(s, fvpContainer, a.name)
	return a.consoles(ctx, s)
}

// command returns the command line and writes the script that it runs.
func (a *runFVP) command(s *pipeline.Session) ([]string, error) {
	engine, err := container.Find(s)
	if err != nil {
		return nil, err
	}
	block := s.Block()
	a.name = container.Name(s, "lava")
	if own := block.Get("docker", "container_name").Text(); own != "" {
		a.name = own + "-lava-" + s.ID
	}
	files, mounts := fvpFiles(s, a.name)
	arguments, err := fvpArguments(block.Get("arguments").Texts(), files, a.name)
	if err != nil {
		return nil, err
	}
	dir, err := s.Dir()
	if err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "script.sh")
	text := "#!/bin/sh\nexec " + block.Get("image").Text() + " " + strings.Join(arguments, " ") + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		return nil, pipeline.Blamef(pipeline.Infrastructure, "write the model's script: %w", err)
	}
	options := s.Device.Get("actions", "boot", "methods", "fvp", "options")
	argv := []string{engine, "run", "--rm", "--interactive", "--tty", "--hostname", "lava", "--name", a.name}
	argv = append(append(argv, dockerLimits(options)...), mounts...)
	argv = append(argv, "--mount", "type=bind,source="+script+",destination=/root/script.sh")
	if license := block.Get("license_variable").Text(); license != "" {
		argv = append(argv, "--env", license)
	}
	if license := first(block.Get("ubl_license").Text(), options.Get("ubl_license").Text()); license != "" {
		argv = append(argv, "--env", "ARMLM_ONETIME_LICENSE="+license)
	}
	for _, p := range block.Get("environment").Pairs() {
		argv = append(argv, "--env", p.Key+"="+p.Value.Text())
	}
	return append(argv, fvpImage(s), "sh", "/root/script.sh"), nil
}

// consoles waits for each distinct pattern once, in any order.
func (a *runFVP) consoles(ctx context.Context, s *pipeline.Session) error {
	main := s.Block().Get("console_string").Text()
	waiting := []string{main}
	for _, text := range s.Block().Get("feedbacks").Texts() {
		if !slices.Contains(waiting, text) {
			waiting = append(waiting, text)
		}
	}
	ports := fvpPorts{feedback: map[string]string{}}
	for len(waiting) > 0 {
		s.SetPrompts(a.model, waiting)
		m, err := s.Wait(ctx, a.model)
		if err != nil {
			return err
		}
		text := waiting[m.Index]
		waiting = slices.Delete(slices.Clone(waiting), m.Index, m.Index+1)
		port, ok := m.Group("PORT")
		if !ok {
			if s.Block().Get("use_telnet").Bool(true) {
				return pipeline.Blamef(pipeline.Job, "the pattern '%s' has no group PORT", text)
			}
			continue
		}
		if text == main {
			ports.serial = port
			continue
		}
		name, ok := m.Group("NAME")
		if !ok || name == "" {
			name = "_namespace_feedback_" + port
		}
		ports.feedback[name] = port
		ports.order = append(ports.order, name)
	}
	pipeline.Put(s, fvpConsoles, ports)
	return nil
}

// modelGrace is how long the model may go on printing at the end.
const modelGrace = 60 * time.Second

// Cleanup reads what the model still says and stops the container.
func (a *runFVP) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.model != nil {
		limited, cancel := context.WithTimeout(ctx, modelGrace)
		for came := a.model.Connected(); came && limited.Err() == nil; {
			var err error
			if came, err = a.model.Drain(limited, time.Second, ""); err != nil {
				break // it has ended
			}
		}
		cancel()
	}
	if a.name != "" {
		container.Stop(ctx, s, a.name)
		a.name = ""
	}
	if a.model == nil {
		return nil
	}
	c := a.model
	a.model = nil
	return c.Close()
}

// connectFVP is fvp-serial-connect.
func connectFVP() pipeline.Action {
	return pipeline.Basic{Title: "fvp-serial-connect", About: "connect to the model's consoles",
		Do: func(_ context.Context, s *pipeline.Session) error {
			ports, ok := pipeline.Get(s, fvpConsoles)
			name, ok2 := pipeline.Get(s, fvpContainer)
			if !ok || !ok2 {
				return pipeline.Blamef(pipeline.Bug, "the model does not run")
			}
			engine, err := container.Find(s)
			if err != nil {
				return err
			}
			telnet := func(port string) (*connection.Connection, error) {
				argv := []string{engine, "exec", "--interactive", "--tty", name, "telnet", "localhost", port}
				s.Log.Info("Connecting to the model's console: %s", pipeline.ReprList(argv))
				c, err := connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log})
				return c, pipeline.Blame(pipeline.Infrastructure, err)
			}
			model := s.ConsoleOf(s.Namespace())
			for _, namespace := range ports.order {
				c, err := telnet(ports.feedback[namespace])
				if err != nil {
					return err
				}
				s.SetConsoleOf(namespace, c)
			}
			// What the model itself prints is read like any console that nobody looks at.
			s.SetConsoleOf("_fvp_model", model)
			c, err := telnet(ports.serial)
			if err != nil {
				return err
			}
			s.SetConsole(c)
			return nil
		}}
}

// inModel starts a command in the model's container as the namespace's console.
func inModel(s *pipeline.Session, argv ...string) error {
	name, ok := pipeline.Get(s, fvpContainer)
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "the model does not run")
	}
	engine, err := container.Find(s)
	if err != nil {
		return err
	}
	if old := s.ConsoleOf(s.Namespace()); old != nil {
		s.SetConsoleOf(fmt.Sprintf("_namespace_%s_console", s.Namespace()), old)
	}
	return open(s, append([]string{engine, "exec", "--interactive", "--tty", name}, argv...), nil)
}

// fvpApplication is run-fvp-erpc-app: a program beside the model that talks to it.
func fvpApplication() pipeline.Action {
	return pipeline.Basic{Title: "run-fvp-erpc-app", About: "run an application beside the model",
		Do: func(_ context.Context, s *pipeline.Session) error {
			label := s.Block().Get("erpc_app").Text()
			name, _ := pipeline.Get(s, fvpContainer)
			files, _ := fvpFiles(s, name)
			for _, f := range files {
				if f.Label == label {
					return inModel(s, "sh", "-c", "chmod +x "+f.Path+" 2>/dev/null; exec "+f.Path)
				}
			}
			return pipeline.Blamef(pipeline.Job, "erpc_app: there is no image '%s'", label)
		}}
}

// fvpShellCommands is run-fvp-shell-commands.
func fvpShellCommands() pipeline.Action {
	return pipeline.Basic{Title: "run-fvp-shell-commands", About: "run the block's commands in the model's container",
		Do: func(_ context.Context, s *pipeline.Session) error {
			return inModel(s, "sh", "-c", strings.Join(s.Block().Get("commands").Texts(), "; "))
		}}
}
