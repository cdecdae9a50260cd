package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
)

// nodebooter boots a device over the network with Google's nodebooter, which runs in a container and
// answers the device's DHCP and HTTP requests.
//
// The container has the worker's network, because DHCP is broadcast on the interface that the device
// hangs on. It is told over its HTTP interface which of the device's network interfaces, by MAC
// address, boots which image, before the device is reset and asks.
func nodebooter(pipeline.Data) pipeline.Action {
	return retried("boot-nodebooter", "boot over the network with nodebooter",
		func(step *pipeline.Step, _ *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{&runNodebooter{}, configureNodebooter(), reset()}
			if step.Block.Has("prompts") {
				actions = append(actions, autoLogin(true))
			}
			if step.Block.Has("transfer_overlay") {
				actions = append(actions, &unpack{})
			}
			return actions
		})
}

// runNodebooter is run-nodebooter-container.
type runNodebooter struct{ name string }

// Name returns the action's name.
func (*runNodebooter) Name() string { return "run-nodebooter-container" }

// Description says what the action does.
func (*runNodebooter) Description() string { return "start nodebooter" }

// Validate checks what the device and the block say.
func (*runNodebooter) Validate(_ context.Context, s *pipeline.Session) error {
	for _, key := range []string{"DUT_MAC", "DUT_IFACE"} {
		if s.Device.Get("environment", key).Text() == "" {
			s.Invalid("the device has no '%s' in its environment, which nodebooter needs", key)
		}
	}
	if name, _ := container.ImageOf(s.Block().Get("docker")); name == "" {
		s.Invalid("'docker' names no image of nodebooter")
	}
	_, err := container.Find(s)
	return err
}

// Run starts the container in the background.
func (a *runNodebooter) Run(ctx context.Context, s *pipeline.Session) error {
	if err := a.Cleanup(ctx, s); err != nil { // of an earlier attempt
		return err
	}
	engine, err := container.Find(s)
	if err != nil {
		return err
	}
	if err := container.Pull(ctx, s, s.Block().Get("docker"), ""); err != nil {
		return err
	}
	image, _ := container.ImageOf(s.Block().Get("docker"))
	a.name = container.Name(s, "lava-nodebooter")
	argv := []string{engine, "run", "--rm", "--detach", "--network", "host", "--cap-add", "NET_ADMIN", "--name", a.name}
	for _, p := range s.Device.Get("environment").Pairs() {
		argv = append(argv, "--env", p.Key+"="+p.Value.Text())
	}
	for _, i := range downloads(s) {
		argv = append(argv, "--mount", fmt.Sprintf("type=bind,source=%s,destination=/data/%s", i.Path, base(i.Path)))
	}
	return s.Command(ctx, append(argv, image)...)
}

// Cleanup stops the container.
func (a *runNodebooter) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.name != "" {
		container.Stop(ctx, s, a.name)
		a.name = ""
	}
	return nil
}

// nodebooterAPI is where nodebooter is configured, unless the method's parameter `api` says otherwise.
const nodebooterAPI = "http://localhost:12901"

// configureNodebooter is configure-nodebooter: which device boots what.
func configureNodebooter() pipeline.Action {
	return pipeline.Basic{Title: "configure-nodebooter", About: "tell nodebooter what the device boots",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			nics := []map[string]string{{"mac": s.Device.Get("environment", "DUT_MAC").Text()}}
			for i := range 4 {
				mac := s.Device.Get("environment", fmt.Sprintf("NIC%d_MAC", i)).Text()
				file, ok := pipeline.Get(s, pipeline.Artefact(fmt.Sprintf("nic%d", i)))
				if mac != "" && ok {
					nics = append(nics, map[string]string{"mac": mac, "image": "/data/" + base(file)})
				}
			}
			boot, ok := pipeline.Get(s, pipeline.Artefact("boot"))
			if !ok {
				return pipeline.Blamef(pipeline.Job, "there is no image 'boot' to boot")
			}
			nics[0]["image"] = "/data/" + base(boot)
			api := parametersOf(s, "nodebooter").Get("api").TextOr(nodebooterAPI)
			return postJSON(ctx, api+"/config", map[string]any{"nics": nics})
		}}
}

// postJSON sends a value and expects an answer of class 2xx.
func postJSON(ctx context.Context, url string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return pipeline.Blame(pipeline.Bug, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return pipeline.Blame(pipeline.Bug, err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "configure nodebooter: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil || answer.StatusCode/100 != 2 {
		return pipeline.Blamef(pipeline.Infrastructure, "configure nodebooter: %s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
