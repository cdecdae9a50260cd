package download

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

// What the worker's rules forbid is not asked, not by a redirect or a name either.
func TestURLRules(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "secret")
	}))
	t.Cleanup(secret.Close)
	named := strings.Replace(secret.URL, "127.0.0.1", "localhost", 1)
	redirect := httptest.NewServer(http.RedirectHandler(named+"/x", http.StatusFound))
	t.Cleanup(redirect.Close)
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("f"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, url, rules, want string }{
		{"scheme", "file://" + file, "{schemes: [http]}", "schemes http only"},
		{"host", secret.URL + "/x", "{hosts: ['example']}", "host '127.0.0.1'"},
		{"address", secret.URL + "/x", "{private: deny}", "private address 127.0.0.1"},
		{"name of an address", named + "/x", "{private: deny}", "private address"},
		{"redirect to a host", redirect.URL + "/x", "{deny_hosts: [localhost]}", "host 'localhost'"},
		{"rules that are none", secret.URL + "/x", "{private: perhaps}", "neither allow nor deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for step, act := range map[string]func(*job) error{
				"validate": func(j *job) error { return j.validate(t) },
				"run":      func(j *job) error { return j.run(t) },
			} {
				if step == "run" && strings.HasPrefix(tt.url, "file:") {
					continue // never comes to run
				}
				j := newJob(t, tt.url, "")
				j.dispatcher = parse(t, "url_rules: "+tt.rules)
				if err := act(j); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", step, err, tt.want)
				}
				if len(j.waits) != 0 {
					t.Errorf("%s: it was tried %d times", step, len(j.waits)+1)
				}
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	j := newJob(t, redirect.URL+"/x", "")
	j.dispatcher = parse(t, "url_rules: {private: deny, private_except: [127.0.0.1, '::1']}")
	if err := j.run(t); err != nil || j.got != "secret" {
		t.Errorf("an exception: %q, %v", j.got, err)
	}
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	w, err := archive.Writer(archive.Gzip, &bomb)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, bomb.Bytes())
	for limit, want := range map[int]bool{10 << 20: true, 10<<20 - 1: false} {
		j := newJob(t, s.URL+"/zeros.gz", "compression: gz")
		j.dispatcher = parse(t, fmt.Sprintf("download_size_limit: %d", limit))
		err := j.run(t)
		if want && err != nil || !want && (pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "download_size_limit")) {
			t.Errorf("limit %d: %v", limit, err)
		}
		if !want {
			j.wantNothingLeft(t)
		}
	}
}

// Programs that connect by themselves are not started for what the rules forbid.
func TestURLRulesOfPrograms(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	dispatchertest.Programs(t, "*) : >"+started+"; echo 1;;", "ssh", "rclone")
	for _, tt := range []struct{ name, url, rules, secrets, want string }{
		{"scp to a private address", "scp://localhost/f", "{private: deny}", "", "private address"},
		{"a remote with settings of the job's own", "rclone://lab,type=local/etc/passwd", "{}", "", "names no remote of rclone"},
		{"an option", "rclone://-v/etc/passwd", "{}", "", "names no remote of rclone"},
		{"a scheme", "rclone://lab/f", "{schemes: [https]}", "", "schemes https only"},
		{"a remote of the job's own", "rclone://mine/f", "{private: deny}", "{rclone_config: '[mine]'}", "do not allow a configuration of rclone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, tt.url, "")
			j.dispatcher = parse(t, "url_rules: "+tt.rules)
			if tt.secrets != "" {
				j.secrets = parse(t, tt.secrets)
			}
			if err := j.validate(t); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, err := os.Stat(started); err == nil {
				t.Error("the program was started")
			}
		})
	}
}
