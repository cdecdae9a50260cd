package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// writePage writes the page of an area: what was measured, where, when and how. Figures that were
// not measured this time keep their row of the page before, and text that a person has put below
// the line [notesBelow] stays.
// A page that was written by an older version is read for its rows as well: figures are found by their
// names.
func (b *bench) writePage(path string, a area, results []result) error {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write page: %w", err)
	}
	old, notes, _ := strings.Cut(string(text), notesBelow+"\n")
	var p, how bytes.Buffer
	fmt.Fprintf(&p, "# Measurements: %s\n\n<!-- Made by services/cmd/bench, down to the notes; those are kept. -->\n\n", a.name)
	fmt.Fprintf(&p, "`make bench AREA=%s` measures; `go run ./services/cmd/bench -area %s -markdown docs/%s` writes this page.\n\n", a.name, a.name, filepath.Base(path))
	fmt.Fprintf(&p, "Measured on %s. Each figure is the median of its runs. Load is how many processes wanted one of the cores before its first run.\n", machine(b.scratch))
	fmt.Fprintf(&p, "The broker is the one in `strata up`, on disk, and syncs every write before it acknowledges it.\n\n")
	fmt.Fprintf(&p, "| figure | median | unit | goal | | in each run | measured | load |\n|---|---:|---|---|---|---|---|---|\n")
	for _, m := range a.measures {
		for _, f := range m.figures {
			if row := b.row(f, results, old); row != "" {
				p.WriteString(row)
			}
			fmt.Fprintf(&how, "- **%s**: %s\n", f.name, f.how)
		}
	}
	fmt.Fprintf(&p, "\n## How each is measured\n\n%s\n%s\n%s", how.String(), notesBelow, notes)
	if err := os.WriteFile(path, p.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// row returns a figure's row of the table: made anew, or the one of the page before, or "".
func (b *bench) row(f figure, results []result, old string) string {
	for _, r := range results {
		if r.name != f.name {
			continue
		}
		verdict := "stated"
		switch {
		case r.goal != 0 && r.met():
			verdict = "met"
		case r.goal != 0:
			verdict = "**missed**"
		}
		return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.name, number(r.value), r.unit,
			strings.NewReplacer(">=", "≥ ", "<=", "≤ ").Replace(r.promise()), verdict,
			strings.TrimSuffix(r.runs(), " "+r.unit), b.now().UTC().Format("2006-01-02 15:04"), r.load)
	}
	for line := range strings.Lines(old) {
		if strings.HasPrefix(line, "| "+f.name+" |") {
			return line
		}
	}
	return ""
}

// load returns the load average of the last minute, "-" where the system does not tell.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "-"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// notesBelow is the line below which a person writes.
const notesBelow = "## Notes"

// machine describes where the figures come from, as far as they depend on it.
// What it says decides whether two pages can be compared at all: processor, memory, file system, Go.
func machine(dir string) string {
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, found := strings.Cut(string(text), "model name"); found {
			line, _, _ := strings.Cut(after, "\n")
			model = strings.TrimLeft(line, " \t:")
		}
	}
	memory := ""
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		memory = fmt.Sprintf(", %d GB", info.Totalram*uint64(info.Unit)/1e9)
	}
	system := ""
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil {
		// Magic numbers of statfs(2).
		names := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs, which no sync slows down"}
		if name := names[int64(fs.Type)]; name != "" {
			system = ", data on " + name
		}
	}
	return fmt.Sprintf("%d cores (%s)%s%s, %s", runtime.NumCPU(), model, memory, system, runtime.Version())
}
