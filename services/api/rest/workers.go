package rest

import (
	"net/http"

	"strata/events"
	"strata/services/api"
)

// listWorkers answers GET workers/.
func listWorkers(q *request) (answer, error) {
	rows, err := q.allWorkers()
	if err != nil {
		return answer{}, err
	}
	return workers().list(q, rows)
}

// worker returns the worker that the address names.
func (q *request) worker() (api.Worker, error) {
	return asked[api.Worker](q, "workers.show", api.WorkerRequest{Worker: events.WorkerName(q.r.PathValue("name"))})
}

// showWorker answers GET workers/<name>/.
func showWorker(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	row := q.workerRow(w)
	return ok(workers().show(&row))
}

// setWorker reads what a body sets of a worker, all of it before anything is recorded. The health, "" where none is
// given, is for a verb of its own.
func setWorker(b *body, in *api.WorkerRequest) (events.WorkerHealth, error) {
	if s, there := b.text("description"); there {
		in.Description = &s
	}
	if err := b.noNull("job_limit"); err != nil {
		return "", err
	}
	n, there, err := b.whole("job_limit")
	if err != nil {
		return "", err
	}
	if there {
		in.JobLimit = &n
	}
	health, there := b.text("health")
	if !there {
		return "", nil
	}
	// LAVA wants the display word here and any case in set_health/; both take any.
	word, err := known("health", health, workerHealths, true)
	if err != nil {
		return "", invalid("health", "%q is not a valid choice.", health)
	}
	return events.WorkerHealth(word), nil
}

// addWorker answers POST workers/: the worker is registered, and its token is had by strata workers token.
// A description comes with the registration; limit and health are facts of their own after it.
func addWorker(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var name string
	if err := b.read(want{"hostname", &name, must}); err != nil {
		return answer{}, err
	}
	in := api.WorkerRequest{Worker: events.WorkerName(name)}
	// The verb would answer the token of the worker that there is.
	if _, err := asked[api.Worker](q, "workers.show", in); err == nil {
		return answer{}, invalid("hostname", "worker with this Hostname already exists.")
	}
	settings := in
	health, err := setWorker(b, &settings)
	if err != nil {
		return answer{}, err
	}
	if err := q.ask("workers.register", api.WorkerRequest{Worker: in.Worker, Description: settings.Description}, nil); err != nil {
		return answer{}, err
	}
	if err := q.changeWorkerTo(settings, health); err != nil {
		return answer{}, err
	}
	w, err := asked[api.Worker](q, "workers.show", in)
	row := q.workerRow(w)
	return answer{status: http.StatusCreated, body: workers().show(&row)}, err
}

// changeWorkerTo sets what a body says of a worker; "" leaves its health.
func (q *request) changeWorkerTo(in api.WorkerRequest, health events.WorkerHealth) error {
	if in.Description != nil || in.JobLimit != nil {
		if err := q.ask("workers.configure", in, nil); err != nil {
			return err
		}
	}
	if health == "" {
		return nil
	}
	return q.ask("workers.health", api.WorkerRequest{Worker: in.Worker, Health: health, Reason: "set over REST"}, nil)
}

// changeWorker answers PUT and PATCH of a worker.
func changeWorker(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	if err := q.named(); err != nil {
		return answer{}, err
	}
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	in := api.WorkerRequest{Worker: w.Worker}
	health, err := setWorker(b, &in)
	if err != nil {
		return answer{}, err
	}
	if err := q.changeWorkerTo(in, health); err != nil {
		return answer{}, err
	}
	return showWorker(q)
}

// removeWorker answers DELETE workers/<name>/; one with devices or jobs is refused.
func removeWorker(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	return q.removed("workers.remove", api.WorkerRequest{Worker: w.Worker})
}

// setWorkerHealth answers POST workers/<name>/set_health/.
func setWorkerHealth(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	word, reason, err := q.healthWord("worker", workerHealths)
	if err != nil {
		return answer{}, err
	}
	if err := q.ask("workers.health", api.WorkerRequest{Worker: w.Worker, Health: events.WorkerHealth(word), Reason: reason}, nil); err != nil {
		return answer{}, err
	}
	return said(http.StatusAccepted, "OK")
}

// workerFile is one of the files that the lab keeps for a worker.
type workerFile struct {
	field, name, lava string // of the body, of the download, as LAVA's error calls it
	get               func(api.Worker) string
	set               func(*api.WorkerRequest, *string)
}

// envFile is the environment of the worker's jobs.
func envFile() workerFile {
	return workerFile{"env", "env.yaml", "env", func(w api.Worker) string { return w.Env },
		func(in *api.WorkerRequest, text *string) { in.Env = text }}
}

// configFile is the dispatcher's configuration.
func configFile() workerFile {
	return workerFile{"config", "dispatcher.yaml", "dispatcher", func(w api.Worker) string { return w.Dispatcher },
		func(in *api.WorkerRequest, text *string) { in.Dispatcher = text }}
}

// show answers GET; 400 where the worker has no such file, as LAVA.
func (f workerFile) show(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	if f.get(w) == "" {
		return answer{}, detail(http.StatusBadRequest, "Worker '%s' does not have '%s' file", w.Worker, f.lava)
	}
	return textFile(f.name, "application/yaml", f.get(w))
}

// change answers POST: the file is replaced.
// The verb refuses what no job could read; LAVA does not look at it here.
func (f workerFile) change(q *request) (answer, error) {
	w, err := q.worker()
	if err != nil {
		return answer{}, err
	}
	var text string
	if err := q.fields(want{f.field, &text, must}); err != nil {
		return answer{}, err
	}
	in := api.WorkerRequest{Worker: w.Worker}
	f.set(&in, &text)
	if err := q.ask("workers.configure", in, nil); err != nil {
		return answer{}, err
	}
	return said(http.StatusOK, "content successfully updated")
}
