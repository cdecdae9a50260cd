package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// asks is a request and what it has to be answered; {name} in the path stands for a number that was looked up before.
type asks struct {
	who, method, path string
	body              any
	status            int
	want              string // in the body; "" is anything
}

// go through a table, in order, as whom each row says: "" is the machine's own user, "nobody" one without a name.
func (l *tested) each(rows []asks) {
	l.t.Helper()
	for _, r := range rows {
		var header []string
		switch r.who {
		case "":
		case "nobody":
			header = []string{"X-Forwarded-For", "192.0.2.1"}
		default:
			header = []string{"Authorization", r.who}
		}
		if form, ok := r.body.(url.Values); ok {
			r.body, header = form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")
		}
		path := r.path
		if !strings.HasPrefix(path, "/") {
			path = "/api/v0.2/" + path
		}
		var a answered
		// On a machine that is loaded the tables may be further behind than an answer waits for.
		l.until(path+" is answered", func() bool { a = l.ask(r.method, path, r.body, header...); return a.status != 503 })
		if a.status != r.status || !strings.Contains(a.body, r.want) {
			l.t.Errorf("%s %s %v as %.12q: got %d %s, want %d with %s", r.method, r.path, r.body, r.who, a.status, a.body, r.status, r.want)
		}
	}
}

// id is the number of the one row of a list.
func (l *tested) id(path string) string {
	l.t.Helper()
	ids, _ := l.list("/api/v0.2/"+path, "id")
	if len(ids) != 1 {
		l.t.Fatalf("%s: rows %v, want one", path, ids)
	}
	return ids[0]
}

const (
	notNamed   = `{"detail":"Authentication credentials were not provided."}`
	notAllowed = `{"detail":"You do not have permission to perform this action."}`
	notThere   = `{"detail":"Not found."}`
)

