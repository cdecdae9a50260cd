package strict

import (
	"regexp"
	"slices"

	"strata/schemas/shape"
	"strata/schemas/testdef"
)

var caseName = shape.Text{
	Pattern: regexp.MustCompile(`^[-_a-zA-Z0-9.]+$`),
	Rule:    "does not match regular expression ^[-_a-zA-Z0-9.]+$",
	Says:    "a name of letters, digits, dots, dashes and underscores",
}

var expected = optional("expected", texts, "Test cases that have to appear; one that does not is reported as failed.").Like("[boot, network]")

// testKinds are the kinds of test. The container goes first: it is marked by one key more.
func testKinds() []Method {
	definitions := required("definitions", shape.List{Of: shape.Named{Name: "test-definition", Shape: shape.Either{
		shape.Map{Says: "a test definition", Keys: gitDefinition()},
		shape.Map{Says: "a test definition", Keys: urlDefinition()},
		shape.Map{Says: "a test definition", Keys: inlineDefinition()},
	}}}, "Test definitions, run in order.")
	return []Method{
		{Kind: Test, Name: "docker", when: []string{"definitions", "docker"},
			Doc: "Run test definitions in a container on the worker, beside the device.",
			Keys: []shape.Key{
				definitions,
				required("docker", docker("image"), "Container that the tests run in."),
				fromDeploy,
				optional("disconnect_connection", boolean, "Close the connection to the device before, so that the tests can have it.").Otherwise("false"),
				workerFiles(),
			}},
		{Kind: Test, Name: "definitions", Doc: "Run test definitions in the shell of the device.", Keys: []shape.Key{definitions}},
		{Kind: Test, Name: "interactive", Doc: "Type lines at a prompt, such as that of a bootloader, and judge the answers.",
			Keys: []shape.Key{required("interactive", shape.List{Of: interactive()}, "Scripts, run in order."), workerFiles()}},
		{Kind: Test, Name: "monitors", Doc: "Read results from what a device prints by itself.",
			Keys: []shape.Key{required("monitors", shape.List{Of: shape.Map{Keys: []shape.Key{
				required("name", caseName, "Name of the test suite.").Like("zephyr"),
				required("start", text, "Expression of the line where results begin.").Like("Running test suite"),
				required("end", text, "Expression of the line where they end.").Like("PROJECT EXECUTION SUCCESSFUL"),
				required("pattern", text, "Expression of a result, with the groups test_case_id and result.").Like(`'(?P<result>PASS|FAIL) - (?P<test_case_id>\w+)'`),
				optional("fixupdict", testdef.Fixup(), "What the results are called, by what the device prints.").Like("{PASS: pass, FAIL: fail}"),
				expected,
			}}}, "Suites, in the order they are printed."), workerFiles()}},
		{Kind: Test, Name: "services", Doc: "Run services for the tests in containers on the worker, with docker compose.",
			Keys: []shape.Key{required("services", shape.List{Of: shape.Either{
				shape.Map{Keys: append(serviceKeys("git"), gitKeys()...)},
				shape.Map{Keys: append(serviceKeys("url"), archiveKeys()...)},
			}}, "Services to start.")}},
	}
}

// definitionKeys are what every test definition of a job may have.
func definitionKeys(from string, repository shape.Key) []shape.Key {
	return []shape.Key{
		repository,
		required("from", shape.Words{from}, "Where the definition comes from: git, url or inline."),
		required("path", text, "File of the definition inside what is fetched; inline, the name it gets.").Like("smoke/smoke.yaml"),
		required("name", caseName, "Name of the test suite.").Like("smoke"),
		optional("skip_install", shape.List{Of: shape.Words{"keys", "sources", "deps", "steps", "git-repos", "all"}}, "Parts of the installation to leave out.").Like("[deps]"),
		optional("lava-signal", shape.Words{"kmsg", "stdout"}, "Where the target writes results.").Otherwise("stdout"),
		expected,
	}
}

// workerFiles are what is kept of a test that runs on the worker. LAVA has no such key.
func workerFiles() shape.Key {
	return optional("files", shape.List{Of: shape.Map{Says: "files of the test", Keys: []shape.Key{
		required("path", text, "Pattern of files below the directory in which the test works, or below /lava-downloads.").Like("'results/*.xml'"),
		optional("kind", shape.Words{"junit", "tap", "ktap"}, "What the files are; their cases become results."),
		optional("case", caseName, "Test case that they belong to.").Like("build"),
		optional("suite", caseName, "Test suite that they belong to, by its name in the block.").Otherwise("the first that has such files").Like("smoke"),
	}}}, "Files on the worker that are kept with the job.")
}

