package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/projections/query"
)

// queryForm is what the form of a query shows: what somebody typed, or what is saved.
// Numbers are texts, so that one that cannot be read comes back as it was typed.
type queryForm struct {
	New                                         bool
	To, Back                                    string
	Name, Description, Group, QueryGroup, Limit string
	GroupBy, Goal                               string
	Live, Published                             bool
	// One of events.QueryEntity; the form of a saved query cannot change it.
	Entity     string
	Conditions []formCondition
	Fields     []formField
	Operators  []string
	Joins      []formJoin
	Groups     []string // that the visitor belongs to
	// WrongField is the verb's word for the field, by which the template marks it.
	Wrong, WrongField string
	Found             *queryData // of a look at it
}

// formCondition is a row of the form. Join says how it is joined with others: "all", or the number of a clause.
// Rows are sent as lists of fields with the same name, and belong together by their place in them.
type formCondition struct {
	Join, Field, Operator, Value string
	Key                          string // of metadata
}

// formField is a field that a condition can be about.
// Ours marks fields that LAVA's queries do not have, which its addresses cannot name.
type formField struct {
	Value, Title     string
	Operators, Words string // with blanks; with "|" between
	Ours             bool
}

// formJoin is a way to join conditions.
// Value goes back and forth; Title is what the choice says.
type formJoin struct{ Value, Title string }

// joins are the ways that the form offers. Three clauses of each kind are more than anybody wrote so far; what
// a query has beyond that is kept, as rows name their clause.
// One more than the query has of each kind is offered, up to twenty, so that a further clause can be begun.
func joins(conditions []formCondition) []formJoin {
	out := []formJoin{{"all", "and"}}
	for _, kind := range []struct{ value, title string }{{"any", "any of"}, {"not", "not both of"}} {
		// The highest number of a clause that a row has, and one more.
		most := 1
		for _, c := range conditions {
			if n, err := strconv.Atoi(strings.TrimPrefix(c.Join, kind.value)); err == nil && strings.HasPrefix(c.Join, kind.value) {
				most = max(most, n+1)
			}
		}
		// "any of" has no number while there is one, as nobody has to tell it from another.
		for i := range min(most, 20) {
			title := kind.title
			if kind.value == "not" && i == 0 && most == 1 {
				title = "not"
			}
			if i > 0 || most > 1 {
				title += " " + strconv.Itoa(i+1)
			}
			out = append(out, formJoin{kind.value + strconv.Itoa(i+1), title})
		}
	}
	return out
}

// complete fills in what the form offers. Every field and every operator is in the page, so that it works without scripts;
// static/query-form.js hides the operators that the chosen field does not have.
// An empty row is there from the beginning: a form without rows has nothing to type into where scripts are off.
func (f *queryForm) complete(q *request) {
	for _, one := range query.Fields() {
		f.Fields = append(f.Fields, formField{Value: one.Table + "." + one.Name, Title: one.Table + " " + strings.ReplaceAll(one.Name, "_", " "),
			Operators: strings.Join(one.Operators(), " "), Words: strings.Join(one.Words(), "|"), Ours: one.Ours})
		// All operators of all fields, each once, as the choice has to have the one that a script would leave.
		for _, op := range one.Operators() {
			if !slices.Contains(f.Operators, op) {
				f.Operators = append(f.Operators, op)
			}
		}
	}
	// Last, as it is no column but any key that jobs were given.
	f.Fields = append(f.Fields, formField{Value: query.Metadata, Title: "metadata …", Operators: strings.Join(f.Operators, " ")})
	f.Joins = joins(f.Conditions)
	if len(f.Conditions) == 0 {
		f.Conditions = []formCondition{{Join: "all", Operator: "exact"}}
	}
	self, err := asked[struct {
		Groups []string `json:"groups"`
	}](q, "whoami", nil)
	if err == nil {
		f.Groups = self.Groups
	}
}

// rowsOf makes rows of a query's conditions: [queryForm.conditions] the other way round. Clauses are numbered by their kind,
// as the form's choices are: any1, any2, not1.
// What a query has is never lost by opening its form: rows of metadata carry their key, those of clauses the clause.
func rowsOf(conditions []events.QueryCondition, clauses []events.QueryClause) (out []formCondition) {
	row := func(join string, c events.QueryCondition) formCondition {
		if c.Table == query.Metadata {
			return formCondition{join, query.Metadata, c.Operator, c.Value, c.Field}
		}
		return formCondition{join, c.Table + "." + c.Field, c.Operator, c.Value, ""}
	}
	for _, c := range conditions {
		out = append(out, row("all", c))
	}
	count := map[events.QueryMatch]int{} // clauses of each kind so far
	for _, clause := range clauses {
		count[clause.Match]++
		for _, c := range clause.Conditions {
			out = append(out, row(string(clause.Match)+strconv.Itoa(count[clause.Match]), c))
		}
	}
	return out
}

