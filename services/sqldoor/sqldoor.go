package sqldoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log
	Now    func() time.Time
	DB     *projections.DB // nil where the lab has no ClickHouse: the service then waits for its end
	Key    access.Key      // reads tokens
	Listen string          // address; "" listens nowhere
	TLS    *tls.Config     // of Listen; nil: plaintext
	Limits projections.Limits
	Logger *slog.Logger
	Ready  func(address string) // called once it answers; may be nil
}

// withDefaults bounds statements above what a page needs: an export of a month has to come through.
func withDefaults(l projections.Limits) projections.Limits {
	if l.Time == 0 {
		l.Time = 2 * time.Minute
	}
	if l.Rows == 0 {
		l.Rows = 10_000_000
	}
	return l
}

// readTime is how long a client may take to read an answer, beyond the time of its statement.
const readTime = 15 * time.Minute

// Run answers until ctx ends, then lets statements under way go on for some seconds.
func Run(ctx context.Context, d Deps) error {
	if d.DB == nil || d.Listen == "" {
		<-ctx.Done()
		return nil
	}
	d.Limits = withDefaults(d.Limits)
	door, err := d.DB.Door(d.Limits)
	if err != nil {
		return err
	}
	defer door.Close()
	listener, err := net.Listen("tcp", d.Listen)
	if err != nil {
		return fmt.Errorf("listen for SQL: %w", err)
	}
	h := &handler{Deps: d, door: door, turns: newTurns(), people: newPeople()}
	caughtUp, followed := make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		var once sync.Once
		followed <- d.Log.Run(ctx, stream.Driver{Name: "sqldoor", Fold: h.people.fold, Checkpoint: &stream.Checkpoint{Format: lab.Format, Save: h.people.save, Load: h.people.load},
			Act: func(time.Time) (time.Time, error) {
				h.people.caughtUp()
				once.Do(func() { close(caughtUp) })
				return time.Time{}, nil
			}})
		stop()
	}()
	select { // nobody is let in by what was long ago
	case <-caughtUp:
	case <-ctx.Done():
		return errors.Join(listener.Close(), <-followed)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: d.Limits.Time + readTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, TLSConfig: d.TLS,
		ErrorLog:    slog.NewLogLogger(d.Logger.Handler(), slog.LevelDebug), // of handshakes that failed
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	served := make(chan error, 1)
	go func() {
		if d.TLS == nil {
			served <- server.Serve(listener)
			return
		}
		served <- server.ServeTLS(listener, "", "")
	}()
	d.Logger.Info("SQL is answered", "address", listener.Addr().String())
	if d.Ready != nil {
		d.Ready(listener.Addr().String())
	}
	select {
	case err := <-served:
		stop()
		return errors.Join(fmt.Errorf("serve SQL: %w", err), <-followed)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		err = errors.Join(err, server.Close())
		d.Logger.Warn("SQL door closes with statements under way", "error", err)
	}
	<-served
	return <-followed
}
