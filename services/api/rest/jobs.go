package rest

import (
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
	"strata/services/api"
)

// jobRow is a job with its texts.
type jobRow struct {
	projections.SelectedJob
	texts api.JobTexts
}

// numberOf gives what LAVA numbers and this lab names a number: the same for a name at all times and in all
// processes. It stays below 2^31, as LAVA's do.
// Two names of a kind may have one number: among 10,000 users with a chance of about 1 in 43. Then an
// address by number means the first of them, and names still tell them apart.
func numberOf(kind, name string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind + "/" + name))
	return int(h.Sum64()%(1<<31-1)) + 1
}

// numbersOf numbers several names; the numbers are in order, as a set has none.
// [] for no names, never null: clients go through it.
func numbersOf(kind string, names []string) []int {
	out := make([]int, len(names))
	for i, n := range names {
		out[i] = numberOf(kind, n)
	}
	slices.Sort(out)
	return out
}

// jobFields are the fields of a job, in LAVA's order.
// KernelCI follows a job by state and health. LAVA's token is left out as a secret, and sub_id and
// target_group are no fields there either: a part of a group is told by its definition.
func jobFields() []field[jobRow] {
	return []field[jobRow]{
		{"id", integer, "number of the job", false, func(j *jobRow) any { return j.Job.Job }},
		{"submitter", text, "name of the user who submitted it", false, func(j *jobRow) any { return j.User }},
		{"viewing_groups", integers, "groups that may see it", false, func(j *jobRow) any { return numbersOf("group", j.viewers()) }},
		{"description", text, "job_name of the definition", false, func(j *jobRow) any { return j.Name }},
		{"health_check", truth, "whether it is a health check", false, func(j *jobRow) any { return j.HealthCheck }},
		{"requested_device_type", related, "device type asked for", false, func(j *jobRow) any { return orNull(j.DeviceType) }},
		{"tags", integers, "tags that the device must carry", false, func(j *jobRow) any { return numbersOf("tag", j.Tags) }},
		{"actual_device", related, "device that it was given", false, func(j *jobRow) any { return orNull(j.Device) }},
		{"submit_time", moment, "when it was submitted", false, func(j *jobRow) any { return stamp(j.SubmittedAt) }},
		{"start_time", moment, "when it began to run", false, func(j *jobRow) any { return stamped(j.began()) }},
		{"end_time", moment, "when it ended", false, func(j *jobRow) any { return stamped(j.EndedAt) }},
		{"state", text, strings.Join(jobStates, ", "), false, func(j *jobRow) any { return j.State }},
		{"health", text, strings.Join(jobHealths, ", "), false, func(j *jobRow) any { return j.Health }},
		{"priority", choice, "place in the queue, 0 to 100", false, func(j *jobRow) any { return j.Priority }},
		{"definition", text, "the definition, without comments", true, func(j *jobRow) any { return j.texts.Definition }},
		{"metadata", mapping, "metadata of the definition", false, func(j *jobRow) any { return metadata(j.Metadata) }},
		{"original_definition", text, "the definition as it was submitted", false, func(j *jobRow) any { return j.texts.Original }},
		{"multinode_definition", text, "of a part of a group: the whole group's, as it was submitted", false, func(j *jobRow) any { return j.texts.Multinode }},
		{"failure_tags", integers, "a person's judgement", false, func(j *jobRow) any { return numbersOf("tag", j.FailureTags) }},
		{"failure_comment", text, "a person's judgement, else why it failed", false, func(j *jobRow) any { return comment(j) }},
	}
}

// viewers are the groups that see the job. A personal one is LAVA's for the group that is called like its submitter.
// A public job has none; LAVA's is_public is no field of v0.2.
func (j *jobRow) viewers() []string {
	if len(j.Groups) == 0 && !j.Public {
		return []string{j.User}
	}
	return j.Groups
}

