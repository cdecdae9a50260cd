package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
)

// Layer is a tar, compressed or not, whose entries go into a ramdisk below a directory.
type Layer struct {
	Root string // absolute path on the device, "/" for the top
	Tar  io.Reader
}

// maxEntries is how many files a ramdisk may have: no device could hold more in its memory, and a
// small compressed file can unpack to any number of names.
const maxEntries = 1 << 20

// Ramdisk is what reading an initramfs tells.
type Ramdisk struct {
	Entries     int         // files, directories, nodes
	Compression Compression // of its last part
	size        int64       // bytes as they are in the file
	names       map[string]bool
	budget      budget // what is left of it
}

// Has says whether the ramdisk has an entry of that path, which has no leading slash.
func (r Ramdisk) Has(name string) bool { return r.names[name] }

// ReadRamdisk reads an initramfs to its end and checks it. An initramfs is one or more cpio
// archives, each compressed or not, with zeros between: microcode comes as a plain archive before
// the compressed rest.
func ReadRamdisk(src io.Reader) (Ramdisk, error) {
	below := &source{r: src}
	disk, err := readRamdisk(below)
	if below.err != nil {
		err = below.err // decoders take it for bad content
	}
	return disk, err
}

func readRamdisk(src io.Reader) (Ramdisk, error) {
	count := &counter{r: src}
	in := bufio.NewReaderSize(count, 64<<10)
	disk := Ramdisk{names: map[string]bool{}, budget: budget{limits: forArchives()}}
	// The kernel's own loop, in init/initramfs.c: skip zeros, take a plain archive or decompress one,
	// begin again.
	for parts := 0; ; parts++ {
		if err := skipZeros(in); err == io.EOF {
			if parts == 0 {
				return disk, fmt.Errorf("%w: the ramdisk is empty", ErrFormat)
			}
			disk.size = count.n
			return disk, nil
		} else if err != nil {
			return disk, err
		}
		head, err := in.Peek(6)
		if err != nil && err != io.EOF {
			return disk, err
		}
		disk.Compression = Detect(head)
		switch disk.Compression {
		case None:
			if h := string(head); h != newcMagic && h != crcMagic {
				return disk, fmt.Errorf("%w: the ramdisk is no cpio archive, nor one compressed with gz, bz2, xz or zstd", ErrFormat)
			}
			err = disk.readArchive(in)
		case Gzip:
			err = disk.readGzip(in)
		default:
			// These decoders read past the end of their stream, so whatever follows must be more of
			// the same, which they take as one.
			err = disk.readCompressed(in)
		}
		if err != nil {
			return disk, err
		}
	}
}

// readArchive reads one cpio archive up to its trailer.
func (d *Ramdisk) readArchive(in *bufio.Reader) error {
	var pos int64
	for {
		h, next, err := readHeader(in, pos)
		if err != nil {
			return err
		}
		if next, err = skip(in, next, 0); err != nil {
			return err
		}
		if h.name == trailer {
			return nil
		}
		if d.Entries++; d.Entries > maxEntries {
			return fmt.Errorf("%w: the ramdisk has more than %d files", ErrFormat, maxEntries)
		}
		if err := d.budget.member(h.name, int64(h.size)); err != nil {
			return err
		}
		d.names[clean(h.name)] = true
		if pos, err = skip(in, next, int64(h.size)); err != nil {
			return err
		}
	}
}

