package api

import (
	"errors"
	"fmt"
)

// Code classes an error for programs.
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
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"` // a sentence for people
	Field   string `json:"field,omitempty"`
	// hides is what strangers are told instead: whether there is what they may not see is not theirs to know.
	hides string
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
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
