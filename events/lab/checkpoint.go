package lab

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"strata/events"
)

// Format names the shape of what [State.Encode] returns. A change of shape takes a new name, and
// [Decode] goes on reading the old ones.
//
//	lab.v2  the length of a JSON text (a varint of encoding/binary), that text, which is of the shape of
//	        lab.v1 but without the jobs that only wait, and these as records of bytes
//	lab.v1  one JSON text
const Format = "lab.v2"

// formatV1 is the format before, all JSON.
const formatV1 = "lab.v1"

// snapshot is the shape of "lab.v1", and of the JSON text in "lab.v2".
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
	Queries []*Query       `json:"queries,omitempty"`
	Charts  []*Chart       `json:"charts,omitempty"`
	Issues  *issuesSnap    `json:"issues,omitempty"`
	Notices []Notice       `json:"notices,omitempty"`
	People  *peopleSnap    `json:"people,omitempty"`
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
		Past:    s.past.list(),
	}
	plain := make([]*Job, 0, len(s.jobs))
	for j := range s.Jobs() {
		if j.plain() {
			plain = append(plain, j)
		} else {
			snap.Jobs = append(snap.Jobs, j)
		}
	}
	for e, seq := range s.gone {
		snap.Gone = append(snap.Gone, goneEntity{e.Kind, e.ID, seq})
	}
	slices.SortFunc(snap.Gone, func(a, b goneEntity) int { return int(int64(a.Seq) - int64(b.Seq)) })
	snap.Took, snap.Came = s.durations.snap()
	snap.Rules = s.rules.snap()
	snap.Queries, snap.Issues, snap.Notices = slices.Collect(s.Queries()), s.snapIssues(), s.Notices()
	snap.People = s.snapPeople()
	for c := range sorted(s.charts) {
		snap.Charts = append(snap.Charts, c)
	}
	text, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint of the lab: %w", err)
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), text, pack(plain)), nil
}

// EncodeWith returns a checkpoint of a service that knows more than the lab: own, as JSON, stands
// before what [State.Encode] returns.
func (s *State) EncodeWith(own any) ([]byte, error) {
	data, err := s.Encode()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(enclosed{Format, own})
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(text))), text, data), nil
}

// enclosed stands before the lab in a service's checkpoint.
type enclosed struct {
	LabFormat string `json:"lab_format"`
	Own       any    `json:"own"`
}

// DecodeWith reads what [State.EncodeWith] returned; own points to the service's part.
func DecodeWith(data []byte, own any) (*State, error) {
	text, data, err := cut(data)
	if err != nil {
		return nil, fmt.Errorf("decode checkpoint: %w", err)
	}
	head := enclosed{Own: own}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("decode checkpoint: %w", err)
	}
	return Decode(head.LabFormat, data)
}

// cut divides data after the text whose length stands before it.
func cut(data []byte) (text, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return nil, nil, errors.New("it ends too soon")
	}
	return data[size : size+int(n)], data[size+int(n):], nil
}

// Decode returns the state that a checkpoint holds.
func Decode(format string, data []byte) (*State, error) {
	s := New()
	var waiting []*Job
	text := data
	var err error
	switch format {
	case formatV1:
	case Format:
		var records []byte
		if text, records, err = cut(data); err == nil {
			waiting, err = unpack(records, func(name string) string { return keep(s, name) })
		}
	default:
		return nil, fmt.Errorf("decode checkpoint of the lab: format %q is not known, want %q", format, Format)
	}
	if err != nil {
		return nil, fmt.Errorf("decode checkpoint of the lab, format %s: %w", format, err)
	}
	var snap snapshot
	if err := json.Unmarshal(text, &snap); err != nil {
		return nil, fmt.Errorf("decode checkpoint of the lab, format %s: %w", format, err)
	}
	s.jobs = make(map[events.JobID]*Job, len(waiting)+len(snap.Jobs))
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
	}
	for _, j := range slices.Concat(waiting, snap.Jobs) {
		s.jobs[j.ID] = j
		s.join(j)
	}
	for _, p := range snap.Past {
		s.past.add(p)
	}
	for _, g := range snap.Gone {
		if g.Kind == events.Reservation {
			continue // once those that had ended were remembered
		}
		s.gone[events.Entity{Kind: g.Kind, ID: g.ID}] = g.Seq
	}
	s.durations.restore(snap.Took, snap.Came)
	s.rules.restore(snap.Rules)
	s.restoreIssues(snap.Issues)
	s.restoreNotices(snap.Notices)
	s.restorePeople(snap.People)
	for _, q := range snap.Queries {
		s.queries[q.Query] = q
	}
	for _, c := range snap.Charts {
		s.charts[c.Chart] = c
	}
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
