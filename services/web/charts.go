package web

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"strata/events"
)

// chartRoutes are the pages of charts, where LAVA has them.
func chartRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	// Charts of LAVA have names without an owner, which are unique in the lab; a name cannot begin with +, which its verbs do.
	const one = "/results/chart/{name}"
	return []route{
		{get, "/results/chart", listCharts, "Charts", "find a chart"},
		{get, "/results/chart/+add", addChart, "New chart", "open the form of a chart"},
		{post, "/results/chart/+add", saveNewChart, "New chart", "make a chart"},
		{get, "/results/chart/+custom", customChart, "Chart", "see a chart of what the conditions in an address find"},
		{get, one, showChart, "Chart", "see what a chart shows, and point at what stands out"},
		{get, one + "/+detail", chartDetail, "Settings of the chart", "read a chart's settings and queries"},
		{get, one + "/+edit", editChart, "Change chart", "open the form of a saved chart"},
		{post, one + "/+edit", saveChart, "Change chart", "change a chart's name, description and group"},
		{get, one + "/+delete", confirmChart("delete"), "Delete chart", "be asked before a chart is deleted"},
		{post, one + "/+delete", deleteChart, "", "delete a chart"},
		{get, one + "/+toggle-published", confirmChart("publish"), "Publish chart", "be asked before others may see a chart"},
		{post, one + "/+toggle-published", publishChart, "", "let others see a chart, or not"},
		{get, one + "/+chart-query-add", chartQueryForm, "Add a query", "open the form of a drawing"},
		{post, one + "/+chart-query-add", saveChartQuery, "Add a query", "add a query to a chart"},
		{get, one + "/{number}/+chart-query-edit", chartQueryForm, "Change a drawing", "open the form of one query of a chart"},
		{post, one + "/{number}/+chart-query-edit", saveChartQuery, "Change a drawing", "change how a query is drawn"},
		{get, one + "/{number}/+chart-query-remove", confirmChart("remove"), "Remove a drawing", "be asked before a query leaves a chart"},
		{post, one + "/{number}/+chart-query-remove", removeChartQuery, "", "take a query out of a chart"},
		{post, one + "/+chart-query-order-update", orderChart, "", "put the drawings of a chart into another order"},
		{post, one + "/{number}/+settings-update", chooseView, "", "choose since when, with which legend, and whether differences are drawn"},
		{post, one + "/{number}/+omit-result", changeChartItem("charts.omit", "Left out of the chart: "), "", "leave a point out of a chart"},
		{post, one + "/{number}/+include-result", changeChartItem("charts.include", "Back in the chart: "), "", "take a point that was left out back"},
		{get, one + "/{number}/+export", exportChart, "Export", "download the points of a drawing"},
		// Last, and for one segment alone: 1.svg, 1.png.
		{get, one + "/{picture}", chartPicture, "Picture", "show a chart in another page or a report"},
	}
}

// savedChart is a chart as the api tells of it.
// QueryNames stand beside Queries, in their order, as ~owner/name; Omitted are "number: item".
type savedChart struct {
	events.ChartSaved
	QueryNames []string  `json:"query_names"`
	SavedAt    time.Time `json:"saved_at"`
	Omitted    []string  `json:"omitted"`
	Editable   bool      `json:"editable"`
}

// To is the address of the chart's page.
func (c savedChart) To() string { return "/results/chart/" + url.PathEscape(c.Name) }

