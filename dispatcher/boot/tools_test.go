package boot_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Methods that hand a device to a program of the worker call it as that program wants. The programs
// here only write down how they were called.
func TestPrograms(t *testing.T) {
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	program := "#!/bin/sh\nname=${0##*/}\necho \"$name $*\" >>" + calls + "\ncase \"$name $*\" in\n" +
		"'qdl --version') echo qdl version 2.7;;\n" +
		"dfu-util*) printf 'No error condition is present\\nDone!\\n';;\n" +
		"fastboot*devices*) printf 'SER1\\tfastboot\\n';;\n" +
		"fastboot*) echo 'Finished. Total time: 0.1s';;\n" +
		"'timeout --preserve-status 10 uuu'*) exit 143;;\n" +
		"uuu*bad*) exit 1;;\n" +
		"esac\n"
	for _, name := range []string{"JLinkExe", "pyocd", "openocd", "dfu-util", "qdl", "uuu", "bcu", "timeout", "fastboot", "adb"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const board = "board_id: '0123', usb_vendor_id: '0483', usb_product_id: df11, fastboot_serial_number: SER1, adb_serial_number: SER1, " +
		"fastboot_options: ['-u'], device_info: [{board_id: SER1, wait_device_board_id: false}]"
	uboot := "u-boot: {parameters: {bootloader_prompt: '=>'}}, uuu: {options: {usb_otg_path: ['1:2', '3:4'], bcu_board_name: evk, bcu_board_id: '2-1.3', " +
		"corrupt_boot_media_command: ['mmc erase 0 0x400'], docker_image: '', remote_options: '', additional_bcu_cleanup_commands: [lsftdi]}}"
	tests := []struct {
		name, methods, block, script string
		calls                        []string // in order; @ stands for the directory of the downloads
		class                        pipeline.Class
		says                         string
	}{
		{name: "jlink", methods: "jlink: {parameters: {command: JLinkExe, address: 0x8000000, processor: MK64, supported_core_types: [M7], erase_command: [erase], " +
			"reset_command: [r], options: ['-if SWD', '-speed 4000']}}", block: "method: jlink, coretype: M7", script: "hang",
			calls: []string{"JLinkExe -if SWD -speed 4000 -device MK64_M7 -autoconnect 1 -SelectEmuBySN 0123 -NoGui 1 -ExitOnError 1 -CommanderScript "}},
		{name: "jlink, another core", methods: "jlink: {parameters: {command: JLinkExe, supported_core_types: [M7]}}", block: "method: jlink, coretype: M36",
			script: "hang", class: pipeline.Job, says: "Invalid coretype M36"},
		{name: "pyocd", methods: "pyocd: {parameters: {command: pyocd, options: ['load', '-t k64f']}}", block: "method: pyocd", script: "hang",
			calls: []string{"pyocd load -t k64f @/kernel/zImage --board 0123"}},
		{name: "openocd", methods: "openocd: {board_selection_cmd: 'serial 1', parameters: {command: openocd, options: {file: [b.cfg], search: [d], command: [init, 'program {BINARY}'], debug: 2}}}",
			block: "method: openocd", script: "hang",
			calls: []string{"openocd --debug=2 --search d --file b.cfg --command serial 1 --command init --command program @/kernel/zImage"}},
		{name: "dfu without images for it", methods: "dfu: {implementation: hardware, reset_works: false, parameters: {command: dfu-util}}", block: "method: dfu",
			script: "hang", class: pipeline.Infrastructure, says: "wait-dfu-device timed out"},
		{name: "recovery", methods: "minimal: ", block: "method: recovery, commands: recovery", script: "hang", calls: []string{"adb recovery"}},
		{name: "recovery, an unknown mode", methods: "minimal: ", block: "method: recovery, commands: on", script: "hang", class: pipeline.Job, says: "must be recovery or exit"},
		{name: "fastboot", methods: "fastboot: [reboot]", block: "method: fastboot, commands: ['flash a b', continue]", script: "hang",
			calls: []string{"fastboot -s SER1 flash a b -u", "fastboot -s SER1 continue -u", "fastboot -s SER1 reboot -u"}},
		{name: "fastboot, an unknown step", methods: "fastboot: [jump]", block: "method: fastboot", script: "hang", class: pipeline.Configuration, says: "'jump' is not known"},
		{name: "uuu by bcu only", methods: uboot, block: "method: uuu, commands: [{bcu: set_boot_mode sd}]", script: "hang",
			calls: []string{"bcu set_boot_mode sd -board=evk -id=2-1.3", "bcu lsftdi -board=evk -id=2-1.3", "bcu deinit -board=evk -id=2-1.3"}},
		{name: "uuu", methods: uboot, block: "method: uuu, commands: [{uuu: '-b sd {boot}'}, {FB: 'ucmd setenv x'}]",
			script: "prompt nothing\nwait .\nhang", class: pipeline.Infrastructure, says: "bootloader-interrupt timed out",
			calls: []string{"timeout --preserve-status 10 uuu -m 1:2 -m 3:4 @/boot/imx-boot.bin"}},
		{name: "uuu after a reset of the usb", methods: uboot, block: "method: uuu, commands: [{bcu: reset usb}, {uuu: '-b sd {boot}'}, {FB: 'ucmd setenv x'}]", script: "hang",
			calls: []string{"bcu reset usb -board=evk -id=2-1.3", "uuu -m 1:2 -m 3:4 -b sd @/boot/imx-boot.bin", "uuu -m 1:2 -m 3:4 FB: ucmd setenv x",
				"bcu lsftdi -board=evk -id=2-1.3", "bcu deinit -board=evk -id=2-1.3"}},
		{name: "bcu without a board", methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}, uuu: {options: {usb_otg_path: '1:2', bcu_board_name: evk, bcu_board_id: ''}}",
			block: "method: uuu, commands: [{bcu: reset usb}]", script: "hang", class: pipeline.Job, says: "bcu_board_id '' do not respect bcu format"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(calls, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			r := planOn(t, board, tt.methods, []string{tt.block + ", timeouts: {bootloader-interrupt: {seconds: 1}, wait-dfu-device: {seconds: 1}}"}, tt.script)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\nlog: %q", r.err, texts(r.log, events.Debug))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			}
			text, err := os.ReadFile(calls)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSpace(string(text)), "\n")
			for i, want := range tt.calls {
				want = strings.ReplaceAll(want, "@", r.dir)
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Fatalf("calls:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.calls, "\n     "))
				}
			}
			if tt.class == "" && len(got) != len(tt.calls) {
				t.Errorf("calls: got %q, want %d of them", got, len(tt.calls))
			}
		})
	}
}

// A second console is opened beside the primary one, and one that is not there is refused.
func TestNewConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, block, says string }{
		{"another", "method: new_connection, connection: uart1", ""},
		{"the primary one", "method: new_connection, connection: uart0", "'uart0' is the primary connection"},
		{"none", "method: new_connection, connection: uart2", "missing connect command for 'uart2'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := planOn(t, "", "minimal: ", []string{tt.block}, "hang")
			if tt.says == "" && r.err != nil || tt.says != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.says)) {
				t.Errorf("error: %v, want %q", r.err, tt.says)
			}
			said := slices.ContainsFunc(texts(r.log, events.Info), func(s string) bool { return strings.Contains(s, "Connecting to shell using 'cat'") })
			if said != (tt.says == "") {
				t.Errorf("connected: %t", said)
			}
		})
	}
}
