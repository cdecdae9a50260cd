package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	device := data(t, `
hostname: sim01
devicetype: sim
environment: {FOO: bar, COUNT: 3, UP: true, DOWN: false, NOTHING: null}
device_info: [{board_id: abc}, {board_id: "a b"}]
static_info: [{probe: {ip: 10.0.0.1}}]
storage_info: null
`)
	job := data(t, `environment: {JOBVAR: "x 'y'", FOO: baz}`)
	var got strings.Builder
	for _, g := range Environment(device, job, Facts{Job: "42", DispatcherIP: "192.0.2.1", Tags: []string{"a", "b"}}) {
		got.WriteString("# " + g.Title + "\n")
		for _, v := range g.Variables {
			got.WriteString(v.Line() + "\n")
		}
	}
	want := `# environment
export FOO=bar
export COUNT=3
export UP=1
export DOWN=0
export NOTHING=''
# device_info
export LAVA_DEVICE_INFO_0_board_id=abc
export LAVA_DEVICE_INFO_1_board_id='a b'
# static_info
export LAVA_STATIC_INFO_0_probe_ip=10.0.0.1
# job environment
export JOBVAR='x '"'"'y'"'"''
export FOO=baz
# LAVA metadata
export LAVA_JOB_ID=42
export LAVA_DISPATCHER_IP=192.0.2.1
export LAVA_JOB_TAGS=a,b
export LAVA_DISPATCHER_PREFIX=''
export LAVA_DEVICE_HOSTNAME=sim01
export LAVA_DEVICE_TYPE=sim
`
	if got.String() != want {
		t.Errorf("environment:\n got %s\nwant %s", got.String(), want)
	}
}

// A shell reads back what was put in.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain-1.0_x", "a b", `it's "quoted" $HOME`, "*", "tab\tend", "ünïcode", "a;b", `back\slash`} {
		got, err := exec.Command("/bin/sh", "-c", "printf %s "+Quote(s)).Output()
		if err != nil || string(got) != s {
			t.Errorf("Quote(%q) = %s: the shell reads %q, error %v", s, Quote(s), got, err)
		}
	}
}

func TestRunScript(t *testing.T) {
	t.Parallel()
	d := Definition{
		Name: "0_smoke", Dir: "/lava-42/0/tests/0_smoke",
		File: data(t, `
params: {Q: def, P: lost}
parameters: {R: 1}
run: {steps: ["echo $1", "lava-test-case a --shell echo $1 $12 ${1}", null, "x --cmd $2"]}
`),
		Job: data(t, `{name: smoke, parameters: {P: "from job"}, params: {S: null, T: true}}`),
	}
	want := `# defaults of the test definition
Q='def'
P='lost'
R='1'
#
# parameters of the job
P='from job'
S=''
T='True'
#
set -e
set -x
export TESTRUN_ID=0_smoke
cd /lava-42/0/tests/0_smoke
UUID="$(cat uuid)"
set +x
echo "<LAVA_SIGNAL_STARTRUN $TESTRUN_ID $UUID>"
set -x
echo $1
lava-test-case a --shell echo \$1 \$12 ${1}
x --cmd \$2
set +x
echo "<LAVA_SIGNAL_ENDRUN $TESTRUN_ID $UUID>"
`
	if got := d.RunScript(0); got != want {
		t.Errorf("run.sh:\n got %s\nwant %s", got, want)
	}
}

func TestRunScriptThroughTheKernelLog(t *testing.T) {
	t.Parallel()
	d := Definition{Name: "0_k", Dir: "/d", File: data(t, "run: {steps: [true]}"), Job: data(t, "lava-signal: kmsg")}
	got := d.RunScript(500 * time.Millisecond)
	for _, want := range []string{
		"# USE_KMSG\nexport KMSG=true\nset -e\n",
		"export CHARACTER_DELAY=0.5\nsleep 0.5\necho \"<0><LAVA_SIGNAL_STARTRUN $TESTRUN_ID $UUID>\" > /dev/kmsg\n",
		"set +x\nsleep 0.5\necho \"<0><LAVA_SIGNAL_ENDRUN $TESTRUN_ID $UUID>\" > /dev/kmsg\nunset KMSG\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("run.sh has no %q:\n%s", want, got)
		}
	}
}

// The script as a shell runs it: it ends where a step fails, without the signal of its end.
func TestRunScriptRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "uuid"), []byte("42_1.1"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ steps, want string }{
		{`[echo one, "echo $P"]`, "<LAVA_SIGNAL_STARTRUN 0_x 42_1.1>\none\nhello\n<LAVA_SIGNAL_ENDRUN 0_x 42_1.1>\n"},
		{`[echo one, "false", echo two]`, "<LAVA_SIGNAL_STARTRUN 0_x 42_1.1>\none\n"},
	} {
		d := Definition{Name: "0_x", Dir: dir, File: data(t, "run: {steps: "+tt.steps+"}"), Job: data(t, "parameters: {P: hello}")}
		cmd := exec.Command("/bin/sh", "-c", d.RunScript(0))
		out, _ := cmd.Output() // the exit status is part of the story
		if string(out) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.steps, out, tt.want)
		}
	}
}

func TestInstallScript(t *testing.T) {
	t.Parallel()
	file := data(t, `
params: {Q: def}
install:
  keys: [k1, k2]
  sources: ["ppa:x/y"]
  deps: [curl, git]
  deps-debian: [dpkg-dev]
  git-repos: [https://example.com/r.git]
  steps: [make, make install]
`)
	const head = "# defaults of the test definition\nQ='def'\n#\n# parameters of the job\n#\n"
	const tail = "cd /d\npwd\n"
	tests := []struct {
		name, job, distro, want string
	}{
		{"everything", "{}", "debian", "lava-add-keys k1\nlava-add-keys k2\nlava-add-sources ppa:x/y\n" +
			"lava-install-packages curl git dpkg-dev\n" + tail + "make\nmake install\n"},
		{"another distribution", "{}", "fedora", "lava-add-keys k1\nlava-add-keys k2\nlava-add-sources ppa:x/y\n" +
			"lava-install-packages curl git\n" + tail + "make\nmake install\n"},
		{"without dependencies", "skip_install: [deps, keys]", "debian", "lava-add-sources ppa:x/y\n" + tail + "make\nmake install\n"},
		{"nothing", "skip_install: [all]", "debian", tail},
	}
	for _, tt := range tests {
		d := Definition{Name: "0_x", Dir: "/d", File: file, Job: data(t, tt.job)}
		got, ok := d.InstallScript(tt.distro)
		if !ok || got != head+tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, head+tt.want)
		}
	}
	if _, ok := (Definition{File: data(t, "run: {}")}).InstallScript(""); ok {
		t.Error("a definition without an install section has an install script")
	}
}

func TestNumberAndFind(t *testing.T) {
	t.Parallel()
	job := data(t, `[{definitions: [{name: a}, {name: b}]}, {monitors: []}, {definitions: [{name: a}]}]`).Items()
	names := Number(job)
	if got := strings.Join(names[0], " ") + "|" + strings.Join(names[2], " "); got != "0_a 1_b|2_a" {
		t.Errorf("names: %s", got)
	}
	own, stage, ok := Find(job, job[2].With("stage", pipeline.Of(9)))
	if !ok || stage != 1 || strings.Join(own, " ") != "2_a" {
		t.Errorf("found %v at stage %d (%v), want [2_a] at stage 1", own, stage, ok)
	}
	if _, _, ok := Find(job, data(t, "definitions: [{name: a}]")); ok {
		t.Error("found a block that is not among them")
	}
}
