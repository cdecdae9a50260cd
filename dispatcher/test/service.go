package test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// newServices returns lava-test-services: programs that the worker runs in containers while the
// job's tests run.
func newServices(pipeline.Data) pipeline.Action {
	return services{pipeline.Basic{Title: "lava-test-services", About: "start services beside the tests",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			for _, d := range step.Block.Get("services").Items() {
				one := &service{params: d}
				if err := step.Add(pipeline.Retry{Basic: pipeline.Basic{Title: "lava-test-service-retry", About: "start a service, again if it fails",
					Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(one) }}}); err != nil {
					return err
				}
			}
			return nil
		}}}
}

// services is lava-test-services.
type services struct{ pipeline.Basic }

// serviceName is what a service may be called.
var serviceName = regexp.MustCompile(`^[\w\d_-]+$`)

// Validate checks the names, and that the lab allows services beside the device.
func (services) Validate(_ context.Context, s *pipeline.Session) error {
	if !s.Device.Get("parameters", "allow_test_services").True() {
		s.Invalid("Test services are not allowed for this device")
	}
	seen := map[string]bool{}
	for _, d := range s.Block().Get("services").Items() {
		name := d.Get("name").Text()
		if !serviceName.MatchString(name) {
			s.Invalid("Invalid characters found in test service name: '%s'", name)
		}
		if seen[name] {
			s.Invalid("Test service names need to be unique: '%s' is there more than once", name)
		}
		seen[name] = true
	}
	return nil
}

// ServiceStops are the commands that stop the services which a job has started, for the command
// block stop_test_services.
const ServiceStops pipeline.Key[[][]string] = "lava-test-service/stop-services/cmd-list"

// service is lava-test-service.
type service struct {
	params pipeline.Data
	stop   []string // the command that stops it, once it was started
}

// Name returns the action's name.
func (*service) Name() string { return "lava-test-service" }

// Description says what the action does.
func (*service) Description() string { return "start one service" }

// TimeoutClass is that of tests, which a job may skip.
func (*service) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// Populate adds the download of an archive.
func (a *service) Populate(step *pipeline.Step, s *pipeline.Session) error {
	switch from := a.params.Get("from").Text(); from {
	case "git":
		return nil
	case "url":
		dir, err := s.Dir()
		if err != nil {
			return err
		}
		params := a.params.With("url", a.params.Get("repository")).With("compression", pipeline.Of(nil))
		return step.Add(download.Retry(download.Artefact{Key: a.params.Get("name").Text(), Params: params, Dir: dir}))
	default:
		return pipeline.Blamef(pipeline.Job, "Unknown test service 'from' type '%s'", from)
	}
}

// Validate looks for the program.
func (a *service) Validate(_ context.Context, s *pipeline.Session) error {
	if file := a.params.Get("path").Text(); !filepath.IsLocal(file) {
		s.Invalid("the path '%s' of the test service is not inside its repository", file)
	}
	_, err := compose()
	return err
}

// compose returns the words that run compose: as a plug-in of docker, or by itself.
func compose() ([]string, error) {
	if docker, err := exec.LookPath("docker"); err == nil && exec.Command(docker, "compose", "version").Run() == nil {
		return []string{docker, "compose"}, nil
	}
	for _, name := range []string{"docker-compose", "podman-compose"} {
		if file, err := exec.LookPath(name); err == nil {
			return []string{file}, nil
		}
	}
	return nil, pipeline.Blamef(pipeline.Infrastructure, "Cannot find command 'docker compose' or 'docker-compose' in $PATH")
}

// Run fetches the service's files and starts it.
func (a *service) Run(ctx context.Context, s *pipeline.Session) error {
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	clone := filepath.Join(dir, a.params.Get("name").Text())
	commit, err := a.fetch(ctx, s, clone)
	if err != nil {
		return err
	}
	s.Result("name", a.params.Get("name").Text())
	if commit != "" {
		s.Result("commit", commit)
	}
	if err := writeEnvironment(s, clone); err != nil {
		return err
	}
	words, err := compose()
	if err != nil {
		return err
	}
	project := "lava-" + s.ID + "-" + strings.ReplaceAll(s.Step.Level, ".", "-") + "-test-service-" + a.params.Get("name").Text()
	words = append([]string{"env", "--chdir=" + clone}, words...)
	words = append(words, "--project-name", strings.ToLower(project), "--file", a.params.Get("path").Text())
	a.stop = append(words[:len(words):len(words)], "down")
	// Noted before it is started: one that comes up half must be taken down as well.
	stops, _ := pipeline.Get(s, ServiceStops)
	pipeline.Put(s, ServiceStops, append(stops[:len(stops):len(stops)], a.stop))
	up := append(words, "up", "--detach")
	if name := a.params.Get("service").Text(); name != "" {
		up = append(up, name)
	}
	return s.Command(ctx, up...)
}

// fetch brings the service's files and returns the commit of a repository.
func (a *service) fetch(ctx context.Context, s *pipeline.Session, clone string) (string, error) {
	if a.params.Get("from").Text() == "git" {
		return overlay.Clone(ctx, s, a.params, clone)
	}
	if err := s.RunChildren(ctx); err != nil {
		return "", err
	}
	file, ok := pipeline.Get(s, pipeline.Artefact(a.params.Get("name").Text()))
	if !ok {
		return "", pipeline.Blamef(pipeline.Bug, "the archive of the service was not downloaded")
	}
	if err := os.MkdirAll(clone, 0o755); err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	in, err := os.Open(file)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer in.Close()
	return "", download.BlameContent(archive.Untar(clone, in, a.params.Get("strip-components").Int(0)))
}

// writeEnvironment gives the service the variables of device and job.
func writeEnvironment(s *pipeline.Session, clone string) error {
	var b strings.Builder
	b.WriteString("\n# Added by LAVA.\n")
	for _, from := range []pipeline.Data{s.Device.Get("environment"), s.Job.Get("environment")} {
		for _, p := range from.Pairs() {
			b.WriteString(p.Key + "=" + p.Value.Text() + "\n")
		}
	}
	root, err := os.OpenRoot(clone) // .env may be a link of the repository's
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer root.Close()
	f, err := root.OpenFile(".env", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	_, err = f.WriteString(b.String())
	return pipeline.Blame(pipeline.Infrastructure, errors.Join(err, f.Close()))
}

// Cleanup stops the service.
func (a *service) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.stop == nil {
		return nil
	}
	stop := a.stop
	a.stop = nil
	return s.Command(ctx, stop...)
}
