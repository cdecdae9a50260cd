package web

import (
	"encoding/json"
	"net/http"
	"slices"

	"strata/schemas/yaml"
)

// handsStep is a step of a check by hand, once it has ended.
// Saw are the last lines of the console, and Hint is where to look, of a step that failed; both may be empty.
type handsStep struct {
	Name string `json:"step"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Saw  string `json:"saw"`
	Hint string `json:"hint"`
}

// handsData is what the page of a device in hand shows.
// Steps and Lines stay empty until something was done: the page is the form and its answer in one.
type handsData struct {
	wholeDevice
	Use   string      // that was asked for; "" none was
	Steps []handsStep // of a check
	Lines []string    // that commands printed
	Wrong string      // why it failed
	// Connections are the consoles that the dictionary names beside the main one.
	Connections []string
}

// handsPage offers what can be done with a device by hand: its power, a check, and its console, which device-console.js opens.
// LAVA has no such page: there a board is taken in hand by a hacking session, which is a job. Reading needs the right to do it as
// well, as a page of buttons that all refuse helps nobody.
func handsPage(q *request) (page, error) {
	d, err := theDevice(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	if !q.may("device/" + d.Device).Hands() {
		return page{}, &Refusal{Code: "denied", Message: "only who may change device " + d.Device + ", or has it reserved now, may take it in hand"}
	}
	return q.inHand(handsData{wholeDevice: d}), nil
}

// No live part: what a command printed would be gone with the next fact, which its own end is.
func (q *request) inHand(d handsData) page {
	// Without a configuration there is the main console alone, and the lab says what is wrong with it when that is opened.
	if config, _, err := rendered(q, d.Device); err == nil {
		d.Connections = connectionsOf(config)
	}
	// The style sheet of logs has the fields to type in, and the colours of a console.
	return page{template: "hands", title: d.Device + " by hand", data: d, help: "devices", styles: []string{"log-view.css", "lab.css"}, scripts: []string{"device-console.js"},
		crumbs: []crumb{{"Devices", "/scheduler/alldevices/active"}, {d.Device, d.To()}, {"By hand", ""}}}
}

// connectionsOf names the consoles of a device's configuration, by commands.connections as LAVA has it. Those that are no console, by
// their tags, are among them: what stands behind a command nobody knows better than who wrote it.
func connectionsOf(config string) (names []string) {
	n, err := yaml.Parse([]byte(config))
	if err != nil {
		return nil
	}
	all := n.Get("commands", "connections")
	if !all.Is(yaml.Map) {
		return nil
	}
	for _, p := range all.Pairs {
		if name := p.Key.TextOr(""); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// useHands switches a device's power or checks its board, and shows what came of it. The answer waits for the
// end: these take seconds, a check up to its two patiences.
// The words of use are those of events.HandsUse; "console" is missing, as a form that is answered once cannot type: see
// [strata/services/api/live].
func useHands(q *request) (page, error) {
	d, err := theDevice(q, q.PathValue("name"))
	if err != nil {
		return page{}, err
	}
	data := handsData{wholeDevice: d, Use: q.PostFormValue("use")}
	if !slices.Contains([]string{"power on", "power off", "reset", "check"}, data.Use) {
		return page{}, &Refusal{Code: "invalid", Field: "use", Message: "use is " + data.Use + "; allowed are power on, power off, reset and check"}
	}
	err = q.Stream(q.Context(), "devices.hands", map[string]any{"device": d.Device, "use": data.Use}, func(_ map[string]string, body []byte) error {
		var said struct {
			Line string     `json:"line"`
			Text string     `json:"text"`
			Step *handsStep `json:"step"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return err
		}
		// The text of the console is not kept: a check quotes what it saw, and a console has a page of its own.
		// A command that never stops talking must not fill the memory; a thousand lines are more than anybody reads here.
		if said.Line != "" && len(data.Lines) < 1000 {
			data.Lines = append(data.Lines, said.Line)
		}
		if said.Step != nil {
			data.Steps = append(data.Steps, *said.Step)
		}
		return nil
	})
	// That it failed is the answer: what was said until then stands beside it.
	no, ok := refusal(err)
	if ok && no.Code == "denied" {
		return page{}, err
	}
	if err != nil {
		data.Wrong = err.Error()
	}
	p := q.inHand(data)
	switch {
	case ok && no.Code != "failed":
		p.status = no.status()
	case err != nil:
		p.status = http.StatusConflict // a command or a check said no, which is no fault of the lab
	}
	return p, nil
}
