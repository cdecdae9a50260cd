package worker

import (
	"encoding/json"
	"errors"
	"fmt"
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
	wakes chan struct{} // has an element while something may have been added

	mu      sync.Mutex
	waiting []uint64 // numbers, ascending
	last    uint64
}

func openOutbox(dir string) (*outbox, error) {
	o := &outbox{dir: dir, wakes: make(chan struct{}, 1)}
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
// message ids.
func (o *outbox) add(now time.Time, r order.Report) error {
	o.mu.Lock()
	number := max(o.last+1, uint64(now.UnixNano()))
	o.mu.Unlock()
	r.Version, r.Number, r.At = order.Version, number, now.UTC().Format(time.RFC3339Nano)
	if err := jobproc.Write(o.path(number), r); err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	o.mu.Lock()
	o.last = number
	o.waiting = append(o.waiting, number)
	o.mu.Unlock()
	o.wake()
	return nil
}

// front returns the oldest report as it is to be sent, and its number; 0 where none waits.
func (o *outbox) front() (number uint64, body []byte, err error) {
	o.mu.Lock()
	if len(o.waiting) > 0 {
		number = o.waiting[0]
	}
	o.mu.Unlock()
	if number == 0 {
		return 0, nil, nil
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
	o.mu.Unlock()
	// Without a sync: a report that comes back after a crash is sent twice, which is allowed.
	if err := os.Remove(o.path(number)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("drop report %d: %w", number, err)
	}
	return nil
}

func (o *outbox) wake() {
	select {
	case o.wakes <- struct{}{}:
	default:
	}
}

func (o *outbox) path(number uint64) string {
	return filepath.Join(o.dir, fmt.Sprintf("%020d.json", number))
}
