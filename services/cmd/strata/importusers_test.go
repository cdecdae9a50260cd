package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestImportLavaUsers takes over a dump that a real LAVA server wrote: its users' tokens, passwords and workers are
// good at once, and a second import changes nothing.
func TestImportLavaUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "")
	dump, err := filepath.Abs(filepath.Join("..", "lava", "testdata", "users-natural.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, "devices", "add", "qemu-01", "--type", "qemu")
	if text := w.must(t, "import", "lava-users", dump, "--dry-run"); !strings.Contains(text, "added     user carol") || !strings.Contains(text, "nothing was changed") {
		t.Errorf("a dry run says:\n%s", text)
	}
	text := w.must(t, "import", "lava-users", dump)
	if strings.Contains(text, "carol0laptop") || strings.Contains(text, "glpat") || strings.Contains(text, "pbkdf2") {
		t.Errorf("the report has a secret:\n%s", text)
	}
	if text := w.must(t, "import", "lava-users", dump); !strings.HasPrefix(text, "0 changes") {
		t.Errorf("a second import says:\n%s\nwant 0 changes and nothing else", text)
	}
	if text := w.must(t, "permissions"); !strings.Contains(text, "change_device") || !strings.Contains(text, "submit_to_devicetype") || !strings.Contains(text, "change_worker") {
		t.Errorf("permissions:\n%s\nwant those of groups on a device, a type and a worker", text)
	}

	old := "carol0laptop" + strings.Repeat("0", 116)
	w.must(t, "jobs", "--server", r.NATS, "--token", old)
	if _, err := exec.LookPath("lavacli"); err != nil {
		t.Log("NOT TRIED with lavacli: ", err)
	} else {
		uri := strings.Replace(r.HTTP, "http://", "http://carol:"+old+"@", 1) + "/RPC2"
		out, err := exec.CommandContext(t.Context(), "lavacli", "--uri", uri, "system", "whoami").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "carol" {
			t.Errorf("lavacli with the token of before: %q, error %v; want carol", out, err)
		}
	}
	for password, want := range map[string]int{"correct horse": http.StatusOK, "correct hors": http.StatusBadRequest} {
		status, body := posted(t, r.HTTP+"/api/v0.2/token/", url.Values{"username": {"carol"}, "password": {password}})
		if status != want {
			t.Errorf("sign in with %q: %d %s, want %d", password, status, body, want)
		}
		var answer struct{ Token string }
		if want == http.StatusOK && (json.Unmarshal([]byte(body), &answer) != nil || answer.Token != old) {
			t.Errorf("the token for carol's password: got %s, want the first of hers", body)
		}
	}
	for token, want := range map[string]int{"1cBPoO1820Xj4TkrIUzrpsZtJ8Ps9yP6": http.StatusOK, "XGT5vkfjvEXWOQlwnwxc7Kjaqh8Ch7Yu": http.StatusBadRequest} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.HTTP+"/scheduler/internal/v1/workers/peer-worker/?version=2023.01", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("LAVA-Token", token)
		reply, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != want {
			t.Errorf("a ping of peer-worker with %s: %d, want %d", token, reply.StatusCode, want)
		}
	}
	if status, text := w.strata(t, "import", "lava-users", write(t, w.dir, "empty.json", "[]")); status != exitFailed || !strings.Contains(text, "dumpdata") {
		t.Errorf("import of nothing: status %d, %q; want the command that makes a dump", status, text)
	}
}

// TestAddChanges tells once that something is new, and all else as often as it comes.
func TestAddChanges(t *testing.T) {
	t.Parallel()
	worker, user := api.SettingChange{Kind: events.Worker, Name: "w1", There: "2 settings"}, api.SettingChange{Kind: events.User, Name: "w1"}
	token := api.SettingChange{Kind: events.Worker, Name: "w1", Setting: "token"}
	got := addChanges(nil, []api.SettingChange{worker, token})
	got = addChanges(got, []api.SettingChange{{Kind: events.Worker, Name: "w1"}, user, token})
	if want := []api.SettingChange{worker, token, user, token}; !slices.Equal(got, want) {
		t.Errorf("changes:\n got %+v\nwant %+v", got, want)
	}
}

// posted sends a form and returns the answer.
func posted(t *testing.T, address string, form url.Values) (int, string) {
	t.Helper()
	reply, err := http.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}
