package lavarpc

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
	"strata/services/api/xmlrpc"
)

// The arguments of a call, by their place. A value of a wrong type is the caller's mistake, and is told
// with what is wanted.

// LAVA would answer -32603 with whatever Python stumbled over, which names neither argument nor value and
// changes with the release: nobody can match on it. The parameter's name is read from the row.
func (c call) wrong(i int, want string) *xmlrpc.Fault {
	name := c.h.methods[c.name].read()[i].name
	return fault(http.StatusBadRequest, "Bad request: %s is %s, expected %s", name, typeName(c.args[i]), want)
}

// The names are XML-RPC's, for people who wrote the call, with the element that stands in the document.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a double"
	case string:
		return "a string"
	case time.Time:
		return "a time"
	case []byte:
		return "base64"
	case []any:
		return "an array"
	}
	return "a struct"
}

// text returns a string; base64 is one too, as files come that way, and nil is "".
// xmlrpc.client.Binary arrives as base64; what it holds is taken as UTF-8. None is as good as "", except
// where a method tells them apart by looking at the argument itself, such as updates, in which None keeps
// what there is.
func (c call) text(i int) (string, error) {
	switch v := c.args[i].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", c.wrong(i, "a string")
}

// number returns an integer; nil is otherwise.
// Text is taken as well: scripts hand on what they were given on a command line.
func (c call) number(i int, otherwise int64) (int64, error) {
	switch v := c.args[i].(type) {
	case nil:
		return otherwise, nil
	case int64:
		return v, nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, c.wrong(i, "an integer")
}

// flag returns a truth; nil is false, and a number counts as in Python.
// Text is refused: "false" is true to Python, and nobody who writes it means that.
func (c call) flag(i int) (bool, error) {
	switch v := c.args[i].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	}
	return false, c.wrong(i, "a boolean")
}

// texts returns a list of strings; nil is none.
// Integers are taken too: system.user_can_view_jobs is asked with the numbers of jobs as submit returned
// them, beside texts such as 41.1 for the parts of a group.
func (c call) texts(i int) ([]string, error) {
	if c.args[i] == nil {
		return nil, nil
	}
	list, ok := c.args[i].([]any)
	if !ok {
		return nil, c.wrong(i, "an array of strings")
	}
	var out []string
	for _, item := range list {
		switch v := item.(type) {
		case string:
			out = append(out, v)
		case int64:
			out = append(out, strconv.FormatInt(v, 10))
		default:
			return nil, c.wrong(i, "an array of strings")
		}
	}
	return out, nil
}

// all returns the first arguments as strings.
// It stops at the first argument of a wrong type; a method that takes other types reads them by itself.
func (c call) all(to ...*string) error {
	for i, p := range to {
		var err error
		if *p, err = c.text(i); err != nil {
			return err
		}
	}
	return nil
}

// jobRef is how requests name a job: a number, or a text such as 41.2.
// Whole makes one job of a job and its further attempts, see [api.JobRequest]: these clients wait for the
// number that submit gave them, whatever became of it.
type jobRef struct {
	Job   string `json:"job"`
	Whole bool   `json:"whole,omitempty"`
}

// job returns the first argument as a job's number, however it is written.
func (c call) job() (string, error) {
	text := ""
	switch v := c.args[0].(type) {
	case int64:
		text = strconv.FormatInt(v, 10)
	case string:
		text = strings.TrimSpace(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64) // 41.2, from scripts that do not quote it
	}
	// What cannot be a number is a job that there is not, and so is 0: numbers begin at 1. LAVA's -32603
	// would say nothing of which job in a script's list was meant.
	if whole, part, isPart := strings.Cut(text, "."); !digits(whole) || strings.Trim(whole, "0") == "" || isPart && !digits(part) {
		return "", fault(http.StatusNotFound, "Job '%s' was not found.", pythonWord(c.args[0]))
	}
	return text, nil
}

// ASCII alone: Python's isdigit takes others, which no client sends.
func digits(text string) bool {
	n, err := strconv.ParseUint(text, 10, 63)
	return err == nil && text[0] != '+' && n <= 1<<53
}

// jobError words errors of a job as LAVA does.
func (c call) jobError(job string, err error) error {
	err = missing(err, "Job '%s' was not found.", job)
	return as(err, "denied", fault(http.StatusForbidden, "Job '%s' not available to user '%s'.", job, c.user()))
}

// The values of answers.

// orNil returns a text, nil for none.
// LAVA's columns are null where nothing was set; clients tell None from "" in what they print.
func orNil[T ~string](text T) any {
	if text == "" {
		return nil
	}
	return string(text)
}

// momentOrNil returns a time, nil for none.
// lavacli reads .value of it, which xmlrpc.client's DateTime has and a string has not: a text in its place
// ends "lavacli jobs show" with a traceback.
func momentOrNil(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC()
}

// began is when a job began to run. LAVA gives one that never ran its end for that.
// A job that was canceled in the queue would else have an end and no beginning, and scripts take the
// difference of both.
func began(j projections.SelectedJob) *time.Time {
	if j.StartedAt == nil {
		return j.EndedAt
	}
	return j.StartedAt
}

// list returns texts as an array.
func list[T ~string](texts []T) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = string(t)
	}
	return out
}

// shown is a job's number as clients have it: an integer, or a text such as 41.2 for a part of a group.
// Scripts compare it with what submit returned, which has the same types: 42, or "41.2".
func shown(id events.JobID, display string) any {
	if strings.Contains(display, ".") {
		return display
	}
	return int64(id)
}
