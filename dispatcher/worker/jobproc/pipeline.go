package jobproc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/reproduce"
	"strata/events"
	"strata/schemas/job"
	"strata/schemas/order"
	"strata/schemas/yaml"
)

// Pipeline returns the [Deps.Run] that runs an order through package dispatcher. version is that of
// the binary, for the job's log.
func Pipeline(version string, now func() time.Time) func(context.Context, Job) order.Verdict {
	return func(ctx context.Context, j Job) order.Verdict {
		w := j.Order.Work
		var task Task
		err := Read(filepath.Join(j.Dir, TaskFile), &task)
		if err == nil {
			j.Scratch, err = scratch(j)
		}
		if err != nil {
			return order.Verdict{Result: "fail", ErrorType: string(events.ConfigurationError), Error: err.Error()}
		}
		j.Log.Debug("%s", inputs(w))
		definition, err := Revealed(w)
		if err != nil {
			return order.Verdict{Result: "fail", ErrorType: string(events.BugError), Error: err.Error()}
		}
		v := dispatcher.Run(ctx, dispatcher.Job{
			ID: strconv.FormatUint(j.Order.Job, 10), Version: version, Definition: definition, Device: []byte(w.Device.Inline),
			Dispatcher: []byte(w.Dispatcher.Inline), EnvDUT: []byte(w.EnvDUT.Inline), Env: os.Environ(),
			Dir: j.Scratch, Services: task.Services, Log: j.Log, Now: now, Again: j.Again, Ask: j.Ask, Keyboard: j.Keyboard,
			Planned: func(d pipeline.Description) { describe(j, d) },
		})
		result := "fail"
		if v.Health == events.Complete {
			result = "pass"
		}
		return order.Verdict{Result: result, ErrorType: string(v.ErrorType), Error: v.Error}
	}
}

// Revealed returns the definition of a job with the secrets that it names. Of one that names none it is the text
// that was submitted.
func Revealed(w *order.Work) ([]byte, error) {
	text := []byte(w.Definition.Inline)
	if len(w.Secrets) == 0 {
		return text, nil
	}
	root, err := yaml.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	text, err = yaml.Write(job.WithSecrets(root, w.Secrets))
	if err != nil {
		return nil, fmt.Errorf("write the definition with its secrets: %w", err)
	}
	return text, nil
}

// inputs is the line of the log that says what the job was given, so that a bundle made of it later can
// prove that it has the same.
func inputs(w *order.Work) string {
	var parts []string
	for _, in := range []struct{ name, text string }{
		{"definition", w.Definition.Inline}, {"device", w.Device.Inline}, {"dispatcher", w.Dispatcher.Inline},
		{"env", w.Env.Inline}, {"env-dut", w.EnvDUT.Inline},
	} {
		if in.text != "" {
			parts = append(parts, fmt.Sprintf("%s sha256 %x", in.name, sha256.Sum256([]byte(in.text))))
		}
	}
	return reproduce.InputsPrefix + strings.Join(parts, ", ")
}

// describe leaves the plan for the worker, which must know how long the clean-up may take.
func describe(j Job, d pipeline.Description) {
	if err := Write(filepath.Join(j.Dir, DescriptionFile), d); err != nil {
		j.Log.Debug("the plan cannot be kept: %v", err)
	}
}

// FinalizeTime returns how long the plan of the job in a directory allows for its last action, which
// powers the device off; 0 where the job has no plan.
func FinalizeTime(dir string) time.Duration {
	var d pipeline.Description
	if err := Read(filepath.Join(dir, DescriptionFile), &d); err != nil || len(d.Pipeline) == 0 {
		return 0
	}
	last := d.Pipeline[len(d.Pipeline)-1]
	if last.Name != "finalize" {
		return 0
	}
	return time.Duration(last.Timeout * float64(time.Second))
}
