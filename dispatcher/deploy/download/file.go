package download

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	f, err := d.open(s)
	if pipeline.ClassOf(err) == pipeline.Job {
		return err
	}
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
	f, err := d.open(s)
	if pipeline.ClassOf(err) == pipeline.Job {
		return err
	}
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

// open opens the file, unless it is among what the worker keeps for itself: the orders of other jobs lie
// there, with their secrets. Where a file lies is asked of the kernel after it was opened, so that no
// link leads there, nor one that is changed meanwhile.
func (d fileDownload) open(s *pipeline.Session) (*os.File, error) {
	f, err := open(d.path)
	if err != nil {
		return nil, err
	}
	own, err := within(s.Services().State, f)
	if err == nil && own {
		err = pipeline.Blamef(pipeline.Job, "'%s' lies in the worker's own directory, which no job may read", d.url)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// within says whether an open file lies below a directory; nothing lies below "".
func within(dir string, f *os.File) (bool, error) {
	if dir == "" {
		return false, nil
	}
	raw, err := f.SyscallConn() // Fd would have reads wait for whoever writes to a pipe
	if err != nil {
		return false, err
	}
	var real string
	var unread error
	err = raw.Control(func(fd uintptr) { real, unread = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) })
	if err = errors.Join(err, unread); err != nil {
		return false, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return false, err
	}
	below, err := filepath.Rel(dir, real)
	return err == nil && filepath.IsLocal(below), err
}

// open opens a file for reading. It does not wait for whoever might write to a named pipe.
func open(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) }
