package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// The qcow2 format, version 2, as docs/interop/qcow2.txt of QEMU gives it: 64 KiB clusters, a
// two-level table from guest to host clusters, and a reference count for each host cluster.
const (
	clusterBits = 16
	clusterSize = 1 << clusterBits
	perTable    = clusterSize / 8 // entries of a table that fills a cluster
	perRefcount = clusterSize / 2 // counts in a cluster
	copied      = 1 << 63         // an entry's flag: the cluster has this one reference
)

// WriteQcow2 writes the disk image src of size bytes as qcow2. Clusters of zeros take no space.
// src is read twice.
func WriteQcow2(dst io.WriterAt, src io.ReaderAt, size int64) error {
	size = (size + 511) &^ 511 // a disk has whole sectors
	// Two passes over the image: the first finds the size of the tables, which lie before the data.
	var data []int64 // the clusters that are not zeros
	cluster := make([]byte, clusterSize)
	zeros := make([]byte, clusterSize)
	clusters := (size + clusterSize - 1) / clusterSize
	for i := range clusters {
		if err := readCluster(src, cluster, i); err != nil {
			return fmt.Errorf("read the disk image: %w", err)
		}
		if !bytes.Equal(cluster, zeros) {
			data = append(data, i)
		}
	}
	tables := (clusters + perTable - 1) / perTable // second-level tables; the first has one cluster
	if tables > perTable {
		return fmt.Errorf("a disk image of %d bytes is too large", size)
	}
	// Header, table of count clusters, count clusters, first table, second tables, data.
	// Each cluster of counts also counts itself, hence the division by one less.
	used := 3 + tables + int64(len(data))
	counts := (used + perRefcount - 2) / (perRefcount - 1)
	used += counts
	firstTable := 2 + counts
	firstData := firstTable + 1 + tables

	be := binary.BigEndian
	put := func(at int64, p []byte) error {
		_, err := dst.WriteAt(p, at*clusterSize)
		return err
	}
	// Offsets of the header's fields: version 4, cluster bits 20, size 24, entries of the first table
	// 36, its place 40, place of the table of counts 48, its clusters 56. The rest is zero: no
	// backing file, no encryption, no snapshots.
	header := make([]byte, clusterSize)
	copy(header, "QFI\xfb")
	be.PutUint32(header[4:], 2)
	be.PutUint32(header[20:], clusterBits)
	be.PutUint64(header[24:], uint64(size))
	be.PutUint32(header[36:], uint32(tables))
	be.PutUint64(header[40:], uint64(firstTable*clusterSize))
	be.PutUint64(header[48:], clusterSize)
	be.PutUint32(header[56:], 1)
	if err := put(0, header); err != nil {
		return err
	}
	countTable := make([]byte, clusterSize)
	for i := range counts {
		be.PutUint64(countTable[8*i:], uint64((2+i)*clusterSize))
		block := make([]byte, clusterSize)
		for j := i * perRefcount; j < min(used, (i+1)*perRefcount); j++ {
			be.PutUint16(block[2*(j-i*perRefcount):], 1)
		}
		if err := put(2+i, block); err != nil {
			return err
		}
	}
	if err := put(1, countTable); err != nil {
		return err
	}
	first := make([]byte, clusterSize)
	second := make([]byte, tables*clusterSize)
	for i := range tables {
		be.PutUint64(first[8*i:], uint64((firstTable+1+i)*clusterSize)|copied)
	}
	for i, guest := range data {
		host := firstData + int64(i)
		be.PutUint64(second[8*guest:], uint64(host*clusterSize)|copied)
		if err := readCluster(src, cluster, guest); err != nil {
			return fmt.Errorf("read the disk image: %w", err)
		}
		if err := put(host, cluster); err != nil {
			return err
		}
	}
	if err := put(firstTable, first); err != nil {
		return err
	}
	return put(firstTable+1, second)
}

// readCluster fills p with cluster i, and with zeros behind the end of the image.
func readCluster(src io.ReaderAt, p []byte, i int64) error {
	n, err := src.ReadAt(p, i*clusterSize)
	clear(p[n:])
	if err == io.EOF {
		return nil
	}
	return err
}
