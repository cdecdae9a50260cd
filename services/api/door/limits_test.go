package door_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api/door"
	"strata/services/api/quota"
)

// TestRates shows that each known caller has a rate, all unknown ones of an address share one, and that what is
// free is always answered.
func TestRates(t *testing.T) {
	t.Parallel()
	d, url := open(t, door.Settings{
		Token: quota.Rate{PerSecond: 1, Burst: 3}, Address: quota.Rate{PerSecond: 1, Burst: 2}, Now: frozen,
		Free: func(r *http.Request) bool { return r.URL.Path == "/version" },
	}, func(*door.Door) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") }
	})
	d.Recognise(func(r *http.Request) (string, events.UserName) {
		name, _, _ := strings.Cut(r.Header.Get("Authorization"), "!")
		return strings.TrimPrefix(name, "made up"), "somebody"
	})
	steps := []struct {
		token, path string
		want        int
	}{
		{"ann", "/", 200}, {"ann", "/", 200}, {"ann", "/", 200}, {"ann", "/", 429}, {"ann", "/version", 200},
		{"bob", "/", 200},
		{"made up!1", "/", 200}, {"made up!2", "/", 200}, {"made up!3", "/", 429}, {"", "/", 429}, {"", "/version", 200},
		{"bob", "/", 200},
		{"ann", "/api/v0.2/jobs/", 429},
	}
	for i, s := range steps {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+s.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", s.token)
		r.Header.Set("X-Forwarded-For", strconv.Itoa(i)+".0.0.1") // nobody believes it
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		h := reply.Header
		if reply.StatusCode != s.want {
			t.Errorf("step %d, %q at %s: got %d %q, want %d", i, s.token, s.path, reply.StatusCode, text, s.want)
		}
		switch {
		case s.want == 429 && (h.Get("Retry-After") != "1" || h.Get("RateLimit-Remaining") != "0"):
			t.Errorf("step %d: got headers %v, want Retry-After 1", i, h)
		case s.want == 429 && s.path == "/" && !strings.Contains(string(text), "you ask too often: try again in 1 s"):
			t.Errorf("step %d: got %q", i, text)
		case s.want == 429 && s.path != "/" && string(text) != `{"detail":"Request was throttled. Expected available in 1 seconds."}`+"\n":
			t.Errorf("step %d: got %q", i, text)
		case s.path == "/version" && h.Get("RateLimit-Limit") != "":
			t.Errorf("step %d: what is free has a limit of %s", i, h.Get("RateLimit-Limit"))
		}
	}
}

func frozen() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// TestNoRates shows that without rates there are no headers that tell of them.
func TestNoRates(t *testing.T) {
	t.Parallel()
	_, url := open(t, door.Settings{}, func(*door.Door) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {}
	})
	if status, header, _ := ask(t, url, ""); status != 200 || header.Get("RateLimit-Limit") != "" {
		t.Errorf("got %d with %v", status, header)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	d := door.New(door.Settings{Now: time.Now, Logger: quiet(), Body: 1 << 20,
		Sizes: []door.Size{{Prefix: "/a", Bytes: 10}, {Prefix: "/a/b", Bytes: 200 << 10}}})
	d.Open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	for _, tt := range []struct {
		method, path string
		bytes, want  int
	}{
		{"POST", "/", 1 << 20, 200}, {"POST", "/", 1<<20 + 1, 413},
		{"POST", "/a", 10, 200}, {"POST", "/a", 11, 413}, {"PUT", "/a/c", 11, 413},
		{"POST", "/a/b", 200 << 10, 200}, {"PATCH", "/a/b/c", 200<<10 + 1, 413},
		{"GET", "/", 64 << 10, 200}, {"GET", "/", 64<<10 + 1, 413}, {"DELETE", "/a/b", 64<<10 + 1, 413},
	} {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, bytes.NewReader(make([]byte, tt.bytes))))
		if w.Code != tt.want {
			t.Errorf("%s %s with %d bytes: got %d, want %d", tt.method, tt.path, tt.bytes, w.Code, tt.want)
		}
	}
}

// TestAdmit shows that what is answered beside the door shares the rate of its address.
func TestAdmit(t *testing.T) {
	t.Parallel()
	d := door.New(door.Settings{Now: frozen, Logger: quiet(), Address: quota.Rate{PerSecond: 1, Burst: 1}})
	for i, want := range []int{200, 429} {
		w := httptest.NewRecorder()
		if ok := d.Admit(w, httptest.NewRequest("GET", "/nats", nil)); ok != (want == 200) || w.Code != want {
			t.Errorf("request %d: got %v, %d; want %d", i, ok, w.Code, want)
		}
	}
}

// TestFairTurns has one user send a thousand requests at once, each with another token, which all are slow: they hold
// that user's places and no other's, and each gets its turn in the end.
func TestFairTurns(t *testing.T) {
	t.Parallel()
	const many, places = 1000, 8
	entered, leave := make(chan bool, many), make(chan bool)
	d := door.New(door.Settings{Now: time.Now, Logger: quiet(), AtOnce: places, Patience: time.Hour})
	d.Recognise(func(r *http.Request) (string, events.UserName) {
		user, token, _ := strings.Cut(r.Header.Get("Authorization"), "/")
		return token, events.UserName(user)
	})
	d.Open(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "greedy/") {
			entered <- true
			<-leave
		}
	}))
	serve := func(user string, token int) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", user+"/"+user+strconv.Itoa(token))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		return w.Code
	}
	statuses := make(chan int, many)
	for i := range many {
		go func() { statuses <- serve("greedy", i) }()
	}
	for range places {
		<-entered
	}
	if status := serve("modest", 1); status != http.StatusOK {
		t.Errorf("another user's one request: got %d", status)
	}
	if got := len(entered); got != 0 {
		t.Errorf("beside %d requests of one user %d more were answered at the same time", places, got)
	}
	close(leave)
	for range many {
		if status := <-statuses; status != http.StatusOK {
			t.Fatalf("a request that waited for its turn: got %d", status)
		}
	}
}
