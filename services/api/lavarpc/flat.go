package lavarpc

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/services/api"
	"strata/services/api/lava"
	"strata/services/api/xmlrpc"
)

// The methods directly below "scheduler": the oldest ones, which scripts and SQUAD use.
// SQUAD submits, resubmits and cancels with these, and reads job_details. Where one has a twin below
// scheduler.jobs or scheduler.devices, both rows have the same function, or differ by LAVA's words.
func flatMethods() []method {
	return []method{
		{name: "scheduler.submit_job", params: "job_data", signed: true, call: submit, about: "Submits a job definition. Returns its number, or a list of those of the parts of a multinode job."},
		{name: "scheduler.resubmit_job", params: "job_id", signed: true, call: resubmit, about: "Submits the definition of a job again."},
		{name: "scheduler.cancel_job", params: "job_id", signed: true, call: cancel, about: "Asks for the end of a job."},
		{name: "scheduler.validate_yaml", params: "yaml_string", call: validateYAML, about: "Holds a definition to what every submission passes. Returns None, or a fault with what is wrong."},
		{name: "scheduler.job_output", params: "job_id offset=0", call: jobOutput, about: "Returns the log of a job as YAML, from a byte on."},
		{name: "scheduler.all_devices", call: allDevices, about: "Lists all devices: name, type, status, number of the running job, True."},
		{name: "scheduler.all_device_types", call: allDeviceTypes, about: "Lists all device types with the numbers of busy, idle and offline devices."},
		{name: "scheduler.get_recent_jobs_for_device_type", params: "device_type count=1 restrict_to_user=false", call: recentOfType, about: "Lists the newest finished jobs of a device type."},
		{name: "scheduler.get_recent_jobs_for_device", params: "device count=1 restrict_to_user=false", call: recentOfDevice, about: "Lists the newest finished jobs of a device."},
		{name: "scheduler.get_device_type_by_alias", params: "alias", call: typesByAlias, about: "Lists the device types with an alias that contains a text."},
		{name: "scheduler.get_device_status", params: "hostname", call: deviceStatus, about: "Returns the status of a device and the job that it runs."},
		{name: "scheduler.put_into_maintenance_mode", params: "hostname reason notify=nil", signed: true, call: healthTo(events.Maintenance), about: "Keeps a device from further jobs."},
		{name: "scheduler.put_into_online_mode", params: "hostname reason skip_health_check=false", signed: true, call: healthTo(events.Unknown), about: "Lets a device take jobs again, after a health check."},
		{name: "scheduler.pending_jobs_by_device_type", params: "all=false", call: pending, about: "Returns how many jobs wait for each device type."},
		{name: "scheduler.job_details", params: "job_id", call: jobDetails, about: "Returns what is known of a job, with its definition."},
		{name: "scheduler.job_health", params: "job_id", call: jobHealth, about: "Returns how a job ended."},
		{name: "scheduler.job_state", params: "job_id", call: jobState, about: "Returns where a job stands."},
		{name: "scheduler.all_jobs", call: allJobs, about: "Lists the jobs that are not over."},
		{name: "scheduler.get_device_config", params: "device_hostname context=nil", call: deviceConfig, about: "Returns the configuration of a device as a worker is handed it."},
		{name: "scheduler.import_device_dictionary", params: "hostname jinja_str", signed: true, call: importDictionary, about: "Gives a device another dictionary."},
		{name: "scheduler.export_device_dictionary", params: "hostname", signed: true, call: exportDictionary, about: "Returns the dictionary of a device."},
		{name: "scheduler.validate_pipeline_devices", params: "name=nil", call: validateDevices, about: "Tells of each device, or of those of a type, or of one, whether its configuration is valid, as YAML."},
		{name: "scheduler.get_publisher_event_socket", call: func(c call) (any, error) { return c.h.EventSocket, nil }, about: "Returns where events are published."},
	}
}

