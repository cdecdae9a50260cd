package avh_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/avh"
	"strata/dispatcher/dispatchertest"
)

// A package becomes a board that is typed at, and both are gone in the end.
func TestBoard(t *testing.T) {
	t.Parallel()
	service := dispatchertest.StartAVH(t)
	service.States, service.Console = []string{"creating", "on"}, "login: \r\n"
	ctx, client := t.Context(), login(t, service)
	if flavors, err := client.Models(ctx); err != nil || !slices.Equal(flavors, []string{dispatchertest.AVHModel}) {
		t.Errorf("models: %q, %v", flavors, err)
	}
	projects, err := client.Projects(ctx)
	if err != nil || projects[dispatchertest.AVHProject] == "" {
		t.Errorf("projects: %v, %v", projects, err)
	}
	file := filepath.Join(t.TempDir(), "fw.zip")
	if err := os.WriteFile(file, []byte("package"), 0o644); err != nil {
		t.Fatal(err)
	}
	image, err := client.Upload(ctx, projects[dispatchertest.AVHProject], "lava-1", file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"type": "fwpackage", "encoding": "plain", "encapsulated": "false", "name": "lava-1", "project": "p-1", "file": "package"}
	if got := service.Uploaded(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("uploaded %v, want %v", got, want)
	}
	board, err := client.Create(ctx, avh.Board{Name: "lava-1", Project: "p-1", Flavor: "rpi4b", Package: image, OS: "1.1", Build: "42",
		BootOptions: &avh.BootOptions{Args: "console=ttyS0", Restore: "init=/x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"creating", "on", "on"} {
		if state, _, err := client.State(ctx, board); err != nil || state != want {
			t.Errorf("state %q, %v, want %q", state, err, want)
		}
	}
	console, err := client.Console(ctx, board)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := console.Write([]byte("root")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(console)
	for _, want := range []string{"login: \r\n", "root\r\n"} {
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Errorf("the console says %q, %v, want %q", got, err, want)
		}
	}
	if err := errors.Join(console.Close(), client.DeleteInstance(ctx, board), client.DeleteImage(ctx, image), client.DeleteInstance(ctx, "gone")); err != nil {
		t.Errorf("end: %v", err)
	}
	made := `POST /v1/instances {"name":"lava-1","project":"p-1","flavor":"rpi4b","fwpackage":"img-1","os":"1.1","osbuild":"42",` +
		`"bootOptions":{"bootArgs":"console=ttyS0","restoreBootArgs":"init=/x"}}`
	if calls := service.Calls(); !slices.Contains(calls, made) {
		t.Errorf("asked %q, want %q among it", calls, made)
	}
}

// What the service refuses is said in its words, and no URL with a credential is quoted.
func TestRefusals(t *testing.T) {
	t.Parallel()
	service := dispatchertest.StartAVH(t)
	_, err := avh.Login(t.Context(), http.DefaultClient, service.URL, "wrong")
	var refused *avh.Refused
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || !strings.Contains(err.Error(), "invalid token") {
		t.Errorf("a wrong token: %v", err)
	}
	client := login(t, service)
	if _, _, err := client.State(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "answered 404: nothing there") {
		t.Errorf("no such instance: %v", err)
	}
	if _, err := client.Console(t.Context(), "none"); err == nil || strings.Contains(err.Error(), "token=") {
		t.Errorf("no such console: %v", err)
	}
	if _, err := client.Upload(t.Context(), "p-1", "n", "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func login(t *testing.T, service *dispatchertest.AVH) *avh.Client {
	t.Helper()
	client, err := avh.Login(t.Context(), http.DefaultClient, service.URL, dispatchertest.AVHToken)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
