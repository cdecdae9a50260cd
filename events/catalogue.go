package events

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

//go:generate go run ./internal/describe/generate

// Service names a writer of facts. Its `ce-source` is "services/" and this name.
type Service string

// The services that write facts. One event has one writer.
const (
	SubmissionService Service = "submission"
	SchedulingService Service = "scheduling"
	DispatchService   Service = "dispatch"
	HealthService     Service = "health"
	IngestionService  Service = "ingestion"
	JudgementService  Service = "judgement"
	APIService        Service = "api"
	ArchiveService    Service = "archive"
	NotifyService     Service = "notify"
)

// Source returns what stands in the header ce-source of the service's facts, such as
// "services/scheduling".
func (s Service) Source() string { return "services/" + string(s) }

// definition is one row of the catalogue.
type definition struct {
	name    string       // ce-type, such as "job.scheduled"
	writer  Service      // the one service that may write it
	typ     reflect.Type // the struct
	upcasts []upcast     // upcasts[i] turns version i+1 into version i+2
	decode  func([]byte) (Event, error)
}

// version is that of the struct as it stands; older ones reach it by upcasts.
func (d definition) version() int { return len(d.upcasts) + 1 }

// define makes the row of struct E. Each upcast adds a version.
func define[E Event](name string, writer Service, upcasts ...upcast) definition {
	return definition{name, writer, reflect.TypeFor[E](), upcasts, func(body []byte) (Event, error) {
		var e E
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		return e, nil
	}}
}

// quick puts a reader of its own before a row's decoding. It takes the form that Encode writes, and says
// false to every other.
func quick[E Event](d definition, read func(body []byte) (E, bool)) definition {
	decode := d.decode
	d.decode = func(body []byte) (Event, error) {
		if e, ok := read(body); ok {
			return e, nil
		}
		return decode(body)
	}
	return d
}

// catalogue is the one table of facts. A row is the only place with a fact's name.
func catalogue() []definition {
	return []definition{
		define[JobSubmitted]("job.submitted", SubmissionService),
		define[JobRejected]("job.rejected", SubmissionService),
		define[DefinitionSplit]("definition.split", SubmissionService),
		define[JobRetried]("job.retried", SubmissionService),
		define[JobRetryDropped]("job.retry-dropped", SubmissionService),

		define[RoundDecided]("round.decided", SchedulingService),
		define[JobScheduled]("job.scheduled", SchedulingService),
		define[JobWithdrawn]("job.withdrawn", SchedulingService),
		define[DeviceReserved]("device.reserved", SchedulingService),

		define[JobStarted]("job.started", DispatchService),
		define[JobFinished]("job.finished", DispatchService),
		define[JobReturned]("job.returned", DispatchService),
		define[JobCancelCascaded]("job.cancel-cascaded", DispatchService),
		define[ReportRefused]("report.refused", DispatchService),
		define[JobOutputEnded]("job.output-ended", DispatchService),
		define[WorkerWentOnline]("worker.went-online", DispatchService),
		define[WorkerWentOffline]("worker.went-offline", DispatchService),

		define[DeviceReleased]("device.released", HealthService),
		define[DeviceHealthChanged]("device.health-changed", HealthService),
		define[HealthCheckRequested]("health-check.requested", HealthService),

		quick(define[ResultsRecorded]("results.recorded", IngestionService), readResults),
		define[JobOutputComplete]("job.output-complete", IngestionService),

		define[JobJudged]("job.judged", JudgementService),

		define[NotificationPlanned]("notification.planned", NotifyService),
		define[NotificationSent]("notification.sent", NotifyService),
		define[NotificationFailed]("notification.failed", NotifyService),
		define[NotificationReplayed]("notification.replayed", APIService),

		define[KnownIssueAdded]("known-issue.added", APIService),
		define[KnownIssueRemoved]("known-issue.removed", APIService),
		define[LabRestored]("lab.restored", ArchiveService),
		define[JobFilesErased]("job.files-erased", ArchiveService),

		define[JobPrioritySet]("job.priority-set", APIService),
		define[JobAnnotated]("job.annotated", APIService),
		define[JobCancelRequested]("job.cancel-requested", APIService),
		define[JobRemoved]("job.removed", APIService),
		define[JobPinned]("job.pinned", APIService),
		define[JobFavoured]("job.favoured", APIService),
		define[DeviceAdded]("device.added", APIService),
		define[DeviceConfigured]("device.configured", APIService),
		define[DeviceMoved]("device.moved", APIService),
		define[DeviceTagged]("device.tagged", APIService),
		define[DeviceUntagged]("device.untagged", APIService),
		define[DeviceHealthSet]("device.health-set", APIService),
		define[DeviceRemoved]("device.removed", APIService),
		define[DeviceDescribed]("device.described", APIService),
		define[DeviceHeld]("device.held", APIService),
		define[DeviceLetGo]("device.let-go", APIService),
		define[DeviceCheckCarried]("device.check-carried", APIService),
		define[PermissionsSet]("permissions.set", APIService),
		define[ObjectImported]("object.imported", APIService),
		define[DeviceTypeAdded]("device-type.added", APIService),
		define[DeviceTypeConfigured]("device-type.configured", APIService),
		define[DeviceTypeRemoved]("device-type.removed", APIService),
		define[TagAdded]("tag.added", APIService),
		define[TagRemoved]("tag.removed", APIService),
		define[WorkerRegistered]("worker.registered", APIService),
		define[WorkerConfigured]("worker.configured", APIService),
		define[WorkerHealthSet]("worker.health-set", APIService),
		define[WorkerTokenRotated]("worker.token-rotated", APIService),
		define[WorkerTokenTaken]("worker.token-taken", APIService),
		define[WorkerRemoved]("worker.removed", APIService),
		define[SchedulingPolicySet]("scheduling-policy.set", APIService),
		define[ReservationMade]("reservation.made", APIService),
		define[ReservationEnded]("reservation.ended", APIService),
		define[QuerySaved]("query.saved", APIService),
		define[QueryRefreshed]("query.refreshed", APIService),
		define[QueryResultOmitted]("query.result-omitted", APIService),
		define[QueryResultIncluded]("query.result-included", APIService),
		define[QueryArchived]("query.archived", APIService),
		define[ChartSaved]("chart.saved", APIService),
		define[ChartViewChosen]("chart.view-chosen", APIService),
		define[ChartResultOmitted]("chart.result-omitted", APIService),
		define[ChartResultIncluded]("chart.result-included", APIService),
		define[ChartRemoved]("chart.removed", APIService),
		define[UserAdded]("user.added", APIService),
		define[UserConfigured]("user.configured", APIService),
		define[UserRemoved]("user.removed", APIService),
		define[PasswordSet]("password.set", APIService),
		define[GroupAdded]("group.added", APIService),
		define[GroupConfigured]("group.configured", APIService),
		define[GroupJoined]("group.joined", APIService),
		define[GroupLeft]("group.left", APIService),
		define[GroupRemoved]("group.removed", APIService),
		define[TokenIssued]("token.issued", APIService),
		define[TokenDescribed]("token.described", APIService),
		define[TokenUsed]("token.used", APIService),
		define[TokenRevoked]("token.revoked", APIService),
		define[SessionStarted]("session.started", APIService),
		define[EnrolmentOffered]("enrolment.offered", APIService),
		define[RemoteTokenSet]("remote-token.set", APIService),
		define[RemoteTokenRemoved]("remote-token.removed", APIService),
		define[LabOpened]("lab.opened", APIService),
	}
}

