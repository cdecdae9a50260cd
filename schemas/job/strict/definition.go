package strict

import (
	"slices"

	"strata/schemas/job"
	"strata/schemas/shape"
)

var name200 = shape.Text{Least: 1, Most: 200, Says: "a name"}

// definition is the shape of all of a definition but what its actions hold.
// actions is handed in, since the validator checks them apart and the JSON Schema as a whole.
func definition(extraContext []string, actions shape.Shape) shape.Map {
	context := contextShape(extraContext)
	return shape.Map{Says: "a job definition", Keys: []shape.Key{
		required("job_name", name200, "Name of the job, as lists show it.").Like("boot test"),
		optional("device_type", name200, "Kind of device to run on, by name or alias; multinode jobs have it in their roles.").Like("qemu"),
		optional("device", name200, "The one device to run on.").Like("qemu01"),
		optional("worker", name200, "The one worker whose devices may run it.").Like("lab1"),
		optional("priority", shape.Either{shape.Words{"high", "medium", "low"}, whole}, "Place in the queue: a word, or a number from 0 to 100.").Otherwise("medium"),
		required("visibility", shape.Either{shape.Words{"public", "personal"}, shape.Map{Keys: []shape.Key{
			optional("group", texts, "Groups; a viewer has to be in all of them.").Like("[kernel]"),
		}}}, "Who may see the job: public, personal, or groups.").Like("public"),
		required("timeouts", timeouts(), "How long the job and its parts may take.").Like("{job: {minutes: 15}, action: {minutes: 5}}"),
		required("actions", actions, "What to do, in order."),
		optional("context", context, "Variables of the device's template.").Like("{arch: amd64}"),
		optional("metadata", anyMapping, "What you want to find the job by. `strata: {retry: {infrastructure: 1}}` in it has the job tried once more, on another device, where the lab has failed it; LAVA takes that and does nothing with it.").Like("{build: '42'}"),
		optional("secrets", shape.Map{Rest: rest("<NAME>", text, "A token's name, or the secret itself.")}, "Variables of the job that logs do not show.").Like("{API_TOKEN: my-token}"),
		optional("environment", anyMapping, "Variables of the test shell.").Like("{BRANCH: main}"),
		optional("tags", texts, "Tags that the device has to carry, all of them.").Like("[kvm]"),
		optional("protocols", protocols(context), "Protocols that the job speaks."),
		optional("notify", notify(), "Who hears of the job, and when."),
		optional("reboot_to_fastboot", boolean, "Read by nothing any more."),
	}}
}

// Closed in both modes: what reaches the templates of devices is a matter of safety, not of taste.
func contextShape(extra []string) shape.Shape {
	names := slices.Concat(job.ContextNames(), extra)
	slices.Sort(names)
	return shape.Named{Name: "context", Shape: shape.Map{Closed: true, Says: "a mapping of variables", Keys: contextKeys(slices.Compact(names))}}
}

func timeouts() shape.Map {
	named := func(doc string) shape.Map { return shape.Map{Rest: rest("<action>", duration, doc)} }
	return shape.Map{Keys: []shape.Key{
		required("job", duration, "The whole job.").Like("{minutes: 15}"),
		optional("action", duration, "Each action that says nothing else.").Otherwise("30 seconds, or what the device says").Like("{minutes: 5}"),
		optional("actions", named("This action."), "Actions by name.").Like("{lava-test-shell: {minutes: 8}}"),
		optional("connection", duration, "One wait for a prompt.").Otherwise("30 seconds, or what the device says").Like("{minutes: 2}"),
		optional("connections", named("Waits of this action."), "Waits for a prompt, by action.").Like("{lava-test-shell: {minutes: 1}}"),
		optional("queue", duration, "Waiting for a device.").Otherwise("for ever, unless the lab has a limit").Like("{hours: 2}"),
	}}
}

func protocols(context shape.Shape) shape.Map {
	return shape.Map{Keys: []shape.Key{
		optional("lava-multinode", shape.Map{Keys: []shape.Key{
			optional("timeout", duration, "How long one wait for other roles may take.").Like("{minutes: 10}"),
			required("roles", shape.Map{Rest: rest("<role>", shape.Named{Name: "role", Shape: shape.Either{
				shape.Map{Says: "a role", Keys: deviceRole(context)},
				shape.Map{Says: "a role", Keys: connectionRole(context)},
			}}, "One role, on its own devices or inside another's.")}, "Who takes part."),
		}}, "Run on several devices at once."),
		optional("lava-xnbd", shape.Map{Keys: []shape.Key{
			required("port", shape.Either{shape.Words{"auto"}, whole}, "Port of the block device's server.").Like("auto"),
			optional("timeout", duration, "How long a call may take."),
		}}, "Serve a network block device for the job."),
	}}
}

