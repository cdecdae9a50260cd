package multinode_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"strata/schemas/multinode"
)

func TestDecode(t *testing.T) {
	good := multinode.Request{Version: 1, Op: multinode.Send, Number: "7", Client: "41", Role: "server", ID: "ready",
		Message: []multinode.Pair{{Key: "ip", Value: "10.0.0.1"}}}
	for _, c := range []struct {
		name string
		edit func(*multinode.Request)
		want string // part of the error; empty: none
	}{
		{"send", func(*multinode.Request) {}, ""},
		{"version", func(r *multinode.Request) { r.Version = 2 }, "version is 2, want 1"},
		{"no version", func(r *multinode.Request) { r.Version = 0 }, "version is 0"},
		{"unknown", func(r *multinode.Request) { r.Op = "shout" }, `op is "shout"`},
		{"no id", func(r *multinode.Request) { r.ID = "" }, "send has no id"},
		{"no number", func(r *multinode.Request) { r.Number = "" }, "send has no number"},
		{"no client", func(r *multinode.Request) { r.Client = "" }, "send has no client"},
		{"join without size", func(r *multinode.Request) { r.Op = multinode.Join }, "size 0"},
		{"leave", func(r *multinode.Request) { r.Op, r.ID = multinode.Leave, "" }, ""},
		{"long", func(r *multinode.Request) { r.Message[0].Value = strings.Repeat("x", multinode.MaxBytes) }, "at most 65534"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			r.Message = append([]multinode.Pair(nil), good.Message...)
			c.edit(&r)
			data, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := multinode.Decode(data)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case c.want == "" && !reflect.DeepEqual(got, r):
				t.Errorf("got %+v, want %+v", got, r)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := multinode.Decode([]byte("{")); err == nil {
		t.Error("half an object was read")
	}
}

// A group's name comes from a job definition; it must not reach another group's subject.
func TestSubject(t *testing.T) {
	if got, err := multinode.Subject("7b0e8b2e-0000-4000-8000-000000000001"); err != nil || got != "sync.7b0e8b2e-0000-4000-8000-000000000001" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", "*", ">", "a.b", "a b", strings.Repeat("x", 101)} {
		if got, err := multinode.Subject(bad); err == nil {
			t.Errorf("group %q has subject %q, want an error", bad, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"op":"join","number":"1","client":"41","size":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := multinode.Decode(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > multinode.MaxBytes {
			return // escapes make a text longer
		}
		back, err := multinode.Decode(again)
		if err != nil || back.Op != r.Op || back.Number != r.Number || back.ID != r.ID {
			t.Errorf("%q became %q: %v", data, again, err)
		}
	})
}
