package cache

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file that counts against the limit.
type entry struct {
	path string
	size int64
	used time.Time
}

// shrink makes room for so many bytes below the limit, giving up what was not used for longest. What
// others read stays theirs until they close it. It does nothing where another job is at it.
func (c *Cache) shrink(need int64) {
	if c.limit == 0 {
		return
	}
	guard, err := os.OpenFile(filepath.Join(c.dir, "locks", "shrink"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return // the next one tries again
	}
	defer closeAll(guard)
	if tryLock(guard) != nil {
		return
	}
	entries, total := c.entries()
	if total+need <= c.limit {
		return
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, e := range entries {
		if total+need <= c.limit {
			break
		}
		if c.remove(e) {
			total -= e.size
		}
	}
	c.sweep()
}

// entries lists contents and partial downloads.
func (c *Cache) entries() (entries []entry, total int64) {
	for _, dir := range []string{"objects", "partial"} {
		// What vanishes meanwhile, or cannot be read, is not counted.
		_ = filepath.WalkDir(filepath.Join(c.dir, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".json") {
				return nil
			}
			if info, err := d.Info(); err == nil {
				entries = append(entries, entry{path, info.Size(), info.ModTime()})
				total += info.Size()
			}
			return nil
		})
	}
	return entries, total
}

// remove gives an entry up, unless it is a download under way.
func (c *Cache) remove(e entry) bool {
	key := filepath.Base(e.path)
	if filepath.Dir(e.path) != filepath.Join(c.dir, "partial") {
		return os.Remove(e.path) == nil
	}
	if len(key) < 4 {
		return false // not ours
	}
	lock, err := os.OpenFile(filepath.Join(c.dir, "locks", key[:4]), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	defer closeAll(lock)
	if tryLock(lock) != nil {
		return false
	}
	_ = os.Remove(e.path + ".json") // it tells of the other
	return os.Remove(e.path) == nil
}

// sweep removes what tells of contents that are gone.
func (c *Cache) sweep() {
	for _, dir := range []string{"sums", "sources"} {
		entries, err := os.ReadDir(filepath.Join(c.dir, dir))
		if err != nil {
			continue // the next time
		}
		for _, e := range entries {
			path := filepath.Join(c.dir, dir, e.Name())
			var s source
			if read(path, &s) != nil || len(s.SHA256) < 2 {
				continue // being written
			}
			if _, err := os.Stat(c.object(s.SHA256)); os.IsNotExist(err) {
				_ = os.Remove(path) // at worst it is found to be void when it is read
			}
		}
	}
}
