package archive

import (
	"errors"
	"io/fs"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// newBucket returns a bucket on an S3 server of its own, on loopback.
func newBucket(t *testing.T) Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("lab"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	b, err := OpenBucket(BucketSettings{Endpoint: server.URL, Bucket: "lab", Prefix: "strata/a", Region: "eu", Key: "key", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStores holds a directory and a bucket to the same contract.
func TestStores(t *testing.T) {
	t.Parallel()
	directory, err := OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Store{"directory": directory, "bucket": newBucket(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := read(ctx, s, "LAB/none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Get of nothing: %v, want fs.ErrNotExist", err)
			}
			if err := s.Create(ctx, "LAB/1", strings.NewReader("one")); err != nil {
				t.Fatalf("Create: %v", err)
			}
			if err := s.Create(ctx, "LAB/1", strings.NewReader("two")); !errors.Is(err, ErrExists) {
				t.Errorf("Create again: %v, want ErrExists", err)
			}
			for _, text := range []string{"index", "index two"} {
				if err := s.Put(ctx, "LAB/index.json", strings.NewReader(text)); err != nil {
					t.Fatalf("Put: %v", err)
				}
			}
			if err := s.Put(ctx, "logs/0/1.zst", strings.NewReader("log")); err != nil {
				t.Fatalf("Put: %v", err)
			}
			for object, want := range map[string]string{"LAB/1": "one", "LAB/index.json": "index two", "logs/0/1.zst": "log"} {
				if got, err := read(ctx, s, object); err != nil || string(got) != want {
					t.Errorf("Get %s: %q, %v; want %q", object, got, err, want)
				}
			}
			for prefix, want := range map[string][]string{"LAB/": {"LAB/1", "LAB/index.json"}, "logs/": {"logs/0/1.zst"}, "RESULTS/": nil} {
				if got, err := s.List(ctx, prefix); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("List %s: %q, %v; want %q", prefix, got, err, want)
				}
			}
			for range 2 {
				if err := s.Remove(ctx, "LAB/1"); err != nil {
					t.Errorf("Remove: %v", err)
				}
			}
			if there, err := exists(ctx, s, "LAB/1"); there || err != nil {
				t.Errorf("after Remove it is there: %t, %v", there, err)
			}
		})
	}
}

// TestArchiveInBucket purges a lab behind an archive in S3, and reads on.
func TestArchiveInBucket(t *testing.T) {
	t.Parallel()
	l := lab{eventtest.Start(t), "", newBucket(t)}
	l.job(t, "alice", "job_name: a\n", 3)
	l.interleaved(t)
	want := l.messages(t, l.Log)
	l.archiveUntil(t, Deps{}, func() bool { return l.logs(t) == 3 && l.purged(t, stream.Lab) && l.purged(t, stream.Output) })
	if got := l.messages(t, l.archived(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("messages after the purge:\n got %v\nwant %v", got, want)
	}
	if r := l.verify(t); len(r.Findings) != 0 || r.Logs != 3 {
		t.Errorf("verify: %+v", r)
	}
	facts, err := l.archived(t).Load(t.Context(), events.Entity{Kind: events.Tag, ID: "last"})
	if err != nil || len(facts) != 1 {
		t.Errorf("facts of a tag: %d, %v", len(facts), err)
	}
	// A bucket that is not there is an error of the archive, and purges nothing.
	gone, err := OpenBucket(BucketSettings{Endpoint: "http://127.0.0.1:1", Bucket: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newArchiver(t.Context(), l.Log, gone); err == nil {
		t.Error("an archive in a bucket that nobody serves was opened")
	}
}