func roleKeys(context shape.Shape) []shape.Key {
	return []shape.Key{
		required("count", index, "How many nodes have the role.").In("nodes").Like("1"),
		optional("context", context, "Variables of the template of the role's devices."),
		optional("tags", texts, "Tags that each device of the role has to carry.").Like("[kvm]"),
		optional("essential", boolean, "When a node of the role fails, the others are canceled.").Otherwise("false"),
		optional("timeout", duration, "How long one wait for other roles may take."),
	}
}

func deviceRole(context shape.Shape) []shape.Key {
	return append(roleKeys(context),
		required("device_type", text, "Kind of device, by name or alias.").Like("qemu"),
		optional("device", text, "The one device of the role; count is 1.").Like("qemu01"),
		optional("worker", text, "The one worker whose devices may have the role.").Like("lab1"),
		optional("environment", anyMapping, "Variables of the test shell in this role."),
	)
}

// A role of guests has no device of its own, and so no type.
func connectionRole(context shape.Shape) []shape.Key {
	return append(roleKeys(context),
		required("connection", text, "How the role reaches its host: ssh.").Like("ssh"),
		required("host_role", text, "Role whose device this one logs in to.").Like("host"),
		required("expect_role", text, "Role that this one waits for, with request lava-start.").Like("host"),
		optional("request", text, "lava-start waits for the other role before anything begins.").Like("lava-start"),
	)
}

// LAVA says by alternatives which keys of criteria go together: "type" stands beside complete and
// incomplete only.
func notify() shape.Map {
	all := []string{"running", "complete", "incomplete", "canceled", "finished"}
	status := func(words ...string) shape.Key {
		return required("status", shape.Words(words), "When to tell.").Like("finished")
	}
	criteria := func(keys ...shape.Key) shape.Map { return shape.Map{Says: "a mapping with status", Keys: keys} }
	callback := shape.Named{Name: "callback", Shape: callbackShape()}
	return shape.Map{Keys: []shape.Key{
		required("criteria", shape.Either{
			criteria(status(append(all, "all")...)),
			criteria(status("complete", "incomplete"), optional("type", shape.Words{"progression", "regression"}, "Only when the job before ended otherwise.")),
			criteria(status(all...), optional("dependency_query", text, "Only when all jobs of this query have ended.")),
		}, "When to tell."),
		optional("verbosity", shape.Words{"verbose", "quiet", "status-only"}, "How much to tell.").Otherwise("quiet"),
		optional("recipients", shape.List{Of: shape.Map{Keys: []shape.Key{
			required("to", shape.Map{Keys: []shape.Key{
				required("method", shape.Words{"email", "irc"}, "How to reach them."),
				optional("user", text, "A user of the lab."),
				optional("email", text, "A mail address.").Like("lab@example.com"),
				optional("handle", text, "A nick name on IRC."),
				optional("server", text, "A server of IRC.").Like("irc.libera.chat"),
			}}, "One recipient."),
		}}}, "People."),
		optional("callback", callback, "An address that is called.").OneOf("callback"),
		optional("callbacks", shape.List{Of: callback}, "Addresses that are called.").OneOf("callback"),
		optional("compare", shape.Map{Keys: []shape.Key{
			optional("blacklist", texts, "Test suites and cases that are left out.").Like("[0_smoke]"),
			optional("query", shape.Either{
				shape.Map{Keys: []shape.Key{required("username", text, "Who keeps the query."), required("name", text, "Name of the query.")}},
				shape.Map{Keys: []shape.Key{required("entity", text, "What is queried: testjob."), optional("conditions", anyMapping, "Fields and the values they have to have.")}},
			}, "Jobs to compare with."),
		}}, "What to compare the results with."),
	}}
}

func callbackShape() shape.Map {
	return shape.Map{Keys: []shape.Key{
		required("url", text, "Address to call.").Like("https://example.com/done"),
		optional("method", shape.Words{"GET", "POST"}, "HTTP method.").Otherwise("GET"),
		optional("token", text, "What to send as authorization; the name of a token of the submitter stands for it."),
		optional("header", text, "Header that carries the token.").Otherwise("Authorization"),
		optional("dataset", shape.Words{"minimal", "logs", "results", "all"}, "What to send.").Otherwise("minimal"),
		optional("content-type", shape.Words{"json", "urlencoded"}, "How it is encoded.").Otherwise("urlencoded"),
	}}
}
