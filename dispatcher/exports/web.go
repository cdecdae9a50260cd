package exports

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits of the web server.
const (
	requests  = 256 // at once
	headLimit = 10 * time.Second
	idleLimit = time.Minute
)

// webPrefix is the path below which jobs' scratch directories are, as LAVA has it.
const webPrefix = "/tmp/"

// webHandler shows the files of jobs' scratch directories: /tmp/<folder>/<path>.
type webHandler struct {
	folder func(name string) string // the directory of a folder, "" where there is none
	logger *slog.Logger
	free   chan struct{}
}

func (h webHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "files can be read only", http.StatusMethodNotAllowed)
		return
	}
	select {
	case h.free <- struct{}{}:
		defer func() { <-h.free }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		return
	}
	below, ok := strings.CutPrefix(r.URL.Path, webPrefix)
	folder, rest, err := split(below)
	dir := ""
	if ok && err == nil {
		dir = h.folder(folder)
	}
	if dir == "" {
		http.NotFound(w, r)
		return
	}
	f, info, err := open(dir, rest)
	if errors.Is(err, errNotServed) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		h.logger.Error("file cannot be served", "path", r.URL.Path, "error", err)
		http.Error(w, "the file cannot be read now", http.StatusServiceUnavailable)
		return
	}
	defer f.Close()
	// Devices want bytes: nothing guesses at a type, and no browser runs what a job wrote.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", info.ModTime(), f)
	h.logger.Debug("HTTP sent", "path", r.URL.Path, "client", r.RemoteAddr)
}

// serveWeb answers until ctx ends.
func serveWeb(ctx context.Context, listener net.Listener, h webHandler) {
	h.free = make(chan struct{}, requests)
	server := &http.Server{Handler: h, ReadHeaderTimeout: headLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		server.Close() // a device asks again, for the rest only if it can
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		h.logger.Error("web server ended", "error", err)
	}
	<-stopped
}
