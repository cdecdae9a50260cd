package packages

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/projections/engine"
)

// counting is a job that says a number now and then until somebody makes a file, and ends.
const counting = `
job_name: counts until it is told to stop
device_type: shell
timeouts: {job: {minutes: 20}, action: {minutes: 15}, connection: {minutes: 15}}
priority: medium
visibility: public
actions:
- boot: {method: minimal, prompts: ['shell:# ']}
- test:
    interactive:
    - name: count
      prompts: ['shell:# ']
      script:
      - {name: counted, command: 'n=0; until [ -e @FLAG@ ]; do echo count-$n-; n=$((n+1)); sleep 0.2; done; echo all-$n-coun""ted', successes: [{message: 'counted'}]}
`

// TestInstalled walks the life of an installation: installed, started, used by administrators and closed to others,
// joined by its own worker, upgraded while a job runs, removed, installed again, purged and installed anew.
func TestInstalled(t *testing.T) {
	dir1, dir2 := built(t)
	m := startMachine(t, "lab1")
	assets := demo(t, m)
	install(t, m, dir1)

	if out := m.sh(t, "systemctl is-active strata strata-worker.path; systemctl is-enabled strata strata-worker strata-worker.path; strata version"); strings.Count(out, "active\n") != 2 || strings.Count(out, "enabled\n") != 3 || !strings.Contains(out, "strata 1.0 ") {
		t.Errorf("after the installation:\n%s", out)
	}
	if out, _ := m.try("systemctl is-active strata-worker"); out != "inactive\n" {
		t.Errorf("a worker of no lab is %s", out)
	}
	m.sh(t, "systemd-analyze verify --man=no strata.service strata-worker.service strata-worker.path")
	closed(t, m)

	// A virtual PC, from the bus to the tables.
	join(t, m, m)
	m.sh(t, "strata devices add pc1 --type qemu --worker lab1 --dict /srv/device.yaml --health Good")
	m.sh(t, "strata devices add sh1 --type shell --worker lab1 --dict /srv/shell.yaml --health Good")
	m.text(t, "/srv/job.yaml", strings.ReplaceAll(assets, "${ASSETS}", "file:///srv/assets"))
	m.sh(t, "strata submit /srv/job.yaml --follow")
	m.await(t, "the tables have the job", `[ "$(strata sql "SELECT count() FROM test_cases WHERE job = 1 AND name = 'kernel-version' AND result = 'pass'" --json | tr -dc 0-9)" != "" ] && strata results 1 --suite 0_smoke | grep -q kernel-version.*pass`)
	if user := strings.TrimSpace(m.sh(t, "stat -c %U /var/lib/strata-worker/jobs 2>/dev/null || stat -c %U /var/lib/strata-worker/*/ | head -1")); user != "strata-worker" {
		t.Errorf("the worker's directories belong to %s", user)
	}

	upgraded(t, m, dir2)

	// Without the packages the data stays, and is found again.
	m.sh(t, "dpkg --remove strata-worker strata-server strata && ! pgrep -u strata && ! pgrep -u strata-worker && test -e /var/lib/strata/key && test -d /var/lib/strata-worker && test -e /etc/strata/strata.yaml && ! test -e /run/strata/lab.json")
	install(t, m, dir2)
	m.await(t, "the lab knows its jobs, and its worker is back", "strata show 1 | grep -q Complete && strata workers | grep -q Online")

	m.sh(t, "dpkg --purge strata-worker strata-server strata strata-engine && ! test -e /var/lib/strata && ! test -e /var/lib/strata-worker && ! test -e /etc/strata && ! getent passwd strata strata-worker && ! getent group strata strata-worker && ! pgrep strata")
	if left := m.sh(t, "systemctl list-unit-files 'strata*' --no-legend; ls -d /etc/systemd/system/*/strata* /etc/systemd/system/strata* 2>/dev/null; true"); left != "" {
		t.Errorf("purging left %s", left)
	}
	install(t, m, dir2)
	if jobs := m.sh(t, "strata jobs --all --json"); strings.Contains(jobs, `"job":1`) {
		t.Errorf("a lab that was purged and installed anew has jobs: %s", jobs)
	}
}

