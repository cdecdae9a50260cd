package boot_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/boot"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// Each boot loader is stopped, typed at and left for the kernel as its dictionary says.
func TestBootLoaders(t *testing.T) {
	tests := []struct {
		name    string
		methods string // of the device
		block   string
		script  string
		typed   []string // all lines typed, in order
		class   pipeline.Class
		says    string // in the error
	}{
		{name: "u-boot",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>', interrupt_prompt: 'Hit any key', interrupt_char: '', needs_interrupt: true}, " +
				"nfs: {commands: ['setenv serverip {SERVER_IP}', 'tftp {KERNEL_ADDR} {KERNEL}', 'tftp {RAMDISK_ADDR} {RAMDISK}', 'tftp {TEE_ADDR} {TEE}', " +
				"'tftp {DTB_ADDR} {DTB}', 'setenv x {UNKNOWN}', 'setenv bootargs root={NFS_SERVER_IP}:{NFSROOTFS}', '{BOOTX}']}}",
			block: "method: u-boot, commands: nfs, prompts: ['sh# ']",
			script: "print U-Boot 2024\nprint Hit any key to stop autoboot\nwait ^$\nprompt => \nwait serverip\nprompt => \nwait KERNEL_|tftp\nprompt => \n" +
				"wait dtb\nprompt => \nwait UNKNOWN\nprompt => \nwait bootargs\nprompt => \nwait bootz\nprint Starting kernel ...\nprint Linux version 6\nprompt sh# \nhang",
			typed: []string{"", "setenv serverip 10.3.2.1", "tftp 0x8000 7/kernel/zImage", "tftp 0x8300 7/dtb/board.dtb",
				"setenv x {UNKNOWN}", "setenv bootargs root=10.3.2.1:/var/nfs/root", "bootz 0x8000 - 0x8300"}},
		{name: "u-boot, an error message",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, ramdisk: {commands: [dhcp, bootm]}}",
			block:   "method: u-boot, commands: ramdisk, prompts: ['sh# ']",
			script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait dhcp\nprint Retry time exceeded; starting again\nhang",
			typed:   []string{" ", "dhcp"}, class: pipeline.Infrastructure,
			says: "matched a bootloader error message: 'Retry time exceeded; starting again' (2)"},
		{name: "u-boot, an error message after the last line",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}",
			block:   "method: u-boot, commands: [bootm], prompts: ['sh# ']",
			script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait bootm\nprint Bad Linux ARM64 Image magic!\nhang",
			typed:   []string{" ", "bootm"}, class: pipeline.Infrastructure, says: "'Bad Linux ARM64 Image magic!' (1)"},
		{name: "u-boot, no countdown",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>', needs_interrupt: false}}",
			block:   "method: u-boot, commands: [bootm], parameters: {bootloader-final-message: Booting now}, prompts: ['sh# ']",
			script:  "print U-Boot\nprompt => \nwait bootm\nprint Booting now\nprint Linux version 6\nprompt sh# \nhang",
			typed:   []string{"bootm"}},
		{name: "u-boot, its copy in the other bank",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>', uboot_altbank: true, uboot_altbank_cmd: switch bank}}",
			block:   "method: u-boot, commands: [bootm], prompts: ['sh# ']",
			script: "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait switch\nprint Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait bootm\n" +
				"print Starting kernel\nprint Linux version 6\nprompt sh# \nhang",
			typed: []string{" ", "switch bank", " ", "bootm"}},
		{name: "u-boot, device tree overlays",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>', apply_dtbo_commands: ['tftp {DTBO_ADDR} {DTBO}', 'fdt apply {DTBO_ADDR}']}}",
			block:   "method: u-boot, commands: ['fdt addr {DTB_BASE_ADDR}', 'fdt resize {DTB_BASE_RESIZE}', '{APPLY_DTBO_COMMANDS}', boot], prompts: ['sh# ']",
			script: "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait fdt\nprompt => \nwait fdt\nprompt => \nwait tftp\nprompt => \nwait apply\n" +
				"prompt => \nwait tftp\nprompt => \nwait apply\nprompt => \nwait boot\nprint Starting kernel\nprint Linux version 6\nprompt sh# \nhang",
			typed: []string{" ", "fdt addr 0x8300", "fdt resize 1048576", "tftp 0x8400 7/a.dtbo", "fdt apply 0x8400", "tftp 0x8400 7/b.dtbo",
				"fdt apply 0x8400", "boot"}},
		{name: "bootloader",
			methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}",
			block:   "method: bootloader, bootloader: u-boot, commands: [printenv, version], prompts: ['=>']",
			script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait printenv\nprompt => \nwait version\nprompt => \nhang",
			typed:   []string{" ", "printenv", "version"}},
		{name: "barebox",
			methods: "barebox: {parameters: {bootloader_prompt: 'barebox:/ '}, nfs: {commands: [dhcp, boot]}}",
			block:   "method: barebox, commands: nfs, prompts: ['sh# ']",
			script: "print Hit m for menu or any other key to stop autoboot\nwait ^ $\nprompt barebox:/ \nwait dhcp\nprompt barebox:/ \nwait boot\nprint Starting kernel\n" +
				"print Linux version 6\nprompt sh# \nhang",
			typed: []string{" ", "dhcp", "boot"}},
		{name: "barebox, without commands",
			methods: "barebox: {parameters: {bootloader_prompt: 'barebox:/ '}}",
			block:   "method: barebox, prompts: ['sh# ']", script: "hang", class: pipeline.Configuration, says: "commands not specified"},
		{name: "ipxe",
			methods: "ipxe: {parameters: {bootloader_prompt: 'iPXE>', lava_mac: '00:11:22:33:44:55'}, ramdisk: {commands: ['set mac {LAVA_MAC}', 'initrd {RAMDISK}', boot]}}",
			block:   "method: ipxe, commands: ramdisk, prompts: ['sh# ']",
			script: "raw\nprint Press Ctrl-B for the iPXE command line\nkey \\x02\nprompt iPXE> \nkey \\n\nprompt iPXE> \nkey boot\\n\nprint Linux version 6\n" +
				"prompt sh# \nhang",
			typed: []string{"set mac 00:11:22:33:44:55", "boot"}},
		{name: "ipxe, a script",
			methods: "ipxe: {parameters: {bootloader_prompt: 'iPXE>', use_bootscript: true}, ramdisk: {commands: [dhcp, 'kernel tftp://{SERVER_IP}/{KERNEL}', 'initrd {RAMDISK}', boot]}}",
			block:   "method: ipxe, commands: ramdisk, prompts: ['sh# ']",
			script: "raw\nprint Press Ctrl-B for the iPXE command line\nkey \\x02\nprompt iPXE> \nkey net0\\n\nprompt iPXE> \nkey chain[^\\n]*\\n\nprint Linux version 6\n" +
				"prompt sh# \nhang",
			typed: []string{"dhcp net0", "chain tftp://10.3.2.1/7/script.ipxe"}},
		{name: "grub",
			methods: "grub: {parameters: {bootloader_prompt: 'grub>'}, ramdisk: {commands: [net_bootp, 'linux (tftp,{SERVER_IP})/{KERNEL}', boot]}}",
			block:   "method: grub, commands: ramdisk, prompts: ['sh# ']",
			script:  "raw\nprint or `c' for a command-line.\nkey ^c$\nprompt grub> \nkey bootp\\n\nprompt grub> \nkey zImage\\n\nprompt grub> \nkey boot\\n\nprint Linux version 6\nprompt sh# \nhang",
			typed:   []string{"c", "net_bootp", "linux (tftp,10.3.2.1)/7/kernel/zImage", "boot"}},
		{name: "grub, an error",
			methods: "grub: {parameters: {bootloader_prompt: 'grub>'}}",
			block:   "method: grub, commands: [linux x, boot], prompts: ['sh# ']",
			script:  "raw\nprint or `c' for a command-line.\nkey ^c$\nprompt grub> \nkey x\\n\nprint error: file '/x' not found.\nhang",
			typed:   []string{"c", "linux x"}, class: pipeline.Infrastructure, says: "matched a bootloader error message: 'error: file '(.*)' not found' (1)"},
		{name: "grub, an installer",
			methods: "grub: {parameters: {bootloader_prompt: 'grub>'}}",
			block:   "method: grub, commands: [boot], boot_finished: ['Rebooting now']",
			script:  "raw\nprint or `c' for a command-line.\nkey ^c$\nprompt grub> \nkey boot\\n\nprint much\nprint Rebooting now\nhang",
			typed:   []string{"c", "boot"}},
		{name: "grub from second media",
			methods: "grub: {parameters: {bootloader_prompt: 'grub>'}, sata: {commands: ['root {ROOT_PART}', 'linux {KERNEL} root={ROOT}', 'initrd {RAMDISK}', boot]}}",
			block:   "method: grub, commands: sata, kernel: /boot/vmlinuz, ramdisk: /boot/initrd, root_uuid: UUID=1, boot_part: '(hd0,gpt1)', prompts: ['sh# ']",
			script: "raw\nprint or `c' for a command-line.\nkey ^c$\nprompt grub> \nkey \\n\nprompt grub> \nkey \\n\nprompt grub> \nkey \\n\nprompt grub> \nkey \\n\n" +
				"print Linux version 6\nprompt sh# \nhang",
			typed: []string{"c", "root (hd0,gpt1)", "linux /boot/vmlinuz root=UUID=1", "initrd /boot/initrd", "boot"}},
		{name: "grub from second media, incomplete",
			methods: "grub: {parameters: {bootloader_prompt: 'grub>'}, sata: {commands: [boot]}}",
			block:   "method: grub, commands: sata, kernel: /boot/vmlinuz, prompts: ['sh# ']", script: "hang",
			class: pipeline.Job, says: "Missing root_uuid"},
		{name: "depthcharge",
			methods: "depthcharge: {parameters: {bootloader_prompt: 'dpch:', start_message: Starting netboot}, nfs: {cmdline: 'console=ttyS2 root={NFSROOTFS}', " +
				"commands: ['tftpboot {SERVER_IP} {DEPTHCHARGE_KERNEL} {CMDLINE} {DEPTHCHARGE_RAMDISK}']}}",
			block:  "method: depthcharge, commands: nfs, extra_kernel_args: quiet, prompts: ['sh# ']",
			script: "print Starting netboot on veyron\nprompt dpch: \nwait tftpboot\nprint Starting kernel\nprint Linux version 6\nprompt sh# \nhang",
			typed:  []string{"tftpboot 10.3.2.1 7/kernel/zImage 7/kernel/cmdline "}},
		{name: "unknown set", methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, nfs: {commands: [a]}}",
			block: "method: u-boot, commands: sata, prompts: ['sh# ']", script: "hang",
			class: pipeline.Job, says: "Command 'sata' not found in supported methods of 'u-boot'"},
		{name: "no prompt in the dictionary", methods: "u-boot: {parameters: {}, nfs: {commands: [a]}}",
			block: "method: u-boot, commands: nfs, prompts: ['sh# ']", script: "hang",
			class: pipeline.Job, says: "Missing bootloader prompt for device"},
		{name: "no countdown comes", methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}",
			block: "method: u-boot, commands: [a], prompts: ['sh# '], timeouts: {bootloader-interrupt: {seconds: 1}}", script: "print nothing of use\nhang",
			class: pipeline.Infrastructure, says: "bootloader-interrupt timed out after 1 seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plan(t, tt.methods, tt.block, tt.script)
			if tt.class != "" {
				if r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says) {
					t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
				}
			} else if r.err != nil {
				t.Errorf("error: %v\nconsole: %q", r.err, texts(r.log, events.Target))
			}
			typed := texts(r.log, events.Input)
			if len(typed) > len(tt.typed) && tt.class == "" {
				typed = typed[:len(tt.typed)] // what follows is the login's
			}
			if !slices.Equal(typed, tt.typed) {
				t.Errorf("typed:\n got %q\nwant %q", typed, tt.typed)
			}
		})
	}
}

