package exports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"strata/dispatcher/pipeline"
)

// Settings say what is served and where. Addresses are as net.Listen takes them; "" serves none.
type Settings struct {
	Dir     string // of the servers: what is served by TFTP, and the ports that were taken
	Worker  string // names the folder on a TFTP server of the host
	TFTP    string // usually ":69". Another port is for devices that are told it
	TFTPDir string // directory of a TFTP server of the host, which is then asked at TFTP, not replaced
	Web     string // usually ":8070"; where the port is taken another is, and kept
	// FilePorts are those of the doors by which jobs' devices hand files over, at the address of Web:
	// "42000-42099", "" for any free one, "none" for no doors.
	FilePorts string
	// Folder returns the scratch directory of the job that the web server calls name, "" for none.
	Folder func(name string) string
	Cache  pipeline.Store
	Logger *slog.Logger
	After  func(time.Duration) <-chan time.Time // time.After, or a clock that a test moves

	hpaConfig string // where tftpd-hpa says what it serves; "" is hpaConfig
}

// again is when what could not be served is tried once more.
const again = 30 * time.Second

// Servers are a worker's servers.
type Servers struct {
	settings Settings
	stop     context.CancelFunc
	running  sync.WaitGroup

	mutex sync.Mutex
	tftp  pipeline.Export
	web   pipeline.Export
}

// Start starts the servers. What cannot be served is a fault in what For returns, not an error: most
// jobs do without. Close ends them.
func Start(ctx context.Context, settings Settings) (*Servers, error) {
	if err := os.MkdirAll(settings.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of the servers: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Servers{settings: settings, stop: stop}
	s.startWeb(ctx)
	if !s.startTFTP(ctx) {
		s.running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-settings.After(again):
				}
				if s.startTFTP(ctx) {
					return
				}
			}
		})
	}
	return s, nil
}

// Close ends the servers and waits for them.
func (s *Servers) Close() {
	s.stop()
	s.running.Wait()
}

// For returns what a job is offered. Folder is the web server's name of its scratch directory.
func (s *Servers) For(folder, scratch string) pipeline.Services {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	web := s.web
	if web.Fault == "" {
		web.Dir, web.Path = scratch, strings.Trim(webPrefix, "/")+"/"+folder
	}
	return pipeline.Services{TFTP: s.tftp, Web: web, Cache: s.settings.Cache, Address: s.settings.address(), Files: s.settings.files()}
}

// files returns where doors are opened: at the address of the web server, since that is where a lab lets
// its devices come in.
func (s Settings) files() *pipeline.FileDoor {
	host, _, err := net.SplitHostPort(s.Web)
	if err != nil || s.FilePorts == "none" {
		return nil
	}
	return &pipeline.FileDoor{Host: host, Ports: s.FilePorts, Address: Settings{Web: s.Web}.address()}
}

// emulatedLoopback is what a device in QEMU's user network calls the loopback of this machine.
const emulatedLoopback = "10.0.2.2"

// address returns where devices find the servers, "" where one of these listens on every address.
func (s Settings) address() (found string) {
	for _, listen := range []string{s.Web, s.TFTP} {
		if listen == "" {
			continue
		}
		host, _, err := net.SplitHostPort(listen)
		ip, parsed := netip.ParseAddr(host)
		switch {
		case err != nil || parsed != nil || ip.IsUnspecified():
			return ""
		case ip.IsLoopback(): // only emulators' devices reach it at all
			found = emulatedLoopback
		default:
			found = ip.String()
		}
	}
	return found
}

// Forget removes what a job left on the TFTP server. Folder is what the job's own is called there:
// the prefix of the dispatcher's configuration and the job's number.
func (s *Servers) Forget(folder string) error {
	s.mutex.Lock()
	dir := s.tftp.Dir
	s.mutex.Unlock()
	if dir == "" || folder == "." || strings.Contains(folder, "/") || !filepath.IsLocal(folder) {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, folder))
}

// startTFTP reports whether TFTP is served, or never will be.
func (s *Servers) startTFTP(ctx context.Context) bool {
	e, err := s.tftpExport(ctx)
	if err != nil {
		e.Fault = err.Error()
		s.settings.Logger.Warn("TFTP cannot be served", "error", err)
	} else if e.Dir == filepath.Join(s.settings.Dir, "tftp") {
		s.settings.Logger.Info("TFTP served", "dir", e.Dir, "port", cmp.Or(e.Port, tftpPort))
	} else if e.Dir != "" {
		s.settings.Logger.Info("TFTP served by the host's own server", "dir", e.Dir, "path", e.Path, "port", cmp.Or(e.Port, tftpPort))
	}
	s.mutex.Lock()
	s.tftp = e
	s.mutex.Unlock()
	return err == nil
}

