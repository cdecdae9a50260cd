package dispatcher

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
	"strata/schemas/job/reference"
	"strata/schemas/job/strict"
	"strata/schemas/yaml"
)

// board is what the dictionaries of all device types have; the settings of a page of the reference
// come on top.
const board = `
hostname: board-01
devicetype: board
commands: {connect: telnet console.example.com 7000}
constants:
  failure_retry: 1
  boot_retry: 1
  spawn_maxread: '4092'
  kernel-start-message: Linux version [0-9]
  shutdown-message: The system is going down
  default-shell-prompt: 'lava-test: # '
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%s, lava_test_shell_file: ~/.bashrc}
  u-boot: &loader {interrupt-prompt: Hit any key, interrupt-character: ' ', interrupt_ctrl_list: [], final-message: Starting kernel, error-messages: [TIMEOUT], dfu-download: DOWNLOAD}
  barebox: *loader
  grub: *loader
  grub-efi: *loader
  ipxe: *loader
  depthcharge: *loader
  uefi: *loader
  uefi-menu: *loader
timeouts: {actions: {}, connections: {}}
parameters: {interfaces: {}, media: {}}
actions:
  deploy: {connections: {serial: }, methods: {overlay: }}
  boot: {connections: {serial: }, methods: {minimal: }}
`

// TestReferencePlans plans the example of each page on the settings that the page says the device
// needs, and wants an action of the page's kind: what is copied from the reference runs.
func TestReferencePlans(t *testing.T) {
	t.Parallel()
	pages, err := reference.Pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		t.Run(string(p.Kind)+"/"+p.Title(), func(t *testing.T) {
			t.Parallel()
			own, err := pipeline.ReadYAML([]byte(p.Device))
			if err != nil {
				t.Fatal(err)
			}
			base, err := pipeline.ReadYAML([]byte(board))
			if err != nil {
				t.Fatal(err)
			}
			device, err := yaml.Write(overlaid(base, own).YAML())
			if err != nil {
				t.Fatal(err)
			}
			plan, err := Plan(Job{ID: "1", Definition: []byte(p.Definition()), Device: device, Now: time.Now, Log: discard(),
				Dir: filepath.Join(t.TempDir(), "1")})
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, p.Definition(), device)
			}
			// Each item of the example has its action, and finalize comes last.
			if got, want := len(plan.Describe().Pipeline), strings.Count("\n"+p.Example, "\n- ")+1; got != want {
				t.Errorf("%d actions in the plan, want %d:\n%s", got, want, plan.Describe().Text())
			}
		})
	}
}

// TestReferenceHasEveryMethod compares the pages with the methods that the dispatcher knows.
func TestReferenceHasEveryMethod(t *testing.T) {
	t.Parallel()
	documented := map[strict.Kind][]string{}
	for _, m := range strict.Methods() {
		documented[m.Kind] = append(documented[m.Kind], m.Name)
	}
	methods := Methods()
	for kind, known := range map[strict.Kind][]pipeline.Method{strict.Deploy: methods.Deploy, strict.Boot: methods.Boot} {
		if len(known) < 20 {
			t.Errorf("the dispatcher knows only %d methods of the kind %s", len(known), kind)
		}
		for _, m := range known {
			for _, word := range append(m.Words, m.Name)[:max(len(m.Words), 1)] {
				if !slices.Contains(documented[kind], word) {
					t.Errorf("%s %s has no page", kind, word)
				}
			}
		}
	}
}

// overlaid puts the keys of one mapping over those of another, however deep.
func overlaid(under, over pipeline.Data) pipeline.Data {
	for _, p := range over.Pairs() {
		if below := under.Get(p.Key); below.Kind() == pipeline.Mapping && p.Value.Kind() == pipeline.Mapping {
			p.Value = overlaid(below, p.Value)
		}
		under = under.With(p.Key, p.Value)
	}
	return under
}
