package lavarpc

import (
	"cmp"
	"net/http"
	"slices"

	"strata/events"
	dictionaries "strata/schemas/device"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// LAVA's update and aliases.delete have a sentence of their own for who may not change the type; the
// others name the permission.
func typeMethods() []method {
	const permission = "lava_scheduler_app.change_devicetype"
	row := func(name, params, about string, f func(c call) (any, error)) method {
		return method{name: "scheduler.device_types." + name, params: params, about: about, call: f}
	}
	changing := func(m method) method { m.signed, m.perm = true, permission; return m }
	adding := func(m method) method {
		m.signed, m.perm, m.first = true, "lava_scheduler_app.add_alias", true
		return m
	}
	of := func(m method) method { m.signed, m.call = true, ofOneType(m.call); return m }
	return []method{
		changing(row("add", "name description display owners_only health_frequency health_denominator", "Adds a device type. owners_only means nothing any more.", addType)),
		row("list", "show_all=false", "Lists the device types with the numbers of their devices, with show_all also those that the lab only has a template for.", listTypes),
		row("show", "name", "Returns what is known of a device type.", showType),
		of(row("update", "name description display owners_only health_frequency health_denominator health_disabled", "Changes what is given of a device type.", updateType)),
		row("devices", "name health=nil", "Lists the devices of a type, all or those of a health.", devicesOfType),
		row("get_template", "name", "Returns the template of a device type.", getTemplate),
		changing(row("set_template", "name template", "Gives a device type another template.", setTypeText(func(t *api.DeviceType) *string { return &t.Template }))),
		row("get_health_check", "name", "Returns the health check of a device type.", getHealthCheck),
		changing(row("set_health_check", "name health_check", "Gives a device type another health check.", setTypeText(func(t *api.DeviceType) *string { return &t.HealthCheck }))),
		adding(row("aliases.add", "name alias", "Gives a device type an alias, and takes it from another one.", addTypeAlias)),
		of(row("aliases.delete", "name alias", "Takes an alias from a device type.", deleteTypeAlias)),
		row("aliases.list", "name", "Lists the aliases of a device type.", listTypeAliases),
		{name: "scheduler.device_types.perms_add", params: "name group permission", signed: true, call: permit(events.DeviceType, 0, 1, 2, true), about: "Gives a group a permission on a device type: view_devicetype, submit_to_devicetype or change_devicetype."},
		{name: "scheduler.device_types.perms_delete", params: "name group permission", signed: true, call: permit(events.DeviceType, 0, 1, 2, false), about: "Takes a permission on a device type from a group."},
		{name: "scheduler.device_types.perms_list", params: "name", signed: true, call: typePermissions, about: "Lists the permissions on a device type."},
	}
}

// ofOneType refuses callers who may not change the device type that is the first argument, whatever they ask for.
// It comes before the arguments are looked at: who may not change the type learns nothing of them.
func ofOneType(f func(c call) (any, error)) func(c call) (any, error) {
	return func(c call) (any, error) {
		t, err := c.ofType()
		if err != nil {
			return nil, err
		}
		if !c.mayChange(events.DeviceType, string(t.DeviceType)) {
			return nil, fault(http.StatusForbidden, "No 'admin' permissions for device-type '%s'.", t.DeviceType)
		}
		return f(c)
	}
}

// types returns all device types by name.
func (c call) types() ([]api.DeviceType, error) {
	var all []api.DeviceType
	err := c.ask("device-types.list", struct{}{}, &all)
	slices.SortFunc(all, func(a, b api.DeviceType) int { return cmp.Compare(a.DeviceType, b.DeviceType) })
	return all, err
}

// deviceType returns a device type by its own name. An alias is none here, as in LAVA.
// The verb resolves aliases, because jobs are submitted to them; a method that changed the type behind an
// alias would change one that nobody named.
func (c call) deviceType(name string) (api.DeviceType, error) {
	var t api.DeviceType
	err := c.ask("device-types.show", api.DeviceType{DeviceType: events.DeviceTypeName(name)}, &t)
	if err == nil && string(t.DeviceType) != name {
		err = &api.Error{Code: api.NotFound, Message: "there is no device type " + name}
	}
	return t, err
}

// ofType returns the device type that is the first argument.
func (c call) ofType() (api.DeviceType, error) {
	name, err := c.text(0)
	if err != nil {
		return api.DeviceType{}, err
	}
	t, err := c.deviceType(name)
	err = missing(err, "Device-type '%s' was not found.", name)
	return t, as(err, api.Denied, fault(http.StatusForbidden, "Device-type '%s' not available to user '%s'.", name, c.user()))
}

// configure gives a device type its settings.
func (c call) configure(t api.DeviceType) error {
	// What a configuration does not set is not sent back.
	// All other settings are sent back as they are: the verb sets all of them at once, and one that was
	// left out would be taken away. Two callers at once: the later one wins, with what it has read.
	t.Permissions, t.Devices, t.Waiting, t.Notes = nil, nil, 0, nil
	return c.ask("device-types.configure", t, nil)
}

// All six are wanted, and nil is a default; 400 where the name is taken.
func addType(c call) (any, error) {
	var name, description string
	if err := c.all(&name, &description); err != nil {
		return nil, err
	}
	if _, err := c.deviceType(name); err == nil {
		return nil, fault(http.StatusBadRequest, "Bad request: device-type name is already used.")
	}
	t := api.DeviceType{DeviceType: events.DeviceTypeName(name), Description: description}
	if err := c.settings(&t); err != nil {
		return nil, err
	}
	return nil, c.configure(t)
}

// settings reads display, health_frequency and health_denominator, at the same places in add and update;
// nil leaves what there is.
func (c call) settings(t *api.DeviceType) error {
	if c.args[2] != nil {
		display, err := c.flag(2)
		if err != nil {
			return err
		}
		t.Hidden = !display
	}
	frequency, err := c.number(4, int64(t.HealthFrequency))
	if err != nil {
		return err
	}
	// 0 becomes the default of 24 where the type is new, see device-types.configure.
	if frequency < 0 || frequency > 1<<31 {
		return c.wrong(4, "a number from 1")
	}
	t.HealthFrequency = int(frequency)
	denominator, err := c.text(5)
	if err != nil {
		return err
	}
	switch denominator {
	case "":
	case "hours", "jobs":
		t.HealthDenominator = events.Denominator(denominator)
	default:
		return fault(http.StatusBadRequest, "Bad request: invalid health_denominator. It is '%s', expected hours or jobs", denominator)
	}
	return nil
}

// devices counts those of the type that the caller may see, retired ones too. installed says that the lab
// has the type, template that there is a text for it; show_all adds types with a text alone.
func listTypes(c call) (any, error) {
	all, err := c.flag(0)
	if err != nil {
		return nil, err
	}
	types, err := c.types()
	if err != nil {
		return nil, err
	}
	out, have := []any{}, map[string]bool{}
	line := func(name string, devices int, installed, template bool) {
		out = append(out, xmlrpc.Struct{{Name: "name", Value: name}, {Name: "devices", Value: int64(devices)},
			{Name: "installed", Value: installed}, {Name: "template", Value: template}})
	}
	for _, t := range types {
		have[string(t.DeviceType)] = true
		devices := 0
		// By health; the list counts all of them.
		for _, n := range t.Devices {
			devices += n
		}
		// The list does not carry templates, which may have 256 KiB each.
		whole, err := c.deviceType(string(t.DeviceType))
		if err != nil {
			return nil, err
		}
		line(string(t.DeviceType), devices, true, templateOf(whole) != "")
	}
	if all {
		// What LAVA lists from the templates on its disk: those that come with this lab, without base
		// ones.
		for _, name := range dictionaries.OwnTypes() {
			if !have[name] {
				line(name, 0, false, true)
			}
		}
	}
	return out, nil
}

// templateOf returns the template of a device type: its own, or the one that comes with the lab.
func templateOf(t api.DeviceType) string {
	if t.Template != "" {
		return t.Template
	}
	text, _ := dictionaries.OwnTemplate(string(t.DeviceType) + ".jinja2")
	return text
}

// 404 and 403 in the sentences of "Device-type"; devices are the names of those that the caller may see.
func showType(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	devices, err := c.devices(true)
	if err != nil {
		return nil, err
	}
	names := []any{}
	for _, d := range devices {
		if d.DeviceType == t.DeviceType {
			names = append(names, string(d.Device))
		}
	}
	return xmlrpc.Struct{
		{Name: "name", Value: string(t.DeviceType)},
		{Name: "description", Value: orNil(t.Description)},
		{Name: "display", Value: !t.Hidden}, // false: its devices get no jobs
		// Means nothing; "lavacli system export" fails without it.
		{Name: "owners_only", Value: false},
		{Name: "health_disabled", Value: t.HealthDisabled},
		{Name: "health_denominator", Value: string(t.HealthDenominator)}, // hours or jobs
		{Name: "health_frequency", Value: int64(t.HealthFrequency)},      // a check each so many of them; 24 where nobody has set it
		{Name: "aliases", Value: list(slices.Sorted(slices.Values(t.Aliases)))},
		{Name: "devices", Value: names},
		// As of a worker's files: true says that the type has no template of its own.
		{Name: "default_template", Value: t.Template == ""},
		{Name: "permissions", Value: permissions(t.Permissions)}, // of groups on this type alone
	}, nil
}

// All seven are wanted, and nil keeps what there is: lavacli sends all of them, mostly nil.
func updateType(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	if c.args[1] != nil {
		if t.Description, err = c.text(1); err != nil {
			return nil, err
		}
	}
	if err := c.settings(&t); err != nil {
		return nil, err
	}
	if c.args[6] != nil {
		if t.HealthDisabled, err = c.flag(6); err != nil {
			return nil, err
		}
	}
	return nil, c.configure(t)
}

// Retired devices are among them, other than in scheduler.devices.list; the health is taken in any case,
// other than in scheduler.devices.update.
func devicesOfType(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	health, err := c.text(1)
	if err != nil {
		return nil, err
	}
	if health != "" {
		w, ok := word(health, deviceHealths())
		if !ok {
			return nil, fault(http.StatusBadRequest, "Invalid health '%s'", health)
		}
		health = w
	}
	devices, err := c.devices(true)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, d := range devices {
		if d.DeviceType == t.DeviceType && (health == "" || health == string(d.Health)) {
			out = append(out, xmlrpc.Struct{{Name: "hostname", Value: string(d.Device)}, {Name: "health", Value: string(d.Health)}, {Name: "state", Value: d.State}})
		}
	}
	return out, nil
}

// getTemplate answers for types of the lab, and for those that it only has a template for.
// "lavacli device-types template get" prints the base64's text. A template without a type in the lab is
// answered too, which is how one is looked at before the type is added.
func getTemplate(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	t, err := c.deviceType(name)
	if err != nil && !api.HasCode(err, api.NotFound) {
		return nil, err
	}
	t.DeviceType = events.DeviceTypeName(name)
	if text := templateOf(t); text != "" {
		return []byte(text), nil
	}
	return nil, fault(http.StatusNotFound, "Device-type '%s' was not found.", name)
}

// setTypeText answers by giving a device type a text of its own, the second argument; an empty one takes it away.
func setTypeText(of func(t *api.DeviceType) *string) func(c call) (any, error) {
	return func(c call) (any, error) {
		t, err := c.ofType()
		if err != nil {
			return nil, err
		}
		if *of(&t), err = c.text(1); err != nil {
			return nil, err
		}
		return nil, c.configure(t)
	}
}

// 404 with the sentence for a type that there is not, also where only the check is missing: LAVA has one
// for both, and "lavacli device-types health-check get" prints it.
func getHealthCheck(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	if t.HealthCheck == "" {
		return nil, fault(http.StatusNotFound, "Device-type '%s' was not found.", t.DeviceType)
	}
	return []byte(t.HealthCheck), nil
}

// addTypeAlias gives a type an alias. One that another type has changes hands.
func addTypeAlias(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	alias, err := c.text(1)
	if err != nil {
		return nil, err
	}
	if slices.Contains(t.Aliases, alias) {
		return nil, nil
	}
	// Taken away first: the api refuses a name that would mean two types. Between the two facts a job that
	// asks for the alias waits in no queue and is refused.
	if of, err := c.aliased(alias); err == nil {
		of.Aliases = slices.DeleteFunc(of.Aliases, func(a string) bool { return a == alias })
		if err := c.configure(of); err != nil {
			return nil, err
		}
	}
	t.Aliases = append(t.Aliases, alias)
	return nil, c.configure(t)
}

// The alias is gone, where LAVA's stays without a type; one of another type is 404.
func deleteTypeAlias(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	alias, err := c.text(1)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(t.Aliases, alias) {
		return nil, fault(http.StatusNotFound, "Alias '%s' was not found.", alias)
	}
	t.Aliases = slices.DeleteFunc(t.Aliases, func(a string) bool { return a == alias })
	return nil, c.configure(t)
}

func listTypeAliases(c call) (any, error) {
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	return list(slices.Sorted(slices.Values(t.Aliases))), nil
}

// For staff alone; scheduler.device_types.show tells the same to all who see the type, as LAVA's does.
func typePermissions(c call) (any, error) {
	if err := c.staff(); err != nil {
		return nil, err
	}
	t, err := c.ofType()
	if err != nil {
		return nil, err
	}
	return permissions(t.Permissions), nil
}
