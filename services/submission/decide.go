package submission

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
	"strata/schemas/python"
	"strata/schemas/yaml"
)

// judge returns why a request has to be rejected, nothing where it becomes a job. It looks things
// up in LAVA's order (lava_scheduler_app/models.py, from_yaml_and_user); the first problem ends it.
// It reads the state alone, so instances that have folded as far judge alike.
func (s *state) judge(r *request, refusal string) []*job.Problem {
	if r.retryOf != 0 {
		return s.judgeRetry(r)
	}
	if refusal != "" && !r.check { // a check is the lab's own work, and its device would be Bad without
		return []*job.Problem{job.At(nil, refusal)}
	}
	if r.problems != nil {
		return r.problems
	}
	if p := s.lookUp(r); p != nil {
		return []*job.Problem{p}
	}
	if p := r.def.CheckPriority(); p != nil {
		return []*job.Problem{p}
	}
	return nil
}

// lookUp asks the lab for what a definition wants. A health check wants nothing but its device to be
// there; a multinode definition is asked role by role, before it is known whether it can be split.
func (s *state) lookUp(r *request) *job.Problem {
	d := r.def
	if r.check {
		if s.lab.Device(r.pin) == nil {
			return job.At(d.Root, "Device '"+string(r.pin)+"' does not exist.")
		}
		return nil
	}
	if d.Multinode() {
		if p := s.lookUpRoles(r); p != nil {
			return p
		}
		// Last, for LAVA too tells of roles that cannot be had before it tries to split.
		if r.split != nil {
			return r.split
		}
		if len(r.parts) > 0 {
			return s.neverTogether(r)
		}
	}
	if d.DeviceType == "" {
		return job.At(d.Root, "required key not provided @ data['device_type']")
	}
	w := wish{user: r.user, of: d.Root, kind: d.DeviceType, device: events.DeviceName(d.Device),
		worker: events.WorkerName(d.Worker), tags: d.Tags, count: 1}
	if r.pin != "" {
		w.device = r.pin
	}
	return s.find(w, false)
}

// lookUpRoles looks up each role by itself, as LAVA does; [state.neverTogether] looks at all of them.
func (s *state) lookUpRoles(r *request) *job.Problem {
	for _, role := range r.def.Roles {
		if p := role.CheckRole(); p != nil {
			return p
		}
		if role.Connection != "" {
			continue // a guest: runs on another role's device
		}
		w := wish{user: r.user, of: role.Node, kind: role.DeviceType, device: events.DeviceName(role.Device),
			worker: events.WorkerName(role.Worker), tags: role.Tags, count: role.Count}
		if p := s.find(w, true); p != nil {
			return p
		}
	}
	return nil
}

// wish is what a job or role asks of the lab.
// device and worker are "" where any will do; count is 1 of a single job.
type wish struct {
	user   events.UserName
	of     *yaml.Node // the mapping that says it, for places
	kind   string     // device type or alias
	device events.DeviceName
	worker events.WorkerName
	tags   []string
	count  int
}

// find returns why a wish cannot be met by any device of the lab.
// The words are LAVA's, to which launchers match. multinode has the number of devices looked at.
func (s *state) find(w wish, multinode bool) *job.Problem {
	kind := s.lab.Resolve(events.DeviceTypeName(w.kind))
	entity := events.Entity{Kind: events.DeviceType, ID: string(kind)}
	switch {
	case s.lab.DeviceType(kind) == nil:
		return job.At(w.of, "Device type '"+w.kind+"' is unavailable.", "device_type")
	// A type that the user may not see is told as LAVA tells it, which gives away that there is one.
	case !s.lab.Can(w.user, lab.View, entity):
		return job.At(w.of, "Device type '"+w.kind+"' is unavailable to user '"+string(w.user)+"'", "device_type")
	}
	if p := s.findPinned(w, kind); p != nil {
		return p
	}
	var all, allowed []*lab.Device
	for d := range s.lab.Devices() {
		if d.Type != kind || d.Health == events.Retired || w.device != "" && d.Name != w.device {
			continue
		}
		all = append(all, d)
		if s.lab.Can(w.user, lab.Submit, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
			allowed = append(allowed, d)
		}
	}
	switch {
	case w.device != "" && len(allowed) == 0:
		return job.At(w.of, "You do not have permission to submit jobs to device '"+string(w.device)+"'.", "device")
	case len(all) == 0:
		return job.At(w.of, "No devices of type "+string(kind)+" are available.", "device_type")
	case len(allowed) == 0:
		return job.At(w.of, "No devices from "+pythonList(all)+" pool are currently available to user "+string(w.user), "device_type")
	case multinode && len(allowed) < w.count:
		return job.At(w.of, "Not enough devices of type "+string(kind)+" are currently available to user "+string(w.user), "count")
	}
	return s.findTags(w, kind, allowed)
}

// findPinned checks a pinned device and worker.
func (s *state) findPinned(w wish, kind events.DeviceTypeName) *job.Problem {
	if w.device == "" && w.worker == "" {
		return nil
	}
	device := s.lab.Device(w.device)
	switch {
	case w.device != "" && device == nil:
		return job.At(w.of, "Device '"+string(w.device)+"' does not exist.", "device")
	case w.worker != "" && s.lab.Worker(w.worker) == nil:
		return job.At(w.of, "Worker '"+string(w.worker)+"' does not exist.", "worker")
	case device != nil && device.Type != kind:
		return job.At(w.of, "Device '"+string(w.device)+"' is not of type '"+string(kind)+"'.", "device")
	case device != nil && w.worker != "" && device.Worker != w.worker:
		return job.At(w.of, "Device '"+string(w.device)+"' is not attached to worker '"+string(w.worker)+"'.", "device")
	case device != nil && w.count > 1:
		return job.At(w.of, "Specific device '"+string(w.device)+"' cannot be used when count is greater than 1.", "count")
	}
	return nil
}

