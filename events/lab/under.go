package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"strata/events"
)

// Rule is what decides over rights at one moment: accounts and groups, whether the lab is open, and the permissions
// that stand on things. It shares nothing with the state that it was taken of.
type Rule struct {
	people  []byte // a peopleSnap; nil: nobody has an account
	shares  map[membership]struct{}
	devices map[events.DeviceName][]events.Permission
	types   map[events.DeviceTypeName][]events.Permission
	workers map[events.WorkerName][]events.Permission
	queries map[events.QueryID]queryRule
	charts  map[events.ChartID]queryRule
}

// queryRule is whose a query or chart is.
type queryRule struct {
	owner     events.UserName
	group     events.GroupName
	published bool
}

// Rule returns what decides over rights now.
func (s *State) Rule() (Rule, error) {
	r := Rule{shares: maps.Clone(s.people.shares), devices: map[events.DeviceName][]events.Permission{}, types: map[events.DeviceTypeName][]events.Permission{},
		workers: map[events.WorkerName][]events.Permission{}, queries: map[events.QueryID]queryRule{}, charts: map[events.ChartID]queryRule{}}
	if snap := s.snapPeople(); snap != nil {
		var err error
		if r.people, err = json.Marshal(snap); err != nil {
			return Rule{}, fmt.Errorf("copy the accounts of the lab: %w", err)
		}
	}
	for d := range s.Devices() {
		r.devices[d.Name] = slices.Clone(d.Permissions)
	}
	for t := range s.DeviceTypes() {
		r.types[t.Name] = slices.Clone(t.Permissions)
	}
	for w := range s.Workers() {
		r.workers[w.Name] = slices.Clone(w.Permissions)
	}
	for q := range s.Queries() {
		r.queries[q.Query] = queryRule{q.Owner, q.Group, q.Published}
	}
	for c := range s.Charts() {
		r.charts[c.Chart] = queryRule{c.Owner, c.Group, c.Published}
	}
	return r, nil
}

// PutUnder has the state, which is one of the past that is folded no further, answer questions about rights by another
// moment's rule: who left a group does not see what the group saw while they were in it. Things that are gone by then
// keep their permissions; nothing else says for whom they were.
func (s *State) PutUnder(r Rule) error {
	s.people = newPeople()
	s.people.shares = r.shares
	if r.people != nil {
		var snap peopleSnap
		if err := json.Unmarshal(r.people, &snap); err != nil {
			return fmt.Errorf("copy the accounts of the lab: %w", err)
		}
		s.fillPeople(&snap)
	}
	for d := range s.Devices() {
		if rows, there := r.devices[d.Name]; there {
			d.Permissions = rows
		}
	}
	for t := range s.DeviceTypes() {
		if rows, there := r.types[t.Name]; there {
			t.Permissions = rows
		}
	}
	for w := range s.Workers() {
		if rows, there := r.workers[w.Name]; there {
			w.Permissions = rows
		}
	}
	for q := range s.Queries() {
		if now, there := r.queries[q.Query]; there {
			q.Owner, q.Group, q.Published = now.owner, now.group, now.published
		}
	}
	for c := range s.Charts() {
		if now, there := r.charts[c.Chart]; there {
			c.Owner, c.Group, c.Published = now.owner, now.group, now.published
		}
	}
	return nil
}
