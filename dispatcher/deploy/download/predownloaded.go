package download

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/pipeline"
)

// Directory returns where a `downloads` deploy of the step's namespace puts its files.
func Directory(s *pipeline.Session) string {
	return filepath.Join(s.JobDir(), "downloads", s.Namespace())
}

// preDownloaded takes a file of an earlier `downloads` deploy: downloads://name.
type preDownloaded struct{ fetch }

func newPreDownloaded(f fetch) pipeline.Action { return preDownloaded{f} }

// Name returns pre-downloaded.
func (preDownloaded) Name() string { return "pre-downloaded" }

// Description says what the action does.
func (preDownloaded) Description() string { return "take a file that an earlier block downloaded" }

// TimeoutClass blames the job.
func (preDownloaded) TimeoutClass() pipeline.Class { return pipeline.Job }

// name is the path below Directory: what stands after the scheme, since its first part looks like a
// host to readers of URLs.
func (d preDownloaded) name() string { return filepath.Join(d.host, d.fetch.path) }

// Validate checks the key and the name.
func (d preDownloaded) Validate(_ context.Context, s *pipeline.Session) error {
	if !filepath.IsLocal(d.name()) {
		s.Invalid("Invalid name in '%s'", d.url)
	}
	return nil
}

// Run links the file, so that what later actions do to a name does not harm the original's.
func (d preDownloaded) Run(_ context.Context, s *pipeline.Session) error {
	from := filepath.Join(Directory(s), d.name())
	info, err := os.Stat(from)
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "Resource unavailable: %s (available: %s)", d.name(), strings.Join(available(s), ", "))
	}
	d.fetch.path = "/" + filepath.Base(from)
	d.fetch.artefact.Params = d.fetch.artefact.Params.With("compression", pipeline.Of(nil)).With("archive", pipeline.Of(nil))
	file := d.file()
	if info.IsDir() {
		file = from
	} else if err := link(from, file); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "take '%s': %w", d.url, err)
	}
	s.Log.Debug("Linking %s to %s", from, file)
	return d.hand(s, file)
}

// Cleanup removes the link.
func (d preDownloaded) Cleanup(_ context.Context, s *pipeline.Session) error {
	file := filepath.Join(d.dir(), filepath.Base(d.name()))
	if file == filepath.Join(Directory(s), d.name()) {
		return nil // the original
	}
	err := os.Remove(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func link(from, file string) error {
	if from == file {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Link(from, file)
}

// available lists the names that could be asked for.
func available(s *pipeline.Session) []string {
	root := Directory(s)
	var names []string
	_ = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if name, err := filepath.Rel(root, file); err == nil {
				names = append(names, name)
			}
		}
		return nil // what cannot be read is not available
	})
	slices.Sort(names)
	return names
}
