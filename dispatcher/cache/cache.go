package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrDamaged says that kept content was not what it was when it was stored. It has been removed: ask
// again.
var ErrDamaged = errors.New("the cached copy is damaged")

// Question is what the server is asked.
type Question struct {
	Have Version // answer Unchanged where this is still the version; zero asks for the content
	From int64   // with Have: the content from this byte on, if it is still that version
}

// Answer is what the server said.
type Answer struct {
	Unchanged bool // what Have named is still the version
	Rest      bool // Body begins at From
	Body      io.ReadCloser
	Size      int64 // of the whole content in bytes, -1 where it is not told
	Version   Version
	NoStore   bool // the server forbids to keep it
}

// Ask asks the server.
type Ask func(ctx context.Context, q Question) (Answer, error)

// Get returns the content of a request, from the directory or from the server, whose errors are
// returned as they are. waiting is called if another job is fetching it. The caller reads to the end
// and closes.
func (c *Cache) Get(ctx context.Context, r Request, ask Ask, waiting func()) (*Content, error) {
	if f := c.bySum(r.Sums); f != nil {
		return c.kept(r, f)
	}
	asked, key := c.now(), r.key()
	lock, err := c.lock(ctx, key, waiting)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return past(ctx, ask, err)
	}
	content, err := c.get(ctx, r, ask, asked)
	if err != nil || content.keeping == nil {
		lock.Close() // others may go on
		return content, err
	}
	content.keeping.lock = lock
	return content, nil
}

// Has says whether the content is there by its checksum, so that no server is needed.
func (c *Cache) Has(r Request) bool {
	f := c.bySum(r.Sums)
	closeAll(f)
	return f != nil
}

// get is Get with the lock, which is still needed where the content is being kept.
func (c *Cache) get(ctx context.Context, r Request, ask Ask, asked time.Time) (*Content, error) {
	key := r.key()
	if f := c.bySum(r.Sums); f != nil { // came while we waited
		return c.kept(r, f)
	}
	var known source
	var object *os.File
	if err := read(c.source(key), &known); err == nil {
		object = c.openObject(known)
	}
	if object != nil && !known.Stored.Before(asked) {
		return c.kept(r, object) // fetched after we asked: no server knows better
	}
	question := Question{}
	part, begun := c.openPartial(key)
	switch {
	case object != nil && known.known():
		question.Have = known.Version
	case part != nil:
		question = Question{Have: begun.Version, From: begun.Size}
	}
	answer, err := ask(ctx, question)
	if err != nil {
		closeAll(object, part)
		return nil, err
	}
	if answer.Unchanged && object != nil {
		closeAll(part)
		return c.kept(r, object)
	}
	closeAll(object)
	if answer.Rest && part != nil {
		return c.resume(r, answer, part, begun), nil
	}
	closeAll(part)
	return c.fetch(r, answer), nil
}

// past goes to the server without the cache, which failed.
func past(ctx context.Context, ask Ask, problem error) (*Content, error) {
	answer, err := ask(ctx, Question{})
	if err != nil {
		return nil, err
	}
	return &Content{in: answer.Body, closers: []io.Closer{answer.Body}, Size: answer.Size, Fetched: true, Problem: problem}, nil
}

// openPartial opens what came of a download that broke off, if its rest can be asked for.
func (c *Cache) openPartial(key string) (*os.File, source) {
	var s source
	if read(c.partial(key)+".json", &s) != nil || !s.known() || c.boot == "" || s.Boot != c.boot {
		return nil, source{}
	}
	f, err := os.OpenFile(c.partial(key), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, source{}
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		closeAll(f)
		return nil, source{}
	}
	s.Size = info.Size()
	return f, s
}

// fetch returns content that is kept while it is read, if it may be.
func (c *Cache) fetch(r Request, answer Answer) *Content {
	content := &Content{in: answer.Body, closers: []io.Closer{answer.Body}, Size: answer.Size, Fetched: true}
	if answer.NoStore || c.limit > 0 && answer.Size > c.limit {
		return content
	}
	c.shrink(max(answer.Size, 0))
	key := r.key()
	begun := source{Version: answer.Version, Boot: c.boot}
	// The version first: a part without one is never resumed.
	_ = os.Remove(c.partial(key))
	err := write(c.partial(key)+".json", begun)
	var part *os.File
	if err == nil {
		part, err = os.OpenFile(c.partial(key), os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	}
	if err != nil {
		content.Problem = fmt.Errorf("keep download: %w", err)
		return content
	}
	content.keep(&keeping{cache: c, request: r, begun: begun, file: part}, answer.Body)
	return content
}

// resume returns content of which a part is there, and is kept whole.
func (c *Cache) resume(r Request, answer Answer, part *os.File, begun source) *Content {
	content := &Content{closers: []io.Closer{answer.Body}, Size: answer.Size, Fetched: true, Resumed: begun.Size}
	content.keep(&keeping{cache: c, request: r, begun: begun, file: part, size: begun.Size}, answer.Body)
	// What is there is read first, through the same hash.
	content.in = io.MultiReader(io.NewSectionReader(part, 0, begun.Size), content.in)
	return content
}

// kept returns content of the directory.
func (c *Cache) kept(r Request, f *os.File) (*Content, error) {
	info, err := f.Stat()
	if err != nil {
		closeAll(f)
		return nil, fmt.Errorf("read cached download: %w", err)
	}
	return &Content{in: f, closers: []io.Closer{f}, Size: info.Size(), hash: sha256.New(), object: f.Name(),
		cache: c, private: r.private(), stored: &source{SHA256: filepath.Base(f.Name()), Size: info.Size()}}, nil
}

// closeAll closes files that were only read.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
