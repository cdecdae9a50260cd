package archive

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompressionsRoundTrip(t *testing.T) {
	t.Parallel()
	content := []byte(strings.Repeat("the quick brown fox ", 10000))
	for _, kind := range []Compression{None, Gzip, XZ, Zstd} {
		packed := pack(t, kind, content)
		if got := Detect(packed); got != kind {
			t.Errorf("detected %q, want %q", got, kind)
		}
		r, err := Reader(kind, bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%q: %d bytes, error %v", kind, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	for _, kind := range []Compression{Gzip, Bzip2, XZ, Zstd, Zip, "rar"} {
		r, err := Reader(kind, strings.NewReader("this is not compressed at all"))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%q: error %v, want one about bad content", kind, err)
		}
	}
}

func TestUntar(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	packed := pack(t, Gzip, tarOf(t,
		&tar.Header{Name: "repo-1.0/", Typeflag: tar.TypeDir, Mode: 0o755},
		&tar.Header{Name: "repo-1.0/run.sh", Typeflag: tar.TypeReg, Mode: 0o755, Size: 2, Linkname: "hi"},
		&tar.Header{Name: "repo-1.0/deep/er/x", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"},
		&tar.Header{Name: "repo-1.0/again", Typeflag: tar.TypeLink, Linkname: "repo-1.0/run.sh"},
		&tar.Header{Name: "repo-1.0/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
	))
	if err := Untar(dir, bytes.NewReader(packed), 1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"run.sh": "hi", "deep/er/x": "x", "again": "hi"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("run.sh: mode %v, error %v, want it executable", info.Mode(), err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "null")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a device node was made: %v", err)
	}
}

// What is unpacked over a tree replaces what stands there, and leaves links to directories as they are.
func TestUntarOverATree(t *testing.T) {
	t.Parallel()
	for name, untar := range map[string]func(dir string, r io.Reader) error{
		"as ours": func(dir string, r io.Reader) error { return Untar(dir, r, 0) }, "as it is": UntarAsIs,
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "usr/lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("usr/lib", filepath.Join(dir, "lib")); err != nil {
			t.Fatal(err)
		}
		packed := tarOf(t,
			&tar.Header{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755},
			&tar.Header{Name: "lib/a", Typeflag: tar.TypeReg, Mode: 0o644, Size: 2, Linkname: "hi"},
			&tar.Header{Name: "lib/b", Typeflag: tar.TypeLink, Linkname: "lib/a"},
			&tar.Header{Name: "lib/c", Typeflag: tar.TypeSymlink, Linkname: "a"},
			&tar.Header{Name: "lib/b", Typeflag: tar.TypeLink, Linkname: "lib/b"})
		for pass := range 2 {
			if err := untar(dir, bytes.NewReader(packed)); err != nil {
				t.Fatalf("%s, pass %d: %v", name, pass+1, err)
			}
		}
		for _, file := range []string{"a", "b", "c"} {
			if got, err := os.ReadFile(filepath.Join(dir, "usr/lib", file)); err != nil || string(got) != "hi" {
				t.Errorf("%s: usr/lib/%s: got %q, error %v, want hi", name, file, got, err)
			}
		}
	}
}

// An archive from a stranger must not write outside of its directory.
func TestUntarStaysInside(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	victim := filepath.Join(base, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	attacks := map[string][]byte{
		"dots": tarOf(t, &tar.Header{Name: "../victim", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"}),
		"a link and a file through it": tarOf(t, &tar.Header{Name: "up", Typeflag: tar.TypeSymlink, Linkname: ".."},
			&tar.Header{Name: "up/victim", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"}),
		"a hard link to the outside": tarOf(t, &tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "../victim"}),
	}
	for name, packed := range attacks {
		err := Untar(dir, bytes.NewReader(packed), 0) // refused, or kept inside
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want an error about bad content: it is not the lab's fault", name, err)
		}
		if got, _ := os.ReadFile(victim); string(got) != "mine" {
			t.Errorf("%s: the file outside is now %q (error %v)", name, got, err)
		}
	}
	for name, packed := range map[string][]byte{
		"a file below a file": tarOf(t, &tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"},
			&tar.Header{Name: "a/b", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"}),
		"a long name": tarOf(t, &tar.Header{Name: strings.Repeat("n", 300), Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"}),
	} {
		if err := Untar(dir, bytes.NewReader(packed), 0); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want an error about bad content", name, err)
		}
	}
	if err := Untar(dir, strings.NewReader(strings.Repeat("no tar ", 200)), 0); !errors.Is(err, ErrFormat) {
		t.Errorf("error: %v, want one about bad content", err)
	}
}

func TestTarOwnsNothing(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	if err := os.MkdirAll(filepath.Join(base, "lava-1", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "lava-1", "bin", "x"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", filepath.Join(base, "lava-1", "bin", "y")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Tar(&b, base, filepath.Join(base, "lava-1")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for in := tar.NewReader(&b); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "root" {
			t.Errorf("%s belongs to %d:%d (%s)", h.Name, h.Uid, h.Gid, h.Uname)
		}
		names = append(names, h.Name)
	}
	if got, want := strings.Join(names, " "), "lava-1/ lava-1/bin/ lava-1/bin/x lava-1/bin/y"; got != want {
		t.Errorf("names: got %s, want %s", got, want)
	}
}

func TestAppendToTar(t *testing.T) {
	t.Parallel()
	src := pack(t, Zstd, tarOf(t, &tar.Header{Name: "etc/a", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 7, Size: 1, Linkname: "1"}))
	layer := tarOf(t, &tar.Header{Name: "b", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "2"})
	var out bytes.Buffer
	if err := AppendToTar(&out, bytes.NewReader(src), Layer{"/opt", bytes.NewReader(layer)}); err != nil {
		t.Fatal(err)
	}
	if got := Detect(out.Bytes()); got != Zstd {
		t.Errorf("compression: %q, want %q", got, Zstd)
	}
	dir := t.TempDir()
	if err := Untar(dir, &out, 0); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"etc/a": "1", "opt/b": "2"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
}

func TestWriteQcow2(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 5<<20+1234)
	for _, at := range []int{0, 1 << 20, 3<<20 + 77, len(raw) - 100} {
		if _, err := rand.Read(raw[at : at+100]); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "disk.qcow2")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteQcow2(out, bytes.NewReader(raw), int64(len(raw))); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
		t.Errorf("size %d, error %v: zeros take space", info.Size(), err)
	}
	// Whether it is qcow2 only QEMU can say.
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
	if text, err := exec.Command("qemu-img", "check", file).CombinedOutput(); err != nil {
		t.Errorf("qemu-img check: %v\n%s", err, text)
	}
	back := filepath.Join(dir, "back.raw")
	if text, err := exec.Command("qemu-img", "convert", "-O", "raw", file, back).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img convert: %v\n%s", err, text)
	}
	got, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < len(raw) || !bytes.Equal(got[:len(raw)], raw) {
		t.Errorf("%d bytes come back, want %d, equal ones", len(got), len(raw))
	}
}