// Accounts, groups and permissions are superusers' rows; remote artifact tokens are everybody's own.
func TestRowsOfPeople(t *testing.T) {
	t.Parallel()
	l := start(t)
	type m = map[string]any
	l.verb("device-types.configure", api.DeviceType{DeviceType: "board"}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "b1", DeviceType: "board"}, nil)
	bob := "Token " + l.token("bob")
	rows := []asks{}
	for _, path := range []string{"users/", "groups/", "permissions/devices/", "permissions/devicetypes/"} {
		for _, method := range []string{"GET", "POST"} {
			rows = append(rows, asks{"nobody", method, path, nil, 403, notNamed}, asks{bob, method, path, nil, 403, notAllowed})
		}
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			rows = append(rows, asks{"nobody", method, path + "1/", nil, 403, notNamed}, asks{bob, method, path + "1/", nil, 403, notAllowed},
				asks{"", method, path + "1/", nil, 404, notThere})
		}
		rows = append(rows, asks{"", "DELETE", path, nil, 405, `{"detail":"Method \"DELETE\" not allowed."}`})
	}
	l.each(append(rows, []asks{
		{"", "POST", "groups/", m{}, 400, `{"name":["This field is required."]}`},
		{"", "POST", "groups/", m{"name": ""}, 400, `{"name":["This field may not be blank."]}`},
		{"", "POST", "groups/", m{"name": "kernel"}, 201, `"name":"kernel"}`},
		{"", "POST", "groups/", url.Values{"name": {"boards"}}, 201, `"name":"boards"}`},
		{"", "POST", "groups/", m{"name": "kernel"}, 400, `{"name":["group with this name already exists."]}`},
		{"", "GET", "groups/?name=kernel", nil, 200, `"count":1,`},
		{"", "GET", "groups/?name=ker", nil, 200, `"count":0,`},
		{"", "POST", "users/", m{"email": "x"}, 400, `"username":["This field is required."]`},
		{"", "POST", "users/", m{"username": "ann", "is_staff": "perhaps"}, 400, `{"is_staff":["Must be a valid boolean."]}`},
		{"", "POST", "users/", m{"username": "ann", "first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "groups": []string{"kernel"}, "password": "correct horse battery"}, 201,
			`"username":"ann","first_name":"Ann","last_name":"Lee","email":"ann@example.com","is_active":true,"is_staff":false,"is_superuser":false,"groups":["kernel"],"last_login":null,`},
		{"", "POST", "users/", m{"username": "ann"}, 400, `{"username":["A user with that username already exists."]}`},
		{"", "GET", "users/?username=ann", nil, 200, `"count":1,`},
		{"", "GET", "users/?email=ann@example.com&is_active=true&is_staff=false&is_superuser=false", nil, 200, `"count":1,`},
		{"", "GET", "users/?is_staff=true&username=ann", nil, 200, `"count":0,`},
		{"", "POST", "permissions/devices/", m{}, 400, `{"group":["This field is required."],"permission":["This field is required."],"device":["This field is required."]}`},
		{"", "POST", "permissions/devices/", m{"group": "kernel", "permission": "fly_device", "device": "b1"}, 400, `{"permission":[`},
		{"", "POST", "permissions/devices/", m{"group": "kernel", "permission": "view_device", "device": "b9"}, 400, `{"device":["Invalid pk \"b9\" - object does not exist."]}`},
		{"", "POST", "permissions/devices/", m{"group": "kernel", "permission": "view_device", "device": "b1"}, 201, `"group":"kernel","permission":"view_device","device":"b1"}`},
		{"", "POST", "permissions/devicetypes/", m{"group": "kernel", "permission": "submit_to_devicetype", "devicetype": "board"}, 201, `"group":"kernel","permission":"submit_to_devicetype","devicetype":"board"}`},
		{"", "GET", "permissions/devices/?group__name=kernel&permission__codename=view_device&device=b1", nil, 200, `"count":1,`},
		{"", "GET", "permissions/devices/?group__name__startswith=b", nil, 200, `"count":0,`},
	}...))
	ann, kernel, right := l.id("users/?username=ann"), l.id("groups/?name=kernel"), l.id("permissions/devices/")
	l.each([]asks{
		{"", "GET", "users/" + ann + "/", nil, 200, `"username":"ann"`},
		{"", "PATCH", "users/" + ann + "/", m{"is_staff": true, "groups": []string{"boards"}}, 200, `"is_staff":true,"is_superuser":false,"groups":["boards"]`},
		{"", "PATCH", "users/" + ann + "/", m{"is_active": nil}, 400, `{"is_active":["This field may not be null."]}`},
		{"", "PATCH", "users/" + ann + "/", m{"groups": nil}, 400, `{"groups":["This field may not be null."]}`},
		{"", "PUT", "users/" + ann + "/", m{"username": "ann", "is_staff": false, "groups": []string{}}, 200, `"is_staff":false,"is_superuser":false,"groups":[]`},
		{"", "GET", "groups/" + kernel + "/", nil, 200, `"name":"kernel"}`},
		{"", "PATCH", "groups/" + kernel + "/", m{"name": "kernel"}, 200, `"name":"kernel"}`},
		{"", "PATCH", "groups/" + kernel + "/", m{"name": "other"}, 400, `{"name":["A group keeps its name`},
		{"", "GET", "permissions/devices/" + right + "/", nil, 200, `"permission":"view_device"`},
		{"", "PATCH", "permissions/devices/" + right + "/", m{"group": "none"}, 400, `{"group":["Object with name=none does not exist."]}`},
		{"", "PATCH", "permissions/devices/" + right + "/", m{"device": "b9"}, 400, `{"device":["Invalid pk \"b9\" - object does not exist."]}`},
		{"", "PATCH", "permissions/devices/" + right + "/", m{"permission": "fly"}, 400, `{"permission":[`},
		{"", "PATCH", "permissions/devices/" + right + "/", m{"group": ""}, 400, `{"group":["This field may not be blank."]}`},
		{"", "PUT", "permissions/devices/" + right + "/", m{"group": "boards", "permission": "change_device", "device": "b1"}, 200, `"group":"boards","permission":"change_device"`},
		{"", "GET", "permissions/devices/" + right + "/", nil, 404, notThere},
	})
	l.each([]asks{
		{"", "DELETE", "permissions/devices/" + l.id("permissions/devices/?group__name=boards") + "/", nil, 204, ""},
		{"", "GET", "permissions/devices/", nil, 200, `{"count":0,"next":null,"previous":null,"results":[]}`},
		{"", "DELETE", "groups/" + kernel + "/", nil, 204, ""},
		{"", "DELETE", "users/" + ann + "/", nil, 204, ""},
		{"", "GET", "users/" + ann + "/", nil, 404, notThere},
	})
	l.each([]asks{
		{"nobody", "GET", "remote-artifact-tokens/", nil, 403, notNamed},
		{"nobody", "POST", "remote-artifact-tokens/", m{}, 403, notNamed},
		{bob, "POST", "remote-artifact-tokens/", m{}, 400, `{"name":["This field is required."],"token":["This field is required."]}`},
		{bob, "POST", "remote-artifact-tokens/", m{"name": "store", "token": "s3cret"}, 201, `{"name":"store","token":"s3cret"}`},
		{bob, "POST", "remote-artifact-tokens/", m{"name": "store", "token": "other"}, 400, `{"name":["`},
		{bob, "GET", "remote-artifact-tokens/?name__contains=tor", nil, 200, `{"count":1,"next":null,"previous":null,"results":[{"name":"store","token":"s3cret"}]}`},
		{bob, "GET", "remote-artifact-tokens/store/", nil, 200, `{"name":"store","token":"s3cret"}`},
		{"", "GET", "remote-artifact-tokens/", nil, 200, `"count":0,`}, // a superuser reads nobody else's
		{"", "GET", "remote-artifact-tokens/store/", nil, 404, notThere},
		{bob, "PATCH", "remote-artifact-tokens/store/", m{"token": "n3w"}, 200, `{"name":"store","token":"n3w"}`},
		{bob, "PATCH", "remote-artifact-tokens/store/", m{"token": ""}, 400, `{"token":["This field may not be blank."]}`},
		{bob, "PATCH", "remote-artifact-tokens/store/", m{"token": nil}, 400, `{"token":["This field may not be null."]}`},
		{bob, "GET", "remote-artifact-tokens/store/", nil, 200, `n3w`},
		{bob, "DELETE", "remote-artifact-tokens/store/", nil, 204, ""},
		{bob, "DELETE", "remote-artifact-tokens/store/", nil, 404, notThere},
	})
}

