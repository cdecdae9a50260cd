package lab

import (
	"fmt"
	"slices"

	"strata/events"
)

// LabsFault says that an end of that class tells of the lab and not of the job: of power, a cable or a
// server (Infrastructure), of a dictionary or a setting (Configuration), or of Strata itself (Bug). A
// worker that did not come back is Infrastructure too. All other classes are the job's own: its
// definition or artefacts (Job), its tests (Test), somebody's wish (Canceled), another part of its group
// (MultinodeTimeout). A failure without a class (Unknown) is nobody's proven fault.
func LabsFault(t events.ErrorType) bool {
	return t == events.InfrastructureError || t == events.ConfigurationError || t == events.BugError
}

// OwesRetry says that the job is a first attempt which ended by the lab's fault, and that a further
// attempt is to follow: nobody has submitted or dropped it yet, or asked for the job's end. Such a job
// stays in the state however long that takes.
func (j *Job) OwesRetry() bool {
	return j.Retries > 0 && j.State == Finished && j.End.Health == events.Incomplete && LabsFault(j.End.ErrorType) &&
		j.Attempt == nil && j.RetriedAs == 0 && j.NotRetried == "" && j.Cancel == nil && !j.Removed
}

// Avoids says that the job is not to run on that device: an attempt before it failed there.
func (j *Job) Avoids(d events.DeviceName) bool {
	return j.Attempt != nil && slices.Contains(j.Attempt.Avoid, d)
}

// Elsewhere says why no device but the one that failed a job could take a further attempt of it; ""
// where one could. A device that is busy counts, one that is out of order does not: who waits for the
// second attempt would wait for a repair.
func (s *State) Elsewhere(j *Job) string {
	if j.PinDevice != "" {
		return fmt.Sprintf("it is for device %s alone", j.PinDevice)
	}
	kind := s.Resolve(j.DeviceType)
	for _, d := range s.devices {
		w := s.workers[d.Worker]
		switch {
		case d.Type != kind || d.Name == j.Run.Device || j.PinWorker != "" && d.Worker != j.PinWorker || !d.HasTags(j.Tags):
		case d.Version == 0 || d.Health != events.Good && d.Health != events.Unknown:
		case w == nil || w.Health == events.WorkerRetired:
		case s.Can(j.User, Submit, events.Entity{Kind: events.Device, ID: string(d.Name)}):
			return ""
		}
	}
	return fmt.Sprintf("no other device of type %s could take it", kind)
}
