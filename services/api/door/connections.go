package door

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"strata/services/api/quota"
)

// Connections bounds how many connections a port has. Where one more comes than there may be, the one goes
// on which nothing has been asked for longest: so whoever opens thousands and asks nothing, loses them, and
// those who work go on. Where all work, the new one is turned away.
// The three fields are set before Listener is called and not changed after. One Connections serves
// one listener, whose server has to call State.
type Connections struct {
	Most       int            // of all
	PerAddress int            // of one address
	Trusted    []netip.Prefix // proxies, which bring many people: they have only the bound for all

	mu    sync.Mutex
	all   int
	quiet *list.List // of *connection, the longest quiet in front
	of    map[string]*crowd
}

// crowd is the connections of one address.
type crowd struct {
	count int
	quiet *list.List // of *connection, the longest quiet in front
}

// connection is one of those that are counted.
type connection struct {
	net.Conn
	to   *Connections
	from string

	quiet, own *list.Element // in the lists; nil while something is asked, guarded by to.mu
	closed     bool          // guarded by to.mu
}

// Listener counts what l takes.
// It stands under TLS: a handshake that is never finished is a connection on which nothing is asked.
func (c *Connections) Listener(l net.Listener) net.Listener {
	c.quiet, c.of = list.New(), map[string]*crowd{}
	return listener{l, c}
}

type listener struct {
	net.Listener
	to *Connections
}

// Accept takes a connection, and closes another where there are too many.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			host = conn.RemoteAddr().String()
		}
		// Closing is done outside of the lock, for it may wait.
		if c, victim := l.to.enter(conn, host); c != nil {
			if victim != nil {
				_ = victim.Close() // it was told nothing, and is owed nothing
			}
			return c, nil
		}
		_ = conn.Close()
	}
}

// enter counts a connection, nil where there is no room. The victim has to close for it.
func (c *Connections) enter(conn net.Conn, host string) (entered, victim *connection) {
	from := quota.Address(host)
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.of[from]
	if own == nil {
		own = &crowd{quiet: list.New()}
	}
	var full *list.List
	switch {
	// One address that is full gives up one of its own, never somebody else's.
	case own.count >= c.PerAddress && !trusted(c.Trusted, host):
		full = own.quiet
	case c.all >= c.Most:
		full = c.quiet
	}
	if full != nil {
		first := full.Front()
		if first == nil {
			return nil, nil
		}
		victim = first.Value.(*connection)
		c.leave(victim)
	}
	c.of[from] = own // where the victim was the last of its address, the crowd was forgotten
	own.count++
	c.all++
	entered = &connection{Conn: conn, to: c, from: from}
	c.rest(entered)
	return entered, victim
}

// rest notes that nothing is asked on a connection. c.mu is held.
func (c *Connections) rest(x *connection) {
	if x.quiet == nil && !x.closed {
		x.quiet, x.own = c.quiet.PushBack(x), c.of[x.from].quiet.PushBack(x)
	}
}

// wake notes that something is. c.mu is held.
func (c *Connections) wake(x *connection) {
	if x.quiet != nil {
		c.quiet.Remove(x.quiet)
		c.of[x.from].quiet.Remove(x.own)
		x.quiet, x.own = nil, nil
	}
}

// leave forgets a connection. c.mu is held.
func (c *Connections) leave(x *connection) {
	if x.closed {
		return
	}
	c.wake(x)
	x.closed = true
	c.all--
	own := c.of[x.from]
	if own.count--; own.count == 0 {
		delete(c.of, x.from)
	}
}

// Close closes a connection; another has its place.
func (x *connection) Close() error {
	x.to.mu.Lock()
	x.to.leave(x)
	x.to.mu.Unlock()
	return x.Conn.Close()
}

// State is what a server tells of its connections ([http.Server.ConnState]).
// A connection counts as quiet from its beginning until the head of a request has been read, and
// between requests. One that was hijacked (a websocket) is at work for good.
func (c *Connections) State(conn net.Conn, s http.ConnState) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	x, ok := conn.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateActive, http.StateHijacked:
		c.wake(x)
	case http.StateIdle:
		c.rest(x)
	}
}

// Count returns how many there are.
func (c *Connections) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// trusted says that an address is one of these.
func trusted(prefixes []netip.Prefix, host string) bool {
	g := Guard{Trusted: prefixes}
	return g.trusts(host)
}
