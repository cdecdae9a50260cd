package results

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/schemas/yaml"
)

// columns are those of LAVA's CSV, in its order. duration and timeout have never been filled.
func columns() []string {
	return []string{
		"job", "suite", "result", "measurement", "unit", "duration", "timeout", "logged", "level",
		"metadata", "url", "name", "id", "log_start_line", "log_end_line",
	}
}

// Record returns a case as LAVA's exports and callbacks have it: every value a text but metadata,
// which is a mapping.
func Record(job string, c Case) *yaml.Node {
	r := yaml.Mapping()
	for _, f := range fields(job, c) {
		r = r.With(f.key, yaml.Text(f.value))
	}
	return r.With("metadata", metadata(c))
}

// field is one key of a record with its text.
type field struct{ key, value string }

// fields are a record's texts in LAVA's order of keys.
func fields(job string, c Case) []field {
	id := strconv.FormatUint(c.ID, 10)
	return []field{
		{"name", c.Name}, {"job", job}, {"suite", c.Suite}, {"result", c.Result},
		{"measurement", c.measured()}, {"unit", c.Units}, {"level", c.Metadata["level"]},
		{"url", "/results/testcase/" + id}, {"id", id}, {"logged", logged(c.Logged)},
		{"log_start_line", line(c.StartLine)}, {"log_end_line", line(c.EndLine)},
	}
}

// logged writes a time as Python prints one with a zone.
func logged(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000-07:00") }

// line writes the number of a log line. Line 0 is written as none, which readers of LAVA expect.
func line(n *uint64) string {
	if n == nil || *n == 0 {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}

// timed says that the pipeline itself measured how long the case took: then duration is the
// measurement, and the record had none of its own.
func (c Case) timed() bool {
	_, there := c.Metadata["duration"]
	return c.Suite == "lava" && there
}

// duration returns how long the case took, in seconds, where its record says so.
func (c Case) duration() (float64, bool) {
	d, err := strconv.ParseFloat(strings.TrimSpace(c.Metadata["duration"]), 64)
	return d, err == nil
}

// measured writes the measurement: with the digits that the pipeline wrote, where it was the one.
func (c Case) measured() string {
	switch {
	case c.Measurement == nil:
		return "None"
	case c.timed():
		return c.Metadata["duration"]
	}
	return strconv.FormatFloat(*c.Measurement, 'f', -1, 64)
}

// metadata returns the whole record of a case as LAVA keeps it, keys sorted. extra becomes a list of
// mappings with one key each.
// Keys are sorted as yaml.dump sorts them: clients compare the texts.
func metadata(c Case) *yaml.Node {
	values := map[string]*yaml.Node{}
	for key, text := range c.Metadata {
		values[key] = structured(text)
		if key == "extra" && values[key].Is(yaml.Map) {
			list := yaml.Of()
			for _, k := range slices.Sorted(slices.Values(values[key].Keys())) {
				list.Items = append(list.Items, yaml.Mapping().With(k, values[key].Get(k)))
			}
			values[key] = list
		}
	}
	values["case"], values["definition"], values["result"] = yaml.Text(c.Name), yaml.Text(c.Suite), yaml.Text(c.Result)
	if c.Set != "" {
		values["set"] = yaml.Text(c.Set)
	}
	if c.Measurement != nil && !c.timed() {
		values["measurement"] = yaml.Decimal(*c.Measurement)
		if c.Units != "" {
			values["units"] = yaml.Text(c.Units)
		}
	}
	m := yaml.Mapping()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		m = m.With(key, values[key])
	}
	return m
}

// structured returns a metadata value as what it was: results keep lists and mappings as JSON, all
// else as text.
// What only looks like JSON stays a text.
func structured(text string) *yaml.Node {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return yaml.Text(text)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return yaml.Text(text)
	}
	return node(v)
}

// node turns decoded JSON into a node, keys of mappings sorted.
func node(v any) *yaml.Node {
	switch v := v.(type) {
	case nil:
		return yaml.Nothing()
	case bool:
		return yaml.Truth(v)
	case string:
		return yaml.Text(v)
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return yaml.Number(i)
		}
		if f, err := v.Float64(); err == nil {
			return yaml.Decimal(f)
		}
		return yaml.Text(v.String())
	case []any:
		list := yaml.Of()
		for _, item := range v {
			list.Items = append(list.Items, node(item))
		}
		return list
	case map[string]any:
		m := yaml.Mapping()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			m = m.With(key, node(v[key]))
		}
		return m
	}
	return yaml.Text(fmt.Sprint(v)) // decoding JSON gives nothing else
}
