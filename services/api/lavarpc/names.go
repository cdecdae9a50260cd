package lavarpc

import (
	"net/http"
	"slices"

	"strata/events"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// The methods of aliases and of tags.
func nameMethods() []method {
	return []method{
		{name: "scheduler.aliases.add", params: "alias device_type", signed: true, perm: "lava_scheduler_app.add_alias", call: addAlias, about: "Gives a device type an alias."},
		{name: "scheduler.aliases.delete", params: "alias", signed: true, perm: "lava_scheduler_app.delete_alias", call: deleteAlias, about: "Removes an alias."},
		{name: "scheduler.aliases.list", call: listAliases, about: "Lists all aliases."},
		{name: "scheduler.aliases.show", params: "alias", call: showAlias, about: "Returns an alias and its device type."},
		{name: "scheduler.tags.add", params: "name description=nil", signed: true, perm: "lava_scheduler_app.add_tag", call: addTag, about: "Adds a tag."},
		{name: "scheduler.tags.delete", params: "name", signed: true, perm: "lava_scheduler_app.delete_tag", call: deleteTag, about: "Removes a tag, also from its devices."},
		{name: "scheduler.tags.list", call: listTags, about: "Lists all tags."},
		{name: "scheduler.tags.show", params: "name", call: showTag, about: "Returns a tag and the devices that have it."},
	}
}

// aliased returns the device type that has an alias.
func (c call) aliased(alias string) (api.DeviceType, error) {
	// Without templates and checks, which only [call.deviceType] tells: lists are asked for often.
	types, err := c.types()
	if err != nil {
		return api.DeviceType{}, err
	}
	for _, t := range types {
		if slices.Contains(t.Aliases, alias) {
			// Whole, for it may be sent back changed, see [call.configure].
			return c.deviceType(string(t.DeviceType))
		}
	}
	return api.DeviceType{}, fault(http.StatusNotFound, "Alias '%s' was not found.", alias)
}

// addAlias answers 400 for a type that there is not, and 404 for all else that is wrong: LAVA's form is
// asked, and its errors have that code. Beside the permission of the row it takes the right to change the
// type, which decides where jobs go.
func addAlias(c call) (any, error) {
	var alias, kind string
	if err := c.all(&alias, &kind); err != nil {
		return nil, err
	}
	t, err := c.deviceType(kind)
	if api.HasCode(err, api.NotFound) {
		return nil, fault(http.StatusBadRequest, "Bad request. DeviceType does not exist: '%s'", kind)
	}
	if err != nil {
		return nil, as(err, api.Denied, fault(http.StatusNotFound, "DeviceType '%s' was not found.", kind))
	}
	if _, err := c.aliased(alias); err == nil {
		return nil, fault(http.StatusNotFound, "Alias with name '%s' already exists.", alias)
	}
	if _, err := c.deviceType(alias); err == nil {
		// Jobs look for aliases first, so it would hide the type.
		return nil, fault(http.StatusNotFound, "DeviceType with name '%s' already exists.", alias)
	}
	t.Aliases = append(t.Aliases, alias)
	err = c.configure(t)
	var refused *api.Error
	if api.HasCode(err, api.Conflict) || api.HasCode(err, api.Invalid) {
		refused = err.(*api.Error) //nolint:errorlint // HasCode has found it, and Inside wraps nothing
		return nil, fault(http.StatusNotFound, "%s", refused.Message)
	}
	return nil, err
}

// deleteAlias answers 404 where no type that the caller sees has it.
func deleteAlias(c call) (any, error) {
	alias, err := c.text(0)
	if err != nil {
		return nil, err
	}
	t, err := c.aliased(alias)
	if err != nil {
		return nil, err
	}
	t.Aliases = slices.DeleteFunc(t.Aliases, func(a string) bool { return a == alias })
	return nil, c.configure(t)
}

// listAliases answers names alone, sorted; those of types that the caller may not see are left out.
func listAliases(c call) (any, error) {
	types, err := c.types()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, t := range types {
		all = append(all, t.Aliases...)
	}
	slices.Sort(all)
	return list(all), nil
}

// showAlias answers both members always. LAVA has "" for the type where the caller has no permission row
// on it; "lavacli aliases show" prints either.
func showAlias(c call) (any, error) {
	alias, err := c.text(0)
	if err != nil {
		return nil, err
	}
	t, err := c.aliased(alias)
	if err != nil {
		return nil, err
	}
	return xmlrpc.Struct{{Name: "name", Value: alias}, {Name: "device_type", Value: string(t.DeviceType)}}, nil
}

// tags returns all tags by name.
func (c call) tags() ([]api.TagRequest, error) {
	var all []api.TagRequest
	err := c.ask("tags.list", struct{}{}, &all)
	return all, err
}

// tag returns one.
func (c call) tag(name string) (api.TagRequest, error) {
	all, err := c.tags()
	if err != nil {
		return api.TagRequest{}, err
	}
	i := slices.IndexFunc(all, func(t api.TagRequest) bool { return string(t.Tag) == name })
	if i < 0 {
		return api.TagRequest{}, fault(http.StatusNotFound, "Tag '%s' was not found.", name)
	}
	return all[i], nil
}

// addTag refuses a tag that there is, where the verb would change what is said of it.
func addTag(c call) (any, error) {
	var name, description string
	if err := c.all(&name, &description); err != nil {
		return nil, err
	}
	if _, err := c.tag(name); err == nil {
		return nil, fault(http.StatusBadRequest, "Bad request: tag already exists?")
	}
	return nil, c.ask("tags.add", api.TagRequest{Tag: events.TagName(name), Description: description}, nil)
}

// Devices lose it; a job that waits for a device with it goes on waiting.
func deleteTag(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, missing(c.ask("tags.remove", api.TagRequest{Tag: events.TagName(name)}, nil), "Tag '%s' was not found.", name)
}

// description is nil, not "", where nothing is said: "lavacli tags list" prints it only where there is
// one.
func listTags(c call) (any, error) {
	all, err := c.tags()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, t := range all {
		out = append(out, xmlrpc.Struct{{Name: "name", Value: string(t.Tag)}, {Name: "description", Value: orNil(t.Description)}})
	}
	return out, nil
}

// devices has the names of retired ones as well, of those that the caller may see.
func showTag(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	t, err := c.tag(name)
	if err != nil {
		return nil, err
	}
	devices, err := c.devices(true)
	if err != nil {
		return nil, err
	}
	names := []any{}
	for _, d := range devices {
		if slices.Contains(d.Tags, t.Tag) {
			names = append(names, string(d.Device))
		}
	}
	return xmlrpc.Struct{{Name: "name", Value: string(t.Tag)}, {Name: "description", Value: orNil(t.Description)}, {Name: "devices", Value: names}}, nil
}
