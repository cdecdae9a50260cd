package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/reproduce"
)

// panicking is a console on which a kernel boots and dies.
const panicking = `#!/bin/sh
echo "Linux version 6.1.0"
echo "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
echo "[    1.234999] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---"
while read -r line; do echo "you said $line"; done
`

// bundledJob is a job that downloads a file, takes tests from git, and boots into a panic.
const bundledJobText = `job_name: dies
visibility: public
priority: medium
device_type: board
secrets: {LAB_PASSWORD: hunter22}
timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {seconds: 30}}
actions:
- deploy:
    to: downloads
    images:
      rootfs: {url: "%s/rootfs.img"}
- deploy: {to: overlay}
- boot:
    method: minimal
    prompts: ['# ']
    parameters: {kernel-start-message: Linux version}
    auto_login: {login_prompt: 'login:', username: root}
- test:
    definitions:
    - {name: smoke, from: git, repository: "%s", path: smoke.yaml}
`

// TestBundle runs a job that panics in a lab, keeps it as a bundle, takes its file server and its git
// repository away, and runs it again from the bundle alone.
func TestBundle(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("STRATA_REQUIRE_BOOT") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, reproduction is not tested: there is no git")
	}
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	files := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, strings.Repeat("rootfs", 1000)) }))
	defer files.Close()
	repository := testRepository(t, w.dir)
	console := write(t, w.dir, "console.sh", panicking)
	if err := os.Chmod(console, 0o755); err != nil {
		t.Fatal(err)
	}
	template := write(t, w.dir, "board.jinja2", "{% extends 'u-boot.jinja2' %}\n{% block parameters %}{{ super() }}{% endblock %}\n")
	dictionary := write(t, w.dir, "b1.jinja2", "{% extends 'board.jinja2' %}\n{% set connection_command = '"+console+"' %}\n"+
		"{% set hard_reset_command = '/bin/echo --password=s3cret' %}\n{% set power_off_command = '/bin/true' %}\n")
	w.must(t, "device-types", "configure", "board", "--template", template)
	w.must(t, "devices", "add", "b1", "--type", "board", "--worker", "w1", "--dict", dictionary, "--health", "Good")
	job := write(t, w.dir, "job.yaml", fmt.Sprintf(bundledJobText, files.URL, repository))
	status, text := w.strata(t, "submit", job, "--follow")
	if status != exitFailed || !strings.Contains(text, "Kernel panic - not syncing") {
		t.Fatalf("the job did not panic: status %d\n%s", status, text)
	}
	// The board is another one by now: the bundle has what the job ran with.
	write(t, w.dir, "board.jinja2", "{% extends 'u-boot.jinja2' %}\n{% set baud_rate = 9600 %}\n")
	write(t, w.dir, "b1.jinja2", "{% extends 'board.jinja2' %}\n{% set connection_command = '/bin/false' %}\n")
	w.must(t, "device-types", "configure", "board", "--template", template)
	w.must(t, "devices", "configure", "b1", dictionary)
	bundle := filepath.Join(w.dir, "job.tar")
	if said := w.must(t, "jobs", "bundle", "1", "-o", bundle, "--with-artefacts"); !strings.Contains(said, "1 of 1 downloads, 1 test repositories") {
		t.Errorf("bundle: %s", said)
	} else if strings.Contains(said, "is not the one that the job ran with") {
		t.Errorf("the bundle has another configuration: %s", said)
	}
	// Server and repository go: none of them is asked again.
	files.Close()
	if err := os.RemoveAll(repository); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter22", "s3cret"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the bundle has the secret %q", secret)
		}
	}
	status, text = w.strata(t, "run", bundle, "--cache", "")
	for _, want := range []string{
		"from the bundle", "taking commit ", "same     verdict: fail, Job", "same     failed action: login-action",
		"same     findings: Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
		"1 secrets were taken out of the bundle's device.yaml",
	} {
		if status != exitFailed || !strings.Contains(text, want) {
			t.Errorf("run of the bundle: status %d, no %q in\n%s", status, want, text)
		}
	}
	if strings.Contains(text, "differs") {
		t.Errorf("the run differs:\n%s", text)
	}
	rerun(t, w, bundle)
	// Without the files there is still a bundle, which says what it lacks.
	thin := filepath.Join(w.dir, "thin.tar")
	if status, said := w.strata(t, "jobs", "bundle", "1", "-o", thin); status != exitFailed ||
		!strings.Contains(said, "the tests of "+repository+" at ") || !strings.Contains(said, "1 files that the job fetched are not in "+thin) {
		t.Errorf("bundle without the repository: %d, %s", status, said)
	}
	if status, text := w.strata(t, "jobs", "bundle", "99", "-o", bundle); status != exitFailed || !strings.Contains(text, "no job 99") {
		t.Errorf("bundle of no job: %d, %s", status, text)
	}
}

