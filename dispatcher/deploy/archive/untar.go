package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func tarError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: not a tar, or cut short: %w", ErrFormat, err)
	}
	return err
}

// Untar unpacks a tar, compressed or not, into the directory dir, which must exist, and takes the
// first strip parts off each name. Entries can neither leave the directory nor, by a link in it,
// reach out of it. Files are the caller's, with the modes of the tar; device nodes are left out. A tar
// of too many members, bytes or directories, or one that is far smaller than its content, is bad content.
func Untar(dir string, r io.Reader, strip int) error {
	in, err := openTar(r, forArchives())
	if err != nil {
		return err
	}
	defer in.Close()
	return untar(dir, in, strip)
}

func untar(dir string, in *tarReader, strip int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer root.Close()
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := stripped(h.Name, strip)
		if name == "" {
			continue
		}
		if err := extract(root, in, h, name, strip); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, nameError(err))
		}
	}
}

// nameError marks as bad content what a name in an archive leads to: one that leads out, lies below a
// file or is too long. A full or failing disk is not the archive's fault.
func nameError(err error) error {
	for _, own := range []error{ErrFormat, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS,
		syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, own) {
			return err
		}
	}
	var file *fs.PathError
	var link *os.LinkError
	if errors.As(err, &file) || errors.As(err, &link) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

func stripped(name string, strip int) string {
	parts := strings.Split(clean(name), "/")
	if len(parts) <= strip {
		return ""
	}
	return path.Join(parts[strip:]...)
}

func extract(root *os.Root, in io.Reader, h *tar.Header, name string, strip int) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		// What stands there may be a link; writing must not go through it.
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode|0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, in); err != nil {
			f.Close()
			return tarError(err)
		}
		return f.Close()
	case tar.TypeSymlink:
		// os.Root refuses to follow a link that leads out, but not to make it.
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		target := stripped(h.Linkname, strip)
		if target == "" {
			return fmt.Errorf("%w: link to %s", ErrFormat, h.Linkname)
		}
		if target == name {
			return nil
		}
		// As for files: what an archive or a layer brings replaces what is there.
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Link(target, name)
	}
	return nil // device nodes, sockets, the headers of pax and git
}

// Tar packs the directory trees below dirs into w, with names relative to base, each in the order of
// names. Everything belongs to root. Files that are neither regular, directory nor link are left
// out.
func Tar(w io.Writer, base string, dirs ...string) error {
	out := tar.NewWriter(w)
	for _, dir := range dirs {
		if err := tarTree(out, base, dir); err != nil {
			return fmt.Errorf("pack %s: %w", dir, err)
		}
	}
	return out.Close()
}

func tarTree(out *tar.Writer, base, dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(file); err != nil {
				return err
			}
		} else if !info.IsDir() && !info.Mode().IsRegular() {
			return nil
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(base, file)
		if err != nil {
			return err
		}
		h.ModTime = h.ModTime.Truncate(time.Second) // or it is rounded, and tar warns of the future
		// Whoever runs the worker means nothing on the device.
		h.Name, h.Uid, h.Gid, h.Uname, h.Gname = filepath.ToSlash(name), 0, 0, "root", "root"
		if info.IsDir() {
			h.Name += "/"
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		return copyFile(out, file)
	})
}

func copyFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
