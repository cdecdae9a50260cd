package dispatchertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// AVH stands for the service Arm Virtual Hardware: one account, one model, one project.
type AVH struct {
	URL     string   // its endpoint
	States  []string // of an instance, one a question; the last stays. Set before it is asked
	Console string   // what the board prints when its console is opened; then it echoes

	mu     sync.Mutex
	calls  []string
	upload map[string]string
}

// What the service knows: an API token, a flavor, a project's name and id.
const (
	AVHToken   = "s3cret-token"
	AVHModel   = "rpi4b"
	AVHProject = "Default Project"
	avhProject = "p-1"
)

// StartAVH starts the service for a test.
func StartAVH(t *testing.T) *AVH {
	a := &AVH{States: []string{"on"}, upload: map[string]string{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.URL = server.URL + "/api"
	return a
}

// Calls returns what was asked so far: method and path, and what was sent that matters.
func (a *AVH) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// Uploaded returns the fields of the image that was uploaded, with its content as "file".
func (a *AVH) Uploaded() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.upload
}

// ServeHTTP answers one question.
func (a *AVH) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := strings.CutPrefix(r.URL.Path, "/api")
	body := ""
	if r.Header.Get("Content-Type") == "application/json" {
		text, _ := io.ReadAll(r.Body)
		body = " " + string(text)
	}
	call := r.Method + " " + path + body
	if path != "/console" && path != "/v1/auth/login" && r.Header.Get("Authorization") != "Bearer session" {
		a.refuse(w, http.StatusForbidden, "no token")
		return
	}
	a.mu.Lock()
	a.calls = append(a.calls, call)
	a.mu.Unlock()
	switch {
	case path == "/v1/auth/login" && body == ` {"apiToken":"`+AVHToken+`"}`:
		fmt.Fprint(w, `{"token":"session","expiration":"2030-01-01T00:00:00Z"}`)
	case path == "/v1/auth/login":
		a.refuse(w, http.StatusForbidden, "invalid token")
	case call == "GET /v1/models":
		fmt.Fprintf(w, `[{"type":"iot","name":"Raspberry Pi","flavor":%q,"model":"x"}]`, AVHModel)
	case call == "GET /v1/projects":
		fmt.Fprintf(w, `[{"id":%q,"name":%q}]`, avhProject, AVHProject)
	case call == "POST /v1/images":
		a.take(w, r)
	case strings.HasPrefix(call, "POST /v1/instances "):
		fmt.Fprint(w, `{"id":"i-1","state":"creating"}`)
	case call == "GET /v1/instances/i-1":
		a.state(w)
	case call == "GET /v1/instances/i-1/console":
		fmt.Fprintf(w, `{"url":"ws%s/console?token=x%%3D"}`, strings.TrimPrefix(a.URL, "http"))
	case path == "/console":
		a.console(w, r)
	case call == "DELETE /v1/instances/i-1", call == "DELETE /v2/images/img-1":
		w.WriteHeader(http.StatusNoContent)
	default:
		a.refuse(w, http.StatusNotFound, "nothing there")
	}
}

func (a *AVH) refuse(w http.ResponseWriter, status int, why string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": why, "errorID": "E"})
}

// take takes an upload.
func (a *AVH) take(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		a.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		text, _ := io.ReadAll(part)
		a.upload[part.FormName()] = string(text)
	}
	fmt.Fprint(w, `{"id":"img-1","status":"active"}`)
}

func (a *AVH) state(w http.ResponseWriter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(w, `{"id":"i-1","state":%q,"error":"disk too small"}`, a.States[0])
	if len(a.States) > 1 {
		a.States = a.States[1:]
	}
}

// console prints and echoes. It prints as text and echoes as bytes, as the service mixes them.
func (a *AVH) console(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	if ws.Write(r.Context(), websocket.MessageText, []byte(a.Console)) != nil {
		return
	}
	for {
		_, text, err := ws.Read(r.Context())
		if err != nil || ws.Write(r.Context(), websocket.MessageBinary, append(text, "\r\nroot@board:~# "...)) != nil {
			return
		}
	}
}