// TestSecondMachine holds that a machine with the worker's package alone joins a lab elsewhere with one command and
// one token, and runs its jobs; and that it does so again after it was switched off.
func TestSecondMachine(t *testing.T) {
	dir1, _ := built(t)
	lab, far := startMachine(t, "lab1"), startMachine(t, "far1")
	wire(t, lab, far)
	install(t, lab, dir1)
	lab.sh(t, `sed -i 's/^data:.*/&\nlisten: {http: "10.9.0.1:8080", nats: "127.0.0.1:4222", allow_plaintext: true}/' /etc/strata/strata.yaml && systemctl restart strata`)
	demo(t, far)
	m := filepath.Join(dir1, "strata_1.0_amd64.deb")
	far.put(t, m, "/srv/1/strata.deb")
	far.put(t, filepath.Join(dir1, "strata-worker_1.0_amd64.deb"), "/srv/1/strata-worker.deb")
	far.sh(t, "dpkg --install /srv/1/*.deb")
	join(t, lab, far)
	lab.text(t, "/srv/shell.yaml", dispatchertest.ShellDevice("/bin/true"))
	lab.sh(t, "strata devices add sh1 --type shell --worker far1 --dict /srv/shell.yaml --health Good")
	lab.text(t, "/srv/count.yaml", strings.ReplaceAll(counting, "@FLAG@", "/"))
	lab.sh(t, "strata submit /srv/count.yaml --follow")
	far.sh(t, "systemctl stop strata-worker.path strata-worker")
	lab.await(t, "the worker is missed", "strata workers show far1 | grep -q Offline")
	far.sh(t, "systemctl start strata-worker.path strata-worker")
	lab.await(t, "the worker is back", "strata workers show far1 | grep -q Online")
}

// closed holds who gets at what: administrators by their group, others by nothing but the lab's address.
func closed(t *testing.T, m *machine) {
	t.Helper()
	m.sh(t, "useradd -m alice && useradd -m bob && usermod -aG strata alice")
	m.sh(t, "strata users add carol && su - alice -c 'strata users' | grep -q carol")
	out, err := m.try("su - bob -c 'strata users'")
	if err == nil || !strings.Contains(out, "token") {
		t.Errorf("somebody who is no administrator asks for the users: %v, %s", err, out)
	}
	for _, file := range []string{"/var/lib/strata/key", "/var/lib/strata/administrator", "/run/strata/up.json"} {
		if out, err := m.try("su - bob -c 'cat " + file + "'"); err == nil {
			t.Errorf("bob reads %s: %s", file, out)
		}
	}
	if out, err := m.try("su - alice -c 'cat /var/lib/strata/key'"); err == nil {
		t.Errorf("an administrator reads the lab's key: %s", out)
	}
	token := strings.TrimSpace(m.sh(t, "strata tokens add --user carol --description test 2>/dev/null"))
	if out := m.sh(t, "su - bob -c 'STRATA_TOKEN="+token+" strata jobs --json'"); !strings.Contains(out, "jobs") {
		t.Errorf("who has a token finds the lab by himself: %s", out)
	}
	if strings.Contains(m.sh(t, "cat /run/strata/lab.json"), "strata1_") {
		t.Error("the lab's address comes with a credential")
	}
}

// upgraded puts the next version in place while a job runs, and holds that the job's process is the same before and
// after, and that its log is whole.
func upgraded(t *testing.T, m *machine, dir string) {
	t.Helper()
	m.text(t, "/srv/count.yaml", strings.ReplaceAll(counting, "@FLAG@", "/srv/stop"))
	var job struct {
		Job uint64 `json:"job"`
	}
	text := m.sh(t, "strata submit /srv/count.yaml --json")
	if err := json.Unmarshal([]byte(text), &job); err != nil || job.Job == 0 {
		t.Fatalf("submit: %v in %s", err, text)
	}
	says := func(n int) string {
		return fmt.Sprintf(`strata logs %d --level target | grep -o 'count-[0-9]*-' | sort -u | wc -l | { read -r n; [ "$n" -gt %d ]; }`, job.Job, n)
	}
	m.await(t, "the job counts", says(3))
	process := `pgrep -f -u strata-worker "^/usr/bin/strata job " `
	before := m.sh(t, process)
	mains := "systemctl show --property MainPID --value strata strata-worker"
	servers := m.sh(t, mains)
	m.sh(t, "! test -e /srv/stop")
	install(t, m, dir)
	if now := m.sh(t, mains); now == servers {
		t.Errorf("the upgrade restarted nothing: main processes %s", now)
	}
	if after := m.sh(t, process); after != before {
		t.Errorf("the job's process was %q and is %q after the upgrade", before, after)
	}
	if out := m.sh(t, "strata version && curl -s http://127.0.0.1:8080/api/v0.2/system/version/ || true"); !strings.Contains(out, "strata 2.0 ") {
		t.Errorf("after the upgrade: %s", out)
	}
	m.await(t, "the worker is back", "strata workers show lab1 | grep -q Online")
	had := strings.TrimSpace(m.sh(t, fmt.Sprintf("strata logs %d --level target | grep -o 'count-[0-9]*-' | sort -u | wc -l", job.Job)))
	var n int
	if _, err := fmt.Sscan(had, &n); err != nil {
		t.Fatal(err)
	}
	m.await(t, "the job goes on counting", says(n+3))
	m.sh(t, "touch /srv/stop")
	m.await(t, "the job is over", fmt.Sprintf("strata show %d | grep -q Complete", job.Job))
	// What the job counted by itself is the number of different lines in its log.
	log := m.sh(t, fmt.Sprintf("strata logs %d --level target", job.Job))
	var counted int
	if i := strings.LastIndex(log, "all-"); i < 0 {
		t.Fatalf("the log has no end:\n%s", log)
	} else if _, err := fmt.Sscanf(log[i:], "all-%d-counted", &counted); err != nil {
		t.Fatalf("the log's end: %v in %s", err, log[i:])
	}
	for i := range counted {
		if want := fmt.Sprintf("count-%d-", i); strings.Count(log, want) != 1 {
			t.Fatalf("%q is %d times in the log of a job that counted to %d", want, strings.Count(log, want), counted)
		}
	}
}

