package verdict

import (
	"regexp"

	"strata/events"
)

// weight orders signs: of several, the one of the highest weight is the evidence, and of equals the first.
type weight int

const (
	hint    weight = iota + 1 // explains a failure that nothing else explains
	plain                     // something of the job's failed
	lab                       // something of the lab's failed
	serious                   // the kernel reports a fault of its own and goes on
	fatal                     // nothing works after it
)

// sign is a row of the table: what a line has to contain to mean something.
type sign struct {
	has     string         // literally; the cheap test
	like    *regexp.Regexp // and this, where it is not nil
	not     string         // but not this, where it is not empty
	kernel  bool           // only after a kernel's time stamp, if the console has such
	cause   events.Cause
	weight  weight
	follows bool // it is a consequence where a report of the kernel's stands before it: that one is the evidence
	heals   bool // a later sign of progress says that it was overcome
	ends    bool // init ended: it is a consequence where it had found no root file system, or no network to it
	early   bool // only until init runs: what programs say of their networks is no matter of boot loaders
	about   about
}

// about says what a sign is about that a job may have brought, and then is the job's matter.
type about int

const (
	aboutLoader about = iota + 1 // the boot loader or firmware itself
	aboutDisk                    // what is on the device's disk
	aboutPath                    // a file that came over the network, or from a disk: the last path named tells
)

func like(expr string) *regexp.Regexp { return regexp.MustCompile(expr) }

// table is built once, never changed.
var table = signs()

// signs lists what lines mean. Kernels' words are those of Linux 3.x–6.x on all architectures, boot
// loaders' those of U-Boot, GRUB, iPXE, EDK II, barebox and Arm's firmware. Of several rows that fit a
// line the first counts.
func signs() []sign {
	var all []sign
	add := func(cause events.Cause, w weight, rows ...sign) {
		for _, r := range rows {
			r.cause, r.weight = cause, w
			all = append(all, r)
		}
	}
	kernelSigns(add)
	rootSigns(add)
	networkSigns(add)
	hostSigns(add)
	loaderSigns(add)
	softwareSigns(add)
	refusals(add)
	return all
}

type adder func(cause events.Cause, w weight, rows ...sign)

// consequence are panics that only say that a report before them was one too many.
var consequence = like(`not syncing: (.*: )?(Fatal exception|Kernel Fault|Oops|softlockup: hung tasks|hung_task: blocked tasks|panic_on_warn|` +
	`kernel: panic_on_warn|RCU Stall|Attempted to kill (the idle task!|init! exitcode=0x[0-9a-f]{6}([0-9a-f][1-9a-f]|[1-9a-f]0))|Fatal hardware error|BUG!|.*panic_on_|Aiee|` +
	`UBSAN: panic_on_warn|KASAN: panic_on_warn|stack-protector|Hard LOCKUP|nmi_panic|Unhandled|Asynchronous SError|` +
	`corrupted stack end|bad mode|Unrecoverable|Kernel mode fault|Kernel mode signal|die\b)`)