// jobOutput answers with a log from a byte on.
// The offset counts bytes of the YAML that is answered, and negative ones count as 0; all before it is
// made and thrown away, for a log has no index by bytes. LAVA's does not find logs that it has compressed;
// here age makes no difference.
func jobOutput(c call) (any, error) {
	j, err := c.show()
	if err != nil {
		return nil, err
	}
	offset, err := c.number(1, 0)
	if err != nil {
		return nil, err
	}
	var all []byte
	for start, through := uint64(0), false; !through; {
		var text []byte
		if text, through, err = c.readLog(j, start, -1); err != nil {
			return nil, err
		}
		start += uint64(strings.Count(string(text), "\n"))
		if skip := min(max(offset, 0), int64(len(text))); skip > 0 {
			text, offset = text[skip:], offset-skip
		}
		if all = append(all, text...); len(all) > mostLog {
			break // the caller goes on from where this ends
		}
		// A log without a line is one that there is not: LAVA has no file before the first line came.
		if start == 0 {
			return nil, fault(http.StatusNotFound, "Job output not found.")
		}
	}
	return all, nil
}

// devices returns the devices that are not retired, by name.
func (c call) devices(retired bool) ([]api.Device, error) {
	var all []api.Device
	if err := c.ask("devices.list", struct{}{}, &all); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(d api.Device) bool { return !retired && d.Health == events.Retired })
	slices.SortFunc(all, func(a, b api.Device) int { return cmp.Compare(a.Device, b.Device) })
	return all, nil
}

// allDevices answers rows, not structs: [hostname, type, status, job or nil, true]. The last member says
// "pipeline" of a time when LAVA had other devices, too.
func allDevices(c call) (any, error) {
	devices, err := c.devices(false)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, d := range devices {
		out = append(out, []any{string(d.Device), string(d.DeviceType), lava.DeviceStatus(d.State, d.Health), jobOf(d), true})
	}
	return out, nil
}

// jobOf is the number of the job that holds a device, or nil.
// It is the number, also of a part of a group: LAVA gives the row's key here, not 41.2.
func jobOf(d api.Device) any {
	if d.Job == 0 {
		return nil
	}
	return int64(d.Job)
}

// allDeviceTypes tells of types that have a device which is not retired and which the caller may see.
func allDeviceTypes(c call) (any, error) {
	types, err := c.types()
	if err != nil {
		return nil, err
	}
	devices, err := c.devices(false)
	if err != nil {
		return nil, err
	}
	var workers []api.Worker
	if err := c.ask("workers.list", struct{}{}, &workers); err != nil {
		return nil, err
	}
	online := map[events.WorkerName]bool{}
	for _, w := range workers {
		online[w.Worker] = w.State == string(lab.Online)
	}
	out := []any{}
	for _, t := range types {
		var some bool
		var busy, idle, offline int64
		// The three numbers are LAVA's and do not add up: what is in maintenance, or has no worker, is in
		// none.
		for _, d := range devices {
			if d.DeviceType != t.DeviceType {
				continue
			}
			some = true
			switch status := lava.DeviceStatus(d.State, d.Health); {
			case status == "idle" && online[d.Worker]:
				idle++
			case d.Health == events.Maintenance && d.State == string(lab.DeviceIdle):
				// LAVA counts it with neither.
			case status == "idle" && d.Worker == "":
				// The same: it hangs on no worker that could be away.
			case status == "idle" || status == "offline":
				offline++
			default:
				busy++
			}
		}
		if !some { // LAVA lists the types of devices that are not retired
			continue
		}
		out = append(out, xmlrpc.Struct{{Name: "name", Value: string(t.DeviceType)}, {Name: "busy", Value: busy},
			{Name: "idle", Value: idle}, {Name: "offline", Value: offline}})
	}
	return out, nil
}

// recent returns the newest finished jobs of a device or device type.
// At most 1,000 are answered; LAVA has no bound. A caller without a name who asks for the own ones gets
// none.
func (c call) recent(field string) ([]projections.SelectedJob, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	count, err := c.number(1, 1)
	if err != nil {
		return nil, err
	}
	own, err := c.flag(2)
	if err != nil {
		return nil, err
	}
	if count < 0 {
		return nil, fault(http.StatusBadRequest, "Bad request: count must not be negative.")
	}
	in := api.FindJobs{Terms: []projections.JobTerm{exact("state", api.StateFinished), exact(field, name)}, Limit: int(min(count, 1000))}
	if own {
		in.Terms = append(in.Terms, exact("submitter", string(c.who.User)))
	}
	return c.find(in)
}

// recentOfType answers 400 for no name and for a negative count. Jobs of other users are among them as far
// as the caller may see them; device is their actual one, "" of a job that never ran.
func recentOfType(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fault(http.StatusBadRequest, "Bad request: device_type was not specified.")
	}
	// LAVA does not catch that its lookup finds nothing, which is -32603; a type that is not displayed
	// counts as none there.
	t, err := c.deviceType(name)
	if err != nil || t.Hidden {
		return nil, internal("there is no device type %s", name)
	}
	jobs, err := c.recent("device_type")
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, j := range jobs {
		out = append(out, append(recentJob(j), xmlrpc.Member{Name: "device", Value: j.Device}))
	}
	return out, nil
}

