package web

import (
	"net/url"
	"strconv"
	"strings"
)

// backToJob is where forms of a job lead: its page, or the one that the form stood on, such as a list.
// A field named back is only followed on this site ([onSite]).
func backToJob(q *request, note string) page {
	return page{to: q.back("/scheduler/job/" + url.PathEscape(q.PathValue("job"))), note: note}
}

// cancelJob asks for a job's end. The job is over only when its worker says so; until then it is Canceling.
// LAVA's address takes no reason; a form without one sends none.
func cancelJob(q *request) (page, error) {
	err := q.ask("jobs.cancel", map[string]any{"job": q.PathValue("job"), "reason": strings.TrimSpace(q.PostFormValue("reason"))}, nil)
	if err != nil {
		return page{}, err
	}
	return backToJob(q, "The job is being canceled."), nil
}

// failJob is LAVA's button for a job whose worker does not end it. Here nobody has to press it: the lab ends the job by
// itself when the worker stays away, and a worker that is there ends it. So it changes nothing, and says what will be; the
// refusals are LAVA's, as clients match them.
func failJob(q *request) (page, error) {
	if !q.Superuser {
		return page{}, &Refusal{Code: "denied", Message: "Only superusers can fail a job"}
	}
	j, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	if j.State != "Canceling" {
		return page{}, &Refusal{Code: "denied", Message: "Job should be canceled before being failed"}
	}
	return backToJob(q, "The job is being canceled already: it ends when its worker says so, or when the lab has waited for that worker long enough."), nil
}

// setPriority gives a waiting job another place in the queue.
// LAVA's address and field, for which its own templates have no control.
func setPriority(q *request) (page, error) {
	text := strings.TrimSpace(q.PostFormValue("priority"))
	// The words are those of definitions; a number may be anything from 0 to 100.
	words := map[string]string{"low": "0", "medium": "50", "high": "100"}
	if n, ok := words[strings.ToLower(text)]; ok {
		text = n
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return page{}, &Refusal{Code: "invalid", Field: "priority", Message: "priority is " + strconv.Quote(text) + "; it is a number from 0 to 100, or low, medium or high"}
	}
	if err := q.ask("jobs.priority", map[string]any{"job": q.PathValue("job"), "priority": n}, nil); err != nil {
		return page{}, err
	}
	return backToJob(q, "The job has priority "+strconv.Itoa(n)+" now."), nil
}

// annotateJob keeps what somebody says of a failure.
// The fields are LAVA's. Its failure tags come from a list that staff keeps; here any word is one.
func annotateJob(q *request) (page, error) {
	// The form has the whole note: an empty comment takes the comment away.
	tags := strings.FieldsFunc(q.PostFormValue("failure_tags"), func(r rune) bool { return r == ',' || r == ' ' })
	in := map[string]any{"job": q.PathValue("job"), "comment": strings.TrimSpace(q.PostFormValue("failure_comment")), "tags": tags}
	if err := q.ask("jobs.annotate", in, nil); err != nil {
		return page{}, err
	}
	return backToJob(q, "The note is kept."), nil
}

// toggleFavourite stars a job, or takes its star away. The address is LAVA's, which has one for both; so how it stands is read
// first. A second click in another window undoes the first.
// jobs.show is asked before the refusal: a job that the visitor may not see is one that there is not, also for who has no name.
func toggleFavourite(q *request) (page, error) {
	job, err := asked[shownJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	if !q.SignedIn {
		return page{}, &Refusal{Code: "denied", Message: "favourites belong to somebody who is signed in"}
	}
	if err := q.ask("jobs.favour", map[string]any{"job": job.Job, "off": job.Starred}, nil); err != nil {
		return page{}, err
	}
	if job.Starred {
		return backToJob(q, "The job is no favourite any more."), nil
	}
	return backToJob(q, "The job is among your favourites."), nil
}