func kernelSigns(add adder) {
	add(events.CauseHardware, fatal,
		sign{has: "not syncing: Fatal machine check"}, sign{has: "not syncing: Fatal Machine check"},
		sign{has: "not syncing: Machine check"}, sign{has: "not syncing: Fatal hardware error"},
		sign{has: "critical temperature reached", kernel: true})
	add(events.CauseMemory, fatal,
		sign{has: "not syncing: System is deadlocked on memory"}, sign{has: "not syncing: Out of memory"})
	add(events.CauseNetwork, fatal,
		sign{has: "not syncing: VFS: Unable to mount root fs on unknown-block(0,25", like: like(`\(0,25[45]\)`), ends: true}, // NFS's and SMB's
		sign{has: "not syncing: VFS: Unable to mount root fs via NFS"}, sign{has: "not syncing: VFS: Unable to mount root fs via SMB"})
	add(events.CauseRootfs, fatal,
		sign{has: "not syncing: VFS: Unable to mount root fs"}, sign{has: "not syncing: No working init found"},
		sign{has: "not syncing: No init found"}, sign{has: "not syncing: Requested init"},
		sign{has: "not syncing: Requested", like: like(`Requested \S+ (failed|exited)`)})
	add(events.CausePanic, fatal,
		sign{has: "Kernel panic - not syncing", like: consequence, follows: true},
		sign{has: "not syncing: Attempted to kill init!", ends: true}, sign{has: "Kernel panic - not syncing"},
		sign{has: "Kernel panic: "}, // before Linux 2.6
		sign{has: "PANIC: early exception"}, sign{has: "PANIC: double fault"},
		sign{has: "Panic on CPU ", like: like(`^\(XEN\) .*Panic on CPU \d+`)},
		sign{has: "panic(cpu", like: like(`^panic\(cpu \d+ caller`)})
	// A decompressor says before it why it gives up, where it knows.
	add(events.CausePanic, plain, sign{has: "-- System halted"},
		sign{has: "panic: ", like: like(`^panic: `), not: "runtime error", kernel: true}, // BSDs
		sign{has: "InitFatalReboot", kernel: true})
	add(events.CauseSanitizer, serious,
		sign{has: "BUG: KASAN:"}, sign{has: "BUG: KCSAN:"}, sign{has: "BUG: KFENCE:"}, sign{has: "BUG: KMSAN:"},
		sign{has: "UBSAN: ", kernel: true}, sign{has: "kmemleak: ", like: like(`\d+ new suspected memory leaks`), kernel: true})
	add(events.CauseLockup, serious,
		sign{has: "BUG: soft lockup"}, sign{has: "BUG: workqueue lockup", kernel: true}, sign{has: "BUG: spinlock lockup", kernel: true},
		sign{has: "hard LOCKUP", like: like(`(?i)(nmi watchdog|watchdog).*hard lockup`)},
		sign{has: "detected hard LOCKUP"}, sign{has: "hard lockup on CPU", kernel: true},
		sign{has: "detected stall", like: like(`rcu|RCU`)}, sign{has: "detected stalls", like: like(`rcu|RCU`)},
		sign{has: "detected expedited stall", kernel: true},
		sign{has: "WARNING: possible circular locking", kernel: true}, sign{has: "WARNING: possible recursive locking", kernel: true},
		sign{has: "INFO: possible recursive locking", kernel: true}, sign{has: "INFO: inconsistent lock state", kernel: true},
		sign{has: "WARNING: inconsistent lock state", kernel: true}, sign{has: "INFO: possible circular locking", kernel: true},
		sign{has: "NMI watchdog: BUG"}, sign{has: "watchdog: BUG"})
	add(events.CauseHungTask, serious, sign{has: " blocked for more than ", like: like(`INFO: task .* blocked for more than \d+ seconds`)})
	add(events.CauseOops, serious,
		sign{has: "Unable to handle kernel ", like: like(`Unable to handle kernel (NULL pointer|paging request|access|read|write|execute|unknown|pointer|data)`), kernel: true},
		sign{has: "BUG: kernel NULL pointer"}, sign{has: "BUG: unable to handle"}, sign{has: "stack guard page was hit"},
		sign{has: "Insufficient stack space to handle exception", kernel: true}, sign{has: "kernel stack overflow", kernel: true},
		sign{has: "CFI failure at ", kernel: true}, sign{has: "Internal error: ", like: like(`Internal error: .*\[#\d+\]`)},
		sign{has: "general protection fault", like: like(`general protection fault.*(\[#\d+\]|probably for|maybe for)`)},
		sign{has: "Oops: ", like: like(`Oops: .*\[#\d+\]|Oops: [0-9a-f]{4,}|Oops: Kernel access|Oops: Exception`)},
		sign{has: "Oops - ", like: like(`Oops - \w`)}, sign{has: "Oops[#"},
		sign{has: "CPU ", like: like(`CPU \d+ Unable to handle kernel paging request`)}, // MIPS, LoongArch
		sign{has: "Kernel attempted to ", like: like(`Kernel attempted to (read|write|execute|access) user page`), kernel: true},
		sign{has: "kernel tried to execute NX-protected page", kernel: true}, sign{has: "bad area accessing", kernel: true},
		sign{has: "Unhandled fault", like: like(`Unhandled fault: .*at 0x`)}, sign{has: "Unhandled prefetch abort", kernel: true},
		sign{has: "synchronous external abort", kernel: true}, sign{has: "SError Interrupt on CPU", kernel: true},
		sign{has: "Kernel unaligned access", kernel: true}, sign{has: "Kernel bug detected[#"}, sign{has: "Reserved instruction in kernel"},
		sign{has: "divide error: ", like: like(`\[#\d+\]`)}, sign{has: "stack segment: ", like: like(`\[#\d+\]`)},
		sign{has: "double fault: ", like: like(`\[#\d+\]`)}, sign{has: "unable to handle page fault for address", kernel: true},
		sign{has: "Kernel BUG at", like: like(`Kernel BUG at|sig: \d+ \[#\d+\]`), kernel: true})
	add(events.CauseBug, serious,
		sign{has: "kernel BUG at"}, sign{has: "list_add corruption"}, sign{has: "list_del corruption"},
		sign{has: "invalid opcode: ", like: like(`\[#\d+\]`)}, sign{has: "BUG: scheduling while atomic", kernel: true},
		sign{has: "BUG: sleeping function called", kernel: true}, sign{has: "BUG: Bad page", kernel: true},
		sign{has: "BUG: Bad rss", kernel: true}, sign{has: "refcount_t: ", like: like(`(underflow|saturated|use-after-free|overflow)`), kernel: true},
		sign{has: "detected buffer overflow in", kernel: true}, sign{has: "usercopy: Kernel memory", kernel: true},
		sign{has: "slab-", like: like(`BUG .*: `), kernel: true}, sign{has: "BUG: ", kernel: true},
		sign{has: "BUG ", like: like(`BUG \S+ \(.*\): `), kernel: true}) // SLUB's
	add(events.CauseMemory, serious,
		sign{has: "ut of memory: Kill"}, sign{has: "Out of memory and no killable processes"}, sign{has: "Out of memory (oom_kill_allocating_task)"})
	// Whatever the fault is called, the header that each architecture's die() prints ends with its number.
	add(events.CauseOops, serious, sign{has: "[#1", like: like(`: .*\[#1\d*\]`), kernel: true}, sign{has: "Kernel Fault: Code="})
	add(events.CauseWarning, hint, sign{has: "WARNING: ", like: like(`WARNING: (CPU: \d+ PID: \d+ at|at|\S+ at) |WARNING: suspicious RCU usage`), kernel: true})
}

