package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/schemas/yaml"
	"strata/services/api"
)

// TestLavacli runs lavacli, LAVA's own client, as Debian ships it, with every sub-command against a lab, and
// holds what it prints against what it printed to a LAVA server where that was recorded.
func TestLavacli(t *testing.T) {
	t.Parallel()
	needLavacli(t)
	needEngine(t)
	l := newGoldenLab(t)
	for _, step := range lavacliSteps() {
		l.take(t, step)
	}
	l.squad(t)
}

// TestLavacliEvents shows that lavacli hears of what happens, by websocket and by ZeroMQ. It comes without a
// name for that, so the lab is one that everybody may look at.
func TestLavacliEvents(t *testing.T) {
	t.Parallel()
	needLavacli(t)
	w := newWorld(t)
	config := write(t, w.dir, "strata.yaml", "listen: {events: '"+freePort(t)+"'}\n")
	_, r := w.up(t, "--config", config, "--data", filepath.Join(w.dir, "lab"))
	w.must(t, "devices", "add", "qemu-01", "--type", "qemu")
	c, done, err := w.app(&bytes.Buffer{}).client()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := c.Call(t.Context(), "permissions.open", api.OpenRequest{Open: true}, nil); err != nil {
		t.Fatal(err)
	}
	w.must(t, "workers", "register", "w1")
	for _, tt := range []struct{ args, hears, right string }{
		{"events listen --filter device", "org.lavasoftware.device", "[qemu-01] <qemu> state=Idle health="},
		{"events wait device qemu-01 --health MAINTENANCE", "", ""}, // its end says that it has heard
		{"events wait worker w1 --health MAINTENANCE", "", ""},
		// It compares the number with the text that it was given, so it waits for ever, also of a LAVA.
		{"events wait job 1", "Listening to ", "Listening to tcp://127.0.0.1:"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, "lavacli", append([]string{"--uri", rpcAddress(t, r)}, strings.Fields(tt.args)...)...)
		cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+filepath.Join(w.dir, "config"), "PYTHONUNBUFFERED=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		heard := make(chan bool, 1)
		go func() {
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if tt.hears != "" && strings.Contains(lines.Text(), tt.hears) {
					heard <- strings.Contains(lines.Text(), tt.right)
					return
				}
			}
			heard <- tt.hears == ""
		}()
		// Nobody tells when it has begun to listen: the health changes until it has heard of it.
		right, health := false, "Good"
		eventually(t, "lavacli "+tt.args+" hears of the device", func() bool {
			w.must(t, "devices", "health", "qemu-01", health)
			w.must(t, "workers", "health", "w1", map[string]string{"Good": "Active", "Maintenance": "Maintenance"}[health])
			health = map[string]string{"Good": "Maintenance", "Maintenance": "Good"}[health]
			select {
			case right = <-heard:
				return true
			default:
				return false
			}
		})
		if tt.hears != "" {
			cancel() // it listens for ever
		}
		if err := cmd.Wait(); !right || tt.hears == "" && err != nil {
			t.Errorf("lavacli %s: ended with %v, and heard the right thing: %v", tt.args, err, right)
		}
		cancel()
	}
}

// needLavacli skips a test where lavacli is not installed.
func needLavacli(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("lavacli"); err != nil {
		if os.Getenv("STRATA_REQUIRE_BOOT") != "" {
			t.Fatal("lavacli is not installed")
		}
		t.Skip("SKIPPED, NOT TESTED: lavacli is not installed")
	}
}

// rpcAddress is where lavacli finds a lab, with the administrator's credential.
func rpcAddress(t *testing.T, r ready) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(r.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(r.HTTP, "http://", "http://local:"+strings.TrimSpace(string(token))+"@", 1) + "/RPC2"
}

// step is one run of lavacli.
type step struct {
	args   string            // with "+" for blanks within one; "" of a recorded one: as recorded
	golden string            // file of the recording; "" is none
	check  func(string) bool // of what was printed, where it is not compared; nil: status 0 is enough
	status int               // where it is not compared
	before func(t *testing.T, l *goldenLab)
}

// prints checks that all texts are printed.
func prints(texts ...string) func(string) bool {
	return func(printed string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(printed, text) })
	}
}

