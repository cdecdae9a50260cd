package door

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// open opens a door for files of 10 bytes, 25 in all, at which nobody waits for room.
func open(t *testing.T) (*Door, string) { t.Helper(); return openPatiently(t, time.Nanosecond) }

func openPatiently(t *testing.T, wait time.Duration) (*Door, string) {
	t.Helper()
	d, err := Open(Settings{Host: "127.0.0.1", Dir: t.TempDir(), File: 10, Held: 25, Wait: wait, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, fmt.Sprintf("http://127.0.0.1:%d/%s", d.Port(), d.Token())
}

// send sends a body and returns the status and the answer.
func send(t *testing.T, method, url string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

// A file is handed over as it came, once, with what was said of it.
func TestTake(t *testing.T) {
	t.Parallel()
	d, url := open(t)
	about := hex.EncodeToString([]byte("0_smoke base64 3 1 - - /a b"))
	for id, tt := range map[string]struct{ method, encoding, body string }{
		"1-raw":  {http.MethodPut, "raw", "a\x00b"},
		"2-text": {http.MethodPost, "base64", base64.StdEncoding.EncodeToString([]byte("a\x00b")) + "\n"},
	} {
		if status, text := send(t, tt.method, url+"/"+id+"/"+tt.encoding+"/3/"+about, strings.NewReader(tt.body)); status != 200 || text != "strata-file kept" {
			t.Errorf("%s: answered %d %q", id, status, text)
		}
		u, ok := d.Take(id)
		if !ok || u.About != "0_smoke base64 3 1 - - /a b" || u.Size != 3 {
			t.Fatalf("%s: got %+v, %v", id, u, ok)
		}
		if data, err := u.Read(); err != nil || string(data) != "a\x00b" {
			t.Errorf("%s: content %q, %v", id, data, err)
		}
		if _, again := d.Take(id); again {
			t.Errorf("%s is handed over twice", id)
		}
	}
}

// What is not announced is found by what its path says, in the order of its coming; one that is sent again
// counts once.
func TestRest(t *testing.T) {
	t.Parallel()
	d, url := open(t)
	for _, id := range []string{"b", "a", "b"} {
		send(t, http.MethodPut, url+"/"+id+"/raw/2/-", strings.NewReader("xy"))
	}
	var ids []string
	for _, u := range d.Rest() {
		ids = append(ids, u.ID)
	}
	if got := strings.Join(ids, " "); got != "a b" {
		t.Errorf("rest: got %q, want %q", got, "a b")
	}
	if left := d.Rest(); len(left) > 0 {
		t.Errorf("rest a second time: %+v", left)
	}
}

// A device may ask for what it wants: nothing over a limit is held, nothing broken is kept, and whoever
// has no secret learns nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	d, url := open(t)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"over the limit of a file", "PUT", "/1/raw/11/-", strings.Repeat("x", 11), 200, "refused: 11 bytes, and at most 10"},
		{"shorter than announced", "PUT", "/2/raw/4/-", "xyz", 503, "not what was announced"},
		{"longer than announced", "PUT", "/3/raw/2/-", "xyz", 503, "not what was announced"},
		{"much longer than announced", "PUT", "/3/raw/2/-", strings.Repeat("x", 1<<20), 503, "not what was announced"},
		{"broken text", "PUT", "/4/base64/2/-", "!!", 503, "not what was announced"},
		{"a path upwards", "PUT", "/%2e%2e%2fx/raw/2/-", "xy", 200, "refused"},
		{"an id with a dot", "PUT", "/a.b/raw/2/-", "xy", 200, "refused"},
		{"another encoding", "PUT", "/5/gzip/2/-", "xy", 200, "refused"},
		{"no size", "PUT", "/5/raw/-2/-", "xy", 200, "refused"},
		{"no digits", "PUT", "/5/raw/2/xy", "xy", 200, "refused"},
		{"too short a path", "PUT", "/5", "xy", 200, "refused"},
		{"reading", "GET", "/1/raw/2/-", "", 405, "only taken"},
	} {
		if status, text := send(t, tt.method, url+tt.path, strings.NewReader(tt.body)); status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s: answered %d %q, want %d with %q", tt.name, status, text, tt.status, tt.says)
		}
	}
	if status, text := send(t, "PUT", fmt.Sprintf("http://127.0.0.1:%d/%s/1/raw/1/-", d.Port(), strings.Repeat("a", 26)), strings.NewReader("x")); status != 404 || strings.Contains(text, "strata") {
		t.Errorf("with another token: answered %d %q", status, text)
	}
	// Two of 10 bytes fit, a third one only once the first was taken.
	ten := strings.Repeat("x", 10)
	for _, id := range []string{"6", "7"} {
		if _, text := send(t, "PUT", url+"/"+id+"/raw/10/-", strings.NewReader(ten)); text != "strata-file kept" {
			t.Errorf("file %s: answered %q", id, text)
		}
	}
	if _, text := send(t, "PUT", url+"/8/raw/10/-", strings.NewReader(ten)); !strings.Contains(text, "refused: 10 bytes, and there is room for 5") {
		t.Errorf("over the limit of all: answered %q", text)
	}
	d.Take("6")
	if _, text := send(t, "PUT", url+"/8/raw/10/-", strings.NewReader(ten)); text != "strata-file kept" {
		t.Errorf("after one was taken: answered %q", text)
	}
}

