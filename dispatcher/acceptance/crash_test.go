package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A crash is what makes a kernel fail while it boots, and what is to be seen of it.
type crash struct {
	name   string
	append string // the kernel's command line
	run    string // shell commands before the prompt, with commas for blanks
	boot   string // keys of the boot block
	kinds  []string
	says   string   // the job's error; "" for a boot that goes on
	named  []string // kinds that only the log names
}

// until bounds the boot of a machine that says nothing more.
const until = "timeout: {seconds: 60}"

// quiet boots print no first line of the kernel's.
const quiet = "parameters: {kernel-start-message: ''}"

// Crashes of a real kernel are found at the login. These need nothing but the kernel itself.
func TestCrashes(t *testing.T) {
	assets := dispatchertest.Assets(t)
	for _, c := range []crash{
		{"panic", "", "echo,c,>/proc/sysrq-trigger", "", []string{"panic"}, "Kernel panic - not syncing: sysrq triggered crash", nil},
		{"panic and reboot", "panic=2", "echo,c,>/proc/sysrq-trigger", "", []string{"panic"}, "Kernel panic - not syncing", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.append += " strata.run=" + c.run
			c.check(t, run(t, crashJob(t, c, "{arch: amd64, machine: q35, memory: 256}", assets+"/bzImage", assets+"/initramfs.cpio.gz")))
		})
	}
}

// The rest, most of which want a module that fails on purpose.
func TestCrashesOfEveryKind(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86")
	kernel := material(t, "kernel-amd64")
	ramdisk := initramfs(t, "amd64", modules{load: virtio, add: crashModule(t), key: "labcrash"})
	by := func(kind string) string { return "insmod,/labcrash.ko;echo," + kind + ",>/proc/labcrash" }
	const timedOut, never = "login-action timed out after ", "rdinit=/nosuch root=/dev/vda2"
	for _, c := range []crash{
		{"panic", "", by("panic"), "", []string{"panic"}, "Kernel panic - not syncing: labcrash: panic on purpose", nil},
		{"oops", "", by("oops"), "", []string{"bug", "oops"}, "", nil},
		{"panic on oops", "oops=panic", by("oops"), "", []string{"bug", "oops", "panic"}, "Fatal exception", nil},
		{"quiet oops", "quiet", by("oops"), quiet, []string{"bug", "oops"}, "", nil},
		{"bug", "", by("bug"), "", []string{"bug"}, "", nil},
		{"warning", "", by("warn"), "", []string{"warning"}, "", nil},
		{"quiet warning", "quiet", by("warn"), quiet, nil, "", nil},
		{"list corruption", "", by("list"), "", []string{"bug"}, "", []string{"list corruption"}},
		{"stack overflow", "", by("stack"), "", []string{"bug", "panic"}, "Fatal exception in interrupt", nil},
		{"soft lockup", "watchdog_thresh=2", by("softlockup"), until, nil, timedOut, []string{"bug"}},
		{"panic on soft lockup", "watchdog_thresh=2 softlockup_panic=1", by("softlockup"), "", []string{"bug", "panic"}, "softlockup: hung tasks", nil},
		{"hung task", "sysctl.kernel.hung_task_timeout_secs=5", by("hung"), until, nil, timedOut, []string{"hung task"}},
		{"panic on hung task", "hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=5", by("hung"), "", []string{"panic"},
			"hung_task: blocked tasks", []string{"hung task"}},
		{"RCU stall", "rcupdate.rcu_cpu_stall_timeout=3 nosoftlockup", by("rcu"), until, nil, timedOut, []string{"rcu stall"}},
		{"hard lockup", "watchdog_thresh=2", by("hardlockup"), until, nil, timedOut, nil},
		{"no root", "rdinit=/nosuch root=/dev/vda2", "", "", []string{"panic"}, "VFS: Unable to mount root fs", nil},
		{"no init", "rdinit=/nosuch", "", "", []string{"panic"}, "VFS: Unable to mount root fs", nil},
		{"no root, and reboot", "panic=1 " + never, "", "", []string{"panic"}, "Kernel panic - not syncing", nil},
		{"reboot loop", "panic=1 loop " + never, "", "", []string{"panic"}, "Kernel panic - not syncing", nil},
		{"init exits", "rdinit=/bin/echo", "", "", []string{"panic"}, "Attempted to kill init! exitcode=0x00000000", nil},
		{"early death", "mem=24M", "", "", []string{"panic"}, "System is deadlocked on memory", nil},
		{"out of memory", "", "tail,/dev/zero", "", nil, "", []string{"out of memory"}},
		{"panic out of memory", "", "echo,2,>/proc/sys/vm/panic_on_oom;tail,/dev/zero", "", []string{"panic"},
			"compulsory panic_on_oom is enabled", nil},
		{"never a prompt", "lab.hang", "", until, nil, timedOut, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.run != "" {
				c.append += " lab.run=" + c.run
			}
			context := "{arch: amd64, machine: q35, memory: 256, extra_options: ['-smp 2']}" // with one processor no RCU stall is reported
			c.check(t, run(t, crashJob(t, c, context, kernel, ramdisk)))
		})
	}
}

