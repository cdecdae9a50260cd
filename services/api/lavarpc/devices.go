package lavarpc

import (
	"net/http"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// lavacli passes arguments by their places, also those that mean nothing any more: without them in these
// rows all behind would be read as something else.
func deviceMethods() []method {
	// LAVA asks for change_, not add_, where XML-RPC adds a device or a device type; the lab takes either.
	const permission = "lava_scheduler_app.change_device"
	return []method{
		{name: "scheduler.devices.add", signed: true, perm: permission, call: addDevice,
			params: "hostname type_name worker_name user_name=nil group_name=nil public=true health=nil description=nil",
			about:  "Adds a device of a type to a worker. user_name, group_name and public mean nothing any more."},
		{name: "scheduler.devices.delete", params: "hostname", signed: true, perm: "lava_scheduler_app.delete_device", call: deleteDevice, about: "Removes a device."},
		{name: "scheduler.devices.list", params: "show_all=false offline_info=false", call: listDevices, about: "Lists the devices, with show_all retired ones too."},
		{name: "scheduler.devices.show", params: "hostname", call: showDevice, about: "Returns what is known of a device."},
		{name: "scheduler.devices.update", signed: true, call: updateDevice,
			params: "hostname worker_name=nil user_name=nil group_name=nil public=true health=nil description=nil device_type=nil reason=nil",
			about:  "Changes what is given of a device; user_name is who has it on the desk. group_name and public mean nothing any more."},
		{name: "scheduler.devices.get_dictionary", params: "hostname render=false context=nil", call: getDictionary, about: "Returns the dictionary of a device, or what it renders to with a job's context."},
		{name: "scheduler.devices.set_dictionary", params: "hostname dictionary", signed: true, call: setDictionary, about: "Gives a device another dictionary. Returns whether it was taken."},
		{name: "scheduler.devices.perms_add", params: "hostname group permission", signed: true, call: permit(events.Device, 0, 1, 2, true), about: "Gives a group a permission on a device: view_device, submit_to_device or change_device."},
		{name: "scheduler.devices.perms_delete", params: "hostname group permission", signed: true, call: permit(events.Device, 0, 1, 2, false), about: "Takes a permission on a device from a group."},
		{name: "scheduler.devices.perms_list", params: "hostname", signed: true, call: devicePermissions, about: "Lists the permissions on a device."},
		{name: "scheduler.devices.tags.add", params: "hostname name", signed: true, call: tagDevice, perm: "lava_scheduler_app.add_tag", first: true, about: "Gives a device a tag."},
		{name: "scheduler.devices.tags.delete", params: "hostname name", signed: true, call: untagDevice, about: "Takes a tag from a device."},
		{name: "scheduler.devices.tags.list", params: "hostname", call: deviceTags, about: "Lists the tags of a device."},
	}
}

// deviceError words errors of a device as LAVA does.
// It is for methods that change the device; those that only look at it have the sentence of [call.device].
func (c call) deviceError(name string, err error) error {
	err = missing(err, "Device '%s' was not found.", name)
	return as(err, api.Denied, fault(http.StatusForbidden, "User '%s' needs admin permission on device %s.", c.user(), name))
}

// mayChange says that the caller may change a device, device type or worker.
func (c call) mayChange(kind events.Kind, name string) bool {
	return c.h.API.Can(c.who, lab.Change, events.Entity{Kind: kind, ID: name})
}

// device returns a device with its dictionary.
func (c call) device(name string) (api.Device, error) {
	var d api.Device
	err := c.ask("devices.show", api.DeviceRequest{Device: events.DeviceName(name)}, &d)
	err = missing(err, "Device '%s' was not found.", name)
	return d, as(err, api.Denied, fault(http.StatusForbidden, "Device '%s' not available to user '%s'.", name, c.user()))
}

// named returns the device that is the first argument.
func (c call) named() (api.Device, error) {
	name, err := c.text(0)
	if err != nil {
		return api.Device{}, err
	}
	return c.device(name)
}

// deviceHealths are the words that methods are asked with, in capitals.
func deviceHealths() []string {
	return []string{"Good", "Unknown", "Looping", "Bad", "Maintenance", "Retired"}
}

// capitals returns a word of a list that was written in capitals.
// "Good" is refused, as by LAVA's XML-RPC; its REST takes any case. lavacli sends capitals.
func capitals(text string, words []string) (string, bool) {
	w, ok := word(text, words)
	return w, ok && text == strings.ToUpper(text)
}

// addDevice answers nil, or 404 for type and worker in LAVA's two ways to write them ("DeviceType", here;
// "Device-type" elsewhere), 400 for a health and for a name that is taken. user_name, group_name and
// public, between worker and health, are taken and dropped, as LAVA has dropped owners of devices.
func addDevice(c call) (any, error) {
	var name, kind, worker string
	if err := c.all(&name, &kind, &worker); err != nil {
		return nil, err
	}
	health, err := c.text(6)
	if err != nil {
		return nil, err
	}
	description, err := c.text(7)
	if err != nil {
		return nil, err
	}
	in := api.DeviceRequest{Device: events.DeviceName(name), DeviceType: events.DeviceTypeName(kind), Worker: events.WorkerName(worker), Description: description}
	if health != "" {
		w, ok := capitals(health, deviceHealths())
		if !ok {
			return nil, fault(http.StatusBadRequest, "Invalid health")
		}
		in.Health = events.DeviceHealth(w)
	}
	// A type that is not there would be made: LAVA's clients expect to be told.
	if _, err := c.deviceType(kind); err != nil {
		return nil, missing(err, "DeviceType '%s' was not found.", kind)
	}
	if err := c.ask("workers.show", api.WorkerRequest{Worker: in.Worker}, nil); err != nil {
		return nil, missing(err, "Worker '%s' was not found.", worker)
	}
	return nil, bad(c.ask("devices.add", in, nil), "Bad request: device already exists?")
}

// deleteDevice answers nil, 404, or 400 for one that a job or a person holds. Its jobs stay under its
// name.
func deleteDevice(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	// Who lacks the right is told so by the row's permission, also of a device that there is not.
	err = c.ask("devices.remove", api.DeviceRequest{Device: events.DeviceName(name)}, nil)
	return nil, missing(err, "Device '%s' was not found.", name)
}

// listDevices answers by hostname, for those that the caller may see. state is Idle, Reserved or Running,
// and current_job a number or nil. offline_info is taken and ignored, as in LAVA.
func listDevices(c call) (any, error) {
	all, err := c.flag(0)
	if err != nil {
		return nil, err
	}
	devices, err := c.devices(all)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, d := range devices {
		out = append(out, xmlrpc.Struct{
			{Name: "hostname", Value: string(d.Device)},
			{Name: "type", Value: string(d.DeviceType)},
			{Name: "health", Value: string(d.Health)},
			{Name: "state", Value: d.State},
			// "lavacli system maintenance" waits for the job of this number to end, and with --force
			// cancels it.
			{Name: "current_job", Value: jobOf(d)},
			{Name: "pipeline", Value: true},
		})
	}
	return out, nil
}

// showDevice answers 404 where there is none and 403 where the caller may not see it: LAVA tells the two
// apart. "lavacli devices show" needs every member down to tags.
func showDevice(c call) (any, error) {
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	check := false // whether the device is one whose health is checked
	if t, err := c.deviceType(string(d.DeviceType)); err == nil {
		check = t.HealthCheck != "" && !t.HealthDisabled
	}
	return xmlrpc.Struct{
		{Name: "hostname", Value: string(d.Device)},
		{Name: "device_type", Value: string(d.DeviceType)},
		{Name: "health", Value: string(d.Health)},
		{Name: "state", Value: d.State},
		{Name: "health_job", Value: check}, // whether checks run on it, not whether one runs
		{Name: "description", Value: orNil(d.Description)},
		// The three that follow mean nothing; "lavacli system export" fails without them.
		{Name: "public", Value: true},
		{Name: "user", Value: nil},
		{Name: "group", Value: nil},
		{Name: "pipeline", Value: true},
		{Name: "has_device_dict", Value: d.Version > 0}, // versions count from 1
		{Name: "worker", Value: orNil(d.Worker)},        // nil where it hangs on none
		{Name: "current_job", Value: jobOf(d)},
		{Name: "tags", Value: list(d.Tags)},
		{Name: "permissions", Value: permissions(d.Permissions)}, // of groups on this device alone
	}, nil
}

// permissions lists what groups may do.
func permissions(all []events.Permission) []any {
	out := []any{}
	for _, p := range all {
		out = append(out, xmlrpc.Struct{{Name: "name", Value: p.Permission}, {Name: "group", Value: string(p.Group)}})
	}
	return out
}

// change is one of the verbs that an update asks for.
type change struct {
	verb string
	in   any
}

// updateDevice changes what was given. All is looked at before the first change is made.
// nil keeps what there is, an empty description removes it. "lavacli devices maintenance" sends a health
// and nothing else. Changes are facts of their own, in the order of the arguments: should one be refused
// after all, because somebody else was quicker, those before it hold.
func updateDevice(c call) (any, error) {
	var name, worker, owner string
	if err := c.all(&name, &worker, &owner); err != nil {
		return nil, err
	}
	health, err := c.text(5)
	if err != nil {
		return nil, err
	}
	kind, err := c.text(7)
	if err != nil {
		return nil, err
	}
	reason, err := c.text(8)
	if err != nil {
		return nil, err
	}
	d, err := c.device(name)
	if err != nil {
		return nil, err
	}
	if !c.mayChange(events.Device, name) { // also where there is nothing to change
		return nil, c.deviceError(name, &api.Error{Code: api.Denied})
	}
	var changes []change
	device := events.DeviceName(name)
	if worker != "" {
		if err := c.ask("workers.show", api.WorkerRequest{Worker: events.WorkerName(worker)}, nil); err != nil {
			return nil, missing(err, "Unable to find worker '%s'", worker)
		}
		changes = append(changes, change{"devices.move", api.DeviceRequest{Device: device, Worker: events.WorkerName(worker)}})
	}
	described := api.DescribeRequest{Device: device}
	if owner != "" {
		if err := c.knownUser(owner); err != nil {
			return nil, missing(err, "Unable to find username '%s'", owner)
		}
		user := events.UserName(owner)
		described.Owner = &user
	}
	if c.args[6] != nil {
		text, err := c.text(6)
		if err != nil {
			return nil, err
		}
		described.Description = &text
	}
	if described.Owner != nil || described.Description != nil {
		changes = append(changes, change{"devices.describe", described})
	}
	if health != "" {
		w, ok := capitals(health, deviceHealths())
		if !ok {
			return nil, fault(http.StatusBadRequest, "Health '%s' is invalid", health)
		}
		changes = append(changes, change{"devices.health", api.DeviceRequest{Device: device, Health: events.DeviceHealth(w), Reason: reason}})
	}
	if kind != "" {
		if _, err := c.deviceType(kind); err != nil {
			return nil, missing(err, "Unable to find device-type '%s'", kind)
		}
		if kind != string(d.DeviceType) {
			return nil, fault(http.StatusBadRequest, "Bad request: a device keeps its type; remove %s and add it anew", name)
		}
	}
	for _, ch := range changes {
		if err := c.ask(ch.verb, ch.in, nil); err != nil {
			return nil, c.deviceError(name, err)
		}
	}
	return nil, nil
}

// A rendered one is not held to the schema, so that what is wrong with it can be looked at;
// scheduler.get_device_config holds it.
func getDictionary(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	render, err := c.flag(1)
	if err != nil {
		return nil, err
	}
	context, err := c.text(2)
	if err != nil {
		return nil, err
	}
	d, err := c.device(name)
	if err != nil {
		return nil, err
	}
	if d.Dictionary == "" {
		return nil, fault(http.StatusNotFound, "Device '%s' does not have a configuration", name)
	}
	if !render {
		return []byte(d.Dictionary), nil
	}
	var out api.Rendered
	err = c.ask("devices.render", api.RenderRequest{Device: d.Device, Context: context}, &out)
	if wrongContext(err) {
		return nil, fault(http.StatusBadRequest, "Job Context '%s' is not valid: %s", context, err)
	}
	return []byte(out.Config), err
}

// setDictionary answers whether the text was taken.
// lavacli prints "Unable to set the configuration" and ends with 1 on false: LAVA gives no reason either.
func setDictionary(c call) (any, error) {
	var name, text string
	if err := c.all(&name, &text); err != nil {
		return nil, err
	}
	err := c.ask("devices.configure", api.DeviceRequest{Device: events.DeviceName(name), Dictionary: text}, nil)
	if api.HasCode(err, api.Invalid) {
		return false, nil
	}
	return true, c.deviceError(name, err)
}

// devicePermissions is for staff: 403 "forbidden" before the device is looked for.
func devicePermissions(c call) (any, error) {
	if err := c.staff(); err != nil {
		return nil, err
	}
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	return permissions(d.Permissions), nil
}

// tagOf reads a device and a tag.
func (c call) tagOf() (api.DeviceRequest, error) {
	var name, tag string
	err := c.all(&name, &tag)
	return api.DeviceRequest{Device: events.DeviceName(name), Tag: events.TagName(tag)}, err
}

// A tag that is new is added with its device: hence the permission on tags beside that on the device.
func tagDevice(c call) (any, error) {
	in, err := c.tagOf()
	if err != nil {
		return nil, err
	}
	if _, err := c.device(string(in.Device)); err != nil {
		return nil, err
	}
	return nil, c.deviceError(string(in.Device), c.ask("devices.tag", in, nil))
}

// untagDevice has 404 for the device and for the tag, in this order; a tag that the device does not have
// is no error.
func untagDevice(c call) (any, error) {
	in, err := c.tagOf()
	if err != nil {
		return nil, err
	}
	if _, err := c.device(string(in.Device)); err != nil {
		return nil, err
	}
	if _, err := c.tag(string(in.Tag)); err != nil {
		return nil, err
	}
	return nil, c.deviceError(string(in.Device), c.ask("devices.untag", in, nil))
}

// deviceTags answers names alone; scheduler.tags.show has what is said of a tag.
func deviceTags(c call) (any, error) {
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	return list(d.Tags), nil
}

// item writes whether a device is valid as an item of a YAML mapping.
// The answer is a row of such items, which is one mapping to who reads it.
func item(d api.Device, invalid string) string {
	verdict := yaml.Mapping().With("Valid", yaml.Nothing())
	if invalid != "" {
		verdict = yaml.Mapping().With("Invalid", yaml.Text(invalid))
	}
	return yaml.Dump(yaml.Mapping().With(string(d.Device), verdict))
}
