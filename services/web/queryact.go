package web

import (
	"fmt"
	"net/url"
	"strconv"
)

// confirmQuery asks before something is done with a query.
// Who may not do it sees the question too, and is refused by the verb: rights may change while he reads.
func confirmQuery(what string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		saved, err := asked[savedQuery](q, "queries.show", q.queryRef())
		if err != nil {
			return page{}, err
		}
		c := confirmation{Post: q.URL.Path, Back: saved.To()}
		switch what {
		case "archive":
			c.Question, c.Button = fmt.Sprintf("Archive query %s? No list shows it any more; its name stays taken, and charts that use it go on.", saved.Name), "Archive"
		case "publish":
			c.Question, c.Button = fmt.Sprintf("Let everybody see query %s? Each one sees the jobs that he may see.", saved.Name), "Publish"
			if saved.Published {
				c.Question, c.Button = fmt.Sprintf("Hide query %s from others?", saved.Name), "Hide"
			}
		case "refresh":
			c.Question, c.Button = fmt.Sprintf("Run query %s now, and keep what it finds until the next refresh?", saved.Name), "Refresh"
		}
		return page{template: "confirm", data: c, styles: []string{"query.css"}, crumbs: queryCrumbs(saved.Name, saved.To(), c.Button)}, nil
	}
}

// copyForm asks for the name of a copy.
// It begins with the query's own name, which is free unless one has copied it before.
func copyForm(q *request) (page, error) {
	saved, err := asked[savedQuery](q, "queries.show", q.queryRef())
	if err != nil {
		return page{}, err
	}
	return page{template: "query-copy", styles: []string{"query.css"}, data: map[string]any{"Query": saved, "Name": saved.Name, "Wrong": ""}, crumbs: queryCrumbs(saved.Name, saved.To(), "Copy")}, nil
}

// copyQuery makes a copy of the visitor's own.
// Denied and not-found are about the query; all else is about the name, and mended in the form.
func copyQuery(q *request) (page, error) {
	ref := q.queryRef()
	name := q.PostFormValue("name")
	// The copy is the visitor's own, whoever owns the query: it may have the same name.
	copied, err := asked[savedQuery](q, "queries.copy", map[string]any{"owner": ref.Owner, "name": ref.Name, "as": name})
	if err == nil {
		return page{to: copied.To(), note: "Copied. Nobody else sees the copy until you publish it."}, nil
	}
	no, ok := refusal(err)
	if !ok || no.Code == "denied" || no.Code == "not-found" {
		return page{}, err
	}
	saved, showErr := asked[savedQuery](q, "queries.show", ref)
	if showErr != nil {
		return page{}, showErr
	}
	return page{template: "query-copy", styles: []string{"query.css"}, status: no.status(), data: map[string]any{"Query": saved, "Name": name, "Wrong": no.Message}, crumbs: queryCrumbs(saved.Name, saved.To(), "Copy")}, nil
}

// archiveQuery takes a query out of the lists.
// LAVA's address says delete; a fact is never taken back, and charts that draw the query go on.
func archiveQuery(q *request) (page, error) {
	if err := q.ask("queries.archive", q.queryRef(), nil); err != nil {
		return page{}, err
	}
	return page{to: "/results/query/", note: "Query " + q.queryRef().Name + " is archived."}, nil
}

// togglePublished lets others see a query, or no longer.
// One address for both, as in LAVA: how it stands is read first, and two who press at once may undo each other.
func togglePublished(q *request) (page, error) {
	ref := q.queryRef()
	saved, err := asked[savedQuery](q, "queries.show", ref)
	if err != nil {
		return page{}, err
	}
	if err := q.ask("queries.save", map[string]any{"owner": ref.Owner, "name": ref.Name, "published": !saved.Published}, nil); err != nil {
		return page{}, err
	}
	note := "Everybody may see this query now."
	if saved.Published {
		note = "Others do not see this query any more."
	}
	return page{to: saved.To(), note: note}, nil
}

