package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/schemas/job/strict"
	"strata/schemas/shape"
	"strata/schemas/testdef"
)

// yamlBlocks returns the code blocks of a page that are marked as YAML.
func yamlBlocks(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// TestDocumentedJobs validates each job, list of actions and test definition of the guides strictly:
// what is copied from there is accepted.
func TestDocumentedJobs(t *testing.T) {
	t.Parallel()
	v := strict.New(nil)
	for page, least := range map[string]int{"first-job.md": 1, "writing-tests.md": 8, "multinode.md": 3} {
		blocks := yamlBlocks(t, filepath.Join(workspace(t), "docs", page))
		if len(blocks) < least {
			t.Errorf("%s has %d blocks of YAML, want at least %d: the test misses them", page, len(blocks), least)
		}
		for _, block := range blocks {
			var problems []string
			switch {
			case strings.HasPrefix(block, "metadata:"):
				mode := shape.Strict
				if strings.Contains(block, "\n  pattern: ") {
					mode = shape.Lenient // the strict schema does not know it; see the guide
				}
				for _, p := range testdef.Validate([]byte(block), mode) {
					problems = append(problems, p.String())
				}
			case strings.HasPrefix(block, "- "), strings.HasPrefix(block, "job_name:"):
				if strings.HasPrefix(block, "- ") {
					block = "job_name: guide\ndevice_type: qemu\nvisibility: public\ntimeouts: {job: {hours: 1}}\nactions:\n" + block
				}
				for _, p := range v.Check([]byte(block), shape.Strict) {
					problems = append(problems, p.String())
				}
			default:
				problems = append(problems, "neither a job, nor actions, nor a test definition")
			}
			if len(problems) > 0 {
				t.Errorf("%s: %s\n%s", page, strings.Join(problems, "\n"), block)
			}
		}
	}
}

// TestDocumentedHelpers holds that the guide has each helper that tests find on the device, and names
// none that is not there.
func TestDocumentedHelpers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(workspace(t), "docs", "writing-tests.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(workspace(t), "dispatcher", "overlay", "scripts", "*", "lava-*"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d scripts, error %v", len(files), err)
	}
	// Parts of the runner, which tests do not call.
	own := map[string]bool{"lava-common-functions": true, "lava-test-runner": true, "lava-test-shell": true, "lava-test-signals": true, "lava-multi-node.lib": true}
	there := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(file)
		there[name] = true
		if !own[name] && !strings.Contains(string(text), "| `"+name) && !strings.Contains(string(text), "`, `"+name) {
			t.Errorf("docs/writing-tests.md has no row for %s", name)
		}
	}
	for _, m := range regexp.MustCompile("[|,] `(lava-[a-z0-9-]+)").FindAllStringSubmatch(string(text), -1) {
		if !there[m[1]] {
			t.Errorf("docs/writing-tests.md names %s, which is no helper", m[1])
		}
	}
}

// TestDocumentedSteps has the shell read the steps of each definition in the guide.
func TestDocumentedSteps(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, block := range yamlBlocks(t, filepath.Join(workspace(t), "docs", "writing-tests.md")) {
		if !strings.HasPrefix(block, "metadata:") {
			continue
		}
		d, err := testdef.Read([]byte(block))
		if err != nil {
			t.Errorf("%v\n%s", err, block)
			continue
		}
		script := filepath.Join(t.TempDir(), "run.sh")
		if err := os.WriteFile(script, []byte(strings.Join(d.Steps, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("the shell does not read the steps: %v\n%s\n%s", err, out, block)
		}
		seen++
	}
	if seen < 3 {
		t.Errorf("found %d definitions in the guide: the test misses them", seen)
	}
}

// TestDocumentedFirstJob plans the first job on the device of the first job. The demo runs nearly the
// same one for real.
func TestDocumentedFirstJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := workspace(t)
	job := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(job, []byte(yamlBlocks(t, filepath.Join(root, "docs", "first-job.md"))[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	status, text := w.strata(t, "plan", job, "--device", filepath.Join(root, "services", "cmd", "strata", "demo", "device.yaml"))
	for _, says := range []string{"1 deployimages", "2 boot-image-retry", "execute-qemu", "3 lava-test-retry", "lava-test-shell (180 s)"} {
		if status != exitOK || !strings.Contains(text, says) {
			t.Errorf("status %d, the plan has no %q:\n%s", status, says, text)
		}
	}
}

// TestGenerateIsChecked holds that a test compares what each go:generate line writes with what is
// committed: where the line runs a test, that one; else a TestGenerated of the package.
func TestGenerateIsChecked(t *testing.T) {
	t.Parallel()
	root, seen := workspace(t), 0
	line := regexp.MustCompile(`(?m)^//go:generate (.*)$`)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
			return err
		}
		text, err := os.ReadFile(file)
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			seen++
			dir, name := filepath.Dir(file), `TestGenerated\w*`
			if run := regexp.MustCompile(`-run (Test\w+)`).FindStringSubmatch(m[1]); run != nil {
				name = run[1]
			}
			if !tests(t, dir, regexp.MustCompile(`(?m)^func `+name+`\(`)) {
				t.Errorf("%s: %s: no %s in %s compares what it writes", file, m[1], name, dir)
			}
		}
		return err
	})
	if err != nil || seen < 6 {
		t.Errorf("%d go:generate lines, error %v", seen, err)
	}
}

// tests says whether a package's tests have what the expression finds.
func tests(t *testing.T, dir string, what *regexp.Regexp) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && what.Match(text)
	})
}
