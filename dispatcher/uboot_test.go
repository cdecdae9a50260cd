package dispatcher

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/exports"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// TestUBoot has real U-Boot fetch a kernel and a ramdisk from the worker's own TFTP server, boot them,
// and a test run there; the files come through the worker's cache.
func TestUBoot(t *testing.T) {
	const address = "10.20.0.1"
	if !ownNetwork(t, address) {
		return
	}
	assets := qemuAssets(t)
	if _, err := os.Stat("/usr/lib/u-boot/qemu-x86/u-boot.rom"); err != nil {
		t.Skipf("SKIPPED: no U-Boot: %v (Debian: u-boot-qemu)", err)
	}
	site := httptest.NewServer(http.FileServer(http.Dir(assets)))
	defer site.Close()
	definition := strings.ReplaceAll(string(mustRead(t, "testdata/uboot-job.yaml")), "@SITE@", site.URL)
	dir := filepath.Join(t.TempDir(), "42")
	offer, stop, err := exports.OneJob(t.Context(), []byte(definition), dir, exports.Settings{
		TFTP: ":69", Cache: pipeline.Store{Dir: t.TempDir()}, Logger: slog.New(slog.DiscardHandler), After: time.After})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	log, verdict := runJob(t, Job{
		ID: "42", Definition: []byte(definition), Device: mustRead(t, "testdata/uboot-device.yaml"),
		Dispatcher: []byte("dispatcher_ip: " + address + "\n"), Dir: dir, Env: os.Environ(), Services: offer,
	})
	if verdict.Health != events.Complete {
		t.Fatalf("verdict %+v\n%s", verdict, textOf(log))
	}
	results := resultsOf(t, log)
	for _, name := range []string{"uname", "http-download", "tftp-deploy", "bootloader-commands", "job"} {
		if r, ok := results[name]; ok && r["result"] != "pass" || !ok && name == "uname" {
			t.Errorf("result of %s: %v", name, r)
		}
	}
	text := textOf(log)
	for _, want := range []string{"TFTP from server " + address, "Bytes transferred = ", "Linux version "} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if left, err := os.ReadDir(offer.TFTP.Dir); err != nil || len(left) != 0 {
		t.Errorf("the job's files stay on the TFTP server: %v, %v", left, err)
	}
}

// ownNetwork runs the test again in a network of its own, where port 69 is free, and says whether this
// is it.
func ownNetwork(t *testing.T, address string) bool {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: boots a machine")
	}
	const name = "STRATA_TEST_NETWORK"
	if os.Getenv(name) != "" {
		for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", address + "/24", "dev", "lo"}} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %v: %v: %s", args, err, out)
			}
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("SKIPPED: %v (Debian: iproute2)", err)
	}
	qemuAssets(t) // fetched here: there is no way out from there
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=9m")
	cmd.Env = append(os.Environ(), name+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
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
