// Package avh talks to Arm Virtual Hardware, a service on the network that emulates boards, in the
// words of its public REST API (github.com/ARM-software/avh-api, version 1 of the paths).
//
// A [Client] is logged in for a job, with an API token that is a secret of the job. A firmware
// package is uploaded, an instance (one virtual board) made of it, and its console is a websocket.
// What a job made it deletes: an instance that is left behind costs its owner money.
//
// Answers that are no success are errors that say what was asked and what the service said about
// it. They have no class: whoever asks knows whose fault it is.
package avh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/coder/websocket"
)

// maxAnswer is how much of an answer is read, in bytes: a list of all models is some 100 kB.
const maxAnswer = 8 << 20

// Client is a session with the service.
type Client struct {
	endpoint string
	token    string // for the header Authorization, good for some hours
	http     *http.Client
}

// Login logs in with an API token, over an HTTP client of the caller's. endpoint is the URL above
// /v1, such as https://host/api.
func Login(ctx context.Context, over *http.Client, endpoint, apiToken string) (*Client, error) {
	c := &Client{endpoint: strings.TrimRight(endpoint, "/"), http: over}
	var answer struct {
		Token string `json:"token"`
	}
	if err := c.ask(ctx, http.MethodPost, "/v1/auth/login", map[string]string{"apiToken": apiToken}, &answer); err != nil {
		return nil, fmt.Errorf("log in to %s: %w", endpoint, err)
	}
	if answer.Token == "" {
		return nil, fmt.Errorf("log in to %s: the answer has no token", endpoint)
	}
	c.token = answer.Token
	return c, nil
}

// Models returns the flavors of boards that the account may make.
func (c *Client) Models(ctx context.Context) ([]string, error) {
	var answer []struct {
		Flavor string `json:"flavor"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/models", nil, &answer); err != nil {
		return nil, fmt.Errorf("list the models: %w", err)
	}
	var flavors []string
	for _, m := range answer {
		flavors = append(flavors, m.Flavor)
	}
	return flavors, nil
}

// Projects returns the account's projects: id by name.
func (c *Client) Projects(ctx context.Context) (map[string]string, error) {
	var answer []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/projects", nil, &answer); err != nil {
		return nil, fmt.Errorf("list the projects: %w", err)
	}
	projects := map[string]string{}
	for _, p := range answer {
		projects[p.Name] = p.ID
	}
	return projects, nil
}

// Upload uploads a firmware package (a zip) to a project and returns the image's id.
func (c *Client) Upload(ctx context.Context, project, name, file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	// Packages are gigabytes: the body is made while it is sent.
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeForm(form, project, name, in)) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/v1/images", body)
	if err != nil {
		return "", errors.Join(err, body.Close())
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	var answer struct {
		ID string `json:"id"`
	}
	err = c.send(request, &answer)
	body.Close() // ends the writer where the service did not read to the end
	if err == nil && answer.ID == "" {
		err = errors.New("the answer has no id")
	}
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", filepath.Base(file), err)
	}
	return answer.ID, nil
}

// writeForm writes the fields of an image. The package is not wrapped in a second zip.
func writeForm(form *multipart.Writer, project, name string, in *os.File) error {
	for _, field := range [][2]string{{"type", "fwpackage"}, {"encoding", "plain"}, {"encapsulated", "false"}, {"name", name}, {"project", project}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return err
		}
	}
	part, err := form.CreateFormFile("file", filepath.Base(in.Name()))
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, in); err != nil {
		return err
	}
	return form.Close()
}

// Board is an instance to be made.
type Board struct {
	Name        string       `json:"name"`
	Project     string       `json:"project"`   // id
	Flavor      string       `json:"flavor"`    // the model
	Package     string       `json:"fwpackage"` // id of the uploaded image
	OS          string       `json:"os"`        // version of the package, as its Info.plist has it
	Build       string       `json:"osbuild,omitempty"`
	BootOptions *BootOptions `json:"bootOptions,omitempty"`
}

// BootOptions are arguments of the board's kernel.
type BootOptions struct {
	Args    string `json:"bootArgs,omitempty"`
	Restore string `json:"restoreBootArgs,omitempty"` // for the first start, which writes the disk
}

// Create makes an instance, which starts by itself, and returns its id.
func (c *Client) Create(ctx context.Context, b Board) (string, error) {
	var answer struct {
		ID string `json:"id"`
	}
	err := c.ask(ctx, http.MethodPost, "/v1/instances", b, &answer)
	if err == nil && answer.ID == "" {
		err = errors.New("the answer has no id")
	}
	if err != nil {
		return "", fmt.Errorf("make an instance of %s: %w", b.Flavor, err)
	}
	return answer.ID, nil
}

// State returns an instance's state: creating, restoring, booting, on, off, error and others; and
// with "error" what the service says about it.
func (c *Client) State(ctx context.Context, instance string) (state, problem string, err error) {
	var answer struct {
		State json.RawMessage `json:"state"`
		Error string          `json:"error"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v1/instances/"+url.PathEscape(instance), nil, &answer); err != nil {
		return "", "", fmt.Errorf("ask for the state of instance %s: %w", instance, err)
	}
	// The reference describes an object, the service sends the bare word.
	var object struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(answer.State, &state) != nil && json.Unmarshal(answer.State, &object) == nil {
		state = object.Value
	}
	if state == "" {
		return "", "", fmt.Errorf("ask for the state of instance %s: the answer has none", instance)
	}
	return state, answer.Error, nil
}

