package acceptance

import (
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// loginJob boots the kernel of get-assets.sh into a login prompt. boot are the keys of the boot block,
// with blanks before.
func loginJob(t *testing.T, append, boot string) job {
	t.Helper()
	const context = "{arch: amd64, machine: q35, memory: 256}"
	return job{
		definition: text(t, "testdata/login-job.yaml"), device: "{% extends 'qemu.jinja2' %}\n", context: context,
		values: map[string]string{"CONTEXT": context, "DIR": dispatchertest.Assets(t), "APPEND": append + " no_timer_check", "BOOT": boot},
	}
}

// Each way in which a login fails ends the job at the step that failed, with the class and the words
// that users know, before the time of the block is over where somebody said no.
func TestLoginFails(t *testing.T) {
	const shell = "prompts: ['/ # ', '~ # ']\n    "
	const account = shell + "auto_login: {login_prompt: 'strata login:', username: root, password_prompt: 'Password:', password: "
	tests := []struct {
		name, append, boot string
		failed             string // the step
		says               string
	}{
		{"wrong password", "console=ttyS0 strata.login", account + "wrong}", "login-action", "Login incorrect"},
		{"hung boot", "console=ttyS0 strata.hang", shell + "timeout: {seconds: 30}", "login-action", "login-action timed out after "},
		{"a prompt that never comes", "console=ttyS0", "prompts: ['no such prompt: ']\n    timeout: {seconds: 30}", "login-action",
			"login-action timed out after "},
		{"a login prompt that never comes", "console=ttyS0",
			"prompts: ['none: ']\n    timeout: {seconds: 30}\n    auto_login: {login_prompt: 'no such login:', username: root}",
			"login-action", "login-action timed out after "},
		{"a kernel that never speaks", "console=ttyS1", shell + "timeout: {seconds: 15}", "auto-login-action", "auto-login-action timed out after "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			got := run(t, loginJob(t, tt.append, tt.boot))
			got.wantError(t, events.JobError, tt.says)
			got.wantResults(t, map[string]string{tt.failed: "fail", "job": "fail"})
		})
	}
}