// ran is what became of a job.
type ran struct {
	log []events.Record
	err error
	dir string // what was deployed
	job string // the job's own directory
}

const loaderDevice = `
hostname: board01
constants:
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%%s, lava_test_shell_file: ~/.bashrc}
  barebox: {interrupt-prompt: 'Hit m for menu or any other key to stop autoboot', interrupt-character: ' ', final-message: 'Starting kernel'}
  u-boot: {interrupt-prompt: 'Hit any key to stop autoboot', interrupt-character: ' ', interrupt_ctrl_list: [], interrupt-newline: true, dfu-download: 'DOWNLOAD \.\.\. OK\r\nCtrl\+C to exit \.\.\.',
    final-message: 'Starting kernel', error-messages: ['Bad Linux ARM64 Image magic!', 'Retry time exceeded; starting again', 'TIMEOUT', 'Retry count exceeded', 'File not found']}
  grub: {interrupt-prompt: 'for a command-line', interrupt-character: 'c', interrupt-newline: false, error-messages: ["error: file '(.*)' not found"]}
  grub-efi: {interrupt-prompt: 'for a command-line', interrupt-character: 'c', error-messages: []}
  ipxe: {interrupt-prompt: 'Press Ctrl-B for the iPXE command line', interrupt_ctrl_list: ['b'], error-messages: ['Connection timed out']}
  depthcharge: {final-message: 'Starting kernel', error-messages: ['Tftp failed.']}
  shutdown-message: 'The system is going down for reboot NOW'
  kernel-start-message: 'Linux version [0-9]'
  default-shell-prompt: 'lava-test: # '
  spawn_maxread: '4092'
  failure_retry: 1
  boot_retry:
commands: {connect: '%s', hard_reset: /bin/true, power_off: /bin/true,
  connections: {uart0: {connect: cat, tags: [primary, shell]}, uart1: {connect: cat, tags: [shell]}}}
parameters:
  media: {sata: {disk: {uuid: ata-1}}}
  bootz: {kernel: '0x8000', ramdisk: '0x8200', dtb: '0x8300', tee: '0x8500', dtbo: '0x8400'}
actions:
  deploy: {parameters: {add_header: u-boot}, connections: {serial: }, methods: {recovery: {commands: {recovery_mode: [adb recovery], recovery_exit: [adb exit]}}}}
  boot: {connections: {serial: }, methods: {%s}}
timeouts: {actions: {}, connections: {}}
`

