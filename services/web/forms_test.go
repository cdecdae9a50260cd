package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// sentForm is a form that somebody sends, and what is to come of it.
type sentForm struct {
	path   string
	form   string // as addresses write it: a=1&b=2
	status int
	says   string // the page, where it is one
	to     string // where it leads, where it does
	note   string // what the next page says
	asks   string // what changes the lab: verbs with what they are asked, with ";" between; "" nothing
}

// send sends forms to the pages of a lab. Verbs of changes answer as they are given, and are noted.
func send(t *testing.T, l lab, changes lab, v Visitor, forms []sentForm) {
	t.Helper()
	var asked []string
	whole := lab{}
	for verb, answer := range l {
		whole[verb] = answer
	}
	for verb, answer := range changes {
		whole[verb] = func(in json.RawMessage) (any, error) {
			asked = append(asked, verb+" "+string(in))
			if f, ok := answer.(func(json.RawMessage) (any, error)); ok {
				return f(in)
			}
			err, _ := answer.(error)
			return answer, err
		}
	}
	s := whole.siteFor(t, v)
	s.d.SignOut = func(http.ResponseWriter, *http.Request) error { return nil }
	for _, tt := range forms {
		form, err := url.ParseQuery(tt.form)
		if err != nil {
			t.Fatal(err)
		}
		asked = nil
		w := post(s, tt.path, form)
		if w.Code != tt.status {
			t.Errorf("POST %s %s: status %d, want %d: %.900s", tt.path, tt.form, w.Code, tt.status, mainOf(w))
			continue
		}
		if got := strings.Join(asked, ";"); got != tt.asks {
			t.Errorf("POST %s %s asks\n got %s\nwant %s", tt.path, tt.form, got, tt.asks)
		}
		if got := w.Header().Get("Location"); got != tt.to {
			t.Errorf("POST %s %s leads to %q, want %q", tt.path, tt.form, got, tt.to)
		}
		if got := noteOf(w); got != tt.note {
			t.Errorf("POST %s %s: the next page says %q, want %q", tt.path, tt.form, got, tt.note)
		}
		if !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("POST %s %s: the page lacks %q: %.900s", tt.path, tt.form, tt.says, mainOf(w))
		}
		if w.Code != http.StatusSeeOther {
			checkPage(t, w.Body.String())
		}
	}
}

// mainOf is what a page says apart from what all pages have.
func mainOf(w *httptest.ResponseRecorder) string {
	_, text, _ := strings.Cut(w.Body.String(), "<main")
	text, _, _ = strings.Cut(text, "</main>")
	return text
}

// noteOf is what the next page is to say.
func noteOf(w *httptest.ResponseRecorder) string {
	for _, c := range w.Result().Cookies() {
		if c.Name == noteCookie && c.MaxAge >= 0 {
			text, _ := url.QueryUnescape(c.Value) // what is none is told as a difference
			return text
		}
	}
	return ""
}

var (
	alice = Visitor{Name: "alice", SignedIn: true}
	root  = Visitor{Name: "root", SignedIn: true, Staff: true, Superuser: true}
	staff = Visitor{Name: "sue", SignedIn: true, Staff: true}
)

// invalid is what the lab says of a value that it does not take.
func invalid(field, message string) error {
	return &Refusal{Code: "invalid", Field: field, Message: message}
}

