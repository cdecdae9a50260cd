package archive_test

import (
	"archive/tar"
	"bytes"
	"fmt"

	"strata/dispatcher/deploy/archive"
)

// A file is added to an initramfs that keeps everything else as it is.
func ExampleAppendToRamdisk() {
	end := "07070100000001000000000000000000000000000000010000000000000000000000000000000000000000000000000000000B00000000TRAILER!!!\x00\x00\x00\x00"
	disk := bytes.NewReader([]byte(end)) // an initramfs with nothing in it

	var layer, out bytes.Buffer
	w := tar.NewWriter(&layer)
	_ = w.WriteHeader(&tar.Header{Name: "motd", Mode: 0o644, Size: 5})
	_, _ = w.Write([]byte("hello"))
	_ = w.Close()

	if _, err := archive.AppendToRamdisk(&out, disk, archive.Layer{Root: "/etc", Tar: &layer}); err != nil {
		fmt.Println(err)
		return
	}
	info, err := archive.ReadRamdisk(&out)
	fmt.Println(info.Entries, info.Has("etc/motd"), err)
	// Output: 2 true <nil>
}
