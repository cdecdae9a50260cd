package rest

import (
	"net/http"
	"slices"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/services/api"
)

// allTypes returns the device types.
func (q *request) allTypes() ([]typeRow, error) {
	list, err := asked[[]api.DeviceType](q, "device-types.list", nothing{})
	if err != nil {
		return nil, err
	}
	rows := make([]typeRow, len(list))
	for i, t := range list {
		rows[i] = typeRow{t}
	}
	return rows, nil
}

// listTypes answers GET devicetypes/.
func listTypes(q *request) (answer, error) {
	rows, err := q.allTypes()
	if err != nil {
		return answer{}, err
	}
	return deviceTypes().list(q, rows)
}

// deviceType returns the device type that the address names.
func (q *request) deviceType() (api.DeviceType, error) {
	name := events.DeviceTypeName(q.r.PathValue("name"))
	t, err := asked[api.DeviceType](q, "device-types.show", api.DeviceType{DeviceType: name})
	if err == nil && t.DeviceType != name {
		// The verb resolves aliases, because jobs are submitted to them; to LAVA an alias is no row of this resource, and
		// DELETE of one must not remove the type behind it.
		return t, notFound()
	}
	return t, err
}

// showType answers GET devicetypes/<name>/.
func showType(q *request) (answer, error) {
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	return ok(deviceTypes().show(&typeRow{t}))
}

// settings keeps of a device type what its configuration sets.
// The verb sets all settings at once, so what a body does not name is sent back as it was. Between the
// reading and the writing another caller's change is lost: the last one wins, as in Django.
func settings(t api.DeviceType) api.DeviceType {
	return api.DeviceType{DeviceType: t.DeviceType, Description: t.Description, Architecture: t.Architecture, Aliases: t.Aliases,
		Hidden: t.Hidden, HealthFrequency: t.HealthFrequency, HealthDenominator: t.HealthDenominator,
		HealthDisabled: t.HealthDisabled, HealthCheck: t.HealthCheck, Template: t.Template}
}

// setType puts the fields of a body into the settings of a device type.
// health_denominator, processor, cores and the like are read-only or not kept: passed over in a body.
func setType(b *body, t *api.DeviceType) error {
	if err := b.noNull("aliases", "health_frequency", "disable_health_check", "display"); err != nil {
		return err
	}
	if s, there := b.text("description"); there {
		t.Description = s
	}
	if s, there := b.text("architecture"); there {
		t.Architecture = s
	}
	if b.has("aliases") {
		t.Aliases = b.list("aliases")
	}
	if n, there, err := b.whole("health_frequency"); err != nil {
		return err
	} else if there {
		t.HealthFrequency = n
	}
	if v, there, err := b.truth("disable_health_check"); err != nil {
		return err
	} else if there {
		t.HealthDisabled = v
	}
	if v, there, err := b.truth("display"); err != nil {
		return err
	} else if there {
		t.Hidden = !v
	}
	return nil
}

// addType answers POST devicetypes/.
// 400 where the name is taken, in Django's words for a unique field.
func addType(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var name string
	if err := b.read(want{"name", &name, must}); err != nil {
		return answer{}, err
	}
	in := api.DeviceType{DeviceType: events.DeviceTypeName(name)}
	// The verb would change the type that there is.
	if _, err := asked[api.DeviceType](q, "device-types.show", in); err == nil {
		return answer{}, invalid("name", "device type with this name already exists.")
	}
	if err := setType(b, &in); err != nil {
		return answer{}, err
	}
	if err := q.ask("device-types.configure", in, nil); err != nil {
		return answer{}, err
	}
	t, err := asked[api.DeviceType](q, "device-types.show", api.DeviceType{DeviceType: in.DeviceType})
	return answer{status: http.StatusCreated, body: deviceTypes().show(&typeRow{t})}, err
}

// changeType answers PUT and PATCH of a device type: fields that are not given stay, for both.
func changeType(q *request) (answer, error) {
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	in := settings(t)
	if err := setType(b, &in); err != nil {
		return answer{}, err
	}
	if err := q.ask("device-types.configure", in, nil); err != nil {
		return answer{}, err
	}
	return showType(q)
}

