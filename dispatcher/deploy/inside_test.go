package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A directory that a job names within an archive is one of the archive, whatever links the archive has.
func TestInside(t *testing.T) {
	t.Parallel()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "unpacked")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "rootfs", "etc"), 0o755), os.Mkdir(filepath.Join(base, "secret"), 0o755),
		os.Symlink("rootfs", filepath.Join(dir, "current")),
		os.Symlink("../secret", filepath.Join(dir, "out")), os.Symlink("/etc", filepath.Join(dir, "abs")),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"rootfs/": "rootfs", "current/etc/": "rootfs/etc",
		"out/": "", "abs/": "", "../secret/": "", "rootfs/../../secret/": "", "none/": "",
	} {
		got, err := inside(dir, name)
		if want == "" && err == nil || want != "" && got != filepath.Join(dir, want) {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
}
