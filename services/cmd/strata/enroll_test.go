package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnroll makes a second machine a worker with one command and one word; its worker then starts with nothing more.
func TestEnroll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "")
	invite := func(args ...string) string {
		t.Helper()
		lines := strings.Fields(w.must(t, append([]string{"workers", "invite"}, args...)...))
		return lines[len(lines)-1]
	}
	machine := newWorld(t) // which has no credential of the lab's
	data := filepath.Join(machine.dir, "worker")
	enroll := []string{"worker", "enroll", "--server", r.NATS, "--data", data, "--name", "lab2"}
	word := invite()
	if status, text := machine.strata(t, append(enroll, "--token", word[1:])...); status != exitFailed || !strings.Contains(text, "this word makes no worker") {
		t.Errorf("enroll with another word: status %d, %q; want it refused", status, text)
	}
	if status, text := machine.strata(t, enroll...); status != exitMisuse || !strings.Contains(text, "strata workers invite") {
		t.Errorf("enroll without a word: status %d, %q; want it to say where there is one", status, text)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("after attempts that failed: got %v, error %v; want nothing kept", left, err)
	}
	text := machine.must(t, append(enroll, "--token", word)...)
	file := filepath.Join(data, enrolmentFile)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || strings.Contains(text, "strata1_") {
		t.Fatalf("credential: mode %v, error %v, said %q; want it in a file of its owner's and nowhere else", info, err, text)
	}
	if status, text := machine.strata(t, append(enroll, "--token", word)...); status != exitFailed || !strings.Contains(text, "it was used") {
		t.Errorf("enroll twice with a word: status %d, %q; want it refused", status, text)
	}
	machine.spawn(t, "worker", "--data", data)
	eventually(t, "the enrolled worker is online", func() bool { return strings.Contains(w.must(t, "workers", "show", "lab2"), "lab2 is Online") })
	if status, text := machine.strata(t, "worker", "--data", data, "--name", "lab3"); status != exitMisuse || !strings.Contains(text, "was enrolled as lab2") {
		t.Errorf("start it under another name: status %d, %q; want it refused", status, text)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text := machine.strata(t, "worker", "--data", data); status != exitFailed || !strings.Contains(text, file) || !strings.Contains(text, "token is missing") {
		t.Errorf("start it with a broken credential: status %d, %q; want the file named", status, text)
	}
}
