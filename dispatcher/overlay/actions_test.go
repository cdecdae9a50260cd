package overlay

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// What the overlay holds, as the device unpacks it at its root.
func TestOverlay(t *testing.T) {
	t.Parallel()
	j := newJob(t, `
secrets: {TOKEN: hush}
tags: [lab]
actions:
- deploy: {to: x, os: oe}
- test:
    definitions:
    - {from: inline, name: smoke, path: inline/smoke.yaml, repository: {
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke-tests, os: [debian]}, run: {steps: [echo hi]}}}
    - {from: inline, name: second, path: second.yaml, repository: {
        metadata: {format: Lava-Test Test Definition 1.0, name: second},
        install: {deps: [curl], deps-oe: [less]}, parse: {pattern: 'x', fixupdict: {P: pass}}, expected: [a]}}
- test:
    definitions:
    - {from: inline, name: third, path: t.yaml, repository: {metadata: {format: x, name: third}}}
`)
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	want := `lava-7/
lava-7/0/lava-test-runner.conf
lava-7/0/tests/0_smoke/inline/smoke.yaml
lava-7/0/tests/0_smoke/run.sh
lava-7/0/tests/0_smoke/testdef.yaml
lava-7/0/tests/0_smoke/testdef_metadata
lava-7/0/tests/0_smoke/uuid
lava-7/0/tests/1_second/install.sh
lava-7/0/tests/1_second/run.sh
lava-7/0/tests/1_second/second.yaml
lava-7/0/tests/1_second/testdef.yaml
lava-7/0/tests/1_second/testdef_metadata
lava-7/0/tests/1_second/uuid
lava-7/1/lava-test-runner.conf
lava-7/1/tests/2_third/run.sh
lava-7/1/tests/2_third/t.yaml
lava-7/1/tests/2_third/testdef.yaml
lava-7/1/tests/2_third/testdef_metadata
lava-7/1/tests/2_third/uuid
lava-7/door
lava-7/environment
lava-7/results/
lava-7/secrets
lava-7/tests/`
	if got := strings.Join(j.files(t), "\n"); got != want {
		t.Errorf("files:\n%s\nwant\n%s", got, want)
	}
	for name, want := range map[string]string{
		"lava-7/0/lava-test-runner.conf":             "/lava-7/0/tests/0_smoke\n/lava-7/0/tests/1_second\n",
		"lava-7/1/lava-test-runner.conf":             "/lava-7/1/tests/2_third\n",
		"lava-7/0/tests/0_smoke/uuid":                "7_1.2.1",
		"lava-7/1/tests/2_third/uuid":                "7_1.2.9",
		"lava-7/secrets":                             "TOKEN=hush\n",
		"lava-7/0/tests/0_smoke/testdef_metadata":    "os:\n  - debian\nbranch_vcs: inline\nproject_name: smoke-tests\n",
		"lava-7/0/tests/1_second/install.sh":         "# defaults of the test definition\n#\n# parameters of the job\n#\nlava-install-packages curl less\ncd /lava-7/0/tests/1_second\npwd\n",
		"lava-7/0/tests/0_smoke/inline/smoke.yaml":   "metadata:\n  format: Lava-Test Test Definition 1.0\n  name: smoke-tests\n  os:\n    - debian\nrun:\n  steps:\n    - echo hi\n",
		"lava-7/bin/lava-test-set (the first bytes)": "#!/bin/sh\n\n",
	} {
		name, head, _ := strings.Cut(name, " (")
		got := j.read(t, name)
		if head != "" {
			got = got[:len(want)]
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if env := j.read(t, "lava-7/environment"); !strings.Contains(env, "export LAVA_JOB_TAGS=lab\n") {
		t.Errorf("environment:\n%s", env)
	}
	second := j.runs[1]
	if !second.Loaded || !second.HasParse || second.Pattern != "x" || len(second.Fixup) != 1 || fmt.Sprint(second.Expected) != "[a]" ||
		second.UUID != "7_1.2.5" || second.Revision != "unspecified" {
		t.Errorf("what the test action learns of the second: %+v", *second)
	}
	if got := j.results("test-runscript-overlay"); len(got) != 3 || !strings.Contains(got[0],
		`"extra":{"uuid":"7_1.2.1","name":"smoke","path":"inline/smoke.yaml","from":"inline","filename":"`) {
		t.Errorf("results of test-runscript-overlay: %v", got)
	}
	if got := j.results("test-install-overlay"); !strings.Contains(got[0], `"skipped test-install-overlay":"7_1.2.1"`) || strings.Contains(got[1], "skipped") {
		t.Errorf("results of test-install-overlay: %v", got)
	}
	if strings.Contains(j.text(), "hush") {
		t.Error("a secret is in the log")
	}
}

func TestGitDefinition(t *testing.T) {
	repo := newRepo(t)
	tests := []struct {
		name, keys string
		steps      string         // in run.sh
		class      pipeline.Class // "" for a good one
		text       string         // part of the error
		git        bool           // .git is there afterwards
		tries      int            // pauses between tries
	}{
		{name: "default branch", keys: "path: tests/smoke.yaml", steps: "echo two", git: true},
		{name: "branch", keys: "path: tests/smoke.yaml, branch: old", steps: "echo one", git: true},
		{name: "revision", keys: "path: tests/smoke.yaml, revision: " + repo.first, steps: "echo one", git: true},
		{name: "not shallow", keys: "path: tests/smoke.yaml, shallow: false", steps: "echo two", git: true},
		{name: "without history", keys: "path: tests/smoke.yaml, history: false", steps: "echo two"},
		{name: "no such file", keys: "path: tests/none.yaml", class: pipeline.Job, text: "Unable to find test definition YAML: tests/none.yaml"},
		{name: "no yaml", keys: "path: tests/broken.yaml", class: pipeline.Job, text: "line"},
		{name: "no name", keys: "path: tests/nameless.yaml", class: pipeline.Job, text: "metadata"},
		{name: "a file of the worker", keys: "path: tests/passwd.yaml", class: pipeline.Job, text: "Unable to find test definition YAML"},
		{name: "no such branch", keys: "path: x, branch: none", class: pipeline.Infrastructure, text: "Remote branch none not found in upstream origin", tries: 5},
		{name: "no such revision", keys: "path: x, revision: abcdef", class: pipeline.Infrastructure, text: "invalid reference: abcdef", tries: 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: git, name: g, repository: '$REPO_URL', "+tt.keys+"}]}}]")
			j.env = []string{"REPO_URL=file://" + repo.dir}
			err := j.run(t)
			if got := pipeline.ClassOf(err); got != tt.class {
				t.Fatalf("class of %v: %q, want %q", err, got, tt.class)
			}
			if j.pauses != tt.tries {
				t.Errorf("%d pauses, want %d", j.pauses, tt.tries)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %q, want %q in it", err, tt.text)
				}
				const short = "Unable to fetch git repository 'file://"
				if tt.tries > 0 && !strings.HasPrefix(err.Error(), short+repo.dir+"': git: ") {
					t.Errorf("error %q does not begin with the short text", err)
				}
				if _, words, _ := strings.Cut(j.text(), short+repo.dir+"': 6 of 6 attempts. "); tt.tries > 0 && !strings.Contains(words, tt.text) {
					t.Errorf("log:\n%s", j.text())
				}
				return
			}
			if got := j.read(t, "lava-7/0/tests/0_g/run.sh"); !strings.Contains(got, tt.steps+"\n") {
				t.Errorf("run.sh has no %q:\n%s", tt.steps, got)
			}
			if _, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g/.git")); (err == nil) != tt.git {
				t.Errorf(".git: %v, want it there: %v", err, tt.git)
			}
			got := j.results("git-repo-action")
			if len(got) != 1 || !strings.Contains(got[0], `"repository":"$REPO_URL"`) || !strings.Contains(got[0], `"commit":"`+j.runs[0].Commit+`"`) {
				t.Errorf("result: %v, commit %q", got, j.runs[0].Commit)
			}
		})
	}
}