// TestFormsOfJobs does with a job what its page offers.
// {job} goes to the api as it stands in the address, which knows parts of groups by their names.
func TestFormsOfJobs(t *testing.T) {
	t.Parallel()
	l := lab{"jobs.show": `{"job":43,"display":"42.1","state":"Running"}`}
	changes := lab{"jobs.cancel": "{}", "jobs.annotate": "{}", "jobs.favour": "{}", "jobs.priority": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), "101") {
			return nil, invalid("priority", "priority is 101; allowed are 0 to 100")
		}
		return "{}", nil
	}}
	const job = "/scheduler/job/42.1"
	send(t, l, changes, alice, []sentForm{
		{job + "/cancel", "reason=+wrong+kernel+", 303, "", job, "The job is being canceled.", `jobs.cancel {"job":"42.1","reason":"wrong kernel"}`},
		{job + "/cancel", "back=/scheduler/queue", 303, "", "/scheduler/queue", "The job is being canceled.", `jobs.cancel {"job":"42.1","reason":""}`},
		{job + "/cancel", "back=https://evil.example/", 303, "", job, "The job is being canceled.", `jobs.cancel {"job":"42.1","reason":""}`},
		{job + "/fail", "", 403, "Only superusers can fail a job", "", "", ""},
		{job + "/priority", "priority=HIGH", 303, "", job, "The job has priority 100 now.", `jobs.priority {"job":"42.1","priority":100}`},
		{job + "/priority", "priority=+7+", 303, "", job, "The job has priority 7 now.", `jobs.priority {"job":"42.1","priority":7}`},
		{job + "/priority", "priority=urgent", 400, "priority is &#34;urgent&#34;; it is a number from 0 to 100, or low, medium or high", "", "", ""},
		{job + "/priority", "priority=", 400, "it is a number from 0 to 100", "", "", ""},
		{job + "/priority", "priority=101", 400, "allowed are 0 to 100", "", "", `jobs.priority {"job":"42.1","priority":101}`},
		{job + "/annotate_failure", "failure_comment=+loose+cable%0D%0Aagain+&failure_tags=cable,+relay++power", 303, "", job, "The note is kept.",
			`jobs.annotate {"comment":"loose cable\r\nagain","job":"42.1","tags":["cable","relay","power"]}`},
		{job + "/toggle_favorite", "", 303, "", job, "The job is among your favourites.", `jobs.favour {"job":43,"off":false}`},
		{"/scheduler/favorite-jobs", "username=+b%26b+", 303, "", "/scheduler/favorite-jobs?username=b%26b", "", ""},
	})
	l["jobs.show"] = `{"job":43,"display":"42.1","state":"Running","favourite":true}`
	send(t, l, changes, alice, []sentForm{{job + "/toggle_favorite", "", 303, "", job, "The job is no favourite any more.", `jobs.favour {"job":43,"off":true}`}})
	send(t, l, changes, Visitor{}, []sentForm{{job + "/toggle_favorite", "", 403, "favourites belong to somebody who is signed in", "", "", ""}})
	send(t, l, changes, root, []sentForm{{job + "/fail", "", 403, "Job should be canceled before being failed", "", "", ""}})
	l["jobs.show"] = `{"job":43,"display":"42.1","state":"Canceling"}`
	send(t, l, changes, root, []sentForm{{job + "/fail", "", 303, "", job,
		"The job is being canceled already: it ends when its worker says so, or when the lab has waited for that worker long enough.", ""}})
	changes["jobs.cancel"] = &Refusal{Code: "denied", Message: "alice may not change job 42.1"}
	send(t, l, changes, alice, []sentForm{{job + "/cancel", "", 403, "alice may not change job 42.1", "", "", `jobs.cancel {"job":"42.1","reason":""}`}})
}

