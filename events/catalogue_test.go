package events_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/events/internal/describe"
)

// Every struct that says what it is about is a fact, and stands in the catalogue once.
func TestEveryFactHasOneRow(t *testing.T) {
	t.Parallel()
	source, err := describe.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(source.Structs) < 40 {
		t.Fatalf("found %d facts in the source, there are at least 40: %v", len(source.Structs), source.Structs)
	}
	rows := make(map[string]events.Entry)
	for _, e := range events.Catalogue() {
		if other, twice := rows[e.Type.Name()]; twice {
			t.Errorf("%s has two rows: %s of %s, and %s of %s; one event has one writer",
				e.Type.Name(), other.Name, other.Writer, e.Name, e.Writer)
		}
		rows[e.Type.Name()] = e
	}
	for _, name := range source.Structs {
		if _, ok := rows[name]; !ok {
			t.Errorf("%s has no row in catalogue.go", name)
		}
	}
	if len(rows) != len(source.Structs) {
		t.Errorf("catalogue has %d structs, the source %d", len(rows), len(source.Structs))
	}
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	names := events.Names("")
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("names are not unique: %v", names)
	}
	for _, name := range names {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz.-") != "" || strings.Count(name, ".") != 1 {
			t.Errorf("name %q is not two lower-case words with a dot between", name)
		}
	}
	if got := events.Names(events.IngestionService); !slices.Equal(got, []string{"job.output-complete", "results.recorded"}) {
		t.Errorf("events of ingestion: %v", got)
	}
}

// The comment of a fact names its writer; so does the row. They have to agree.
func TestCommentsNameTheWriter(t *testing.T) {
	t.Parallel()
	source, err := describe.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Catalogue() {
		if doc := source.Doc(e.Type.Name()); !strings.Contains(doc, "Written by "+e.Writer.Source()) {
			t.Errorf("%s: its comment does not say \"Written by %s\": %s", e.Type.Name(), e.Writer.Source(), doc)
		}
	}
}

// Fields have JSON names of their own; floats and maps of anything are not facts.
func TestFieldsHaveNames(t *testing.T) {
	t.Parallel()
	for _, e := range events.Catalogue() {
		for i := range e.Type.NumField() {
			f := e.Type.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				t.Errorf("%s.%s: JSON name %q, want lower-case words with _ between", e.Type.Name(), f.Name, name)
			}
		}
	}
}

func TestRowOfPointerPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a fact passed by pointer has a name, want a panic")
		}
	}()
	events.Name(&events.JobRemoved{})
}

func TestDerivedNames(t *testing.T) {
	t.Parallel()
	e := events.JobScheduled{Job: 42}
	got := []string{events.Name(e), events.Schema(e), string(events.Writer(e)), events.Writer(e).Source(), e.About().String()}
	want := []string{"job.scheduled", "job.scheduled.v1", "scheduling", "services/scheduling", "job/42"}
	if !reflect.DeepEqual(got, want) || events.Version(e) != 1 {
		t.Errorf("got %v, version %d; want %v, 1", got, events.Version(e), want)
	}
}
