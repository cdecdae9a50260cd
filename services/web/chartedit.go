package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
)

// chartForm is what the form of a chart shows. What it draws is added on pages of its own, a query at a time.
// Back is where the form leads without being sent. List is LAVA's "chart group", a heading in lists, and no group of people.
type chartForm struct {
	New                            bool
	To, Back                       string
	Name, Description, Group, List string
	Query                          string // that a new chart begins with
	Groups                         []string
	Wrong                          string
}

// page draws the form.
// Denied and not found are pages of their own: nothing that is written into the form would help.
func (f *chartForm) page(q *request, err error) (page, error) {
	status := 0
	if err != nil {
		no, ok := refusal(err)
		if !ok || no.Code == "denied" || no.Code == "not-found" {
			return page{}, err
		}
		f.Wrong, status = no.Message, no.status()
	}
	if self, err := asked[struct {
		Groups []string `json:"groups"`
	}](q, "whoami", nil); err == nil {
		f.Groups = self.Groups
	}
	title := "New chart"
	if !f.New {
		title = "Change chart " + f.Name
	}
	return page{template: "chart-form", data: f, title: title, status: status, crumbs: chartCrumbs(title, ""), help: "charts", styles: []string{"query.css"}}, nil
}

// addChart opens the form of a new chart.
// ?query=~owner/name comes from the page of a query, which offers to draw it.
func addChart(q *request) (page, error) {
	if !q.SignedIn {
		return page{}, &Refusal{Code: "denied", Message: "charts are saved under a name; sign in first"}
	}
	f := chartForm{New: true, To: "/results/chart/+add", Back: "/results/chart/", Query: q.URL.Query().Get("query")}
	return f.page(q, nil)
}

// saveNewChart makes a chart, and adds the query that it begins with.
// new refuses a name that is taken; without it the verb would change that chart.
func saveNewChart(q *request) (page, error) {
	f := chartForm{New: true, To: "/results/chart/+add", Back: "/results/chart/", Query: q.PostFormValue("query")}
	f.read(q)
	// A new chart is published by nobody: its owner and its group see it.
	saved, err := asked[savedChart](q, "charts.save", map[string]any{"name": f.Name, "new": true, "description": f.Description, "group": f.Group, "chart_group": f.List})
	if err != nil {
		return f.page(q, err)
	}
	to := saved.To() + "/+chart-query-add"
	if f.Query == "" {
		return page{to: to, note: "Chart " + saved.Name + " is made. Which query does it draw?"}, nil
	}
	// Two verbs, so the second may fail alone: the chart is there then, and the next page asks for the query again.
	if err := q.ask("charts.query", map[string]any{"name": saved.Name, "query": queryNamed(f.Query), "chart_type": q.typeFor(f.Query)}, nil); err != nil {
		return page{to: to, note: "Chart " + saved.Name + " is made, but without the query: " + err.Error()}, nil
	}
	return page{to: saved.To(), note: "Chart " + saved.Name + " is made."}, nil
}

// Names are not trimmed: the api says what a name may hold, with the blank in it.
func (f *chartForm) read(q *request) {
	f.Name, f.Description, f.Group, f.List = q.PostFormValue("name"), q.PostFormValue("description"), q.PostFormValue("group"), q.PostFormValue("chart_group")
}

// queryNamed reads ~owner/name.
// The tilde and the order are LAVA's.
func queryNamed(text string) queryRef {
	owner, name, _ := strings.Cut(strings.TrimPrefix(text, "~"), "/")
	return queryRef{owner, name}
}

// typeFor is the type of chart that a query takes without more being said: cases have no passes to count.
func (q *request) typeFor(name string) events.ChartType {
	saved, err := asked[savedQuery](q, "queries.show", queryNamed(name))
	if err == nil && saved.Entity == events.CaseQuery {
		return "measurement"
	}
	return "pass/fail"
}

