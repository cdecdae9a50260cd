package download

import (
	"context"
	"os"
	"syscall"

	"strata/dispatcher/pipeline"
)

// fileDownload copies a file of the worker.
type fileDownload struct{ fetch }

func newFile(f fetch) pipeline.Action { return fileDownload{f} }

// Name returns file-download.
func (fileDownload) Name() string { return "file-download" }

// Description says what the action does.
func (fileDownload) Description() string { return "copy a local file" }

// Validate checks that the file is there.
func (d fileDownload) Validate(_ context.Context, s *pipeline.Session) error {
	d.check(s)
	f, err := open(d.path)
	if err != nil {
		s.Invalid("Image file '%s' does not exist or is not readable", d.path)
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		s.Invalid("Image file '%s' does not exist or is not readable", d.path)
	}
	return nil
}

// Run copies the file.
func (d fileDownload) Run(ctx context.Context, s *pipeline.Session) error {
	s.Log.Info("downloading %s", d.url)
	f, err := open(d.path)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", d.url, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", d.url, err)
	}
	return d.save(ctx, s, f, info.Size())
}

// open opens a file for reading. It does not wait for whoever might write to a named pipe.
func open(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) }
