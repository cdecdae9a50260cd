package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Settings say how [Start] runs the engine's process.
type Settings struct {
	Command  []string // program and first arguments, such as {"/usr/bin/strata", "clickhouse"}; gets --path and --listen
	Path     string   // data directory
	Listen   string   // address of the front; "" or port 0 takes a free port on loopback
	Database string   // named in the DSN; "" is default
	Logger   *slog.Logger
	Stderr   io.Writer // where the child's messages go; nil drops them
}

// Supervisor keeps one engine process running.
type Supervisor struct {
	settings Settings
	address  string
	log      *slog.Logger
	done     chan struct{}

	mu  sync.Mutex
	pid int // of the process that runs now; 0 between two
}

// startLimit is how long a new engine process may take until it answers. A cold start was seen to
// take 13 s on a busy host, nearly all of it reading the library.
const startLimit = 2 * time.Minute

// Start runs the engine as a child process and returns once it answers. From then on the child is
// started again whenever it dies, on the same address, until ctx ends; [Supervisor.Wait] waits for
// its end. Without the library Start returns [ErrNoLibrary] at once.
func Start(ctx context.Context, s Settings) (*Supervisor, error) {
	if _, err := Library(); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		address, err := freeAddress(s.Listen)
		if err != nil {
			return nil, err
		}
		v, err := start(ctx, s, address)
		// A port that was free may be taken when the child listens.
		if err == nil || attempt == 5 || address == s.Listen || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			return v, err
		}
	}
}

// start runs the engine at an address and returns once it answers there.
func start(ctx context.Context, s Settings, address string) (*Supervisor, error) {
	log := s.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &Supervisor{settings: s, address: address, log: log, done: make(chan struct{})}
	ready := make(chan error, 1)
	go v.keep(ctx, ready)
	select {
	case err := <-ready:
		if err != nil {
			return nil, err
		}
		return v, nil
	case <-ctx.Done():
		<-v.done
		return nil, ctx.Err()
	}
}

// DSN returns where clickhouse-go finds the engine, in the driver's form. Projectors need
// async_insert=0: ClickHouse 26 makes inserts asynchronous by default, and deduplication tokens and
// read-your-writes then do not hold.
func (v *Supervisor) DSN() string {
	database := v.settings.Database
	if database == "" {
		database = "default"
	}
	return "http://default@" + v.address + "/" + database + "?async_insert=0"
}

// Address returns the front's TCP address.
func (v *Supervisor) Address() string { return v.address }

// PID returns the process id of the engine, 0 while none runs.
func (v *Supervisor) PID() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pid
}

// Wait returns once ctx has ended and the child with it.
func (v *Supervisor) Wait() { <-v.done }

// keep runs one child after the other until ctx ends. It reports on ready once: nil when the first
// child answers, or why it ended before it did.
func (v *Supervisor) keep(ctx context.Context, ready chan<- error) {
	defer close(v.done)
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	first, pause := true, shortest
	for ctx.Err() == nil {
		answered, err := v.run(ctx, func() {
			if first {
				ready <- nil
			}
		})
		if ctx.Err() != nil {
			return
		}
		if first && !answered {
			ready <- err
			return
		}
		first = false
		if answered {
			pause = shortest
		}
		v.log.Error("engine died, starting it again", "err", err, "after", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}

// run runs one child to its end. It calls up once the child answers, and reports whether it did.
func (v *Supervisor) run(ctx context.Context, up func()) (answered bool, err error) {
	arguments := append(append([]string{}, v.settings.Command[1:]...), "--path", v.settings.Path, "--listen", v.address)
	cmd := exec.CommandContext(ctx, v.settings.Command[0], arguments...)
	cmd.Env = append(os.Environ(), supervised+"=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	said := &tail{to: v.settings.Stderr}
	cmd.Stderr = said
	lifeline, err := cmd.StdinPipe() // closes with this process, and the child ends
	if err != nil {
		return false, fmt.Errorf("start the engine: %w", err)
	}
	defer lifeline.Close()
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start the engine: %w", err)
	}
	v.setPID(cmd.Process.Pid)
	defer v.setPID(0)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	answer := make(chan error, 1)
	probing, stopProbing := context.WithTimeout(ctx, startLimit)
	defer stopProbing()
	go func() { answer <- awaitAnswer(probing, v.address) }()
	select {
	case err = <-ended:
		stopProbing()
		<-answer
	case err = <-answer:
		if err != nil {
			err = errors.Join(err, cmd.Process.Kill())
			<-ended
			break
		}
		answered = true
		up()
		err = <-ended
	}
	return answered, fmt.Errorf("engine process ended: %w%s", orEnded(err), said)
}

func (v *Supervisor) setPID(pid int) {
	v.mu.Lock()
	v.pid = pid
	v.mu.Unlock()
}

var errExited = errors.New("exit status 0, unasked")

func orEnded(err error) error {
	if err == nil {
		return errExited
	}
	return err
}

// awaitAnswer asks the front for /ping until it answers or ctx ends.
func awaitAnswer(ctx context.Context, address string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/ping", nil)
		if err != nil {
			return fmt.Errorf("ask the engine on %s: %w", address, err)
		}
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it says %s", response.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("engine on %s does not answer: %w", address, err)
		case <-tick.C:
		}
	}
}

// freeAddress turns port 0 into a free port, once: the DSN stays the same over restarts.
func freeAddress(listen string) (string, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if _, port, err := net.SplitHostPort(listen); err != nil {
		return "", fmt.Errorf("engine's address %q: %w", listen, err)
	} else if port != "0" {
		return listen, nil
	}
	probe, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("find a free port for the engine: %w", err)
	}
	defer probe.Close()
	return probe.Addr().String(), nil
}

// tail passes a child's messages on and keeps their end for the error.
type tail struct {
	to   io.Writer
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.last = append(t.last, p...)
	if over := len(t.last) - 1024; over > 0 {
		t.last = t.last[over:]
	}
	t.mu.Unlock()
	if t.to != nil {
		return t.to.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.last)); text != "" {
		return "; it said: " + text
	}
	return ""
}
