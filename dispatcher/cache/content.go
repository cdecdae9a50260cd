package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// Content is a file that comes from the cache, or through it. It is for one goroutine.
type Content struct {
	Size    int64 // bytes; -1 where the server did not tell
	Fetched bool  // from the server, not from the directory
	Resumed int64 // bytes of a fetched file that were there from an earlier try
	Problem error // why it is not kept, where it should be; final after Close

	in      io.Reader
	closers []io.Closer
	hash    hash.Hash // of all that was read; nil where nobody wants it
	object  string    // the file that is read, "" for what is fetched
	keeping *keeping  // nil where nothing is being kept
	stored  *source   // once it has been
	ended   error     // what Read said last
	cache   *Cache
	private bool
}

// keeping is a fetched file on its way into the directory.
type keeping struct {
	cache   *Cache
	request Request
	begun   source
	file    *os.File
	size    int64
	lock    *os.File
}

// keep writes what is read from body to the file too.
func (c *Content) keep(k *keeping, body io.Reader) {
	c.keeping, c.hash, c.cache, c.private = k, sha256.New(), k.cache, k.request.private()
	c.in, c.closers = io.TeeReader(body, keeper{c}), append(c.closers, k.file)
}

// Read reads the content. At its end, content of the directory that is damaged gives ErrDamaged, and
// fetched content is kept.
func (c *Content) Read(p []byte) (int, error) {
	if c.ended != nil {
		return 0, c.ended
	}
	n, err := c.in.Read(p)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		err = c.end()
	}
	c.ended = err
	return n, err
}

// end looks at content that was read to its end. It returns io.EOF where all is well.
func (c *Content) end() error {
	if c.object != "" {
		if hex.EncodeToString(c.hash.Sum(nil)) != filepath.Base(c.object) {
			return errors.Join(ErrDamaged, os.Remove(c.object))
		}
		return io.EOF
	}
	k := c.keeping
	if k == nil || c.Size >= 0 && k.size != c.Size {
		return io.EOF // who reads it counts too; the part stays for another try
	}
	s := k.begun
	s.SHA256, s.Size = hex.EncodeToString(c.hash.Sum(nil)), k.size
	// Synced before it gets its name: a name is the promise that the content is whole.
	err := k.file.Sync()
	if err == nil {
		err = k.cache.store(k.request, s)
	}
	if err != nil {
		c.giveUp(err)
		return io.EOF
	}
	c.stored = &s
	c.release()
	k.cache.shrink(0)
	return io.EOF
}

// Confirm notes checksums that the reader has found to be those of the whole content.
func (c *Content) Confirm(sums []Sum) {
	if c.stored == nil || c.private {
		return
	}
	for _, sum := range sums {
		if err := c.cache.remember(sum, *c.stored); err != nil {
			c.Problem = fmt.Errorf("keep checksum: %w", err)
		}
	}
}

// Close ends the reading, wherever it stands. What came of a fetched file stays for another try.
func (c *Content) Close() error {
	var all error
	for _, closer := range c.closers {
		all = errors.Join(all, closer.Close())
	}
	c.closers = nil
	c.release()
	return all
}

// giveUp goes on without keeping.
func (c *Content) giveUp(err error) {
	c.Problem = fmt.Errorf("keep download: %w", err)
	part := c.keeping.file.Name()
	_ = errors.Join(os.Remove(part), os.Remove(part+".json")) // the problem at hand counts
	c.release()
}

// release lets other jobs go on. The file stays open: what was there of it may still be read.
func (c *Content) release() {
	if c.keeping != nil {
		closeAll(c.keeping.lock)
		c.keeping = nil
	}
}

// errFull says that a file of unknown size has grown beyond the cache.
var errFull = errors.New("the file is larger than the cache may be")

// keeper writes to the partial file, and never fails: the job goes on without a cache.
type keeper struct{ content *Content }

func (w keeper) Write(p []byte) (int, error) {
	k := w.content.keeping
	if k == nil {
		return len(p), nil
	}
	if _, err := k.file.Write(p); err != nil {
		w.content.giveUp(err)
		return len(p), nil
	}
	if k.size += int64(len(p)); k.cache.limit > 0 && k.size > k.cache.limit {
		w.content.giveUp(errFull)
	}
	return len(p), nil
}
