package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

func TestMethods(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, block, methods, want string }{
		{"images", "{to: tmpfs, images: {}}", "{image: }", "deployimages"},
		{"monitor", "{to: tmpfs, type: monitor, images: {}}", "{image: }", "deployimages"},
		{"overlay", "{to: overlay}", "{overlay: }", "lava-overlay"},
		{"another type", "{to: tmpfs, type: iso, images: {}}", "{image: }", `images: "type" parameter is not "monitor"`},
		{"no images", "{to: tmpfs}", "{image: }", `images: "images" is not in the deployment parameters`},
		{"device cannot", "{to: tmpfs, images: {}}", "{tftp: }", `images: "image" is not in the device configuration deploy methods`},
		{"another place", "{to: sata, images: {}}", "{image: }", `images: "to" parameter is not "tmpfs"`},
	}
	for _, tt := range tests {
		j := &job{deploy: tt.block, methods: tt.methods}
		p, err := j.plan(t)
		got := ""
		if err != nil {
			got = err.Error()
			if pipeline.ClassOf(err) != pipeline.Job {
				t.Errorf("%s: class %q", tt.name, pipeline.ClassOf(err))
			}
		} else {
			got = p.Steps[0].Name()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	j := &job{deploy: `
to: tmpfs
os: debian
uefi: {url: 'http://x/bios.bin'}
images:
  kernel: {url: 'http://x/k'}
  rootfs: {url: 'file:///r', overlays: {lava: true, modules: {url: 'http://x/m', format: tar, path: /}}}
`}
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	want := `1 deployimages
1.1 lava-overlay
1.1.1 lava-multinode-overlay
1.1.2 test-definition
1.1.2.1 inline-repo-action
1.1.2.2 test-overlay
1.1.2.3 test-install-overlay
1.1.2.4 test-runscript-overlay
1.1.3 compress-overlay
1.2 deploy-device-env
1.3 download-retry
1.3.1 http-download
1.4 download-retry
1.4.1 http-download
1.5 download-retry
1.5.1 file-download
1.5.2 download-retry
1.5.2.1 http-download
1.5.3 append-overlays
1.6 apply-overlay-guest
`
	if got := tree(p.Steps[:1]); got != want {
		t.Errorf("tree:\n%s\nwant\n%s", got, want)
	}
	// Without a test that wants it, the overlay is made for the image that asks for it, and only there.
	j.noTest = true
	if p, err = j.plan(t); err != nil {
		t.Fatal(err)
	}
	if got := tree(p.Steps[:1]); strings.Contains(got, "apply-overlay-guest") || !strings.Contains(got, "1.3.3 lava-create-overlay\n") {
		t.Errorf("tree without tests:\n%s", got)
	}
}

func tree(steps []*pipeline.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.Level + " " + s.Name() + "\n" + tree(s.Children))
	}
	return b.String()
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"{to: tmpfs, images: [a]}":                                  "'images' is not a mapping",
		"{to: tmpfs, images: {a: x}}":                               "'images.a' is not a mapping with a url",
		"{to: tmpfs, images: {a: {}}}":                              "'url' is missing for 'a'",
		"{to: tmpfs, images: {a: {url: 'file:///x', overlays: 1}}}": "'a.overlays' is not a mapping",
	} {
		j := &job{deploy: block}
		if _, err := j.plan(t); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, keys, want string }{
		{"good", "format: cpio.newc, overlays: {lava: true}", ""},
		{"format", "format: ext9, overlays: {lava: true}", "format 'ext9' is not one of ['cpio.newc', 'ext4', 'tar']"},
		{"no format", "overlays: {lava: true}", "format None is not one of"},
		{"overlay's format", "format: tar, overlays: {x: {url: 'file://IMAGE', format: zip, path: /}}", `Invalid format "zip" of overlay x`},
		{"relative path", "format: tar, overlays: {x: {url: 'file://IMAGE', format: tar, path: opt}}", `Invalid path "opt"`},
		{"path with dots", "format: tar, overlays: {x: {url: 'file://IMAGE', format: tar, path: /a/../b}}", `Invalid path "/a/../b"`},
	}
	for _, tt := range tests {
		j := &job{deploy: strings.ReplaceAll("{to: tmpfs, os: oe, images: {i: {url: 'file://IMAGE', "+tt.keys+"}}}", "IMAGE", image)}
		p, err := j.plan(t)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Validate(t.Context())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	// Android's shell has no file to put variables in; a device must say how large its drive is.
	for block, want := range map[string]string{
		"{to: tmpfs, os: android, images: {i: {url: 'file://IMAGE'}}}": "lava_test_shell_file is not set",
		"{to: tmpfs, os: oe, images: {i: {url: 'file://IMAGE'}}}":      "does not specify size of guest filesystem",
	} {
		j := &job{deploy: strings.ReplaceAll(block, "IMAGE", image), methods: "{image: }"}
		p, err := j.plan(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
}

func TestEnvDUT(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"purge", "{purge: true, overrides: {A: 1, B: x y}}", "A=1 B=x y"},
		{"the worker's", "{removes: [TWO], overrides: {THREE: 3}}", "ONE=1 THREE=3"},
	}
	for _, tt := range tests {
		config, err := pipeline.ReadYAML([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		worker := []string{"ONE=1", "TWO=2"}
		if tt.text == "" {
			worker = nil
		}
		var got []string
		for _, p := range targetEnv(config, worker) {
			got = append(got, p.Key+"="+p.Value.Text())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, got, tt.want)
		}
	}
}

// A whole deployment: what the emulator would find.
func TestDeploy(t *testing.T) {
	t.Parallel()
	var modules bytes.Buffer
	w := tar.NewWriter(&modules)
	if err := w.WriteHeader(&tar.Header{Name: "m.ko", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/initrd.gz":
			w.Write(emptyRamdisk(t))
		case "/modules.tar":
			w.Write(modules.Bytes())
		case "/notes":
			io.WriteString(w, "note")
		case "/broken":
			io.WriteString(w, "<html>not a ramdisk</html>")
		}
	}))
	defer server.Close()
	j := &job{deploy: strings.ReplaceAll(`
to: tmpfs
os: oe
images:
  kernel: {url: SERVER/notes, image_arg: -kernel {kernel}}
  ramdisk:
    url: SERVER/initrd.gz
    image_arg: -initrd {ramdisk}
    format: cpio.newc
    overlays:
      lava: true
      modules: {url: SERVER/modules.tar, format: tar, path: /lib/modules}
      notes: {url: SERVER/notes, format: file, path: /etc/notes}
`, "SERVER", server.URL)}
	j.deploy = strings.ReplaceAll(j.deploy, "-kernel {kernel}", "'-kernel {kernel}'")
	j.deploy = strings.ReplaceAll(j.deploy, "-initrd {ramdisk}", "'-initrd {ramdisk}'")
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(j.images) != 2 || j.images[0].Label != "kernel" || j.images[1].Arg != "-initrd {ramdisk}" {
		t.Errorf("images: %v", j.images)
	}
	for _, name := range []string{"lava-9/bin/lava-test-case", "lava-9/0/tests/0_smoke/run.sh", "lib/modules/m.ko", "etc/notes"} {
		if !j.disk.Has(name) {
			t.Errorf("the ramdisk has no %s", name)
		}
	}
	if j.guest {
		t.Error("the overlay is on a drive as well")
	}

	bad := &job{deploy: "{to: tmpfs, os: oe, images: {ramdisk: {url: '" + server.URL + "/broken', format: cpio.newc, overlays: {lava: true}}}}"}
	if p, err = bad.plan(t); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "Unable to append overlays to 'ramdisk'") {
		t.Errorf("error: %v of class %q, want Job", err, pipeline.ClassOf(err))
	}
}

