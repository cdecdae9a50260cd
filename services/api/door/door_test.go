package door_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strata/services/api/door"
)

func open(t *testing.T, s door.Settings, h func(d *door.Door) http.HandlerFunc) (*door.Door, string) {
	t.Helper()
	s.Logger = quiet()
	if s.Now == nil {
		s.Now = time.Now
	}
	d := door.New(s)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.Open(h(d))
	return d, server.URL
}

// ask posts a body and returns the status and the answer.
func ask(t *testing.T, url, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, reply.Header, string(text)
}

func TestShutAndOpen(t *testing.T) {
	t.Parallel()
	d, url := open(t, door.Settings{}, func(*door.Door) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") }
	})
	if status, _, text := ask(t, url, ""); status != http.StatusOK || text != "inside" {
		t.Errorf("open: got %d %q", status, text)
	}
	d.Shut()
	if status, header, _ := ask(t, url, ""); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("shut: got %d with Retry-After %q, want 503 and when to try again", status, header.Get("Retry-After"))
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	_, url := open(t, door.Settings{Body: 4}, func(d *door.Door) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := d.Body(w, r)
			if errors.Is(err, door.ErrTooLarge) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			if string(body) == "boom" {
				panic("boom")
			}
			w.Write(body)
		}
	})
	for _, tt := range []struct {
		body string
		want int
	}{{"four", 200}, {"fives", 413}, {"boom", 500}, {"", 200}} {
		if status, _, text := ask(t, url, tt.body); status != tt.want || status == 200 && text != tt.body {
			t.Errorf("a body %q: got %d %q, want %d", tt.body, status, text, tt.want)
		}
	}
}

// TestTurns shows that requests of an address wait for one another, not for ever, and that what was said to
// be long does not count.
func TestTurns(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan bool, 4), make(chan bool)
	_, url := open(t, door.Settings{AtOnce: 1, Patience: time.Millisecond}, func(*door.Door) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				door.Long(r)
			}
			entered <- true
			<-leave
		}
	})
	done := make(chan int, 2)
	go func() { status, _, _ := ask(t, url+"/long", ""); done <- status }()
	<-entered
	go func() { status, _, _ := ask(t, url, ""); done <- status }()
	<-entered
	if status, header, _ := ask(t, url, ""); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("a second request at a time: got %d with Retry-After %q, want 429 and when to try again", status, header.Get("Retry-After"))
	}
	close(leave)
	for range 2 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("a request that waited inside: got %d", status)
		}
	}
	if status, _, _ := ask(t, url, ""); status != http.StatusOK {
		t.Errorf("afterwards: got %d", status)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	tests := []struct {
		header string
		want   door.Credential
		err    error
	}{
		{"", door.Credential{}, nil},
		{basic("ann:a:b"), door.Credential{Scheme: "Basic", User: "ann", Token: "a:b"}, nil},
		{basic(":"), door.Credential{Scheme: "Basic"}, nil},
		{"Token abc", door.Credential{Scheme: "Token", Token: "abc"}, nil},
		{"Bearer abc", door.Credential{Scheme: "Bearer", Token: "abc"}, nil},
		{"Digest abc", door.Credential{Scheme: "Digest"}, nil},
		{"Token", door.Credential{}, door.ErrHeader},
		{"Token a b", door.Credential{}, door.ErrHeader},
		{"Basic %%%", door.Credential{Scheme: "Basic"}, door.ErrBase64},
		{basic("\xff:x"), door.Credential{Scheme: "Basic"}, door.ErrBase64},
		{basic("ann"), door.Credential{Scheme: "Basic"}, door.ErrColon},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", tt.header)
		if got, err := door.Read(r); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q: got %+v, error %v; want %+v, error %v", tt.header, got, err, tt.want, tt.err)
		}
	}
}

func TestDirect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		remote, host, header string
		want                 bool
	}{
		{"127.0.0.1:5000", "127.0.0.1:8080", "", true},
		{"[::1]:5000", "localhost:8080", "", true},
		{"192.0.2.1:5000", "127.0.0.1:8080", "", false},
		{"127.0.0.1:5000", "evil.example.com", "", false},
		{"127.0.0.1:5000", "localhost", "X-Forwarded-For", false},
		{"127.0.0.1:5000", "localhost", "Origin", false},
		{"odd", "localhost", "", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if tt.header != "" {
			r.Header.Set(tt.header, "x")
		}
		if got := door.Direct(r); got != tt.want {
			t.Errorf("from %s to %s with %q: got direct %v, want %v", tt.remote, tt.host, tt.header, got, tt.want)
		}
	}
}
