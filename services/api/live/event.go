package live

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Event is one of LAVA's events.
type Event struct {
	ID    uuid.UUID // the same from every process that tells it
	Topic string    // below the lab's prefix: "testjob", "device", "worker" or "event"
	At    time.Time // when the fact was recorded
	User  string    // the submitter of a job, else "lavaserver"
	Data  string    // JSON

	about  events.Entity     // who may see this hears of it
	worker events.WorkerName // where the job runs, "" where it is no job's or the job runs nowhere
	array  []byte            // the five parts as /ws/ tells them, written once for all who hear it
}

// server is whom LAVA names where nobody's job is told of.
const server = "lavaserver"

// names is where the ids of events come from: they are hashes of the fact's place and the topic.
var names = uuid.MustParse("5f2f0d5b-6f0c-4f5e-9c63-0c8d4f1f6a51")

// newEvent returns the event of a fact.
// Its id follows from the fact, so that who listens to several processes can tell doubles.
func newEvent(r stream.Recorded, topic string, user string, about events.Entity, data any) Event {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings, numbers and booleans
	}
	name := topic + " " + about.ID + " " + strconv.FormatUint(r.Seq, 10)
	return Event{ID: uuid.NewSHA1(names, []byte(name)), Topic: topic, At: r.Time, User: user, Data: string(text), about: about}
}

// Frames returns the event's five parts as LAVA's clients read them: topic, id, time, user and data.
func (e Event) Frames(prefix string) [5]string {
	return [5]string{prefix + "." + e.Topic, e.ID.String(), isoTime(e.At), e.User, e.Data}
}

// marshal returns the five parts as a JSON array.
func (e Event) marshal(prefix string) []byte {
	text, err := json.Marshal(e.Frames(prefix))
	if err != nil {
		panic(err) // strings
	}
	return text
}

// isoTime writes a time as Python's isoformat does.
// As there, a fraction of nothing is left away.
func isoTime(t time.Time) string {
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05+00:00")
	}
	return t.Format("2006-01-02T15:04:05.000000+00:00")
}

// jobData is what LAVA tells of a job.
// Order and names of these fields are LAVA's, here and in the three below; clients match on the
// words.
type jobData struct {
	Health      string                `json:"health"`
	State       string                `json:"state"`
	Job         events.JobID          `json:"job"`
	Description string                `json:"description"`
	Priority    int                   `json:"priority"`
	SubmitTime  string                `json:"submit_time"`
	Submitter   events.UserName       `json:"submitter"`
	HealthCheck bool                  `json:"health_check"`
	SubID       string                `json:"sub_id,omitempty"`
	Device      events.DeviceName     `json:"device,omitempty"`
	Worker      events.WorkerName     `json:"worker,omitempty"`
	DeviceType  events.DeviceTypeName `json:"device_type,omitempty"`
	StartTime   string                `json:"start_time,omitempty"`
	EndTime     string                `json:"end_time,omitempty"`
}

// deviceData is what LAVA tells of a device.
// Job is the display number, such as "41.2", as LAVA has it.
type deviceData struct {
	Health     events.DeviceHealth   `json:"health"`
	State      lab.DeviceState       `json:"state"`
	Device     events.DeviceName     `json:"device"`
	DeviceType events.DeviceTypeName `json:"device_type"`
	Worker     *events.WorkerName    `json:"worker"` // null: it hangs on none
	Job        string                `json:"job,omitempty"`
}

// workerData is what LAVA tells of a worker.
type workerData struct {
	Hostname events.WorkerName   `json:"hostname"`
	Health   events.WorkerHealth `json:"health"`
	State    lab.WorkerState     `json:"state"`
}

// saidData is what LAVA tells of a text of lava-test-event.
// Message is what the test said, as JSON.
type saidData struct {
	Message json.RawMessage `json:"message"`
	Job     string          `json:"job"`
}

// health is a job's health as LAVA has it: Unknown until its end.
func health(j *lab.Job) string {
	if j.End == nil {
		return string(events.Unknown)
	}
	return string(j.End.Health)
}

// ofJob returns the event of a job as it is now.
// It is called under the lock, right after the fact was folded: the state is that of this fact.
func ofJob(r stream.Recorded, s *lab.State, j *lab.Job) Event {
	d := jobData{Health: health(j), State: j.State.String(), Job: j.ID, Description: j.Name, Priority: j.Priority, SubmitTime: isoTime(j.SubmittedAt),
		Submitter: j.User, HealthCheck: j.HealthCheck, DeviceType: s.Resolve(j.DeviceType)}
	if j.Part != nil {
		d.SubID = j.Display
	}
	if run := j.Run; run != nil {
		d.Device, d.Worker = run.Device, run.Worker
		if !run.StartedAt.IsZero() {
			d.StartTime = isoTime(run.StartedAt)
		}
	}
	if j.End != nil {
		d.EndTime = isoTime(j.End.At)
	}
	e := newEvent(r, "testjob", string(j.User), events.Entity{Kind: events.Job, ID: j.ID.String()}, d)
	e.worker = d.Worker
	return e
}

// ofDevice returns the event of a device as it is now.
func ofDevice(r stream.Recorded, s *lab.State, d *lab.Device) Event {
	data := deviceData{Health: d.Health, State: d.State, Device: d.Name, DeviceType: d.Type}
	if d.Worker != "" {
		data.Worker = &d.Worker
	}
	// Of a job that is public whoever sees its device may know; of another not all of them may.
	if j := s.Job(d.Job); j != nil && j.Visibility.Public && len(j.Visibility.Groups) == 0 {
		data.Job = j.Display
	}
	return newEvent(r, "device", server, events.Entity{Kind: events.Device, ID: string(d.Name)}, data)
}

// ofWorker returns the event of a worker as it is now.
func ofWorker(r stream.Recorded, w *lab.Worker) Event {
	return newEvent(r, "worker", server, events.Entity{Kind: events.Worker, ID: string(w.Name)},
		workerData{Hostname: w.Name, Health: w.Health, State: w.State})
}
