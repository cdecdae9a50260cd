package packages

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/schemas/config"
)

// quick are settings of packaging/build that make packages soon rather than small.
var quick = []string{"STRATA_COMPRESS=-Zgzip -z1"}

// build makes packages of a version and returns the directory that they lie in.
func build(t *testing.T, version string, env ...string) string {
	t.Helper()
	dispatchertest.Need(t, "dpkg-deb:dpkg", "git:git")
	dir := t.TempDir()
	run(t, append(slices.Clone(quick), env...), "packaging/build", dir, version)
	return dir
}

// TestPackages builds the packages around a binary that go has cached and a library that is none, and looks at
// what is in them.
func TestPackages(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "strata")
	run(t, nil, "go", "build", "-ldflags", "-X main.version=2026.11", "-o", bin, "./services/cmd/strata")
	library := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(library, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := build(t, "2026.11", "STRATA_BINARY="+bin, "STRATA_CHDB_LIB="+library)
	debs := map[string]string{}
	all, err := filepath.Glob(filepath.Join(dir, "*_amd64.deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, deb := range all {
		name, _, _ := strings.Cut(filepath.Base(deb), "_")
		debs[name] = deb
	}
	for name, want := range map[string][]string{
		"strata":        {"-rwxr-xr-x /usr/bin/strata", "-rw-r--r-- /usr/share/man/man1/strata.1.gz", "-rw-r--r-- /usr/share/man/man1/strata-submit.1.gz", "-rw-r--r-- /usr/share/man/man1/strata-jobs-bundle.1.gz", "-rw-r--r-- /usr/share/bash-completion/completions/strata", "-rw-r--r-- /usr/share/zsh/vendor-completions/_strata", "-rw-r--r-- /usr/share/fish/vendor_completions.d/strata.fish", "-rw-r--r-- /usr/share/doc/strata/copyright", "-rw-r--r-- /usr/share/doc/strata/docs/operations.md"},
		"strata-server": {"-rw-r--r-- /usr/lib/systemd/system/strata.service", "-rw-r--r-- /usr/lib/sysusers.d/strata-server.conf", "-rw-r--r-- /usr/lib/tmpfiles.d/strata-server.conf", "-rw-r--r-- /etc/strata/strata.yaml", "-rw-r--r-- /usr/share/doc/strata-server/copyright"},
		"strata-worker": {"-rw-r--r-- /usr/lib/systemd/system/strata-worker.service", "-rw-r--r-- /usr/lib/systemd/system/strata-worker.path", "-rw-r--r-- /usr/lib/sysusers.d/strata-worker.conf", "-rw-r--r-- /usr/lib/tmpfiles.d/strata-worker.conf", "-rw-r--r-- /etc/strata/worker.yaml", "-rw-r--r-- /usr/share/doc/strata-worker/copyright"},
		"strata-engine": {"-rw-r--r-- /usr/lib/strata/libchdb-26.7.3-stable.1.so", "-rw-r--r-- /usr/share/doc/strata-engine/copyright"},
	} {
		files := listing(t, debs[name])
		for _, file := range want {
			if !slices.Contains(files, file) {
				t.Errorf("%s lacks %s; it has\n%s", name, file, strings.Join(files, "\n"))
			}
		}
		delete(debs, name)
	}
	if len(debs) > 0 {
		t.Errorf("packages that nobody expects: %v", debs)
	}
	copyright := run(t, nil, "dpkg-deb", "--fsys-tarfile", filepath.Join(dir, "strata_2026.11_amd64.deb"))
	for _, module := range []string{"modules/std/*", "modules/github.com/spf13/cobra/*", "modules/github.com/nats-io/nats-server/v2/*"} {
		if !strings.Contains(copyright, "\nFiles: "+module+"\nCopyright: ") {
			t.Errorf("the copyright file does not name %s", module)
		}
	}
	// Reciprocal licences would bind whoever passes the binary on. MPL's is of files, which are not changed.
	if m := regexp.MustCompile(`GNU (AFFERO |LESSER )?GENERAL PUBLIC LICENSE`).FindString(copyright); m != "" {
		t.Errorf("a module has a licence that is not permissive: %s", m)
	}
	if _, err := os.Stat(filepath.Join(dir, "strata-engine_26.7.3.stable.1_amd64.deb")); err != nil {
		t.Errorf("the engine's package has its library's version: %v", err)
	}
	again := build(t, "2026.11", "STRATA_BINARY="+bin, "STRATA_CHDB_LIB="+library)
	run(t, nil, "diff", "-r", dir, again)
}

// listing returns mode and name of each file of a package, and complains about owners and odd modes.
func listing(t *testing.T, deb string) (files []string) {
	t.Helper()
	if deb == "" {
		return nil
	}
	for line := range strings.Lines(run(t, nil, "dpkg-deb", "--contents", deb)) {
		f := strings.Fields(line)
		if f[1] != "root/root" {
			t.Errorf("%s: %s belongs to %s", filepath.Base(deb), f[5], f[1])
		}
		if f[0][0] != 'd' {
			files = append(files, f[0]+" "+strings.TrimPrefix(f[5], "."))
		}
	}
	return files
}

// TestUnits holds what the units promise: jobs outlive a restart, the processes are not root's, the files that they
// name are those of the packages.
func TestUnits(t *testing.T) {
	t.Parallel()
	root := dispatchertest.Root(t)
	for _, tt := range []struct{ name, unit, user, config, data string }{
		{"strata-server", "strata.service", "strata", "strata.yaml", "/var/lib/strata"},
		{"strata-worker", "strata-worker.service", "strata-worker", "worker.yaml", "/var/lib/strata-worker"},
	} {
		dir := filepath.Join(root, "packaging", tt.name, "root")
		unit := settings(t, filepath.Join(dir, "usr/lib/systemd/system", tt.unit))
		for key, want := range map[string]string{
			"Type": "notify", "KillMode": "process", "Restart": "always", "OOMPolicy": "continue", "User": tt.user, "Group": tt.user,
			"WorkingDirectory": tt.data, "AmbientCapabilities": "CAP_NET_BIND_SERVICE", "PrivateTmp": "", "WantedBy": "multi-user.target",
		} {
			if got := unit[key]; got != want {
				t.Errorf("%s: %s=%s, want %q", tt.unit, key, got, want)
			}
		}
		if want := " --config /etc/strata/" + tt.config; !strings.HasPrefix(unit["ExecStart"], "/usr/bin/strata ") || !strings.HasSuffix(unit["ExecStart"], want) {
			t.Errorf("%s: ExecStart=%s, want the packaged binary with%s", tt.unit, unit["ExecStart"], want)
		}
		c, err := config.Load(filepath.Join(dir, "etc/strata", tt.config))
		if err != nil {
			t.Errorf("the packaged configuration: %v", err)
		}
		if c.Data != tt.data {
			t.Errorf("%s: data %s, want %s", tt.config, c.Data, tt.data)
		}
		for file, want := range map[string]string{
			"usr/lib/sysusers.d/" + tt.name + ".conf": "u " + tt.user + " - ",
			"usr/lib/tmpfiles.d/" + tt.name + ".conf": "d " + tt.data + " 075",
		} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || !strings.Contains("\n"+string(text), "\n"+want) {
				t.Errorf("%s: %v; want a line that begins with %q:\n%s", file, err, want, text)
			}
		}
		for _, script := range []string{"postinst", "prerm", "postrm"} {
			run(t, nil, "sh", "-n", filepath.Join("packaging", tt.name, script))
		}
	}
}

// settings returns what a unit sets, of all its sections.
func settings(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = value
		}
	}
	return all
}

// TestVersions holds that a version that dpkg would not take is refused before anything is built.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "1_0", "1-2", "1 0", "a"} {
		cmd := command(t, "packaging/build", t.TempDir(), version)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "digits first") {
			t.Errorf("packaging/build with version %q: %v\n%s", version, err, out)
		}
	}
}
