package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/job"
	"strata/schemas/results"
	"strata/schemas/yaml"
)

// subject is what a message is about: a moment of a job, with all that is known of it when it goes.
type subject struct {
	moment   events.Moment
	first    story // the attempt that was submitted
	last     story // the one that counts; the first where there is one
	text     []byte
	def      *job.Definition
	action   string // that was under way when a canceled job ended; empty where nobody knows
	baseline events.JobID
	mail     string // of the submitter's account; "" where it has none
}

// pair is a key of the body with its value: nil, a string, an int, a bool, pairs, or attempts.
type pair struct {
	key   string
	value any
}

// attempt is one of several attempts of a job, in a body.
// Its JSON names are those that the body has for the whole job.
type attempt struct {
	ID        events.JobID `json:"id"`
	Health    string       `json:"health_string"`
	ErrorType string       `json:"error_type"`
	Comment   string       `json:"failure_comment"`
	Device    string       `json:"actual_device_id"`
}

// pairs is the body of a callback, in LAVA's order of keys.
// Words that LAVA's clients match on have its numbers beside them.
// The order is that of LAVA's body. Values that LAVA has as null are nil here: see writeForm.
func (s subject) pairs() []pair {
	// The end is that of the last attempt, the number and the times those of the first: one job to
	// its submitter.
	j, end := s.last.job, s.last.job.End
	status, word := s.last.legacy()
	health, healthWord := s.last.health()
	state := j.State.String()
	var comment, errorType, device any
	ended := time.Time{}
	if end != nil {
		ended, comment, errorType = end.At, nothing(end.Error), nothing(string(end.ErrorType))
	}
	if j.Run != nil {
		device = nothing(string(j.Run.Device))
	}
	mail := s.mail
	if mail == "" && strings.Contains(string(s.first.job.User), "@") {
		mail = string(s.first.job.User)
	}
	by, reason, stage := s.last.canceler()
	// A first attempt that was canceled while its retry was due has no last one with a cancel.
	if by == "" {
		by, reason, stage = s.first.canceler()
	}
	list := []pair{
		{"id", int(s.first.job.ID)}, {"status", status}, {"status_string", word}, {"state", int(j.State)}, {"state_string", state},
		{"health", health}, {"health_string", healthWord}, {"submit_time", pythonTime(s.first.job.SubmittedAt)},
		{"start_time", pythonTime(s.first.startedAt)}, {"end_time", pythonTime(ended)},
		{"submitter_username", string(s.first.job.User)}, {"submitter_email", mail}, {"failure_comment", comment},
		{"priority", s.first.job.Priority}, {"description", s.first.job.Name}, {"actual_device_id", device},
		{"definition", string(s.text)}, {"metadata", s.metadata()}, {"health_check", s.first.job.HealthCheck},
		// Beyond LAVA.
		{"output_complete", s.last.told()}, {"error_type", errorType},
		{"canceled_by", nothing(by)}, {"cancel_reason", nothing(reason)}, {"cancel_stage", nothing(stage)}, {"cancel_action", nothing(s.action)},
	}
	if s.first.job.ID != s.last.job.ID {
		list = append(list, pair{"attempts", []attempt{s.first.attempt(), s.last.attempt()}})
	}
	return list
}

// attempt shows one attempt among several.
func (s story) attempt() attempt {
	_, health := s.health()
	a := attempt{ID: s.job.ID, Health: health}
	if s.job.End != nil {
		a.ErrorType, a.Comment = string(s.job.End.ErrorType), s.job.End.Error
	}
	if s.job.Run != nil {
		a.Device = string(s.job.Run.Device)
	}
	return a
}

// metadata is the job's metadata in the order of its keys.
// Values are texts: what is nested in a definition stands as JSON.
func (s subject) metadata() []pair {
	list := []pair{}
	for _, k := range slices.Sorted(maps.Keys(s.first.submitted.Metadata)) {
		list = append(list, pair{k, s.first.submitted.Metadata[k]})
	}
	return list
}

