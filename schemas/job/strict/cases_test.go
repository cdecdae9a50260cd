package strict

import "strings"

// example is a job and what is first found wrong with it in each mode, "" for nothing: a part of
// the message with its place, or of LAVA's words.
type example struct {
	name            string
	text            string // of the job, or with an action's kind before it the body of one action
	strict, lenient string
	yamlOnly        bool // what is wrong cannot be said in JSON Schema
}

func (c example) job() string {
	kind, body, ok := strings.Cut(c.text, "|")
	switch {
	case !ok:
		return c.text
	case kind == "top":
		return head + "actions: []\n" + body
	case kind == "actions":
		return head + "actions:\n" + body
	case kind == "roles":
		return "job_name: x\nvisibility: public\ntimeouts: {job: {minutes: 10}}\nactions: []\nprotocols: {lava-multinode: {roles: {" + body + "}}}\n"
	}
	return head + "actions:\n- " + kind + ": {" + body + "}\n"
}

// both is an example of what both modes refuse in the same words.
func both(name, text, words string) example {
	return example{name: name, text: text, strict: words, lenient: words}
}

func fine(name, text string) example { return example{name: name, text: text} }

// loose is an example of what only the strict mode refuses.
func loose(name, text, words string) example { return example{name: name, text: text, strict: words} }

func cases() []example {
	var all []example
	for _, group := range [][]example{jobCases(), multinodeCases(), actionCases(), deployCases(), bootCases(), testCases()} {
		all = append(all, group...)
	}
	return all
}

func jobCases() []example {
	only := func(e example) example { e.yamlOnly = true; return e }
	return []example{
		fine("least", "top|"),
		both("nothing", "{}", "required key not provided @ data['job_name']"),
		both("a list", "[]", "expected a job definition, found a list"),
		both("long name", "job_name: "+strings.Repeat("x", 201)+"\nvisibility: public\ndevice_type: q\ntimeouts: {job: {minutes: 1}}\nactions: []\n", "at most 200 characters, found 201"),
		both("no device type", "job_name: x\nvisibility: public\ntimeouts: {job: {minutes: 1}}\nactions: []\n", `"device_type" or multinode should be defined`),
		loose("unknown key", "top|jobname: y\n", `line 6, column 1: jobname: unknown key "jobname": did you mean job_name?`),
		both("empty device", "top|device: ''\n", "length of value must be at least 1 for dictionary value @ data['device']"),
		fine("priorities", "top|priority: high\n"), fine("number as priority", "top|priority: 500\n"),
		both("priority", "top|priority: hihg\n", "did you mean high?"),
		fine("groups", "top|tags: [a, b]\nvisibility: {group: [a]}\n"), fine("empty visibility", "top|visibility: {}\n"),
		both("visibility", "top|visibility: privat\n", "visibility: \"privat\" is not allowed here"),
		both("visibility of a number", "top|visibility: 3\n", "expected one of public, personal, or a mapping, found the number 3"),
		both("context", "top|context: {arhc: arm64}\n", `unknown key "arhc": did you mean arch?`),
		fine("context values", "top|context: {arch: arm64, memory: 512, extra_options: [-a, 3], no_kvm: yes}\n"),
		both("context value", "top|context: {arch: {a: b}}\n", "context.arch: expected"),
		both("metadata", "top|metadata: [a]\n", "expected a dictionary"),
		only(loose("metadata key", "top|metadata: {1: a}\n", "extra keys not allowed @ data['metadata']['1']")),
		both("secret", "top|secrets: {A: 5}\n", "expected a text, found the number 5; put it in quotes"),
		only(both("date as text", "top|worker: 2026-01-02\n", "put it in quotes")),
		both("tags", "top|tags: lab\n", "expected a list"),
		both("no job timeout", "job_name: x\nvisibility: public\ndevice_type: q\ntimeouts: {}\nactions: []\n", "required key not provided @ data['timeouts']['job']"),
		loose("timeout of two units", "top|timeouts: {job: {minutes: 1, seconds: 2}}\n", "extra keys not allowed"),
		both("timeout of no unit", "top|timeouts: {job: {}}\n", "one of the keys days, hours, minutes, seconds is missing"),
		both("timeout of nothing", "top|timeouts: {job: {minutes: 0}}\n", "value must be at least 1"),
		both("negative timeout", "top|timeouts: {job: {minutes: -1}}\n", "value must be at least 1"),
		both("timeout of text", "top|timeouts: {job: {minutes: '5'}}\n", "expected a number of at least 1, found the text \"5\""),
		fine("timeout of a fraction", "top|timeouts: {job: {minutes: 1.5}, queue: {days: 3}}\n"),
		fine("timeout of yes", "top|timeouts: {job: {minutes: yes, skip: no}}\n"),
		both("timeout of no", "top|timeouts: {job: {minutes: no}}\n", "value must be at least 1"),
		only(both("action longer than the job", "top|timeouts: {job: {minutes: 1}, action: {seconds: 61}}\n", "Global timeout is larger than job timeout @ data['timeouts']['action']")),
		only(both("named connection longer than the job", "top|timeouts: {job: {minutes: 1}, connections: {x: {hours: 1}}}\n", "Global timeout is larger than job timeout")),
		only(both("block longer than the job", "boot|method: qemu, timeout: {hours: 1}", "line 6, column 33: actions[0].boot.timeout: longer than the whole job may take, which is timeouts.job in line 4, column 17")),
		fine("block as long as the job", "boot|method: qemu, timeout: {seconds: 600}"),
		fine("notify", "top|notify: {criteria: {status: complete, type: regression}, callback: {url: u, header: X}, compare: {blacklist: [a], query: {entity: testjob, conditions: {a: b}}}}\n"),
		loose("type of a running job", "top|notify: {criteria: {status: running, type: regression}}\n", "notify.criteria"),
		loose("query of all", "top|notify: {criteria: {status: all, dependency_query: q}}\n", "notify.criteria"),
		loose("query and type", "top|notify: {criteria: {status: complete, dependency_query: q, type: regression}}\n", "extra keys not allowed"),
		both("callback and callbacks", "top|notify: {criteria: {status: all}, callback: {url: u}, callbacks: []}\n", "only one of callback, callbacks may be given"),
		both("recipient", "top|notify: {criteria: {status: all}, recipients: [{to: {method: mail}}]}\n", "did you mean email?"),
		both("unknown protocol value", "top|protocols: {lava-xnbd: {port: none}}\n", "protocols.lava-xnbd.port"),
		fine("nbd protocol", "top|protocols: {lava-xnbd: {port: auto}}\n"),
		loose("removed protocol", "top|protocols: {lava-lxc: {name: x}}\n", "unknown key \"lava-lxc\""),
	}
}