// TestFormsOfOnesAccount changes what belongs to oneself, and never somebody else's.
func TestFormsOfOnesAccount(t *testing.T) {
	t.Parallel()
	l := lab{"users.show": `{"user":"alice","groups":["kernel"],"table_length":50}`, "groups.show": `{"group":"kernel","users":["alice","bob"]}`,
		"tokens.list": `[{"token":"t1","description":"CI","last_used":"2026-11-22T10:00:00Z"},{"token":"t2","description":"never"},{"token":"s1","kind":"session","means":"password"}]`}
	refuse := func(what string, no error) func(json.RawMessage) (any, error) {
		return func(in json.RawMessage) (any, error) {
			if strings.Contains(string(in), what) {
				return nil, no
			}
			return "{}", nil
		}
	}
	changes := lab{"users.set": refuse("no-mail", invalid("email", "email is no-mail; allowed are addresses")), "tokens.revoke": refuse("t9", &Refusal{Code: "not-found", Message: "you have no token t9"}),
		"tokens.describe": refuse("the nightly", &Refusal{Code: "conflict", Field: "description", Message: "another token is for <the nightly>"}), "remote-tokens.set": refuse(`"name":""`, invalid("name", "name is missing")),
		"remote-tokens.remove": "{}", "tokens.issue": refuse("taken", invalid("description", "description <taken> is taken"))}
	send(t, l, changes, alice, []sentForm{
		{"/me/", "email=a@example.com&first_name=Alice&last_name=L&user=bob&superuser=on", 303, "", "/me/", "Saved.", `users.set {"email":"a@example.com","first_name":"Alice","last_name":"L","user":"alice"}`},
		{"/me/", "email=no-mail", 400, "email is no-mail; allowed are addresses", "", "", `users.set {"email":"no-mail","first_name":"","last_name":"","user":"alice"}`},
		{"/me/password", "current=a&password=b&again=c", 400, "the two new passwords differ", "", "", ""},
		{"/me/password", "current=a&password=b&again=b&user=bob", 303, "", "/me/", "The password is changed, and your other sessions are over.", `users.set {"current":"a","password":"b","user":"alice"}`},
		{"/update-irc-settings/", "irc_handle=al&irc_server=irc.example.com", 303, "", "/me/", "Saved.", `users.set {"irc_handle":"al","irc_server":"irc.example.com","user":"alice"}`},
		{"/update-table-length-setting/", "table_length=100", 303, "", "/me/", "Saved.", `users.set {"table_length":100,"user":"alice"}`},
		{"/update-table-length-setting/", "", 303, "", "/me/", "Saved.", `users.set {"table_length":0,"user":"alice"}`},
		{"/update-table-length-setting/", "table_length=many", 400, "table_length is &#34;many&#34;; allowed are numbers", "", "", ""},
		{"/update-remote-auth/", "name=+art+&token=+hush+", 303, "", "/me/", "Kept. Jobs of yours may name it; nobody is shown it again.", `remote-tokens.set {"name":"art","token":" hush "}`},
		{"/update-remote-auth/", "token=hush", 400, "name is missing", "", "", `remote-tokens.set {"name":"","token":"hush"}`},
		{"/delete-remote-auth/a%2Fb/", "", 303, "", "/me/", "Removed.", `remote-tokens.remove {"name":"a/b"}`},
		{"/me/sessions", "session=s1", 303, "", "/me/", "That session is over.", `tokens.revoke {"reason":"ended in the profile","token":"s1"}`},
		{"/me/sessions", "session=t9", 404, "you have no token t9", "", "", `tokens.revoke {"reason":"ended in the profile","token":"t9"}`},
		{"/api/tokens/create/", "description=taken&scope=view&days=", 400, "description &lt;taken&gt; is taken", "", "", `tokens.issue {"description":"taken","scopes":["view"]}`},
		{"/api/tokens/create/", "description=CI&days=2", 200, "It is shown this once", "", "", `tokens.issue {"description":"CI","expires":"2026-11-25T12:00:00Z"}`},
		{"/api/tokens/create/", "description=CI&days=0", 400, "days is &#34;0&#34;; allowed are 1 to 36500", "", "", ""},
		{"/api/tokens/create/", "description=CI&days=36501", 400, "allowed are 1 to 36500", "", "", ""},
		{"/api/tokens/t1/edit/", "description=+weekly+", 303, "", "/api/tokens/", "Saved.", `tokens.describe {"description":"weekly","token":"t1"}`},
		{"/api/tokens/t1/edit/", "description=the+nightly", 409, "another token is for &lt;the nightly&gt;", "", "", `tokens.describe {"description":"the nightly","token":"t1"}`},
		{"/api/tokens/t1/delete/", "", 303, "", "/api/tokens/", "The token is revoked.", `tokens.revoke {"reason":"revoked by its user","token":"t1"}`},
		{"/api/tokens/delete_unused/", "", 303, "", "/api/tokens/", "2 tokens revoked.",
			`tokens.revoke {"reason":"never used","token":"t2"};tokens.revoke {"reason":"never used","token":"s1"}`},
		{"/accounts/logout/", "", 303, "", "/", "You are signed out.", ""},
	})
}

