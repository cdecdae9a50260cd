package api

import "context"

// handler answers one verb.
type handler func(a *api, ctx context.Context, who caller, body []byte) (any, error)

// producer sends the messages of a flow; it returns when there are no more, or emit has an error.
type producer func(ctx context.Context, emit func(message) error) error

// opener checks a request for a flow and returns what produces it.
type opener func(a *api, who caller, body []byte) (producer, error)

// verbs is what can be asked for one answer.
// It is a function and no variable, since nobody may change it. Clients of other releases ask by these names: one that
// is there stays.
func verbs() map[string]handler {
	return map[string]handler{
		// Who asks and how the lab is. Monitors ask the first two, pages and commands all.
		"status": verb((*api).status),
		"health": verb((*api).labHealth),
		"whoami": verb((*api).whoami),
		"rights": verb((*api).tellRights),

		// People and what they may do: what has a page or method in LAVA is asked by REST and
		// XML-RPC as well. Values of tokens are told by tokens.issue and users.act alone, and those
		// of remote tokens to their owner.
		"users.list":           verb((*api).listUsers),
		"users.show":           verb((*api).showUser),
		"users.add":            verb((*api).addUser),
		"users.set":            verb((*api).setUser),
		"users.remove":         verb((*api).removeUser),
		"users.act":            verb((*api).actAs),
		"groups.list":          verb((*api).listGroups),
		"groups.show":          verb((*api).showGroup),
		"groups.add":           verb((*api).addGroup),
		"groups.set":           verb((*api).setGroup),
		"groups.join":          verb((*api).joinGroup),
		"groups.leave":         verb((*api).leaveGroup),
		"groups.remove":        verb((*api).removeGroup),
		"tokens.list":          verb((*api).listTokens),
		"tokens.issue":         verb((*api).issueToken),
		"tokens.describe":      verb((*api).describeToken),
		"tokens.revoke":        verb((*api).revokeToken),
		"remote-tokens.list":   verb((*api).listRemote),
		"remote-tokens.set":    verb((*api).setRemote),
		"remote-tokens.remove": verb((*api).removeRemote),
		"permissions.list":     verb((*api).listPermissions),
		"permissions.grant":    verb((*api).grantPermission),
		"permissions.revoke":   verb((*api).revokePermission),
		"permissions.open":     verb((*api).openLab),

		// Lists come in two ways: jobs.list is for people at a terminal, and answers without tables;
		// jobs.find has the filters, orders and counts of LAVA's lists. jobs.row and jobs.texts are
		// rows of such lists by number.
		"jobs.submit":   verb((*api).submitJob),
		"jobs.list":     verb((*api).listJobs),
		"jobs.find":     verb((*api).findJobs),
		"jobs.row":      verb((*api).jobRow),
		"jobs.texts":    verb((*api).jobTexts),
		"jobs.cases":    verb((*api).jobCases),
		"jobs.show":     verb((*api).showJob),
		"jobs.results":  verb((*api).results),
		"jobs.files":    verb((*api).jobFiles),
		"jobs.why":      verb((*api).whyJob),
		"jobs.inputs":   verb((*api).jobInputs),
		"jobs.compare":  verb((*api).compareJobs),
		"jobs.cancel":   verb((*api).cancelJob),
		"jobs.priority": verb((*api).setPriority),
		"jobs.remove":   verb((*api).removeJobs),
		"jobs.pin":      verb((*api).pinJob),
		"jobs.favour":   verb((*api).favourJob),
		"jobs.console":  verb((*api).jobConsole),
		"jobs.favoured": verb((*api).favouriteJobs),
		"jobs.annotate": verb((*api).annotateJob),

		// The lab's things. What is recorded here by a person, scheduling, health and dispatch read
		// in the log.
		"devices.list":      verb((*api).listDevices),
		"devices.show":      verb((*api).showDevice),
		"devices.add":       verb((*api).addDevice),
		"devices.configure": verb((*api).configureDevice),
		"devices.move":      verb((*api).moveDevice),
		"devices.tag":       verb((*api).tagDevice),
		"devices.untag":     verb((*api).untagDevice),
		"devices.health":    verb((*api).setDeviceHealth),
		"devices.remove":    verb((*api).removeDevice),
		"devices.describe":  verb((*api).describeDevice),
		"devices.import":    verb((*api).importDevices),
		"devices.config":    verb((*api).deviceVersions),
		"devices.type":      verb((*api).typeOnConsole),
		"devices.release":   verb((*api).releaseDevice),
		"devices.render":    verb((*api).renderDevice),
		"devices.check":     verb((*api).checkDictionary),
		"devices.preview":   verb((*api).previewDevice),

		"device-types.list":         verb((*api).listDeviceTypes),
		"device-types.show":         verb((*api).showDeviceType),
		"device-types.configure":    verb((*api).configureDeviceType),
		"device-types.availability": verb((*api).availability),
		"device-types.remove":       verb((*api).removeDeviceType),
		"device-types.import":       verb((*api).importDeviceTypes),
		"device-types.config":       verb((*api).deviceTypeVersions),

		// Imports are asked for by commands alone: they take what a file or another server tells in
		// one request.
		"audit.list":    verb((*api).listAudit),
		"import":        verb((*api).importLab),
		"people.import": verb((*api).importPeople),

		// Cases by their number, or across jobs, need tables; those of one job, jobs.cases, do not.
		"cases.history": verb((*api).caseHistory),
		"cases.find":    verb((*api).findCase),

		"issues.list":   verb((*api).listIssues),
		"issues.add":    verb((*api).addIssue),
		"issues.remove": verb((*api).removeIssue),

		"notices.list":   verb((*api).listNotices),
		"notices.replay": verb((*api).replayNotices),

		// search reads the tables of all jobs' lines, the log verbs one job's own copy
		// (services/api/logbook).
		"search":      verb((*api).searchLogs),
		"log.lines":   verb((*api).logLines),
		"log.outline": verb((*api).logOutline),
		"logs.diff":   verb((*api).diffLogs),

		"tags.list":   verb((*api).listTags),
		"tags.add":    verb((*api).addTag),
		"tags.remove": verb((*api).removeTag),

		"queue.list":  verb((*api).listQueue),
		"policy.show": verb((*api).showPolicy),
		"policy.set":  verb((*api).setPolicy),

		// LAVA has these in its pages and, to run and refresh, in XML-RPC.
		"queries.list":    verb((*api).listQueries),
		"queries.show":    verb((*api).showQuery),
		"queries.save":    verb((*api).saveQuery),
		"queries.copy":    verb((*api).copyQuery),
		"queries.archive": verb((*api).archiveQuery),
		"queries.run":     verb((*api).runQuery),
		"queries.custom":  verb((*api).runCustom),
		"queries.refresh": verb((*api).refreshQuery),
		"queries.omit":    verb((*api).omitResult),
		"queries.include": verb((*api).includeResult),
		"queries.similar": verb((*api).similarJobs),

		"charts.list":    verb((*api).listCharts),
		"charts.show":    verb((*api).showChart),
		"charts.save":    verb((*api).saveChart),
		"charts.remove":  verb((*api).removeChart),
		"charts.query":   verb((*api).saveChartQuery),
		"charts.drop":    verb((*api).dropChartQuery),
		"charts.order":   verb((*api).orderChart),
		"charts.view":    verb((*api).chooseView),
		"charts.omit":    verb((*api).omitFromChart),
		"charts.include": verb((*api).includeInChart),
		"charts.data":    verb((*api).chartData),
		"charts.custom":  verb((*api).customChart),

		"reservations.list": verb((*api).listReservations),
		"reservations.add":  verb((*api).addReservation),
		"reservations.end":  verb((*api).endReservation),

		// workers.register and workers.token are asked for LAVA's workers, too, which bring no word
		// of enrolment.
		"workers.list":      verb((*api).listWorkers),
		"workers.show":      verb((*api).showWorker),
		"workers.register":  verb((*api).registerWorker),
		"workers.token":     verb((*api).workerToken),
		"workers.invite":    verb((*api).inviteWorker),
		"workers.enroll":    verb((*api).enrollWorker),
		"workers.configure": verb((*api).configureWorker),
		"workers.config":    verb((*api).workerVersions),
		"workers.health":    verb((*api).setWorkerHealth),
		"workers.remove":    verb((*api).removeWorker),
	}
}

