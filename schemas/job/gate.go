package job

import (
	"regexp"
	"slices"

	"strata/schemas/yaml"
)

// gateSchema is the schema of a submission: what LAVA checks with voluptuous on every one.
// Keys stand in LAVA's order: of several that are missing the first in it is the one told.
func gateSchema(extraContext []string) rule {
	name := all(text(), length(1, 0))
	return mapOf{fields: []field{
		{key: "device_type", value: name}, // not needed here: multinode definitions have it in their roles
		{key: "device", value: name},
		{key: "worker", value: name},
		{key: "job_name", needed: true, value: all(text(), length(1, 200))},
		{key: "priority", value: either(word("high"), word("medium"), word("low"), integer())},
		{key: "protocols", value: protocolsSchema()},
		{key: "context", value: contextSchema(extraContext)},
		{key: "metadata", value: mapOf{others: metadataKey}.rule()},
		{key: "secrets", value: anyMap()},
		{key: "environment", value: anyMap()},
		{key: "tags", value: listOf(text())},
		{key: "visibility", needed: true, value: visibilitySchema()},
		{key: "timeouts", needed: true, value: timeoutsSchema()},
		{key: "notify", value: notifySchema()},
		{key: "actions", needed: true, value: actionsSchema()},
		{key: "reboot_to_fastboot", value: boolean()},
	}}.rule()
}

// anything takes every value.
func anything([]string, *yaml.Node) []*Problem { return nil }

// metadataKey takes texts and whole numbers as keys of metadata, with any value.
// Booleans are ints in Python, where LAVA's schema asks for int or str.
func metadataKey(key *yaml.Node) rule {
	if key.Is(yaml.String) || key.Is(yaml.Int) || key.Is(yaml.Bool) {
		return anything
	}
	return nil
}

// visibilitySchema takes the two words, or groups. An empty mapping passes: only the submitter sees
// the job then.
func visibilitySchema() rule {
	return either(word("public"), word("personal"), mapOf{fields: []field{{key: "group", value: listOf(text())}}}.rule())
}

// timeoutSchema is a duration: at most one unit, whole numbers, nothing else.
// Several units, which the dispatcher would add up, are refused here: so does LAVA.
func timeoutSchema() rule {
	const group = "timeout_unit"
	return mapOf{fields: []field{
		{key: "days", exclusive: group, value: integer()},
		{key: "hours", exclusive: group, value: integer()},
		{key: "minutes", exclusive: group, value: integer()},
		{key: "seconds", exclusive: group, value: integer()},
		{key: "skip", value: boolean()},
	}}.rule()
}

var actionName = regexp.MustCompile(`^[a-z-]+$`)

// timeoutsSchema is the block `timeouts`. How the durations compare to each other is not the gate's
// question: an action may be longer than its job.
func timeoutsSchema() rule {
	timeout := timeoutSchema()
	named := mapOf{others: func(key *yaml.Node) rule {
		if key.Is(yaml.String) && actionName.MatchString(key.Text) {
			return timeout
		}
		return nil
	}}.rule()
	return mapOf{fields: []field{
		{key: "job", needed: true, value: timeout},
		{key: "action", value: timeout},
		{key: "connection", value: timeout},
		{key: "queue", value: timeout},
		{key: "actions", value: named},
		{key: "connections", value: named},
	}}.rule()
}

