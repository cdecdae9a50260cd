package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// visiting is the figures of the pages, seen in a real browser.
func visiting() []measure {
	return []measure{
		{[]figure{
			{name: "open a log of 10,000,000 lines at its end", unit: "ms", goal: 500, atMost: true, how: "From the beginning of the navigation until the last line is drawn; the lab has copied the log before, as it does for the first who looks."},
			{name: "jump to a line", unit: "ms", goal: 150, atMost: true, how: "From the question until the line is drawn, of lines all over the log that were not there yet; the 95th percentile of 40 jumps."},
			{name: "search a log of 10,000,000 lines: first hit", unit: "ms", goal: 300, atMost: true, how: "From the question until the line is drawn: a word that one line has, 7,000,013 lines behind where the search begins; the worst of 5 searches."},
			{name: "search a log of 10,000,000 lines: all hits", unit: "ms", how: "The same until the whole log has been gone through, for a word that every hundredth line has."},
			{name: "frames over 16.7 ms while 10,000,000 lines scroll by", unit: "%", goal: 5, atMost: true, how: "The wheel turns for 10 s, slowly and fast, and the thumb is drawn through the whole log for 5 s. Counted are the gaps of more than 17.0 ms between two frames: a turn is 16.7 ms, the browser's stamps lie up to 0.2 ms beside it, and a frame whose script, style and layout are not done in their turn makes a gap of two."},
			{name: "heap of the browser with 10,000,000 lines", unit: "MB", goal: 150, atMost: true, how: "JavaScript's heap as the browser counts it, without collecting garbage for it: the highest of what it is with the log open, after the jumps, with all hits marked and after scrolling, when some 200 pieces of the log are kept."},
		}, viewLong},
	}
}

// chromium drives the browser: one run of a scenario of services/web/browser/measure.mjs, which answers with numbers by
// name.
// The names are the scenario's, see [figuresOf].
func (b *bench) chromium(ctx context.Context, scenario string, settings map[string]any) (map[string]float64, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(root, "services", "web", "browser")
	modules, err := exec.CommandContext(ctx, filepath.Join(home, "get-modules.sh")).Output()
	if err != nil {
		return nil, fmt.Errorf("find the modules that drive a browser: %w", err)
	}
	asked, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(home, "measure.mjs"), strings.TrimSpace(string(modules)), scenario, string(asked))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends its Chromium, too
	cmd.WaitDelay = 20 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("drive the browser: %w\n%s", err, said.Bytes()[max(0, said.Len()-2000):])
	}
	got := map[string]float64{}
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, fmt.Errorf("read what the browser says: %w", err)
	}
	return got, nil
}

// figuresOf takes a row out of what a scenario answered. A name that it did not answer is an error: as 0 it
// would pass for the best that a figure can be.
func figuresOf(got map[string]float64, names ...string) (row []float64, err error) {
	for _, name := range names {
		value, ok := got[name]
		if !ok {
			return nil, fmt.Errorf("the browser's scenario did not measure %q", name)
		}
		row = append(row, value)
	}
	return row, nil
}

// repository is the folder with go.work, above where the program was started.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find services/web/browser: this is not started in the repository")
		}
	}
}

// viewLong looks at a long log.
// The copying is a visit of its own, which is not measured: it happens once for a log, not for each
// viewer.
func viewLong(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.openLong(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	token, err := l.token()
	if err != nil {
		return nil, err
	}
	settings := map[string]any{"url": l.HTTP, "token": token, "job": uint64(l.job), "lines": l.lines, "rare": l.rare, "quick": b.sizes.longLog < full.longLog}
	b.say("the lab copies the log for its viewers")
	if _, err := b.chromium(ctx, "copy", settings); err != nil {
		return nil, err
	}
	for range min(b.runs, 3) {
		got, err := b.chromium(ctx, "log", settings)
		if err != nil {
			return nil, err
		}
		row, err := figuresOf(got, "open", "jump", "first", "all", "frames", "heap")
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