// A name and a password are worth a token, the same one each time, at both addresses of LAVA's.
func TestTokenOfAPassword(t *testing.T) {
	t.Parallel()
	l := start(t)
	type m = map[string]any
	password := "correct horse battery"
	l.verb("users.add", api.UserRequest{User: "ann", Password: &password}, nil)
	l.each([]asks{
		{"nobody", "POST", "token/", m{}, 400, `{"username":["This field is required."],"password":["This field is required."]}`},
		{"nobody", "POST", "token/", m{"username": "ann", "password": "wrong"}, 400, `{"non_field_errors":["Unable to log in with provided credentials."]}`},
		{"nobody", "POST", "token/", m{"username": "nobody", "password": password}, 400, `{"non_field_errors":["Unable to log in with provided credentials."]}`},
		{"nobody", "GET", "token/", nil, 405, `{"detail":"Method \"GET\" not allowed."}`},
	})
	first := l.wants("POST", "/api/v0.2/token/", m{"username": "ann", "password": password}, 200, `{"token":"`).body
	secret := "Token " + strings.TrimSuffix(strings.TrimPrefix(first, `{"token":"`), `"}`)
	l.each([]asks{
		{"nobody", "POST", "token/", url.Values{"username": {"ann"}, "password": {password}}, 200, first},
		{"nobody", "POST", "/api/v0.3/token/", m{"username": "ann", "password": password}, 200, first},
		{secret, "GET", "system/whoami/", nil, 200, `{"user":"ann"}`},
		{"nobody", "GET", "/api/v0.3/", nil, 200, `{}`},
		{"nobody", "GET", "system/", nil, 200, `{"version":"`},
		{"nobody", "GET", "/api/", nil, 200, `/api/v0.2/`},
	})
	off := false
	l.verb("users.set", api.UserRequest{User: "ann", Active: &off}, nil)
	l.each([]asks{{"nobody", "POST", "token/", m{"username": "ann", "password": password}, 400, `{"non_field_errors":["Unable to log in`},
		{secret, "GET", "system/whoami/", nil, 403, `{"detail":"`}})
}

