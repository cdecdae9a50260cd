package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"strata/services/api"
)

// A shell on the worker, as a device: what a job installs goes below @ROOT@.
const shellDevice = `
constants:
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: @ROOT@/lava-%s, lava_test_shell_file: ~/.bashrc}
  shutdown-message: 'The system is going down for reboot NOW'
  kernel-start-message: ''
  default-shell-prompt: 'lava-test: # '
  failure_retry: 1
commands: {connect: "env PS1='shell:# ' bash --norc --noprofile -i", hard_reset: /bin/true, power_off: /bin/true}
actions:
  deploy: {methods: {overlay: , ssh: {identity_file: ''}}, connections: {serial: }}
  boot: {connections: {serial: }, methods: {minimal: }}
`

const groupJob = `
job_name: two that talk
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 3}, connection: {minutes: 2}}
protocols:
  lava-multinode:
    timeout: {minutes: 2}
    roles:
      server: {device_type: shell, count: 1}
      client: {device_type: shell, count: 2}
actions:
- deploy: {role: [server, client], to: overlay, os: debian}
- boot:
    role: [server, client]
    method: minimal
    prompts: ['shell:# ']
    transfer_overlay: {download_command: cd @ROOT@ && busybox wget -q, unpack_command: tar -C / -xzf}
- test:
    role: [server]
    definitions:
    - from: inline
      name: talk
      path: inline/talk.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: talk}
        run:
          steps:
          - test "$(lava-role)" = server && lava-test-case role --result pass
          - test "$(lava-group client | wc -l)" = 2 && lava-test-case group --result pass
          - lava-send ready ip=10.0.0.1 note=abc
          - lava-wait-all hello client
          - lava-sync both
          - lava-wait nobody-sends-this
          - lava-test-case never --result pass
- test:
    role: [client]
    definitions:
    - from: inline
      name: talk
      path: inline/talk.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: talk}
        run:
          steps:
          - lava-wait ready
          - lava-send hello name=$(lava-self)
          - lava-sync both
`

// Of this group the second part fails.
const halfJob = `
job_name: one that fails
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 3}, connection: {minutes: 2}}
protocols:
  lava-multinode:
    timeout: {minutes: 2}
    roles:
      a: {device_type: shell, count: 1}
      b: {device_type: shell, count: 1}
actions:
- deploy: {role: [a, b], to: overlay, os: debian}
- boot:
    role: [a]
    method: minimal
    prompts: ['shell:# ']
    transfer_overlay: {download_command: cd @ROOT@ && busybox wget -q, unpack_command: tar -C / -xzf}
- boot:
    role: [b]
    method: minimal
    prompts: ['shell:# ']
    transfer_overlay: {download_command: 'false', unpack_command: tar -C / -xzf}
- test:
    role: [b]
    definitions:
    - from: inline
      name: never
      path: inline/never.yaml
      repository: {metadata: {format: Lava-Test Test Definition 1.0, name: never}, run: {steps: [ls]}}
`

