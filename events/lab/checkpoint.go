package lab

import (
	"encoding/json"
	"fmt"
	"slices"

	"strata/events"
)

// Format names the shape of what [State.Encode] returns. A change of shape takes a new name, and
// [Decode] goes on reading the old ones.
const Format = "lab.v1"

// snapshot is the shape of "lab.v1".
type snapshot struct {
	Through uint64         `json:"through"`
	Rounds  uint64         `json:"rounds,omitempty"`
	Types   []*DeviceType  `json:"types,omitempty"`
	Tags    []*Tag         `json:"tags,omitempty"`
	Workers []*Worker      `json:"workers,omitempty"`
	Devices []*Device      `json:"devices,omitempty"`
	Jobs    []*Job         `json:"jobs,omitempty"`
	Past    []Past         `json:"past,omitempty"` // the oldest first
	Gone    []goneEntity   `json:"gone,omitempty"`
	Rules   *rulesSnap     `json:"rules,omitempty"`
	Took    []durationSnap `json:"took,omitempty"`
	Came    []arrivalSnap  `json:"came,omitempty"`
}

type goneEntity struct {
	Kind events.Kind `json:"kind"`
	ID   string      `json:"id"`
	Seq  uint64      `json:"seq"`
}

// Encode returns the state as a checkpoint of format [Format]. Equal states give equal bytes.
func (s *State) Encode() ([]byte, error) {
	snap := snapshot{
		Through: s.through,
		Rounds:  s.rounds,
		Types:   slices.Collect(s.DeviceTypes()),
		Tags:    slices.Collect(s.Tags()),
		Workers: slices.Collect(s.Workers()),
		Devices: slices.Collect(s.Devices()),
		Jobs:    slices.Collect(s.Jobs()),
		Past:    s.past.list(),
	}
	for e, seq := range s.gone {
		snap.Gone = append(snap.Gone, goneEntity{e.Kind, e.ID, seq})
	}
	slices.SortFunc(snap.Gone, func(a, b goneEntity) int { return int(int64(a.Seq) - int64(b.Seq)) })
	snap.Took, snap.Came = s.durations.snap()
	snap.Rules = s.rules.snap()
	data, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint of the lab: %w", err)
	}
	return data, nil
}

// Decode returns the state that a checkpoint holds.
func Decode(format string, data []byte) (*State, error) {
	if format != Format {
		return nil, fmt.Errorf("decode checkpoint of the lab: format %q is not known, want %q", format, Format)
	}
	var snap snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return nil, fmt.Errorf("decode checkpoint of the lab, format %s: %w", format, err)
	}
	s := New()
	s.through, s.rounds = snap.Through, snap.Rounds
	for _, t := range snap.Types {
		s.types[t.Name] = t
		for _, a := range t.Aliases {
			s.aliases[a] = t.Name
		}
	}
	for _, t := range snap.Tags {
		s.tags[t.Name] = t
	}
	for _, w := range snap.Workers {
		s.workers[w.Name] = w
	}
	for _, d := range snap.Devices {
		s.devices[d.Name] = d
		if d.Check.Job != 0 {
			s.checks[d.Check.Job] = append(s.checks[d.Check.Job], d.Name)
		}
	}
	for _, j := range snap.Jobs {
		s.shareNames(j)
		s.jobs[j.ID] = j
		s.join(j)
	}
	for _, p := range snap.Past {
		s.past.add(p)
	}
	for _, g := range snap.Gone {
		s.gone[events.Entity{Kind: g.Kind, ID: g.ID}] = g.Seq
	}
	s.durations.restore(snap.Took, snap.Came)
	s.rules.restore(snap.Rules)
	return s, nil
}

// shareNames replaces the copies of names that a decoded job has by those that all jobs share.
func (s *State) shareNames(j *Job) {
	j.User, j.DeviceType = keep(s, j.User), keep(s, j.DeviceType)
	j.PinDevice, j.PinWorker = keep(s, j.PinDevice), keep(s, j.PinWorker)
	for i, t := range j.Tags {
		j.Tags[i] = keep(s, t)
	}
}
