package download

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// partial ends the name of a file that is not yet whole.
const partial = ".part"

// unknownSize is the size of a source that does not tell.
const unknownSize = -1

// defaultLimit is how many bytes a download may have, decompressed, where the worker's configuration
// does not say: more than any image, less than a disk.
const defaultLimit = 64 << 30

// BlameContent blames the job for content that is not what it should be, and the lab for anything
// else.
func BlameContent(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, archive.ErrFormat) {
		return pipeline.Blame(pipeline.Job, err)
	}
	return pipeline.Blame(pipeline.Infrastructure, err)
}

// checksum is one that the job gives.
type checksum struct {
	name string // as messages have it: "sha256"
	want string
	hash hash.Hash
}

// checksums returns those that the job gives, in the order in which they are checked, and always a
// SHA-256, which the result tells.
func (f fetch) checksums() (given []checksum, sha hash.Hash) {
	sha = sha256.New()
	for _, c := range []checksum{{"md5", "md5sum", md5.New()}, {"sha256", "sha256sum", sha}, {"sha512", "sha512sum", sha512.New()}} {
		if c.want = f.artefact.Params.Get(c.want).Text(); c.want != "" {
			given = append(given, c)
		}
	}
	return given, sha
}

// save writes the content of src to the artefact's file: decompressed, hashed and checked. Size is
// what the source says that it has, in bytes as they are transferred, or unknownSize.
func (f fetch) save(ctx context.Context, s *pipeline.Session, src io.Reader, size int64) error {
	file := f.file()
	s.Log.Debug("saving as %s", file)
	if size == unknownSize {
		s.Log.Debug("total size: unknown")
	} else {
		s.Log.Debug("total size: %d (%d MB)", size, size>>20)
	}
	kind := f.compression()
	if kind == archive.None {
		s.Log.Debug("No compression specified")
	} else {
		s.Log.Info("Using %s to decompress %s", tool(kind), kind)
	}
	// 0755, because web and TFTP servers of other users export what lies here.
	if err := os.MkdirAll(f.dir(), 0o755); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "save '%s': %w", f.url, err)
	}
	given, sha := f.checksums()
	hashes := []io.Writer{sha}
	for _, c := range given {
		if c.hash != sha {
			hashes = append(hashes, c.hash)
		}
	}
	// Source → meter → hashes → decoder → file: one pass, whatever the size.
	meter := &meter{ctx: ctx, r: src, size: size, now: s.Now, log: s.Log, start: s.Now()}
	limit := int64(s.Dispatcher.Get("download_size_limit").Int(defaultLimit))
	err := write(file+partial, kind, limit, io.TeeReader(meter, io.MultiWriter(hashes...)))
	if err == nil {
		err = f.verify(s, meter.n, size, given)
	}
	if err == nil {
		err = pipeline.Blame(pipeline.Infrastructure, os.Rename(file+partial, file))
	}
	if err != nil {
		// The error that counts is the one at hand; a file that cannot be removed goes with the job's directory.
		_ = os.Remove(file + partial)
		return f.explain(ctx, err, meter.n, size)
	}
	took := s.Now().Sub(meter.start)
	megabytes := float64(meter.n) / (1 << 20)
	s.Log.Info("%d MB downloaded in %.2f s (%.2f MB/s)", meter.n>>20, took.Seconds(), megabytes/max(took.Seconds(), 0.001))
	s.Result("label", f.artefact.Key)
	s.Result("size", meter.n)
	s.Result("sha256sum", hex.EncodeToString(sha.Sum(nil)))
	if len(given) > 0 {
		last := given[len(given)-1]
		s.Result("success", output.Fields{{Key: last.name, Value: last.want}})
	}
	return f.deliver(s)
}

// write makes a file of the decompressed content of r, and reads r to its end.
// It fails where there are more than limit bytes: a few kilobytes may decompress to a full disk.
func write(name string, kind archive.Compression, limit int64, r io.Reader) error {
	out, err := os.Create(name)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	err = decompress(out, kind, limit, r)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

func decompress(out io.Writer, kind archive.Compression, limit int64, r io.Reader) error {
	in, err := archive.Reader(kind, r)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return pipeline.Blamef(pipeline.Job, "the file is larger than download_size_limit of the worker, %d bytes", limit)
	}
	// Checksums are of all that was transferred, also of what a decoder has no use for.
	_, err = io.Copy(io.Discard, r)
	return err
}

// verify compares size and checksums with what was promised.
func (f fetch) verify(s *pipeline.Session, n, size int64, given []checksum) error {
	if size != unknownSize && n != size {
		return short(n, size)
	}
	for _, c := range given {
		if actual := hex.EncodeToString(c.hash.Sum(nil)); !strings.EqualFold(actual, c.want) {
			text := fmt.Sprintf("%s for '%s' does not match.", c.name, f.url)
			s.Log.Error("%s", text)
			s.Log.Info("actual  : %s", actual)
			s.Log.Info("expected: %s", c.want)
			return pipeline.Blamef(pipeline.Job, "%s wanted %s, got %s", text, c.want, actual)
		}
	}
	return nil
}

func short(n, size int64) error {
	return pipeline.Blamef(pipeline.Infrastructure,
		"Download finished (%d bytes) but was not expected size (%d bytes), check your networking.", n, size)
}

// explain gives an error of saving its class and its words.
func (f fetch) explain(ctx context.Context, err error, n, size int64) error {
	var fault *pipeline.Fault
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &fault):
		return err
	case errors.Is(err, archive.ErrFormat):
		return pipeline.Blamef(pipeline.Job, "Decompression subprocess exited with non-zero code: '%s': %w", f.url, err)
	case errors.Is(err, io.ErrUnexpectedEOF) && size != unknownSize:
		return short(n, size)
	}
	return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", f.url, err)
}

// tool is the program that users know for a compression.
func tool(kind archive.Compression) string {
	switch kind {
	case archive.Gzip:
		return "gunzip"
	case archive.Bzip2:
		return "bunzip2"
	case archive.XZ:
		return "unxz"
	}
	return "unzstd"
}

// meter counts what is read and logs the progress: each 5 percent, or each 25 MB where the size is
// not known, but then not more often than once a second.
type meter struct {
	ctx   context.Context
	r     io.Reader
	n     int64
	size  int64
	now   func() time.Time
	log   *output.Logger
	start time.Time
	told  int64 // percent or bytes of the last line
	at    time.Time
}

// stepBytes is the distance between progress lines where the size is not known.
const stepBytes = 25 << 20

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.size > 0 {
		if percent := m.n * 100 / m.size; percent >= m.told+5 {
			m.told = percent / 5 * 5
			m.log.Debug("progress %3d %% (%d MB)", m.told, m.n>>20)
		}
	} else if now := m.now(); m.n >= m.told+stepBytes && now.Sub(m.at) >= time.Second {
		m.told, m.at = m.n, now
		m.log.Debug("progress %d MB", m.n>>20)
	}
	return n, err
}