// built returns packages of two versions, all of them real.
func built(t *testing.T) (dir1, dir2 string) {
	t.Helper()
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "mmdebstrap:mmdebstrap", "unshare:util-linux", "nsenter:util-linux", "ip:iproute2")
	if os.Getuid() != 0 {
		dispatchertest.Missing(t, "machines in namespaces are made as root")
	}
	library, err := engine.Library()
	if err != nil {
		dispatchertest.Missing(t, "%v", err)
	}
	for i, version := range []string{"1.0", "2.0"} {
		dir := os.Getenv(fmt.Sprintf("STRATA_PACKAGES_%d", i+1)) // built already, by whoever works on these tests
		if dir == "" {
			bin := filepath.Join(t.TempDir(), "strata")
			run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-buildmode=pie", "-ldflags", "-s -w -X main.version="+version, "-o", bin, "./services/cmd/strata")
			packages := "strata strata-server strata-worker"
			if i == 0 {
				packages += " strata-engine"
			}
			dir = build(t, version, "STRATA_BINARY="+bin, "STRATA_CHDB_LIB="+library, "STRATA_PACKAGES="+packages)
		}
		if i == 0 {
			dir1 = dir
		} else {
			dir2 = dir
		}
	}
	return dir1, dir2
}

// install puts all packages of a directory onto a machine, as an administrator does who has no repository.
func install(t *testing.T, m *machine, dir string) {
	t.Helper()
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		t.Fatalf("no packages in %s: %v", dir, err)
	}
	to := "/srv/" + filepath.Base(dir)
	if _, err := m.try("test -d " + to); err != nil {
		for _, deb := range debs {
			m.put(t, deb, filepath.Join(to, filepath.Base(deb)))
		}
	}
	m.sh(t, "dpkg --install "+to+"/*.deb")
}

// demo puts the demo's kernel, device and a shell as a device onto a machine, and returns the demo's job.
func demo(t *testing.T, m *machine) (job string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bzImage", "initramfs.cpio.gz"} {
		path := filepath.Join(cache, "strata/assets-1", name)
		if _, err := os.Stat(path); err != nil {
			dispatchertest.Missing(t, "%v: `make deps` makes it", err)
		}
		m.put(t, path, "/srv/assets/"+name)
	}
	m.put(t, filepath.Join(dispatchertest.Root(t), "services/cmd/strata/demo/device.yaml"), "/srv/device.yaml")
	m.text(t, "/srv/shell.yaml", dispatchertest.ShellDevice("/bin/true"))
	text, err := os.ReadFile(filepath.Join(dispatchertest.Root(t), "services/cmd/strata/demo/job.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// join makes a machine a worker of a lab: one command, with one token that the lab gave out.
func join(t *testing.T, lab, m *machine) {
	t.Helper()
	server := "" // the lab of this machine is found
	if lab != m {
		server = " --server http://10.9.0.1:8080"
	}
	word := strings.TrimSpace(lab.sh(t, "strata workers invite "+m.name+" 2>/dev/null"))
	m.sh(t, "strata worker enroll --token "+word+server)
	lab.await(t, m.name+" is Online", "strata workers show "+m.name+" | grep -q Online")
}

// wire connects two machines: the first has the address 10.9.0.1, the second 10.9.0.2.
func wire(t *testing.T, a, b *machine) {
	t.Helper()
	run(t, nil, "ip", "link", "add", "wire-a", "netns", fmt.Sprint(a.pid), "type", "veth", "peer", "name", "wire-b", "netns", fmt.Sprint(b.pid))
	for i, m := range []*machine{a, b} {
		m.sh(t, fmt.Sprintf("ip addr add 10.9.0.%d/24 dev wire-%c && ip link set wire-%c up", i+1, 'a'+i, 'a'+i))
	}
}
