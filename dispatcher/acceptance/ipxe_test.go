package acceptance

import (
	"maps"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// The iPXE of a network card is stopped by Ctrl-B, takes its commands with a pause between characters,
// since it polls its serial port, and boots.
func TestIPXE(t *testing.T) {
	if got := bootsIPXE(t, "ramdisk", ""); got != nil {
		got.wantComplete(t)
		got.wantResults(t, bootedByIPXE)
		got.wantText(t, "Press Ctrl-B for the iPXE command line", "Sending with 5 millisecond of delay",
			"Sending line: 'kernel tftp://"+workerIP+"/42/", "Linux version ", "lava_mac=52:54:00:12:34:56")
	}
}

// iPXE fetches a script of the job and runs it; then little is typed.
func TestIPXEScript(t *testing.T) {
	dispatchertest.Slow(t)
	if got := bootsIPXE(t, "ramdisk", "{% set use_bootscript = True %}"); got != nil {
		got.wantComplete(t)
		got.wantResults(t, bootedByIPXE)
		// The script has the names of the files; only its own is typed.
		got.wantText(t, "Sending line: 'chain tftp://"+workerIP+"/42/", "script.ipxe", "Linux version ")
		if strings.Contains(got.text(), "Sending line: 'kernel ") {
			t.Error("the commands were typed beside the script")
		}
	}
}

// A job's own commands fetch the kernel by HTTP, from a server that is not the worker's.
func TestIPXEHTTP(t *testing.T) {
	dispatchertest.Slow(t)
	if got := bootsIPXE(t, "[dhcp, 'kernel @FROM@/bzImage console=ttyS0 no_timer_check panic=-1', 'initrd tftp://{SERVER_IP}/{RAMDISK}', boot]", ""); got != nil {
		got.wantComplete(t)
		got.wantResults(t, bootedByIPXE)
		got.wantText(t, "Using boot commands supplied in the job definition", "Sending line: 'kernel http://10.0.2.2:")
	}
}

// A network without an answer is the lab's fault and costs no more than iPXE's own patience.
func TestIPXEWithoutNetwork(t *testing.T) {
	dispatchertest.Slow(t)
	// A hub with nothing else on it: the card has a link, and nobody answers.
	if got := bootsIPXE(t, "ramdisk", "", "-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-pci,netdev=n0"); got != nil {
		got.wantError(t, events.InfrastructureError, "matched a bootloader error message: 'No configuration methods succeeded' (1)")
	}
}

var bootedByIPXE = map[string]string{"0_smoke/uname": "pass", "0_smoke/machine": "pass", "0_smoke/command-line": "pass",
	"kernel-messages": "pass", "login-action": "pass", "job": "pass"}

// bootsIPXE runs a job with these commands on a PC whose dictionary has one more line, with this network
// card or the usual one, and returns how it ended; nil where it ran in another process.
func bootsIPXE(t *testing.T, commands, more string, card ...string) *outcome {
	t.Helper()
	pc := firmwareBoard{
		// Without graphics=off the card's firmware writes to a screen that nobody sees.
		machine: []string{"qemu-system-x86_64", "-M", "pc,graphics=off", "-m", "512", "-boot", "n"},
		needs:   []string{"qemu-system-x86_64:qemu-system-x86", "/usr/lib/ipxe/qemu/pxe-virtio.rom:ipxe-qemu"}, uname: "x86_64",
	}
	dir, values := pc.values(t)
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return nil
	}
	if len(card) == 0 {
		card = network("", "")
	}
	_, lines := pc.start(t, card...)
	maps.Copy(values, lines)
	values["SITE"], values["METHOD"], values["MORE"] = serve(t, dir), "ipxe", more
	// The emulator's user network has this machine's loopback as 10.0.2.2.
	commands = strings.ReplaceAll(commands, "@FROM@", strings.Replace(values["SITE"], "127.0.0.1", "10.0.2.2", 1))
	got := run(t, job{
		definition: strings.Replace(text(t, "testdata/grub-job.yaml"), "commands: ramdisk", "commands: "+commands, 1), device: text(t, "testdata/ipxe-device.jinja2"),
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", values: values,
	})
	return &got
}
