package events

import "time"

// WorkerHealth is what a person wants of a worker.
type WorkerHealth string

// The healths of a worker.
const (
	WorkerActive      WorkerHealth = "Active"
	WorkerMaintenance WorkerHealth = "Maintenance" // running jobs go on, nothing new is scheduled
	WorkerRetired     WorkerHealth = "Retired"
)

// WorkerRegistered records a new worker; it is Offline and Active. Written by services/api.
type WorkerRegistered struct {
	Worker      WorkerName `json:"worker"`
	Description string     `json:"description,omitempty"`
	By          UserName   `json:"by"`
}

// WorkerConfigured records all settings of a worker; each fact replaces the one before, and versions
// count from 1 in the order of these facts. Written by services/api.
type WorkerConfigured struct {
	Worker      WorkerName `json:"worker"`
	Description string     `json:"description,omitempty"`
	JobLimit    int        `json:"job_limit"`            // devices held at once; 0: no limit
	Dispatcher  string     `json:"dispatcher,omitempty"` // text of LAVA's dispatcher.yaml
	Env         string     `json:"env,omitempty"`        // text of env.yaml
	EnvDUT      string     `json:"env_dut,omitempty"`    // text of env-dut.yaml
	By          UserName   `json:"by"`
	Comment     string     `json:"comment,omitempty"`
}

// WorkerHealthSet records what a person wants of a worker. Written by services/api.
type WorkerHealthSet struct {
	Worker WorkerName   `json:"worker"`
	Health WorkerHealth `json:"health"`
	Reason string       `json:"reason,omitempty"`
	By     UserName     `json:"by"`
}

// WorkerTokenRotated records that the tokens which a worker was given so far are worth nothing any
// more; the next one that it is given carries the number of this fact. Written by services/api.
type WorkerTokenRotated struct {
	Worker WorkerName `json:"worker"`
	By     UserName   `json:"by"`
	Reason string     `json:"reason,omitempty"`
}

// WorkerTokenTaken records that a worker of LAVA goes on with the token that another lab gave it: it is as good
// for LAVA's worker interface as those of this lab, until they are rotated. Written by services/api.
type WorkerTokenTaken struct {
	Worker WorkerName `json:"worker"`
	SHA256 string     `json:"sha256"` // of the token, in hex
	By     UserName   `json:"by"`
	Reason string     `json:"reason,omitempty"`
}

// WorkerRemoved records that a worker left the lab, and with it the worth of its tokens. A job that
// it still runs is ended by services/dispatch. Written by services/api.
type WorkerRemoved struct {
	Worker WorkerName `json:"worker"`
	By     UserName   `json:"by"`
	Reason string     `json:"reason,omitempty"`
}

// WorkerWentOnline records that a worker is present, has reported the leases it runs and has ended
// those that are over. Written by services/dispatch.
type WorkerWentOnline struct {
	Worker  WorkerName `json:"worker"`
	Version string     `json:"version"` // of its binary
	At      time.Time  `json:"at"`
}

// WorkerWentOffline records that a worker's presence expired, or why one that is present is given no
// jobs. Of a worker that is Offline already it tells a new reason. Written by services/dispatch.
type WorkerWentOffline struct {
	Worker WorkerName `json:"worker"`
	At     time.Time  `json:"at"`
	Reason string     `json:"reason"` // such as "no sign for 15s", "stopped"
}

func (e WorkerRegistered) About() Entity   { return aboutWorker(e.Worker) }
func (e WorkerConfigured) About() Entity   { return aboutWorker(e.Worker) }
func (e WorkerHealthSet) About() Entity    { return aboutWorker(e.Worker) }
func (e WorkerTokenRotated) About() Entity { return aboutWorker(e.Worker) }
func (e WorkerTokenTaken) About() Entity   { return aboutWorker(e.Worker) }
func (e WorkerRemoved) About() Entity      { return aboutWorker(e.Worker) }
func (e WorkerWentOnline) About() Entity   { return aboutWorker(e.Worker) }
func (e WorkerWentOffline) About() Entity  { return aboutWorker(e.Worker) }