// lavacliSteps lists them in an order in which each finds what it needs. The recordings were made in it too.
func lavacliSteps() []step {
	recorded := func(golden, args string) step { return step{golden: golden, args: args} }
	smoke := func(args string, texts ...string) step { return step{args: args, check: prints(texts...)} }
	over := func(job string) func(*testing.T, *goldenLab) {
		return func(t *testing.T, l *goldenLab) {
			eventually(t, "job "+job+" is over and read", func() bool {
				var j api.Job
				l.world.ask(t, &j, "show", job)
				return j.Complete || j.Over() && j.Lease == 0
			})
		}
	}
	idle := func(t *testing.T, l *goldenLab) {
		eventually(t, "no device holds a job", func() bool {
			var devices []api.Device
			l.world.ask(t, &devices, "devices")
			return !slices.ContainsFunc(devices, func(d api.Device) bool { return d.State != "Idle" })
		})
	}
	return []step{
		recorded("02-system-api", "system api"), smoke("system version", "20"), smoke("system whoami", "local"), recorded("132-badtoken", "--uri http://admin:wrong@{lab} system whoami"),
		recorded("129-anon-whoami", "--uri http://{lab} system whoami"),
		{args: "system methods list", check: listsMethods},
		smoke("system methods help scheduler.jobs.show", "job_id"), smoke("system methods signature scheduler.jobs.show", "undef"),
		recorded("30-jobs-validate", "jobs validate job.yaml"), recorded("31-jobs-validate-strict", "jobs validate --strict extra.yaml"),
		recorded("32-jobs-validate-lax", "jobs validate extra.yaml"), recorded("33-jobs-validate-broken", "jobs validate broken.yaml"),
		recorded("35-jobs-submit-broken", "jobs submit broken.yaml"), recorded("38-jobs-submit-notag", "jobs submit notag.yaml"),

		// Jobs that end, the first of which is asked about.
		smoke("jobs submit job.yaml job.yaml job.yaml", "3", "4", "5"), {args: "jobs wait 3"}, {args: "jobs wait 4", before: over("3")}, {args: "jobs wait 5"},
		recorded("22-results", "results 3"), recorded("25-results-suite", "results 3 0_smoke"), recorded("27-results-case", "results 3 0_smoke boot-time"),
		recorded("128-alice-jobs-show", "jobs show 3"),
		{args: "jobs logs 3", check: prints("Linux version", "{'definition': '0_smoke'")},
		{args: "jobs logs --raw --no-follow --end 2 3", check: func(s string) bool {
			return strings.Count(s, "\n") == 2 && strings.HasPrefix(s, `- {"dt": "20`) && strings.Contains(s, `"lvl": "target", "msg": "Linux version`)
		}},
		{args: "jobs logs --no-follow --filters target --start 1 --end 2 3", check: func(s string) bool { return strings.Count(s, "\n") <= 1 }},
		smoke("results --yaml 3", "name: uname", "suite: 0_smoke"), smoke("results --json 3", `"measurement": "7.5"`),
		smoke("jobs definition 3", "job_name: peer qemu smoke"),
		{args: "jobs config 3 --dest cfg", check: func(string) bool { return true }},
		recorded("10-jobs-list-filter", "jobs list --state FINISHED --health COMPLETE --limit 2"),
		recorded("08-jobs-list-json", "jobs list --json --limit 3"), recorded("09-jobs-list-yaml", "jobs list --yaml --limit 2 --verbose"),

		// Devices and tags.
		smoke("tags add golden --description golden+tag"), recorded("41-devices-tags-add", "devices tags add qemu-04 golden"),
		recorded("42-devices-update-health", "devices update --health MAINTENANCE qemu-04"),
		recorded("80-tags-list", "tags list"), recorded("81-tags-list-json", "tags list --json"), smoke("tags show golden", "qemu-04"),
		smoke("devices tags list qemu-04", "golden"), {golden: "60-devices-list-json", args: "devices list --json", before: idle}, smoke("devices list --all", "qemu-04"),
		recorded("62-devices-show", "devices show qemu-01"), recorded("64-devices-show-yaml", "devices show --yaml qemu-04"),

		// Somebody who may not.
		recorded("126-alice-device-update", "--uri {alice} devices update --health MAINTENANCE qemu-01"),
		recorded("127-alice-tags-add", "--uri {alice} tags add x"), recorded("128-alice-jobs-show", "--uri {alice} jobs show 3"),

		// The queue: nothing but qemu-04 has the tag, and it is in maintenance.
		recorded("43-jobs-submit", "jobs submit tagged.yaml"), smoke("jobs submit tagged.yaml", "7"),
		recorded("45-jobs-queue", "jobs queue"), recorded("46-jobs-queue-json", "jobs queue --json qemu"), recorded("47-jobs-queue-yaml", "jobs queue --yaml"),
		recorded("48-jobs-show-queued", "jobs show 6"), recorded("49-jobs-logs-queued", "jobs logs --no-follow 6"), recorded("50-results-queued", "results 6"),
		smoke("jobs cancel 6 7"), {golden: "55-jobs-wait-finished", args: "jobs wait 6", before: over("6")},
		{golden: "56-jobs-resubmit", args: "jobs resubmit 3", before: over("7")}, {args: "jobs wait 8"}, smoke("jobs run job.yaml", "[lavacli] Job 9 submitted", "Linux version"),

		// A multinode job has a number a part, each of which is waited for, followed and canceled by it.
		smoke("jobs submit group.yaml", "10.0\n10.1"), {args: "jobs wait 10.0"}, {args: "jobs wait 10.1"}, smoke("jobs show 10.1", "10.1", "Finished"),
		smoke("jobs definition 10.1", "lava-multinode"), {golden: "", args: "jobs cancel 10.1", before: over("10.1")},
		{args: "jobs run group.yaml", before: idle, check: prints("[lavacli] Seeing 13.0 logs", "[lavacli] Seeing 13.1 logs", "Linux version")},
		{args: "jobs resubmit --follow 10.0", before: idle, check: prints("[lavacli] Seeing 16.1 logs")},

		smoke("devices dict get qemu-01", "methods"), smoke("devices dict get --render qemu-01", "methods"), recorded("69-devices-dict-get-context", "devices dict get --context {arch:+amd64} qemu-01 actions.boot.methods.qemu.parameters"),
		recorded("70-devices-dict-set", "devices dict set qemu-01 dict.jinja2"),
		recorded("74-devices-update-good", "devices update --health GOOD --description golden+description qemu-04"),
		{golden: "75-devices-maintenance", args: "devices maintenance qemu-03", before: idle}, smoke("devices maintenance --force qemu-02"),
		smoke("devices tags delete qemu-04 golden"), smoke("tags delete golden"),
		smoke("devices add --type qemu --worker peer-worker golden-dev"), recorded("78-devices-add-again", ""),

		// Device types and aliases.
		recorded("87-device-types-list-json", "device-types list --json"), smoke("device-types list --all", "qemu"),
		smoke("device-types template get qemu", "{%"), recorded("91-device-types-hc-get", ""), recorded("89-device-types-show-json", ""),
		recorded("94-device-types-update", "device-types update --description golden+type qemu"), smoke("device-types aliases add qemu virt-golden"), recorded("96-device-types-aliases-list", ""),
		recorded("98-device-types-add", ""),
		// A type without devices: a check of others would run, and stand in lists.
		smoke("device-types health-check set golden-type job.yaml"), smoke("device-types health-check get golden-type", "job_name: peer qemu smoke"),
		smoke("device-types template set golden-type dict.jinja2"), recorded("99-device-types-show-none", ""),
		recorded("100-aliases-add", ""), recorded("101-aliases-list", ""), recorded("102-aliases-list-json", ""), recorded("104-aliases-show-yaml", ""),
		smoke("aliases delete alias-golden"), smoke("device-types aliases delete qemu virt-golden"),

		// Workers.
		smoke("workers add example.com"), recorded("106-workers-list", ""), recorded("107-workers-list-yaml", ""), recorded("108-workers-list-json", ""),
		smoke("workers update --description peer+worker peer-worker"), recorded("109-workers-show", ""),
		recorded("111-workers-update", "workers update --description golden+worker peer-worker"), recorded("112-workers-config-get", ""),
		smoke("workers config set peer-worker dispatcher.yaml"), smoke("workers config get peer-worker", "dispatcher_ip"),
		smoke("workers env set peer-worker env.yaml"), smoke("workers env get peer-worker", "purge"),
		recorded("114-workers-maintenance", ""), recorded("115-workers-show2", ""), recorded("116-workers-update-active", ""), recorded("117-workers-show-none", ""),

		// The lab, and what needs no lab.
		smoke("system export backup", "Listing devices", "qemu-01"), smoke("system maintenance", "peer-worker"), smoke("system active", "peer-worker"),
		smoke("utils templates render --path . dict.jinja2", "methods"), {args: "system certificate", status: 1}, // of servers of 2020 alone
		recorded("120-utils-logs-print", ""), smoke("identities add --uri http://127.0.0.1/RPC2 here"), smoke("identities list", "here"),
		smoke("identities show here", "127.0.0.1"), smoke("identities delete here"),
	}
}

