package lavarpc

import (
	"errors"
	"fmt"
	"net/http"

	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// Codes of faults beside those of HTTP (the fault codes of the XML-RPC interoperability draft).
const (
	// The draft has -32700 for what is no XML; LAVA answers -32603 to it, and so do we.
	codeNoMethod = -32601
	codeParams   = -32602
	codeShape    = -32600
	codeSyntax   = -32603
	codeInternal = -32603
)

// fault returns a fault.
func fault(code int, format string, args ...any) *xmlrpc.Fault {
	return &xmlrpc.Fault{Code: code, String: fmt.Sprintf(format, args...)}
}

// internal is how LAVA words what none of its methods expected.
// The sentence is LAVA's handler's for an exception of Python's that nobody caught. Clients meet it where
// LAVA forgot a case; we use it for those cases only, so that scripts that match on it go on.
func internal(format string, args ...any) *xmlrpc.Fault {
	return fault(codeInternal, "Internal Server Error (contact server administrator for details): "+format, args...)
}

// code is the fault of the api's classes of errors; 0 is none of its own.
// LAVA's "already exists?" is a 400, hence Conflict's. Busy and Failed have none: they come out as -32603,
// like what LAVA's server did not expect.
func code(c api.Code) int {
	switch c {
	case api.Invalid, api.Conflict:
		return http.StatusBadRequest
	case api.NotFound:
		return http.StatusNotFound
	case api.Denied:
		return http.StatusForbidden
	case api.Away:
		return http.StatusInternalServerError
	}
	return 0
}

// fault returns what a caller is told of an error.
func (h *handler) fault(c call, err error) *xmlrpc.Fault {
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return f
	}
	var refused *api.Error
	if errors.As(err, &refused) {
		if known := code(refused.Code); known != 0 {
			return fault(known, "%s", refused.Message)
		}
	}
	// Only what is not the caller's mistake is logged: else a script in a loop fills the log.
	h.Logger.Warn("XML-RPC call failed", "method", c.name, "err", err)
	return internal("%v", err)
}

// as words the errors of one class: LAVA's sentence in place of the api's.
func as(err error, code api.Code, say *xmlrpc.Fault) error {
	if api.HasCode(err, code) {
		return say
	}
	return err
}

// missing words that something is not there.
func missing(err error, format string, args ...any) error {
	return as(err, api.NotFound, fault(http.StatusNotFound, format, args...))
}

// bad words that something is there already, or in the way.
func bad(err error, format string, args ...any) error {
	return as(err, api.Conflict, fault(http.StatusBadRequest, format, args...))
}
