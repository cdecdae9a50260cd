package lavarpc

import (
	"net/http"
	"strings"

	"strata/events"
	"strata/services/api"
	"strata/services/api/lava"
	"strata/services/api/xmlrpc"
)

// LAVA 2026.07 lists 134 methods with those of all tables; a test counts them.
func systemMethods() []method {
	return []method{
		{name: "close", call: nothing, about: "Does nothing."},
		{name: "system.listMethods", call: listMethods, about: "Lists the names of all methods."},
		{name: "system.methodSignature", params: "method", call: methodSignature,
			about: "Returns undef for every method: what it takes has no fixed types."},
		{name: "system.methodHelp", params: "method", call: methodHelp, about: "Tells what a method does and takes."},
		{name: "system.multicall", params: "calls", call: multicall,
			about: "Does several calls, each a dictionary of methodName and params. Returns for each a list of its one answer, or its fault."},
		{name: "system.getCapabilities", call: capabilities, about: "Tells which conventions this interface follows."},
		{name: "system.whoami", call: whoami, about: "Returns the name of the user, or None."},
		{name: "system.version", call: release, about: "Returns the release of LAVA whose interface this is."},
		{name: "system.api_version", call: func(call) (any, error) { return int64(2), nil }, about: "Returns the version of the interface."},
		{name: "system.master_config", call: masterConfig, about: "Returns where events are published, and how large a log may be (MiB) before pages leave it out."},
		{name: "system.user_can_view_jobs", params: "job_list username=nil", signed: true, call: canViewJobs,
			about: "Tells of each job whether the user, or another one, may see it. Jobs that there are not are left out."},
		{name: "system.user_can_view_devices", params: "device_list username=nil", signed: true, call: canViewDevices,
			about: "Tells of each device, by its type, whether the user, or another one, may see it. Devices that there are not are left out."},
		{name: "system.user_can_view_bundles", params: "bundle_list username=nil", call: func(call) (any, error) { return false, nil },
			about: "Returns False: there are no bundles."},
		{name: "system.user_can_submit_to_types", params: "type_list username=nil", signed: true, call: canSubmit,
			about: "Tells of each device type whether the user, or another one, was given the right to submit jobs to it."},
		{name: "system.set_user_groups", params: "email groups", signed: true, call: setUserGroups,
			about: "Makes a user, by the e-mail address, a member of these groups and of no other. Groups that there are not are passed over."},
		{name: "system.assign_perm_device", params: "permission hostname group", signed: true, perm: "lava_scheduler_app.change_device", call: permit(events.Device, 1, 2, 0, true),
			about: "Gives a group a permission on a device."},
		{name: "system.revoke_perm_device", params: "permission hostname group", signed: true, perm: "lava_scheduler_app.change_device", call: permit(events.Device, 1, 2, 0, false),
			about: "Takes a permission on a device from a group."},
		{name: "system.assign_perm_device_type", params: "permission device_type group", signed: true, perm: "lava_scheduler_app.change_devicetype", call: permit(events.DeviceType, 1, 2, 0, true),
			about: "Gives a group a permission on a device type."},
		{name: "system.revoke_perm_device_type", params: "permission device_type group", signed: true, perm: "lava_scheduler_app.change_devicetype", call: permit(events.DeviceType, 1, 2, 0, false),
			about: "Takes a permission on a device type from a group."},
	}
}

func nothing(call) (any, error) { return nil, nil }

// hidden is the one method that lists leave out, as LAVA's do.
// Scripts call it by mistake: close() of Python's ServerProxy is a call of a method of that name, where
// proxy("close")() ends the connection. LAVA takes it without a word.
const hidden = "close"

// Sorted, by the introspection convention that getCapabilities names.
func listMethods(c call) (any, error) {
	out := []any{}
	for _, name := range c.h.names() {
		if name != hidden {
			out = append(out, name)
		}
	}
	return out, nil
}

func methodSignature(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if _, ok := c.h.methods[name]; !ok {
		return "", nil
	}
	// The introspection convention (xmlrpc-c's) has "undef" for a method that tells no signature; one that
	// there is not is an empty text, no fault.
	return "undef", nil
}

// Its words are ours: LAVA's docstrings are not ours to copy, and clients do not match on them.
func methodHelp(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	m, ok := c.h.methods[name]
	if !ok {
		return "", nil
	}
	return m.help(), nil
}

// How many calls may come together, and how many bytes their answers may have before further ones are not done: all of
// them stand in memory until the last. Each call may be as dear as one of its own, and all count as one request for the
// limits of the door.
const (
	mostCalls    = 1000
	mostTogether = 64 << 20
)

// weight is how many bytes a value takes in memory, about.
func weight(v any) int {
	n := 64
	switch v := v.(type) {
	case string:
		n += len(v)
	case []byte:
		n += len(v)
	case []any:
		for _, item := range v {
			n += weight(item)
		}
	case xmlrpc.Struct:
		for _, m := range v {
			n += len(m.Name) + weight(m.Value)
		}
	}
	return n
}

// multicall does calls one after the other. One that fails does not end the others.
func multicall(c call) (any, error) {
	calls, ok := c.args[0].([]any)
	if !ok {
		return nil, fault(codeParams, "system.multicall expected a list of methods to call")
	}
	if len(calls) > mostCalls {
		return nil, fault(codeParams, "system.multicall: %d calls came together, allowed are %d", len(calls), mostCalls)
	}
	out, held := []any{}, 0
	// One after the other, in order: a script submits with one and asks of the job with the next.
	for _, item := range calls {
		var value any
		err := error(fault(codeParams, "system.multicall: the answers so far have more than %d MiB: ask for the others in another request", mostTogether>>20))
		if held <= mostTogether {
			value, err = c.one(item)
			held += weight(value)
		}
		if err != nil {
			out = append(out, c.h.fault(c, err).Struct())
			continue
		}
		out = append(out, []any{value})
	}
	return out, nil
}