// findTags checks that tags exist, and that enough devices carry all of them.
func (s *state) findTags(w wish, kind events.DeviceTypeName, allowed []*lab.Device) *job.Problem {
	if len(w.tags) == 0 {
		return nil
	}
	for _, t := range w.tags {
		if s.lab.Tag(events.TagName(t)) == nil {
			return job.At(w.of, "Device tag '"+t+"' does not exist in the database.", "tags")
		}
	}
	count := 0
	for _, d := range allowed {
		if carries(d, w.tags) {
			count++
		}
	}
	list := strings.Join(w.tags, ", ")
	switch {
	case count == 0 && w.device != "":
		return job.At(w.of, "Device "+string(w.device)+" does not support all of the tags '"+list+"'.", "tags")
	case count == 0 && w.count > 0:
		return job.At(w.of, "No devices of type "+string(kind)+" are available which have all of the tags '"+list+"'.", "tags")
	case count < w.count:
		return job.At(w.of, "Not enough devices available matching the requested tags.", "tags")
	}
	return nil
}

// carries says that a device has all of the tags.
func carries(d *lab.Device, tags []string) bool {
	for _, t := range tags {
		if !slices.Contains(d.Tags, events.TagName(t)) {
			return false
		}
	}
	return true
}

// pythonList prints names as Python prints a list of them.
func pythonList(devices []*lab.Device) string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = python.Quote(string(d.Name))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// What a fact tells of problems at most. A message may repeat a value of the definition, and a fact
// that is too long for the broker could never be recorded.
const (
	maxProblems = 20
	maxMessage  = 4 << 10 // bytes
	maxPath     = 1 << 10 // bytes
)

// cut returns s, or as much of it as n bytes hold, marked as cut.
// It cuts between characters, so what is left is UTF-8 as before.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// decide returns the facts that settle a request, given what judge found.
// The facts are one batch: at most one for each part and one more. It changes nothing.
func (s *state) decide(r *request, problems []*job.Problem, queueTimeout time.Duration) []events.Event {
	if len(problems) > 0 {
		rejected := events.JobRejected{Job: r.job, User: r.user, At: r.at, Message: cut(problems[0].Message, maxMessage), Source: r.source}
		for _, p := range problems[:min(len(problems), maxProblems)] {
			rejected.Problems = append(rejected.Problems,
				events.Problem{Message: cut(p.Message, maxMessage), Path: cut(p.Path, maxPath), Line: p.Line, Column: p.Column})
		}
		return append([]events.Event{rejected}, s.dropWith(r, rejected.Message)...)
	}
	if r.retryOf != 0 {
		return s.decideRetry(r)
	}
	d := r.def
	submitted := events.JobSubmitted{
		Job: r.job, Display: r.job.String(), User: r.user, Name: d.Name, At: r.at, Priority: d.Priority,
		Visibility:  events.Visibility{Public: d.Visibility.Public, Groups: names[events.GroupName](d.Visibility.Groups)},
		HealthCheck: r.check, JobTimeout: seconds(d.Timeouts.Job, job.DefaultTimeout),
		Metadata: r.metadata, Source: r.source,
	}
	// Zero in a fact is "for ever", so a lab without a limit says nothing.
	if d.Timeouts.Queue != nil || queueTimeout > 0 {
		submitted.QueueTimeout = seconds(d.Timeouts.Queue, queueTimeout)
	}
	if len(r.parts) > 0 {
		return s.decideParts(r, submitted)
	}
	submitted.DeviceType = s.lab.Resolve(events.DeviceTypeName(d.DeviceType))
	submitted.Device, submitted.Worker = events.DeviceName(d.Device), events.WorkerName(d.Worker)
	submitted.Tags = names[events.TagName](d.Tags)
	if r.pin != "" {
		submitted.Device = r.pin
	}
	submitted.Retries = s.retries(r)
	if r.check {
		submitted.DeviceType, submitted.Worker, submitted.Tags = s.lab.Device(r.pin).Type, "", nil
	}
	return []events.Event{submitted}
}

// decideParts returns the facts of a multinode definition; of is what its parts have in common.
func (s *state) decideParts(r *request, of events.JobSubmitted) []events.Event {
	split := events.DefinitionSplit{Job: r.job, Group: r.group}
	var facts []events.Event
	for _, p := range r.parts {
		e := of
		e.Job, e.Source = p.job, p.source
		e.Display = r.job.String() + "." + yaml.Number(int64(p.N)).Print()
		e.Part = &events.Membership{Group: r.group, Parent: r.job, Role: p.Role.Name, Size: p.Size, Essential: p.Role.Essential}
		if p.Role.Connection != "" {
			e.Part.Guest, e.Part.HostRole = true, p.Role.HostRole
		} else {
			e.DeviceType = s.lab.Resolve(events.DeviceTypeName(p.Role.DeviceType))
			e.Device, e.Worker = events.DeviceName(p.Role.Device), events.WorkerName(p.Role.Worker)
			e.Tags = names[events.TagName](p.Role.Tags)
		}
		split.Parts = append(split.Parts, p.job)
		facts = append(facts, e)
	}
	return append(facts, split)
}

// seconds is a timeout as facts have it: at least one second. What is negative expires at once.
func seconds(t *job.Timeout, otherwise time.Duration) events.Seconds {
	if t != nil {
		otherwise = t.Length
	}
	return events.Seconds(max(1, int64(otherwise/time.Second)))
}

// names gives a list of texts the type of the names it holds; nil stays nil.
func names[N ~string](list []string) []N {
	var converted []N
	for _, s := range list {
		converted = append(converted, N(s))
	}
	return converted
}
