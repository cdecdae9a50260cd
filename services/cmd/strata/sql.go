package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/services/api"
)

// The bytes of the answer are ClickHouse's, unchanged; the status is 1 where it refuses a query.
func (a *app) sqlCommand() *cobra.Command {
	var in api.SQLRequest
	cmd := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Ask ClickHouse",
		Long: `Ask the lab's tables in ClickHouse's SQL, read-only. Without a query it is read from standard
input; on a terminal there is a prompt, on which a query ends with a semicolon.

The views (docs/tables.md): jobs, job_transitions, job_judgements, case_changes, devices,
device_transitions, workers, test_suites, test_sets, test_cases, measurements, files, log_lines. They follow the
log within a second. Of what is about jobs, each caller sees the jobs that they may see; who may do
anything in the lab reads the storage beneath too, such as events. Programs ask over ClickHouse's HTTP
interface (docs/sql-door.md).`,
		Example: `  strata sql "SELECT name, result, measurement, units FROM test_cases WHERE job = 42"
  strata sql --json "SELECT count() FROM jobs"
  strata sql --format CSVWithNames < query.sql > answer.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Format == "" && a.json {
				in.Format = "JSONEachRow"
			}
			// A table with frames is for eyes; what goes on to another program has a line of names and
			// tabs.
			if in.Format == "" && !terminal(a.out) {
				in.Format = "TSVWithNames"
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			query := func(text string) error {
				ask := in
				ask.Query = text
				return c.Stream(cmd.Context(), "sql", ask, func(m *nats.Msg) error {
					_, err := a.out.Write(m.Data)
					return err
				})
			}
			if len(args) == 1 {
				return explain(query(args[0]))
			}
			if f, ok := a.in.(*os.File); ok && terminal(f) {
				return a.prompt(query)
			}
			text, err := io.ReadAll(a.input())
			if err != nil {
				return fmt.Errorf("read query: %w", err)
			}
			return explain(query(string(text)))
		},
	}
	cmd.Flags().StringVar(&in.Format, "format", "", "ClickHouse's name of the answer's format (default: a table, or TSVWithNames into a pipe)")
	return cmd
}

// prompt reads queries that end with a semicolon until the input ends. A query that fails does not
// end it.
// Its status is 0 however the queries went: who types has seen it.
func (a *app) prompt(query func(string) error) error {
	lines := bufio.NewScanner(a.input())
	// The longest line that it takes, 1 MiB; a longer one ends the prompt with an error.
	lines.Buffer(nil, maxDefinition)
	var text strings.Builder
	fmt.Fprint(a.err, "strata> ")
	for lines.Scan() {
		line := lines.Text()
		if word := strings.TrimSpace(line); text.Len() == 0 && (word == "exit" || word == "quit" || word == `\q`) {
			return nil
		}
		text.WriteString(line + "\n")
		if !strings.HasSuffix(strings.TrimSpace(line), ";") {
			fmt.Fprint(a.err, "     -> ")
			continue
		}
		if err := explain(query(text.String())); err != nil {
			fmt.Fprintf(a.err, "strata: %v\n", err)
		}
		text.Reset()
		fmt.Fprint(a.err, "strata> ")
	}
	fmt.Fprintln(a.err)
	return lines.Err()
}
