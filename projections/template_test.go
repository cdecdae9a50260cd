package projections

import (
	"strings"
	"testing"
)

func TestMine(t *testing.T) {
	tests := []struct {
		line, template, variables string
		stamp                     int64
	}{
		{"", "", "", noStamp},
		{"Kernel panic - not syncing", "Kernel panic - not syncing", "", noStamp},
		{"[    4.048702] BUG: address: 0000000000000000", " BUG: address: #", "0000000000000000", 4048702},
		{"[12345.000001] x", " x", "", 12345000001},
		{"[123456.000001][   T12] x", "[   #] x", "T12", 123456000001},
		{"[    0.0000] x", "[    #] x", "0.0000", noStamp},
		{"[   00.000000] x", "[   #] x", "00.000000", noStamp},
		{"[ 1.000000] x", "[ #] x", "1.000000", noStamp},
		{"eth0: link 10.0.2.15/24 up", "#: link # up", "eth0|10.0.2.15/24", noStamp},
		{"  do_syscall_64+0x5d/0x90", "  do_syscall_#", "64+0x5d/0x90", noStamp},
		{"Linux 6.1.0-56-cloud-amd64", "Linux #-cloud-#", "6.1.0-56|amd64", noStamp},
		{"[\x1b[0;32m  OK  \x1b[0m] tty1", "[\x1b[0;32m  OK  \x1b[0m] #", "tty1", noStamp},
		{"\x1b[31", "\x1b[#", "31", noStamp},
		{"\x1b", "\x1b", "", noStamp},
		{"größe5 größe", "# größe", "größe5", noStamp},
		{"odd \x11 5", rawTemplate, "odd \x11 5", noStamp},
		{"[    4.048702] \x12", rawTemplate, "[    4.048702] \x12", noStamp},
		{strings.Repeat("1 ", maxVariables+1), rawTemplate, strings.Repeat("1 ", maxVariables+1), noStamp},
	}
	for _, tt := range tests {
		var m mined
		m.mine(tt.line)
		got := strings.ReplaceAll(string(m.template), "\x11", "#")
		variables := string(m.variables)
		if got != rawTemplate {
			variables = strings.ReplaceAll(variables, "\x12", "|")
		}
		if got != tt.template || variables != tt.variables || m.stamp != tt.stamp {
			t.Errorf("mine(%q) = %q, %q, %d; want %q, %q, %d", tt.line, got, variables, m.stamp, tt.template, tt.variables, tt.stamp)
		}
		if again := join(m.stamp, string(m.template), string(m.variables)); again != tt.line {
			t.Errorf("mine(%q): put together again it is %q", tt.line, again)
		}
	}
}

// Whatever a line is, it can be put together again, and each of its words is where the search looks:
// those with a digit in the variables, those without in the template.
func FuzzMine(f *testing.F) {
	for _, seed := range []string{"", "[    0.000000] Linux version 6.1", "[99999.999999] a1b", "\x1b[0;1m x9\x1b[", "a\x11b2", "é3é e\xff4", "1.2.3:4-5/x6_7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var m mined
		m.mine(line)
		if got := join(m.stamp, string(m.template), string(m.variables)); got != line {
			t.Fatalf("mine(%q) = %q, %q, %d, which makes %q", line, m.template, m.variables, m.stamp, got)
		}
		if string(m.template) == rawTemplate {
			return
		}
		variableWords(string(m.variables), func(word string) {
			if !strings.ContainsAny(word, "0123456789") {
				t.Errorf("mine(%q): the word %q of the variables %q has no digit", line, word, m.variables)
			}
		})
		holes := strings.Count(string(m.template), string(rune(hole)))
		if holes > 0 && strings.Count(string(m.variables), string(rune(separator))) != holes-1 {
			t.Errorf("mine(%q): %d holes for variables %q", line, holes, m.variables)
		}
	})
}

func BenchmarkMine(b *testing.B) {
	line := "[    4.052355] virtio_net virtio0 enp0s3: renamed from eth0, irq 24, mem 0x0febf000-0x0ffdffff"
	var m mined
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m.mine(line)
	}
}
