package deploy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/boot"
	"strata/dispatcher/connection"
	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

// board is a running system that a medium is written with: it echoes, answers and prompts.
type board struct {
	says  map[string]string // by a part of the line
	typed []string
}

func (b *board) serve(console io.ReadWriteCloser) {
	for in := bufio.NewScanner(console); in.Scan(); {
		b.typed = append(b.typed, in.Text())
		answer := in.Text() + "\r\n"
		for part, text := range b.says {
			if strings.Contains(in.Text(), part) {
				answer += text
			}
		}
		io.WriteString(console, answer+"board # ")
	}
}

// A system that runs on the board writes an image to a second medium, in one of three ways.
func TestRemovable(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"disk.img": []byte("image")})
	medium := "/dev/disk/by-id/ata-1"
	for _, tt := range []struct{ name, tools, answers, want, wantErr string }{
		{"dd", "download: {tool: /usr/bin/wget, options: '-O - {DOWNLOAD_URL}', prompt: HTTP request sent}",
			"HTTP request sent\r\n5+0 records out\r\n", "/usr/bin/wget -O - URL | dd of='" + medium + "' bs=4M", ""},
		{"writer", "writer: {tool: /usr/bin/bmaptool, options: 'copy {DOWNLOAD_URL} {DEVICE}', prompt: 'bmaptool: info'}",
			"bmaptool: info done\r\n", "/usr/bin/bmaptool copy URL " + medium, ""},
		{"both", "download: {tool: /bin/a, options: '{DOWNLOAD_URL}', prompt: x}, writer: {tool: /bin/b, options: '{DEVICE}', prompt: y}",
			"x\r\ny\r\n", "/bin/a URL | /bin/b " + medium, ""},
		{"relative tool", "download: {tool: wget, options: '{DOWNLOAD_URL}'}", "", "", "'wget' is not an absolute path"},
		{"no url", "download: {tool: /wget, options: x}", "", "", "download.options has no {DOWNLOAD_URL}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &board{says: map[string]string{medium: tt.answers}}
			near, far := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.serve(far)
			}()
			j := &job{methods: "{}", noTest: true, services: pipeline.Services{Web: pipeline.Export{Dir: "/"}}, device: ", parameters: {media: {sata: {disk: {uuid: ata-1}}}}",
				deploy: "{to: sata, device: disk, image: {url: 'file://" + dir + "/disk.img'}, " + tt.tools + "}"}
			p, err := j.plan(t)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Validate(t.Context())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				got := write(t, p, near, b)
				if !slices.Contains(got, tt.want) {
					t.Errorf("typed %q, want %q", got, tt.want)
				}
			}
			near.Close()
			<-done
		})
	}
}

// write runs dd-image of a plan with a console, after the download.
func write(t *testing.T, p *pipeline.Plan, console io.ReadWriteCloser, b *board) []string {
	t.Helper()
	root := p.Steps[0]
	web := ""
	root.Children = append([]*pipeline.Step{{Action: attach{console, &web}, Namespace: root.Namespace, Timeout: root.Timeout, Parent: root, Level: "1.0", Block: root.Block}}, root.Children...)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var typed []string
	for _, line := range b.typed {
		typed = append(typed, strings.ReplaceAll(line, web, "URL"))
	}
	return typed
}

// attach connects the board.
type attach struct {
	console io.ReadWriteCloser
	url     *string
}

func (attach) Name() string { return "attach" }

func (a attach) Run(_ context.Context, s *pipeline.Session) error {
	c := connection.New(a.console, connection.Settings{Log: s.Log})
	c.Prompts = []string{"board # "}
	s.SetConsole(c)
	dir := filepath.Join(s.JobDir())
	entries, err := filepath.Glob(filepath.Join(dir, "storage-deploy-*"))
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("directories %v: %w", entries, err)
	}
	*a.url, err = s.WebURL(filepath.Join(entries[0], "image", "disk.img"))
	return err
}

// A file of a downloads block is linked, not fetched again, and a name that is not there is said so
// with those that are.
func TestPreDownloaded(t *testing.T) {
	t.Parallel()
	j := &job{methods: "{image: {parameters: {guest: {size: 4}}}}", noTest: true,
		deploy: "{to: tmpfs, images: {k: {url: 'downloads://k/zImage', image_arg: x}}}"}
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "Resource unavailable: k/zImage (available: )") {
		t.Errorf("nothing is there: %v", err)
	}
	p, err = j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	root := p.Steps[0]
	root.Children = append([]*pipeline.Step{{Action: leave{}, Namespace: "common", Timeout: root.Timeout, Parent: root, Level: "1.0", Block: root.Block}}, root.Children...)
	root.Children = append(root.Children, &pipeline.Step{Action: readBack{&got}, Namespace: "common", Timeout: root.Timeout, Parent: root, Level: "1.9", Block: root.Block})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got != "kernel" {
		t.Errorf("the file has %q", got)
	}
}

// leave does what a downloads block did.
type leave struct{}

func (leave) Name() string { return "leave" }

func (leave) Run(_ context.Context, s *pipeline.Session) error {
	file := filepath.Join(s.JobDir(), "downloads", "common", "k", "zImage")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte("kernel"), 0o644)
}