// recentOfDevice has 404 and 403 for the device, where its twin for types has -32603.
func recentOfDevice(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fault(http.StatusBadRequest, "Bad request: device was not specified.")
	}
	if _, err := c.device(name); err != nil {
		return nil, err
	}
	jobs, err := c.recent("device")
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, j := range jobs {
		out = append(out, recentJob(j))
	}
	return out, nil
}

// status is Complete, Incomplete or Canceled here, for all are over.
func recentJob(j projections.SelectedJob) xmlrpc.Struct {
	return xmlrpc.Struct{{Name: "id", Value: int64(j.Job.Job)}, {Name: "description", Value: j.Name}, {Name: "status", Value: lava.Status(j.State, j.Health)}}
}

// typesByAlias looks for a part of an alias, with regard to case; types without a match are no members.
func typesByAlias(c call) (any, error) {
	text, err := c.text(0)
	if err != nil {
		return nil, err
	}
	types, err := c.types()
	if err != nil {
		return nil, err
	}
	found := []any{}
	for _, t := range types {
		if slices.ContainsFunc(t.Aliases, func(a string) bool { return strings.Contains(a, text) }) {
			found = append(found, string(t.DeviceType))
		}
	}
	// The one member is named like the text that was asked for, even where it is only a part of an alias.
	return xmlrpc.Struct{{Name: text, Value: found}}, nil
}

// deviceStatus answers one word for state and health together, see [lava.DeviceStatus]; 404, 403, and 400
// where no name was given.
func deviceStatus(c call) (any, error) {
	if c.args[0] == "" {
		return nil, fault(http.StatusBadRequest, "Bad request: Hostname was not specified.")
	}
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	return xmlrpc.Struct{
		{Name: "hostname", Value: string(d.Device)},
		{Name: "status", Value: lava.DeviceStatus(d.State, d.Health)},
		{Name: "job", Value: jobOf(d)}, // a number, or nil
		// Both have had no value since LAVA's devices have a health; scripts of before still read them.
		{Name: "offline_since", Value: nil},
		{Name: "offline_by", Value: nil},
		{Name: "is_pipeline", Value: true},
	}, nil
}

// healthTo answers by setting a device's health, for a reason.
// Further arguments, notify and skip_health_check, are taken and mean nothing, as in LAVA: whether a check
// is due is decided by the health alone.
func healthTo(health events.DeviceHealth) func(c call) (any, error) {
	return func(c call) (any, error) {
		var name, reason string
		if err := c.all(&name, &reason); err != nil {
			return nil, err
		}
		if reason == "" {
			return nil, fault(http.StatusBadRequest, "Bad request: Reason was not specified.")
		}
		if _, err := c.device(name); err != nil {
			return nil, err
		}
		mode := "maintenance"
		if health != events.Maintenance {
			mode = "online"
		}
		err := c.ask("devices.health", api.DeviceRequest{Device: events.DeviceName(name), Health: health, Reason: reason}, nil)
		return nil, as(err, api.Denied, fault(http.StatusForbidden, "Permission denied for user to put %s into %s mode.", name, mode))
	}
}

// pending counts jobs that the caller may not see, too: the number tells nothing of whose they are.
func pending(c call) (any, error) {
	types, err := c.types()
	if err != nil {
		return nil, err
	}
	everything, err := c.flag(0)
	if err != nil {
		return nil, err
	}
	out := xmlrpc.Struct{}
	for _, t := range types {
		// Types that nobody waits for are zero-filled where the pages would show them; "all" adds the
		// others.
		inUse := false // has a device that is not retired
		for health, n := range t.Devices {
			inUse = inUse || n > 0 && health != string(events.Retired)
		}
		if everything || t.Waiting > 0 || inUse && !t.Hidden {
			out = append(out, xmlrpc.Member{Name: string(t.DeviceType), Value: int64(t.Waiting)})
		}
	}
	return out, nil
}

