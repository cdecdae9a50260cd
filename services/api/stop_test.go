package api_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strata/events/access"
	"strata/events/eventtest"
	"strata/services/api"
)

// Requests that come while the service stops are answered before Run returns, or not at all: what they work with is gone
// afterwards.
func TestStopUnderRequests(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	flooding, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for range 4 {
		conn := b.Connect(t)
		group.Go(func() {
			for flooding.Err() == nil {
				asked, enough := context.WithTimeout(flooding, time.Second)
				_, _ = conn.RequestWithContext(asked, "api.local.status", nil) // nobody may be there at the moment
				enough()
			}
		})
	}
	for range 20 {
		var over atomic.Bool
		var served atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		enough := make(chan struct{})
		once := sync.OnceFunc(func() { close(enough) })
		err := func() error {
			ended := make(chan error, 1)
			go func() {
				ended <- api.Run(ctx, api.Deps{Log: b.Log, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Key: key,
					Refuse: func() string { // asked by each request for the status
						if over.Load() {
							t.Error("a request is answered after the service has ended")
						}
						if served.Add(1) > 20 {
							once()
						}
						return ""
					}})
			}()
			select {
			case <-enough:
			case err := <-ended:
				cancel()
				return err
			case <-time.After(eventtest.Patience):
				t.Error("nothing is answered")
			}
			cancel()
			err := <-ended
			over.Store(true)
			return err
		}()
		if err != nil {
			t.Fatalf("api: %v", err)
		}
	}
}
