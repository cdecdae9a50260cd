package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/reproduce"
	"strata/events"
	"strata/services/api"
)

// Its status is 1 too where the file was written but something that the job fetched is not in it: a
// script that keeps bundles must not take such a one for whole.
func (a *app) bundleCommand() *cobra.Command {
	var b bundling
	cmd := &cobra.Command{
		Use:   "bundle JOB -o FILE",
		Short: "Keep all that reproduces a job in one file",
		Long: `Write a job's definition, its device's rendered configuration, the worker's configuration, the test
definitions at the commits that were used, the digests of what it downloaded, its log and the versions
of the programs into one tar, which ` + "`strata run FILE`" + ` runs again without the lab. --with-artefacts puts
the downloads in too: from --cache, which is a worker's cache or any folder, or by their URLs; a file
that has changed since is told from the one that was used.

Secrets are left out: the values of the job's secrets, what stands under a key like token or password,
and passwords in URLs and commands. Look into the file before you give it away all the same.`,
		Example: "  strata jobs bundle 42 -o job42.tar --with-artefacts\n  strata run job42.tar --device mine.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.jobOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			b.job = job
			return a.bundle(cmd.Context(), b)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&b.file, "output", "o", "", "file to write")
	f.BoolVar(&b.artefacts, "with-artefacts", false, "put the downloaded files in")
	f.StringVar(&b.cache, "cache", "", "folder to take downloaded files from, such as a worker's cache")
	_ = cmd.MarkFlagRequired("output") // fails only for a flag that is not there
	return cmd
}

// bundling is what `strata jobs bundle` was told, and what it has gathered.
// It is a value that one command works on from the top to the bottom; nothing of it is used twice.
type bundling struct {
	job         events.JobID
	file, cache string
	artefacts   bool
	light       bool // fetch nothing: who asks may not send the lab's server about

	dir      string // of the members
	in       api.Inputs
	outcome  reproduce.Outcome
	redact   *reproduce.Redactor
	manifest reproduce.Manifest
	missing  int // artefacts and trees that could not be had
}

// note says in the bundle and here what is not as it should be.
// A bundle outlives the terminal: what is wrong with it has to be in it.
func (b *bundling) note(a *app, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.manifest.Notes = append(b.manifest.Notes, text)
	fmt.Fprintf(a.err, "strata: %s\n", text)
}

// bundle gathers and writes.
// The file is there even where the error says that downloads are missing; what is missing stands in
// its notes.
func (a *app) bundle(ctx context.Context, b bundling) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	if err := b.make(ctx, a, bundleSource{c.Call, c.Log}); err != nil {
		return err
	}
	if a.json {
		if err := a.printJSON(b.manifest); err != nil {
			return err
		}
	} else {
		with := 0
		for _, f := range b.manifest.Artefacts {
			if f.File != "" {
				with++
			}
		}
		fmt.Fprintf(a.out, "%s: job %s, %d of %d downloads, %d test repositories; run it with `strata run %s`\n",
			b.file, b.in.Display, with, len(b.manifest.Artefacts), len(b.manifest.Trees), b.file)
	}
	if b.missing > 0 {
		return fmt.Errorf("%d files that the job fetched are not in %s", b.missing, b.file)
	}
	return nil
}

// bundleSource is how a bundle's maker asks the lab: by the bus, or within its process.
type bundleSource struct {
	call func(ctx context.Context, verb string, in, out any) error
	log  func(ctx context.Context, in api.LogRequest, each func(line uint64, r events.Record) error) error
}

