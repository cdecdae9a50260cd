package deploy

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// tarball makes a tar of empty files.
func tarball(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o640, Uid: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folder writes files and returns their directory.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run plans and runs a job, and fails the test where it fails.
func (j *job) run(t *testing.T) {
	t.Helper()
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What a board with U-Boot fetches: the kernel converted, the ramdisk with overlay and modules, and
// names as the TFTP server has them.
func TestTFTP(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{
		"zImage": []byte("kernel"), "a.dtb": []byte("tree"), "initrd.gz": emptyRamdisk(t),
		"modules.tar": tarball(t, "lib/modules/m.ko"), "extra": []byte("x"), "o.dtbo": []byte("o"),
	})
	server := t.TempDir()
	j := &job{methods: "{tftp: }",
		device:   ", parameters: {bootm: {kernel: '0x80200000'}}",
		services: pipeline.Services{TFTP: pipeline.Export{Dir: server, Path: "lab"}},
		deploy: strings.ReplaceAll(`
to: tftp
os: oe
kernel: {url: 'file://DIR/zImage', type: zimage}
dtb: {url: 'file://DIR/a.dtb'}
dtbo: [{url: 'file://DIR/o.dtbo'}]
ramdisk: {url: 'file://DIR/initrd.gz', compression: gz}
modules: {url: 'file://DIR/modules.tar'}
extra_files: {more: {url: 'file://DIR/extra'}}
`, "DIR", dir)}
	deviceParameters(j, "actions: {deploy: {methods: {tftp: }, parameters: {add_header: u-boot, mkimage_arch: arm}}, boot: {methods: {u-boot: }}}")
	j.check = func(s *pipeline.Session) error {
		served := func(name string) ([]byte, error) {
			below, ok := strings.CutPrefix(name, "lab/9/")
			if !ok {
				return nil, fmt.Errorf("%q is not a name of the server", name)
			}
			info, err := os.Stat(filepath.Join(server, "9", below))
			if err != nil {
				return nil, err
			}
			if info.Mode().Perm()&0o444 != 0o444 {
				return nil, fmt.Errorf("others cannot read %s: %v", name, info.Mode())
			}
			return os.ReadFile(filepath.Join(server, "9", below))
		}
		kernel, _ := pipeline.Get(s, pipeline.PreparedKernel)
		text, err := served(kernel)
		if err != nil || !bytes.HasSuffix(text, []byte("kernel")) || len(text) != archive.UBootHeader+6 {
			return fmt.Errorf("the kernel has %d bytes: %w", len(text), err)
		}
		if command, _ := pipeline.Get(s, pipeline.BootCommand); command != "bootm" {
			return fmt.Errorf("the boot command is %q", command)
		}
		ramdisk, _ := pipeline.Get(s, pipeline.PreparedRamdisk)
		if filepath.Base(ramdisk) != "ramdisk.cpio.gz.uboot" {
			return fmt.Errorf("the ramdisk is %s", ramdisk)
		}
		if text, err = served(ramdisk); err != nil {
			return err
		}
		disk, err := archive.ReadRamdisk(bytes.NewReader(text[archive.UBootHeader:]))
		if err != nil || !disk.Has("lava-9/bin/lava-test-case") || !disk.Has("lib/modules/m.ko") {
			return fmt.Errorf("the ramdisk lacks something: %+v %w", disk, err)
		}
		for _, label := range []string{"dtb", "dtbo0", "more"} {
			name, _ := pipeline.Get(s, pipeline.Served(label))
			if _, err := served(name); err != nil {
				return err
			}
		}
		return nil
	}
	j.run(t)

	// Where nobody serves, the job says so before it downloads.
	j.services = pipeline.Services{}
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); pipeline.ClassOf(err) != pipeline.Infrastructure || !strings.Contains(err.Error(), "serves no TFTP") {
		t.Errorf("without a server: %v", err)
	}
}

// deviceParameters replaces the dictionary's actions.
func deviceParameters(j *job, actions string) { j.device += ", " + actions }

