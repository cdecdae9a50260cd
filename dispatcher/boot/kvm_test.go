package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKVMIsProbed(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "kvm")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, device := range map[string]string{
		"no node":                      filepath.Join(dir, "none"),
		"a node that makes no machine": plain,
		"another device":               "/dev/null",
	} {
		if err := kvmUnusable(device, "/sys/module"); err == nil {
			t.Errorf("%s: taken as usable", name)
		}
	}
	if runtimeIsX86() && kvmUnusable("/dev/kvm", dir) == nil {
		t.Error("usable without a module of a processor maker")
	}
}

func TestWithoutKVM(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		asked    bool
	}{
		{"qemu -cpu host -enable-kvm -m 256 -append -enable-kvm-not", "qemu -cpu max -m 256 -append -enable-kvm-not -accel tcg", true},
		{"qemu --enable-kvm -cpu host,-x", "qemu -cpu max -accel tcg", true},
		{"qemu -enable-kvm -cpu core2duo", "qemu -cpu core2duo -accel tcg", true},
		{"qemu -accel kvm -accel tcg -cpu max", "qemu -cpu max -accel tcg", true},
		{"qemu -accel kvm,dirty-ring-size=1024", "qemu -accel tcg", true},
		{"qemu -M q35,accel=kvm:tcg,smm=off", "qemu -M q35,accel=tcg,smm=off", true},
		{"qemu -machine accel=tcg", "qemu -machine accel=tcg", false},
		{"qemu -accel tcg,thread=multi -cpu max", "qemu -cpu max -accel tcg", false},
		{"qemu -machine virt -accel", "qemu -machine virt -accel tcg", false},
	} {
		got, asked := withoutKVM(strings.Fields(tt.in))
		if strings.Join(got, " ") != tt.want || asked != tt.asked {
			t.Errorf("%s: got %q, asked %v; want %q, %v", tt.in, got, asked, tt.want, tt.asked)
		}
	}
}
