package overlay

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/testdef"
)

// definitions is test-definition: four actions a definition.
type definitions struct{ work *work }

// Name returns test-definition.
func (*definitions) Name() string { return "test-definition" }

// Description says what the action does.
func (*definitions) Description() string { return "load test definitions into image" }

// Populate adds the actions of each definition of the namespace's test blocks. The definitions of
// all blocks go into each overlay.
func (a *definitions) Populate(step *pipeline.Step, s *pipeline.Session) error {
	a.work.entries = nil
	stage := -1
	names := Number(s.TestBlocks())
	for i, block := range s.TestBlocks() {
		if !block.Has("definitions") {
			continue
		}
		stage++
		for j, d := range block.Get("definitions").Items() {
			name := names[i][j]
			e := &entry{
				Definition: Definition{Name: name, Job: d, Dir: path.Join(a.work.root, strconv.Itoa(stage), "tests", name)},
				run: &Run{Name: name, Stage: stage, Repository: d.Get("repository"), Path: d.Get("path").Text(),
					Revision: d.Get("revision").TextOr("unspecified")},
			}
			if err := a.add(step, s, e); err != nil {
				return err
			}
			a.work.entries = append(a.work.entries, e)
		}
	}
	return nil
}

// add adds the four actions of one definition.
func (a *definitions) add(step *pipeline.Step, s *pipeline.Session, e *entry) error {
	repo, err := a.repo(e)
	if err != nil {
		return err
	}
	if err := step.Add(repo); err != nil {
		return err
	}
	// Tools of labs take the UUID apart, so the level in it is that of the action that brings the files.
	e.run.UUID = s.ID + "_" + step.Children[len(step.Children)-1].Level
	for _, child := range []pipeline.Action{
		testOverlay{a.work, e}, installOverlay{a.work, e}, runscriptOverlay{a.work, e},
	} {
		if err := step.Add(child); err != nil {
			return err
		}
	}
	return nil
}

// repo returns the action that brings a definition's files: one row for each `from`.
func (a *definitions) repo(e *entry) (pipeline.Action, error) {
	switch from := e.Job.Get("from").Text(); from {
	case "inline":
		return inlineRepo{a.work, e}, nil
	case "git":
		return newGitRepo(a.work, e), nil
	case "url":
		return &urlRepo{work: a.work, entry: e}, nil
	default:
		return nil, pipeline.Blamef(pipeline.Job, "No testdef_repo handler is available for '%s' (%s), use inline, git or url", from, e.Name)
	}
}

// Validate checks the names.
func (*definitions) Validate(_ context.Context, s *pipeline.Session) error {
	for _, problem := range checkNames(s.TestBlocks()) {
		s.Invalid("%s", problem)
	}
	return nil
}

// Run lets the children bring the definitions, then lists them for the runner.
func (a *definitions) Run(ctx context.Context, s *pipeline.Session) error {
	s.Log.Info("Loading test definitions")
	// Not while planning: a later deploy block of the namespace has an overlay of its own, and the
	// tests before it mean this one.
	var runs []*Run
	for _, e := range a.work.entries {
		runs = append(runs, e.run)
	}
	pipeline.Put(s, Tests, runs)
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	s.Log.Info("Creating lava-test-runner.conf files")
	stage := -1
	var conf strings.Builder
	for i, e := range a.work.entries {
		if e.run.Stage != stage {
			stage = e.run.Stage
			conf.Reset()
			s.Log.Debug("Using lava-test-runner path: %s for stage %d", a.work.local(strconv.Itoa(stage)), stage)
		}
		s.Log.Debug("- %s", e.Name)
		conf.WriteString(e.Dir + "\n")
		if i+1 == len(a.work.entries) || a.work.entries[i+1].run.Stage != stage {
			file := a.work.local(strconv.Itoa(stage), "lava-test-runner.conf")
			if err := writeFile(file, conf.String(), 0o644); err != nil {
				return blamef("list the test definitions: %w", err)
			}
		}
	}
	return nil
}

