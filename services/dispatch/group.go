package dispatch

import (
	"fmt"
	"maps"
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// What a part of a multinode group is handed beside what every job is.

// withMembers puts the numbers and roles of the group's jobs into a part's definition: LAVA's
// `roles`, in which guests are missing, because they have no device.
func (s *service) withMembers(j *lab.Job, definition []byte) ([]byte, error) {
	root, err := yaml.Parse(definition)
	if err != nil {
		return nil, &badJob{events.BugError, fmt.Sprintf("the part's definition cannot be read: %v", err)}
	}
	var members []job.Member
	for _, p := range s.state.lab.Group(j.Part.Group) {
		if !p.Guest() {
			members = append(members, job.Member{Job: uint64(p.ID), Role: p.Part.Role})
		}
	}
	text, err := yaml.Write(job.WithMembers(root, members))
	if err != nil {
		return nil, &badJob{events.BugError, fmt.Sprintf("the part's definition cannot be written: %v", err)}
	}
	return text, nil
}

// hostOf returns the part whose device a guest runs on: the first with its host role, or the first
// with a device where it names none.
func (s *service) hostOf(guest *lab.Job) *lab.Job {
	for _, p := range s.state.lab.Group(guest.Part.Group) {
		if !p.Guest() && p.Run != nil && (guest.Part.HostRole == "" || p.Part.Role == guest.Part.HostRole) {
			return p
		}
	}
	return nil
}

// guestConfig is what a guest knows of its host's device: how to log in, and nothing that could
// switch it or open its console.
func guestConfig(host *yaml.Node) *yaml.Node {
	config := yaml.Mapping()
	for _, key := range []string{"hostname", "devicetype", "constants", "timeouts"} {
		if v := host.Get(key); v != nil {
			config = config.With(key, v)
		}
	}
	if constants := config.Get("constants"); constants.Is(yaml.Map) {
		// Nobody sees a kernel start on a connection over the network.
		config = config.With("constants", constants.With("kernel-start-message", yaml.Text("")))
	}
	actions := yaml.Mapping()
	for _, section := range []string{"deploy", "boot"} {
		some := yaml.Mapping()
		for _, key := range []string{"connections", "methods"} {
			if v := host.Get("actions").Get(section).Get(key); v != nil {
				some = some.With(key, v)
			}
		}
		actions = actions.With(section, some)
	}
	return config.With("actions", actions)
}

// cascade returns the ends that follow from the ends of others in groups that changed: the cancel of
// one part by a person is the cancel of all; a part that is essential takes the others with it when
// it fails or is canceled; and a guest has nowhere to run once its host is over. One that runs when its host
// ends well is left to end by itself.
func (s *state) cascade() (facts []events.Event) {
	for _, id := range slices.Sorted(maps.Keys(s.stirred)) {
		more := Cascade(s.lab.Group(id))
		facts = append(facts, more...)
		if len(more) == 0 {
			delete(s.stirred, id) // what was found is looked for again once it is recorded
		}
	}
	return facts
}

// ends returns the part of a group because of which another one has to end, and the reason.
func ends(p *lab.Job, parts []*lab.Job) (from *lab.Job, why string) {
	for _, q := range parts {
		switch {
		case q == p:
		case q.Cancel != nil && q.Cancel.By != "":
			return q, fmt.Sprintf("canceled with job %s of its group", q.Display)
		case q.Part.Essential && q.Cancel != nil:
			return q, fmt.Sprintf("the essential job %s of its group is canceled", q.Display)
		case q.Part.Essential && q.State == lab.Finished && q.Health() == events.Incomplete:
			return q, fmt.Sprintf("the essential job %s of its group has failed", q.Display)
		case p.Guest() && p.State == lab.Running && q.State == lab.Finished && q.Health() == events.Complete:
			// They part at their last meeting point, and whoever is quicker ends first.
		case p.Guest() && q.State == lab.Finished && !q.Guest() && (p.Part.HostRole == "" || q.Part.Role == p.Part.HostRole):
			return q, fmt.Sprintf("the job %s, on whose device it runs, is over", q.Display)
		}
	}
	return nil, ""
}
