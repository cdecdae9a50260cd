package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"strata/schemas/config"
	"strata/services/api/door"
)

// Bounds of a connection to a port of HTTP, whatever is asked there.
const (
	headerTime  = 10 * time.Second // for TLS' handshake and a request's head
	headerBytes = 64 << 10
	idleTime    = 2 * time.Minute // between two requests
	pingAfter   = 30 * time.Second
)

// port is a port of HTTP that serves.
type port struct {
	listener    net.Listener
	connections *door.Connections
	pair        *certificates // nil: plaintext
	server      http.Server
	done        chan error
}

// openPort starts to serve what handler answers, with TLS where there is a certificate.
// It serves from now on, in a goroutine whose end [port.ended] waits for.
func openPort(address string, c config.Config, pair *certificates, logger *slog.Logger, handler *door.Guard) (*port, error) {
	trusted, err := prefixes(c.Listen.TrustedProxy)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w; --listen names another address, port 0 takes a free one", err)
	}
	handler.Trusted = trusted
	p := &port{pair: pair, done: make(chan error, 1)}
	// Beyond the bound the connection that has been quiet longest is closed; behind a trusted proxy
	// all share one address, which is not counted as one.
	p.connections = &door.Connections{Most: min(c.Limits.Connections, filesFor()), PerAddress: c.Limits.AddressConnections, Trusted: trusted}
	p.listener = p.connections.Listener(listener)
	p.server = http.Server{Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		ConnState: p.connections.State, TLSConfig: pair.config(),
		// Of clients that spoke plaintext, did not like the certificate or went away: there is one each second.
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		// A client that is gone without a word is found out, also where it only listens.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, WriteByteTimeout: time.Minute}}
	go func() {
		if pair == nil {
			p.done <- p.server.Serve(p.listener)
			return
		}
		p.done <- p.server.ServeTLS(p.listener, "", "")
	}()
	return p, nil
}

// filesFor is how many connections the process's limit of open files allows for, half of all.
// The other half is for what else the process opens, such as the streams' files.
func filesFor() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		return 1 << 30
	}
	return max(int(l.Cur/2), 1)
}

// url returns the address that clients use.
func (p *port) url() string {
	address := p.listener.Addr().String()
	if p.pair == nil {
		return "http://" + address
	}
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return "https://" + address
	}
	return "https://" + net.JoinHostPort(p.pair.host(host), number)
}

// ended waits for the end of serving; the error of an orderly one is nil.
func (p *port) ended() error {
	if err := <-p.done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