// make gathers all that belongs into the bundle, and writes its file.
func (b *bundling) make(ctx context.Context, a *app, c bundleSource) error {
	var j api.Job
	if err := c.call(ctx, "jobs.show", api.JobRequest{Job: b.job}, &j); err != nil {
		return explain(err)
	}
	if !j.Over() {
		return fmt.Errorf("job %d is %s: a bundle is made of one that is over", b.job, j.State)
	}
	if err := c.call(ctx, "jobs.inputs", api.JobRequest{Job: b.job}, &b.in); err != nil {
		return explain(err)
	}
	var err error
	if b.redact, err = reproduce.NewRedactor([]byte(b.in.Definition)); err != nil {
		return err
	}
	// Beside the file, on the disk that has to take the downloads anyway.
	if b.dir, err = os.MkdirTemp(filepath.Dir(b.file), ".bundle-"); err != nil {
		return fmt.Errorf("make a directory for the bundle: %w", err)
	}
	defer os.RemoveAll(b.dir) //nolint:errcheck // hidden, and of no use to anybody
	for _, note := range b.in.Notes {
		b.note(a, "%s", note)
	}
	texts, err := b.writeTexts() // before the log, in which the same secrets stand
	if err != nil {
		return err
	}
	if err := b.writeLog(ctx, c); err != nil {
		return err
	}
	b.checkInputs(a)
	b.gather(ctx, a, texts)
	b.manifest.Job, b.manifest.Display, b.manifest.Name = uint64(b.in.Job), b.in.Display, b.in.Name
	b.manifest.Device, b.manifest.DeviceType, b.manifest.Made = string(b.in.Device), string(b.in.DeviceType), a.now().UTC()
	b.manifest.Versions = map[string]string{"strata": version, "lab": b.in.Version, "dispatcher": b.outcome.Version}
	b.manifest.Redacted = b.redact.Count
	return writeBundle(b.file, b.manifest, b.dir)
}

// writeLog keeps the log, and reads what the run came to.
// A log may have millions of lines, so it goes to disk a mebibyte at a time.
func (b *bundling) writeLog(ctx context.Context, c bundleSource) error {
	f, err := os.Create(filepath.Join(b.dir, reproduce.LogFile))
	if err != nil {
		return fmt.Errorf("keep the log: %w", err)
	}
	defer f.Close()
	out := bytes.Buffer{}
	err = c.log(ctx, api.LogRequest{Job: b.job}, func(_ uint64, r events.Record) error {
		b.outcome.Add(r)
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		out.WriteString(b.redact.Line(reproduce.LogFile, string(line)) + "\n")
		if out.Len() < 1<<20 {
			return nil
		}
		_, err = out.WriteTo(f)
		return err
	})
	if err == nil {
		_, err = out.WriteTo(f)
	}
	if err != nil {
		return fmt.Errorf("keep the log: %w", explain(err))
	}
	return f.Close()
}

// writeTexts keeps what the job was given, without its secrets, and returns those that it is planned with.
// A text that can no longer be read with its secrets taken out ends the bundle: it is not given away
// as it was.
func (b *bundling) writeTexts() (texts dispatcher.Job, err error) {
	for _, t := range []struct {
		file, text string
		to         *[]byte
	}{
		{reproduce.DefinitionFile, b.in.Definition, &texts.Definition}, {reproduce.DeviceFile, b.in.Config, &texts.Device},
		{reproduce.DispatcherFile, b.in.Dispatcher, &texts.Dispatcher}, {reproduce.EnvFile, b.in.Env, nil},
		{reproduce.EnvDUTFile, b.in.EnvDUT, &texts.EnvDUT},
	} {
		if t.text == "" {
			continue
		}
		clean, err := b.redact.YAML(t.file, t.text)
		if err != nil {
			return texts, err
		}
		if t.to != nil {
			*t.to = []byte(clean)
		}
		if err := os.WriteFile(filepath.Join(b.dir, t.file), []byte(clean), 0o644); err != nil {
			return texts, fmt.Errorf("keep %s: %w", t.file, err)
		}
	}
	return texts, nil
}

