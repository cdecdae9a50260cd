package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/query"
	"strata/schemas/job"
)

// errBehind says that the tables have not come as far as the fact that is told of.
// It is not permanent: the question is asked again in a moment, for maxAsked at the most.
var errBehind = errors.New("the tables are behind")

// compared is how many jobs a comparison lists, as LAVA does.
const compared = 5

// viewer is for whom the tables are asked: the submitter, whoever has saved the query.
// Rights are those of the moment of asking.
func (s *service) viewer(user events.UserName) query.Viewer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.s.lab.Sight(user)
}

// violated asks a definition's dependency query: whether one of the jobs that it finds, this one aside, is not as the
// status wants it. No job at all violates nothing.
// seq is the fact that is told of: tables that are behind it would show the job as it was.
func (s *service) violated(ctx context.Context, n *job.Notify, st story, seq uint64) (bool, error) {
	if s.DB == nil {
		return false, permanent{errors.New("there is no ClickHouse to ask the dependency query")}
	}
	q, _, err := query.Parse(query.Jobs, n.Dependency)
	if err != nil {
		return false, permanent{fmt.Errorf("dependency query: %w", err)}
	}
	wanted := events.QueryCondition{Table: query.Jobs, Field: "state", Operator: "exact", Value: "Finished"}
	if n.Status == "running" {
		wanted.Value = "Running"
	} else if h := wantedHealth(n.Status); h != "" {
		wanted.Field, wanted.Value = "health", string(h)
	}
	// The query asks for jobs that are not as they should be: one is enough to say no.
	q.Clauses = append(q.Clauses, events.QueryClause{Match: events.MatchNot, Conditions: []events.QueryCondition{wanted}})
	q.Conditions = append(q.Conditions, events.QueryCondition{Table: query.Jobs, Field: "id", Operator: "ne", Value: st.job.ID.String()})
	// Of tables that are behind, the job itself and those beside it would still be as they were.
	if at, err := s.DB.Position(ctx, stream.Lab); err != nil || at < seq {
		return false, errors.Join(errBehind, err)
	}
	found, err := s.find(ctx, q, st.job.User, 1)
	return len(found) > 0, err
}

// find asks a query for jobs, the newest first.
// What the query may see is what the submitter may. A permanent error is the query's own fault.
func (s *service) find(ctx context.Context, q query.Query, user events.UserName, limit int) ([]projections.SelectedJob, error) {
	statement, err := query.Compile(q, s.viewer(user), nil, query.Page{Limit: limit})
	if err != nil {
		return nil, permanent{err}
	}
	found, err := s.DB.SelectPage(ctx, events.JobQuery, statement, projections.Bounds{})
	var wrong *query.Error
	if errors.As(err, &wrong) {
		err = permanent{err}
	}
	return found.Jobs, err
}

// compare writes what a definition wants compared with, for a mail. Where it names no query, that is the comparable
// job before. What cannot be found is said, and does not keep the mail from going.
// The text ends with a line's end; it is empty where the definition wants no comparison.
func (s *service) compare(ctx context.Context, sub subject, n *job.Notify, cases []numbered) (string, error) {
	if n.Compare == nil {
		return "", nil
	}
	var l lines
	other := sub.baseline
	if n.Compare.Query != "" || n.Compare.Entity != "" {
		list, err := s.selected(ctx, sub, n.Compare)
		var wrong permanent
		switch {
		case s.DB == nil:
			return "Nothing was compared: there is no ClickHouse to ask.\n", nil
		case errors.As(err, &wrong):
			return fmt.Sprintf("Nothing was compared: %v\n", err), nil
		case err != nil:
			return "", err
		}
		l.say("The last jobs of the query")
		other = 0
		for _, j := range list {
			l.say("  %d %s %s", j.Job.Job, cmp.Or(j.Health, j.State), j.Name)
			id := events.JobID(j.Job.Job)
			// The newest that ended well, other than this one in any attempt.
			if other == 0 && id != sub.first.job.ID && id != sub.last.job.ID && j.Health == string(events.Complete) {
				other = id
			}
		}
	}
	if other == 0 {
		l.say("There is no other job to compare with.")
		return l.b.String(), nil
	}
	before, err := s.cases(ctx, other)
	if err != nil {
		return "", err
	}
	return l.b.String() + compareCases(other, before, cases, n.Compare.Without), nil
}

// selected asks the query of a comparison.
// Conditions that are given here are joined as LAVA joins them: all have to hold.
func (s *service) selected(ctx context.Context, sub subject, c *job.Compare) ([]projections.SelectedJob, error) {
	if s.DB == nil {
		return nil, nil
	}
	if c.Query != "" {
		s.mu.RLock()
		saved := s.s.lab.QueryNamed(events.UserName(c.Username), c.Query)
		visible := saved != nil && s.s.lab.Can(sub.first.job.User, lab.View, events.Entity{Kind: events.Query, ID: fmt.Sprint(saved.Query)})
		var q query.Query
		if visible {
			q = query.Of(saved.QuerySaved)
		}
		s.mu.RUnlock()
		// One that the submitter may not see is told as one that there is not.
		if !visible {
			return nil, permanent{fmt.Errorf("there is no query ~%s/%s", c.Username, c.Query)}
		}
		if q.Entity != events.JobQuery {
			return nil, permanent{fmt.Errorf("query ~%s/%s does not find jobs", c.Username, c.Query)}
		}
		return s.find(ctx, q, sub.first.job.User, compared)
	}
	q := query.Query{Entity: events.QueryEntity(c.Entity)}
	for _, field := range slices.Sorted(maps.Keys(c.Conditions)) {
		// As in Django: field, table__field, or table__field__operator.
		parts := strings.Split(field, "__")
		one := events.QueryCondition{Table: query.Jobs, Operator: "exact"}
		switch len(parts) {
		case 1:
			one.Field = parts[0]
		case 2:
			one.Table, one.Field = parts[0], parts[1]
		default:
			one.Table, one.Field, one.Operator = parts[0], parts[1], parts[2]
		}
		for _, value := range c.Conditions[field] {
			one.Value = value
			q.Conditions = append(q.Conditions, one)
		}
	}
	return s.find(ctx, q, sub.first.job.User, compared)
}
