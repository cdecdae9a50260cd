package job

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/schemas/yaml"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	d := pass(t, multinode)
	if d.DeviceType != "" || !d.Multinode() {
		t.Fatalf("device type %q, multinode %v", d.DeviceType, d.Multinode())
	}
	parts, problem := d.Split("6f6d")
	if problem != nil {
		t.Fatal(problem)
	}
	var roles []string
	for i, p := range parts {
		if p.N != i || p.Size != 4 {
			t.Errorf("part %d: N %d, size %d, want size 4", i, p.N, p.Size)
		}
		roles = append(roles, p.Role.Name)
	}
	if want := []string{"server", "client", "client", "guest"}; !reflect.DeepEqual(roles, want) {
		t.Fatalf("roles %q, want %q", roles, want)
	}
	// Each part reads as the dispatcher reads it, from text.
	server := reread(t, parts[0])
	want := `{'job_name': 'group', 'visibility': {'group': ['kernel']}, 'timeouts': {'job': {'minutes': 15}}, ` +
		`'secrets': {'KEY': 'name'}, 'device_type': 'qemu', ` +
		`'actions': [{'deploy': {'role': 'server', 'to': 'tmpfs'}}], ` +
		`'protocols': {'lava-multinode': {'tags': ['kvm'], 'essential': True, 'timeout': {'minutes': 10}, 'environment': {'A': 'b'}, ` +
		`'target_group': '6f6d', 'role': 'server', 'group_size': 4, 'sub_id': 0}}}`
	if got := server.Root.Repr(); got != want {
		t.Errorf("server:\n got %s\nwant %s", got, want)
	}
	if got, want := *server.Part, (Part{Group: "6f6d", Role: "server", Size: 4, Essential: true, Timeout: &Timeout{Length: 10 * time.Minute}}); !reflect.DeepEqual(got, want) {
		t.Errorf("server's part: %+v, want %+v", got, want)
	}
	if server.Environment.Get("A").TextOr("") != "b" {
		t.Error("the role's environment is lost")
	}
	client := reread(t, parts[2])
	if client.Part.N != 2 || client.Context.Get("arch").TextOr("") != "arm" || len(client.Actions) != 3 || client.Actions[2].Method != Definitions {
		t.Errorf("client: %s", client.Root.Repr())
	}
	guest := reread(t, parts[3])
	if guest.Connection != "ssh" || guest.HostRole != "server" || guest.Part.Expect != "client" || guest.Part.Request != "lava-start" || guest.DeviceType != "" {
		t.Errorf("guest: %s", guest.Root.Repr())
	}
	again, _ := pass(t, multinode).Split("6f6d")
	for i := range parts {
		if parts[i].Root.Repr() != again[i].Root.Repr() {
			t.Errorf("part %d differs when the text is split again", i)
		}
	}
	members := WithMembers(parts[0].Root, []Member{{41, "server"}, {43, "client"}})
	if got := members.Get("protocols", "lava-multinode", "roles").Repr(); got != "{'41': 'server', '43': 'client'}" {
		t.Errorf("roles handed to the worker: %s", got)
	}
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, to, message string }{
		{"    role: [server, client]\n", "", "Invalid YAML - Did not find a role in action 'deploy', check for consistent use of whitespace indents."},
		{"    role: [guest]\n", "    role: [gast]\n", ""},
		{"role: [guest, client]", "role: [client]", ""},
		{"role: [server, client]", "role: [client]", "no action has the role 'server'"},
		{"role: [server, client]", "role: server1 and client", ""}, // by substring, as in Python
		{"count: 1\n        tags", "count: 2\n        tags", "The count for a role designated as a host_role must be 1."},
		{"count: 2", "count: 99", "multinode job has more than 99 parts"},
		{"count: 2", "count: 99999999999999999999", "expected int for dictionary value @ data['protocols']['lava-multinode']['roles']['client']['count']"},
		{"count: 2", "count: -2", ""},
		{"        count: 2\n", "", "required key not provided @ data['protocols']['lava-multinode']['roles']['client']['count']"},
		{"count: 2", "count: two", "expected int for dictionary value @ data['protocols']['lava-multinode']['roles']['client']['count']"},
	}
	gate := NewGate(Rules{})
	for _, tt := range tests {
		d, problems := gate.Check([]byte(change(t, multinode, tt.from, tt.to)))
		got := strings.Join(messages(problems), "; ")
		if d != nil {
			if _, problem := d.Split("g"); problem != nil {
				got = problem.Message
				if problem.Line == 0 {
					t.Errorf("%q: no line", got)
				}
			}
		}
		if got != tt.message {
			t.Errorf("%q → %q:\n got %q\nwant %q", tt.from, tt.to, got, tt.message)
		}
	}
	// All counts zero: not a multinode job any more.
	none := pass(t, strings.ReplaceAll(strings.ReplaceAll(multinode, "count: 1", "count: 0"), "count: 2", "count: 0"))
	if parts, problem := none.Split("g"); parts != nil || problem != nil {
		t.Errorf("all counts 0: %v, %v, want no parts", parts, problem)
	}
	if _, problem := pass(t, base).Split("g"); problem == nil || problem.Message != "Unable to split multinode job submission." {
		t.Errorf("no roles: %v", problem)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, to, message string }{
		{"host_role: server", "host_role: nobody", "'host_role' 'nobody' does not exist"},
		{"        expect_role: client\n", "", "'expect_role' is required when 'host_role' is used"},
		{"expect_role: client", "expect_role: nobody", "'expect_role' 'nobody' does not exist"},
		{"        host_role: server\n", "", "'expect_role' without 'host_role'"},
		{"        host_role: server\n        expect_role: client\n", "", "connection specified without a host_role"},
		{"connection: ssh", "connection: ssh\n        worker: w1", "lava-multinode connection roles cannot specify device or worker."},
		{"connection: ssh", "connection: ssh\n        device_type: qemu", "lava-multinode protocol cannot support device_type and connection for a single role."},
		{"device_type: beaglebone", "device: bbb01", "'device' requires 'device_type'"},
		{"device_type: beaglebone", "worker: w1", "'worker' requires 'device_type'"},
		{"        device_type: beaglebone\n", "", "required key not provided @ data['protocols']['lava-multinode']['roles']['client']['device_type']"},
		{"count: 2", "count: 2\n        device: bbb01", "lava-multinode roles using a specific device must set count to 1."},
		{"{arch: arm}", "{arc: arm}", "extra keys not allowed @ data['arc']"},
	}
	gate := NewGate(Rules{})
	for _, tt := range tests {
		d, problems := gate.Check([]byte(change(t, multinode, tt.from, tt.to)))
		if d != nil {
			for _, r := range d.Roles {
				if p := r.CheckRole(); p != nil {
					problems = append(problems, p)
				}
			}
		}
		if got := strings.Join(messages(problems), "; "); got != tt.message {
			t.Errorf("%q → %q:\n got %q\nwant %q", tt.from, tt.to, got, tt.message)
		} else if problems[0].Line == 0 {
			t.Errorf("%q: no line", got)
		}
	}
}

func pass(t *testing.T, text string) *Definition {
	t.Helper()
	d, problems := NewGate(Rules{}).Check([]byte(text))
	if problems != nil {
		t.Fatalf("definition is refused: %v", problems[0])
	}
	return d
}

func reread(t *testing.T, p SplitPart) *Definition {
	t.Helper()
	text, err := yaml.Write(p.Root)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(text)
	if err != nil {
		t.Fatalf("part %d reads: %v\n%s", p.N, err, text)
	}
	return d
}
