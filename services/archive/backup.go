package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// Manifest is the last file of a backup that is written, so one without it was cut short.
type Manifest struct {
	Format  int               `json:"format"`
	At      time.Time         `json:"at"`
	Version string            `json:"version"` // of the release that wrote it
	Streams map[string]uint64 `json:"streams"` // the sequence up to which a stream is in the backup
	NextJob uint64            `json:"next_job"`
	Key     string            `json:"key"` // SHA-256 of the lab's key, which is kept apart
	Config  string            `json:"config,omitempty"`
	// Others are the settings of the streams that are in no archive, such as those of orders.
	Others []jetstream.StreamConfig `json:"others"`
	Files  []File                   `json:"files"`
}

// File is a file of a backup.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// The files of a backup beside the archive.
const (
	manifestFile = "manifest.json"
	restFile     = "rest.jsonl.zst" // messages of streams that are in no archive
	archiveDir   = "archive"
)

// ErrCut says that a backup is not whole.
var ErrCut = errors.New("the backup is not whole")

// Backup writes a running lab into an empty directory: its archive, brought up to what the streams hold now;
// orders, reports and the output of jobs that run. extra are further files by name, such as the configuration.
// m says what the manifest begins with.
func Backup(ctx context.Context, log *stream.Log, from Store, dir string, extra map[string][]byte, m Manifest) (Manifest, error) {
	fail := func(err error) (Manifest, error) { return m, fmt.Errorf("back up into %s: %w", dir, err) }
	to, err := OpenDirectory(filepath.Join(dir, archiveDir))
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return fail(err)
	}
	if err := Copy(ctx, from, to); err != nil {
		return fail(err)
	}
	// Orders first: an order whose job the facts do not know would be run by nobody's decision, while facts
	// whose order is missing have it made again.
	rest, err := createRest(filepath.Join(dir, restFile))
	if err != nil {
		return fail(err)
	}
	defer rest.close()
	if m.Others, err = rest.others(ctx, log); err != nil {
		return fail(err)
	}
	a, err := newArchiver(ctx, log, to)
	if err != nil {
		return fail(err)
	}
	if m.Streams, err = a.flush(ctx); err != nil {
		return fail(err)
	}
	end, _ := a.chains[stream.Lab].tail()
	for _, job := range end.Open {
		if err := rest.add(ctx, stream.Output, events.OutputSubject(events.JobID(job)), log.ReadSubject); err != nil {
			return fail(err)
		}
	}
	if err := rest.close(); err != nil {
		return fail(err)
	}
	for name, data := range extra {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fail(err)
		}
	}
	_, m.NextJob = a.chains[stream.Submissions].tail()
	m.Format, m.NextJob = format, max(m.NextJob, m.Streams[stream.Submissions]+1)
	if m.Files, err = digests(dir); err != nil {
		return fail(err)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fail(err)
	}
	if err := (Directory{dir}).Create(ctx, manifestFile, strings.NewReader(string(text))); err != nil {
		return fail(err)
	}
	return m, nil
}

// rest is the file of messages that are in no archive.
type rest struct {
	file *os.File
	z    *zstd.Encoder
	done bool
}

func createRest(path string) (*rest, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &rest{file: f, z: z}, nil
}

func (r *rest) close() error {
	if r.done {
		return nil
	}
	r.done = true
	return errors.Join(r.z.Close(), r.file.Sync(), r.file.Close())
}

// add writes the messages of a stream that a reading hands over.
func (r *rest) add(ctx context.Context, name, subject string, reading func(context.Context, string, string, uint64, func(stream.Message) error) error) error {
	return reading(ctx, name, subject, 1, func(m stream.Message) error {
		rec := pack(m)
		rec.Stream = name
		l, err := line(rec)
		if err == nil {
			_, err = r.z.Write(l)
		}
		return err
	})
}

// others writes the streams that are in no archive, and returns their settings. Signs of life and turns are of the
// moment, and checkpoints are made again out of the facts.
func (r *rest) others(ctx context.Context, log *stream.Log) ([]jetstream.StreamConfig, error) {
	left := append(chained(), stream.Output, "KV_"+stream.Presence, "KV_"+stream.Turns, "OBJ_"+stream.Checkpoints)
	var configs []jetstream.StreamConfig
	streams := log.JetStream().ListStreams(ctx)
	for info := range streams.Info() {
		if !slices.Contains(left, info.Config.Name) {
			configs = append(configs, info.Config)
		}
	}
	if err := streams.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.SortFunc(configs, func(a, b jetstream.StreamConfig) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range configs {
		if err := r.add(ctx, c.Name, ">", log.Scan); err != nil {
			return nil, err
		}
	}
	return configs, nil
}

// digests lists the files below a directory.
func digests(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := describeFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		f.Name = filepath.ToSlash(name)
		files = append(files, f)
		return err
	})
	return files, err
}

func describeFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return File{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, f.Close())
}

// OpenBackup reads the manifest of a backup and compares every file with it. The error is [ErrCut] where one
// is missing or differs, and names it.
func OpenBackup(dir string) (Manifest, Directory, error) {
	var m Manifest
	store := Directory{filepath.Join(dir, archiveDir)}
	fail := func(format string, args ...any) (Manifest, Directory, error) {
		return m, store, fmt.Errorf("%s: %w: %w", dir, ErrCut, fmt.Errorf(format, args...))
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return fail("its %s, which is written last: %w", manifestFile, err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fail("its %s: %w", manifestFile, err)
	}
	if m.Format != format {
		return m, store, fmt.Errorf("%s: format of the backup is %d; this release reads %d", dir, m.Format, format)
	}
	for _, want := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(want.Name)) {
			return fail("its manifest names %q", want.Name)
		}
		is, err := describeFile(filepath.Join(dir, filepath.FromSlash(want.Name)))
		switch {
		case err != nil:
			return fail("%s: %w", want.Name, err)
		case is.Bytes != want.Bytes || is.SHA256 != want.SHA256:
			return fail("%s has %d bytes with digest %s; the manifest says %d with %s", want.Name, is.Bytes, is.SHA256, want.Bytes, want.SHA256)
		}
	}
	return m, store, nil
}

// Fill puts what a backup has beside the archive into a lab whose streams are empty.
func (m Manifest) Fill(ctx context.Context, log *stream.Log, dir string) error {
	js := log.JetStream()
	for _, c := range m.Others {
		_, err := js.Stream(ctx, c.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			c.Replicas = 1 // of the host that it is restored on; a cluster's own are set by its services
			_, err = js.CreateStream(ctx, c)
		}
		if err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
	}
	f, err := os.Open(filepath.Join(dir, restFile))
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 1<<20)
	err = lines(in, func(n int, l []byte) error {
		var r record
		if err := json.Unmarshal(l, &r); err != nil {
			return fmt.Errorf("%s line %d: %w", restFile, n+1, err)
		}
		msg := &nats.Msg{Subject: r.Subject, Header: nats.Header{}, Data: r.data()}
		for k, v := range r.Header {
			if !condition(k) {
				msg.Header[k] = v
			}
		}
		if _, err := js.PublishMsg(ctx, msg); err != nil {
			return fmt.Errorf("put message %d of %s back: %w", r.Seq, r.Stream, err)
		}
		return nil
	})
	return errors.Join(err, f.Close())
}

// condition tells whether a header was about the moment in which the message was written.
func condition(header string) bool {
	for _, prefix := range []string{"Nats-Expected-", "Nats-Batch-", "Nats-Rollup"} {
		if strings.HasPrefix(header, prefix) {
			return true
		}
	}
	return false
}
