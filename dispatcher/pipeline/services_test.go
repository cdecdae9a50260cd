package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// served returns a session with the worker's services.
func served(t *testing.T, dispatcher string, services Services) *Session {
	t.Helper()
	config, err := ReadYAML([]byte(dispatcher))
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(Inputs{ID: "42", Dir: t.TempDir(), Dispatcher: config, Services: services})
	return s.at(&Step{Action: &fake{name: "tftp-deploy"}})
}

func TestTFTPPlaces(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, tt := range []struct {
		name, dispatcher, path, want string
	}{
		{"own server", "{}", "", "42/tftp-deploy-"},
		{"host's server", "prefix: lab2-", "strata-w1", "strata-w1/lab2-42/tftp-deploy-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := served(t, tt.dispatcher, Services{TFTP: Export{Dir: root, Path: tt.path}})
			dir, err := s.TFTPDir()
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.TFTPPath(filepath.Join(dir, "kernel", "zImage"))
			if err != nil || !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, "/kernel/zImage") {
				t.Errorf("path %q, %v; want %s…/kernel/zImage", got, err, tt.want)
			}
			if err := s.TFTPReady(); err != nil {
				t.Errorf("ready: %v", err)
			}
			if _, err := s.TFTPPath("/etc/passwd"); ClassOf(err) != Bug {
				t.Errorf("a path of another directory: %v", err)
			}
		})
	}
}

func TestWithoutServices(t *testing.T) {
	t.Parallel()
	s := served(t, "{}", Services{})
	dir, err := s.TFTPDir()
	if err != nil || !strings.HasPrefix(dir, s.JobDir()) {
		t.Errorf("planning without a server: directory %q, %v", dir, err)
	}
	if err := s.TFTPReady(); ClassOf(err) != Infrastructure {
		t.Errorf("ready: %v", err)
	}
	if _, err := s.WebURL(filepath.Join(dir, "f")); ClassOf(err) != Infrastructure {
		t.Errorf("web: %v", err)
	}
	taken := served(t, "{}", Services{TFTP: Export{Dir: dir, Fault: "port 69 is taken"}})
	if err := taken.TFTPReady(); ClassOf(err) != Infrastructure || !strings.Contains(err.Error(), "port 69 is taken") {
		t.Errorf("ready with a fault: %v", err)
	}
}

func TestWebURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, dispatcher, want string
		port                   int
	}{
		{"port of the protocol", "dispatcher_ip: 10.0.0.1", "http://10.0.0.1/tmp/42-7/overlay.tar.gz", 80},
		{"another port", "dispatcher_ip: 10.0.0.1", "http://10.0.0.1:8070/tmp/42-7/overlay.tar.gz", 8070},
		{"configured port", "{dispatcher_ip: 10.0.0.1, dispatcher_http_ip: '10.0.0.2:81'}", "http://10.0.0.2:81/tmp/42-7/overlay.tar.gz", 8070},
		{"no host", "dispatcher_ip: '10.0.0.1; reboot'", "", 80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := served(t, tt.dispatcher, Services{Web: Export{Path: "tmp/42-7", Port: tt.port}})
			// The worker names the directory through a link.
			link := filepath.Join(t.TempDir(), "scratch")
			if err := os.Symlink(s.JobDir(), link); err != nil {
				t.Fatal(err)
			}
			s.shared.services.Web.Dir = link
			got, err := s.WebURL(filepath.Join(s.JobDir(), "overlay.tar.gz"))
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("URL %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// Where the worker's servers listen on one address, devices are told that, unless the lab knows better.
func TestAddressOfServers(t *testing.T) {
	t.Parallel()
	for dispatcher, want := range map[string]string{"{}": "10.0.2.2", "dispatcher_ip: 192.0.2.1": "192.0.2.1"} {
		if ip, err := served(t, dispatcher, Services{Address: "10.0.2.2"}).DispatcherIP("http"); ip != want || err != nil {
			t.Errorf("address with %s: %q, %v; want %s", dispatcher, ip, err, want)
		}
	}
}

// A door is where its offer says, unless the lab knows better; a port in the lab's address is another server's.
func TestAddressOfDoors(t *testing.T) {
	t.Parallel()
	for dispatcher, want := range map[string]string{"{}": "10.0.2.2", "dispatcher_ip: 192.0.2.1": "192.0.2.1", "dispatcher_http_ip: 'proxy.example.com:8080'": "proxy.example.com"} {
		if host, err := served(t, dispatcher, Services{Files: &FileDoor{Host: "127.0.0.1", Address: "10.0.2.2"}}).DoorHost(); host != want || err != nil {
			t.Errorf("address with %s: %q, %v; want %s", dispatcher, host, err, want)
		}
	}
}

func TestDefaultAddressIsNotEmpty(t *testing.T) {
	t.Parallel()
	s := served(t, "{}", Services{})
	if ip, err := s.DispatcherIP("tftp"); err != nil || ip == "" {
		t.Errorf("address %q, %v", ip, err)
	}
	table := filepath.Join(t.TempDir(), "route")
	if err := os.WriteFile(table, []byte("Iface Destination\nlo 0000007F 00000000 1 0 0 0 000000FF 0 0 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := defaultAddress(table); err == nil || !strings.Contains(err.Error(), "no default route") {
		t.Errorf("a table without a default route: %v", err)
	}
}
