package urlrule

import (
	"net/netip"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

func rules(t testing.TB, text string) (Rules, error) {
	t.Helper()
	config, err := pipeline.ReadYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Read(config)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const strict = `url_rules: {schemes: [https, ssh], hosts: ['^files\.example\.com$', '\.cdn\.net$', '^[0-9.:a-f]+$'], deny_hosts: ['^old\.'], private: deny, private_except: [10.1.2.0/24, "fc00::7"]}`
	for _, tt := range []struct{ rules, url, want string }{
		{"{}", "http://127.0.0.1/x", ""},
		{"{}", "file:///etc/passwd", ""},
		{strict, "https://files.example.com/a", ""},
		{strict, "https://FILES.example.com./a", ""},
		{strict, "git@files.example.com:a/b.git", ""},
		{strict, "http://files.example.com/a", "allow the schemes https, ssh only"},
		{strict, "file:///etc/passwd", "schemes"},
		{strict, "/etc/passwd", "schemes"},
		{strict, "https://files.example.com.evil.org/a", "host 'files.example.com.evil.org'"},
		{strict, "https://files.example.com@evil.org/", "host 'evil.org'"},
		{strict, "https://a.cdn.net:8443/", ""},
		{strict, "https://old.cdn.net/", "host 'old.cdn.net'"},
		{strict, "https://8.8.8.8/", ""},
		{strict, "https://10.1.2.3/", ""},
		{strict, "https://10.1.3.3/", "private address 10.1.3.3"},
		{strict, "https://[::ffff:127.0.0.1]/", "private address 127.0.0.1"},
		{strict, "https://[fc00::7]/", ""},
		{strict, "https://[fc00::8]/", "private address"},
		{"url_rules: {hosts: []}", "https://x/", "host 'x'"},
		{"url_rules: {private: allow}", "https://10.0.0.1/", ""},
		{strict, "https://%zz/", "parse URL"},
	} {
		r, err := rules(t, tt.rules)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(tt.url); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.url, err, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"url_rules: [http]":                    "no mapping",
		"url_rules: {hosts: ['(']}":            "url_rules.hosts",
		"url_rules: {deny_hosts: ['(']}":       "url_rules.deny_hosts",
		"url_rules: {private: no}":             "neither allow nor deny",
		"url_rules: {private_except: [x]}":     "url_rules.private_except",
		"url_rules: {private_except: [10/99]}": "url_rules.private_except",
		"url_rules: {scheme: [http]}":          "there are schemes, hosts",
	} {
		if _, err := rules(t, text); pipeline.ClassOf(err) != pipeline.Configuration || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a Configuration error with %q", text, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	r, err := rules(t, "url_rules: {private: deny}")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		address string
		allowed bool
	}{
		{"8.8.8.8:443", true}, {"127.0.0.1:80", false}, {"169.254.169.254:80", false}, {"[::1]:80", false},
		{"[::ffff:10.0.0.1]:80", false}, {"[fe80::1%eth0]:80", false}, {"[2001:db8::1]:80", true}, {"nonsense", false},
		{"[::127.0.0.1]:80", false}, {"[2002:7f00:1::]:80", false}, {"[64:ff9b::a00:1]:80", false}, {"0.0.0.0:80", false}, {"[::]:80", false},
	} {
		if err := r.Control("tcp", tt.address, nil); (err == nil) != tt.allowed {
			t.Errorf("%s: %v, want allowed %t", tt.address, err, tt.allowed)
		}
	}
	if _, err := r.CheckHost(t.Context(), "http://localhost/x"); err == nil || !strings.Contains(err.Error(), "private address") {
		t.Errorf("localhost: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, text := range []string{"https://a.example.com/x", "git@h:p", "http://[::1]:80/", "//x", "https://a@b@c/"} {
		f.Add(text)
	}
	r, err := rules(f, `url_rules: {schemes: [https], hosts: ['^a\.example\.com$'], private: deny}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r.Check(text) == nil && !strings.HasPrefix(strings.ToLower(text), "https://") {
			t.Errorf("%q is allowed", text)
		}
	})
}

func TestPrivateRanges(t *testing.T) {
	t.Parallel()
	for _, p := range Private() {
		if p != p.Masked() || p.Addr() == (netip.Addr{}) {
			t.Errorf("range %s", p)
		}
	}
}
