package rest

import (
	"net/http"

	"strata/events"
)

// endpoints lists every address that is answered.
// The order is that of the OpenAPI document and of /api/help/. [http.ServeMux] takes the most exact
// pattern, so devices/validate/ wins over devices/{name}/ wherever it stands.
func endpoints() []endpoint {
	var all []endpoint
	for _, part := range [][]endpoint{systemEndpoints(), jobEndpoints(), resultEndpoints(), deviceEndpoints(), typeEndpoints(), workerEndpoints(), labEndpoints(), peopleEndpoints(),
		plainEndpoints(), jobFileEndpoints(), monitorEndpoints(), v1Endpoints()} {
		all = append(all, part...)
	}
	return all
}

type handler = func(*request) (answer, error)

// get and the others are operations without more than a sentence.
func get(doc string, h handler) operation {
	return operation{method: http.MethodGet, doc: doc, handle: h}
}

// getFileOf is an operation that answers a download.
func getFileOf(doc, content string, h handler) operation {
	return operation{method: http.MethodGet, doc: doc, content: content, handle: h}
}

// list is an operation that takes parameters.
func list(doc string, params []param, h handler) operation {
	return operation{method: http.MethodGet, doc: doc, params: params, handle: h}
}

// post is an operation that takes a body.
func post(doc string, status int, accepts []param, h handler) operation {
	return operation{method: http.MethodPost, doc: doc, status: status, accepts: accepts, handle: h}
}

// writes are the fields of a resource that a body may set.
// None is marked as required there: PATCH shares the list, and handlers say what POST misses.
func writes(fields []fieldDoc) []param {
	var list []param
	for _, f := range fields {
		if f.write {
			list = append(list, param{name: f.name, kind: f.kind, doc: f.doc})
		}
	}
	return list
}

// row are the operations on one row: to show, change and remove it.
// PUT and PATCH share a handler: neither takes away what a body does not name.
func row(fields []fieldDoc, show, change, remove handler) []operation {
	return []operation{get("Show it.", show),
		{method: http.MethodPut, doc: "Set its fields.", accepts: writes(fields), handle: change},
		{method: http.MethodPatch, doc: "Set some of its fields.", accepts: writes(fields), handle: change},
		{method: http.MethodDelete, doc: "Remove it.", status: http.StatusNoContent, handle: remove}}
}

// systemEndpoints are about the lab as a whole.
func systemEndpoints() []endpoint {
	credentials := []param{{"username", text, "", true}, {"password", text, "", true}}
	return []endpoint{
		{path: "api/", doc: "The versions of the interface.", operations: []operation{get("List them.", versions)}},
		{version: v02, path: "", doc: "The resources.", operations: []operation{get("List them.", root)}},
		{version: v03, path: "", doc: "LAVA's v0.3 has no resources.", operations: []operation{get("List none.", empty)}},
		// Without a slash at its end, as such documents are called; with one it is answered, too.
		{version: v02, path: "openapi.json", doc: "This interface as an OpenAPI document.", operations: []operation{get("Get it.", openAPI)}},
		{version: v02, path: "system/", doc: "What is said of the lab.", operations: []operation{get("List it.", systemRoot)}},
		// KernelCI takes it for a sign of life, so the door has no rate for it.
		{version: v02, path: "system/version/", doc: "The release of LAVA whose answers these are.", operations: []operation{get("Tell it.", version)}},
		{version: v02, path: "system/whoami/", doc: "Whom the lab takes the caller for.", operations: []operation{get("Tell it.", whoami)}},
		{version: v02, path: "system/master_config/", doc: "Where events are published.", operations: []operation{get("Tell it.", masterConfig)}},
		{version: v02, path: "token/", doc: "A token for a name and a password.", operations: []operation{post("Get one.", 200, credentials, token)}},
		// Clients made for LAVA's next version ask there; its v0.3 has no resource.
		{version: v03, path: "token/", doc: "A token for a name and a password.", operations: []operation{post("Get one.", 200, credentials, token)}},
	}
}