// index is the catalogue by name and by struct; built once, never changed.
var index = func() (ix struct {
	rows   []definition
	byName map[string]definition
	byType map[reflect.Type]definition
}) {
	ix.rows = catalogue()
	ix.byName = make(map[string]definition, len(ix.rows))
	ix.byType = make(map[reflect.Type]definition, len(ix.rows))
	for _, d := range ix.rows {
		ix.byName[d.name] = d
		ix.byType[d.typ] = d
	}
	return ix
}()

// row returns the row of e. A struct without a row cannot reach a release, a test sees to that.
func row(e Event) definition {
	d, ok := index.byType[reflect.TypeOf(e)]
	if !ok {
		panic(fmt.Sprintf("events: %T has no row in the catalogue (facts are passed by value)", e))
	}
	return d
}

// Name returns the event's name, such as "job.scheduled", which stands in the header ce-type.
func Name(e Event) string { return row(e).name }

// Version returns the version of the event's struct, from 1.
func Version(e Event) int { return row(e).version() }

// Schema returns what stands in the header ce-dataschema, such as "job.scheduled.v1".
func Schema(e Event) string { d := row(e); return schemaName(d.name, d.version()) }

// Writer returns the one service that may write the event.
func Writer(e Event) Service { return row(e).writer }

// Entry is a row of the catalogue as documentation and schema tools read it.
type Entry struct {
	Name    string // such as "job.scheduled"
	Version int    // of Type; all from 1 up to it can be decoded
	Writer  Service
	Type    reflect.Type
}

// Schema returns the name of the entry's newest schema, such as "job.scheduled.v1".
func (e Entry) Schema() string { return schemaName(e.Name, e.Version) }

// Catalogue lists all events in the order of their writers.
func Catalogue() []Entry {
	entries := make([]Entry, 0, len(index.rows))
	for _, d := range index.rows {
		entries = append(entries, Entry{d.name, d.version(), d.writer, d.typ})
	}
	return entries
}

// Names returns the names of the events that service w writes, or of all where w is empty, sorted.
func Names(w Service) []string {
	var names []string
	for _, d := range index.rows {
		if w == "" || d.writer == w {
			names = append(names, d.name)
		}
	}
	slices.Sort(names)
	return names
}

func schemaName(name string, version int) string { return name + ".v" + strconv.Itoa(version) }

// parseSchema splits "job.scheduled.v1" into name and version.
func parseSchema(schema string) (name string, version int, err error) {
	at := strings.LastIndex(schema, ".v")
	if at < 0 {
		return "", 0, fmt.Errorf("schema %q does not end in .v and a version", schema)
	}
	version, err = strconv.Atoi(schema[at+2:])
	if err != nil || version < 1 || schema != schemaName(schema[:at], version) { // one way to write it: no "+1", no "01"
		return "", 0, fmt.Errorf("schema %q: version is not a number from 1", schema)
	}
	return schema[:at], version, nil
}
