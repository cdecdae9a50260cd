package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

// A loader that says when it is up is waited for once a start, if the last image restarts it.
func TestFastbootPrompt(t *testing.T) {
	dispatchertest.Programs(t, "fastboot*) echo Finished.;;", "fastboot")
	dir := folder(t, map[string][]byte{"a": nil, "b": nil, "c": nil})
	for _, tt := range []struct {
		name, reboots string // of a, b and c
		waits         int
	}{
		{"the last restarts", ", reboot: hard-reset|, |, reboot: hard-reset", 2},
		{"the last does not", ", reboot: hard-reset|, reboot: hard-reset|, ", 0},
		{"none does", ", |, |, ", 0},
	} {
		more := strings.Split(tt.reboots, "|")
		images := ""
		for i, name := range []string{"a", "b", "c"} {
			images += name + ": {url: 'file://" + dir + "/" + name + "'" + more[i] + "}, "
		}
		console := dispatchertest.Console(t, strings.Repeat("print Android Fastboot mode\n", 2)+"hang")
		j := &job{noTest: true, deploy: "{to: fastboot, images: {" + images + "}}", dispatcher: ", usb_root: '" + dispatchertest.USB(t) + "'",
			device: ", constants: {failure_retry: 1, default-shell-prompt: '# '}, fastboot_serial_number: SER1, adb_serial_number: SER1, fastboot_options: [], flash_cmds_order: [a, b, c]" +
				", commands: {connect: '" + console + "', hard_reset: 'true'}, actions: {deploy: {methods: {fastboot: {interrupt_prompt: Android Fastboot mode}}}, boot: {connections: {serial: }}}"}
		j.leave = func(*pipeline.Session) error { return nil }
		if err := j.whole(t); err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, dispatchertest.TextOf(j.log))
		}
		if got := strings.Count(dispatchertest.TextOf(j.log), "fastboot-flash-action: Wait for prompt ['Android Fastboot mode']"); got != tt.waits {
			t.Errorf("%s: waited %d times for the prompt, want %d", tt.name, got, tt.waits)
		}
	}
}

// The board's partitions are written in the order of its dictionary, the rest after them; a sparse
// image gets the overlay first. The program that talks to the board is a stand-in.
func TestFastboot(t *testing.T) {
	if _, err := exec.LookPath(e2fs("mke2fs")); err != nil {
		t.Skip("SKIPPED: mke2fs is not installed")
	}
	dir := folder(t, map[string][]byte{"boot.img": []byte("boot"), "cache.img": []byte("cache")})
	image, told := filepath.Join(dir, "system.ext4"), filepath.Join(dir, "told")
	if out, err := exec.Command(e2fs("mke2fs"), "-q", "-F", "-t", "ext4", image, "8M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v %s", err, out)
	}
	if err := archive.ToSparse(filepath.Join(dir, "system.img"), image); err != nil {
		t.Fatal(err)
	}
	tool := "#!/bin/sh\necho \"$@\" >> " + told + "\n" +
		"for a; do case $a in */system.img) cp $a " + dir + "/written ;; esac; done\necho 'Finished. Total time: 0.1s'\n"
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "fastboot"), []byte(tool), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	j := &job{device: ", fastboot_serial_number: f1, adb_serial_number: a1, fastboot_options: [--slot, all], flash_cmds_order: [boot, system]" +
		", device_info: [{board_id: f1, wait_device_board_id: false}], commands: {connect: cat, hard_reset: 'true'}",
		deploy: strings.ReplaceAll(`
to: fastboot
os: oe
images:
  cache: {url: 'file://DIR/cache.img', reboot: fastboot-reboot-bootloader}
  system: {url: 'file://DIR/system.img', apply-overlay: true}
  boot: {url: 'file://DIR/boot.img', reboot: hard-reset}
`, "DIR", dir)}
	deviceParameters(j, "actions: {deploy: {methods: {fastboot: }}, boot: {connections: {serial: }, methods: {fastboot: []}}}")
	// The constants of the helper lack what a connection wants.
	j.device += ", constants: {failure_retry: 1, default-shell-prompt: '# ', posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/sh, lava_test_shell_file: x}}"
	j.check = func(*pipeline.Session) error { return nil }
	j.run(t)
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		for i, word := range words {
			words[i] = filepath.Base(word)
		}
		got = append(got, strings.Join(words, " "))
	}
	want := "-s f1 flash boot boot.img --slot all|-s f1 flash system system.img --slot all|-s f1 flash cache cache.img --slot all|-s f1 reboot bootloader --slot all"
	if strings.Join(got, "|") != want {
		t.Errorf("fastboot was told\n%s\nwant\n%s", strings.Join(got, "|"), want)
	}
	raw := filepath.Join(dir, "raw")
	if err := archive.FromSparse(raw, filepath.Join(dir, "written")); err != nil {
		t.Fatalf("what was written as system: %v", err)
	}
	out, err := exec.Command(e2fs("debugfs"), "-R", "stat /lava-9/bin/lava-test-runner", raw).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Mode:  0755") {
		t.Errorf("the overlay is not in what was written: %s %v", out, err)
	}
}