// The sentences and their order are those of LAVA's dispatcher. A call of multicall within multicall is
// refused, or a small document would be a very long one.
func (c call) one(item any) (any, error) {
	s, ok := item.(xmlrpc.Struct)
	if !ok {
		return nil, fault(codeParams, "system.multicall expected struct")
	}
	name, isNamed := s.Get("methodName")
	params, hasParams := s.Get("params")
	method, isText := name.(string)
	list, isList := params.([]any)
	switch {
	case !isNamed:
		return nil, fault(codeParams, "system.multicall methodName not specified")
	case !isText:
		return nil, fault(codeParams, "system.multicall methodName must be a string")
	case !hasParams:
		return nil, fault(codeParams, "system.multicall params not specified")
	case !isList:
		return nil, fault(codeParams, "system.multicall params must be an array")
	case len(s) != 2:
		return nil, fault(codeParams, "system.multicall specified additional arguments %s", extra(s))
	case method == "system.multicall":
		return nil, fault(codeParams, "system.multicall cannot call itself")
	}
	c.name = method
	return c.do(method, list)
}

// extra lists the members of a call that mean nothing, as Python prints a list.
func extra(s xmlrpc.Struct) string {
	var names []string
	for _, m := range s {
		if m.Name != "methodName" && m.Name != "params" {
			names = append(names, "'"+m.Name+"'")
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func capabilities(call) (any, error) {
	row := func(name, url string, version int64) xmlrpc.Member {
		return xmlrpc.Member{Name: name, Value: xmlrpc.Struct{{Name: "specUrl", Value: url}, {Name: "specVersion", Value: version}}}
	}
	return xmlrpc.Struct{
		row("introspect", "http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html", 1),
		row("faults_interop", "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
		// specVersion is an integer by this convention: a date, or the number of a draft.
		row("auth_token", "/api/help/", 20110516),
	}, nil
}

// nil for somebody without a name: "lavacli system whoami" prints "<AnonymousUser>" then.
func whoami(c call) (any, error) { return orNil(c.who.User), nil }

// EVENT_SOCKET may have a * for "the host that you asked"; LAVA's EVENT_NOTIFICATION is false where
// nothing is published.
func masterConfig(c call) (any, error) {
	return xmlrpc.Struct{
		{Name: "EVENT_TOPIC", Value: lava.Topic}, // without a dot behind it
		{Name: "EVENT_SOCKET", Value: c.h.EventSocket},
		{Name: "EVENT_NOTIFICATION", Value: c.h.EventSocket != ""},
		{Name: "LOG_SIZE_LIMIT", Value: int64(5)}, // MiB; LAVA's default, which nothing here obeys
	}, nil
}

// subject is whom a question of rights is about: the caller, or for superusers another user.
func (c call) subject(i int) (api.Caller, error) {
	name, err := c.text(i)
	if err != nil || name == "" || name == string(c.who.User) {
		return c.who, err
	}
	// The right to look at accounts is not enough: what another may see tells of hidden devices and jobs.
	if !c.h.API.Superuser(c.who) {
		return api.Caller{}, fault(http.StatusUnauthorized, "Permission denied for user '%s' to query other users", c.user())
	}
	if err := c.knownUser(name); err != nil {
		return api.Caller{}, missing(err, "Username %s not found", name)
	}
	// Without the scopes of a token: the question is what the user may do, not what one of its tokens may.
	return api.Caller{User: events.UserName(name)}, nil
}

// The members are named by the ids as they were given, as text, for names of members are texts.
func canViewJobs(c call) (any, error) {
	ids, err := c.texts(0)
	if err != nil {
		return nil, err
	}
	of, err := c.subject(1)
	if err != nil {
		return nil, err
	}
	out := xmlrpc.Struct{}
	for _, id := range ids {
		one := c
		one.args = []any{id}
		if _, err := one.job(); err != nil {
			continue
		}
		// The user is asked for in the user's own name: whatever jobs.show decides is the answer, and
		// there is no second rule here that could differ from it.
		err := c.h.API.Call(c.ctx, of, "jobs.show", jobRef{Job: id}, nil)
		if err == nil || api.HasCode(err, api.Denied) {
			out = append(out, xmlrpc.Member{Name: id, Value: err == nil})
		}
	}
	return out, nil
}

// It answers by type, a list of structs of one member each. is_pipeline and exclusive are of a time when
// LAVA had other devices, too; they are true of all.
func canViewDevices(c call) (any, error) {
	names, err := c.texts(0)
	if err != nil {
		return nil, err
	}
	of, err := c.subject(1)
	if err != nil {
		return nil, err
	}
	byType := map[string][]any{}
	for _, name := range names {
		var d api.Device
		in := api.DeviceRequest{Device: events.DeviceName(name)}
		// Asked as the caller first: what the caller may not see is left out like what there is not.
		if err := c.ask("devices.show", in, &d); err != nil {
			continue
		}
		seen := xmlrpc.Struct{{Name: "visible", Value: false}}
		if c.h.API.Call(c.ctx, of, "devices.show", in, nil) == nil {
			seen = xmlrpc.Struct{{Name: "is_pipeline", Value: true}, {Name: "visible", Value: true}, {Name: "exclusive", Value: true}}
		}
		kind := string(d.DeviceType)
		byType[kind] = append(byType[kind], xmlrpc.Struct{{Name: name, Value: seen}})
	}
	out := xmlrpc.Struct{}
	for _, kind := range sortedKeys(byType) {
		out = append(out, xmlrpc.Member{Name: kind, Value: byType[kind]})
	}
	return out, nil
}
