package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"strata/events/dial"
	"strata/services/api/door"
)

// bus is the door to the lab's bus: NATS over websocket, at the same port as all else. It hands connections on to the
// broker's own listener of websockets, on loopback in `strata up`. The broker asks who comes as at its own port,
// so the rights are the same. To take the broker's handler in place of its listener would save one copy of each
// byte, but it has none that others may call; and so a broker elsewhere is reached in the same way.
type bus struct {
	broker func() (*url.URL, error) // where the broker listens
	door   *door.Door
	logger *slog.Logger
}

// patterns is where the bus is found.
// With and without a slash behind it, as people write addresses: a websocket follows no redirection.
func (b bus) patterns() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{dial.Path: b.serve, dial.Path + "/{$}": b.serve}
}

// serve hands a connection to the broker.
func (b bus) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is the lab's bus, for clients of NATS by websocket: give them this address", http.StatusUpgradeRequired)
		return
	}
	// Only the opening is counted: what goes over the connection then is the broker's to limit.
	if !b.door.Admit(w, r) {
		return
	}
	to, err := b.broker()
	if err != nil {
		b.away(w, r, err)
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			// Elsewhere below its root the broker knows other protocols.
			p.Out.URL.Path, p.Out.URL.RawPath, p.Out.URL.RawQuery = "/", "", ""
			// Who comes is said in NATS' own words.
			p.Out.Header.Del("Authorization")
			p.Out.Header.Del("Cookie")
			if host, _, err := net.SplitHostPort(p.In.RemoteAddr); err == nil {
				p.Out.Header.Set("X-Forwarded-For", host) // the broker's log names it
			}
		},
		ErrorHandler: b.away,
		ErrorLog:     slog.NewLogLogger(b.logger.Handler(), slog.LevelDebug),
	}
	proxy.ServeHTTP(w, r)
}

// away answers where there is no broker.
func (b bus) away(w http.ResponseWriter, _ *http.Request, err error) {
	b.logger.Warn("no way to the broker for a client by websocket", "err", err)
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the lab's bus is not there at the moment", http.StatusServiceUnavailable)
}

// busAt returns where the broker of another process listens for websockets.
// It is read anew for each connection, so that a wrong setting is told to whoever comes and in the
// log, and does not keep the process from starting.
func busAt(address string) func() (*url.URL, error) {
	return func() (*url.URL, error) {
		if address == "" {
			return nil, fmt.Errorf("broker.websocket names no address")
		}
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("broker.websocket: %w", err)
		}
		u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
		return u, nil
	}
}
