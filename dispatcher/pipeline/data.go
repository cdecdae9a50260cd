package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"strata/schemas/python"
)

// Data is a value of a job definition, device dictionary or dispatcher configuration, as YAML 1.1
// gives it: null, bool, int, float, text, list or mapping in the order of the document. It is
// immutable; the zero Data is null. Definitions are open (every method has its own keys), so
// actions read what they need by name: a missing key is a null, and a value of another kind reads
// as the zero of the kind asked for. Check early with Kind where that would hide a mistake.
type Data struct {
	value any // nil, bool, int64, float64, string, []Data or []Pair
}

// Pair is one entry of a mapping.
type Pair struct {
	Key   string
	Value Data
}

// Kind is the kind of a Data.
type Kind int

// The kinds of Data.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	List
	Mapping
)

// Of makes a Data of a Go value: nil, bool, any int, float64, string, []string, []Data, []Pair or
// a Data. Anything else is a fault of the caller and panics.
func Of(v any) Data {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, []Data, []Pair:
		return Data{v}
	case Data:
		return v
	case int:
		return Data{int64(v)}
	case []string:
		items := make([]Data, len(v))
		for i, s := range v {
			items[i] = Data{s}
		}
		return Data{items}
	}
	panic(fmt.Sprintf("pipeline: no Data of a %T", v))
}

// Kind returns the kind of d.
func (d Data) Kind() Kind {
	switch d.value.(type) {
	case bool:
		return Bool
	case int64:
		return Int
	case float64:
		return Float
	case string:
		return Text
	case []Data:
		return List
	case []Pair:
		return Mapping
	}
	return Null
}

// IsNull says that d is null or was missing.
func (d Data) IsNull() bool { return d.value == nil }

// Get returns the value at a path of mapping keys, null where one of them is missing.
func (d Data) Get(path ...string) Data {
	for _, key := range path {
		d, _ = d.Lookup(key)
	}
	return d
}

// Lookup returns the value of a key and whether the key is there: a present null differs from a
// missing one for methods (`tftp:`).
func (d Data) Lookup(key string) (Data, bool) {
	pairs, _ := d.value.([]Pair)
	for i := len(pairs) - 1; i >= 0; i-- { // the last of duplicate keys wins
		if pairs[i].Key == key {
			return pairs[i].Value, true
		}
	}
	return Data{}, false
}

// Has says whether a mapping has the key, be its value null.
func (d Data) Has(key string) bool { _, ok := d.Lookup(key); return ok }

// Text returns a text as it is, another scalar as Python prints it ("True", "1.5"), and "" for
// null, lists and mappings.
func (d Data) Text() string {
	switch d.value.(type) {
	case nil, []Data, []Pair:
		return ""
	case string:
		return d.value.(string)
	}
	return d.Python()
}

// TextOr returns Text, or def where d is null.
func (d Data) TextOr(def string) string {
	if d.IsNull() {
		return def
	}
	return d.Text()
}

// Int returns an integer, also of a text that holds one, and def otherwise.
func (d Data) Int(def int) int {
	switch v := d.value.(type) {
	case int64:
		return int(v)
	case float64:
		return int(v)
	case string:
		if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
			return n
		}
	}
	return def
}

// Float returns a number, and def for anything else.
func (d Data) Float(def float64) float64 {
	switch v := d.value.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return def
}

// Bool returns a bool, and def for anything else.
func (d Data) Bool(def bool) bool {
	if b, ok := d.value.(bool); ok {
		return b
	}
	return def
}

// True says whether Python would take d as true: not null, false, 0, "" or empty.
func (d Data) True() bool {
	switch v := d.value.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []Data:
		return len(v) > 0
	case []Pair:
		return len(v) > 0
	}
	return false
}

// Items returns the items of a list, nil for anything else. Do not change them.
func (d Data) Items() []Data { items, _ := d.value.([]Data); return items }

// Pairs returns the entries of a mapping in document order, nil for anything else. Do not change
// them.
func (d Data) Pairs() []Pair { pairs, _ := d.value.([]Pair); return pairs }

// Texts returns the items of a list as texts, or a single text as a list of one: prompts, device
// commands and the like may be written either way. Null gives nil.
func (d Data) Texts() []string {
	switch v := d.value.(type) {
	case nil:
		return nil
	case []Data:
		out := make([]string, len(v))
		for i, item := range v {
			out[i] = item.Text()
		}
		return out
	}
	return []string{d.Text()}
}

// With returns a copy of a mapping (or of null) with key set to value.
func (d Data) With(key string, value Data) Data {
	pairs := make([]Pair, 0, len(d.Pairs())+1)
	replaced := false
	for _, p := range d.Pairs() {
		if p.Key == key {
			p.Value, replaced = value, true
		}
		pairs = append(pairs, p)
	}
	if !replaced {
		pairs = append(pairs, Pair{key, value})
	}
	return Data{pairs}
}

// Native returns d as encoding/json would decode it, but with int64 for integers and
// output.Fields left to the caller: nil, bool, int64, float64, string, []any, map[string]any.
func (d Data) Native() any {
	switch v := d.value.(type) {
	case []Data:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = item.Native()
		}
		return out
	case []Pair:
		out := make(map[string]any, len(v))
		for _, p := range v {
			out[p.Key] = p.Value.Native()
		}
		return out
	}
	return d.value
}

// Python returns d as Python's repr prints it, which is what many log lines show:
// ['/bin/false'], {'a': 1}, None.
func (d Data) Python() string {
	switch v := d.value.(type) {
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return python.Float(v)
	case string:
		return python.Quote(v)
	case []Data:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = item.Python()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []Pair:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = python.Quote(p.Key) + ": " + p.Value.Python()
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "None"
}

// ReprList returns texts as Python prints a list of them: ['a', "b's"].
func ReprList(texts []string) string { return Of(texts).Python() }
