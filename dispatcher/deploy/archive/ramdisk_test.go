package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// node is what the tests compare of a cpio entry.
type node struct {
	name         string
	mode, links  uint32
	major, minor uint32
	uid          uint32
	content      string
}

func TestAppendToRamdisk(t *testing.T) {
	base := []node{
		{name: ".", mode: modeDir | 0o755, links: 2},
		{name: "dev", mode: modeDir | 0o700, links: 2},
		{name: "dev/console", mode: modeChar | 0o600, links: 1, major: 5, minor: 1},
		{name: "dev/vda", mode: modeBlock | 0o660, links: 1, major: 254},
		{name: "bin/busybox", mode: modeRegular | 0o4755, links: 2, uid: 7, content: "program"},
		{name: "bin/sh", mode: modeRegular | 0o4755, links: 2, uid: 7},
		{name: "lib", mode: modeSymlink | 0o777, links: 1, content: "usr/lib"},
	}
	layer := tarOf(t,
		&tar.Header{Name: "dev/", Typeflag: tar.TypeDir, Mode: 0o755},
		&tar.Header{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755},
		&tar.Header{Name: "lava-1/bin/run", Typeflag: tar.TypeReg, Mode: 0o755, Size: 5, Linkname: "hello"},
		&tar.Header{Name: "lava-1/bin/again", Typeflag: tar.TypeLink, Linkname: "lava-1/bin/run"},
		&tar.Header{Name: "lava-1/link", Typeflag: tar.TypeSymlink, Linkname: "bin/run"},
		&tar.Header{Name: "lava-1/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
	)
	added := []node{
		{name: "lava-1", mode: modeDir | 0o755, links: 2},
		{name: "lava-1/bin", mode: modeDir | 0o755, links: 2},
		{name: "lava-1/bin/run", mode: modeRegular | 0o755, links: 2, content: "hello"},
		{name: "lava-1/bin/again", mode: modeRegular, links: 2},
		{name: "lava-1/link", mode: modeSymlink | 0o777, links: 1, content: "bin/run"},
		{name: "lava-1/null", mode: modeChar | 0o666, links: 1, major: 1, minor: 3},
	}
	tests := []struct {
		name  string
		parts []Compression // of the archives of the ramdisk; the first holds only microcode if there are two
		want  Compression   // of the part that is added
	}{
		{"plain", []Compression{None}, None},
		{"gzip", []Compression{Gzip}, Gzip},
		{"xz", []Compression{XZ}, XZ},
		{"zstd", []Compression{Zstd}, Zstd},
		{"microcode before", []Compression{None, Gzip}, Gzip},
		{"two gzip members", []Compression{Gzip, Gzip}, Gzip},
		{"two zstd frames", []Compression{Zstd, Zstd}, Zstd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var disk []byte
			want := base
			for i, kind := range tt.parts {
				nodes := base
				if i+1 < len(tt.parts) {
					nodes = []node{{name: "kernel/microcode", mode: modeRegular | 0o644, links: 1, content: "odd"}}
					want = append(append([]node(nil), nodes...), base...)
				}
				disk = append(disk, pack(t, kind, cpioOf(t, nodes))...)
			}
			var out bytes.Buffer
			info, err := AppendToRamdisk(&out, bytes.NewReader(disk), Layer{"/", bytes.NewReader(layer)})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(out.Bytes(), disk) {
				t.Error("the ramdisk that was there has changed")
			}
			if info.Compression != tt.want {
				t.Errorf("compression of the last part: %q, want %q", info.Compression, tt.want)
			}
			if got := nodesOf(t, out.Bytes()); !reflect.DeepEqual(got, append(append([]node(nil), want...), added...)) {
				t.Errorf("entries:\n got %v\nwant %v\nand  %v", got, want, added)
			}
		})
	}
}

func TestAppendToRamdiskBelowADirectory(t *testing.T) {
	t.Parallel()
	disk := cpioOf(t, []node{{name: "usr", mode: modeDir | 0o755, links: 2}})
	layer := pack(t, Gzip, tarOf(t, &tar.Header{Name: "../../m.ko", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1, Linkname: "m"}))
	var out bytes.Buffer
	if _, err := AppendToRamdisk(&out, bytes.NewReader(disk), Layer{"/usr/lib/modules", bytes.NewReader(layer)}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range nodesOf(t, out.Bytes()) {
		names = append(names, n.name)
	}
	if want := []string{"usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/m.ko"}; !reflect.DeepEqual(names, want) {
		t.Errorf("names: got %v, want %v", names, want)
	}
}

func TestReadRamdiskRefuses(t *testing.T) {
	whole := cpioOf(t, []node{{name: "init", mode: modeRegular | 0o755, links: 1, content: strings.Repeat("x", 5000)}})
	tests := map[string][]byte{
		"nothing":          nil,
		"zeros only":       make([]byte, 512),
		"html":             []byte("<!DOCTYPE html><title>404</title>"),
		"cut short":        whole[:3000],
		"cut in a header":  whole[:60],
		"no trailer":       whole[:len(whole)-124],
		"gzip, cut short":  pack(t, Gzip, whole)[:40],
		"xz, cut short":    pack(t, XZ, whole)[:100],
		"zstd, cut short":  pack(t, Zstd, whole)[:30],
		"gzip of no cpio":  pack(t, Gzip, []byte("hello, this is text and no archive")),
		"garbage behind":   append(bytes.Clone(whole), "garbage"...),
		"gzip, damaged":    append(pack(t, Gzip, whole)[:30], bytes.Repeat([]byte{0xff}, 40)...),
		"a huge name":      []byte("070701" + strings.Repeat("0", 8*11) + "FFFFFFFF" + "00000000"),
		"letters as digit": []byte("070701" + strings.Repeat("z", 104) + "x\x00"),
	}
	for name, disk := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ReadRamdisk(bytes.NewReader(disk)); !errors.Is(err, ErrFormat) {
				t.Errorf("error: %v, want one about bad content", err)
			}
		})
	}
}