func multinodeCases() []example {
	const roles = "protocols: {lava-multinode: {roles: {a: {count: 2, device_type: qemu}}}}\n"
	base := "job_name: x\nvisibility: public\ntimeouts: {job: {minutes: 10}}\n"
	return []example{
		fine("roles", "roles|a: {count: 2, device_type: qemu}, b: {count: 1, connection: ssh, host_role: a, expect_role: a, request: lava-start}"),
		fine("role of no node", "roles|a: {count: 0, device_type: qemu, essential: true, context: {arch: arm64}, environment: {A: b}}"),
		both("role without count", "roles|a: {device_type: qemu}", `key "count" is missing`),
		both("negative count", "roles|a: {count: -1, device_type: qemu}", "value must be at least 0"),
		both("role of no kind", "roles|a: {count: 1}", `key "device_type" is missing`),
		loose("environment of a connection", "roles|a: {count: 1, connection: ssh, host_role: a, expect_role: a, environment: {}}", "unknown key \"environment\""),
		loose("misspelt role key", "roles|a: {count: 1, devicetype: qemu, device_type: qemu}", "did you mean device_type?"),
		both("context of a role", "roles|a: {count: 1, device_type: qemu, context: {arhc: arm}}", "did you mean arch?"),
		both("role of text", "roles|a: qemu", "expected a role, found the text \"qemu\""),
		both("device type beside roles", head+"actions: []\n"+roles, `"device_type" should not be used with multinode @ data['device_type']`),
		both("context beside roles", base+"actions: []\ncontext: {}\n"+roles, `"context" should not be used with multinode`),
		both("tags beside roles", base+"actions: []\ntags: []\n"+roles, `"tags" should not be used with multinode`),
		both("environment beside roles", base+"actions: []\nenvironment: {}\n"+roles, `"environment" should not be used with multinode`),
		both("action without role", base+"actions:\n- boot: {method: qemu}\n"+roles, "Every action of a multinode job should have roles"),
		fine("action with role", base+"actions:\n- boot: {method: qemu, role: [a]}\n"+roles),
		both("role as text", base+"actions:\n- boot: {method: qemu, role: a}\n"+roles, "actions[0].boot.role: expected a list"),
	}
}

func actionCases() []example {
	two := example{name: "second action of an item", text: "actions|- boot: {method: qemu}\n  deploy: {to: nowhere}\n", yamlOnly: true}
	return []example{
		two,
		both("empty action", "actions|- {}\n", "the action is empty"),
		both("action of another kind", "actions|- bot: {method: qemu}\n", "bot"),
		both("action without body", "actions|- boot:\n", "expected a dictionary for dictionary value @ data['actions'][0]['boot']"),
		both("action as text", "actions|- boot\n", "expected an action: a mapping with one of deploy, boot, test, command, found the text \"boot\""),
		both("actions as mapping", "job_name: x\nvisibility: public\ndevice_type: q\ntimeouts: {job: {minutes: 1}}\nactions: {boot: {method: qemu}}\n", "expected a list"),
		fine("common keys", "boot|method: qemu, namespace: a, connection-namespace: b, role: [x], timeout: {minutes: 1}, timeouts: {x: {minutes: 1}}, repeat: 2, failure_retry: 2, failure_retry_interval: 1.5, protocols: {x: [1]}"),
		both("repeat", "boot|method: qemu, repeat: 0", "value must be at least 1 for dictionary value @ data['actions[0]']['boot']['qemu']['repeat']"),
		both("reserved namespace", "boot|method: qemu, namespace: common", "'common' and 'docker-test-shell' are reserved namespace names"),
		both("one namespace of two", "actions|- boot: {method: qemu}\n- boot: {method: qemu, namespace: a}\n", "When using namespaces, every action should have a namespace"),
		both("no method", "boot|commands: x", "key \"method\" is missing"),
		both("unknown method", "boot|method: uboot", "unknown action type @ data['actions']['boot']['uboot']"),
		both("method with the wrong dash", "boot|method: u_boot, commands: x", `unknown method "u_boot": did you mean u-boot?`),
		both("new-connection", "boot|method: new-connection, connection: x", "did you mean new_connection?"),
		both("method of a number", "boot|method: 3", "expected one of avh"),
		fine("command", "command|name: hard_reset, timeout: {minutes: 1}"),
		both("command without name", "command|timeout: {minutes: 1}", "required key not provided @ data['actions[0]']['command']['name']"),
	}
}
