package sqldoor

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Versions of clients whose requests stand in TestClientsConnect.
const javascriptClient = "@clickhouse/client@1.23.1"

// The clients themselves connect, ask, and read answers and errors.
func TestRealClients(t *testing.T) {
	if os.Getenv("STRATA_TEST_ALL") != "1" {
		t.Skip("SKIPPED: gets a client with npm; `make test-all` runs it, and so does STRATA_TEST_ALL=1")
	}
	p := open(t, Deps{})
	const want = `{"jobs":["1","2","3"],"param":"it's","error":"60"}`
	t.Run("JavaScript", func(t *testing.T) {
		dir := t.TempDir()
		install := exec.CommandContext(t.Context(), "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, javascriptClient)
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: npm does not bring %s: %v\n%s", javascriptClient, err, out)
		}
		script := filepath.Join(dir, "ask.js")
		ask(t, p, want, script, `
const { createClient } = require('@clickhouse/client');
(async () => {
	const c = createClient({ url: 'http://' + process.env.DOOR, username: 'alice', password: process.env.TOKEN, database: 'results', compression: { response: true } });
	if (!(await c.ping({ select: true })).success) throw new Error('no ping');
	const jobs = (await (await c.query({ query: 'SELECT toString(job) AS job FROM jobs ORDER BY job', format: 'JSONEachRow' })).json()).map(r => r.job);
	const param = (await (await c.query({ query: 'SELECT {p:String} AS p', query_params: { p: "it's" } })).json()).data[0].p;
	let error;
	try { await c.query({ query: 'SELECT * FROM nothing' }) } catch (e) { error = e.code }
	console.log(JSON.stringify({ jobs, param, error }));
	await c.close();
})();
`, "node", script)
	})
	t.Run("Python", func(t *testing.T) {
		if out, err := exec.CommandContext(t.Context(), "python3", "-c", "import clickhouse_connect").CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: python3 has no clickhouse_connect: %v\n%s", err, out)
		}
		script := filepath.Join(t.TempDir(), "ask.py")
		ask(t, p, want, script, `
import json, os
import clickhouse_connect
host, port = os.environ['DOOR'].split(':')
long = 'x' * 20000 # makes the client send a form
c = clickhouse_connect.get_client(host=host, port=int(port), username='alice', password=os.environ['TOKEN'], database='results')
jobs = [str(r[0]) for r in c.query('SELECT job FROM jobs ORDER BY job').result_rows]
param, size = c.query('SELECT {p:String}, length({l:String})', parameters={'p': "it's", 'l': long}).result_rows[0]
assert size == len(long), size
error = None
try:
    c.query('SELECT * FROM nothing')
except clickhouse_connect.driver.exceptions.DatabaseError as e:
    error = str(e).split('code: ')[1].split(',')[0]
print(json.dumps({'jobs': jobs, 'param': param, 'error': error}))
`, "python3", script)
	})
}

// ask runs a client's script on a door; the last line that it prints must be the JSON wanted.
func ask(t *testing.T, p place, want, file, script string, command ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "DOOR="+p.address, "TOKEN="+p.token("alice"))
	out, err := cmd.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var got any
	if err != nil || json.Unmarshal([]byte(lines[len(lines)-1]), &got) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if g, w := flat(t, got), flat(t, wanted); g != w {
		t.Errorf("the client says %s; want %s", g, w)
	}
}

func flat(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
