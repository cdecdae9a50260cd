// Package container runs containers of the worker for a job: with docker or with podman, whichever
// the worker has, whose command lines agree in all that is used here. Nothing is left behind: each
// container has a name with the job's number in it and is stopped by the action that started it.
package container

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"strata/dispatcher/pipeline"
)

// engines are the programs that run containers: the first that is installed and works is taken.
var engines = [...]string{"docker", "podman"}

// answerLimit is how long an engine may take to say that it is there.
const answerLimit = 5 * time.Second

// Find returns the program that runs containers. Where the dispatcher's configuration names one
// with container_engine, it is that.
func Find(s *pipeline.Session) (string, error) {
	names := engines[:]
	if name := s.Dispatcher.Get("container_engine").Text(); name != "" {
		names = []string{name}
	}
	var found []string
	for _, name := range names {
		if file, err := exec.LookPath(name); err == nil {
			found = append(found, file)
		}
	}
	switch len(found) {
	case 0:
	case 1:
		return found[0], nil
	default:
		// A docker that was installed for its command line only has no daemon to talk to.
		ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
		defer cancel()
		if exec.CommandContext(ctx, found[0], "version", "--format", "{{.Server.Version}}").Run() != nil {
			return found[1], nil
		}
		return found[0], nil
	}
	return "", pipeline.Blamef(pipeline.Infrastructure, "Cannot find command '%s' in $PATH", strings.Join(names, "' or '"))
}

// ImageOf reads the `image` of a block: a name, or a mapping with the name and whether a copy that
// the worker has will do.
func ImageOf(d pipeline.Data) (name string, local bool) {
	if d.Kind() == pipeline.Mapping {
		if !d.Get("image").IsNull() {
			return d.Get("image").Text(), d.Get("local").Bool(false)
		}
		return d.Get("name").Text(), d.Get("local").Bool(false)
	}
	return d.Text(), false
}

// Pull brings an image to the worker, or to the remote engine where one is named. With `local` a
// copy that is there already will do.
func Pull(ctx context.Context, s *pipeline.Session, image pipeline.Data, remote string) error {
	engine, err := Find(s)
	if err != nil {
		return err
	}
	command := []string{engine}
	if remote != "" {
		command = append(command, "--host", remote)
	}
	name, local := ImageOf(image)
	if local {
		s.Log.Debug("Using local docker image '%s'", name)
		if s.Command(ctx, append(command, "image", "inspect", "--format", "Image exists locally", name)...) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.Log.Warning("Unable to inspect docker image '%s'", name)
	}
	if login := image.Get("login"); login.True() {
		if err := logIn(ctx, s, command, login); err != nil {
			return err
		}
	}
	command = append(command, "pull", name)
	if image.Get("login").True() {
		command = append([]string{"env", "HOME=" + s.JobDir()}, command...) // where the login is kept
	}
	err = s.Command(ctx, command...)
	if err != nil && ctx.Err() == nil {
		return pipeline.Blamef(pipeline.ClassOf(err), "Unable to pull docker image '%s': %w", name, err)
	}
	return err
}

// Once is Pull for containers that live for one command: the namespace's first pulls, the others run
// what that has brought.
func Once(ctx context.Context, s *pipeline.Session, image pipeline.Data, remote string) error {
	name, _ := ImageOf(image)
	key := pipeline.Key[bool]("container/pulled/" + remote + "/" + name)
	if pulled, _ := pipeline.Get(s, key); pulled {
		return nil
	}
	err := Pull(ctx, s, image, remote)
	pipeline.Put(s, key, err == nil)
	return err
}

// logIn logs in to a registry. The password goes by standard input, where no list of processes
// shows it.
func logIn(ctx context.Context, s *pipeline.Session, command []string, login pipeline.Data) error {
	argv := append(command[:len(command):len(command)], "login")
	if user := login.Get("user").Text(); user != "" {
		argv = append(argv, "--username", user, "--password-stdin")
	}
	argv = append(argv, login.Get("registry").Text())
	s.Log.Debug("Calling: %s", pipeline.ReprList(argv))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append([]string(nil), s.Env()...), "HOME="+s.JobDir())
	cmd.Stdin = strings.NewReader(login.Get("password").Text())
	if out, err := cmd.CombinedOutput(); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "log in to registry '%s': %w: %s", login.Get("registry").Text(), err, out)
	}
	return nil
}

// Name returns the name of a job's container: what it is for, the worker's prefix, the job and the
// level of the step.
func Name(s *pipeline.Session, what string) string {
	return fmt.Sprintf("%s%s%s-%s", what, dashed(s.Dispatcher.Get("prefix").Text()), s.ID, s.Step.Level)
}

func dashed(prefix string) string {
	if prefix == "" {
		return "-"
	}
	return "-" + strings.TrimSuffix(prefix, "-") + "-"
}

// Stop ends a container; one that is gone already is no error.
func Stop(ctx context.Context, s *pipeline.Session, name string, options ...string) {
	engine, err := Find(s)
	if err != nil {
		return
	}
	argv := append(append([]string{engine}, options...), "stop", "--time", "5", name)
	s.Log.Debug("Stopping container %s", name)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = s.Env()
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(strings.ToLower(string(out)), "no such container") &&
		!strings.Contains(string(out), "no container with name") {
		s.Log.Warning("stop container %s: %s", name, strings.TrimSpace(string(out)))
	}
}
