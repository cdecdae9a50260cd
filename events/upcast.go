package events

import (
	"encoding/json"
	"errors"
	"fmt"
)

// upcast turns the fields of one version of a payload into those of the next, in place. It knows
// nothing but the payload: what was not recorded then cannot be asked for now. It is written once,
// when the version is added, and never changed.
type upcast func(fields map[string]json.RawMessage) error

var (
	// ErrUnknownEvent says that a fact's name is not in this binary's catalogue.
	ErrUnknownEvent = errors.New("unknown event")
	// ErrNewerVersion says that a fact was written by a newer release than this binary.
	ErrNewerVersion = errors.New("event is of a newer version")
)

// Decode returns the fact that a message holds: name is its ce-type, schema its ce-dataschema.
// Payloads of older versions are brought to the struct as it stands. Fields that the struct does
// not know are ignored. It returns [ErrUnknownEvent] or [ErrNewerVersion], wrapped, where only a
// newer binary can read the fact; such a fact must never be skipped by a service that decides.
func Decode(name, schema string, body []byte) (Event, error) {
	d, ok := index.byName[name]
	if !ok {
		return nil, fmt.Errorf("decode %q: %w: upgrade strata, it was written by a newer release", name, ErrUnknownEvent)
	}
	of, version, err := parseSchema(schema)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	if of != name {
		return nil, fmt.Errorf("decode %s: schema %q is of another event", name, schema)
	}
	return d.decodeVersion(version, body)
}

// decodeVersion decodes a payload of the given version.
func (d definition) decodeVersion(version int, body []byte) (Event, error) {
	if version > d.version() {
		return nil, fmt.Errorf("decode %s: %w: %d, this binary knows up to %d: upgrade strata",
			d.name, ErrNewerVersion, version, d.version())
	}
	if version < d.version() {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, fmt.Errorf("decode %s: %w", schemaName(d.name, version), err)
		}
		for v := version; v < d.version(); v++ {
			if err := d.upcasts[v-1](fields); err != nil {
				return nil, fmt.Errorf("upcast %s: %w", schemaName(d.name, v), err)
			}
		}
		newer, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("upcast %s: %w", schemaName(d.name, version), err)
		}
		body = newer
	}
	e, err := d.decode(body)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", schemaName(d.name, version), err)
	}
	return e, nil
}