// checkInputs notes what the worker was given otherwise than the lab's facts say, by the digests in the log.
// Logs of workers before there were such digests tell none, and nothing is said of them. A part's
// definition is cut out of the group's, so its digest is another.
func (b *bundling) checkInputs(a *app) {
	texts := map[string]string{"definition": b.in.Definition, "device": b.in.Config, "dispatcher": b.in.Dispatcher,
		"env": b.in.Env, "env-dut": b.in.EnvDUT}
	for _, input := range slices.Sorted(maps.Keys(texts)) { // two bundles of a job say the same
		text := texts[input]
		was, told := b.outcome.Inputs[input]
		if !told || text == "" || b.in.Part && input == "definition" || was == fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
			continue
		}
		b.note(a, "%s.yaml is not the one that the job ran with: the lab's configuration changed between its scheduling and its start", input)
	}
}

// urls returns what each action of a job's plan downloads, by level.
// The log names what it fetched by the action's level alone; which URL that was only a plan says.
func (a *app) urls(j dispatcher.Job, id string) (map[string]string, error) {
	scratch, err := os.MkdirTemp("", "strata-plan-")
	if err != nil {
		return nil, fmt.Errorf("make scratch directory: %w", err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // what stays behind is in the temporary directory
	j.ID, j.Version, j.Now, j.Dir = id, version, a.now, filepath.Join(scratch, "job")
	j.Log = output.New(output.Settings{Now: a.now, Write: ignore})
	plan, err := dispatcher.Plan(j)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	var walk func(nodes []pipeline.Node)
	walk = func(nodes []pipeline.Node) {
		for _, n := range nodes {
			if n.URL != "" {
				found[n.Level] = n.URL
			}
			walk(n.Pipeline)
		}
	}
	walk(plan.Describe().Pipeline)
	return found, nil
}

// gather names, and where it was asked for fetches, what the job fetched. What cannot be had is noted.
func (b *bundling) gather(ctx context.Context, a *app, clean dispatcher.Job) {
	id := b.in.Job.String()
	// Planned twice: from the clean texts comes what the bundle shows, from the lab's own what is
	// fetched, whose URLs may hold a password.
	shown, err := a.urls(clean, id)
	raw, err2 := a.urls(dispatcher.Job{Definition: []byte(b.in.Definition), Device: []byte(b.in.Config), Dispatcher: []byte(b.in.Dispatcher)}, id)
	if err = errors.Join(err, err2); err != nil {
		b.note(a, "the job cannot be planned, so the URLs of its downloads are not known: %v", err)
	}
	for _, f := range b.outcome.Artefacts {
		item := reproduce.Artefact{URL: shown[f.Level], Label: f.Label, Digest: f.Digest}
		// By digest, so that the same file in several places of the job is in the bundle once.
		if b.artefacts {
			name := "artefacts/" + f.SHA256
			if err := b.fetch(ctx, raw[f.Level], f.Digest, filepath.Join(b.dir, name)); err != nil {
				b.missing++
				b.note(a, "%s (%s) is not in the bundle: %v", f.Label, item.URL, err)
			} else {
				item.File = name
			}
		}
		b.manifest.Artefacts = append(b.manifest.Artefacts, item)
	}
	trees, err := b.trees()
	if err != nil {
		b.note(a, "%v", err)
	}
	for _, t := range trees {
		if b.light {
			b.manifest.Trees = append(b.manifest.Trees, t.shown)
			continue
		}
		if t.shown.File, err = b.fetchTree(ctx, t.raw); err != nil {
			b.missing++
			b.note(a, "the tests of %s at %s are not in the bundle: %v", t.shown.Repository, t.shown.Commit, err)
		}
		b.manifest.Trees = append(b.manifest.Trees, t.shown)
	}
}

// writeBundle writes the tar beside its place first, so that a file of the name is whole.
func writeBundle(file string, m reproduce.Manifest, dir string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".bundle-*.tar")
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	err = reproduce.Write(f, m, dir)
	// CreateTemp makes a file for its owner alone; a bundle is made to be given away.
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
