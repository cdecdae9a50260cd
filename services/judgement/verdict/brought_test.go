package verdict_test

import (
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/services/judgement/verdict"
)

// fetched is the result of an action that fetched an artefact.
func fetched(label string) string {
	return `results {"definition":"lava","case":"http-download","result":"pass","extra":{"label":"` + label + `","size":7}}`
}

// What a job brought fails by its fault, and what the lab put there by the lab's.
func TestBrought(t *testing.T) {
	t.Parallel()
	late := verdict.Outcome{Health: events.Incomplete, Type: events.JobError, Error: "bootloader-commands timed out after 60 seconds"}
	const (
		grub    = "GNU GRUB  version 2.06\ngrub> linux (hd0,gpt1)/Image\n* error: file `/Image' not found.\ngrub> "
		nowhere = "GNU GRUB  version 2.06\ngrub> linux /Image\n* error: file `/Image' not found.\ngrub> "
		abort   = "U-Boot 2024.01 (x)\n* \"Synchronous Abort\" handler, esr 0x96000210\nelr: 0000000000001000\nResetting CPU ..."
		silent  = "U-Boot SPL 2024.01 (x)\n* Trying to boot from MMC1"
		noDisk  = "SeaBIOS (version 1.16.2)\nBooting from Hard Disk...\n* No bootable device."
		tfa     = "NOTICE:  BL31: v2.8\n* PANIC in EL3.\nx30            = 0x0000000040012345"
		power   = "info start: 2.3 uboot-action (timeout 00:01:00) [common]\n"
	)
	for _, tt := range []struct {
		name, labels, log string
		cause             events.Cause
	}{
		{"a loader of the lab crashes", "kernel dtb", abort, events.CauseHardware},
		{"a loader of the job crashes", "kernel u-boot", abort, events.CauseFirmware},
		{"a loader by another name", "fip", abort, events.CauseFirmware},
		{"a loader in an emulator", "images.bios", abort, events.CauseFirmware},
		{"secure firmware of the lab", "kernel", tfa, events.CauseHardware},
		{"secure firmware of the job", "bl31.bin", tfa, events.CauseFirmware},
		{"a loader of the lab stops", "kernel", silent, events.CauseLoader},
		{"a loader of the job stops", "bootloader", silent, events.CauseHang},
		{"an empty disk of the lab", "kernel ramdisk", noDisk, events.CauseLoader},
		{"an empty disk of the job", "rootfs", noDisk, events.CauseImage},
		{"a file on the job's disk", "image", grub, events.CauseImage},
		{"a file on the lab's disk", "kernel", grub, events.CauseLoader},
		{"a file from nowhere, by tftp", "kernel", nowhere, events.CauseNetwork},
		{"a file from nowhere, with a disk of the job", "rootfs", nowhere, events.CauseImage},
	} {
		var log strings.Builder
		log.WriteString("info start: 1 deployimages (timeout 00:05:00) [common]\n")
		for _, label := range strings.Fields(tt.labels) {
			log.WriteString(fetched(label) + "\n")
		}
		log.WriteString(power + tt.log + "\nexception " + late.Error)
		s, line := scan(t, log.String())
		if got, want := label(s.Decide(late)), fmt.Sprintf("%s %s %d", tt.cause.Verdict(), tt.cause, line); got != want {
			t.Errorf("%s: judged %q, want %q", tt.name, got, want)
		}
	}
}

// The protocol of a chip's boot ROM sends loaders, whatever they are called.
func TestBroughtByROM(t *testing.T) {
	t.Parallel()
	s, line := scan(t, `
info start: 1 uuu-deploy (timeout 00:05:00) [common]
`+fetched("boot")+`
U-Boot 2024.01 (x)
* data abort
pc : [<2fd3c1f0>]
exception x timed out after 60 seconds`)
	j := s.Decide(verdict.Outcome{Health: events.Incomplete, Type: events.JobError, Error: "x timed out after 60 seconds"})
	if got, want := label(j), fmt.Sprintf("test firmware-fault %d", line); got != want {
		t.Errorf("judged %q, want %q", got, want)
	}
}

