package verdict

import "strata/events"

// networkSigns are of boot loaders and firmware that fetch over the network.
func networkSigns(add adder) {
	early := func(rows ...sign) {
		for _, r := range rows {
			r.early = true
			add(events.CauseNetwork, lab, r)
		}
	}
	add(events.CauseImage, plain, sign{has: "ipxe.org/", like: like(`(Exec format error|Not an executable image|Could not boot image) \(`)})
	early(
		// U-Boot, barebox
		sign{has: "TFTP error: ", heals: true}, sign{has: "TFTP server died", heals: true}, sign{has: "TFTP timeout", heals: true},
		sign{has: "ARP Retry count exceeded", heals: true}, sign{has: "Retry count exceeded", heals: true}, sign{has: "Retry time exceeded", heals: true},
		sign{has: "Loading: ", like: like(`Loading: .*\bT( T)+\b`), heals: true}, sign{has: " T T T T", heals: true, like: like(`^[\s#T]+$`)},
		sign{has: "*** ERROR: `", like: like("`(serverip|ipaddr|ethaddr|gatewayip)' not set"), heals: true},
		sign{has: "TIMEOUT", like: like(`(?i)auto negotiation.*TIMEOUT`), heals: true}, sign{has: "No link.", heals: true}, sign{has: ": No link", heals: true},
		sign{has: "link down", like: like(`(?i)^\S*(eth|mac|gem|fec|dwmac)\S*:? .*link down`), heals: true},
		sign{has: "BOOTP broadcast ", like: like(`BOOTP broadcast (9|1\d|2\d)\b`), heals: true},
		sign{has: "DHCP", like: like(`(?i)dhcp.*(timed out|failed|no (offer|response|server|lease))`), not: "udhcpc", heals: true},
		sign{has: "imed out", like: protocol, heals: true}, sign{has: "failed", like: protocol, heals: true},
		sign{has: "etwork is ", like: protocol, heals: true}, sign{has: "No route to host", like: protocol, heals: true},
		sign{has: "could not open ", like: like(`^could not open (/mnt/)?(tftp|nfs|http)\S*: `), heals: true},
		sign{has: "host ", like: like(`^ping failed; host \S+ is not alive`), heals: true},
		sign{has: "Problem encountered", like: like(`NFS|TFTP`), heals: true}, sign{has: "*** ERROR: Cannot mount", heals: true},
		sign{has: "*** ERROR: File lookup fail", heals: true}, sign{has: "HTTP", like: like(`(?i)\b(http|https)\b.*\b(404|403|500|502|503|504)\b`), heals: true},
		sign{has: "PHY reset timed out", heals: true}, sign{has: "FAILED: ", like: like(`FAILED: (TFTP|DHCP|BOOTP|network)`), heals: true},
		// PXE ROMs and EDK II
		sign{has: "PXE-E", like: like(`PXE-E[0-9A-F]{2}`), heals: true}, sign{has: "PXE-M0F", heals: true}, sign{has: "No DHCP or proxyDHCP offers", heals: true},
		sign{has: "No valid offer received", heals: true}, sign{has: "Server response timeout", heals: true}, sign{has: "Could not retrieve NBP file size", heals: true},
		sign{has: "HTTP Boot", like: like(`(?i)error|fail`), heals: true}, sign{has: "Error: Could not retrieve", heals: true},
		// iPXE: each of its errors names a page
		sign{has: "ipxe.org/", like: like(`\((https?://)?ipxe\.org/[0-9a-f]{6,8}\)|Connection (timed out|reset|refused)|No configuration methods succeeded`), heals: true},
		sign{has: "Connection timed out (http", heals: true}, sign{has: "No configuration methods succeeded", heals: true},
		sign{has: "Nothing to boot: No such file", heals: true}, sign{has: "No more network devices", heals: true},
		sign{has: "No bootable device", like: like(`(?i)net`), heals: true},
		// GRUB: an error that names its device names who answers for it.
		sign{has: "error: ", like: like(`^error: .*\((tftp|https?|net\d*|pxe|efinet\d*)[,)]`), heals: true},
		sign{has: "error: ", like: like("^error: .*(couldn't send network packet|no (server|DHCP|network)|timeout (reading|waiting)|time out (opening|reading)|couldn't autoconfigure|no network card|access denied|invalid packet|TFTP|connection (refused|closed|timeout)|unresolved address|checksum mismatch in network)"), heals: true},
		sign{has: "error: ", like: like("^error: .*[Ff]ile (`.*' )?not found"), heals: true, about: aboutPath})
}