// flows is what can be asked for many messages.
// An opener refuses what it can before the flow opens; what needs the log or tables is refused from within it.
func flows() map[string]opener {
	return map[string]opener{
		// Each of these may last for hours and is held to its caller's pace; see [flow].
		"jobs.log":      (*api).openLog,
		"log.search":    (*api).openLogSearch,
		"events":        (*api).openEvents,
		"at":            (*api).openAt,
		"sql":           (*api).openSQL,
		"devices.hands": (*api).openHands,

		// These send files, whose bytes are cut anywhere.
		"results.export":      (*api).openResults,
		"files.get":           (*api).openFile,
		"queries.export":      (*api).openExport,
		"queries.refresh-all": (*api).openRefreshAll,
		"charts.export":       (*api).openChartExport,
		"charts.draw":         (*api).openChartDrawing,
	}
}

// verb fits a method with its own request and answer to a handler.
// Unknown fields are refused here, for all verbs alike: see decode.
func verb[In, Out any](f func(*api, context.Context, caller, In) (Out, error)) handler {
	return func(a *api, ctx context.Context, who caller, body []byte) (any, error) {
		in, err := decode[In](body)
		if err != nil {
			return nil, err
		}
		return f(a, ctx, who, in)
	}
}

// none is the request or the answer of a verb that has nothing to say.
type none struct{}