// began is when the job began to run. LAVA gives one that never ran its end for that.
func (j *jobRow) began() *time.Time {
	if j.StartedAt == nil {
		return j.EndedAt
	}
	return j.StartedAt
}

// comment is what a person said of the job; where nobody has, LAVA keeps there why a job was ended.
// Of a definition that was refused it is the reason, for no person can have commented on it.
func comment(j *jobRow) any {
	if j.Comment != "" || !j.Rejected {
		return orNull(j.Comment)
	}
	return j.Error
}

// jobs is the resource of jobs; its rows are found by the api rather than gone through.
// It has no filters of its own: [jobFilters] are conditions for the tables and the fold.
func jobs() resource[jobRow] { return resource[jobRow]{fields: jobFields()} }

// jobFilter is a filter of jobs; it becomes a condition of the api's.
// words are the only values that it takes, in this case; nil takes any of its kind.
type jobFilter struct {
	name    string
	field   string // of [projections.JobTerm]
	kind    kind
	lookups []string
	words   []string
}

// jobFilters lists the filters of jobs that need nothing but the job. What is known of things that jobs name is asked by relations.
// Without a lookup the parameter is "exact". A parameter that is no filter is ignored, as LAVA does, which
// is dangerous for the caller who mistypes one; recordings have it so.
func jobFilters() []jobFilter {
	with := func(lookups []string, more ...string) []string { return append(slices.Clone(lookups), more...) }
	return []jobFilter{
		{"id", "id", integer, []string{"exact", "lt", "gt", "in"}, nil},
		{"submit_time", "submit_time", moment, []string{"exact", "lt", "gt", "isnull"}, nil},
		{"start_time", "start_time", moment, []string{"exact", "lt", "gt", "isnull"}, nil},
		{"end_time", "end_time", moment, []string{"exact", "lt", "gt", "isnull"}, nil},
		{"health_check", "health_check", truth, exactLookups, nil},
		{"target_group", "target_group", text, []string{"exact", "iexact", "in", "contains", "icontains", "startswith"}, nil},
		{"state", "state", text, []string{"exact", "in"}, jobStates},
		{"health", "health", text, []string{"exact", "in"}, jobHealths},
		{"priority", "priority", integer, []string{"exact", "in", "lt", "lte", "gt", "gte"}, nil},
		{"description", "description", text, textLookups, nil},
		{"failure_comment", "failure_comment", text, with(textLookups, "isnull"), nil},
		{"requested_device_type", "device_type", text, exactLookups, nil},
		{"requested_device_type__name", "device_type", text, textLookups, nil},
		{"actual_device", "device", text, exactLookups, nil},
		{"actual_device__hostname", "device", text, textLookups, nil},
		{"tags__name", "tags", text, textLookups, nil},
		{"viewing_groups__name", "groups", text, textLookups, nil},
		{"submitter", "submitter", text, exactLookups, nil},
		{"submitter__username", "submitter", text, textLookups, nil},
		{"failure_tags__name", "failure_tags", text, textLookups, nil},
	}
}

// jobOrders are the fields that jobs can be ordered by.
// Others that Django could sort by are not allowed in LAVA's viewset, and are ignored.
var jobOrders = []string{"id", "start_time", "end_time", "submit_time"}

// jobParams are the parameters of the list, for documents.
// Related filters are named by their prefix alone: all of them would be some hundreds.
func jobParams() []param {
	list := pageParams()
	for _, f := range jobFilters() {
		for _, l := range f.lookups {
			list = append(list, filterParam(f.name, f.kind, l))
		}
	}
	for _, r := range relations() {
		list = append(list, param{name: r.prefix + "…", doc: r.doc})
	}
	return append(list,
		param{name: "metadata__<key>", doc: "a value of the metadata; further keys and exact, in, icontains, startswith, endswith, istartswith, iendswith, iexact, regex, iregex or isnull may follow, each after __"},
		param{name: "metadata__contains", doc: "a JSON object, all of whose values the metadata must have"},
		param{name: "metadata__has_key"}, param{name: "metadata__has_keys", doc: "keys with commas between them, all of them"},
		param{name: "metadata__has_any_keys", doc: "keys with commas between them, one of them"},
		param{name: "ordering", doc: strings.Join(jobOrders, ", ") + "; with - before it for the other direction"})
}