// An NFS root is unpacked beside what TFTP serves, with its prefix, modules and overlay.
func TestNFS(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"root.tar": tarball(t, "rootfs/etc/passwd"), "modules.tar": tarball(t, "lib/m.ko")})
	j := &job{methods: "{nfs: }", deploy: strings.ReplaceAll(`
to: nfs
os: oe
nfsrootfs: {url: 'file://DIR/root.tar', prefix: rootfs/}
modules: {url: 'file://DIR/modules.tar'}
`, "DIR", dir)}
	j.check = func(s *pipeline.Session) error {
		root, _ := pipeline.Get(s, pipeline.NFSRoot)
		for _, name := range []string{"etc/passwd", "lib/m.ko", "lava-9/0/tests/0_smoke/run.sh"} {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				return err
			}
		}
		dynamic := pipeline.Of(s.Dynamic())
		if dynamic.Get("NFS_ROOTFS").Text() != root || dynamic.Get("NFS_SERVER_IP").Text() != "192.0.2.1" {
			return fmt.Errorf("the device is told %s", dynamic.Python())
		}
		return nil
	}
	j.run(t)
	for prefix, want := range map[string]string{"/abs/": "must not be an absolute path", "dir": "end with /", "../../": "leads out of the archive"} {
		j.deploy = "{to: nfs, os: oe, nfsrootfs: {url: 'file://" + dir + "/root.tar', prefix: '" + prefix + "'}}"
		p, err := j.plan(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("prefix %s: %v, want %q", prefix, err, want)
		}
	}
}

// The overlay and a job's own files go into an ext4 image, which may be sparse.
func TestExt4(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath(e2fs("mke2fs")); err != nil {
		t.Skip("SKIPPED: mke2fs is not installed")
	}
	dir := folder(t, map[string][]byte{"notes": []byte("note")})
	image := filepath.Join(dir, "rootfs.ext4")
	if out, err := exec.Command(e2fs("mke2fs"), "-q", "-F", "-t", "ext4", image, "8M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v %s", err, out)
	}
	if err := archive.ToSparse(image+".sparse", image); err != nil {
		t.Fatal(err)
	}
	for _, sparse := range []string{"false", "true"} {
		name := image
		if sparse == "true" {
			name += ".sparse"
		}
		j := &job{deploy: "{to: tmpfs, os: oe, images: {rootfs: {url: 'file://" + name + "', format: ext4, sparse: " + sparse +
			", overlays: {lava: true, n: {url: 'file://" + dir + "/notes', format: file, path: /etc/notes}}}}}"}
		j.check = func(s *pipeline.Session) error {
			file, _ := pipeline.Get(s, pipeline.Artefact("rootfs"))
			is, err := archive.IsSparse(file)
			if err != nil || fmt.Sprint(is) != sparse {
				return fmt.Errorf("sparse: %v %w", is, err)
			}
			if is {
				raw := filepath.Join(dir, "raw")
				if err := archive.FromSparse(raw, file); err != nil {
					return err
				}
				file = raw
			}
			out, err := exec.Command(e2fs("debugfs"), "-R", "stat /lava-9/bin/lava-test-runner", file).CombinedOutput()
			if !strings.Contains(string(out), "Mode:  0755") {
				return fmt.Errorf("the runner: %s %w", out, err)
			}
			if out, err = exec.Command(e2fs("debugfs"), "-R", "cat /etc/notes", file).Output(); string(out) != "note" {
				return fmt.Errorf("the notes: %q %w", out, err)
			}
			out, err = exec.Command(e2fs("e2fsck"), "-fn", file).CombinedOutput()
			if err != nil {
				return fmt.Errorf("e2fsck: %s %w", out, err)
			}
			return nil
		}
		j.run(t)
	}
}

// A device's own commands write the images, in the directory of the downloads.
func TestFlasher(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"firmware.bin": []byte("fw")})
	told := filepath.Join(dir, "told")
	j := &job{methods: "{flasher: {commands: ['cp {FW} " + told + "', 'sh -c \"echo {URL} {HARD_RESET_COMMAND} >> " + told + "\"']}}",
		device: ", commands: {hard_reset: reset now}",
		deploy: "{to: flasher, os: oe, images: {fw: {url: 'file://" + dir + "/firmware.bin'}, url: {url: 'http://x/y', download: false}}}"}
	j.check = func(*pipeline.Session) error {
		text, err := os.ReadFile(told)
		if string(text) != "fwhttp://x/y reset now\n" {
			return errors.Join(err, fmt.Errorf("the commands left %q", text))
		}
		return err
	}
	j.run(t)
	j.methods = "{flasher: {commands: [/bin/false]}}"
	p, err := j.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); pipeline.ClassOf(err) != pipeline.Infrastructure {
		t.Errorf("a command that fails: %v of class %q", err, pipeline.ClassOf(err))
	}
}

// Files of a downloads block are there for `downloads://` later, under their own names.
func TestDownloads(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]byte{"image.gz": gzipped(t, "content")})
	j := &job{methods: "{}", deploy: "{to: downloads, images: {i: {url: 'file://" + dir + "/image.gz', compression: gz}}}"}
	j.check = func(s *pipeline.Session) error {
		text, err := os.ReadFile(filepath.Join(s.JobDir(), "downloads", "common", "image"))
		if string(text) != "content" {
			return fmt.Errorf("the file has %q: %w", text, err)
		}
		return nil
	}
	j.run(t)
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.Writer(archive.Gzip, &b)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
