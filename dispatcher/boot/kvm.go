package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// withoutKVM returns a command line that emulates the processor, and whether the one that it was made
// of asks for KVM, be it as the first of several accelerators: QEMU takes the next only where the device
// cannot be opened, and aborts over what fails later. A processor that is the host's becomes the most
// capable one that QEMU can emulate.
func withoutKVM(command []string) (out []string, asked bool) {
	named := false // the machine's own option names the accelerator; QEMU takes no second
	for i := 0; i < len(command); i++ {
		word, value := command[i], ""
		if i+1 < len(command) {
			value = command[i+1]
		}
		switch strings.Replace(word, "--", "-", 1) { // options may have two dashes
		case "-enable-kvm":
			asked = true
			continue
		case "-accel":
			first, _, _ := strings.Cut(value, ",")
			asked = asked || first == "kvm"
			i++
			continue
		case "-machine", "-M":
			named = named || strings.Contains(value, "accel=")
			asked = asked || accelKVM.MatchString(value)
			out = append(out, word, accelKVM.ReplaceAllString(value, "accel=tcg"))
			i++
			continue
		case "-cpu":
			if value == "host" || strings.HasPrefix(value, "host,") {
				value = "max"
			}
			out = append(out, word, value)
			i++
			continue
		}
		out = append(out, word)
	}
	if !named {
		out = append(out, "-accel", "tcg")
	}
	return out, asked
}

// accelKVM finds the accelerators of a machine option where the first is KVM.
var accelKVM = regexp.MustCompile(`\baccel=kvm[^,]*`)
