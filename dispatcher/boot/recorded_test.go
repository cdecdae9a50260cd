package boot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Boot loaders that were recorded on real builds are stopped and typed at as a job does it: with
// their escape sequences, their echo and their errors.
func TestRecordedBootLoaders(t *testing.T) {
	shared := sharedDir(t)
	const (
		uboot = "u-boot: {parameters: {bootloader_prompt: '=> '}}"
		ipxe  = "ipxe: {parameters: {bootloader_prompt: 'iPXE> '}}"
		grub  = "grub: {parameters: {bootloader_prompt: 'grub> '}}"
		efi   = "uefi: {parameters: {bootloader_prompt: '(?:Shell|FS0:.)> ', shell_interrupt_prompt: 'any other key to continue', shell_interrupt_string: ' '}}"
	)
	tests := []struct {
		file, method, dictionary, key, prompt string   // patterns
		commands                              []string // nil: those of the recording
		class                                 pipeline.Class
		says                                  string
	}{
		{file: "uboot-arm64-booti.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-arm64-tap.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-arm64-fit.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-arm-bootz.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-arm-bootm.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-riscv64-booti.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-x86-zboot.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> "},
		{file: "uboot-x86-vfs-panic.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> ",
			class: pipeline.Job, says: "Kernel panic - not syncing"},
		{file: "uboot-failures.log", method: "u-boot", dictionary: uboot, key: "stop autoboot", prompt: "=> ",
			class: pipeline.Infrastructure, says: "matched a bootloader error message: 'File not found'"},
		{file: "ipxe-lkrn.log", method: "ipxe", dictionary: ipxe, key: "the iPXE command line", prompt: "iPXE> ",
			commands: []string{"echo", "dhcp net0", "set console x", "kernel tftp://x", "initrd tftp://y", "boot"}},
		{file: "grub-bios.log", method: "grub", dictionary: grub, key: "for a command-line", prompt: "grub> ",
			commands: []string{"linux (tftp)/bzImage", "initrd (tftp)/initrd", "boot"}},
		{file: "grub-efi-x86.log", method: "grub", dictionary: grub, key: "for a command-line", prompt: "grub> ",
			commands: []string{"net_bootp", "net_ls_addr", "linux (tftp)/bzImage", "initrd (tftp)/initrd", "boot"}},
		{file: "uefi-shell.log", method: "uefi", dictionary: efi, key: "in 5 seconds.*?any other key to continue", prompt: "(?:Shell|FS0:.)> ",
			commands: []string{"ver", "map -r", "fs0:", "ls", "bzImage.efi"}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(shared, "consoles", tt.file)
			commands := tt.commands
			if commands == nil {
				commands = recordedCommands(t, file, tt.prompt)
			}
			block := fmt.Sprintf("method: %s, commands: %s, prompts: ['/ # '], ignore_kernel_messages: false", tt.method, pipeline.ReprList(commands))
			script := fmt.Sprintf("raw\nreplay %s %s ||| %s\nhang", file, tt.key, tt.prompt)
			r := plan(t, tt.dictionary, block, script)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\ntyped: %q\nlast lines: %q", r.err, texts(r.log, events.Input), last(texts(r.log, events.Target)))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			}
			if tt.class == "" && !slices.Contains(texts(r.log, events.Input), commands[len(commands)-1]) {
				t.Errorf("typed: %q, want all of %q", texts(r.log, events.Input), commands)
			}
		})
	}
}

// recordedCommands returns what was typed at the prompts of a recorded console.
func recordedCommands(t *testing.T, file, prompt string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(regexp.QuoteMeta(prompt)+`([^\r\n]+)`).FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s: nothing was typed at %q", file, prompt)
	}
	return out
}

func last(lines []string) []string { return lines[max(len(lines)-12, 0):] }
