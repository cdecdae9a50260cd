package boot

import (
	"os"
	"path/filepath"
	"slices"
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
	in := []string{"qemu", "-cpu", "host", "-enable-kvm", "-m", "256", "-append", "-enable-kvm-not"}
	want := []string{"qemu", "-cpu", "max", "-m", "256", "-append", "-enable-kvm-not", "-accel", "tcg"}
	if got := withoutKVM(in); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := withoutKVM([]string{"qemu", "-cpu", "host,-x"}); got[2] != "max" {
		t.Errorf("a host with features: %q, want max", got[2])
	}
	if got := withoutKVM([]string{"qemu", "-cpu", "core2duo"}); got[2] != "core2duo" {
		t.Errorf("a named processor: %q, want it kept", got[2])
	}
}
