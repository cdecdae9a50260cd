package verdict

import (
	"strings"

	"strata/events"
)

// reach notes that the device has come further, which heals what was wrong on the way.
func (s *Scan) reach(to stage) {
	a := &s.now
	if to <= a.stage {
		return
	}
	a.stage = to
	if to < kernel {
		return
	}
	kept := a.signs[:0]
	for _, f := range a.signs {
		if !f.heals || f.stage >= to {
			kept = append(kept, f)
		}
	}
	a.signs = kept
}

// firmware are the first lines of what runs before a kernel.
var firmware = []string{"U-Boot SPL 20", "U-Boot 20", "U-Boot TPL 20", "SeaBIOS (version", "OpenSBI v", "NOTICE:  BL1", "NOTICE:  BL2: v", "barebox 20",
	"coreboot-", "UEFI firmware (version", "UEFI firmware starting", "EDK II", "Tianocore/EDK2 firmware", "Starting UEFI", "BOOTROM", "RISC-V: Booting",
	"DDR Version", "DDR V1.", "NOTICE:  Booting Trusted Firmware", "INFO:    PSCI Affinity Map", "Xilinx Zynq", "Xilinx First Stage", "RomBOOT", "AT91Bootstrap", "HELLO! BOOT0",
	"Format: Log Type - Time", "Preloader Start", "RedBoot(tm)", "PMON2000", "YAMON ROM", "SLOF ", "OPAL v", "ESP-ROM:", "rst:0x"}

// started are lines after which a kernel, not a boot loader, is to be heard.
var started = []string{"Linux version ", "Booting Linux on ", "Starting kernel", "EFI stub: ", "Uncompressing Linux", "Decompressing Linux", "Loading bzImage at address",
	"Probing EDD", "Booting from ROM", "Boot HART MEDELEG", "## Transferring control to", "Jumping to kernel", "Starting application at", "booting kernel",
	"Booting the kernel", "Kernel command line: ", "Booting kernel", "loaded zImage from", "commandline:"}

// handovers are those of started after which more firmware may follow as well.
var handovers = []string{"Booting from ROM", "Boot HART MEDELEG", "Starting application at", "Jumping to kernel"}

// loaders are what boot loaders print at some time.
var loaders = []string{"Hit any key to stop autoboot", "=> ", "GNU GRUB", "grub> ", "iPXE", "BdsDxe", "UEFI", "PXE", "TFTP", "BOOTP", "DRAM:", "Shell> ", "Trying to boot from", "SPL:",
	"NOTICE: ", "SeaBIOS", "Das U-Boot", "fastboot", "barebox", "RedBoot", "Boot:", "OpenSBI", "coreboot", "depthcharge", "LinuxBoot", "INFO:    BL", "I/TC: ", "PMUFW", "booting linux @", "GRUB loading", "Welcome to GRUB", "BdsDxe"}

// announced are lines with which a device says that it will start again.
var announced = []string{"reboot: Restarting system", "Restarting system", "reboot: Power down", "resetting ...", "Rebooting in ", "sysrq: Resetting", "going down for reboot",
	"Requesting system reboot", "Rebooting.", "reboot: machine restart", "poweroff ...", "Power down.", "System halted", "Reset by ", "rebooting..", "kexec_core: Starting new kernel",
	"Resetting CPU", "systemd-shutdown", "Starting new kernel", "The operating system has halted"}

// inits are lines of the first programs after the kernel's start.
var inits = []string{"Run /init as init process", "Run /sbin/init as init process", "systemd[1]: ", "INIT: version", "Welcome to ", "init started: BusyBox",
	"BusyBox v", "udhcpc: started", "Begin: ", "dracut: ", "Freeing unused kernel", "Starting version "}

// progress notes how far a line shows the device to be, and that it has started again.
func (s *Scan) progress(text string, stamped bool, line uint64) {
	a := &s.now
	boots := strings.Contains(text, "Linux version ")
	again := begins(text, firmware) || boots && a.booted
	switch {
	case again && a.stage >= kernel && !a.expected && !a.handed:
		// A kernel that panicked says so; this is one that did not.
		a.signs = append(a.signs, found{cause: events.CauseReset, weight: serious, line: line, stage: a.stage})
		a.stage = loader
	case again && a.stage >= kernel:
		a.stage = loader
	}
	if contains(text, announced) || strings.Contains(text, "Kernel panic - not syncing") {
		if a.stage == shell && contains(text, resets) && len(a.signs) < maxSigns {
			a.signs = append(a.signs, found{cause: events.CauseReset, weight: hint, line: line, stage: a.stage})
		}
		a.expected = true
	}
	a.booted = a.booted && !again || boots
	a.off = (a.off || contains(text, offs)) && !again && !boots
	switch {
	case strings.HasSuffix(text, "login:"), strings.Contains(text, " login: "):
		s.reach(user)
		a.login = true
	case !stamped && a.stage >= kernel && prompts.MatchString(text):
		s.reach(shell)
	case contains(text, inits) && !strings.Contains(text, "GRUB"):
		s.reach(user)
	case stamped, contains(text, started):
		if a.stage < kernel {
			a.expected = false
		}
		a.handed = !stamped && a.stage < kernel && contains(text, handovers) || a.handed && !stamped && !boots
		s.reach(kernel)
	case begins(text, firmware), contains(text, loaders):
		s.reach(loader)
	default:
		s.reach(talks)
	}
}

// offs are those of announced after which nothing more is to come.
var offs = []string{"reboot: Power down", "reboot: System halted", "Powering off.", "poweroff ...", "The operating system has halted"}

// resets are those of announced after which a kernel does not come to its end by itself.
var resets = []string{"sysrq: Resetting", "reboot: Restarting system", "reboot: machine restart"}

// begins says whether a line begins with one of the texts.
func begins(text string, texts []string) bool {
	for _, t := range texts {
		if strings.HasPrefix(text, t) {
			return true
		}
	}
	return false
}

// contains says whether a line contains one of the texts.
func contains(text string, texts []string) bool {
	for _, t := range texts {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}
