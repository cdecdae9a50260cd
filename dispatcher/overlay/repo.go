package overlay

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/pipeline"
	"strata/schemas/testdef"
	"strata/schemas/yaml"
)

func writeYAML(d pipeline.Data) (string, error) {
	text, err := yaml.Write(d.YAML())
	return string(text), err
}

// inlineRepo takes a definition that stands in the job itself.
type inlineRepo struct {
	work  *work
	entry *entry
}

// Name returns inline-repo-action.
func (inlineRepo) Name() string { return "inline-repo-action" }

// Description says what the action does.
func (inlineRepo) Description() string { return "apply inline test definition to the test image" }

// Validate checks the definition, which is known already.
func (a inlineRepo) Validate(_ context.Context, s *pipeline.Session) error {
	if _, err := testdef.Decode(a.entry.run.Repository.YAML()); err != nil {
		s.Invalid("%s: %s", a.entry.Name, err)
	}
	if p := a.entry.run.Path; !filepath.IsLocal(p) || p == "." {
		s.Invalid("%s: path %q is not inside the repository", a.entry.Name, p)
	}
	return nil
}

// Run writes the definition where a repository would have it.
func (a inlineRepo) Run(_ context.Context, s *pipeline.Session) error {
	e := a.entry
	if err := e.place(s, a.work); err != nil {
		return err
	}
	d, err := testdef.Decode(e.run.Repository.YAML())
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "%s: %w", e.Name, err)
	}
	e.load(d)
	text, err := writeYAML(e.File)
	if err != nil {
		return blamef("write %s: %w", e.run.Path, err)
	}
	file := filepath.Join(e.local, filepath.FromSlash(path.Clean("/"+e.run.Path)))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return blamef("write %s: %w", e.run.Path, err)
	}
	if err := writeFile(file, text, 0o644); err != nil {
		return blamef("write %s: %w", e.run.Path, err)
	}
	e.announce(s)
	return nil
}

// urlRepo takes a definition from a tar on a server.
type urlRepo struct {
	work  *work
	entry *entry
}

// urlKey is the label of the tar among the downloads.
const urlKey = "url_repo"

// Name returns url-repo-action.
func (*urlRepo) Name() string { return "url-repo-action" }

// Description says what the action does.
func (*urlRepo) Description() string { return "apply a test archive to the test image" }

// Populate adds the download.
func (a *urlRepo) Populate(step *pipeline.Step, s *pipeline.Session) error {
	dir, err := s.Dir()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	// Unpacking tells the compression by itself.
	params := a.entry.Job.With("url", a.entry.run.Repository).With("compression", pipeline.Of(nil))
	return step.Add(download.Retry(download.Artefact{Key: urlKey, Params: params, Dir: dir}))
}

// Run downloads and unpacks the tar.
func (a *urlRepo) Run(ctx context.Context, s *pipeline.Session) error {
	e := a.entry
	if err := e.place(s, a.work); err != nil {
		return err
	}
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	file, _ := pipeline.Get(s, pipeline.Artefact(urlKey))
	if err := a.unpack(file); err != nil {
		class := pipeline.Infrastructure
		if errors.Is(err, archive.ErrFormat) {
			class = pipeline.Job
		}
		return pipeline.Blamef(class, "Unable to unpack the test archive '%s': %w", e.run.Repository.Text(), err)
	}
	if err := e.read(); err != nil {
		return err
	}
	e.announce(s)
	s.Result("repository", e.run.Repository.Text())
	s.Result("path", e.run.Path)
	return nil
}

func (a *urlRepo) unpack(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(a.entry.local, 0o755); err != nil {
		return err
	}
	return archive.Untar(a.entry.local, io.Reader(in), a.entry.Job.Get("strip-components").Int(0))
}
