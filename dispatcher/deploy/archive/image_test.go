package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// overlayTar makes a tar of a file, a link, a pipe and a directory.
func overlayTar(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "lava-1/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "lava-1/bin/run me", Typeflag: tar.TypeReg, Mode: 0o755, Size: 5, Uid: 7, Gid: 8},
		{Name: "lava-1/link", Typeflag: tar.TypeSymlink, Linkname: "bin/run me"},
		{Name: "lava-1/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Name: "etc/motd", Typeflag: tar.TypeReg, Mode: 0o600, Size: 5},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// e2fsprogs runs one of its programs, or skips the test where it is not installed.
func e2fsprogs(t *testing.T, name string, args ...string) string {
	t.Helper()
	file, err := exec.LookPath("/usr/sbin/" + name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", name)
	}
	out, err := exec.Command(file, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Files go into a partition of a disk image with their owners, modes and nodes, twice as well as once.
func TestDebugFS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.img")
	writeDisk(t, disk, 2048, 8<<20)
	offset, err := PartitionOffset(disk, 0)
	if err != nil || offset != 1<<20 {
		t.Fatalf("the partition begins at %d, %v; want 1 MiB", offset, err)
	}
	e2fsprogs(t, "mke2fs", "-q", "-F", "-t", "ext4", "-E", fmt.Sprintf("offset=%d", offset), disk, "6M")
	for range 2 {
		w, err := Inject(filepath.Join(dir, "content"), Layer{Root: "/", Tar: overlayTar(t)})
		if err != nil {
			t.Fatal(err)
		}
		run := func(script string, flags ...string) string {
			file := filepath.Join(dir, "script")
			if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
			return e2fsprogs(t, "debugfs", append(flags, "-f", file, At(disk, offset))...)
		}
		out := run(w.Script(run(w.Probe())), "-w")
		if problem := DebugFSProblem(out); problem != "" {
			t.Fatalf("debugfs: %s\nin\n%s", problem, out)
		}
	}
	for request, want := range map[string][]string{
		`stat "/lava-1/bin/run me"`: {"Mode:  0755", "User:     7", "Group:     8", "Links: 1"},
		`cat /etc/motd`:             {"hello"},
		`stat /lava-1/link`:         {"Type: symlink", `Fast link dest: "bin/run me"`},
		`stat /lava-1/null`:         {"Type: character special", "0666"},
	} {
		out := e2fsprogs(t, "debugfs", "-R", request, At(disk, offset))
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: %q is not in\n%s", request, text, out)
			}
		}
	}
	if out := e2fsprogs(t, "e2fsck", "-fn", At(disk, offset)); !strings.Contains(out, "files") {
		t.Errorf("e2fsck: %s", out)
	}
	// What no script can say is refused before anything is written.
	var evil bytes.Buffer
	if err := OneFile(&evil, "a\"\nrm /sbin/init", strings.NewReader(""), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Inject(dir, Layer{Root: "/", Tar: &evil}); !errors.Is(err, ErrFormat) {
		t.Errorf("a name with a newline: %v", err)
	}
	if got := DebugFSProblem("debugfs: write x y\nwrite: No space left on device\n"); got == "" {
		t.Error("a full disk is no problem")
	}
}

// writeDisk makes a disk with one partition in an MBR.
func writeDisk(t *testing.T, file string, start uint32, size int64) {
	t.Helper()
	mbr := make([]byte, size)
	mbr[446+4] = 0x83
	binary.LittleEndian.PutUint32(mbr[446+8:], start)
	binary.LittleEndian.PutUint32(mbr[446+12:], uint32(size/sector)-start)
	mbr[510], mbr[511] = 0x55, 0xaa
	if err := os.WriteFile(file, mbr, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	little := binary.LittleEndian
	table := func(kind byte, start uint32) []byte {
		b := make([]byte, 16)
		b[4] = kind
		little.PutUint32(b[8:], start)
		little.PutUint32(b[12:], 10)
		return b
	}
	disk := make([]byte, 400*sector)
	put := func(at int, kind byte, start uint32) { copy(disk[at:], table(kind, start)) }
	disk[510], disk[511] = 0x55, 0xaa
	put(446, 0x83, 8)
	put(446+16, 0x05, 100)
	put(446+32, 0x82, 50)
	// Two logical partitions, in a chain.
	put(100*sector+446, 0x83, 2)
	put(100*sector+446+16, 0x05, 50)
	put(150*sector+446, 0x83, 3)
	got, err := partitions(bytes.NewReader(disk))
	if fmt.Sprint(got) != "[8 50 102 153]" || err != nil {
		t.Errorf("MBR: %v, %v", got, err)
	}

	gptDisk := make([]byte, 40*sector)
	gptDisk[510], gptDisk[511], gptDisk[446+4] = 0x55, 0xaa, 0xee
	copy(gptDisk[sector:], "EFI PART")
	little.PutUint64(gptDisk[sector+72:], 2)
	little.PutUint32(gptDisk[sector+80:], 4)
	little.PutUint32(gptDisk[sector+84:], 128)
	for i, start := range []uint64{34, 0, 99} { // the second entry is unused
		if start > 0 {
			gptDisk[2*sector+i*128] = 1
			little.PutUint64(gptDisk[2*sector+i*128+32:], start)
		}
	}
	if got, err := partitions(bytes.NewReader(gptDisk)); fmt.Sprint(got) != "[34 99]" || err != nil {
		t.Errorf("GPT: %v, %v", got, err)
	}
	little.PutUint32(gptDisk[sector+80:], 1<<30)
	if _, err := partitions(bytes.NewReader(gptDisk)); !errors.Is(err, ErrFormat) {
		t.Errorf("a table that claims too much: %v", err)
	}
	if _, err := partitions(strings.NewReader("short")); !errors.Is(err, ErrFormat) {
		t.Errorf("no disk: %v", err)
	}
}

func TestSparse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	raw, sparse, back := filepath.Join(dir, "raw"), filepath.Join(dir, "sparse"), filepath.Join(dir, "back")
	image := make([]byte, 64*sparseBlock)
	copy(image[3*sparseBlock:], "content")
	copy(image[63*sparseBlock:], "end")
	if err := os.WriteFile(raw, image, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ToSparse(sparse, raw); err != nil {
		t.Fatal(err)
	}
	if is, err := IsSparse(sparse); !is || err != nil {
		t.Errorf("the sparse image is none: %v", err)
	}
	if is, err := IsSparse(raw); is || err != nil {
		t.Errorf("the raw image is sparse, %v", err)
	}
	if info, err := os.Stat(sparse); err != nil || info.Size() > 4*sparseBlock {
		t.Errorf("the sparse image has %d bytes, %v", info.Size(), err)
	}
	if err := FromSparse(back, sparse); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, image) {
		t.Errorf("what comes back differs: %d bytes, %v", len(got), err)
	}
	text, err := os.ReadFile(sparse)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut short": text[:len(text)-2], "no magic": text[1:], "unknown chunk": append(bytes.Clone(text[:28]), make([]byte, 12)...)} {
		if err := os.WriteFile(sparse, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := FromSparse(back, sparse); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUBootImage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "uImage")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	image := UBootImage{Type: KernelImage, Arch: "arm", Name: "kernel", Load: 0x80008000, Entry: 0x80008040}
	if err := image.Write(out, true, func() error { _, err := out.WriteString("zImage"); return err }); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	big := binary.BigEndian
	sum := big.Uint32(raw[4:])
	big.PutUint32(raw[4:], 0)
	if len(raw) != UBootHeader+6 || big.Uint32(raw) != ubootMagic || sum != crc32.ChecksumIEEE(raw[:64]) ||
		big.Uint32(raw[12:]) != 6 || big.Uint32(raw[16:]) != 0x80008000 || big.Uint32(raw[20:]) != 0x80008040 ||
		big.Uint32(raw[24:]) != crc32.ChecksumIEEE([]byte("zImage")) || raw[28] != 5 || raw[29] != 2 || raw[30] != KernelImage {
		t.Errorf("the header is % x", raw[:64])
	}
	if err := (UBootImage{Arch: "abacus"}).Write(out, true, nil); err == nil {
		t.Error("an abacus boots")
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.zip")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"SOFTWARE/x.bin", "../../escaped"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), os.WriteFile(file, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(dir, "in")
	if err := errors.Join(os.Mkdir(in, 0o755), Unpack(in, file)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"SOFTWARE/x.bin", "escaped"} { // which ends at the top
		if text, err := os.ReadFile(filepath.Join(in, name)); string(text) != "hello" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if err := errors.Join(os.WriteFile(file, []byte("PK\x03\x04 no zip"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(in, file); !errors.Is(err, ErrFormat) {
		t.Errorf("no zip: %v", err)
	}
	// A directory is as good as the tar of it, and unpacking keeps the modes.
	tree, err := OpenTar(in)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	again := t.TempDir()
	if err := UntarAsIs(again, tree); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(again, "SOFTWARE/x.bin")); err != nil {
		t.Error(err)
	}
	if err := UntarAsIs(again, overlayTar(t)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(again, "lava-1/bin/run me"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}