// jobEndpoints are about jobs as they are submitted, followed and ended.
func jobEndpoints() []endpoint {
	definition := []param{{"definition", text, "a job definition, YAML", true}}
	docs := jobs().docs()
	return []endpoint{
		{version: v02, path: "jobs/", fields: docs,
			doc:        "Jobs that the caller may see. POST submits one; it is answered once the lab has judged the definition. The header Idempotency-Key makes it safe to send again for 24 hours.",
			operations: []operation{list("List jobs, the newest first.", jobParams(), listJobs), post("Submit a job.", 201, definition, submit)}},
		{version: v02, path: "jobs/{id}/", fields: docs, doc: "One job, by its number, or as 41.2 for a part of a group.", operations: row(docs, showJob, changeJob, removeJob)},
		{version: v02, path: "jobs/batch_cancel/", doc: "Cancel several jobs.", operations: []operation{post("Cancel them.", 200, []param{{"job_ids", texts, "numbers, or 41.2", true}}, batchCancel)}},
		{version: v02, path: "jobs/validate/", doc: "What the schemas of all methods say of a definition.",
			operations: []operation{post("Check it.", 200, append(definition, param{"strict", truth, "refuse unknown keys", false}), validate)}},
		{version: v02, path: "jobs/validate_testdef/", doc: "What the schema says of a test definition.",
			operations: []operation{post("Check it.", 200, []param{{"definition", text, "a test definition, YAML", true}}, validateTestdef)}},
		// LAVA has the text as a member of jobs/{id}/ alone, within JSON.
		{version: v02, path: "jobs/{id}/definition/", doc: "The definition as it was submitted.", operations: []operation{getFileOf("Get it.", "application/yaml", definitionOf)}},
		{version: v02, path: "jobs/{id}/logs/", doc: "The log.", operations: []operation{{method: http.MethodGet, doc: "Get lines of it, as YAML.", content: "application/yaml",
			params: []param{{"start", integer, "first line, from 0", false}, {"end", integer, "the line after the last one", false}}, handle: logs}}},
		// LAVA has GET alone, which its clients send; see [cancel] for browsers.
		{version: v02, path: "jobs/{id}/cancel/", doc: "Cancel the job.", operations: []operation{get("Cancel it, as LAVA's clients do.", cancel),
			post("Cancel it.", 200, []param{{"reason", text, "why", false}}, cancel)}},
		{version: v02, path: "jobs/{id}/resubmit/", doc: "Submit the definition of a job once more.", operations: []operation{post("Submit it.", 201, nil, resubmit)}},
	}
}

