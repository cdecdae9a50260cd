package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"strata/schemas/config"
)

// certificates is the certificate of this process's ports, from a pair of files that may change at any time.
//
// The files are looked at in each handshake, which costs two calls of stat, some microseconds beside the
// millisecond of the handshake. A watch of the directories would have to follow the links that certbot and
// Kubernetes turn, and network file systems tell it nothing.
type certificates struct {
	certificate, key string
	now              func() time.Time
	logger           *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate
	seen [2]stamp // of the files when they were read last, whatever came of that
	told age      // of the pair, last
}

// stamp tells one version of a file from another; the zero stamp is that of a file that is away.
type stamp struct {
	changed time.Time
	size    int64
	// A link that is turned to a file of the same size and time is another version: certbot and
	// Kubernetes renew so.
	device, ino uint64
}

// stampOf looks at a file.
func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	s := stamp{changed: info.ModTime(), size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.ino = sys.Dev, sys.Ino
	}
	return s
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// openCertificates reads the pair that the configuration names, nil where it names none. The error names the
// files that are no pair.
// Here, at the start, a pair that cannot be used is an error; later it is a warning
// ([certificates.get]): a lab that runs is not ended by a renewal that went wrong.
func openCertificates(l config.Listen, now func() time.Time, logger *slog.Logger) (*certificates, error) {
	switch {
	case l.Certificate == "" && l.Key == "":
		return nil, nil
	case l.Key == "":
		return nil, misuse("the certificate %s needs its key: listen.tls.key, or --tls-key", l.Certificate)
	case l.Certificate == "":
		return nil, misuse("the key %s needs its certificate: listen.tls.certificate, or --tls-certificate", l.Key)
	}
	c := &certificates{certificate: l.Certificate, key: l.Key, now: now, logger: logger}
	c.seen = c.look()
	pair, err := c.read()
	if err != nil {
		return nil, err
	}
	c.pair = pair
	c.tellAge()
	return c, nil
}

func (c *certificates) look() [2]stamp { return [2]stamp{stampOf(c.certificate), stampOf(c.key)} }

// read reads the pair.
func (c *certificates) read() (*tls.Certificate, error) {
	certificate, err := os.ReadFile(c.certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate (listen.tls.certificate): %w", err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return nil, fmt.Errorf("key of the certificate (listen.tls.key): %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s are no pair: %w", c.certificate, c.key, err)
	}
	return &pair, nil
}

// age is how a certificate stands in its time.
type age int

const (
	certGood  age = iota
	certEarly     // it is not good yet
	certLate      // it is over soon
	certOver
)

// tellAge warns of a certificate that clients refuse, or soon will.
// It is asked in each handshake, as a certificate grows old though its files stay as they are, and says
// each of these things once for a pair.
func (c *certificates) tellAge() {
	was, leaf, now := c.told, c.pair.Leaf, c.now()
	switch {
	case now.After(leaf.NotAfter):
		if c.told = certOver; was != certOver {
			c.logger.Warn("the certificate is over, clients will refuse it", "file", c.certificate, "until", leaf.NotAfter)
		}
	case now.Before(leaf.NotBefore):
		if c.told = certEarly; was != certEarly {
			c.logger.Warn("the certificate is not good yet, clients will refuse it", "file", c.certificate, "from", leaf.NotBefore)
		}
	case now.Add(soon).After(leaf.NotAfter):
		if c.told = certLate; was != certLate {
			c.logger.Warn("the certificate is over soon", "file", c.certificate, "until", leaf.NotAfter)
		}
	default:
		c.told = certGood
	}
}

// get returns the pair as the files have it now. Where they have none that can be used, perhaps because only
// one of them has been replaced so far, the last one goes on.
// It never returns an error, as the library would end the handshake by it without a word to the lab.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.look()
	if seen == c.seen {
		c.tellAge()
		return c.pair, nil
	}
	c.seen = seen // before reading: what changes meanwhile is read again
	pair, err := c.read()
	if err != nil {
		c.logger.Warn("the new certificate cannot be used, the old one goes on", "err", err, "until", c.pair.Leaf.NotAfter)
		return c.pair, nil
	}
	c.pair, c.told = pair, certGood
	c.logger.Info("certificate read again", "file", c.certificate, "until", pair.Leaf.NotAfter)
	c.tellAge()
	return c.pair, nil
}

// config returns how ports are encrypted, nil for plaintext.
// Older versions than TLS 1.2 are retired (RFC 8996).
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// host returns the name under which a port is reached: as it listens, or where that says nothing, as the
// certificate has it.
// Clients that are told 0.0.0.0 could go nowhere, and those that are told an address would find no
// certificate for it.
func (c *certificates) host(listens string) string {
	if c == nil {
		return listens
	}
	pair, _ := c.get(nil) // has no error
	leaf := pair.Leaf
	switch {
	case !unspecified(listens) || leaf.VerifyHostname(listens) == nil:
		return listens
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return listens
}
