package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"strata/schemas/config"
)

// opening is a port that a process is about to open.
type opening struct {
	key       string // of the configuration
	flag      string // that names it too; "" where there is none
	address   string // "" opens none
	encrypted bool   // the process's certificate is used there, where there is one
}

// named returns the key and the flag that an address comes from.
func (o opening) named() string {
	if o.flag == "" {
		return o.key
	}
	return o.key + ", " + o.flag
}

// possible refuses an address that nothing could ever listen on, before anything is made on disk: one that cannot be
// read, or whose host is not this machine. That another process has the port is told when it is opened.
// Port 0 of the host is bound for a moment: whether the host is this machine's only the kernel knows.
func (o opening) possible() error {
	if o.address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(o.address)
	if err != nil {
		return misuse("%s is %q: write host:port, such as 127.0.0.1:8080 or :8080", o.named(), o.address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return misuse("%s is %q: the port is %q, allowed are 0 to 65535", o.named(), o.address, port)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return misuse("%s is %q: cannot listen there: %v", o.named(), o.address, err)
	}
	return l.Close()
}

// closed refuses ports that other machines reach and that nothing encrypts: whoever listens on the way has the
// tokens of all who use them.
// It is a misuse (status 2) and no warning, as a token that has travelled in the open has to be
// thought of as known.
func closed(l config.Listen, openings ...opening) error {
	for _, o := range openings {
		if o.address == "" || l.AllowPlaintext || !exposed(o.address) || o.encrypted && l.Certificate != "" {
			continue
		}
		name := o.named()
		if !o.encrypted {
			return misuse("%s (%s) is reached from other machines, and what is spoken there cannot be encrypted:"+
				" listen on 127.0.0.1, or allow it with --allow-plaintext (listen.allow_plaintext)", o.address, name)
		}
		return misuse("%s (%s) is reached from other machines, and tokens would travel there for all to read:"+
			" name a certificate and its key (--tls-certificate and --tls-key, or listen.tls), listen on 127.0.0.1 behind something that encrypts,"+
			" or allow it with --allow-plaintext (listen.allow_plaintext)", o.address, name)
	}
	return nil
}

// openings refuses what [closed] does, and reads the certificate of the others.
// Before the certificate's files are read: which port is the trouble matters more than which file.
func openings(l config.Listen, now func() time.Time, logger *slog.Logger, all ...opening) (*certificates, error) {
	for _, o := range all {
		if err := o.possible(); err != nil {
			return nil, err
		}
	}
	if err := closed(l, all...); err != nil {
		return nil, err
	}
	return openCertificates(l, now, logger)
}

// exposed says that an address to listen on is not loopback alone. One that cannot be read is left to whoever
// listens on it to refuse.
// A name counts as all of its addresses, and as exposed where it cannot be looked up, for ten seconds
// at most.
func exposed(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return !a.Unmap().IsLoopback()
	}
	if host == "" {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return true
	}
	for _, a := range found {
		if !a.Unmap().IsLoopback() {
			return true
		}
	}
	return false
}

// brokerAddress is where the broker listens: it takes an address without a host for loopback.
func brokerAddress(listen string) string {
	host, port, err := splitListen(listen)
	if err != nil {
		return listen
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// unspecified says that a host to listen on stands for all addresses of the machine.
func unspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.Unmap().IsUnspecified()
}

// listenFlags are the flags about all ports of a process.
func listenFlags(f *pflag.FlagSet, l *config.Listen) {
	f.StringVar(&l.Certificate, "tls-certificate", "", "PEM `file` with the certificate of all ports; read again when it changes")
	f.StringVar(&l.Key, "tls-key", "", "PEM `file` with its key")
	f.StringSliceVar(&l.TrustedProxy, "trusted-proxy", nil, "`address` or range of a proxy that is believed by its X-Forwarded-*, such as 10.0.0.5 or 10.1.0.0/16")
	f.BoolVar(&l.MetricsOpen, "metrics-open", false, "show /metrics to all who reach it, without a token, with the names of what is hidden")
	f.BoolVar(&l.AllowPlaintext, "allow-plaintext", false, "listen on addresses of the network without encryption too")
}

// mergeListen puts the flags of [listenFlags] that were given over what the file says.
func mergeListen(given func(string) bool, into *config.Listen, flags config.Listen) error {
	if given("tls-certificate") {
		into.Certificate = flags.Certificate
	}
	if given("tls-key") {
		into.Key = flags.Key
	}
	if given("trusted-proxy") {
		into.TrustedProxy = flags.TrustedProxy
	}
	if given("allow-plaintext") {
		into.AllowPlaintext = flags.AllowPlaintext
	}
	if given("metrics-open") {
		into.MetricsOpen = flags.MetricsOpen
	}
	_, err := prefixes(into.TrustedProxy)
	return err
}

// prefixes reads addresses and ranges of them.
func prefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); err != nil && bad == nil {
			p, err = a.Unmap().Prefix(a.Unmap().BitLen())
		}
		if err != nil {
			return nil, misuse("--trusted-proxy %q is neither an address such as 10.0.0.5 nor a range such as 10.1.0.0/16", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}
