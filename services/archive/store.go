package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Store is where an archive lies. Names are slash-separated paths.
type Store interface {
	// Put writes an object whole or not at all, in place of one that may be there.
	Put(ctx context.Context, name string, from io.ReadSeeker) error
	// Create writes an object that must not be there; the error is [ErrExists] where it is.
	Create(ctx context.Context, name string, from io.ReadSeeker) error
	// Get opens an object; the error is [fs.ErrNotExist] where there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns the names that begin with a prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
	// Remove erases an object; none there is no error.
	Remove(ctx context.Context, name string) error
	// String names the place to people.
	String() string
}

// ErrExists says that an object to be made is there already: another process was faster.
var ErrExists = errors.New("is there already")

// Directory is a Store on a disk. Files are synced before they get their name.
type Directory struct{ path string }

// OpenDirectory returns the store in a directory, which is made by the first write.
func OpenDirectory(path string) (Directory, error) {
	if is, err := os.Stat(path); err == nil && !is.IsDir() {
		return Directory{}, fmt.Errorf("open archive: %s is no directory", path)
	}
	return Directory{path}, nil
}

func (d Directory) String() string { return d.path }

// file returns the path of an object.
func (d Directory) file(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

// Put writes a file beside the old one and renames it.
func (d Directory) Put(ctx context.Context, name string, from io.ReadSeeker) error {
	return d.write(ctx, name, from, os.Rename)
}

// Create writes a file and links it to a name that must be free.
func (d Directory) Create(ctx context.Context, name string, from io.ReadSeeker) error {
	return d.write(ctx, name, from, func(written, final string) error {
		err := os.Link(written, final)
		if errors.Is(err, fs.ErrExist) {
			err = ErrExists
		}
		return errors.Join(err, os.Remove(written))
	})
}

// unfinished is what names of files begin with that are still written. A crash leaves them; no list shows them.
const unfinished = ".writing-"

func (d Directory) write(ctx context.Context, name string, from io.ReadSeeker, place func(written, final string) error) error {
	fail := func(err error) error { return fmt.Errorf("archive %s: %w", name, err) }
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	final := d.file(name)
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(final), unfinished)
	if err != nil {
		return fail(err)
	}
	_, err = io.Copy(f, from)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fail(errors.Join(err, os.Remove(f.Name())))
	}
	if err := place(f.Name(), final); err != nil {
		return fail(err)
	}
	// The name is on disk once its directory is.
	dir, err := os.Open(filepath.Dir(final))
	if err != nil {
		return fail(err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fail(err)
	}
	return nil
}

// Get opens a file.
func (d Directory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(d.file(name))
	if err != nil {
		return nil, fmt.Errorf("read %s of the archive: %w", name, err)
	}
	return f, nil
}

// List walks the folder that a prefix names.
func (d Directory) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	root := d.file(prefix[:strings.LastIndex(prefix, "/")+1])
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), unfinished) {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(d.path, path)
		if name = filepath.ToSlash(name); err == nil && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the archive: %w", err)
	}
	sort.Strings(names)
	return names, nil
}

// Remove removes a file.
func (d Directory) Remove(_ context.Context, name string) error {
	err := os.Remove(d.file(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s of the archive: %w", name, err)
	}
	return nil
}

// read returns a small object whole.
func read(ctx context.Context, s Store, name string) ([]byte, error) {
	r, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s of the archive: %w", name, err)
	}
	return data, nil
}

// exists tells whether an object is there.
func exists(ctx context.Context, s Store, name string) (bool, error) {
	r, err := s.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}
