package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Published is the database of the views that analysts read. The tables beneath may be cut otherwise
// in any release; a view keeps its columns, and new ones come last.
const Published = "results"

// published lists the views with what a newcomer asks of each first. docs/tables.md is made of it,
// and a test runs every question.
func published() []view {
	return []view{
		{"jobs", "job", []question{
			{"What has failed since yesterday, and why?",
				"SELECT job, device_type, device, error_type, error\nFROM results.jobs\nWHERE health = 'Incomplete' AND ended_at > now() - INTERVAL 1 DAY\nORDER BY job DESC"},
			{"How long do jobs wait for a device, by its type?",
				"SELECT device_type, count() AS jobs, round(quantile(0.5)(wait_seconds)) AS median, round(quantile(0.9)(wait_seconds)) AS p90\nFROM results.jobs\nWHERE started_at > now() - INTERVAL 7 DAY\nGROUP BY device_type\nORDER BY p90 DESC"},
			{"Which share of its jobs does the lab break itself?",
				"SELECT toStartOfWeek(ended_at) AS week, countIf(error_type = 'Infrastructure') / count() AS share\nFROM results.jobs\nWHERE state = 'Finished'\nGROUP BY week\nORDER BY week"},
		}},
		{"job_transitions", "job", []question{
			{"What happened to a job, step by step?",
				"SELECT time, event, state, device, actor, reason\nFROM results.job_transitions\nWHERE job = 42\nORDER BY seq, n"},
		}},
		{"job_judgements", "job", []question{
			{"Which causes stand behind the failures of this week?",
				"SELECT verdict, cause, count() AS jobs, max(job) AS latest\nFROM results.job_judgements\nWHERE verdict != 'pass' AND time > now() - INTERVAL 7 DAY\nGROUP BY verdict, cause\nORDER BY jobs DESC"},
		}},
		{"case_changes", "job", []question{
			{"What broke today that worked before?",
				"SELECT suite, name, min(job) AS first, count() AS jobs\nFROM results.case_changes\nWHERE change = 'regression' AND time > now() - INTERVAL 1 DAY\nGROUP BY suite, name\nORDER BY jobs DESC"},
		}},
		{"test_suites", "job", []question{
			{"How did a job's suites end?",
				"SELECT suite, passes, failures, skips, unknowns\nFROM results.test_suites\nWHERE job = 42\nORDER BY first_seq"},
		}},
		{"test_sets", "job", nil},
		{"test_cases", "job", []question{
			{"What failed in a job, and where in its log?",
				"SELECT suite, name, start_line, end_line\nFROM results.test_cases\nWHERE job = 42 AND result = 'fail'\nORDER BY seq, n"},
			{"How often does each case fail on each kind of device?",
				"SELECT j.device_type, c.suite, c.name, countIf(c.result = 'fail') AS failed, count() AS runs\nFROM results.test_cases AS c\nJOIN results.jobs AS j ON j.job = c.job\nWHERE c.time > now() - INTERVAL 7 DAY AND c.suite != 'lava'\nGROUP BY ALL\nHAVING failed > 0\nORDER BY failed / runs DESC\nLIMIT 50"},
		}},
		{"measurements", "job", []question{
			{"How has a measurement gone, day by day?",
				"SELECT toDate(time) AS day, units, round(avg(value), 3) AS mean, min(value), max(value)\nFROM results.measurements\nWHERE suite = '0_smoke' AND name = 'boot-time'\nGROUP BY day, units\nORDER BY day"},
		}},
		{"files", "job", []question{
			{"Which tests fill the disk?",
				"SELECT suite, name, count() AS files, formatReadableSize(sum(size)) AS bytes\nFROM results.files\nWHERE state = 'kept' AND time > now() - INTERVAL 30 DAY\nGROUP BY suite, name\nORDER BY sum(size) DESC\nLIMIT 20"},
			{"Since which job is a file another one?",
				"SELECT job, time, digest, state\nFROM results.files\nWHERE suite = '0_smoke' AND name = 'config.gz'\nORDER BY job DESC\nLIMIT 20"},
		}},
		{"log_lines", "job", []question{
			{"In which jobs did the kernel panic?",
				"SELECT job, line, message\nFROM results.log_lines\nWHERE hasToken(message, 'panic') AND message LIKE '%Kernel panic%'\nORDER BY job DESC\nLIMIT 20"},
		}},
		{"aged", "job", []question{
			{"Since when do the tables say less about jobs?",
				"SELECT what, max(ended_at) AS until, count() AS jobs\nFROM results.aged\nGROUP BY what"},
		}},
		{"notifications", "job", []question{
			{"Which receivers do not take what they are sent?",
				"SELECT destination, countIf(state = 'dead') AS dead, countIf(state = 'waiting') AS waiting, count() AS deliveries, argMax(answer, seq) AS last_answer\nFROM results.notifications\nWHERE planned_at > now() - INTERVAL 7 DAY\nGROUP BY destination\nHAVING dead + waiting > 0\nORDER BY dead DESC"},
			{"Who was told of a job, when, and what did they answer?",
				"SELECT n, moment, kind, destination, state, attempts, at, answer\nFROM results.notifications\nWHERE job = 42\nORDER BY n"},
		}},
		{"devices", "", []question{
			{"Which devices are out, since when, and why?",
				"SELECT device, device_type, health, health_since, health_reason\nFROM results.devices\nWHERE health IN ('Bad', 'Maintenance') AND NOT removed\nORDER BY health_since"},
		}},
		{"device_transitions", "", []question{
			{"Which devices have been Bad most often this month?",
				"SELECT device, count() AS times, max(time) AS latest\nFROM results.device_transitions\nWHERE health = 'Bad' AND time > now() - INTERVAL 30 DAY\nGROUP BY device\nORDER BY times DESC"},
		}},
		{"workers", "", []question{
			{"Which workers are away?",
				"SELECT worker, state_since, state_reason\nFROM results.workers\nWHERE state = 'Offline' AND health != 'Retired' AND NOT removed"},
		}},
	}
}