// Rows of small resources are filtered by every lookup of theirs, and ordered by any field: what has no value comes last,
// and first where the order goes down, as in LAVA's database.
func TestRowsFilteredAndOrdered(t *testing.T) {
	t.Parallel()
	l := start(t)
	limits := []int{0, 10, 9}
	for i, name := range []events.WorkerName{"w-a", "w-b", "W-c"} {
		text := []string{"", "in the rack", "On the Desk"}[i]
		l.verb("workers.register", api.WorkerRequest{Worker: name, Description: &text}, nil)
		l.verb("workers.configure", api.WorkerRequest{Worker: name, JobLimit: &limits[i]}, nil)
	}
	l.verb("workers.health", api.WorkerRequest{Worker: "w-b", Health: events.WorkerMaintenance}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "arm", Architecture: "arm64", HealthFrequency: 7, HealthDenominator: "jobs", Description: "small"}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "x86", Aliases: []string{"pc"}, HealthDisabled: true, Hidden: true}, nil)
	l.verb("users.add", api.UserRequest{User: "ann"}, nil)
	owner := events.UserName("ann")
	l.verb("devices.add", api.DeviceRequest{Device: "d1", DeviceType: "arm", Worker: "w-a", Tags: []events.TagName{"usb"}, Health: events.Good}, nil)
	revision := "rev B"
	l.verb("devices.describe", api.DescribeRequest{Device: "d1", Owner: &owner, Hardware: &revision}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "d2", DeviceType: "x86", Health: events.Maintenance, Description: "spare"}, nil)
	l.verb("tags.add", api.TagRequest{Tag: "hdmi", Description: "Has HDMI"}, nil)
	tests := map[string]string{
		"workers/?ordering=job_limit": "w-a W-c w-b", "workers/?ordering=-job_limit": "w-b W-c w-a", "workers/?ordering=description,hostname": "W-c w-b w-a",
		"workers/?ordering=-description": "w-a w-b W-c", "workers/?ordering=nothing": "W-c w-a w-b", "workers/?health=Active": "W-c w-a", "workers/?health__in=Maintenance,Retired": "w-b",
		"workers/?state=Offline&hostname__startswith=w-": "w-a w-b", "workers/?hostname__icontains=W-C": "W-c", "workers/?hostname__contains=w-c": "",
		"workers/?hostname__in=w-a,W-c": "W-c w-a", "workers/?hostname__endswith=b": "w-b", "workers/?description__icontains=DESK": "W-c", "workers/?description=in the rack": "w-b",
		"workers/?description=": "W-c w-a w-b", "workers/?last_ping__lt=2000-01-01": "", "workers/?hostname=w-a&hostname=w-b": "w-b",
		"workers/?limit=1&offset=1": "w-a", "workers/?offset=9223372036854775807": "", "workers/?offset=99999999999999999999": "", "workers/?limit=-1&offset=-1": "W-c w-a w-b",
		"devicetypes/?architecture__name=arm64": "arm", "devicetypes/?architecture__name__startswith=x": "", "devicetypes/?alias__name__in=pc,mac": "x86", "devicetypes/?health_frequency__gte=24": "x86",
		"devicetypes/?health_frequency__lt=24": "arm", "devicetypes/?health_frequency__lte=7": "arm", "devicetypes/?health_frequency__gt=7": "x86", "devicetypes/?health_frequency=07": "arm",
		"devicetypes/?disable_health_check=True": "x86", "devicetypes/?display=0": "x86", "devicetypes/?display=maybe": "arm x86", "devicetypes/?health_denominator=jobs": "arm",
		"devicetypes/?cpu_model__contains=x": "", "devicetypes/?processor__name=x": "", "devicetypes/?cores__name=x": "", "devicetypes/?bits__width=64": "", "devicetypes/?core_count=4": "",
		"devicetypes/?description__endswith=all": "arm", "devicetypes/?ordering=-name": "x86 arm", "devicetypes/?ordering=architecture": "arm x86", "devicetypes/?ordering=-architecture": "x86 arm",
		"devices/?device_type=arm": "d1", "devices/?device_type__health_denominator=hours": "d2", "devices/?device_type__alias__name=pc": "d2", "devices/?worker_host=w-a": "d1",
		"devices/?worker_host__health=Active": "d1", "devices/?worker_host__hostname__startswith=w": "d1", "devices/?health=GOOD": "d1", "devices/?health__in=good,BAD": "d1", "devices/?state=Idle": "d1 d2",
		"devices/?state__in=Running,Reserved": "", "devices/?physical_owner__username=ann": "d1", "devices/?physical_group__name=x": "", "devices/?tags__name__contains=s": "d1", "devices/?device_version=rev B": "d1",
		"devices/?description__startswith=sp": "d2", "devices/?is_synced=false": "d1 d2", "devices/?is_synced=true": "", "devices/?last_health_report_job__id=1": "", "devices/?ordering=-worker_host": "d2 d1",
	}
	for path, want := range tests {
		field := "hostname"
		if strings.HasPrefix(path, "devicetypes") {
			field = "name"
		}
		got, _ := l.list("/api/v0.2/"+strings.ReplaceAll(path, " ", "+"), field)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", path, got, want)
		}
	}
	l.each([]asks{
		{"", "GET", "workers/?state=online", nil, 400, "Online, Offline"},
		{"", "GET", "workers/?health__in=Active,fine", nil, 400, "Active, Maintenance, Retired"},
		{"", "GET", "devicetypes/?health_frequency=often", nil, 400, `{"health_frequency":["Enter a number."]}`},
		{"", "GET", "workers/?last_ping__gt=soon", nil, 400, `{"last_ping__gt":["Enter a valid date/time."]}`},
	})
	// In a lab that is open to look at, tags of jobs and devices are shown to everybody, and so are jobs found by them.
	l.verb("permissions.open", api.OpenRequest{Open: true}, nil)
	l.each([]asks{
		{"nobody", "GET", "tags/", nil, 403, notNamed},
		{"nobody", "GET", "aliases/", nil, 403, notNamed},
		{"nobody", "GET", "/v1/prometheus/", nil, 200, `device_type{name="arm",state="idle"}`},
		{"nobody", "GET", "jobs/?tags__name=usb", nil, 200, `"count":0,`},
		{"nobody", "GET", "jobs/?tags__description__icontains=hdmi", nil, 200, `"count":0,`},
		{"nobody", "GET", "jobs/?failure_tags__description=x", nil, 200, `"count":0,`},
		{"nobody", "GET", "jobs/?tags__color=red", nil, 200, `"count":0,`},
	})
	usb, hdmi := l.id("tags/?name=usb"), l.id("tags/?description__icontains=hdmi")
	type m = map[string]any
	l.each([]asks{
		{"", "GET", "tags/" + usb + "/", nil, 200, `"name":"usb","description":null}`},
		{"", "GET", "tags/?id__in=" + usb + "," + hdmi, nil, 200, `"count":2,`},
		{"", "GET", "tags/1/", nil, 404, notThere},
		{"", "POST", "tags/", m{"name": "usb"}, 400, `{"name":["tag with this name already exists."]}`},
		{"", "PATCH", "tags/" + usb + "/", m{"description": "has USB"}, 200, `"description":"has USB"}`},
		{"", "PATCH", "tags/" + usb + "/", m{"name": "other"}, 400, `{"name":["A tag keeps its name`},
		{"", "PUT", "tags/" + usb + "/", m{"name": "usb", "description": ""}, 200, `"description":`},
		{"", "POST", "aliases/", m{"name": "pc", "device_type": "arm"}, 400, `{"name":["alias with this`},
		{"", "POST", "aliases/", m{"name": "brett", "device_type": "arm"}, 201, `{"name":"brett","device_type":"arm"}`},
		{"", "GET", "aliases/?device_type__name__startswith=a&name__in=brett", nil, 200, `"count":1,`},
		{"", "GET", "aliases/pc/", nil, 404, notThere}, // of a type that is not displayed
		{"", "PATCH", "aliases/brett/", m{"name": "plank"}, 200, `{"name":"plank","device_type":"arm"}`},
		{"", "PUT", "aliases/plank/", m{"name": "plank", "device_type": ""}, 400, `{"device_type":["`},
		{"", "GET", "aliases/plank/", nil, 200, `{"name":"plank","device_type":"arm"}`},
		{"nobody", "DELETE", "aliases/plank/", nil, 403, notNamed},
		{"", "PATCH", "devices/d1/", m{"tags": nil}, 400, `{"tags":["This field may not be null."]}`},
		{"", "PATCH", "devicetypes/arm/", m{"aliases": nil}, 400, `{"aliases":["This field may not be null."]}`},
		{"", "PATCH", "devicetypes/arm/", m{"display": nil}, 400, `{"display":["This field may not be null."]}`},
		{"", "PATCH", "workers/w-a/", m{"job_limit": nil}, 400, `{"job_limit":["This field may not be null."]}`},
		{"", "GET", "devices/d1/", nil, 200, `"tags":[` + usb + `]`},
		{"", "GET", "devicetypes/arm/", nil, 200, `"aliases":["plank"]`},
	})
}