// What git printed stands in an error that others than the log show: without secrets, even without the half of one that the limit left.
func TestLastWordsOfGit(t *testing.T) {
	t.Parallel()
	log := output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
	log.Mask("hush-hush")
	for printed, want := range map[string]string{
		"": "", "Cloning into 'x'...\n\nfatal: a\r\nb\n": "fatal: a; b", "1\n2\n3\n4\n5\n": "2; 3; 4; 5",
		strings.Repeat("é", 300):     strings.Repeat("é", 200),
		"fatal: no hush-hush here\n": "fatal: no " + output.Masked + " here", "hush-hush" + strings.Repeat("x", 395): output.Masked[len(output.Masked)-5:] + strings.Repeat("x", 395),
	} {
		if got := lastWords(log, printed); got != want {
			t.Errorf("lastWords(%q) = %q, want %q", printed, got, want)
		}
	}
}

// A repository may hold anything, also links in the place of the files that are added to it: they
// must not lead the worker to write elsewhere.
func TestDefinitionWithLinks(t *testing.T) {
	repo := newRepo(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run.sh", "uuid", "testdef.yaml", "testdef_metadata"} {
		if err := os.Symlink(victim, filepath.Join(repo.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"install.sh/file": "x", "links.yaml": "metadata: {format: x, name: l}\ninstall: {steps: [echo in]}\nrun: {steps: [echo on]}\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(repo.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(repo.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, repo.dir, "add", ".")
	git(t, repo.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "links")
	j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: git, name: l, path: links.yaml, repository: 'file://"+repo.dir+"'}]}}]")
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "untouched" {
		t.Errorf("a file of the worker is now %q, %v", text, err)
	}
	for name, want := range map[string]string{"run.sh": "echo on\n", "install.sh": "echo in\n", "uuid": "7_1.2.1"} {
		if got := j.read(t, "lava-7/0/tests/0_l/"+name); !strings.Contains(got, want) {
			t.Errorf("%s has no %q: %q", name, want, got)
		}
	}
}

