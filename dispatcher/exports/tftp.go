package exports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/pin/tftp/v3"
)

// Limits of the TFTP server.
const (
	transfers   = 256             // at once; each has a socket and a buffer
	answerLimit = 3 * time.Second // for one acknowledgement, before the block is sent again
	resends     = 6               // of one block
)

// tftpServer sends the files of a directory's folders.
type tftpServer struct {
	dir    string
	logger *slog.Logger
	free   chan struct{} // holds a token for each transfer that may begin
	server *tftp.Server
}

func newTFTP(dir string, logger *slog.Logger) *tftpServer {
	s := &tftpServer{dir: dir, logger: logger, free: make(chan struct{}, transfers)}
	s.server = tftp.NewServer(s.send, nil) // no writing
	s.server.SetTimeout(answerLimit)
	s.server.SetRetries(resends)
	return s
}

// serve answers until ctx ends, and waits for the transfers that are under way.
func (s *tftpServer) serve(ctx context.Context, conn *net.UDPConn) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		s.server.Shutdown()
	}()
	if err := s.server.Serve(conn); err != nil {
		s.logger.Error("TFTP server ended", "error", err)
	}
	<-stopped
}

// send is one transfer.
func (s *tftpServer) send(name string, to io.ReaderFrom) error {
	select {
	case s.free <- struct{}{}:
		defer func() { <-s.free }()
	default:
		return errors.New("Server is busy") //nolint:staticcheck // shown on consoles
	}
	from := ""
	if transfer, ok := to.(tftp.OutgoingTransfer); ok {
		addr := transfer.RemoteAddr()
		from = addr.String()
	}
	folder, rest, err := split(name)
	if err != nil {
		s.logger.Info("TFTP refused", "name", name, "client", from)
		return err
	}
	f, info, err := open(filepath.Join(s.dir, folder), rest)
	if err != nil {
		s.logger.Info("TFTP refused", "name", name, "client", from, "error", err)
		return err
	}
	defer f.Close()
	// The library finds the size out by seeking, which a file allows.
	n, err := to.ReadFrom(f)
	if err != nil {
		s.logger.Info("TFTP transfer broke", "name", name, "client", from, "bytes", n, "error", err)
		return fmt.Errorf("send: %w", err)
	}
	s.logger.Debug("TFTP sent", "name", name, "client", from, "bytes", info.Size())
	return nil
}

// errTooLong says that a server sent more than was asked for.
var errTooLong = errors.New("the file is longer than it can be")

// Fetch gets a file of at most limit bytes from the TFTP server at address, host:port. It gives up
// after about two seconds without an answer.
func Fetch(address, name string, limit int) ([]byte, error) {
	client, err := tftp.NewClient(address)
	if err != nil {
		return nil, fmt.Errorf("fetch %s from %s: %w", name, address, err)
	}
	client.SetTimeout(500 * time.Millisecond)
	client.SetRetries(8) // four seconds in all: a machine that is busy is not one that does not serve
	client.SetBackoff(func(int) time.Duration { return 0 })
	in, err := client.Receive(name, "octet")
	if err != nil { // a server's own words end with a zero byte, as they came
		return nil, fmt.Errorf("fetch %s from %s: %s", name, address, strings.TrimRight(err.Error(), "\x00"))
	}
	content := &bounded{left: limit}
	if _, err := in.WriteTo(content); err != nil {
		return nil, fmt.Errorf("fetch %s from %s: %w", name, address, err)
	}
	return content.Bytes(), nil
}

// bounded is a buffer that takes so many bytes and no more.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}