// TestDocumentedGroup runs the first group of docs/multinode.md, its tests as they stand there, on shells
// instead of machines, and holds that the lab would refuse it where there are too few of them.
func TestDocumentedGroup(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("busybox"); err != nil {
		t.Skipf("SKIPPED: %v (Debian: busybox-static)", err)
	}
	guide := yamlBlocks(t, filepath.Join(workspace(t), "docs", "multinode.md"))[0]
	head, tail, _ := strings.Cut(guide, "actions:\n")
	_, tests, found := strings.Cut(tail, "- test:\n")
	if !found {
		t.Fatalf("no tests in\n%s", guide)
	}
	head = strings.ReplaceAll(strings.ReplaceAll(head, "device_type: qemu", "device_type: shell"), ", context: {arch: amd64}", "")
	_, shells, _ := strings.Cut(groupJob, "actions:\n")
	shells, _, _ = strings.Cut(shells, "- test:\n")
	shells = strings.ReplaceAll(shells, "tar -C / -xzf", "sh @UNPACK@")
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1", "--first-job", ownNumbers(t, 0))
	root := filepath.Join(w.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	w.must(t, "workers", "configure", "w1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	// The shells share one /tmp, which machines do not: each gets a cache of its own.
	unpack := write(t, w.dir, "unpack.sh", `tar -C / -xzf "$1" && own=$(mktemp -d `+root+`/cache-XXXXXX) && tar -tzf "$1" | grep -v '/$' |
while read -r file; do sed -i "s#/tmp/lava_multi_node_cache.txt#$own/cache#g" "/$file"; done
`)
	shells = strings.ReplaceAll(strings.ReplaceAll(shells, "@UNPACK@", unpack), "@ROOT@", "$(mktemp -d)")
	job := write(t, w.dir, "group.yaml", head+"actions:\n"+shells+"- test:\n"+tests)
	for n, name := range []string{"sh1", "sh2", "sh3"} {
		dict := write(t, w.dir, name+".yaml", strings.ReplaceAll(shellDevice, "@ROOT@", root))
		w.must(t, "devices", "add", name, "--type", "shell", "--worker", "w1", "--dict", dict, "--health", "Good")
		if n != 1 {
			continue
		}
		status, text := w.strata(t, "submit", job)
		for _, says := range []string{"roles 'server', 'client' together need 3", "at most 2 can ever be had", "(sh1, sh2)"} {
			if status != exitFailed || !strings.Contains(text, says) {
				t.Errorf("two devices for three jobs: status %d, no %q in\n%s", status, says, text)
			}
		}
	}
	status, text := w.strata(t, "submit", job, "--follow", "--fail-on-test")
	if status != exitOK || strings.Count(text, " is Complete: ") != 3 {
		t.Errorf("the guide's group: status %d\n%s", status, text)
	}
	// They wait for each other, so whoever is shown as it speaks is shown between the others' lines.
	names := regexp.MustCompile(`(?m)^[0-9:.]+ \w+ +(\d+\.\d) \w+: `).FindAllStringSubmatch(text, -1)
	turns := 0
	for i := 1; i < len(names); i++ {
		if names[i][1] != names[i-1][1] {
			turns++
		}
	}
	if turns < 3 {
		t.Errorf("%d lines of three parts, and another part speaks %d times: they are not shown as they come", len(names), turns)
	}
}

// TestMultinode runs a group of three on three shells of the worker: they exchange messages and meet.
// The server then waits for what nobody sends: once the others are over the group says so, and the
// run ends, long before its time is up.
func TestMultinode(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("busybox"); err != nil {
		t.Skipf("SKIPPED: %v (Debian: busybox-static)", err)
	}
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1", "--first-job", ownNumbers(t, 1))
	root := filepath.Join(w.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	w.must(t, "workers", "configure", "w1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	for _, name := range []string{"sh1", "sh2", "sh3"} {
		dict := write(t, w.dir, name+".yaml", strings.ReplaceAll(shellDevice, "@ROOT@", root))
		w.must(t, "devices", "add", name, "--type", "shell", "--worker", "w1", "--dict", dict, "--health", "Good")
	}
	job := write(t, w.dir, "group.yaml", strings.ReplaceAll(groupJob, "@ROOT@", "$(mktemp -d)"))
	receipt := w.must(t, "submit", job)
	number := regexp.MustCompile(`\d+`).FindString(receipt)
	for _, line := range []string{"job " + number + " submitted, a group of 3:", number + ".0 +server ", number + ".2 +client "} {
		if !regexp.MustCompile(line).MatchString(receipt) {
			t.Errorf("strata submit of a group: no %q in\n%s", line, receipt)
		}
	}
	var parts []api.Job
	eventually(t, "all jobs of the group are over", func() bool {
		parts = nil
		for n := range 3 {
			status, text := w.strata(t, "show", number+"."+strconv.Itoa(n), "--json")
			var j api.Job
			if status == exitOK && json.Unmarshal([]byte(text), &j) == nil && j.State == "Finished" && j.Complete {
				parts = append(parts, j)
			}
		}
		return len(parts) == 3
	})
	if text := w.must(t, "show", number); !regexp.MustCompile(`(?s)role +server.*` + number + `\.0 +server +Complete.*` + number + `\.2 +client +Complete`).MatchString(text) {
		t.Errorf("strata show of a group:\n%s", text)
	}
	if text := w.must(t, "jobs", "--json"); strings.Contains(text, `"display":"`+number+`"`) {
		t.Errorf("strata jobs lists the group as one job: %s", text)
	}
	if status, text := w.strata(t, "show", number+".7"); status != exitFailed || !strings.Contains(text, "there is no job "+number+".7") {
		t.Errorf("strata show %s.7: status %d, said %s", number, status, text)
	}
	for command, kind := range map[string]string{"why": "", "events": "job/", "results": "", "logs": ""} {
		if text := w.must(t, command, kind+number+".1"); strings.TrimSpace(text) == "" {
			t.Errorf("strata %s %s%s.1 said nothing", command, kind, number)
		}
	}
	if status, text := w.strata(t, "priority", number+".1", "90"); status != exitFailed || !strings.Contains(text, "job "+number+".1 does not wait") {
		t.Errorf("strata priority of a job that is over: status %d, said %s", status, text)
	}
	if status, text := w.strata(t, "cancel", number+".1", "4242"); status != exitFailed || !strings.Contains(text, "is over already") || !strings.Contains(text, "no job 4242") {
		t.Errorf("strata cancel of a job that is over and of none: status %d, said %s", status, text)
	}
	// Who follows a group hears of each part, and the worst of them counts.
	half := write(t, w.dir, "half.yaml", strings.ReplaceAll(halfJob, "@ROOT@", "$(mktemp -d)"))
	status, text := w.strata(t, "submit", half, "--follow")
	if !regexp.MustCompile(`(?s)job \d+\.0 is Complete.*job \d+\.1 is Incomplete`).MatchString(text) || status != exitFailed {
		t.Errorf("half a group: status %d\n%s", status, lastOf(text))
	}
	heldTogether(t, "submit --follow", text, `\d+\.0 a: `, `\d+\.1 b: `)
	heldTogether(t, "logs --follow", w.must(t, "logs", number, "--follow"), number+`\.0 server: `, number+`\.2 client: `)
	if own := w.must(t, "logs", number+".1", "--follow"); strings.Contains(own, number+".0 server: ") || strings.TrimSpace(own) == "" {
		t.Errorf("logs --follow of one part:\n%s", lastOf(own))
	}
	lines := w.must(t, "logs", number, "--follow", "--json")
	if !strings.Contains(lines, `{"part":"`+number+`.0","role":"server","line":0,`) || !strings.Contains(lines, `{"part":"`+number+`.2","role":"client","line":0,`) {
		t.Errorf("logs --follow --json of a group does not say whose lines they are:\n%s", lastOf(lines))
	}
	for i, p := range parts {
		log := w.must(t, "logs", p.Display)
		if string(p.Health) != "Complete" {
			t.Errorf("job %s is %s: %s\n%s", p.Display, p.Health, p.Error, lastOf(log))
			continue
		}
		results := w.must(t, "results", p.Display)
		want := []string{"role", "group", "multinode-send-ready", "multinode-wait_all-hello", "multinode-sync-both",
			"multinode-wait-nobody-sends-this"}
		if i > 0 {
			want = []string{"multinode-wait-ready", "multinode-send-hello", "multinode-sync-both"}
			if !strings.Contains(log, ":note=abc") {
				t.Errorf("job %s has not heard the note\n%s", p.Display, lastOf(log))
			}
		}
		if strings.Contains(results, "never") {
			t.Errorf("job %s went on after its group was silent\n%s", p.Display, results)
		}
		for _, name := range want {
			verdict := "pass"
			if strings.Contains(name, "nobody") {
				verdict = "fail"
			}
			if !regexp.MustCompile(regexp.QuoteMeta(name) + `\s.*` + verdict).MatchString(results) {
				t.Errorf("job %s: no %s with %s in\n%s\n%s", p.Display, name, verdict, results, lastOf(log))
			}
		}
	}
}

// ownNumbers returns where the lab of the n-th such test begins to number its jobs, n from 0 to 9: shells of the
// worker unpack to /lava-N, where a lab of another test, or of another process, would meet them.
func ownNumbers(t *testing.T, n int) string {
	t.Helper()
	first := (int64(os.Getpid())*10 + int64(n)) * 100
	t.Cleanup(func() {
		for n := first; n < first+100; n++ {
			os.RemoveAll(fmt.Sprintf("/lava-%d", n))
		}
	})
	return strconv.FormatInt(first, 10)
}

// heldTogether holds that two parts of a group were shown, each line under its name.
func heldTogether(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if n := len(regexp.MustCompile(`(?m)^[0-9:.]+ \w+ +`+part).FindAllString(text, -1)); n < 10 {
			t.Errorf("%s: %d lines of %s in\n%s", what, n, part, lastOf(text))
		}
	}
}
