package job_test

import (
	"strings"
	"testing"

	"strata/schemas/job"
	"strata/schemas/yaml"
)

const naming = `
job_name: fetch
secrets: {API: store, LITERAL: plain, NUMBER: 5}
environment: {API: store}
metadata: {headers: {X: store}, url: here}
notify: {callback: {url: "https://x", token: store}}
actions:
- deploy:
    to: tmpfs
    headers: {X: store}
    images:
      kernel: &kernel
        url: https://example.com/k
        headers: {PRIVATE-TOKEN: store, Accept: text/plain}
      again: *kernel
- boot:
    url: https://example.com/b
    headers: {X: store}
- test:
    definitions:
    - {from: url, repository: "https://example.com/t.tgz", headers: {X: other}}
    - {from: git, repository: "https://example.com/t.git", headers: {X: store}}
- command:
    url: https://example.com/c
    headers: {X: store}
`

// TestNamedSecrets shows where a name stands for a secret, which is LAVA's rule, and where it does not.
func TestNamedSecrets(t *testing.T) {
	t.Parallel()
	root, err := yaml.Parse([]byte(naming))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(job.NamedSecrets(root), " "), "store plain text/plain other"; got != want {
		t.Errorf("names: got %q, want %q", got, want)
	}
	before, err := yaml.Write(root)
	if err != nil {
		t.Fatal(err)
	}
	out := job.WithSecrets(root, map[string]string{"store": "s3cret", "other": "0123: #x", "5": "never"})
	text, err := yaml.Write(out)
	if err != nil {
		t.Fatal(err)
	}
	again, err := yaml.Parse(text)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	at := func(keys ...string) string { return again.Get(keys...).TextOr("(not a text)") }
	action := func(i int, keys ...string) string {
		return again.Get("actions").Items[i].Get(keys...).TextOr("(not a text)")
	}
	test := again.Get("actions").Items[2].Get("test", "definitions").Items
	for what, got := range map[string][2]string{
		"a secret":                     {at("secrets", "API"), "s3cret"},
		"a literal secret":             {at("secrets", "LITERAL"), "plain"},
		"a number":                     {at("secrets", "NUMBER"), "(not a text)"},
		"the environment":              {at("environment", "API"), "store"},
		"metadata":                     {at("metadata", "headers", "X"), "store"},
		"a callback":                   {at("notify", "callback", "token"), "store"},
		"headers of no download":       {action(0, "deploy", "headers", "X"), "store"},
		"headers of a download":        {action(0, "deploy", "images", "kernel", "headers", "PRIVATE-TOKEN"), "s3cret"},
		"a literal header":             {action(0, "deploy", "images", "kernel", "headers", "Accept"), "text/plain"},
		"headers of an alias":          {action(0, "deploy", "images", "again", "headers", "PRIVATE-TOKEN"), "s3cret"},
		"headers in boot":              {action(1, "boot", "headers", "X"), "store"},
		"headers of a test from a URL": {test[0].Get("headers", "X").TextOr(""), "0123: #x"},
		"headers of a test from git":   {test[1].Get("headers", "X").TextOr(""), "store"},
		"headers in command":           {action(3, "command", "headers", "X"), "store"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %q, want %q", what, got[0], got[1])
		}
	}
	after, err := yaml.Write(root)
	if err != nil || string(after) != string(before) {
		t.Errorf("the definition itself was changed (error %v):\n%s", err, after)
	}
	for _, odd := range []string{"[]", "secrets: x\nactions: 5\n", "actions: [x, {deploy: [{url: x, headers: [a]}]}]", "secrets: {1: store}"} {
		root, err := yaml.Parse([]byte(odd))
		if err != nil {
			t.Fatal(err)
		}
		if got := job.WithSecrets(root, map[string]string{"store": "x"}); got != root {
			t.Errorf("%q: changed, with nothing in it that names a secret", odd)
		}
	}
}
