package archive

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// sector is the unit of partition tables.
const sector = 512

// PartitionOffset returns where a partition of a disk image begins, in bytes. Partitions count from
// 0 in the order of the table: of GPT, or of MBR with the logical ones behind the primary ones.
func PartitionOffset(image string, index int) (int64, error) {
	f, err := os.Open(image)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	starts, err := partitions(f)
	if err != nil {
		return 0, err
	}
	if index < 0 || index >= len(starts) {
		return 0, fmt.Errorf("%w: the image has %d partitions, there is no partition %d", ErrFormat, len(starts), index)
	}
	return starts[index] * sector, nil
}

// partitions returns the first sectors.
func partitions(f io.ReaderAt) ([]int64, error) {
	var mbr [sector]byte
	if _, err := f.ReadAt(mbr[:], 0); err != nil {
		return nil, fmt.Errorf("%w: no partition table: %w", ErrFormat, err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xaa {
		return nil, fmt.Errorf("%w: the image has no partition table", ErrFormat)
	}
	if mbr[446+4] == 0xee { // a protective MBR
		return gpt(f)
	}
	var starts []int64
	extended := int64(0)
	for i := range 4 {
		e := mbr[446+16*i:][:16]
		start, size := int64(binary.LittleEndian.Uint32(e[8:])), binary.LittleEndian.Uint32(e[12:])
		switch kind := e[4]; {
		case kind == 0 || size == 0:
		case kind == 0x05 || kind == 0x0f || kind == 0x85:
			extended = start
		default:
			starts = append(starts, start)
		}
	}
	if extended == 0 {
		return starts, nil
	}
	more, err := logical(f, extended)
	return append(starts, more...), err
}

// maxPartitions bounds what a table may claim.
const maxPartitions = 1024

// logical follows the chain of an extended partition: each table has one partition and the place of
// the next table.
func logical(f io.ReaderAt, extended int64) ([]int64, error) {
	var starts []int64
	at := extended
	for range maxPartitions { // a chain may bite its tail
		var table [sector]byte
		if _, err := f.ReadAt(table[:], at*sector); err != nil {
			return nil, fmt.Errorf("%w: extended partition: %w", ErrFormat, err)
		}
		if first := table[446:]; first[4] != 0 {
			starts = append(starts, at+int64(binary.LittleEndian.Uint32(first[8:])))
		}
		next := table[446+16:]
		if next[4] == 0 {
			break
		}
		at = extended + int64(binary.LittleEndian.Uint32(next[8:]))
	}
	return starts, nil
}

// gpt reads a GUID partition table: UEFI specification, chapter 5.3.
func gpt(f io.ReaderAt) ([]int64, error) {
	var head [92]byte
	if _, err := f.ReadAt(head[:], sector); err != nil || string(head[:8]) != "EFI PART" {
		return nil, fmt.Errorf("%w: the image has no GUID partition table", ErrFormat)
	}
	at := int64(binary.LittleEndian.Uint64(head[72:])) * sector
	count, size := binary.LittleEndian.Uint32(head[80:]), binary.LittleEndian.Uint32(head[84:])
	if size < 128 || size > 4096 || count > maxPartitions || at < 0 {
		return nil, fmt.Errorf("%w: the GUID partition table claims %d entries of %d bytes", ErrFormat, count, size)
	}
	var starts []int64
	entry := make([]byte, size)
	for i := range int64(count) {
		if _, err := f.ReadAt(entry, at+i*int64(size)); err != nil {
			return nil, fmt.Errorf("%w: GUID partition table: %w", ErrFormat, err)
		}
		if [16]byte(entry[:16]) == [16]byte{} {
			continue // an unused entry
		}
		starts = append(starts, int64(binary.LittleEndian.Uint64(entry[32:])))
	}
	return starts, nil
}
