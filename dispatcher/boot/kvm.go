package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kvmCreateVM is the ioctl KVM_CREATE_VM of linux/kvm.h: _IO(0xAE, 0x01).
const kvmCreateVM = 0xAE01

// kvmUnusable says why virtual machines cannot use the processor, nil if they can. That the device
// node is there proves little: it may be forbidden, refuse to make a machine, or belong to a module
// that makes machines which never run a stock kernel. The modules of the processor makers do.
func kvmUnusable(device, modules string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	vm, err := unix.IoctlRetInt(int(f.Fd()), kvmCreateVM)
	if err != nil {
		return fmt.Errorf("make a machine with %s: %w", device, err)
	}
	if err := unix.Close(vm); err != nil {
		return err
	}
	if runtimeIsX86() {
		for _, name := range []string{"kvm_intel", "kvm_amd"} {
			if _, err := os.Stat(filepath.Join(modules, name)); err == nil {
				return nil
			}
		}
		return errors.New("neither kvm_intel nor kvm_amd is loaded")
	}
	return nil
}

func runtimeIsX86() bool { return hostArch() == "x86_64" || hostArch() == "i686" }

// withoutKVM returns a command line that emulates the processor: the options that ask for KVM are
// gone, and a processor that is the host's becomes the most capable one that QEMU can emulate.
func withoutKVM(command []string) []string {
	out := slices.DeleteFunc(slices.Clone(command), func(word string) bool { return word == "-enable-kvm" })
	for i := 1; i < len(out); i++ {
		if out[i-1] == "-cpu" && (out[i] == "host" || strings.HasPrefix(out[i], "host,")) {
			out[i] = "max"
		}
	}
	return append(out, "-accel", "tcg")
}
