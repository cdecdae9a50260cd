package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// outbox keeps reports on disk until the broker has acknowledged them. The supervisor adds, the link
// takes from the front; both may do so at once.
type outbox struct {
	dir   string
	log   *slog.Logger
	wakes chan struct{} // has an element while something may have been added

	mu      sync.Mutex
	waiting []uint64 // numbers, ascending
	last    uint64
	unsaved map[uint64][]byte // those of waiting that the disk did not take
}

// openOutbox reads which reports an earlier run did not get rid of.
func openOutbox(dir string, log *slog.Logger) (*outbox, error) {
	o := &outbox{dir: dir, log: log, wakes: make(chan struct{}, 1), unsaved: map[uint64][]byte{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of reports: %w", err)
	}
	entries, err := os.ReadDir(dir) // sorted by name, and names have one length
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	for _, e := range entries {
		name, found := strings.CutSuffix(e.Name(), ".json")
		if n, err := strconv.ParseUint(name, 10, 64); found && err == nil {
			o.waiting = append(o.waiting, n)
			o.last = n
		}
	}
	return o, nil
}

// add numbers a report and keeps it. Numbers are nanoseconds of the clock where that moved on, so
// that they grow even after the directory was emptied; they are also unique for the broker's
// message ids. A report that a full disk does not take is kept in memory: if the worker dies before
// it is sent, its job's state tells that it has to be made again.
func (o *outbox) add(now time.Time, r order.Report) {
	o.mu.Lock()
	number := max(o.last+1, uint64(now.UnixNano()))
	o.last = number
	o.mu.Unlock()
	r.Version, r.Number, r.At = order.Version, number, now.UTC().Format(time.RFC3339Nano)
	var body []byte
	if err := jobproc.Write(o.path(number), r); err != nil {
		o.log.Error("report is not on disk", "claim", r.Claim, "job", r.Job, "error", err)
		body, _ = json.Marshal(r) // it has nothing that cannot be encoded
	}
	o.mu.Lock()
	if body != nil {
		o.unsaved[number] = body
	}
	o.waiting = append(o.waiting, number)
	o.mu.Unlock()
	o.wake()
}

// front returns the oldest report as it is to be sent, and its number; 0 where none waits.
func (o *outbox) front() (number uint64, body []byte, err error) {
	o.mu.Lock()
	if len(o.waiting) > 0 {
		number = o.waiting[0]
		body = o.unsaved[number]
	}
	o.mu.Unlock()
	if number == 0 || body != nil {
		return number, body, nil
	}
	body, err = os.ReadFile(o.path(number))
	if err == nil && !json.Valid(body) {
		err = errors.New("is not JSON")
	}
	if err != nil {
		return number, nil, fmt.Errorf("read report %d: %w", number, err)
	}
	return number, body, nil
}

// drop forgets the report that front returned, because it was acknowledged.
func (o *outbox) drop(number uint64) error {
	o.mu.Lock()
	if len(o.waiting) > 0 && o.waiting[0] == number {
		o.waiting = o.waiting[1:]
	}
	delete(o.unsaved, number)
	o.mu.Unlock()
	// Without a sync: a report that comes back after a crash is sent twice, which is allowed.
	if err := os.Remove(o.path(number)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("drop report %d: %w", number, err)
	}
	return nil
}

// wake tells the link that there is something to send; a link that is away finds it later.
func (o *outbox) wake() {
	select {
	case o.wakes <- struct{}{}:
	default:
	}
}

// path is where a report lies. The number has all its digits, so that names sort as numbers do.
func (o *outbox) path(number uint64) string {
	return filepath.Join(o.dir, fmt.Sprintf("%020d.json", number))
}
