package lavarpc

import (
	"net/http"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/yaml"
	"strata/services/api"
	"strata/services/api/xmlrpc"
)

// lavacli's "workers config" and "workers env" ask the get_ and set_ of two files; env_dut is for scripts.
func workerMethods() []method {
	const permission = "lava_scheduler_app.change_worker"
	row := func(name, params, perm, about string, f func(c call) (any, error)) method {
		return method{name: "scheduler.workers." + name, params: params, about: about, call: f, signed: perm != "", perm: perm}
	}
	table := []method{
		row("add", "hostname description=nil disabled=false", "lava_scheduler_app.add_worker", "Adds a worker; a disabled one is retired.", addWorker),
		row("delete", "hostname", "lava_scheduler_app.delete_worker", "Removes a worker.", deleteWorker),
		row("list", "show_all=false", "", "Lists the workers, with show_all retired ones too.", listWorkers),
		row("show", "hostname", "", "Returns what is known of a worker.", showWorker),
		row("update", "hostname description=nil health=nil job_limit=nil", permission, "Changes what is given of a worker; health is ACTIVE, MAINTENANCE or RETIRED.", updateWorker),
	}
	for _, f := range workerFiles() {
		table = append(table,
			row("get_"+f.name, "hostname", "", "Returns the file "+f.file+" that a worker is given.", f.get),
			row("set_"+f.name, "hostname content", permission, "Gives a worker another file "+f.file+"; an empty one takes it away. Returns whether it was taken.", f.set))
	}
	return table
}

// workerFile is one of the files that the lab keeps for a worker.
type workerFile struct {
	name, file string
	lacks      string // how the fault calls it
	of         func(w *api.Worker) string
	in         func(r *api.WorkerRequest, text *string)
}

// LAVA's methods say env_dut, its files env-dut: both are part of the interface.
func workerFiles() []workerFile {
	return []workerFile{
		{"config", "dispatcher.yaml", "a dispatcher configuration", func(w *api.Worker) string { return w.Dispatcher },
			func(r *api.WorkerRequest, text *string) { r.Dispatcher = text }},
		{"env", "env.yaml", "an env file", func(w *api.Worker) string { return w.Env },
			func(r *api.WorkerRequest, text *string) { r.Env = text }},
		{"env_dut", "env-dut.yaml", "an env-dut file", func(w *api.Worker) string { return w.EnvDUT },
			func(r *api.WorkerRequest, text *string) { r.EnvDUT = text }},
	}
}

// plainName says that a name is one of a file: LAVA keeps these texts as files.
// Here they are none, and no name leads out of anywhere; the fault is kept for clients that match on it.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// 404 where the worker has none of its own, in a sentence for each of the files.
func (f workerFile) get(c call) (any, error) {
	if name, err := c.text(0); err == nil && !plainName(name) {
		return nil, fault(http.StatusBadRequest, "Invalid worker name")
	}
	w, err := c.worker()
	if err != nil {
		return nil, err
	}
	if text := f.of(&w); text != "" {
		return []byte(text), nil
	}
	return nil, fault(http.StatusNotFound, "Worker '%s' does not have %s", w.Worker, f.lacks)
}

// true where it was taken. YAML that cannot be read is a 400 that names the file.
func (f workerFile) set(c call) (any, error) {
	var name, text string
	if err := c.all(&name, &text); err != nil {
		return nil, err
	}
	if !plainName(name) {
		return nil, fault(http.StatusBadRequest, "Invalid worker name")
	}
	// The verb looks closer: at what a mapping of the environment may hold, and at the size (256 KiB).
	if _, err := yaml.Parse([]byte(text)); err != nil {
		return nil, fault(http.StatusBadRequest, "Invalid YAML syntax in %s: %v", f.file, err)
	}
	in := api.WorkerRequest{Worker: events.WorkerName(name)}
	f.in(&in, &text)
	return true, c.workerError(name, c.ask("workers.configure", in, nil))
}

// LAVA has no sentence for workers that the caller may not see: the api's own comes with its 403.
func (c call) workerError(name string, err error) error {
	return missing(err, "Worker '%s' was not found.", name)
}

// worker returns the worker that is the first argument, with its devices.
func (c call) worker() (api.Worker, error) {
	name, err := c.text(0)
	if err != nil {
		return api.Worker{}, err
	}
	var w api.Worker
	err = c.ask("workers.show", api.WorkerRequest{Worker: events.WorkerName(name)}, &w)
	return w, c.workerError(name, err)
}