// readArchives reads archives with zeros between them up to the end of the input.
func (d *Ramdisk) readArchives(in *bufio.Reader) error {
	for {
		if err := skipZeros(in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := d.readArchive(in); err != nil {
			return err
		}
	}
}

// readGzip reads one gzip member and leaves the input behind it.
func (d *Ramdisk) readGzip(in *bufio.Reader) error {
	dec, err := gzipMember(in)
	if err != nil {
		return err
	}
	return d.readArchives(bufio.NewReader(dec))
}

func (d *Ramdisk) readCompressed(in *bufio.Reader) error {
	dec, err := Reader(d.Compression, in)
	if err != nil {
		return err
	}
	defer dec.Close()
	return d.readArchives(bufio.NewReader(dec))
}

// AppendToRamdisk writes the initramfs src with the layers behind it to dst, as one more archive:
// the kernel unpacks all of them, one over the other. So what was there before stays byte for
// byte, with its device nodes, owners, modes and hard links, and nothing is unpacked here. The new
// part is compressed as the last one was, since the kernel must know that, or plain, which every
// kernel knows.
//
// Directories that exist keep their mode, and a link to a directory stays one. src is read twice.
func AppendToRamdisk(dst io.Writer, src io.ReadSeeker, layers ...Layer) (Ramdisk, error) {
	disk, err := ReadRamdisk(src)
	if err != nil {
		return disk, err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return disk, fmt.Errorf("read the ramdisk again: %w", err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		return disk, fmt.Errorf("copy the ramdisk: %w", err)
	}
	kind := disk.Compression
	if kind == Bzip2 { // which can only be read
		kind = None
	}
	if kind == None {
		// A plain archive is found at a multiple of four only.
		if _, err := dst.Write(make([]byte, padding(disk.size))); err != nil {
			return disk, fmt.Errorf("write the ramdisk: %w", err)
		}
	}
	packed, err := Writer(kind, dst)
	if err != nil {
		return disk, fmt.Errorf("compress the ramdisk: %w", err)
	}
	out := &cpioWriter{w: packed}
	for _, layer := range layers {
		if err := disk.addLayer(out, layer); err != nil {
			return disk, err
		}
	}
	if err := out.end(); err != nil {
		return disk, fmt.Errorf("write the ramdisk: %w", err)
	}
	if err := packed.Close(); err != nil {
		return disk, fmt.Errorf("write the ramdisk: %w", err)
	}
	return disk, nil
}

// addLayer copies a tar's entries.
func (d *Ramdisk) addLayer(out *cpioWriter, layer Layer) error {
	in, err := openTar(layer.Tar, forArchives())
	if err != nil {
		return err
	}
	defer in.Close()
	root := clean(layer.Root)
	// Even an empty layer leaves the directory that it was for.
	d.addParents(out, path.Join(root, "x"))
	inodes := map[string]uint32{} // of the regular files of this layer, for hard links
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.err
		}
		if err != nil {
			return err
		}
		name := path.Join(root, clean(h.Name))
		if name == "" || name == "." {
			continue
		}
		e, ok, err := entry(h, name)
		if err != nil {
			return err
		}
		// The kernel would replace a link by the directory, and with it all that lies behind the link:
		// /lib on a system where that is a link to /usr/lib.
		if !ok || e.mode&modeType == modeDir && d.names[name] {
			continue
		}
		d.addParents(out, name)
		switch h.Typeflag {
		case tar.TypeLink:
			target := path.Join(root, clean(h.Linkname))
			if e.ino = inodes[target]; e.ino == 0 {
				return fmt.Errorf("%w: %s is a link to %s, which is not in the tar before it", ErrFormat, h.Name, h.Linkname)
			}
		case tar.TypeReg:
			// Numbers begin anew with each archive: the kernel forgets them at the trailer.
			e.ino = out.inode()
			inodes[name] = e.ino
		default:
			e.ino = out.inode()
		}
		d.names[name] = true
		out.add(e)
		if e.mode&modeType == modeSymlink {
			out.write([]byte(h.Linkname))
		} else if _, err := io.CopyN(out, in, int64(e.size)); err != nil {
			return tarError(err)
		}
		out.pad()
	}
}

// addParents makes the directories above name that nobody has made.
func (d *Ramdisk) addParents(out *cpioWriter, name string) {
	var missing []string
	for dir := path.Dir(name); dir != "." && dir != "/" && !d.names[dir]; dir = path.Dir(dir) {
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		d.names[dir] = true
		out.add(cpioHeader{name: dir, ino: out.inode(), mode: modeDir | 0o755, links: 2})
	}
}

// entry translates the head of a tar's entry; false for one that says nothing about a file.
func entry(h *tar.Header, name string) (cpioHeader, bool, error) {
	e := cpioHeader{name: name, mode: uint32(h.Mode) & 0o7777, uid: uint32(h.Uid), gid: uint32(h.Gid), links: 1}
	if t := h.ModTime.Unix(); t > 0 && t <= math.MaxUint32 {
		e.mtime = uint32(t)
	}
	switch h.Typeflag {
	case tar.TypeReg:
		if h.Size > math.MaxUint32 {
			return e, false, fmt.Errorf("%w: %s has %d bytes, more than a ramdisk's file can have", ErrFormat, h.Name, h.Size)
		}
		// Two links, so that the kernel remembers the file for hard links that may follow.
		e.mode, e.size, e.links = e.mode|modeRegular, uint32(h.Size), 2
	case tar.TypeLink:
		e.mode, e.links = e.mode|modeRegular, 2
	case tar.TypeDir:
		e.mode, e.links = e.mode|modeDir, 2
	case tar.TypeSymlink:
		e.mode, e.size = modeSymlink|0o777, uint32(len(h.Linkname))
	case tar.TypeChar:
		e.mode, e.major, e.minor = e.mode|modeChar, uint32(h.Devmajor), uint32(h.Devminor)
	case tar.TypeBlock:
		e.mode, e.major, e.minor = e.mode|modeBlock, uint32(h.Devmajor), uint32(h.Devminor)
	case tar.TypeFifo:
		e.mode |= modeFIFO
	default:
		return e, false, nil
	}
	if len(name) >= maxName {
		return e, false, fmt.Errorf("%w: the name of %.80s… has %d bytes, more than the kernel takes", ErrFormat, name, len(name))
	}
	return e, true, nil
}

// clean makes a name relative, without dots: "./bin/" and "/bin" are "bin". Names that would lead
// out of the top end at it, as they do on the device.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// skipZeros leaves the input before the first byte that is not zero.
func skipZeros(in *bufio.Reader) error {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return in.UnreadByte()
		}
	}
}

// counter counts the bytes read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Plain returns the decompressed content of r, compressed in a way that its first bytes tell.
func Plain(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return Reader(Detect(bytes.Clone(head)), in)
}
