package boot_test

import (
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Another kernel is started out of a running system, which then fetches its overlay.
func TestKexecAndTransfers(t *testing.T) {
	const start = "prompt sh# \nwait .\nprompt sh# \nwait .\nprint kexec_core: Starting new kernel\nprint Linux version 6\nprompt sh# \n"
	// The script answers by itself: no shell of the worker must ever see what starts a kernel.
	const shell, done, failed = "wait .\nprompt sh# \n", "wait printf\nprint <LAVA_SIGNAL_RETRUNCODE 0>\nprompt sh# \n", "wait printf\nprint <LAVA_SIGNAL_RETRUNCODE 1>\n"
	const minimal = "method: minimal, prompts: ['sh# ']"
	const kexec = "method: kexec, boot_message: 'Starting new kernel', prompts: ['sh# '], kernel: /home/vmlinux"
	tests := []struct {
		name, block, script string
		typed               []string // among what was typed, in order
		class               pipeline.Class
		says                string
	}{
		{"http", kexec + ", dtb: /home/dtb, initrd: /home/initrd, options: ['--reuse-cmdline'], transfer_overlay: {download_command: echo get, unpack_command: echo unpack}",
			start + "wait ^$\nprompt sh# \n" + shell + done + done + shell + shell + "hang",
			[]string{"/sbin/kexec --load /home/vmlinux --dtb /home/dtb --initrd /home/initrd --reuse-cmdline", "/sbin/kexec -e", "rm overlay-1.2.tar.gz",
				"echo get http://10.3.2.1/tmp/7/compress-overlay-1/overlay-1.2.tar.gz ; printf", "echo unpack overlay-1.2.tar.gz ; printf"}, "", ""},
		{"nfs", kexec + ", on_panic: true, transfer_overlay: {transfer_method: nfs, download_command: 'echo mount', unpack_command: 'true cp'}",
			start + "wait ^$\nprompt sh# \n" + done + done + shell + shell + "hang",
			[]string{"/sbin/kexec --load-panic /home/vmlinux", "echo c > /proc/sysrq-trigger",
				"mkdir -p /lava-7-nfs; echo mount 10.3.2.1:/srv/lava-overlay-1 /lava-7-nfs ; printf",
				"true cp /lava-7-nfs/* /; umount /lava-7-nfs; rm -fr /lava-7-nfs ; printf"}, "", ""},
		{"a download that fails", kexec + ", transfer_overlay: {download_command: 'false', unpack_command: tar}",
			start + "wait ^$\nprompt sh# \n" + shell + failed + "hang",
			nil, pipeline.Job, "failed with return code 1!"},
		{"an unknown way", kexec + ", transfer_overlay: {transfer_method: ftp, download_command: a, unpack_command: b}", "hang",
			nil, pipeline.Job, "Unsupported 'transfer_method' 'ftp'"},
		{"no command", kexec + ", transfer_overlay: {download_command: a}", "hang", nil, pipeline.Job, "Missing or empty 'unpack_command'"},
		{"no boot message", "method: kexec, prompts: ['sh# ']", "hang", nil, pipeline.Job, "Missing boot_message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := planAfter(t, "minimal: ", []string{minimal + ", parameters: {kernel-start-message: ''}", tt.block}, tt.script)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\ntyped: %q", r.err, texts(r.log, events.Input))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			}
			typed := texts(r.log, events.Input)
			for _, want := range tt.typed {
				at := slices.IndexFunc(typed, func(s string) bool { return strings.HasPrefix(s, want) })
				if at < 0 {
					t.Fatalf("%q was not typed, or not in its turn; typed: %q", want, texts(r.log, events.Input))
				}
				typed = typed[at+1:]
			}
		})
	}
}