func TestGitRepos(t *testing.T) {
	repo := newRepo(t)
	tests := []struct {
		name, repos, job string
		file             string // that must be there
		class            pipeline.Class
		text             string
	}{
		{name: "plain", repos: "[URL]", file: "repo/tests/smoke.yaml"},
		{name: "destination", repos: "[{url: URL, destination: here, branch: old}]", file: "here/tests/smoke.yaml"},
		{name: "names of parameters", repos: "[{url: URL, destination: WHERE, branch: WHICH}]", job: "parameters: {WHERE: there}, ", file: "there/tests/smoke.yaml"},
		{name: "skipped", repos: "[URL]", job: "skip_install: [git-repos], ", file: "run.sh"},
		{name: "outside", repos: "[{url: URL, destination: ../x}]", class: pipeline.Job, text: "Destination path is unacceptable ../x"},
		{name: "deeper", repos: "[{url: URL, destination: a/b}]", class: pipeline.Job, text: "Destination path is unacceptable a/b"},
		{name: "twice", repos: "[URL, URL]", class: pipeline.Test, text: "Destination path already exists repo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, strings.ReplaceAll("actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: inline, name: g, path: g.yaml, "+tt.job+
				"repository: {metadata: {format: x, name: g}, params: {WHICH: old}, install: {git-repos: "+tt.repos+"}}}]}}]", "URL", "file://"+repo.dir))
			err := j.run(t)
			if got := pipeline.ClassOf(err); got != tt.class || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("error %v of class %q, want %q of class %q", err, got, tt.text, tt.class)
			}
			if err != nil {
				return
			}
			if _, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g", tt.file)); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(j.root, "lava-7/0/tests/0_g/repo")); tt.name == "skipped" && err == nil {
				t.Error("a repository was cloned that should be skipped")
			}
		})
	}
}

func TestURLDefinition(t *testing.T) {
	t.Parallel()
	repo := newRepo(t)
	tarball := filepath.Join(t.TempDir(), "tests.tar.gz")
	git(t, repo.dir, "archive", "--format=tar.gz", "--prefix=tests-1.0/", "-o", tarball, "HEAD")
	j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: url, name: u, path: tests/smoke.yaml, compression: gz, strip-components: 1, repository: 'file://"+tarball+"'}]}}]")
	if err := j.run(t); err != nil {
		t.Fatal(err)
	}
	if got := j.read(t, "lava-7/0/tests/0_u/run.sh"); !strings.Contains(got, "echo two\n") {
		t.Errorf("run.sh:\n%s", got)
	}
}

