package acceptance

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/dispatchertest"
)

// The kernel finds the overlay, however the ramdisk is packed, and on a drive of its own.
func TestQEMUOverlays(t *testing.T) {
	assets := dispatchertest.Assets(t)
	served := t.TempDir()
	packRamdisks(t, filepath.Join(assets, "initramfs.cpio.gz"), served)
	site := serve(t, served)
	const appended = "overlays: {lava: true, extra: {url: '@SERVER@/extra.txt', format: file, path: /opt/deep/extra.txt}}\n        format: cpio.newc"
	tests := []struct{ name, file, overlays, stat string }{
		{"plain", "initramfs.cpio", appended, "%u:%a"},
		{"xz", "initramfs.cpio.xz", appended, "%u:%a"},
		{"zstd", "initramfs.cpio.zst", appended, "%u:%a"},
		// Files on a drive belong to whoever runs the worker.
		{"a drive", "initramfs.cpio.zst", "", "0:%a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, job{id: "43", definition: overlayJob, device: text(t, "../testdata/qemu-device.yaml"), values: map[string]string{
				"ASSETS": assets, "FILE": tt.file, "STAT": tt.stat, "SERVER": site,
				"OVERLAYS": strings.ReplaceAll(tt.overlays, "@SERVER@", site)}})
			got.wantComplete(t)
			extra := "pass"
			if tt.overlays == "" {
				extra = "fail"
			}
			got.wantResults(t, map[string]string{
				"owner": "pass", "helpers": "pass", "nodes": "pass", "extra": extra, "lava/0_smoke": "pass",
				"loud": "pass", "lava/1_kmsg": "pass", "job": "pass"})
			if guest := got.result(t, "apply-overlay-guest"); (guest != nil) != (tt.overlays == "") {
				t.Errorf("result of apply-overlay-guest: %v", guest)
			}
		})
	}
}

const overlayJob = `
job_name: overlays in QEMU
device_type: qemu
context: {arch: amd64}
timeouts: {job: {minutes: 10}, action: {minutes: 4}, connection: {minutes: 1}}
actions:
- deploy:
    to: tmpfs
    os: oe
    images:
      kernel: {url: file://@ASSETS@/bzImage, image_arg: '-kernel {kernel} -append "console=ttyS0 no_timer_check panic=-1"'}
      ramdisk:
        url: @SERVER@/@FILE@
        image_arg: -initrd {ramdisk} -no-reboot
        @OVERLAYS@
- boot: {method: qemu, media: tmpfs, prompts: ['/ # ', '~ # ']}
- test:
    definitions:
    - from: inline
      name: smoke
      path: inline/smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run:
          steps:
          - lava-test-case owner --shell test "$(stat -c @STAT@ /lava-43/bin/lava-test-case)" = 0:755
          - lava-test-case helpers --shell 'test "$(ls /lava-43/bin | wc -l)" -ge 22'
          - lava-test-case nodes --shell test -c /dev/console
          - lava-test-case extra --shell grep -q hello /opt/deep/extra.txt
    - from: inline
      name: kmsg
      path: inline/kmsg.yaml
      lava-signal: kmsg
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: kmsg}
        run: {steps: [lava-test-case loud --result pass]}
`

// packRamdisks writes a gzipped ramdisk in other packings.
func packRamdisks(t *testing.T, from, dir string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	plain, err := archive.Plain(in)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]archive.Compression{
		"initramfs.cpio": archive.None, "initramfs.cpio.xz": archive.XZ, "initramfs.cpio.zst": archive.Zstd} {
		var b bytes.Buffer
		w, err := archive.Writer(kind, &b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "extra.txt"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