// The worker's token is not answered, as in LAVA: "strata workers token" tells it.
func addWorker(c call) (any, error) {
	var name, description string
	if err := c.all(&name, &description); err != nil {
		return nil, err
	}
	disabled, err := c.flag(2)
	if err != nil {
		return nil, err
	}
	in := api.WorkerRequest{Worker: events.WorkerName(name)}
	// The verb that registers is content with a worker that there is; LAVA's clients expect a refusal.
	if c.ask("workers.show", in, nil) == nil {
		return nil, fault(http.StatusBadRequest, "Bad request: worker already exists?")
	}
	// An absent description is the empty one: there is nothing before it to keep.
	in.Description = &description
	if err := c.ask("workers.register", in, nil); err != nil || !disabled {
		return nil, err
	}
	return nil, c.ask("workers.health", api.WorkerRequest{Worker: in.Worker, Health: events.WorkerRetired, Reason: healthReason}, nil)
}

// healthReason is what LAVA notes of a worker's health that was set here.
// It stands in the fact, where people look for who set a health and by what.
const healthReason = "xmlrpc api"

// One with devices or jobs is refused by the verb, with 400.
func deleteWorker(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	return nil, c.workerError(name, c.ask("workers.remove", api.WorkerRequest{Worker: events.WorkerName(name)}, nil))
}

// Names alone, sorted: lavacli prints them, and its maintenance commands go through them.
func listWorkers(c call) (any, error) {
	all, err := c.flag(0)
	if err != nil {
		return nil, err
	}
	var workers []api.Worker
	if err := c.ask("workers.list", struct{}{}, &workers); err != nil {
		return nil, err
	}
	var names []string
	for _, w := range workers {
		if all || w.Health != events.WorkerRetired {
			names = append(names, string(w.Worker))
		}
	}
	slices.Sort(names)
	return list(names), nil
}

// "lavacli workers show" needs the members down to version. The token, which LAVA adds for superusers, is
// left out: "strata workers token" tells it.
func showWorker(c call) (any, error) {
	w, err := c.worker()
	if err != nil {
		return nil, err
	}
	seen := w.Since
	if w.State == string(lab.Online) {
		// lavacli prints it with .value, so it is always a time.
		seen = c.h.Now() // a worker that falls silent is offline within seconds
	}
	devices := list(slices.Sorted(slices.Values(w.DeviceNames)))
	out := xmlrpc.Struct{
		{Name: "hostname", Value: string(w.Worker)},
		{Name: "description", Value: orNil(w.Description)},
		{Name: "state", Value: w.State}, // Online or Offline
		{Name: "health", Value: string(w.Health)},
		{Name: "devices", Value: devices},
		{Name: "last_ping", Value: seen.UTC()},
		{Name: "job_limit", Value: int64(w.JobLimit)}, // jobs at once; 0 is no limit
		{Name: "version", Value: orNil(w.Version)},    // of its program; nil before it was ever there
		// true is LAVA's for "the file that belongs to all workers is used", false for one of its own.
		{Name: "default_config", Value: w.Dispatcher == ""},
		{Name: "default_env", Value: w.Env == ""},
		{Name: "default_env_dut", Value: w.EnvDUT == ""},
	}
	return out, nil
}

// "lavacli system maintenance" and "system active" call it for each worker with nothing but a health. All
// arguments are read before the first change.
func updateWorker(c call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	in := api.WorkerRequest{Worker: events.WorkerName(name)}
	if c.args[1] != nil {
		text, err := c.text(1)
		if err != nil {
			return nil, err
		}
		in.Description = &text
	}
	health, err := c.text(2)
	if err != nil {
		return nil, err
	}
	set, ok := capitals(health, []string{string(events.WorkerActive), string(events.WorkerMaintenance), string(events.WorkerRetired)})
	if health != "" && !ok {
		return nil, fault(http.StatusBadRequest, "Invalid health: %s", health)
	}
	if c.args[3] != nil {
		limit, err := c.number(3, 0)
		if err != nil || limit < 0 || limit > 1<<31 {
			return nil, fault(http.StatusBadRequest, "Invalid job limit")
		}
		// 0 is no limit, as in LAVA.
		most := int(limit)
		in.JobLimit = &most
	}
	// With nothing to change it is asked all the same: whether there is such a worker, and whether the
	// caller may change it, is answered by that.
	if in.Description != nil || in.JobLimit != nil || health == "" {
		if err := c.ask("workers.configure", in, nil); err != nil {
			return nil, c.workerError(name, err)
		}
	}
	if health == "" {
		return nil, nil
	}
	err = c.ask("workers.health", api.WorkerRequest{Worker: in.Worker, Health: events.WorkerHealth(set), Reason: healthReason}, nil)
	return nil, c.workerError(name, err)
}