// traces is the report of a lockup with a trace of each processor, as a console prints it.
func traces(processors int) string {
	var b strings.Builder
	at := 0
	say := func(format string, args ...any) {
		at++
		fmt.Fprintf(&b, "[   60.%06d] "+format+"\n", append([]any{at}, args...)...)
	}
	for cpu := range processors {
		say("NMI backtrace for cpu %d", cpu)
		say("CPU: %d PID: 0 Comm: swapper/%d Not tainted 6.6.0 #1", cpu, cpu)
		say("Hardware name: QEMU Standard PC (i440FX + PIIX, 1996)")
		say("RIP: 0010:native_safe_halt+0xb/0x10")
		say("Code: 00 00 00 00 00 0f 00 2d 43 50 44 00 fb f4 c3")
		for _, r := range []string{"RSP", "RAX", "RDX", "RBP", "R10", "R13", "FS", "CS"} {
			say("%s: 0000000000000000 RBX: ffff888003a50000 RCX: 0000000000000001", r)
		}
		say("Call Trace:")
		say(" <TASK>")
		say(" ? default_idle+0xa/0x10")
		say(" do_idle+0x1d2/0x240")
		say(" secondary_startup_64_no_verify+0x179/0x17b")
		say(" </TASK>")
	}
	return b.String()
}

// However many processors report, the panic belongs to the report that began it; and to none that is not near.
func TestLongReports(t *testing.T) {
	t.Parallel()
	const (
		root  = "[   59.000000] watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [a:311]\n[   59.100000] Sending NMI from CPU 3 to CPUs 0-2,4-255:\n"
		panic = "[   99.000000] Kernel panic - not syncing: softlockup: hung tasks\n"
	)
	for _, tt := range []struct {
		name, log string
		want      string
	}{
		{"256 processors", root + traces(256) + panic, "test kernel-lockup 1"},
		{"one", root + traces(1) + panic, "test kernel-lockup 1"},
		{"an old report", root + strings.Repeat("[   70.000000] usb 1-1: new high-speed device, address unset\n", 200) + panic, "test kernel-panic 203"},
		{"a panic of its own", root + "[   99.000000] Kernel panic - not syncing: sysrq triggered crash\n", "test kernel-panic 3"},
		{"after many warnings", strings.Repeat("[    1.000000] WARNING: CPU: 0 PID: 1 at x.c:1\n", 1000) + root + traces(64) + panic, "test kernel-lockup 1001"},
	} {
		s, err := verdict.ReadConsole(strings.NewReader(tt.log))
		if err != nil {
			t.Fatal(err)
		}
		if got := label(s.Decide(verdict.Outcome{})); got != tt.want {
			t.Errorf("%s: judged %q, want %q", tt.name, got, tt.want)
		}
	}
}

// An echo that lacks characters is damage, whatever was typed; one that is wrapped or changed is not.
func TestEchoes(t *testing.T) {
	t.Parallel()
	late := verdict.Outcome{Health: events.Incomplete, Type: events.JobError, Error: "login-action timed out after 60 seconds"}
	for _, tt := range []struct {
		name, first, second string
		damage              bool
	}{
		{"lossy", "foo> set stem one-twothree", "foo> load the mage from card", true},
		{"whole", "foo> set system one-two-three", "foo> load the image from card", false},
		{"wrapped", "foo> set system one-", "foo> load the image fr", false},
	} {
		s, _ := scan(t, "Hello\ninput set system one-two-three\n"+tt.first+"\ninput load the image from card\n"+tt.second+"\nfoo> \nfoo> \nexception "+late.Error)
		if j := s.Decide(late); (j.Cause == events.CauseNoise) != tt.damage {
			t.Errorf("%s: judged %s, want damage %v", tt.name, j.Cause, tt.damage)
		}
	}
}
