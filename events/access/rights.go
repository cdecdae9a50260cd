package access

import (
	"strconv"

	"strata/events"
)

// The names on the broker that rights are made of.
const (
	workStream     = "WORK"
	ordersBucket   = "orders"   // long texts of orders, a key-value bucket
	presenceBucket = "presence" // a key a worker, with a TTL
)

// ServiceInbox is the inbox prefix of services. People's clients listen on the usual _INBOX, so
// services must not.
const ServiceInbox = "_INBOX_strata"

// Rights are the subjects that a principal may use; everything else is refused.
type Rights struct {
	Publish   []string
	Subscribe []string
}

// Inbox returns the prefix of the principal's reply subjects, which its client must be told.
func (p Principal) Inbox() string {
	switch p.Role {
	case Worker:
		return "_INBOX_worker." + events.EscapeToken(string(p.Worker))
	case Job:
		return "_INBOX_job." + p.Job.String() + "." + strconv.FormatUint(uint64(p.Lease), 10)
	}
	switch {
	case p.User == "":
		return anonymousInbox
	case p.Limited:
		return tokenInbox + "." + string(p.Token)
	}
	if p.User == Local {
		// What every NATS client uses by itself: `nats req submit.local` works with nothing to know.
		return "_INBOX"
	}
	return "_INBOX_person." + events.EscapeToken(string(p.User))
}

// Rights returns what the principal may do on the bus.
//
// A worker pulls and acknowledges from the one consumer that dispatch made for it, reads its long
// texts by direct get (the key is in the subject of that request, so the broker can tell its own
// from others'), reports, reads and renews its presence, and hears and answers people's hands. It may create no consumer: one with a delivery subject
// would let it speak on any subject. A job's process sends its output and its group's messages. What
// a person may, see [Principal.personal].
func (p Principal) Rights() Rights {
	inbox := p.Inbox() + ".>"
	switch p.Role {
	case Worker:
		w := events.EscapeToken(string(p.Worker))
		return Rights{
			Publish: []string{
				"$JS.API.CONSUMER.INFO." + workStream + "." + w,
				"$JS.API.CONSUMER.MSG.NEXT." + workStream + "." + w,
				"$JS.ACK." + workStream + "." + w + ".>",
				DirectGet(w + ".>"),
				ReportSubject(p.Worker),
				PresenceSubject(p.Worker),
				PresenceGet(p.Worker),
				HandsSubject(p.Worker) + ".>",
			},
			Subscribe: []string{inbox, HandsSubject(p.Worker)},
		}
	case Job:
		r := Rights{
			Publish:   []string{events.OutputSubject(p.Job), InputSubject(p.Job) + ".>"},
			Subscribe: []string{inbox, InputSubject(p.Job)},
		}
		if p.Group != "" {
			// What the others ask it hears of services/multinode, as far as it concerns it.
			r.Publish = append(r.Publish, "sync."+events.EscapeToken(p.Group))
		}
		return r
	case Person:
		return p.personal(inbox)
	}
	return Rights{}
}

// personal returns the rights of a person: to submit under its name, and to ask the api. Who comes with a token from
// the log may do that in the token's name, and with a limited one only so: the api looks up there what it is for.
// Replies to a limited token are its own, for others of the same person may be told more. Without a name there is
// the api alone, which tells such callers what the lab declares public.
func (p Principal) personal(inbox string) Rights {
	u := events.EscapeToken(string(p.User))
	r := Rights{Publish: []string{"api." + u + ".>"}, Subscribe: []string{inbox}}
	if p.Limited {
		r.Publish = nil
	}
	if p.Token != "" {
		r.Publish = append(r.Publish, "api."+Caller(p.Token)+".>")
	}
	if p.Token != "" && !p.Limited {
		r.Subscribe = append(r.Subscribe, tokenInbox+"."+string(p.Token)+".>")
	}
	if p.User != "" && (!p.Limited || p.Submits) {
		r.Publish = append(r.Publish, "submit."+u)
	}
	return r
}

// ReportSubject returns the subject of a worker's reports, such as "report.lab1".
func ReportSubject(w events.WorkerName) string { return "report." + events.EscapeToken(string(w)) }

// WorkSubject returns the subject of a worker's orders, such as "work.lab1".
func WorkSubject(w events.WorkerName) string { return "work." + events.EscapeToken(string(w)) }

// InputSubject returns the subject on which a job's process hears who types on its console, such as "input.42". It
// answers below that.
func InputSubject(job events.JobID) string { return "input." + job.String() }

// HandsSubject returns the subject on which a worker hears what is to be done to its devices by hand, such as
// "hands.lab1". What comes of it, it says below that, on a subject for each session.
func HandsSubject(w events.WorkerName) string { return "hands." + events.EscapeToken(string(w)) }

// PresenceSubject returns the subject on which a worker writes its key in the bucket presence.
func PresenceSubject(w events.WorkerName) string {
	return "$KV." + presenceBucket + "." + events.EscapeToken(string(w))
}

// PresenceGet returns the subject of the request that reads a worker's key in the bucket presence, by
// which the worker finds out whether somebody else goes by its name.
func PresenceGet(w events.WorkerName) string {
	return "$JS.API.DIRECT.GET.KV_" + presenceBucket + "." + PresenceSubject(w)
}

// DirectGet returns the subject of the request that reads one long text of an order.
func DirectGet(textKey string) string {
	return "$JS.API.DIRECT.GET.KV_" + ordersBucket + ".$KV." + ordersBucket + "." + textKey
}

// TextKey returns the key of a long text of an order.
func TextKey(w events.WorkerName, job events.JobID, lease events.Lease, name string) string {
	return events.EscapeToken(string(w)) + "." + job.String() + "-" + strconv.FormatUint(uint64(lease), 10) + "." + name
}
