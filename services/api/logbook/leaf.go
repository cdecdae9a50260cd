package logbook

import (
	"bytes"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
)

// The size of a leaf. Smaller ones compress worse, larger ones take longer to open: this is a millisecond.
const (
	leafLines = 2048
	leafBytes = 192 << 10 // of records
)

// bloomWords is the size of a leaf's filter: 32,768 bits for some thousand different pieces of three letters.
const bloomWords = 512

// leaf is where some lines are, and what they may hold. It never changes once it is full.
// It stands in the index file by these names, of the current format. It takes some 270 bytes and a
// filter of 4 KiB: a log of ten million lines has 20 MB of them in memory while its book is open.
type leaf struct {
	First, Count uint64
	Row          [levelCount]uint64 // lines of each level before this leaf
	Levels       [levelCount]uint64 // and in it
	At           int64              // in the file; 0 bytes where all its lines are lost
	Records      int32              // bytes, compressed
	Plain        int32              // bytes behind them, compressed
	Raw, Text    int32              // bytes of both once they are open
	bloom        []uint64           // nil where all its lines are lost
}

// end is the line after its last.
func (l *leaf) end() uint64 { return l.First + l.Count }

// lost says that its lines never came.
func (l *leaf) lost() bool { return l.Levels[levelLost] == l.Count }

// count returns how many of its lines are of some levels, before those that stood before it.
func (l *leaf) count(of Levels) (before, in uint64) {
	for level := range uint8(levelCount) {
		if of.has(level) {
			before += l.Row[level]
			in += l.Levels[level]
		}
	}
	return before, in
}

// open is the content of a leaf: lines with their newlines.
// plain has as many lines as records; both end with a newline.
type open struct {
	records, plain []byte
}

// codec compresses and opens leaves; both are safe for use by many.
type codec struct {
	in  *zstd.Decoder
	out *zstd.Encoder
}

// newCodec bounds what a damaged leaf may unpack to: 1 GiB.
func newCodec() (codec, error) {
	in, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return codec{}, err
	}
	out, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	return codec{in, out}, err
}

// readRecords opens the records of a leaf in a file.
func (c codec) readRecords(f *os.File, l *leaf) ([]byte, error) {
	return c.read(f, l.At, l.Records, l.Raw)
}

// readPlain opens the text of a leaf.
func (c codec) readPlain(f *os.File, l *leaf, into []byte) ([]byte, error) {
	packed := make([]byte, l.Plain)
	if _, err := f.ReadAt(packed, l.At+int64(l.Records)); err != nil {
		return nil, fmt.Errorf("read the log's copy: %w", err)
	}
	return c.in.DecodeAll(packed, into[:0])
}

func (c codec) read(f *os.File, at int64, packed, raw int32) ([]byte, error) {
	b := make([]byte, packed)
	if _, err := f.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("read the log's copy: %w", err)
	}
	return c.in.DecodeAll(b, make([]byte, 0, raw))
}

// lines cuts what a leaf holds.
// Each must end with a newline; what stands behind the last one is dropped.
func lines(text []byte) [][]byte {
	out := bytes.SplitAfter(text, []byte{'\n'})
	out = out[:max(0, len(out)-1)]
	for i := range out {
		out[i] = out[i][:len(out[i])-1]
	}
	return out
}

// lower is a letter of ASCII in its small form: searches that do not mind capitals fold these alone, others by
// an expression.
func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// piece is the place of three letters in a filter.
// The factor spreads neighbouring letters over the filter (Fibonacci hashing).
func piece(a, b, c byte) uint32 {
	h := uint32(lower(a)) | uint32(lower(b))<<8 | uint32(lower(c))<<16
	h *= 0x9e3779b1
	return h >> 17 // 15 bits
}

// addPieces notes what a line is made of.
func addPieces(bloom []uint64, line []byte) {
	for i := 2; i < len(line); i++ {
		at := piece(line[i-2], line[i-1], line[i])
		bloom[at>>6] |= 1 << (at & 63)
	}
}

// mayHave says whether a leaf may have a line with a text in it.
// No is certain. text is folded already, and of at least three letters to say anything.
func (l *leaf) mayHave(text []byte) bool {
	for i := 2; i < len(text); i++ {
		at := piece(text[i-2], text[i-1], text[i])
		if l.bloom[at>>6]&(1<<(at&63)) == 0 {
			return false
		}
	}
	return true
}
