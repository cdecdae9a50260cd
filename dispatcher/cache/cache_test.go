package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// server stands for a web server: one file, with a version.
type server struct {
	mutex   sync.Mutex
	content []byte
	version Version
	breaks  int // ends the next body after so many bytes
	noStore bool
	silent  bool // about sizes

	asked, whole, rest atomic.Int64 // questions, and bodies sent
	begun              chan struct{}
	gate               chan struct{} // bodies wait for it
}

func newServer(content string, version Version) *server {
	return &server{content: []byte(content), version: version}
}

func (s *server) ask(_ context.Context, q Question) (Answer, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.asked.Add(1)
	body := s.content
	a := Answer{Version: s.version, Size: int64(len(s.content)), NoStore: s.noStore}
	same := q.Have == s.version && s.version.known()
	switch {
	case same && q.From == 0:
		return Answer{Unchanged: true}, nil
	case same:
		a.Rest, body = true, body[q.From:]
		s.rest.Add(1)
	default:
		s.whole.Add(1)
	}
	if s.silent {
		a.Size = -1
	}
	var in io.Reader = bytes.NewReader(body)
	if s.breaks > 0 {
		in = io.MultiReader(bytes.NewReader(body[:s.breaks]), broken{})
		s.breaks = 0
	}
	if s.begun != nil {
		close(s.begun)
		s.begun = nil
		in = io.MultiReader(gated{s.gate}, in)
	}
	a.Body = io.NopCloser(in)
	return a, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// gated is empty once its gate opens.
type gated struct{ gate chan struct{} }

func (g gated) Read([]byte) (int, error) {
	<-g.gate
	return 0, io.EOF
}

// clock moves a second with each look.
func clock() func() time.Time {
	var ticks atomic.Int64
	return func() time.Time { return time.Unix(1_800_000_000+ticks.Add(1), 0) }
}

func open(t *testing.T, limit int64) *Cache {
	t.Helper()
	c, err := Open(t.TempDir(), limit, clock())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get reads a request whole.
func get(t *testing.T, c *Cache, r Request, s *server) (string, *Content, error) {
	t.Helper()
	content, err := c.Get(t.Context(), r, s.ask, func() {})
	if err != nil {
		return "", nil, err
	}
	defer content.Close()
	got, err := io.ReadAll(content)
	if err == nil {
		content.Confirm(r.Sums)
	}
	return string(got), content, err
}

func wantGet(t *testing.T, c *Cache, r Request, s *server, want string, whole, asked int64) *Content {
	t.Helper()
	got, content, err := get(t, c, r, s)
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
	if content.Problem != nil {
		t.Fatalf("not kept: %v", content.Problem)
	}
	if s.whole.Load() != whole || s.asked.Load() != asked {
		t.Errorf("the server was asked %d times and sent the file %d times; want %d and %d", s.asked.Load(), s.whole.Load(), asked, whole)
	}
	return content
}

func shaOf(text string) Sum {
	sum := sha256.Sum256([]byte(text))
	return Sum{"sha256", hex.EncodeToString(sum[:])}
}

func md5Of(text string) Sum {
	sum := md5.Sum([]byte(text))
	return Sum{"md5", hex.EncodeToString(sum[:])}
}

func TestByVersion(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("one", Version{ETag: `"1"`})
	r := Request{URL: "http://x/f"}
	if content := wantGet(t, c, r, s, "one", 1, 1); !content.Fetched {
		t.Error("the first content is not fetched")
	}
	if content := wantGet(t, c, r, s, "one", 1, 2); content.Fetched || content.Size != 3 {
		t.Errorf("the second content: %+v", content)
	}
	s.content, s.version = []byte("two!"), Version{ETag: `"2"`}
	wantGet(t, c, r, s, "two!", 2, 3)
	wantGet(t, c, r, s, "two!", 2, 4)
	// A server without versions may have another content each time.
	s.content, s.version = []byte("three"), Version{}
	wantGet(t, c, r, s, "three", 3, 5)
	wantGet(t, c, r, s, "three", 4, 6)
}

func TestByChecksum(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("one", Version{})
	wantGet(t, c, Request{URL: "http://x/f", Sums: []Sum{md5Of("one")}}, s, "one", 1, 1)
	for _, sum := range []Sum{shaOf("one"), md5Of("one"), {"sha256", strings.ToUpper(shaOf("one").Hex)}} {
		wantGet(t, c, Request{URL: "http://elsewhere/g", Sums: []Sum{sum}}, s, "one", 1, 1)
	}
	// Not by what is no checksum, and not by one that nobody found true.
	for i, sum := range []Sum{{"sha256", "../../../etc/passwd"}, {"sha512", strings.Repeat("0", 128)}, {"crc", shaOf("one").Hex}, shaOf("other")} {
		content, err := c.Get(t.Context(), Request{URL: fmt.Sprintf("http://y/%d", i), Sums: []Sum{sum}}, s.ask, func() {})
		if err != nil || !content.Fetched {
			t.Errorf("%v: %+v, %v; want fetched", sum, content, err)
			continue
		}
		content.Close()
	}
}

// What a request got with credentials is not for others.
func TestPrivate(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("secret", Version{ETag: `"1"`})
	with := Request{URL: "http://x/f", Headers: []string{"Authorization: token a"}, Sums: []Sum{shaOf("secret"), md5Of("secret")}}
	wantGet(t, c, with, s, "secret", 1, 1)
	wantGet(t, c, Request{URL: "http://u:p@x/f"}, s, "secret", 2, 2)
	wantGet(t, c, Request{URL: "http://x/f", Sums: with.Sums}, s, "secret", 3, 3)
	other := with
	other.Headers, other.Sums = []string{"Authorization: token b"}, nil
	wantGet(t, c, other, s, "secret", 4, 4)
	with.Sums = nil
	wantGet(t, c, with, s, "secret", 4, 5)
}

func TestResumes(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	c, s := open(t, 0), newServer(text, Version{ETag: `"1"`})
	r := Request{URL: "http://x/f"}
	breaks := func(etag string, after int) {
		t.Helper()
		s.version, s.breaks = Version{ETag: etag}, after
		if _, _, err := get(t, c, r, s); err == nil || !strings.Contains(err.Error(), "connection reset") {
			t.Fatalf("a broken download: %v", err)
		}
	}
	breaks(`"1"`, 4321)
	content := wantGet(t, c, r, s, text, 1, 2)
	if content.Resumed != 4321 || s.rest.Load() != 1 {
		t.Errorf("resumed after %d bytes, rest sent %d times", content.Resumed, s.rest.Load())
	}
	wantGet(t, c, r, s, text, 1, 3)
	r.URL = "http://x/other" // a version that changes has no rest
	breaks(`"2"`, 100)
	s.version = Version{ETag: `"3"`}
	wantGet(t, c, r, s, text, 3, 5)
	r.URL = "http://x/third" // nor has what was written before the machine was started
	breaks(`"4"`, 100)
	c.boot = "another"
	wantGet(t, c, r, s, text, 5, 7)
}

func TestShort(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("complete", Version{ETag: `"1"`})
	short := func(context.Context, Question) (Answer, error) {
		return Answer{Size: 8, Body: io.NopCloser(strings.NewReader("comp"))}, nil // and no error
	}
	content, err := c.Get(t.Context(), Request{URL: "http://x/f"}, short, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(content); string(got) != "comp" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	content.Close()
	wantGet(t, c, Request{URL: "http://x/f"}, s, "complete", 1, 1)
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("content", Version{ETag: `"1"`})
	r := Request{URL: "http://x/f"}
	wantGet(t, c, r, s, "content", 1, 1)
	object := c.object(shaOf("content").Hex)
	if err := os.WriteFile(object, []byte("c0ntent"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(t, c, r, s); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %q, %v; want ErrDamaged", got, err)
	}
	wantGet(t, c, r, s, "content", 2, 3)
	// A cut file is seen at once.
	if err := os.Truncate(object, 3); err != nil {
		t.Fatal(err)
	}
	wantGet(t, c, r, s, "content", 3, 4)
}

func TestNotKept(t *testing.T) {
	t.Parallel()
	c, s := open(t, 1000), newServer("0123456789", Version{ETag: `"1"`})
	s.noStore = true
	r := Request{URL: "http://x/f"}
	wantGet(t, c, r, s, "0123456789", 1, 1)
	wantGet(t, c, r, s, "0123456789", 2, 2)
	big := newServer(strings.Repeat("x", 2000), Version{ETag: `"1"`})
	wantGet(t, c, Request{URL: "http://x/big"}, big, string(big.content), 1, 1)
	big.silent = true
	got, content, err := get(t, c, Request{URL: "http://x/silent"}, big)
	if err != nil || got != string(big.content) || !errors.Is(content.Problem, errFull) {
		t.Errorf("a file of unknown size beyond the limit: %d bytes, %v, problem %v", len(got), err, content.Problem)
	}
	if entries, total := c.entries(); total != 0 {
		t.Errorf("kept %v", entries)
	}
}

// A cache that fails fails no job.
func TestUnusable(t *testing.T) {
	t.Parallel()
	c, s := open(t, 0), newServer("content", Version{ETag: `"1"`})
	for _, dir := range []string{"partial", "locks"} {
		path := filepath.Join(c.dir, dir)
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		got, content, err := get(t, c, Request{URL: "http://x/f"}, s)
		if err != nil || got != "content" || content.Problem == nil {
			t.Errorf("without %s: %q, %v, %+v", dir, got, err, content)
		}
	}
	if _, err := Open(filepath.Join(c.dir, "locks"), 0, time.Now); err == nil {
		t.Error("a file was opened as a cache")
	}
	fails := func(context.Context, Question) (Answer, error) { return Answer{}, errors.New("no route") }
	if _, err := open(t, 0).Get(t.Context(), Request{URL: "http://x/f"}, fails, func() {}); err == nil || err.Error() != "no route" {
		t.Errorf("the server's error: %v", err)
	}
}

func TestGivesUpWhatWasNotUsedForLongest(t *testing.T) {
	t.Parallel()
	c := open(t, 35)
	file := func(n int) (*server, Request) {
		return newServer(strings.Repeat(fmt.Sprint(n), 10), Version{ETag: `"1"`}), Request{URL: fmt.Sprintf("http://x/%d", n)}
	}
	age := func(n int, seconds int64) {
		t.Helper()
		s, _ := file(n)
		at := time.Unix(seconds, 0)
		if err := os.Chtimes(c.object(shaOf(string(s.content)).Hex), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		s, r := file(n)
		wantGet(t, c, r, s, string(s.content), 1, 1)
		age(n, int64(n))
	}
	s, r := file(0)
	wantGet(t, c, r, s, string(s.content), 0, 1) // used again: 1 is now the oldest
	s, r = file(1)
	r.Sums = []Sum{shaOf(string(s.content))}
	reader, err := c.Get(t.Context(), r, s.ask, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	age(1, 1)
	s, r = file(3)
	wantGet(t, c, r, s, string(s.content), 1, 1)
	for n, want := range []bool{true, false, true, true} {
		s, _ := file(n)
		f := c.bySum([]Sum{shaOf(string(s.content))})
		if (f != nil) != want {
			t.Errorf("file %d is kept: %t, want %t", n, f != nil, want)
		}
		closeAll(f)
	}
	// Who was reading it reads on.
	if got, err := io.ReadAll(reader); err != nil || string(got) != "1111111111" {
		t.Errorf("read while it was given up: %q, %v", got, err)
	}
	if _, err := os.Stat(c.source(Request{URL: "http://x/1"}.key())); !os.IsNotExist(err) {
		t.Errorf("what tells of a content stays after it: %v", err)
	}
}

// FuzzRecords gives the cache a directory that others wrote: it serves nothing but objects.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"sha256":"`+shaOf("x").Hex+`","size":1}`), []byte(`{"etag":"\"1\"","boot":"b"}`))
	f.Add([]byte(`{"sha256":"../../../../etc/passwd","size":9}`), []byte(`{`))
	f.Fuzz(func(t *testing.T, record, part []byte) {
		c, s := open(t, 0), newServer("content", Version{ETag: `"1"`})
		c.boot = "b"
		r := Request{URL: "http://x/f"}
		for path, text := range map[string][]byte{c.source(r.key()): record, c.partial(r.key()) + ".json": part, c.partial(r.key()): part} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		content, err := c.Get(t.Context(), r, func(ctx context.Context, q Question) (Answer, error) {
			q.Have, q.From = Version{}, 0 // a server that knows none of it
			return s.ask(ctx, q)
		}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		if got, err := io.ReadAll(content); err != nil || string(got) != "content" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
