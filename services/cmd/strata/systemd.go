package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// serviceDirectory is where a lab that runs as a service of the machine says where it is: the unit's
// RuntimeDirectory, which goes as the service does.
const serviceDirectory = "/run/strata"

// workerDirectory is the data directory of the worker that is a service of the machine.
const workerDirectory = "/var/lib/strata-worker"

// What a service manager is told of a process that it started with Type=notify; see sd_notify(3).
const (
	managerReady    = "READY=1"
	managerStopping = "STOPPING=1"
)

// tellManager tells the service manager that started this process, if one did, how it stands. A manager that
// does not listen is its own trouble: the process goes on.
// It works without the library of systemd: the protocol is one datagram to a socket, whose name may
// begin with @ (abstract).
func (a *app) tellManager(state string) {
	socket := a.env("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// publish tells everybody on the machine where a lab is that runs as a service. Who may ask it something is
// another matter: no credential is in this file.
// The file is for all to read and takes its name when it is whole; systemd takes the directory away
// with the service.
func (a *app) publish(r ready) error {
	dir := a.env("RUNTIME_DIRECTORY") // systemd's, where the unit asks for one
	if dir == "" {
		return nil
	}
	r.Token, r.Engine, r.Before = "", "", nil
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode where the lab is: %w", err)
	}
	path := filepath.Join(dir, "lab.json")
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("tell the machine where the lab is: %w", err)
	}
	// The service's mask may have taken bits away, and then nobody else would find the lab.
	if err := os.Chmod(path+".new", 0o644); err != nil {
		return fmt.Errorf("tell the machine where the lab is: %w", err)
	}
	return os.Rename(path+".new", path)
}

// installed returns the lab that runs as a service of this machine: all of its note to its own user and to root, to
// others where it is. With it comes the administrator's credential for who may read that.
// A note whose process is gone is passed over: the directory stays where a service was killed.
func (a *app) installed() (ready, bool) {
	if a.serviceDir == "" {
		return ready{}, false
	}
	for _, name := range []string{"up.json", "lab.json"} {
		text, err := os.ReadFile(filepath.Join(a.serviceDir, name))
		if err != nil {
			continue // the first is not for everybody
		}
		var r ready
		if json.Unmarshal(text, &r) != nil || !alive(r.PID) {
			continue
		}
		if r.Token == "" {
			token, _ := os.ReadFile(administratorPath(r.Data)) // who may not is asked for a token
			r.Token = strings.TrimSpace(string(token))
		}
		return r, true
	}
	return ready{}, false
}

// shareAdministrator lets the members of a group of this machine read the administrator's credential, and
// nobody but the lab's own user where no group is named.
// An error ends the start: a lab whose credential is open to the wrong group, or to nobody who needs
// it, should not run.
func shareAdministrator(data, group string) error {
	path := administratorPath(data)
	if group == "" {
		return os.Chmod(path, 0o600)
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("administrators: there is no group %s on this machine", group)
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("administrators: group %s has the number %s", group, g.Gid)
	}
	// The group first: the other way round it would be open to the group that it had.
	if err := os.Chown(path, -1, id); err != nil {
		return fmt.Errorf("administrators: give the credential to group %s, which the lab's user has to be in: %w", group, err)
	}
	return os.Chmod(path, 0o640)
}

// installedWorker tells whether a worker is a service of this machine, and this process may say what it works for.
func (a *app) installedWorker() bool {
	if a.serviceDir == "" || os.Geteuid() != 0 {
		return false
	}
	info, err := os.Stat(workerDirectory)
	return err == nil && info.IsDir()
}

// ownedLike gives a file to the owner of a directory where this process is root: the service that shall read
// the file runs as somebody else.
func ownedLike(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