// read takes the form as it was sent. Rows without a field or a value are left out: they are the empty one at the end.
// Blanks around a value are trimmed, also where somebody meant them: nobody sees them in a field.
func (f *queryForm) read(q *request) {
	v := q.PostForm
	f.Name, f.Description, f.Group, f.QueryGroup = v.Get("name"), v.Get("description"), v.Get("group"), v.Get("query_group")
	f.Limit, f.GroupBy, f.Goal, f.Entity = v.Get("limit"), v.Get("group_by"), v.Get("target_goal"), v.Get("entity")
	f.Live, f.Published = v.Get("is_live") != "", v.Get("is_published") != ""
	for i := range v["field"] {
		at := func(name string) string {
			if i < len(v[name]) {
				return strings.TrimSpace(v[name][i])
			}
			return ""
		}
		c := formCondition{at("join"), at("field"), at("operator"), at("value"), at("key")}
		if c.Value != "" && c.Field != "" {
			f.Conditions = append(f.Conditions, c)
		}
	}
}

// conditions makes a query's conditions of the rows.
// The lists are empty and not nil where there is none: nil would leave a saved query's as they are.
func (f *queryForm) conditions() (all []events.QueryCondition, clauses []events.QueryClause) {
	// Conditions of no clause all have to hold; of a clause any, or not all.
	all, clauses = []events.QueryCondition{}, []events.QueryClause{}
	at := map[string]int{} // in clauses, by the word of the row
	for _, row := range f.Conditions {
		table, field, _ := strings.Cut(row.Field, ".")
		if table == query.Metadata {
			field = row.Key
		}
		c := events.QueryCondition{Table: table, Field: field, Operator: row.Operator, Value: row.Value}
		if row.Join == "" || row.Join == "all" {
			all = append(all, c)
			continue
		}
		i, there := at[row.Join]
		if !there {
			i = len(clauses)
			at[row.Join] = i
			clauses = append(clauses, events.QueryClause{Match: events.QueryMatch(strings.TrimRight(row.Join, "0123456789"))})
		}
		clauses[i].Conditions = append(clauses[i].Conditions, c)
	}
	return all, clauses
}

// addQuery opens the form of a new query, perhaps with the conditions of an address.
// 200 rows is LAVA's limit where nobody says another.
func addQuery(q *request) (page, error) {
	if !q.SignedIn {
		return page{}, &Refusal{Code: "denied", Message: "queries are saved under a name; sign in first"}
	}
	asking := q.URL.Query()
	f := queryForm{New: true, To: "/results/query/+add", Back: "/results/query/", Entity: oneOf(asking.Get("entity"), string(events.JobQuery),
		string(events.JobQuery), string(events.SuiteQuery), string(events.CaseQuery)), Live: true, Limit: "200"}
	if address := asking.Get("conditions"); address != "" {
		// Warnings are told when the query is looked at.
		read, _, err := query.Parse(f.Entity, address)
		if err != nil {
			f.Wrong, f.WrongField = err.Error(), "conditions"
		}
		f.Conditions = rowsOf(read.Conditions, read.Clauses)
	}
	return f.page(q, nil)
}

// editQuery opens the form of a saved query.
// An entity never changes: its conditions would mean nothing of another. The form shows it and cannot set it.
func editQuery(q *request) (page, error) {
	saved, err := asked[savedQuery](q, "queries.show", q.queryRef())
	if err != nil {
		return page{}, err
	}
	if !saved.Editable {
		return page{}, &Refusal{Code: "denied", Message: "query ~" + string(saved.Owner) + "/" + saved.Name + " is its owner's and its group's to change; you may copy it"}
	}
	f := queryForm{To: saved.To() + "/+edit", Back: saved.To(), Name: saved.Name, Description: saved.Description, Group: string(saved.Group),
		QueryGroup: saved.QueryGroup, Limit: strconv.Itoa(saved.Limit), GroupBy: saved.GroupBy, Live: saved.Live, Published: saved.Published,
		Entity: string(saved.Entity), Conditions: rowsOf(saved.Conditions, saved.Clauses)}
	if saved.TargetGoal != nil {
		f.Goal = strconv.FormatFloat(*saved.TargetGoal, 'g', -1, 64)
	}
	return f.page(q, nil)
}

