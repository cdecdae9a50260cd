package web

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// rights is what the visitor may do with one thing.
// The words are [lab.Verb]'s: view, submit, resubmit, cancel, change, add, remove, administer; of a device also hands. Pages use it to leave out buttons
// that would be refused; the refusal itself is the api's, so a page that errs here only looks odd.
type rights []string

// Change tells whether the visitor may change the thing; the others likewise.
func (r rights) Change() bool { return slices.Contains(r, "change") }

// Hands tells whether the visitor may switch a device's power and use its console: who may change it may, and who has it reserved
// now.
func (r rights) Hands() bool { return r.Change() || slices.Contains(r, "hands") }

// Remove tells whether the visitor may take the thing away.
func (r rights) Remove() bool { return slices.Contains(r, "remove") }

// Add tells whether the visitor may add things of the kind.
func (r rights) Add() bool { return slices.Contains(r, "add") }

// may asks what the visitor may do with a thing, such as "device/q1". Somebody who is refused the question may do
// nothing.
// "device/" with nothing behind means any of the kind: may the visitor add one?
func (q *request) may(thing string) rights {
	all, err := asked[map[string]rights](q, "rights", map[string]any{"of": []string{thing}})
	if err != nil {
		return nil
	}
	return all[thing]
}

// fact is one fact of the lab.
// Seq counts all facts of the lab and orders them; Entity is kind/name. Data is the fact's own JSON, by its kind
// (docs/events.md). Actor is who asked for it, "" where a service decided by itself.
type fact struct {
	Seq    uint64          `json:"seq"`
	Name   string          `json:"name"`
	Entity string          `json:"entity"`
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`
	Data   json.RawMessage `json:"data"`
}

// factsOf returns the facts of one thing, the oldest first.
// All of them, from the archive too, however many: a page that wants a few asks the tables, or bounds what it does with them.
func factsOf(q *request, thing string) (all []fact, err error) {
	err = q.Stream(q.Context(), "events", map[string]any{"entity": thing}, func(_ map[string]string, body []byte) error {
		var f fact
		if err := json.Unmarshal(body, &f); err != nil {
			return err
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// storiesAtOnce is how many stories are read at the same time.
const storiesAtOnce = 8

// factsOfEach returns the facts of several things, in their order. Each is a question to the broker of its own, most of
// which is waiting. Its error is the first thing's whose facts could not be read.
// It waits for all, also after an error: none of them goes on behind an answer that was sent.
func factsOfEach(q *request, things []string) ([][]fact, error) {
	all, errs := make([][]fact, len(things)), make([]error, len(things))
	var group sync.WaitGroup
	places := make(chan struct{}, storiesAtOnce)
	for i, thing := range things {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			all[i], errs[i] = factsOf(q, thing)
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