// contextNames are the variables that a job may set for the templates of a device: LAVA's
// CONTEXT_VARIABLES.
var contextNames = []string{
	"arch", "boot_console", "boot_root", "cpu", "extra_options", "guestfs_driveid", "guestfs_interface", "guestfs_size",
	"machine", "memory", "model", "monitor", "netdevice", "no_kvm", "no_network", "serial", "vga",
	"booti_dtb_addr", "booti_kernel_addr", "booti_ramdisk_addr", "bootm_dtb_addr", "bootm_kernel_addr", "bootm_ramdisk_addr",
	"bootz_dtb_addr", "bootz_kernel_addr", "bootz_ramdisk_addr",
	"deploy_character_delay", "boot_character_delay", "test_character_delay", "boot_retry", "bootloader_prompt",
	"console_device", "custom_kernel_args", "extra_kernel_args", "extra_nfsroot_args", "failure_retry", "kernel_loglevel",
	"kernel_start_message", "lava_test_results_dir", "menu_interrupt_prompt", "mustang_menu_list", "tftp_mac_address",
	"uboot_extra_error_message", "uboot_needs_interrupt", "uboot_altbank",
}

// ContextNames returns the variables that a job's context may set, sorted.
func ContextNames() []string { return slices.Sorted(slices.Values(contextNames)) }

// contextSchema takes the names of the allow-list and what a lab adds to it, and nothing else: these
// variables reach the templates of devices, and with them commands that run on the worker.
func contextSchema(extra []string) rule {
	value := either(integer(), text(), listOf(integer(), text()))
	var fields []field
	for _, name := range slices.Concat(contextNames, extra) {
		fields = append(fields, field{key: name, value: value})
	}
	return mapOf{fields: fields}.rule()
}

// protocolsSchema knows the two protocols that LAVA still has. Bodies of roles are free here; what
// they say of each other is checked by checkRoles, what they ask for when the lab is looked at.
func protocolsSchema() rule {
	roles := mapOf{others: func(key *yaml.Node) rule {
		if key.Is(yaml.String) {
			return mapOf{open: true}.rule()
		}
		return nil
	}}.rule()
	return mapOf{fields: []field{
		{key: "lava-multinode", value: mapOf{fields: []field{
			{key: "timeout", value: timeoutSchema()},
			// LAVA's gate lets a missing `roles` pass, and fails on it a step later.
			{key: "roles", needed: true, value: roles},
		}}.rule()},
		{key: "lava-xnbd", value: anyMap()},
	}}.rule()
}

// notifySchema is the block `notify`: when, whom, and compared with what. Callbacks may have further
// keys (LAVA reads `header` without naming it here).
func notifySchema() rule {
	callback := mapOf{open: true, fields: []field{
		{key: "url", needed: true, value: text()},
		{key: "method", value: words("GET", "POST")},
		{key: "token", value: text()},
		{key: "dataset", value: words("minimal", "logs", "results", "all")},
		{key: "content-type", value: words("json", "urlencoded")},
	}}.rule()
	recipient := mapOf{fields: []field{
		{key: "to", needed: true, value: mapOf{fields: []field{
			{key: "method", needed: true, value: words("email", "irc")},
			{key: "user", value: text()},
			{key: "email", value: text()},
			{key: "server", value: text()},
			{key: "handle", value: text()},
		}}.rule()},
	}}.rule()
	query := either(
		mapOf{fields: []field{{key: "username", needed: true, value: text()}, {key: "name", needed: true, value: text()}}}.rule(),
		mapOf{fields: []field{{key: "entity", needed: true, value: text()}, {key: "conditions", value: anyMap()}}}.rule(),
	)
	return mapOf{open: true, fields: []field{
		{key: "criteria", needed: true, value: mapOf{open: true, fields: []field{
			{key: "status", needed: true, value: words("running", "complete", "incomplete", "canceled", "finished", "all")},
			{key: "type", value: words("progression", "regression")},
			{key: "dependency_query", value: text()},
		}}.rule()},
		{key: "verbosity", value: words("verbose", "quiet", "status-only")},
		{key: "recipients", value: listOf(recipient)},
		{key: "callback", exclusive: "callback", value: callback},
		{key: "callbacks", exclusive: "callback", value: listOf(callback)},
		{key: "compare", value: mapOf{open: true, fields: []field{
			{key: "blacklist", value: listOf(text())},
			{key: "query", value: query},
		}}.rule()},
	}}.rule()
}