// chartToChange returns a chart that the visitor may change. The verbs would refuse the others too, but only once somebody had
// filled in a form.
// A chart may be changed by its owner and, where it has a group, by that group; Editable is the api's word for it.
func (q *request) chartToChange() (savedChart, error) {
	saved, err := asked[savedChart](q, "charts.show", map[string]any{"name": q.PathValue("name")})
	if err == nil && !saved.Editable {
		err = &Refusal{Code: "denied", Message: "chart " + saved.Name + " is its owner's and its group's to change"}
	}
	return saved, err
}

// chartDetail shows settings, queries and what is left out.
func chartDetail(q *request) (page, error) {
	saved, err := asked[savedChart](q, "charts.show", map[string]any{"name": q.PathValue("name")})
	if err != nil {
		return page{}, err
	}
	return page{template: "chart-detail", data: saved, title: saved.Name, crumbs: chartCrumbs(saved.Name, saved.To(), "Settings"), help: "charts", styles: []string{"query.css"}}, nil
}

// editChart opens the form of a chart.
func editChart(q *request) (page, error) {
	saved, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	f := chartForm{To: saved.To() + "/+edit", Back: saved.To() + "/+detail", Name: saved.Name, Description: saved.Description, Group: string(saved.Group), List: saved.ChartGroup}
	return f.page(q, nil)
}

// saveChart changes a chart. The verb would make one where there is none of that name.
// A new name is another address: the old one is a 404 from then on, as in LAVA.
func saveChart(q *request) (page, error) {
	old, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	f := chartForm{To: old.To() + "/+edit", Back: old.To() + "/+detail"}
	f.read(q)
	in := map[string]any{"name": old.Name, "description": f.Description, "group": f.Group, "chart_group": f.List}
	if f.Name != old.Name {
		in["rename"] = f.Name
	}
	saved, err := asked[savedChart](q, "charts.save", in)
	if err != nil {
		return f.page(q, err)
	}
	return page{to: saved.To() + "/+detail", note: "Saved."}, nil
}

// confirmChart asks before something is done with a chart.
// What is not among these three would ask an empty question.
func confirmChart(what string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		saved, err := q.chartToChange()
		if err != nil {
			return page{}, err
		}
		c := confirmation{Post: q.URL.Path, Back: saved.To()}
		switch what {
		case "delete":
			c.Question, c.Button = fmt.Sprintf("Delete chart %s? Its queries stay.", saved.Name), "Delete"
		case "publish":
			c.Question, c.Button = fmt.Sprintf("Let everybody see chart %s? Each one sees the jobs that he may see.", saved.Name), "Publish"
			if saved.Published {
				c.Question, c.Button = fmt.Sprintf("Hide chart %s from others?", saved.Name), "Hide"
			}
		case "remove":
			i := slices.IndexFunc(saved.Queries, func(one events.ChartQuery) bool { return strconv.Itoa(one.Number) == q.PathValue("number") })
			if i < 0 {
				return page{}, &Refusal{Code: "not-found", Message: "chart " + saved.Name + " has no drawing " + q.PathValue("number")}
			}
			c.Question, c.Button, c.Back = fmt.Sprintf("Take query %s out of chart %s? The query itself stays.", saved.QueryNames[i], saved.Name), "Take out", saved.To()+"/+detail"
		}
		return page{template: "confirm", data: c, styles: []string{"query.css"}, crumbs: chartCrumbs(saved.Name, saved.To(), c.Button)}, nil
	}
}

// deleteChart deletes a chart.
// Pages elsewhere that embed its picture get a 404 from then on.
func deleteChart(q *request) (page, error) {
	if err := q.ask("charts.remove", map[string]any{"name": q.PathValue("name")}, nil); err != nil {
		return page{}, err
	}
	return page{to: "/results/chart/", note: "Chart " + q.PathValue("name") + " is deleted."}, nil
}

// publishChart lets others see a chart, or no longer.
func publishChart(q *request) (page, error) {
	saved, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	if err := q.ask("charts.save", map[string]any{"name": saved.Name, "published": !saved.Published}, nil); err != nil {
		return page{}, err
	}
	note := "Everybody may see this chart now."
	if saved.Published {
		note = "Others do not see this chart any more."
	}
	return page{to: saved.To(), note: note}, nil
}

