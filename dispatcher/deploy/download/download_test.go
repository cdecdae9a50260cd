package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

var content = bytes.Repeat([]byte("artefact "), 40000)

func TestDownload(t *testing.T) {
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	gz := packed(t, archive.Gzip)
	md := md5.Sum(gz)
	tests := []struct {
		name   string
		path   string
		served []byte
		params string // beside the url
		file   string // the name that later actions get
		want   []byte
		class  pipeline.Class // "" for a good download
		text   string         // part of the error
	}{
		{"plain", "/kernel.bin", content, "", "kernel.bin", content, "", ""},
		{"gzip", "/rootfs.img.gz", gz, "compression: gz", "rootfs.img", content, "", ""},
		{"xz", "/rootfs.xz", packed(t, archive.XZ), "compression: xz", "rootfs", content, "", ""},
		{"zstd", "/rootfs.zst", packed(t, archive.Zstd), "compression: zstd", "rootfs", content, "", ""},
		{"no suffix to lose", "/rootfs", gz, "compression: gz", "rootfs", content, "", ""},
		{"zip stays", "/x.zip", content, "compression: zip", "x.zip", content, "", ""},
		{"checksums", "/a.gz", gz, "compression: gz, md5sum: " + hex.EncodeToString(md[:]) + ", sha256sum: " + sum(gz), "a", content, "", ""},
		{"wrong checksum", "/a.gz", gz, "compression: gz, sha256sum: " + sum(content), "", nil, pipeline.Job, "sha256 for 'URL/a.gz' does not match. wanted " + sum(content) + ", got " + sum(gz)},
		{"not compressed", "/a.gz", content, "compression: gz", "", nil, pipeline.Job, "Decompression subprocess exited with non-zero code"},
		{"cut short by whoever packed it", "/a.xz", packed(t, archive.XZ)[:len(packed(t, archive.XZ))/2], "compression: xz", "", nil, pipeline.Job, "Decompression subprocess exited with non-zero code"},
		{"not there", "/missing", nil, "", "", nil, pipeline.Infrastructure, "Unable to download 'URL/missing': the server answered 404"},
		{"unknown archive unpacked", "/a.tar", content, "archive: tar", "", nil, pipeline.Job, "not a tar"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.served == nil {
					http.NotFound(w, r)
					return
				}
				w.Write(tt.served)
			}))
			defer server.Close()
			j := newJob(t, server.URL+tt.path, tt.params)
			err := j.run(t)
			if got := pipeline.ClassOf(err); got != tt.class {
				t.Fatalf("class of %v: %q, want %q", err, got, tt.class)
			}
			if err != nil {
				if text := strings.ReplaceAll(err.Error(), server.URL, "URL"); !strings.Contains(text, tt.text) {
					t.Errorf("error %q, want %q in it", text, tt.text)
				}
				j.wantNothingLeft(t)
				return
			}
			if got := filepath.Base(j.file); got != tt.file {
				t.Errorf("file: %s, want %s", got, tt.file)
			}
			if j.got != string(tt.want) {
				t.Errorf("content: %d bytes, want %d", len(j.got), len(tt.want))
			}
			result := j.result(t, "http-download")
			if result["label"] != "image" || result["size"] != float64(len(tt.served)) || result["sha256sum"] != sum(tt.served) {
				t.Errorf("result: %v", result)
			}
		})
	}
}

// A connection that breaks is taken up where it broke, if it is still the same file.
func TestDownloadResumes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changed bool
		class   pipeline.Class
	}{{"same file", false, ""}, {"another file", true, pipeline.Infrastructure}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var gets atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := gets.Add(1)
				tag := `"one"`
				if tt.changed && n > 1 {
					tag = `"two"`
				}
				w.Header().Set("ETag", tag)
				if n <= 2 && !(tt.changed && n > 1) { // break off twice
					start := 0
					fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start)
					w.Header().Set("Content-Length", fmt.Sprint(len(content)-start))
					if start > 0 {
						w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content)))
						w.WriteHeader(http.StatusPartialContent)
					}
					w.Write(content[start : start+100000])
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			}))
			defer server.Close()
			j := newJob(t, server.URL+"/big", "")
			err := j.run(t)
			if got := pipeline.ClassOf(err); got != tt.class {
				t.Fatalf("class of %v: %q, want %q", err, got, tt.class)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "but was not expected size") {
					t.Errorf("error: %v", err)
				}
				j.wantNothingLeft(t)
				return
			}
			if j.got != string(content) {
				t.Errorf("content: %d bytes, want %d equal ones", len(j.got), len(content))
			}
			if n := gets.Load(); n != 3 {
				t.Errorf("%d requests, want 3", n)
			}
		})
	}
}

