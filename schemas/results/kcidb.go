package results

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// kcidbTest is a test of KCIDB's schema v5.3: the fields that a lab knows.
type kcidbTest struct {
	BuildID     string         `json:"build_id"`
	ID          string         `json:"id"`
	Origin      string         `json:"origin"`
	Path        string         `json:"path"`
	Status      string         `json:"status"`
	Comment     string         `json:"comment,omitempty"`
	StartTime   string         `json:"start_time,omitempty"`
	Duration    *float64       `json:"duration,omitempty"`
	Number      *kcidbNumber   `json:"number,omitempty"`
	LogURL      string         `json:"log_url,omitempty"`
	LogExcerpt  string         `json:"log_excerpt,omitempty"`
	Environment map[string]any `json:"environment,omitempty"`
	Misc        map[string]any `json:"misc,omitempty"`
}

type kcidbNumber struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// maxExcerpt is what the schema allows for an excerpt, in characters.
const maxExcerpt = 16384

var (
	origin       = regexp.MustCompile(`^[a-z0-9_]+$`)
	buildID      = regexp.MustCompile(`^[a-z0-9_]+:[^\x00]*$`)
	notInPath    = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
	indexOfSuite = regexp.MustCompile(`^\d+_`)
)

// writeKCIDB writes one object of schema v5.3. A job that does not say which build it tests gets one
// of its own, with a checkout, so that the object is complete.
// Cases are written as they come, since a job may have a million; the object is whole where no error
// is returned.
func writeKCIDB(w io.Writer, s Source, _ Options) error {
	from := s.Job.Origin
	if from == "" {
		from = "strata"
	}
	if !origin.MatchString(from) {
		return fmt.Errorf("origin %q: want lower-case letters, digits and _", from)
	}
	own := from + ":job-" + s.Job.Number
	head := map[string]any{"version": map[string]int{"major": 5, "minor": 3}}
	build := s.Job.Build
	if build == "" {
		build = own
		head["checkouts"] = []any{map[string]any{"id": own, "origin": from}}
		head["builds"] = []any{map[string]any{"id": own, "checkout_id": own, "origin": from}}
	}
	if !buildID.MatchString(build) {
		return fmt.Errorf("build %q: want <origin>:<id>, origin of lower-case letters, digits and _", build)
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\"tests\":[", text[:len(text)-1]); err != nil {
		return err
	}
	before := "\n"
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		t, err := s.kcidb(c, from, build)
		if err != nil {
			return err
		}
		text, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("case %d: %w", c.ID, err)
		}
		if _, err := io.WriteString(w, before+string(text)); err != nil {
			return err
		}
		before = ",\n"
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

// The id of a test is that of its case in the lab, so that sending it again changes nothing.
func (s Source) kcidb(c Case, from, build string) (kcidbTest, error) {
	t := kcidbTest{
		BuildID: build, ID: fmt.Sprintf("%s:%s-%d", from, s.Job.Number, c.ID), Origin: from,
		Path: path(c), Status: status(c), Comment: unnull(s.Job.Name), LogURL: s.Job.LogURL,
		Misc: map[string]any{"job": s.Job.Number, "suite": unnull(c.Suite), "case": unnull(c.Name)},
	}
	if !c.Logged.IsZero() {
		began := c.Logged
		if d, ok := c.duration(); ok && d >= 0 && d < 1e9 {
			t.Duration = &d
			began = began.Add(-time.Duration(d * float64(time.Second)))
		}
		t.StartTime = began.UTC().Format("2006-01-02T15:04:05.000000-07:00")
	}
	// A test that was not run has measured nothing.
	if c.Measurement != nil && !c.timed() && t.Status != "SKIP" && t.Status != "MISS" {
		t.Number = &kcidbNumber{Value: *c.Measurement, Unit: unnull(c.Units)}
	}
	if s.Job.Device != "" {
		t.Environment = map[string]any{"comment": unnull(s.Job.Device), "misc": map[string]any{"platform": s.Job.Kind}}
	}
	if c.Result == "fail" {
		text, err := s.excerpt(c)
		if err != nil {
			return t, err
		}
		if long := []rune(unnull(text)); len(long) > maxExcerpt {
			text = string(long[len(long)-maxExcerpt:]) // what matters stands at the end
		}
		t.LogExcerpt = unnull(text)
	}
	return t, nil
}

// path returns suite, set and name as KCIDB writes a place in the tree of tests. The number that a
// job gives its suites is left away: it says nothing of the test.
// A dot is what separates, so one within a name does too.
func path(c Case) string {
	var parts []string
	for _, text := range []string{indexOfSuite.ReplaceAllString(c.Suite, ""), c.Set, c.Name} {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '.' || r == '/' }) {
			parts = append(parts, notInPath.ReplaceAllString(part, "_"))
		}
	}
	return strings.Join(parts, ".")
}

// status returns KCIDB's word for an outcome. What the lab itself broke is a test that was missed.
// An outcome that nobody knows is an error of the test itself.
func status(c Case) string {
	switch c.Result {
	case "pass":
		return "PASS"
	case "skip":
		return "SKIP"
	case "fail":
		switch c.Metadata["error_type"] {
		case "Infrastructure", "Configuration", "Bug", "Canceled":
			return "MISS"
		}
		return "FAIL"
	}
	return "ERROR"
}

// unnull leaves out the byte that the schema forbids in every text.
func unnull(text string) string { return strings.ReplaceAll(text, "\x00", "") }