// tftpExport takes the port, or finds out how to use the server that has it.
func (s *Servers) tftpExport(ctx context.Context) (pipeline.Export, error) {
	settings := s.settings
	own := pipeline.Export{Dir: filepath.Join(settings.Dir, "tftp")}
	host, port, err := hostPort(settings.TFTP)
	switch {
	case settings.TFTPDir != "":
		e, hostErr := hostExport(settings.TFTPDir, settings.Worker, hostAddresses(host, port))
		if port != tftpPort {
			e.Port = port
		}
		return e, errors.Join(err, hostErr)
	case settings.TFTP == "":
		return pipeline.Export{}, nil
	case err != nil:
		return own, err
	}
	if err := os.MkdirAll(own.Dir, 0o755); err != nil {
		return own, fmt.Errorf("make directory of the TFTP server: %w", err)
	}
	address, err := net.ResolveUDPAddr("udp", settings.TFTP)
	if err != nil {
		return own, fmt.Errorf("serve TFTP on %s: %w", settings.TFTP, err)
	}
	conn, err := net.ListenUDP("udp", address)
	if err != nil {
		if port != tftpPort {
			return own, fmt.Errorf("serve TFTP: %w", err)
		}
		theirs, hostErr := s.knownHost(host, port)
		if hostErr != nil {
			return own, fmt.Errorf("serve TFTP: %w", errors.Join(err, hostErr))
		}
		return theirs, nil
	}
	if bound, ok := conn.LocalAddr().(*net.UDPAddr); ok && bound.Port != tftpPort {
		own.Port = bound.Port
	}
	s.running.Go(func() { newTFTP(own.Dir, settings.Logger).serve(ctx, conn) })
	return own, nil
}

// knownHost returns the export of the server that has the port, if its directory can be found out.
func (s *Servers) knownHost(host string, port int) (pipeline.Export, error) {
	dir, err := hpaDirectory(cmp.Or(s.settings.hpaConfig, hpaConfig))
	if err != nil {
		return pipeline.Export{}, err
	}
	return hostExport(dir, s.settings.Worker, hostAddresses(host, port))
}

// tftpPort is where TFTP servers are asked (RFC 1350).
const tftpPort = 69

// hostAddresses lists where a TFTP server of this host may be asked.
func hostAddresses(host string, port int) []string {
	if host != "" {
		return []string{net.JoinHostPort(host, strconv.Itoa(port))}
	}
	var all []string
	for _, ip := range []string{pipeline.DefaultIP(), "127.0.0.1"} {
		all = append(all, net.JoinHostPort(ip, strconv.Itoa(port)))
	}
	return all
}

func hostPort(address string) (host string, port int, err error) {
	if address == "" {
		return "", tftpPort, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("address %q is no host:port: %w", address, err)
	}
	return host, port, nil
}

// startWeb starts the web server, on the port of the last time where there was one: jobs that run know
// it.
func (s *Servers) startWeb(ctx context.Context) {
	if s.settings.Web == "" {
		return
	}
	listener, err := s.listenWeb()
	if err != nil {
		s.web.Fault = err.Error()
		s.settings.Logger.Warn("HTTP cannot be served", "error", err)
		return
	}
	if bound, ok := listener.Addr().(*net.TCPAddr); ok {
		s.web.Port = bound.Port
	}
	s.settings.Logger.Info("HTTP served", "port", s.web.Port)
	s.running.Go(func() {
		serveWeb(ctx, listener, webHandler{folder: s.settings.Folder, logger: s.settings.Logger})
	})
}

func (s *Servers) listenWeb() (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.settings.Web)
	if err != nil {
		return nil, fmt.Errorf("serve HTTP on %s: %w", s.settings.Web, err)
	}
	kept := filepath.Join(s.settings.Dir, "web.port")
	addresses := []string{s.settings.Web, net.JoinHostPort(host, "0")}
	if text, err := os.ReadFile(kept); err == nil {
		addresses = append([]string{net.JoinHostPort(host, strings.TrimSpace(string(text)))}, addresses...)
	}
	var problems []error
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String()) // of a listener: always there
		if err := os.WriteFile(kept, []byte(port+"\n"), 0o644); err != nil {
			listener.Close() // nobody has connected
			return nil, fmt.Errorf("keep the web server's port: %w", err)
		}
		return listener, nil
	}
	return nil, fmt.Errorf("serve HTTP: %w", errors.Join(problems...))
}
