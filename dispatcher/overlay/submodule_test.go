package overlay

import (
	"os"
	"path/filepath"
	"testing"
)

// Submodules are cloned where a definition asks for them, and only there.
func TestSubmodules(t *testing.T) {
	inner, outer := newRepo(t), newRepo(t)
	// git takes submodules from files only where it is told that this is fine.
	const allow = "protocol.file.allow"
	git(t, outer.dir, "-c", allow+"=always", "submodule", "--quiet", "add", inner.dir, "inner")
	git(t, outer.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "submodule")
	for _, keys := range []string{"", ", recursive: false", ", recursive: true"} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: git, name: g, path: tests/smoke.yaml, repository: 'file://"+outer.dir+"'"+keys+"}]}}]")
			j.env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=" + allow, "GIT_CONFIG_VALUE_0=always"}
			if err := j.run(t); err != nil {
				t.Fatalf("%v\n%s", err, j.text())
			}
			_, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g/inner/tests/smoke.yaml"))
			if want := keys == ", recursive: true"; (err == nil) != want {
				t.Errorf("a file of the submodule: %v, want it there: %t", err, want)
			}
		})
	}
}
