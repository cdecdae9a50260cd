package acceptance

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// packagesOf names what is unpacked under a name: linux-NAME holds boot/vmlinuz-*, lib/modules and
// device trees, busybox-NAME a busybox without libraries, grub-NAME the modules of GRUB.
var packagesOf = map[string]debian{
	"linux-amd64":         {arch: "amd64", names: "linux-image-cloud-amd64", meta: true},
	"linux-amd64-generic": {arch: "amd64", names: "linux-image-amd64", meta: true},
	"linux-arm64":         {arch: "arm64", names: "linux-image-cloud-arm64", meta: true},
	"linux-arm64-generic": {arch: "arm64", names: "linux-image-arm64", meta: true},
	"linux-armhf":         {arch: "armhf", names: "linux-image-armmp", meta: true},
	"linux-riscv64":       {arch: "riscv64", names: "linux-image-riscv64", meta: true},
	"grub-arm64":          {arch: "arm64", names: "grub-efi-arm64-bin"},
	"busybox-amd64":       {arch: "amd64", names: "busybox-static"},
	"busybox-arm64":       {arch: "arm64", names: "busybox-static"},
	"busybox-armhf":       {arch: "armhf", names: "busybox-static"},
	"busybox-riscv64":     {arch: "riscv64", names: "busybox-static"},
}

// virtio are the modules that a guest of QEMU wants for its disk and network card.
const virtio = "virtio_pci virtio_net virtio_blk virtio_mmio virtio_rng"

// materials returns a new directory with what machines boot, as links into the cache:
//
//	linux-ARCH      the unpacked kernel package, of amd64, amd64-generic, arm64, arm64-generic, armhf, riscv64
//	kernel-ARCH     its boot file
//	initramfs-ARCH  a busybox system that takes orders from the kernel command line (lab.login, lab.hang …)
//	busybox-ARCH    the unpacked package
//	debian-amd64    a Debian with systemd, root and lab with password lab: rootfs/, rootfs.tar, rootfs.ext4
//
// What is not in the cache is fetched and made, which wants the scripts of the recorded data: without
// them the test is skipped.
func materials(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		if err := os.Symlink(material(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// material returns where in the cache something lies; see materials.
func material(t *testing.T, name string) string {
	t.Helper()
	kind, arch, _ := strings.Cut(name, "-")
	switch kind {
	case "kernel":
		return only(t, filepath.Join(material(t, "linux-"+arch), "boot/vmlinu[xz]-*"))
	case "initramfs":
		return initramfs(t, arch, modules{load: virtio})
	case "debian":
		return debianImage(t, arch)
	}
	packages, ok := packagesOf[name]
	if !ok {
		t.Fatalf("no material is called %q", name)
	}
	return packages.unpack(t, name)
}

// only returns the one file that matches a pattern.
func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("files like %s: %q, want one", pattern, found)
	}
	return found[0]
}

// debian are packages of an architecture.
type debian struct {
	arch  string
	names string // with blanks between
	meta  bool   // each only names the package of the current version
}

// unpack returns the directory in which packages are unpacked. They are never installed.
func (d debian) unpack(t *testing.T, name string) string {
	t.Helper()
	return cached(t, name, fmt.Sprint(d), func(dir string) error {
		dispatchertest.Need(t, "apt-get:apt", "dpkg:dpkg")
		script := filepath.Join(dispatchertest.Corpus(t, "devices"), "devices/deb-fetch.sh")
		args := []string{script, "-a", d.arch}
		if d.meta {
			args = append(args, "-d")
		}
		if d.arch == "riscv64" {
			sources, err := laterSources(filepath.Dir(dir))
			if err != nil {
				return err
			}
			args = append(args, "-s", sources)
		}
		defer lock(t, filepath.Join(filepath.Dir(dir), "deb-fetch.lock"))() // one state for each architecture
		return command(append(append(args, dir), strings.Fields(d.names)...)...)
	})
}

// debianImage returns a real system for a kernel: its tree, its tar, and its disk without partitions.
// Tests must not write to it.
func debianImage(t *testing.T, arch string) string {
	t.Helper()
	kernel := material(t, "linux-"+arch)
	version := only(t, kernel+"/boot/vmlinu[xz]-*")
	return cached(t, "debian-"+arch, filepath.Base(version), func(dir string) error {
		dispatchertest.Need(t, "mmdebstrap:mmdebstrap", "mke2fs:e2fsprogs")
		if os.Getuid() != 0 {
			t.Skip("SKIPPED: a system with its own users is made by root")
		}
		return command(filepath.Join(dispatchertest.Corpus(t, "devices"), "devices/make-debian-image.sh"), "-k", kernel, dir)
	})
}

// laterSources writes the machine's own package sources with the suite that has riscv64.
func laterSources(dir string) (file string, err error) {
	text, err := os.ReadFile("/etc/apt/sources.list.d/debian.sources")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "Suites: bookworm bookworm-updates") {
			line = "Suites: trixie\n"
		} else if strings.HasPrefix(line, "Suites:") {
			line = strings.ReplaceAll(line, "bookworm", "trixie")
		}
		b.WriteString(line)
	}
	file = filepath.Join(dir, "trixie.sources")
	return file, os.WriteFile(file, []byte(b.String()), 0o644)
}

