package archive

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// limits are what one archive may become. A few kilobytes can unpack to a full disk, to more names
// than a file system has inodes, or to directories so deep that every step into them costs more than
// the one before; no image that a board boots comes near these numbers.
type limits struct {
	members int64 // files, directories, links, nodes
	bytes   int64 // of content, once it is decompressed
	depth   int   // directories in one name
	names   int64 // bytes of all names together, which some readers keep
	ratio   int64 // decompressed bytes for each byte of the archive,
	floor   int64 // where there are more than so many
}

// budget counts what of its limits an archive has used.
type budget struct {
	limits
	usedMembers, usedBytes, usedNames int64
}

// forArchives are the limits of archives of files. A ratio beyond that of gzip's best case, 1032, is
// none of a root file system, however it is compressed.
func forArchives() limits {
	return limits{members: 2_000_000, bytes: maxUnpacked, depth: 256, names: 256 << 20, ratio: 2000, floor: 1 << 30}
}

// forFiles are the limits of a single compressed file. Images of empty disks are mostly zeros, of
// which zstd puts 32 KiB into a byte.
func forFiles() limits {
	return limits{bytes: maxUnpacked, ratio: 40_000, floor: 1 << 30}
}

// member takes one member from the budget, with the size of content that it claims.
func (b *budget) member(name string, size int64) error {
	const shown = 80 // bytes of a name in a message
	if b.usedMembers++; b.usedMembers > b.members {
		return fmt.Errorf("%w: the archive has more than %d members", ErrFormat, b.members)
	}
	if depth := strings.Count(name, "/"); depth > b.depth {
		return fmt.Errorf("%w: %.*s… lies %d directories deep, more than %d", ErrFormat, shown, name, depth, b.depth)
	}
	if b.usedNames += int64(len(name)); b.usedNames > b.names {
		return fmt.Errorf("%w: the names in the archive have more than %d bytes", ErrFormat, b.names)
	}
	if size < 0 || size > b.bytes-b.usedBytes {
		return fmt.Errorf("%w: the archive unpacks to more than %d bytes (at %.*s)", ErrFormat, b.bytes, shown, name)
	}
	b.usedBytes += size
	return nil
}

// ratioGuard ends a decompression that makes too much of too little.
type ratioGuard struct {
	io.Reader
	packed func() int64 // bytes that were read of what is compressed
	out    int64
	limits limits
}

func (g *ratioGuard) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if g.out += int64(n); g.out > g.limits.floor && g.out/g.limits.ratio > g.packed() {
		return n, fmt.Errorf("%w: %d bytes decompress to more than %d, a ratio above %d",
			ErrFormat, g.packed(), g.out, g.limits.ratio)
	}
	return n, err
}

// tarReader reads a tar, compressed or not, within a budget.
type tarReader struct {
	*tar.Reader
	budget  budget
	content io.ReadCloser
}

// openTar opens a tar. Close frees the decoder and leaves r alone.
func openTar(r io.Reader, l limits) (*tarReader, error) {
	src := &source{r: r}
	content, err := Plain(src)
	if err != nil {
		return nil, err
	}
	guard := &ratioGuard{Reader: content, packed: src.n.Load, limits: l}
	return &tarReader{tar.NewReader(guard), budget{limits: l}, content}, nil
}

// Next returns the next member; io.EOF after the last.
func (t *tarReader) Next() (*tar.Header, error) {
	h, err := t.Reader.Next()
	if err == io.EOF {
		return nil, err
	}
	if err != nil {
		return nil, tarError(err)
	}
	// A file with holes (tar -S makes such members) and a contiguous one are files like any other.
	if h.Typeflag == tar.TypeGNUSparse || h.Typeflag == tar.TypeCont {
		h.Typeflag, h.Format = tar.TypeReg, tar.FormatUnknown
	}
	// The size counts the holes of a sparse member too, which take no room in the archive at all.
	return h, t.budget.member(h.Name, h.Size)
}

// Close frees the decoder.
func (t *tarReader) Close() error { return t.content.Close() }

// boundedAt lets only so many bytes of a file be read: zip's reader keeps all of the directory at the
// end of the file, however long that is.
type boundedAt struct {
	io.ReaderAt
	left atomic.Int64
}

// maxDirectory is how long the directory of a zip may be, in bytes.
const maxDirectory = 256 << 20

func (b *boundedAt) ReadAt(p []byte, at int64) (int, error) {
	if b.left.Add(-int64(len(p))) < 0 {
		return 0, fmt.Errorf("the directory is larger than %d bytes", int64(maxDirectory))
	}
	return b.ReaderAt.ReadAt(p, at)
}
