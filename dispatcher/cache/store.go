package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cache is a directory of downloads. Make one with [Open].
type Cache struct {
	dir   string
	limit int64 // bytes; 0 is none
	now   func() time.Time
	boot  string // of the kernel that runs
}

// Open makes the directory where it is missing.
func Open(dir string, limit int64, now func() time.Time) (*Cache, error) {
	for _, sub := range []string{"objects", "sums", "sources", "partial", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("open cache: %w", err)
		}
	}
	// After a loss of power a file may be as long as it was and hold other bytes.
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = nil // nothing is resumed then
	}
	return &Cache{dir: dir, limit: limit, now: now, boot: strings.TrimSpace(string(boot))}, nil
}

// Request is a file that a job wants.
type Request struct {
	URL     string
	Headers []string // "Name: value" of the request
	Sums    []Sum    // what the content must have
}

// Sum is a checksum.
type Sum struct {
	Algorithm string // "md5", "sha256", "sha512"
	Hex       string
}

// key names a request in the directory.
func (r Request) key() string {
	headers := slices.Sorted(slices.Values(r.Headers))
	sum := sha256.Sum256([]byte(r.URL + "\n" + strings.Join(headers, "\n")))
	return hex.EncodeToString(sum[:])
}

// private says that others may not find by checksum what this request got.
func (r Request) private() bool {
	u, err := url.Parse(r.URL)
	return len(r.Headers) > 0 || err != nil || u.User != nil
}

// Version is a server's word for one content of a URL.
type Version struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// known says whether a server can be asked about the version.
func (v Version) known() bool { return v.ETag != "" || v.LastModified != "" }

// source is what is known of a URL: of its content, or of the part that came.
type source struct {
	Version
	SHA256 string    `json:"sha256,omitempty"` // of the whole content
	Size   int64     `json:"size,omitempty"`
	Stored time.Time `json:"stored,omitzero"`
	Boot   string    `json:"boot,omitempty"` // of a partial download
}

var plainSum = regexp.MustCompile(`^[0-9a-f]{32,128}$`)

func (c *Cache) object(sha string) string  { return filepath.Join(c.dir, "objects", sha[:2], sha) }
func (c *Cache) source(key string) string  { return filepath.Join(c.dir, "sources", key+".json") }
func (c *Cache) partial(key string) string { return filepath.Join(c.dir, "partial", key) }

// sum returns the file of a checksum, "" for none that can be one.
func (c *Cache) sum(s Sum) string {
	name := strings.ToLower(s.Hex)
	if !plainSum.MatchString(name) || !slices.Contains([]string{"md5", "sha256", "sha512"}, s.Algorithm) {
		return ""
	}
	return filepath.Join(c.dir, "sums", s.Algorithm+"-"+name)
}

// bySum opens the content that has one of the checksums.
func (c *Cache) bySum(sums []Sum) *os.File {
	for _, s := range sums {
		var found source
		if path := c.sum(s); path != "" && read(path, &found) == nil {
			if f := c.openObject(found); f != nil {
				return f
			}
		}
	}
	return nil
}

// openObject opens content, and notes that it was used. It is nil where the content is not there, or
// not whole.
func (c *Cache) openObject(s source) *os.File {
	if len(s.SHA256) != sha256.Size*2 || !plainSum.MatchString(s.SHA256) {
		return nil
	}
	f, err := os.Open(c.object(s.SHA256))
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Size() != s.Size {
		f.Close() // nothing was read
		return nil
	}
	now := c.now()
	_ = os.Chtimes(f.Name(), now, now) // at worst it is given up too early
	return f
}

// store makes a complete and synced partial file the content of its source.
func (c *Cache) store(r Request, s source) error {
	key, object := r.key(), c.object(s.SHA256)
	if err := os.MkdirAll(filepath.Dir(object), 0o700); err != nil {
		return err
	}
	if err := os.Rename(c.partial(key), object); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(object)); err != nil {
		return err
	}
	_ = os.Remove(c.partial(key) + ".json") // it tells of a file that is gone
	s.Boot, s.Stored = "", c.now()
	if err := write(c.source(key), s); err != nil || r.private() {
		return err
	}
	return c.remember(Sum{"sha256", s.SHA256}, s)
}

// remember notes that content has a checksum.
func (c *Cache) remember(sum Sum, s source) error {
	path := c.sum(sum)
	if path == "" {
		return nil
	}
	return write(path, source{SHA256: s.SHA256, Size: s.Size})
}

func read(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// write replaces a file whole. It is not synced: what it says is checked when it is read.
func write(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error at hand counts
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
