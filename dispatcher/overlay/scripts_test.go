package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// shells are those that the helpers must run under.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, argv := range map[string][]string{"dash": {"dash"}, "busybox": {"busybox", "sh"}, "bash": {"bash"}, "mksh": {"mksh"}} {
		if path, err := exec.LookPath(argv[0]); err == nil {
			found[name] = append([]string{path}, argv[1:]...)
		}
	}
	if len(found) == 0 {
		t.Skip("none of dash, busybox, bash and mksh is installed")
	}
	return found
}

func TestHelpers(t *testing.T) {
	const usage = "Usage:"
	tests := []struct {
		name   string
		line   string
		want   string // all that is printed; usage stands for any text that begins so
		status int
	}{
		{"case that passes", "lava-test-case a --shell true",
			"<LAVA_SIGNAL_STARTTC a>\n<LAVA_SIGNAL_ENDTC a>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n", 0},
		{"case that fails", "lava-test-case a --shell false",
			"<LAVA_SIGNAL_STARTTC a>\n<LAVA_SIGNAL_ENDTC a>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=fail>\n", 0},
		{"case of a shell line", `lava-test-case a --shell "echo one; echo two | tr t T; exit 3"`,
			"<LAVA_SIGNAL_STARTTC a>\none\nTwo\n<LAVA_SIGNAL_ENDTC a>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=fail>\n", 0},
		{"case of separate words", `lava-test-case a --shell echo 'one;  two' "three four"`,
			"<LAVA_SIGNAL_STARTTC a>\none;  two three four\n<LAVA_SIGNAL_ENDTC a>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n", 0},
		{"case of an unknown command", "lava-test-case a --shell /nonexistent 2>/dev/null",
			"<LAVA_SIGNAL_STARTTC a>\n<LAVA_SIGNAL_ENDTC a>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=fail>\n", 0},
		{"result", "lava-test-case b --result pass", "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=pass>\n", 0},
		{"order of fields", "lava-test-case b --measurement 1.5 --units s --result skip",
			"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=skip UNITS=s MEASUREMENT=1.5>\n", 0},
		{"result is not checked", "lava-test-case b --result nope", "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=nope>\n", 0},
		{"output", "echo said >f; lava-test-case b --result pass --output f",
			"<LAVA_SIGNAL_STARTTC b>\nsaid\n<LAVA_SIGNAL_ENDTC b>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=b RESULT=pass>\n", 0},
		{"no result", "lava-test-case b --units s", usage, 1},
		{"no case", "lava-test-case", usage, 1},
		{"unknown option", "lava-test-case b --result pass --colour red", usage, 1},
		{"option without a value", "lava-test-case b --result", usage, 1},
		{"shell without a command", "lava-test-case b --shell", usage, 1},
		{"set", "lava-test-set start s1; lava-test-set stop", "<LAVA_SIGNAL_TESTSET START s1>\n<LAVA_SIGNAL_TESTSET STOP>\n", 0},
		{"set without a name", "lava-test-set start", usage, 1},
		{"reference", "lava-test-reference c --result fail --reference http://x/y", "<LAVA_SIGNAL_TESTREFERENCE c fail http://x/y>\n", 0},
		{"reference without a url", "lava-test-reference c --result fail", usage, 1},
		{"raise", "lava-test-raise no  disk found", "<LAVA_SIGNAL_TESTRAISE no disk found>\n", 1},
		{"raise nothing", "lava-test-raise", usage, 1},
		{"event", "lava-test-event 'hello there'", "<LAVA_SIGNAL_TESTEVENT hello there>\n", 0},
		{"event of two words", "lava-test-event hello there", usage, 1},
		{"file", "printf 'one\\ntwo' >f; lava-test-artifact f --case boot --kind tap | sed 's, /.*/f>, DIR/f>,'",
			"<STRATA_FILE BEGIN base64 7 4292679421 tap boot DIR/f>\n<STRATA_FILE 1 b25lCnR3bw==>\n<STRATA_FILE END base64 7 4292679421 tap boot DIR/f>\n", 0},
		{"file again as digits", "printf 'one\\ntwo' >f; lava-test-artifact --again f hex ''", "<STRATA_FILE 1 6f6e650a74776f>\n<STRATA_FILE END f>\n", 0},
		{"file again", "seq 1 60 >f; lava-test-artifact --again f base64 2", "<STRATA_FILE 2 MjMKMjQKMjUKMjYKMjcKMjgKMjkKMzAKMzEKMzIKMzMKMzQKMzUKMzYKMzcKMzgKMzkKNDAKNDEK>\n<STRATA_FILE END f>\n", 0},
		{"no file", "lava-test-artifact none", "lava-test-artifact: none is not a file that can be read\n", 1},
		{"file of an unknown kind", "lava-test-artifact f --kind html", usage, 1},
		{"feedback", "lava-test-feedback --namespace dut", "<LAVA_SIGNAL_TESTFEEDBACK dut>\n", 0},
		{"feedback without a namespace", "lava-test-feedback", usage, 1},
		{"character delay", "sleep() { :; }; CHARACTER_DELAY=0; export CHARACTER_DELAY; lava-test-set stop", "<LAVA_SIGNAL_TESTSET STOP>\n", 0},
		{"address", "lava-target-ip; lava-target-mac", "10.0.0.9\n52:54:00:00:00:01\n", 0},
		{"probe", "lava-probe-ip; lava-probe-channel", "10.0.0.2\n3\n", 0},
		{"storage", "lava-target-storage", "\tUMS\t/dev/disk/by-id/u\n\tSATA\t/dev/sda\n\tSATA\t/dev/sdb\n", 0},
		{"storage of a method", "lava-target-storage SATA", "/dev/sda\n/dev/sdb\n", 0},
		{"storage that is not there", "lava-target-storage NVME", "", 1},
		{"address of an interface", "ifconfig() { :; }; lava-echo-ipv4 lo", "127.0.0.1\n", 0},
		{"address of no interface", "lava-echo-ipv4 none0", "", 1},
		{"background", "lava-background-process-start bg --cmd echo tick; lava-background-process-stop bg", "", 0},
		{"background that nobody started", "lava-background-process-stop bg", "lava-background-process-stop: no process bg was started\n", 1},
		{"packages", "lava-install-packages a b", "lava-install-packages: no package manager is known for this system, skipping: a b\n", 0},
	}
	device := data(t, `
parameters: {interfaces: {target: {ip: 10.0.0.9, mac: '52:54:00:00:00:01'}}}
storage_info: [{UMS: /dev/disk/by-id/u}, {SATA: [/dev/sda, /dev/sdb]}]
static_info: [{probe_ip: 10.0.0.1}, {probe_ip: 10.0.0.2, probe_channel: 3}]
`)
	for shell, argv := range shells(t) {
		bin := install(t, strings.Join(argv, " "), "", device)
		for _, tt := range tests {
			t.Run(shell+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				if strings.Contains(tt.line, "echo-ipv4 lo") {
					if _, err := exec.LookPath("ip"); err != nil {
						t.Skip("ip is not installed")
					}
				}
				dir := t.TempDir()
				got, status := run(t, argv, dir, tt.line, "PATH="+bin+":"+os.Getenv("PATH"), "LAVA_RESULT_DIR="+dir)
				if tt.name == "background" {
					got = strings.ReplaceAll(got, "tick\n", "")
				}
				if tt.want == usage && strings.HasPrefix(got, usage) {
					got = usage
				}
				if got != tt.want || status != tt.status {
					t.Errorf("%s:\n got %q, status %d\nwant %q, status %d", tt.line, got, status, tt.want, tt.status)
				}
			})
		}
	}
}