// place makes the definition's directory on the worker, empty.
func (e *entry) place(s *pipeline.Session, w *work) error {
	s.Log.Debug("Using %s at stage %d", w.root, e.run.Stage)
	e.local = filepath.Join(w.dir, e.Dir)
	e.run.Loaded = false
	if err := os.MkdirAll(filepath.Dir(e.local), 0o755); err != nil {
		return blamef("make the directory of %s: %w", e.Name, err)
	}
	return nil
}

// read loads the definition from its file, which must lie in the definition's directory: a link of
// the repository cannot make the worker read a file of its own.
func (e *entry) read() error {
	root, err := os.OpenRoot(e.local)
	if err != nil {
		return blamef("open the directory of %s: %w", e.Name, err)
	}
	defer root.Close()
	text, err := root.ReadFile(filepath.FromSlash(path.Clean(e.run.Path)))
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "Unable to find test definition YAML: %s (%w)", e.run.Path, err)
	}
	d, err := testdef.Read(text)
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "Unable to use test definition YAML: %s: %w", e.run.Path, err)
	}
	e.load(d)
	return nil
}

// announce logs what a repo action ends with.
func (e *entry) announce(s *pipeline.Session) {
	// In the notation of Python, which people search logs for.
	known := pipeline.Of(nil)
	if e.run.HasParse {
		pattern := pipeline.Of(nil)
		for _, key := range []string{"pattern", "fixupdict"} {
			if v, ok := e.File.Get("parse").Lookup(key); ok {
				pattern = pattern.With(key, v)
			}
		}
		known = pipeline.Of([]pipeline.Pair{{Key: "testdef_pattern", Value: pattern}})
	}
	if len(e.run.Expected) > 0 {
		known = known.With("testdef_expected", pipeline.Of(e.run.Expected))
	}
	s.Log.Debug("uuid=%s testdef=%s", e.run.UUID, known.Python())
}

// results sets what the result of each of the three overlay actions says.
func (e *entry) results(s *pipeline.Session) {
	from := e.Job.Get("from").Text()
	s.Result("uuid", e.run.UUID)
	s.Result("name", e.Job.Get("name").Text())
	s.Result("path", e.run.Path)
	s.Result("from", from)
	if from != "inline" {
		s.Result("repository", e.run.Repository.Text())
	}
}

// testOverlay writes what the device and later readers know a definition by.
type testOverlay struct {
	work  *work
	entry *entry
}

// Name returns test-overlay.
func (testOverlay) Name() string { return "test-overlay" }

// Description says what the action does.
func (testOverlay) Description() string { return "overlay test support files onto image" }

// Run writes uuid, testdef.yaml and testdef_metadata.
func (a testOverlay) Run(_ context.Context, s *pipeline.Session) error {
	e := a.entry
	e.results(s)
	files := map[string]string{"uuid": e.run.UUID}
	for name, d := range map[string]pipeline.Data{"testdef.yaml": e.File, "testdef_metadata": e.Metadata(e.run.Commit)} {
		text, err := writeYAML(d)
		if err != nil {
			return blamef("write %s of %s: %w", name, e.Name, err)
		}
		files[name] = text
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(e.local, name), text, 0o644); err != nil {
			return blamef("write %s of %s: %w", name, e.Name, err)
		}
	}
	return nil
}

// runscriptOverlay writes run.sh. Its results are counted: one a definition is how many runs are
// due.
type runscriptOverlay struct {
	work  *work
	entry *entry
}

// Name returns test-runscript-overlay.
func (runscriptOverlay) Name() string { return "test-runscript-overlay" }

// Description says what the action does.
func (runscriptOverlay) Description() string { return "overlay run script onto image" }

// Run writes run.sh.
func (a runscriptOverlay) Run(_ context.Context, s *pipeline.Session) error {
	e := a.entry
	e.results(s)
	s.Log.Debug("runner path: %s test_uuid %s", e.local, e.run.UUID)
	for _, line := range e.Overrides() {
		s.Log.Debug("%s", line)
	}
	file := filepath.Join(e.local, "run.sh")
	if err := writeFile(file, e.RunScript(delay(s)), 0o755); err != nil {
		return blamef("write run.sh of %s: %w", e.Name, err)
	}
	s.Result("filename", file)
	return nil
}
