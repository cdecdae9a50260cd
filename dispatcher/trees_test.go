package dispatcher

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// implemented are the names of the actions of the methods that this version has. Trees with others
// in them are for later.
const implemented = `
deployimages lava-overlay lava-multinode-overlay test-definition inline-repo-action git-repo-action
url-repo-action test-overlay test-install-overlay test-runscript-overlay compress-overlay ssh-authorize
deploy-device-env download-retry http-download file-download apply-overlay-guest append-overlays
lava-create-overlay
boot-image-retry boot-qemu-image execute-qemu auto-login-action login-action expect-shell-connection
export-device-env minimal-boot connect-device reset-device pdu-reboot send-reboot-commands
overlay-unpack lava-test-retry lava-test-shell user-command finalize power-off read-feedback`

// A planned job equals the tree that the reference planned: names, levels, timeouts, attempts, URLs.
func TestTreesOfTheCorpus(t *testing.T) {
	corpus := filepath.Join(corpusDir(t), "corpus")
	known := map[string]bool{}
	for _, name := range strings.Fields(implemented) {
		known[name] = true
	}
	compared := 0
	for _, folder := range []string{"trees", "trees-extra"} {
		files, err := filepath.Glob(filepath.Join(corpus, folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			want := readYAML(t, file)
			job, device := inputsOf(corpus, file)
			if job == "" || !allKnown(want, known) {
				continue
			}
			compared++
			t.Run(folder+"/"+filepath.Base(file), func(t *testing.T) {
				got, err := Plan(Job{
					ID: "4242", Definition: mustRead(t, job), Device: mustRead(t, device),
					Dir: filepath.Join(t.TempDir(), "job"), Log: discard(), Now: time.Now,
				})
				if err != nil {
					t.Fatal(err)
				}
				gotLines, wantLines := projectNodes(got.Describe().Pipeline), projectTree(want)
				for i := range max(len(gotLines), len(wantLines)) {
					if g, w := at(gotLines, i), at(wantLines, i); g != w {
						t.Fatalf("line %d:\n got %s\nwant %s\nthe whole plan:\n%s", i, g, w, strings.Join(gotLines, "\n"))
					}
				}
			})
		}
	}
	if compared < 15 {
		t.Errorf("%d trees were compared, want at least 15: the corpus or the list of names has changed", compared)
	}
	t.Logf("%d trees compared", compared)
}

// inputsOf returns the job and the rendered device that a tree was made of, by the parts of its
// name: <job>--<device>[--<context>].yaml.
func inputsOf(corpus, tree string) (job, device string) {
	parts := strings.Split(strings.TrimSuffix(filepath.Base(tree), ".yaml"), "--")
	for _, prefix := range []string{
		"lava_dispatcher__sample_jobs__", "doc__v2__examples__test-jobs__", "lava_scheduler_app__sample_jobs__",
	} {
		file := filepath.Join(corpus, "jobs", prefix+parts[0]+".yaml")
		if _, err := os.Stat(file); err == nil {
			job = file
			break
		}
	}
	device = filepath.Join(corpus, "rendered", parts[len(parts)-1]+".yaml")
	if len(parts) == 3 {
		device = filepath.Join(corpus, "rendered-ctx", parts[1]+"--"+parts[2]+".yaml")
	}
	if _, err := os.Stat(device); err != nil {
		return "", ""
	}
	return job, device
}

func allKnown(tree pipeline.Data, known map[string]bool) bool {
	for _, node := range tree.Items() {
		if !known[node.Get("name").Text()] || !allKnown(node.Get("pipeline"), known) {
			return false
		}
	}
	return true
}

func projectTree(tree pipeline.Data) []string {
	var out []string
	for _, n := range tree.Items() {
		out = append(out, fmt.Sprintf("%s %s %gs %d %s", n.Get("level").Text(), n.Get("name").Text(),
			n.Get("timeout").Float(0), n.Get("max_retries").Int(0), n.Get("url").Text()))
		out = append(out, projectTree(n.Get("pipeline"))...)
	}
	return out
}

func projectNodes(nodes []pipeline.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, fmt.Sprintf("%s %s %gs %d %s", n.Level, n.Name, n.Timeout, n.MaxRetries, n.URL))
		out = append(out, projectNodes(n.Pipeline)...)
	}
	return out
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// corpusDir returns the directory of recorded data, or skips the test where there is none.
func corpusDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("STRATA_CORPUS"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for root != "/" {
		if _, err := os.Stat(filepath.Join(root, "go.work")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared")
	if _, err := os.Stat(filepath.Join(dir, "corpus")); err != nil {
		t.Skipf("SKIPPED: no recorded data in %s; set STRATA_CORPUS", dir)
	}
	return dir
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readYAML(t *testing.T, file string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML(mustRead(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

func discard() *output.Logger {
	return output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
}
