package main

import (
	"testing"

	"strata/services/web/browser"
)

// adminVisits are what those who run the lab see to.
func adminVisits() []visit {
	const lab, auth = "/admin/lava_scheduler_app/", "/admin/auth/"
	told := func(entity, fact string, texts ...string) func(*testing.T, *pageLab) {
		return func(t *testing.T, l *pageLab) { l.recorded(t, entity, fact, texts...) }
	}
	note := func(p *browser.Page) { p.Await("document.querySelector('p.note')") }
	return []visit{
		{route: "GET /admin", at: "/admin/", task: "find what is to be seen to", shows: []string{"People", "Machines", "Known issues"}},
		{route: "GET /admin", at: "/admin/", as: "alice", task: "be refused", shows: []string{"those who run the lab"}, fails: 403},
		{route: "GET " + auth + "user", at: auth + "user/", task: "find an account", shows: []string{"alice"}},
		{route: "POST " + auth + "user", at: auth + "user/", task: "make an account", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main input[name=user]", "erin")
			p.Click(browser.Button("Add"))
			note(p)
		}, shows: []string{"erin"}, then: told("user/erin", "user.added")},
		{route: "GET " + auth + "user/{name}/change", at: auth + "user/erin/change/", task: "see an account", shows: []string{"What was changed", "user.added"}},
		{route: "POST " + auth + "user/{name}/change", at: auth + "user/erin/change/", task: "let somebody add devices", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#permissions", "lava_scheduler_app.add_device")
			p.Click(browser.Button("Save"))
			note(p)
		}, shows: []string{"Saved."}, then: told("user/erin", "user.configured", "add_device")},
		{route: "GET " + auth + "group", at: auth + "group/", task: "see the groups", shows: []string{"Groups"}},
		{route: "POST " + auth + "group", at: auth + "group/", task: "make a group", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main input[name=group]", "kernel")
			p.Click(browser.Button("Add"))
			note(p)
		}, shows: []string{"kernel"}, then: told("group/kernel", "group.added")},
		{route: "GET " + auth + "group/{name}/change", at: auth + "group/kernel/change/", task: "see who is in a group", shows: []string{"Nobody."}},
		{route: "POST " + auth + "group/{name}/change", at: auth + "group/kernel/change/", task: "put somebody into a group", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#user", "erin")
			p.Click(browser.Button("Put in"))
			note(p)
		}, shows: []string{"erin"}, then: told("group/kernel", "group.joined", "erin")},
		{route: "GET " + auth + "permission", at: auth + "permission/", task: "see who may do what", shows: []string{"Permissions"}},
		{route: "POST " + auth + "permission", at: auth + "permission/", task: "give a device to a group", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main form.filters input[name=permission]", "change_device")
			p.Choose("main form.filters select[name=kind]", "device")
			p.Fill("main form.filters input[name=name]", "qemu-02")
			p.Fill("main form.filters input[name=group]", "kernel")
			p.Click(browser.Button("Grant"))
			note(p)
		}, shows: []string{"change_device"}, then: told("device/qemu-02", "permissions.set", "kernel")},
		{route: "GET " + lab + "tag", at: lab + "tag/", task: "see the tags", shows: []string{"Tags"}},
		{route: "POST " + lab + "tag", at: lab + "tag/", task: "add a tag", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main form.filters input[name=tag]", "hdmi")
			p.Click(browser.Button("Save"))
			note(p)
		}, shows: []string{"hdmi"}, then: told("tag/hdmi", "tag.added")},
		{route: "GET " + lab + "devicetype/add", at: lab + "devicetype/add/", task: "open the form of a type", shows: []string{"Template"}},
		{route: "POST " + lab + "devicetype/add", at: lab + "devicetype/add/", task: "add a device type", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#name", "rack-pc")
			p.Click(browser.Button("Add"))
			note(p)
		}, shows: []string{"rack-pc"}, then: told("devicetype/rack-pc", "device-type.added")},
		{route: "GET " + lab + "worker/add", at: lab + "worker/add/", task: "open the form of a worker", shows: []string{"Jobs at a time"}},
		{route: "POST " + lab + "worker/add", at: lab + "worker/add/", task: "register a worker", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#name", "lab-north")
			p.Click(browser.Button("Add"))
		}, shows: []string{"It is shown this once"}, then: told("worker/lab-north", "worker.registered")},
		{route: "GET " + lab + "device/add", at: lab + "device/add/", task: "open the form of a device", shows: []string{"Device dictionary"}},
		{route: "POST " + lab + "device/add", at: lab + "device/add/", task: "add a device, and be told what is wrong first", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#name", "qemu-99")
			p.Fill("#device_type", "qemu")
			p.Fill("#worker", "lab-north")
			p.Fill("#text", "{% extends 'qemu.jinja2' %}\n{% set broken")
			p.Click(browser.Button("Add"))
			p.Do("[role=alert]", "waitFor", nil)
			p.Complaints() // the browser says that the answer was no 200
			p.Fill("#text", "actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}\n")
			p.Click(browser.Button("Add"))
			p.Await("location.pathname === '/scheduler/device/qemu-99'")
		}, shows: []string{"qemu-99"}, then: told("device/qemu-99", "device.added")},
		{route: "GET " + lab + "device", at: lab + "device/", task: "choose devices", shows: []string{"qemu-99"}},
		{route: "POST " + lab + "device", at: lab + "device/?search=qemu-99", task: "put what was chosen into maintenance", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("role=checkbox[name=\"qemu-99\"]")
			p.Choose("#action", "Maintenance")
			p.Fill("#reason", "not cabled yet")
			p.Click(browser.Button("Do it with all chosen"))
			note(p)
		}, then: told("device/qemu-99", "device.health-set", "not cabled yet")},
		{route: "GET " + lab + "worker", at: lab + "worker/", task: "choose workers", shows: []string{"lab-north"}},
		{route: "POST " + lab + "worker", at: lab + "worker/?search=lab-north", task: "retire what was chosen", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("role=checkbox[name=\"lab-north\"]")
			p.Choose("#action", "Maintenance")
			p.Fill("#reason", "no power yet")
			p.Click(browser.Button("Do it with all chosen"))
			note(p)
		}, then: told("worker/lab-north", "worker.health-set", "no power yet")},
		{route: "GET " + lab + "testjob", at: lab + "testjob/", task: "choose jobs", shows: []string{"Jobs"}},
		{route: "POST " + lab + "testjob", at: lab + "testjob/", task: "be told that nothing was chosen", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			if p.Count("#action") == 0 {
				return // no job runs any more
			}
			p.Click(browser.Button("Do it with all chosen"))
			p.Do("[role=alert]", "waitFor", nil)
			p.Complaints()
		}},
		{route: "GET /admin/issues", at: "/admin/issues/", task: "see which failures are known", shows: []string{"Known issues"}},
		{route: "POST /admin/issues", at: "/admin/issues/", task: "make one known", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#title", "flaky clock")
			p.Fill("#log", "clock went back")
			p.Click(browser.Button("Make it known"))
			note(p)
		}, shows: []string{"flaky clock"}, then: told("issues", "known-issue.added", "flaky clock")},
		{route: "GET /admin/policy", at: "/admin/policy/", task: "read the policy", shows: []string{"Policy"}},
	}
}
