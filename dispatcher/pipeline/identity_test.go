package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A relative key is the worker's: one pair for all its jobs, made once though many ask at once.
func TestSSHIdentity(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	session := func(state string) *Session {
		return &Session{shared: &shared{dir: filepath.Join(t.TempDir(), "9"), services: Services{State: state}}}
	}
	var jobs sync.WaitGroup
	shown := make([]string, 8)
	for i := range shown {
		jobs.Go(func() {
			file, err := session(state).SSHIdentity("dynamic_vm_keys/lava")
			if err != nil {
				t.Error(err)
				return
			}
			public, err := os.ReadFile(file + ".pub")
			if err != nil || file != filepath.Join(state, "ssh-keys/dynamic_vm_keys/lava") {
				t.Errorf("%s: %v", file, err)
			}
			shown[i] = string(public)
		})
	}
	jobs.Wait()
	file := filepath.Join(state, "ssh-keys/dynamic_vm_keys/lava")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	want := ssh.MarshalAuthorizedKey(key.PublicKey())
	for _, got := range shown {
		if got != string(want) || !bytes.HasPrefix(want, []byte("ssh-ed25519 ")) {
			t.Errorf("public key %q, want %q", got, want)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the private key: %v %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(state, "ssh-keys/dynamic_vm_keys/.*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}

	alone := session("")
	if file, err := alone.SSHIdentity("key"); err != nil || filepath.Dir(filepath.Dir(file)) != alone.JobDir() {
		t.Errorf("without a worker: %s, %v", file, err)
	}
	if got, err := alone.SSHIdentity(file); err != nil || got != file {
		t.Errorf("an administrator's: %s, %v", got, err)
	}
	for _, name := range []string{"/none", "../key", "a/../..", ".", ""} {
		if _, err := alone.SSHIdentity(name); ClassOf(err) != Configuration || !strings.Contains(err.Error(), "Cannot find SSH private key") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