// Bodies come as JSON, as forms and with files; what cannot be read is told in Django REST framework's words.
func TestBodies(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.judge()
	const boundary = "multipart/form-data; boundary=X"
	part := func(head, text string) string {
		return "--X\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + text + "\r\n--X--\r\n"
	}
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"a broken object", "application/json", "{", 400, `{"detail":"JSON parse error - `},
		{"a text", "application/json", `"a"`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}`},
		{"a number", "application/json", "1", 400, `Expected a dictionary, but got int.`},
		{"a truth", "application/json", "true", 400, `Expected a dictionary, but got bool.`},
		{"nothing", "application/json", "", 400, `{"definition":["This field is required."]}`},
		{"blank", "application/json", `{"definition":""}`, 400, `{"definition":["This field may not be blank."]}`},
		{"another type", "text/csv", "a,b", 415, `{"detail":"Unsupported media type \"text/csv\" in request."}`},
		{"a form that is none", "application/x-www-form-urlencoded", "definition=%zz", 400, `{"detail":"Malformed request: `},
		{"parts that end early", boundary, "--X\r\nContent-Disposition: form-data; name=\"definition\"\r\n\r\nx", 400, `{"detail":"M`},
		{"a field of parts", boundary, part(`name="definition"`, "job_name: x"), 201, `"job_ids":[`},
		{"a file of parts", boundary, part(`name="definition"; filename="job.yaml"`, "job_name: x"), 201, `"job_ids":[`},
		{"a charset", "application/json; charset=utf-8", `{"definition":"job_name: x"}`, 201, `"job_ids":[`},
	} {
		if a := l.ask("POST", "/api/v0.2/jobs/", tt.body, "Content-Type", tt.kind); a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: got %d %s, want %d with %s", tt.name, a.status, a.body, tt.status, tt.want)
		}
	}
	// HEAD is GET without a body.
	for _, path := range []string{"system/version/", "jobs/", "jobs/1/definition/"} {
		get, head := l.ask("GET", "/api/v0.2/"+path, nil), l.ask("HEAD", "/api/v0.2/"+path, nil)
		if head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") || get.status != http.StatusOK {
			t.Errorf("HEAD %s: %d %v %q, where GET has %d %v", path, head.status, head.header, head.body, get.status, get.header)
		}
	}
}