// modules are the drivers of an initramfs, with blanks between, and what else is in it.
type modules struct {
	load string // at boot, in this order
	have string // there, but not loaded
	add  string // directory copied on top
	key  string // what add was made of, for the cache
}

// initramfs returns a busybox system for a kernel, linux-ARCH of materials.
func initramfs(t *testing.T, arch string, m modules) string {
	t.Helper()
	kernel := material(t, "linux-"+arch)
	machine, _, _ := strings.Cut(arch, "-")
	box := material(t, "busybox-"+machine)
	version := only(t, kernel+"/boot/vmlinu[xz]-*")
	dir := cached(t, "initramfs-"+arch, fmt.Sprint(filepath.Base(version), m.load, "/", m.have, "/", m.key), func(dir string) error {
		dispatchertest.Need(t, "cpio:cpio", "depmod:kmod", "openssl:openssl", "xz:xz-utils")
		binary := filepath.Join(box, "bin/busybox")
		if _, err := os.Stat(binary); err != nil {
			binary = filepath.Join(box, "usr/bin/busybox")
		}
		args := []string{filepath.Join(dispatchertest.Corpus(t, "devices"), "devices/make-initramfs.sh"),
			"-b", binary, "-k", kernel, "-m", m.load, "-i", m.have, "-o", filepath.Join(dir, "initramfs.cpio.gz")}
		if m.add != "" {
			args = append(args, "-a", m.add)
		}
		defer lock(t, kernel+".lock")() // depmod writes to the kernel's folder
		return command(args...)
	})
	return filepath.Join(dir, "initramfs.cpio.gz")
}

// cached returns a directory of the user's cache that fill has filled once, for this key. Test
// processes that want it at the same time wait for the first.
func cached(t *testing.T, name, key string, fill func(dir string) error) string {
	t.Helper()
	dispatchertest.Boots(t)
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	base = filepath.Join(cmp.Or(os.Getenv("STRATA_ACCEPTANCE_CACHE"), filepath.Join(base, "strata/acceptance")))
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, fmt.Sprintf("%s-%.4x", name, sha256.Sum256([]byte(key))))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	defer lock(t, dir+".making")()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	making, err := os.MkdirTemp(base, "making-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(making)
	if err := os.Chmod(making, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fill(making); err != nil {
		dispatchertest.Missing(t, "cannot make %s: %v", name, err)
	}
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lock holds a file for this process until release is called.
func lock(t *testing.T, file string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() } // the lock ends with the file
}

// command runs a program, a shell script or any other.
func command(args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
