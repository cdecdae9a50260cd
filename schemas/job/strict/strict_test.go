package strict

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// least is the least that each method needs, by the tables of LAVA's schemas; the value is a job's
// action without the key that names the method.
var least = map[Kind]map[string]string{
	Deploy: {
		"avh": "images: {rootfs: {url: u}}", "docker": "image: debian", "download": "images: {a: {url: u}}",
		"downloads": "images: {a: {url: u}}", "fastboot": "images: {a: {url: u}}", "flasher": "images: {}",
		"fvp": "images: {a: {url: u}}", "iso-installer": "images: {iso: {url: u}, preseed: {url: u}}, iso: {installation_size: 2G}",
		"mps": "images: {test_binary: {url: u}}", "musca": "images: {test_binary: {url: u}}",
		"nbd": "kernel: {url: u}, nbdroot: {url: u}, initrd: {url: u}", "nfs": "", "overlay": "", "qdl": "qcomflash: {url: u}",
		"recovery": "images: {a: {url: u}}", "sata": "device: d", "sd": "device: d", "usb": "device: d", "ssh": "", "tftp": "",
		"tmpfs": "images: {a: {url: u}}", "u-boot-ums": "image: {url: u}", "usbg-ms": "image: {url: u}",
		"uuu": "images: {boot: {url: u}}", "vemsd": "recovery_image: {url: u}",
	},
	Boot: {
		"avh": "prompts: p", "barebox": "commands: c", "bootloader": "bootloader: b", "cmsis-dap": "", "depthcharge": "commands: c",
		"dfu": "", "docker": "command: c", "fastboot": "", "fvp": "console_string: c, image: i, arguments: [], docker: {name: fvp}",
		"gdb": "commands: c", "grub": "commands: c", "grub-efi": "commands: c", "ipxe": "commands: c", "jlink": "",
		"kexec": "boot_message: b", "minimal": "", "monitor": "", "musca": "", "new_connection": "connection: c",
		"nodebooter": "command: c", "openocd": "", "pyocd": "", "qdl": "firehose_program: f, rawprogram: r", "qemu": "",
		"qemu-iso": "media: img", "qemu-nfs": "", "recovery": "commands: exit", "schroot": "connection: ssh, schroot: s",
		"ssh": "", "u-boot": "commands: c", "uefi": "commands: c", "uefi-menu": "", "uuu": "commands: c",
	},
	Test: {
		"definitions": "definitions: []", "docker": "definitions: [], docker: {image: debian}", "interactive": "interactive: []",
		"monitors": "monitors: []", "services": "services: []",
	},
	Command: {"": "name: hard_reset"},
}

// oneAction writes a job with one action.
func oneAction(kind Kind, method, body string) string {
	if by := choosing(kind); by != "" {
		body = strings.Trim(by+": "+method+", "+body, ", ")
	}
	return head + fmt.Sprintf("actions:\n- %s: {%s}\n", kind, body)
}

const head = "job_name: x\nvisibility: public\ndevice_type: qemu\ntimeouts: {job: {minutes: 10}}\n"

