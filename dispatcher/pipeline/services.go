package pipeline

import (
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Services are what a worker has for its jobs beside the devices: servers from which devices fetch
// files, and a cache of downloads. The servers run in the worker's process (in that of `strata run`
// for its one job), so a job's process knows them by directory and address only. The zero Services
// has none: a job can be planned, and run where nothing is fetched.
type Services struct {
	TFTP  Export `json:"tftp,omitzero"`
	Web   Export `json:"web,omitzero"`
	Cache Store  `json:"cache,omitzero"`
	// Address is where devices find servers that do not listen everywhere; "" is the worker's own.
	Address string `json:"address,omitempty"`
	// Files says where a job opens the door by which its devices hand files over; nil: it opens none.
	Files *FileDoor `json:"files,omitempty"`
	// State is the worker's own directory, where it keeps the orders of all jobs. What lies below it is
	// no job's to read by a URL. Empty where there is none, as under `strata run`.
	State string `json:"state,omitempty"`
	// Kept stands in for the network where a job is run again from a bundle; else nil.
	Kept *Kept `json:"-"`
}

// Kept is what another run of the job fetched, as files of this machine.
type Kept struct {
	Files map[string]string       // by URL, as plans show it
	Trees map[Repository]KeptTree // of repositories with test definitions
}

// Repository names the state of a git repository in the words of a job definition.
type Repository struct{ URL, Branch, Revision string }

// KeptTree is a repository's content at a commit.
type KeptTree struct{ File, Commit string } // File is a tar

// FileDoor is where doors for files of tests are opened; see package door.
type FileDoor struct {
	Host    string `json:"host,omitempty"`    // to listen on; "" is every address
	Ports   string `json:"ports,omitempty"`   // "42000-42099"; "" is any free one
	Address string `json:"address,omitempty"` // what devices call Host; "" is the worker's own address
}

// Export is a directory whose files a server shows to devices.
type Export struct {
	Dir  string `json:"dir,omitempty"`  // on the worker; jobs write below it
	Path string `json:"path,omitempty"` // of Dir on the server: "", "strata-w1"
	Port int    `json:"port,omitempty"` // 0 is the protocol's own
	// Fault says why devices cannot be served though Dir may be there: port 69 is somebody else's.
	Fault string `json:"fault,omitempty"`
}

// Store is a directory of the worker that holds what jobs downloaded.
type Store struct {
	Dir   string `json:"dir,omitempty"`
	Limit int64  `json:"limit,omitempty"` // bytes; 0 is none
}

// path returns how a device asks the server for a file of the directory, without a slash before it.
func (e Export) path(file string) (string, error) {
	below, err := filepath.Rel(e.Dir, file)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return "", Blamef(Bug, "%s is not below %s, which the server shows to devices", file, e.Dir)
	}
	return path.Join(e.Path, filepath.ToSlash(below)), nil
}

// Services returns what the worker has for jobs.
func (s *Session) Services() Services { return s.shared.services }

// TFTPDir makes a new directory for the step below the TFTP server's root, named
// <job>/<action>-<random>; the end of the job removes it. What lies in it is served once other
// users may read it (0644), read-only. Planning may call it: where the worker has no TFTP server the
// directory is one of the job's own, and TFTPReady tells.
func (s *Session) TFTPDir() (string, error) { return s.DirUnder(s.tftp().Dir) }

// TFTPPath returns the name under which a device asks for a file below a TFTPDir, such as
// 42/tftp-deploy-1x2y3z/kernel/zImage: what Served and TFTPSuffix hold.
func (s *Session) TFTPPath(file string) (string, error) { return s.tftp().path(file) }

// TFTPReady returns an Infrastructure error where devices cannot be served by TFTP. An action that
// needs it asks when it runs, not while planning.
func (s *Session) TFTPReady() error {
	switch e := s.shared.services.TFTP; {
	case e.Fault != "":
		return Blamef(Infrastructure, "the worker serves no TFTP: %s", e.Fault)
	case e.Dir == "":
		return Blamef(Infrastructure, "the worker serves no TFTP")
	}
	return nil
}

// tftp returns the TFTP server's export, or a directory of the job's own in its place.
func (s *Session) tftp() Export {
	e := s.shared.services.TFTP
	if e.Dir == "" {
		e.Dir = filepath.Join(s.shared.dir, "tftp")
	}
	return e
}

// WebURL returns the URL from which a device gets a file of the job's scratch directory (any file of
// Dir or JobDir that other users may read). It is an Infrastructure error where the worker has no
// web server.
func (s *Session) WebURL(file string) (string, error) {
	e := s.shared.services.Web
	switch {
	case e.Fault != "":
		return "", Blamef(Infrastructure, "the worker serves no HTTP: %s", e.Fault)
	case e.Dir == "":
		return "", Blamef(Infrastructure, "the worker serves no HTTP")
	}
	// The server may know the directory by another name.
	dir, err1 := filepath.EvalSymlinks(e.Dir)
	real, err2 := filepath.EvalSymlinks(filepath.Dir(file))
	if err1 != nil || err2 != nil {
		dir, real = e.Dir, filepath.Dir(file) // not made yet: a plan shows it all the same
	}
	name, err := Export{Dir: dir, Path: e.Path}.path(filepath.Join(real, filepath.Base(file)))
	if err != nil {
		return "", err
	}
	host, err := s.WebHost()
	if err != nil {
		return "", err
	}
	return "http://" + host + "/" + name, nil
}

// WebHost returns host, or host:port, of the worker's web server as devices reach it.
func (s *Session) WebHost() (string, error) {
	host, err := s.DispatcherIP("http")
	if err != nil {
		return "", err
	}
	// A port in dispatcher_http_ip is that of a proxy or a forwarded one, and wins.
	if port := s.shared.services.Web.Port; port != 0 && port != 80 && !strings.Contains(host, ":") {
		host += ":" + strconv.Itoa(port)
	}
	return host, nil
}

// DoorHost returns the host at which devices find the job's doors: the configured address of the worker
// without a port, else what the offer says.
func (s *Session) DoorHost() (string, error) {
	configured := s.Dispatcher.Get("dispatcher_http_ip").Text() + s.Dispatcher.Get("dispatcher_ip").Text()
	if files := s.shared.services.Files; configured == "" && files != nil && files.Address != "" {
		return files.Address, nil
	}
	host, err := s.DispatcherIP("http")
	if name, _, split := net.SplitHostPort(host); split == nil {
		host = name
	}
	return host, err
}

// PublicFile lets other users read a file, without which no server shows it.
func PublicFile(file string) error {
	if err := os.Chmod(file, 0o644); err != nil {
		return Blame(Infrastructure, fmt.Errorf("let servers read %s: %w", file, err))
	}
	return nil
}