func TestTestCaseKeepsItsResult(t *testing.T) {
	t.Parallel()
	argv := []string{"/bin/sh"}
	bin, dir := install(t, "/bin/sh", "", pipeline.Data{}), t.TempDir()
	run(t, argv, dir, "lava-test-case b --result pass --measurement 1.5 --units s", "PATH="+bin+":"+os.Getenv("PATH"), "LAVA_RESULT_DIR="+dir)
	for name, want := range map[string]string{"result": "pass\n", "measurement": "1.5\n", "units": "s\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, "results", "b", name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
}

// The runner's whole protocol, with a definition whose installation fails and one that stops in
// the middle.
func TestRunner(t *testing.T) {
	for shell, argv := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			bin, stage := install(t, strings.Join(argv, " "), "", pipeline.Data{}), t.TempDir()
			scripts := map[string]string{
				"0_bad/install.sh": "exit 3\n",
				"0_bad/run.sh":     "echo never\n",
				"1_ok/install.sh":  "false\necho installed\n",
				"1_ok/run.sh":      "echo in $LAVA_RESULT_DIR\nlava-test-case a --result pass\nfalse\necho never\n",
				"2_last/run.sh":    "echo last\n",
			}
			conf := "<LAVA_SIGNAL_ODD line>\n"
			for _, name := range []string{"0_bad", "1_ok", "2_last"} {
				conf += filepath.Join(stage, "tests", name) + "\n"
			}
			scripts["../lava-test-runner.conf"] = conf
			for name, text := range scripts {
				file := filepath.Join(stage, "tests", name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			line := filepath.Join(bin, "lava-test-runner") + " " + stage
			shellEnv := "SHELL=/bin/sh"
			got, _ := run(t, argv, stage, line, "PATH="+os.Getenv("PATH"), shellEnv)
			got = regexp.MustCompile(`in .*/results/1_ok-\d+`).ReplaceAllString(got, "in RESULTS")
			want := "<LAVA_TEST_RUNNER INSTALL_FAIL>\n<STRATA_SUM 0_bad 0 4294967295 install>\n" +
				"installed\nin RESULTS\n<STRATA_NEXT 1_ok 1 49>\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>\n<STRATA_SUM 1_ok 1 2785336184 1>\n" +
				"last\n<STRATA_SUM 2_last 0 4294967295 0>\n<LAVA_TEST_RUNNER EXIT>\n"
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			for pattern, content := range map[string]string{
				"results/0_bad-*/install_return_code": "3\n",
				"results/1_ok-*/return_code":          "1\n",
				"results/2_last-*/return_code":        "0\n",
				"lava-test-runner.conf-*":             conf,
			} {
				files, err := filepath.Glob(filepath.Join(stage, pattern))
				if err != nil || len(files) != 1 {
					t.Fatalf("%s: files %v, error %v", pattern, files, err)
				}
				if text, err := os.ReadFile(files[0]); err != nil || string(text) != content {
					t.Errorf("%s: %q, error %v, want %q", pattern, text, err, content)
				}
			}
			// What a run signalled can be asked for again.
			list := filepath.Join(bin, "lava-test-signals") + " " + filepath.Join(stage, "signals", "1_ok")
			all := "<STRATA_LIST 1 2785336184 49 TESTCASE TEST_CASE_ID=a RESULT=pass>\n<STRATA_LIST END 1>\n"
			for args, want := range map[string]string{"": all, " 1": all, " 2 3": "<STRATA_LIST END 1>\n"} {
				if got, _ := run(t, argv, stage, list+args, "PATH="+os.Getenv("PATH")); got != want {
					t.Errorf("list%s:\n got %q\nwant %q", args, got, want)
				}
			}
			// After a reboot nothing runs twice, and the dispatcher still hears the end.
			if again, _ := run(t, argv, stage, line, "PATH="+os.Getenv("PATH"), shellEnv); again != "<LAVA_TEST_RUNNER EXIT>\n" {
				t.Errorf("second start: %q", again)
			}
		})
	}
}