// Each method takes the least that it needs, no unknown key in strict mode, and nothing less.
func TestEveryMethod(t *testing.T) {
	t.Parallel()
	v, seen := New(nil), map[Kind][]string{}
	for _, m := range Methods() {
		seen[m.Kind] = append(seen[m.Kind], m.Name)
		body := least[m.Kind][m.Name]
		if got := v.Check([]byte(oneAction(m.Kind, m.Name, body)), shape.Strict); len(got) > 0 {
			t.Errorf("%s %s with the least it needs: %v", m.Kind, m.Name, got)
		}
		odd := oneAction(m.Kind, m.Name, strings.Trim(body+", no-such-key: 1", ", "))
		if got := v.Check([]byte(odd), shape.Strict); len(got) != 1 || got[0].Rule != "extra keys not allowed" || !strings.Contains(got[0].Message, "allowed are") {
			t.Errorf("%s %s with an unknown key: %v", m.Kind, m.Name, got)
		}
		if got := v.Check([]byte(odd), shape.Lenient); len(got) > 0 {
			t.Errorf("%s %s with an unknown key, lenient: %v", m.Kind, m.Name, got)
		}
		root := parsed(t, oneAction(m.Kind, m.Name, body))
		action := root.Get("actions").Items[0].Get(string(m.Kind))
		for _, key := range action.Keys() {
			less := root.With("actions", yaml.Of(yaml.Mapping().With(string(m.Kind), action.Without(key))))
			if m.Name == "docker" && m.Kind == Test && key == "docker" {
				continue // without the container it is a test of another kind
			}
			if got := v.CheckNode(less, shape.Lenient); len(got) == 0 {
				t.Errorf("%s %s without %s is accepted", m.Kind, m.Name, key)
			}
		}
	}
	for kind, methods := range least {
		if want := slices.Sorted(maps.Keys(methods)); !slices.Equal(slices.Sorted(slices.Values(seen[kind])), want) {
			t.Errorf("methods of %s:\n got %v\nwant %v", kind, seen[kind], want)
		}
	}
}

// Every row of every method, and of the job itself, says what it is for.
func TestEveryRowIsExplained(t *testing.T) {
	t.Parallel()
	for _, m := range Methods() {
		where := string(m.Kind) + " " + m.Name
		if m.Doc == "" {
			t.Errorf("%s has no sentence", where)
		}
		explained(t, where, shape.Map{Keys: slices.Concat(Common(m.Kind), m.Keys)})
		for _, f := range m.Forms {
			explained(t, where, shape.Map{Keys: f})
		}
	}
	explained(t, "job", definition(nil, shape.Anything{}))
}

func explained(t *testing.T, where string, s shape.Shape) {
	t.Helper()
	switch s := s.(type) {
	case shape.Named:
		if s.Name != "context" { // its keys are variables of templates, explained with these
			explained(t, where, s.Shape)
		}
	case shape.List:
		explained(t, where, s.Of)
	case shape.Either:
		for _, o := range s {
			explained(t, where, o)
		}
	case shape.Map:
		for _, k := range s.Keys {
			if k.Doc == "" {
				t.Errorf("%s: key %s has no sentence", where, k.Name)
			}
			explained(t, where+" "+k.Name, k.Shape)
		}
		if s.Rest != nil {
			explained(t, where+" "+s.Rest.Name, s.Rest.Shape)
		}
	}
}

// TestCases checks verdicts and words of single rules.
func TestCases(t *testing.T) {
	t.Parallel()
	v := New([]string{"lab_variable"})
	for _, c := range cases() {
		for mode, want := range map[shape.Mode]string{shape.Strict: c.strict, shape.Lenient: c.lenient} {
			got := v.Check([]byte(c.job()), mode)
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("%s, strict %v: refused, want it accepted: %v", c.name, mode, got)
			case want != "" && len(got) == 0:
				t.Errorf("%s, strict %v: accepted, want %q", c.name, mode, want)
			case want != "" && !strings.Contains(got[0].String(), want) && !strings.Contains(got[0].Classic, want):
				t.Errorf("%s, strict %v:\n got %s (%s)\nwant %q", c.name, mode, got[0], got[0].Classic, want)
			}
			for _, p := range got {
				if p.Line < 1 || p.Column < 1 || p.Message == "" || p.Rule == "" || p.Classic == "" {
					t.Errorf("%s: problem without place or words: %+v", c.name, p)
				}
			}
		}
	}
}