// TestFormsOfPeople has those who run the lab see to accounts, groups and permissions; staff cannot give what it has not.
func TestFormsOfPeople(t *testing.T) {
	t.Parallel()
	l := lab{"users.list": "[]", "users.show": `{"user":"bob","groups":["kernel"]}`, "groups.list": `[{"group":"kernel"}]`, "groups.show": `{"group":"kernel","users":["bob"]}`,
		"permissions.list": `{"open":false,"permissions":[]}`, "tokens.list": "[]"}
	taken := &Refusal{Code: "conflict", Field: "user", Message: "there is a user <bob> already"}
	changes := lab{"users.add": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), "bob") {
			return nil, taken
		}
		return "{}", nil
	}, "users.set": "{}", "users.remove": "{}", "groups.add": "{}", "groups.join": "{}", "groups.leave": "{}", "groups.set": "{}", "groups.remove": "{}", "tokens.revoke": "{}",
		"permissions.grant": invalid("permission", "permission is fly; allowed are view_device, change_device"), "permissions.revoke": "{}", "permissions.open": "{}"}
	const user, group, permission = "/admin/auth/user/bob/change/", "/admin/auth/group/kernel/change/", "/admin/auth/permission/"
	send(t, l, changes, root, []sentForm{
		{"/admin/auth/user/", "user=+a/b+&email=", 303, "", "/admin/auth/user/a%2Fb/change/", "The account is there. Give it a password or a token.", `users.add {"user":"a/b"}`},
		{"/admin/auth/user/", "user=bob&email=b@example.com", 409, "there is a user &lt;bob&gt; already", "", "", `users.add {"email":"b@example.com","user":"bob"}`},
		{user, "do=save&email=b@example.com&active=on&staff=on&permissions=lava_scheduler_app.add_device%0D%0Ax.y", 303, "", user, "Saved.",
			`users.set {"active":true,"email":"b@example.com","first_name":"","last_name":"","permissions":["lava_scheduler_app.add_device","x.y"],"staff":true,"superuser":false,"user":"bob"}`},
		{user, "do=join&group=kernel", 303, "", user, "Saved.", `groups.join {"group":"kernel","user":"bob"}`},
		{user, "do=leave&group=kernel", 303, "", user, "Saved.", `groups.leave {"group":"kernel","user":"bob"}`},
		{user, "do=password&password=p", 303, "", user, "The password is set, and the sessions of bob are over.", `users.set {"password":"p","user":"bob"}`},
		{user, "do=revoke&token=t1", 303, "", user, "The token is revoked.", `tokens.revoke {"reason":"revoked by root","token":"t1","user":"bob"}`},
		{user, "do=remove", 303, "", "/admin/auth/user/", "The account bob is removed. Its jobs stay.", `users.remove {"user":"bob"}`},
		{"/admin/auth/group/", "group=+lab+", 303, "", "/admin/auth/group/lab/change/", "The group is there.", `groups.add {"group":"lab"}`},
		{group, "do=join&user=+ann+", 303, "", group, "Saved.", `groups.join {"group":"kernel","user":"ann"}`},
		{group, "do=save&permissions=a.b++c.d", 303, "", group, "Saved.", `groups.set {"group":"kernel","permissions":["a.b","c.d"]}`},
		{group, "do=save", 303, "", group, "Saved.", `groups.set {"group":"kernel","permissions":[]}`},
		{group, "do=remove", 303, "", "/admin/auth/group/", "Group kernel is removed.", `groups.remove {"group":"kernel"}`},
		{permission, "do=grant&permission=fly&kind=device&name=q1&group=kernel", 400, `value="fly"`, "", "", `permissions.grant {"group":"kernel","kind":"device","name":"q1","permission":"fly"}`},
		{permission, "do=revoke&permission=view_device&kind=device&name=q1&user=bob", 303, "", permission, "Revoked.", `permissions.revoke {"kind":"device","name":"q1","permission":"view_device","user":"bob"}`},
		{permission, "do=open", 303, "", permission, "People without a name see what no permission restricts.", `permissions.open {"open":true}`},
		{permission, "do=close", 303, "", permission, "The lab is closed to people without a name.", `permissions.open {"open":false}`},
	})
	send(t, l, changes, staff, []sentForm{{user, "do=save&active=on&staff=on&superuser=on&permissions=x.y", 303, "", user, "Saved.",
		`users.set {"active":true,"email":"","first_name":"","last_name":"","user":"bob"}`}})
	changes["users.set"] = &Refusal{Code: "denied", Message: "sue may not change root"}
	send(t, l, changes, staff, []sentForm{{user, "do=password&password=p", 403, "sue may not change root", "", "", `users.set {"password":"p","user":"bob"}`}})
}

