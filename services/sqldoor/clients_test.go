package sqldoor

import (
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"strata/projections"
)

// clickhouse-go itself connects, asks, and reads typed values, blocks compressed either way.
func TestClickHouseGo(t *testing.T) {
	p := open(t, Deps{})
	for _, compression := range []string{"none", "lz4", "zstd", "gzip"} {
		dsn := url.URL{Scheme: "http", User: url.UserPassword("alice", p.token("alice")), Host: p.address, Path: "/results", RawQuery: "compress=" + compression}
		db, err := projections.Open(dsn.String())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("%s: ping: %v", compression, err)
		}
		got, err := db.SQL(t.Context(), "SELECT job, user, submitted_at, public, tags, metadata, wait_seconds FROM jobs ORDER BY job", projections.Limits{})
		if err != nil {
			t.Errorf("%s: %v", compression, err)
			continue
		}
		if len(got.Rows) != 3 || got.Rows[2][0] != uint64(3) || got.Rows[2][1] != "bob" || got.Rows[0][3] != true || got.Columns[6].Type != "Nullable(Float64)" {
			t.Errorf("%s: got %v; want jobs 1 to 3", compression, got)
		}
		if _, err := db.SQL(t.Context(), "SELECT * FROM system.processes", projections.Limits{}); err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") && !strings.Contains(err.Error(), "not answered here") {
			t.Errorf("%s: a forbidden table gives %v", compression, err)
		}
	}
}

