package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/schemas/order"
	"strata/services/api"
)

// post sends a request with a body, as the machine's own user; the answer's body is the caller's to close.
func (s *site) post(ctx context.Context, t *testing.T, path, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return answer
}

// board gives the lab a device q1 on a worker that the test plays: its console says what it is connected to, and echoes.
func (s *site) board(t *testing.T) {
	t.Helper()
	who := api.Caller{User: "local"}
	if err := s.in.Call(t.Context(), who, "workers.register", api.WorkerRequest{Worker: "w1"}, nil); err != nil {
		t.Fatal(err)
	}
	board := api.DeviceRequest{Device: "q1", DeviceType: "bench", Worker: "w1", Dictionary: "commands: {connect: telnet board}\n"}
	if err := s.in.Call(t.Context(), who, "devices.add", board, nil); err != nil {
		t.Fatal(err)
	}
	s.Append(t, events.WorkerWentOnline{Worker: "w1", At: noon})
	conn := s.Connect(t)
	var number, at uint64
	sub, err := conn.Subscribe(access.HandsSubject("w1"), func(m *nats.Msg) {
		h, err := order.DecodeHands(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		said := order.HandsSaid{}
		switch h.Do {
		case order.DoConsole:
			number, at, said.Text = 0, 0, "connected to "+h.Connection
		case order.DoType:
			said.Text = "got " + h.Text
		case order.DoEnd:
			said.Ended = true
		default:
			return
		}
		number++
		said.Number, said.At = number, at
		at += uint64(len(said.Text))
		body, err := json.Marshal(said)
		if err == nil {
			err = conn.Publish(access.HandsSubject("w1")+"."+h.Session, body)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// A page takes the console of a device, types on it and hears it, and the device is free when the page has gone.
func TestServeDeviceConsole(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	s.board(t)
	const path = "/api/v1/devices/q1/console"
	ctx, leave := context.WithTimeout(t.Context(), eventtest.Patience)
	defer leave()
	taken := s.post(ctx, t, path, `{"do":"take","connection":"uart1"}`)
	defer taken.Body.Close()
	if taken.StatusCode != http.StatusOK {
		t.Fatalf("taking the console: %s", taken.Status)
	}
	lines := bufio.NewScanner(taken.Body)
	heard := func() string { // the data of the next event
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
	var begun api.HandsMessage
	if first := heard(); json.Unmarshal([]byte(first), &begun) != nil || begun.Session == "" {
		t.Fatalf("the session begins with %q, want its name", first)
	}
	if said := heard(); said != `{"text":"connected to uart1"}` {
		t.Errorf("the console says %s first", said)
	}
	typed := s.post(t.Context(), t, path, `{"do":"type","session":"`+begun.Session+`","text":"reboot\r"}`)
	typed.Body.Close()
	if typed.StatusCode != http.StatusNoContent {
		t.Errorf("typing: %s, want 204", typed.Status)
	}
	if said := heard(); said != `{"text":"got reboot\r"}` {
		t.Errorf("after typing the console says %s", said)
	}
	second := s.post(t.Context(), t, path, `{"do":"take"}`)
	defer second.Body.Close()
	if second.StatusCode != http.StatusConflict {
		t.Errorf("a second console: %s, want 409", second.Status)
	}
	leave() // the page is closed
	eventtest.Await(t, s.Log, func(e events.DeviceLetGo) bool { return e.Device == "q1" })
}

// What cannot be done is refused, with a status and in words, and no board is taken for it.
func TestServeDeviceConsoleRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	s.board(t)
	const path = "/api/v1/devices/q1/console"
	for _, tt := range []struct {
		path, body string
		status     int
		says       string
	}{
		{path, `{"do":"smash"}`, 400, `do is \"smash\"; allowed are take and type`},
		{path, `{"do":"take","use":"power off"}`, 400, "unknown field"},
		{path, `take`, 400, "no JSON object"},
		{path, `{"do":"type","session":"x","text":"y"}`, 409, "local does not have device q1 in hand"},
		{path, `{"do":"type","text":"` + strings.Repeat("y", 5000) + `"}`, 400, "at most 4096"},
		{"/api/v1/devices/none/console", `{"do":"take"}`, 404, "there is no device none"},
		{"/api/v1/devices/none/console", `{"do":"type"}`, 404, "there is no device none"},
	} {
		answer := s.post(t.Context(), t, tt.path, tt.body)
		var said struct{ Error string }
		err := json.NewDecoder(answer.Body).Decode(&said)
		answer.Body.Close()
		if quoted, _ := json.Marshal(said.Error); err != nil || answer.StatusCode != tt.status || !strings.Contains(string(quoted), tt.says) {
			t.Errorf("%s %.60s: %s, %q (%v); want %d and %q", tt.path, tt.body, answer.Status, said.Error, err, tt.status, tt.says)
		}
	}
	// A link, which anybody can plant, takes nothing.
	if answer := s.get(t, path+"?do=take"); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s, want 405", answer.Status)
	}
	mux := http.NewServeMux()
	s.live.Mount(mux, s.in.Closed())
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"do":"take"}`))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden && w.Code != http.StatusNotFound {
		t.Errorf("somebody without a name: status %d, want 403 or 404", w.Code)
	}
}
