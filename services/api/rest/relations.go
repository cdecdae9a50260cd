package rest

import (
	"strings"

	"strata/projections"
	"strata/services/api"
)

// relation lets jobs be filtered by what is known of something that they name: the filters of that resource
// stand behind its prefix. Which of its rows meet one is found first, and jobs that name these are then asked
// for.
// Jobs are asked by names alone, so a filter by what a device type is like becomes "one of these names". A
// device that was removed since is in no list, and so its jobs are in no answer of such a filter.
type relation struct {
	prefix string
	doc    string
	field  string // of [projections.JobTerm]
	names  func(q *request, key, value string) (names []string, known bool, err error)
}

// relations lists them. Filters by the name itself are the job's own: they find jobs of what is gone, too.
func relations() []relation {
	return []relation{
		{"requested_device_type__", "any filter of devicetypes/", "device_type", func(q *request, key, value string) ([]string, bool, error) {
			rows, err := q.allTypes()
			return matching(deviceTypes(), rows, func(t *typeRow) string { return string(t.DeviceType.DeviceType) }, key, value, err)
		}},
		{"actual_device__", "any filter of devices/", "device", func(q *request, key, value string) ([]string, bool, error) {
			rows, err := q.allDevices()
			return matching(devices(), rows, func(d *deviceRow) string { return string(d.Device.Device) }, key, value, err)
		}},
		{"tags__", "any filter of tags/", "tags", (*request).tagsMatching},
		{"failure_tags__", "any filter of tags/", "failure_tags", (*request).tagsMatching},
		// submitter__username is a filter of jobs themselves and stands in [jobFilters].
		{"submitter__", "email or group__name, for who may look at accounts", "submitter", (*request).usersMatching},
	}
}

// tagsMatching returns the names of tags that meet a filter. Other than the list of tags it is for callers without a
// name, too: they see the tags of each job that they see.
func (q *request) tagsMatching(key, value string) ([]string, bool, error) {
	rows, err := asked[[]api.TagRequest](q, "tags.list", nothing{})
	return matching(tags(), rows, func(t *tagRow) string { return string(t.Tag) }, key, value, err)
}

// usersMatching returns the names of users that meet a filter. Only who may list accounts learns in this way what
// they hold; LAVA answers everybody.
func (q *request) usersMatching(key, value string) ([]string, bool, error) {
	res := resource[api.User]{filters: []filter[api.User]{
		{"email", text, textLookups, func(u *api.User) []string { return some(u.Email) }},
		{"group__name", text, textLookups, func(u *api.User) []string {
			var names []string
			for _, g := range u.Groups {
				names = append(names, string(g))
			}
			return names
		}},
	}}
	// Before the accounts are asked for: a parameter that is no filter is ignored, whoever sends it.
	if c, err := res.find(key, value); err != nil || c == nil {
		return nil, false, err
	}
	rows, err := asked[[]api.User](q, "users.list", api.UserRequest{All: true})
	return matching(res, rows, func(u *api.User) string { return string(u.User) }, key, value, err)
}

// matching returns the names of the rows that meet a filter.
// It takes the error of reading the rows, so that callers are one line.
func matching[R any](res resource[R], rows []R, name func(*R) string, key, value string, err error) ([]string, bool, error) {
	if err != nil {
		return nil, false, err
	}
	c, err := res.find(key, value)
	if err != nil || c == nil {
		return nil, false, err
	}
	var names []string
	for i := range rows {
		if c.holds(&rows[i]) {
			names = append(names, name(&rows[i]))
		}
	}
	return names, true, nil
}

// relatedTerms makes a condition of a filter of something that jobs name; none of what is no filter.
func (q *request) relatedTerms(key, value string) ([]projections.JobTerm, error) {
	for _, r := range relations() {
		inner, ok := strings.CutPrefix(key, r.prefix)
		if !ok {
			continue
		}
		names, known, err := r.names(q, inner, value)
		if err != nil || !known {
			return nil, err
		}
		// No name at all is a condition that no job meets; it must not be left out.
		return []projections.JobTerm{{Field: r.field, Op: projections.TermIn, Values: names}}, nil
	}
	return nil, nil
}
