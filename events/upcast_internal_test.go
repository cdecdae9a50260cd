package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// moved stands for a fact that has had two changes since it was first written.
type moved struct {
	Device string `json:"device"`
	To     string `json:"to"`     // version 2: was called "worker"
	Reason string `json:"reason"` // version 3: new, "unknown" before
}

func (moved) About() Entity { return Entity{Device, "q1"} }

func movedRow() definition {
	return define[moved]("device.moved-twice", APIService,
		func(f map[string]json.RawMessage) error {
			if _, ok := f["worker"]; !ok {
				return errors.New("worker is missing")
			}
			f["to"] = f["worker"]
			delete(f, "worker")
			return nil
		},
		func(f map[string]json.RawMessage) error {
			f["reason"] = json.RawMessage(`"unknown"`)
			return nil
		})
}

func TestUpcast(t *testing.T) {
	t.Parallel()
	d := movedRow()
	if d.version() != 3 {
		t.Fatalf("version %d, want 3", d.version())
	}
	want := moved{"q1", "w2", "unknown"}
	for version, body := range map[int]string{
		1: `{"device":"q1","worker":"w2"}`,
		2: `{"device":"q1","to":"w2","later":true}`,
		3: `{"device":"q1","to":"w2","reason":"unknown"}`,
	} {
		if got, err := d.decodeVersion(version, []byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("version %d: %+v, %v, want %+v", version, got, err, want)
		}
	}
}

func TestUpcastErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version int
		body    string
		want    string
	}{
		{4, `{}`, "decode device.moved-twice: event is of a newer version: 4, this binary knows up to 3: upgrade strata"},
		{1, `{"device":"q1"}`, "upcast device.moved-twice.v1: worker is missing"},
		{1, `[]`, "decode device.moved-twice.v1: "},
		{3, `{"device":7}`, "decode device.moved-twice.v3: "},
	}
	for _, tt := range tests {
		_, err := movedRow().decodeVersion(tt.version, []byte(tt.body))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("version %d, %s: %v, want %q", tt.version, tt.body, err, tt.want)
		}
		if errors.Is(err, ErrNewerVersion) != (tt.version == 4) {
			t.Errorf("version %d: is ErrNewerVersion: %v", tt.version, errors.Is(err, ErrNewerVersion))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, schema string
		is           error
		want         string
	}{
		{"moon.landed", "moon.landed.v1", ErrUnknownEvent, "upgrade strata"},
		{"tag.added", "tag.added.v2", ErrNewerVersion, "2, this binary knows up to 1"},
		{"tag.added", "tag.removed.v1", nil, "is of another event"},
		{"tag.added", "tag.added", nil, "does not end in .v and a version"},
		{"tag.added", "tag.added.v", nil, "not a number from 1"},
		{"tag.added", "tag.added.v0", nil, "not a number from 1"},
		{"tag.added", "tag.added.v01", nil, "not a number from 1"},
		{"tag.added", "tag.added.v1x", nil, "not a number from 1"},
	}
	for _, tt := range tests {
		_, err := Decode(tt.name, tt.schema, []byte(`{}`))
		if err == nil || !strings.Contains(err.Error(), tt.want) || (tt.is != nil && !errors.Is(err, tt.is)) {
			t.Errorf("%s, %s: %v, want %q (%v)", tt.name, tt.schema, err, tt.want, tt.is)
		}
	}
}

// Whatever stands in a stream, decoding it does not panic, and what is decoded can be written.
func FuzzDecode(f *testing.F) {
	for i := range index.rows {
		f.Add(i, []byte(fmt.Sprintf(`{"job":%d,"device":"a","at":"2026-11-22T10:00:00Z"}`, i)))
	}
	f.Fuzz(func(t *testing.T, n int, body []byte) {
		d := index.rows[(n%len(index.rows)+len(index.rows))%len(index.rows)]
		e, err := Decode(d.name, schemaName(d.name, d.version()), body)
		if err != nil {
			return
		}
		if _, _, err := Encode(e, Envelope{ID: "1"}); err != nil {
			t.Errorf("decoded %+v, which cannot be encoded: %v", e, err)
		}
	})
}
