package api

import (
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// discreet refuses a definition that names a secret of the user's: who acts as another could have a job tell it.
func (a *api) discreet(user events.UserName, definition []byte) error {
	root, err := yaml.Parse(definition)
	if err != nil {
		return nil // submission says what is wrong with it
	}
	names := job.NamedSecrets(root)
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
