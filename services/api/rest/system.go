package rest

import "strata/services/api/lava"

// root answers GET /api/v0.2/: where the resources are.
// The names of LAVA's router in its order, as recorded; what it does not list (users, groups and others)
// is answered all the same.
func root(q *request) (answer, error) {
	out := object{}
	for _, name := range []string{"aliases", "devices", "devicetypes", "jobs", "permissions/devicetypes", "permissions/devices", "system", "tags", "workers"} {
		out = append(out, member{name, q.address(q.base() + name + "/")})
	}
	return ok(out)
}

// versions answers GET /api/: LAVA shows a page of help there.
func versions(q *request) (answer, error) {
	return ok(object{{v02, q.address("/api/" + v02 + "/")}, {v1, q.address("/api/" + v1 + "/")},
		{"openapi", q.address("/api/" + v02 + "/openapi.json")}})
}

// systemRoot answers system/: what can be asked there.
func systemRoot(q *request) (answer, error) {
	out := object{}
	for _, name := range []string{"version", "whoami", "master_config"} {
		out = append(out, member{name, q.address(q.base() + "system/" + name + "/")})
	}
	return ok(out)
}

// version answers with the release of LAVA whose answers these are; clients compare it.
func version(*request) (answer, error) { return ok(object{{"version", lava.Release}}) }

// whoami answers with the caller's name, empty for somebody without one.
// null would be XML-RPC's way; LAVA's REST has an empty text.
func whoami(q *request) (answer, error) { return ok(object{{"user", string(q.who.User)}}) }

// masterConfig answers what LAVA's events need. The limit of logs is LAVA's default; this lab shows all.
// LOG_SIZE_LIMIT is in MiB.
func masterConfig(q *request) (answer, error) {
	return ok(object{{"EVENT_TOPIC", lava.Topic}, {"EVENT_SOCKET", q.d.EventSocket}, {"EVENT_NOTIFICATION", q.d.EventSocket != ""}, {"LOG_SIZE_LIMIT", 5}})
}

// empty answers for a root that has nothing below it.
func empty(*request) (answer, error) { return ok(object{}) }