// protocol finds what a boot loader says of a protocol that did not work, with or without its interface.
var protocol = like(`(?i)^(error: |warning: )?(\w+: )?(dhcp|bootp|rarp|arp|tftp|ping|nfs|https?|wget)\b[^:]*: (.*\b)?(timed out|failed|network is (unreachable|down)|no route to host)`)

// terminals are programs that connect to consoles, at the beginning of what they complain of.
var terminals = like(`(?i)^(ssh|telnet|nc|socat|conserver|console|ser2net|.*port \d+)`)

// hostSigns are of console servers, controllers, power, the worker's own programs and hardware.
func hostSigns(add adder) {
	add(events.CauseConsole, lab,
		sign{has: "Connection closed by foreign host"}, sign{has: "Connection closed by remote host"}, sign{has: "closed by remote host."},
		sign{has: "Unable to connect to remote host"}, sign{has: "telnet: ", like: like(`(?i)(could not resolve|unable|connection refused|no route)`)},
		sign{has: "Connection refused", like: like(`(?i)^(ssh|telnet|nc|socat|conserver|console|.*port \d+)`)},
		sign{has: "Connection reset by peer", like: like(`(?i)^(ssh|telnet|nc|socat|kex|read|packet|client_loop|.*port \d+)`)},
		sign{has: "No route to host", like: terminals}, sign{has: "Connection to ", like: like(`^Connection to \S+ (closed|timed out|lost)`), not: "closed."},
		sign{has: "ssh: connect to host"}, sign{has: "Host key verification failed"}, sign{has: "Broken pipe", like: like(`client_loop|packet_write|ssh`)},
		sign{has: "ort already in use"}, sign{has: "port is busy"}, sign{has: "ort not available"}, sign{has: "console is down"},
		sign{has: "is down]", like: like(`console .* is down\]|\[.*line.* is down\]`)}, sign{has: "[line down]"}, sign{has: "[no, console"}, sign{has: "[-- Console down"},
		sign{has: "Device open failure"}, sign{has: "/dev/tty", like: like(`(?i)^(fatal|error|minicom|picocom|cu|screen|tip|kermit|microcom|ser2net|conserver|console|telnet|socat|could not|cannot|failed|unable|device|open|/dev/tty|\[).*(No such (file|device)|cannot (open|lock)|could not|busy|Permission denied|Input/output error|disconnected|is locked|failed)`), not: "job control"},
		sign{has: "SOL payload", like: like(`(?i)(already|disabled|deactivat|de-activ)`)}, sign{has: "Error: Unable to establish", like: like(`(?i)(IPMI|RMCP|LAN)`)},
		sign{has: "SOL session closed by BMC"}, sign{has: "No response from remote controller"}, sign{has: "Error activating SOL"}, sign{has: "Error sending SOL data"},
		sign{has: "read from serial failed"}, sign{has: "read failed: device reports readiness to read but returned no data"}, sign{has: "picocom", like: like(`(?i)FATAL`)},
		sign{has: "FATAL: ", like: like(`FATAL: (cannot|read|term|failed|write)`)}, sign{has: "minicom: cannot open"}, sign{has: "[screen is terminating]"}, sign{has: "conmux", like: like(`(?i)(refused|not found|error|unable)`)},
		sign{has: "console: ", like: like(`(?i)console: (connect|getaddrinfo|.*refused|.*down)`), not: "]"})
	add(events.CauseHardware, lab,
		sign{has: "mce: ", like: like(`(?i)hardware error.*(uncorrected|fatal|machine check:|CPU \d+: Machine Check)`), kernel: true},
		sign{has: "[Hardware Error]", like: like(`(?i)(fatal|uncorrect|unrecover|event severity: (fatal|recoverable)|CPU \d+: Machine Check)`)},
		sign{has: "EDAC ", like: like(`\bUE\b`), kernel: true}, sign{has: "Uncorrected hardware memory error"},
		sign{has: "thermal", like: like(`(?i)(shutting down|emergency)`), kernel: true},
		sign{has: "DRAM init failed"}, sign{has: "DDR", like: like(`(?i)(ddr|dram)\S*( \S+)? (training|init\w*|calibration|test)\S* (failed|error|timeout)`)},
		sign{has: "mmc_init: -", heals: true}, sign{has: "Card stuck in wrong state"}, sign{has: "DRAM", like: like(`(?i)dram (training|init\w*|calibration|test) (failed|error|timeout)`)},
		sign{has: "SPL: failed to boot from all boot devices", about: aboutLoader}, sign{has: "SPL: Unsupported Boot Device", about: aboutLoader},
		sign{has: "failed to boot from all boot devices", about: aboutLoader},
		// Faults that firmware and boot loaders report of themselves.
		sign{has: "bort", like: like(`^"?(([Dd]ata|[Pp]refetch) [Aa]bort$|(Synchronous|Error|SError|Irq|Fiq) Abort" handler|([Dd]ata|[Pp]refetch) [Aa]bort\b)`), not: "Linux", about: aboutLoader},
		sign{has: "ndefined instruction", like: like(`^[Uu]ndefined instruction`), about: aboutLoader},
		sign{has: "Unhandled exception: ", like: like(`^Unhandled exception: `), about: aboutLoader},
		sign{has: "unable to handle ", like: like(`^unable to handle (NULL pointer dereference|paging request) at address`), about: aboutLoader},
		sign{has: "!!!! ", like: like(`!!!! \S+ Exception Type`), about: aboutLoader}, sign{has: "Synchronous Exception at 0x", about: aboutLoader},
		sign{has: "ASSERT", like: like(`^(ASSERT(_EFI_ERROR|_RETURN_ERROR)? \[|ASSERT: \S+:\d+)`), about: aboutLoader},
		sign{has: "sbi_trap_error: ", about: aboutLoader}, sign{has: "E/TC:", like: like(`(?i)^E/TC:.* panic`), about: aboutLoader},
		sign{has: "PANIC at PC", about: aboutLoader}, sign{has: "BL2: Failed to load image", about: aboutLoader},
		sign{has: "ERROR:   BL", like: like(`(?i)fail`), about: aboutLoader}, sign{has: "Unhandled Exception", like: like(`(?i)EL[123]|at EL`), about: aboutLoader},
		sign{has: "Flash", like: like(`Flash buffer write timeout`)}, sign{has: "Timeout writing to Flash"})
	add(events.CauseHardware, lab,
		sign{has: "FAILED (", like: like(`FAILED \((Status read failed|Write to device failed|data transfer failure|Device sent unknown|status read failed|command write failed)`)},
		sign{has: "no devices/emulators found"}, sign{has: "error: device ", like: like(`^(adb: )?error: device (offline|'.*' not found|not found|unauthorized)`)},
		sign{has: "PANIC in EL", about: aboutLoader}, sign{has: "Unhandled External Abort", about: aboutLoader}, sign{has: "no mmc device at slot"},
		sign{has: "NAND read from offset ", like: like(`failed -\d+`)}) // what is booted afterwards is no image, by the device's fault
	add(events.CauseHardware, hint,
		sign{has: "EXT4-fs error (device", kernel: true}, sign{has: "Timeout waiting for hardware interrupt", kernel: true}, sign{has: "< waiting for ", like: like(`^< waiting for .*device`)},
		sign{has: "Card did not respond to voltage select", heals: true}, sign{has: "MMC: no card present", heals: true},
		sign{has: "ould not initialize PHY", heals: true}, sign{has: "Could not get PHY for", heals: true},
		sign{has: "I/O error, dev ", kernel: true}, sign{has: "Buffer I/O error", kernel: true}, sign{has: ": error -110", like: like(`mmc\S*: .*error -110`), kernel: true},
		sign{has: "failed command: ", like: like(`ata\d`), kernel: true}, sign{has: "Medium Error", kernel: true}, sign{has: "controller is down; will reset", like: like(`nvme`), kernel: true},
		sign{has: "device descriptor read/64, error", kernel: true}, sign{has: "No space left on device", like: like(`^(strata|dispatcher|worker|rsync|dd|cp|tar|nice|qemu)`)})
	add(events.CauseHost, lab,
		sign{has: "qemu-system-", like: like(`^qemu-system-\S+: `), not: "warning:"}, sign{has: "qemu: ", like: like(`^qemu: (fatal|hardware error|uncaught|could not|terminat)`)},
		sign{has: "KVM: ", like: like(`(?i)^KVM: entry failed|KVM internal error`)}, sign{has: "KVM internal error"},
		sign{has: "Could not access KVM kernel module"}, sign{has: "failed to initialize kvm"}, sign{has: "failed to initialize KVM"}, sign{has: "Cannot connect to the Docker daemon"},
		sign{has: "docker: ", like: like(`(?i)error response from daemon|cannot connect|permission denied`)}, sign{has: "Error response from daemon"},
		sign{has: "lxc-", like: like(`^lxc-\w+: .*(fail|error|unable)`)}, sign{has: "nice: ", like: like(`No such file|Permission denied`)},
		sign{has: "virt-", like: like(`^virt-\w+: error`)}, sign{has: "libguestfs: error"})
}

