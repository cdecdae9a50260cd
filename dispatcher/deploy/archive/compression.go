// Package archive reads and writes the packed files that jobs name: compressed files, tars, and
// the cpio archives that Linux boots from (initramfs). Everything streams, nothing needs root: a
// device node or a foreign owner passes through as bytes and is never made on the worker.
//
// Errors about the content wrap [ErrFormat], so that a caller can tell a bad artefact from a full
// disk.
package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// ErrFormat says that the content of a file is not what it should be: another format, cut short or
// damaged.
var ErrFormat = errors.New("bad content")

// Compression is how a file is compressed, in the words of a job's `compression`.
type Compression string

// The compressions. Zip is known by name only: nothing here looks into it.
const (
	None  Compression = ""
	Gzip  Compression = "gz"
	Bzip2 Compression = "bz2"
	XZ    Compression = "xz"
	Zstd  Compression = "zstd"
	Zip   Compression = "zip"
)

// magic is how compressed files begin.
var magic = []struct {
	kind  Compression
	bytes string
}{
	{Gzip, "\x1f\x8b"},
	{Bzip2, "BZh"},
	{XZ, "\xfd7zXZ\x00"},
	{Zstd, "\x28\xb5\x2f\xfd"},
}

// Detect tells the compression from the first bytes of a file, six at least. What it does not know
// is None.
func Detect(head []byte) Compression {
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return m.kind
		}
	}
	return None
}

// Reader returns the decompressed content of r. Its errors about the content wrap ErrFormat, those
// of r itself do not. Close frees the decoder and leaves r alone.
func Reader(kind Compression, r io.Reader) (io.ReadCloser, error) {
	src := &source{r: r}
	var dec io.Reader
	var err error
	stop := func() {}
	switch kind {
	case None:
		return io.NopCloser(r), nil
	case Gzip:
		dec, err = gzip.NewReader(bufio.NewReader(src))
	case Bzip2:
		dec = bzip2.NewReader(bufio.NewReader(src))
	case XZ:
		dec, err = xz.NewReader(bufio.NewReader(src))
	case Zstd:
		// Its reader is not ours to buffer: it reads ahead anyway.
		var d *zstd.Decoder
		// One goroutine less than the default, and windows as large as zstd --long makes them.
		d, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<31))
		if err == nil {
			dec, stop = d, d.Close
		}
	default:
		return nil, fmt.Errorf("%w: no way to decompress %q", ErrFormat, kind)
	}
	out := &decoder{dec, src, kind, stop}
	if err != nil {
		return nil, out.explain(err)
	}
	out.dec = &ratioGuard{Reader: dec, packed: src.n.Load, limits: forFiles()}
	return out, nil
}

// source remembers an error of the reader below, so that it is not taken for bad content.
type source struct {
	r   io.Reader
	n   atomic.Int64 // bytes so far; zstd's decoder reads in a goroutine of its own
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n.Add(int64(n))
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

type decoder struct {
	dec  io.Reader
	src  *source
	kind Compression
	stop func()
}

func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.dec.Read(p)
	if err != nil && err != io.EOF {
		err = d.explain(err)
	}
	return n, err
}

func (d *decoder) Close() error {
	d.stop()
	return nil
}

func (d *decoder) explain(err error) error {
	if errors.Is(err, ErrFormat) {
		return err // of the guard, which has said it all
	}
	// A network or disk that failed below looks like a damaged file from here.
	if d.src.err != nil {
		return d.src.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s data ends too early", ErrFormat, d.kind)
	}
	return fmt.Errorf("%w: %s: %w", ErrFormat, d.kind, err)
}

// gzipMember decompresses one gzip member of in, and reads not a byte more.
func gzipMember(in *bufio.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(in)
	d := &decoder{z, &source{}, Gzip, func() {}}
	if err != nil {
		return nil, d.explain(err)
	}
	z.Multistream(false)
	return d, nil
}

// Writer returns a writer that compresses into w. Close ends the stream and leaves w open. Gzip, XZ
// and Zstd can be written; settings are such that the kernel's own decoders read the result.
func Writer(kind Compression, w io.Writer) (io.WriteCloser, error) {
	switch kind {
	case None:
		return plainWriter{w}, nil
	case Gzip:
		return gzip.NewWriter(w), nil
	case XZ:
		// The kernel knows no other checksum of xz than CRC32.
		return xz.WriterConfig{CheckSum: xz.CRC32, DictCap: 1 << 20}.NewWriter(w)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(1))
	}
	return nil, fmt.Errorf("no way to write %q", kind)
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }
