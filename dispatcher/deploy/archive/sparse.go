package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Android's sparse format, as system/core/libsparse/sparse_format.h gives it: a head of 28 bytes,
// then chunks with a head of 12 bytes each.
const (
	sparseMagic = 0xed26ff3a
	chunkRaw    = 0xcac1
	chunkFill   = 0xcac2
	chunkSkip   = 0xcac3
	chunkCRC    = 0xcac4
	sparseBlock = 4096
	maxImage    = 64 << 30 // bytes that a sparse image may claim: a few of them can ask for very many
)

type sparseHead struct {
	Magic              uint32
	Major, Minor       uint16
	HeadSize, ChunkLen uint16
	Block              uint32
	Blocks, Chunks     uint32
	Checksum           uint32
}

type chunkHead struct {
	Kind, Reserved uint16
	Blocks         uint32
	Size           uint32 // with this head
}

// IsSparse says whether a file is an Android sparse image.
func IsSparse(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic uint32
	err = binary.Read(f, binary.LittleEndian, &magic)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return magic == sparseMagic, err
}

// FromSparse writes the raw image of a sparse one. Empty parts take no room on the worker's disk.
func FromSparse(raw, sparse string) error {
	in, err := os.Open(sparse)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(raw)
	if err != nil {
		return err
	}
	err = fromSparse(out, bufio.NewReaderSize(in, 1<<20))
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

func fromSparse(out *os.File, in io.Reader) error {
	var head sparseHead
	if err := binary.Read(in, binary.LittleEndian, &head); err != nil {
		return shortSparse(err)
	}
	if head.Magic != sparseMagic || head.Major != 1 || head.Block == 0 || head.Block%4 != 0 || head.Block > 1<<24 ||
		head.HeadSize < 28 || head.ChunkLen < 12 || int64(head.Blocks)*int64(head.Block) > maxImage {
		return fmt.Errorf("%w: no Android sparse image of version 1", ErrFormat)
	}
	if _, err := io.CopyN(io.Discard, in, int64(head.HeadSize)-28); err != nil {
		return shortSparse(err)
	}
	total := int64(head.Blocks) * int64(head.Block)
	at := int64(0)
	for range head.Chunks {
		var chunk chunkHead
		if err := binary.Read(in, binary.LittleEndian, &chunk); err != nil {
			return shortSparse(err)
		}
		if _, err := io.CopyN(io.Discard, in, int64(head.ChunkLen)-12); err != nil {
			return shortSparse(err)
		}
		size, data := int64(chunk.Blocks)*int64(head.Block), int64(chunk.Size)-int64(head.ChunkLen)
		if size > total-at || data < 0 {
			return fmt.Errorf("%w: the sparse image has more than it claims", ErrFormat)
		}
		if err := writeChunk(out, in, chunk.Kind, at, size, data); err != nil {
			return err
		}
		at += size
	}
	return out.Truncate(total)
}

// writeChunk writes one chunk at its place.
func writeChunk(out *os.File, in io.Reader, kind uint16, at, size, data int64) error {
	switch kind {
	case chunkRaw:
		if data != size {
			return fmt.Errorf("%w: a chunk of the sparse image has a wrong size", ErrFormat)
		}
		if _, err := io.CopyN(io.NewOffsetWriter(out, at), in, size); err != nil {
			return shortSparse(err)
		}
		return nil
	case chunkFill:
		fill := make([]byte, 4)
		if _, err := io.ReadFull(in, fill); err != nil || data != 4 {
			return fmt.Errorf("%w: a chunk of the sparse image has a wrong size", ErrFormat)
		}
		if bytes.Equal(fill, make([]byte, 4)) {
			return nil
		}
		block := bytes.Repeat(fill, sparseBlock/4)
		w := io.NewOffsetWriter(out, at)
		for left := size; left > 0; left -= int64(len(block)) {
			if _, err := w.Write(block[:min(left, int64(len(block)))]); err != nil {
				return err
			}
		}
		return nil
	case chunkSkip, chunkCRC:
		_, err := io.CopyN(io.Discard, in, data)
		return shortSparse(err)
	}
	return fmt.Errorf("%w: a chunk of the sparse image has the unknown kind %#x", ErrFormat, kind)
}

func shortSparse(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the sparse image ends too early", ErrFormat)
	}
	return err
}

// ToSparse writes the sparse image of a raw one: blocks of zeros become gaps.
func ToSparse(sparse, raw string) error {
	in, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(sparse)
	if err != nil {
		return err
	}
	err = toSparse(out, bufio.NewReaderSize(in, 1<<20), info.Size())
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// run is a number of blocks that are written as one chunk.
type run struct {
	zero   bool
	blocks uint32
	data   []byte
}

// maxRun is the most that a raw chunk holds, which bounds memory.
const maxRun = 4 << 20

func toSparse(out *os.File, in io.Reader, size int64) error {
	blocks := (size + sparseBlock - 1) / sparseBlock
	head := sparseHead{Magic: sparseMagic, Major: 1, HeadSize: 28, ChunkLen: 12, Block: sparseBlock, Blocks: uint32(blocks)}
	if err := binary.Write(out, binary.LittleEndian, head); err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	var pending run
	zeros := make([]byte, sparseBlock)
	for range blocks {
		block := make([]byte, sparseBlock)
		if _, err := io.ReadFull(in, block); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		zero := bytes.Equal(block, zeros)
		if pending.blocks > 0 && (zero != pending.zero || len(pending.data) >= maxRun) {
			if err := pending.write(w); err != nil {
				return err
			}
			head.Chunks++
			pending = run{}
		}
		pending.zero = zero
		pending.blocks++
		if !zero {
			pending.data = append(pending.data, block...)
		}
	}
	if pending.blocks > 0 {
		if err := pending.write(w); err != nil {
			return err
		}
		head.Chunks++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	// The number of chunks is known only now.
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return binary.Write(out, binary.LittleEndian, head)
}

func (r run) write(w io.Writer) error {
	chunk := chunkHead{Kind: chunkRaw, Blocks: r.blocks, Size: uint32(12 + len(r.data))}
	if r.zero {
		chunk.Kind = chunkSkip
	}
	if err := binary.Write(w, binary.LittleEndian, chunk); err != nil {
		return err
	}
	_, err := w.Write(r.data)
	return err
}
