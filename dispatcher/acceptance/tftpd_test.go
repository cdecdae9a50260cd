package acceptance

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/exports"
)

// Two workers of one host share port 69 with a TFTP server that is not theirs. Each gives its jobs a
// folder of its own in the server's directory, so that even jobs with the same number do not meet. Two
// boards with U-Boot boot from there at once: neither gets power before both jobs have deployed.
func TestTFTPServerOfHost(t *testing.T) {
	dispatchertest.Slow(t)
	const program = "/usr/sbin/in.tftpd"
	dispatchertest.Need(t, program+":tftpd-hpa")
	b := ubootBoards["x86"]
	dir, common := b.values(t)
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return
	}
	root := hostTFTP(t, program)
	site := serve(t, dir)
	// Both have the number 42, as jobs of two labs may.
	var deployed sync.WaitGroup
	deployed.Add(2)
	t.Run("at once", func(t *testing.T) {
		for _, worker := range []string{"w1", "w2.example.com"} {
			t.Run(worker, func(t *testing.T) {
				t.Parallel()
				device, values := newLabBoard(t, append(emulated(b.machine...), "-netdev", "user,id=n0")...)
				device.before = sync.OnceFunc(func() { deployed.Done(); deployed.Wait() })
				defer device.before() // a job that fails before must not leave the other waiting
				maps.Copy(values, common)
				values["SITE"] = site
				got := run(t, job{
					definition: text(t, "testdata/uboot-job.yaml"), device: text(t, "testdata/uboot-x86-device.jinja2"),
					dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", tftpDir: root, worker: worker, values: values,
				})
				got.wantComplete(t)
				got.wantResults(t, map[string]string{"0_smoke/uname": "pass", "0_smoke/jobs-own": "pass", "job": "pass"})
				folder := "strata-" + worker
				got.wantText(t, "TFTP from server "+workerIP, "Filename '"+folder+"/42/", "Linux version ")
				if got.services.TFTP.Dir != filepath.Join(root, folder) || got.services.TFTP.Path != folder {
					t.Errorf("the job was offered %+v, want the folder %s of %s", got.services.TFTP, folder, root)
				}
				if left, err := os.ReadDir(filepath.Join(root, folder)); err != nil || len(left) != 0 {
					t.Errorf("the job's files, or the one that was fetched at the start, stay in %s: %v, %v", folder, left, err)
				}
			})
		}
	})
	if left, err := os.ReadDir(root); err != nil || len(left) != 3 {
		t.Errorf("the server's directory has %v, %v; want the file of the host and two folders", left, err)
	}
}

// hostTFTP starts a host's TFTP server on port 69 and returns its directory, with one file in it.
func hostTFTP(t *testing.T, program string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // the server is another user
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ready"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--foreground", "--address", ":69", "--user", "root", "--secure", dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it ends no other way
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := exports.Fetch("127.0.0.1:69", "ready", 10); err == nil {
			return dir
		} else if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", program, err)
		}
	}
}
