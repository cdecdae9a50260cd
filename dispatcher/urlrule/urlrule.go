// Package urlrule says what jobs may fetch. Definitions name URLs, and whoever may submit one can make
// the worker ask any address that it reaches: the lab's power switches, the cloud's metadata service,
// files of the worker itself. A lab that takes jobs from strangers narrows that down in its
// dispatcher configuration; one that says nothing allows everything, as its jobs expect.
//
//	url_rules:
//	  schemes: [https, ssh]         # of downloads and repositories; absent: all
//	  hosts: ['\.example\.com$']    # regular expressions that a host must match one of; absent: all
//	  deny_hosts: ['^intern\.']     # and none of these
//	  private: deny                 # addresses of [Private], whatever their names are; else allow
//	  private_except: [10.1.2.0/24] # but these: the lab's file server, its proxy
package urlrule

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"strata/dispatcher/pipeline"
)

// Rules are what one worker's configuration says. The zero Rules allow everything.
type Rules struct {
	schemes     []string
	hosts, deny []*regexp.Regexp
	private     bool // is denied
	except      []netip.Prefix
}

// Forbidden is the error for what the rules do not allow. To try again is of no use.
type Forbidden struct{ Text string }

// Error says what is not allowed.
func (e *Forbidden) Error() string { return e.Text }

// Private lists the ranges that `private: deny` closes: those of this machine, of the network around
// it, and those that no public host has (RFC 6890).
func Private() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
		"fc00::/7", "fe80::/10", "ff00::/8",
		// These carry an address of IPv4, which a gateway may take out; :: and ::1 are in the first.
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16",
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Read reads url_rules of a dispatcher's configuration. Its errors are Configuration errors.
func Read(config pipeline.Data) (Rules, error) {
	var r Rules
	rules := config.Get("url_rules")
	if rules.IsNull() {
		return r, nil
	}
	if rules.Kind() != pipeline.Mapping {
		return r, pipeline.Blamef(pipeline.Configuration, "url_rules of the dispatcher's configuration is no mapping")
	}
	for _, p := range rules.Pairs() {
		var err error
		switch p.Key {
		case "schemes":
			r.schemes = append([]string{}, p.Value.Texts()...)
		case "hosts":
			r.hosts, err = compile(p.Value.Texts())
		case "deny_hosts":
			r.deny, err = compile(p.Value.Texts())
		case "private":
			switch text := p.Value.Text(); text {
			case "allow", "deny":
				r.private = text == "deny"
			default:
				err = fmt.Errorf("%q is neither allow nor deny", text)
			}
		case "private_except":
			r.except, err = prefixes(p.Value.Texts())
		default:
			err = fmt.Errorf("there are schemes, hosts, deny_hosts, private and private_except")
		}
		if err != nil {
			return Rules{}, pipeline.Blamef(pipeline.Configuration, "url_rules.%s of the dispatcher's configuration: %w", p.Key, err)
		}
	}
	return r, nil
}

// compile never returns nil: an empty list of allowed hosts allows none.
func compile(texts []string) ([]*regexp.Regexp, error) {
	all := []*regexp.Regexp{}
	for _, text := range texts {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	return all, nil
}

func prefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		if !strings.Contains(text, "/") {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Check says why a URL may not be fetched, by its text; nil where it may. A repository may be written
// as git does, user@host:path.
func (r Rules) Check(text string) error {
	if r.None() {
		return nil
	}
	scheme, host, err := parts(text)
	if err != nil {
		return err
	}
	if r.schemes != nil && !slices.Contains(r.schemes, scheme) {
		return &Forbidden{fmt.Sprintf("'%s': the lab's url_rules allow the schemes %s only", text, strings.Join(r.schemes, ", "))}
	}
	matches := func(re *regexp.Regexp) bool { return re.MatchString(host) }
	if r.hosts != nil && !slices.ContainsFunc(r.hosts, matches) || slices.ContainsFunc(r.deny, matches) {
		return &Forbidden{fmt.Sprintf("'%s': the lab's url_rules do not allow the host '%s'", text, host)}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.address(addr)
	}
	return nil
}

// parts returns scheme and host of a URL, in lower case.
func parts(text string) (scheme, host string, err error) {
	if !strings.Contains(text, "://") {
		if name, _, ok := strings.Cut(text, ":"); ok && !strings.Contains(name, "/") {
			if _, after, ok := strings.Cut(name, "@"); ok {
				name = after
			}
			return "ssh", strings.ToLower(name), nil
		}
		return "file", "", nil // a path
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "", fmt.Errorf("parse URL: %w", err)
	}
	// A dot at the end names the same host.
	return strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), nil
}

// address says why an address may not be asked.
func (r Rules) address(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(addr) }
	if r.private && slices.ContainsFunc(Private(), in) && !slices.ContainsFunc(r.except, in) {
		return &Forbidden{fmt.Sprintf("the lab's url_rules do not allow the private address %s", addr)}
	}
	return nil
}

// Control is for net.Dialer: it holds the rules against the address that a name turned out to have,
// at each connection, so that neither a redirect nor a name that changes leads around them.
func (r Rules) Control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("check address %s: %w", address, err)
	}
	return r.address(at.Addr())
}

// None says that everything is allowed.
func (r Rules) None() bool {
	return r.schemes == nil && r.hosts == nil && r.deny == nil && !r.private
}

// DeniesPrivate says whether private addresses are denied.
func (r Rules) DeniesPrivate() bool { return r.private }

// CheckHost is Check that also looks up the host's addresses, for programs that connect by themselves. It
// returns them, all of which may be asked; none where addresses do not matter.
func (r Rules) CheckHost(ctx context.Context, text string) ([]netip.Addr, error) {
	if err := r.Check(text); err != nil || !r.private {
		return nil, err
	}
	_, host, err := parts(text)
	if err != nil || host == "" {
		return nil, err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up '%s': %w", host, err)
	}
	for _, addr := range addrs {
		if err := r.address(addr); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}