// removeType answers DELETE devicetypes/<name>/.
// One with devices, or whose template others extend, is refused with 409.
func removeType(q *request) (answer, error) {
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	return q.removed("device-types.remove", api.DeviceType{DeviceType: t.DeviceType})
}

// template answers GET devicetypes/<name>/template/; 400 where there is none, as LAVA.
// LAVA answers its file below /etc, else the one that it was installed with; so does this.
func template(q *request) (answer, error) {
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	if t.Template == "" { // of the type's own: one that comes with the lab
		t.Template, _ = dictionaries.OwnTemplate(string(t.DeviceType) + ".jinja2")
	}
	if t.Template == "" {
		return answer{}, detail(http.StatusBadRequest, "Device-type '%s' does not have a template", t.DeviceType)
	}
	return textFile(string(t.DeviceType)+".jinja2", "application/yaml", t.Template)
}

// setTemplate answers POST devicetypes/<name>/template/.
func setTemplate(q *request) (answer, error) {
	return q.setText("template", "Device type template is required.", func(t *api.DeviceType, text string) { t.Template = text })
}

// healthCheck answers GET devicetypes/<name>/health_check/.
// 400 and not 404 where there is none: LAVA's.
func healthCheck(q *request) (answer, error) {
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	if t.HealthCheck == "" {
		return answer{}, detail(http.StatusBadRequest, "Device-type '%s' health check was not found.", t.DeviceType)
	}
	return textFile(string(t.DeviceType)+"_health_check.yaml", "application/yaml", t.HealthCheck)
}

// setHealthCheck answers POST devicetypes/<name>/health_check/.
func setHealthCheck(q *request) (answer, error) {
	return q.setText("config", "Health check configuration is required.", func(t *api.DeviceType, text string) { t.HealthCheck = text })
}

// setText sets one text of a device type.
// 204 without a body, where a device's dictionary has 200 and a sentence: both are LAVA's.
func (q *request) setText(field, lacks string, set func(*api.DeviceType, string)) (answer, error) {
	text, err := q.only(field, lacks)
	if err != nil {
		return answer{}, err
	}
	t, err := q.deviceType()
	if err != nil {
		return answer{}, err
	}
	in := settings(t)
	set(&in, text)
	return answer{status: http.StatusNoContent}, q.ask("device-types.configure", in, nil)
}

// aliasRow is another name of a device type.
type aliasRow struct{ name, deviceType string }

// aliases are other names of device types. LAVA has a table of them; here each type has its own.
func aliases() resource[aliasRow] {
	return resource[aliasRow]{
		name: "aliases",
		fields: []field[aliasRow]{
			{"name", text, "the other name", true, func(a *aliasRow) any { return a.name }},
			{"device_type", text, "of this device type", true, func(a *aliasRow) any { return a.deviceType }},
		},
		filters: []filter[aliasRow]{
			{"name", text, textLookups, func(a *aliasRow) []string { return []string{a.name} }},
			{"device_type", text, exactLookups, func(a *aliasRow) []string { return []string{a.deviceType} }},
			{"device_type__name", text, textLookups, func(a *aliasRow) []string { return []string{a.deviceType} }},
		},
	}
}

// allAliases returns the aliases of the device types that are shown.
// Refused to callers without a name, as LAVA refuses them.
func (q *request) allAliases() ([]aliasRow, error) {
	if err := q.named(); err != nil {
		return nil, err
	}
	types, err := q.allTypes()
	if err != nil {
		return nil, err
	}
	rows := []aliasRow{}
	for _, t := range types {
		// LAVA lists aliases only of types that are displayed.
		if t.Hidden {
			continue
		}
		for _, a := range t.Aliases {
			// In the order of types, and of each type's own list.
			rows = append(rows, aliasRow{a, string(t.DeviceType.DeviceType)})
		}
	}
	return rows, nil
}

// listAliases answers GET aliases/.
func listAliases(q *request) (answer, error) {
	rows, err := q.allAliases()
	if err != nil {
		return answer{}, err
	}
	return aliases().list(q, rows)
}