func TestDefinitionsAreChecked(t *testing.T) {
	t.Parallel()
	const good = "repository: {metadata: {format: x, name: g}}"
	tests := map[string]string{
		"{from: inline, name: 'a b', path: g.yaml, " + good + "}":                                                  "Invalid characters found in test definition name: a b",
		"{from: inline, name: lava, path: g.yaml, " + good + "}":                                                   "The name lava is reserved",
		"{from: inline, name: a, path: g.yaml, " + good + "}, {from: inline, name: a, path: g.yaml, " + good + "}": "need to be unique: a",
		"{from: inline, name: a, path: ../g.yaml, " + good + "}":                                                   `path "../g.yaml" is not inside`,
		"{from: inline, name: a, path: g.yaml, repository: {run: {}}}":                                             "metadata",
		"{from: git, name: a, repository: x}":                                                                      "Path to YAML file not specified",
		"{from: git, name: a, repository: x, path: y, revision: --upload-pack=x}":                                  "would be taken for an option",
	}
	for definition, want := range tests {
		j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: ["+definition+"]}}]")
		p, err := j.plan()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", definition, err, want)
		}
	}
	j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, {test: {definitions: [{from: bzr, name: a}]}}]")
	if _, err := j.plan(); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), "No testdef_repo handler is available for 'bzr'") {
		t.Errorf("plan: %v", err)
	}
}

// job is a job whose deploy block makes an overlay and nothing else.
type job struct {
	dir, root  string
	definition pipeline.Data
	dispatcher pipeline.Data
	services   pipeline.Services
	env        []string
	log        []events.Record
	runs       []*Run
	pauses     int
	looked     func() // after each test block
	methods    string // of the device, beside x: ", ssh: {}"
}

func newJob(t *testing.T, definition string) *job {
	t.Helper()
	dir := t.TempDir()
	return &job{dir: filepath.Join(dir, "7"), root: filepath.Join(dir, "root"), definition: data(t, definition)}
}

func (j *job) plan() (*pipeline.Plan, error) {
	logger := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		j.log = append(j.log, r)
		return nil
	}})
	accept := func(_, _ pipeline.Data) (string, error) { return "", nil }
	none := func(*pipeline.Step, *pipeline.Session) error { return nil }
	device, err := pipeline.ReadYAML([]byte("{hostname: d, constants: {failure_retry: 1, posix: {}}, actions: {deploy: {methods: {x: " + j.methods + "}}}}"))
	if err != nil {
		return nil, err
	}
	j.definition = j.definition.With("timeouts", pipeline.Of([]pipeline.Pair{}))
	return pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: j.definition, Device: device, Dispatcher: j.dispatcher.With("dispatcher_ip", pipeline.Of("192.0.2.1")),
		Env: append(os.Environ(), append(j.env, "GIT_CONFIG_NOSYSTEM=1", "HOME="+j.root)...), Dir: j.dir, Log: logger, Now: time.Now, Services: j.services,
		Methods: pipeline.Methods{
			Deploy: []pipeline.Method{{Name: "x", Accepts: accept, Action: func(pipeline.Data) pipeline.Action { return patient{New().(*create), j} }}},
			Test: []pipeline.Method{{Name: "t", Accepts: accept,
				Action: func(pipeline.Data) pipeline.Action { return look{j} },
				Test: func(pipeline.Data) pipeline.TestInfo {
					return pipeline.TestInfo{NeedsDeployment: true, NeedsOverlay: true, HasShell: true}
				}}},
			Finalize: func() pipeline.Action { return pipeline.Basic{Title: "finalize", About: "test", Fill: none} },
		},
	})
}

// patient is the overlay with clones that do not wait.
type patient struct {
	*create
	j *job
}

