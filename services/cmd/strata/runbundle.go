package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/reproduce"
	"strata/events"
	"strata/schemas/device"
	"strata/schemas/yaml"
)

// isBundle says that a file is a bundle, and no job definition. One that cannot be read is neither: who
// reads it as a definition says why.
// By its first bytes and not by its name: bundles are renamed, and a definition may be called
// anything.
func isBundle(file string) bool {
	if file == "-" {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := f.Read(head) // short or none: no bundle
	return reproduce.IsBundle(head[:n])
}

// runBundle runs the job of a bundle again and prints what differs from the recorded run.
// The status is that of the run: what differs from the recorded one is told and is no failure. With
// --json the last line is an object with "compared".
func (a *app) runBundle(ctx context.Context, r localRun) error {
	dir, err := os.MkdirTemp("", "strata-bundle-")
	if err != nil {
		return fmt.Errorf("make a directory for the bundle: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays behind is in the temporary directory
	m, recorded, err := openBundle(r.definition, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", r.definition, err)
	}
	for _, note := range m.Notes {
		fmt.Fprintf(a.err, "strata: %s\n", note)
	}
	j, err := a.bundledJob(r, m, dir)
	if err != nil {
		return err
	}
	r.kept = kept(m, dir)
	r.seen = &reproduce.Outcome{}
	ended := a.execute(ctx, r, j)
	if r.validate {
		return ended
	}
	differences := reproduce.Compare(recorded, *r.seen, r.until != "")
	if a.json {
		return errors.Join(ended, a.printJSON(struct {
			Job         uint64                 `json:"job"`
			Differences []reproduce.Difference `json:"compared"`
		}{m.Job, differences}))
	}
	fmt.Fprintf(a.out, "\ncompared with job %s of %s:\n", m.Display, m.Made.Local().Format(time.DateOnly))
	for _, d := range differences {
		colour := green
		if !d.Same {
			colour = yellow
		}
		fmt.Fprintf(a.out, "  %s\n", a.paint(a.out, colour, d.String()))
	}
	if len(differences) == 0 {
		fmt.Fprintln(a.out, "  nothing differs of what it did")
	}
	return ended
}

// openBundle unpacks a bundle and reads what its run came to.
// What a bundle may unpack to is bounded, as it may come from anybody.
func openBundle(file, dir string) (reproduce.Manifest, reproduce.Outcome, error) {
	f, err := os.Open(file)
	if err != nil {
		return reproduce.Manifest{}, reproduce.Outcome{}, err
	}
	defer f.Close()
	m, err := reproduce.Open(bufio.NewReaderSize(f, 1<<20), dir, reproduce.DefaultLimits())
	if err != nil {
		return m, reproduce.Outcome{}, err
	}
	log, err := os.Open(filepath.Join(dir, reproduce.LogFile))
	if err != nil {
		return m, reproduce.Outcome{}, err
	}
	defer log.Close()
	recorded, err := reproduce.Read(log)
	return m, recorded, err
}

// bundledJob reads the job's texts: those of the bundle, in place of which the command line may name others.
// A file that the command line names wins over the bundle's, whose secrets are then of no concern.
func (a *app) bundledJob(r localRun, m reproduce.Manifest, dir string) (dispatcher.Job, error) {
	// The number stands in names on the device; with another one nothing would be the same.
	j := dispatcher.Job{ID: strconv.FormatUint(m.Job, 10)}
	for _, t := range []struct {
		own, member string
		to          *[]byte
	}{
		{"", reproduce.DefinitionFile, &j.Definition}, {r.device, reproduce.DeviceFile, &j.Device},
		{r.dispatcher, reproduce.DispatcherFile, &j.Dispatcher}, {r.envDUT, reproduce.EnvDUTFile, &j.EnvDUT},
	} {
		file := t.own
		if _, there := m.Files[t.member]; file == "" && there {
			file = filepath.Join(dir, t.member)
			if n := m.Redacted[t.member]; n > 0 {
				fmt.Fprintf(a.err, "strata: %d secrets were taken out of the bundle's %s; what needs them will fail\n", n, t.member)
			}
		}
		text, err := a.readText(file)
		if err != nil {
			return j, err
		}
		*t.to = []byte(text)
	}
	var err error
	if j.Device, err = a.renderOwn(r, j); err != nil {
		return j, err
	}
	if len(j.Device) == 0 {
		return j, misuse("%s has no device (the job was a guest's): name one with --device", r.definition)
	}
	if _, err := device.Load(j.Device, nil); err != nil {
		return j, fmt.Errorf("device: %w", err)
	}
	if r.dispatcher == "" {
		j.Dispatcher, err = elsewhere(j.Dispatcher)
	}
	return j, err
}

// elsewhere takes what holds on the worker's own machine only out of a dispatcher's configuration: its
// addresses and its directories.
// dispatcher_ip and its kin would have the device load from a machine that is not there.
func elsewhere(config []byte) ([]byte, error) {
	if len(config) == 0 {
		return config, nil
	}
	root, err := yaml.Parse(config)
	if err != nil || !root.Is(yaml.Map) {
		return config, err // the job itself ends over it
	}
	own := *root
	own.Pairs = nil
	for _, p := range root.Pairs {
		if key := p.Key.Print(); !strings.HasPrefix(key, "dispatcher_") && key != "prefix" && !strings.HasPrefix(key, "rclone_") {
			own.Pairs = append(own.Pairs, p)
		}
	}
	return yaml.Write(&own)
}

// kept returns what the bundle holds in the network's place.
// Downloads are found by their URL as the bundle's own definition has it, without its password.
func kept(m reproduce.Manifest, dir string) *pipeline.Kept {
	k := &pipeline.Kept{Files: map[string]string{}, Trees: map[pipeline.Repository]pipeline.KeptTree{}}
	for _, f := range m.Artefacts {
		if f.File != "" && f.URL != "" {
			k.Files[f.URL] = filepath.Join(dir, filepath.FromSlash(f.File))
		}
	}
	for _, t := range m.Trees {
		if t.File != "" {
			k.Trees[pipeline.Repository{URL: t.Repository, Branch: t.Branch, Revision: t.Revision}] =
				pipeline.KeptTree{File: filepath.Join(dir, filepath.FromSlash(t.File)), Commit: t.Commit}
		}
	}
	return k
}

// lastAction ends a job behind one of its actions.
type lastAction struct {
	wanted           string // name or level; "": none
	stop             context.CancelCauseFunc
	reached, unknown bool
}

// planned ends a job at once that does not have the action.
// It is asked once, before the first action runs, so a slip in the name costs no board a boot.
func (l *lastAction) planned(d pipeline.Description) {
	var has func(nodes []pipeline.Node) bool
	has = func(nodes []pipeline.Node) bool {
		for _, n := range nodes {
			if n.Name == l.wanted || n.Level == l.wanted || has(n.Pipeline) {
				return true
			}
		}
		return false
	}
	if !has(d.Pipeline) {
		l.unknown = true
		l.stop(pipeline.CanceledBy{Text: "there is no action " + l.wanted})
	}
}

// saw reads a record: an action says "end: LEVEL NAME (…" once it has run, before the next one starts.
// What the device says is no such record, however it reads: only the dispatcher's own levels count.
func (l *lastAction) saw(rec events.Record) {
	var text string
	if l.wanted == "" || l.reached || json.Unmarshal(rec.Message, &text) != nil {
		return
	}
	rest, ok := strings.CutPrefix(text, "end: ")
	words := strings.Fields(rest)
	if ok && rec.Level != events.Target && len(words) > 1 && (words[0] == l.wanted || words[1] == l.wanted) {
		l.reached = true
		l.stop(pipeline.CanceledBy{Text: "stopped behind " + l.wanted + ", as asked"})
	}
}

// lookAgain is how long the console is read before the next line that was typed is looked for; lastLooks
// how often it is read once there are no more, on a device that never falls silent.
const (
	lookAgain = 100 * time.Millisecond
	lastLooks = 5
)

// deviceShell lets a person type at the device of a job that has failed.
// The job's clean-up, power off among it, waits until it returns.
func (a *app) deviceShell(ctx context.Context, failed error, c *connection.Connection, dir string) {
	fmt.Fprintf(a.err, "\nstrata: the job has failed: %s\n", failed)
	if c == nil || !c.Connected() {
		fmt.Fprintf(a.err, "strata: the device has no console now; this is a shell in the job's directory, leave it with `exit`\n")
		program := a.env("SHELL")
		if program == "" {
			program = "/bin/sh"
		}
		shell := exec.CommandContext(ctx, program)
		shell.Dir, shell.Stdin, shell.Stdout, shell.Stderr = dir, a.in, a.out, a.err
		_ = shell.Run() // its status is that of whatever was typed last
		return
	}
	fmt.Fprintf(a.err, "strata: the device is as the job left it; what you type goes to its console, Ctrl-D ends\n")
	typed := make(chan string)
	go func() {
		// It may stand in a read from the terminal when the job ends; the process ends soon after.
		defer close(typed)
		for lines := bufio.NewScanner(a.in); lines.Scan(); {
			select {
			case typed <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for left := -1; left != 0; left-- { // counts once nothing more is typed
		select {
		case line, more := <-typed:
			if !more {
				typed, left = nil, lastLooks
				break
			}
			if err := c.SendLine(ctx, line, 0); err != nil {
				fmt.Fprintf(a.err, "strata: %s\n", err)
				return
			}
		default:
		}
		wait := lookAgain
		if typed == nil {
			wait = time.Second // for the answer to the last line
		}
		came, err := c.Drain(ctx, wait, "")
		if err != nil || typed == nil && !came {
			return
		}
	}
}