// alias returns the alias that the address names.
func (q *request) alias() (*aliasRow, error) {
	rows, err := q.allAliases()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rows, func(a aliasRow) bool { return a.name == q.r.PathValue("name") })
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// showAlias answers GET aliases/<name>/.
func showAlias(q *request) (answer, error) {
	a, err := q.alias()
	if err != nil {
		return answer{}, err
	}
	return ok(aliases().show(a))
}

// addAlias answers POST aliases/.
func addAlias(q *request) (answer, error) {
	var a aliasRow
	if err := q.fields(want{"name", &a.name, must}, want{"device_type", &a.deviceType, must}); err != nil {
		return answer{}, err
	}
	rows, err := q.allAliases()
	if err != nil {
		return answer{}, err
	}
	if slices.ContainsFunc(rows, func(r aliasRow) bool { return r.name == a.name }) {
		return answer{}, aliasTaken()
	}
	if err := q.known("device_type", a.deviceType); err != nil {
		return answer{}, err
	}
	err = q.realias(a.deviceType, func(names []string) []string { return append(names, a.name) })
	if api.HasCode(err, api.Conflict) { // of a type that is not displayed, whose aliases no list has
		err = aliasTaken()
	}
	return answer{status: http.StatusCreated, body: aliases().show(&a)}, err
}

// aliasTaken says that jobs mean something else by a name already.
func aliasTaken() *problem {
	return invalid("name", "alias with this Alias for this device-type already exists.")
}

// changeAlias answers PUT and PATCH of an alias, which may go to another type.
func changeAlias(q *request) (answer, error) {
	a, err := q.alias()
	if err != nil {
		return answer{}, err
	}
	to := *a
	if err := q.fields(want{"name", &to.name, filled}, want{"device_type", &to.deviceType, filled}); err != nil {
		return answer{}, err
	}
	if err := q.known("device_type", to.deviceType); err != nil {
		return answer{}, err
	}
	// It is two facts where the alias goes to another type. What would refuse the second is looked at before the first,
	// or the alias would be lost.
	if !q.d.Lab.Can(q.who, lab.Change, events.Entity{Kind: events.DeviceType, ID: to.deviceType}) {
		return answer{}, detail(http.StatusForbidden, forbidden)
	}
	if _, taken := asked[api.DeviceType](q, "device-types.show", api.DeviceType{DeviceType: events.DeviceTypeName(to.name)}); to.name != a.name && taken == nil {
		return answer{}, aliasTaken()
	}
	if err := q.realias(a.deviceType, without(a.name)); err != nil {
		return answer{}, err
	}
	if err := q.realias(to.deviceType, func(names []string) []string { return append(names, to.name) }); err != nil {
		return answer{}, err
	}
	return ok(aliases().show(&to))
}

// removeAlias answers DELETE aliases/<name>/.
func removeAlias(q *request) (answer, error) {
	a, err := q.alias()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.realias(a.deviceType, without(a.name))
}

// without leaves a name out of a list.
func without(name string) func([]string) []string {
	return func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	}
}

// known refuses the name of a device type or worker that there is not: naming a device type here would make it.
// A type that the caller may not see is told of as one that there is not.
func (q *request) known(field, name string) error {
	var err error
	switch {
	case name == "":
	case field == "device_type":
		err = q.ask("device-types.show", api.DeviceType{DeviceType: events.DeviceTypeName(name)}, nil)
	default:
		err = q.ask("workers.show", api.WorkerRequest{Worker: events.WorkerName(name)}, nil)
	}
	if api.HasCode(err, api.NotFound) || api.HasCode(err, api.Denied) {
		return invalid(field, "Invalid pk %q - object does not exist.", name)
	}
	return err
}

// realias changes the aliases of a device type.
// It reads the type anew, and writes all of its settings: see [settings].
func (q *request) realias(of string, change func([]string) []string) error {
	t, err := asked[api.DeviceType](q, "device-types.show", api.DeviceType{DeviceType: events.DeviceTypeName(of)})
	if api.HasCode(err, api.NotFound) {
		return invalid("device_type", "Invalid pk %q - object does not exist.", of)
	}
	if err != nil {
		return err
	}
	in := settings(t)
	in.Aliases = change(in.Aliases)
	return q.ask("device-types.configure", in, nil)
}