// loaderSigns are of firmware and boot loaders that have nothing to start.
func loaderSigns(add adder) {
	add(events.CauseImage, plain,
		sign{has: "Bad Linux ", like: like(`Bad Linux .*[Ii]mage magic`)}, sign{has: "Wrong Image Format"}, sign{has: "Wrong image format"}, sign{has: "Ramdisk image is corrupt"}, sign{has: "exit_boot() failed"},
		sign{has: "use a kernel appropriate for your CPU"}, sign{has: "This kernel requires"}, sign{has: "Wrong Image Type"}, sign{has: "Wrong Ramdisk Image"},
		sign{has: "Bad Magic Number"}, sign{has: "Bad Header Checksum"}, sign{has: "Bad Data CRC"}, sign{has: "Bad hash value"}, sign{has: "Bad Data Hash"},
		sign{has: "can't get kernel image"}, sign{has: "Unsupported Architecture"}, sign{has: "Unsupported Image"}, sign{has: "Unknown image format"},
		sign{has: "Verifying ", like: like(`(?i)verifying .*(error|fail|bad)`)}, sign{has: "sha", like: like(`(?i)(sha\d+|crc32|md5) ?[,:]?\S* error!`)},
		sign{has: "Signature check", like: like(`(?i)signature check.*(fail|bad)`)}, sign{has: "Failed to verify required signature"},
		sign{has: "FDT_ERR"}, sign{has: "Did not find a cmdline Flattened Device Tree"}, sign{has: "Could not find a valid device tree"},
		sign{has: "device tree", like: like(`(?i)(bad|invalid|corrupt|missing) (flattened )?device tree`)}, sign{has: "FDT and ATAGS support not compiled in"},
		sign{has: "ERROR: image is not a fdt"}, sign{has: "fdt", like: like(`(?i)^(error: )?(fdt|libfdt)\S*.*(fdt_badmagic|badversion|FDT_ERR)`)}, sign{has: "ERROR: new format image overwritten"},
		sign{has: "Could not find kernel image"}, sign{has: "ERROR: can't find kernel"}, sign{has: "inflate() returned", like: like(`^Error: inflate|inflate\(\) returned -?\d`)}, sign{has: "uncompress error"},
		sign{has: "must RESET board to recover"}, sign{has: "Not a PE-COFF file"}, sign{has: "Loading image failed"}, sign{has: "ad magic!", like: like(`(?i)^(zimage|image|kernel|fit|uimage): bad magic!`)}, sign{has: "error: out of memory", like: like(`^error: out of memory`)}, sign{has: "nvalid boot image header"}, sign{has: "unrecognized/unsupported "},
		sign{has: "incomplete literal tree"}, sign{has: "invalid compressed format", not: "Initramfs"}, sign{has: "crc error"}, sign{has: "XZ-compressed data is corrupt"}, sign{has: "ZSTD-compressed data is corrupt"},
		sign{has: "LZ4 data corrupt", like: like(`(?i)lz4`)}, sign{has: "Decoding failed"}, sign{has: "exceeds image size"}, sign{has: "Image too large"},
		sign{has: "error: ", like: like(`^error: .*(invalid magic number|not an ELF|invalid (arch|ELF|PE|kernel|Linux)|premature end of file|you need to load the kernel first|unsupported image|cannot load image|start_image\(\)|load_image|bad shim signature|has invalid signature|verification (requested|failed))`)},
		sign{has: "Exec format error", like: like(`ipxe|Could not (boot|start)`)}, sign{has: "Could not boot image"}, sign{has: "Not an executable image"},
		sign{has: "could not load kernel", like: like(`(?i)qemu|kernel`)}, sign{has: "Security Violation"}, sign{has: "Access Denied", like: like(`(?i)(bdsdxe|start|load|image)`)},
		sign{has: "Command Error Status: ", like: like(`(?i)error status`)}, sign{has: "Invalid partition table"}, sign{has: "Invalid Android boot image"}, sign{has: "EFI stub: ERROR"},
		sign{has: "Error(", like: like(`remote: .*(fail|error)`)}, sign{has: "FAILED (remote"})
	add(events.CauseLoader, plain,
		sign{has: "fatal: no kernel available", heals: true}, sign{has: "No bootable device", about: aboutDisk}, sign{has: "No bootable option or device", about: aboutDisk}, sign{has: "Boot failed: ", heals: true, about: aboutDisk},
		sign{has: "failed to load Boot", like: like(`BdsDxe: failed to (load|start) Boot`), heals: true, about: aboutDisk}, sign{has: "Reboot and Select proper Boot device", about: aboutDisk},
		sign{has: "Operating System not found", about: aboutDisk}, sign{has: "Missing operating system", about: aboutDisk}, sign{has: "Please RESET the board"}, sign{has: "Error loading operating system", about: aboutDisk},
		sign{has: "error: no such device", about: aboutDisk}, sign{has: "error: unknown filesystem", about: aboutDisk}, sign{has: "error: no such partition", about: aboutDisk}, sign{has: "grub rescue>", about: aboutDisk}, sign{has: "error: disk", like: like("^error: disk `.*' not found"), about: aboutDisk},
		sign{has: "** Unrecognized filesystem type", heals: true, about: aboutDisk}, sign{has: "SCRIPT FAILED: continuing", heals: true}, sign{has: "** File not found", heals: true, about: aboutDisk}, sign{has: "Failed to load '", heals: true, about: aboutDisk},
		sign{has: "** Bad device", like: like(`\*\* Bad device (specification|partition|\w+ \d)`), heals: true, about: aboutDisk}, sign{has: "** Invalid partition", heals: true, about: aboutDisk}, sign{has: "** Unable to read file", heals: true, about: aboutDisk},
		sign{has: "** No partition table", heals: true, about: aboutDisk}, sign{has: "No valid partitions found", heals: true, about: aboutDisk},
		sign{has: "System reset not supported"}, sign{has: "no boot partition", about: aboutDisk}, sign{has: "kernel_comp_addr_r or kernel_comp_size"}, sign{has: "Booting failed", about: aboutDisk},
		sign{has: "Nothing bootable ", about: aboutDisk}, sign{has: "Payload not loaded"},
		sign{has: "No more bootdevs", about: aboutDisk, heals: true}, sign{has: "(0 bootflows, ", about: aboutDisk, heals: true})
	add(events.CauseCommand, plain,
		sign{has: "Unknown command '"}, sign{has: "No such command"}, sign{has: "syntax error", like: like(`^syntax error`)}, sign{has: "error: ", like: like("^error: (can't find command|unrecognized|syntax error)")},
		sign{has: "is not recognized as an internal or external command"}, sign{has: "command not found", like: like(`^(ipxe|iPXE|barebox)|^\S+: command not found \(http`)})
}

