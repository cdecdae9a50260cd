package simulation

import (
	"fmt"

	"strata/events"
	"strata/events/lab"
)

// firstRetry is added to the number of a job for that of its further attempt: above those of any
// recorded or made-up job, below those of health checks.
const firstRetry events.JobID = 1 << 39

// retry plays submission where a job that has ended is owed a further attempt.
func (s *Simulation) retry(j *lab.Job) {
	if !j.OwesRetry() {
		return
	}
	if why := s.Lab().Elsewhere(j); why != "" {
		s.record(events.JobRetryDropped{Job: j.ID, Reason: why})
		return
	}
	// One job has one further attempt at the most, so the number is free.
	id := firstRetry + j.ID
	s.open++
	s.promises.submitted(id)
	s.record(events.JobSubmitted{Job: id, Display: fmt.Sprint(id), User: j.User, Name: j.Name, At: s.now, Priority: j.Priority,
		DeviceType: j.DeviceType, Worker: j.PinWorker, Tags: j.Tags, Visibility: j.Visibility, QueueTimeout: j.QueueTimeout,
		JobTimeout: j.JobTimeout, Retries: j.Retries,
		Attempt: &events.Attempt{Of: j.ID, N: 2, Avoid: []events.DeviceName{j.Run.Device}}})
	s.record(events.JobRetried{Job: j.ID, As: id, Attempt: 2})
}