// rootSigns are of kernels and initramfs that find no root file system or init.
func rootSigns(add adder) {
	const address = `\d+\.\d+\.\d+\.\d+`
	add(events.CauseNetwork, lab,
		sign{has: "mount", like: like(`mount: (mounting )?` + address + `:\S* .*(failed|denied|refused|timed out|No such|No route)`)},
		sign{has: "mount.nfs", like: like(`mount\.nfs4?: .*(timed out|refused|denied|failed|No such|No route|not responding|unreachable|No such device)`)},
		sign{has: "VFS: Unable to mount root fs via", like: like(`^VFS: Unable to mount root fs via (NFS|SMB)`)},
		sign{has: "nfsmount: ", like: like(`(?i)(need a|can't|cannot|failed|timed? ?out|denied|refused)`)},
		sign{has: "cannot mount " + "", like: like(`cannot mount ` + address + `:`)},
		sign{has: "Root-NFS: ", like: like(`(?i)(unable|error|failed|server returned|no NFS)`)},
		sign{has: "nfs: server ", like: like(`nfs: server \S+ not responding`), heals: true},
		sign{has: "IP-Config: ", like: like(`(?i)(no response|auto-configuration of network failed|timed out|reopening network)`), heals: true},
		sign{has: "ipconfig: ", like: like(`(?i)(no response|no devices to configure|timed out)`), heals: true},
		sign{has: "udhcpc: no lease, failing"}, sign{has: "udhcpc: no lease, forking"},
		sign{has: "No DHCPOFFERS received"}, sign{has: "dhcpcd", like: like(`timed out$`), heals: true},
		sign{has: "nbd-client", like: like(`(?i)(error|refused|failed|exiting|denied)`)}, sign{has: "Negotiation: ", like: like(`(?i)(error|refused|failed)`)},
		sign{has: "Error: Socket failed:"}, sign{has: "nbd: ", like: like(`(?i)(receive control failed|shutting down sockets|connection timed out|attempted send on)`), kernel: true, heals: true},
		sign{has: "iscsistart: ", like: like(`(?i)(initiator reported error|cannot|failed|timed out)`)})
	add(events.CauseRootfs, plain,
		sign{has: "Timed out waiting for device"}, sign{has: "RAMDISK: Couldn't find valid RAM disk image", kernel: true},
		sign{has: "VFS: Cannot open root device"}, sign{has: "ALERT!", like: like(`does not exist`)},
		sign{has: "Failed to mount required partitions", kernel: true}, sign{has: "Mounting boot media", like: like(`failed`)},
		sign{has: "evice ", like: like(`^ERROR: (root )?device \S+ not found`)}, sign{has: " on rootfs", like: like(`(?i)^error: .*\bno\b`)},
		sign{has: "Mounting from ", like: like(`failed with error \d`)}, sign{has: "mountroot: waiting for device"}, sign{has: "mountroot> "},
		sign{has: "Gave up waiting for root"}, sign{has: "Gave up waiting for suspend"},
		sign{has: "dracut", like: like(`(?i)(FATAL|Could not boot|timeout scripts|does not exist)`)},
		sign{has: "Warning: /dev/", like: like(`does not exist`)}, sign{has: "emergency mode", like: like(`(?i)(entering|you are in|welcome to) emergency mode`)},
		sign{has: "emergency shell", like: like(`(?i)(entering|dropping|dropped).*emergency shell`)},
		sign{has: "shell", like: like(`(?i)^\W*(dropp(ing|ed)|falling) (back )?(in)?to an? (interactive|recovery|rescue|debug|limited) shell|emergency recovery shell launched`)},
		sign{has: "Failed to mount ", like: like(`Failed to mount (/|\S*sysroot|Root)`)},
		sign{has: "switch_root: ", like: like(`(?i)(can't|failed|bad|not)`)}, sign{has: "run-init: ", like: like(`(?i)(no such file|can't|error|not executable)`)},
		sign{has: "Target filesystem doesn't have requested"}, sign{has: "No init found. Try passing init="},
		sign{has: "Failed to execute /", like: like(`Failed to execute /\S*init`), kernel: true},
		sign{has: "Initramfs unpacking failed", kernel: true},
		sign{has: "mount: ", like: like(`^(mount: )(mounting )?/dev/\S+ on /\S+ failed`)},
		sign{has: "init: cannot mount"}, sign{has: "No filesystem could mount root", kernel: true})
	add(events.CauseRootfs, plain, sign{has: "UBIFS error", like: like(`UBIFS error.*cannot open`), kernel: true},
		sign{has: "[!!!!!!] "}, sign{has: "systemd[1]: ", like: like(`^systemd\[1\]: (Caught <\w+>|Freezing execution)`)})
	add(events.CauseRootfs, hint, sign{has: "Waiting for root device ", kernel: true, heals: true})
}
