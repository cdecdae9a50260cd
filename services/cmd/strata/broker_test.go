package main

import (
	"errors"
	"net/http"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestBrokerIsLeftAlone holds what a broker is started again for: a store that has failed to write, and stays so. What a
// busy machine makes of a broker that is well, and a stream that is being made, is no reason.
func TestBrokerIsLeftAlone(t *testing.T) {
	t.Parallel()
	lost := server.HealthStatus{Status: "unavailable", StatusCode: http.StatusServiceUnavailable, Error: "stream 'LAB' write error: no space left on device"}
	slow := server.HealthStatus{Status: "error", StatusCode: http.StatusInternalServerError, Error: "failed to be ready for connections after 1ms: "}
	well := server.HealthStatus{Status: "ok", StatusCode: http.StatusOK}
	for _, tt := range []struct {
		name  string
		looks []server.HealthStatus
		want  int // restarts
	}{
		{"well", []server.HealthStatus{well, well, well, well}, 0},
		{"slow to answer", []server.HealthStatus{slow, slow, slow, slow}, 0},
		{"a stream is being made", []server.HealthStatus{lost, lost, well, lost, lost, slow, lost}, 0},
		{"failed for good", []server.HealthStatus{well, lost, lost, lost, well}, 1},
		{"failed again after its restart", []server.HealthStatus{lost, lost, lost, lost, lost, lost}, 2},
	} {
		var a alarm
		got := 0
		for _, h := range tt.looks {
			err := storeFault(&h)
			if err == nil {
				a = 0
			} else if a.raised(err) {
				got++
			}
		}
		if got != tt.want {
			t.Errorf("%s: %d restarts, want %d", tt.name, got, tt.want)
		}
	}
	var a alarm
	if !a.raised(errNoBroker) || a.raised(errors.New("lost")) {
		t.Error("a broker that does not run is to be started at once, and one that reports a fault is not")
	}
}
