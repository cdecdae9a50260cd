package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Whatever a job calls a disk, a sparse image or an archive: reading it ends, and with an error that
// says what is wrong, never outside the directory that it is unpacked to.

func FuzzPartitions(f *testing.F) {
	disk := make([]byte, 3*sector)
	disk[510], disk[511], disk[446+4], disk[446+8] = 0x55, 0xaa, 0x05, 1
	f.Add(disk)
	f.Fuzz(func(t *testing.T, disk []byte) {
		starts, err := partitions(bytes.NewReader(disk))
		if err == nil && len(starts) > maxPartitions+4 {
			t.Errorf("%d partitions in %d bytes", len(starts), len(disk))
		}
	})
}

func FuzzSparse(f *testing.F) {
	dir := f.TempDir()
	raw, sparse := filepath.Join(dir, "raw"), filepath.Join(dir, "sparse")
	if err := os.WriteFile(raw, bytes.Repeat([]byte{0, 7}, sparseBlock), 0o644); err != nil {
		f.Fatal(err)
	}
	if err := ToSparse(sparse, raw); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(sparse)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 20 && (text[18] != 0 || text[19] != 0) {
			t.Skip() // images that claim very much are allowed, and slow
		}
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		_ = fromSparse(out, bytes.NewReader(text)) // any error will do
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("\x1f\x8b"))
	members := tarOf(f,
		&tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: ".."},
		&tar.Header{Name: "link/out", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "x"},
		&tar.Header{Name: "../up", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 1, Linkname: "x"},
		&tar.Header{Name: "again", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		&tar.Header{Name: "dir/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3})
	f.Add(members)
	for _, kind := range []Compression{Gzip, XZ, Zstd} {
		f.Add(pack(f, kind, members))
	}
	f.Add(zipOf(f, "a", "../b", "dir/../../c", "/d"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		in := filepath.Join(dir, "in")
		file := filepath.Join(dir, "archive")
		if os.Mkdir(in, 0o755) != nil || os.WriteFile(file, text, 0o644) != nil {
			t.Fatal("no directory")
		}
		// Claims of sizes are for TestBombs; here each would write a file as long as it says.
		_ = unpackWithin(in, file, limits{members: 100, bytes: 1 << 20, depth: 20, names: 10_000, ratio: 2000, floor: 1 << 20}) // any error will do
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%d entries beside the directory, %v", len(entries), err)
		}
	})
}

// FuzzReader decompresses anything, as what its first bytes say it is and as everything else.
func FuzzReader(f *testing.F) {
	for _, kind := range []Compression{Gzip, XZ, Zstd} {
		f.Add(pack(f, kind, []byte("the quick brown fox")))
	}
	f.Add([]byte("BZh91AY&SY\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00")) // of nothing
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, kind := range []Compression{None, Gzip, Bzip2, XZ, Zstd} {
			r, err := Reader(kind, bytes.NewReader(text))
			if err == nil {
				_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
				r.Close()
			}
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Errorf("%q: error %v, want one about bad content", kind, err)
			}
		}
	})
}

func FuzzDebugFS(f *testing.F) {
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Inject(t.TempDir(), Layer{Root: "/", Tar: bytes.NewReader(text)})
		if err != nil {
			return
		}
		for line := range bytes.Lines([]byte(w.Script(w.Probe()))) {
			if n := bytes.Count(line, []byte{'"'}); n%2 != 0 {
				t.Errorf("a name leaves its quotes: %s", line)
			}
		}
	})
}

func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
