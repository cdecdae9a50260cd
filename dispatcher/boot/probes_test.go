package boot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// probes are the methods that write a microcontroller's flash.
func probes(t *testing.T) []methodRun {
	const jlinkParameters = "command: JLinkExe, address: 0x8000000, processor: MK64, supported_core_types: [M7], erase_command: [erase], reset_command: [r], options: ['-if SWD', '-speed 4000']"
	const gdbSet = "gdb: {parameters: {command: gdb-multiarch, wait_before_continue: 0.1}, flash: {commands: ['target remote :3333', 'load {KERNEL}'], arguments: ['-q', '{KERNEL}']"
	const gdbTalk = "prompt (gdb) \nwait ^target remote :3333$\nprompt (gdb) \nwait ^load .*/zImage$\nprompt (gdb) \nwait ^continue$\nhang"
	usbDisk := func() string {
		file := filepath.Join(t.TempDir(), "by-id")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	disk, failing := usbDisk(), usbDisk()
	cmsis := func(disk, more string) bench {
		return bench{more: board, methods: "cmsis-dap: {parameters: {usb_mass_device: '" + disk + "', post_unmount_delay: 0.1" + more + "}}", blocks: []string{"method: cmsis-dap"}}
	}
	written := []string{"mount -t vfat " + disk + " %/flash-cmsis-*", "umount %/flash-cmsis-*", "mount -t vfat " + disk + " %/flash-cmsis-*", "umount %/flash-cmsis-*"}
	return []methodRun{
		{
			name: "jlink",
			bench: bench{
				more:    board,
				methods: "jlink: {parameters: {" + jlinkParameters + "}}",
				blocks:  []string{"method: jlink, coretype: M7"},
				check: func(s *pipeline.Session) {
					files, _ := filepath.Glob(filepath.Join(s.JobDir(), "flash-jlink-*", "cmd.jlink"))
					kernel, _ := pipeline.Get(s, pipeline.Artefact("kernel"))
					text, err := os.ReadFile(files[0])
					want := "r\nh\nsleep 500\nerase\nloadfile K 0x8000000\nverifybin K 0x8000000\nr\nqc\n"
					if got := strings.ReplaceAll(string(text), kernel, "K"); err != nil || got != want {
						t.Errorf("script for J-Link %q, %v, want %q", got, err, want)
					}
				},
			},
			calls: []string{
				"JLinkExe -if SWD -speed 4000 -device MK64_M7 -autoconnect 1 -SelectEmuBySN SER1 -NoGui 1 -ExitOnError 1 -CommanderScript %/flash-jlink-*/cmd.jlink",
			},
		},
		{
			name: "jlink, another core",
			bench: bench{
				more:    board,
				methods: "jlink: {parameters: {" + jlinkParameters + "}}",
				blocks:  []string{"method: jlink, coretype: M36"},
			},
			class: pipeline.Job,
			says:  "Invalid coretype M36",
		},
		{
			name: "jlink, the job's own lines",
			bench: bench{
				more:    board,
				methods: "jlink: {parameters: {" + jlinkParameters + "}}",
				blocks:  []string{"method: jlink, commands: ['loadbin {kernel} 0x0']"},
			},
			calls: []string{"JLinkExe -if SWD -speed 4000 -device MK64 -autoconnect 1"},
			says:  `"- loadbin `,
		},
		{
			name: "pyocd",
			bench: bench{
				more:    board,
				methods: "pyocd: {parameters: {command: pyocd, connect_before_flash: true, options: ['load', '-t k64f']}}",
				blocks:  []string{"method: pyocd"},
			},
			calls: []string{"pyocd load -t k64f @/kernel/zImage --board SER1"},
		},
		{
			name: "openocd",
			bench: bench{
				more:    board,
				methods: "openocd: {board_selection_cmd: 'serial 1', parameters: {command: openocd, options: {file: [b.cfg], search: [d], command: [init, 'program {BINARY}'], debug: 2}}}",
				blocks:  []string{"method: openocd"},
			},
			calls: []string{
				"openocd --debug=2 --search d --file b.cfg --command serial 1 --command init --command program @/kernel/zImage",
			},
		},
		{
			name: "openocd, the job's configuration",
			bench: bench{
				more:    board,
				deploy:  "openocd_script: {url: x}",
				methods: "openocd: {parameters: {command: openocd, options: {file: [b.cfg], command: [init]}}}",
				blocks:  []string{"method: openocd"},
				leave:   func(s *pipeline.Session) { pipeline.Put(s, pipeline.Artefact("openocd_script"), "/job.cfg") },
			},
			calls: []string{"openocd --file /job.cfg --command init"},
		},
		{
			name:  "cmsis-dap",
			bench: cmsis(disk, ""),
			env:   []string{"PROBE=" + disk},
			calls: written,
		},
		{
			name:  "cmsis-dap that goes away for good",
			bench: cmsis(failing, ", skip_autoremount_wait: true"),
			calls: []string{"mount -t vfat ", "umount "},
		},
		{
			name:  "cmsis-dap, a failure",
			bench: cmsis(disk, ""),
			env:   []string{"PROBE=" + failing, "FAIL=The hex file cannot be decoded"},
			class: pipeline.Infrastructure,
			says:  "Flash error: The hex file cannot be decoded",
		},
		{
			name: "gdb",
			bench: bench{
				more:    board,
				methods: gdbSet + "}}",
				blocks:  []string{"method: gdb, commands: flash"},
			},
			consoles: map[string]string{"CONSOLE": gdbTalk},
			calls:    []string{"gdb-multiarch -q @/kernel/zImage"},
		},
		{
			name: "gdb in a container",
			bench: bench{
				more:    board,
				methods: gdbSet + ", docker: {use: true, container: 'gdb:1', devices: [/dev/hidraw0, 'a:b']}}}",
				blocks:  []string{"method: gdb, commands: flash"},
			},
			consoles: map[string]string{"CONSOLE": gdbTalk},
			calls: []string{
				"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1 --mount type=bind,source=@/kernel/zImage,destination=@/kernel/zImage " +
					"--device /dev/hidraw0 gdb:1 gdb-multiarch -q @/kernel/zImage",
				"docker stop --time 5 lava-7-2.1",
			},
		},
		{
			name: "gdb, no such set",
			bench: bench{
				more:    board,
				methods: gdbSet + "}}",
				blocks:  []string{"method: gdb, commands: parameters"},
			},
			class: pipeline.Job,
			says:  "'parameters' is not available",
		},
	}
}
