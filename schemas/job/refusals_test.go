package job

import "strings"

// refusals are changes to base with LAVA's message and the place of the fault.
var refusals = []struct {
	from, to     string
	message      string
	line, column int
}{
	// The text itself.
	{"priority: medium", "priority: !foo medium", "Loading job submission failed: could not determine a constructor for the tag '!foo' in line 4, column 11.", 4, 11},
	{"priority: medium", "priority: a: b", "Loading job submission failed: mapping values are not allowed in this context in line 4, column 12.", 4, 12},
	{"", "--- \n- boot:\n", "Loading job submission failed: expected a single document in the stream but found another document in line 42, column 1.", 42, 1},

	// Top level.
	{"job_name: smoke test\n", "", "required key not provided @ data['job_name']", 1, 1},
	{"job_name: smoke test", "job_name: ''", "length of value must be at least 1 for dictionary value @ data['job_name']", 1, 11},
	{"job_name: smoke test", "job_name: " + strings.Repeat("x", 201), "length of value must be at most 200 for dictionary value @ data['job_name']", 1, 11},
	{"job_name: smoke test", "job_name: 2024", "expected str for dictionary value @ data['job_name']", 1, 11},
	{"job_name: smoke test", "job_name: on", "expected str for dictionary value @ data['job_name']", 1, 11},
	{"device_type: qemu", "device_type:", "expected str for dictionary value @ data['device_type']", 2, 13},
	{"device_type: qemu", "device_type: qemu\ndevice: ''", "length of value must be at least 1 for dictionary value @ data['device']", 3, 9},
	{"device_type: qemu", "device_type: qemu\nworker: [a]", "expected str for dictionary value @ data['worker']", 3, 9},
	{"visibility: public\n", "", "required key not provided @ data['visibility']", 1, 1},
	{"visibility: public", "visibility: everyone", "not a valid value for dictionary value @ data['visibility']", 3, 13},
	{"visibility: public", "visibility: {group: a}", "expected a list for dictionary value @ data['visibility']['group']", 3, 21},
	{"visibility: public", "visibility: {group: [1]}", "expected str @ data['visibility']['group'][0]", 3, 22},
	{"visibility: public", "visibility: {groups: [a]}", "extra keys not allowed @ data['visibility']['groups']", 3, 14},
	{"priority: medium", "priority: urgent", "not a valid value for dictionary value @ data['priority']", 4, 11},
	{"priority: medium", "priority: 50.0", "not a valid value for dictionary value @ data['priority']", 4, 11},
	{"priority: medium", "x: 1", "extra keys not allowed @ data['x']", 4, 1},
	{"priority: medium", "1: 1", "extra keys not allowed @ data[1]", 4, 1},
	{"priority: medium", "\"it's\": 1", "extra keys not allowed @ data[\"it's\"]", 4, 1},
	{"priority: medium", "tags: usb", "expected a list for dictionary value @ data['tags']", 4, 7},
	{"priority: medium", "tags: [usb, 3]", "expected str @ data['tags'][1]", 4, 13},
	{"priority: medium", "secrets: [a]", "expected dict for dictionary value @ data['secrets']", 4, 10},
	{"priority: medium", "environment: a", "expected dict for dictionary value @ data['environment']", 4, 14},
	{"priority: medium", "reboot_to_fastboot: 1", "expected bool for dictionary value @ data['reboot_to_fastboot']", 4, 21},
	{"metadata: {source: git, 1: one}", "metadata: git", "expected a dictionary for dictionary value @ data['metadata']", 11, 11},
	{"metadata: {source: git, 1: one}", "metadata: {1.5: x}", "extra keys not allowed @ data['metadata'][1.5]", 11, 12},
	{"metadata: {source: git, 1: one}", "metadata: {~: x}", "extra keys not allowed @ data['metadata'][None]", 11, 12},
	{"context: {arch: amd64,", "context: {archh: amd64,", "extra keys not allowed @ data['context']['archh']", 10, 11},
	{"context: {arch: amd64,", "context: {arch: 1.5,", "expected int for dictionary value @ data['context']['arch']", 10, 17},
	{"[-smp, 2]", "[-smp, 1.5]", "expected str @ data['context']['extra_options'][1]", 10, 46},
	{"[-smp, 2]", "{a: 1}", "expected int for dictionary value @ data['context']['extra_options']", 10, 39},

	// Timeouts.
	{"timeouts:\n  job: {minutes: 15}\n", "timeouts:\n", "required key not provided @ data['timeouts']['job']", 6, 3},
	{"job: {minutes: 15}", "job: 15", "expected a dictionary for dictionary value @ data['timeouts']['job']", 6, 8},
	{"job: {minutes: 15}", "job: {minutes: 15, seconds: 1}", "two or more values in the same group of exclusion 'timeout_unit' @ data['timeouts']['job'][<timeout_unit>]", 6, 22},
	{"job: {minutes: 15}", "job: {minutes: 1.5}", "expected int for dictionary value @ data['timeouts']['job']['minutes']", 6, 18},
	{"job: {minutes: 15}", "job: {minutes: '15'}", "expected int for dictionary value @ data['timeouts']['job']['minutes']", 6, 18},
	{"job: {minutes: 15}", "job: {minute: 15}", "extra keys not allowed @ data['timeouts']['job']['minute']", 6, 9},
	{"job: {minutes: 15}", "job: {minutes: 15, skip: 1}", "expected bool for dictionary value @ data['timeouts']['job']['skip']", 6, 28},
	{"action: {minutes: 5}", "acton: {minutes: 5}", "extra keys not allowed @ data['timeouts']['acton']", 7, 3},
	{"lava-test-shell: {", "lava_test_shell: {", "extra keys not allowed @ data['timeouts']['actions']['lava_test_shell']", 9, 5},
	{"{seconds: 30, skip: true}", "{hours: 1, days: 1}", "two or more values in the same group of exclusion 'timeout_unit' @ data['timeouts']['actions']['lava-test-shell'][<timeout_unit>]", 9, 23},

	// Protocols.
	{"priority: medium", "protocols: {lava-lxc: {}}", "extra keys not allowed @ data['protocols']['lava-lxc']", 4, 13},
	{"priority: medium", "protocols: {lava-vland: {}}", "extra keys not allowed @ data['protocols']['lava-vland']", 4, 13},
	{"priority: medium", "protocols: {lava-xnbd: auto}", "expected dict for dictionary value @ data['protocols']['lava-xnbd']", 4, 24},
	{"priority: medium", "protocols: {lava-multinode: {}}", "required key not provided @ data['protocols']['lava-multinode']['roles']", 4, 29},
	{"priority: medium", "protocols: {lava-multinode: {roles: {}, group: 1}}", "extra keys not allowed @ data['protocols']['lava-multinode']['group']", 4, 41},
	{"priority: medium", "protocols: {lava-multinode: {roles: {a: b}}}", "expected a dictionary for dictionary value @ data['protocols']['lava-multinode']['roles']['a']", 4, 41},

	// Actions.
	{"- command:\n    name: relay", "- comand:\n    name: relay", "extra keys not allowed @ data['actions'][5]['comand']", 36, 3},
	{"- command:\n    name: relay", "- command:\n    nam: relay", "required key not provided @ data['actions'][5]['command']['name']", 37, 5},
	{"- command:\n    name: relay", "- command:\n    name: relay\n    namespace: 3", "expected str for dictionary value @ data['actions'][5]['command']['namespace']", 38, 16},
	{"- command:\n    name: relay", "- relay", "expected a dictionary @ data['actions'][5]", 36, 3},
	{"- deploy:\n    to: tmpfs\n", "- deploy:\n", "required key not provided @ data['actions'][0]['deploy']['to']", 14, 5},
	{"to: tmpfs", "to: [tmpfs]", "not a valid value for dictionary value @ data['actions'][0]['deploy']['to']", 14, 9},
	{"to: tmpfs", "to: tmpfs\n    timeout: {weeks: 1}", "extra keys not allowed @ data['actions'][0]['deploy']['timeout']['weeks']", 15, 15},
	{"method: qemu", "methods: qemu", "required key not provided @ data['actions'][1]['boot']['method']", 17, 5},
	{"method: qemu", "method: 3", "expected str for dictionary value @ data['actions'][1]['boot']['method']", 17, 13},
	{"method: qemu", "method: qemu\n    commands: 3", "expected str for dictionary value @ data['actions'][1]['boot']['commands']", 18, 15},
	{"method: qemu", "method: qemu\n    parameters: {a: 1}", "expected str for dictionary value @ data['actions'][1]['boot']['parameters']['a']", 18, 21},
	{", username: root", "", "required key not provided @ data['actions'][1]['boot']['auto_login']['username']", 19, 17},
	{", username: root", ", username: root, user: x", "extra keys not allowed @ data['actions'][1]['boot']['auto_login']['user']", 19, 58},
	{"      path: smoke.yaml\n", "", "required key not provided @ data['actions'][2]['test']['definitions'][0]['path']", 22, 7},
	{"repository: https://example.com/tests.git", "repository: {metadata: {}, parameters: {}}", "extra keys not allowed @ data['actions'][2]['test']['definitions'][0]['repository']['parameters']", 22, 34},
	{"repository: https://example.com/tests.git", "repository: {run: [ls]}", "expected dict for dictionary value @ data['actions'][2]['test']['definitions'][0]['repository']['run']", 22, 25},
	{"name: smoke.1", "name: smoke.1\n      revision: abc\n      shallow: true", "When 'revision' is used, 'shallow' shouldn't be 'True'", 27, 16},
	{"monitors:\n    - {name: boot", "monitor:\n    - {name: boot", "required key not provided @ data['actions'][3]['test']['monitors']", 27, 5},
	{"{name: boot,", "{name: boot.1,", "Invalid character for dictionary value @ data['actions'][3]['test']['monitors'][0]['name']", 28, 14},
	{"pattern: c}", "pattern: c, x: 1}", "extra keys not allowed @ data['actions'][3]['test']['monitors'][0]['x']", 28, 50},
	{"- name: shell", "- name: she.ll", "Invalid character for dictionary value @ data['actions'][4]['test']['interactive'][0]['name']", 31, 13},
	{"- command: help", "- commands: help", "extra keys not allowed @ data['actions'][4]['test']['interactive'][0]['script'][0]['commands']", 34, 9},
	{"prompts: [\"=> \"]", "prompts: \"=> \"", "expected a list for dictionary value @ data['actions'][4]['test']['interactive'][0]['prompts']", 32, 16},

	// Notify.
	{"criteria: {status: finished}", "x: 1", "required key not provided @ data['notify']['criteria']", 39, 3},
	{"status: finished", "status: done", "not a valid value for dictionary value @ data['notify']['criteria']['status']", 39, 22},
	{"status: finished", "type: regression", "required key not provided @ data['notify']['criteria']['status']", 39, 13},
	{"criteria: {status: finished}", "criteria: {status: all}\n  verbosity: loud", "not a valid value for dictionary value @ data['notify']['verbosity']", 40, 14},
	{"criteria: {status: finished}", "criteria: {status: all}\n  callback: {method: GET}", "required key not provided @ data['notify']['callback']['url']", 40, 13},
	{"criteria: {status: finished}", "criteria: {status: all}\n  callback: {url: x, method: PUT}", "not a valid value for dictionary value @ data['notify']['callback']['method']", 40, 30},
	{"criteria: {status: finished}", "criteria: {status: all}\n  callbacks: []\n  callback: {url: x}", "two or more values in the same group of exclusion 'callback' @ data['notify'][<callback>]", 40, 3},
	{"criteria: {status: finished}", "criteria: {status: all}\n  compare: {query: {entity: testsuite, conditions: {}}}", "Only TestJob queries allowed.", 40, 29},
	{"method: email, ", "method: sms, ", "not a valid value for dictionary value @ data['notify']['recipients'][0]['to']['method']", 41, 18},
	{"method: email, email: a@example.com", "method: email", "No valid user or email address specified.", 41, 9},
	{"method: email, email: a@example.com", "method: irc", "No valid user or IRC handle specified.", 41, 9},
	{"email: a@example.com", "email: nobody", "'nobody' is not a valid email address.", 41, 32},
	{"email: a@example.com", "email: a@b.c, nick: x", "extra keys not allowed @ data['notify']['recipients'][0]['to']['nick']", 41, 39},
}

// multinode is a definition with two device roles and a guest.
const multinode = `job_name: group
visibility: {group: [kernel]}
timeouts: {job: {minutes: 15}}
secrets: {KEY: name}
protocols:
  lava-xnbd: {port: auto}
  lava-multinode:
    timeout: {minutes: 10}
    roles:
      server:
        device_type: qemu
        count: 1
        tags: [kvm]
        essential: true
        timeout: {minutes: 5}
        environment: {A: b}
      client:
        device_type: beaglebone
        count: 2
        context: {arch: arm}
      guest:
        connection: ssh
        count: 1
        host_role: server
        expect_role: client
        request: lava-start
actions:
- deploy:
    role: [server, client]
    to: tmpfs
- boot:
    role: [client]
    method: u-boot
- deploy:
    role: [guest]
    to: ssh
- test:
    role: [guest, client]
    definitions: []
`
