package results

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"strata/schemas/yaml"
)

// writeCSV writes one line a case, with LAVA's columns. Metadata is written as Python prints it.
// Lines end with CR and LF, as of Python's csv module.
func writeCSV(w io.Writer, s Source, o Options) error {
	quoted := func(text string) string {
		if o.Minimal && !strings.ContainsAny(text, ",\"\r\n") {
			return text
		}
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	row := func(values []string) error {
		for i := range values {
			values[i] = quoted(values[i])
		}
		_, err := io.WriteString(w, strings.Join(values, ",")+"\r\n")
		return err
	}
	if err := row(columns()); err != nil {
		return err
	}
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		texts := map[string]string{"metadata": metadata(c).Repr()}
		for _, f := range fields(s.Job.Number, c) {
			texts[f.key] = f.value
		}
		values := make([]string, len(columns()))
		for i, name := range columns() {
			values[i] = texts[name]
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return nil
}

// writeYAML writes a list of records.
// Item by item, so that a job with a million cases needs the room of one.
func writeYAML(w io.Writer, s Source, _ Options) error {
	empty := true
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		text, err := yaml.Write(yaml.Of(Record(s.Job.Number, c)))
		if err != nil {
			return fmt.Errorf("case %d: %w", c.ID, err)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		empty = false
	}
	if empty {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	return nil
}

// writeJSON writes the same list of records, a record a line.
func writeJSON(w io.Writer, s Source, _ Options) error {
	before := "[\n"
	for c, err := range s.Cases {
		if err != nil {
			return err
		}
		text, err := json.Marshal(Record(s.Job.Number, c).Data())
		if err != nil {
			return fmt.Errorf("case %d: %w", c.ID, err)
		}
		if _, err := io.WriteString(w, before+string(text)); err != nil {
			return err
		}
		before = ",\n"
	}
	end := "\n]\n"
	if before == "[\n" {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}