// chartDrawing is one query of a chart with its points.
// Error is why it has no data, in place of which the page shows it; Cut says that there are more points than were read.
type chartDrawing struct {
	events.ChartQuery
	Start       time.Time          `json:"start_date"`
	Legend      bool               `json:"is_legend_visible"`
	Deltas      bool               `json:"is_delta"`
	QueryName   string             `json:"query_name"`
	Description string             `json:"query_description"`
	Live        bool               `json:"query_live"`
	Updated     *time.Time         `json:"query_updated"`
	Entity      events.QueryEntity `json:"entity"`
	Conditions  string             `json:"conditions"`
	HasOmitted  bool               `json:"has_omitted"`
	Data        []chartPoint       `json:"data"`
	Cut         bool               `json:"cut"`
	Error       string             `json:"error"`
	Notices     []string           `json:"notices"`

	Picture template.HTML `json:"-"`
	Export  string        `json:"-"` // address of its points as a file, to which a format is added
	Embed   string        `json:"-"` // address of its picture
	Omitted []string      `json:"-"` // items that are left out
}

// QueryTo is the address of the query's page.
func (d chartDrawing) QueryTo() string {
	if d.QueryName == "" {
		return ""
	}
	return "/results/query/" + d.QueryName
}

// Latest are the newest points, which the table shows.
// The points come the oldest first, as they are drawn; a table is read from the newest.
func (d chartDrawing) Latest() []chartPoint {
	n := min(len(d.Data), 50)
	out := make([]chartPoint, 0, n)
	for i := range n {
		out = append(out, d.Data[len(d.Data)-1-i])
	}
	return out
}

// Shown says what of the drawing is shown: the picture, the table or both.
// Its words are LAVA's: chart, table, both; "" is what charts before that setting have.
func (d chartDrawing) Shown(what string) bool {
	v := string(d.Visibility)
	return v == "" || v == what || v == "both"
}

// chartPoint is one point.
// Pointers are nil where the kind of chart has no such figure, which is not 0.
type chartPoint struct {
	ID string `json:"id"`
	// What the visitor may leave out by; ID is what the point is called, such as the name of a case.
	Item string    `json:"pk"`
	Link string    `json:"link"`
	Date time.Time `json:"date"`
	// Of the job's metadata, where the drawing has an attribute for its axis; "" else, and Date is its place.
	Attribute   string   `json:"attribute"`
	Pass        bool     `json:"pass"`
	Passes      *uint64  `json:"passes"`
	Failures    *uint64  `json:"failures"`
	Total       *uint64  `json:"total"`
	Measurement *float64 `json:"measurement"`
	Units       string   `json:"units"`
	// Where it stands on the other axis, whatever kind of chart it is.
	Value float64 `json:"value"`
}

// chartData is what the page of a chart shows.
type chartData struct {
	Chart    *savedChart     `json:"chart"`
	Drawings []*chartDrawing `json:"drawings"`

	// The rest is of this page and not of the answer.
	Since, Until string   // as the address has them
	Save         string   // address of the form that saves it, of a chart in an address
	Types        []string // of a chart in an address
	Type         string
	// What the form of the window has to send along, as a form replaces the whole query of its address.
	Kept []pair // of the address
	Path string
}

// listCharts shows the charts that the visitor may see.
// The order within each heading is the api's, by name.
func listCharts(q *request) (page, error) {
	all, err := asked[[]savedChart](q, "charts.list", map[string]any{})
	if err != nil {
		return page{}, err
	}
	var own, shared, public struct {
		Title  string
		Charts []savedChart
	}
	own.Title, shared.Title, public.Title = "Mine", "Of my groups", "Published by others"
	for _, c := range all {
		switch {
		case q.SignedIn && string(c.Owner) == q.Name:
			own.Charts = append(own.Charts, c)
		case c.Editable && c.Group != "":
			shared.Charts = append(shared.Charts, c)
		default:
			public.Charts = append(public.Charts, c)
		}
	}
	return page{template: "charts", data: map[string]any{"Groups": []any{own, shared, public}, "Any": len(all) > 0}, help: "charts", live: "chart/"}, nil
}

// chartCrumbs is the way to a page of charts.
func chartCrumbs(last, lastTo string, further ...string) []crumb {
	way := []crumb{{"Results", "/results/"}, {"Charts", "/results/chart/"}}
	if len(further) == 0 {
		return append(way, crumb{last, ""})
	}
	return append(way, crumb{last, lastTo}, crumb{further[0], ""})
}

