package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"strata/services/api/door"
	"strata/services/api/rest"
)

// TestWaitersLeaveTheirTurn has somebody wait for a fact through a door that lets one request of a caller in at a time:
// others of his are answered meanwhile.
func TestWaitersLeaveTheirTurn(t *testing.T) {
	t.Parallel()
	l := start(t)
	logger := slog.New(slog.DiscardHandler)
	d := door.New(door.Settings{Logger: logger, Now: time.Now, AtOnce: 1, Patience: 40 * time.Second})
	pages := rest.New(rest.Deps{Lab: l.inside, Now: time.Now, Logger: logger})
	entered := make(chan struct{}, 10)
	d.Open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		pages.ServeHTTP(w, r)
	}))
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	get := func(path string) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			return 0, err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, err
	}
	var read struct{ Next uint64 }
	if err := json.Unmarshal([]byte(l.wants("GET", "/api/v1/events/?limit=10000", nil, 200).body), &read); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		_, _ = get(fmt.Sprintf("/api/v1/events/?since=%d&wait=60", read.Next)) // it is broken off
	}()
	<-entered
	if status, err := get("/api/v0.2/system/version/"); status != http.StatusOK || err != nil {
		t.Errorf("beside one who waits: %d, %v; want an answer", status, err)
	}
	cancel()
	<-waited
}
