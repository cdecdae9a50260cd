package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"strata/dispatcher/avh"
	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// AVHBoard is a virtual board at Arm Virtual Hardware that a deploy `to: avh` prepared.
type AVHBoard struct {
	Package string // the firmware package, a zip on the worker
	Model   string // flavor of the board
	Project string // id of the account's project
	Version string // of the package, as its Info.plist has it
	Build   string
}

// AVHPrepared is what a deploy `to: avh` leaves.
const AVHPrepared pipeline.Key[AVHBoard] = "deploy-avh/deploy-avh/avh"

// AVHOption returns an option of the method: the deploy block's own, or the device's.
func AVHOption(s *pipeline.Session, block pipeline.Data, key, otherwise string) string {
	own := block.Get("options", key).Text()
	return first(own, s.Device.Get("actions", "deploy", "methods", "avh", "options", key).Text(), otherwise)
}

// What the service is where neither job nor device say otherwise.
const (
	avhEndpoint = "https://app.avh.corellium.com/api"
	avhProject  = "Default Project"
)

// avhToken is the job's secret with which it logs in.
const avhToken = "avh_api_token"

// AVHLogin logs in to the service that a deploy block means, with the job's secret.
func AVHLogin(ctx context.Context, s *pipeline.Session, block pipeline.Data) (*avh.Client, error) {
	endpoint := AVHOption(s, block, "api_endpoint", avhEndpoint)
	// A definition names the endpoint, so it goes where the worker lets definitions go.
	rules, err := urlrule.Read(s.Dispatcher)
	if err != nil {
		return nil, err
	}
	if err := rules.Check(endpoint); err != nil {
		return nil, pipeline.Blamef(pipeline.Job, "avh api_endpoint: %w", err)
	}
	dialer := net.Dialer{Timeout: avhSilence, Control: rules.Control}
	over := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: avhSilence}}
	client, err := avh.Login(ctx, over, endpoint, s.Job.Get("secrets", avhToken).Text())
	return client, avhFault(ctx, err)
}

// avhSilence is how long the service may take to be connected to.
const avhSilence = 60 * time.Second

// AVHSelect checks that the account has the block's model and project, and returns both, the
// project by its id.
func AVHSelect(ctx context.Context, s *pipeline.Session, client *avh.Client, block pipeline.Data) (model, project string, err error) {
	model = AVHOption(s, block, "model", "")
	flavors, err := client.Models(ctx)
	if err != nil {
		return "", "", avhFault(ctx, err)
	}
	if !slices.Contains(flavors, model) {
		return "", "", pipeline.Blamef(pipeline.Job, "AVH model '%s' is not available, only %s", model, pipeline.ReprList(flavors))
	}
	projects, err := client.Projects(ctx)
	if err != nil {
		return "", "", avhFault(ctx, err)
	}
	name := AVHOption(s, block, "project_name", avhProject)
	project, ok := projects[name]
	if !ok {
		return "", "", pipeline.Blamef(pipeline.Job, "AVH project '%s' is not one of the account's", name)
	}
	return model, project, nil
}

// avhFault blames whoever has to act: the owner of the token where that is refused, else the lab.
func avhFault(ctx context.Context, err error) error {
	var refused *avh.Refused
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized):
		return pipeline.Blamef(pipeline.Job, "AVH: %w", err)
	}
	return pipeline.Blamef(pipeline.Infrastructure, "AVH: %w", err)
}

// avhBoot boots a virtual board at Arm Virtual Hardware, a service on the network.
func avhBoot(pipeline.Data) pipeline.Action {
	return retried("boot-avh", "boot a virtual board of Arm Virtual Hardware",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{&callAVH{}}
			if step.Block.Has("prompts") {
				actions = append(actions, autoLogin(true))
				if s.TestInfo().HasShell {
					actions = append(actions, expectShell{}, exportEnv{})
				}
			}
			return actions
		})
}

// callAVH is call-avh.
type callAVH struct {
	client          *avh.Client
	image, instance string // what was made, to be deleted
}

