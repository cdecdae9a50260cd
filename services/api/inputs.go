package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	dictionaries "strata/schemas/device"
	"strata/schemas/yaml"
)

// Inputs is what a job was given, as the lab had it when the job got its device.
// `strata bundle` keeps it in a file by which a job can be run again, and the web shows it beside
// the job.
type Inputs struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"`
	Name       string                `json:"name,omitempty"`
	Device     events.DeviceName     `json:"device,omitempty"`
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"`
	Worker     events.WorkerName     `json:"worker,omitempty"`
	At         uint64                `json:"at"`                   // sequence of LAB that the configurations are of
	Definition string                `json:"definition"`           // as submitted, byte for byte
	Config     string                `json:"config,omitempty"`     // the device's, rendered with the job's context
	Dispatcher string                `json:"dispatcher,omitempty"` // of the worker, as the three below
	Env        string                `json:"env,omitempty"`
	EnvDUT     string                `json:"env_dut,omitempty"`
	Part       bool                  `json:"part,omitempty"` // of a multinode job: its definition was given the group too
	Version    string                `json:"version"`        // of the lab that answers
	// What is withheld, and why.
	Notes []string `json:"notes,omitempty"`
}

// jobInputs answers with what a job ran with. The facts of the log tell it: the device's dictionary, the
// templates and the worker's configuration as they stood when the job was scheduled.
// [Conflict] for a job that never had a device, [NotFound] where the definition or the dictionary of
// then is not kept any more. What is rendered is exactly what the order had, if the templates'
// language is that of the release that ran it: Version is that of the one that answers.
func (a *api) jobInputs(ctx context.Context, who caller, in JobRequest) (Inputs, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Inputs{}, err
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Inputs{}, err
	}
	out := Inputs{Job: in.Job, Version: a.version}
	var source events.Source
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			out.Display, out.Name, out.DeviceType, out.Part, source = e.Display, e.Name, e.DeviceType, e.Part != nil, e.Source
		case events.JobScheduled: // the last one counts: an order may have come back
			out.Device, out.Worker, out.At = e.Device, e.Worker, r.Seq
		}
	}
	if out.At == 0 {
		return Inputs{}, refuse(Conflict, "job %d has had no device: there is nothing to reproduce", in.Job)
	}
	text, err := a.log.SubmissionText(ctx, source.Sequence)
	if errors.Is(err, stream.ErrNoSubmission) {
		return Inputs{}, refuse(NotFound, "the definition of job %d is not kept any more", in.Job)
	}
	if err != nil {
		return Inputs{}, err
	}
	out.Definition = string(text)
	if out.Device != "" {
		// A guest of a group has no device of its own, and so no configuration.
		if out.Config, err = a.configThen(ctx, out); err != nil {
			return Inputs{}, err
		}
	}
	return out, a.workerThen(ctx, who, &out)
}

// configThen renders the device's dictionary as it stood at a sequence, with the templates of then.
// It reads the facts of the device and of each template on the way: some dozen reads of the log.
func (a *api) configThen(ctx context.Context, in Inputs) (string, error) {
	var dictionary string
	// The device's own type: the job may have named it by an alias.
	kind := in.DeviceType
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Device, ID: string(in.Device)})
	if err != nil {
		return "", err
	}
	for _, r := range facts {
		if r.Seq > in.At {
			break
		}
		switch e := r.Event.(type) {
		case events.DeviceAdded:
			kind = e.DeviceType
		case events.DeviceConfigured:
			dictionary = e.Dictionary
		}
	}
	if dictionary == "" {
		return "", refuse(NotFound, "the log does not hold the dictionary that device %s had then", in.Device)
	}
	var jobContext *yaml.Node
	if root, err := yaml.Parse([]byte(in.Definition)); err == nil {
		jobContext = root.Get("context")
	}
	var unread error
	types := dictionaries.Templates{Text: func(name string) (string, bool) {
		text, err := a.templateThen(ctx, strings.TrimSuffix(name, suffix), in.At)
		// A loader has no error of its own: without this an unread template would count as missing.
		unread = errors.Join(unread, err)
		return text, text != ""
	}}
	text, err := types.Render(string(in.Device), string(kind), []byte(dictionary), jobContext)
	if err = errors.Join(unread, err); err != nil {
		return "", fmt.Errorf("render the dictionary of %s as of fact %d: %w", in.Device, in.At, err)
	}
	return string(text), nil
}

// templateThen returns the template that a device type had at a sequence, "" for none.
func (a *api) templateThen(ctx context.Context, name string, at uint64) (string, error) {
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.DeviceType, ID: name})
	if err != nil {
		return "", err
	}
	text := ""
	for _, r := range facts {
		if r.Seq > at {
			break
		}
		switch e := r.Event.(type) {
		case events.DeviceTypeConfigured:
			text = e.Template
		case events.DeviceTypeRemoved:
			text = ""
		}
	}
	return text, nil
}

// workerThen adds the worker's configuration as it stood then, for those who may change the worker: it is
// the lab's, not the job's.
func (a *api) workerThen(ctx context.Context, who caller, out *Inputs) error {
	allowed := false
	a.read(func(s *lab.State) {
		allowed = who.can(s, lab.Change, events.Entity{Kind: events.Worker, ID: string(out.Worker)})
	})
	if !allowed {
		out.Notes = append(out.Notes, fmt.Sprintf("the configuration of worker %s is withheld: %s may not change the worker", out.Worker, who.user))
		return nil
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Worker, ID: string(out.Worker)})
	if err != nil {
		return err
	}
	for _, r := range facts {
		if e, ok := r.Event.(events.WorkerConfigured); ok && r.Seq <= out.At {
			out.Dispatcher, out.Env, out.EnvDUT = e.Dispatcher, e.Env, e.EnvDUT
		}
	}
	return nil
}
