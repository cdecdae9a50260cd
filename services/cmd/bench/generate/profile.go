package generate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// profile is a board with its kernel and its test plan. Its lines are formats: a percent sign and a
// letter stand for what changes from boot to boot; see writer.verb.
type profile struct {
	board    string
	loader   []string
	kernel   []string
	services []string
	cases    []testCase
}

// testCase is a case of a test plan and what it may print.
type testCase struct {
	suite  string
	name   string
	start  string
	output []string
	result string
	most   int // lines of output
}

// pool is what the profiles of a lab have in common: boards share drivers, and the lab runs the same
// test suites on all of them.
type pool struct {
	drivers  [][]string
	services []string
	cases    []testCase
}

func newPool(r *rand.Rand) pool {
	var p pool
	for range 300 {
		driver, bus := name(r), pick(r, "spi", "i2c", "usb", "pci 0000:00:", "platform", "mmc", "gpio", "clk")
		var lines []string
		for range 4 + r.IntN(5) {
			form := driverForms()[r.IntN(len(driverForms()))]
			lines = append(lines, strings.NewReplacer("DRV", driver, "BUS", fmt.Sprint(bus, r.IntN(9)), "NAME", name(r), "REV", fmt.Sprint(r.IntN(40))).Replace(form))
		}
		p.drivers = append(p.drivers, lines)
	}
	for range 200 {
		unit := strings.ToUpper(name(r)[:1]) + name(r)
		p.services = append(p.services, "         Starting \x1b[0;1;39m"+unit+".service\x1b[0m - "+sentence(r, 3)+"...",
			"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39m"+unit+".service\x1b[0m - "+sentence(r, 3)+".")
	}
	for n := range 1200 {
		suite, test := pick(r, "net", "mm", "timers", "futex", "cgroup", "ptrace", "vfs", "bpf"), name(r)+"_"+name(r)
		c := testCase{most: 6 + r.IntN(20), suite: fmt.Sprintf("%d_%s", n%7, suite), name: suite + "_" + test,
			start:  fmt.Sprintf("Received signal: <STARTTC> %s_%s", suite, test),
			result: fmt.Sprintf(`{"case":"%s_%s","definition":"%d_%s","duration":"%%f","result":"pass"}`, suite, test, n%7, suite)}
		for range 4 + r.IntN(8) {
			form := testForms()[r.IntN(len(testForms()))]
			c.output = append(c.output, strings.NewReplacer("SUITE", suite, "TEST", test, "NAME", name(r), "WORDS", sentence(r, 4), "FILE", name(r)+".c").Replace(form))
		}
		p.cases = append(p.cases, c)
	}
	return p
}

// newProfile takes a board's drivers, services and 300 cases out of the pool.
// Boards share drivers without being alike, as those of a real lab do.
func newProfile(r *rand.Rand, from pool) profile {
	p := profile{board: name(r) + "-" + pick(r, "evk", "sbc", "dk", "pi", "board")}
	p.loader = loaderLines(p.board)
	p.kernel = append(p.kernel, firstKernelLines(p.board)...)
	for _, d := range r.Perm(len(from.drivers))[:70+r.IntN(30)] {
		p.kernel = append(p.kernel, from.drivers[d]...)
	}
	for _, s := range r.Perm(len(from.services) / 2)[:110] {
		p.services = append(p.services, from.services[2*s:2*s+2]...)
	}
	first := r.IntN(len(from.cases))
	for n := range 300 {
		p.cases = append(p.cases, from.cases[(first+n)%len(from.cases)])
	}
	return p
}

// name makes a word as drivers have them.
func name(r *rand.Rand) string {
	var b strings.Builder
	for range 2 + r.IntN(2) {
		b.WriteString(pick(r, "ar", "bel", "cor", "dwc", "ex", "fal", "gen", "hal", "imx", "ka", "lan", "mar", "nor", "ost", "pho",
			"qua", "ras", "sun", "ter", "ul", "vex", "wil", "xen", "yo", "zed", "tri", "mo", "sa", "li", "ne"))
	}
	return b.String()
}

// sentence makes words of the trade.
func sentence(r *rand.Rand, n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = pick(r, "buffer", "queue", "channel", "clock", "timer", "memory", "page", "cache", "lock", "thread", "signal", "socket",
			"packet", "frame", "device", "register", "interrupt", "transfer", "power", "state", "mode", "link", "port", "bank", "domain",
			"ready", "enabled", "disabled", "mapped", "allocated", "released", "expected", "received", "missing", "found", "set", "reset",
			"for", "with", "after", "before", "without", "on", "from")
	}
	return strings.Join(words, " ")
}

