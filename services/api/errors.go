package api

import (
	"cmp"
	"errors"
	"fmt"

	"strata/events/lab"
)

// Code classes an error for programs.
// The HTTP doors make statuses of them, XML-RPC faults: they are a promise to programs, which the sentences are not.
type Code string

// The codes of errors.
const (
	Invalid  Code = "invalid"   // the request itself is wrong
	NotFound Code = "not-found" // no such job, device, worker, …
	Denied   Code = "denied"    // the caller may not
	Conflict Code = "conflict"  // not in the state it is in, such as canceling what is over
	Away     Code = "away"      // something that the answer needs does not answer, such as ClickHouse
	Busy     Code = "busy"      // too many tries; later ones may do better
	Failed   Code = "failed"    // all else
)

// Error is what the api answers where it does not do as asked.
// It is made here and told at the doors, as JSON on the bus. Two of its fields are for the door
// alone.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"` // a sentence for people
	// The name in the request of what is wrong, for forms that show the sentence beside it; "" where it is about the whole.
	Field string `json:"field,omitempty"`
	// hides is what strangers are told instead: whether there is what they may not see is not theirs to know.
	hides string
	// absent is the job that there is not, as it was asked for: see [Error.toldTo].
	absent string
}

// noJob returns the answer about a job that there is not, worded like fmt.Errorf. The words are for superusers, from
// whom no job is hidden: everybody else is told what is told of hidden jobs, or the difference would tell of them.
// asked is the number or text as the caller wrote it.
func noJob(asked any, format string, args ...any) *Error {
	e := refuse(NotFound, format, args...)
	e.absent = fmt.Sprint(asked)
	return e
}

// notSeen is what is told of a job that there is not, or that the caller may not see.
// One sentence for both, character by character: a difference would answer the question that must not be answered.
func notSeen(asked string, who caller) string {
	return fmt.Sprintf("there is no job %s that %s may see", asked, cmp.Or(who.user, "somebody without a name"))
}

// Strangers returns the error as it is told on the bus, and over HTTP where addresses are the lab's own. LAVA's
// addresses have LAVA's statuses for it.
func (e *Error) Strangers() *Error {
	if e.hides == "" {
		return e
	}
	return &Error{Code: NotFound, Message: e.hides, Field: e.Field}
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// refuse returns an Error, worded like fmt.Errorf.
func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// HasCode reports whether err is an [Error] with that code.
// It looks through what wraps the error.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// toldTo returns an error as a caller is told of it. All answers pass here, by whatever door.
// It must be called once, at the door, and not where an error is made: what is wrapped on the way would lose its absence.
func (a *api) toldTo(who caller, err error) error {
	var e *Error
	if err == nil || !errors.As(err, &e) || e.absent == "" {
		return err
	}
	all := false
	a.read(func(s *lab.State) { all = who.superuser(s) })
	if all {
		return err
	}
	return &Error{Code: NotFound, Message: notSeen(e.absent, who), Field: e.Field}
}