// listsMethods holds the list of methods against that of a LAVA, of 2023.01, whose own addition is gone since.
func listsMethods(printed string) bool {
	names := strings.Fields(printed)
	return len(names) == 134 && slices.IsSorted(names) && slices.Contains(names, "system.multicall") && slices.Contains(names, "auth.users.perms.add")
}

// goldenLab is a lab like that of the recordings.
type goldenLab struct {
	world *world
	url   string // for --uri
	alice string // the same for a user who may look
	dir   string // of the recordings, "" where there are none

	ask    *json.Encoder // hands commands to lavacli
	answer *json.Decoder
}

func newGoldenLab(t *testing.T) *goldenLab {
	t.Helper()
	w := newWorld(t)
	_, r := w.up(t)
	job := `job_name: peer qemu smoke
device_type: qemu
visibility: public
timeouts: {job: {minutes: 10}, action: {minutes: 5}, connection: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`
	write(t, w.dir, "job.yaml", job)
	write(t, w.dir, "broken.yaml", strings.Replace(job, "visibility: public\n", "", 1))
	write(t, w.dir, "extra.yaml", job+"not_a_key: 1\n")
	write(t, w.dir, "notag.yaml", job+"tags: [no-such-tag]\n")
	write(t, w.dir, "tagged.yaml", strings.Replace(job, "peer qemu smoke", "to be cancelled", 1)+"tags: [golden]\n")
	write(t, w.dir, "group.yaml", `job_name: group
visibility: public
timeouts: {job: {minutes: 10}, action: {minutes: 5}, connection: {minutes: 2}}
protocols:
  lava-multinode:
    timeout: {minutes: 5}
    roles: {server: {device_type: qemu, count: 1, timeout: {minutes: 2}}, client: {device_type: qemu, count: 1, timeout: {minutes: 2}}}
actions:
- boot: {role: [server, client], method: qemu, media: tmpfs, prompts: ['# ']}
`)
	write(t, w.dir, "dict.jinja2", "actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}\n")
	write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n")
	write(t, w.dir, "env.yaml", "purge: true\n")
	script := write(t, w.dir, "rehearsal.yaml", rehearsal)
	w.spawn(t, "worker", "--simulate", script, "--register", "--name", "peer-worker", "--data", filepath.Join(w.dir, "worker"))
	eventually(t, "the worker is online with its devices", func() bool {
		return strings.Contains(w.must(t, "workers"), "Online") && strings.Contains(w.must(t, "devices"), "qemu-04")
	})
	l := &goldenLab{world: w, url: rpcAddress(t, r), dir: filepath.Join(os.Getenv("STRATA_CORPUS"), "golden", "lavacli")}
	if os.Getenv("STRATA_CORPUS") == "" {
		l.dir = filepath.Join("..", "..", "..", "..", "shared", "golden", "lavacli")
	}
	if _, err := os.Stat(l.dir); err != nil {
		t.Logf("NOT COMPARED with recorded answers: %v (STRATA_CORPUS names their folder)", err)
		l.dir = ""
	}
	l.alice = w.alice(t, l.url)
	l.hold(t)
	return l
}