// Name returns the action's name.
func (*callAVH) Name() string { return "call-avh" }

// Description says what the action does.
func (*callAVH) Description() string { return "make and start the virtual board" }

// Validate checks that the job can log in.
func (*callAVH) Validate(_ context.Context, s *pipeline.Session) error {
	if s.Job.Get("secrets", avhToken).Text() == "" {
		s.Invalid("[AVH] Missing '%s' secret", avhToken)
	}
	return nil
}

// Run uploads the package, makes a board of it and connects to its console. No container is needed
// for that: the console's websocket is spoken here, whatever image the block names for a client.
func (a *callAVH) Run(ctx context.Context, s *pipeline.Session) error {
	board, ok := pipeline.Get(s, AVHPrepared)
	if !ok {
		return pipeline.Blamef(pipeline.Job, "there is no firmware package: deploy one with 'to: avh'")
	}
	if err := a.Cleanup(ctx, s); err != nil { // of an earlier attempt
		return err
	}
	var err error
	if a.client, err = AVHLogin(ctx, s, deployBlock(s, "avh")); err != nil {
		return err
	}
	name := "lava-" + s.ID + "-" + s.Step.Level
	s.Log.Info("Uploading the firmware package %s", board.Package)
	if a.image, err = a.client.Upload(ctx, board.Project, name, board.Package); err != nil {
		return avhFault(ctx, err)
	}
	s.Log.Info("Making an instance of %s", board.Model)
	made := avh.Board{Name: name, Project: board.Project, Flavor: board.Model, Package: a.image, OS: board.Version, Build: board.Build}
	if args := s.Block().Get("bootargs"); args.True() {
		made.BootOptions = &avh.BootOptions{Args: args.Get("normal").Text(), Restore: args.Get("restore").Text()}
	}
	if a.instance, err = a.client.Create(ctx, made); err != nil {
		return avhFault(ctx, err)
	}
	if err := a.awaitOn(ctx, s); err != nil {
		return err
	}
	stream, err := a.client.Console(ctx, a.instance)
	if err != nil {
		return avhFault(ctx, err)
	}
	c := connection.New(stream, connection.Settings{Log: s.Log, MaxRead: s.Device.Get("constants", "spawn_maxread").Int(0)})
	s.SetConsole(c)
	s.SetPrompts(c, s.Block().Get("prompts").Texts())
	return nil
}

// avhPoll is the pause between two questions for the state of an instance, which is written to its
// disk and booted for minutes.
const avhPoll = 3 * time.Second

// awaitOn waits until the instance is switched on.
func (a *callAVH) awaitOn(ctx context.Context, s *pipeline.Session) error {
	last := ""
	for {
		state, problem, err := a.client.State(ctx, a.instance)
		if err != nil {
			return avhFault(ctx, err)
		}
		if state != last {
			s.Log.Debug("Instance %s is %s", a.instance, state)
			last = state
		}
		switch state {
		case "on":
			return nil
		case "error":
			return pipeline.Blamef(pipeline.Job, "AVH instance %s is in error state: %s", a.instance, first(problem, "no reason was given"))
		}
		if err := pipeline.Sleep(ctx, avhPoll); err != nil {
			return err
		}
	}
}

// Cleanup deletes what was made. The instance goes first: it uses the image.
func (a *callAVH) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.client == nil {
		return nil
	}
	var failed error
	if a.instance != "" {
		s.Log.Info("Deleting instance %s", a.instance)
		if err := a.client.DeleteInstance(ctx, a.instance); err != nil {
			failed = fmt.Errorf("delete instance %s: %w", a.instance, err)
		} else {
			a.instance = ""
		}
	}
	if a.image != "" {
		if err := a.client.DeleteImage(ctx, a.image); err != nil {
			failed = errors.Join(failed, fmt.Errorf("delete image %s: %w", a.image, err))
		} else {
			a.image = ""
		}
	}
	return pipeline.Blame(pipeline.Infrastructure, failed)
}
