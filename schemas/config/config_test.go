package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	file := write(t, `
name: Labor Süd
data: /srv/strata
listen: {http: "0.0.0.0:80", metrics: "127.0.0.1:0"}
broker:
  url: nats://broker:4222
  allow_lossy: yes
  replicas: 3
  output_bytes: 64GiB
jobs:
  first: 100001
  worker_loss_limit: 1h30m
  output_limit: 1.5MiB
  file_limit: 5MiB
  queue_timeout: 0
  extra_context: [my_var, other]
space:
  server: 4096
  worker:
log: {level: debug, format: json}
worker:
`)
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Name = "Labor Süd"
	want.Data = "/srv/strata"
	want.Listen.HTTP, want.Listen.Metrics = "0.0.0.0:80", "127.0.0.1:0"
	want.Broker = Broker{URL: "nats://broker:4222", AllowLossy: true, Replicas: 3, OutputBytes: 64 << 30}
	want.Jobs = Jobs{First: 100001, WorkerLossLimit: 90 * time.Minute, OutputLimit: 3 << 19, FileLimit: 5 << 20, FilesLimit: 64 << 20, ExtraContext: []string{"my_var", "other"}}
	want.Space.Server = 4096
	want.Log = Log{"debug", "json"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load:\n got %+v\nwant %+v", got, want)
	}
	if got, err := Load(""); err != nil || !reflect.DeepEqual(got, Defaults()) {
		t.Errorf("Load of no file = %+v, %v, want the defaults", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		line int
		says []string
	}{
		{"data: /a\nlisten:\n  htp: x\n", 3, []string{"unknown key listen.htp", "allow_plaintext, coordinator, events, http, metrics, metrics_open, nats, sql, tls, trusted_proxy"}},
		{"data: /a\nname: ' east'\n", 2, []string{"name", `" east"`, "one line of text"}},
		{"name: ''\n", 1, []string{"name", "has 0 characters", "1 to 40"}},
		{"name: " + strings.Repeat("ü", 41) + "\n", 1, []string{"name", "has 41 characters"}},
		{"jobs:\n  first: none\n", 2, []string{"jobs.first", "from 1", "'none'"}},
		{"jobs:\n  first: 0\n", 2, []string{"jobs.first", "from 1"}},
		{"jobs:\n  worker_loss_limit: 10\n", 2, []string{"jobs.worker_loss_limit", "10m", "found 10"}},
		{"jobs:\n  worker_loss_limit: -1m\n", 2, []string{"jobs.worker_loss_limit"}},
		{"retention:\n  logs: soon\n", 2, []string{"retention.logs", "90d", "'soon'"}},
		{"retention:\n  logs: 90d\n  results: 90\n", 3, []string{"retention.results", "found 90"}},
		{"retention:\n  measurements: -1d\n", 2, []string{"retention.measurements"}},
		{"retention:\n  history: 1.5d\n", 2, []string{"retention.history"}},
		{"retention: {query_items: 900000000w}", 1, []string{"retention.query_items"}},
		{"retention:\n  log_lines: 90d\n", 2, []string{"unknown key retention.log_lines", "history, logs, measurements, query_items, results"}},
		{"data: /a\njobs:\n  first: 1\ndata: /b\n", 4, []string{"key 'data' stands twice", "line 1"}},
		{"retention: {logs: 1d, logs: 2d}", 1, []string{"key 'logs' stands twice"}},
		{"jobs:\n  output_limit: much\n", 2, []string{"jobs.output_limit", `"much"`, "64KiB"}},
		{"jobs: {output_limit: -1}", 1, []string{"jobs.output_limit"}},
		{"jobs: {extra_context: x}", 1, []string{"jobs.extra_context", "list"}},
		{"log: {level: loud}", 1, []string{"log.level", `"loud"`, "debug, info, warn, error"}},
		{"worker: {file_ports: 42099-42000}", 1, []string{"worker.file_ports", `"42099-42000"`, "such as 42000-42099"}},
		{"worker: {file_ports: any}", 1, []string{"worker.file_ports", `"any"`, "none opens none"}},
		{"worker: {file_ports: '0-70000'}", 1, []string{"worker.file_ports"}},
		{"notify:\n  allow: [127.0.0.1, '10.0.0.0/8', localhost]\n", 2, []string{"notify.allow", `"localhost"`, "10.0.0.0/8"}},
		{"notify: {allow: ['10.0.0.0/33']}", 1, []string{"notify.allow", `"10.0.0.0/33"`}},
		{"notify: {hosts: ['*.example.com', '[a']}", 1, []string{"notify.hosts", `"[a"`, "*.example.com"}},
		{"listen: {tls: {cert: x}}", 1, []string{"unknown key listen.tls.cert", "certificate, key"}},
		{"listen: {tls: x}", 1, []string{"listen.tls", "mapping"}},
		{"listen: {trusted_proxy: [10.0.0.0/8, proxy]}", 1, []string{"listen.trusted_proxy", `"proxy"`, "10.0.0.0/8"}},
		{"listen: {trusted_proxy: 10.0.0.1}", 1, []string{"listen.trusted_proxy", "list"}},
		{"limits: {token_rate: 0}", 1, []string{"limits.token_rate", "from 1 to 1000000"}},
		{"limits: {body: much}", 1, []string{"limits.body", "64KiB"}},
		{"broker: {websocket: 'nats://broker:4222'}", 1, []string{"broker.websocket", "ws://broker:4223"}},
		{"broker: {allow_lossy: 3}", 1, []string{"broker.allow_lossy", "true or false"}},
		{"broker: {replicas: 9}", 1, []string{"broker.replicas", "1 to 5"}},
		{"data: [a]", 1, []string{"data", "text", "list"}},
		{"jobs: 3", 1, []string{"jobs", "mapping", "integer"}},
		{"- data", 1, []string{"the file", "mapping"}},
		{"a: b: c", 1, []string{"mapping values"}},
		{"server: x\n", 1, []string{"unknown key server", "broker, clickhouse, data"}},
	}
	for _, tt := range tests {
		_, err := Load(write(t, tt.text))
		var bad *Error
		if !errors.As(err, &bad) || bad.Line != tt.line {
			t.Errorf("Load(%q) = %v, want an error in line %d", tt.text, err, tt.line)
			continue
		}
		for _, word := range tt.says {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("Load(%q) = %v, want it to say %q", tt.text, err, word)
			}
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of a missing file = %v, want os.ErrNotExist", err)
	}
}

