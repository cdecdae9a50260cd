package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
)

// UBootHeader is the size of the header that U-Boot's legacy images begin with, as its
// include/image.h gives it.
const UBootHeader = 64

// Types of legacy images.
const (
	KernelImage  = 2
	RamdiskImage = 3
)

const (
	ubootMagic = 0x27051956
	osLinux    = 5
)

// UBootImage says what a legacy image (uImage) is.
type UBootImage struct {
	Type        uint8
	Arch        string // as mkimage names it: arm, arm64, x86, riscv …
	Name        string // up to 32 bytes
	Load, Entry uint32
}

// UBootArch returns the number of an architecture.
func UBootArch(name string) (uint8, error) {
	arch := map[string]uint8{"alpha": 1, "arm": 2, "x86": 3, "ia64": 4, "mips": 5, "mips64": 6, "powerpc": 7, "ppc": 7, "s390": 8,
		"sh": 9, "sparc": 10, "sparc64": 11, "m68k": 12, "nios2": 15, "microblaze": 14, "arm64": 22, "arc": 23, "x86_64": 24,
		"xtensa": 25, "riscv": 26}[name]
	if arch == 0 {
		return 0, fmt.Errorf("mkimage_arch '%s' is no architecture that U-Boot's images know", name)
	}
	return arch, nil
}

// Write writes an image: body writes the content to out, and the header, which has the content's
// checksum, is put before it. Without the header it is the content alone.
func (u UBootImage) Write(out *os.File, header bool, body func() error) error {
	if !header {
		return body()
	}
	arch, err := UBootArch(u.Arch)
	if err != nil {
		return err
	}
	if _, err := out.Write(make([]byte, UBootHeader)); err != nil {
		return err
	}
	if err := body(); err != nil {
		return err
	}
	// The content is read again: whoever wrote it need not count.
	if _, err := out.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	in, err := os.Open(out.Name())
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Seek(UBootHeader, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, in)
	if err != nil {
		return err
	}
	_, err = out.WriteAt(u.header(arch, uint32(size), sum), 0)
	return err
}

// header returns the 64 bytes.
func (u UBootImage) header(arch uint8, size uint32, content hash.Hash32) []byte {
	var b bytes.Buffer
	name := [32]byte{}
	copy(name[:], u.Name)
	fields := []any{uint32(ubootMagic), uint32(0), uint32(0), size, u.Load, u.Entry, content.Sum32(),
		uint8(osLinux), arch, u.Type, uint8(0), name}
	for _, f := range fields {
		_ = binary.Write(&b, binary.BigEndian, f) // into memory
	}
	raw := b.Bytes()
	// Its own checksum is made over itself with zeros in its place.
	binary.BigEndian.PutUint32(raw[4:], crc32.ChecksumIEEE(raw))
	return raw
}

// Section is the part of a file from byte `from` on.
func Section(f *os.File, from, size int64) io.ReadSeeker {
	return io.NewSectionReader(f, from, size-from)
}