func TestPlaceAndSpelling(t *testing.T) {
	t.Parallel()
	text := head + `actions:
- deploy:
    to: tftpp
- boot:
    method: u-boot
    comands: nfs
    commands: nfs
    prompt: ['#']
    timeout: {minute: 5}
`
	want := []string{
		`line 7, column 9: actions[0].deploy.to: unknown to "tftpp": did you mean tftp? allowed are avh, `,
		`line 10, column 5: actions[1].boot.comands: unknown key "comands": did you mean commands? allowed are auto_login, `,
		`line 12, column 5: actions[1].boot.prompt: unknown key "prompt": did you mean prompts? allowed are`,
		`line 13, column 15: actions[1].boot.timeout.minute: unknown key "minute": did you mean minutes? allowed are`,
	}
	got := New(nil).Check([]byte(text), shape.Strict)
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i].String(), w) {
			t.Errorf("problem %d:\n got %v\nwant %s", i, got, w)
		}
	}
}

func TestNotYAML(t *testing.T) {
	t.Parallel()
	got := New(nil).Check([]byte("a: [1\nb: 2"), shape.Strict)
	if len(got) != 1 || got[0].Line != 2 || got[0].Message == "" {
		t.Errorf("broken YAML: %v", got)
	}
	got = New(nil).Check([]byte(strings.Repeat("#", 1<<20+1)), shape.Strict)
	if len(got) != 1 || !strings.Contains(got[0].Message, "1048577 bytes, more than 1048576") {
		t.Errorf("too long: %v", got)
	}
}

// FuzzCheck looks for a panic, a problem without words, a definition that strict mode takes and lenient
// does not, and one on which the validator and the JSON Schema disagree.
func FuzzCheck(f *testing.F) {
	for _, c := range cases() {
		f.Add(c.job())
	}
	for _, m := range Methods() {
		f.Add(oneAction(m.Kind, m.Name, least[m.Kind][m.Name]))
	}
	v := New(nil)
	schemas := map[shape.Mode]*jsonschema.Schema{shape.Strict: compiled(f, shape.Strict), shape.Lenient: compiled(f, shape.Lenient)}
	f.Fuzz(func(t *testing.T, text string) {
		root, err := yaml.ParseWithin([]byte(text), yaml.Limits{Bytes: 1 << 16, Nodes: 2000})
		if err != nil {
			return
		}
		strict, lenient := v.CheckNode(root, shape.Strict), v.CheckNode(root, shape.Lenient)
		if len(strict) == 0 && len(lenient) > 0 {
			t.Fatalf("accepted in strict mode, refused in lenient: %v", lenient)
		}
		for _, p := range strict {
			if p.Message == "" || p.Classic == "" {
				t.Fatalf("problem without words: %+v", p)
			}
		}
		if !asInJSON(root) {
			return
		}
		for mode, problems := range map[shape.Mode][]Problem{shape.Strict: strict, shape.Lenient: lenient} {
			says := schemas[mode].Validate(asJSON(t, root))
			problems = slices.DeleteFunc(problems, func(p Problem) bool { return strings.Contains(p.Rule, "larger than job timeout") })
			if (says == nil) != (len(problems) == 0) {
				t.Fatalf("strict %v: the validator says %v, the JSON Schema %v", mode, problems, says)
			}
		}
	})
}

// asInJSON reports whether a document means in JSON what it means in YAML, and has no second action
// in an item of its list.
func asInJSON(n *yaml.Node) bool {
	if actions := n.Get("actions"); actions.Is(yaml.List) {
		for _, item := range actions.Items {
			if len(item.Pairs) > 1 {
				return false
			}
		}
	}
	return sameInJSON(n)
}

func sameInJSON(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.Binary, yaml.Time, yaml.Set:
		return false
	case yaml.Float:
		return n.Float != math.Trunc(n.Float) && !math.IsInf(n.Float, 0) && !math.IsNaN(n.Float)
	case yaml.String:
		return utf8.ValidString(n.Text)
	}
	for _, item := range n.Items {
		if !sameInJSON(item) {
			return false
		}
	}
	for _, p := range n.Pairs {
		if p.Key.Kind != yaml.String || !sameInJSON(p.Key) || !sameInJSON(p.Value) {
			return false
		}
	}
	return true
}

func parsed(t testing.TB, text string) *yaml.Node {
	t.Helper()
	n, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return n
}
