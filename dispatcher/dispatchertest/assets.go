package dispatchertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Assets returns the directory that holds a kernel (bzImage) and a root file system
// (initramfs.cpio.gz) for QEMU's amd64, made by get-assets.sh where they are not there yet.
func Assets(t *testing.T) string {
	t.Helper()
	Boots(t)
	Need(t, "qemu-system-x86_64:qemu-system-x86")
	script := exec.Command("sh", filepath.Join(Root(t), "dispatcher/dispatchertest/get-assets.sh"))
	script.Stderr = os.Stderr
	out, err := script.Output()
	if err != nil {
		Missing(t, "no kernel to boot: %v", err)
	}
	return strings.TrimSpace(string(out))
}