// refreshQuery runs a query for keeping. It may take long over a large lab; the browser waits, and what was kept before stays
// until the new rows are whole.
// All rows are kept, whoever asks: each visitor is shown those of them that he may see.
func refreshQuery(q *request) (page, error) {
	saved, err := asked[savedQuery](q, "queries.refresh", q.queryRef())
	if err != nil {
		return page{}, err
	}
	return page{to: saved.To(), note: "Refreshed."}, nil
}

// omitResult leaves a row out; includeResult takes it back.
func omitResult(q *request) (page, error)    { return changeItem(q, "queries.omit", "Left out: ") }
func includeResult(q *request) (page, error) { return changeItem(q, "queries.include", "Back: ") }

// changeItem goes back to the page of rows that the button stood on, which may not be the first.
// item is the row's name in queries, which the page has beside it; one that is none is the api's to refuse.
func changeItem(q *request, verb, done string) (page, error) {
	ref := q.queryRef()
	item := q.PostFormValue("item")
	saved, err := asked[savedQuery](q, verb, map[string]any{"owner": ref.Owner, "name": ref.Name, "item": item})
	if err != nil {
		return page{}, err
	}
	return page{to: q.back(saved.To()), note: done + item + "."}, nil
}

// alike are the fields in which jobs can be like another, in the words of queries.
// The names are LAVA's; of the last two the day is meant, as no two jobs share a moment.
func alike() []pair {
	return []pair{{"submitter", "submitter"}, {"requested_device_type", "device type"}, {"actual_device", "device"}, {"description", "description"},
		{"health", "health"}, {"state", "state"}, {"priority", "priority"}, {"health_check", "being a health check"},
		{"start_time", "day of the start"}, {"end_time", "day of the end"}}
}

// similarForm asks in what other jobs are to be like one.
// Metadata are offered by their keys, each a field of its own: "metadata.build-url".
func similarForm(q *request) (page, error) {
	job, err := asked[struct {
		wholeJob
		Metadata map[string]string `json:"metadata"`
	}](q, "jobs.show", map[string]any{"job": q.PathValue("job")})
	if err != nil {
		return page{}, err
	}
	return page{template: "similar", data: map[string]any{"Job": job, "Fields": alike()}, title: "Jobs like " + job.Display, help: "queries",
		crumbs: []crumb{{"Jobs", "/scheduler/alljobs"}, {job.Display, "/scheduler/job/" + strconv.FormatUint(job.Job, 10)}, {"Similar jobs", ""}}}, nil
}

// alikeJobs goes to the query for jobs like one.
// The answer is an address and not a page, so that it can be kept, changed and saved as a query.
func alikeJobs(q *request) (page, error) {
	if err := q.ParseForm(); err != nil {
		return page{}, &Refusal{Code: "invalid", Message: "the form cannot be read: " + err.Error()}
	}
	job, err := asked[wholeJob](q, "jobs.show", map[string]any{"job": q.PathValue("job")}) // the verb wants its number, not 41.2
	if err != nil {
		return page{}, err
	}
	found, err := asked[struct {
		Entity     string `json:"entity"`
		Address    string `json:"address"`
		Conditions []any  `json:"conditions"`
	}](q, "queries.similar", map[string]any{"job": job.Job, "fields": q.PostForm["field"]})
	if err != nil {
		return page{}, err
	}
	// LAVA's addresses join conditions by commas and their parts by two underscores, and know no way to write these themselves.
	if found.Address == "" && len(found.Conditions) > 0 {
		return page{}, &Refusal{Code: "conflict", Message: "what this job has in these fields cannot be written into an address: it has a comma or two underscores; leave that field out"}
	}
	return page{to: "/results/query/+custom?" + url.Values{"entity": {found.Entity}, "conditions": {found.Address}}.Encode()}, nil
}
