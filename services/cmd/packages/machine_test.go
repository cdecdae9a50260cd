package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
)

// patience is how long a test waits for what should come within seconds.
const patience = 3 * time.Minute

// include is what a machine has beside Debian's smallest system: what the packages depend on, and what tests ask with.
const include = "systemd,systemd-sysv,dbus,passwd,init-system-helpers,ca-certificates,git,openssh-client,qemu-system-x86,iproute2,curl,procps,man-db,zsh,fish,bash-completion,sudo"

// boot makes a machine of a directory and runs its systemd. It is run in fresh namespaces: what it mounts goes
// with them. $1 is the root that all machines share, $2 a directory for what this one changes, $3 its name.
const boot = `
set -e
mount --make-rprivate /
mkdir -p "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
hostname "$3"
cd "$2/root"
echo "$3" > etc/hostname
printf '127.0.0.1 localhost %s\n' "$3" > etc/hosts
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 kvm:10:232; do
  IFS=: read -r name major minor <<< "$node"
  [ ! -e "/dev/$name" ] || { mknod "dev/$name" c "$major" "$minor" && chmod 666 "dev/$name"; }
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
if [ -e "$4/cgroup.controllers" ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
export container=strata-test
exec chroot . /lib/systemd/systemd --log-target=journal --show-status=0
`

// machine is a Debian system with a systemd, a process tree, a network and a file system of its own.
type machine struct {
	name string
	pid  int // of its systemd, out here
}

// startMachine starts a machine and waits until it is up. It goes with the test.
func startMachine(t *testing.T, name string) *machine {
	t.Helper()
	changes := t.TempDir()
	var said bytes.Buffer
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child",
		"bash", "-c", boot, "boot", debian(t), changes, name, "/sys/fs/cgroup")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	leave := ownControlGroup(t, name)
	err := cmd.Start()
	leave()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{name: name}
	t.Cleanup(func() {
		// With a machine's first process the kernel ends all others, and unshare ends once they are gone.
		if m.pid == 0 || syscall.Kill(m.pid, syscall.SIGKILL) != nil {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	})
	eventually(t, name+" is up", func() (bool, string) {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if err != nil {
			t.Fatalf("%s ended: %v\n%s", name, err, &said)
		}
		if m.pid, _ = strconv.Atoi(strings.TrimSpace(string(children))); m.pid == 0 {
			return false, "nothing runs there yet"
		}
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.pid)); strings.TrimSpace(string(comm)) != "systemd" {
			return false, "systemd has not begun"
		}
		state, _ := m.try("systemctl is-system-running")
		return strings.HasPrefix(state, "running") || strings.HasPrefix(state, "degraded"), state
	})
	return m
}

// ownControlGroup moves this process to a control group of the machine's own, which what is started then is in,
// and back again: systemd takes the group that it finds itself in for the whole, in each hierarchy that it uses.
func ownControlGroup(t *testing.T, name string) (leave func()) {
	t.Helper()
	lines, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	join := func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			t.Fatalf("join control group: %v", err)
		}
	}
	var was []string
	for line := range strings.Lines(string(lines)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		var base string
		switch {
		case len(f) != 3:
			continue
		case f[1] == "name=systemd": // version 1
			base = "/sys/fs/cgroup/systemd"
		case f[0] == "0": // version 2, alone or beside 1
			base = "/sys/fs/cgroup"
			if _, err := os.Stat(filepath.Join(base, "cgroup.controllers")); err != nil {
				base = "/sys/fs/cgroup/unified"
			}
		default:
			continue
		}
		if _, err := os.Stat(filepath.Join(base, "cgroup.procs")); err != nil {
			continue // not mounted
		}
		own := filepath.Join(base, fmt.Sprintf("strata-test-%s-%d", name, os.Getpid()))
		if err := os.MkdirAll(own, 0o755); err != nil {
			t.Fatalf("make a control group: %v", err)
		}
		t.Cleanup(func() {
			// From the leaves up; whatever is still ending there keeps its group, which costs nothing.
			_ = exec.Command("find", own, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run()
		})
		join(own)
		was = append(was, filepath.Join(base, f[2]))
	}
	return func() {
		for _, dir := range was {
			join(dir)
		}
	}
}

// debian returns a directory with Debian 12, made once and kept in the user's cache.
func debian(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "strata", fmt.Sprintf("packages-%.4x", sha256.Sum256([]byte(include))))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	making := dir + ".making"
	if err := os.RemoveAll(making); err != nil {
		t.Fatal(err)
	}
	// No service is started while it is made, and each machine gets an identity of its own.
	run(t, nil, "mmdebstrap", "--variant=minbase", "--format=directory", "--include="+include,
		`--customize-hook=: > "$1/etc/machine-id"`, "bookworm", making)
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// try runs a shell script on the machine and returns what it said.
func (m *machine) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.pid), "--all", "--root", "--wdns=/", "env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"bash", "-c", script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sh runs a script that has to succeed.
func (m *machine) sh(t *testing.T, script string) string {
	t.Helper()
	out, err := m.try(script)
	if err != nil {
		journal, _ := m.try("journalctl --no-pager -n 60 -u strata -u strata-worker -u strata-worker.path")
		t.Fatalf("on %s: %s: %v\n%s\n--- journal\n%s", m.name, script, err, out, journal)
	}
	return out
}

// put copies a file to the machine.
func (m *machine) put(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.feed(t, f, to)
}

// text writes a file on the machine, which everybody may read.
func (m *machine) text(t *testing.T, to, text string) {
	t.Helper()
	m.feed(t, strings.NewReader(text), to)
}

func (m *machine) feed(t *testing.T, from interface{ Read([]byte) (int, error) }, to string) {
	t.Helper()
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.pid), "--all", "--root", "--wdns=/",
		"/bin/bash", "-c", `mkdir -p "$(dirname "$1")" && cat > "$1" && chmod 644 "$1"`, "put", to)
	cmd.Stdin = from
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("put %s on %s: %v\n%s", to, m.name, err, out)
	}
}

// await runs a script on the machine until it succeeds.
func (m *machine) await(t *testing.T, what, script string) {
	t.Helper()
	eventually(t, what, func() (bool, string) {
		out, err := m.try(script)
		return err == nil, out
	})
}

// eventually asks until the answer is yes; last is what is shown when it never is.
func eventually(t *testing.T, what string, ask func() (yes bool, last string)) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, last := ask()
		if yes {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %v until %s:\n%s", patience, what, last)
		case <-tick.C:
		}
	}
}

// run runs a program out here that has to succeed, with more variables.
func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := command(t, program, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, &said, &out)
	}
	return out.String()
}

// command is a program that is run at the top of the repository, where scripts are named by their path.
func command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	root := dispatchertest.Root(t)
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(root, program)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = root
	return cmd
}