// drawingForm is what the form of one query of a chart shows. Goal and List are texts as they were typed, as a wrong one is
// shown again.
// Set has what the form's choices are set to; the texts beside it are fields that may hold what cannot be read.
type drawingForm struct {
	Chart   savedChart
	To      string
	New     bool
	Set     events.ChartQuery
	Query   string
	Goal    string
	List    string // of attributes
	Queries []savedQuery
	Wrong   string
}

// The words that drawings take, which are LAVA's.
// Each kind of query takes some of the types only; the api refuses the others, naming those.
func (drawingForm) Types() []string           { return []string{"pass/fail", "measurement", "attributes"} }
func (drawingForm) Representations() []string { return []string{"lines", "bars"} }
func (drawingForm) Visibilities() []string    { return []string{"chart", "table", "both"} }

// chartQueryForm opens the form of a drawing.
// {number} counts the drawings that a chart ever had, so it stays when others are removed or change places.
func chartQueryForm(q *request) (page, error) {
	saved, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	f := drawingForm{Chart: saved, To: q.URL.Path, New: true, Set: events.ChartQuery{Type: "pass/fail", Height: 300, Visibility: "chart", Representation: "lines"}}
	// The same function opens the form of a new drawing, at an address without a number.
	if n := number(q.PathValue("number")); n > 0 {
		i := slices.IndexFunc(saved.Queries, func(one events.ChartQuery) bool { return one.Number == n })
		if i < 0 {
			return page{}, &Refusal{Code: "not-found", Message: "chart " + saved.Name + " has no drawing " + q.PathValue("number")}
		}
		f.New, f.Set, f.Query = false, saved.Queries[i], saved.QueryNames[i]
		f.List = strings.Join(f.Set.Attributes, ", ")
		if f.Set.TargetGoal != nil {
			f.Goal = strconv.FormatFloat(*f.Set.TargetGoal, 'g', -1, 64)
		}
	}
	return f.page(q, nil)
}

// page draws the form.
// The queries offered are all that the visitor may see, as charts draw those of others too.
func (f *drawingForm) page(q *request, err error) (page, error) {
	status := 0
	if err != nil {
		no, ok := refusal(err)
		if !ok || no.Code == "denied" {
			return page{}, err
		}
		f.Wrong, status = no.Message, no.status()
	}
	if f.Queries, err = asked[[]savedQuery](q, "queries.list", map[string]any{}); err != nil {
		return page{}, err
	}
	title := "Add a query"
	if !f.New {
		title = "Change a drawing"
	}
	return page{template: "drawing-form", data: f, title: title, status: status, crumbs: chartCrumbs(f.Chart.Name, f.Chart.To(), title), help: "charts", styles: []string{"query.css"}}, nil
}

// saveChartQuery adds a query to a chart, or changes how it is drawn.
// Names of fields are LAVA's (chart_type, is_percentage, xaxis_attribute), as is that number 0 means a new one.
func saveChartQuery(q *request) (page, error) {
	saved, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	n := number(q.PathValue("number"))
	v := func(name string) string { return strings.TrimSpace(q.PostFormValue(name)) }
	f := drawingForm{Chart: saved, To: q.URL.Path, New: n == 0, Query: v("query"), Goal: v("target_goal"), List: v("attributes")}
	f.Set = events.ChartQuery{Number: n, Type: events.ChartType(v("chart_type")), Visibility: events.ChartVisibility(v("chart_visibility")),
		Representation: events.ChartRepresentation(v("representation")), Percentage: v("is_percentage") != "", Trend: v("trend") != "",
		XAxis: v("xaxis_attribute"), Height: number(v("chart_height"))}
	// Not nil where the field is empty: nil would leave the attributes as they are.
	attributes := []string{}
	for _, one := range strings.Split(f.List, ",") {
		if one = strings.TrimSpace(one); one != "" {
			attributes = append(attributes, one)
		}
	}
	in := map[string]any{"name": saved.Name, "number": n, "query": queryNamed(f.Query), "chart_type": f.Set.Type, "chart_visibility": f.Set.Visibility,
		"representation": f.Set.Representation, "is_percentage": f.Set.Percentage, "trend": f.Set.Trend, "xaxis_attribute": f.Set.XAxis,
		"chart_height": f.Set.Height, "attributes": attributes}
	if f.Goal == "" { // a goal that is not named stays, so taking it away has a word of its own
		in["no_goal"] = true
	} else {
		goal, err := strconv.ParseFloat(f.Goal, 64)
		if err != nil {
			return f.page(q, &Refusal{Code: "invalid", Field: "target_goal", Message: "target_goal is " + strconv.Quote(f.Goal) + "; allowed are numbers such as 4.5"})
		}
		in["target_goal"] = goal
	}
	if err := q.ask("charts.query", in, nil); err != nil {
		return f.page(q, err)
	}
	return page{to: saved.To(), note: "Saved."}, nil
}

