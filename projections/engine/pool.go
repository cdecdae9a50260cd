package engine

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const (
	maxBusy = 64 // statements at once; further ones wait for a place
	maxIdle = 32 // connections kept open between statements
)

// session is a connection with a database and settings, kept for the next request with the same.
type session struct {
	*conn
	key string
	tag string // its log_comment, by which a running statement is found and killed
}

// pool keeps sessions by what they were set to. Opening one costs 0.14 ms and a SET for each
// setting, which a lab's few kinds of requests pay once.
type pool struct {
	dial func() (*conn, error)
	busy chan struct{} // a token for each statement under way

	mu     sync.Mutex
	idle   []*session // the one used longest ago first
	opened uint64     // sessions so far; numbers the tags
	closed bool
}

func newPool(dial func() (*conn, error)) *pool {
	return &pool{dial: dial, busy: make(chan struct{}, maxBusy)}
}

// asked is what a session is set to.
type asked struct {
	database string
	role     string // the only one that it has then; empty: all that the engine's user has
	settings map[string]string
}

// get returns a session that is set so. It waits for a place until ctx
// ends. The caller gives it back with put, or with drop where its state is in doubt.
func (p *pool) get(ctx context.Context, w asked) (*session, error) {
	select {
	case p.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	key := w.key()
	if s := p.takeIdle(key); s != nil {
		return s, nil
	}
	s, err := p.open(w)
	if err != nil {
		<-p.busy
		return nil, err
	}
	return s, nil
}

func (p *pool) takeIdle(key string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if s := p.idle[i]; s.key == key {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return s
		}
	}
	return nil
}

func (p *pool) open(w asked) (*session, error) {
	p.mu.Lock()
	p.opened++
	tag := "strata-" + strconv.FormatUint(p.opened, 10)
	p.mu.Unlock()
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	statements := []string{"SET log_comment = " + quote(tag)}
	if w.database != "" {
		statements = append(statements, "USE "+quoteName(w.database))
	}
	if w.role != "" {
		statements = append(statements, "SET ROLE "+quoteName(w.role))
	}
	for _, name := range settingOrder(w.settings) {
		if !settingName.MatchString(name) {
			c.close()
			return nil, exception{115, "UNKNOWN_SETTING", fmt.Errorf("unknown setting %q", name)}
		}
		statements = append(statements, "SET "+name+" = "+quote(w.settings[name]))
	}
	for _, statement := range statements {
		if err := c.run(statement, "Native", nil, nil); err != nil {
			c.close()
			return nil, err
		}
	}
	return &session{conn: c, key: w.key(), tag: tag}, nil
}

// put keeps s for the next request like it.
func (p *pool) put(s *session) {
	<-p.busy
	p.mu.Lock()
	p.idle = append(p.idle, s)
	var over *session
	if len(p.idle) > maxIdle || p.closed {
		over, p.idle = p.idle[0], p.idle[1:]
	}
	p.mu.Unlock()
	if over != nil {
		over.close()
	}
}

// drop closes s: it was killed, or its statement changed its state.
func (p *pool) drop(s *session) {
	<-p.busy
	s.close()
}

// close ends all idle sessions, and the others as they come back.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range idle {
		s.close()
	}
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// settingOrder returns the names in the order to set them: readonly last, since nothing can be
// set after it.
func settingOrder(settings map[string]string) []string {
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if last := names[j] == "readonly"; last || names[i] == "readonly" {
			return last && names[i] != "readonly"
		}
		return names[i] < names[j]
	})
	return names
}

func (w asked) key() string {
	var b strings.Builder
	b.WriteString(strconv.Quote(w.database) + " " + strconv.Quote(w.role))
	for _, name := range settingOrder(w.settings) {
		b.WriteString(" " + strconv.Quote(name) + "=" + strconv.Quote(w.settings[name]))
	}
	return b.String()
}

// quote writes s as a SQL string.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// quoteName writes s as a SQL identifier.
func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}
