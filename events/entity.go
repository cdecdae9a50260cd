package events

import "strconv"

// JobID is a job's number: the sequence that the stream SUBMISSIONS gave its definition, from 1.
type JobID uint64

// String returns the number in decimal, as it stands in subjects.
func (j JobID) String() string { return strconv.FormatUint(uint64(j), 10) }

// Lease fences a board: the LAB sequence up to which the scheduler had read when it gave a device
// to a job. It grows with every assignment of a device; orders, frames and reports carry it back.
type Lease uint64

// The names of things in the lab. They are kept as users write them (a worker's FQDN, a user name
// with a dot); only [Entity.Subject] escapes them.
type (
	DeviceName     string // at most 200 bytes, no "/"
	DeviceTypeName string // at most 50 bytes, no "/"
	WorkerName     string // at most 200 bytes, no "/"
	TagName        string
	UserName       string
	GroupName      string
)

// Seconds is a length of time in whole seconds, the unit of LAVA's timeouts.
type Seconds int64

// Kind is the first token of an entity's subject.
type Kind string

// The kinds of entity. Facts about all but [Result] stand in LAB.
const (
	Job        Kind = "job"
	Device     Kind = "device"
	DeviceType Kind = "devicetype"
	Worker     Kind = "worker"
	Tag        Kind = "tag"
	Scheduling Kind = "scheduling" // one entity without an id: the rounds of all schedulers
	Result     Kind = "result"     // a job's results, in RESULTS

	Lab         Kind = "lab"    // one entity without an id: the whole
	Policy      Kind = "policy" // one entity without an id: how the queue is ordered
	Reservation Kind = "reservation"
	Query       Kind = "query"
	Chart       Kind = "chart"
	KnownIssues Kind = "issues" // one entity without an id: the issues that are known

	Notification Kind = "notification" // of a job: what is told of it, and to whom

	User  Kind = "user"
	Group Kind = "group"
)

// Entity is what a fact is about: a kind and an id within the kind.
type Entity struct {
	Kind Kind
	ID   string // as users write it; "" for [Scheduling], [Policy] and [KnownIssues]
}

// Event is a fact. Every struct in the catalogue implements it by value.
type Event interface {
	// About names the entity whose story this fact is part of.
	About() Entity
}

func aboutJob(j JobID) Entity           { return Entity{Job, j.String()} }
func aboutDevice(d DeviceName) Entity   { return Entity{Device, string(d)} }
func aboutType(t DeviceTypeName) Entity { return Entity{DeviceType, string(t)} }
func aboutWorker(w WorkerName) Entity   { return Entity{Worker, string(w)} }
