package lavarpc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"strata/events"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/lava"
	"strata/services/api/xmlrpc"
)

// Deps is what the interface is given.
// All but ExtraContext and EventSocket must be there.
type Deps struct {
	API    api.Inside
	Door   *door.Door
	Now    func() time.Time
	Logger *slog.Logger
	// ExtraContext are further names that a job's context may set.
	ExtraContext []string
	// EventSocket is where events are published (ZeroMQ), such as tcp://*:5500; "" is nowhere.
	EventSocket string
}

// Handler answers POST /RPC2.
func Handler(d Deps) http.Handler {
	return &handler{Deps: d, methods: methods()}
}

type handler struct {
	Deps
	methods map[string]method
}

// patience is how long a call may take. Clients give up after 20 s, unless they were told to wait longer.
const patience = 2 * time.Minute

// ServeHTTP answers 200 to every call that could be read, faults included: XML-RPC's specification has no
// other status. What it says in status alone is about the request before it was a call.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Whoever opens the address in a browser, or posts nothing, is led to the manual of the methods, as in
	// LAVA. A client that took this for an answer would fail on the page's HTML.
	if r.Method != http.MethodPost {
		http.Redirect(w, r, "/api/help/", http.StatusFound)
		return
	}
	body, err := h.Door.Body(w, r)
	switch {
	case errors.Is(err, door.ErrTooLarge):
		// No fault: a fault needs status 200, and lavacli would print it as the method's own. Each status
		// that is not 2xx ends lavacli with that status.
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	case len(body) == 0:
		http.Redirect(w, r, "/api/help/", http.StatusFound)
		return
	}
	who, ok := h.who(w, r)
	if !ok {
		return
	}
	// A client that closes its connection ends the call sooner: the request's context ends then.
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	call := call{ctx: ctx, h: h, who: who}
	answer(w, call.answer(body))
}

// who reads the caller's credential. It answers itself where that cannot be read or is wrong.
func (h *handler) who(w http.ResponseWriter, r *http.Request) (api.Caller, bool) {
	c, err := door.Read(r)
	// door.Read leaves Basic as it was written and spells Token and Bearer in its own way. LAVA's XML-RPC
	// knows "Basic" in this case alone, and no token of REST's kind.
	if err == nil && c.Scheme != "" && c.Scheme != "Basic" {
		err = errors.New("Unsupported HTTP_AUTHORIZATION header, only Basic scheme is supported")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return api.Caller{}, false
	}
	who, err := door.Who(h.API, r, c)
	if err != nil {
		// RFC 9110, section 15.5.2, wants this header beside a 401; the realm is LAVA's. A wrong token
		// never makes somebody without a name of the caller: a script would then see an empty lab rather
		// than its mistake.
		w.Header().Set("WWW-Authenticate", `Basic realm="XML-RPC Authentication token"`)
		http.Error(w, "Invalid token", http.StatusUnauthorized)
		return api.Caller{}, false
	}
	return who, true
}

func answer(w http.ResponseWriter, document []byte) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	// Without it net/http sends what is longer than its buffer in chunks; LAVA's answers have a length.
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // a client that has gone does not read it
}

// call is one call, or one of several that came together.
type call struct {
	ctx  context.Context
	h    *handler
	who  api.Caller
	name string
	args []any // as many as the method takes, those that were left out by their default
}

// answer reads a request, does as it asks, and writes what came of it.
func (c call) answer(request []byte) []byte {
	asked, err := xmlrpc.DecodeCall(request)
	if err != nil {
		// LAVA tells what is no XML at all from XML that is no call by the code alone.
		code := codeSyntax
		if errors.Is(err, xmlrpc.ErrShape) {
			code = codeShape
		}
		return xmlrpc.EncodeFault(fault(code, "Unable to decode request"))
	}
	value, err := c.do(asked.Method, asked.Params)
	if err != nil {
		return xmlrpc.EncodeFault(c.h.fault(c, err))
	}
	document, err := xmlrpc.EncodeResponse(value)
	if err != nil {
		return xmlrpc.EncodeFault(c.h.fault(c, err))
	}
	return document
}

// do calls a method.
func (c call) do(name string, params []any) (any, error) {
	// Unknown methods and wrong numbers of arguments are told before the credential is asked for, so that
	// they are the same sentence for everybody.
	m, ok := c.h.methods[name]
	if !ok {
		return nil, fault(codeNoMethod, "No such method: '%s'", name)
	}
	args, err := m.fit(params)
	if err != nil {
		return nil, err
	}
	if m.signed && c.who.User == "" {
		return nil, unnamed()
	}
	// c is a copy: calls that came together do not see each other's arguments.
	c.name, c.args = name, args
	if m.first && !c.permitted(m.perm) {
		return nil, c.lacks(m.perm)
	}
	value, err := m.call(c)
	// A method that takes anybody may still find something that only others may see. Who has no name is
	// asked for one then, where a name that is not enough gets 403.
	if c.who.User == "" && api.HasCode(err, api.Denied) {
		return nil, unnamed()
	}
	// Who lacks the permission is told that before anything else that is wrong, such as that there is no such thing.
	// Who has it and is refused all the same is told why by the api.
	if err != nil && m.perm != "" && !c.permitted(m.perm) {
		return nil, c.lacks(m.perm)
	}
	return value, err
}

// lacks says that the caller has not the permission that a method needs.
func (c call) lacks(perm string) *xmlrpc.Fault {
	// With the blank: clients have met it for years.
	return fault(http.StatusForbidden, "User '%s' is missing permission %s .", c.who.User, perm)
}

// unnamed asks for a credential.
func unnamed() *xmlrpc.Fault {
	return fault(http.StatusUnauthorized, "Authentication with user and token required for this API.")
}

// ask calls a verb of the api.
func (c call) ask(verb string, in, out any) error {
	return c.h.API.Call(c.ctx, c.who, verb, in, out)
}

// permitted says that the caller has a permission on everything, by its name with the application.
// A right on one device or type does not count here: LAVA's decorator of these methods asks for the
// permission on all things of the kind.
// Nor do the scopes of the caller's token: what a token is not for, the verb refuses in its own words.
func (c call) permitted(full string) bool {
	user := c.who
	user.Scopes = nil
	return c.h.API.Permitted(user, full)
}

// user is the caller's name as sentences have it.
// It is Django's name for a visitor, which LAVA's sentences of refusal carry.
func (c call) user() events.UserName {
	if c.who.User == "" {
		return "AnonymousUser"
	}
	return c.who.User
}

// release is what clients are told of the version.
// lavacli asks for it before nearly every command and chooses by it what to send: an answer that is not
// ^20\d{2}\.\d{1,2} makes it behave as with a server newer than all.
func release(call) (any, error) { return lava.Release, nil }
