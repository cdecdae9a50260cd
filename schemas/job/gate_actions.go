package job

import (
	"regexp"

	"strata/schemas/yaml"
)

// actionsSchema is the list of actions. The gate knows the kinds and few of their keys: what a
// method needs is the matter of the strict validation and of the dispatcher.
// An item may have several kinds at once, which are done in the order of the text.
func actionsSchema() rule {
	return listOf(mapOf{fields: []field{
		{key: "deploy", value: either(tftpSchema(), deploySchema())},
		{key: "boot", value: bootSchema()},
		{key: "test", value: testSchema()},
		{key: "command", value: mapOf{open: true, fields: []field{
			{key: "name", needed: true, value: text()},
			{key: "timeout", value: timeoutSchema()},
			{key: "namespace", value: text()},
		}}.rule()},
	}}.rule())
}

// deploySchema is all that the gate asks of a deploy action.
func deploySchema() rule {
	return mapOf{open: true, fields: []field{
		{key: "to", needed: true, value: text()},
		{key: "timeout", value: timeoutSchema()},
	}}.rule()
}

// tftpSchema is an alternative to the one above. What it refuses, that one takes; it is here only
// because it has a say in which message comes first.
func tftpSchema() rule {
	resource := mapOf{open: true, fields: []field{{key: "url", needed: true, value: text()}}}.rule()
	fields := []field{
		{key: "to", needed: true, value: word("tftp")},
		{key: "timeout", value: timeoutSchema()},
	}
	for _, key := range []string{"kernel", "ramdisk", "nbdroot", "initrd", "nfsrootfs", "dtb", "modules", "tee"} {
		fields = append(fields, field{key: key, value: resource})
	}
	return mapOf{open: true, fields: fields}.rule()
}

// bootSchema checks of a boot action what most methods share: how to log in, what to print and type.
func bootSchema() rule {
	login := mapOf{fields: []field{
		{key: "login_prompt", needed: true, value: text()},
		{key: "username", needed: true, value: text()},
		{key: "password_prompt", value: text()},
		{key: "password", value: text()},
		{key: "login_commands", value: anyList()},
	}}.rule()
	parameters := mapOf{others: func(key *yaml.Node) rule {
		if key.Is(yaml.String) {
			return either(text(), boolean())
		}
		return nil
	}}.rule()
	return mapOf{open: true, fields: []field{
		{key: "method", needed: true, value: text()},
		{key: "timeout", value: timeoutSchema()},
		{key: "auto_login", value: login},
		{key: "parameters", value: parameters},
		{key: "commands", value: either(text(), anyList())},
	}}.rule()
}

// testSchema tries the kinds of test one after the other. Where none fits, LAVA speaks of the
// monitors, its first alternative, unless another got deeper; so does the first problem here. It
// is followed by what the kind whose key is there has to say, for people.
func testSchema() rule {
	kinds := []struct {
		key  string
		rule rule
	}{{Monitors, monitorsSchema()}, {Interactive, interactiveSchema()}, {Definitions, definitionsSchema()}, {Services, servicesSchema()}}
	var rules []rule
	for _, k := range kinds {
		rules = append(rules, k.rule)
	}
	alternatives := either(rules...)
	return func(path []string, n *yaml.Node) []*Problem {
		problems := alternatives(path, n)
		if problems == nil {
			return nil
		}
		for _, k := range kinds {
			if !n.Has(k.key) {
				continue
			}
			for _, meant := range k.rule(path, n) {
				if meant.Message != problems[0].Message {
					problems = append(problems, meant)
				}
			}
		}
		return problems
	}
}

// testKind is a test action whose kind is made by the presence of a key.
func testKind(key string, value rule) rule {
	return mapOf{open: true, fields: []field{
		{key: key, needed: true, value: value},
		{key: "timeout", value: timeoutSchema()},
	}}.rule()
}

var testName = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)

// caseName is the name of a monitor or an interactive test; unlike the strict schema the gate
// takes no dots.
func caseName() rule { return all(text(), match(testName, "Invalid character")) }

// definitionsSchema is the test shell. An inline definition may have four keys only: its parameters
// and expected cases stand beside `repository`.
func definitionsSchema() rule {
	inline := mapOf{fields: []field{
		{key: "metadata", value: anyMap()},
		{key: "install", value: anyMap()},
		{key: "run", value: anyMap()},
		{key: "parse", value: anyMap()},
	}}.rule()
	return testKind(Definitions, listOf(mapOf{open: true, fields: []field{
		{key: "repository", needed: true, value: either(inline, text())},
		{key: "from", needed: true, value: text()},
		{key: "name", needed: true, value: text()},
		{key: "path", needed: true, value: text()},
	}}.rule()))
}

// monitorsSchema is a test that watches the console between two patterns.
func monitorsSchema() rule {
	return testKind(Monitors, listOf(mapOf{fields: []field{
		{key: "name", needed: true, value: caseName()},
		{key: "start", needed: true, value: text()},
		{key: "end", needed: true, value: text()},
		{key: "pattern", needed: true, value: text()},
		{key: "fixupdict", value: anyMap()},
		{key: "expected", value: anyList()},
	}}.rule()))
}

// interactiveSchema is a test that types commands at a prompt, such as that of a bootloader. The
// strict schema takes the same keys; LAVA's gate refuses any other already.
func interactiveSchema() rule {
	success := mapOf{fields: []field{{key: "message", needed: true, value: text()}}}.rule()
	failure := mapOf{fields: []field{
		{key: "message", needed: true, value: text()},
		{key: "exception", value: words("InfrastructureError", "JobError", "TestError")},
		{key: "error", value: text()},
	}}.rule()
	script := mapOf{fields: []field{
		{key: "command", value: either(text(), null())},
		{key: "delay", value: integer()},
		{key: "lava-send", value: text()},
		{key: "lava-sync", value: text()},
		{key: "lava-wait", value: text()},
		{key: "lava-wait-all", value: text()},
		{key: "name", value: text()},
		{key: "wait_for_prompt", value: boolean()},
		{key: "successes", value: listOf(success)},
		{key: "failures", value: listOf(failure)},
	}}.rule()
	return testKind(Interactive, listOf(mapOf{fields: []field{
		{key: "name", needed: true, value: caseName()},
		{key: "prompts", needed: true, value: listOf(text())},
		{key: "script", needed: true, value: listOf(script)},
		{key: "echo", value: word("discard")},
		{key: "expected", value: anyList()},
	}}.rule()))
}

// servicesSchema is a test that runs containers beside the job; the gate looks no further.
func servicesSchema() rule {
	return testKind(Services, listOf(mapOf{open: true}.rule()))
}
