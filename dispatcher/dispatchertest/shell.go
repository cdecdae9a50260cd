package dispatchertest

import "strings"

// ShellDevice returns the rendered configuration of a device that needs no hardware: its console is a
// shell of the worker's own machine, with the prompt "shell:# ". It boots by the method minimal and takes
// the overlay alone. powerOff is the command that its power is cut by, so that a test can see that a job
// has let go of it, plain YAML as it stands.
func ShellDevice(powerOff string) string {
	return strings.ReplaceAll(`
constants:
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%s, lava_test_shell_file: ~/.bashrc}
  shutdown-message: 'The system is going down for reboot NOW'
  kernel-start-message: ''
  default-shell-prompt: 'lava-test: # '
  failure_retry: 1
  boot_retry: 1
  spawn_maxread: '4092'
character_delays: {boot: 0, test: 0}
commands: {connect: "env PS1='shell:# ' bash --norc --noprofile -i", hard_reset: /bin/true, power_off: @OFF@}
timeouts: {actions: {}, connections: {}}
actions:
  deploy: {connections: {serial: }, methods: {overlay: }}
  boot: {connections: {serial: }, methods: {minimal: }}
`, "@OFF@", powerOff)
}
