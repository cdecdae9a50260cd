package dispatcher

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

// blame is whom the reference blames for an action: for its time-out and for a command that fails,
// and whether its children are tried again.
type blame struct{ late, broken, retries string }

// blames reads what is recorded of each action, by its name. An action whose classes differ by where
// it stands has none.
func blames(t *testing.T, shared string) map[string]blame {
	t.Helper()
	f, err := os.Open(filepath.Join(shared, "spec", "actions.csv"))
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out, ambiguous := map[string]blame{}, map[string]bool{}
	for _, row := range rows[1:] {
		b := blame{row[4], row[5], row[3]}
		if old, ok := out[row[0]]; ok && old != b {
			ambiguous[row[0]] = true
		}
		out[row[0]] = b
	}
	for name := range ambiguous {
		delete(out, name)
	}
	return out
}

// checkBlame compares the actions of a plan; each name is told of once.
func checkBlame(t *testing.T, steps []*pipeline.Step, recorded map[string]blame) {
	t.Helper()
	for _, s := range steps {
		want, ok := recorded[s.Name()]
		delete(recorded, s.Name())
		got := blame{late: "JobError", broken: "JobError"}
		if b, ok := s.Action.(pipeline.Blamer); ok {
			got.late = errorName(b.TimeoutClass())
		}
		if b, ok := s.Action.(pipeline.CommandBlamer); ok {
			got.broken = errorName(b.CommandClass())
		}
		if _, ok := s.Action.(pipeline.Retrier); ok {
			got.retries = "yes"
		}
		if ok && got != want {
			t.Errorf("%s blames %+v, want %+v", s.Name(), got, want)
		}
		checkBlame(t, s.Children, recorded)
	}
}

func errorName(c pipeline.Class) string {
	if c == pipeline.TestTimeout {
		return "LAVATimeoutError"
	}
	return string(c) + "Error"
}

// Actions that no recorded tree shows blame as recorded too.
func TestBlameOfUnseenActions(t *testing.T) {
	t.Parallel()
	recorded := blames(t, dispatchertest.Corpus(t, "spec"))
	before := len(recorded)
	const device = `
constants: {failure_retry: 1}
fastboot_options: []
fastboot_auto_detection: true
fastboot_serial_number: '0000000000'
adb_serial_number: SER1
board_id: SER1
actions:
  deploy: {methods: {docker: , flasher: {commands: [x]}, usbg-ms: {enable: [a], disable: [b]}, fastboot: }}
  boot:
    connections: {serial: }
    methods:
      docker:
      gdb: {flash: {commands: [a]}}
      nodebooter:
      openocd:
      fastboot: [reboot]
      u-boot: {parameters: {bootloader_prompt: '=>', uboot_altbank: true}}
      uuu: {options: {usb_otg_path: '1:2'}}
      uefi: {shell_menu: [], parameters: {shell_interrupt_string: x, shell_interrupt_prompt: x, bootloader_prompt: x, shell_menu: [x]}}
`
	for _, tt := range []struct{ power, block string }{
		{"", "deploy: {to: docker, image: x}"}, {"", "deploy: {to: flasher, images: {a: {url: 'scp://h/a'}}}"}, {"", "deploy: {to: usbg-ms, image: {url: 'http://x/i'}}"},
		{"", "deploy: {to: download, images: {}}"}, {"commands: {hard_reset: x}", "deploy: {to: fastboot, images: {a: {url: 'http://x/a', reboot: fastboot-reboot-bootloader}, b: {url: 'http://x/b', reboot: fastboot-reboot-fastboot}}}"},
		{"", "deploy: {to: qdl, qcomflash: {url: 'http://x/q', apply-overlay: true}}"}, {"", "boot: {method: docker, command: x}"}, {"", "boot: {method: gdb, commands: flash}"},
		{"", "boot: {method: nodebooter}"}, {"", "boot: {method: openocd}"}, {"", "boot: {method: fastboot}"}, {"", "boot: {method: u-boot, commands: []}"},
		{"", "boot: {method: uuu, commands: [{uuu: x}], skip_uuu_if_bootloader_valid: true}"}, {"", "boot: {method: uefi, commands: []}"},
	} {
		definition, err := pipeline.ReadYAML([]byte("timeouts: {job: {minutes: 5}, action: {minutes: 1}}\nactions: [{" + tt.block + "}]"))
		if err != nil {
			t.Fatal(err)
		}
		dictionary, err := pipeline.ReadYAML([]byte(device + tt.power))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := pipeline.Parse(pipeline.Inputs{ID: "1", Job: definition, Device: dictionary, Dir: t.TempDir(), Log: discard(), Now: time.Now, Methods: Methods()})
		if err != nil {
			t.Errorf("%s: %v", tt.block, err)
			continue
		}
		checkBlame(t, plan.Steps, recorded)
	}
	const wanted = 50
	if seen := before - len(recorded); seen < wanted {
		t.Errorf("%d actions were compared, want %d", seen, wanted)
	}
}