type readBack struct{ got *string }

func (readBack) Name() string { return "read-back" }

func (r readBack) Run(_ context.Context, s *pipeline.Session) error {
	file, _ := pipeline.Get(s, pipeline.Artefact("k"))
	text, err := os.ReadFile(file)
	*r.got = string(text)
	return err
}

// The firmware package of a virtual device names what is in it; one that is ready is taken as it is.
// The service is asked whether the account can have such a board.
func TestFirmwarePackage(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"k": []byte("kernel"), "d": []byte("tree"), "n": []byte("disk")})
	service := dispatchertest.StartAVH(t)
	ready := filepath.Join(dir, "fw.zip")
	const images = "images: {kernel: {url: 'file://DIR/k'}, dtb: {url: 'file://DIR/d'}, rootfs: {url: 'file://DIR/n'}}"
	for _, tt := range []struct{ name, block, secret, want string }{
		{"images", images, dispatchertest.AVHToken, ""},
		{"ready", "fw_package: {url: 'file://DIR/fw.zip'}", dispatchertest.AVHToken, ""},
		{"no token", images, "", "no secret 'avh_api_token'"},
		{"a wrong token", images, "wrong", "invalid token"},
		{"another model", images + ", options: {model: pdp11}", dispatchertest.AVHToken, "AVH model 'pdp11' is not available, only ['rpi4b']"},
		{"another project", images + ", options: {project_name: Secret}", dispatchertest.AVHToken, "AVH project 'Secret' is not one of the account's"},
		{"no tree", "images: {kernel: {url: 'file://DIR/k'}, rootfs: {url: 'file://DIR/n'}}", dispatchertest.AVHToken, "'dtb' is missing"},
	} {
		j := &job{methods: "{avh: {options: {model: rpi4b, api_endpoint: '" + service.URL + "'}}}", noTest: true,
			secrets: "{avh_api_token: '" + tt.secret + "'}", deploy: strings.ReplaceAll("{to: avh, "+tt.block+"}", "DIR", dir)}
		into := t.TempDir()
		var board boot.AVHBoard
		j.leave = func(s *pipeline.Session) error {
			board, _ = pipeline.Get(s, boot.AVHPrepared)
			if tt.name == "images" { // what the next case has ready
				text, err := os.ReadFile(board.Package)
				if err = errors.Join(err, os.WriteFile(ready, text, 0o644)); err != nil {
					return err
				}
			}
			return archive.Unpack(into, board.Package)
		}
		err := j.whole(t)
		if tt.want != "" {
			if pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v of class %q, want Job with %q", tt.name, err, pipeline.ClassOf(err), tt.want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if board.Model != "rpi4b" || board.Project != "p-1" || board.Version != "1.1" || board.Build != "9" {
			t.Errorf("%s: what boot is told: %+v", tt.name, board)
		}
		for name, want := range map[string]string{"kernel": "kernel", "devicetree": "tree", "nand": "disk", "Info.plist": "<string>rpi4b</string>"} {
			if text, err := os.ReadFile(filepath.Join(into, name)); err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s: %s: %q, %v", tt.name, name, text, err)
			}
		}
	}
}

// The overlay goes into the disk image within a package that is ready.
func TestOverlayInFirmwarePackage(t *testing.T) {
	t.Parallel()
	files, service := methodFiles(t), dispatchertest.StartAVH(t)
	from := filepath.Join(files, "package")
	if err := os.Mkdir(from, 0o755); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(filepath.Join(files, "root.ext4"))
	info := []byte("<plist><dict><key>Version</key><string>2.3</string><key>Build</key>\n<string>77</string></dict></plist>")
	err = errors.Join(err, os.WriteFile(filepath.Join(from, "virtio_0"), disk, 0o644), os.WriteFile(filepath.Join(from, "Info.plist"), info, 0o644))
	if err = errors.Join(err, repack(filepath.Join(files, "fw.zip"), from)); err != nil {
		t.Fatal(err)
	}
	j := &job{methods: "{avh: {options: {model: rpi4b, api_endpoint: '" + service.URL + "'}}}", secrets: "{avh_api_token: " + dispatchertest.AVHToken + "}",
		deploy: "{to: avh, os: oe, fw_package: {url: 'file://" + files + "/fw.zip', storage_file: virtio_0, root_partition: 0}}"}
	into := t.TempDir()
	j.check = func(s *pipeline.Session) error {
		board, _ := pipeline.Get(s, boot.AVHPrepared)
		if board.Version != "2.3" || board.Build != "77" {
			return fmt.Errorf("what boot is told: %+v", board)
		}
		return archive.Unpack(into, board.Package)
	}
	// A file system without a partition table has no partition 0.
	if err := j.whole(t); pipeline.ClassOf(err) != pipeline.Job {
		t.Errorf("no partition table: %v of class %q, want Job", err, pipeline.ClassOf(err))
	}
	j.deploy = "{to: avh, os: oe, fw_package: {url: 'file://" + files + "/fw.zip', storage_file: virtio_0}}"
	if err := j.whole(t); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "'storage_file' and 'root_partition'") {
		t.Errorf("no partition named: %v", err)
	}
}
