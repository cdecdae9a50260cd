package live

import (
	"strconv"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// translator folds the lab and says which of LAVA's events each fact is.
// It belongs to who holds [Live]'s lock. Words that were told last tell whether a fact changes any.
type translator struct {
	lab     *lab.State
	devices map[events.DeviceName]deviceWords // as they were told last
	workers map[events.WorkerName]workerWords
}

// deviceWords is what LAVA tells of a device's changes.
type deviceWords struct {
	state  lab.DeviceState
	health events.DeviceHealth
}

// workerWords is the same of a worker.
type workerWords struct {
	state  lab.WorkerState
	health events.WorkerHealth
}

// newTranslator begins with a lab, of which nothing is told.
func newTranslator(s *lab.State) *translator {
	t := &translator{lab: s, devices: map[events.DeviceName]deviceWords{}, workers: map[events.WorkerName]workerWords{}}
	for d := range s.Devices() {
		t.devices[d.Name] = deviceWords{d.State, d.Health}
	}
	for w := range s.Workers() {
		t.workers[w.Name] = workerWords{w.State, w.Health}
	}
	return t
}

// fold takes a fact and returns what LAVA would tell of it: of a job whenever its state or health
// changes, and of anything else too while it waits; of devices and workers where their words change.
func (t *translator) fold(r stream.Recorded) (told []Event) {
	var was lab.Job
	about := r.Event.About()
	if j := t.job(about); j != nil {
		// A copy: the fold changes its own.
		was = *j
	}
	c := t.lab.Evolve(r.Seq, r.Time, r.Event)
	if j := c.Job; j != nil {
		_, fresh := r.Event.(events.JobSubmitted)
		known := was.ID != 0 // else the fact is about its device, or one that follows its end
		if fresh || known && (was.State != j.State || health(&was) != health(j) || j.State == lab.Submitted && was.Seq != j.Seq) {
			told = append(told, ofJob(r, t.lab, j))
		}
	}
	for _, d := range c.Devices {
		words, known := t.devices[d.Name]
		if t.lab.Device(d.Name) == nil {
			delete(t.devices, d.Name)
			continue
		}
		now := deviceWords{d.State, d.Health}
		t.devices[d.Name] = now
		// LAVA tells nothing of a device's being added, nor of what else changes of it.
		if known && now != words {
			told = append(told, ofDevice(r, t.lab, d))
		}
	}
	if about.Kind == events.Worker {
		told = append(told, t.worker(r, events.WorkerName(about.ID))...)
	}
	return told
}

// worker returns the event of a worker whose words have changed.
// A worker that was removed is told of no more.
func (t *translator) worker(r stream.Recorded, name events.WorkerName) []Event {
	w := t.lab.Worker(name)
	if w == nil {
		delete(t.workers, name)
		return nil
	}
	words, known := t.workers[name]
	now := workerWords{w.State, w.Health}
	t.workers[name] = now
	// A worker that is new is told of with its next change.
	if !known || now == words {
		return nil
	}
	return []Event{ofWorker(r, w)}
}

// job returns the job that a fact is about, nil for none that the lab has.
func (t *translator) job(about events.Entity) *lab.Job {
	if about.Kind != events.Job {
		return nil
	}
	id, err := strconv.ParseUint(about.ID, 10, 64)
	if err != nil {
		return nil
	}
	return t.lab.Job(events.JobID(id))
}