// plan runs a boot block on a console that plays a script, after a deploy block that brought a
// kernel, device trees and an NFS root.
func plan(t *testing.T, methods, block, script string) ran {
	t.Helper()
	return planAfter(t, methods, []string{block}, script)
}

// planAfter is plan for several boot blocks.
func planAfter(t *testing.T, methods string, blocks []string, script string) ran {
	t.Helper()
	return planOn(t, "", methods, blocks, script)
}

// planOn is planAfter for a device with more keys.
func planOn(t *testing.T, more, methods string, blocks []string, script string) ran {
	t.Helper()
	return bench{more: more, methods: methods, blocks: blocks, script: script}.run(t)
}

// bench is a job of boot blocks on a device whose console plays a script. Its texts are YAML in
// flow style, without the braces around them.
type bench struct {
	more, methods string   // of the device: keys at its top, and its boot methods
	deploy        string   // keys of the block that stands for a deploy, beside those that are always there
	blocks        []string // boot blocks
	script        string
	job           string   // more keys of the definition
	dispatcher    string   // more of the worker's configuration
	shell         bool     // a test wants a shell
	env           []string // more of the job's environment
	services      pipeline.Services
	leave         func(s *pipeline.Session) // what the deploy leaves beside what is always there
	check         func(s *pipeline.Session) // looks at the end, before the cleanup
}

