package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Archives that would become too much end with an error that says of what, before they do.
func TestBombs(t *testing.T) {
	t.Parallel()
	small := limits{members: 3, bytes: 1 << 20, depth: 4, names: 100, ratio: 50, floor: 64 << 10}
	file := func(name string, size int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, Linkname: strings.Repeat("\x00", int(size))}
	}
	for _, tt := range []struct {
		name    string
		members []*tar.Header
		packed  Compression
		want    string // "" for no error
	}{
		{"small", []*tar.Header{file("a", 1), file("b", 1), file("c", 1)}, None, ""},
		{"members", []*tar.Header{file("a", 1), file("b", 1), file("c", 1), file("d", 1)}, None, "more than 3 members"},
		{"depth", []*tar.Header{file("1/2/3/4/5/file", 1)}, None, "5 directories deep, more than 4"},
		{"names", []*tar.Header{file(strings.Repeat("n", 99), 0), file("xy", 0)}, None, "names in the archive have more than 100 bytes"},
		{"bytes", []*tar.Header{file("a", 1<<19), file("b", 1<<19), file("c", 1)}, None, "unpacks to more than 1048576 bytes (at c)"},
		{"ratio", []*tar.Header{file("a", 1<<19)}, XZ, "a ratio above 50"},
		{"ratio below the floor", []*tar.Header{file("a", 1<<14)}, XZ, ""},
		{"not compressed", []*tar.Header{file("a", 1<<19)}, None, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			in, err := openTar(bytes.NewReader(pack(t, tt.packed, tarOf(t, tt.members...))), small)
			if err == nil {
				err = untar(dir, in, 0)
			}
			checkBomb(t, err, tt.want)
		})
	}
}

// What a header claims counts, also of a file with holes, which takes no room in the archive.
func TestBombByClaim(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "disk.img", Typeflag: tar.TypeReg, Size: maxUnpacked + 1}); err != nil {
		t.Fatal(err)
	}
	const want = "unpacks to more than 68719476736 bytes (at disk.img)"
	for name, read := range map[string]func() error{
		"untar":   func() error { return Untar(t.TempDir(), bytes.NewReader(b.Bytes()), 0) },
		"as is":   func() error { return UntarAsIs(t.TempDir(), bytes.NewReader(b.Bytes())) },
		"add":     func() error { return AppendToTar(io.Discard, bytes.NewReader(b.Bytes())) },
		"debugfs": func() error { _, err := Inject(t.TempDir(), Layer{Tar: bytes.NewReader(b.Bytes())}); return err },
	} {
		t.Run(name, func(t *testing.T) { checkBomb(t, read(), want) })
	}
}

// A ramdisk's names are kept while it is read.
func TestRamdiskNames(t *testing.T) {
	t.Parallel()
	disk := Ramdisk{names: map[string]bool{}, budget: budget{limits: limits{members: 2, names: 100, depth: 3, bytes: 10}}}
	var b bytes.Buffer
	out := &cpioWriter{w: &b}
	for i := range 3 {
		out.add(cpioHeader{name: fmt.Sprint("file", i), mode: modeRegular})
	}
	if err := out.end(); err != nil {
		t.Fatal(err)
	}
	checkBomb(t, disk.readArchives(bufio.NewReader(&b)), "more than 2 members")
}

// A zip whose parts lie over each other is small, and unpacks to any size.
func TestZipBomb(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 4 {
		w, err := z.Create(fmt.Sprint("zeros", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		limits limits
		want   string
	}{
		{limits{members: 4, names: 100, bytes: 4 << 20, ratio: 2000, floor: 1}, ""},
		{limits{members: 3, names: 100, bytes: 4 << 20, ratio: 2000, floor: 1}, "more than 3 members"},
		{limits{members: 4, names: 100, bytes: 4<<20 - 1, ratio: 2000, floor: 1}, "unpacks to more than 4194303 bytes"},
		{limits{members: 4, names: 100, bytes: 4 << 20, ratio: 100, floor: 1 << 20}, "a ratio above 100"},
	} {
		checkBomb(t, unzipWithin(t.TempDir(), bytes.NewReader(b.Bytes()), int64(b.Len()), tt.limits), tt.want)
	}
}

// Names of a zip neither lead out, nor through a link that was there.
func TestUnzipStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := errors.Join(os.Mkdir(inside, 0o755), os.Mkdir(outside, 0o755), os.Symlink(outside, filepath.Join(inside, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../out/a", "/../../out/a", "link/a", "link"} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "a.zip")
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(inside, file); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want one about bad content or none", name, err)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
			t.Fatalf("%s: %v outside, error %v", name, entries, err)
		}
	}
}

// A single file that decompresses to very much more than it is ends as bad content too.
func TestRatioOfFiles(t *testing.T) {
	t.Parallel()
	g := &ratioGuard{Reader: zeros{}, packed: func() int64 { return 1000 }, limits: forFiles()}
	n, err := io.Copy(io.Discard, g)
	checkBomb(t, err, "1000 bytes decompress to more than")
	if n < forFiles().floor {
		t.Errorf("ended after %d bytes, below the floor", n)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func checkBomb(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v, want none", err)
	case want != "" && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one about bad content with %q", err, want)
	}
}
