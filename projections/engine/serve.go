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
	"sync"
	"time"
)

// Options say what one engine process serves.
type Options struct {
	Path    string // data directory, made if missing; one process at a time may hold it
	Listen  string // TCP address of the front, such as "127.0.0.1:8123"; port 0 takes a free one
	Library string // libchdb.so; "" looks for it with [Library]
	Access  Access // what visitors may read
	Logger  *slog.Logger
	Ready   func(address string) // called once the front answers; may be nil
}

// supervised is set in the environment of children that [Start] runs: their standard input is then
// a pipe that the parent holds, and they end when it closes, however the parent died.
const supervised = "STRATA_ENGINE_SUPERVISED"

// Serve opens the library and answers on o.Listen until ctx ends, then returns nil. It is the work
// of `strata clickhouse`. A process can serve once: the library cannot be opened again.
func Serve(ctx context.Context, o Options) error {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Library == "" {
		found, err := Library()
		if err != nil {
			return err
		}
		o.Library = found
	}
	if err := os.MkdirAll(o.Path, 0o700); err != nil {
		return fmt.Errorf("make the engine's data directory: %w", err)
	}
	// Listen before opening: a taken port must not cost the half second that opening takes.
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen for SQL: %w", err)
	}
	defer listener.Close()
	b, err := open(o.Library)
	if err != nil {
		return err
	}
	config, err := o.Access.write(o.Path)
	if err != nil {
		return err
	}
	dial := func() (*conn, error) { return b.dial(o.Path, config) }
	// This connection stays open as long as the process: the library shuts down with its last one.
	control, err := dial()
	if err != nil {
		return err
	}
	f := &front{pool: newPool(dial), killer: newKiller(control), log: log}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if os.Getenv(supervised) != "" {
		go func() { // ends with the process
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	// Browsers must not be talked into posting to a port on loopback.
	guard := http.NewCrossOriginProtection()
	server := &http.Server{Handler: guard.Handler(f), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("engine serves", "address", listener.Addr().String(), "path", o.Path)
	if o.Ready != nil {
		o.Ready(listener.Addr().String())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve SQL: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		err = errors.Join(err, server.Close())
		log.Warn("engine stops with statements under way", "err", err)
	}
	<-served
	f.pool.close()
	control.close()
	return nil
}

// newKiller returns a function that ends the running statement of the session with a given tag. A
// running aggregate offers no handle to stop it by, so this goes through a second connection.
func newKiller(control *conn) func(tag string) error {
	var one sync.Mutex // a connection runs one statement at a time
	return func(tag string) error {
		one.Lock()
		defer one.Unlock()
		return control.run("KILL QUERY WHERE Settings['log_comment'] = "+quote(tag), "Native", nil, nil)
	}
}