// view is one view of the database [Published].
type view struct {
	name string
	job  string // column that names the job a row is about, whose viewers may read it; empty: whoever may see the device or worker
	asks []question
}

type question struct{ words, sql string }

// publishedName is the database of the views over the tables of a database. Labs that share a server
// have one each.
func publishedName(database string) string {
	if database == "strata" {
		return Published
	}
	return database + "_" + Published
}

// publish makes the views anew. Columns, types and comments are those of what lies beneath.
func (db *DB) publish(ctx context.Context) error {
	name := publishedName(db.database)
	if err := db.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(name)); err != nil {
		return fmt.Errorf("make database %s: %w", name, away(err))
	}
	described, err := db.describe(ctx, db.database)
	if err != nil {
		return err
	}
	for _, v := range published() {
		of, there := described[v.name]
		if !there {
			return fmt.Errorf("publish %s: there is no such table", v.name)
		}
		var shape, names []string
		for _, c := range of.columns {
			shape = append(shape, fmt.Sprintf("%s %s COMMENT %s", quoteName(c.Name), c.Type, quoteText(c.Comment)))
			names = append(names, quoteName(c.Name))
		}
		create := func(security string) error {
			return away(db.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE VIEW %s.%s (%s) %s AS SELECT %s FROM %s.%s COMMENT %s",
				quoteName(name), quoteName(v.name), strings.Join(shape, ", "), security, strings.Join(names, ", "),
				quoteName(db.database), quoteName(v.name), quoteText(of.comment))))
		}
		// Read in the name of a user to whom row policies apply; a server may have none of that name.
		err := create("DEFINER = " + definer + " SQL SECURITY DEFINER")
		if refused := (*clickhouse.Exception)(nil); errors.As(err, &refused) && (refused.Code == codeUnknownUser || refused.Code == codeAccessDenied) {
			err = create("SQL SECURITY INVOKER")
		}
		if err != nil {
			return fmt.Errorf("publish %s: %w", v.name, err)
		}
	}
	return nil
}

// quoteText writes s as a SQL string.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// description is a table or view as the engine has it.
type description struct {
	comment, key, parts string
	view                bool
	columns             []describedColumn
}

type describedColumn struct {
	Table   string `ch:"table"`
	Name    string `ch:"name"`
	Type    string `ch:"type"`
	Comment string `ch:"comment"`
}

// describe returns the tables and views of a database by name.
func (db *DB) describe(ctx context.Context, database string) (map[string]*description, error) {
	type table struct {
		Name    string `ch:"name"`
		Comment string `ch:"comment"`
		Key     string `ch:"key"`
		Parts   string `ch:"parts"`
		View    bool   `ch:"is_view"`
	}
	tables, err := all[table](ctx, db, `SELECT name, comment, sorting_key AS key, partition_key AS parts,
			toBool(engine = 'View') AS is_view FROM system.tables WHERE database = {database:String}`,
		clickhouse.Named("database", database))
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", database, err)
	}
	found := map[string]*description{}
	for _, t := range tables {
		found[t.Name] = &description{comment: t.Comment, key: t.Key, parts: t.Parts, view: t.View}
	}
	list, err := all[describedColumn](ctx, db, "SELECT table, name, type, comment FROM system.columns WHERE database = {database:String} ORDER BY table, position",
		clickhouse.Named("database", database))
	if err != nil {
		return nil, fmt.Errorf("list the columns of %s: %w", database, err)
	}
	for _, c := range list {
		if t := found[c.Table]; t != nil {
			t.columns = append(t.columns, c)
		}
	}
	return found, nil
}
