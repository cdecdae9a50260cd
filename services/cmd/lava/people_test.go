package lava_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
	"strata/services/cmd/lava"
)

// TestPeopleRecorded reads dumps of a real server: by name and by number they say the same.
func TestPeopleRecorded(t *testing.T) {
	t.Parallel()
	byName, err := lava.ReadPeople("testdata/users-natural.json")
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := lava.ReadPeople("testdata/users-pk.json")
	if err != nil {
		t.Fatal(err)
	}
	// Each dump was made of users made anew, so their hashes have other salts.
	for _, p := range []*lava.People{byName, byNumber} {
		if len(p.NotTaken) > 0 || len(p.Others) > 0 {
			t.Errorf("not taken: %+v, others %v; want all taken", p.NotTaken, p.Others)
		}
		for i, u := range p.Import.Users {
			if strings.HasPrefix(u.Password, "pbkdf2_sha256$260000$") {
				p.Import.Users[i].Password = "a hash"
			}
		}
	}
	if !reflect.DeepEqual(byName, byNumber) {
		t.Errorf("by name:\n%+v\nby number:\n%+v", byName, byNumber)
	}
	users := map[events.UserName]api.ImportedUser{}
	for _, u := range byName.Import.Users {
		users[u.User] = u
	}
	carol := api.ImportedUser{User: "carol", Email: "carol@example.com", FirstName: "Carol", LastName: "Example", IRCHandle: "caz", IRCServer: "irc.example.com", TableLength: 50,
		Password: "a hash", Groups: []events.GroupName{"kernel"}, Permissions: []string{"lava_scheduler_app.change_device"},
		Tokens:  []api.ImportedToken{{Value: "carol0laptop" + strings.Repeat("0", 116), Description: "laptop"}, {Value: "carol0ci" + strings.Repeat("0", 120)}},
		Secrets: []api.RemoteToken{{Name: "gitlab", Value: "glpat-example"}}}
	if !reflect.DeepEqual(users["carol"], carol) {
		t.Errorf("carol: got\n%+v\nwant\n%+v", users["carol"], carol)
	}
	if d := users["dave"]; !d.Inactive || !d.Staff || d.Superuser || d.Password != "" || len(d.Groups) != 2 {
		t.Errorf("dave: got %+v, want staff, not active, without a password, in two groups", d)
	}
	if a := users["admin"]; !a.Superuser || len(a.Tokens) != 1 || len(users) != 5 {
		t.Errorf("admin of %d users: got %+v", len(users), a)
	}
	var workers []string
	for _, w := range byName.Import.Workers {
		workers = append(workers, string(w.Worker))
		if len(w.Token) != 32 {
			t.Errorf("token of %s: %d characters, want LAVA's 32", w.Worker, len(w.Token))
		}
	}
	if got := strings.Join(workers, " "); got != "example.com peer-worker" {
		t.Errorf("workers: got %q", got)
	}
	var objects []string
	for _, o := range byName.Objects {
		objects = append(objects, string(o.Kind)+" "+o.Name+" "+o.Settings["permissions"])
	}
	if got, want := strings.Join(objects, "; "), "device qemu-01 kernel:change_device; devicetype qemu kernel:submit_to_devicetype; worker example.com boot team:change_worker; worker peer-worker "; got != want {
		t.Errorf("objects: got %q, want %q", got, want)
	}
}

// TestPeopleOdd reads what is no dump, or half of one: each is told, and nothing is made up.
func TestPeopleOdd(t *testing.T) {
	t.Parallel()
	user := `{"model": "auth.user", "pk": 1, "fields": {"username": "alice", "is_active": true, "password": "%s", "groups": [7], "user_permissions": [5, ["fly", "auth", "user"]]}}`
	token := `{"model": "linaro_django_xmlrpc.authtoken", "fields": {"secret": "0123456789abcdef", "user": 2}}`
	tests := []struct{ name, text, want string }{
		{"nothing", ``, "want a list of rows"},
		{"no list", `{}`, "it begins with {"},
		{"no rows", `[]`, "dumpdata --natural-foreign"},
		{"half a list", `[` + user, "breaks off"},
		{"a row of another shape", `[{"username": "alice"}]`, "row 1 has no model"},
		{"a field of another shape", `[{"model": "auth.user", "fields": []}]`, "row 1"},
		{"a token of nobody", `[` + token + `]`, "user - token"},
		{"a group that is not there", `[` + user + `]`, "user alice group"},
		{"a permission that is not there", `[` + user + `]`, "user alice permission"},
		{"a permission on nothing", `[` + user + `]`, "auth.fly"},
		{"a hash of another kind", `[` + strings.ReplaceAll(user, "%s", "md5$salt$00") + `]`, "user alice password"},
		{"a right of nobody", `[` + user + `, {"model": "lava_scheduler_app.groupdevicepermission", "fields": {"device": "q1", "group": 3, "permission": 4}}]`, "device q1 permission"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dump.json")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := lava.ReadPeople(file)
			var told strings.Builder
			if err != nil {
				told.WriteString(err.Error())
			} else {
				for _, n := range p.NotTaken {
					told.WriteString(string(n.Kind) + " " + n.Name + " " + n.Setting + " " + n.Value + "\n")
				}
			}
			if !strings.Contains(told.String(), tt.want) {
				t.Errorf("told %q, want it to say %q", told.String(), tt.want)
			}
		})
	}
	if _, err := lava.ReadPeople(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no files *.json") {
		t.Errorf("a folder without a dump: got error %v", err)
	}
}
