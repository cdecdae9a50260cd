package query

import "fmt"

// Reason says what is wrong with a query, for doors that answer each with a status of its own.
type Reason string

// The reasons for which a query is refused. LAVA's addresses answer the first four with 404.
const (
	UnknownEntity   Reason = "entity"   // neither testjob nor testsuite nor testcase
	BadShape        Reason = "shape"    // a text that is not made of 2 to 4 parts, or too many conditions
	UnknownField    Reason = "field"    // the table has no such field
	UnknownOperator Reason = "operator" // the field does not take it
	UnknownTable    Reason = "table"    // of a condition
	BadValue        Reason = "value"    // does not convert to what the field holds
	TooMuch         Reason = "too much" // would read more than a query may; the message says what to add
)

// Error refuses a query.
type Error struct {
	Reason    Reason
	Condition int    // its number, from 1; 0 where it is not about one
	Message   string // for people: what is wrong, and what is allowed
}

func (e *Error) Error() string {
	if e.Condition > 0 {
		return fmt.Sprintf("condition %d: %s", e.Condition, e.Message)
	}
	return e.Message
}

func wrong(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
