package dispatchertest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// OwnNetwork runs the test again in a network of its own, where every port is free (69 for TFTP, 2049
// for NFS) and address is this machine's: an emulator's user network reaches it, and loopback it does
// not. It returns true there, and false in the test that waited: it is over then. There is no way out
// from there, so what a test downloads, it downloads first. As root it may also mount there.
func OwnNetwork(t *testing.T, address string) bool {
	t.Helper()
	const name = "STRATA_TEST_NETWORK"
	if os.Getenv(name) != "" {
		for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", address + "/24", "dev", "lo"}} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %v: %v: %s", args, err, out)
			}
		}
		return true
	}
	Need(t, "ip:iproute2")
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=29m")
	cmd.Env = append(os.Environ(), name+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("SKIPPED: no network of its own: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in a network of its own: %v", err)
	}
	return false
}