// nothing is nil for an empty text.
// Python's None is null in JSON and missing from a form.
func nothing(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// pythonTime writes a time as Python prints one, which is what LAVA sends.
// Without a fraction Python leaves it away; of no time it prints None.
func pythonTime(t time.Time) string {
	if t.IsZero() {
		return "None"
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02 15:04:05-07:00")
	}
	return t.Format("2006-01-02 15:04:05.000000-07:00")
}

// suite is the records of a test suite as one YAML text.
type suite struct{ name, text string }

// suites writes a job's results as bodies have them, in order of the suites' first cases.
// id is the job's as LAVA's records name it.
func suites(id events.JobID, cases []numbered) ([]suite, error) {
	var order []string
	lists := map[string]*yaml.Node{}
	for _, c := range cases {
		if lists[c.Suite] == nil {
			lists[c.Suite] = yaml.Of()
			order = append(order, c.Suite)
		}
		l := lists[c.Suite]
		l.Items = append(l.Items, results.Record(id.String(), results.Case{
			ID: c.id, Suite: c.Suite, Set: c.Set, Name: c.Name, Result: string(c.Result), Measurement: c.Measurement, Units: c.Units,
			Logged: c.At, StartLine: c.StartLine, EndLine: c.EndLine, Metadata: c.Metadata,
		}))
	}
	out := make([]suite, 0, len(order))
	for _, name := range order {
		// LAVA's bodies have each suite as a text of YAML within the JSON.
		text, err := yaml.Write(lists[name])
		if err != nil {
			return nil, fmt.Errorf("write results of suite %s: %w", name, err)
		}
		out = append(out, suite{name, string(text)})
	}
	return out, nil
}

// numbered is a case with the number that it has in the lab.
type numbered struct {
	events.Case
	id uint64
}

// content is what goes into a body besides the pairs: parts that may be large are written as they are read.
type content struct {
	results []suite
	withs   job.Callback
	log     func(io.Writer) error // writes the log as YAML; nil: none is asked for, or there is none yet
}

// writeJSON writes a body as JSON, in LAVA's order of keys.
// The log goes out piece by piece; all else is in memory.
func writeJSON(w io.Writer, list []pair, c content) error {
	var b bytes.Buffer
	for i, p := range list {
		b.WriteString(map[bool]string{true: "{", false: ", "}[i == 0])
		value := p.value
		if pairs, ok := value.([]pair); ok {
			maps := make([]map[string]any, len(pairs))
			for i, p := range pairs {
				// LAVA has metadata as a list of mappings with one key each.
				maps[i] = map[string]any{p.key: p.value}
			}
			value = maps
		}
		if err := writeMember(&b, p.key, value); err != nil {
			return err
		}
	}
	if c.log != nil {
		b.WriteString(`, "log": "`)
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
		b.Reset()
		// The log is a text of YAML, too, in the middle of the object: it is quoted as it is read.
		if err := c.log(inJSON{w}); err != nil {
			return err
		}
		b.WriteString(`"`)
	}
	if c.withs.Results() {
		b.WriteString(`, "results": {`)
		for i, s := range c.results {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := writeMember(&b, s.name, s.text); err != nil {
				return err
			}
		}
		b.WriteString("}")
	}
	b.WriteString("}")
	_, err := w.Write(b.Bytes())
	return err
}

func writeMember(b *bytes.Buffer, key string, value any) error {
	name, err := json.Marshal(key)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	b.Write(name)
	b.WriteString(": ")
	b.Write(text)
	return nil
}

// inJSON writes text into a JSON string. Each write holds whole characters.
type inJSON struct{ w io.Writer }

func (j inJSON) Write(text []byte) (int, error) {
	quoted, err := json.Marshal(string(text))
	if err != nil {
		return 0, err
	}
	if _, err := j.w.Write(quoted[1 : len(quoted)-1]); err != nil {
		return 0, err
	}
	return len(text), nil
}

// writeForm writes a body urlencoded as Python's requests flattens it: what is null is absent, and of mappings
// only the keys are left. LAVA's clients read it so.
// The keys are in the order of the list, those of one mapping under one name.
func writeForm(w io.Writer, list []pair, c content) error {
	var parts []string
	add := func(key, value string) { parts = append(parts, url.QueryEscape(key)+"="+url.QueryEscape(value)) }
	for _, p := range list {
		switch v := p.value.(type) {
		case string:
			add(p.key, v)
		case int:
			add(p.key, strconv.Itoa(v))
		case bool:
			add(p.key, map[bool]string{true: "True", false: "False"}[v])
		case []pair:
			// requests writes of a list of mappings their keys alone, once for each mapping.
			for _, m := range v {
				add(p.key, m.key)
			}
		case []attempt:
			for _, a := range v {
				add(p.key, a.ID.String())
			}
		}
	}
	var suites []string
	if c.withs.Results() {
		for _, s := range c.results {
			suites = append(suites, "results="+url.QueryEscape(s.name))
		}
	}
	if c.log == nil {
		_, err := io.WriteString(w, strings.Join(append(parts, suites...), "&"))
		return err
	}
	if _, err := io.WriteString(w, strings.Join(append(parts, "log="), "&")); err != nil {
		return err
	}
	if err := c.log(inForm{w}); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Join(append([]string{""}, suites...), "&"))
	return err
}

// inForm writes text into the value of a form.
type inForm struct{ w io.Writer }

func (f inForm) Write(text []byte) (int, error) {
	if _, err := io.WriteString(f.w, url.QueryEscape(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// placeholder is the name of an attribute in braces, as LAVA finds one in an address.
var placeholder = regexp.MustCompile(`\{([A-Z_\- ]+)\}`)

// fill replaces the placeholders of an address. Attributes are named in capitals: {ID}, {STATUS_STRING}. One that
// is not known stays as it is, and so does {TOKEN}, which in LAVA is a secret of the job.
// Values are escaped for an address wherever the placeholder stands, a blank as %20.
func (s subject) fill(address string) string {
	known := map[string]string{}
	for _, p := range s.pairs() {
		switch v := p.value.(type) {
		case string:
			known[p.key] = v
		case int:
			known[p.key] = strconv.Itoa(v)
		case bool:
			known[p.key] = map[bool]string{true: "True", false: "False"}[v]
		case nil:
			known[p.key] = "None"
		}
	}
	// A whole definition would make no address.
	delete(known, "definition")
	public := map[bool]string{true: "True", false: "False"}
	known["submitter"], known["actual_device"] = known["submitter_username"], known["actual_device_id"]
	known["requested_device_type"] = string(s.first.job.DeviceType)
	known["is_public"] = public[s.first.job.Visibility.Public]
	known["display_id"], known["sub_id"] = s.first.job.Display, ""
	if s.first.job.Part != nil {
		known["sub_id"], known["target_group"] = s.first.job.Display, s.first.job.Part.Group
	}
	return placeholder.ReplaceAllStringFunc(address, func(name string) string {
		if value, ok := known[strings.ToLower(strings.TrimSpace(name[1:len(name)-1]))]; ok {
			return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		}
		return name
	})
}