// rerun runs a bundle on another device, to an earlier end, and with somebody typing at the console.
func rerun(t *testing.T, w *world, bundle string) {
	t.Helper()
	healthy := write(t, w.dir, "healthy.sh", "#!/bin/sh\necho 'Linux version 6.1.0'\nprintf 'login: '\nread -r name\nprintf '# '\n"+
		"while read -r line; do printf '%s\\n# ' \"$line\"; done\n")
	if err := os.Chmod(healthy, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := write(t, w.dir, "mine.jinja2", "{% extends 'u-boot.jinja2' %}\n{% set connection_command = '"+healthy+"' %}\n{% set hard_reset_command = '/bin/true' %}\n")
	status, text := w.strata(t, "run", bundle, "--cache", "", "--device", mine, "--until", "login-action")
	if status != exitOK || !strings.Contains(text, "job was stopped behind login-action, as asked") || strings.Contains(text, "start: 4 ") || !strings.Contains(text, "nothing differs of what it did") {
		t.Errorf("run until login-action on another device: status %d\n%s", status, text)
	}
	if status, text := w.strata(t, "run", bundle, "--until", "nonsense"); status != exitMisuse || !strings.Contains(text, "the plan has no such action") {
		t.Errorf("run until an action that is not there: %d, %s", status, text)
	}
	keys, shown := newKeyboard(), &screen{}
	a := w.app(nil)
	a.in, a.out, a.err = keys, shown, shown
	ended := make(chan int, 1)
	go func() { ended <- a.run(t.Context(), []string{"run", bundle, "--cache", "", "--shell-on-failure"}) }()
	eventually(t, "the device can be typed at", func() bool { return strings.Contains(shown.String(), "the device is as the job left it") })
	keys.types(t, "uname -a\n")
	eventually(t, "the device answers", func() bool { return strings.Contains(shown.String(), "you said uname -a") })
	_ = keys.keys.Close()
	if status := <-ended; status != exitFailed {
		t.Errorf("with a shell on failure: status %d\n%s", status, shown)
	}
	var out bytes.Buffer
	if status := w.app(&out).run(t.Context(), []string{"run", bundle, "--cache", "", "--json"}); status != exitFailed {
		t.Errorf("run --json: status %d", status)
	}
	var last struct {
		Job      uint64
		Compared []reproduce.Difference
	}
	found := false
	for line := range strings.Lines(out.String()) {
		found = found || json.Unmarshal([]byte(line), &last) == nil && len(last.Compared) > 0 && last.Job == 1
	}
	if !found {
		t.Errorf("run --json compares nothing:\n%s", out.String())
	}
}

// testRepository makes a git repository with one test definition.
func testRepository(t *testing.T, dir string) string {
	t.Helper()
	repository := filepath.Join(dir, "tests.git")
	if err := os.Mkdir(repository, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, repository, "smoke.yaml", "metadata: {name: smoke, format: 'Lava-Test Test Definition 1.0', description: d}\nrun: {steps: [lava-test-case here --result pass]}\n")
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "-m", "tests"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = repository
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, said)
		}
	}
	return repository
}