func (p patient) Populate(step *pipeline.Step, s *pipeline.Session) error {
	if err := p.create.Populate(step, s); err != nil {
		return err
	}
	for _, child := range step.Children {
		for _, grandchild := range child.Children {
			if g, ok := grandchild.Action.(gitRepo); ok {
				g.wait = func(context.Context, time.Duration) error {
					p.j.pauses++
					return nil
				}
				grandchild.Action = g
			}
		}
	}
	return nil
}

func (j *job) run(t *testing.T) error {
	t.Helper()
	p, err := j.plan()
	if err != nil {
		t.Fatal(err)
	}
	return p.Run(t.Context())
}

// look is the test action: it unpacks the overlay as the device does.
type look struct{ j *job }

func (look) Name() string { return "look" }

func (l look) Run(_ context.Context, s *pipeline.Session) error {
	file, _ := pipeline.Get(s, pipeline.OverlayFile)
	l.j.runs, _ = pipeline.Get(s, Tests)
	if l.j.looked != nil {
		l.j.looked()
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(l.j.root, 0o755); err != nil {
		return err
	}
	return archive.Untar(l.j.root, in, 0)
}

// files lists what was unpacked, without the helpers; of directories only the empty ones.
func (j *job) files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(j.root, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(j.root, path)
		if err != nil || name == "." || strings.Contains(name, "/bin") {
			return err
		}
		if d.IsDir() {
			entries, err := os.ReadDir(path)
			if err != nil || len(entries) > 0 && strings.Contains(name, "/") {
				return err
			}
			name += "/"
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func (j *job) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(j.root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// results returns the results of an action as JSON.
func (j *job) results(name string) []string {
	var out []string
	for _, r := range j.log {
		if r.Level == events.Results && strings.Contains(string(r.Message), `"case":"`+name+`"`) {
			out = append(out, string(r.Message))
		}
	}
	return out
}

func (j *job) text() string {
	var b strings.Builder
	for _, r := range j.log {
		b.Write(r.Message)
		b.WriteByte('\n')
	}
	return b.String()
}

// repository is one with two commits and a branch at the first.
type repository struct{ dir, first string }

func newRepo(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	r := repository{dir: filepath.Join(t.TempDir(), "repo.git")}
	if err := os.MkdirAll(filepath.Join(r.dir, "tests"), 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, r.dir, "init", "-q", "-b", "main")
	definition := "metadata: {format: Lava-Test Test Definition 1.0, name: smoke}\nrun: {steps: [echo %s]}\n"
	commit := func(files map[string]string) {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(r.dir, "tests", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, r.dir, "add", ".")
		git(t, r.dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "x")
	}
	commit(map[string]string{"smoke.yaml": fmt.Sprintf(definition, "one")})
	r.first = strings.TrimSpace(git(t, r.dir, "rev-parse", "HEAD"))
	git(t, r.dir, "branch", "old")
	if err := os.Symlink("/etc/passwd", filepath.Join(r.dir, "tests", "passwd.yaml")); err != nil {
		t.Fatal(err)
	}
	commit(map[string]string{"smoke.yaml": fmt.Sprintf(definition, "two"), "broken.yaml": "a: [1\n", "nameless.yaml": "run: {}\n"})
	return r
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Two deployments in one namespace: the tests after each mean the overlay of that one.
func TestTwoDeployments(t *testing.T) {
	t.Parallel()
	const test = "{test: {definitions: [{from: inline, name: %s, path: a.yaml, repository: {metadata: {format: x, name: a}, parse: {pattern: p}}}]}}"
	j := newJob(t, "actions: [{deploy: {to: x, os: oe}}, "+fmt.Sprintf(test, "a")+", {deploy: {to: x, os: oe}}, "+fmt.Sprintf(test, "b")+"]")
	p, err := j.plan()
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	j.looked = func() {
		for _, r := range j.runs {
			seen = append(seen, fmt.Sprintf("%s %s %v", r.Name, r.UUID, r.Loaded))
		}
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "0_a 7_1.2.1 true|1_b 7_1.2.5 true|0_a 7_3.2.1 true|1_b 7_3.2.5 true"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("definitions as the tests find them:\n got %s\nwant %s", got, want)
	}
}
