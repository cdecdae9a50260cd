package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/schemas/config"
)

// TestCertificates shows what becomes of a pair of files as they change.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate, key := filepath.Join(ca.dir, "lab.pem"), filepath.Join(ca.dir, "lab.key")
	year := time.Now().Add(365 * 24 * time.Hour)
	first := ca.issue(t, certificate, key, year, "lab.example.com")
	var log bytes.Buffer
	c, err := openCertificates(config.Listen{Certificate: certificate, Key: key}, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, serial int64, says string) {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil || pair.Leaf.SerialNumber.Int64() != serial {
			t.Errorf("%s: got serial %v, %v; want %d", what, pair.Leaf.SerialNumber, err, serial)
		}
		if text := log.String(); says == "" && text != "" || !strings.Contains(text, says) {
			t.Errorf("%s: the log says %q, want %q", what, text, says)
		}
		log.Reset()
	}
	expect("untouched", first, "")

	second := ca.issue(t, certificate, key, year, "lab.example.com")
	expect("renewed", second, "certificate read again")
	expect("untouched again", second, "")

	// The two files are never replaced in one moment.
	third := ca.issue(t, certificate+".3", key+".3", year, "lab.example.com")
	move(t, certificate+".3", certificate)
	expect("half renewed", second, "private key does not match public key")
	expect("still half renewed", second, "") // said once
	move(t, key+".3", key)
	expect("renewed whole", third, "certificate read again")

	write(t, ca.dir, "lab.pem", "nonsense")
	expect("nonsense", third, "failed to find any PEM data")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	expect("away", third, "no such file")

	// As certbot and Kubernetes do: a link is turned.
	fourth := ca.issue(t, certificate+".4", key+".4", year, "lab.example.com")
	if err := os.Symlink(certificate+".4", certificate); err != nil {
		t.Fatal(err)
	}
	move(t, key+".4", key)
	expect("a link", fourth, "certificate read again")

	fifth := ca.issue(t, certificate, key, time.Now().Add(time.Hour), "lab.example.com")
	expect("over soon", fifth, "over soon")
	sixth := ca.issue(t, certificate, key, time.Now().Add(-time.Minute), "lab.example.com")
	expect("over", sixth, "clients will refuse it")
}

// A certificate that nobody renews is warned of while the lab runs, once as its end comes near and once as it is over.
func TestCertificateGrowsOld(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate, key := filepath.Join(ca.dir, "lab.pem"), filepath.Join(ca.dir, "lab.key")
	began := time.Now()
	ca.issue(t, certificate, key, began.Add(90*24*time.Hour), "lab.example.com")
	now := began
	var log bytes.Buffer
	c, err := openCertificates(config.Listen{Certificate: certificate, Key: key}, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		day  int
		says string
	}{{0, ""}, {75, ""}, {77, "over soon"}, {78, ""}, {91, "is over, clients will refuse it"}, {92, ""}} {
		now = began.AddDate(0, 0, tt.day)
		if _, err := c.get(nil); err != nil {
			t.Fatal(err)
		}
		if text := log.String(); tt.says == "" && text != "" || !strings.Contains(text, tt.says) {
			t.Errorf("on day %d of 90: the log says %q, want %q", tt.day, text, tt.says)
		}
		log.Reset()
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesRefused(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b := filepath.Join(ca.dir, "a"), filepath.Join(ca.dir, "b")
	ca.issue(t, a+".pem", a+".key", time.Now().Add(time.Hour), "a")
	ca.issue(t, b+".pem", b+".key", time.Now().Add(time.Hour), "b")
	empty := write(t, ca.dir, "empty", "")
	for _, tt := range []struct {
		certificate, key string
		says             []string
	}{
		{a + ".pem", "", []string{a + ".pem", "listen.tls.key", "--tls-key"}},
		{"", a + ".key", []string{a + ".key", "listen.tls.certificate"}},
		{a + ".pem", b + ".key", []string{a + ".pem", b + ".key", "no pair"}},
		{a + ".none", a + ".key", []string{a + ".none", "no such file", "listen.tls.certificate"}},
		{a + ".pem", a + ".none", []string{a + ".none", "no such file", "listen.tls.key"}},
		{empty, a + ".key", []string{empty}},
		{a + ".pem", empty, []string{empty}},
		{a + ".key", a + ".pem", []string{a + ".key"}},
		{ca.dir, a + ".key", []string{ca.dir, "is a directory"}},
	} {
		_, err := openCertificates(config.Listen{Certificate: tt.certificate, Key: tt.key}, time.Now, slog.New(slog.DiscardHandler))
		for _, says := range tt.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("certificate %q, key %q: got %v, want an error that says %q", tt.certificate, tt.key, err, says)
			}
		}
	}
	if c, err := openCertificates(config.Listen{}, time.Now, nil); c != nil || err != nil || c.config() != nil {
		t.Errorf("no pair: got %v, %v", c, err)
	}
}

// TestHost shows by which name an encrypted port is told of.
func TestHost(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate, key := filepath.Join(ca.dir, "lab.pem"), filepath.Join(ca.dir, "lab.key")
	for _, tt := range []struct {
		listens string
		names   []string
		want    string
	}{
		{"0.0.0.0", []string{"lab.example.com", "192.0.2.1"}, "lab.example.com"}, {"::", []string{"192.0.2.1"}, "192.0.2.1"},
		{"127.0.0.1", []string{"lab.example.com"}, "127.0.0.1"}, {"192.0.2.1", []string{"192.0.2.1", "lab"}, "192.0.2.1"},
		{"::", nil, "::"},
	} {
		ca.issue(t, certificate, key, time.Now().Add(time.Hour), tt.names...)
		c, err := openCertificates(config.Listen{Certificate: certificate, Key: key}, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.host(tt.listens); got != tt.want {
			t.Errorf("at %s with a certificate for %v: got %s, want %s", tt.listens, tt.names, got, tt.want)
		}
	}
}
