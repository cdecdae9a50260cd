package rest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// Lists take the filters, orders and pages of LAVA, and say what is wrong with one.
func TestJobFilters(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu", Description: "virtual", Aliases: []string{"kvm"}}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "qemu-01", DeviceType: "qemu", Tags: []events.TagName{"usb"}}, nil)
	for n := range 4 {
		change := func(e *events.JobSubmitted) {
			e.Name, e.Priority = fmt.Sprintf("boot %d", n+1), 10*n
			e.Metadata = map[string]string{"branch": []string{"next", "main"}[n%2], "git": fmt.Sprintf(`{"rev":"v%d"}`, n+1)}
			if n == 3 {
				e.DeviceType, e.Tags = "kvm", []events.TagName{"usb"}
			}
		}
		if n < 2 {
			l.finished("a: 1", change)
		} else {
			l.publish("a: 1", change)
		}
	}
	l.folded()
	for query, want := range jobQueries() {
		q, _ := url.ParseQuery(query)
		if got, _ := l.list("/api/v0.2/jobs/?"+q.Encode(), "id"); strings.Join(got, " ") != want {
			t.Errorf("jobs/?%s: got %v, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"state=finished":           "Submitted, Scheduling",
		"health=Good":              "Complete",
		"id=x":                     "Enter a number.",
		"end_time__gt=noon":        "valid date/time",
		"metadata__contains=1":     "JSON object",
		"metadata__contains=null":  "JSON object",
		"metadata__=x":             "Name a key",
		"metadata__a____b=x":       "Name a key",
		"id__in=1,,2":              "Enter a number.",
		"priority__gte=high":       "Enter a number.",
		"metadata__isnull=true":    "Name a key",
		"metadata__a__isnull=yes":  "true or false",
		"metadata__a__regex=(":     "regular expression",
		"definition__contains=abc": "not indexed",
		"requested_device_type__health_denominator=days": "hours, jobs",
	} {
		q, _ := url.ParseQuery(query)
		l.wants("GET", "/api/v0.2/jobs/?"+q.Encode(), nil, 400, want)
	}
	_, page := l.list("/api/v0.2/jobs/?limit=2&offset=1&state=&color=b+c", "id")
	if page.Next == nil || *page.Next != l.url+"/api/v0.2/jobs/?color=b+c&limit=2&offset=3&state=" || page.Previous == nil || *page.Previous != l.url+"/api/v0.2/jobs/?color=b+c&limit=2&state=" {
		t.Errorf("next %v, previous %v", page.Next, page.Previous)
	}
}

// Devices, types, workers, tags and aliases are added, changed and removed.
func TestLab(t *testing.T) {
	t.Parallel()
	l := start(t)
	base := "/api/v0.2/"
	l.wants("POST", base+"devicetypes/", map[string]any{"name": "board", "description": "a board", "health_frequency": 6}, 201, `"health_frequency":6`)
	l.wants("POST", base+"devicetypes/", map[string]any{"name": "board"}, 400, "already exists")
	l.wants("PATCH", base+"devicetypes/board/", map[string]any{"display": false}, 200, `"description":"a board"`, `"display":false`)
	l.wants("PATCH", base+"devicetypes/board/", map[string]any{"display": true, "health_frequency": -1}, 400, "greater than or equal to 0")
	l.wants("PATCH", base+"devicetypes/board/", map[string]any{"display": "true"}, 200, `"display":true`)
	l.wants("POST", base+"workers/", map[string]any{"hostname": "w.example.com", "job_limit": 2}, 201, `"job_limit":2`)
	l.wants("POST", base+"workers/w.example.com/env/", map[string]any{"env": "overrides: {A: b}\n"}, 200, "content successfully updated")
	l.wants("GET", base+"workers/w.example.com/env/", nil, 200, "overrides")
	l.wants("POST", base+"workers/w.example.com/set_health/", map[string]any{"health": "MAINTENANCE", "reason": "x"}, 202, `{"message":"OK"}`)
	l.wants("POST", base+"workers/w.example.com/set_health/", map[string]any{"health": "fine"}, 400, "Wrong worker health FINE")
	l.wants("POST", base+"tags/", map[string]any{"name": "usb", "description": "has USB"}, 201)
	tags, _ := l.list(base+"tags/", "id")
	l.wants("POST", base+"devices/", map[string]any{"hostname": "b1", "device_type": "board", "worker_host": "w.example.com", "tags": []string{tags[0]}}, 201, `"tags":[`+tags[0]+`]`)
	l.wants("POST", base+"devices/", map[string]any{"hostname": "b2"}, 400, `"device_type":["This field is required."]`)
	l.wants("PATCH", base+"devices/b1/", map[string]any{"description": "on the desk", "tags": []string{}, "health": "Good"}, 200, `"tags":[]`, `"health":"Good"`, "on the desk")
	l.wants("POST", base+"devices/b1/set_health/", map[string]any{"health": "retired", "reason": "old"}, 202)
	l.wants("POST", base+"devices/b1/set_health/", map[string]any{"health": "tired"}, 400, "Wrong device health TIRED")
	if names, _ := l.list(base+"devices/", "hostname"); len(names) != 0 {
		t.Errorf("retired devices are listed: %v", names)
	}
	for query, want := range map[string]string{"all=true": "b1", "all=true&health=RETIRED": "b1", "all=true&device_type__name=board": "b1",
		"all=true&worker_host__health=Maintenance": "b1", "all=true&hostname__in=a,b": "", "all=true&tags__name=usb": ""} {
		if names, _ := l.list(base+"devices/?"+query, "hostname"); strings.Join(names, " ") != want {
			t.Errorf("devices/?%s: got %v, want %s", query, names, want)
		}
	}
	l.wants("GET", base+"devices/?state=idle", nil, 400, "Idle, Reserved, Running")
	l.wants("POST", base+"aliases/", map[string]any{"name": "brett", "device_type": "board"}, 201)
	l.wants("GET", base+"aliases/?device_type=board", nil, 200, `"name":"brett"`)
	l.wants("DELETE", base+"aliases/brett/", nil, 204)
	l.wants("GET", base+"aliases/brett/", nil, 404)
	l.wants("DELETE", base+"devices/b1/", nil, 204)
	l.wants("DELETE", base+"devicetypes/board/", nil, 204)
	l.wants("DELETE", base+"tags/"+tags[0]+"/", nil, 204)
	l.wants("DELETE", base+"workers/w.example.com/", nil, 204)
	l.wants("GET", base+"workers/w.example.com/", nil, 404, "Not found.")
	l.wants("PUT", base+"jobs/", map[string]any{}, 405, `{"detail":"Method \"PUT\" not allowed."}`)
	l.wants("GET", base+"jobs/?format=xml", nil, 404)
	page := l.ask("GET", base, nil, "Accept", "text/html,application/xhtml+xml")
	if !strings.Contains(page.body, `<a href="`+l.url+`/api/v0.2/jobs/">`) || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("to a browser: %v %s", page.header, page.body)
	}
}

// jobQueries are filters, orders and pages of jobs with the numbers of those that are found, in their order.
func jobQueries() map[string]string {
	return map[string]string{
		"":                                                        "4 3 2 1",
		"ordering=id":                                             "1 2 3 4",
		"ordering=start_time,id":                                  "1 2 3 4",
		"ordering=-start_time,id":                                 "3 4 1 2", // what has no time is above all, as in LAVA's database
		"ordering=-end_time":                                      "4 3 2 1",
		"ordering=end_time,-id":                                   "2 1 4 3",
		"state=Submitted&state=Finished":                          "2 1", // the last one counts
		"state=&health__in=":                                      "4 3 2 1",
		"end_time__gt=9999-12-31":                                 "",
		"end_time__lt=9999-12-31T23:59:59Z":                       "2 1",
		"start_time__lt=0001-01-01":                               "",
		"start_time=1850-06-01T00:00:00Z":                         "",
		"submit_time__gt=1000-01-01T00:00:00Z":                    "4 3 2 1",
		"id__gt=-5":                                               "4 3 2 1",
		"id=-1":                                                   "",
		"id__in=-1,2":                                             "2",
		"id__lt=9223372036854775807":                              "4 3 2 1",
		"priority__lt=99999999999":                                "4 3 2 1",
		"priority__gt=-99999999999":                               "4 3 2 1",
		"priority__in=99999999999,10":                             "2",
		"description__contains=%25":                               "",
		"description__contains=_":                                 "",
		"description__contains='":                                 "",
		"description__startswith=\\":                              "",
		"description=boot\x001":                                   "",
		"description__in=boot 1,boot 4":                           "4 1",
		"failure_comment__isnull=true":                            "4 3 2 1",
		"failure_comment__contains=x":                             "",
		"tags__name__isnull=true":                                 "4 3 2 1", // no lookup of LAVA's there
		"viewing_groups__name=x":                                  "",
		"target_group__iexact=x":                                  "",
		"actual_device=qemu-01":                                   "2 1",
		"actual_device__device_type__name=qemu":                   "2 1",
		"requested_device_type__alias__name=kvm":                  "4 3 2 1",
		"requested_device_type__name__icontains=QEM":              "3 2 1",
		"failure_tags__name=x":                                    "",
		"metadata__branch=next&metadata__branch=main":             "",
		"metadata__branch__in=next,main&metadata__git__rev=v2":    "2",
		"metadata__branch__istartswith=NE":                        "3 1",
		"metadata__branch__iendswith=IN":                          "4 2",
		"metadata__branch__endswith=t":                            "3 1",
		"metadata__branch__iregex=^M.*N$":                         "4 2",
		"metadata__branch__isnull=False":                          "4 3 2 1",
		"metadata__git__rev__isnull=true":                         "",
		"metadata__git__author=x":                                 "",
		"metadata__branch__deep=x":                                "",
		`metadata__contains={}`:                                   "4 3 2 1",
		`metadata__contains={"branch":"next","other":null}`:       "",
		"offset=9223372036854775807":                              "",
		"ordering=color":                                          "4 3 2 1",
		"state=Finished":                                          "2 1",
		"state__in=Submitted,Running":                             "4 3",
		"health=Complete&state=Finished":                          "2 1",
		"health__in=Unknown":                                      "4 3",
		"id__lt=3":                                                "2 1",
		"id__in=1,4":                                              "4 1",
		"description=boot 2":                                      "2",
		"description__icontains=BOOT 3":                           "3",
		"description__endswith=1":                                 "1",
		"priority__gte=20":                                        "4 3",
		"end_time__isnull=True":                                   "4 3",
		"start_time__gt=2026-11-22 11:00:00":                      "2 1",
		"submit_time__lt=2026-11-22T11:59:00Z":                    "",
		"health_check=true":                                       "",
		"health_check=perhaps":                                    "4 3 2 1",
		"requested_device_type=qemu":                              "4 3 2 1",
		"requested_device_type__name=kvm":                         "4",
		"requested_device_type__description__contains=virt":       "4 3 2 1",
		"requested_device_type__display=false":                    "",
		"actual_device__hostname__startswith=qemu":                "2 1",
		"actual_device__tags__name=usb":                           "2 1",
		"tags__name=usb":                                          "4",
		"submitter__username=alice":                               "4 3 2 1",
		"submitter__username__in=bob,carol":                       "",
		"metadata__branch=next":                                   "3 1",
		"metadata__branch__iexact=MAIN":                           "4 2",
		"metadata__git__rev=v2":                                   "2",
		"metadata__git__rev__in=v1,v4":                            "4 1",
		"metadata__has_key=branch":                                "4 3 2 1",
		"metadata__has_keys=branch,build":                         "",
		"metadata__has_any_keys=branch,build":                     "4 3 2 1",
		`metadata__contains={"branch":"next","git":{"rev":"v3"}}`: "3",
		"metadata__branch__isnull=true":                           "",
		"color=red":                                               "4 3 2 1",
		"limit=2&offset=1":                                        "3 2",
		"limit=x":                                                 "4 3 2 1",
	}
}
