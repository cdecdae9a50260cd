package acceptance

import (
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A real kernel boots in a real QEMU, a test definition runs on it, and the job is complete.
func TestQEMU(t *testing.T) {
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
			got := run(t, qemuJob(t, tt.command, tt.login, tt.overlay))
			got.wantComplete(t)
			got.wantResults(t, map[string]string{
				"0_smoke/uname": "pass", "0_smoke/false": "fail", "0_smoke/answer": "pass", "lava/0_smoke": "pass",
				"execute-qemu": "pass", "kernel-messages": "pass", "login-action": "pass", "job": "pass",
			})
			if got := got.result(t, "answer")["measurement"]; got != 42.0 {
				t.Errorf("measurement: %v, want 42", got)
			}
			extra, _ := got.result(t, "execute-qemu")["extra"].(map[string]any)
			if extra["job_arch"] != "amd64" || extra["qemu_version"] == "" || extra["host_arch"] == "" {
				t.Errorf("extra of execute-qemu: %v", extra)
			}
			got.wantText(t, "Linux version ", "[MASKED]")
			if strings.Contains(got.text(), "hush-hush") {
				t.Error("the secret that the test printed is not masked")
			}
		})
	}
}

// A kernel that panics is booted once more, and ends the job with what it said: the job is to blame
// and not the lab, although the machine is gone when the login is tried again.
func TestQEMUPanic(t *testing.T) {
	got := run(t, qemuJob(t, "rdinit=/nonexistent root=/dev/none", "failure_retry: 2", "uniquify: true"))
	if boots := strings.Count(got.text(), `"Boot command: `); boots != 2 {
		t.Errorf("%d machines were started, want one an attempt", boots)
	}
	got.wantError(t, events.JobError, "Kernel panic - not syncing")
	got.wantResults(t, map[string]string{"kernel-messages": "fail"})
}

// qemuJob is a job for the kernel of get-assets.sh.
func qemuJob(t *testing.T, command, login, overlay string) job {
	t.Helper()
	return job{
		definition: text(t, "../testdata/qemu-job.yaml"), device: text(t, "../testdata/qemu-device.yaml"),
		values: map[string]string{"ASSETS": dispatchertest.Assets(t), "APPEND": command, "LOGIN": login, "OVERLAY": overlay},
	}
}