// windowOf reads since and until of an address. Each is a day or a moment.
// A window is the visitor's, of this look; what he chose for all his looks is asked of the api by [chooseView].
func windowOf(asking url.Values) (window map[string]any, err error) {
	window = map[string]any{}
	for _, name := range []string{"since", "until"} {
		text := asking.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			// A day as a date field of a form sends it, and UTC as all days of these pages.
			at, err = time.Parse("2006-01-02", text)
			if name == "until" && err == nil {
				at = at.Add(24*time.Hour - time.Nanosecond) // the day counts whole
			}
		}
		if err != nil {
			return nil, &Refusal{Code: "invalid", Field: name, Message: name + " is " + strconv.Quote(text) + "; allowed are days such as 2026-11-22 and moments such as 2026-11-22T18:30:00Z"}
		}
		window[name] = at
	}
	return window, nil
}

// draw adds the picture of a drawing. One that cannot be drawn says why in its place.
func (q *request) drawChart(d *chartDrawing, in map[string]any) {
	if d.Error != "" || len(d.Data) == 0 || !d.Shown("chart") {
		return
	}
	// About what the content of a page has in a window of 1,280 pixels; others scale it, as an SVG has a viewBox.
	in["format"], in["width"] = "svg", 1216
	var picture bytes.Buffer
	err := q.Stream(q.Context(), "charts.draw", in, func(_ map[string]string, body []byte) error {
		picture.Write(body)
		return nil
	})
	if err != nil {
		d.Error = err.Error()
		return
	}
	d.Picture = inlined(picture.Bytes())
}

// sheet is the style sheet that a picture has inside, for those who embed it.
var sheet = regexp.MustCompile(`(?s)<style>.*?</style>\n?`)

// inlined makes a picture part of a page: its colours come from static/chart.css, as the page's policy takes
// no style inside, and they follow the page's theme. Its points are links here, which an image cannot have.
// role="img" would hide the links within from screen readers: of an image only its name is told (WCAG 4.1.2).
func inlined(picture []byte) template.HTML {
	picture = bytes.Replace(sheet.ReplaceAll(picture, nil), []byte(`role="img"`), []byte(`role="group"`), 1)
	return template.HTML(picture) // written by projections/chart, which escapes all text
}

// showChart shows what a chart shows.
// Beside the one question for the data of all its drawings, each drawing's picture is one of its own.
func showChart(q *request) (page, error) {
	in, err := windowOf(q.URL.Query())
	if err != nil {
		return page{}, err
	}
	in["name"] = q.PathValue("name")
	d, err := asked[chartData](q, "charts.data", in)
	if err != nil {
		return page{}, err
	}
	if d.Chart == nil {
		return page{}, &Refusal{Code: "not-found", Message: "there is no chart " + q.PathValue("name")}
	}
	for _, one := range d.Drawings {
		in["number"] = one.Number
		q.drawChart(one, in)
		base := d.Chart.To() + "/" + strconv.Itoa(one.Number)
		one.Export, one.Embed = base+"/+export?format=", base+".svg"
		for _, text := range d.Chart.Omitted {
			if item, ok := strings.CutPrefix(text, strconv.Itoa(one.Number)+": "); ok {
				one.Omitted = append(one.Omitted, item)
			}
		}
	}
	d.Since, d.Until, d.Path = q.URL.Query().Get("since"), q.URL.Query().Get("until"), q.URL.RequestURI()
	return page{template: "chart", data: d, title: d.Chart.Name, crumbs: chartCrumbs(d.Chart.Name, ""), styles: []string{"chart.css", "query.css"},
		scripts: []string{"chart.js"}, help: "charts", live: "chart/" + d.Chart.Chart.String()}, nil
}

