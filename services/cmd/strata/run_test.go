package main

import (
	"strings"
	"testing"
)

// TestRun runs jobs with no lab at all: each line is printed as a lab's log has it, the exit status is
// the job's, and --validate touches nothing.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	job := write(t, dir, "job.yaml", "job_name: local\nvisibility: public\ntimeouts: {job: {minutes: 1}}\nactions:\n- command: {name: relay}\n")
	device := func(name, command string) string {
		return write(t, dir, name, "commands: {users: {relay: {do: "+command+"}}}\nactions: {deploy: {methods: }, boot: {methods: }}\n")
	}
	good, bad := device("good.yaml", "echo clicked"), device("bad.yaml", "/bin/false")
	broken := write(t, dir, "broken.yaml", "job_name: local\nactions: []\n")
	for _, tt := range []struct {
		args        []string
		want        int
		says, never string
	}{
		{[]string{job, "--device", good}, exitOK, "clicked", "Infrastructure"},
		{[]string{job, "--device", good}, exitOK, "lava/job: pass", "fail"},
		{[]string{job, "--device", good, "--validate"}, exitOK, "lava/validate: pass", "clicked"},
		{[]string{job, "--device", bad}, exitFailed, "Infrastructure error: ", "pass\n\njob is Complete"},
		{[]string{broken, "--device", good}, exitFailed, "broken.yaml", "clicked"},
	} {
		args := append([]string{"run"}, tt.args...)
		got, text := newWorld(t).strata(t, append(args, "--cache", "")...)
		if got != tt.want || !strings.Contains(text, tt.says) || strings.Contains(text, tt.never) {
			t.Errorf("strata %s: status %d, said %q; want %d with %q and without %q", strings.Join(args, " "), got, text, tt.want, tt.says, tt.never)
		}
	}
}

// Commands of a device see the caller's variables, but no token of strata.
func TestRunKeepsTheToken(t *testing.T) {
	t.Setenv("STRATA_TOKEN", "strata1_of-the-caller")
	t.Setenv("PDU_HOST", "pdu.example.com")
	dir, w := t.TempDir(), newWorld(t)
	device := write(t, dir, "device.yaml", "commands: {users: {relay: {do: \"sh -c 'echo token=$STRATA_TOKEN host=$PDU_HOST'\"}}}\nactions: {deploy: {methods: }, boot: {methods: }}\n")
	definition := write(t, dir, "job.yaml", "job_name: relay\ndevice_type: x\nvisibility: public\ntimeouts: {job: {minutes: 5}}\nactions: [command: {name: relay}]\n")
	if status, text := w.strata(t, "run", definition, "--device", device); status != exitOK || !strings.Contains(text, ">> token= host=pdu.example.com") {
		t.Errorf("status %d:\n%s", status, text)
	}
}