// LAVA reads both words.
func parameterKeys() []shape.Key {
	doc := "Shell variables of the test, in place of the definition's defaults."
	return []shape.Key{
		optional("parameters", anyMapping, doc).Like("{ITERATIONS: '5'}"),
		optional("params", anyMapping, doc).Like("{ITERATIONS: '5'}"),
	}
}

func gitKeys() []shape.Key {
	return []shape.Key{
		optional("branch", text, "Branch to clone.").Otherwise("the repository's default").Like("main"),
		optional("revision", text, "Commit to check out.").Like("4f2a1c9"),
		optional("history", boolean, "Keep the history of the clone.").Otherwise("true"),
		optional("recursive", boolean, "Clone submodules too.").Otherwise("false"),
	}
}

func archiveKeys() []shape.Key {
	return []shape.Key{
		optional("compression", shape.Either{shape.Words{"bz2", "gz", "xz", "zip", "zstd"}, shape.Nothing{}}, "How the archive is compressed.").Like("gz"),
		optional("headers", anyMapping, "HTTP headers to send; a value that names a token of the submitter is replaced by it.").Like("{PRIVATE-TOKEN: my-token}"),
	}
}

func gitDefinition() []shape.Key {
	repository := required("repository", text, "Repository to clone.").Like("https://example.com/tests.git")
	return slices.Concat(definitionKeys("git", repository), gitKeys(), parameterKeys())
}

func urlDefinition() []shape.Key {
	repository := required("repository", text, "Archive to fetch.").Like("https://example.com/tests.tar.gz")
	strip := optional("strip-components", whole, "Directories to leave out of the names in the archive.").In("levels").Otherwise("0").Like("1")
	return slices.Concat(definitionKeys("url", repository), archiveKeys(), []shape.Key{strip}, parameterKeys())
}

func inlineDefinition() []shape.Key {
	return definitionKeys("inline", required("repository", testdef.Shape(), "The definition itself."))
}

func serviceKeys(from string) []shape.Key {
	return []shape.Key{
		required("name", caseName, "Name of the service in logs.").Like("mqtt"),
		required("from", shape.Words{from}, "Where it comes from: git or url."),
		required("repository", text, "Repository to clone, or archive to fetch.").Like("https://example.com/services.git"),
		required("path", text, "Compose file inside what is fetched.").Like("docker-compose.yaml"),
		optional("service", text, "Service of the compose file to start.").Otherwise("all").Like("broker"),
	}
}

func interactive() shape.Map {
	message := required("message", text, "Expression of the answer.").Like("TFTP from server")
	return shape.Map{Keys: []shape.Key{
		required("name", caseName, "Name of the test suite.").Like("network-in-u-boot"),
		required("prompts", texts, "Expressions that the prompt matches.").Like("['=> ']"),
		optional("echo", shape.Words{"discard"}, "Leave out the line that the device prints back."),
		expected,
		required("script", shape.List{Of: shape.Map{Says: "a step of the script", Keys: []shape.Key{
			optional("command", shape.Either{text, shape.Nothing{}}, "Line to type; with nothing only the answer is awaited.").Like("dhcp"),
			optional("delay", whole, "How long to wait before the next step.").In("seconds").Like("5"),
			optional("lava-send", text, "Send a message to the other roles of the job.").Like("booted ip=10.0.0.1"),
			optional("lava-sync", text, "Wait until all roles have come here.").Like("clients"),
			optional("lava-wait", text, "Wait for a message of one other role.").Like("booted"),
			optional("lava-wait-all", text, "Wait for a message of all other roles.").Like("booted"),
			optional("name", text, "Test case that the step reports.").Like("dhcp"),
			optional("wait_for_prompt", boolean, "Wait for the prompt after an answer was recognised.").Otherwise("true"),
			optional("successes", shape.List{Of: shape.Map{Keys: []shape.Key{message}}}, "Answers that mean success."),
			optional("failures", shape.List{Of: shape.Map{Keys: []shape.Key{
				message,
				optional("exception", shape.Words{"InfrastructureError", "JobError", "TestError"}, "End the job with this kind of error."),
				optional("error", text, "Text of the error.").Like("no DHCP server"),
			}}}, "Answers that mean failure."),
		}}}, "Steps, in order."),
	}}
}

// commands is the one method of a command: what it runs is named by the device.
func commands() []Method {
	return []Method{{Kind: Command, Doc: "Run a command of the device dictionary on the worker.", Keys: []shape.Key{
		required("name", text, "A command of commands.users, or one of pre_power_command, pre_os_command, hard_reset, power_on, power_off, recovery_mode, recovery_exit, usbg_ms_commands_disable, stop_test_services.").Like("hard_reset"),
	}}}
}
