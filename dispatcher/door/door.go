package door

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Settings say where a door is, and how much goes through it.
type Settings struct {
	Host  string        // address to listen on; "" is every one of this machine
	Ports string        // "42000-42099" or "42000"; "" is any free one
	Dir   string        // an empty directory of the job's
	File  int64         // bytes of one file
	Held  int64         // bytes of all files that wait
	Wait  time.Duration // how long a file waits for room; then it is refused
	Now   func() time.Time
}

// Limits that nobody has to set.
const (
	atOnce   = 4
	mostHeld = 256              // files that wait
	silence  = 30 * time.Second // in the middle of a file
)

// Door is open until Close. Its methods are safe for use by several goroutines.
type Door struct {
	settings Settings
	token    string
	port     int
	server   *http.Server
	served   sync.WaitGroup
	free     chan struct{}

	mu     sync.Mutex
	held   map[string]Upload // by id
	order  []string          // of the ids
	bytes  int64             // of what is held, and room for what is coming
	coming map[string]int64  // what is on its way, by id, with its size
	taken  chan struct{}     // closed, and made anew, when there may be more room
	number int               // of files so far
}

// Upload is a file that was sent.
type Upload struct {
	ID    string
	About string // the announcement, as its path had it; "" for none
	Size  int64
	file  string
}

// Read returns the file's content, and removes it from the disk.
func (u Upload) Read() ([]byte, error) {
	data, err := os.ReadFile(u.file)
	return data, errors.Join(err, os.Remove(u.file))
}

// Open opens a door.
func Open(s Settings) (*Door, error) {
	listener, err := listen(s.Host, s.Ports)
	if err != nil {
		return nil, fmt.Errorf("open a door for files of tests: %w", err)
	}
	// Lower case: some shells' printf and some consoles' logs change nothing then.
	d := &Door{settings: s, token: strings.ToLower(rand.Text()), held: map[string]Upload{}, coming: map[string]int64{}, taken: make(chan struct{}), free: make(chan struct{}, atOnce)}
	if bound, ok := listener.Addr().(*net.TCPAddr); ok {
		d.port = bound.Port
	}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: silence, IdleTimeout: silence, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	d.served.Go(func() { _ = d.server.Serve(listener) }) // it ends with Close
	return d, nil
}

// listen takes the first free port of a range.
func listen(host, ports string) (net.Listener, error) {
	first, last, err := portRange(ports)
	if err != nil {
		return nil, err
	}
	// Jobs of one worker share the range, each in a process of its own: trying is the only way to know.
	for port := first; ; port++ {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil || port >= last {
			return listener, err
		}
	}
}