// jobsFound reads the request's filters and order.
// Keys in order, so that of two wrong ones always the same is told.
func jobsFound(q *request) (api.FindJobs, error) {
	// A job that was retried is one row: clients count rows.
	in := api.FindJobs{Whole: true}
	for _, key := range slices.Sorted(mapsKeys(q.query)) {
		values := q.query[key]
		// Of metadata that is given twice both must hold; of other filters the last one counts, as in Django.
		if !strings.HasPrefix(key, "metadata__") {
			values = values[len(values)-1:]
		}
		for _, value := range values {
			terms, err := q.jobTerms(key, value)
			if err != nil {
				return in, err
			}
			in.Terms = append(in.Terms, terms...)
		}
	}
	for _, key := range strings.Split(q.query.Get("ordering"), ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(key), "-")
		if slices.Contains(jobOrders, name) {
			in.Order = append(in.Order, projections.JobOrder{Field: name, Desc: descending, NullsFirst: descending && name != "id"})
		}
	}
	return in, nil
}

// jobTerms makes conditions of a parameter; none of one that is no filter.
func (q *request) jobTerms(key, value string) ([]projections.JobTerm, error) {
	if strings.HasPrefix(key, "metadata__") {
		return metadataTerms(key, value)
	}
	for _, name := range []string{"definition", "original_definition", "multinode_definition"} {
		if _, ok := lookupOf(name, key, textLookups); ok {
			// Ignored, as unknown ones are, it would answer with every job there is.
			return nil, invalid(key, "The texts of definitions are not indexed: filter by description, metadata or device type.")
		}
	}
	for _, f := range jobFilters() {
		lookup, ok := lookupOf(f.name, key, f.lookups)
		// An empty field of a form asks for nothing; django-filter passes over it, too.
		if !ok || value == "" {
			continue
		}
		values := []string{value}
		if lookup == "in" {
			values = strings.Split(value, ",")
		}
		for i, v := range values {
			var err error
			if f.words != nil {
				v, err = known(key, v, f.words, false)
			} else if v, err = canonical(f.kind, lookup, v); err != nil {
				err = invalid(key, "%s", err)
			}
			if err != nil {
				return nil, err
			}
			if values[i] = v; v == ignored {
				return nil, nil
			}
		}
		return []projections.JobTerm{{Field: f.field, Op: projections.TermOp(lookup), Values: values}}, nil
	}
	return q.relatedTerms(key, value)
}

// listJobs answers GET jobs/.
// 503 where ClickHouse is away and finished jobs could be meant; see docs/rest.md, Lists.
func listJobs(q *request) (answer, error) {
	in, err := jobsFound(q)
	if err != nil {
		return answer{}, err
	}
	p := q.page()
	in.Limit, in.Offset = p.limit, p.offset
	found, err := asked[api.FoundJobs](q, "jobs.find", in)
	if err != nil {
		return answer{}, err
	}
	rows, err := q.withTexts(found.Jobs)
	if err != nil {
		return answer{}, err
	}
	// A page whose definitions are too large to be held ends early, and next leads on from there.
	if len(rows) < len(found.Jobs) {
		p.limit = len(rows)
	}
	shown := []object{}
	for i := range rows {
		shown = append(shown, jobs().show(&rows[i]))
	}
	return ok(q.paged(p, found.Count, shown))
}

