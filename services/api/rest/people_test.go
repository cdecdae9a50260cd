package rest_test

import (
	"strings"
	"testing"

	"strata/services/api"
)

// A request that names a group which there is not leaves nothing behind.
func TestUserOfNoGroup(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.verb("groups.add", api.GroupRequest{Group: "kernel"}, nil)
	l.wants("POST", "/api/v0.2/users/", map[string]any{"username": "eve", "groups": []string{"kernel", "nosuch"}}, 400, `"groups"`, "nosuch")
	if a := l.wants("GET", "/api/v0.2/users/", nil, 200); strings.Contains(a.body, "eve") {
		t.Errorf("users after it: %s", a.body)
	}
	l.wants("POST", "/api/v0.2/users/", map[string]any{"username": "eve", "groups": []string{"kernel"}}, 201, "kernel")
	l.wants("PATCH", "/api/v0.2/users/eve/", map[string]any{"email": "eve@example.com", "groups": []string{"nosuch"}}, 400, "nosuch")
	if a := l.wants("GET", "/api/v0.2/users/eve/", nil, 200, "kernel"); strings.Contains(a.body, "eve@") {
		t.Errorf("the user after it: %s", a.body)
	}
}
