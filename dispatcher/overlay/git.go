package overlay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// gitTries and gitPause are how often and how patiently a clone is tried: servers throttle.
const (
	gitTries = 6
	gitPause = 5 * time.Second
)

// gitRepo takes a definition from a git repository.
type gitRepo struct {
	work  *work
	entry *entry
	wait  func(context.Context, time.Duration) error // between tries
}

func newGitRepo(w *work, e *entry) gitRepo { return gitRepo{w, e, pipeline.Sleep} }

// Name returns git-repo-action.
func (gitRepo) Name() string { return "git-repo-action" }

// Description says what the action does.
func (gitRepo) Description() string { return "apply git repository of tests to the test image" }

// Validate checks what can be known without the repository.
func (a gitRepo) Validate(_ context.Context, s *pipeline.Session) error {
	if _, kept := keptTree(s, a.entry.Job); kept {
		return nil
	}
	if _, err := exec.LookPath("git"); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "git is not installed on the worker: %w", err)
	}
	if a.entry.run.Repository.Text() == "" {
		s.Invalid("%s: Git repository not specified in job definition", a.entry.Name)
	}
	if p := a.entry.run.Path; p == "" {
		s.Invalid("%s: Path to YAML file not specified in the job definition", a.entry.Name)
	} else if !filepath.IsLocal(p) {
		s.Invalid("%s: path %q is not inside the repository", a.entry.Name, p)
	}
	for _, key := range []string{"branch", "revision"} {
		if name := a.entry.Job.Get(key).Text(); strings.HasPrefix(name, "-") {
			s.Invalid("%s: %s %q would be taken for an option of git", a.entry.Name, key, name)
		}
	}
	return nil
}

// Run clones the repository into the overlay.
func (a gitRepo) Run(ctx context.Context, s *pipeline.Session) error {
	e := a.entry
	if err := e.place(s, a.work); err != nil {
		return err
	}
	c := cloneOf(s, e.Job, e.local)
	c.wait = a.wait
	s.Log.Info("Fetching tests from %s", c.url)
	commit, err := c.run(ctx)
	if err != nil {
		return err
	}
	e.run.Commit = commit
	s.Result("commit", commit)
	s.Result("repository", e.run.Repository.Text())
	s.Result("path", e.run.Path)
	if err := e.read(); err != nil {
		return err
	}
	e.announce(s)
	return nil
}

// clone is one clone of a repository.
type clone struct {
	s         *pipeline.Session
	url, dir  string
	branch    string
	revision  string
	shallow   bool
	history   bool // keep .git
	recursive bool
	rules     urlrule.Rules
	held      []string // options that hold git to the rules
	wait      func(context.Context, time.Duration) error
	kept      *pipeline.KeptTree // what a bundle has in its place; nil: nothing
}

func newClone(s *pipeline.Session, url string) *clone {
	return &clone{s: s, url: url, history: true, wait: pipeline.Sleep}
}

