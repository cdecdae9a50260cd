package boot_test

import (
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Menus of firmware are walked by label: the number in front of it is typed.
func TestMenus(t *testing.T) {
	const parameters = "interrupt_prompt: 'default boot selection', interrupt_string: ' ', item_markup: ['[', ']'], item_class: '0-9', separator: ' ', " +
		`label_class: 'a-zA-Z0-9\s\:', bootloader_prompt: 'Start:', boot_message: 'Loaded: LinuxImage'`
	const start = "raw\nprint The default boot selection will start in 10\nkey [ ]\n"
	tests := []struct {
		name, methods, block, script string
		typed                        []string // lines that must have been typed, in order
		class                        pipeline.Class
		says                         string
	}{
		{name: "items, text and wait",
			methods: "uefi-menu: {parameters: {" + parameters + "}, tftp: [{select: {items: ['Boot Manager'], wait: 'Choice:'}}, " +
				"{select: {items: ['Add Boot Device Entry', 'Boot Manager'], wait: 'Server:'}}, {select: {enter: '{SERVER_IP}', wait: 'File:'}}, " +
				"{select: {enter: '{KERNEL}', wait: 'Start:'}}, {select: {items: ['{TEST_MENU_NAME}']}}]}",
			block: "method: uefi-menu, commands: tftp, prompts: ['sh# ']",
			script: start + "print [1] Linux\nprint [2] Boot Manager\nprint [3] Boot Manager Help\nprompt Start: \nkey 2\\n\nprint [1] Add Boot Device Entry\nprint [2] Return\n" +
				"prompt Choice: \nkey 1\\n\nprompt Server: \nkey \\r\nprompt File: \nkey \\r\nprint [1] Shell\nprint [7] LAVA tftp test image\nprompt Start: \nkey 7\\n\n" +
				"print Loaded: LinuxImage\nprint Linux version 6\nprompt sh# \neval",
			typed: []string{" ", "2", "1", "10.3.2.1", "7/kernel/zImage", "7"}},
		{name: "lines that end with CR LF",
			methods: "uefi-menu: {line_separator: dos, parameters: {" + parameters + "}, tftp: [{select: {items: [Linux]}}]}",
			block:   "method: uefi-menu, commands: tftp, prompts: ['sh# ']",
			script:  start + "print [1] Linux\nprompt Start: \nkey 1\\r\\n\nprint Loaded: LinuxImage\nprint Linux version 6\nprompt sh# \neval",
			typed:   []string{" ", "1"}},
		{name: "the block's line end comes first",
			methods: "uefi-menu: {line_separator: dos, parameters: {" + parameters + "}, tftp: [{select: {items: [Linux]}}]}",
			block:   "method: uefi-menu, line_separator: unix, commands: tftp, prompts: ['sh# ']",
			script:  start + "print [1] Linux\nprompt Start: \nkey 1\\n\nprint Loaded: LinuxImage\nprint Linux version 6\nprompt sh# \neval",
			typed:   []string{" ", "1"}},
		{name: "a fallback",
			methods: "uefi-menu: {parameters: {" + parameters + "}, tftp: [{select: {items: ['Remove it'], fallback: 'Return to Main Menu'}}]}",
			block:   "method: uefi-menu, commands: tftp, prompts: ['sh# ']",
			script:  start + "print [5] Return to Main Menu\nprompt Start: \nkey 5\\n\nprint Loaded: LinuxImage\nprint Linux version 6\nprompt sh# \neval",
			typed:   []string{" ", "5"}},
		{name: "no such entry",
			methods: "uefi-menu: {parameters: {" + parameters + "}, tftp: [{select: {items: ['Boot Manager']}}]}",
			block:   "method: uefi-menu, commands: tftp, prompts: ['sh# ']",
			script:  start + "print [1] Linux\nprompt Start: \nhang", class: pipeline.Job, says: "No selection was made"},
		{name: "an unknown key", methods: "uefi-menu: {parameters: {" + parameters + "}, tftp: [{select: {item: ['Boot Manager']}}]}",
			block: "method: uefi-menu, commands: tftp, prompts: ['sh# ']", script: "hang", class: pipeline.Configuration, says: "menu entry 1: 'item' is not known"},
		{name: "no such set", methods: "uefi-menu: {parameters: {" + parameters + "}}",
			block: "method: uefi-menu, commands: tftp, prompts: ['sh# ']", script: "hang", class: pipeline.Job, says: "Missing commands for 'tftp'"},
		{name: "grub out of the firmware",
			methods: "grub-efi: {menu_options: pxe, parameters: {bootloader_prompt: 'grub>'}, nfs: {commands: [boot]}}, " +
				"uefi-menu: {parameters: {" + parameters + "}, pxe: [{select: {items: ['PXE on MAC Address: 00:11:22:33:44:55']}}]}",
			block: "method: grub-efi, commands: nfs, prompts: ['sh# ']",
			script: start + "print [4] PXE on MAC Address: 00:11:22:33:44:55\nprompt Start: \nkey 4\\n\nprint c for a command-line\nkey c\\n\nprompt grub> \nkey boot\\n\n" +
				"print Linux version 6\nprompt sh# \nhang",
			typed: []string{" ", "4", "c", "boot"}},
		{name: "the shell of the firmware",
			methods: "uefi: {parameters: {bootloader_prompt: 'Shell>', shell_interrupt_prompt: 'any other key to continue', shell_interrupt_string: ' ', shell_menu: shell, " +
				"menu_prompt: 'Start:', menu_boot_message: 'UEFI Interactive Shell', interrupt_prompt: 'default boot selection', interrupt_string: ' ', item_markup: ['[', ']'], " +
				"item_class: '0-9', separator: ' '}, shell: [{select: {items: [Shell]}}], nfs: {commands: ['map -r', 'norkern root={NFSROOTFS}']}}",
			block: "method: uefi, commands: nfs, prompts: ['sh# ']",
			script: start + "print [3] Shell\nprompt Start: \nkey 3\\n\nprint UEFI Interactive Shell v2.2\nprint Press ESC to skip startup.nsh or any other key to continue.\nkey [ ]\n" +
				"prompt Shell> \nkey map -r\\r\\n\nprompt Shell> \nkey norkern.*\\n\nprint Linux version 6\nprompt sh# \nhang",
			typed: []string{" ", "3", " ", "map -r", "norkern root=/var/nfs/root"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plan(t, tt.methods, tt.block, tt.script)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\ntyped: %q\nconsole: %q", r.err, texts(r.log, events.Input), texts(r.log, events.Target))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			}
			// Empty lines make a menu show itself; they are not of interest.
			typed := slices.DeleteFunc(texts(r.log, events.Input), func(s string) bool { return s == "" })
			if tt.typed != nil && !slices.Equal(typed[:min(len(typed), len(tt.typed))], tt.typed) {
				t.Errorf("typed:\n got %q\nwant %q", typed, tt.typed)
			}
		})
	}
}
