package pipeline

import (
	"context"
	"errors"
	"fmt"

	"strata/events"
)

// Class says who has to act on an error. Its values are the words of a job's final result
// (`error_type`).
type Class string

// The classes of error. Infrastructure, Job and Test are tried again by retry actions, the others
// never are.
const (
	Infrastructure   Class = "Infrastructure"         // power, console, network, tools of the worker
	Job              Class = "Job"                    // the definition or its artefacts; most timeouts
	Test             Class = "Test"                   // a test could not be run
	Configuration    Class = "Configuration"          // device dictionary or lab settings
	Canceled         Class = "Canceled"               // a person or a signal ended the job
	Bug              Class = "Bug"                    // of Strata itself; also every error without a class
	TestTimeout      Class = "LAVATimeout"            // a test ran out of time; becomes Test, or is skipped
	MultinodeTimeout Class = "MultinodeTimeout"       // the group did not answer in time
	NoFastboot       Class = "FastbootDeviceNotFound" // no fastboot device where one was looked for
)

// Fault is an error with its class. Its text is the inner error's: what users see.
type Fault struct {
	Class Class
	Err   error
}

// Error returns the text of the inner error.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the inner error.
func (f *Fault) Unwrap() error { return f.Err }

// Blame gives err a class, replacing the one it may have. It returns nil for nil.
func Blame(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &Fault{class, err}
}

// Blamef makes an error of a class; %w wraps as in fmt.Errorf.
func Blamef(class Class, format string, args ...any) error {
	return &Fault{class, fmt.Errorf(format, args...)}
}

// ClassOf returns the class of err: the outermost Fault's, else Bug. It is empty for nil. An error
// that comes of a canceled context is Canceled whatever stands around it.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.Class
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	return Bug
}

// retried says whether a retry action makes another attempt after an error of this class.
func (c Class) retried() bool { return c == Infrastructure || c == Job || c == Test }

// Help returns the sentence that a job's log ends with when this class ended the job. It begins
// with the name that LAVA's log has there, because people and programs look for it.
func (c Class) Help() string {
	switch c {
	case Infrastructure:
		return "InfrastructureError: Something in the lab failed, not your job. Tell the people who run the lab."
	case Job:
		return "JobError: The job could not be carried out as it is written. Look at its definition and artefacts."
	case Test:
		return "TestError: A test could not be run to its end. Look at the test definition."
	case Configuration:
		return "ConfigurationError: The device or the lab is set up wrongly. Tell the people who run the lab."
	case Canceled:
		return "JobCanceled: The job was ended on request."
	case TestTimeout:
		return "LAVATimeoutError: A test took longer than its timeout allows."
	case MultinodeTimeout:
		return "MultinodeProtocolTimeoutError: Another job of the group did not answer in time."
	case NoFastboot:
		return "FastbootDeviceNotFound: No fastboot device was found on the worker."
	}
	return "LAVABug: This is a fault of the dispatcher itself. Please report it with the log of the job."
}

// ErrorType returns the class as facts name it.
func (c Class) ErrorType() events.ErrorType {
	if c == "" {
		return ""
	}
	return events.ErrorType(c)
}