// removeChartQuery takes a query out of a chart.
func removeChartQuery(q *request) (page, error) {
	saved, err := asked[savedChart](q, "charts.drop", map[string]any{"name": q.PathValue("name"), "number": number(q.PathValue("number"))})
	if err != nil {
		return page{}, err
	}
	return page{to: saved.To() + "/+detail", note: "The query is no longer part of the chart."}, nil
}

// orderChart puts a drawing one place up or down, or all into the order of the form.
// The api refuses a list that lacks a drawing or names one twice, so that an old page cannot lose one.
func orderChart(q *request) (page, error) {
	saved, err := q.chartToChange()
	if err != nil {
		return page{}, err
	}
	if err := q.ParseForm(); err != nil {
		return page{}, &Refusal{Code: "invalid", Message: "the form cannot be read: " + err.Error()}
	}
	// In the order of the fields of the form, which is what ParseForm keeps.
	var order []int
	for _, text := range q.PostForm["number"] {
		order = append(order, number(text))
	}
	// LAVA's page sends all numbers in their new order; ours, without scripts, which one goes up.
	if up := number(q.PostFormValue("up")); up > 0 {
		order = nil
		for _, one := range saved.Queries {
			order = append(order, one.Number)
		}
		// The first stays where it is.
		if i := slices.Index(order, up); i > 0 {
			order[i-1], order[i] = order[i], order[i-1]
		}
	}
	if err := q.ask("charts.order", map[string]any{"name": saved.Name, "numbers": order}, nil); err != nil {
		return page{}, err
	}
	return page{to: saved.To() + "/+detail"}, nil
}

// chooseView records how the visitor sees a drawing from now on: it is his own view, so everybody who sees the chart may. The
// zero time means all points.
// LAVA keeps this per user as well, and names the fields so. A box that is not ticked is not sent: what is missing is off.
func chooseView(q *request) (page, error) {
	in := map[string]any{"name": q.PathValue("name"), "number": number(q.PathValue("number")),
		"is_legend_visible": q.PostFormValue("is_legend_visible") != "", "is_delta": q.PostFormValue("is_delta") != ""}
	start := time.Time{}
	if text := q.PostFormValue("start_date"); text != "" {
		at, err := time.Parse("2006-01-02", text)
		if err != nil {
			return page{}, &Refusal{Code: "invalid", Field: "start_date", Message: "start_date is " + strconv.Quote(text) + "; allowed are days such as 2026-11-22"}
		}
		start = at
	}
	in["start_date"] = start
	if err := q.ask("charts.view", in, nil); err != nil {
		return page{}, err
	}
	return page{to: q.back("/results/chart/" + url.PathEscape(q.PathValue("name")))}, nil
}

// changeChartItem leaves a point out of a drawing, or takes it back.
// The point is named as the chart's data names it: a job, a suite of a job, or a case of it.
func changeChartItem(verb, done string) func(*request) (page, error) {
	return func(q *request) (page, error) {
		item := q.PostFormValue("item")
		saved, err := asked[savedChart](q, verb, map[string]any{"name": q.PathValue("name"), "number": number(q.PathValue("number")), "item": item})
		if err != nil {
			return page{}, err
		}
		return page{to: q.back(saved.To()), note: done + item + "."}, nil
	}
}