// run clones, several times if need be, and returns the commit that is checked out.
func (c *clone) run(ctx context.Context) (string, error) {
	if c.kept != nil {
		return c.unpackKept(*c.kept)
	}
	var err error
	if c.rules, err = urlrule.Read(c.s.Dispatcher); err != nil {
		return "", err
	}
	if c.held, err = hold(ctx, c.rules, c.url); err != nil {
		return "", err
	}
	for try := 1; ; try++ {
		commit, err := c.once(ctx)
		if err == nil {
			return commit, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.As(err, new(*urlrule.Forbidden)) {
			return "", pipeline.Blame(pipeline.Job, err) // of a submodule
		}
		c.s.Log.Error("Unable to fetch git repository '%s': %d of %d attempts. %s", c.url, try, gitTries, err)
		if try == gitTries {
			return "", pipeline.Blamef(pipeline.Infrastructure, "Unable to fetch git repository '%s': %w", c.url, err)
		}
		if err := c.wait(ctx, gitPause); err != nil {
			return "", err
		}
	}
}

func (c *clone) once(ctx context.Context) (string, error) {
	out, err := c.clone(ctx, c.shallow)
	if err != nil && c.shallow && strings.Contains(out, "shallow") {
		c.s.Log.Warning("Tried shallow clone, but server doesn't support it. Retrying without...")
		_, err = c.clone(ctx, false)
	}
	if err != nil {
		return "", err
	}
	// The dashes make git take the word for a revision even where a file has that name.
	if c.revision != "" {
		if _, err := c.git(ctx, "-C", c.dir, "checkout", c.revision, "--"); err != nil {
			return "", err
		}
	}
	if c.recursive && !c.rules.None() {
		if err := c.submodules(ctx, c.dir, 0); err != nil {
			return "", err
		}
	}
	commit, err := c.git(ctx, "-C", c.dir, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	if !c.history {
		c.s.Log.Debug("Removing '.git' directory in %s", c.dir)
		if err := os.RemoveAll(filepath.Join(c.dir, ".git")); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(commit), nil
}

// clone runs git clone into an empty place.
func (c *clone) clone(ctx context.Context, shallow bool) (string, error) {
	// A try that failed half-way may have left something; git wants to make the directory itself.
	if err := os.RemoveAll(c.dir); err != nil {
		return "", err
	}
	args := append(append([]string(nil), c.held...), "clone")
	if c.recursive && c.rules.None() {
		args = append(args, "--recurse-submodules")
	}
	if c.branch != "" {
		args = append(args, "-b", c.branch)
	}
	if shallow {
		args = append(args, "--depth=1")
	}
	// After the dashes nothing is taken for an option, whatever a job calls its repository.
	return c.git(ctx, append(args, "--", c.url, c.dir)...)
}

// git runs the real git and logs what it was told, and what it said if it failed.
func (c *clone) git(ctx context.Context, args ...string) (string, error) {
	c.s.Log.Debug("Running 'git %s'", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "git", args...)
	// Nobody is there to type a password or to accept a host's key. What the lab sets, comes later
	// and wins.
	cmd.Env = append([]string{"GIT_ASKPASS=true", "GIT_SSH_COMMAND=ssh -o BatchMode=yes"}, c.s.Env()...)
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = gitPause
	if err := cmd.Run(); err != nil {
		for line := range strings.Lines(errs.String()) {
			c.s.Log.Debug(">> %s", strings.TrimRight(line, "\r\n"))
		}
		return errs.String(), fmt.Errorf("git: %w: %s", err, lastWords(c.s.Log, errs.String()))
	}
	return out.String(), nil
}

// lastWords returns the end of what git printed, in one line and without secrets. The reason stands in one of the last few
// lines: advice may follow it, and before it come remarks on progress.
func lastWords(log *output.Logger, printed string) string {
	const lines, limit = 4, 400
	var words []string
	for line := range strings.Lines(log.Hide(printed)) { // before the cut, which may halve a secret
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Cloning into ") {
			words = append(words, line)
		}
	}
	text := strings.ToValidUTF8(strings.Join(words[max(0, len(words)-lines):], "; "), "?")
	return strings.ToValidUTF8(text[max(0, len(text)-limit):], "")
}

// expand replaces $NAME and ${NAME} by the worker's variables; unknown ones stay.
func expand(text string, env []string) string {
	return os.Expand(text, func(name string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if value, ok := strings.CutPrefix(env[i], name+"="); ok {
				return value
			}
		}
		return "${" + name + "}"
	})
}

// Clone clones the repository that a mapping of the job names (repository, branch, revision,
// shallow, recursive) into a directory, with tries as for definitions, and returns its commit.
func Clone(ctx context.Context, s *pipeline.Session, params pipeline.Data, dir string) (string, error) {
	return cloneOf(s, params, dir).run(ctx)
}

func cloneOf(s *pipeline.Session, params pipeline.Data, dir string) *clone {
	c := newClone(s, expand(params.Get("repository").Text(), s.Env()))
	c.dir = dir
	c.branch, c.revision = params.Get("branch").Text(), params.Get("revision").Text()
	c.shallow = params.Get("shallow").Bool(true) && c.revision == ""
	c.history = params.Get("history").Bool(true)
	c.recursive = params.Get("recursive").Bool(false)
	if tree, ok := keptTree(s, params); ok {
		c.kept = &tree
	}
	return c
}
