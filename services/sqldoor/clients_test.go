package sqldoor

import (
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

// What clients ask when they connect, as their published sources have it.
func TestClientsConnect(t *testing.T) {
	p := open(t, Deps{})
	const native = "FORMAT Native"
	tests := []struct {
		client, query, body string
		want                string
	}{
		// clickhouse-connect 0.7–0.9 (Python): httpclient.py and client.py.
		{"clickhouse-connect", "session_id=9f2c&wait_end_of_query=1&send_progress_in_http_headers=1", "SELECT version(), timezone()\n " + native, "UTC"},
		{"clickhouse-connect", "session_id=9f2c", "SELECT name, value, readonly as readonly FROM system.settings LIMIT 10000\n " + native, "max_threads"},
		// It looks for the block header of that revision, and goes on without where there is none.
		{"clickhouse-connect", "client_protocol_version=54405&database=results", "SELECT 1 AS check\n " + native, "check"},
		{"clickhouse-connect", "database=results&param_u=alice&send_progress_in_http_headers=0&http_headers_progress_interval_ms=120000&date_time_input_format=best_effort", "SELECT job FROM jobs WHERE user = {u:String}\n " + native, "job"},
		{"clickhouse-connect, describing", "", "DESCRIBE TABLE `results`.`jobs`\n " + native, "submitted_at"},
		// clickhouse-java 0.8–0.9, client-v2 and JDBC.
		{"JDBC", "default_format=RowBinaryWithNamesAndTypes&compress=0&session_timezone=UTC", "SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1", "timezone"},
		{"JDBC", "default_format=RowBinaryWithNamesAndTypes", "SELECT 1", "UInt8"},
		{"JDBC, tables", "default_format=RowBinaryWithNamesAndTypes", "SELECT '' AS TABLE_CAT, t.database AS TABLE_SCHEM, t.name AS TABLE_NAME, CASE WHEN t.engine LIKE '%View' THEN 'VIEW' ELSE 'TABLE' END AS TABLE_TYPE, t.comment AS REMARKS FROM system.tables t JOIN system.databases d ON system.tables.database = system.databases.name WHERE t.database LIKE '%' AND t.name LIKE '%'", "job_transitions"},
		{"JDBC, columns", "default_format=RowBinaryWithNamesAndTypes", "SELECT database AS TABLE_SCHEM, table AS TABLE_NAME, name AS COLUMN_NAME, type AS TYPE_NAME, position AS ORDINAL_POSITION, comment AS REMARKS FROM system.columns WHERE database LIKE 'results' ORDER BY TABLE_SCHEM, TABLE_NAME, ORDINAL_POSITION", "wait_seconds"},
		// grafana-clickhouse-datasource 4: CHDatasource.ts; its back end is clickhouse-go.
		{"Grafana", "default_format=JSON", "SELECT 1", `"1"`},
		{"Grafana", "default_format=TSV", "SHOW DATABASES", "results"},
		{"Grafana", "default_format=TSV", `SHOW TABLES FROM "results"`, "test_cases"},
		{"Grafana", "default_format=TSV", `DESC TABLE "results"."jobs"`, "Nullable(Float64)"},
		{"Grafana", "default_format=TSV", "SELECT timezone()", "UTC"},
		{"Grafana", "default_format=TSV", "SELECT version()", "26."},
		{"Grafana, filters", "default_format=TSV", "SELECT name, type, table FROM system.columns WHERE database IN ('results') AND table = 'jobs'", "device_type"},
		{"Grafana, filters", "default_format=TSV", "SELECT distinct device_type AS value FROM results.jobs LIMIT 1000", "qemu"},
		{"Grafana, a panel", "default_format=JSON&max_execution_time=60", "SELECT toStartOfInterval(toDateTime(submitted_at), INTERVAL 60 second) as time, count() AS jobs FROM results.jobs WHERE submitted_at >= toDateTime(0) GROUP BY time ORDER BY time", "jobs"},
		// @clickhouse/client (JavaScript).
		{"JavaScript", "default_format=JSONEachRow&enable_http_compression=1&query_id=1b&send_progress_in_http_headers=0", "SELECT number FROM system.numbers LIMIT 2 FORMAT JSONEachRow", `{"number":1}`},
		// Superset and Metabase look for schemas here.
		{"information_schema", "default_format=TSV", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'results'", "jobs"},
	}
	for _, tt := range tests {
		got := p.ask(t, tt.query, tt.body, func(r *http.Request) {
			r.SetBasicAuth("alice", p.token("alice"))
			r.Header.Set("User-Agent", tt.client)
			r.Header.Set("Accept-Encoding", "lz4, zstd") // neither is had; the answer then comes as it is
		})
		if got.status != 200 || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s: %s: %d %.300q; want %q in it", tt.client, tt.body, got.status, got.body, tt.want)
		}
	}
}