// SQUAD reads status, definition, multinode_definition and is_pipeline of it. The members ending in _id
// are named like LAVA's columns and hold names, as these do. The job's token, which LAVA marshals too, is
// left out, and the submitter's address is there for those who may look at accounts.
func jobDetails(c call) (any, error) {
	row, err := c.row()
	if err != nil {
		return nil, err
	}
	_, texts, err := c.texted()
	if err != nil {
		return nil, err
	}
	// LAVA's get_absolute_url, too, has no host in it.
	path := "/scheduler/job/" + number(events.JobID(row.Job.Job))
	return xmlrpc.Struct{
		{Name: "id", Value: int64(row.Job.Job)},
		{Name: "sub_id", Value: subID(row.Display)}, // "41.2", or ""
		{Name: "description", Value: row.Name},
		{Name: "status", Value: lava.Status(row.State, row.Health)},
		{Name: "state", Value: stateOf(row)},
		{Name: "health", Value: healthOf(row)},
		{Name: "health_check", Value: row.HealthCheck},
		{Name: "priority", Value: int64(row.Priority)}, // 0 to 100
		{Name: "is_public", Value: row.Public},
		{Name: "is_pipeline", Value: true}, // SQUAD reads it
		{Name: "submitter_username", Value: row.User},
		{Name: "submitter_email", Value: c.emailOf(row.User)},
		{Name: "requested_device_type_id", Value: orNil(row.DeviceType)},
		{Name: "actual_device_id", Value: orNil(row.Device)},
		{Name: "submit_time", Value: row.SubmittedAt.UTC()},
		{Name: "start_time", Value: momentOrNil(began(row))},
		{Name: "end_time", Value: momentOrNil(row.EndedAt)},
		{Name: "queue_timeout", Value: seconds(row.QueueTimeout)}, // seconds
		{Name: "target_group", Value: orNil(row.GroupID)},         // one id for all parts of a group
		{Name: "tags", Value: list(row.Tags)},
		{Name: "failure_comment", Value: orNil(row.Comment)},
		{Name: "error_msg", Value: orNil(row.Error)},
		{Name: "error_type", Value: orNil(row.ErrorType)},
		{Name: "metadata", Value: textStruct(row.Metadata)},
		{Name: "absolute_url", Value: path},                    // without scheme and host
		{Name: "definition", Value: texts.Definition},          // its own, as PyYAML dumps it, without comments
		{Name: "original_definition", Value: texts.Original},   // byte for byte, but of a part of a group
		{Name: "multinode_definition", Value: texts.Multinode}, // the whole group's; "" of other jobs
	}, nil
}

// jobHealth answers Unknown for as long as the job is not over.
func jobHealth(c call) (any, error) {
	j, err := c.row()
	if err != nil {
		return nil, err
	}
	return withPart(j, xmlrpc.Struct{{Name: "job_id", Value: int64(j.Job.Job)}, {Name: "job_health", Value: healthOf(j)}}), nil
}

// jobState answers one of six words, other than "status" in job_details: scripts poll it for Finished.
func jobState(c call) (any, error) {
	j, err := c.row()
	if err != nil {
		return nil, err
	}
	return withPart(j, xmlrpc.Struct{{Name: "job_id", Value: int64(j.Job.Job)}, {Name: "job_state", Value: stateOf(j)}}), nil
}

// withPart adds which part of a group a job is.
// Jobs of their own lack the member: scripts ask whether it is there.
func withPart(j projections.SelectedJob, s xmlrpc.Struct) xmlrpc.Struct {
	if id := subID(j.Display); id != "" {
		s = append(s, xmlrpc.Member{Name: "sub_id", Value: id})
	}
	return s
}

// The newest 10,000 of them. LAVA marshals device and type as whole objects with all their columns; the
// name is what scripts read of them, and what can be told to everybody who sees the job.
func allJobs(c call) (any, error) {
	states := slices.DeleteFunc(jobStates(), func(s string) bool { return s == api.StateFinished })
	jobs, err := c.find(api.FindJobs{Terms: []projections.JobTerm{exact("state", states...)}, Limit: scanned})
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, j := range jobs {
		device, kind := any(nil), any(nil)
		if j.Device != "" {
			device = xmlrpc.Struct{{Name: "hostname", Value: j.Device}}
		}
		if j.DeviceType != "" {
			kind = xmlrpc.Struct{{Name: "name", Value: j.DeviceType}}
		}
		out = append(out, []any{int64(j.Job.Job), j.Name, strings.ToLower(j.State), device, kind, subID(j.Display)})
	}
	return out, nil
}