func TestDebianInstallTriesFiveTimes(t *testing.T) {
	t.Parallel()
	bin := install(t, "/bin/sh", "ubuntu", pipeline.Data{})
	fakes, dir := t.TempDir(), t.TempDir()
	for name, body := range map[string]string{
		"apt-get": "#!/bin/sh\necho \"apt-get $*\"\n[ \"$1\" = update ] || exit 100\n",
		"sleep":   "#!/bin/sh\necho \"sleep $1\"\n",
	} {
		if err := os.WriteFile(filepath.Join(fakes, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, status := run(t, []string{"/bin/sh"}, dir, "lava-install-packages curl", "PATH="+bin+":"+fakes+":"+os.Getenv("PATH"))
	if n := strings.Count(got, "apt-get install -q -y curl"); n != 5 || status != 100 {
		t.Errorf("%d tries, status %d, want 5 and the status of apt-get:\n%s", n, status, got)
	}
	if n := strings.Count(got, "sleep 60"); n != 4 {
		t.Errorf("%d pauses of 60 s, want 4:\n%s", n, got)
	}
}

// Every helper of every distribution is a script that shells can read.
func TestScriptsParse(t *testing.T) {
	t.Parallel()
	for _, distro := range []string{"", "android", "apertis", "archlinux", "centos", "debian", "fedora", "lede", "oe", "qnx", "slackware", "ubuntu"} {
		bin := install(t, "/bin/sh", distro, pipeline.Data{})
		for shell, argv := range shells(t) {
			files, err := filepath.Glob(filepath.Join(bin, "*"))
			if err != nil || len(files) < 22 {
				t.Fatalf("%s: %d helpers, error %v", distro, len(files), err)
			}
			for _, file := range files {
				if text, status := run(t, append(append([]string(nil), argv...), "-n", file), bin, ""); status != 0 {
					t.Errorf("%s, %s, %s: %s", distro, shell, filepath.Base(file), text)
				}
			}
		}
	}
}

func TestScriptsOfADistribution(t *testing.T) {
	t.Parallel()
	list, err := Scripts("/bin/bash", "debian", pipeline.Data{})
	if err != nil {
		t.Fatal(err)
	}
	var variants []string
	for _, s := range list {
		if s.Distro != "" {
			variants = append(variants, s.Name)
		}
		if !strings.HasPrefix(s.Body, "#!/bin/bash\n\n") {
			t.Errorf("%s begins with %.30q", s.Name, s.Body)
		}
	}
	want := "lava-add-keys lava-add-sources lava-install-packages lava-installed-packages lava-os-build"
	if got := strings.Join(variants, " "); got != want {
		t.Errorf("helpers of debian: got %s, want %s", got, want)
	}
}

// install writes the helpers and returns their directory.
func install(t *testing.T, shell, distro string, device pipeline.Data) string {
	t.Helper()
	list, err := Scripts(shell, distro, device)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, s := range list {
		if err := writeFile(filepath.Join(bin, s.Name), s.Body, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// run runs a line in a shell, or the argv alone where the line is empty, and returns what it
// printed and its exit status.
func run(t *testing.T, argv []string, dir, line string, env ...string) (string, int) {
	t.Helper()
	if line != "" {
		argv = append(append([]string(nil), argv...), "-c", line)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(env, "LC_ALL=C")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatalf("%v: %v", argv, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func data(t testing.TB, text string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
