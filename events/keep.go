package events

// JobPinned records that a job is to be kept whatever the rules of retention say, or no longer. Written by
// services/api.
type JobPinned struct {
	Job    JobID    `json:"job"`
	Pinned bool     `json:"pinned"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

// JobFavoured records that a job is one of a user's favourites, or no longer. Favourites are kept as pinned
// jobs are. Written by services/api.
type JobFavoured struct {
	Job       JobID    `json:"job"`
	Favourite bool     `json:"favourite"`
	By        UserName `json:"by"` // whose favourite it is
}

// About places the fact in the job's story.
func (e JobPinned) About() Entity { return aboutJob(e.Job) }

// About places the fact in the job's story.
func (e JobFavoured) About() Entity { return aboutJob(e.Job) }