// page draws the form, with what was wrong with it.
func (f *queryForm) page(q *request, err error) (page, error) {
	status := 0
	if err != nil {
		no, ok := refusal(err)
		if !ok || no.Code == "denied" || no.Code == "not-found" {
			return page{}, err
		}
		f.Wrong, f.WrongField, status = no.Message, no.Field, no.status()
	}
	f.complete(q)
	title := "New query"
	if !f.New {
		title = "Change query " + f.Name
	}
	return page{template: "query-form", data: f, title: title, status: status, crumbs: queryCrumbs(title, ""), help: "queries#conditions",
		scripts: []string{"query-form.js"}, styles: []string{"query.css"}}, nil
}

// saveNewQuery looks at what a query would find, or saves it.
func saveNewQuery(q *request) (page, error) {
	return sendQuery(q, &queryForm{New: true, To: "/results/query/+add", Back: "/results/query/"})
}

// saveQuery changes a saved query.
func saveQuery(q *request) (page, error) {
	ref := q.queryRef()
	to := "/results/query/~" + url.PathEscape(ref.Owner) + "/" + url.PathEscape(ref.Name)
	return sendQuery(q, &queryForm{To: to + "/+edit", Back: to})
}

// sendQuery does what a button of the form says.
// Enter in a field presses the first button of a form: the template has one out of sight that looks, so that it neither saves
// what is half written nor adds a row.
func sendQuery(q *request, f *queryForm) (page, error) {
	if err := q.ParseForm(); err != nil {
		return page{}, &Refusal{Code: "invalid", Message: "the form cannot be read: " + err.Error()}
	}
	f.read(q)
	conditions, clauses := f.conditions()
	// Without scripts a further row and a look at the result are buttons of the same form: nothing typed may get lost.
	switch q.PostForm.Get("do") {
	case "more":
		f.Conditions = append(f.Conditions, formCondition{Join: "all", Operator: "exact"})
		return f.page(q, nil)
	case "look":
		rows, err := asked[queryRows](q, "queries.custom", map[string]any{"entity": f.Entity, "conditions": conditions, "clauses": clauses, "limit": 10})
		if err == nil {
			d := q.found(rows)
			d.Before, d.After = "", ""
			f.Found = &d
		}
		return f.page(q, err)
	}
	in := map[string]any{"conditions": conditions, "clauses": clauses, "description": f.Description, "group": f.Group, "query_group": f.QueryGroup,
		"live": f.Live, "published": f.Published, "group_by": f.GroupBy}
	if f.New {
		in["name"], in["new"], in["entity"] = f.Name, true, f.Entity
	} else {
		ref := q.queryRef()
		in["owner"], in["name"] = ref.Owner, ref.Name
		// The address moves with the name; the old one is a 404 from then on.
		if f.Name != ref.Name {
			in["rename"] = f.Name
		}
	}
	if err := f.figures(in); err != nil {
		return f.page(q, err)
	}
	saved, err := asked[savedQuery](q, "queries.save", in)
	if err != nil {
		return f.page(q, err)
	}
	note := "Saved."
	if len(saved.Warnings) > 0 {
		note = "Saved, but: " + strings.Join(saved.Warnings, "; ")
	}
	return page{to: saved.To(), note: note}, nil
}

// figures adds the form's numbers to a request.
// Their bounds are the api's; what is left empty is not named, and stays as it is.
func (f *queryForm) figures(in map[string]any) error {
	if f.Limit != "" {
		n, err := strconv.Atoi(f.Limit)
		if err != nil {
			return &Refusal{Code: "invalid", Field: "limit", Message: "limit is " + strconv.Quote(f.Limit) + "; allowed are numbers from 20 to 10,000"}
		}
		in["limit"] = n
	}
	if f.Goal != "" {
		v, err := strconv.ParseFloat(f.Goal, 64)
		if err != nil {
			return &Refusal{Code: "invalid", Field: "target_goal", Message: "target_goal is " + strconv.Quote(f.Goal) + "; allowed are numbers such as 4.5"}
		}
		in["target_goal"] = v
	}
	return nil
}
