// Package grafana holds a set of Grafana dashboards over the views of results: the lab, its queue, the
// health of its devices, one job, the history of a test.
//
// [Files] is the set with its provisioning, which strata grafana writes for a Grafana to take.
//
// The tables of panels in this package are what people change; dashboards/*.json and datasource.yaml
// are made of them by go test -update, in the form in which Grafana imports or provisions them. They
// use ClickHouse's own data source plug-in (grafana-clickhouse-datasource), whose macros stand in the
// SQL. A test of package projections runs the SQL of every panel.
package grafana

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Source is the uid of the data source that the dashboards ask.
const Source = "strata"

// Dashboard is one page of panels.
type Dashboard struct {
	UID       string // of its address in Grafana; strata-queue
	Title     string
	From      string // how far it looks back when it is opened; now-7d
	Variables []Variable
	Panels    []Panel
}

// Variable is a choice at the head of a page. Its name stands as ${name} in SQL.
type Variable struct {
	Name, Label string
	SQL         string // what may be chosen; empty lets people write
	Default     string // while nothing is chosen
}

// Kind is how a panel shows its rows.
type Kind string

// The kinds are Grafana's panel types.
const (
	Stat     Kind = "stat"           // one number
	Series   Kind = "timeseries"     // columns over a first column that is a time
	Table    Kind = "table"          // rows as they are
	Timeline Kind = "state-timeline" // states over a first column that is a time
	BarChart Kind = "barchart"       // numbers by a first column that is a text
)

// Panel is one question and how its answer is shown.
type Panel struct {
	Title string
	Kind  Kind
	Width int    // of the 24 columns of a page
	Unit  string // Grafana's: s, percentunit, short
	SQL   string
}

// heights of panels by kind, in Grafana's rows.
func (k Kind) height() int {
	if k == Stat {
		return 4
	}
	return 9
}

// JSON returns the dashboard as Grafana imports it.
func (d Dashboard) JSON() ([]byte, error) {
	source := map[string]string{"type": "grafana-clickhouse-datasource", "uid": Source}
	panels, x, y, tallest := []any{}, 0, 0, 0
	for i, p := range d.Panels {
		if x+p.Width > 24 {
			x, y, tallest = 0, y+tallest, 0
		}
		format := 1 // a table; time series are 0
		if p.Kind == Series {
			format = 0
		}
		defaults := map[string]any{"unit": p.Unit, "custom": map[string]any{}}
		if p.Kind == Series {
			defaults["custom"] = map[string]any{"lineWidth": 1, "fillOpacity": 8, "showPoints": "auto", "spanNulls": false}
		}
		panels = append(panels, map[string]any{
			"id": i + 1, "title": p.Title, "type": string(p.Kind), "datasource": source,
			"gridPos":     map[string]int{"x": x, "y": y, "w": p.Width, "h": p.Kind.height()},
			"fieldConfig": map[string]any{"defaults": defaults, "overrides": []any{}},
			"options":     p.Kind.options(),
			"targets": []any{map[string]any{
				"refId": "A", "datasource": source, "editorType": "sql", "rawSql": p.SQL, "format": format,
				"queryType": map[bool]string{true: "timeseries", false: "table"}[p.Kind == Series],
			}},
		})
		x, tallest = x+p.Width, max(tallest, p.Kind.height())
	}
	variables := []any{}
	for _, v := range d.Variables {
		one := map[string]any{"name": v.Name, "label": v.Label, "type": "textbox", "query": v.Default,
			"current": map[string]any{"text": v.Default, "value": v.Default}}
		if v.SQL != "" {
			one["type"], one["datasource"], one["query"], one["refresh"] = "query", source, v.SQL, 2
			one["includeAll"], one["multi"] = false, false
		}
		variables = append(variables, one)
	}
	text, err := json.MarshalIndent(map[string]any{
		"uid": d.UID, "title": d.Title, "tags": []string{"strata"}, "timezone": "utc", "editable": true, "schemaVersion": 39, "version": 1,
		"time": map[string]string{"from": d.From, "to": "now"}, "refresh": "1m", "graphTooltip": 1,
		"templating": map[string]any{"list": variables}, "panels": panels,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", d.UID, err)
	}
	return append(text, '\n'), nil
}

// options are what Grafana needs to know of a kind beyond its defaults.
func (k Kind) options() map[string]any {
	switch k {
	case Stat:
		return map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}, "graphMode": "none", "colorMode": "none"}
	case Series:
		return map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom"}, "tooltip": map[string]any{"mode": "multi"}}
	case Timeline:
		return map[string]any{"showValue": "never", "mergeValues": true, "rowHeight": 0.85}
	}
	return map[string]any{}
}

// File is the name of the dashboard's file.
func (d Dashboard) File() string { return strings.TrimPrefix(d.UID, "strata-") + ".json" }
