package lab

import (
	"crypto/subtle"
	"time"

	"strata/events"
)

// WorkerState is whether a worker is there.
type WorkerState string

// The states of a worker.
const (
	Online  WorkerState = "Online"
	Offline WorkerState = "Offline"
)

// Worker is a machine that devices hang on.
type Worker struct {
	Name        events.WorkerName   `json:"name"`
	Seq         uint64              `json:"seq"` // of the last fact about it
	Description string              `json:"description,omitempty"`
	State       WorkerState         `json:"state"`
	StateAt     time.Time           `json:"state_at"`               // since when
	StateReason string              `json:"state_reason,omitempty"` // why it is Offline
	Health      events.WorkerHealth `json:"health"`
	// HealthReason and HealthBy are those of the person who set the health last.
	HealthReason string          `json:"health_reason,omitempty"`
	HealthBy     events.UserName `json:"health_by,omitempty"`
	JobLimit     int             `json:"job_limit,omitempty"` // devices held at once; 0: no limit
	Version      string          `json:"version,omitempty"`   // of its binary, when it was last Online
	Dispatcher   string          `json:"dispatcher,omitempty"`
	Env          string          `json:"env,omitempty"`
	EnvDUT       string          `json:"env_dut,omitempty"`
	Configured   int             `json:"configured,omitempty"` // version of its settings, from 1; 0: has had none
	// TokenSeq is that of the fact since which its tokens count: it was registered, or they were
	// rotated. A token carries this number, see access.Principal.
	TokenSeq uint64 `json:"token_seq,omitempty"`
	Rotated  bool   `json:"rotated,omitempty"` // its first tokens are worth nothing any more
	// TakenSHA256 is the digest of a token that it brought from a LAVA server; "": none.
	TakenSHA256 string `json:"taken_sha256,omitempty"`
	// ActivatedSeq and RetiredSeq are those of the last facts that made it Active out of Active or
	// Maintenance, and Retired: its devices follow, see [Cascade].
	ActivatedSeq uint64 `json:"activated_seq,omitempty"`
	RetiredSeq   uint64 `json:"retired_seq,omitempty"`

	Permissions []events.Permission `json:"permissions,omitempty"` // of groups
	Imported    map[string]string   `json:"imported,omitempty"`    // settings that the last import took, as digests
}

// Usable says that devices on the worker may be given jobs: it is Online and Active.
func (w *Worker) Usable() bool {
	return w != nil && w.State == Online && w.Health == events.WorkerActive
}

// Brings says that a token of that digest (see access.Digest) is the one that a worker of LAVA had before.
func (w *Worker) Brings(digest string) bool {
	return w != nil && w.TakenSHA256 != "" && subtle.ConstantTimeCompare([]byte(w.TakenSHA256), []byte(digest)) == 1
}

// NewWorker is a worker after its first fact: Offline and Active.
func NewWorker(seq uint64, at time.Time, e events.WorkerRegistered) Worker {
	return Worker{Name: e.Worker, Seq: seq, Description: e.Description, State: Offline, StateAt: at,
		Health: events.WorkerActive, TokenSeq: seq}
}

// After returns the worker after a fact about it, and whether the fact fitted.
func (w Worker) After(seq uint64, at time.Time, e events.Event) (Worker, bool) {
	switch e := e.(type) {
	case events.WorkerConfigured:
		w.Description, w.JobLimit = e.Description, e.JobLimit
		w.Dispatcher, w.Env, w.EnvDUT = e.Dispatcher, e.Env, e.EnvDUT
		w.Configured++
	case events.PermissionsSet:
		w.Permissions = e.Permissions
	case events.ObjectImported:
		w.Imported = e.Settings
	case events.WorkerHealthSet:
		switch {
		case e.Health == events.WorkerActive && w.Health != events.WorkerRetired:
			w.ActivatedSeq = seq
		case e.Health == events.WorkerRetired:
			w.RetiredSeq = seq
		}
		w.Health, w.HealthReason, w.HealthBy = e.Health, e.Reason, e.By
	case events.WorkerTokenRotated:
		w.TokenSeq, w.Rotated, w.TakenSHA256 = seq, true, ""
	case events.WorkerTokenTaken:
		w.TakenSHA256 = e.SHA256
	case events.WorkerWentOnline:
		w.Version, w.StateReason = e.Version, ""
		if w.State != Online {
			w.State, w.StateAt = Online, at
		}
	case events.WorkerWentOffline:
		w.StateReason = e.Reason
		if w.State != Offline {
			w.State, w.StateAt = Offline, at
		}
	default: // WorkerRegistered again
		return w, false
	}
	return w, true
}

func (s *State) evolveWorker(name events.WorkerName, seq uint64, at time.Time, e events.Event) {
	w := s.workers[name]
	switch e := e.(type) {
	case events.WorkerRegistered:
		if w == nil {
			added := NewWorker(seq, at, e)
			s.workers[name] = &added
			delete(s.gone, e.About())
			return
		}
	case events.WorkerRemoved:
		delete(s.workers, name)
		w = nil
	}
	if w == nil {
		s.gone[e.About()] = seq
		return
	}
	*w, _ = w.After(seq, at, e)
	w.Seq = seq
}
