package rest_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestOddParameters asks every address of GET with each of its parameters and with values that are none: each is answered, and none by
// a fault of the server.
func TestOddParameters(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu", Aliases: []string{"kvm"}}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1", Dictionary: dictionaryText, Tags: []events.TagName{"usb"}}, nil)
	l.verb("groups.add", api.GroupRequest{Group: "kernel"}, nil)
	id := l.finished("job_name: x\n", func(e *events.JobSubmitted) { e.Metadata = map[string]string{"a": "b"} })
	l.Append(t, events.ResultsRecorded{Job: id, Lines: 1, Cases: []events.Case{{Suite: "lava", Name: "validate", Result: events.Pass, At: noon}}})
	l.folded()
	var doc struct {
		Paths map[string]struct {
			Get *struct {
				Parameters []struct{ Name, In string }
			}
		}
	}
	if err := json.Unmarshal([]byte(l.wants("GET", "/api/v0.2/openapi.json", nil, 200).body), &doc); err != nil {
		t.Fatal(err)
	}
	suite := l.id("jobs/" + id.String() + "/suites/")
	asked := 0
	for path, of := range doc.Paths {
		if of.Get == nil || strings.Contains(path, "/at/") { // whose request is a verb's own
			continue
		}
		for _, p := range of.Get.Parameters {
			if p.In != "query" || p.Name == "wait" {
				continue
			}
			values := []string{"x,,", "99999999999999999999", "\x00{\"a\":["}
			if path == "/api/v0.2/jobs/" {
				values = []string{"x,,", "-1", "0001-01-01T00:00:00Z"} // each of which may be a question to the tables
			}
			for _, v := range values {
				name := strings.NewReplacer("<key>", "a", "…", "name").Replace(p.Name)
				at := strings.NewReplacer("{id}", id.String(), "{suite}", suite, "{test}", suite, "{name}", nameAt(path)).Replace(path) + "?" + url.Values{name: {v}}.Encode()
				var a answered
				l.until(at+" is answered", func() bool { a = l.ask("GET", at, nil); return a.status != 503 })
				if a.status >= 500 || a.status == 404 && !strings.Contains(path, "logs") && !strings.Contains(path, "files") && !strings.Contains(path, "{id}") {
					t.Errorf("GET %s: %d %s", at, a.status, a.body)
				}
				asked++
			}
		}
	}
	if asked < 500 {
		t.Errorf("%d questions were asked, want those for every parameter of the document", asked)
	}
}

const dictionaryText = "available_architectures: [{{ arch|default('none') }}]\nactions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}\n"

// nameAt is a thing that there is at an address.
func nameAt(path string) string {
	for part, name := range map[string]string{"devices/": "q1", "devicetypes/": "qemu", "device-types/": "qemu", "workers/": "w1", "aliases/": "kvm"} {
		if strings.Contains(path, part) {
			return name
		}
	}
	return "lava"
}
