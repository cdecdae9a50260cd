package main

import (
	"testing"

	"strata/services/api"
	"strata/services/web/browser"
)

// deviceVisits are the lists of devices and what stands below a device.
func deviceVisits() []visit {
	return []visit{
		{route: "GET /scheduler/alldevices", at: "/scheduler/alldevices?sort=-hostname", task: "find a device", shows: []string{"qemu-01", "panda-1", "lab-east"}},
		{route: "GET /scheduler/alldevices", at: "/scheduler/alldevices?search=panda", task: "find a device by its name", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.See("panda-1")
			if n := p.Count("#devices tbody tr"); n != 1 {
				t.Errorf("%d devices are called panda, want 1", n)
			}
			p.Fill(browser.Label("Search"), "beagle")
			p.Press("Enter")
			p.Await("location.search.includes('beagle') && document.readyState === 'complete'")
			p.See("beagle-1")
			// The keyboard alone: the next row, and open it. A key before the page's script is there is lost.
			p.Do("h1", "click", nil)
			p.Press("j")
			p.Await("document.activeElement.matches('#devices tbody a')")
			p.Press("Enter")
			p.See("Say how it is")
			if p.At() != "/scheduler/device/beagle-1" {
				t.Errorf("j and Enter lead to %s", p.At())
			}
		}},
		{route: "GET /scheduler/alldevices/active", at: "/scheduler/alldevices/active", task: "see what is in use", shows: []string{"qemu-01"}},
		{route: "GET /scheduler/alldevices/online", at: "/scheduler/alldevices/online", task: "see what takes jobs", shows: []string{"qemu-01", "lab-east"}},
		{route: "GET /scheduler/alldevices/passinghealthchecks", at: "/scheduler/alldevices/passinghealthchecks", task: "see how checks go", shows: []string{"qemu-01", "smoke came out"}},
		{route: "GET /scheduler/alldevices/maintenance", at: "/scheduler/alldevices/maintenance", task: "see what is being mended",
			given: func(t *testing.T, l *pageLab) { l.world.must(t, "devices", "health", "qemu-02", "Maintenance") }, shows: []string{"qemu-02"}},
		{route: "GET /scheduler/mydevices", at: "/scheduler/mydevices", task: "see what I look after", shows: []string{"qemu-01"}},
		{route: "GET /scheduler/mydevices", at: "/scheduler/mydevices", as: "nobody", task: "be told to sign in", fails: 404, shows: []string{"sign in"}},
		{route: "GET /scheduler/mydevicetypehealthhistory", at: "/scheduler/mydevicetypehealthhistory", task: "see what became of them", shows: []string{"qemu-02", "smoke came out"}},
		{route: "GET /scheduler/labhealth", at: "/scheduler/labhealth/", task: "see what is unwell", shows: []string{"qemu-02", "Maintenance"},
			live: func(t *testing.T, l *pageLab) {
				l.world.must(t, "devices", "health", "qemu-02", "Bad", "--reason", "it is worse")
			}, news: "it is worse"},
		{route: "GET /scheduler/labhealth/device/{name}", at: "/scheduler/labhealth/device/qemu-01", task: "see its checks", shows: []string{"No health check has run"}},
		{route: "GET /scheduler/device/{name}", at: "/scheduler/device/qemu-01", task: "see how it is", shows: []string{"Good", "smoke on qemu", "added to the lab", "lab-east"},
			live: func(t *testing.T, l *pageLab) {
				l.world.must(t, "devices", "health", "qemu-01", "Looping", "--reason", "to be watched")
			}, news: "to be watched"},
		{route: "GET /scheduler/device/{name}", at: "/scheduler/device/none", task: "be told that there is none", fails: 404, shows: []string{"there is no device none"}},
		{route: "POST /scheduler/device/{name}/health", at: "/scheduler/device/qemu-01", task: "say how a device is", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Choose("#health-to", "Maintenance")
			p.Fill("#reason", "new power supply")
			p.Click(browser.Button("Set health"))
		}, shows: []string{"qemu-01 is Maintenance now", "new power supply"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "device/qemu-01", "device.health-set", "new power supply", `"Maintenance"`)
		}},
		{route: "POST /scheduler/device/{name}/health", at: "/scheduler/device/qemu-01", as: "alice", task: "have no form for what one may not do", do: func(t *testing.T, _ *pageLab, p *browser.Page) {
			p.See("qemu-01")
			if n := p.Count("form[action$='/health']"); n != 0 {
				t.Errorf("alice may not change the device and is shown %d forms", n)
			}
		}},
		{route: "GET /scheduler/device/{name}/devicedict", at: "/scheduler/device/qemu-01/devicedict", task: "read it as written", shows: []string{"available_architectures"}},
		{route: "GET /scheduler/device/{name}/devicedict", at: "/scheduler/device/qemu-01/devicedict?rendered", task: "read it as rendered", shows: []string{"available_architectures"}},
		{route: "GET /scheduler/device/{name}/devicedict/plain", at: "/scheduler/device/qemu-01/devicedict/plain", task: "keep it", file: "available_architectures"},
		{route: "GET /scheduler/device/{name}/edit", at: "/scheduler/device/qemu-01/edit", task: "open the editor", shows: []string{"Why it changes", "Look at it first"}},
		{route: "GET /scheduler/device/{name}/edit", at: "/scheduler/device/qemu-01/edit", as: "alice", task: "be told no", fails: 403, shows: []string{"alice may not change device qemu-01"}},
		{route: "POST /scheduler/device/{name}/edit", at: "/scheduler/device/qemu-01/edit", task: "look at a change, mend it, save it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#dictionary", "{% extends 'none.jinja2' %}\n{% set x")
			p.Click(browser.Button("Look at it first"))
			p.See("qemu-01.jinja2:2")
			p.Complaints() // the browser says that the answer was a 400
			p.Fill("#dictionary", "available_architectures: [arm64]\nactions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}\n")
			p.Fill("#comment", "it is another board")
			p.Click(browser.Button("Look at it first"))
			p.See("What workers would get", "+ available_architectures: [arm64]")
			p.Click(browser.Button("Save dictionary"))
		}, shows: []string{"The dictionary of qemu-01 is changed.", "available_architectures: [arm64]"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "device/qemu-01", "device.configured", "it is another board", "arm64")
		}},
		{route: "GET /scheduler/device/{name}/devicedict/history", at: "/scheduler/device/qemu-01/devicedict/history", task: "see who changed what", shows: []string{"it is another board", "From version 1 to 2", "− available_architectures"}},
		{route: "POST /scheduler/device/{name}/describe", at: "/scheduler/device/qemu-01/edit", task: "tag and describe a device", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#tags", "kvm, fast")
			p.Fill("#description", "second shelf")
			p.Click("form[action$='/describe'] button")
		}, shows: []string{"kvm", "fast", "second shelf"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "device/qemu-01", "device.tagged", "fast")
			l.recorded(t, "device/qemu-01", "device.described", "second shelf")
		}},
		{route: "GET /scheduler/device/{name}/hands", at: "/scheduler/device/q0/hands", task: "take it in hand", shows: []string{"Power on", "no job is given to it"}},
		{route: "POST /scheduler/device/{name}/hands", at: "/scheduler/device/q0/hands", task: "check a board", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click(browser.Button("Check the board"))
			p.See("version 1 of the dictionary renders")
			p.Complaints() // the board has no console, so the check does not pass
		}, then: func(t *testing.T, l *pageLab) { l.recorded(t, "device/q0", "device.held", "check") }},
	}
}