// alice adds a user and returns by which address she comes.
func (w *world) alice(t *testing.T, url string) string {
	t.Helper()
	c, done, err := w.app(&bytes.Buffer{}).client()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var token api.Token
	err = errors.Join(c.Call(t.Context(), "users.add", api.UserRequest{User: "alice"}, nil),
		c.Call(t.Context(), "tokens.issue", api.TokenRequest{User: "alice"}, &token))
	if err != nil {
		t.Fatal(err)
	}
	_, lab, _ := strings.Cut(url, "@")
	return "http://alice:" + token.Value + "@" + lab
}

// rehearsal plays the job of the recordings.
const rehearsal = `
device_type: qemu
devices: [qemu-01, qemu-02, qemu-03, qemu-04]
jobs:
- name: smoke
  console:
  - {say: Linux version 6.1}
  - {say: Run /init}
  - {result: {suite: lava, case: validate}}
  - {result: {suite: lava, case: test-overlay}}
  - {result: {suite: lava, case: test-install-overlay}}
  - {result: {suite: lava, case: test-runscript-overlay}}
  - {result: {suite: lava, case: http-download}}
  - {result: {suite: lava, case: http-download}}
  - {result: {suite: lava, case: execute-qemu}}
  - {result: {suite: lava, case: kernel-messages}}
  - {result: {suite: lava, case: login-action}}
  - {result: {suite: lava, case: 0_smoke}}
  - {result: {suite: 0_smoke, case: uname}}
  - {result: {suite: 0_smoke, case: proc-mounted}}
  - {result: {suite: 0_smoke, case: known-skip, result: skip}}
  - {result: {suite: 0_smoke, case: boot-time, measurement: 7.5, units: seconds}}
  - {result: {suite: 0_smoke, case: mem-free, measurement: 195864, units: KiB}}
`

