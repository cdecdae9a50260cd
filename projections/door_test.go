package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
	engines "strata/projections/engine"
	"strata/projections/gate"
	"strata/projections/grafana"
)

// openLab makes a lab of three jobs: 1 is alice's and public, 2 is alice's alone, 3 is bob's alone, and is
// there where hidden says so. All else is the same, down to the sequences.
func openLab(t *testing.T, name string, hidden bool) *DB {
	t.Helper()
	u, err := url.Parse(engine.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	db, err := Open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	number := 66666.5
	for _, name := range []string{stream.Lab, stream.Results, stream.Output} {
		var list []stream.Message
		for _, job := range []events.JobID{1, 3, 2} {
			user, word := events.UserName("alice"), "plain"
			if job == 3 {
				user, word = "bob", "hunter2"
			}
			facts := map[string][]events.Event{
				stream.Lab: {
					events.JobSubmitted{Job: job, Display: job.String(), User: user, Name: word + "-job", At: logsBegin, DeviceType: "qemu",
						Metadata: map[string]string{"secret": word}, Visibility: events.Visibility{Public: job == 1}},
					events.JobScheduled{Job: job, Device: "d1", Worker: "w1", Lease: 1},
					events.JobFinished{Job: job, Device: "d1", Worker: "w1", Lease: 1, Health: events.Incomplete, ErrorType: events.InfrastructureError, Error: word, At: logsBegin},
					events.JobJudged{Job: job, Verdict: "test", Action: word, Changes: []events.CaseChange{{Suite: word, Name: word, Change: "fix"}}},
					events.NotificationPlanned{Job: job, Deliveries: []events.Delivery{{N: 1, Kind: events.DeliverCallback, To: "https://" + word}}},
				},
				stream.Results: {events.ResultsRecorded{Job: job, Lines: 1, Cases: []events.Case{{Suite: word, Set: word, Name: word,
					Result: events.Fail, Measurement: &number, Units: word, At: logsBegin, Metadata: map[string]string{"k": word}}}}},
			}[name]
			for i, f := range facts {
				header, body, err := events.Encode(f, events.Envelope{ID: fmt.Sprint(job, i), Time: logsBegin})
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, stream.Message{Stream: name, Seq: uint64(len(list) + 1), Subject: "job." + job.String(), Header: header, Data: body, At: logsBegin})
			}
			if name != stream.Output {
				continue
			}
			text, err := json.Marshal("the " + word + " opens")
			if err != nil {
				t.Fatal(err)
			}
			f, err := events.NewFrame(job, 1, 0, []events.Record{{Time: logsBegin, Level: events.Target, Message: text}})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, stream.Message{Stream: name, Seq: uint64(len(list) + 1), Subject: events.OutputSubject(job), Header: nats.Header(f.Header()), Data: f.Body, At: logsBegin})
		}
		if !hidden {
			list = slices.DeleteFunc(list, func(m stream.Message) bool { return strings.HasSuffix(m.Subject, ".3") })
		}
		if err := db.Load(t.Context(), slices.Values(list)); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// visit asks at the door of a lab and returns all that the visitor gets to see, errors too, with the
// lab's name blotted out.
func visit(t *testing.T, d *Door, v Visit) string {
	t.Helper()
	blot := strings.NewReplacer(withHidden, "lab", withoutHidden, "lab")
	v.Text = strings.ReplaceAll(v.Text, "results.", publishedName(d.db.database)+".")
	v.Text = strings.ReplaceAll(v.Text, "THELAB", d.db.database)
	answer, err := d.Ask(t.Context(), v)
	if err != nil {
		var gated *gate.Refused
		var refused *Refusal
		if !errors.As(err, &gated) && !errors.As(err, &refused) {
			t.Fatalf("%s: %v", v.Text, err)
		}
		return uuids.ReplaceAllString(blot.Replace(err.Error()), "UUID")
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Reader())
	var late *Refusal
	if err != nil && !errors.As(err, &late) {
		t.Fatal(err)
	}
	return uuids.ReplaceAllString(blot.Replace(fmt.Sprint(string(text), errorText(late))), "UUID")
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func errorText(r *Refusal) string {
	if r == nil {
		return ""
	}
	return r.Message
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func door(t *testing.T, db *DB, l Limits) *Door {
	t.Helper()
	d, err := db.Door(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// hostile are statements that try to learn of a row that they may not see.
var hostile = []string{
	"SELECT * FROM results.jobs ORDER BY job",
	"SELECT count(), max(job), uniq(user), groupArray(name) FROM results.jobs",
	"SELECT count() FROM results.test_cases",
	"SELECT min(job), max(job), count() FROM results.measurements",
	"SELECT sum(value), quantile(0.99)(value), any(suite), topK(3)(name) FROM results.measurements",
	"SELECT * FROM results.measurements WHERE throwIf(suite = 'hunter2', 'it is there') = 0 ORDER BY ALL",
	"SELECT count() FROM results.measurements WHERE throwIf(suite LIKE 'hun%') OR 1",
	"SELECT throwIf(name = 'hunter2') FROM results.test_cases",
	"SELECT count() FROM results.test_cases WHERE toInt32(replaceOne(suite, 'plain', '1')) > 0",
	"SELECT CAST(replaceOne(message, 'the plain opens', '1') AS Int64) FROM results.log_lines",
	"SELECT * FROM results.log_lines WHERE throwIf(position(message, 'hunter2') > 0) = 0 ORDER BY ALL",
	"SELECT * FROM results.log_lines WHERE throwIf(template NOT IN (SELECT template FROM results.log_lines)) = 0 ORDER BY ALL",
	"SELECT count() FROM results.log_lines WHERE throwIf(sipHash64(template) % 2) OR 1",
	"SELECT count() FROM results.log_lines WHERE throwIf(sipHash64(template) % 2 = 0) OR 1",
	"SELECT job, throwIf(template != 14695981039346656037) FROM results.log_lines",
	"SELECT count() FROM results.log_lines WHERE intDiv(1, toUInt64(job != 3)) = 1",
	"SELECT count() FROM results.jobs WHERE intDiv(10, job - 3) < 100",
	"SELECT count() FROM results.jobs WHERE throwIf(user = 'bob') = 0",
	"SELECT count() FROM results.jobs WHERE throwIf(metadata['secret'] = 'hunter2') = 0",
	"SELECT max(throwIf(error = 'hunter2')) FROM results.jobs",
	"SELECT * FROM results.jobs ORDER BY throwIf(user = 'bob'), job LIMIT 1 BY job",
	"SELECT user FROM results.jobs GROUP BY user HAVING throwIf(user = 'bob') = 0 ORDER BY user",
	"SELECT * FROM (SELECT * FROM results.jobs WHERE job = 3) AS x LEFT JOIN results.test_cases AS c ON c.job = x.job",
	"SELECT n.number, j.user FROM numbers(5) AS n LEFT JOIN results.jobs AS j ON j.job = n.number ORDER BY 1",
	"SELECT n.number, j.job FROM numbers(5) AS n RIGHT JOIN results.test_cases AS j ON j.job = n.number ORDER BY ALL",
	"SELECT count() FROM results.jobs AS a, results.jobs AS b, results.test_cases AS c",
	"SELECT a.job FROM results.jobs AS a FULL JOIN results.measurements AS b ON a.job = b.job AND throwIf(b.suite = 'hunter2') = 0 ORDER BY 1",
	"SELECT a.job FROM results.jobs AS a ASOF JOIN results.measurements AS b ON a.name = b.name AND a.job >= b.job ORDER BY 1",
	"SELECT 3 IN (SELECT job FROM results.jobs), EXISTS(SELECT 1 FROM results.jobs WHERE user = 'bob')",
	"SELECT (SELECT max(job) FROM results.job_transitions), (SELECT groupUniqArray(actor) FROM results.job_transitions)",
	"WITH jobs AS (SELECT * FROM results.jobs) SELECT count() FROM jobs",
	"WITH x AS (SELECT job FROM results.jobs), y AS (SELECT job FROM x) SELECT * FROM y ORDER BY job",
	"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, n IN (SELECT job FROM results.jobs) FROM r",
	"SELECT job FROM results.jobs UNION ALL SELECT job FROM results.test_cases UNION ALL SELECT job FROM results.job_judgements ORDER BY job",
	"SELECT number FROM numbers(5) EXCEPT SELECT job FROM results.jobs",
	"SELECT number FROM numbers(5) INTERSECT SELECT job FROM results.case_changes",
	"SELECT arrayJoin(groupArray(job)) FROM results.test_sets",
	"SELECT arrayJoin([1, 3]) AS j, (j IN (SELECT job FROM results.test_suites)) AS there",
	"SELECT k FROM results.jobs ARRAY JOIN mapValues(metadata) AS k ORDER BY k",
	"SELECT job, sum(job) OVER (ORDER BY job ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM results.jobs ORDER BY job",
	"SELECT lagInFrame(suite) OVER (ORDER BY job) FROM results.test_cases",
	"SELECT job FROM results.jobs GROUP BY job WITH TOTALS ORDER BY job",
	"SELECT user, count() FROM results.jobs GROUP BY ROLLUP(user) ORDER BY ALL",
	"SELECT job FROM results.jobs ORDER BY job WITH FILL FROM 1 TO 6",
	"SELECT uniqExactState(suite) FROM results.measurements",
	"SELECT * FROM view(SELECT count() FROM results.jobs)",
	"SELECT * FROM results.jobs FINAL ORDER BY job",
	"SELECT count() FROM results.test_cases SAMPLE 1 / 2",
	"SELECT count() FROM results.test_cases PREWHERE throwIf(suite = 'hunter2') = 0",
	"SELECT COLUMNS('user|name') FROM results.jobs ORDER BY ALL",
	"SELECT * EXCEPT (submitted_at) REPLACE (upper(user) AS user) FROM results.jobs ORDER BY job",
	"SELECT `job`, \"user\" FROM `lab_results`.`jobs` /* FROM strata.jobs */ ORDER BY 1 -- x",
	"SELECT ｊｏｂ FROM results.jobs", "SELECT job FROM results.ｊobs",
	"SELECT total_rows, total_bytes, name FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY name",
	"SELECT * FROM system.databases ORDER BY name", "SHOW DATABASES", "SHOW TABLES", "SHOW TABLES FROM system", "SHOW CREATE TABLE results.jobs",
	"SHOW COLUMNS FROM jobs", "SHOW INDEX FROM results.jobs", "SHOW PROCESSLIST", "SHOW GRANTS", "SHOW USERS", "SHOW SETTINGS LIKE 'query_cache_tag'",
	"SHOW CREATE USER default", "SHOW CREATE ROW POLICY x ON THELAB.jobs", "SHOW ACCESS", "SHOW CLUSTERS", "SHOW MERGES", "SHOW DICTIONARIES",
	"SELECT name FROM system.columns WHERE database = 'THELAB' ORDER BY ALL",
	"SELECT sum(data_compressed_bytes) FROM system.columns WHERE database != 'system'",
	"SELECT * FROM system.parts", "SELECT * FROM system.processes", "SELECT query FROM system.query_log", "SELECT * FROM system.row_policies",
	"SELECT * FROM system.users", "SELECT 1 IN system.processes", "SELECT ('', 1) IN (system.merges)", "SELECT * FROM `system`.`parts`", "SELECT * FROM SYSTEM.PARTS",
	"SELECT * FROM information_schema.tables WHERE table_schema = 'THELAB'", "SELECT * FROM INFORMATION_SCHEMA.PARTITIONS",
	"EXPLAIN SELECT * FROM results.jobs", "EXPLAIN ESTIMATE SELECT * FROM results.test_cases", "EXPLAIN indexes = 1 SELECT * FROM results.test_cases",
	"EXPLAIN PIPELINE SELECT * FROM results.test_cases", "EXPLAIN AST SELECT 1", "EXPLAIN SYNTAX SELECT * FROM results.jobs WHERE job IN (SELECT max(job) FROM results.jobs)",
	"EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT (SELECT count() FROM results.jobs)",
	"EXPLAIN QUERY TREE SELECT (SELECT count() FROM results.jobs)", "EXPLAIN TABLE OVERRIDE mysql('a', 'b', 'c', 'd', 'e') PARTITION BY 1",
	"SELECT * FROM (EXPLAIN ESTIMATE SELECT * FROM results.test_cases)", "SELECT * FROM (EXPLAIN indexes = 1 SELECT * FROM results.test_cases)",
	"SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))",
	"SELECT * FROM THELAB.jobs", "SELECT * FROM THELAB.job_state", "SELECT count() FROM THELAB.log_templates", "SELECT * FROM THELAB.job_viewers",
	"SELECT * FROM THELAB.events", "SELECT 3 IN THELAB.job_viewers", "DESCRIBE THELAB.events", "EXISTS THELAB.events", "SHOW CREATE TABLE THELAB.events",
	"SELECT * FROM merge('THELAB', '.*')", "SELECT * FROM merge(REGEXP('.*'), 'jobs')", "SELECT * FROM remote('127.0.0.1', THELAB.jobs)",
	"SELECT * FROM cluster('default', THELAB.jobs)", "SELECT * FROM loop(THELAB.jobs) LIMIT 9", "SELECT * FROM viewIfPermitted(SELECT * FROM THELAB.jobs ELSE null('job UInt64'))",
	"SELECT * FROM mergeTreeIndex('THELAB', 'test_cases')", "SELECT * FROM mergeTreeProjection('THELAB', 'test_cases', 'p')", "SELECT * FROM eval('SELECT 1')",
	"SELECT joinGet('THELAB.job_viewers', 'user', toUInt64(3))", "SELECT dictGet('THELAB.x', 'y', 1)", "SELECT hasColumnInTable('THELAB', 'events', 'body')",
	"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT file('/etc/passwd')", "DESCRIBE file('/etc/passwd')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
	"SELECT * FROM s3('http://127.0.0.1:1/x')", "SELECT * FROM executable('id', 'TSV', 'x String')", "SELECT * FROM `/etc/passwd`", "SELECT * FROM '/etc/passwd'",
	"SELECT * FROM input('x String')", "SELECT * FROM dictionary('x')", "SELECT * FROM fileCluster('c', '/etc/passwd')", "SELECT * FROM filesystem('/etc')", "SELECT * FROM sqlite('/x', 'y')",
	"SELECT aiGenerate('x')", "SELECT AIGenerate('x', 'y')", "SELECT getServerSetting('path')", "SELECT getMacro('x')", "SELECT addressToLine(1)", "SELECT catboostEvaluate('/x', 1)",
	"SELECT sleep(3)", "SELECT sleepEachRow(1) FROM numbers(3)", "SELECT filesystemAvailable()", "SELECT serverUUID()", "SELECT getClientHTTPHeader('x')", "SELECT transactionID()",
	"SELECT __getScalar('x')", "SELECT _CAST(1, 'String')", "SELECT formatQuery('SELECT 1')", "SELECT blockNumber() FROM results.jobs", "SELECT rowNumberInAllBlocks(), job FROM results.jobs",
	"SELECT * APPLY(x -> file(x)) FROM results.jobs", "SELECT job FROM results.jobs SETTINGS query_cache_tag = '*'", "SET query_cache_tag = '*'", "SET readonly = 0",
	"SELECT * FROM (SELECT job FROM results.jobs SETTINGS query_cache_tag = '*')", "SET ROLE strata_owner", "SET ROLE ALL", "SET DEFAULT ROLE ALL TO default", "EXECUTE AS strata_views SELECT 1",
	"SELECT 1 SETTINGS additional_table_filters = {'x': '1'}", "USE THELAB", "SELECT * FROM job_state",
	"INSERT INTO THELAB.job_viewers VALUES (3, 'alice', 1, 9)", "INSERT INTO THELAB.job_viewers SELECT 3, 'alice', true, 9", "INSERT INTO FUNCTION file('/tmp/x', 'CSV') SELECT * FROM results.jobs",
	"SELECT * FROM results.jobs INTO OUTFILE '/tmp/strata-door' FORMAT CSV", "SELECT 1 INTO OUTFILE '/tmp/strata-door' TRUNCATE COMPRESSION 'none'", "EXPLAIN AST SELECT 1 INTO OUTFILE '/tmp/strata-door'",
	"SELECT job FROM results.jobs ORDER BY job FORMAT JSON", "SELECT job FROM results.jobs ORDER BY job FORMAT XML", "SELECT job FROM results.jobs ORDER BY job FORMAT JSONEachRowWithProgress",
	"SELECT job FROM results.jobs FORMAT Template SETTINGS format_template_row = '/etc/passwd'", "SELECT job FROM results.jobs FORMAT Protobuf", "SELECT job FROM results.jobs FORMAT MySQLWire",
	"SELECT 1; SELECT 2", "SELECT 1;", "", ";", "-- nothing", "/* SELECT", "SELECT 'it", "SELECT `it", "SELECT $$a$$", "SELECT 1 # comment", "SELECT '\\'', `a\\`b` FROM (SELECT 1 AS `a\\`b`)",
	"SELECT 1 AS `x\n     TableIdentifier y`", "SELECT 1 AS `x\n`", "DROP TABLE THELAB.events", "TRUNCATE THELAB.events", "ALTER TABLE THELAB.events DELETE WHERE 1", "OPTIMIZE TABLE THELAB.events",
	"CREATE VIEW results.x AS SELECT 1", "CREATE TEMPORARY TABLE x (a UInt8)", "CREATE OR REPLACE VIEW results.jobs DEFINER = default AS SELECT 1", "KILL QUERY WHERE 1", "SYSTEM FLUSH LOGS", "BACKUP DATABASE THELAB TO File('/tmp/x')",
	"GRANT ALL ON *.* TO strata_viewer", "CREATE USER x", "DROP ROW POLICY x ON THELAB.jobs", "CHECK TABLE results.jobs", "WATCH results.jobs", "ATTACH TABLE x", "DESCRIBE results.jobs", "EXISTS results.jobs", "PARALLEL WITH SELECT 1",
	"BEGIN TRANSACTION", "DELETE FROM results.jobs WHERE 1", "UPDATE results.jobs SET job = 1 WHERE 1", "SELECT * FROM values('a Int8', 1, 2)", "VALUES (1)", "SELECT * FROM {t:Identifier}", "SELECT {c:Identifier} FROM results.jobs", "SELECT {x:String}",
	"SELECT * FROM {d:Identifier}.{u:Identifier}",
}

// Whatever alice asks, she gets the same answer, letter by letter, whether bob's hidden job is there or not.
func TestHiddenRowsLeaveNoTrace(t *testing.T) {
	with, without := openLab(t, withHidden, true), openLab(t, withoutHidden, false)
	one, other := door(t, with, Limits{Time: 60 * time.Second}), door(t, without, Limits{Time: 60 * time.Second})
	params := map[string]string{"x": "a\\nb", "t": "jobs", "c": "user", "d": withHidden, "u": "job_state"}
	differ := 0
	for _, text := range hostile {
		v := Visit{Viewer: Viewer{User: "alice"}, Text: text, Params: params}
		got, want := sortedLines(visit(t, one, v)), sortedLines(visit(t, other, v)) // rows come in any order
		if got != want {
			t.Errorf("%s\nwith hidden rows:\n%s\nwithout:\n%s", text, got, want)
		}
		if asked := strings.Contains(text, "hunter2"); !asked && strings.Contains(got, "hunter2") || strings.Contains(got, "bob") && !strings.Contains(text, "bob") {
			t.Errorf("%s shows what is hidden:\n%s", text, got)
		}
		v.Viewer = Viewer{All: true}
		if strings.Contains(text, "results.") && sortedLines(visit(t, one, v)) != sortedLines(visit(t, other, v)) {
			differ++
		}
	}
	// Where the one who may see all sees no difference either, the statements test nothing.
	if differ < 40 {
		t.Errorf("%d statements show the hidden rows to those who may see them; want 40 or more", differ)
	}
}

// Every question of the reference and of the dashboards comes through the door, and what clients ask when
// they connect.
func TestDoorAnswers(t *testing.T) {
	db := openLab(t, withHidden, true)
	d := door(t, db, Limits{Time: time.Minute})
	asks := []string{
		"SELECT version()", "SELECT 1", "SELECT version(), timezone()", "SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1",
		"SELECT name, value, readonly FROM system.settings LIMIT 10000", "SELECT timezone(), version(), currentDatabase(), getSetting('max_result_rows')",
		"SELECT name, is_aggregate, case_insensitive, alias_to FROM system.functions ORDER BY name", "SELECT name FROM system.databases ORDER BY name",
		"SELECT name, database, table, type, comment FROM system.columns WHERE database = 'results'", "SHOW TABLES", "SHOW DATABASES", "DESCRIBE TABLE results.jobs", "DESC (SELECT 1)",
		"SELECT database AS TABLE_SCHEM, name AS TABLE_NAME, engine, comment FROM system.tables WHERE database LIKE '%' AND name LIKE 'j%'", "EXISTS results.jobs",
		"SELECT sumIf(1, 1), uniqExactIfOrNull(number, 1), quantilesTDigestIf(0.5)(number, number > 1), argMaxIf(1, 2, 3) FROM numbers(3)",
		"SELECT toStartOfInterval(now(), INTERVAL 1 HOUR), dateDiff('day', today(), now()), DATE_TRUNC('month', now()), CAST(1 AS String), 1::Float64, [1, 2][1], (1, 'a').2, map('a', 1)['a']",
		"SELECT CASE WHEN 1 THEN 2 ELSE 3 END, if(1, 2, 3), 1 BETWEEN 0 AND 2, NULL IS NULL, 'a' LIKE 'b', arrayMap(x -> x + 1, [1]) FROM system.one",
		"SELECT extract(hour FROM now()), substring('abc' FROM 2), trim(BOTH 'x' FROM 'xax'), position('a' IN 'ba'), COUNT(*), Sum(1), count(DISTINCT 1)",
		"SELECT JSONExtractString('{}', 'a'), splitByChar(',', 'a,b'), match('a', 'b'), replaceRegexpOne('a', 'b', 'c'), formatDateTime(now(), '%F'), hasToken('a b', 'a')",
	}
	for _, v := range published() {
		for _, q := range v.asks {
			asks = append(asks, q.sql)
		}
	}
	to := time.Now()
	for _, dash := range grafana.Dashboards() {
		for _, p := range dash.Panels {
			sql := p.SQL
			for _, v := range dash.Variables {
				sql = strings.ReplaceAll(sql, "${"+v.Name+"}", v.Default)
			}
			asks = append(asks, expand(sql, to.AddDate(-1, 0, 0), to, time.Hour))
		}
	}
	for _, text := range asks {
		if got := visit(t, d, Visit{Viewer: Viewer{User: "alice"}, Text: text, Format: "JSONCompact"}); strings.HasPrefix(got, "Code:") {
			t.Errorf("%s\n%s", text, got)
		}
	}
}

// Every table that names jobs, devices or workers has a policy, a new one too.
func TestRowPoliciesCoverTheTables(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	tables, err := db.describe(t.Context(), db.database)
	if err != nil {
		t.Fatal(err)
	}
	guarded := map[string]bool{}
	for _, p := range RowPolicies(db.database) {
		guarded[p.Table] = true
	}
	for name, table := range tables {
		names := slices.ContainsFunc(table.columns, func(c describedColumn) bool { return slices.Contains([]string{"job", "device", "worker"}, c.Name) })
		if want := names && !table.view && !unguarded(name); guarded[name] != want {
			t.Errorf("table %s has a policy: %t; want %t", name, guarded[name], want)
		}
	}
}

// What a server is prepared with, the engine can read, whatever the names; and both are given the same names.
func TestGrants(t *testing.T) {
	t.Parallel()
	if visitorRole != engines.Viewer || definer != engines.Definer {
		t.Errorf("role %s and definer %s; the engine has %s and %s", visitorRole, definer, engines.Viewer, engines.Definer)
	}
	db := openTest(t)
	printed := Grants("lab_a", "strata")
	for _, p := range engine.Access.Rows {
		if policy := fmt.Sprintf("ON %s.%s USING %s TO %s;\n", quoteName(p.Database), quoteName(p.Table), p.Filter, engines.Definer); p.Database == "lab_a" && !strings.Contains(printed, policy) {
			t.Errorf("a server is not given the engine's policy %s", policy)
		}
	}
	for _, statement := range strings.Split(strings.TrimSuffix(Grants("a`b\\c", "o'hara"), ";\n"), ";\n") {
		if _, err := db.SQL(t.Context(), "SELECT formatQuery("+quoteText(statement)+")", Limits{}); err != nil {
			t.Errorf("%s\n%v", statement, err)
		}
	}
}

// A visitor sees a job where lab.Can says so.
func TestVisitorsSeeTheirOwn(t *testing.T) {
	d := door(t, openLab(t, withHidden, true), Limits{})
	for user, want := range map[string]string{"alice": "1\n2\n", "bob": "1\n3\n", "carol": "1\n", "o'hara\\": "1\n", "*": "1\n", "%": "1\n", "": "1\n"} {
		for _, table := range []string{"jobs", "job_transitions", "job_judgements", "case_changes", "test_suites", "test_sets", "test_cases", "measurements", "log_lines", "notifications"} {
			if got := visit(t, d, Visit{Viewer: Viewer{User: events.UserName(user)}, Text: "SELECT DISTINCT job FROM " + table + " ORDER BY job"}); got != want {
				t.Errorf("%q sees of %s %q; want %q", user, table, got, want)
			}
		}
	}
	for want, v := range map[string]Viewer{
		"1\n2\n3\n": {All: true},
		"":          {None: true, User: "alice"},
		"3\n":       {User: "bob", HiddenTypes: []events.DeviceTypeName{"secret"}, Partial: true, Devices: []events.DeviceName{"d1"}}, // 1 may be one of those
		"1\n3\n":    {User: "bob", Partial: true, Devices: []events.DeviceName{"d1"}},                                                 // only a worker is hidden
		"1\n2\n":    {User: "alice", Groups: []events.GroupName{"kernel"}},
	} {
		if got := visit(t, d, Visit{Viewer: v, Text: "SELECT job FROM jobs ORDER BY job"}); got != want {
			t.Errorf("%+v sees %q, want %q", v, got, want)
		}
	}
}

// Where something is hidden from a visitor, they see of devices and workers those that they are shown: neither the others,
// nor what has left the lab since.
func TestVisitorsSeeShownDevices(t *testing.T) {
	t.Parallel()
	db := openLab(t, withHidden, true)
	var list []stream.Message
	for i, e := range []events.Event{
		events.DeviceAdded{Device: "d1", DeviceType: "qemu"}, events.DeviceAdded{Device: "d2", DeviceType: "secret"}, events.DeviceAdded{Device: "gone", DeviceType: "secret"},
		events.DeviceHealthSet{Device: "d2", Health: events.Bad, Reason: "job 3 broke it"}, events.DeviceRemoved{Device: "gone"},
		events.WorkerRegistered{Worker: "w1"}, events.WorkerRegistered{Worker: "w2"},
	} {
		header, body, err := events.Encode(e, events.Envelope{ID: fmt.Sprint("shown", i), Time: logsBegin})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stream.Message{Stream: stream.Lab, Seq: uint64(1000 + i), Subject: "x", Header: header, Data: body, At: logsBegin})
	}
	if err := db.Load(t.Context(), slices.Values(list)); err != nil {
		t.Fatal(err)
	}
	d, all, some := door(t, db, Limits{}), "d1\nd2\ngone\nw1\nw2\n", []events.DeviceName{"d1"}
	tests := []struct {
		name string
		v    Viewer
		want string
	}{
		{"who may see all", Viewer{All: true}, all},
		{"from whom nothing is hidden", Viewer{User: "alice"}, all},
		{"nobody", Viewer{None: true}, ""},
		{"from whom a device type is hidden", Viewer{User: "alice", HiddenTypes: []events.DeviceTypeName{"secret"}, Partial: true, Devices: some, Workers: []events.WorkerName{"w1", "w2"}}, "d1\nw1\nw2\n"},
		{"from whom a worker is hidden", Viewer{User: "alice", Partial: true, Devices: []events.DeviceName{"d1", "d2"}, Workers: []events.WorkerName{"w2"}}, "d1\nd2\nw2\n"},
		{"from whom something is hidden, of which nothing is said", Viewer{User: "alice", HiddenDevices: []events.DeviceName{"d2"}}, ""},
		{"more than a request holds", Viewer{User: "alice", Partial: true, Devices: append(slices.Repeat(some, maxListed/2), some...)}, ""},
		{"who calls themselves by what they want to see", Viewer{User: "x\nd2", Partial: true, Devices: some}, ""},
		{"who is called as a device", Viewer{User: "d2", Partial: true, Devices: some}, "d1\n"},
	}
	for _, tt := range tests {
		for _, of := range []string{"SELECT device FROM devices UNION ALL SELECT worker FROM workers", "SELECT DISTINCT device FROM device_transitions UNION ALL SELECT worker FROM workers"} {
			if got := visit(t, d, Visit{Viewer: tt.v, Text: "SELECT * FROM (" + of + ") ORDER BY 1"}); got != tt.want {
				t.Errorf("%s: %s shows %q, want %q", tt.name, of, got, tt.want)
			}
		}
	}
}

// Statements end at their bounds, which a visitor can lower and not raise.
func TestDoorBounds(t *testing.T) {
	db := openLab(t, withHidden, true)
	short, patient := door(t, db, Limits{Time: time.Second, Rows: 100, Memory: 64 << 20}), door(t, db, Limits{Time: time.Minute, Rows: 100, Memory: 64 << 20})
	tests := []struct {
		text     string
		settings map[string]string
		want     string
	}{
		{"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", nil, "TIMEOUT_EXCEEDED"},
		{"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", map[string]string{"max_execution_time": "0"}, "TIMEOUT_EXCEEDED"},
		{"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", map[string]string{"max_execution_time": "1e99"}, "TIMEOUT_EXCEEDED"},
		{"SELECT number FROM numbers(101)", nil, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT number FROM numbers(101)", map[string]string{"max_result_rows": "0"}, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT number FROM numbers(20)", map[string]string{"max_result_rows": "10"}, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT number FROM numbers(20)", map[string]string{"max_result_rows": "0.5"}, "TOO_MANY_ROWS_OR_BYTES"},
		{"SELECT getSetting('max_result_rows')", map[string]string{"max_result_rows": "1e1"}, "10\n"},
		// ClickHouse reads less than a microsecond as 0, which is for ever.
		{"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", map[string]string{"max_execution_time": "0.0000001"}, "TIMEOUT_EXCEEDED"},
		{"SELECT 1", map[string]string{"max_execution_time": "x"}, `setting max_execution_time is "x"; a number up to 60 is taken`},
		{"SELECT 1", map[string]string{"max_result_rows": "nan"}, `setting max_result_rows is "nan"; a number up to 100 is taken`},
		{"SELECT groupUniqArray(number) FROM numbers(100000000)", nil, "MEMORY_LIMIT_EXCEEDED"},
		{"SELECT repeat('x', 100000000)", nil, "Code:"},
		{"SELECT 1", map[string]string{"max_memory_usage": "0", "max_threads": "64", "readonly": "0", "role": "strata_owner"}, "1\n"},
		{"SELECT max(job) FROM jobs", map[string]string{"query_cache_tag": "*"}, "2\n"},
		{"SELECT 1", map[string]string{"additional_table_filters": "{}"}, "READONLY"},
		{"SELECT 1", map[string]string{"output_format_schema": "/tmp/x"}, "READONLY"},
		{"SELECT 1", map[string]string{"format_schema": "/etc/passwd:x"}, "READONLY"},
		{"SELECT 1", map[string]string{"log_comment": "x", "output_format_json_quote_64bit_integers": "1"}, "1\n"},
		{"SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), nil, "Code:"},
		{"SELECT 1 " + strings.Repeat("UNION ALL SELECT 1 ", 5000), nil, "Code:"},
	}
	for _, tt := range tests {
		d := patient // on a busy machine, everything else may take its time
		if tt.want == "TIMEOUT_EXCEEDED" {
			d = short
		}
		got := visit(t, d, Visit{Viewer: Viewer{User: "alice"}, Text: tt.text, Settings: tt.settings})
		if !strings.Contains(got, tt.want) {
			t.Errorf("%.80s with %v gives %.300q; want %s", tt.text, tt.settings, got, tt.want)
		}
	}
}