// resultEndpoints are about what jobs found out.
// The types are LAVA's: its REST has application/csv, where its pages and RFC 4180 have text/csv.
func resultEndpoints() []endpoint {
	parts := []param{{"limit", integer, "cases at most", false}, {"offset", integer, "cases left out at the beginning", false}}
	prefix := []param{{"classname_prefix", text, "before each class name", false}}
	file := func(path, doc, content string, params []param, h handler) endpoint {
		return endpoint{version: v02, path: path, doc: doc, operations: []operation{{method: http.MethodGet, doc: "Get them.", content: content, params: params, handle: h}}}
	}
	return []endpoint{
		file("jobs/{id}/csv/", "The results as CSV.", "application/csv", parts, export("csv")),
		file("jobs/{id}/yaml/", "The results as YAML.", "application/yaml", parts, export("yaml")),
		file("jobs/{id}/junit/", "The results as JUnit.", "application/xml", prefix, export("junit")),
		file("jobs/{id}/tap13/", "The results as TAP 13.", "application/yaml", nil, export("tap")),
		file("jobs/{id}/suites/{suite}/csv/", "The results of a suite as CSV.", "application/csv", parts, export("csv")),
		file("jobs/{id}/suites/{suite}/yaml/", "The results of a suite as YAML.", "application/yaml", parts, export("yaml")),
		// Not in the resource's form: {"metadata": [{key: value}, …]}, as LAVA has it.
		{version: v02, path: "jobs/{id}/metadata/", doc: "The metadata of the definition.", operations: []operation{get("Get it.", jobMetadata)}},
		{version: v02, path: "jobs/{id}/suites/", doc: "The suites of a job.", fields: suites().docs(), operations: []operation{list("List them.", suites().params(), listSuites)}},
		{version: v02, path: "jobs/{id}/suites/{suite}/", doc: "A suite.", fields: suites().docs(), operations: []operation{get("Show it.", showSuite)}},
		{version: v02, path: "jobs/{id}/suites/{suite}/tests/", doc: "The cases of a suite.", fields: cases().docs(), operations: []operation{list("List them.", cases().params(), listSuiteTests)}},
		{version: v02, path: "jobs/{id}/suites/{suite}/tests/{test}/", doc: "A case.", fields: cases().docs(), operations: []operation{get("Show it.", showTest)}},
		{version: v02, path: "jobs/{id}/tests/", doc: "The cases of all suites of a job.", fields: cases().docs(), operations: []operation{list("List them.", cases().params(), listTests)}},
		{version: v02, path: "jobs/{id}/tests/{test}/", doc: "A case.", fields: cases().docs(), operations: []operation{get("Show it.", showTest)}},
		// LAVA keeps no files of tests: this and the next are ours.
		{version: v02, path: "jobs/{id}/files/", doc: "Files that the job's tests gave.", operations: []operation{list("List them.", pageParams(), listFiles)}},
		{version: v02, path: "jobs/{id}/files/{name}/", doc: "A file that a test gave.", operations: []operation{{method: http.MethodGet, doc: "Get its bytes.", content: "application/octet-stream",
			params: []param{{"suite", text, "of this suite, where several gave one of that name", false}}, handle: getFile}}},
	}
}

// deviceEndpoints are about devices.
func deviceEndpoints() []endpoint {
	docs := devices().docs()
	health := []param{{"health", text, "the word, in any case", true}, {"reason", text, "why", false}}
	return withRights(events.Device, []endpoint{
		{version: v02, path: "devices/", fields: docs, doc: "Devices.", operations: []operation{
			list("List devices by name.", append(devices().params(), param{"all", truth, "retired ones too", false}), listDevices), post("Add a device.", 201, writes(docs), addDevice)}},
		// The body is the text itself, text/plain, as LAVA takes it.
		{version: v02, path: "devices/validate/", doc: "Whether a text could be a device's dictionary.", operations: []operation{post("Check the body, text/plain.", 200, nil, validateDevice)}},
		{version: v02, path: "devices/{name}/", fields: docs, doc: "A device.", operations: row(docs, showDevice, changeDevice, removeDevice)},
		{version: v02, path: "devices/{name}/dictionary/", doc: "The device's dictionary.", operations: []operation{
			{method: http.MethodGet, doc: "Get it.", content: "text/plain", params: []param{{"render", truth, "as workers get it", false}, {"context", text, "a job's context, YAML, to render it with", false}}, handle: dictionary},
			post("Set it.", 200, []param{{"dictionary", text, "", true}}, setDictionary)}},
		{version: v02, path: "devices/{name}/set_health/", doc: "The device's health.", operations: []operation{post("Set it.", 202, health, setDeviceHealth)}},
	})
}

// typeEndpoints are about device types and their other names.
func typeEndpoints() []endpoint {
	docs, other := deviceTypes().docs(), aliases().docs()
	return append(withRights(events.DeviceType, []endpoint{
		{version: v02, path: "devicetypes/", fields: docs, doc: "Device types.", operations: []operation{
			list("List device types by name.", deviceTypes().params(), listTypes), post("Add a device type.", 201, writes(docs), addType)}},
		{version: v02, path: "devicetypes/{name}/", fields: docs, doc: "A device type.", operations: row(docs, showType, changeType, removeType)},
		{version: v02, path: "devicetypes/{name}/template/", doc: "What dictionaries of the type's devices extend.", operations: []operation{
			getFileOf("Get it.", "application/yaml", template), post("Set it.", 204, []param{{"template", text, "", true}}, setTemplate)}},
		{version: v02, path: "devicetypes/{name}/health_check/", doc: "The job that checks the type's devices.", operations: []operation{
			getFileOf("Get it.", "application/yaml", healthCheck), post("Set it.", 204, []param{{"config", text, "", true}}, setHealthCheck)}},
	}), []endpoint{
		{version: v02, path: "aliases/", fields: other, doc: "Other names of device types.", operations: []operation{
			list("List them.", aliases().params(), listAliases), post("Add one.", 201, writes(other), addAlias)}},
		// A name may have dots here; LAVA's router ends it at the first.
		{version: v02, path: "aliases/{name}/", fields: other, doc: "Another name of a device type.", operations: row(other, showAlias, changeAlias, removeAlias)},
	}...)
}

