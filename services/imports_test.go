// Package services_test holds the rules of the house: which package may import which.
package services_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A rule forbids imports: a file under from (a folder of the repository) may not import what
// banned accepts, unless its folder is in except.
type rule struct {
	name   string
	from   string
	banned func(importer, path string) bool
	except []string // folders that may
	reason string
}

var rules = []rule{
	{
		name: "events is a leaf", from: "events",
		banned: anyOf("strata/schemas", "strata/dispatcher", "strata/projections", "strata/services"),
		reason: "facts are read by everything, so they may depend on nothing: else a change of a service changes what happened",
	},
	{
		name: "schemas is a leaf", from: "schemas",
		banned: anyOf("strata/events", "strata/dispatcher", "strata/projections", "strata/services"),
		reason: "shapes that people hand over must be checkable by an editor or a client with no lab behind it",
	},
	{
		name: "docs knows nothing", from: "docs",
		banned: anyOf("strata/events", "strata/schemas", "strata/dispatcher", "strata/projections", "strata/services"),
		reason: "it is a module only so that its pages can be embedded; what renders them is services/web/help",
	},
	{
		name: "dispatcher knows no lab", from: "dispatcher",
		banned: anyOf("strata/projections", "strata/services"),
		reason: "a job must run with no lab at all (strata run), and a worker must not carry a database client",
	},
	{
		name: "projections read facts only", from: "projections",
		banned: anyOf("strata/schemas", "strata/dispatcher", "strata/services"),
		reason: "a table must be rebuildable from the log alone, whatever the code that wrote the facts does today",
	},
	{
		name: "services meet in the log", from: "services",
		banned: otherService,
		except: []string{"services/cmd"},
		reason: "a service that calls another can neither be killed nor run twice alone; the commands start them all, nothing else may",
	},
	{
		name: "the broker is embedded in two places", from: ".",
		banned: anyOf("github.com/nats-io/nats-server/v2"),
		except: []string{"events/eventtest", "services/cmd/strata"},
		reason: "whoever holds the server can step around its rights and its durability; all others are clients",
	},
	{
		name: "ClickHouse behind projections", from: ".",
		banned: anyOf("github.com/ClickHouse/clickhouse-go", "github.com/ClickHouse/ch-go"),
		except: []string{"projections"},
		reason: "SQL and its column names stand in one module, or a table could not be changed",
	},
	{
		name: "YAML behind schemas", from: ".",
		banned: anyOf("gopkg.in/yaml.v3", "go.yaml.in/yaml/v3", "go.yaml.in/yaml/v4"),
		except: []string{"schemas"},
		reason: "LAVA's loader reads YAML 1.1 with budgets; a second reader would disagree with it on yes, 0o7 and 1:30",
	},
	{
		name: "no testify", from: ".",
		banned: anyOf("github.com/stretchr/testify"),
		reason: "tests use the standard library, so that a failure says what was asked, got and wanted in its own words",
	},
}

// TestImports holds every rule over every Go file of the workspace, tests included.
func TestImports(t *testing.T) {
	root := repository(t)
	files := 0
	for _, module := range []string{"events", "schemas", "docs", "dispatcher", "projections", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			files++
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			check(t, path, filepath.ToSlash(rel))
			return nil
		})
		if err != nil {
			t.Fatalf("walk %s: %v", module, err)
		}
	}
	if files < 10 {
		t.Errorf("saw %d Go files: the walk misses the workspace", files)
	}
}

// TestImportRules shows that each rule can be broken: a rule that refuses nothing is no rule.
func TestImportRules(t *testing.T) {
	tests := []struct {
		file, path string
		want       string // name of the rule that refuses; "" for none
	}{
		{"events/job.go", "strata/schemas/job", "events is a leaf"},
		{"schemas/job/gate.go", "strata/events", "schemas is a leaf"},
		{"docs/docs.go", "strata/events", "docs knows nothing"},
		{"dispatcher/run.go", "strata/services/api", "dispatcher knows no lab"},
		{"dispatcher/run.go", "strata/schemas/job", ""},
		{"projections/jobs.go", "strata/schemas/job", "projections read facts only"},
		{"projections/jobs.go", "strata/events", ""},
		{"services/api/jobs.go", "strata/services/scheduling", "services meet in the log"},
		{"services/api/jobs.go", "strata/services/api/internal", ""},
		{"services/cmd/strata/up.go", "strata/services/scheduling", ""},
		{"services/api/jobs.go", "github.com/nats-io/nats-server/v2/server", "the broker is embedded in two places"},
		{"events/eventtest/server.go", "github.com/nats-io/nats-server/v2/server", ""},
		{"services/api/jobs.go", "github.com/ClickHouse/clickhouse-go/v2", "ClickHouse behind projections"},
		{"services/api/jobs.go", "gopkg.in/yaml.v3", "YAML behind schemas"},
		{"schemas/yaml/read.go", "gopkg.in/yaml.v3", ""},
	}
	for _, tt := range tests {
		got := ""
		if r := broken(tt.file, tt.path); r != nil {
			got = r.name
		}
		if got != tt.want {
			t.Errorf("%s imports %s: refused by %q, want %q", tt.file, tt.path, got, tt.want)
		}
	}
}

// check reports every import of the file at path that a rule forbids.
func check(t *testing.T, path, rel string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("parse %s: %v", rel, err)
		return
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: import %s: %v", rel, spec.Path.Value, err)
			continue
		}
		if r := broken(rel, imported); r != nil {
			t.Errorf("%s imports %s, against %q: %s", rel, imported, r.name, r.reason)
		}
	}
}

// broken returns the first rule that forbids file to import path, or nil.
func broken(file, path string) *rule {
	for i := range rules {
		r := &rules[i]
		if r.from != "." && !within(file, r.from) {
			continue
		}
		exempt := false
		for _, e := range r.except {
			exempt = exempt || within(file, e)
		}
		if !exempt && r.banned(file, path) {
			return r
		}
	}
	return nil
}

// anyOf bans the packages and all below them.
func anyOf(prefixes ...string) func(string, string) bool {
	return func(_, path string) bool {
		for _, p := range prefixes {
			if within(path, p) {
				return true
			}
		}
		return false
	}
}

// otherService bans service packages other than the importer's own.
func otherService(importer, path string) bool {
	rest, ok := strings.CutPrefix(path, "strata/services/")
	if !ok {
		return false
	}
	own := strings.Split(importer, "/")
	return len(own) < 2 || strings.Split(rest, "/")[0] != own[1]
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// repository returns the folder that holds go.work.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.work in this folder or any above it")
	return ""
}
