package download

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// site is a web server with one file, which counts what it sends.
type site struct {
	*httptest.Server
	content       []byte
	bodies, asked atomic.Int64
	cut           atomic.Int64 // the next body ends after so many bytes
}

func newSite(t *testing.T, content []byte) *site {
	t.Helper()
	s := &site{content: content}
	modified := time.Unix(1_700_000_000, 0)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			s.asked.Add(1)
		}
		counted := &counter{ResponseWriter: w, left: -1}
		if n := s.cut.Swap(0); n > 0 {
			counted.left = n
		}
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(counted, r, "", modified, strings.NewReader(string(s.content)))
		if counted.sent > 0 && r.Method == http.MethodGet {
			s.bodies.Add(1)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// counter counts a body, and cuts the connection where it is told to.
type counter struct {
	http.ResponseWriter
	sent, left int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.left >= 0 && int64(len(p)) > c.left {
		p = p[:c.left]
		c.ResponseWriter.Write(p)
		http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.sent += int64(len(p))
	return c.ResponseWriter.Write(p)
}

func (j *job) sharing(store string) *job {
	j.services = pipeline.Services{Cache: pipeline.Store{Dir: store}}
	return j
}

func (j *job) says(text string) bool {
	for _, r := range j.log {
		if strings.Contains(string(r.Message), text) {
			return true
		}
	}
	return false
}

func TestSharedDownload(t *testing.T) {
	t.Parallel()
	packedContent := packed(t, archive.Gzip)
	s, store := newSite(t, packedContent), t.TempDir()
	sum := sha256.Sum256(packedContent)
	withSum := "compression: gz, sha256sum: " + hex.EncodeToString(sum[:])
	for i, tt := range []struct {
		name, params  string
		bodies, asked int64
		copied        bool
	}{
		{"first", "compression: gz", 1, 1, false},
		{"same version", "compression: gz", 1, 2, true},
		{"by checksum", withSum, 1, 2, true},
		{"forbidden", "compression: gz, use_cache: false", 2, 3, false},
	} {
		j := newJob(t, s.URL+"/image.gz", tt.params).sharing(store)
		if err := j.run(t); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if j.got != string(content) {
			t.Errorf("%s: %d bytes", tt.name, len(j.got))
		}
		if s.bodies.Load() != tt.bodies || s.asked.Load() != tt.asked {
			t.Errorf("%d %s: the server was asked %d times and sent %d bodies, want %d and %d", i, tt.name, s.asked.Load(), s.bodies.Load(), tt.asked, tt.bodies)
		}
		if j.says("using the worker's copy") != tt.copied {
			t.Errorf("%s: the log says that the copy was used: %t", tt.name, !tt.copied)
		}
	}
	// What is there by its checksum needs no server, not for validation either.
	s.Close()
	gone := newJob(t, s.URL+"/image.gz", withSum).sharing(store)
	if err := gone.validate(t); err != nil {
		t.Errorf("validate with the server gone: %v", err)
	}
	if err := newJob(t, s.URL+"/image.gz", withSum).sharing(store).run(t); err != nil {
		t.Errorf("run with the server gone: %v", err)
	}
}

func TestSharedDownloadGoesOn(t *testing.T) {
	t.Parallel()
	s, store := newSite(t, content), t.TempDir()
	s.cut.Store(int64(len(content) / 2))
	// Within one job the connection is taken up again; the cache has it whole.
	j := newJob(t, s.URL+"/image", "").sharing(store)
	if err := j.run(t); err != nil || j.got != string(content) {
		t.Fatalf("%d bytes, %v", len(j.got), err)
	}
	next := newJob(t, s.URL+"/image", "").sharing(store)
	if err := next.run(t); err != nil || next.got != string(content) || !next.says("using the worker's copy") {
		t.Errorf("the next job: %d bytes, %v", len(next.got), err)
	}
}

func TestSharedDownloadDamaged(t *testing.T) {
	t.Parallel()
	s, store := newSite(t, content), t.TempDir()
	if err := newJob(t, s.URL+"/image", "").sharing(store).run(t); err != nil {
		t.Fatal(err)
	}
	objects, err := filepath.Glob(filepath.Join(store, "objects", "*", "*"))
	if err != nil || len(objects) != 1 {
		t.Fatalf("objects %v, %v", objects, err)
	}
	spoiled := append([]byte{content[0] ^ 1}, content[1:]...)
	if err := os.WriteFile(objects[0], spoiled, 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, s.URL+"/image", "").sharing(store)
	if err := j.run(t); err != nil || j.got != string(content) || !j.says("the cached copy is damaged") {
		t.Errorf("%d bytes, %v", len(j.got), err)
	}
}

func TestSharedDownloadWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t, content)
	store := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(store, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, s.URL+"/image", "").sharing(store)
	if err := j.run(t); err != nil || j.got != string(content) || !j.says("without the worker's cache") {
		t.Errorf("%d bytes, %v", len(j.got), err)
	}
}

// A wrong checksum is the job's fault with a cache as without one.
func TestSharedDownloadWrongSum(t *testing.T) {
	t.Parallel()
	s, store := newSite(t, content), t.TempDir()
	for range 2 {
		j := newJob(t, s.URL+"/image", "sha256sum: "+strings.Repeat("0", 64)).sharing(store)
		if err := j.run(t); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "sha256 for") {
			t.Errorf("error %v", err)
		}
	}
}

// A server that answers a range with the wrong one, or refuses it, is asked for the whole.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, begins string }{{"another range", "bytes 1-3/4"}, {"refused", ""}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var broke atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"v1"`)
				switch {
				case r.Method == http.MethodHead:
				case r.Header.Get("Range") != "" && tt.begins != "":
					w.Header().Set("Content-Range", tt.begins)
					w.WriteHeader(http.StatusPartialContent)
					fmt.Fprint(w, "XXX")
				case r.Header.Get("Range") != "":
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				case broke.CompareAndSwap(false, true):
					w.Header().Set("Content-Length", strconv.Itoa(len("good")))
					fmt.Fprint(w, "go")
					http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				default:
					fmt.Fprint(w, "good")
				}
			}))
			t.Cleanup(server.Close)
			store := t.TempDir()
			if err := newJob(t, server.URL+"/f", "").sharing(store).run(t); err == nil {
				t.Fatal("a broken download passed")
			}
			j := newJob(t, server.URL+"/f", "").sharing(store)
			if err := j.run(t); err != nil || j.got != "good" {
				t.Errorf("got %q, %v", j.got, err)
			}
		})
	}
}