func TestGuest(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath(e2fs("mke2fs")); err != nil {
		t.Skip("mke2fs is not installed")
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	j := &job{deploy: "{to: tmpfs, os: oe, images: {kernel: {url: 'file://" + image + "', image_arg: x}}}", raw: true}
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !j.guest {
		t.Fatal("there is no drive")
	}
	if j.listing == "" {
		t.Skip("qemu-img or debugfs is not installed")
	}
	for _, want := range []string{"environment", "bin", "0"} {
		if !strings.Contains(j.listing, want) {
			t.Errorf("the drive has no %s:\n%s", want, j.listing)
		}
	}
}

// job is a deploy block and a test that looks at what it left.
type job struct {
	deploy, methods string
	noTest          bool
	raw             bool   // look into the drive
	device          string // more of the dictionary, in flow style
	services        pipeline.Services
	secrets         string                          // of the job, in flow style
	dispatcher      string                          // more of the worker's configuration
	limit           string                          // more of that, for methodRun
	env             []string                        // more of the job's environment
	script          string                          // of the device's console
	check           func(s *pipeline.Session) error // instead of looking for a ramdisk
	leave           func(s *pipeline.Session) error // looks at what was left, also without a test

	dir     string // the job's own
	log     []events.Record
	images  []pipeline.Image
	disk    archive.Ramdisk
	guest   bool
	listing string // of the drive
}

func (j *job) plan(t *testing.T) (*pipeline.Plan, error) {
	t.Helper()
	if j.methods == "" {
		j.methods = "{image: {parameters: {guest: {size: 4}}}}"
	}
	read := func(text string) pipeline.Data {
		d, err := pipeline.ReadYAML([]byte(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return d
	}
	blocks := []pipeline.Data{pipeline.Of([]pipeline.Pair{{Key: "deploy", Value: read(j.deploy)}})}
	if !j.noTest {
		blocks = append(blocks, read("test: {definitions: [{from: inline, name: smoke, path: s.yaml, repository: {metadata: {format: x, name: s}}}]}"))
	}
	accept := func(_, _ pipeline.Data) (string, error) { return "", nil }
	j.dir = filepath.Join(t.TempDir(), "9")
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if j.leave != nil {
		blocks = append(blocks, read("command: {name: look}"))
	}
	return pipeline.Parse(pipeline.Inputs{
		ID:         "9",
		Job:        read("timeouts: {job: {minutes: 5}, action: {minutes: 1}}").With("actions", pipeline.Of(blocks)).With("secrets", read(j.secrets)),
		Device:     read("{constants: {failure_retry: 1, posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/sh, lava_test_shell_file: x}}, actions: {deploy: {methods: " + j.methods + "}}" + j.device + "}"),
		Dispatcher: read("{dispatcher_ip: 192.0.2.1, nfs_export_command: 'test -d {DIR}'" + j.dispatcher + "}"), Dir: j.dir, Env: append(os.Environ(), j.env...), Now: time.Now,
		Services: j.services,
		Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			j.log = append(j.log, r)
			return nil
		}}),
		Methods: pipeline.Methods{
			Deploy: Methods(),
			Command: func(pipeline.Data) pipeline.Action {
				return pipeline.Basic{Title: "look", Do: func(_ context.Context, s *pipeline.Session) error { return j.leave(s) }}
			},
			Test: []pipeline.Method{{Name: "t", Accepts: accept,
				Action: func(pipeline.Data) pipeline.Action { return look{j} },
				Test: func(pipeline.Data) pipeline.TestInfo {
					return pipeline.TestInfo{NeedsDeployment: true, NeedsOverlay: true, HasShell: true}
				}}},
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", About: "test", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
}

// whole plans, validates, runs and cleans up after a job.
func (j *job) whole(t *testing.T) error {
	t.Helper()
	p, err := j.plan(t)
	if err != nil {
		return err
	}
	if err = p.Validate(t.Context()); err == nil {
		err = p.Run(t.Context())
	}
	if failed := p.Cleanup(context.WithoutCancel(t.Context())); failed != nil {
		t.Errorf("cleanup: %v", failed)
	}
	return err
}

// look takes what the deployment left, while the job's directory is there.
type look struct{ j *job }

func (look) Name() string { return "look" }

func (l look) Run(ctx context.Context, s *pipeline.Session) error {
	if l.j.check != nil {
		return l.j.check(s)
	}
	l.j.images, _ = pipeline.Get(s, pipeline.Images)
	guest, ok := pipeline.Get(s, pipeline.Guest)
	l.j.guest = ok
	if l.j.raw {
		l.j.listing = listing(ctx, guest.Path)
		return nil
	}
	file, ok := pipeline.Get(s, pipeline.Artefact("ramdisk"))
	if !ok {
		return errors.New("no ramdisk")
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if l.j.disk, err = archive.ReadRamdisk(in); err != nil {
		return fmt.Errorf("read the ramdisk: %w", err)
	}
	return nil
}

// listing lists the top of a drive's file system, "" where the tools for it are missing.
func listing(ctx context.Context, drive string) string {
	raw := drive + ".raw"
	if exec.CommandContext(ctx, "qemu-img", "convert", "-O", "raw", drive, raw).Run() != nil {
		return ""
	}
	out, err := exec.CommandContext(ctx, e2fs("debugfs"), "-R", "ls -p /", raw).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// emptyRamdisk is a gzipped archive with nothing in it.
func emptyRamdisk(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.Writer(archive.Gzip, &b)
	if err != nil {
		t.Fatal(err)
	}
	head := "070701" + strings.Repeat("00000000", 11) + "0000000B" + "00000000"
	if _, err := io.WriteString(w, head+"TRAILER!!!\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