// take runs a step and looks at what came of it.
func (l *goldenLab) take(t *testing.T, s step) {
	t.Helper()
	if s.before != nil {
		s.before(t, l)
	}
	var want printed
	if s.golden != "" {
		if l.dir == "" && s.args == "" {
			return
		}
		if l.dir != "" {
			want = readPrinted(t, filepath.Join(l.dir, s.golden+".txt"))
		}
	}
	args := strings.Fields(s.args)
	if len(args) == 0 {
		args = strings.Fields(want.args)
	}
	for i := range args {
		_, lab, _ := strings.Cut(l.url, "@")
		args[i] = strings.NewReplacer("+", " ", "{lab}", lab, "{alice}", l.alice).Replace(args[i])
	}
	got := l.run(t, args)
	switch {
	case s.golden != "" && l.dir != "":
		if diff := got.differs(want, args); diff != "" {
			t.Errorf("lavacli %s: %s", strings.Join(args, " "), diff)
		}
	case s.golden != "":
	case got.Status != s.status:
		t.Errorf("lavacli %s: status %d, want %d: %s%s", strings.Join(args, " "), got.Status, s.status, got.Out, got.Err)
	case s.check != nil && !s.check(got.Out):
		t.Errorf("lavacli %s: printed\n%s", strings.Join(args, " "), got.Out)
	}
}

// printed is what a run of lavacli said.
type printed struct {
	args     string // of a recording
	Status   int
	Out, Err string
}

// run has lavacli run by the process that holds it ready.
func (l *goldenLab) run(t *testing.T, args []string) printed {
	t.Helper()
	if args[0] != "identities" && args[0] != "utils" && args[0] != "--uri" {
		args = append([]string{"--uri", l.url}, args...)
	}
	if err := l.ask.Encode(args); err != nil {
		t.Fatalf("lavacli %s: %v", strings.Join(args, " "), err)
	}
	var p printed
	if err := l.answer.Decode(&p); err != nil {
		t.Fatalf("lavacli %s: %v", strings.Join(args, " "), err)
	}
	return p
}

// readyLavacli is the program of Python that loads lavacli once, which takes long, and runs each command in a
// process of its own.
const readyLavacli = `
import json, os, sys, tempfile
from importlib.metadata import distribution
main = next(e for e in distribution("lavacli").entry_points if e.name == "lavacli").load()
for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["lavacli"] + json.loads(line)
                status = main()
            except SystemExit as e:
                status = e.code
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status or 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        print(json.dumps({"Status": status, "Out": out.read().decode(), "Err": err.read().decode()}), flush=True)
`