// Answers that may pass are asked again; the pauses are the test's.
func TestDownloadAsksAgain(t *testing.T) {
	t.Parallel()
	var gets atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gets.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write(content)
	}))
	defer server.Close()
	j := newJob(t, server.URL+"/f", "")
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(j.waits) != "[100ms 200ms 400ms]" {
		t.Errorf("pauses: %v", j.waits)
	}
	said := 0
	for _, r := range j.log {
		if strings.Contains(string(r.Message), "503 Service Unavailable, asking again in ") {
			said++
		}
	}
	if said != 3 {
		t.Errorf("%d lines about it, want 3", said)
	}
}

func TestDownloadOfNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	j := newJob(t, "http://"+l.Addr().String()+"/f", "")
	if err := j.run(t); pipeline.ClassOf(err) != pipeline.Infrastructure || !strings.Contains(err.Error(), "Unable to download") {
		t.Errorf("error: %v of class %q, want Infrastructure", err, pipeline.ClassOf(err))
	}
	if len(j.waits) != retries {
		t.Errorf("%d pauses, want %d", len(j.waits), retries)
	}
}

// A host that nobody knows stays so.
func TestDownloadOfNoHost(t *testing.T) {
	t.Parallel()
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "no-such-host.invalid"); !noSuchHost(err) {
		t.Skipf("SKIPPED: this machine does not say that no-such-host.invalid is not there: %v", err)
	}
	j := newJob(t, "http://no-such-host.invalid/f", "")
	if err := j.run(t); pipeline.ClassOf(err) != pipeline.Infrastructure || len(j.waits) != 0 {
		t.Errorf("error: %v of class %q after %d pauses, want Infrastructure at once", err, pipeline.ClassOf(err), len(j.waits))
	}
}

func TestDownloadStops(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:1000])
		w.(http.Flusher).Flush()
		close(started)
		<-release
	}))
	defer server.Close()
	defer close(release)
	j := newJob(t, server.URL+"/f", "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if err := j.runIn(t, ctx); pipeline.ClassOf(err) != pipeline.Canceled {
		t.Errorf("error: %v of class %q, want Canceled", err, pipeline.ClassOf(err))
	}
	j.wantNothingLeft(t)
}

func TestFileDownload(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "image.img.gz")
	if err := os.WriteFile(source, packed(t, archive.Gzip), 0o644); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "file://"+source, "compression: gz")
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	if filepath.Base(j.file) != "image.img" || j.got != string(content) {
		t.Errorf("file %s with %d bytes", j.file, len(j.got))
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newJob(t, "file://"+fifo, "").validate(t); err == nil || !strings.Contains(err.Error(), "does not exist or is not readable") {
		t.Errorf("validation of a pipe: %v", err)
	}
	missing := newJob(t, "file:///nonexistent/x", "")
	if err := missing.validate(t); err == nil || !strings.Contains(err.Error(), "Image file '/nonexistent/x' does not exist or is not readable") {
		t.Errorf("validation: %v", err)
	}
}

