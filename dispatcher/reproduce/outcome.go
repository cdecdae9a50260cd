package reproduce

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"strata/events"
)

// Outcome is what a run came to, as its log says.
type Outcome struct {
	Result    string // of case job: "pass", "fail"; "": the log has none
	ErrorType string
	Error     string
	Action    string    // where it failed: the innermost action of the last attempt; "": it did not
	Findings  []string  // first lines of what the kernel reported
	Cases     []Case    // of tests, in order
	Artefacts []Fetched // what was downloaded, the last time where it was tried again
	Commits   []Commit
	Inputs    map[string]string // SHA-256 of the texts that the job was given, where the log tells
	Version   string            // of the dispatcher

	threw bool   // an action has logged the error that ends it
	level string // of Action
}

// Case is one test case.
type Case struct{ Suite, Name, Result string }

// Fetched is one download.
type Fetched struct {
	Level, Label string // of the action in the plan; what the job calls the file
	Digest
}

// Commit is one test repository.
type Commit struct{ Level, Repository, Path, Commit string }

// Scan reads a log of JSON records, one a line.
func Scan(r io.Reader, each func(events.Record) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4*events.MaxRecordBytes)
	for n := 1; lines.Scan(); n++ {
		var rec events.Record
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return fmt.Errorf("%w: log, line %d: %w", ErrBundle, n, err)
		}
		if err := each(rec); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: log: %w", ErrBundle, err)
	}
	return nil
}

// Read reads the outcome of a log.
func Read(r io.Reader) (Outcome, error) {
	var o Outcome
	err := Scan(r, func(rec events.Record) error { o.Add(rec); return nil })
	return o, err
}

// maxFindings and maxCases bound what is kept of a log that never ends.
const (
	maxFindings = 1000
	maxCases    = 1 << 20
)

var (
	// finding is where a line begins with which a kernel reports on its own state, as the login action knows them.
	finding   = regexp.MustCompile(`Kernel panic - not syncing|kernel BUG at|BUG: |Oops(:| -)|WARNING: CPU|Unhandled fault|invalid opcode:`)
	ended     = regexp.MustCompile(`^end: ([0-9.]+) (\S+) \(duration `)
	installed = regexp.MustCompile(`^lava-dispatcher, installed at version: (.+)$`)
	input     = regexp.MustCompile(`(\S+) sha256 ([0-9a-f]{64})`)
)

// InputsPrefix begins the line with which a worker's job tells what it was given.
const InputsPrefix = "inputs of the job: "

// Add takes one record.
func (o *Outcome) Add(rec events.Record) {
	var text string
	switch rec.Level {
	case events.Results:
		o.result(rec.Message)
	case events.Target:
		if json.Unmarshal(rec.Message, &text) != nil || len(o.Findings) >= maxFindings {
			return
		}
		if at := finding.FindStringIndex(text); at != nil && !strings.Contains(text, "end Kernel panic") {
			o.Findings = append(o.Findings, strings.TrimSpace(text[at[0]:]))
		}
	case events.Exception:
		o.threw = true
	case events.Info, events.Debug:
		if json.Unmarshal(rec.Message, &text) != nil {
			return
		}
		if m := ended.FindStringSubmatch(text); m != nil {
			o.ended(m[1], m[2])
		}
		if m := installed.FindStringSubmatch(text); m != nil {
			o.Version = m[1]
		}
		if rest, ok := strings.CutPrefix(text, InputsPrefix); ok {
			o.Inputs = map[string]string{}
			for _, m := range input.FindAllStringSubmatch(rest, -1) {
				o.Inputs[m[1]] = m[2]
			}
		}
	}
}

// ended notes an action that has ended with an error. Those above it end with the same one, later.
func (o *Outcome) ended(level, name string) {
	if o.threw && !strings.HasPrefix(o.level, level+".") {
		o.Action, o.level = name, level
	}
	o.threw = false
}

// result takes one result.
func (o *Outcome) result(message json.RawMessage) {
	var r struct {
		Definition string         `json:"definition"`
		Case       string         `json:"case"`
		Level      string         `json:"level"`
		Result     string         `json:"result"`
		Error      string         `json:"error_msg"`
		ErrorType  string         `json:"error_type"`
		Extra      map[string]any `json:"extra"`
	}
	if json.Unmarshal(message, &r) != nil {
		return
	}
	extra := func(key string) string {
		text, _ := r.Extra[key].(string)
		return text
	}
	switch {
	case r.Definition != "lava":
		if len(o.Cases) < maxCases {
			o.Cases = append(o.Cases, Case{r.Definition, r.Case, r.Result})
		}
		return
	case r.Case == "job":
		o.Result, o.Error, o.ErrorType = r.Result, r.Error, r.ErrorType
		if r.Result == "pass" {
			o.Action = "" // another attempt went well
		}
		return
	}
	if sum := extra("sha256sum"); sum != "" && r.Result == "pass" {
		size, _ := r.Extra["size"].(float64)
		o.fetched(Fetched{r.Level, extra("label"), Digest{sum, int64(size)}})
	}
	if commit := extra("commit"); commit != "" {
		o.Commits = slices.DeleteFunc(o.Commits, func(c Commit) bool { return c.Level == r.Level })
		o.Commits = append(o.Commits, Commit{r.Level, extra("repository"), extra("path"), commit})
	}
}

func (o *Outcome) fetched(f Fetched) {
	o.Artefacts = slices.DeleteFunc(o.Artefacts, func(old Fetched) bool { return old.Level == f.Level })
	o.Artefacts = append(o.Artefacts, f)
}