// withTexts adds their definitions to jobs, as many of them as the api has room for in one answer.
// One question for a page. Texts that were erased with their job, or have aged out, are empty.
func (q *request) withTexts(list []projections.SelectedJob) ([]jobRow, error) {
	rows, in := make([]jobRow, len(list)), api.JobsNamed{}
	for i, j := range list {
		rows[i] = jobRow{SelectedJob: j}
		in.Jobs = append(in.Jobs, events.JobID(j.Job.Job))
	}
	texts, err := asked[[]api.JobTexts](q, "jobs.texts", in)
	if err != nil {
		return nil, err
	}
	at := map[events.JobID]api.JobTexts{}
	for _, t := range texts {
		at[t.Job] = t
	}
	for i := range rows {
		rows[i].texts = at[events.JobID(rows[i].Job.Job)]
		if rows[i].texts.Cut {
			return rows[:i+1], nil
		}
	}
	return rows, nil
}

// job returns the job that the address names: by its number, or as people call it.
// LAVA's v0.2 takes the row's number alone; labs' people write 41.2, so both are taken.
func (q *request) job() (projections.SelectedJob, error) {
	id := q.r.PathValue("id")
	if !jobNumber(id) {
		return projections.SelectedJob{}, notFound()
	}
	j, err := asked[projections.SelectedJob](q, "jobs.row", map[string]any{"job": id, "whole": true})
	if api.HasCode(err, api.Denied) || api.HasCode(err, api.Invalid) {
		err = notFound() // whether there is such a job is not for everybody to know
	}
	return j, err
}

// jobNumber tells whether a text has the form of a job's number: 42 or 41.2.
// What has not the form of a number is 404 without a question to the api.
func jobNumber(id string) bool {
	digits := strings.Replace(id, ".", "", 1)
	return digits != "" && len(id) < 24 && strings.Trim(digits, "0123456789") == "" && id[0] != '.' && id[len(id)-1] != '.'
}

// showJob answers GET jobs/<id>/.
func showJob(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	rows, err := q.withTexts([]projections.SelectedJob{j})
	if err != nil {
		return answer{}, err
	}
	return ok(jobs().show(&rows[0]))
}

// changeJob answers PUT and PATCH: what a job was asked to do is a fact.
// LAVA lets superusers write definition and token of a job. The first is what the log knows the job by;
// the second is no secret of this lab.
func changeJob(q *request) (answer, error) {
	// Rights before the job, as in LAVA: a method that is not for the caller tells nothing of what there is.
	if err := q.named(); err != nil {
		return answer{}, err
	}
	if !q.d.Lab.Superuser(q.who) {
		return answer{}, detail(http.StatusForbidden, forbidden)
	}
	if _, err := q.job(); err != nil {
		return answer{}, err
	}
	return answer{}, detail(http.StatusForbidden, "The definition of a job cannot be changed once it was submitted; submit another one.")
}

// removeJob answers DELETE: the job's texts, log and results are erased.
// The facts stay, and say who erased the rest and why; in LAVA the row goes with all that hangs on it.
func removeJob(q *request) (answer, error) {
	if err := q.named(); err != nil {
		return answer{}, err
	}
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	// The reason stands in the fact, for who looks for where the log has gone.
	out, err := asked[api.Removal](q, "jobs.remove", api.RemoveRequest{Jobs: []events.JobID{events.JobID(j.Job.Job)}, Reason: "removed over REST"})
	if err != nil {
		return answer{}, err
	}
	if len(out.Removed) == 0 {
		return answer{}, detail(http.StatusConflict, "Job %s is not over, or somebody keeps it.", j.Display)
	}
	return answer{status: http.StatusNoContent}, nil
}

// definitionOf answers GET jobs/<id>/definition/, which LAVA does not have.
// 404 where the text is not kept any more, as where there is no job.
func definitionOf(q *request) (answer, error) {
	j, err := q.job()
	if err != nil {
		return answer{}, err
	}
	rows, err := q.withTexts([]projections.SelectedJob{j})
	if err != nil {
		return answer{}, err
	}
	if rows[0].texts.Original == "" {
		return answer{}, notFound()
	}
	return textFile("job_"+j.Display+".yaml", "application/yaml", rows[0].texts.Original)
}
