package pipeline

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
)

// DispatcherIP returns the worker's address for a protocol ("http", "nfs", "tftp" or "" for none),
// as devices reach it: the configured one, else that of its servers where they listen on one address
// only, else the first IPv4 address of the interface that has the default route, else 127.0.0.1. A
// configured one may carry a port; one that is no host or host:port is a Configuration error.
func (s *Session) DispatcherIP(protocol string) (string, error) {
	for _, key := range []string{"dispatcher_" + protocol + "_ip", "dispatcher_ip"} {
		ip := s.Dispatcher.Get(key).Text()
		if ip == "" {
			continue
		}
		// It is typed at consoles and stands in URLs.
		if strings.ContainsAny(ip, " \t\r\n/\\'\"`$;") {
			return "", Blamef(Configuration, "%s: %q is neither a host nor host:port", key, ip)
		}
		return ip, nil
	}
	if ip := s.shared.services.Address; ip != "" {
		return ip, nil
	}
	return DefaultIP(), nil
}

// DefaultIP returns the first IPv4 address of the interface that has the default route, 127.0.0.1
// where there is none.
func DefaultIP() string {
	ip, err := defaultAddress("/proc/net/route")
	if err != nil {
		return "127.0.0.1"
	}
	return ip
}

// defaultAddress reads the kernel's table of IPv4 routes: lines of interface, destination, gateway
// and so on, in hexadecimal.
func defaultAddress(table string) (string, error) {
	f, err := os.Open(table)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" {
			continue
		}
		return addressOf(fields[0])
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("there is no default route")
}

func addressOf(name string) (string, error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return "", err
	}
	addresses, err := nic.Addrs()
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String(), nil
		}
	}
	return "", fmt.Errorf("interface %s has no IPv4 address", name)
}
