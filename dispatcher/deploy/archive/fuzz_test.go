package archive

import (
	"bytes"
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
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		in := filepath.Join(dir, "in")
		file := filepath.Join(dir, "archive")
		if os.Mkdir(in, 0o755) != nil || os.WriteFile(file, text, 0o644) != nil {
			t.Fatal("no directory")
		}
		_ = Unpack(in, file) // any error will do
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%d entries beside the directory, %v", len(entries), err)
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