// A file for which there is no room yet waits until one is taken.
func TestRoomComes(t *testing.T) {
	t.Parallel()
	d, url := openPatiently(t, time.Hour)
	ten := strings.Repeat("x", 10)
	for _, id := range []string{"1", "2"} {
		send(t, "PUT", url+"/"+id+"/raw/10/-", strings.NewReader(ten))
	}
	answer := make(chan string)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/3/raw/10/-", strings.NewReader(ten))
		if err == nil {
			var a *http.Response
			if a, err = http.DefaultClient.Do(r); err == nil {
				text, _ := io.ReadAll(a.Body)
				a.Body.Close()
				answer <- string(text)
				return
			}
		}
		answer <- err.Error()
	}()
	d.Take("1") // before it came, or while it waits
	if got := <-answer; got != "strata-file kept\n" {
		t.Errorf("answered %q", got)
	}
}

// A closed door tells how many were on their way, and nobody comes in any more.
func TestClose(t *testing.T) {
	t.Parallel()
	d, url := open(t)
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/1/raw/10/-", in)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			err = fmt.Errorf("answered %d", answer.StatusCode)
			answer.Body.Close()
		}
		done <- err
	}()
	if _, err := out.Write([]byte("half")); err != nil { // the server reads: the file is on its way
		t.Fatal(err)
	}
	look, end := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer look.Stop()
	for coming := 0; coming == 0; {
		select {
		case <-look.C:
		case <-end:
			t.Fatal("the file is not on its way")
		}
		d.mu.Lock()
		coming = len(d.coming)
		d.mu.Unlock()
	}
	if n := d.Close(); n != 1 {
		t.Errorf("closed with %d on their way, want 1", n)
	}
	out.Close()
	if err := <-done; strings.Contains(err.Error(), "answered 200") {
		t.Errorf("the sender was told that all is well: %v", err)
	}
	if rest := d.Rest(); len(rest) != 0 {
		t.Errorf("half a file is kept: %+v", rest)
	}
}

// Ports are taken from a range, and one that is taken is passed over.
func TestPorts(t *testing.T) {
	t.Parallel()
	first, _ := open(t)
	for ports, says := range map[string]string{
		"": "", "42000": "", "42000-42099": "", "0": "no port", "42099-42000": "no port", "1-70000": "no port", "x": "no port", "1-": "no port",
	} {
		if _, _, err := portRange(ports); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("ports %q: error %v, want %q", ports, err, says)
		}
	}
	taken := fmt.Sprint(first.Port())
	if d, err := Open(Settings{Host: "127.0.0.1", Ports: taken, Dir: t.TempDir(), Now: time.Now}); err == nil {
		d.Close()
		t.Errorf("port %s was opened twice", taken)
	}
	d, err := Open(Settings{Host: "127.0.0.1", Ports: fmt.Sprintf("%d-%d", first.Port(), min(first.Port()+50, 65535)), Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Port() <= first.Port() {
		t.Errorf("got port %d, want one behind %d", d.Port(), first.Port())
	}
}

// A broken path never makes a file, whatever it is.
func FuzzPath(f *testing.F) {
	f.Add("1/raw/2/-", []byte("xy"))
	f.Add("../../x/base64/2/00", []byte("eHk="))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		d := &Door{settings: Settings{Dir: t.TempDir(), File: 10, Held: 10, Now: time.Now}, held: map[string]Upload{}, coming: map[string]int64{}, taken: make(chan struct{}), free: make(chan struct{}, 1)}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://x/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		err = d.take(deadlines{}, r, strings.Split(path, "/"))
		for _, u := range d.Rest() {
			if err != nil || !idForm.MatchString(u.ID) || u.Size > 10 {
				t.Errorf("path %q: kept %+v, error %v", path, u, err)
			}
		}
		if d.bytes != 0 || len(d.coming) != 0 {
			t.Errorf("path %q: %d bytes are still reserved", path, d.bytes)
		}
	})
}

// deadlines is a connection that has no deadlines to miss.
type deadlines struct{ http.ResponseWriter }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
