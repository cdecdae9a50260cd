package overlay

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"strata/dispatcher/pipeline"
)

// installOverlay writes install.sh, and clones on the worker what the definition wants beside it:
// the device may have neither git nor a network.
type installOverlay struct {
	work  *work
	entry *entry
}

// Name returns test-install-overlay.
func (installOverlay) Name() string { return "test-install-overlay" }

// Description says what the action does.
func (installOverlay) Description() string {
	return "overlay dependency installation support files onto image"
}

// Run writes the script, if the definition has an install section.
func (a installOverlay) Run(ctx context.Context, s *pipeline.Session) error {
	e := a.entry
	e.results(s)
	script, ok := e.InstallScript(a.work.distro)
	if !ok {
		s.Result("skipped "+a.Name(), e.run.UUID)
		return nil
	}
	for _, line := range e.Overrides() {
		s.Log.Debug("%s", line)
	}
	if err := writeFile(filepath.Join(e.local, "install.sh"), script, 0o755); err != nil {
		return blamef("write install.sh of %s: %w", e.Name, err)
	}
	for _, skip := range e.Job.Get("skip_install").Texts() {
		if skip == "all" || skip == "git-repos" {
			return nil
		}
	}
	for _, item := range e.File.Get("install", "git-repos").Items() {
		if err := a.clone(ctx, s, item); err != nil {
			return err
		}
	}
	return nil
}

// clone brings one of the git-repos, in full.
func (a installOverlay) clone(ctx context.Context, s *pipeline.Session, item pipeline.Data) error {
	e := a.entry
	// Written as the URL alone, or as a mapping.
	c := newClone(s, item.Text())
	destination := ""
	if item.Kind() == pipeline.Mapping {
		c.url, c.branch, destination = e.named(item.Get("url")), e.named(item.Get("branch")), e.named(item.Get("destination"))
	}
	if c.url == "" {
		return pipeline.Blamef(pipeline.Test, "Invalid git-repos entry of %s: %s", e.Name, item.Python())
	}
	if destination == "" {
		destination = strings.TrimSuffix(path.Base(strings.TrimRight(c.url, "/")), ".git")
	}
	// Directly below the definition, so that no repository can take the place of another's files.
	if !filepath.IsLocal(destination) || strings.ContainsRune(destination, '/') || destination == "." {
		return pipeline.Blamef(pipeline.Job, "Destination path is unacceptable %s", destination)
	}
	c.dir = filepath.Join(e.local, destination)
	if _, err := os.Lstat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		return pipeline.Blamef(pipeline.Test, "Destination path already exists %s", destination)
	}
	_, err := c.run(ctx)
	return err
}

// named returns a text of git-repos, or, where it is the name of a parameter, that parameter's
// value: the job's, else the file's default.
func (e *entry) named(d pipeline.Data) string {
	text := d.Text()
	for _, from := range []pipeline.Data{e.Job.Get("parameters"), e.File.Get("params")} {
		if v, ok := from.Lookup(text); ok {
			return v.Text()
		}
	}
	return text
}