// TestFormsOfMachines adds devices, types, workers, tags and known issues; what is refused comes back with what was typed.
func TestFormsOfMachines(t *testing.T) {
	t.Parallel()
	l := lab{"device-types.list": `[{"device_type":"qemu"}]`, "workers.list": `[{"worker":"w1"}]`, "tags.list": `[{"tag":"kvm","description":"has <kvm>"}]`, "issues.list": `[{"issue":7,"title":"panic"}]`}
	bad := func(what string, no error) func(json.RawMessage) (any, error) {
		return func(in json.RawMessage) (any, error) {
			if strings.Contains(string(in), what) {
				return nil, no
			}
			if strings.Contains(string(in), "qmeu") {
				return `{"notes":["is qemu meant?"]}`, nil
			}
			return `{"token":"<the token>"}`, nil
		}
	}
	changes := lab{"devices.add": bad("{% if", invalid("dictionary", "q9.jinja2:1: want a value")), "device-types.configure": bad("{% for", invalid("template", "pc.jinja2:1: want a name")),
		"workers.register": bad("bad host", invalid("worker", "worker is bad host; allowed are names of hosts")), "workers.configure": "{}", "workers.token": bad("none", nil), "tags.add": bad("KVM", invalid("tag", "tag is KVM; allowed are lower-case letters")),
		"tags.remove": "{}", "issues.add": bad("(", invalid("log", "log is no expression: missing closing )")), "issues.remove": bad(`"issue":0`, &Refusal{Code: "not-found", Message: "there is no known issue 0"})}
	const add = "/admin/lava_scheduler_app/"
	l["device-types.show"] = func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), `"qemu"`) {
			return `{"device_type":"qemu","aliases":["kvm"],"health_check":"job_name: x"}`, nil
		}
		return nil, &Refusal{Code: "not-found", Message: "there is no such type"}
	}
	send(t, l, changes, root, []sentForm{
		{add + "devicetype/add/", "name=qemu&description=mine", 409, "there is a device type qemu already", "", "", ""},
		{add + "device/add/", "name=+q9+&device_type=qemu&worker=w1&tags=kvm,+fast&health=Good&description=shelf&text=a:+1%0D%0A", 303, "", "/scheduler/device/q9", "Device q9 is added.",
			`devices.add {"description":"shelf","device":"q9","device_type":"qemu","dictionary":"a: 1\n","health":"Good","tags":["kvm","fast"],"worker":"w1"}`},
		{add + "device/add/", "name=q8&device_type=qmeu", 303, "", "/scheduler/device/q8", "Device q8 is added. is qemu meant?",
			`devices.add {"description":"","device":"q8","device_type":"qmeu","dictionary":"","health":"","tags":[],"worker":""}`},
		{add + "device/add/", "name=q9&device_type=qemu&text={%25+if", 400, "q9.jinja2:1: want a value", "", "",
			`devices.add {"description":"","device":"q9","device_type":"qemu","dictionary":"{% if","health":"","tags":[],"worker":""}`},
		{add + "devicetype/add/", "name=pc&description=desk&text=+&health_check=+", 303, "", "/scheduler/device_type/pc", "Device type pc is there.", `device-types.configure {"description":"desk","device_type":"pc"}`},
		{add + "devicetype/add/", "name=pc&text={%25+for&health_check=job_name:+x", 400, "job_name: x</textarea>", "", "",
			`device-types.configure {"description":"","device_type":"pc","health_check":"job_name: x","template":"{% for"}`},
		{add + "worker/add/", "name=w9&job_limit=2&description=rack", 200, "&lt;the token&gt;", "", "", `workers.register {"description":"rack","worker":"w9"};workers.configure {"job_limit":2,"worker":"w9"};workers.token {"worker":"w9"}`},
		{add + "devicetype/add/", "name=qmeu", 303, "", "/scheduler/device_type/qmeu", "Device type qmeu is there. is qemu meant?", `device-types.configure {"description":"","device_type":"qmeu"}`},
		{add + "worker/add/", "name=bad+host", 400, `value="bad host"`, "", "", `workers.register {"worker":"bad host"}`},
		{add + "tag/", "tag=hdmi&description=a+screen", 303, "", add + "tag/", "Tag hdmi is there.", `tags.add {"description":"a screen","tag":"hdmi"}`},
		{add + "tag/", "tag=KVM", 400, "allowed are lower-case letters", "", "", `tags.add {"description":"","tag":"KVM"}`},
		{add + "tag/", "tag=kvm&do=remove", 303, "", add + "tag/", "Tag kvm is removed.", `tags.remove {"description":"","tag":"kvm"}`},
		{"/admin/issues/", "title=+slow+&log=x&case=&url=https://bugs.example.com/1", 303, "", "/admin/issues/", "Jobs that end from now on are looked at for it.",
			`issues.add {"log":"x","title":"slow","url":"https://bugs.example.com/1"}`},
		{"/admin/issues/", "title=t&log=(", 400, "missing closing )", "", "", `issues.add {"log":"(","title":"t"}`},
		{"/admin/issues/", "do=remove&issue=7", 303, "", "/admin/issues/", "The issue is not known any more. What was judged by it stays.", `issues.remove {"issue":7}`},
		{"/admin/issues/", "do=remove&issue=seven", 404, "there is no known issue 0", "", "", `issues.remove {"issue":0}`},
	})
}