// typeVisits are the device types.
func typeVisits() []visit {
	return []visit{
		{route: "GET /scheduler/device_types", at: "/scheduler/device_types", task: "see whether one is free", shows: []string{"beagle", "panda", "qemu"}},
		{route: "GET /scheduler/device_type/{name}", at: "/scheduler/device_type/qemu", task: "see its devices", shows: []string{"qemu-01", "smoke on qemu", "Health jobs"}},
		{route: "GET /scheduler/device_type/{name}/edit", at: "/scheduler/device_type/qemu/edit", task: "open the editor", shows: []string{"Template", "Health check"}},
		{route: "POST /scheduler/device_type/{name}/edit", at: "/scheduler/device_type/qemu/edit", task: "change a template", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#template", "{% if %}")
			p.Click(browser.Button("Save"))
			p.See("qemu.jinja2:1")
			p.Complaints() // the browser says that the answer was a 400
			p.Fill("#template", "port: {{ port | default(7) }}\n")
			p.Fill("#description", "virtual PCs")
			p.Click(browser.Button("Look at it first"))
			p.See("+ port: {{ port | default(7) }}")
			p.Click(browser.Button("Save"))
		}, shows: []string{"Device type qemu is changed.", "virtual PCs"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "devicetype/qemu", "device-type.configured", "virtual PCs", "default(7)")
		}},
		{route: "GET /scheduler/device_type/{name}/template", at: "/scheduler/device_type/qemu/template", task: "read its template", shows: []string{"port: {{ port"}},
		{route: "GET /scheduler/device_type/{name}/history", at: "/scheduler/device_type/qemu/history", task: "see who changed it", shows: []string{"virtual PCs"}},
		{route: "GET /scheduler/devicetypeyaml/{name}", at: "/scheduler/devicetypeyaml/qemu", task: "keep its template", file: "default(7)"},
		{route: "GET /scheduler/dthealthhistory/device_type/{name}", at: "/scheduler/dthealthhistory/device_type/qemu", task: "see what became of its devices", shows: []string{"qemu-01", "new power supply", "smoke came out"}},
	}
}

