package dispatcher

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
)

// A real kernel boots in a real QEMU, a test definition runs on it, and the job is complete.
func TestQEMU(t *testing.T) {
	assets := qemuAssets(t)
	tests := []struct {
		name, command, login, overlay string
	}{
		{"overlay in the ramdisk", "", "failure_retry: 1", "overlays: {lava: true}\n        format: cpio.newc"},
		{"overlay on a drive", "", "failure_retry: 1", "uniquify: true"},
		{"login", "strata.login", "auto_login: {login_prompt: 'strata login:', username: root, password_prompt: 'Password:', password: strata}",
			"overlays: {lava: true}\n        format: cpio.newc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, verdict := runJob(t, qemuJob(t, assets, tt.command, tt.login, tt.overlay))
			if verdict.Health != events.Complete {
				t.Fatalf("verdict: %+v", verdict)
			}
			results := resultsOf(t, log)
			for name, want := range map[string]string{
				"uname": "pass", "false": "fail", "answer": "pass", "0_smoke": "pass",
				"execute-qemu": "pass", "kernel-messages": "pass", "login-action": "pass", "job": "pass",
			} {
				if got := results[name]["result"]; got != want {
					t.Errorf("result of %s: %v, want %s", name, got, want)
				}
			}
			if got := results["answer"]["measurement"]; got != 42.0 {
				t.Errorf("measurement: %v, want 42", got)
			}
			extra, _ := results["execute-qemu"]["extra"].(map[string]any)
			if extra["job_arch"] != "amd64" || extra["qemu_version"] == "" || extra["host_arch"] == "" {
				t.Errorf("extra of execute-qemu: %v", extra)
			}
			text := textOf(log)
			if strings.Contains(text, "hush-hush") || !strings.Contains(text, "[MASKED]") {
				t.Error("the secret that the test printed is not masked")
			}
			if !strings.Contains(text, "Linux version ") {
				t.Error("the kernel's first line is not in the log")
			}
		})
	}
}

// A kernel that panics is booted once more, and ends the job with what it said: the job is to blame
// and not the lab, although the machine is gone when the login is tried again.
func TestQEMUPanic(t *testing.T) {
	assets := qemuAssets(t)
	log, verdict := runJob(t, qemuJob(t, assets, "rdinit=/nonexistent root=/dev/none", "failure_retry: 2", "uniquify: true"))
	if boots := strings.Count(textOf(log), `"Boot command: `); boots != 2 {
		t.Errorf("%d machines were started, want one an attempt", boots)
	}
	if verdict.ErrorType != events.JobError || !strings.Contains(verdict.Error, "Kernel panic - not syncing") {
		t.Errorf("verdict: %+v, want a JobError with the panic", verdict)
	}
	if got := resultsOf(t, log)["kernel-messages"]["result"]; got != "fail" {
		t.Errorf("kernel-messages: %v, want fail", got)
	}
}

func qemuAssets(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: boots a machine")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("SKIPPED: no qemu-system-x86_64")
	}
	script := exec.Command("sh", "dispatchertest/get-assets.sh")
	script.Stderr = os.Stderr
	out, err := script.Output()
	if err != nil {
		t.Skipf("SKIPPED: no kernel to boot: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func qemuJob(t *testing.T, assets, command, login, overlay string) Job {
	t.Helper()
	definition := strings.NewReplacer("@ASSETS@", assets, "@APPEND@", command, "@LOGIN@", login, "@OVERLAY@", overlay).
		Replace(string(mustRead(t, "testdata/qemu-job.yaml")))
	return Job{
		ID: "42", Definition: []byte(definition), Device: mustRead(t, "testdata/qemu-device.yaml"),
		Dispatcher: []byte("dispatcher_ip: 127.0.0.1\n"),
		Dir:        filepath.Join(t.TempDir(), "42"), Env: os.Environ(),
	}
}

// resultsOf returns the results of a log by the name of their case, the last of each.
func resultsOf(t *testing.T, log []events.Record) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, r := range log {
		if r.Level != events.Results {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(r.Message, &m); err != nil {
			t.Fatal(err)
		}
		name, _ := m["case"].(string)
		out[name] = m
	}
	return out
}

func textOf(log []events.Record) string {
	var b strings.Builder
	for _, r := range log {
		b.Write(r.Message)
		b.WriteByte('\n')
	}
	return b.String()
}