// What clients ask when they connect and look around. Of clickhouse-connect 1.7.2 and @clickhouse/client 1.23.1 the
// requests are as the clients sent them to this door; of JDBC (clickhouse-java 0.9, client-v2 and jdbc-v2) and
// of Grafana's plug-in (4.20, whose back end is clickhouse-go) as their published sources build them.
func TestClientsConnect(t *testing.T) {
	p := open(t, Deps{})
	const python, javascript, jdbc, grafana = "clickhouse-connect/1.7.2 (lv:py/3.11.2; mode:sync; os:linux)", "clickhouse-js/1.23.1 (lv:nodejs/v20.20.2; os:linux)",
		"jdbc-v2/0.9.4 client-v2/0.9.4 clickhouse-java-v2/0.9.4 (Linux; jvm:17.0.15) Apache-HttpClient/5.4.4", "Grafana"
	const session = "session_id=333a4bce-5c75-4eac-84cb-8c48768ddb98&wait_end_of_query=1&database=results&query_id=1d1383d7-9bfa-48d7-9650-ed24ea0476d5"
	tests := []struct {
		client, query, body string
		want                string
	}{
		{python, "query_id=116bf120-8a06-424c-a07e-90bb3e59681d", "SELECT version(), timezone()", "UTC"},
		{python, "wait_end_of_query=1&database=results", "SELECT name, value, readonly FROM system.settings LIMIT 10000\n FORMAT Native", "max_threads"},
		// It looks for the block header of that revision, and goes on without where there is none.
		{python, "wait_end_of_query=1&client_protocol_version=54405&database=results", "SELECT 1 AS check\n FORMAT Native", "check"},
		{python, session + "&param_u=alice", "SELECT job FROM jobs WHERE user = {u:String}\n FORMAT Native", "job"},
		{python, session, "SELECT job FROM jobs WHERE user='al\\'ice' OR 1\n FORMAT Native", "job"},
		{python, session, "DESCRIBE TABLE jobs\n FORMAT Native", "submitted_at"},
		{python, session, "SELECT 1 AS a\n FORMAT CSVWithNames", "\"a\"\n1\n"},
		// SQLAlchemy, and with it Superset.
		{python, session, "SELECT currentDatabase()\n FORMAT Native", "results"},
		{python, session, "SHOW DATABASES\n FORMAT Native", "results"},
		{python, session, "EXISTS DATABASE `results`\n FORMAT Native", "result"},
		{python, session, "SHOW TABLES FROM `results`\n FORMAT Native", "measurements"},
		{python, session, "EXISTS TABLE `results`.`jobs`\n FORMAT Native", "result"},
		{python, session, "SELECT engine, engine_full, comment FROM system.tables WHERE database = 'results' AND name = 'jobs'\n FORMAT Native", "View"},
		{javascript, "query_id=fb24eee5-6b1c-4725-a4fa-7d7f79d1f5cf&query=SELECT+%27ping%27", "", "ping"},
		{javascript, "query_id=7275d888&param_n=3&database=results", "SELECT job,user FROM jobs ORDER BY job LIMIT {n:UInt8} \nFORMAT JSONEachRow", `{"job":3,"user":"bob"}`},
		{javascript, "query_id=3f6855a7&output_format_json_quote_64bit_integers=1&max_threads=1&database=results", "SELECT 1 AS a, toDateTime64(0,3) AS t, [1] AS l \nFORMAT JSON", `"DateTime64(3)"`},
		{javascript, "query_id=cf63d485&enable_http_compression=1&param_a=it%5C%27s%5Cn&param_b=%5B1%2C2%5D&database=results&session_id=abc", "SELECT {a:String} AS a, {b:Array(UInt8)} AS b \nFORMAT JSON", `"it's\n"`},
		{jdbc, "", "SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1", "timezone"},
		{jdbc, "", "SELECT version() as server_version", "server_version"},
		{jdbc, "max_result_rows=9223372036854775807&result_overflow_mode=break&session_timezone=UTC", "SELECT 1", "UInt8"},
		{jdbc, "max_result_rows=2&result_overflow_mode=break", "SELECT job FROM jobs", "UInt64"},
		{jdbc, "", "SELECT 1 FORMAT TabSeparated", "1\n"},
		{jdbc, "", "SELECT name AS TABLE_SCHEM, '' AS TABLE_CATALOG FROM system.databases ORDER BY name", "results"},
		{jdbc, "", "SELECT arrayJoin(['TABLE','VIEW','SYSTEM TABLE']) AS TABLE_TYPE ORDER BY TABLE_TYPE", "VIEW"},
		{jdbc, "", jdbcTables, "job_transitions"},
		{jdbc, "", jdbcColumns, "wait_seconds"},
		{jdbc, "", jdbcKeys, "KEY_SEQ"},
		{jdbc, "", jdbcTypes, "LowCardinality"},
		{jdbc, "", "SELECT CAST(NULL as Nullable(String)) AS FUNCTION_CAT, CAST(name as Nullable(String)) AS FUNCTION_NAME, concat(description, '(', origin, ')') AS REMARKS, name AS SPECIFIC_NAME FROM system.functions WHERE name LIKE '%'", "quantile"},
		{grafana, "default_format=JSON", "SELECT 1", `"1"`},
		{grafana, "default_format=TSV", "SHOW DATABASES", "results"},
		{grafana, "default_format=TSV", `SHOW TABLES FROM "results"`, "test_cases"},
		{grafana, "default_format=TSV", `DESC TABLE "results"."jobs"`, "Nullable(Float64)"},
		{grafana, "default_format=TSV&limit=1000", "SELECT name FROM system.tables WHERE database = 'results' ORDER BY name", "job_judgements"},
		{grafana, "default_format=TSV", "SELECT timezone()", "UTC"},
		{grafana, "default_format=TSV", "SELECT version()", "26."},
		{grafana, "default_format=TSV", "SELECT name, is_aggregate, case_insensitive, alias_to, origin, description, syntax, arguments, returned_value, examples, categories FROM system.functions LIMIT 10000", "quantile"},
		{grafana, "default_format=TSV", "SELECT name, type, table FROM system.columns WHERE database IN ('results') AND table = 'jobs'", "device_type"},
		{grafana, "default_format=TSV", "SELECT distinct device_type AS value FROM results.jobs LIMIT 1000", "qemu"},
		{grafana, "default_format=JSON&max_execution_time=60", "SELECT toStartOfInterval(toDateTime(submitted_at), INTERVAL 60 second) as time, count() AS jobs FROM results.jobs WHERE submitted_at >= toDateTime(0) GROUP BY time ORDER BY time", "jobs"},
		// Superset and Metabase look for schemas here.
		{"information_schema", "default_format=TSV", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'results'", "jobs"},
	}
	for _, tt := range tests {
		got := p.ask(t, tt.query, tt.body, func(r *http.Request) {
			r.SetBasicAuth("alice", p.token("alice"))
			r.Header.Set("User-Agent", tt.client)
			r.Header.Set("Accept-Encoding", "lz4, zstd") // neither is had; the answer then comes as it is
			if tt.client == jdbc {
				r.Header.Set("X-ClickHouse-Format", "RowBinaryWithNamesAndTypes")
				r.Header.Set("X-ClickHouse-Database", "results")
				r.Header.Set("Content-Type", "text/plain")
			}
		})
		if got.status != 200 || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s: %s: %d %.300q; want %q in it", tt.client, tt.body, got.status, got.body, tt.want)
		}
	}
}