// customChart shows a chart of what the conditions in an address find.
// Nothing of it is kept: its address is the chart.
func customChart(q *request) (page, error) {
	asking := q.URL.Query()
	in, err := windowOf(asking)
	if err != nil {
		return page{}, err
	}
	in["entity"], in["address"] = asking.Get("entity"), asking.Get("conditions")
	settings := map[string]any{"chart_type": oneOf(asking.Get("type"), "pass/fail", "pass/fail", "measurement", "attributes")}
	if asking.Get("type") == "" && asking.Get("entity") == string(events.CaseQuery) {
		settings["chart_type"] = "measurement" // pass/fail is refused of cases
	}
	if list := asking.Get("attributes"); list != "" {
		settings["attributes"] = strings.Split(list, ",")
	}
	for _, name := range []string{"xaxis_attribute", "representation"} {
		if v := asking.Get(name); v != "" {
			settings[name] = v
		}
	}
	in["settings"] = settings
	d, err := asked[chartData](q, "charts.custom", in)
	if err != nil {
		return page{}, err
	}
	for _, one := range d.Drawings {
		// A chart of an address has no settings of its own: the picture and its points are shown.
		one.Visibility = "both"
		q.drawChart(one, map[string]any{"custom": in})
	}
	d.Since, d.Until, d.Path = asking.Get("since"), asking.Get("until"), q.URL.RequestURI()
	d.Types, d.Type = []string{"pass/fail", "measurement", "attributes"}, settings["chart_type"].(string)
	for _, name := range []string{"entity", "conditions", "type", "attributes", "xaxis_attribute", "representation"} {
		if v := asking.Get(name); v != "" {
			d.Kept = append(d.Kept, pair{name, v})
		}
	}
	d.Save = "/results/query/+add?" + url.Values{"entity": {asking.Get("entity")}, "conditions": {asking.Get("conditions")}}.Encode()
	return page{template: "chart", data: d, title: "Chart", crumbs: chartCrumbs("Chart in the address", ""), styles: []string{"chart.css", "query.css"},
		scripts: []string{"chart.js"}, help: "charts"}, nil
}

// exportChart sends the points of a drawing.
func exportChart(q *request) (page, error) {
	in, err := windowOf(q.URL.Query())
	if err != nil {
		return page{}, err
	}
	format := oneOf(q.URL.Query().Get("format"), "csv", "csv", "yaml", "json")
	in["name"], in["number"], in["format"] = q.PathValue("name"), number(q.PathValue("number")), format
	return q.download("charts.export", in, "chart_"+q.PathValue("name")+"_"+q.PathValue("number"), format)
}

// chartPicture is a drawing as a picture, for other pages: N.svg or N.png, of the size and theme that the address names.
func chartPicture(q *request) (page, error) {
	// The pattern takes any last segment, so what is no picture is refused here.
	name, format, _ := strings.Cut(q.PathValue("picture"), ".")
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || format != "svg" && format != "png" {
		return page{}, &Refusal{Code: "not-found", Message: "chart " + q.PathValue("name") + " has no page " + q.PathValue("picture") + "; pictures are N.svg and N.png, by the number of the drawing"}
	}
	asking := q.URL.Query()
	in, err := windowOf(asking)
	if err != nil {
		return page{}, err
	}
	in["name"], in["number"], in["format"] = q.PathValue("name"), n, format
	// 0, of what is missing or none, is the drawing's own size. An image knows nothing of the page around it, so who embeds it says dark.
	in["width"], in["height"], in["dark"] = number(asking.Get("width")), number(asking.Get("height")), asking.Get("theme") == "dark"
	// A picture is allowed its own style sheet, and nothing else.
	q.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	// Set before the first byte; where there is none, the error's page has a policy of its own.
	p, err := q.download("charts.draw", in, "chart", format)
	var no *Refusal
	if errors.As(err, &no) {
		q.w.Header().Del("Content-Security-Policy")
	}
	return p, err
}
