package device

import (
	"errors"
	"testing"

	"strata/schemas/yaml"
)

// FuzzLoad reads anything as a rendered configuration: it is one, or the error says what is wrong, and
// where as far as there is a place.
func FuzzLoad(f *testing.F) {
	f.Add(qemu)
	f.Add("commands: {hard_reset: [a, b], users: {x: {do: [y]}}, connections: {a: {connect: c, tags: [primary]}}}\nconstants: {}\n")
	f.Add("timeouts: {actions: {a: {seconds: 1, minutes: 2}}, connections: {b: {days: -1}}}\n")
	f.Add("character_delays: {boot: 1.5}\nparameters: []\n")
	f.Add("{% set x = 1 %}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Load([]byte(text), nil)
		var place *Problem
		var bad *yaml.Error
		switch {
		case err == nil && (d == nil || d.Root == nil):
			t.Error("no device and no error")
		case err != nil && !errors.As(err, &place) && !errors.As(err, &bad) && !errors.Is(err, ErrTemplate):
			t.Errorf("error %v (%T) has no place", err, err)
		}
	})
}
