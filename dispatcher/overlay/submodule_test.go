package overlay

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// Submodules are cloned where a definition asks for them, and only there.
func TestSubmodules(t *testing.T) {
	inner, outer := newRepo(t), newRepo(t)
	// git takes submodules from files only where it is told that this is fine.
	const allow = "protocol.file.allow"
	git(t, outer.dir, "-c", allow+"=always", "submodule", "--quiet", "add", inner.dir, "inner")
	git(t, outer.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "submodule")
	for _, keys := range []string{"", ", recursive: false", ", recursive: true"} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: git, name: g, path: tests/smoke.yaml, repository: 'file://"+outer.dir+"'"+keys+"}]}}]")
			j.env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=" + allow, "GIT_CONFIG_VALUE_0=always"}
			if err := j.run(t); err != nil {
				t.Fatalf("%v\n%s", err, j.text())
			}
			_, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g/inner/tests/smoke.yaml"))
			if want := keys == ", recursive: true"; (err == nil) != want {
				t.Errorf("a file of the submodule: %v, want it there: %t", err, want)
			}
		})
	}
}

// Where the worker has rules, each submodule is held to them like its parent, however deep it lies.
func TestSubmodulesKeepToTheRules(t *testing.T) {
	inner, middle, outer := newRepo(t), newRepo(t), newRepo(t)
	const allow = "protocol.file.allow"
	adds := func(to repository, name, url string) {
		git(t, to.dir, "-c", allow+"=always", "submodule", "--quiet", "add", url, name)
		git(t, to.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "submodule")
	}
	adds(middle, "inner", inner.dir)
	adds(outer, "middle", middle.dir)
	evil := newRepo(t)
	adds(evil, "inner", inner.dir)
	git(t, evil.dir, "config", "--file", ".gitmodules", "submodule.inner.url", "https://intern.example.com/inner.git")
	git(t, evil.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-a", "-m", "elsewhere")
	for _, tt := range []struct {
		name  string
		from  repository
		rules string
		want  string // in the error; "" for none
	}{
		{"allowed", outer, "{private: deny, deny_hosts: ['^intern']}", ""},
		{"host", evil, "{deny_hosts: ['^intern']}", "do not allow the host 'intern.example.com'"},
		{"scheme", evil, "{schemes: [file]}", "allow the schemes file only"},
		{"the repository itself", outer, "{schemes: [https]}", "allow the schemes https only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: git, name: g, path: tests/smoke.yaml, recursive: true, repository: 'file://"+tt.from.dir+"'}]}}]")
			j.env = []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=" + allow, "GIT_CONFIG_VALUE_0=always"}
			j.dispatcher = data(t, "url_rules: "+tt.rules)
			err := j.run(t)
			if tt.want != "" {
				if pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one of class Job with %q\n%s", err, tt.want, j.text())
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, j.text())
			}
			if _, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g/middle/inner/tests/smoke.yaml")); err != nil {
				t.Errorf("a file of the submodule's submodule: %v", err)
			}
		})
	}
}

// git is told which addresses a name has, so that it cannot look up others.
func TestPin(t *testing.T) {
	t.Parallel()
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.2")}
	for text, want := range map[string]string{
		"https://git.example.com/a.git":     "git.example.com:443:192.0.2.1,[2001:db8::1],192.0.2.2",
		"http://git.example.com:8080/a.git": "git.example.com:8080:192.0.2.1,[2001:db8::1],192.0.2.2",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := pin(u, addrs); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	options, err := hold(t.Context(), urlrule.Rules{}, "https://git.example.com/a.git")
	if len(options) > 0 || err != nil {
		t.Errorf("without rules: options %q, error %v, want none", options, err)
	}
}