// A few bytes can unpack to names without end.
func TestReadRamdiskBoundsNames(t *testing.T) {
	t.Parallel()
	var one bytes.Buffer
	w := &cpioWriter{w: &one}
	w.add(cpioHeader{name: "etc/file", mode: modeRegular | 0o644, links: 1})
	if disk, err := ReadRamdisk(&again{text: one.Bytes()}); !errors.Is(err, ErrFormat) || disk.Entries != maxEntries+1 {
		t.Errorf("after %d entries: %v, want an error about bad content", disk.Entries, err)
	}
}

// again is a text without end.
type again struct {
	text []byte
	at   int
}

func (a *again) Read(b []byte) (int, error) {
	n := copy(b, a.text[a.at:])
	a.at = (a.at + n) % len(a.text)
	return n, nil
}

// The reader of a file that fails is not the file's fault.
func TestReadRamdiskPassesReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, kind := range []Compression{None, Gzip, XZ, Zstd} {
		disk := pack(t, kind, cpioOf(t, []node{{name: "init", mode: modeRegular, content: strings.Repeat("abcd", 100000)}}))
		src := io.MultiReader(bytes.NewReader(disk[:len(disk)/2]), failing{broken})
		if _, err := ReadRamdisk(src); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
			t.Errorf("%q: error %v, want %v", kind, err, broken)
		}
	}
}

// What the writer makes is what other programs read.
func TestCpioListsTheRamdisk(t *testing.T) {
	t.Parallel()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed")
	}
	disk := cpioOf(t, []node{
		{name: "dir", mode: modeDir | 0o755, links: 2}, {name: "dir/file", mode: modeRegular | 0o644, links: 1, content: "four"},
		{name: "dir/empty", mode: modeRegular | 0o644, links: 1}})
	cmd := exec.Command(busybox, "cpio", "-t")
	cmd.Stdin = bytes.NewReader(disk)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "dir\ndir/file\ndir/empty\n"; string(got) != want {
		t.Errorf("cpio -t: got %q, want %q", got, want)
	}
}

func FuzzReadRamdisk(f *testing.F) {
	f.Add([]byte("070701"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add(cpioOf(f, []node{{name: "a", mode: modeRegular, content: "b"}}))
	f.Fuzz(func(t *testing.T, disk []byte) {
		info, err := ReadRamdisk(bytes.NewReader(disk))
		if err == nil && info.size != int64(len(disk)) {
			t.Errorf("read %d of %d bytes", info.size, len(disk))
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("error of another kind: %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// cpioOf makes a cpio archive.
func cpioOf(t testing.TB, nodes []node) []byte {
	t.Helper()
	var b bytes.Buffer
	w := &cpioWriter{w: &b}
	for _, n := range nodes {
		w.add(cpioHeader{name: n.name, ino: w.inode(), mode: n.mode, uid: n.uid, links: n.links, major: n.major, minor: n.minor, size: uint32(len(n.content))})
		fmt.Fprint(w, n.content)
		w.pad()
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// nodesOf reads the entries of all archives of a ramdisk.
func nodesOf(t *testing.T, disk []byte) []node {
	t.Helper()
	var all []node
	in := bufio.NewReader(bytes.NewReader(disk))
	for {
		if err := skipZeros(in); err == io.EOF {
			return all
		}
		head, err := in.Peek(6)
		if err != nil {
			t.Fatal(err)
		}
		switch kind := Detect(head); kind {
		case None:
			all = append(all, archiveNodes(t, in)...)
		case Gzip:
			r, err := gzipMember(in)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, archiveNodes(t, bufio.NewReader(r))...)
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Fatalf("%d bytes behind the trailer, error %v", len(rest), err)
			}
		default:
			r, err := Reader(kind, in)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, nodesOf(t, plain)...)
		}
	}
}

func archiveNodes(t *testing.T, in *bufio.Reader) []node {
	t.Helper()
	var nodes []node
	var pos int64
	for {
		h, next, err := readHeader(in, pos)
		if err != nil {
			t.Fatal(err)
		}
		if next, err = skip(in, next, 0); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, h.size)
		if _, err := io.ReadFull(in, content); err != nil {
			t.Fatal(err)
		}
		next += int64(h.size)
		if pos, err = skip(in, next, 0); err != nil {
			t.Fatal(err)
		}
		if h.name == trailer {
			return nodes
		}
		nodes = append(nodes, node{h.name, h.mode, h.links, h.major, h.minor, h.uid, string(content)})
	}
}

// tarOf makes a tar. The Linkname of a regular file is its content.
func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, kind Compression, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Writer(kind, &b)
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
