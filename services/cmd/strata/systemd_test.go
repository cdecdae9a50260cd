package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLabAsService holds how a lab that is a service of the machine is found: by everybody with its address, and
// with the administrator's credential by who may read that. A lab of the user's own comes first.
func TestLabAsService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(&bytes.Buffer{})
	run, data := t.TempDir(), t.TempDir()
	a.serviceDir = run
	if _, err := a.local(); err == nil {
		t.Fatal("found a lab where there is none")
	}
	lab := ready{NATS: "nats://127.0.0.1:4222", HTTP: "http://127.0.0.1:8080", Data: data, PID: os.Getpid(), Token: "secret", Engine: "http://user:pass@127.0.0.1:1"}
	if err := a.publish(lab); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(run, "*")); len(files) > 0 {
		t.Fatalf("a lab that nobody runs as a service published itself: %s", files)
	}
	w.env["RUNTIME_DIRECTORY"] = run
	if err := a.publish(lab); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(run, "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret") || strings.Contains(string(text), "pass") {
		t.Errorf("everybody on the machine reads a credential: %s", text)
	}
	if info, err := os.Stat(filepath.Join(run, "lab.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("lab.json: %v, %v; everybody has to read it", info.Mode(), err)
	}
	found, err := a.local()
	if err != nil || found.NATS != lab.NATS || found.Token != "" {
		t.Errorf("found %+v, %v; want the service, and no credential, which is not there", found, err)
	}
	write(t, data, "administrator", "strata1_admin\n")
	if token := a.credential("http://localhost:8080"); token != "strata1_admin" {
		t.Errorf("credential of the service %q; want the administrator's, which can be read", token)
	}
	if token := a.credential("http://localhost:8081"); token != "" {
		t.Errorf("credential of another address: %q", token)
	}
	whole, err := json.Marshal(lab)
	if err != nil {
		t.Fatal(err)
	}
	write(t, run, "up.json", string(whole))
	if found, err := a.local(); err != nil || found.Engine == "" || found.Token != "secret" {
		t.Errorf("found %+v, %v; want the whole note, which its own user and root can read", found, err)
	}
	delete(w.env, "RUNTIME_DIRECTORY")
	own := ready{NATS: "nats://127.0.0.1:5222", PID: os.Getpid(), Data: w.dir}
	forget, err := a.note(own)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := a.local(); err != nil || found.NATS != own.NATS {
		t.Errorf("found %+v, %v; want the user's own lab", found, err)
	}
	if token := a.credential(lab.NATS); token != "secret" {
		t.Errorf("credential of the service, named by its address: %q", token)
	}
	forget()
	if found, err := a.local(); err != nil || found.NATS != lab.NATS {
		t.Errorf("found %+v, %v after the user's own lab ended; want the service", found, err)
	}
}

// TestShareAdministrator holds that the credential is the group's that is named, and nobody else's.
func TestShareAdministrator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, dir, "administrator", "strata1_admin\n")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if err := shareAdministrator(dir, "no-such-group"); err == nil || !strings.Contains(err.Error(), "administrators: there is no group no-such-group") {
		t.Errorf("a group that there is not: %v", err)
	}
	if got := mode(); got != 0o600 {
		t.Errorf("mode %o after a refusal, want 600", got)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if err := shareAdministrator(dir, group.Name); err != nil || mode() != 0o640 {
		t.Errorf("shared with %s: mode %o, %v; want 640", group.Name, mode(), err)
	}
	if err := shareAdministrator(dir, ""); err != nil || mode() != 0o600 {
		t.Errorf("shared no longer: mode %o, %v; want 600", mode(), err)
	}
}

// TestTellManager holds what a service manager hears.
func TestTellManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(&bytes.Buffer{})
	a.tellManager(managerReady) // nobody started this
	path := filepath.Join(w.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.env["NOTIFY_SOCKET"] = path
	a.tellManager(managerReady)
	buffer := make([]byte, 100)
	n, err := conn.Read(buffer)
	if err != nil || string(buffer[:n]) != "READY=1" {
		t.Errorf("the manager heard %q, %v; want READY=1", buffer[:n], err)
	}
}

// TestOwnedLike holds that what root keeps in a service's directory is the service's.
func TestOwnedLike(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "enrolment.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := ownedLike(f, dir); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if o := info.Sys().(*syscall.Stat_t); o.Uid != 4711 || o.Gid != 4712 {
		t.Errorf("the file belongs to %d:%d, want 4711:4712", o.Uid, o.Gid)
	}
}
