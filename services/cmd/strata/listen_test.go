package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/schemas/config"
)

func TestExposed(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:80": false, "127.9.9.9:80": false, "[::1]:80": false, "localhost:80": false, "[::ffff:127.0.0.1]:80": false,
		"0.0.0.0:80": true, "[::]:80": true, ":80": true, "192.0.2.1:0": true, "[fe80::1%eth0]:80": true, "10.0.0.1:80": true,
		"nobody.invalid:80": true, "nonsense": false, "": false,
	} {
		if got := exposed(address); got != want {
			t.Errorf("exposed(%q) = %v, want %v", address, got, want)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	open, pair := "0.0.0.0:80", config.Listen{Certificate: "lab.pem", Key: "lab.key"}
	for _, tt := range []struct {
		name    string
		listen  config.Listen
		opening opening
		says    string // of the refusal; "" for none
	}{
		{"loopback", config.Listen{}, opening{"listen.http", "--listen", "127.0.0.1:80", true}, ""},
		{"nothing", config.Listen{}, opening{"listen.http", "--listen", "", true}, ""},
		{"plain", config.Listen{}, opening{"listen.http", "--listen", open, true}, "0.0.0.0:80 (listen.http, --listen) is reached from other machines"},
		{"encrypted", pair, opening{"listen.http", "--listen", open, true}, ""},
		{"never encrypted", pair, opening{"listen.events", "", open, false}, "0.0.0.0:80 (listen.events) is reached from other machines, and what is spoken there cannot be encrypted"},
		{"allowed", config.Listen{AllowPlaintext: true}, opening{"listen.events", "", open, false}, ""},
	} {
		err := closed(tt.listen, opening{"listen.nats", "", "127.0.0.1:4222", true}, tt.opening)
		if (tt.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.says)
		}
	}
}

// TestImpossibleListen gives addresses that nothing can listen on: `strata up` says so and leaves no data directory.
func TestImpossibleListen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := filepath.Join(w.dir, "never")
	for flag, tries := range map[string]map[string]string{
		"--listen": {"nonsense": "write host:port", "127.0.0.1:99999": `the port is "99999", allowed are 0 to 65535`, "127.0.0.1:": `the port is ""`,
			"192.0.2.1:8080": "cannot listen there", "no-such-host.invalid:1": "cannot listen there"},
		"--listen-nats": {"127.0.0.1": "write host:port", "127.0.0.1:nats": `the port is "nats"`},
		"--listen-sql":  {"::1:5": "write host:port"},
	} {
		for address, says := range tries {
			args := []string{"up", "--data", data, "--allow-plaintext", "--listen", "127.0.0.1:0", "--listen-nats", "127.0.0.1:0", "--listen-sql", "", flag, address}
			status, text := w.strata(t, args...)
			if status != exitMisuse || !strings.Contains(text, says) || !strings.Contains(text, flag) {
				t.Errorf("strata up %s %s: exit %d, says %q; want %d and %q with the flag", flag, address, status, text, exitMisuse, says)
			}
		}
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory after refusals: %v; want none", err)
	}
}

// TestRefusedOpenings shows each command refuse each of its ports, before anything is started.
func TestRefusedOpenings(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	pem, key := filepath.Join(ca.dir, "lab.pem"), filepath.Join(ca.dir, "lab.key")
	ca.issue(t, pem, key, time.Now().Add(time.Hour), "lab")
	events := write(t, w.dir, "events.yaml", "listen: {events: '0.0.0.0:0'}\n")
	coordinator := write(t, w.dir, "coordinator.yaml", "listen: {coordinator: ':0'}\n")
	half := write(t, w.dir, "half.yaml", "listen: {tls: {certificate: "+pem+"}}\n")
	quiet := []string{"--listen", "127.0.0.1:0", "--listen-nats", "127.0.0.1:0", "--listen-sql", "", "--data", filepath.Join(w.dir, "lab")}
	tests := []struct {
		args []string
		want int
		says string
	}{
		{[]string{"up", "--listen", "0.0.0.0:0"}, exitMisuse, "0.0.0.0:0 (listen.http, --listen)"},
		{[]string{"up", "--listen", ":0"}, exitMisuse, ":0 (listen.http, --listen)"},
		{[]string{"up", "--listen-nats", "[::]:0"}, exitMisuse, "(listen.nats, --listen-nats)"},
		{[]string{"up", "--listen-sql", "0.0.0.0:0"}, exitMisuse, "(listen.sql, --listen-sql)"},
		{[]string{"up", "--config", events}, exitMisuse, "(listen.events)"},
		{[]string{"up", "--config", events, "--tls-certificate", pem, "--tls-key", key}, exitMisuse, "(listen.events)"},
		{[]string{"up", "--config", coordinator}, exitMisuse, "(listen.coordinator)"},
		{[]string{"up", "--config", half}, exitMisuse, "listen.tls.key"},
		{[]string{"up", "--tls-key", key}, exitMisuse, "listen.tls.certificate"},
		{[]string{"up", "--tls-certificate", pem, "--tls-key", pem}, exitFailed, "are no pair"},
		{[]string{"up", "--trusted-proxy", "proxy"}, exitMisuse, `"proxy" is neither an address`},
		{[]string{"serve", "api", "--listen", "0.0.0.0:0"}, exitMisuse, "(listen.metrics, --listen)"},
		{[]string{"serve", "sqldoor", "--listen-sql", "0.0.0.0:0"}, exitMisuse, "(listen.sql, --listen-sql)"},
		{[]string{"serve", "api", "live", "--config", events}, exitMisuse, "(listen.events)"},
		{[]string{"serve", "multinode", "--config", coordinator}, exitMisuse, "(listen.coordinator)"},
		{[]string{"serve", "live"}, exitMisuse, "strata serve api live"},
		{[]string{"serve", "lavaworkers", "scheduling"}, exitMisuse, "strata serve api lavaworkers"},
		{[]string{"worker", "--listen", "0.0.0.0:0", "--data", filepath.Join(w.dir, "worker")}, exitMisuse, "(listen.metrics, --listen)"},
		{[]string{"worker", "--tls-certificate", pem, "--tls-key", pem + ".none", "--data", filepath.Join(w.dir, "worker")}, exitFailed, "lab.pem.none"},
		{[]string{"clickhouse", "--path", w.dir, "--listen", "0.0.0.0:0"}, exitMisuse, "cannot be encrypted"},
	}
	for _, tt := range tests {
		args := tt.args
		if args[0] == "up" { // the last of two flags counts
			args = append([]string{"up"}, append(quiet, args[1:]...)...)
		}
		if got, text := w.strata(t, args...); got != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("strata %s: status %d, said %q; want %d with %q", strings.Join(tt.args, " "), got, text, tt.want, tt.says)
		}
	}
}