func TestValidate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/nohead" && r.Method == http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/private" && r.Header.Get("Authorization") != "token x":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/missing":
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	tests := []struct{ name, path, params, want string }{
		{"good", "/f", "", ""},
		{"a server without HEAD", "/nohead", "", ""},
		{"headers", "/private", "headers: {Authorization: token x}", ""},
		{"forbidden", "/private", "", "Resource unavailable at 'URL/private' (403)"},
		{"missing", "/missing", "", "Resource unavailable at 'URL/missing' (404)"},
		{"compression", "/f", "compression: rar", "Unknown 'compression' format 'rar'"},
		{"archive", "/f", "archive: cpio", "Unknown 'archive' format 'cpio'"},
		{"directory", "/d/", "", "Cannot download a directory for image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := newJob(t, server.URL+tt.path, tt.params).validate(t)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), server.URL, "URL"), tt.want)) {
				t.Errorf("validation: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{
		"{}":                         "Invalid deploy action: 'url' is missing for 'image'",
		"{url: 'ftp://x/y'}":         "Unsupported url protocol scheme: ftp ('url' of 'image' is 'ftp://x/y', allowed schemes are http, https, file, scp, rclone, downloads)",
		"{url: 'noscheme'}":          "Unsupported url protocol scheme:  ('url' of 'image' is 'noscheme', allowed schemes are http",
		"{url: 'ftp://me:hush@x/y'}": "'ftp://me:xxxxx@x/y'",
	} {
		j := newJob(t, "", "")
		j.params = parse(t, params)
		if _, err := j.plan(); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "origin") }))
	defer origin.Close()
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "cached "+r.URL.Query().Get("uri"))
	}))
	defer good.Close()
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	file := origin.URL + "/f?a=1&b=2"
	tests := []struct {
		name, dispatcher, params, want string
	}{
		{"cache", "http_url_format_string: " + good.URL + "/?uri=%s", "", "cached " + file},
		{"not for this file", "http_url_format_string: " + good.URL + "/?uri=%s", "use_cache: false", "origin"},
		{"excluded", "{http_url_format_string: '" + good.URL + "/?uri=%s', http_cache_exclude_rules: ['127.0.0.1']}", "", "origin"},
		{"not included", "{http_url_format_string: '" + good.URL + "/?uri=%s', http_cache_include_rules: ['example']}", "", "origin"},
		{"fallback", "{http_url_format_string: '" + bad.URL + "/?uri=%s', http_cache_fallback_origin_url: true}", "", "origin"},
		{"no fallback", "http_url_format_string: " + bad.URL + "/?uri=%s", "", "error"},
	}
	for _, tt := range tests {
		j := newJob(t, file, tt.params)
		j.dispatcher = parse(t, tt.dispatcher)
		got := "error"
		if err := j.run(t); err == nil {
			got = j.got
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	device := parse(t, "static_info: [{BOARD: b1}, {rev: 3}]")
	if got := fillIn("http://x/{BOARD}/{rev}/{other}", device); got != "http://x/b1/3/{other}" {
		t.Errorf("got %s", got)
	}
}

// job is one download as a plan of its own.
type job struct {
	dir        string
	params     pipeline.Data
	dispatcher pipeline.Data
	secrets    pipeline.Data
	services   pipeline.Services
	log        []events.Record
	waits      []time.Duration
	file, got  string // what later actions find
}

func newJob(t *testing.T, from, params string) *job {
	t.Helper()
	d := parse(t, "{"+params+"}").With("url", pipeline.Of(from)).With("image_arg", pipeline.Of("-x {image}"))
	return &job{dir: t.TempDir(), params: d}
}

func (j *job) plan() (*pipeline.Plan, error) {
	action := pipeline.Basic{Title: "deploy-it", About: "test", Fill: func(step *pipeline.Step, s *pipeline.Session) error {
		dir, err := s.Dir()
		if err != nil {
			return err
		}
		if err := step.Add(Retry(Artefact{Key: "image", Params: j.params, Dir: dir})); err != nil {
			return err
		}
		if d, ok := step.Children[0].Children[0].Action.(httpDownload); ok {
			d.wait = func(_ context.Context, gap time.Duration) error {
				j.waits = append(j.waits, gap)
				return nil
			}
			step.Children[0].Children[0].Action = d
		}
		return step.Add(look{j})
	}}
	logger := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		j.log = append(j.log, r)
		return nil
	}})
	device, err := pipeline.ReadYAML([]byte("{constants: {failure_retry: 1}, actions: {deploy: {methods: {x: }}}}"))
	if err != nil {
		return nil, err
	}
	definition, err := pipeline.ReadYAML([]byte("{timeouts: {job: {minutes: 2}, action: {minutes: 1}}, actions: [deploy: {to: x}]}"))
	if err != nil {
		return nil, err
	}
	return pipeline.Parse(pipeline.Inputs{
		ID: "1", Job: definition.With("secrets", j.secrets), Device: device, Dispatcher: j.dispatcher, Services: j.services, Dir: j.dir, Log: logger, Now: time.Now,
		Methods: pipeline.Methods{
			Deploy: []pipeline.Method{{Name: "x", Accepts: func(_, _ pipeline.Data) (string, error) { return "", nil },
				Action: func(pipeline.Data) pipeline.Action { return action }}},
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", About: "test", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
}

func (j *job) run(t *testing.T) error { return j.runIn(t, t.Context()) }

func (j *job) runIn(t *testing.T, ctx context.Context) error {
	t.Helper()
	p, err := j.plan()
	if err != nil {
		t.Fatal(err)
	}
	return p.Run(ctx)
}

func (j *job) validate(t *testing.T) error {
	t.Helper()
	p, err := j.plan()
	if err != nil {
		t.Fatal(err)
	}
	return p.Validate(t.Context())
}

// result returns what the result of an action says.
func (j *job) result(t *testing.T, name string) map[string]any {
	t.Helper()
	for _, r := range j.log {
		var m struct {
			Case  string         `json:"case"`
			Extra map[string]any `json:"extra"`
		}
		if r.Level == events.Results && json.Unmarshal(r.Message, &m) == nil && m.Case == name {
			return m.Extra
		}
	}
	t.Fatalf("no result of %s", name)
	return nil
}

// wantNothingLeft checks that a failed download leaves no file.
func (j *job) wantNothingLeft(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(j.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(path) != "a.tar" {
			t.Errorf("a file is left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// look is the later action.
type look struct{ j *job }

func (look) Name() string { return "look" }

func (l look) Run(_ context.Context, s *pipeline.Session) error {
	images, _ := pipeline.Get(s, pipeline.Images)
	if len(images) != 1 || images[0].Label != "image" || images[0].Arg != "-x {image}" {
		return fmt.Errorf("images: %v", images)
	}
	l.j.file = images[0].Path
	text, err := os.ReadFile(l.j.file)
	l.j.got = string(text)
	return err
}

func parse(t *testing.T, text string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func packed(t *testing.T, kind archive.Compression) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.Writer(kind, &b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
