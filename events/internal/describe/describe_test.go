package describe_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/events"
	"strata/events/internal/describe"
)

func TestSchemaOfAFact(t *testing.T) {
	t.Parallel()
	s := source(t)
	var got struct {
		Title      string
		Properties map[string]struct {
			Type, Format, Description string
			Enum                      []string
			Ref                       string `json:"$ref"`
			Items                     struct{ Type string }
		}
		Required []string
		Defs     map[string]json.RawMessage `json:"$defs"`
	}
	for _, name := range []string{"device.added", "results.recorded"} {
		text, err := s.Schema(entry(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if got.Title != name {
			t.Errorf("title %q, want %q", got.Title, name)
		}
	}
	p := got.Properties // of both
	if want := []string{"Good", "Unknown", "Looping", "Bad", "Maintenance", "Retired"}; !reflect.DeepEqual(p["health"].Enum, want) {
		t.Errorf("values of health: %v, want %v", p["health"].Enum, want)
	}
	if p["by"].Type != "string" || p["by"].Enum != nil {
		t.Errorf("by is %+v: names are not limited to the constants there are", p["by"])
	}
	if p["worker"].Description != "without one it is never scheduled" {
		t.Errorf("worker is described as %q", p["worker"].Description)
	}
	if p["tags"].Type != "array" || p["tags"].Items.Type != "string" {
		t.Errorf("tags are %+v", p["tags"])
	}
	if _, ok := got.Defs["Case"]; !ok {
		t.Error("results.recorded does not define Case")
	}
	if want := []string{"job", "lease", "first_line", "lines"}; !reflect.DeepEqual(got.Required, want) {
		t.Errorf("required of results.recorded: %v, want %v", got.Required, want)
	}
}

func TestPageHasEveryFactOnce(t *testing.T) {
	t.Parallel()
	page := string(source(t).Page())
	for _, e := range events.Catalogue() {
		if n := strings.Count(page, "\n### "+e.Name+"\n"); n != 1 {
			t.Errorf("%s has %d sections, want 1", e.Name, n)
		}
	}
	for _, want := range []string{"on `scheduling`.", "on `result.<job>`.", "\n### Case\n", "- `Incomplete`\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("page has no %q", want)
		}
	}
}

func TestReadNeedsSource(t *testing.T) {
	t.Parallel()
	if _, err := describe.Read(t.TempDir()); err == nil {
		t.Error("Read of an empty folder: no error")
	}
	if _, err := describe.Root(t.TempDir()); err == nil {
		t.Error("Root outside of a workspace: no error")
	}
}

func source(t *testing.T) *describe.Source {
	t.Helper()
	s, err := describe.Read(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entry(t *testing.T, name string) events.Entry {
	t.Helper()
	for _, e := range events.Catalogue() {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no event %s", name)
	panic("unreachable")
}
