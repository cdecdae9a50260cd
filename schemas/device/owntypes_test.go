package device

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/job"
	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// TestOwnTypesGolden renders a dictionary of each of our own types, as an administrator would write
// it, and keeps the whole text: what a worker is handed changes only with a diff that is read.
func TestOwnTypesGolden(t *testing.T) {
	t.Parallel()
	for _, kind := range OwnTypes() {
		text, err := os.ReadFile(filepath.Join("testdata", "own", kind+".jinja2"))
		if err != nil {
			t.Errorf("type %s has no dictionary that tests it: %v", kind, err)
			continue
		}
		cases := map[string]string{kind: ""}
		if kind == "qemu" {
			cases = map[string]string{"qemu-amd64": "arch: amd64", "qemu-arm64": "arch: arm64", "qemu-arm": "arch: arm", "qemu-riscv64": "arch: riscv64"}
		}
		for name, context := range cases {
			got := renderOwn(t, kind, string(text), context)
			checkValid(t, name, got)
			golden := filepath.Join("testdata", "own", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s renders otherwise than %s (%v): run go test ./device -update in schemas\n%s", name, golden, err, got)
			}
		}
	}
}

// A type with nothing set is a valid device already.
func TestOwnTypesBare(t *testing.T) {
	t.Parallel()
	want := []string{"docker", "fastboot", "grub", "ipxe", "qemu", "ssh", "u-boot"}
	if got := OwnTypes(); !reflect.DeepEqual(got, want) {
		t.Errorf("own types %q, want %q", got, want)
	}
	for _, kind := range want {
		text := renderOwn(t, kind, "{% extends '"+kind+".jinja2' %}", "")
		checkValid(t, kind, text)
		d, err := Load(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.Hostname != "board-1" || d.Type != kind || len(d.Methods(job.Boot)) == 0 || len(d.Methods(job.Deploy)) == 0 {
			t.Errorf("bare %s: %q of type %q boots with %q and deploys with %q", kind, d.Hostname, d.Type, d.Methods(job.Boot), d.Methods(job.Deploy))
		}
	}
}

// The variables that LAVA's dictionaries set do here what they do there.
func TestOwnTypesVariables(t *testing.T) {
	t.Parallel()
	tests := []struct{ kind, set, path, want string }{
		{"u-boot", "connection_command = 'telnet a 1'", "commands.connect", `"telnet a 1"`},
		{"u-boot", "power_on_command = ['a', \"it's: b\"]", "commands.power_on", `["a","it's: b"]`},
		{"u-boot", "soft_reboot_command = 'reboot'", "commands.soft_reboot", `"reboot"`},
		{"u-boot", "pre_power_command = 'a'", "commands.pre_power_command", `"a"`},
		{"u-boot", "pre_os_command = 'a'", "commands.pre_os_command", `"a"`},
		{"u-boot", "recovery_mode_command = ['a']", "commands.recovery_mode", `["a"]`},
		{"u-boot", "recovery_exit_command = ['a']", "commands.recovery_exit", `["a"]`},
		{"u-boot", "must_use_connection = True", "commands.must_use_connection", "true"},
		{"u-boot", "uboot_mkimage_arch = 'riscv'", "actions.deploy.parameters.mkimage_arch", `"riscv"`},
		{"u-boot", "booti_kernel_addr = '${kernel_addr_r}'", "parameters.booti.kernel", `"${kernel_addr_r}"`},
		{"u-boot", "booti_dtb_addr = '${fdtcontroladdr}'", "parameters.image.dtb", `"${fdtcontroladdr}"`},
		{"u-boot", "bootm_ramdisk_addr = '0x1'", "parameters.uimage.ramdisk", `"0x1"`},
		{"u-boot", "bootz_tee_addr = '0x2'", "parameters.zimage.tee", `"0x2"`},
		{"u-boot", "text_offset = '0x80000'", "parameters.text_offset", `"0x80000"`},
		{"u-boot", "bootloader_prompt = 'U-Boot #'", "actions.boot.methods.u-boot.parameters.bootloader_prompt", `"U-Boot #"`},
		{"u-boot", "uboot_needs_interrupt = False", "actions.boot.methods.u-boot.parameters.needs_interrupt", "false"},
		{"u-boot", "interrupt_char = ''", "actions.boot.methods.u-boot.parameters.interrupt_char", `""`},
		{"u-boot", "uboot_interrupt_newline = True", "constants.u-boot.interrupt-newline", "true"},
		{"u-boot", "uboot_error_messages = ['x']", "constants.u-boot.error-messages", `["x"]`},
		{"u-boot", "kernel_start_message = ''", "constants.kernel-start-message", `""`},
		{"u-boot", "lava_test_results_dir = '/tmp/lava-%s'", "constants.posix.lava_test_results_dir", `"/tmp/lava-%s"`},
		{"u-boot", "failure_retry = 3", "constants.failure_retry", "3"},
		{"u-boot", "boot_character_delay = 20", "character_delays.boot", "20"},
		{"u-boot", "action_timeout_bootloader_interrupt = 90", "timeouts.actions.bootloader-interrupt.seconds", "90"},
		{"u-boot", "connection_timeout_bootloader_commands = 60", "timeouts.connections.bootloader-commands.seconds", "60"},
		{"u-boot", "allow_test_services = True", "parameters.allow_test_services", "true"},
		{"u-boot", "environment = {'A': 'yes'}", "environment.A", `"yes"`},
		{"u-boot", "device_info = [{'board_id': '007'}]", "device_info", `[{"board_id":"007"}]`},
		{"u-boot", "storage_info = [{'SATA': '/dev/sda'}]", "storage_info", `[{"SATA":"/dev/sda"}]`},
		{"u-boot", "sd_uuid = 'mmc-1'", "parameters.media.sd.sd.uuid", `"mmc-1"`},
		{"u-boot", "sata_uuid = 'ata-1'", "parameters.media.sata.ST160LM003.boot_part", "1"},
		{"u-boot", "ums_command = 'ums 0 mmc 1'", "actions.boot.methods.u-boot.ums.commands", `["ums 0 mmc 1"]`},
		{"u-boot", "docker_shell_extra_arguments = ['--net=host']", "actions.test.methods.docker.options", `["--net=host"]`},
		{"ipxe", "use_bootscript = True", "actions.boot.methods.ipxe.parameters.use_bootscript", "true"},
		{"grub", "grub_needs_interrupt = False", "actions.boot.methods.grub.parameters.needs_interrupt", "false"},
		{"ssh", "schroot_name_list = ['sid']", "actions.boot.methods.schroot.name", `["sid"]`},
		{"docker", "docker_remote = 'tcp://192.0.2.1:2375'", "actions.boot.methods.docker.options.remote", `"tcp://192.0.2.1:2375"`},
		{"qemu", "no_network = True", "actions.boot.methods.qemu.parameters.options.2", `"-net none"`},
		{"qemu", "guestfs_size = 1024", "actions.deploy.methods.image.parameters.guest.size", "1024"},
		{"qemu", "arch = 's390x'", "actions.boot.methods.qemu.parameters.command", `"qemu-system-s390x"`},
		{"fastboot", "flash_cmds_order = ['boot']", "flash_cmds_order", `["boot"]`},
		{"fastboot", "fastboot_auto_detection = True", "fastboot_auto_detection", "true"},
	}
	for _, tt := range tests {
		text := renderOwn(t, tt.kind, "{% extends '"+tt.kind+".jinja2' %}\n{% set "+tt.set+" %}\n", "")
		checkValid(t, tt.kind+" with "+tt.set, text)
		root, err := yaml.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got := dig(root.Data(), strings.Split(tt.path, "."))
		if body, err := json.Marshal(got); err != nil || string(body) != tt.want {
			t.Errorf("%s with %s: %s is %s (%v), want %s", tt.kind, tt.set, tt.path, body, err, tt.want)
		}
	}
}

// The lab's own template of a name wins, and a dictionary's value wins over the job's context.
func TestOwnTypesStandBack(t *testing.T) {
	t.Parallel()
	theirs := templates(map[string]string{"qemu.jinja2": "hostname: theirs"})
	if d, err := theirs.Load("q1", "qemu", []byte("{% extends 'qemu.jinja2' %}"), nil); err != nil || d.Hostname != "theirs" {
		t.Errorf("with a template of the lab: %+v, %v; want its own", d, err)
	}
	// A type of the lab may build on one of ours.
	built := templates(map[string]string{"bbb.jinja2": "{% extends 'u-boot.jinja2' %}\n{% set console_device = console_device | default('ttyO0') %}"})
	d, err := built.Load("bbb-1", "bbb", []byte("{% extends 'bbb.jinja2' %}"), nil)
	if err != nil || !strings.Contains(d.Method(job.Boot, "u-boot").Get("ramdisk", "commands").Repr(), "console=ttyO0,115200n8 root=/dev/ram0") {
		t.Errorf("a type built on ours: %v", err)
	}
	text := renderOwn(t, "qemu", "{% extends 'qemu.jinja2' %}\n{% set memory = 256 %}", "arch: arm64\nmemory: 9999\ncpu: cortex-a53\n")
	for _, want := range []string{"-m 256", "-cpu cortex-a53", "qemu-system-aarch64"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, ok := OwnTemplate("../device.go"); ok {
		t.Error("a name reaches out of the folder")
	}
}

// The page on our types has each of them, and the board that it shows is a valid one.
func TestOwnTypesDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "device-types.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range OwnTypes() {
		if !strings.Contains(string(page), "\n| `"+kind+"` |") {
			t.Errorf("docs/device-types.md has no row for %s", kind)
		}
	}
	_, rest, _ := strings.Cut(string(page), "```jinja\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/device-types.md shows no dictionary")
	}
	text := renderOwn(t, "u-boot", example, "")
	checkValid(t, "the example", text)
	if !strings.Contains(string(text), `"0x88080000"`) {
		t.Errorf("the example's address is not in\n%s", text)
	}
}

// renderOwn renders a dictionary with nothing but our own types.
func renderOwn(t *testing.T, kind, dictionary, context string) []byte {
	t.Helper()
	var c *yaml.Node
	if context != "" {
		var err error
		if c, err = yaml.Parse([]byte(context)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := (&Templates{}).Render("board-1", kind, []byte(dictionary), c)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return text
}

// checkValid puts a rendered device to Load, to the shape and to the published schema.
func checkValid(t *testing.T, name string, text []byte) {
	t.Helper()
	if _, err := Load(text, nil); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	root, err := yaml.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if problems := shape.Check(Shape(), shape.Strict, nil, root); len(problems) > 0 {
		t.Errorf("%s: %v", name, problems)
	}
	body, err := json.Marshal(root.Data())
	if err != nil {
		t.Fatal(err)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := compileDevice(t).Validate(data); err != nil {
		t.Errorf("%s: the published schema says %v", name, err)
	}
}

// dig follows keys and indices into data.
func dig(data any, path []string) any {
	for _, key := range path {
		switch d := data.(type) {
		case map[string]any:
			data = d[key]
		case []any:
			data = d[key[0]-'0']
		default:
			return nil
		}
	}
	return data
}