func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// Capitals are filled in once for a driver, percent signs anew in each boot.
func driverForms() []string {
	return []string{
		"DRV BUS: probed at 0x%x, irq %d", "DRV BUS: NAME regulator not found, using dummy regulator", "DRV: NAME registered",
		"BUS: new NAME device number %n using DRV", "DRV BUS.%n: [mem 0x%x-0x%x] mapped", "NAME: DRV loaded, revision REV",
		"DRV BUS: NAME clock at %N Hz", "input: NAME as /devices/platform/DRV/input/input%n", "DRV BUS: Adding to iommu group %n",
		"DRV: %d channels, %N bytes each", "BUS: supply NAME not found, using dummy regulator", "DRV BUS: firmware NAME.bin loaded in %f ms",
		"DRV BUS eth%n: MAC address %m", "NAME: renamed from DRV%n", "DRV BUS: PHY [NAME:%n] driver [DRV] (irq=POLL)",
		"DRV: initcall returned 0 after %N usecs", "audit: type=1130 audit(%N.%n:%n): pid=%p uid=0 unit=NAME comm=\"DRV\" res=success",
		"DRV BUS: DMA mask %d bits, NAME enabled",
	}
}

func testForms() []string {
	return []string{
		"# selftests: SUITE: TEST", "ok %n selftests: SUITE: TEST # SKIP NAME", "# TEST: WORDS (%N ns)", "TPASS: WORDS: SUCCESS (%d)",
		"FILE:%n: TINFO: WORDS", "TEST %n TPASS : WORDS returned %d", "# WORDS %x", "NAME-%p: WORDS", "  WORDS: %N kB", "+ NAME --TEST --WORDS",
		"iteration %n of %d: %f MB/s, latency %N us", "NAME[%p]: segfault at %x ip %X sp %X", "PASS: TEST/NAME (%f s)", "WORDS",
		"/lava-%j/bin/lava-test-case: NAME WORDS", "uuid %u WORDS", "connect %i port %N: WORDS",
	}
}

func dispatcherLines() []string {
	return []string{
		"start: 1 pipeline (timeout 00:15:00)", "start: 1.1 deploy (timeout 00:05:00)", "downloading http://files.example.com/images/%j/Image (%N bytes)",
		"progress %n %% (%f MB)", "sha256sum of the download is %x%x%x%x", "end: 1.1 deploy (duration 00:00:%n)", "start: 1.2 boot (timeout 00:05:00)",
		"Calling: 'nice' 'power-control' 'on' 'port%n'", "[common] bootloader-interrupt: Wait for prompt Hit any key (timeout 00:04:%n)",
	}
}

func loaderLines(board string) []string {
	return []string{
		"U-Boot SPL 2026.07-" + board, "DRAM: 2048 MiB", "Trying to boot from MMC1", "", "U-Boot 2026.07-" + board, "Model: " + board,
		"Core:  %d devices, 24 uclasses, devicetree: separate", "MMC:   mmc@%x: 0", "Loading Environment from FAT... OK", "Net:   eth0: ethernet@%x",
		"Hit any key to stop autoboot:  2 \b\b\b 1 \b\b\b 0", "=> setenv serverip %i", "=> tftp 0x40200000 %j/tftp-deploy-%x/kernel/Image",
		"Using ethernet@%x device", "Bytes transferred = %N (%x hex)", "=> booti 0x40200000 - 0x4fa00000", "Moving Image from 0x40200000 to 0x%x, end=%x",
		"   Loading Device Tree to %x, end %x ... OK", "Starting kernel ...", "",
	}
}

func firstKernelLines(board string) []string {
	return []string{
		"Booting Linux on physical CPU 0x0000000000 [0x410fd034]", "Linux version 6.18.2 (builder@lab) (gcc 14.2.0, GNU ld 2.44) #1 SMP PREEMPT",
		"Machine model: " + board, "Kernel command line: console=ttyS0,115200n8 root=/dev/nfs nfsroot=%i:/export/%j ip=dhcp",
		"Memory: %NK/2097152K available (18432K kernel code, 4608K rwdata, %NK rodata)", "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=%d, Nodes=1",
		"rcu: Hierarchical SRCU implementation.", "printk: console [ttyS0] enabled", "NET: Registered PF_INET protocol family",
		"TCP established hash table entries: 16384 (order: 5, 131072 bytes, linear)", "random: crng init done",
		"Freeing unused kernel memory: %NK", "Run /init as init process",
	}
}

func oopsLines() []string {
	return []string{
		"BUG: kernel NULL pointer " + OopsWord + ", address: %X", "#PF: supervisor write access in kernel mode", "Oops: 0002 [#1] PREEMPT SMP NOPTI",
		"CPU: %n PID: %p Comm: sh Tainted: G           OE", "RIP: 0010:lab_write+%o", "Code: 48 c7 c6 e0 20 41 c0 48 89 df e8 b0 77 1a e7 85 c0 0f 84",
		"RSP: 0018:%X EFLAGS: 00010246", "RAX: %X RBX: %X RCX: %X", "Call Trace:", " <TASK>", " vfs_write+%o", " ksys_write+%o",
		" do_syscall_64+%o", " </TASK>", "---[ end trace 0000000000000000 ]---",
	}
}