// TestFormsOfEditors changes device types, dictionaries and workers: only what was looked at, with the line ends of files.
func TestFormsOfEditors(t *testing.T) {
	t.Parallel()
	l := boards()
	l["device-types.show"] = `{"device_type":"board","description":"old","template":"a: 1\n","health_frequency":24,"health_denominator":"hours","architecture":"arm64","aliases":["b"]}`
	l["devices.preview"] = `{"config":"a: 2\n","invalid":"actions is missing"}`
	l["workers.show"] = `{"worker":"w1","state":"Online","health":"Active","job_limit":1}`
	changes := lab{"devices.configure": "{}", "workers.health": "{}", "workers.configure": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), "broken") {
			return nil, invalid("env", "env is no YAML: line 1")
		}
		return "{}", nil
	}, "device-types.configure": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), `"aliases":["taken"]`) {
			return nil, &Refusal{Code: "conflict", Field: "aliases", Message: "taken is another type's alias"}
		}
		return `{"notes":["2 devices do not render."]}`, nil
	}}
	const edit, device, worker = "/scheduler/device_type/board/edit", "/scheduler/device/b2/edit", "/scheduler/worker/w1/edit"
	send(t, l, changes, alice, []sentForm{
		{edit, "template=a:+3%0D%0A&description=new&health_frequency=24", 200, ">a: 3", "", "", ""},
		{edit, "do=save&template=a:+3%0D%0A&description=new&health_frequency=2&health_denominator=jobs&aliases=b,+c&architecture=arm", 303, "", "/scheduler/device_type/board",
			"Device type board is changed. 2 devices do not render.", `device-types.configure {"device_type":"board","description":"new","architecture":"arm","aliases":["b","c"],"hidden":false,"health_frequency":2,` +
				`"health_denominator":"jobs","health_disabled":false,"health_check":"","template":"a: 3\n","devices":null,"waiting":0}`},
		{edit, "do=save&template=a:+3&aliases=taken&health_frequency=24", 409, "taken is another type&#39;s alias", "", "",
			`device-types.configure {"device_type":"board","description":"","architecture":"","aliases":["taken"],"hidden":false,"health_frequency":24,"health_denominator":"","health_disabled":false,"health_check":"","template":"a: 3","devices":null,"waiting":0}`},
		{device, "dictionary=a:+2%0D%0A&base=3", 200, "actions is missing", "", "", ""},
		{device, "dictionary=a:+2%0D%0A&base=2&do=save", 400, "Somebody has changed the dictionary since: it is version 3 now", "", "", ""},
		{device, "dictionary=a:+2%0D%0A&base=3&do=save&comment=+new+relay+", 303, "", "/scheduler/device/b2/devicedict", "The dictionary of b2 is changed.", `devices.configure {"device":"b2","dictionary":"a: 2\n","reason":"new relay"}`},
		{worker, "job_limit=-1", 400, "allowed are whole numbers from 0", "", "", ""},
		{worker, "job_limit=many&description=kept+text", 400, "kept text", "", "", ""},
		{worker, "env=broken", 400, "env is no YAML: line 1", "", "", `workers.configure {"description":"","dispatcher":"","env":"broken","env_dut":"","job_limit":0,"worker":"w1"}`},
		{worker, "job_limit=+3+&description=+rack+&env=a:+1%0D%0A&dispatcher=x", 303, "", "/scheduler/worker/w1", "The settings of w1 are changed.",
			`workers.configure {"description":"rack","dispatcher":"x","env":"a: 1\n","env_dut":"","job_limit":3,"worker":"w1"}`},
		{"/scheduler/worker/w1/health", "health=Maintenance&reason=+moved+", 303, "", "/scheduler/worker/w1", "Worker w1 is maintenance now.", `workers.health {"health":"Maintenance","reason":"moved","worker":"w1"}`},
	})
}