// workerEndpoints are about workers.
func workerEndpoints() []endpoint {
	docs := workers().docs()
	health := []param{{"health", text, "the word, in any case", true}, {"reason", text, "why", false}}
	file := func(f workerFile, path, doc string) endpoint {
		return endpoint{version: v02, path: path, doc: doc, operations: []operation{
			getFileOf("Get it.", "application/yaml", f.show), post("Set it.", 200, []param{{f.field, text, "", true}}, f.change)}}
	}
	return withRights(events.Worker, []endpoint{
		{version: v02, path: "workers/", fields: docs, doc: "Workers.", operations: []operation{
			list("List workers by name.", workers().params(), listWorkers), post("Register a worker.", 201, writes(docs), addWorker)}},
		{version: v02, path: "workers/{name}/", fields: docs, doc: "A worker.", operations: row(docs, showWorker, changeWorker, removeWorker)},
		file(envFile(), "workers/{name}/env/", "Variables of the worker's jobs."),
		file(configFile(), "workers/{name}/config/", "The worker's dispatcher configuration."),
		{version: v02, path: "workers/{name}/set_health/", doc: "The worker's health.", operations: []operation{post("Set it.", 202, health, setWorkerHealth)}},
	})
}

// labEndpoints are about what is left of the lab's tables.
func labEndpoints() []endpoint {
	docs := tags().docs()
	return []endpoint{
		{version: v02, path: "tags/", fields: docs, doc: "Device tags.", operations: []operation{
			list("List them.", tags().params(), listTags), post("Add one.", 201, writes(docs), addTag)}},
		// By number alone: a tag may be called 7.
		{version: v02, path: "tags/{id}/", fields: docs, doc: "A device tag, by its number.", operations: row(docs, showTag, changeTag, removeTag)},
	}
}

// peopleEndpoints are about accounts and their rights, for superusers.
func peopleEndpoints() []endpoint {
	all := func(path, key string, docs []fieldDoc, params []param, list_, add, show, change, remove handler) []endpoint {
		return []endpoint{
			{version: v02, path: path, fields: docs, doc: title(path) + ".", operations: []operation{list("List them.", params, list_), post("Add one.", 201, writes(docs), add)}},
			{version: v02, path: path + key, fields: docs, doc: "One of " + title(path) + ".", operations: row(docs, show, change, remove)},
		}
	}
	// Taken by POST and PUT and never shown: LAVA's field is write-only.
	secret := append(users().docs(), fieldDoc{"password", text, "never shown", true})
	out := all("users/", "{id}/", users().docs(), users().params(), listUsers, addUser, showUser, changeUser, removeUser)
	out[0].operations[1].accepts = writes(secret)
	out = append(out, all("groups/", "{id}/", groups().docs(), groups().params(), listGroups, addGroup, showGroup, changeGroup, removeGroup)...)
	out = append(out, all("remote-artifact-tokens/", "{name}/", remotes().docs(), remotes().params(), listRemotes, addRemote, showRemote, changeRemote, removeRemote)...)
	for _, k := range []permissionKind{devicePermissions(), typePermissions()} {
		res := permissions(k.field)
		out = append(out, all("permissions/"+k.field+"s/", "{id}/", res.docs(), res.params(), k.list, k.add, k.show, k.change, k.remove)...)
	}
	return out
}
