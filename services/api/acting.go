package api

import (
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// discreet refuses a definition that names a secret of the user's: who acts as another could have a job tell it.
// A name may be that of a remote-artifact token or, in a callback, of one of the user's own tokens: each is looked up as
// both. The error is [Denied]. A definition that does not parse is let through: it becomes no job.
func (a *api) discreet(user events.UserName, definition []byte) error {
	root, err := yaml.Parse(definition)
	if err != nil {
		return nil // submission says what is wrong with it
	}
	names := job.NamedSecrets(root)
	// LAVA takes one callback or a list of them, see the job's notify block.
	callbacks := []*yaml.Node{root.Get("notify", "callback")}
	if list := root.Get("notify", "callbacks"); list.Is(yaml.List) {
		callbacks = append(callbacks, list.Items...)
	}
	for _, c := range callbacks {
		if token := c.Get("token").TextOr(""); token != "" && !slices.Contains(names, token) {
			names = append(names, token)
		}
	}
	a.read(func(s *lab.State) {
		for _, name := range names {
			if s.RemoteNamed(user, name) != "" || s.TokenNamed(user, name) != nil {
				err = refuse(Denied, "the job names the secret %q of %s: who acts as another does not use the user's secrets", name, user)
				return
			}
		}
	})
	return err
}