// TestFormsOfQueries builds, changes and shares queries; each button does what it says and no more.
func TestFormsOfQueries(t *testing.T) {
	t.Parallel()
	saved := `{"query":1,"owner":"alice","name":"smoke","entity":"testjob","editable":true,"limit":200,"published":false}`
	l := lab{"queries.show": saved, "whoami": `{"groups":["kernel"]}`, "queries.custom": `{"entity":"testjob","jobs":[{"job":5,"display":"5","name":"found <it>"}]}`, "jobs.show": `{"job":5,"display":"5"}`}
	taken := func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), `taken"`) {
			return nil, &Refusal{Code: "conflict", Field: "name", Message: "alice has a query taken already"}
		}
		return saved, nil
	}
	changes := lab{"queries.save": taken, "queries.copy": taken, "queries.archive": "{}", "queries.refresh": saved, "queries.omit": saved, "queries.include": saved,
		"queries.similar": `{"entity":"testjob","address":"testjob__submitter__exact__alice"}`}
	const add, one = "/results/query/+add", "/results/query/~alice/smoke"
	const row = "field=testjob.submitter&operator=exact&value=bob&join=all&key="
	send(t, l, changes, alice, []sentForm{
		{add, "do=look&entity=testjob&" + row, 200, "found &lt;it&gt;", "", "", ""},
		{add, "do=more&name=kept&entity=testjob&" + row, 200, `aria-label="Value of condition 1"`, "", "", ""},
		{add, "name=smoke&entity=testjob&limit=200&is_live=on&" + row + "&field=&operator=exact&value=&join=all", 303, "", one, "Saved.",
			`queries.save {"clauses":[],"conditions":[{"table":"testjob","field":"submitter","operator":"exact","value":"bob"}],"description":"","entity":"testjob","group":"","group_by":"","limit":200,"live":true,"name":"smoke","new":true,"published":false,"query_group":""}`},
		{add, "name=smoke&entity=testjob&limit=lots&" + row, 400, "limit is &#34;lots&#34;; allowed are numbers from 20 to 10,000", "", "", ""},
		{add, "name=smoke&entity=testjob&target_goal=high&" + row, 400, "target_goal is &#34;high&#34;; allowed are numbers such as 4.5", "", "", ""},
		{one + "/+edit", "name=taken&target_goal=4.5&" + row, 409, "alice has a query taken already", "", "",
			`queries.save {"clauses":[],"conditions":[{"table":"testjob","field":"submitter","operator":"exact","value":"bob"}],"description":"","group":"","group_by":"","live":false,"name":"smoke","owner":"alice","published":false,"query_group":"","rename":"taken","target_goal":4.5}`},
		{one + "/+delete", "", 303, "", "/results/query/", "Query smoke is archived.", `queries.archive {"owner":"alice","name":"smoke"}`},
		{one + "/+toggle-published", "", 303, "", one, "Everybody may see this query now.", `queries.save {"name":"smoke","owner":"alice","published":true}`},
		{one + "/+refresh", "", 303, "", one, "Refreshed.", `queries.refresh {"owner":"alice","name":"smoke"}`},
		{one + "/+omit-result", "item=5", 303, "", one, "Left out: 5.", `queries.omit {"item":"5","name":"smoke","owner":"alice"}`},
		{one + "/+include-result", "item=5&back=/results/query/~alice/smoke?offset=50", 303, "", one + "?offset=50", "Back: 5.", `queries.include {"item":"5","name":"smoke","owner":"alice"}`},
		{"/scheduler/job/5/similarjobs", "field=submitter&field=state", 303, "", "/results/query/+custom?conditions=testjob__submitter__exact__alice&entity=testjob", "", `queries.similar {"fields":["submitter","state"],"job":5}`},
	})
	changes["queries.similar"] = `{"entity":"testjob","conditions":[{}]}`
	send(t, l, changes, alice, []sentForm{{"/scheduler/job/5/similarjobs", "field=description", 409, "leave that field out", "", "", `queries.similar {"fields":["description"],"job":5}`}})
}

