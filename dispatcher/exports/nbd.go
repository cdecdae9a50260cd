package exports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"strata/dispatcher/pipeline"
)

// How long a new NBD server may take to answer, and how often it is asked.
const (
	nbdLimit = 10 * time.Second
	nbdEvery = 50 * time.Millisecond
)

// nbdGreeting is what every NBD server says first (doc/proto.md of the NBD project).
const nbdGreeting = "NBDMAGIC"

// NBD is the host's nbd-server with one file.
type NBD struct {
	Port string // at which it serves, on all addresses of the worker
	File string // the disk
	Dir  string // for its own files

	pid int
}

// Start starts the server, by run, and returns once it answers.
//
// The server detaches itself. One that is told to stay (-d) serves a single connection and ends with
// it, so that a board which connects twice, or one that is booted again, would find nobody.
func (n *NBD) Start(ctx context.Context, run func(ctx context.Context, argv ...string) error) error {
	// A server whose port is taken ends without a word, and with the status of success.
	free, err := net.Listen("tcp", ":"+n.Port)
	if err == nil {
		err = free.Close()
	}
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "nbd-server cannot have port %s: %w", n.Port, err)
	}
	// The host's configuration would add its own exports, their port, and a user who cannot read ours.
	if err := os.WriteFile(n.own("conf"), []byte("[generic]\n"), 0o644); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "configure nbd-server: %w", err)
	}
	if err := run(ctx, "nbd-server", n.Port, n.File, "-p", n.own("pid"), "-C", n.own("conf")); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, nbdLimit)
	defer cancel()
	for {
		err := n.answers(limited)
		if err == nil {
			return nil
		}
		if pipeline.Sleep(limited, nbdEvery) != nil {
			n.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return pipeline.Blamef(pipeline.Infrastructure, "nbd-server does not answer on port %s: %w", n.Port, err)
		}
	}
}

// own returns a file of the server's own.
func (n *NBD) own(kind string) string { return filepath.Join(n.Dir, "nbd-server."+kind) }

// errNoPID says that the server has not begun to serve.
var errNoPID = errors.New("it has not started")

// answers says whether the server answers. That it wrote its number comes first: what answers on the
// port may be somebody else's.
func (n *NBD) answers(ctx context.Context) error {
	text, err := os.ReadFile(n.own("pid"))
	if err != nil {
		return errNoPID
	}
	if n.pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return errNoPID // half of it, as yet
	}
	return greetNBD(ctx, net.JoinHostPort("127.0.0.1", n.Port))
}

// Stop ends the server and its children, one for each connection. It may be called twice.
func (n *NBD) Stop() {
	pid := n.pid
	n.pid = 0
	if pid <= 1 {
		return
	}
	// It may have ended, and its number be another's by now.
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.Contains(string(line), n.own("pid")) {
		return
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // with a client it ignores all others
}

func greetNBD(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	said := make([]byte, len(nbdGreeting))
	if _, err := io.ReadFull(conn, said); err != nil {
		return err
	}
	if string(said) != nbdGreeting {
		return pipeline.Blamef(pipeline.Infrastructure, "another server has the port: it says %q", said)
	}
	return nil
}
