package jinja

import (
	"crypto/sha1"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"strata/schemas/yaml"
)

// TestRecordedRenderings renders what a real LAVA rendered: the text must read as the same data.
func TestRecordedRenderings(t *testing.T) {
	corpus := findCorpus(t)
	contexts := recordedContexts(t, corpus)
	load := loader(filepath.Join(corpus, "device-types"))
	for _, set := range []struct {
		folder, sources string
		source          func(name string) string
		least           int
	}{
		{"rendered", "devices", func(n string) string { return n + ".jinja2" }, 20},
		{"rendered-types", "device-types", func(n string) string { return n + ".jinja2" }, 100},
		{"rendered-inline", "rendered-inline", func(n string) string { return n + ".jinja2" }, 50},
		{"rendered-ctx", "devices", func(n string) string { return strings.Split(n, "--")[0] + ".jinja2" }, 3},
	} {
		t.Run(set.folder, func(t *testing.T) {
			t.Parallel()
			wanted, _ := filepath.Glob(filepath.Join(corpus, set.folder, "*.json"))
			if len(wanted) < set.least {
				t.Fatalf("found %d recorded renderings, want at least %d", len(wanted), set.least)
			}
			for _, path := range wanted {
				name := strings.TrimSuffix(filepath.Base(path), ".json")
				source := filepath.Join(corpus, set.sources, set.source(name))
				text, err := os.ReadFile(source)
				if os.IsNotExist(err) {
					continue // its dictionary is not part of the corpus
				}
				if slices.ContainsFunc(unrecorded, func(u string) bool { return strings.HasSuffix(name, u) }) {
					continue
				}
				check(t, load, source, string(text), contexts[name[strings.LastIndex(name, "-")+1:]], path)
			}
		})
	}
}

// unrecorded are inline dictionaries that were rendered with a job context nobody wrote down, other
// than an architecture.
var unrecorded = []string{
	"test_deploy_character_delay_from_job_ctx.0", "test_extended_x86_template.1", "test_x86_template.2",
	"test_panda_template.0", "test_rpi3_32_template.0", "test_qemu_installer.0", "test_qemu_cortex_a57_nfs.0",
	"test_qemu_cortex_a57.0", "test_qemu_template.0", "test_qemu_guest_fs_interface.69", "qemu01--3d92d95a",
}

// check renders a dictionary and compares the data. Where the context is not recorded, one that
// names an architecture has to give the data.
func check(t *testing.T, load func(string) (*Template, error), source, text string, vars map[string]any, wanted string) {
	t.Helper()
	tmpl, err := Parse(filepath.Base(source), text)
	if err != nil {
		t.Errorf("%s: %v", wanted, err)
		return
	}
	raw, err := os.ReadFile(wanted)
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	contexts := []map[string]any{vars}
	if vars == nil && strings.Contains(wanted, "inline") {
		architectures := []string{"amd64", "arm64", "armhf"}
		for _, program := range regexp.MustCompile(`qemu-system-(\w+)`).FindAllSubmatch(raw, -1) {
			architectures = append(architectures, string(program[1]))
		}
		for _, arch := range architectures {
			contexts = append(contexts, map[string]any{"arch": arch})
		}
	}
	var first []byte
	for _, c := range contexts {
		data, got := rendered(t, tmpl, load, c, wanted)
		if reflect.DeepEqual(got, want) {
			return
		}
		if first == nil {
			first = data
		}
	}
	t.Errorf("%s:\n got %s\nwant %s", wanted, first, raw)
}

// rendered is the data that a dictionary gives, as JSON and decoded.
func rendered(t *testing.T, tmpl *Template, load func(string) (*Template, error), vars map[string]any, about string) ([]byte, any) {
	t.Helper()
	out, err := Environment{Load: load}.Render(tmpl, vars)
	if err != nil {
		t.Fatalf("%s: %v", about, err)
	}
	node, err := yaml.Parse([]byte(out))
	if err != nil {
		t.Fatalf("%s: rendered text does not read: %v\n%s", about, err, out)
	}
	data, err := json.Marshal(node.Data())
	if err != nil {
		t.Fatalf("%s: %v", about, err)
	}
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	return data, got
}

// recordedContexts gives the job context behind the hash in each name "<device>--<hash>": the
// hash is of the context's text.
func recordedContexts(t *testing.T, corpus string) map[string]map[string]any {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, "corpus.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	contexts := map[string]map[string]any{}
	for _, row := range rows[1:] {
		text := row[4]
		if text == "" {
			continue
		}
		sum := sha1.Sum([]byte(text))
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var vars map[string]any
		if err := decoder.Decode(&vars); err != nil {
			t.Fatal(err)
		}
		contexts[hex.EncodeToString(sum[:])[:8]] = vars
	}
	return contexts
}

// loader parses each template of a folder once.
func loader(folder string) func(string) (*Template, error) {
	var mu sync.Mutex
	parsed := map[string]*Template{}
	return func(name string) (*Template, error) {
		mu.Lock()
		defer mu.Unlock()
		if t := parsed[name]; t != nil {
			return t, nil
		}
		text, err := os.ReadFile(filepath.Join(folder, name))
		if os.IsNotExist(err) {
			return nil, ErrMissing
		}
		if err != nil {
			return nil, err
		}
		t, err := Parse(name, string(text))
		parsed[name] = t
		return t, err
	}
}

// findCorpus returns the folder of recorded data, or skips the test.
func findCorpus(t *testing.T) string {
	t.Helper()
	root := os.Getenv("STRATA_CORPUS")
	if root == "" {
		for dir, _ := os.Getwd(); dir != "/"; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
				root = filepath.Join(filepath.Dir(dir), "shared")
			}
		}
	}
	corpus := filepath.Join(root, "corpus")
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("SKIPPED: no recorded data at %s; set STRATA_CORPUS", corpus)
	}
	return corpus
}
