package web

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// configVersion is one version of a dictionary or of settings, as devices.config and its like tell it.
// Seq is the fact that recorded it. Text is empty unless it was asked for by its version. Time is UTC.
type configVersion struct {
	Version int       `json:"version"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	Bytes   int       `json:"bytes"`
	Text    string    `json:"text"`
}

// dictionaryData is what the page of a dictionary shows.
// Render says which of the two tabs is shown (?rendered), so that each has an address.
type dictionaryData struct {
	wholeDevice
	May      rights
	Source   []string // lines as written
	Rendered []string // lines as workers get them
	Extends  string   // template that it builds on
	Invalid  string   // what is wrong with it
	Render   bool     // the rendered text is shown
}

// rendered asks what workers get of a device's dictionary, and what the schema has against that.
// An error is that it cannot be rendered at all; invalid is a sentence about what can.
func rendered(q *request, name string) (config, invalid string, err error) {
	out, err := asked[struct {
		Config  string `json:"config"`
		Invalid string `json:"invalid"`
	}](q, "devices.render", map[string]any{"device": name, "check": true})
	return out.Config, out.Invalid, err
}

// dictionaryPage shows a dictionary, as written and as rendered.
func dictionaryPage(q *request) (page, error) {
	name := q.PathValue("name")
	d, err := theDevice(q, name)
	if err != nil {
		return page{}, err
	}
	if d.Dictionary == "" {
		return page{}, &Refusal{Code: "not-found", Message: "device " + name + " has no dictionary yet"}
	}
	data := dictionaryData{wholeDevice: d, May: q.may("device/" + name), Source: linesOf(d.Dictionary), Extends: extends(d.Dictionary), Render: q.URL.Query().Has("rendered")}
	// The source is shown all the same: it is what has to be mended.
	config, invalid, err := rendered(q, name)
	data.Rendered, data.Invalid = linesOf(config), invalid
	if err != nil {
		data.Invalid = err.Error()
	}
	return page{template: "dictionary", title: "Dictionary of " + name, data: data, help: "devices", styles: []string{"lab.css"}, live: "device/" + name,
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {name, deviceAddress(name)}, {"Dictionary", ""}}}, nil
}

// extends is the template that a dictionary names.
// It reads {% extends 'qemu.jinja2' %} by its first line's usual shape and answers "" for all else, such as a variable: it is a
// link for people and decides nothing.
func extends(text string) string {
	_, rest, ok := strings.Cut(text, "extends")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest, " \t'\""), ".jinja2")
	if strings.ContainsAny(name, " \n'\"%{}") {
		return ""
	}
	return name
}

// plainDictionary is the rendered dictionary as a file.
// LAVA gives the rendered YAML here, not the source, as lava-run and scripts want it.
func plainDictionary(q *request) (page, error) {
	name := q.PathValue("name")
	config, _, err := rendered(q, name)
	if err != nil {
		return page{}, err
	}
	return q.file(name+".yaml", "application/yaml", config), nil
}

// historyData is what a page of versions shows.
// From is 0 where there is nothing to compare with: all of To is new then.
type historyData struct {
	Versions []configVersion // the newest first
	From, To int             // that are compared
	Diff     []diffLine
	Same     bool
	Noun     string
}

// dictionaryHistory lists the versions of a dictionary and compares two of them.
// LAVA keeps no versions of dictionaries.
func dictionaryHistory(q *request) (page, error) {
	name := q.PathValue("name")
	d, err := history(q, "devices.config", name)
	if err != nil {
		return page{}, err
	}
	d.Noun = "dictionary"
	return page{template: "versions", title: "Versions of the dictionary of " + name, data: d, styles: []string{"lab.css"},
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {name, deviceAddress(name)}, {"Dictionary", deviceAddress(name) + "/devicedict"}, {"Versions", ""}}}, nil
}

// history asks for the versions of a configuration; the address says which two are compared, else the last two.
// It serves devices, device types and workers, whose verbs (devices.config and so on) have the same shape.
func history(q *request, verb, name string) (historyData, error) {
	type config struct {
		Versions []configVersion `json:"versions"`
	}
	all, err := asked[config](q, verb, map[string]any{"name": name})
	if err != nil {
		return historyData{}, err
	}
	d := historyData{Versions: all.Versions}
	if n := len(all.Versions); n > 0 {
		d.To = all.Versions[n-1].Version
		d.From = d.To - 1 // 0 is nothing, which the first version began from
		// Versions count from 1 without a gap; the oldest may have aged out.
		if d.From < all.Versions[0].Version {
			d.From = 0
		}
		for field, into := range map[string]*int{"from": &d.From, "to": &d.To} {
			if v, err := strconv.Atoi(q.URL.Query().Get(field)); err == nil {
				*into = v
			}
		}
		// The list comes without texts, which together may be megabytes; the two that are compared are asked for alone.
		texts, err := asked[config](q, verb, map[string]any{"name": name, "texts": slices.DeleteFunc([]int{d.From, d.To}, func(n int) bool { return n == 0 })})
		if err != nil {
			return d, err
		}
		// "" for a version that is not there, such as of an address that was typed: all of the other is new, or gone.
		of := func(n int) string {
			i := slices.IndexFunc(texts.Versions, func(v configVersion) bool { return v.Version == n })
			if i < 0 {
				return ""
			}
			return texts.Versions[i].Text
		}
		d.Diff = diff(of(d.From), of(d.To))
		d.Same = len(d.Diff) == 0
	}
	// The newest is what people look for.
	slices.SortFunc(d.Versions, func(a, b configVersion) int { return cmp.Compare(b.Version, a.Version) })
	return d, nil
}

// editData is what the editor of a dictionary shows.
// Rendered are the lines that workers would get; Diff and Config are nil where nothing changes.
type editData struct {
	wholeDevice
	Text, Comment string
	Looked        bool       // a preview was asked for
	Diff          []diffLine // from the device's dictionary to the text
	Config        []diffLine // from what it renders to now to what it would
	Rendered      []string
	Wrong         string // the text cannot be a dictionary
	Invalid       string // what the schema has against it
	Workers       []string
	TagText       string
	Base          int // version that the text began as
	Moved         bool
}

// editDevice opens the editor.
// The verbs would refuse too, but only once somebody had written something.
func editDevice(q *request) (page, error) {
	d, err := theDevice(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	if !q.may("device/" + d.Device).Change() {
		return page{}, &Refusal{Code: "denied", Message: cmp.Or(q.Name, "somebody without a name") + " may not change device " + d.Device}
	}
	return editor(q, editData{wholeDevice: d, Text: d.Dictionary, Base: d.Version}), nil
}

// Retired workers are not offered, unless the device hangs on one: the form would move it otherwise.
func editor(q *request, d editData) page {
	if workers, err := asked[[]workerRow](q, "workers.list", nil); err == nil {
		for _, w := range workers {
			if w.Health != "Retired" || w.Worker == d.Worker {
				d.Workers = append(d.Workers, w.Worker)
			}
		}
	}
	d.TagText = strings.Join(d.Tags, " ")
	return page{template: "device-edit", title: "Change " + d.Device, data: d, help: "devices", styles: []string{"lab.css"},
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {d.Device, d.To()}, {"Change", ""}}}
}

// saveDevice shows what a text would be as the device's dictionary, or records it.
// Preview and saving are two buttons of one form, and both check; nothing is recorded that was not rendered first.
func saveDevice(q *request) (page, error) {
	d, err := theDevice(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	// Browsers send lines with CR LF; a dictionary has the line ends that it had.
	text := strings.ReplaceAll(q.PostFormValue("dictionary"), "\r\n", "\n")
	data := editData{wholeDevice: d, Text: text, Comment: strings.TrimSpace(q.PostFormValue("comment")), Looked: true}
	// A form without it has base 0, and is taken for moved unless the device has no dictionary yet.
	data.Base, _ = strconv.Atoi(q.PostFormValue("base"))
	preview, err := asked[struct {
		Config  string `json:"config"`
		Invalid string `json:"invalid"`
	}](q, "devices.preview", map[string]any{"device": d.Device, "dictionary": text})
	var no *Refusal
	if err != nil && (!errors.As(err, &no) || no.Code != "invalid") {
		return page{}, err
	}
	if err != nil {
		data.Wrong = err.Error()
	}
	data.Diff, data.Rendered, data.Invalid = diff(d.Dictionary, text), linesOf(preview.Config), preview.Invalid
	// What counts is what workers would get: a change of a word may be one of nothing.
	if now, _, err := rendered(q, d.Device); err == nil && data.Wrong == "" {
		data.Config = diff(now, preview.Config)
	}
	// Two people may have the editor open: the second sees what the first did before replacing it.
	data.Moved = data.Base != d.Version
	if q.PostFormValue("do") != "save" || data.Wrong != "" || data.Moved {
		p := editor(q, data)
		if data.Wrong != "" || data.Moved {
			p.status = 400
		}
		return p, nil
	}
	// Between this look and the record somebody may still be faster; the history shows both versions.
	err = q.ask("devices.configure", map[string]any{"device": d.Device, "dictionary": text, "reason": data.Comment}, nil)
	if errors.As(err, &no) && no.Code == "invalid" {
		data.Wrong = err.Error()
		p := editor(q, data)
		p.status = 400
		return p, nil
	}
	if err != nil {
		return page{}, err
	}
	return page{to: d.To() + "/devicedict", note: "The dictionary of " + d.Device + " is changed."}, nil
}
