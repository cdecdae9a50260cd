package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"strata/services/api"
)

// TestPeopleCommands gives a user a token that is limited, and shows what the commands do with it. Without any the lab
// is closed.
func TestPeopleCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "")
	w.must(t, "users", "add", "alice", "--email", "alice@example.com")
	w.must(t, "groups", "add", "kernel")
	w.must(t, "groups", "join", "kernel", "alice")
	token := strings.TrimSpace(w.must(t, "tokens", "add", "--user", "alice", "--scope", "view", "--description", "screen"))
	var tokens []api.Token
	w.ask(t, &tokens, "tokens", "--user", "alice")
	if len(tokens) != 1 || tokens[0].Value != "" || tokens[0].Description != "screen" {
		t.Fatalf("tokens of alice: got %+v, want one without its value", tokens)
	}
	w.must(t, "jobs", "--server", r.NATS, "--token", token)
	if status, text := w.strata(t, "devices", "add", "q1", "--type", "qemu", "--server", r.NATS, "--token", token); status != exitFailed || !strings.Contains(text, "may be used for view") {
		t.Errorf("add a device with a token to view: status %d, %q; want it refused", status, text)
	}
	job := write(t, w.dir, "job.yaml", "job_name: x\n")
	if status, text := w.strata(t, "submit", job, "--server", r.NATS, "--token", token); status != exitFailed || !strings.Contains(text, "the token of alice may not submit") {
		t.Errorf("submit with a token to view: status %d, %q; want it refused", status, text)
	}
	stranger := newWorld(t)
	if status, text := stranger.strata(t, "submit", job, "--server", r.NATS); status != exitFailed || !strings.Contains(text, "sign in first") {
		t.Errorf("submit without a token: status %d, %q; want it refused", status, text)
	}
	// Who acts as alice submits as alice, and what is recorded says who it was. To others it is as if there were no such job.
	var acting, bobs api.Token
	w.ask(t, &acting, "users", "act", "alice", "--reason", "ticket 7")
	if status, text := w.strata(t, "submit", job, "--server", r.NATS, "--token", acting.Value); status != exitFailed || !strings.Contains(text, "job 1 was rejected") {
		t.Errorf("submit as alice: status %d, %q; want what the lab thinks of the definition", status, text)
	}
	if text := w.must(t, "events", "job/1", "--json"); !strings.Contains(text, "local acts as alice") || !strings.Contains(text, `"alice"`) {
		t.Errorf("facts of what was submitted as alice: %s; want alice's, with who acted", text)
	}
	w.must(t, "users", "add", "bob")
	w.ask(t, &bobs, "tokens", "add", "--user", "bob")
	for _, command := range [][]string{{"cancel"}, {"priority", "--json"}, {"show"}, {"logs"}, {"why"}, {"results"}} {
		said := func(number string) string {
			args := append(append([]string{}, command...), number)
			if command[0] == "priority" {
				args = append(args, "50")
			}
			status, text := w.strata(t, append(args, "--server", r.NATS, "--token", bobs.Value)...)
			return fmt.Sprint(status, " ", regexp.MustCompile(`\b`+number+`\b`).ReplaceAllString(text, "N"))
		}
		if hidden, missing := said("1"), said("4711"); hidden != missing || !strings.Contains(missing, "no job N") {
			t.Errorf("strata %s by bob of alice's job: %q; of none: %q; want the same", command[0], hidden, missing)
		}
	}
	w.must(t, "permissions", "grant", "add_device", "--user", "alice")
	if text := w.must(t, "permissions"); !strings.Contains(text, "lava_scheduler_app.add_device") {
		t.Errorf("strata permissions: got %q, want alice's", text)
	}
	w.must(t, "tokens", "revoke", string(tokens[0].Token))
	if status, _ := w.strata(t, "jobs", "--server", r.NATS, "--token", token); status != exitFailed {
		t.Errorf("jobs with a revoked token: status %d, want it refused", status)
	}
}

// TestSecretCommands keeps a secret and sets passwords, as people do at a terminal or in a script: nothing that is
// secret is printed.
func TestSecretCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "")
	w.must(t, "users", "add", "alice")
	token := strings.TrimSpace(w.must(t, "tokens", "add", "--user", "alice"))
	as := func(in string, args ...string) (int, string) {
		var out bytes.Buffer
		a := w.app(&out)
		a.in = strings.NewReader(in)
		return a.run(t.Context(), append(args, "--server", r.NATS, "--token", token)), out.String()
	}
	if status, text := as("s3cret\nmore\n", "secrets", "set", "store"); status != exitOK || text != "" {
		t.Fatalf("set a secret: status %d, %q", status, text)
	}
	if status, text := as("", "secrets", "--json"); status != exitOK || !strings.Contains(text, "store") || strings.Contains(text, "s3cret") {
		t.Errorf("list secrets: status %d, %q; want the name alone", status, text)
	}
	if status, text := as("\n", "secrets", "set", "store"); status != exitFailed || !strings.Contains(text, "no secret store was given") {
		t.Errorf("set a secret of nothing: status %d, %q; want it refused", status, text)
	}
	if status, text := as("correct horse\n", "users", "password", "alice"); status != exitOK || strings.Contains(text, "horse") {
		t.Errorf("set the first password: status %d, %q", status, text)
	}
	if status, text := as("wrong\nbattery staple\n", "users", "password", "alice"); status != exitFailed || !strings.Contains(text, "current is not the password") {
		t.Errorf("set a password with another one for the one before: status %d, %q; want it refused", status, text)
	}
	if status, text := as("correct horse\nbattery staple\n", "users", "password", "alice"); status != exitOK {
		t.Errorf("set a password: status %d, %q", status, text)
	}
	if status, text := as("", "secrets", "remove", "store"); status != exitOK {
		t.Errorf("remove a secret: status %d, %q", status, text)
	}
	if status, text := as("", "secrets", "remove", "store"); status != exitFailed || !strings.Contains(text, "no remote token store") {
		t.Errorf("remove a secret twice: status %d, %q; want it refused", status, text)
	}
}
