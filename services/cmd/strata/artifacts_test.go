package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
)

// TestArtifacts runs a test on a shell of this machine that gives files by network and console, and brings them back: their
// bytes, digests, and a row of each.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	for program, of := range map[string]string{"curl": "curl", "bash": "bash", "tar": "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %v (Debian: %s)", err, of)
		}
	}
	needEngine(t)
	w := newWorld(t)
	w.up(t, "--worker", "w1", "--config", write(t, w.dir, "lab.yaml", "jobs: {file_limit: 300KiB}\n"))
	w.must(t, "workers", "configure", "w1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	dict := strings.NewReplacer("/lava-%s", filepath.Join(w.dir, "lava-%s"), "port: @PORT@, ", "").Replace(hostDevice)
	w.must(t, "devices", "add", "sh1", "--type", "shell", "--worker", "w1", "--dict", write(t, w.dir, "sh1.yaml", dict), "--health", "Good")
	made := make([]byte, 200<<10)
	for i := range made {
		made[i] = byte(i*i*31 + i>>3)
	}
	source := write(t, w.dir, "trace.dat", string(made))
	job := `job_name: files
device_type: shell
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 4}, connection: {minutes: 2}}
actions:
- deploy: {to: overlay, os: debian}
- boot:
    method: minimal
    prompts: ['shell:# ']
    transfer_overlay: {download_command: cd $(mktemp -d) && curl -sSO, unpack_command: tar -C / -xzf}
- test:
    definitions:
    - from: inline
      name: smoke
      path: smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run:
          steps:
          - lava-test-artifact ` + source + ` --case boot --by network
          - printf 'ok 1 first\n1..1\n' >` + w.dir + `/r.tap
          - lava-test-artifact ` + w.dir + `/r.tap --kind tap --by console
          - head -c 400000 /dev/zero >` + w.dir + `/big
          - lava-test-artifact ` + w.dir + `/big
`
	status, text := w.strata(t, "submit", write(t, w.dir, "files.yaml", job), "--follow")
	if status != exitOK || !strings.Contains(text, "file big has 400000 bytes; at most 307200 are kept") {
		t.Fatalf("the job: status %d\n%s", status, text)
	}
	var list api.Files
	w.ask(t, &list, "artifacts", "1")
	sum := sha256.Sum256(made)
	if len(list.Files) != 2 || list.Files[0].Name != "trace.dat" || list.Files[0].SHA256 != hex.EncodeToString(sum[:]) || list.Files[0].Case != "boot" || list.Files[1].Kind != "tap" {
		t.Fatalf("artifacts: %+v\n%s", list, text)
	}
	to := filepath.Join(w.dir, "saved")
	w.must(t, "artifacts", "1", "--get", "trace.dat", "-o", to)
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, made) {
		t.Errorf("saved %d bytes, %v; want those of the test", len(got), err)
	}
	if status, text := w.strata(t, "artifacts", "1", "--get", "big"); status != exitFailed || !strings.Contains(text, "no file") {
		t.Errorf("a file that was not kept: status %d, %q", status, text)
	}
	eventually(t, "the table has the files, and a case of one", func() bool {
		_, text := w.strata(t, "sql", "--format", "CSV", `SELECT (SELECT count() FROM results.files WHERE job = 1 AND state = 'kept' AND size > 0),
			(SELECT count() FROM results.test_cases WHERE job = 1 AND suite = '0_smoke' AND name = 'first')`)
		return text == "2,1\n"
	})
}