// Kernels of other architectures say the same in other frames.
func TestPanicsOfOtherKernels(t *testing.T) {
	dispatchertest.Slow(t)
	for _, k := range []kernel{
		{name: "arm64", program: "qemu-system-aarch64:qemu-system-arm", context: "{arch: arm64, memory: 256}", kernel: "arm64"},
		{name: "arm", program: "qemu-system-arm:qemu-system-arm", context: "{arch: arm, memory: 256, no_network: true}", kernel: "armhf"},
		{name: "riscv64", program: "qemu-system-riscv64:qemu-system-misc", context: "{arch: riscv64, memory: 256, no_network: true}", kernel: "riscv64"},
	} {
		t.Run(k.name, func(t *testing.T) {
			dispatchertest.Need(t, k.program)
			c := crash{k.name, "lab.run=echo,c,>/proc/sysrq-trigger", "", "", []string{"panic"}, "Kernel panic - not syncing: sysrq triggered crash", nil}
			got := run(t, crashJob(t, c, k.context, material(t, "kernel-"+k.kernel), material(t, "initramfs-"+k.kernel)))
			c.check(t, got)
		})
	}
}

// check compares how a job ended with what the crash has to show.
func (c crash) check(t *testing.T, got outcome) {
	t.Helper()
	if c.says == "" {
		got.wantComplete(t)
	} else {
		got.wantError(t, events.JobError, c.says)
		got.wantResults(t, map[string]string{"login-action": "fail", "job": "fail"})
	}
	if kinds := got.findings(t, "kernel-messages"); !slices.Equal(kinds, c.kinds) {
		t.Errorf("findings: %q, want %q", kinds, c.kinds)
	}
	named, _ := got.named(t, "login-action")
	for _, kind := range c.named {
		if !slices.ContainsFunc(named, func(n string) bool { return strings.TrimSuffix(n, "'") == kind }) {
			t.Errorf("the log names %q, want %q among them", named, kind)
		}
	}
}

func crashJob(t *testing.T, c crash, context, kernel, ramdisk string) job {
	t.Helper()
	console, reboot := "console=ttyS0 no_timer_check ", "-no-reboot"
	if strings.Contains(context, "arm") {
		console = "console=ttyAMA0 "
	}
	if strings.Contains(c.append, "loop") {
		reboot = ""
	}
	return job{
		definition: text(t, "testdata/crash-job.yaml"), device: "{% extends 'qemu.jinja2' %}\n", context: context,
		values: map[string]string{"CONTEXT": context, "KERNEL": kernel, "RAMDISK": ramdisk, "APPEND": console + c.append,
			"REBOOT": reboot, "BOOT": c.boot, "STEPS": ""},
	}
}

// A machine crashes in the middle of a test. Where it is gone with its kernel, the job is to blame.
func TestCrashesInTest(t *testing.T) {
	const block = `- test:
    timeout: {seconds: 60}
    definitions:
    - from: inline
      name: smoke
      path: inline/smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run: {steps: [lava-test-case before --result pass, echo %s > /proc/sysrq-trigger, lava-test-case after --result pass]}
`
	assets := dispatchertest.Assets(t)
	for _, tt := range []struct {
		name, append, key string
		class             events.ErrorType
		says              string
		named             string
		slow              bool
	}{
		{"panic, and the machine is gone", "panic=-1", "c", events.JobError,
			"Connection closed after: Kernel panic - not syncing: sysrq triggered crash", "panic", false},
		{"panic", "", "c", events.TestError, "lava-test-shell timed out after ", "panic", true},
		{"reset", "loop", "b", events.TestError, "lava-test-shell timed out after ", "DUT_has_reset", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow {
				dispatchertest.Slow(t)
			}
			j := crashJob(t, crash{append: tt.append}, "{arch: amd64, machine: q35, memory: 256}", assets+"/bzImage", assets+"/initramfs.cpio.gz")
			j.values["STEPS"] = fmt.Sprintf(block, tt.key)
			got := run(t, j)
			got.wantError(t, tt.class, tt.says)
			got.wantResults(t, map[string]string{"0_smoke/before": "pass", "lava/0_smoke": "fail", "lava-test-shell": "fail"})
			if kinds := got.findings(t, "lava-test-shell"); !slices.Contains(kinds, tt.named) {
				t.Errorf("findings: %q, want %q among them", kinds, tt.named)
			}
		})
	}
}

// crashModule returns a directory with labcrash.ko, which fails as it is told, for the kernel of amd64.
func crashModule(t *testing.T) string {
	t.Helper()
	version := filepath.Base(only(t, material(t, "linux-amd64")+"/lib/modules/*"))
	release := strings.TrimSuffix(version, "-cloud-amd64") // 6.1.0-56
	series := strings.Join(strings.SplitN(release, ".", 3)[:2], ".")
	headers := debian{arch: "amd64", names: "linux-headers-" + version + " linux-headers-" + release + "-common linux-kbuild-" + series}
	return cached(t, "labcrash", version, func(dir string) error {
		dispatchertest.Need(t, "make:make", "gcc-12:gcc-12", "ld:binutils")
		root, err := filepath.EvalSymlinks(headers.unpack(t, "headers-amd64"))
		if err != nil {
			return err
		}
		file := filepath.Join(root, "usr/src/linux-headers-"+version, "Makefile")
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// The package is unpacked, not installed.
		text = []byte(strings.Replace(string(text), "include /usr/src/", "include "+root+"/usr/src/", 1))
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
		build := t.TempDir()
		source := filepath.Join(dispatchertest.Corpus(t, "devices"), "devices/crashmod")
		if err := command("make", "-C", source, "KVER="+version, "HDRROOT="+root, "OUT="+build); err != nil {
			return err
		}
		return command("strip", "-d", "-o", filepath.Join(dir, "labcrash.ko"), filepath.Join(build, "labcrash.ko"))
	})
}
