package web

import "strata/projections"

// jobSearch asks the verb jobs.find.
type jobSearch struct {
	Terms  []projections.JobTerm  `json:"terms,omitempty"`
	Order  []projections.JobOrder `json:"order,omitempty"`
	Offset int                    `json:"offset,omitempty"`
	Limit  int                    `json:"limit,omitempty"`
}

// foundJobs answers it.
type foundJobs struct {
	Jobs  []projections.SelectedJob `json:"jobs"`
	Count uint64                    `json:"count"` // of all that meet the conditions
}

// findJobs asks for jobs by conditions, as of now.
func findJobs(q *request, in jobSearch) (foundJobs, error) {
	return asked[foundJobs](q, "jobs.find", in)
}
