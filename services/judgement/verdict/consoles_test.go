package verdict

import "strata/events"

// consoles are written after the formats of the sources named: no recording of them is at hand.
func consoles() []struct {
	name  string
	cause events.Cause
	text  string
} {
	return []struct {
		name  string
		cause events.Cause
		text  string
	}{
		// arch/arm/mm/fault.c, kernels to 5.x
		{"old arm oops", events.CauseOops, "[    5.100000] usb 1-1: new device\n* [    6.193291] Unable to handle kernel NULL pointer dereference at virtual address 0000002c\n[    6.198000] pgd = c0004000\n[    6.208401] Internal error: Oops: 5 [#1] SMP ARM\n/ # "},
		{"arm undefined instruction", events.CauseOops, "[    1.000000] x\n* [    3.000000] Internal error: Oops - undefined instruction: 0 [#1] PREEMPT ARM\n[    3.100000] Kernel panic - not syncing: Fatal exception"},
		{"imprecise abort", events.CauseOops, "[    1.000000] x\n* [    2.500000] Unhandled fault: imprecise external abort (0x1406) at 0x00000000\n[    2.600000] Internal error: : 1406 [#1] SMP ARM\n[    2.700000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000007"},
		// arch/riscv/mm/fault.c
		{"riscv oops", events.CauseOops, "[    0.000000] Linux version 6.6.0 (x@y) #1\n* [    3.141593] Unable to handle kernel paging request at virtual address dead000000000100\n[    3.150000] Oops [#1]\n[    3.160000] Kernel panic - not syncing: Fatal exception in interrupt"},
		// arch/mips/mm/fault.c, arch/mips/kernel/traps.c
		{"mips oops", events.CauseOops, "[    1.000000] x\n* [   12.000000] CPU 0 Unable to handle kernel paging request at virtual address 00000000, epc == 80123456, ra == 80123444\n[   12.001000] Oops[#1]:\n[   12.100000] Kernel panic - not syncing: Fatal exception"},
		// arch/powerpc
		{"powerpc oops", events.CauseOops, "[    1.000000] x\n* [   10.000000] BUG: Unable to handle kernel data access on read at 0x00000000\n[   10.001000] Oops: Kernel access of bad area, sig: 11 [#1]\n[   10.200000] Kernel panic - not syncing: Fatal exception"},
		// arch/s390
		{"s390 oops", events.CauseOops, "[    1.000000] x\n* [    7.000000] Unable to handle kernel pointer dereference in virtual kernel address space\n[    7.001000] Oops: 0004 ilc:2 [#1] SMP\n[    7.500000] Kernel panic - not syncing: Fatal exception: panic_on_oops"},
		{"x86 page fault", events.CauseOops, "[    1.000000] x\n* [    4.000000] BUG: unable to handle page fault for address: ffffffffdeadbeef\n[    4.001000] #PF: supervisor read access in kernel mode\n[    4.010000] Oops: 0000 [#1] SMP PTI\n/ # "},
		{"general protection", events.CauseOops, "[    1.000000] x\n* [    4.000000] general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] PREEMPT SMP\n[    4.200000] Kernel panic - not syncing: Fatal exception"},
		{"panic at once", events.CausePanic, "[    0.000000] Linux version 6.1.0 #1\n* [    0.400000] Kernel panic - not syncing: Failed to allocate swiotlb\n[    0.500000] ---[ end Kernel panic - not syncing: Failed to allocate swiotlb ]---"},
		{"panic by a watchdog", events.CauseLockup, "[    1.000000] x\n* [   30.000000] watchdog: Watchdog detected hard LOCKUP on cpu 1\n[   30.100000] Kernel panic - not syncing: Hard LOCKUP"},
		{"rcu stall and panic", events.CauseLockup, "[    1.000000] x\n* [   60.000000] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n[   60.100000] rcu: \t1-...0: (1 GPs behind)\n[   60.200000] Kernel panic - not syncing: RCU Stall"},
		{"kasan", events.CauseSanitizer, "[    1.000000] x\n[    8.000000] ==================================================================\n* [    8.000100] BUG: KASAN: use-after-free in foo+0x10/0x20\n[    8.000200] Read of size 8\n/ # "},
		{"ubsan", events.CauseSanitizer, "[    1.000000] x\n* [    8.000100] UBSAN: array-index-out-of-bounds in drivers/foo.c:12:3\n/ # "},
		{"lockdep", events.CauseLockup, "[    1.000000] x\n[    9.000000] ======================================================\n* [    9.000010] WARNING: possible circular locking dependency detected\n/ # "},
		{"sleeping while atomic", events.CauseBug, "[    1.000000] x\n* [    9.000010] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:283\n/ # "},
		{"machine check", events.CauseHardware, "[    1.000000] x\n[   20.000000] mce: [Hardware Error]: CPU 2: Machine Check Exception: 5 Bank 4\n* [   20.100000] Kernel panic - not syncing: Fatal machine check"},
		{"overheated", events.CauseHardware, "[    1.000000] x\n* [   99.000000] thermal thermal_zone0: cpu-thermal: critical temperature reached, shutting down\n[   99.100000] reboot: HARDWARE PROTECTION shutdown"},
		{"oom kills init", events.CauseMemory, "[    1.000000] x\n* [   22.000000] Kernel panic - not syncing: System is deadlocked on memory"},

		{"initramfs without root", events.CauseRootfs, "[    2.000000] Run /init as init process\nBegin: Waiting for root file system ... done.\n* ALERT!  UUID=12-34 does not exist.  Dropping to a shell!\n(initramfs) "},
		{"gave up waiting", events.CauseRootfs, "[    2.000000] Run /init as init process\n* Gave up waiting for root file system device.  Common problems:\n - Boot args\nALERT!  /dev/mmcblk0p2 does not exist.  Dropping to a shell!\n(initramfs) "},
		{"dracut", events.CauseRootfs, "[    2.000000] systemd[1]: Running in initrd.\n* [  190.000000] dracut-initqueue[300]: Warning: Could not boot.\nGenerating \"/run/initramfs/rdsosreport.txt\"\nEntering emergency mode."},
		{"emergency mode", events.CauseRootfs, "[    2.000000] systemd[1]: Hello\n* You are in emergency mode. After logging in, type \"journalctl -xb\"\nPress Enter for maintenance"},
		{"no working init", events.CauseRootfs, "[    2.000000] VFS: Mounted root (ext4 filesystem)\n* [    2.100000] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel."},
		{"nfs root away", events.CauseNetwork, "[    2.000000] IP-Config: Complete:\n[   95.000000] VFS: Unable to mount root fs via NFS.\n* [   95.200000] Kernel panic - not syncing: VFS: Unable to mount root fs via NFS, trying floppy."},
		{"nfs server silent", events.CauseNetwork, "[    2.000000] IP-Config: Complete:\n* [  180.000000] nfs: server 10.0.0.1 not responding, still trying"},
		{"no dhcp in the kernel", events.CauseNetwork, "* [    2.000000] Sending DHCP requests ...... timed out!\n[   90.000000] IP-Config: Auto-configuration of network failed"},

		{"u-boot without dhcp", events.CauseNetwork, "U-Boot 2024.01 (Jan 08 2024)\n=> dhcp\nBOOTP broadcast 1\nBOOTP broadcast 2\nBOOTP broadcast 3\n* Retry time exceeded; starting again\n=> "},
		{"u-boot many broadcasts", events.CauseNetwork, "U-Boot 2024.01 (Jan 08 2024)\n=> dhcp\nBOOTP broadcast 1\nBOOTP broadcast 8\n* BOOTP broadcast 9\nBOOTP broadcast 10"},
		{"u-boot phy", events.CauseNetwork, "U-Boot 2024.01 (Jan 08 2024)\n=> dhcp\n* ethernet@30be0000 Waiting for PHY auto negotiation to complete......... TIMEOUT !\n=> "},
		{"u-boot bad image", events.CauseImage, "U-Boot 2024.01 (Jan 08 2024)\n=> bootm 0x42000000\n* Wrong Image Format for bootm command\nERROR: can't get kernel image!\n=> "},
		{"u-boot fit hash", events.CauseImage, "U-Boot 2024.01 (Jan 08 2024)\n## Loading kernel from FIT Image at 48000000 ...\n* Verifying Hash Integrity ... sha256 error!\nBad hash value for 'hash-1' hash node\n=> "},
		{"u-boot device tree", events.CauseImage, "U-Boot 2024.01 (Jan 08 2024)\n* ERROR: Did not find a cmdline Flattened Device Tree\nCould not find a valid device tree\n=> "},
		{"spl finds nothing", events.CauseHardware, "U-Boot SPL 2024.01 (Jan 08 2024)\nTrying to boot from MMC1\n* SPL: failed to boot from all boot devices\n### ERROR ### Please RESET the board ###"},
		{"spl stops", events.CauseLoader, "U-Boot SPL 2024.01 (Jan 08 2024)\n* Trying to boot from MMC1"},
		{"u-boot crashes", events.CauseHardware, "U-Boot 2024.01 (Jan 08 2024)\n* \"Synchronous Abort\" handler, esr 0x96000210\nelr: 0000000000001000\nResetting CPU ..."},
		{"grub has no server", events.CauseNetwork, "GNU GRUB  version 2.06\ngrub> linux (tftp)/Image\n* error: couldn't send network packet.\ngrub> "},
		{"grub times out", events.CauseNetwork, "GNU GRUB  version 2.06\n* error: timeout reading `Image'.\ngrub> "},
		{"grub bad kernel", events.CauseImage, "GNU GRUB  version 2.06\n* error: invalid magic number.\nerror: you need to load the kernel first.\ngrub> "},
		{"pxe rom", events.CauseNetwork, "Intel UNDI, PXE-2.1\nCLIENT MAC ADDR: 52 54 00\n* PXE-E53: No boot filename received\nPXE-M0F: Exiting PXE ROM."},
		{"uefi pxe", events.CauseNetwork, ">>Start PXE over IPv4.\n*   PXE-E18: Server response timeout.\nBdsDxe: failed to load Boot0001 \"UEFI PXEv4\" from PciRoot: Not Found"},
		{"uefi finds nothing", events.CauseLoader, "UEFI firmware (version 2022.11 built at 00:00)\n* BdsDxe: No bootable option or device was found.\nBdsDxe: Press any key to enter the Boot Manager Menu."},
		{"bios finds nothing", events.CauseLoader, "SeaBIOS (version 1.16.2)\nBooting from Hard Disk...\n* No bootable device.  Retrying in 60 seconds."},
		{"ipxe without lease", events.CauseNetwork, "iPXE 1.21.1 -- Open Source Network Boot Firmware\niPXE> dhcp\nConfiguring (net0 52:54:00:12:34:56).................. \n* No configuration methods succeeded (http://ipxe.org/040ee119)\niPXE> "},
		{"trusted firmware", events.CauseHardware, "NOTICE:  BL1: v2.8\nNOTICE:  BL1: Booting BL2\n* ERROR:   BL2: Failed to load image id 5 (-2)"},

		{"conserver", events.CauseConsole, "[Enter `^Ec?' for help]\n* [-- Console down -- Mon Nov 23 00:00:00 2026]\n"},
		{"port in use", events.CauseConsole, "Trying 127.0.0.1...\nConnected to localhost.\n* Port already in use\n"},
		{"telnet refused", events.CauseConsole, "Trying 127.0.0.1...\n* telnet: Unable to connect to remote host: Connection refused\n"},
		{"sol in use", events.CauseConsole, "* Info: SOL payload already active on another session\n"},
		{"usb serial gone", events.CauseConsole, "* FATAL: cannot open /dev/ttyUSB0: No such file or directory\n"},
		{"emulator", events.CauseHost, "* qemu-system-aarch64: -drive file=disk.img: Could not open 'disk.img': No such file or directory\n"},
		{"nothing", events.CauseSilent, "\n\n"},

		{"zephyr fault", events.CauseFirmware, "*** Booting Zephyr OS build v3.5.0 ***\nSTART - test_x\n* E: ***** MPU FAULT *****\nE:   Data Access Violation\nE: >>> ZEPHYR FATAL ERROR 19: Unknown error on CPU 0"},
		{"zephyr assertion", events.CauseFirmware, "*** Booting Zephyr OS build v3.5.0 ***\n* ASSERTION FAIL [x != NULL] @ foo.c:12\n"},
		{"login refused", events.CauseLogin, "[    2.000000] systemd[1]: Hello\nboard login: root\nPassword: \n* Login incorrect\nboard login:"},
		{"reset in a boot", events.CauseReset, "U-Boot 2024.01 (Jan 08 2024)\nStarting kernel ...\n[    0.000000] Linux version 6.6.0 #1\n[    1.000000] usb: x\n* U-Boot SPL 2024.01 (Jan 08 2024)\nTrying to boot from MMC1\nU-Boot 2024.01 (Jan 08 2024)"},
		{"kernel never speaks", events.CauseHang, "U-Boot 2024.01 (Jan 08 2024)\nBytes transferred = 100\n* Starting kernel ...\n"},
		{"kernel stops", events.CauseHang, "Starting kernel ...\n[    0.000000] Linux version 6.6.0 #1\n* [    1.200000] clk: Disabling unused clocks\n"},

		{"words of a kernel in a command", events.CauseNone, "[    0.000000] Linux version 6.6.0 #1\n[    2.000000] Run /init as init process\n/ # echo 'Kernel panic - not syncing: x'; dmesg | grep BUG:\n/ # "},
		{"a network that came in the end", events.CauseNone, "U-Boot 2024.01\n=> dhcp\nBOOTP broadcast 1\nTFTP error: 'File not found' (1)\nStarting kernel ...\n[    0.000000] Linux version 6.6.0 #1\n[    1.000000] Run /init as init process\n/ # "},
		{"a test that looks for a host", events.CauseNone, "[    0.000000] Linux version 6.6.0 #1\n[    2.000000] Run /init as init process\n/ # ssh nobody\nssh: connect to host nobody port 22: Connection refused\nok\nok\nok\nok\nok\nok\n/ # "},
		{"a reboot that was asked for", events.CauseNone, "[    0.000000] Linux version 6.6.0 #1\nBoard login:\n[   20.000000] reboot: Restarting system\nU-Boot 2024.01 (x)\nStarting kernel ...\n[    0.000000] Linux version 6.6.0 #1\nboard login:"},
	}
}