// portRange reads a port or a range of them; 0 stands for any.
func portRange(ports string) (first, last int, err error) {
	if ports == "" {
		return 0, 0, nil
	}
	from, to, ok := strings.Cut(ports, "-")
	if !ok {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || first < 1 || last > 65535 || first > last {
		return 0, 0, fmt.Errorf("ports %q are no port and no range such as 42000-42099", ports)
	}
	return first, last, nil
}

// Port returns the TCP port.
func (d *Door) Port() int { return d.port }

// Token returns the secret that paths begin with.
func (d *Door) Token() string { return d.token }

// Take hands over a file, which is then no longer the door's: its bytes make room for others.
func (d *Door) Take(id string) (Upload, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.held[id]
	if ok {
		delete(d.held, id)
		d.order = slices.DeleteFunc(d.order, func(o string) bool { return o == id })
		d.roomier(u.Size)
	}
	return u, ok
}

// roomier gives room back and wakes who waits for it.
func (d *Door) roomier(bytes int64) {
	d.bytes -= bytes
	close(d.taken)
	d.taken = make(chan struct{})
}

// Rest takes all files that are held, in the order in which they came.
func (d *Door) Rest() (all []Upload) {
	d.mu.Lock()
	ids := slices.Clone(d.order) // Take changes it
	d.mu.Unlock()
	for _, id := range ids {
		if u, ok := d.Take(id); ok {
			all = append(all, u)
		}
	}
	return all
}

// Close shuts the door and returns how many files were on their way.
func (d *Door) Close() (unfinished int) {
	d.mu.Lock()
	unfinished = len(d.coming)
	d.mu.Unlock()
	_ = d.server.Close() // there is nobody to tell
	d.served.Wait()
	return unfinished
}

// refusal is an answer that the device may read: it need not try the same again.
type refusal struct{ text string }

func (r refusal) Error() string { return r.text }

func refuse(format string, args ...any) error { return refusal{fmt.Sprintf(format, args...)} }

// errBroken says that a file came other than it was announced: another way of sending it may do better.
var errBroken = errors.New("what came is not what was announced")

// ServeHTTP takes a file.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if subtle.ConstantTimeCompare([]byte(parts[0]), []byte(d.token)) != 1 {
		http.NotFound(w, r) // whoever has no secret learns nothing
		return
	}
	if r.Method != http.MethodPut && r.Method != http.MethodPost {
		w.Header().Set("Allow", "PUT, POST")
		http.Error(w, "files are only taken here", http.StatusMethodNotAllowed)
		return
	}
	err := d.take(w, r, parts[1:])
	var no refusal
	switch {
	// 200 even so: wget shows nobody the body of an error, and the device has to read it.
	case errors.As(err, &no):
		_, _ = fmt.Fprintf(w, "strata-file refused: %s\n", no) // a client that is gone needs no answer
	case err != nil:
		http.Error(w, "strata-file failed: "+err.Error(), http.StatusServiceUnavailable)
	default:
		_, _ = io.WriteString(w, "strata-file kept\n")
	}
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// take reads what ID/ENCODING/SIZE/ABOUT announces.
func (d *Door) take(w http.ResponseWriter, r *http.Request, path []string) error {
	if len(path) != 4 || !idForm.MatchString(path[0]) || path[1] != "raw" && path[1] != "base64" {
		return refuse("the path is not /TOKEN/ID/ENCODING/SIZE/ABOUT")
	}
	u := Upload{ID: path[0]}
	var err error
	if u.Size, err = strconv.ParseInt(path[2], 10, 64); err != nil || u.Size < 0 {
		return refuse("size %q is no number of bytes", path[2])
	}
	if path[3] != "-" {
		about, err := hex.DecodeString(path[3])
		if err != nil {
			return refuse("what is said about the file came broken")
		}
		u.About = string(about)
	}
	// Who comes too many waits: a refusal would send the file over the console.
	select {
	case d.free <- struct{}{}:
		defer func() { <-d.free }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	if err := d.reserve(r.Context(), &u); err != nil {
		return err
	}
	if err := d.store(r.Context(), u, path[1], patient{http.NewResponseController(w), d.settings.Now, r.Body}); err != nil {
		d.give(u)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.coming, u.ID)
	d.held[u.ID] = u
	d.order = append(d.order, u.ID)
	return nil
}

// reserve finds room for a file, in place of one with its id. What is held is on its way into the log: room
// for all but the largest comes soon, and who is refused for want of it would lose a file that the job's
// limits allow.
func (d *Door) reserve(ctx context.Context, u *Upload) error {
	if most := min(d.settings.File, d.settings.Held); u.Size > most {
		return refuse("%d bytes, and at most %d are kept of one file", u.Size, most)
	}
	d.Take(u.ID) // a client that lost the answer to the first sends it once more
	end := time.NewTimer(d.settings.Wait)
	defer end.Stop()
	for {
		more, err := d.tryReserve(u)
		if more == nil {
			return err
		}
		select {
		case <-more:
		case <-end.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryReserve takes room if there is some. Else the channel tells when to try again.
func (d *Door) tryReserve(u *Upload) (more <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, twice := d.coming[u.ID]; twice {
		return nil, errBroken
	}
	if room := d.settings.Held - d.bytes; u.Size > room || len(d.held)+len(d.coming) >= mostHeld {
		return d.taken, refuse("%d bytes, and there is room for %d now", u.Size, max(room, 0))
	}
	d.bytes += u.Size // before it is there: four at once must not find the same room
	d.coming[u.ID] = u.Size
	d.number++
	u.file = filepath.Join(d.settings.Dir, strconv.Itoa(d.number))
	return nil, nil
}

// give gives room back.
func (d *Door) give(u Upload) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.coming, u.ID)
	d.roomier(u.Size)
}

// store writes a file, which has to have its size exactly.
func (d *Door) store(ctx context.Context, u Upload, encoding string, body io.Reader) error {
	f, err := os.OpenFile(u.file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return errors.New("the worker cannot write it") // its paths are none of the device's business
	}
	if encoding == "base64" {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	// One byte more than announced is enough to know that it is another file.
	n, err := io.Copy(f, io.LimitReader(body, u.Size+1))
	if err = errors.Join(err, f.Close(), ctx.Err()); err == nil && n == u.Size {
		return nil
	}
	_ = os.Remove(u.file) // the job's directory goes as a whole
	return errBroken
}

// patient reads a body as long as something comes.
type patient struct {
	control *http.ResponseController
	now     func() time.Time
	body    io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.control.SetReadDeadline(p.now().Add(silence)); err != nil {
		return 0, err
	}
	return p.body.Read(b)
}
