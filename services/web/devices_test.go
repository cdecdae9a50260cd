package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// boards is a lab with two boards of one type, one of them on a worker that is away.
func boards() lab {
	return lab{
		"devices.list": []map[string]any{{"device": "b1", "device_type": "board", "worker": "w1", "state": "Idle", "health": "Good", "tags": []string{"kvm"}},
			{"device": "b2", "device_type": "board", "worker": "w2", "state": "Running", "health": "Bad", "health_reason": "smoke", "job": 7, "job_display": "7"}},
		"devices.show": map[string]any{"device": "b2", "device_type": "board", "worker": "w2", "state": "Running", "health": "Bad", "health_reason": "smoke", "job": 7,
			"job_display": "7", "version": 3, "dictionary": "{% extends 'board.jinja2' %}\na: 1\n"},
		"devices.render":    map[string]any{"config": "a: 1\n", "invalid": "actions is missing"},
		"workers.list":      []map[string]any{{"worker": "w1", "state": "Online", "health": "Active"}, {"worker": "w2", "state": "Offline", "state_reason": "no sign for 15s", "health": "Active"}},
		"device-types.show": map[string]any{"device_type": "board"},
		"device-types.list": []map[string]any{{"device_type": "board", "waiting": 2}, {"device_type": "other"}},
		"jobs.find":         map[string]any{"jobs": []any{}, "count": 0},
		"rights":            map[string][]string{"device/b2": {"view", "change"}, "device/": {}},
		"queue.list":        map[string]any{"total": 1, "jobs": []map[string]any{{"job": 9, "display": "9", "name": "later", "device_type": "board", "priority": 50}}},
		"jobs.why":          map[string]any{"summary": "of 2 devices that fit: 1 busy, 1 away", "estimate": map[string]any{"known": true, "likely": noon.Add(3600e9)}},
		"reservations.list": []any{},
	}
}

// TestDevicePages draws what is told of devices, and says what is wrong with them.
func TestDevicePages(t *testing.T) {
	t.Parallel()
	s := boards().site(t)
	for path, says := range map[string][]string{
		"/scheduler/alldevices":                    {"b1", "b2", "kvm", "away", "smoke"},
		"/scheduler/alldevices/online":             {"b1", "->b2<"},
		"/scheduler/alldevices?health=bad":         {"b2", "->b1<"},
		"/scheduler/labhealth/":                    {"smoke"},
		"/scheduler/device/b2":                     {"Its worker w2 is offline: no sign for 15s.", "Its configuration is not valid: actions is missing", "has no health check", "Set health", "smoke"},
		"/scheduler/device/b2/devicedict":          {"extends &#39;board.jinja2&#39;", `Extends <a href="/scheduler/device_type/board">`, "actions is missing"},
		"/scheduler/device/b2/devicedict?rendered": {"a: 1"},
		"/scheduler/device/b2/edit":                {"Look at it first"},
		"/scheduler/device_types":                  {"board", "->other<", "1 free, 1 busy"},
		"/scheduler/device_types?empty":            {"board", "other"},
		"/scheduler/queue":                         {"later", "of 2 devices that fit: 1 busy, 1 away", "in 1 h"},
		"/scheduler/":                              {"1 / 2", "devices online"},
		"/scheduler/reservations":                  {"No device is set aside"},
	} {
		w := get(s, path)
		if w.Code != 200 {
			t.Errorf("%s: status %d: %.300s", path, w.Code, w.Body)
			continue
		}
		text := w.Body.String()
		checkPage(t, text)
		for _, want := range says {
			if unwanted, no := strings.CutPrefix(want, "-"); no == strings.Contains(text, strings.TrimPrefix(unwanted, "-")) {
				t.Errorf("%s: whether it says %q is wrong", path, want)
			}
		}
	}
}

// TestDeviceForms sends forms with what nobody would type into them.
func TestDeviceForms(t *testing.T) {
	t.Parallel()
	l := boards()
	var asked []string
	note := func(verb string) func(json.RawMessage) (any, error) {
		return func(in json.RawMessage) (any, error) {
			asked = append(asked, verb+" "+string(in))
			return nil, nil
		}
	}
	for _, verb := range []string{"devices.describe", "devices.tag", "devices.untag", "devices.move", "devices.health", "reservations.add"} {
		l[verb] = note(verb)
	}
	l["devices.preview"] = error(&Refusal{Code: "invalid", Field: "dictionary", Message: "b2.jinja2:2: want a value"})
	s := l.site(t)
	for _, tt := range []struct {
		path   string
		form   url.Values
		status int
		says   string // the page
		asks   string // the lab; "" nothing
	}{
		{"/scheduler/device/b2/hands", url.Values{"use": {"explode"}}, 400, "allowed are power on, power off, reset and check", ""},
		{"/scheduler/device/b2/edit", url.Values{"dictionary": {"{% if %}"}, "do": {"save"}, "base": {"3"}}, 400, "b2.jinja2:2", ""},
		{"/scheduler/device/b2/describe", url.Values{"tags": {"kvm,  fast"}, "description": {""}}, 303, "", `devices.tag {"device":"b2","tag":"kvm"};devices.tag {"device":"b2","tag":"fast"}`},
		{"/scheduler/device/b2/describe", url.Values{"worker": {""}}, 303, "", `devices.move {"device":"b2","worker":""}`},
		{"/scheduler/device/b2/health", url.Values{"health": {"Good"}, "reason": {" mended "}}, 303, "", `devices.health {"device":"b2","health":"Good","reason":"mended"}`},
		{"/scheduler/reservations", url.Values{"devices": {"b2"}, "until": {"tomorrow"}}, 400, "until: it is tomorrow; write 2026-05-01T09:30", ""},
		{"/scheduler/reservations", url.Values{"devices": {"b2"}, "count": {"some"}, "until": {"2026-12-01T08:00"}}, 400, "count: it is some", ""},
		{"/scheduler/reservations/x/end", nil, 404, "there is no reservation x", ""},
		{"/scheduler/worker/w1/health", url.Values{"health": {"Active"}}, 404, "no answer to workers.health", ""},
	} {
		asked = nil
		w := post(s, tt.path, tt.form)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Join(asked, ";") != tt.asks {
			t.Errorf("POST %s %v: status %d, asked %q; want %d with %q, asked %q", tt.path, tt.form, w.Code, strings.Join(asked, ";"), tt.status, tt.says, tt.asks)
		}
	}
}
