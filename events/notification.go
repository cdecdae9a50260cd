package events

import "time"

// Moment is what of a job people are told of.
type Moment string

// The moments.
const (
	MomentRunning  Moment = "running"
	MomentFinished Moment = "finished"
)

// DeliveryKind is the way in which a delivery goes.
type DeliveryKind string

// The ways.
const (
	DeliverCallback DeliveryKind = "callback"
	DeliverMail     DeliveryKind = "email"
	DeliverIRC      DeliveryKind = "irc"
)

// Delivery is one message to one receiver. What it says is made of the job's facts when it goes; only
// where it goes is in the fact, without what an address may hold of secrets.
type Delivery struct {
	N     int          `json:"n"` // from 1 within the job
	Kind  DeliveryKind `json:"kind"`
	Entry int          `json:"entry"` // place in the definition's list of callbacks or of recipients, from 0; -1 for a submitter who named nobody
	To    string       `json:"to"`    // scheme and host of a callback; a mail address; nick@server
}

// NotificationPlanned records whom a job's definition wants told of a moment of it, and that the moment
// was one of those that it wants. Written by services/notify.
type NotificationPlanned struct {
	Job        JobID      `json:"job"`
	Moment     Moment     `json:"moment"`
	Last       JobID      `json:"last,omitempty"`     // the last attempt, where there are several
	Before     JobID      `json:"before,omitempty"`   // the comparable job before it that tells of what it tested
	Complete   bool       `json:"complete,omitempty"` // all output had been read then
	Deliveries []Delivery `json:"deliveries"`
}

// NotificationSent records that a receiver has taken a delivery. Written by services/notify.
type NotificationSent struct {
	Job      JobID  `json:"job"`
	N        int    `json:"n"`        // of the delivery
	Attempts int    `json:"attempts"` // since the service was started
	Answer   string `json:"answer,omitempty"`
}

// NotificationFailed records that a delivery is given up: a dead letter, until somebody has it sent again.
// Written by services/notify.
type NotificationFailed struct {
	Job      JobID  `json:"job"`
	N        int    `json:"n"`
	Attempts int    `json:"attempts"` // since the service was started
	Reason   string `json:"reason"`   // of the last one
}

// NotificationReplayed records that somebody wants deliveries sent again, dead letters or others. Written by
// services/api.
type NotificationReplayed struct {
	Job        JobID     `json:"job"`
	Deliveries []int     `json:"deliveries"`
	By         UserName  `json:"by"`
	At         time.Time `json:"at"`
}

func (e NotificationPlanned) About() Entity  { return aboutNotification(e.Job) }
func (e NotificationSent) About() Entity     { return aboutNotification(e.Job) }
func (e NotificationFailed) About() Entity   { return aboutNotification(e.Job) }
func (e NotificationReplayed) About() Entity { return aboutNotification(e.Job) }

// aboutNotification places deliveries on a subject beside the job's own: who decides about the job need not
// read on because a mail has gone.
func aboutNotification(j JobID) Entity { return Entity{Notification, j.String()} }
