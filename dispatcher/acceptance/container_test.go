package acceptance

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// image is what the tests' engines have: bash, and busybox for everything else.
const image = "localhost/strata-bash:test"

// engines are the programs that run containers, each with a store of its own.
var engines = []struct {
	name string
	make func(t *testing.T) string // returns the program
	slow bool
}{
	{"podman", podman, false},
	{"docker at podman's socket", dockerCommand, true},
}

// A container is the device: its shell runs the tests, and it is gone afterwards.
func TestContainerAsDevice(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if e.slow {
				dispatchertest.Slow(t)
			}
			engine := e.make(t)
			got := run(t, job{id: "30", definition: text(t, "testdata/container-job.yaml"), device: text(t, "testdata/container-device.jinja2"),
				dispatcher: "{dispatcher_ip: 192.0.2.1, container_engine: " + engine + "}",
				values:     map[string]string{"IMAGE": image}})
			got.wantComplete(t)
			if cases, want := got.cases(t, "0_inside"), "root:pass host:pass memory:pass wrong:fail"; cases != want {
				t.Errorf("the cases are %s, want %s\n%s", cases, want, got.text())
			}
			got.wantText(t, "Using local docker image '"+image+"'", "lava-30-")
			wantNoContainers(t, engine)
		})
	}
}

// Of docker and podman, the one that works is taken: a docker without a daemon is not.
func TestContainerEngineThatWorks(t *testing.T) {
	engine := podman(t)
	dir := t.TempDir()
	if err := os.Symlink(engine, filepath.Join(dir, "podman")); err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(dir, "docker"), "#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	got := run(t, job{id: "30", definition: text(t, "testdata/container-job.yaml"), device: text(t, "testdata/container-device.jinja2"),
		dispatcher: "dispatcher_ip: 192.0.2.1", values: map[string]string{"IMAGE": image}})
	got.wantComplete(t)
	got.wantText(t, "Calling: ['"+filepath.Join(dir, "podman")+"', 'image', 'inspect'")
}

// An image that nobody has ends the job, which asked for it.
func TestContainerImageMissing(t *testing.T) {
	t.Parallel()
	got := run(t, job{definition: text(t, "testdata/container-job.yaml"), device: text(t, "testdata/container-device.jinja2"),
		dispatcher: "{dispatcher_ip: 192.0.2.1, container_engine: " + podman(t) + "}",
		values:     map[string]string{"IMAGE": "127.0.0.1:1/nobody:none"}})
	got.wantError(t, events.JobError, "Unable to pull docker image '127.0.0.1:1/nobody:none'")
}

// A docker test runs in a real container: its shell gets the overlay, what the tests report arrives,
// and the container is gone afterwards.
func TestDockerTestShell(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if e.slow {
				dispatchertest.Slow(t)
			}
			engine := e.make(t)
			got := run(t, job{id: "31", definition: text(t, "testdata/container-test-job.yaml"), device: text(t, "testdata/container-test-device.yaml"),
				dispatcher: "{dispatcher_ip: 192.0.2.1, container_engine: " + engine + "}",
				values:     map[string]string{"IMAGE": image}})
			got.wantComplete(t)
			if cases, want := got.cases(t, "0_inside"), "shell:pass variable:pass reset:pass wrong:fail"; cases != want {
				t.Errorf("the cases are %s, want %s\n%s", cases, want, got.text())
			}
			files, bodies := got.files(t) // one as the helper left it, one as the job names it
			if len(files) != 2 || files[0].Case != "shell" || files[1].Case != "wrong" || files[1].Suite != "0_inside" || string(bodies[0]) != "made\n" || string(bodies[1]) != "made\n" {
				t.Errorf("kept %q as %+v\n%s", bodies, files, got.text())
			}
			if !strings.Contains(got.text(), "STRATA_FILE LEFT") {
				t.Error("the file did not come through the folder that the container shares")
			}
			wantNoContainers(t, engine)
		})
	}
}

// Steps of a job work on what was downloaded, in a container, and a later block takes what they made.
// They get /dev/kvm where there is one, which docker's client cannot ask podman's socket for.
func TestPostprocessInContainer(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	if err := os.WriteFile(filepath.Join(site, "part"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := run(t, job{id: "32", definition: text(t, "testdata/container-steps-job.yaml"), device: text(t, "testdata/container-steps-device.yaml"),
		dispatcher: "{dispatcher_ip: 192.0.2.1, container_engine: " + podman(t) + "}",
		values:     map[string]string{"IMAGE": image, "SITE": serve(t, site), "DIR": filepath.Dir(t.TempDir())}})
	got.wantComplete(t)
	got.wantText(t, `">> halfhalfit's me 32"`)
}

// podman returns a program that runs podman with a store of the test's own, in which there is an
// image. It skips the test where podman cannot run containers.
func podman(t *testing.T) string {
	t.Helper()
	dispatchertest.Need(t, "podman:podman", "runc:runc", "catatonit:catatonit", "busybox:busybox-static", "bash:bash", "ldd:libc-bin")
	program, err := exec.LookPath("podman")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "podman") // not the test's: the names of sockets in it are short
	if err != nil {
		t.Fatal(err)
	}
	// Machines without the right to raise limits are common in tests.
	script(t, filepath.Join(dir, "containers.conf"), `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
`)
	engine := filepath.Join(dir, "podman")
	script(t, engine, "#!/bin/sh\nunset DOCKER_CONFIG\nexport CONTAINERS_CONF="+dir+"/containers.conf\n"+noBridge+
		"exec "+program+" --root "+dir+"/store --runroot "+dir+"/run --cgroup-manager=cgroupfs \"$@\"\n")
	t.Cleanup(func() {
		if out, err := exec.Command(engine, "rm", "-f", "-a").CombinedOutput(); err != nil {
			t.Logf("remove containers: %v\n%s", err, out)
		}
		// The store may be mounted onto itself.
		_ = exec.Command("umount", "-l", filepath.Join(dir, "store", "overlay")).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the store: %v", err)
		}
	})
	load := exec.Command(engine, "import", "-", image)
	load.Stdin = bashImage(t)
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: podman cannot import an image here: %v\n%s", err, out)
	}
	if out, err := exec.Command(engine, "run", "--rm", image, "bash", "-c", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: podman cannot run a container here: %v\n%s", err, out)
	}
	return engine
}

// noBridge are lines of a script that run containers without a network unless one is named: the
// engine's bridge would stay on the machine.
const noBridge = `case " $* " in *' --network'*) ;; 'run '*|' run '*) shift; set -- run --network=none "$@" ;; esac
`

// dockerCommand returns a program that runs docker's own client at the socket of a podman.
func dockerCommand(t *testing.T) string {
	t.Helper()
	client := debian{arch: "amd64", names: "docker.io"}.unpack(t, "docker-amd64")
	engine, dir := podman(t), t.TempDir()
	socket := filepath.Join(dir, "podman.sock")
	daemon(t, func() bool { _, err := os.Stat(socket); return err == nil }, engine, "system", "service", "-t", "0", "unix://"+socket)
	docker := filepath.Join(dir, "docker")
	script(t, docker, "#!/bin/sh\nunset DOCKER_CONFIG\nexport DOCKER_HOST=unix://"+socket+"\n"+noBridge+"exec "+client+"/usr/bin/docker \"$@\"\n")
	return docker
}

// script writes a file that can be run.
func script(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// wantNoContainers says which containers are left.
func wantNoContainers(t *testing.T, engine string) {
	t.Helper()
	if out, err := exec.Command(engine, "ps", "-a", "-q").CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("containers are left: %s, %v", out, err)
	}
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
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}
