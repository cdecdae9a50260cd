package rest

import (
	"net/http"
	"slices"
	"strconv"

	"strata/events"
	"strata/services/api"
)

// tagRow is a tag.
type tagRow = api.TagRequest

// tags are the device tags of the lab.
// Rows are the api's own requests: a tag has nothing but name and description.
func tags() resource[api.TagRequest] {
	return resource[api.TagRequest]{
		name: "tags",
		fields: []field[api.TagRequest]{
			{"id", integer, "number of the tag, the same at all times", false, func(t *api.TagRequest) any { return numberOf("tag", string(t.Tag)) }},
			{"name", text, "", true, func(t *api.TagRequest) any { return string(t.Tag) }},
			{"description", text, "", true, func(t *api.TagRequest) any { return orNull(t.Description) }},
		},
		filters: []filter[api.TagRequest]{
			{"id", integer, []string{"exact", "in"}, func(t *api.TagRequest) []string { return []string{strconv.Itoa(numberOf("tag", string(t.Tag)))} }},
			{"name", text, textLookups, func(t *api.TagRequest) []string { return []string{string(t.Tag)} }},
			{"description", text, textLookups, func(t *api.TagRequest) []string { return some(t.Description) }},
		},
	}
}

// allTags returns the tags, to callers with a name, as LAVA does.
// All tags, for a tag tells nothing of hidden devices.
func (q *request) allTags() ([]api.TagRequest, error) {
	if err := q.named(); err != nil {
		return nil, err
	}
	return asked[[]api.TagRequest](q, "tags.list", nothing{})
}

// listTags answers GET tags/.
func listTags(q *request) (answer, error) {
	rows, err := q.allTags()
	if err != nil {
		return answer{}, err
	}
	return tags().list(q, rows)
}

// tag returns the tag that the address names by its number.
// LAVA's address has the number of the row; see [numberOf] for ours.
func (q *request) tag() (*api.TagRequest, error) {
	rows, err := q.allTags()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rows, func(t api.TagRequest) bool {
		return strconv.Itoa(numberOf("tag", string(t.Tag))) == q.r.PathValue("id")
	})
	if i < 0 {
		return nil, notFound()
	}
	return &rows[i], nil
}

// showTag answers GET tags/<id>/.
func showTag(q *request) (answer, error) {
	t, err := q.tag()
	if err != nil {
		return answer{}, err
	}
	return ok(tags().show(t))
}

// addTag answers POST tags/.
func addTag(q *request) (answer, error) {
	var name, description string
	if err := q.fields(want{"name", &name, must}, want{"description", &description, may}); err != nil {
		return answer{}, err
	}
	rows, err := q.allTags()
	if err != nil {
		return answer{}, err
	}
	if slices.ContainsFunc(rows, func(t api.TagRequest) bool { return string(t.Tag) == name }) {
		return answer{}, invalid("name", "tag with this name already exists.")
	}
	t := api.TagRequest{Tag: events.TagName(name), Description: description}
	if err := q.ask("tags.add", t, nil); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: tags().show(&t)}, nil
}

// changeTag sets what is said of a tag. Its name is what devices and jobs know it by.
func changeTag(q *request) (answer, error) {
	t, err := q.tag()
	if err != nil {
		return answer{}, err
	}
	name := string(t.Tag)
	if err := q.fields(want{"name", &name, may}, want{"description", &t.Description, may}); err != nil {
		return answer{}, err
	}
	// LAVA renames the row, and all devices follow; here facts name tags by their names.
	if name != string(t.Tag) {
		return answer{}, invalid("name", "A tag keeps its name: add another one.")
	}
	if err := q.ask("tags.add", t, nil); err != nil {
		return answer{}, err
	}
	return ok(tags().show(t))
}

// removeTag answers DELETE tags/<id>/; devices lose the tag.
// Jobs that ask for it are left as they are, and find no device.
func removeTag(q *request) (answer, error) {
	t, err := q.tag()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, q.ask("tags.remove", api.TagRequest{Tag: t.Tag}, nil)
}

// permissionRow is a right of a group on a device or device type.
type permissionRow struct {
	of         string // the device or device type
	permission events.Permission
	device     *deviceRow // it, for filters of lists; nil elsewhere
	typ        *typeRow
}

// id is the permission's number.
// A permission has no name of its own: the number is of all that it consists of.
func (p *permissionRow) id(field string) int {
	return numberOf(field, p.of+"/"+string(p.permission.Group)+"/"+p.permission.Permission)
}

// permissions are those on devices or on device types, by the name of the field that says on which.
func permissions(of string) resource[permissionRow] {
	id := func(p *permissionRow) int {
		return numberOf(of, p.of+"/"+string(p.permission.Group)+"/"+string(p.permission.Permission))
	}
	res := resource[permissionRow]{
		name: "permissions",
		fields: []field[permissionRow]{
			{"id", integer, "number of the permission, the same at all times", false, func(p *permissionRow) any { return id(p) }},
			{"group", text, "who has it", true, func(p *permissionRow) any { return string(p.permission.Group) }},
			{"permission", text, "what it allows", true, func(p *permissionRow) any { return string(p.permission.Permission) }},
			{of, text, "on what", true, func(p *permissionRow) any { return p.of }},
		},
		filters: []filter[permissionRow]{
			{"id", integer, []string{"exact", "in"}, func(p *permissionRow) []string { return []string{strconv.Itoa(id(p))} }},
			{"group__name", text, textLookups, func(p *permissionRow) []string { return some(p.permission.Group) }},
			{"permission__codename", text, textLookups, func(p *permissionRow) []string { return some(p.permission.Permission) }},
			{of, text, exactLookups, func(p *permissionRow) []string { return some(p.of) }},
		},
	}
	// LAVA calls the one filter device and the other device_type, though the fields are device and devicetype. Its
	// filters by a device are an HTTP 500.
	if of == "device" {
		for _, f := range devices().filters {
			res.filters = append(res.filters, filter[permissionRow]{"device__" + f.name, f.kind, f.lookups, func(p *permissionRow) []string {
				if p.device == nil {
					return nil
				}
				return f.get(p.device)
			}})
		}
		return res
	}
	for _, f := range deviceTypes().filters {
		res.filters = append(res.filters, filter[permissionRow]{"device_type__" + f.name, f.kind, f.lookups, func(p *permissionRow) []string {
			if p.typ == nil {
				return nil
			}
			return f.get(p.typ)
		}})
	}
	return res
}

// relatedTo gives rows what they are on.
func (q *request) relatedTo(kind events.Kind, rows []permissionRow) error {
	if kind == events.Device {
		all, err := q.allDevices()
		for i := range rows {
			if n := slices.IndexFunc(all, func(d deviceRow) bool { return string(d.Device.Device) == rows[i].of }); n >= 0 {
				rows[i].device = &all[n]
			}
		}
		return err
	}
	all, err := q.allTypes()
	for i := range rows {
		if n := slices.IndexFunc(all, func(t typeRow) bool { return string(t.DeviceType.DeviceType) == rows[i].of }); n >= 0 {
			rows[i].typ = &all[n]
		}
	}
	return err
}