// TestFormsOfCharts builds and changes charts.
func TestFormsOfCharts(t *testing.T) {
	t.Parallel()
	chart := `{"chart":1,"owner":"alice","name":"boot","editable":true,"queries":[{"number":1,"query":1,"chart_type":"pass/fail"},{"number":3,"query":2,"chart_type":"measurement"}],"query_names":["~alice/a","~alice/b"]}`
	l := lab{"charts.show": chart, "queries.list": "[]", "whoami": "{}", "queries.show": `{"owner":"alice","name":"cases","entity":"testcase"}`}
	changes := lab{"charts.save": func(in json.RawMessage) (any, error) {
		if strings.Contains(string(in), `a b"`) {
			return nil, invalid("name", "name is a b; allowed are letters, digits, -, _ and .")
		}
		return chart, nil
	}, "charts.query": "{}", "charts.drop": chart, "charts.order": "{}", "charts.view": "{}", "charts.remove": "{}", "charts.omit": chart, "charts.include": chart}
	const one = "/results/chart/boot"
	send(t, l, changes, alice, []sentForm{
		{"/results/chart/+add", "name=a+b", 400, "name is a b; allowed are letters", "", "", `charts.save {"chart_group":"","description":"","group":"","name":"a b","new":true}`},
		{"/results/chart/+add", "name=boot", 303, "", one + "/+chart-query-add", "Chart boot is made. Which query does it draw?", `charts.save {"chart_group":"","description":"","group":"","name":"boot","new":true}`},
		{"/results/chart/+add", "name=boot&query=~alice/cases", 303, "", one, "Chart boot is made.",
			`charts.save {"chart_group":"","description":"","group":"","name":"boot","new":true};charts.query {"chart_type":"measurement","name":"boot","query":{"owner":"alice","name":"cases"}}`},
		{one + "/+edit", "name=boot2&description=x", 303, "", one + "/+detail", "Saved.", `charts.save {"chart_group":"","description":"x","group":"","name":"boot","rename":"boot2"}`},
		{one + "/+chart-query-add", "query=~alice/a&chart_type=pass/fail&target_goal=much", 400, "target_goal is &#34;much&#34;", "", "", ""},
		{one + "/3/+chart-query-edit", "query=~alice/b&chart_type=attributes&attributes=+x,,+y+&chart_height=250&is_percentage=on", 303, "", one, "Saved.",
			`charts.query {"attributes":["x","y"],"chart_height":250,"chart_type":"attributes","chart_visibility":"","is_percentage":true,"name":"boot","no_goal":true,"number":3,"query":{"owner":"alice","name":"b"},"representation":"","trend":false,"xaxis_attribute":""}`},
		{one + "/3/+chart-query-remove", "", 303, "", one + "/+detail", "The query is no longer part of the chart.", `charts.drop {"name":"boot","number":3}`},
		{one + "/+chart-query-order-update", "up=3", 303, "", one + "/+detail", "", `charts.order {"name":"boot","numbers":[3,1]}`},
		{one + "/+chart-query-order-update", "up=1", 303, "", one + "/+detail", "", `charts.order {"name":"boot","numbers":[1,3]}`},
		{one + "/+chart-query-order-update", "number=3&number=1", 303, "", one + "/+detail", "", `charts.order {"name":"boot","numbers":[3,1]}`},
		{one + "/1/+settings-update", "start_date=soon", 400, "start_date is &#34;soon&#34;; allowed are days such as 2026-11-22", "", "", ""},
		{one + "/1/+settings-update", "start_date=2026-11-20&is_delta=on", 303, "", one, "", `charts.view {"is_delta":true,"is_legend_visible":false,"name":"boot","number":1,"start_date":"2026-11-20T00:00:00Z"}`},
		{one + "/1/+omit-result", "item=5", 303, "", one, "Left out of the chart: 5.", `charts.omit {"item":"5","name":"boot","number":1}`},
		{one + "/1/+include-result", "item=5", 303, "", one, "Back in the chart: 5.", `charts.include {"item":"5","name":"boot","number":1}`},
		{one + "/+toggle-published", "", 303, "", one, "Everybody may see this chart now.", `charts.save {"name":"boot","published":true}`},
		{one + "/+delete", "", 303, "", "/results/chart/", "Chart boot is deleted.", `charts.remove {"name":"boot"}`},
	})
	l["charts.show"] = `{"chart":1,"owner":"bob","name":"boot","editable":false}`
	for _, path := range []string{"/+edit", "/+delete", "/+toggle-published", "/+chart-query-add"} {
		if w := get(l.site(t), one+path); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "its owner&#39;s and its group&#39;s to change") {
			t.Errorf("%s of another's chart: status %d, want 403 with whose it is", path, w.Code)
		}
	}
}

// TestReplays sends dead letters again.
func TestReplays(t *testing.T) {
	t.Parallel()
	send(t, lab{}, lab{"notices.replay": `{"notices":[{"job":1},{"job":2}]}`}, alice, []sentForm{
		{"/notifications", "", 303, "", "/notifications", "2 deliveries on the way again.", `notices.replay {"dead":true}`},
		{"/notifications", "job=42.1", 303, "", "/notifications?job=42.1", "2 deliveries on the way again.", `notices.replay {"job":"42.1"}`},
		{"/scheduler/reservations/0x7/end", "", 404, "there is no reservation 0x7", "", "", ""},
	})
}
