package archive

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"syscall"
)

// maxUnpacked bounds what an archive may become, in bytes.
const maxUnpacked = 64 << 30

// Unpack unpacks a zip or a tar, compressed or not, into a directory.
func Unpack(dir, file string) error { return unpackWithin(dir, file, forArchives()) }

func unpackWithin(dir, file string, l limits) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(in, head); err != nil {
		return fmt.Errorf("%w: the archive is empty", ErrFormat)
	}
	if string(head) == "PK\x03\x04" {
		info, err := in.Stat()
		if err != nil {
			return err
		}
		return unzipWithin(dir, in, info.Size(), l)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t, err := openTar(in, l)
	if err != nil {
		return err
	}
	defer t.Close()
	return untar(dir, t, 0)
}

// unzipWithin unpacks a zip of size bytes. Like Untar it never leaves the directory.
func unzipWithin(dir string, in io.ReaderAt, size int64, l limits) error {
	z, err := openZip(in, size)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unzipper{root: root, size: size, budget: budget{limits: l}}
	for _, f := range z.File {
		name := clean(f.Name)
		if name == "" {
			continue
		}
		err := u.budget.member(name, 0) // what sizes a zip claims is of no use: parts may overlap
		if err == nil && f.Mode().IsDir() {
			err = root.MkdirAll(name, 0o755)
		} else if err == nil && f.Mode().IsRegular() {
			err = u.file(f, name)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, nameError(err))
		}
	}
	return nil
}

// openZip reads the directory of a zip, within its limit.
func openZip(in io.ReaderAt, size int64) (*zip.Reader, error) {
	bounded := &boundedAt{ReaderAt: in}
	bounded.left.Store(maxDirectory)
	z, err := zip.NewReader(bounded, size)
	if err != nil {
		return nil, fmt.Errorf("%w: zip: %w", ErrFormat, err)
	}
	bounded.left.Store(math.MaxInt64) // the rest of the file is read piece by piece
	return z, nil
}

// unzipper unpacks the files of one zip.
type unzipper struct {
	root   *os.Root
	size   int64 // of the zip
	out    int64 // bytes so far
	budget budget
}

// file unpacks one file.
func (u *unzipper) file(f *zip.File, name string) error {
	if dir := path.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer content.Close()
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := u.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, f.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	in := &ratioGuard{Reader: content, packed: func() int64 { return u.size }, out: u.out, limits: u.budget.limits}
	n, err := io.Copy(out, io.LimitReader(in, u.budget.bytes-u.out+1))
	if u.out += n; u.out > u.budget.bytes {
		err = fmt.Errorf("%w: the archive unpacks to more than %d bytes", ErrFormat, u.budget.bytes)
	} else if err != nil && !errors.As(err, new(*fs.PathError)) { // which is of writing
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return errors.Join(err, out.Close())
}

// OpenTar opens a tar for UntarAsIs; a directory is taken for the tar that it would make.
func OpenTar(file string) (io.ReadCloser, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.Open(file)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(Tar(w, file, file)) }() // ends with the reader's Close
	return r, nil
}

// UntarAsIs is Untar for a root file system: a worker that runs as root keeps owners, all bits of
// the modes and device nodes as the tar has them. Without root's rights it is Untar, and what boots
// from the directory finds its files owned by the worker's user.
func UntarAsIs(dir string, r io.Reader) error {
	if os.Geteuid() != 0 {
		return Untar(dir, r, 0)
	}
	in, err := openTar(r, forArchives())
	if err != nil {
		return err
	}
	defer in.Close()
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
		name := clean(h.Name)
		if name == "" {
			continue
		}
		if err := extractAsIs(root, in, h, name); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, nameError(err))
		}
	}
}

// extractAsIs unpacks one entry and gives it its owner and mode.
func extractAsIs(root *os.Root, in io.Reader, h *tar.Header, name string) error {
	if info, err := root.Lstat(name); err == nil && h.Typeflag == tar.TypeDir && info.Mode()&fs.ModeSymlink != 0 {
		return nil // a link to a directory stays one
	}
	switch h.Typeflag {
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if err := mknod(root, h, name); err != nil {
			return err
		}
	default:
		if err := extract(root, in, h, name, 0); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeSymlink:
	default:
		return nil
	}
	if err := root.Lchown(name, h.Uid, h.Gid); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	mode := fs.FileMode(h.Mode).Perm()
	for _, bit := range []struct {
		in  int64
		out fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if h.Mode&bit.in != 0 {
			mode |= bit.out
		}
	}
	return root.Chmod(name, mode)
}

// mknod makes a device node or a pipe, in a directory that is opened below root first: a link on
// the way cannot lead out.
func mknod(root *os.Root, h *tar.Header, name string) error {
	parent := path.Dir(name)
	if parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	dir, err := root.Open(parent)
	if err != nil {
		return err
	}
	defer dir.Close()
	mode := uint32(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeChar:
		mode |= syscall.S_IFCHR
	case tar.TypeBlock:
		mode |= syscall.S_IFBLK
	default:
		mode |= syscall.S_IFIFO
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	device := int(h.Devmajor&0xfff)<<8 | int(h.Devminor&0xff) | int(h.Devminor&^0xff)<<12
	err = syscall.Mknodat(int(dir.Fd()), path.Base(name), mode, device)
	if errors.Is(err, syscall.EPERM) {
		return nil // a container's root may not; udev or devtmpfs makes them on the device
	}
	return err
}