// workerVisits are the workers.
func workerVisits() []visit {
	return []visit{
		{route: "GET /scheduler/allworkers", at: "/scheduler/allworkers", task: "see which workers are there", shows: []string{"lab-east", "lab-west", "came online"},
			live: func(t *testing.T, l *pageLab) {
				l.world.must(t, "workers", "health", "w1", "Maintenance", "--reason", "being moved")
			}, news: "being moved"},
		{route: "GET /scheduler/worker/{name}", at: "/scheduler/worker/lab-east", task: "see how it is", shows: []string{"Online", "qemu-01", "came online"}},
		{route: "POST /scheduler/worker/{name}/health", at: "/scheduler/worker/w1", task: "take a worker back into use", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Choose("#health-to", "Active")
			p.Fill("#reason", "it is there")
			p.Click(browser.Button("Set health"))
		}, shows: []string{"Worker w1 is active now."}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "worker/w1", "worker.health-set", "it is there", `"Active"`)
		}},
		{route: "POST /scheduler/worker/{name}/health", at: "/scheduler/worker/lab-south", task: "be asked before a worker is retired, and leave it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Await("document.documentElement.classList.contains('scripted')")
			p.Eval("(window.confirm = (question) => { window.asked = question; return false; }) && 1", nil)
			p.Choose("#health-to", "Retired")
			p.Click(browser.Button("Set health"))
			p.Await("window.asked === 'Retire lab-south? Its devices retire with it, and what runs on them is canceled.'")
		}, shows: []string{"lab-south"}, then: func(t *testing.T, l *pageLab) {
			var w api.Worker
			if l.world.ask(t, &w, "workers", "show", "lab-south"); w.Health != "Active" {
				t.Errorf("a worker that was left as it is is %s", w.Health)
			}
		}},
		{route: "GET /scheduler/worker/{name}/edit", at: "/scheduler/worker/w1/edit", task: "open its settings", shows: []string{"dispatcher.yaml"}},
		{route: "POST /scheduler/worker/{name}/edit", at: "/scheduler/worker/w1/edit", task: "limit its jobs", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#job_limit", "3")
			p.Fill("#env", "purge: true\n")
			p.Click(browser.Button("Save"))
		}, shows: []string{"The settings of w1 are changed.", "3 at once"}, then: func(t *testing.T, l *pageLab) {
			l.recorded(t, "worker/w1", "worker.configured", `"job_limit":3`, "purge: true")
		}},
		{route: "GET /scheduler/worker/{name}/history", at: "/scheduler/worker/w1/history", task: "see who changed them", shows: []string{"local"}},
	}
}
