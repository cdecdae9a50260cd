package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errRefused says that an address is one that deliveries may not go to.
var errRefused = errors.New("the lab's configuration does not allow it")

// guard says where deliveries may go that people have addressed.
type guard struct {
	allow []netip.Prefix // private addresses that are allowed all the same
	hosts []string       // globs of hosts that callbacks may go to; none: all
}

// newGuard reads the configuration.
// Its errors name the key of the configuration and what could stand there.
func newGuard(allow, hosts []string) (guard, error) {
	g := guard{}
	for _, text := range allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return g, fmt.Errorf("notify.allow: %q is neither an address such as 127.0.0.1 nor a range such as 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		g.allow = append(g.allow, p.Masked())
	}
	for _, h := range hosts {
		if _, err := path.Match(h, ""); err != nil {
			return g, fmt.Errorf("notify.hosts: %q is no pattern: %w", h, err)
		}
		// Names of hosts have no case.
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g, nil
}

// special are ranges that are no place of the internet's, besides those that [netip.Addr] knows itself.
// They are those of IANA's registries of special-purpose addresses.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carriers' own
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("::/96"),           // unspecified, loopback, and IPv4 in the oldest manner
	netip.MustParsePrefix("64:ff9b::/96"),    // IPv4 behind a translator, private ones too
	netip.MustParsePrefix("64:ff9b:1::/48"),  // the same, local
	netip.MustParsePrefix("100::/64"),        // discarded
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // IPv4 by 6to4, private ones too
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

// address returns an error for one that deliveries may not go to.
func (g guard) address(a netip.Addr) error {
	// An IPv4 address in IPv6's clothes is judged as what it is.
	a = a.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(g.allow, within) {
		return nil
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || slices.ContainsFunc(special, within) {
		return fmt.Errorf("address %s is private (notify.allow lists those that may be used): %w", a, errRefused)
	}
	return nil
}

// host returns an error for a host that callbacks may not go to.
func (g guard) host(name string) error {
	name = strings.ToLower(name)
	for _, pattern := range g.hosts {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return nil
		}
	}
	if len(g.hosts) > 0 {
		return fmt.Errorf("host %s is none of notify.hosts: %w", name, errRefused)
	}
	return nil
}

// dial connects to an address that people chose. The address is judged when it is dialled, after all names
// have been looked up: a name that changes its mind, or a redirect, does not get past.
func (g guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %s: %w", address, err)
		}
		return g.address(a.Addr())
	}}
	return d.DialContext(ctx, network, address)
}

// bound ends what goes over a connection with ctx.
// After it every read and write fails once ctx ends, also those that wait already.
func bound(ctx context.Context, conn net.Conn) {
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}
