package overlay

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// A guest's job can log in to what the host's job deploys: the overlay has the worker's key, where the
// ssh server believes it.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	own := filepath.Join(keys, "board")
	for name, text := range map[string]string{own: "private", own + ".pub": "public", filepath.Join(keys, "half"): "private"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const tests = "- test: {definitions: [{from: inline, name: a, path: a.yaml, repository: {metadata: {format: x, name: a}}}]}\n"
	for _, tt := range []struct{ name, method, authorize, key, public, wantErr string }{
		{"the administrator's key", "{identity_file: " + own + "}", ", authorize: ssh", "board", "public", ""},
		{"the worker's key", "{identity_file: dynamic_vm_keys/lava}", ", authorize: ssh", "lava", "ssh-ed25519 ", ""},
		{"no key named", "{host: h}", ", authorize: ssh", "lava", "ssh-ed25519 ", ""},
		{"not asked for", "{identity_file: /none}", "", "", "", ""},
		{"no such key", "{identity_file: /none}", ", authorize: ssh", "", "", "Cannot find SSH private key"},
		{"half a key", "{identity_file: " + keys + "/half}", ", authorize: ssh", "", "", "read the public half of the device's SSH key"},
		{"unknown", "{host: h}", ", authorize: telnet", "", "", "authorize: 'telnet' is not known, only ssh is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "actions:\n- deploy: {to: x, os: oe"+tt.authorize+"}\n"+tests)
			j.methods = ", ssh: " + tt.method
			p, err := j.plan()
			if err != nil {
				t.Fatal(err)
			}
			if err = p.Validate(t.Context()); err == nil {
				err = p.Run(t.Context())
			}
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) || pipeline.ClassOf(err) == pipeline.Bug {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.key == "" {
				if files := j.files(t); slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, ".ssh") }) {
					t.Errorf("files: %v", files)
				}
				return
			}
			for name, mode := range map[string]os.FileMode{"root/.ssh/authorized_keys": 0o600, "lava-7/" + tt.key: 0o600, "lava-7/" + tt.key + ".pub": 0o644} {
				if info, err := os.Stat(filepath.Join(j.root, name)); err != nil || info.Mode() != mode {
					t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
				}
			}
			public := j.read(t, "root/.ssh/authorized_keys")
			if !strings.HasPrefix(public, tt.public) || public != j.read(t, "lava-7/"+tt.key+".pub") {
				t.Errorf("authorized: %q, want %q", public, tt.public)
			}
		})
	}
}