// run runs the job.
func (b bench) run(t *testing.T) ran {
	t.Helper()
	r := ran{dir: t.TempDir(), job: filepath.Join(t.TempDir(), "7")}
	methods, script, blocks := b.methods, b.script, b.blocks
	if b.check != nil {
		blocks = append(slices.Clone(blocks), "method: look")
	}
	read := func(text string) pipeline.Data {
		d, err := pipeline.ReadYAML([]byte(text))
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return d
	}
	in := pipeline.Inputs{
		ID: "7", Dir: r.job, Now: time.Now, Env: append(os.Environ(), b.env...), Services: b.services,
		Job: read("timeouts: {job: {minutes: 8}, action: {minutes: " + minutes(script) + "}, connection: {seconds: 10}}\n" +
			"actions: [{deploy: {to: tftp, os: oe, kernel: {url: x}, images: " + also(b.deploy) + "}}, {boot: {" + strings.Join(blocks, "}}, {boot: {") + "}}" +
			testBlock(b.shell) + "]\n" + b.job),
		Device:     merge(read(fmt.Sprintf(loaderDevice, consoleOf(t, script), methods)), read("{"+b.more+"}")),
		Dispatcher: read("{dispatcher_ip: 10.3.2.1" + also(b.dispatcher) + "}"),
		Log: output.New(output.Settings{Now: time.Now, Write: func(record events.Record) error {
			r.log = append(r.log, record)
			return nil
		}}),
		Methods: pipeline.Methods{
			Boot: append(boot.Methods(), pipeline.Method{Name: "look",
				Accepts: func(_, block pipeline.Data) (string, error) {
					return strings.TrimPrefix(block.Get("method").Text(), "look"), nil
				},
				Action: func(pipeline.Data) pipeline.Action { return step("look", b.check) }}),
			Deploy: []pipeline.Method{{Name: "tftp", Accepts: always,
				Action: func(pipeline.Data) pipeline.Action { return deployed{r.dir, b.leave} }}},
			Test: []pipeline.Method{{Name: "shell", Accepts: always,
				Action: func(pipeline.Data) pipeline.Action { return step("shell", nil) },
				Test:   func(pipeline.Data) pipeline.TestInfo { return pipeline.TestInfo{HasShell: true} }}},
			Finalize: func() pipeline.Action { return pipeline.Basic{Title: "finalize", Fill: nothing} },
		},
	}
	if err := os.MkdirAll(in.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.Parse(in)
	if err == nil {
		err = p.Validate(t.Context())
	}
	if err == nil {
		err = p.Run(t.Context())
	}
	r.err = err
	if p != nil {
		if err := p.Cleanup(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("cleanup: %v", err)
		}
	}
	return r
}

// minutes returns the timeout of actions: real machines are slow.
func minutes(script string) string {
	if strings.HasPrefix(script, "exec ") {
		return "2"
	}
	return "1"
}

// consoleOf returns the command of a console that plays a script, or of a program: "exec PROGRAM".
func consoleOf(t *testing.T, script string) string {
	t.Helper()
	if command, ok := strings.CutPrefix(script, "exec "); ok {
		return command
	}
	return dispatchertest.Console(t, script)
}

// merge adds the keys of a mapping to another.
func merge(to, more pipeline.Data) pipeline.Data {
	for _, p := range more.Pairs() {
		to = to.With(p.Key, p.Value)
	}
	return to
}

func nothing(*pipeline.Step, *pipeline.Session) error { return nil }

func always(_, _ pipeline.Data) (string, error) { return "", nil }

// step returns an action that does something small.
func step(name string, do func(s *pipeline.Session)) pipeline.Action {
	return pipeline.Basic{Title: name, Do: func(_ context.Context, s *pipeline.Session) error {
		if do != nil {
			do(s)
		}
		return nil
	}}
}

// also puts a comma before keys, if there are any.
func also(keys string) string {
	if keys == "" {
		return ""
	}
	return ", " + keys
}

func testBlock(wanted bool) string {
	if !wanted {
		return ""
	}
	return ", {test: {}}"
}

// deployed stands for a TFTP deploy: it leaves what one leaves.
type deployed struct {
	dir  string
	more func(s *pipeline.Session)
}

func (deployed) Name() string { return "tftp-deploy" }

func (d deployed) Run(_ context.Context, s *pipeline.Session) error {
	kernel := filepath.Join(d.dir, "kernel", "zImage")
	if err := os.MkdirAll(filepath.Dir(kernel), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(kernel, []byte("kernel"), 0o644); err != nil {
		return err
	}
	pipeline.Put(s, pipeline.Artefact("kernel"), kernel)
	pipeline.Put(s, pipeline.Artefact("boot"), filepath.Join(d.dir, "boot", "imx-boot.bin"))
	pipeline.Put(s, pipeline.Served("kernel"), "7/kernel/zImage")
	pipeline.Put(s, pipeline.Served("dtb"), "7/dtb/board.dtb")
	pipeline.Put(s, pipeline.Served("dtbo0"), "7/a.dtbo")
	pipeline.Put(s, pipeline.Served("dtbo1"), "7/b.dtbo")
	pipeline.Put(s, pipeline.TFTPDir, d.dir)
	pipeline.Put(s, pipeline.TFTPSuffix, "7")
	pipeline.Put(s, pipeline.BootCommand, "bootz")
	pipeline.Put(s, pipeline.NFSRoot, "/var/nfs/root")
	pipeline.Put(s, pipeline.OverlayFile, filepath.Join(s.JobDir(), "compress-overlay-1", "overlay-1.2.tar.gz"))
	pipeline.Put(s, pipeline.OverlayDir, "/srv/lava-overlay-1")
	pipeline.Put(s, pipeline.ResultsDir, "/lava-7")
	if d.more != nil {
		d.more(s)
	}
	return nil
}
