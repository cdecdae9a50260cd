package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/services/api"
)

// written is what a body sets of a device. All of it is read, and held against what there is, before the first of it
// is recorded: each verb is a fact of its own, and a body that is refused must not have changed a part.
type written struct {
	describe api.DescribeRequest
	worker   *events.WorkerName
	retag    bool // tags are given
	tags     []events.TagName
	health   events.DeviceHealth // "" is as it is
}

// written reads a body for a device, which is empty where the device is new.
// What is left to be refused afterwards is what another caller has changed meanwhile.
func (q *request) written(b *body, d api.Device) (w written, err error) {
	for _, f := range []struct {
		name string
		to   **string
	}{{"description", &w.describe.Description}, {"device_version", &w.describe.Hardware}} {
		if value, there := b.text(f.name); there {
			*f.to = &value
		}
	}
	if err := q.owners(b, d, &w.describe); err != nil {
		return w, err
	}
	if kind, there := b.text("device_type"); there && d.DeviceType != "" && kind != string(d.DeviceType) {
		return w, invalid("device_type", "A device keeps its type: remove %s and add it anew.", d.Device)
	}
	if host, there := b.text("worker_host"); there && host != string(d.Worker) {
		if err := q.known("worker_host", host); err != nil {
			return w, err
		}
		name := events.WorkerName(host)
		w.worker = &name
	}
	if err := b.noNull("tags"); err != nil {
		return w, err
	}
	if w.retag = b.has("tags"); w.retag {
		if w.tags, err = q.tagNames(b); err != nil {
			return w, err
		}
	}
	// The same health again would be a fact that changes nothing; Unknown would ask for one check more.
	if health, there := b.text("health"); there && !strings.EqualFold(health, string(d.Health)) {
		word, err := known("health", health, deviceHealths, true)
		if err != nil {
			return w, invalid("health", "%q is not a valid choice.", health)
		}
		w.health = events.DeviceHealth(word)
	}
	return w, nil
}

// owners reads who has a device on the desk: the number of a user or of a group, null for nobody. LAVA has one of the
// two at most, and clients that send back what they got send null for the other.
func (q *request) owners(b *body, d api.Device, to *api.DescribeRequest) error {
	if number, there := b.text("physical_owner"); there && (number != "" || d.Owner != "") {
		users, err := q.namesOf(number, "user", "users.list", api.UserRequest{All: true})
		if err != nil || users == nil {
			return orInvalid(err, "physical_owner", number)
		}
		owner := events.UserName(*users)
		to.Owner = &owner
	}
	if number, there := b.text("physical_group"); there && (number != "" || d.OwnerGroup != "") {
		groups, err := q.namesOf(number, "group", "groups.list", api.GroupRequest{})
		if err != nil || groups == nil {
			return orInvalid(err, "physical_group", number)
		}
		group := events.GroupName(*groups)
		to.OwnerGroup = &group
	}
	if to.Owner != nil && *to.Owner != "" && to.OwnerGroup != nil && *to.OwnerGroup != "" {
		return invalid("physical_group", "A person or a group has the device on the desk, not both.")
	}
	return nil
}

// namesOf returns the name that has a number (see [numberOf]), nil for none, "" for no number.
func (q *request) namesOf(number, kind, verb string, in any) (*string, error) {
	if number == "" {
		return &number, nil
	}
	var rows []struct{ User, Group string }
	if err := q.ask(verb, in, &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if name := r.User + r.Group; strconv.Itoa(numberOf(kind, name)) == number {
			return &name, nil
		}
	}
	return nil, nil
}

// orInvalid is err, or that a field names what there is not.
func orInvalid(err error, field, value string) error {
	if err != nil {
		return err
	}
	return invalid(field, "Invalid pk %q - object does not exist.", value)
}