func TestPortsOfFiles(t *testing.T) {
	t.Parallel()
	for _, ports := range []string{"", "none", "42000", "42000-42099"} {
		if got, err := Load(write(t, "worker: {file_ports: '"+ports+"'}\nretention: {files: 24h}")); err != nil || got.Worker.Ports != ports || got.Retention.Files != 24*time.Hour {
			t.Errorf("ports %q: got %q, %v", ports, got.Worker.Ports, err)
		}
	}
}

func TestSettingsName(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		if s.About == "" {
			t.Errorf("key %s has no explanation", s.Key)
		}
	}
	// A default that is printed must be one that is taken.
	for _, s := range Settings() {
		top, key, nested := strings.Cut(s.Key, ".")
		text := s.Key + ": " + s.Default
		if nested {
			text = top + ":\n  " + key + ": " + s.Default
		}
		if got, err := Load(write(t, text)); err != nil {
			t.Errorf("Load(%q): %v", text, err)
		} else if want := Defaults(); got.Jobs.First != want.Jobs.First || got.Space != want.Space {
			t.Errorf("Load(%q) = %+v, want the defaults", text, got)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "12": 12, "1KiB": 1024, "2 MiB": 2 << 20, "1.5GiB": 3 << 29, "1TB": 1e12, "7B": 7} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
		if back, err := ParseSize(FormatSize(want)); err != nil || back != want {
			t.Errorf("ParseSize(FormatSize(%d)) = %d, %v", want, back, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1XB", "1e40", "NaN"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "strata.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLengths(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{"0": 0, "90d": 90 * day, "2w": 14 * day, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "0d": 0} {
		c, err := Load(write(t, "retention: {logs: "+text+"}"))
		if err != nil || c.Retention.Logs != want {
			t.Errorf("retention.logs %s = %s, %v; want %s", text, c.Retention.Logs, err, want)
		}
	}
}