// What the JDBC driver's DatabaseMetaData asks, its lists of types cut short.
const (
	jdbcTables = "SELECT '' AS TABLE_CAT, t.database AS TABLE_SCHEM, t.name AS TABLE_NAME, if(t.is_temporary = 1, concat('Temporary', t.engine), t.engine) AS TABLE_TYPE, t.comment AS REMARKS, " +
		"CAST(null as Nullable(String)) AS TYPE_CAT, d.engine AS TYPE_SCHEM FROM system.tables t JOIN system.databases d ON system.tables.database = system.databases.name " +
		"WHERE t.database LIKE '%' AND t.name LIKE '%' AND ( t.engine IN ('View') OR t.engine LIKE '%MergeTree') AND (t.is_temporary = 0)"
	jdbcColumns = "SELECT '' AS TABLE_CAT, database AS TABLE_SCHEM, table AS TABLE_NAME, name AS COLUMN_NAME, toInt32(1111) AS DATA_TYPE, type AS TYPE_NAME, " +
		"toInt32(multiIf(character_octet_length IS NOT NULL, character_octet_length, system.columns.type == 'UInt64', 8, numeric_precision IS NOT NULL, numeric_precision, 0)) AS COLUMN_SIZE, " +
		"toInt32(IF (numeric_scale == 0, NULL, numeric_scale)) as DECIMAL_DIGITS,  toInt32(position(type, 'Nullable(') >= 1 ?1 : 0) as NULLABLE, system.columns.comment AS REMARKS, " +
		"system.columns.default_expression AS COLUMN_DEF, character_octet_length::Nullable(Int32) AS CHAR_OCTET_LENGTH, toInt32(system.columns.position) AS ORDINAL_POSITION, " +
		"position(upper(type), 'NULLABLE') >= 1 ? 'YES' : 'NO' AS IS_NULLABLE FROM system.columns WHERE database LIKE 'results' AND table LIKE '%' AND name LIKE '%' ORDER BY TABLE_SCHEM, TABLE_NAME, ORDINAL_POSITION"
	jdbcKeys = "SELECT NULL::Nullable(String) AS TABLE_CAT, system.tables.database AS TABLE_SCHEM, system.tables.name AS TABLE_NAME, trim(c.1) AS COLUMN_NAME, CAST(c.2 AS Int16) AS KEY_SEQ, 'PRIMARY' AS PK_NAME " +
		"FROM system.tables ARRAY JOIN arrayZip(splitByChar(',', primary_key), arrayEnumerate(splitByChar(',', primary_key))) as c WHERE system.tables.primary_key <> '' AND system.tables.database ILIKE 'results' ORDER BY COLUMN_NAME"
	jdbcTypes = "SELECT name AS TYPE_NAME, CAST(0 as Int32) AS DATA_TYPE, CAST(attrs.c2 AS Nullable(Int32)) AS PRECISION, CAST(not(dt.case_insensitive) AS Boolean) AS CASE_SENSITIVE, 3::Int16 AS SEARCHABLE, " +
		"if(empty(alias_to), name, alias_to) AS LOCAL_TYPE_NAME FROM system.data_type_families dt  LEFT JOIN (SELECT * FROM VALUES ( ('Bool',1,false,0,0),('Date',10,false,0,0)) ) as attrs ON (dt.name = attrs.c1) WHERE alias_to == ''  ORDER BY name"
)

// Clients send long parameters as a form, and nothing but a statement and its parameters may be in it.
func TestForms(t *testing.T) {
	p := open(t, Deps{})
	long := strings.Repeat("x", 20_000)
	tests := []struct {
		name, query string
		fields      []string // names and values by turns; a name with @ is that of a file
		status      int
		want        string
	}{
		{"parameters", "database=results", []string{"query", "SELECT length({a:String}), {b:UInt8}", "param_a", long, "param_b", "7"}, 200, "20000\t7\n"},
		{"escaped as in an address", "", []string{"param_a", `it\'s`, "query", "SELECT {a:String}"}, 200, `it\'s`},
		{"statement in the address", "query=SELECT+%7Ba:UInt8%7D", []string{"param_a", "3"}, 200, "3\n"},
		{"half in each", "query=SELECT", []string{"query", "1"}, 200, "1\n"},
		{"rows of jobs that one may see", "", []string{"query", "SELECT job FROM jobs WHERE job > {a:UInt8} ORDER BY job", "param_a", "0"}, 200, "1\n2\n3\n"},
		{"external table", "", []string{"query", "SELECT * FROM t", "@t", "1,2", "t_structure", "a UInt8, b UInt8"}, 501, "external tables are not taken"},
		{"a setting", "", []string{"query", "SELECT 1", "readonly", "0"}, 501, "is neither"},
		{"too much", "", []string{"query", "SELECT 1", "param_a", strings.Repeat("x", maxStatement)}, 400, "more than 262144 bytes"},
	}
	for _, tt := range tests {
		var body strings.Builder
		form := multipart.NewWriter(&body)
		for i := 0; i < len(tt.fields); i += 2 {
			name, file := strings.CutPrefix(tt.fields[i], "@")
			part, err := form.CreateFormField(name)
			if file {
				part, err = form.CreateFormFile(name, "file")
			}
			if err == nil {
				_, err = part.Write([]byte(tt.fields[i+1]))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := form.Close(); err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{0, 10} { // a form without its end is none
			status, want := tt.status, tt.want
			if cut > 0 && status == 200 {
				status, want = 500, "the form cannot be read"
			}
			got := p.ask(t, tt.query, body.String()[:body.Len()-cut], func(r *http.Request) {
				r.SetBasicAuth("alice", p.token("alice"))
				r.Header.Set("Content-Type", form.FormDataContentType())
			})
			if got.status != status || !strings.Contains(got.body, want) {
				t.Errorf("%s, cut by %d: %d %.300q; want %d with %q", tt.name, cut, got.status, got.body, status, want)
			}
		}
	}
}
