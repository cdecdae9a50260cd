// Package browser lets tests look at Strata's pages as people do: in a real Chromium, which is told what
// to do line by line through a small program of Node's.
//
// A [Browser] is one Chromium, dear to start and shared by the tests of a package; a [Page] is one person
// in front of it, with cookies and a taste of his own (dark, small, without JavaScript). Elements are named
// by playwright's selectors: CSS, `role=button[name="Cancel"]`, `text=Idle`; and [Label] for what stands
// beside a field of a form. Every method waits for what it names, up to [Patience], and ends the test when
// that does not come: no test sleeps, and none looks once and hopes.
//
// The Debian package chromium and the modules that get-modules.sh fetches have to be there; [Start] skips
// the test otherwise, or fails it where .ci/install promised them.
package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
)

// Patience is how long a page may take to show what a test waits for: a loaded machine is slow.
// It bounds each single wait and not the test.
const Patience = time.Minute

// Browser is a running Chromium.
// Many goroutines may use one, as parallel tests do.
type Browser struct {
	in      io.WriteCloser
	mu      sync.Mutex // guards what follows, and writing
	last    int
	waiting map[int]chan answer
	dead    bool
}

// order is what the driver is told; see driver.mjs.
// On is a selector, "" for the page itself; With are arguments as JSON.
type order struct {
	ID   int    `json:"id"`
	Page string `json:"page,omitempty"`
	On   string `json:"on,omitempty"`
	Do   string `json:"do"`
	With []any  `json:"with,omitempty"`
}

// answer is what it says to an order.
type answer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// Start starts a Chromium that lives as long as the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	modules, chromium := needed(t)
	// cmd.Stderr is shown only where the browser does not start; what pages complain of comes by [Page.Complaints].
	cmd := exec.Command("node", filepath.Join(dir(t), "driver.mjs"), modules, chromium)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &Browser{in: in, waiting: map[int]chan answer{0: make(chan answer, 1)}}
	up := b.waiting[0]
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.listen(out)
	}()
	t.Cleanup(func() {
		in.Close()
		// The end of its input ends the driver; one that hangs is killed, so that no test waits for ever.
		stuck := time.AfterFunc(Patience, func() { cmd.Process.Kill() })
		<-read
		cmd.Wait()
		stuck.Stop()
	})
	if a := <-up; a.Error != "" {
		in.Close()
		<-read
		t.Fatalf("start Chromium: %s\n%s", a.Error, said.String())
	}
	return b
}

// Modules returns the directory with playwright-core and axe-core, or skips the test where they are missing.
// For measure.mjs, which benchmarks run by themselves.
func Modules(t testing.TB) string {
	t.Helper()
	modules, _ := needed(t)
	return modules
}

// needed returns where the modules and Chromium are.
func needed(t testing.TB) (modules, chromium string) {
	t.Helper()
	for _, program := range []string{"node", "chromium"} {
		path, err := exec.LookPath(program)
		if err != nil {
			missing(t, "%v; pages are not tested (Debian: nodejs, chromium)", err)
		}
		// The last one looked for: node's own path is not needed.
		chromium = path
	}
	out, err := exec.Command(filepath.Join(dir(t), "get-modules.sh")).Output()
	if err != nil {
		missing(t, "services/web/browser/get-modules.sh: %v; pages are not tested", err)
	}
	return strings.TrimSpace(string(out)), chromium
}

// Labs are started by tests and by benchmarks; both may look for what is missing.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if plain, ok := t.(*testing.T); ok {
		dispatchertest.Missing(plain, format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// dir returns the directory of this package, from a test anywhere in the repository.
func dir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "strata/services/web/browser").Output()
	if err != nil {
		t.Fatalf("find the driver: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// listen hands answers to those who wait for them until the driver has ended; nobody waits in vain.
func (b *Browser) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		var a answer
		if err == nil {
			err = json.Unmarshal(line, &a)
		}
		b.mu.Lock()
		if err != nil {
			b.dead = true
			for _, to := range b.waiting {
				to <- answer{Error: "the browser has ended"}
			}
			clear(b.waiting)
			b.mu.Unlock()
			return
		}
		// Each channel has room for its one answer, so this never waits while it holds the lock.
		if to := b.waiting[a.ID]; to != nil {
			to <- a
			delete(b.waiting, a.ID)
		}
		b.mu.Unlock()
	}
}

// tell gives an order and waits for its answer, which is decoded into the value, if there is to be one.
func (b *Browser) tell(o order, into any) error {
	done := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	o.ID = b.last
	text, err := json.Marshal(o)
	if err == nil && b.dead {
		err = fmt.Errorf("the browser has ended")
	}
	if err == nil {
		b.waiting[o.ID] = done
		_, err = b.in.Write(append(text, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	a := <-done
	if a.Error != "" {
		return fmt.Errorf("%s", a.Error)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.Value, into)
}
