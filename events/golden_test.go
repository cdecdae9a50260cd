package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/events"
	"strata/events/internal/describe"
)

// Golden payloads are facts as some release wrote them: they are made once and never changed.
var update = flag.Bool("update", false, "write golden payloads that are missing, from sample values")

// Every version of every event has a golden payload, which this release reads, and a schema, which
// the payload fits. Of the newest version nothing may be lost: it is written as it was read.
func TestGoldenPayloads(t *testing.T) {
	t.Parallel()
	root, err := describe.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, e := range events.Catalogue() {
		for version := 1; version <= e.Version; version++ {
			name := fmt.Sprintf("%s.v%d", e.Name, version)
			known[name] = true
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := goldenPath(name)
				if _, err := os.Stat(path); *update && os.IsNotExist(err) && version == e.Version {
					writeSample(t, path, e.Type)
				}
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatalf("golden payload of %s is missing (go test ./events -update writes one): %v", name, err)
				}
				checkSchema(t, filepath.Join(root, describe.SchemaPath(name)), body)
				fact, err := events.Decode(e.Name, name, body)
				if err != nil {
					t.Fatal(err)
				}
				if reflect.TypeOf(fact) != e.Type {
					t.Fatalf("decoded %T, want %s", fact, e.Type)
				}
				if version == e.Version {
					checkSame(t, fact, body)
					checkFilled(t, reflect.ValueOf(fact), e.Type.Name())
				}
			})
		}
	}
	checkNoOthers(t, known, filepath.Join("testdata", "golden"), ".json")
	checkNoOthers(t, known, filepath.Join(root, "schemas", "events"), ".schema.json")
}

// What is generated from the catalogue is as it would be generated now.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	root, err := describe.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	files, err := describe.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the catalogue says (%v): run go generate ./events", name, err)
		}
	}
}

func goldenPath(schema string) string { return filepath.Join("testdata", "golden", schema+".json") }

// checkSchema fails where a payload does not fit the schema of its version.
func checkSchema(t *testing.T, path string, body []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(path)
	if err != nil {
		t.Fatalf("schema: %v", err)
	}
	payload, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(payload); err != nil {
		t.Error(err)
	}
	if err := schema.Validate(map[string]any{}); err == nil {
		t.Error("schema takes a payload without any field")
	}
}

// checkSame fails where a fact is not written as it was read.
func checkSame(t *testing.T, fact events.Event, body []byte) {
	t.Helper()
	again, err := json.MarshalIndent(fact, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(again) + "\n"; got != string(body) {
		t.Errorf("written again it differs: a field was renamed, removed or changed its type; that needs a new version\n got %s\nwant %s", got, body)
	}
}

// checkFilled fails where a golden payload leaves a field empty, as such a field is not held by it.
func checkFilled(t *testing.T, v reflect.Value, at string) {
	t.Helper()
	switch {
	case v.IsZero():
		t.Errorf("golden payload leaves %s empty (before the first release: delete the file, run go test ./events -update and go generate ./events)", at)
	case v.Kind() == reflect.Pointer:
		checkFilled(t, v.Elem(), at)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			checkFilled(t, v.Index(i), fmt.Sprintf("%s[%d]", at, i))
		}
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			checkFilled(t, v.Field(i), at+"."+v.Type().Field(i).Name)
		}
	}
}

func checkNoOthers(t *testing.T, known map[string]bool, dir, suffix string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), suffix); !known[name] {
			t.Errorf("%s: no event of that name and version is in the catalogue", filepath.Join(dir, e.Name()))
		}
	}
}

// writeSample makes a golden payload with every field filled.
func writeSample(t *testing.T, path string, typ reflect.Type) {
	t.Helper()
	v := reflect.New(typ).Elem()
	fill(v, "")
	body, err := json.MarshalIndent(v.Interface(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fill gives a value and all below it something plausible.
func fill(v reflect.Value, name string) {
	samples := map[reflect.Type]any{
		reflect.TypeFor[time.Time]():                  time.Date(2026, 11, 22, 10, 30, 0, 123456789, time.UTC),
		reflect.TypeFor[events.JobID]():               events.JobID(42),
		reflect.TypeFor[events.HandsUse]():            events.UseConsole,
		reflect.TypeFor[events.Lease]():               events.Lease(812),
		reflect.TypeFor[events.ReservationID]():       events.ReservationID(7),
		reflect.TypeFor[events.DeviceName]():          events.DeviceName("qemu01"),
		reflect.TypeFor[events.DeviceTypeName]():      events.DeviceTypeName("qemu"),
		reflect.TypeFor[events.WorkerName]():          events.WorkerName("lab1.example.com"),
		reflect.TypeFor[events.TagName]():             events.TagName("kvm"),
		reflect.TypeFor[events.UserName]():            events.UserName("alice"),
		reflect.TypeFor[events.GroupName]():           events.GroupName("kernel"),
		reflect.TypeFor[events.Seconds]():             events.Seconds(600),
		reflect.TypeFor[events.Outcome]():             events.Pass,
		reflect.TypeFor[events.JobHealth]():           events.Incomplete,
		reflect.TypeFor[events.ErrorType]():           events.InfrastructureError,
		reflect.TypeFor[events.DeviceHealth]():        events.Good,
		reflect.TypeFor[events.WorkerHealth]():        events.WorkerActive,
		reflect.TypeFor[events.Denominator]():         events.Hours,
		reflect.TypeFor[events.Kind]():                events.Device,
		reflect.TypeFor[events.QueryID]():             events.QueryID(3),
		reflect.TypeFor[events.QueryEntity]():         events.CaseQuery,
		reflect.TypeFor[events.QueryMatch]():          events.MatchNot,
		reflect.TypeFor[events.ChartType]():           events.ChartMeasurement,
		reflect.TypeFor[events.ChartVisibility]():     events.ShowBoth,
		reflect.TypeFor[events.ChartRepresentation](): events.ChartBars,
		reflect.TypeFor[events.Verdict]():             events.VerdictTest,
		reflect.TypeFor[events.Scope]():               events.ScopeSubmit,
		reflect.TypeFor[events.Cause]():               events.CausePanic,
		reflect.TypeFor[events.Change]():              events.Regression,
	}
	if s, ok := samples[v.Type()]; ok {
		v.Set(reflect.ValueOf(s))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"git-branch": "main"}))
	case reflect.String:
		v.SetString("some " + strings.ToLower(name))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic(fmt.Sprintf("no sample for %s", v.Type()))
	}
}