// Console connects to an instance's console. ctx bounds the connecting only.
func (c *Client) Console(ctx context.Context, instance string) (io.ReadWriteCloser, error) {
	var answer struct {
		URL string `json:"url"` // holds a credential
	}
	err := c.ask(ctx, http.MethodGet, "/v1/instances/"+url.PathEscape(instance)+"/console", nil, &answer)
	if err == nil && answer.URL == "" {
		err = errors.New("the answer has no url")
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the console of instance %s: %w", instance, err)
	}
	ws, _, err := websocket.Dial(ctx, answer.URL, &websocket.DialOptions{HTTPClient: c.http})
	if err != nil {
		// It quotes the URL.
		return nil, errors.New("connect to the console: " + strings.ReplaceAll(err.Error(), answer.URL, "URL"))
	}
	ws.SetReadLimit(maxAnswer)
	return &console{ctx: context.WithoutCancel(ctx), ws: ws}, nil
}

// console is a websocket as a stream of bytes, whatever kind of frames they come in.
type console struct {
	ctx   context.Context
	ws    *websocket.Conn
	frame io.Reader // what is left of the last one; nil for none
}

// Read reads what the board prints.
func (c *console) Read(p []byte) (int, error) {
	for {
		if c.frame == nil {
			var err error
			if _, c.frame, err = c.ws.Reader(c.ctx); err != nil {
				return 0, err
			}
		}
		n, err := c.frame.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		c.frame = nil
		if n > 0 {
			return n, nil
		}
	}
}

// Write types.
func (c *console) Write(p []byte) (int, error) {
	if err := c.ws.Write(c.ctx, websocket.MessageBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the connection, not the board.
func (c *console) Close() error { return c.ws.CloseNow() }

// DeleteInstance deletes an instance; one that is gone is no error.
func (c *Client) DeleteInstance(ctx context.Context, instance string) error {
	return c.delete(ctx, "/v1/instances/", instance)
}

// DeleteImage deletes an uploaded image; one that is gone is no error.
func (c *Client) DeleteImage(ctx context.Context, image string) error {
	return c.delete(ctx, "/v2/images/", image)
}

func (c *Client) delete(ctx context.Context, path, id string) error {
	err := c.ask(ctx, http.MethodDelete, path+url.PathEscape(id), nil, nil)
	var refused *Refused
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// Refused is an answer that is no success.
type Refused struct {
	Status int
	Text   string // the service's reason
}

// Error says status and reason.
func (e *Refused) Error() string {
	return strings.TrimRight(fmt.Sprintf("the service answered %d: %s", e.Status, e.Text), ": ")
}

// ask sends a value as JSON, nil for none, and reads the answer into another, nil to ignore it.
func (c *Client) ask(ctx context.Context, method, path string, value, answer any) error {
	var body io.Reader
	if value != nil {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, body)
	if err != nil {
		return err
	}
	if value != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return c.send(request, answer)
}

func (c *Client) send(request *http.Request, answer any) error {
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		reason := struct {
			Error string `json:"error"`
		}{strings.TrimSpace(string(text[:min(len(text), 500)]))}
		_ = json.Unmarshal(text, &reason) // a proxy's answer is no JSON: its text will do
		return &Refused{response.StatusCode, reason.Error}
	}
	if answer == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	return nil
}
