package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"strata/events/access"
	"strata/events/dial"
)

// ready is what `strata up` writes to its --ready file once everything serves, and to the place
// where the commands of the same user look for a running lab.
// Scripts read the --ready file: its fields are kept, others may come. It holds a credential and is
// readable by its owner alone.
type ready struct {
	NATS  string `json:"nats"`            // nats://127.0.0.1:4222
	HTTP  string `json:"http"`            // http://127.0.0.1:8080
	SQL   string `json:"sql"`             // http://127.0.0.1:8123, the door
	Token string `json:"token,omitempty"` // the administrator's credential
	Data  string `json:"data,omitempty"`  // the data directory
	PID   int    `json:"pid,omitempty"`

	Config string `json:"config,omitempty"` // the configuration file, absolute; none was named: ""

	Engine string `json:"engine,omitempty"` // DSN of the engine that the lab runs itself, behind the door

	Before *ready `json:"before,omitempty"` // of a note: the lab that was found until this one came
}

// readyPath returns where a user's running lab is noted: the runtime directory, which the system
// empties at log-out, or the cache where there is none.
func (a *app) readyPath() string {
	if dir := a.env("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "strata", "up.json")
	}
	return filepath.Join(a.cacheDir(), "up.json")
}

// cacheDir returns the user's cache of Strata.
func (a *app) cacheDir() string {
	if dir := a.env("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "strata")
	}
	return filepath.Join(a.env("HOME"), ".cache", "strata")
}

// defaultData returns where `strata up` keeps a lab unless told otherwise.
func (a *app) defaultData() string {
	if dir := a.env("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "strata")
	}
	return filepath.Join(a.env("HOME"), ".local", "share", "strata")
}

// errNoLab says that there is neither a --server nor a local lab.
var errNoLab = errors.New("no lab found: start one with `strata up`, or name its address with --server or STRATA_SERVER")

// local returns the lab that commands talk to unless told otherwise: the user's own `strata up`, or the one
// that runs as a service of this machine.
// The user's own lab comes first: whoever has started one by hand is trying something out.
func (a *app) local() (ready, error) {
	own, err := a.noted()
	if err == nil && own.running() != nil {
		return own, nil
	}
	if r, found := a.installed(); found {
		return r, nil
	}
	return own, err
}

// noted returns the note of the user's running `strata up`.
func (a *app) noted() (ready, error) {
	body, err := os.ReadFile(a.readyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return ready{}, errNoLab
	}
	if err != nil {
		return ready{}, fmt.Errorf("look for a local lab: %w", err)
	}
	var r ready
	if err := json.Unmarshal(body, &r); err != nil {
		return ready{}, fmt.Errorf("look for a local lab in %s: %w", a.readyPath(), err)
	}
	return r, nil
}

// alive reports whether a lab's process still runs.
// EPERM says that there is such a process, of somebody else. A number that another process has by now
// passes for a lab: the connection then fails, and says where it was looked for.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// running returns the newest lab of a chain of notes whose process still runs, or nil.
func (r *ready) running() *ready {
	for r != nil && !alive(r.PID) {
		r = r.Before
	}
	return r
}

// note writes where this lab is found, for the user's other commands. The returned function takes
// the note away: what was found before is found again, and a later lab keeps its own note.
// Two labs of one user that come and go in any order always leave the note of one that runs, which is
// what the chain of notes is for.
func (a *app) note(r ready) (remove func(), err error) {
	path := a.readyPath()
	if was, err := a.noted(); err == nil && was.PID != r.PID {
		r.Before = was.running()
	}
	if err := writeSecret(path, r); err != nil {
		return nil, fmt.Errorf("note where the lab is: %w", err)
	}
	return func() {
		now, err := a.noted()
		if err != nil {
			return
		}
		rest := &now
		if now.PID == r.PID {
			rest = now.Before.running()
		}
		for n := rest; n != nil && n.Before != nil; n = n.Before {
			if n.Before.PID == r.PID {
				n.Before = n.Before.Before
			}
		}
		if rest == nil {
			_ = os.Remove(path) // a note left behind is found stale by who reads it
			return
		}
		_ = writeSecret(path, *rest)
	}, nil
}

// credential returns the administrator's credential of a lab that the user runs on this machine, "" of any
// other: it is shown to nobody else.
// A token must not go to an address that somebody has put into an environment variable: it is given to
// the addresses of the user's own labs and no others.
func (a *app) credential(address string) string {
	if r, found := a.installed(); found && (sameAddress(r.NATS, address) || sameAddress(r.HTTP, address)) {
		return r.Token
	}
	noted, err := a.noted()
	if err != nil {
		return ""
	}
	for r := noted.running(); r != nil; r = r.Before.running() {
		if sameAddress(r.NATS, address) || sameAddress(r.HTTP, address) {
			return r.Token
		}
	}
	return ""
}

// sameAddress says that two addresses of a lab name the same port of the same host.
// Schemes are not compared: the bus and the pages of one port have different ones.
func sameAddress(a, b string) bool {
	u, err := url.Parse(a)
	v, err2 := url.Parse(b)
	if err != nil || err2 != nil || u.Port() != v.Port() {
		return false
	}
	host := func(u *url.URL) string { return strings.Replace(u.Hostname(), "localhost", "127.0.0.1", 1) }
	return host(u) == host(v)
}

// hasUser says that an address names a user and a password: that of services.
func hasUser(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User != nil
}

// dial connects to the lab's broker as the person that the token names; the options come last.
// A lab that does not answer at first is an error at once; one that goes away later is waited for, for
// ever.
func (a *app) dial(name string, options ...nats.Option) (*nats.Conn, error) {
	address, token, found := a.server, a.token, ""
	if address == "" {
		r, err := a.local()
		if err != nil {
			return nil, err
		}
		address, found = r.NATS, a.readyPath()
	}
	if token == "" && !hasUser(address) {
		token = a.credential(address)
	}
	all := append([]nats.Option{nats.Name(name), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { fmt.Fprintf(a.err, "strata: %v\n", err) })}, options...)
	if !hasUser(address) {
		_, inbox := access.Bearer(token)
		all = append(all, nats.CustomInboxPrefix(inbox))
	}
	if token != "" {
		all = append(all, nats.Token(token))
	}
	conn, err := dial.Connect(address, all...)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("the lab at %s does not know this token: give --token or STRATA_TOKEN", address)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return nil, fmt.Errorf("connect to %s: %w; where the lab has its own authority, name that: SSL_CERT_FILE=lab-ca.pem", strings.TrimSuffix(address, "/"), err)
	case found != "":
		return nil, fmt.Errorf("the lab noted in %s does not answer at %s: start it with `strata up`, or name another with --server", found, address)
	default:
		return nil, fmt.Errorf("connect to %s: %w; a lab's address is such as https://lab.example.com, or that of its bus, such as nats://lab.example.com:4222",
			strings.TrimSuffix(address, "/"), err)
	}
}
