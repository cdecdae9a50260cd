package archive

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The newc format of cpio, as the kernel's Documentation/driver-api/early-userspace/buffer-format
// gives it: a header of 110 characters, a name, zeros up to a multiple of four, the content, zeros
// again. The entry TRAILER!!! ends an archive.
const (
	newcHeader = 110
	newcMagic  = "070701"
	crcMagic   = "070702" // the same with checksums, which the kernel ignores
	trailer    = "TRAILER!!!"
	maxName    = 4096 // PATH_MAX: the kernel skips entries with longer names
)

// File types in a mode.
const (
	modeType    = 0o170000
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeSymlink = 0o120000
	modeChar    = 0o020000
	modeBlock   = 0o060000
	modeFIFO    = 0o010000
)

// cpioHeader is the head of one entry.
type cpioHeader struct {
	name         string
	ino          uint32
	mode         uint32
	uid, gid     uint32
	links        uint32
	mtime        uint32
	size         uint32
	major, minor uint32 // of a device node
}

// readHeader reads one head and its name. pos is the offset within the archive, which alignment
// counts from.
func readHeader(r *bufio.Reader, pos int64) (h cpioHeader, next int64, err error) {
	var raw [newcHeader]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return h, pos, cutShort(err)
	}
	if m := string(raw[:6]); m != newcMagic && m != crcMagic {
		return h, pos, fmt.Errorf("%w: no cpio entry at byte %d", ErrFormat, pos)
	}
	// Thirteen numbers of eight hexadecimal digits: ino, mode, uid, gid, links, mtime, size, the device
	// that the file lay on (2), the device that it is (2), length of the name, checksum.
	var field [13]uint32
	for i := range field {
		var b [4]byte
		if _, err := hex.Decode(b[:], raw[6+8*i:14+8*i]); err != nil {
			return h, pos, fmt.Errorf("%w: cpio entry at byte %d: field %d is not a number", ErrFormat, pos, i)
		}
		field[i] = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	h = cpioHeader{ino: field[0], mode: field[1], uid: field[2], gid: field[3], links: field[4], mtime: field[5],
		size: field[6], major: field[9], minor: field[10]}
	// The length counts the zero at the end. It also bounds what is allocated for a stranger's file.
	if n := field[11]; n == 0 || n > maxName {
		return h, pos, fmt.Errorf("%w: cpio entry at byte %d: name of %d bytes", ErrFormat, pos, n)
	}
	name := make([]byte, field[11])
	if _, err := io.ReadFull(r, name); err != nil {
		return h, pos, cutShort(err)
	}
	h.name = strings.TrimRight(string(name), "\x00")
	next = pos + newcHeader + int64(len(name))
	return h, next, nil
}

// skip reads n bytes and what alignment asks for after them.
func skip(r *bufio.Reader, pos, n int64) (int64, error) {
	n += padding(pos + n)
	if _, err := io.CopyN(io.Discard, r, n); err != nil {
		return pos, cutShort(err)
	}
	return pos + n, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the cpio archive ends too early", ErrFormat)
	}
	return err
}

func padding(pos int64) int64 { return -pos & 3 }

// cpioWriter writes a newc archive.
type cpioWriter struct {
	w   io.Writer
	pos int64
	ino uint32
	err error
}

// add writes the head of an entry; its content of h.size bytes must follow by write.
func (c *cpioWriter) add(h cpioHeader) {
	fields := []uint32{h.ino, h.mode, h.uid, h.gid, h.links, h.mtime, h.size, 0, 0, h.major, h.minor, uint32(len(h.name) + 1), 0}
	var b strings.Builder
	b.WriteString(newcMagic)
	for _, f := range fields {
		fmt.Fprintf(&b, "%08X", f)
	}
	b.WriteString(h.name)
	b.WriteByte(0)
	c.write([]byte(b.String()))
	c.pad()
}

func (c *cpioWriter) Write(p []byte) (int, error) {
	c.write(p)
	return len(p), c.err
}

func (c *cpioWriter) write(p []byte) {
	if c.err != nil {
		return
	}
	var n int
	n, c.err = c.w.Write(p)
	c.pos += int64(n)
}

func (c *cpioWriter) pad() { c.write(make([]byte, padding(c.pos))) }

// inode returns a number that no other file of the archive has.
func (c *cpioWriter) inode() uint32 { c.ino++; return c.ino }

// end writes the last entry.
func (c *cpioWriter) end() error {
	c.add(cpioHeader{name: trailer, links: 1})
	return c.err
}
