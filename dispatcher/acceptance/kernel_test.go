package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// kernel is a machine of QEMU that loads a kernel itself.
type kernel struct {
	name    string
	program string // of QEMU, and its package
	context string // of the job: what our device type qemu makes a machine of
	kernel  string // linux-… of materials
	append  string // the kernel's command line, beside what all have
	machine string // as uname names it
	tree    string // pattern of a device tree, below the kernel's package; "" for what QEMU makes
	always  bool   // for every run, and not only for `make test-all`
}

// Kernels of every architecture boot in QEMU, and a test runs there: on a machine with firmware or
// without, on a bus or without, with a device tree of its own.
func TestKernels(t *testing.T) {
	const mmio = "no_network: true, extra_options: ['-netdev user,id=n0 -device virtio-net-device,netdev=n0']"
	x86, arm, riscv := "qemu-system-x86_64:qemu-system-x86", "qemu-system-arm:qemu-system-arm", "qemu-system-riscv64:qemu-system-misc"
	arm64 := "qemu-system-aarch64:qemu-system-arm"
	for _, k := range []kernel{
		{"amd64 q35", x86, "{arch: amd64, machine: q35, memory: 256}", "amd64", "console=ttyS0 no_timer_check", "x86_64", "", true},
		{"amd64 pc", x86, "{arch: x86_64, machine: pc, memory: 256, no_kvm: true}", "amd64", "console=ttyS0 no_timer_check", "x86_64", "", false},
		{"amd64 pc, generic", x86, "{arch: amd64, machine: pc, memory: 256}", "amd64-generic", "console=ttyS0 no_timer_check", "x86_64", "", false},
		{"arm64", arm64, "{arch: arm64, memory: 256}", "arm64", "", "aarch64", "", true},
		{"arm64 without a bus", arm64, "{arch: aarch64, cpu: cortex-a53, memory: 256, " + mmio + "}", "arm64", "", "aarch64", "", false},
		{"arm64 generic", arm64, "{arch: arm64, memory: 256}", "arm64-generic", "console=ttyAMA0", "aarch64", "", false},
		{"arm", arm, "{arch: arm, memory: 256, " + mmio + "}", "armhf", "", "armv7l", "", false},
		{"arm vexpress", arm, "{arch: arm, machine: vexpress-a15, memory: 256, " + mmio + "}", "armhf", "console=ttyAMA0", "armv7l",
			"usr/lib/linux-image-*/vexpress-v2p-ca15-tc1.dtb", false},
		{"riscv64", riscv, "{arch: riscv64, memory: 256, " + mmio + "}", "riscv64", "", "riscv64", "", false},
	} {
		t.Run(k.name, func(t *testing.T) {
			if !k.always {
				dispatchertest.Slow(t)
			}
			if k.machine == "riscv64" {
				dispatchertest.Need(t, "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin:opensbi")
			}
			got := run(t, k.job(t))
			got.wantComplete(t)
			got.wantResults(t, map[string]string{
				"0_smoke/machine": "pass", "0_smoke/network": "pass", "0_smoke/uptime": "pass", "0_smoke/wrong": "fail", "lava/0_smoke": "pass",
				"execute-qemu": "pass", "kernel-messages": "pass", "login-action": "pass", "job": "pass",
			})
			if uptime, _ := got.result(t, "0_smoke/uptime")["measurement"].(float64); uptime <= 0 {
				t.Errorf("the machine is up for %v seconds", uptime)
			}
			got.wantText(t, "Linux version ")
		})
	}
}

func (k kernel) job(t *testing.T) job {
	t.Helper()
	dispatchertest.Boots(t)
	dispatchertest.Need(t, k.program)
	dir := materials(t, "kernel-"+k.kernel, "initramfs-"+k.kernel)
	images := ""
	if k.tree != "" {
		if err := os.Symlink(only(t, filepath.Join(material(t, "linux-"+k.kernel), k.tree)), filepath.Join(dir, "tree.dtb")); err != nil {
			t.Fatal(err)
		}
		images = "      dtb: {url: file://" + dir + "/tree.dtb, image_arg: '-dtb {dtb}'}"
	}
	return job{
		definition: text(t, "testdata/kernel-job.yaml"), device: "{% extends 'qemu.jinja2' %}\n", context: k.context,
		values: map[string]string{"CONTEXT": k.context, "DIR": dir, "KERNEL": k.kernel, "APPEND": k.append, "IMAGES": images,
			"LOGIN": "", "MACHINE": k.machine},
	}
}