// hold starts the process that runs lavacli.
func (l *goldenLab) hold(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-c", readyLavacli)
	cmd.Dir = l.world.dir
	cmd.Env = append(os.Environ(), "HOME="+l.world.dir, "XDG_CONFIG_HOME="+filepath.Join(l.world.dir, "config"), "COLUMNS=80")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the process ends by that
		_ = cmd.Wait() // how is of no interest
	})
	l.ask, l.answer = json.NewEncoder(in), json.NewDecoder(out)
}

// readPrinted reads a recording: the command, "rc:", and what stood on both outputs.
func readPrinted(t *testing.T, file string) printed {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "\n--- stdout\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) != 2 {
		t.Fatalf("%s is no recording", file)
	}
	p := printed{args: strings.TrimPrefix(strings.TrimPrefix(lines[0], "$ lavacli "), "--uri http://alice:TOKEN@SERVER/RPC2 ")}
	if lines[1] != "rc: 0" {
		p.Status = int(lines[1][len(lines[1])-1] - '0')
	}
	p.Out, p.Err, _ = strings.Cut("\n"+rest, "\n--- stderr\n")
	p.Out = strings.TrimPrefix(p.Out, "\n")
	return p
}

// differs says how a run differs from a recording beyond names, numbers and times of the lab.
func (p printed) differs(want printed, args []string) string {
	if p.Status != want.Status {
		return "status " + p.brief() + "want " + want.brief()
	}
	got, wanted := p.data(args), want.data(args)
	if got == nil || wanted == nil {
		got, wanted = p.lines(), want.lines()
	}
	if !reflect.DeepEqual(got, wanted) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(wanted)
		return "printed\n" + string(g) + "\nwant\n" + string(w)
	}
	return ""
}

func (p printed) brief() string {
	return string(rune('0'+p.Status)) + ":\n" + p.Out + p.Err
}

// data reads JSON and YAML, whose order and layout mean nothing; nil is neither.
func (p printed) data(args []string) any {
	if !slices.Contains(args, "--json") && !slices.Contains(args, "--yaml") {
		return nil
	}
	root, err := yaml.Parse([]byte(p.Out))
	if err != nil || root.Empty() {
		return nil
	}
	text, err := json.Marshal(root.Data())
	if err != nil {
		return nil
	}
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	return leveled(v)
}

// later are keys that newer LAVAs answer with, or that lavacli asks for and the recorded LAVA did not have.
func later() []string { return []string{"permissions", "owners_only", "public", "user", "group"} }

// leveled returns data without what is a lab's own.
func leveled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = leveled(item)
		}
		for _, k := range later() {
			delete(v, k)
		}
		for _, own := range []string{"health_disabled"} { // a setting of the recorded lab
			delete(v, own)
		}
	case []any:
		texts := []string{}
		for i := range v {
			v[i] = leveled(v[i])
			if s, ok := v[i].(string); ok {
				texts = append(texts, s)
			}
		}
		if len(texts) == len(v) { // names, in the order of a database
			slices.Sort(texts)
			for i := range v {
				v[i] = texts[i]
			}
		}
	case string:
		if v == "simulated" { // the description of a played device
			return nil
		}
		return level(v)
	case float64:
		return "N"
	}
	return v
}

// level replaces what is a lab's own in a text.
func level(s string) string {
	for _, r := range []struct {
		of *regexp.Regexp
		by string
	}{
		{regexp.MustCompile(`\d{8}T\d\d:\d\d:\d\d`), "TIME"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?`), "TIME"},
		{regexp.MustCompile(`\bqemu-\d\d\b`), "qemu-NN"},
		{regexp.MustCompile(`\b(admin|local)\b`), "USER"},
		{regexp.MustCompile(`(version +: ).*`), "${1}V"},
		{regexp.MustCompile(`(?m)^token .*\n?`), ""}, // this lab gives no tokens away
		{regexp.MustCompile(`(description +: )simulated`), "${1}None"},
		{regexp.MustCompile(`\b\d+\b`), "N"},
	} {
		s = r.of.ReplaceAllString(s, r.by)
	}
	return s
}

// lines returns what was printed, line by line.
func (p printed) lines() any {
	return strings.Split(strings.TrimSpace(level(p.Out)+"\n"+level(p.Err)), "\n")
}
