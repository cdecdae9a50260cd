package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// imported asks for an import and returns its report as lines.
func (p people) imported(t *testing.T, in api.PeopleImportRequest) (changes, kept, refused string) {
	t.Helper()
	var out api.LabImport
	call(t, p.admin, "people.import", in, &out)
	line := func(c api.SettingChange) string {
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.Setting))
	}
	var lines [3][]string
	for _, c := range out.Changes {
		lines[0] = append(lines[0], line(c))
	}
	for _, c := range out.Kept {
		lines[1] = append(lines[1], line(c)+": "+c.Why)
	}
	for _, r := range out.Refused {
		lines[2] = append(lines[2], string(r.Kind)+" "+r.Name+": "+r.Why)
	}
	return strings.Join(lines[0], "\n"), strings.Join(lines[1], "\n"), strings.Join(lines[2], "\n")
}

// TestImportPeople takes accounts over, twice, and again after both sides have changed something: what somebody
// revoked, removed or changed here does not come back.
func TestImportPeople(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	old := strings.Repeat("old0", 32)
	in := api.PeopleImportRequest{Reason: "import from LAVA",
		Groups: []api.ImportedGroup{{Group: "kernel", Permissions: []string{"lava_scheduler_app.add_worker"}}},
		Users: []api.ImportedUser{{User: "alice", Email: "alice@example.com", Groups: []events.GroupName{"kernel"},
			Tokens: []api.ImportedToken{{Value: old, Description: "ci"}}, Secrets: []api.RemoteToken{{Name: "store", Value: "s3cret"}}},
			{User: "bob", Superuser: true}, {User: "carol"}},
		Workers: []api.ImportedWorker{{Worker: "w1", Token: strings.Repeat("x", 32)}}}

	dry := in
	dry.DryRun = true
	wantChanges := "group kernel\nuser alice\nuser alice group\nuser alice token\nuser alice secret\nuser bob\nuser carol\nworker w1\nworker w1 token"
	if changes, _, refused := p.imported(t, dry); changes != wantChanges || refused != "" {
		t.Errorf("a dry run says:\n%s\nrefused %q", changes, refused)
	}
	if _, err := p.Authenticate(old, here); !errors.Is(err, api.ErrUnknownToken) {
		t.Errorf("alice's token after a dry run: error %v", err)
	}
	if changes, kept, refused := p.imported(t, in); changes != wantChanges || kept != "" || refused != "" {
		t.Errorf("import:\n%s\nkept %q, refused %q", changes, kept, refused)
	}
	if who, err := p.Authenticate(old, here); err != nil || who.User != "alice" {
		t.Errorf("alice's token of before: got %+v, error %v", who, err)
	}
	if !p.WorkerBrings("w1", strings.Repeat("x", 32)) || p.WorkerBrings("w1", strings.Repeat("y", 32)) || p.WorkerBrings("w2", strings.Repeat("x", 32)) {
		t.Error("the worker's token of before is not good, or another is")
	}
	if changes, kept, refused := p.imported(t, in); changes != "" || kept != "" || refused != "" {
		t.Errorf("the same again: changes %q, kept %q, refused %q; want none", changes, kept, refused)
	}

	call(t, p.admin, "tokens.revoke", api.TokenRequest{Token: access.TokenID(old)}, nil)
	call(t, p.admin, "users.remove", api.UserRequest{User: "carol"}, nil)
	no := false
	call(t, p.admin, "users.set", api.UserRequest{User: "bob", Superuser: &no, Reason: "not here"}, nil)
	call(t, p.admin, "groups.leave", api.GroupRequest{Group: "kernel", User: "alice"}, nil)
	call(t, p.admin, "workers.token", api.WorkerRequest{Worker: "w1", Rotate: true}, nil)
	fresh := strings.Repeat("new0", 32)
	in.Users[0].Tokens = append(in.Users[0].Tokens, api.ImportedToken{Value: fresh, Description: "ci 2"})
	in.Users[0].Email = "alice@example.org"
	changes, kept, refused := p.imported(t, in)
	if changes != "user alice settings\nuser alice token" || refused != "" {
		t.Errorf("import after changes there and here: got changes %q, refused %q; want alice's new address and token", changes, refused)
	}
	for _, want := range []string{"user alice token: was revoked here", "user carol: was removed here", "user bob settings: were changed here", "user alice group: is in it there", "worker w1 token: was rotated here"} {
		if !strings.Contains(kept, want) {
			t.Errorf("kept:\n%s\nwant %q among it", kept, want)
		}
	}
	if p.WorkerBrings("w1", strings.Repeat("x", 32)) {
		t.Error("a worker's token is good again that was rotated here")
	}
	in.Force = true
	if changes, kept, _ := p.imported(t, in); kept != "user alice token: was revoked here" || !strings.Contains(changes, "user carol") || !strings.Contains(changes, "user bob settings") {
		t.Errorf("by force: changes\n%s\nkept %q", changes, kept)
	}
}

// TestImportPeopleRefused shows what is not taken, each with its reason, and that the others are.
func TestImportPeopleRefused(t *testing.T) {
	t.Parallel()
	p := startPeople(t, nil)
	secret := strings.Repeat("a", 32)
	in := api.PeopleImportRequest{Users: []api.ImportedUser{
		{User: "local", Superuser: true}, {User: "lava-health"}, {User: "@x"}, {User: "a b"}, {User: "ﬁne"},
		{User: "short", Tokens: []api.ImportedToken{{Value: "tooshort"}}}, {User: "first", Tokens: []api.ImportedToken{{Value: secret}}},
		{User: "second", Tokens: []api.ImportedToken{{Value: secret}}}, {User: "odd", Permissions: []string{"lava_scheduler_app.fly_device"}},
		{User: "blank", Secrets: []api.RemoteToken{{Name: "x"}}}, {User: "good"}},
		Workers: []api.ImportedWorker{{Worker: "w1", Token: "short"}}}
	changes, _, refused := p.imported(t, in)
	for _, want := range []string{"user local: local is the name", "user lava-health: user lava-health is a name", "user @x: ", "user a b: ", "user ﬁne: ", "user short: ", "user second: a token () is first's here", "user odd: ", "user blank: ", "worker w1: "} {
		if !strings.Contains(refused, want) {
			t.Errorf("refused:\n%s\nwant %q among it", refused, want)
		}
	}
	if changes != "user first\nuser first token\nuser good" || strings.Contains(refused, secret) {
		t.Errorf("taken: got %q; refused %q", changes, refused)
	}
	if err := asUser(t, p.broker, "good").Call(t.Context(), "people.import", in, nil); !api.HasCode(err, api.Denied) {
		t.Errorf("an import by a user: got error %v, want denied", err)
	}
}
