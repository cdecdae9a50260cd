package deploy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/connection"
	"strata/dispatcher/deploy/archive"
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

// The firmware package of a virtual device names what is in it.
func TestFirmwarePackage(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"k": []byte("kernel"), "d": []byte("tree"), "n": []byte("disk")})
	j := &job{methods: "{avh: {options: {model: rpi4b}}}", noTest: true, deploy: strings.ReplaceAll(
		"{to: avh, images: {kernel: {url: 'file://DIR/k'}, dtb: {url: 'file://DIR/d'}, rootfs: {url: 'file://DIR/n'}}}", "DIR", dir)}
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "avh_api_token") {
		t.Errorf("without a token: %v", err)
	}
	into := t.TempDir()
	var file string
	root := p.Steps[0]
	root.Children = append(root.Children, &pipeline.Step{Action: keep{&file, into}, Namespace: "common", Timeout: root.Timeout, Parent: root, Level: "1.9", Block: root.Block})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"kernel": "kernel", "devicetree": "tree", "nand": "disk", "Info.plist": "<string>rpi4b</string>"} {
		if text, err := os.ReadFile(filepath.Join(into, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// keep unpacks the package while it is there.
type keep struct {
	file *string
	into string
}

func (keep) Name() string { return "keep" }

func (k keep) Run(_ context.Context, s *pipeline.Session) error {
	*k.file, _ = pipeline.Get(s, firmwarePackage)
	return archive.Unpack(k.into, *k.file)
}
