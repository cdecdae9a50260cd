package dispatcher

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
)

// A docker test runs in a real container: its shell gets the overlay, what the tests report arrives,
// and the container is gone afterwards.
func TestDockerTestShell(t *testing.T) {
	t.Parallel()
	engine := podman(t)
	job := `
timeouts: {job: {minutes: 5}, action: {minutes: 3}, connection: {seconds: 30}}
environment: {OWN: here}
actions:
- test:
    docker: {image: 'localhost/strata-bash:test', local: true}
    definitions:
    - from: inline
      name: inside
      path: inside.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: inside}
        run:
          steps:
          - lava-test-case shell --shell test -n "$BASH_VERSION"
          - lava-test-case variable --shell test "$OWN-$LAVA_BOARD_ID" = here-b1
          - lava-test-case reset --shell test "$LAVA_HARD_RESET_COMMAND" = "pdu off && pdu on"
          - lava-test-case wrong --shell false
`
	device := `
constants: {failure_retry: 1, posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/bash, lava_test_shell_file: null}, spawn_maxread: '4092'}
commands: {hard_reset: [pdu off, pdu on], power_off: /bin/true}
device_info: [{board_id: b1}]
actions: {test: {methods: {docker: {options: ['--network=none', null, ['--memory=256m']]}}}}
`
	log, verdict := runJob(t, Job{
		ID: "31", Definition: []byte(job), Device: []byte(device), Dispatcher: []byte("{dispatcher_ip: 192.0.2.1, container_engine: " + engine + "}"),
		Dir: filepath.Join(t.TempDir(), "31"), Env: os.Environ(),
	})
	if verdict.Health != events.Complete {
		t.Errorf("the job is %s: %s", verdict.Health, verdict.Error)
	}
	got := map[string]string{}
	for _, r := range log {
		var c struct{ Definition, Case, Result string }
		if r.Level == events.Results && json.Unmarshal(r.Message, &c) == nil && c.Definition == "0_inside" {
			got[c.Case] = c.Result
		}
	}
	if want := "map[reset:pass shell:pass variable:pass wrong:fail]"; fmt.Sprint(got) != want {
		t.Errorf("the cases are %v, want %s", got, want)
	}
	if out, err := exec.Command(engine, "ps", "-a", "-q").CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("containers are left: %s, %v", out, err)
	}
}

// Steps of a job work on what was downloaded, in a container, and a later block takes what they made.
func TestPostprocessInContainer(t *testing.T) {
	t.Parallel()
	engine := podman(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "part"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	job := `
timeouts: {job: {minutes: 5}, action: {minutes: 3}, connection: {seconds: 30}}
environment: {WHO: "it's me"}
actions:
- deploy:
    to: downloads
    images: {part: {url: 'file://` + dir + `/part'}}
    postprocess:
      docker: {image: localhost/strata-bash:test, local: true, steps: ['cat part part > whole', 'echo $WHO $LAVA_JOB_ID >> whole', 'chmod 644 whole']}
- deploy:
    to: tmpfs
    images: {whole: {url: 'downloads://whole', image_arg: x}}
- command: {name: show}
`
	device := `
constants: {failure_retry: 1}
commands: {users: {show: {do: "sh -c 'cat ` + dir + `/job/deployimages-*/whole/whole'"}}}
actions: {deploy: {methods: {image: }}}
`
	log, verdict := runJob(t, Job{
		ID: "32", Definition: []byte(job), Device: []byte(device), Dispatcher: []byte("{dispatcher_ip: 192.0.2.1, container_engine: " + engine + "}"),
		Dir: filepath.Join(dir, "job"), Env: os.Environ(),
	})
	if verdict.Health != events.Complete {
		t.Errorf("the job is %s: %s", verdict.Health, verdict.Error)
	}
	found := false
	for _, r := range log {
		found = found || string(r.Message) == `">> halfhalfit's me 32"`
	}
	if !found {
		t.Error("the file that the steps made is not what the later block has")
	}
}

// podman returns a program that runs podman with a store of the test's own, in which there is an
// image with bash. It skips the test where there is no podman.
func podman(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"podman", "runc", "busybox"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED: %s is not installed", name)
		}
	}
	dir := t.TempDir()
	// Machines without the right to raise limits are common in tests.
	files := map[string]string{
		"containers.conf": "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n[engine]\nruntime = \"runc\"\n",
		"podman": "#!/bin/sh\nunset DOCKER_CONFIG\nexport CONTAINERS_CONF=" + dir + "/containers.conf\n" +
			"case \" $* \" in *--network*) ;; *' run '*) shift; set -- run --network=none \"$@\" ;; esac\n" + // no bridge on this machine
			"exec podman --root " + dir + "/store --runroot " + dir + "/run --cgroup-manager=cgroupfs \"$@\"\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	engine := filepath.Join(dir, "podman")
	load := exec.Command(engine, "import", "-", "localhost/strata-bash:test")
	load.Stdin = bashImage(t)
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: podman cannot import an image here: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(engine, "rm", "-f", "-a").CombinedOutput(); err != nil {
			t.Logf("remove containers: %v\n%s", err, out)
		}
		// The store may be mounted onto itself.
		_ = exec.Command("umount", "-l", filepath.Join(dir, "store", "overlay")).Run()
	})
	if out, err := exec.Command(engine, "run", "--rm", "--network=none", "localhost/strata-bash:test", "bash", "-c", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: podman cannot run a container here: %v\n%s", err, out)
	}
	return engine
}

// bashImage makes the tar of a root file system: this machine's bash with its libraries, and busybox
// for everything else.
func bashImage(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name, file string) {
		text, err := os.ReadFile(file)
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))})
		}
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"proc/", "sys/", "dev/", "tmp/", "etc/", "root/"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	put("bin/busybox", box)
	applets, err := exec.Command(box, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(applets)) {
		if name == "bash" || name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}); err != nil {
			t.Fatal(err)
		}
	}
	put("bin/bash", "/bin/bash")
	libraries, err := exec.Command("ldd", "/bin/bash").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			put(strings.TrimPrefix(word, "/"), word)
		}
	}
	if err := errors.Join(w.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}