// refusals are what boot loaders say of anything that they do not do, where nothing better is known of it.
func refusals(add adder) {
	add(events.CauseCommand, hint,
		sign{has: "error: ", like: like(`^error: .*\.$`), early: true, heals: true}, // GRUB
		sign{has: "## Error: ", like: like(`^## Error: "\w+" not defined`), early: true, heals: true})
}

// softwareSigns are of user space, bare-metal software and tests.
func softwareSigns(add adder) {
	add(events.CauseFirmware, serious,
		sign{has: " FAULT *****", like: like(`\*{5} [A-Z ]+ FAULT \*{5}`)}, sign{has: "FATAL ERROR", like: like(`>>> (ZEPHYR )?FATAL ERROR`)},
		sign{has: "HardFault"}, sign{has: "Hard fault"}, sign{has: "Guru Meditation Error"}, sign{has: "ASSERTION FAIL ["}, sign{has: "MbedOS Fault Handler"}, sign{has: "++ MbedOS Error Info"},
		sign{has: "ault", like: like(`^(E: |\[[\d:.,]+\] <err> os: )\s*(mcause: \d|.*[Pp]age fault at address)|^hard fault on thread|PANIC!!! \w+ [Ff]ault`)},
		sign{has: "configASSERT"}, sign{has: "vAssertCalled"}, sign{has: "_assert: ", like: like(`^(\[.*\] )?(up)?_assert: `)}, sign{has: "assert failed: ", like: like(`^assert failed: \w+ \S+:\d+`)},
		sign{has: "abort() was called at PC"}, sign{has: "*** RIOT kernel panic"}, sign{has: "A stack overflow in task"},
		sign{has: "*** HARD FAULT ***"}, sign{has: "tack overflow in task"}, sign{has: "vApplicationStackOverflowHook"}, sign{has: "up_assert: Assertion failed"})
	add(events.CauseLogin, plain, sign{has: "Login incorrect", heals: true}, sign{has: "Login timed out", heals: true}, sign{has: "Permission denied (publickey"}, sign{has: "Maximum number of tries exceeded"}, sign{has: "respawning too fast"})
	add(events.CauseTestFailed, hint, sign{has: "FAIL - ", like: like(`^\s*FAIL - \S+ in `)}, sign{has: "PROJECT EXECUTION FAILED"})
}
