package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"strata/dispatcher/container"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/pipeline"
)

// downloads brings files to a directory of the namespace, where containers and `downloads://` URLs
// of later blocks find them.
//
// The files lie under their own names in one directory, unless the block says uniquify: steps in a
// container name them as the job's author knows them. What the steps make lies there too, and is a
// file of the namespace like any other.
func downloads(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "downloads", About: "download files for later blocks and containers",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			if err := add(step, testOverlay(s)); err != nil {
				return err
			}
			where := into{dir: download.Directory(s), shared: !step.Block.Get("uniquify").Bool(false)}
			if err := where.images(step); err != nil {
				return err
			}
			if !step.Block.Get("postprocess", "docker").True() {
				return nil
			}
			return step.Add(pipeline.Basic{Title: "download-postprocess-docker", About: "work on the downloads in a container",
				Check: validatePostprocess, Do: postprocess})
		}}
}

func validatePostprocess(_ context.Context, s *pipeline.Session) error {
	docker := s.Block().Get("postprocess", "docker")
	if name, _ := container.ImageOf(docker); !dockerImage.MatchString(name) {
		s.Invalid("postprocess.docker.image '%s' is invalid", name)
	}
	if len(docker.Get("steps").Texts()) == 0 {
		s.Invalid("postprocess.docker has no steps")
	}
	_, err := container.Find(s)
	return err
}

// containerDir is where containers see the downloads.
const containerDir = "/lava-downloads"

// postprocess runs the steps in a container that has the downloads' directory.
func postprocess(ctx context.Context, s *pipeline.Session) error {
	docker, dir := s.Block().Get("postprocess", "docker"), download.Directory(s)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	// Steps that build an image want the tests in it.
	if overlay, ok := pipeline.Get(s, pipeline.OverlayFile); ok {
		text, err := os.ReadFile(overlay)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(overlay)), text, 0o644)
		}
		if err != nil {
			return pipeline.Blamef(pipeline.Infrastructure, "copy the overlay: %w", err)
		}
	}
	script, err := postprocessScript(s, docker.Get("steps").Texts())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "postprocess.sh"), []byte(script), 0o755); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "write the steps: %w", err)
	}
	if err := container.Pull(ctx, s, docker, ""); err != nil {
		return err
	}
	engine, err := container.Find(s)
	if err != nil {
		return err
	}
	name, _ := container.ImageOf(docker)
	own := container.Name(s, "lava")
	argv := []string{engine, "run", "--rm", "--name", own, "--workdir", containerDir,
		"--mount", "type=bind,source=" + dir + ",destination=" + containerDir}
	if _, err := os.Stat("/dev/kvm"); err == nil {
		argv = append(argv, "--device", "/dev/kvm")
	}
	for _, device := range docker.Get("devices").Texts() {
		argv = append(argv, "--device", device)
	}
	err = s.Command(ctx, append(argv, name, containerDir+"/postprocess.sh")...)
	if ctx.Err() != nil {
		// The client is ended, but the container would go on.
		container.Stop(context.WithoutCancel(ctx), s, own)
	}
	return err
}

// postprocessScript writes the steps with what they may know of the job.
func postprocessScript(s *pipeline.Session, steps []string) (string, error) {
	ip, err := s.DispatcherIP("")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\nexec 2>&1\nset -ex\n")
	variables := append([]pipeline.Pair(nil), s.Dynamic()...)
	variables = append(variables, s.Job.Get("environment").Pairs()...)
	variables = append(variables,
		pipeline.Pair{Key: "LAVA_JOB_ID", Value: pipeline.Of(s.ID)},
		pipeline.Pair{Key: "LAVA_DISPATCHER_IP", Value: pipeline.Of(ip)},
		pipeline.Pair{Key: "LAVA_DISPATCHER_PREFIX", Value: pipeline.Of(s.Dispatcher.Get("prefix").Text())})
	if cache := s.Dispatcher.Get("http_url_format_string").Text(); cache != "" {
		variables = append(variables, pipeline.Pair{Key: "HTTP_CACHE", Value: pipeline.Of(cache)})
	}
	for _, v := range variables {
		fmt.Fprintf(&b, "export %s='%s'\n", v.Key, strings.ReplaceAll(v.Value.Text(), "'", `'\''`))
	}
	for _, step := range steps {
		b.WriteString(step + "\n")
	}
	return b.String(), nil
}