// wrongContext says that it is a job's context which cannot be used.
func wrongContext(err error) bool {
	var refused *api.Error
	return errors.As(err, &refused) && refused.Code == api.Invalid && refused.Field == "context"
}

// deviceConfig answers with a device's configuration, which must be valid.
// Who may not see the device gets 401 here, where devices.show has 403: both are LAVA's. All that is wrong
// with the configuration itself is -32603 there, a missing dictionary included.
func deviceConfig(c call) (any, error) {
	var name, context string
	if err := c.all(&name, &context); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fault(http.StatusBadRequest, "Bad request: Device hostname was not specified.")
	}
	err := c.ask("devices.show", api.DeviceRequest{Device: events.DeviceName(name)}, nil)
	if err != nil {
		err = missing(err, "Specified device was not found.")
		return nil, as(err, api.Denied, fault(http.StatusUnauthorized, "Permission denied for user to device %s", name))
	}
	var out api.Rendered
	// Check holds the text to the schema of devices: a worker is never handed one that breaks it.
	err = c.ask("devices.render", api.RenderRequest{Device: events.DeviceName(name), Context: context, Check: true}, &out)
	if wrongContext(err) {
		return nil, fault(http.StatusBadRequest, "Job context '%s' is not valid. %s", context, err)
	}
	if err != nil {
		return nil, internal("%v", err)
	}
	if out.Invalid != "" {
		return nil, internal("%s", out.Invalid)
	}
	return []byte(out.Config), nil
}

// An unknown device is -32603 here and in the export, where all other methods of devices have 404.
func importDictionary(c call) (any, error) {
	var name, text string
	if err := c.all(&name, &text); err != nil {
		return nil, err
	}
	if _, err := c.device(name); err != nil {
		return nil, internal("there is no device %s", name)
	}
	err := c.ask("devices.configure", api.DeviceRequest{Device: events.DeviceName(name), Dictionary: text}, nil)
	err = as(err, api.Denied, fault(http.StatusForbidden, "Permission denied for user to store the configuration for %s on disk.", name))
	return "Device dictionary updated for " + name, err
}

// exportDictionary needs the right to change the device, where devices.get_dictionary is for all who see
// it: LAVA's older method is the stricter one.
func exportDictionary(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	d, err := c.device(name)
	if err != nil {
		return nil, internal("there is no device %s", name)
	}
	if !c.mayChange(events.Device, name) {
		return nil, fault(http.StatusForbidden, "Permission denied for user to retrieve device dictionary for '%s'.", name)
	}
	if d.Dictionary == "" {
		return nil, fault(http.StatusNotFound, "Device '%s' does not have a device dictionary", name)
	}
	return []byte(d.Dictionary), nil
}

// validateDevices answers for all devices, those of a type, or one. One whose configuration breaks the
// schema is told of with the others; in LAVA it makes the whole call fail.
func validateDevices(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	devices, err := c.devices(false)
	if err != nil {
		return nil, err
	}
	of := func(is func(d api.Device) bool) []api.Device {
		return slices.DeleteFunc(slices.Clone(devices), func(d api.Device) bool { return !is(d) })
	}
	if name != "" {
		// A name that is both a type's and a device's means the type, as in LAVA.
		byType := of(func(d api.Device) bool { return string(d.DeviceType) == name })
		if len(byType) == 0 {
			byType = of(func(d api.Device) bool { return string(d.Device) == name })
		}
		devices = byType
	}
	if len(devices) == 0 {
		return nil, fault(http.StatusNotFound, "No devices found with hostname or device type name %s, visible by the user", pythonWord(c.args[0]))
	}
	var b strings.Builder
	for _, d := range devices {
		line, err := c.validity(d)
		if err != nil {
			return nil, err
		}
		b.WriteString(line)
	}
	return []byte(b.String()), nil
}

// validity writes an item of a mapping for a device.
func (c call) validity(d api.Device) (string, error) {
	var out api.Rendered
	err := c.ask("devices.render", api.RenderRequest{Device: d.Device, Check: true}, &out)
	switch {
	// The words are LAVA's for a device without a dictionary; scripts count them.
	case api.HasCode(err, api.NotFound):
		return item(d, "Missing device dictionary"), nil
	case api.HasCode(err, api.Invalid):
		return item(d, err.Error()), nil
	case err != nil:
		return "", err
	case out.Invalid != "":
		return item(d, out.Invalid), nil
	}
	return item(d, ""), nil
}