// addDevice answers POST devices/.
func addDevice(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var name, kind string
	in := api.DeviceRequest{}
	if err := b.read(want{"hostname", &name, must}, want{"device_type", &kind, must}, want{"description", &in.Description, may}); err != nil {
		return answer{}, err
	}
	if err := q.known("device_type", kind); err != nil {
		return answer{}, err
	}
	w, err := q.written(b, api.Device{})
	if err != nil {
		return answer{}, err
	}
	in.Device, in.DeviceType, in.Tags, in.Health = events.DeviceName(name), events.DeviceTypeName(kind), w.tags, w.health
	if w.worker != nil {
		in.Worker = *w.worker
	}
	if in.Health == "" {
		in.Health = events.Unknown // The default of XML-RPC's devices.add; LAVA's REST wants a health to be sent.
	}
	d, err := asked[api.Device](q, "devices.add", in)
	if api.HasCode(err, api.Conflict) {
		return answer{}, invalid("hostname", "device with this Hostname already exists.")
	}
	if err != nil {
		return answer{}, err
	}
	if w.describe.Description = nil; w.describe != (api.DescribeRequest{}) { // which the first fact has
		w.describe.Device = d.Device
		if d, err = asked[api.Device](q, "devices.describe", w.describe); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusCreated, body: devices().show(&deviceRow{Device: d})}, nil
}

// tagNames reads the field tags: numbers, as tags/ gives them.
// As text or as integers; a name is refused, as LAVA refuses it.
func (q *request) tagNames(b *body) ([]events.TagName, error) {
	numbers := b.list("tags")
	if len(numbers) == 0 {
		return nil, nil
	}
	all, err := asked[[]api.TagRequest](q, "tags.list", nothing{})
	if err != nil {
		return nil, err
	}
	var names []events.TagName
	for _, n := range numbers {
		i := slices.IndexFunc(all, func(t api.TagRequest) bool { return strconv.Itoa(numberOf("tag", string(t.Tag))) == n })
		if i < 0 {
			return nil, invalid("tags", "Invalid pk %q - object does not exist.", n)
		}
		names = append(names, all[i].Tag)
	}
	return names, nil
}

// changeDevice answers PUT and PATCH: each field that is given is set.
// PUT too leaves what it does not name: LAVA's clients send what they got, and what they do not know of would be lost.
// Each kind of change is a fact of its own, so who reads the history sees what was changed.
func changeDevice(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	w, err := q.written(b, d)
	if err != nil {
		return answer{}, err
	}
	if w.describe != (api.DescribeRequest{}) {
		w.describe.Device = d.Device
		if err := q.ask("devices.describe", w.describe, nil); err != nil {
			return answer{}, err
		}
	}
	if w.worker != nil {
		if err := q.ask("devices.move", api.DeviceRequest{Device: d.Device, Worker: *w.worker}, nil); err != nil {
			return answer{}, err
		}
	}
	if w.retag {
		if err := q.retag(w.tags, d); err != nil {
			return answer{}, err
		}
	}
	if w.health != "" {
		if err := q.ask("devices.health", api.DeviceRequest{Device: d.Device, Health: w.health, Reason: "set over REST"}, nil); err != nil {
			return answer{}, err
		}
	}
	return showDevice(q)
}

// retag gives a device these tags, and no others.
// New ones first: between the two a job that asks for any of them finds the device.
func (q *request) retag(names []events.TagName, d api.Device) error {
	for _, t := range names {
		if !slices.Contains(d.Tags, t) {
			if err := q.ask("devices.tag", api.DeviceRequest{Device: d.Device, Tag: t}, nil); err != nil {
				return err
			}
		}
	}
	for _, t := range d.Tags {
		if !slices.Contains(names, t) {
			if err := q.ask("devices.untag", api.DeviceRequest{Device: d.Device, Tag: t}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeDevice answers DELETE devices/<name>/.
func removeDevice(q *request) (answer, error) {
	d, err := q.device()
	if err != nil {
		return answer{}, err
	}
	return q.removed("devices.remove", api.DeviceRequest{Device: d.Device})
}

// removed removes a thing by a verb, for callers with a name.
func (q *request) removed(verb string, in any) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask(verb, in, nil)
}
