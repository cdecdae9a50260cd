package sqldoor

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// place is a door to a lab of four jobs: alice's and bob's, one of each public.
type place struct {
	address string
	key     access.Key
	tokens  map[events.UserName]string
	broker  *eventtest.Broker
	jobs    []events.JobSubmitted
}

// open opens a door. The tables are the same for all tests of this package.
func open(t *testing.T, d Deps) place {
	t.Helper()
	u, err := url.Parse(clickhouse.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/strata"
	db, err := projections.Open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := place{}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var list []stream.Message
	for i, user := range []events.UserName{"alice", "alice", "bob", "bob"} {
		job := events.JobSubmitted{Job: events.JobID(i + 1), Display: fmt.Sprint(i + 1), User: user, Name: "boot", At: at, DeviceType: "qemu", Visibility: events.Visibility{Public: i%2 == 0}}
		p.jobs = append(p.jobs, job)
		header, body, err := events.Encode(job, events.Envelope{ID: fmt.Sprint(i), Time: at})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stream.Message{Stream: stream.Lab, Seq: uint64(i + 1), Subject: "job", Header: header, Data: body, At: at})
	}
	if err := db.Load(t.Context(), slices.Values(list)); err != nil {
		t.Fatal(err)
	}
	p.broker, p.tokens = eventtest.Start(t), map[events.UserName]string{}
	for _, user := range []events.UserName{"alice", "bob", "carol", `x' OR 1 --\`, "*"} {
		secret := access.NewSecret()
		p.tokens[user] = secret
		p.broker.Append(t, events.UserAdded{User: user, By: lab.Local},
			events.TokenIssued{User: user, Token: access.TokenID(secret), SHA256: access.Digest(secret), By: lab.Local})
	}
	if p.key, err = access.OpenKey(filepath.Join(t.TempDir(), "key")); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	d.Log, d.Now = p.broker.Log, time.Now
	d.DB, d.Key, d.Listen, d.Logger = db, p.key, "127.0.0.1:0", slog.New(slog.DiscardHandler)
	d.Ready = func(address string) { ready <- address }
	go func() { ended <- Run(ctx, d) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case p.address = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return p
}

func (p place) token(user events.UserName) string {
	return p.tokens[user]
}

// answer is what a request gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; change may add to it.
func (p place) ask(t *testing.T, query, body string, change func(*http.Request)) answer {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.address+"/?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// Who asks is told by any of the ways that clients have; whom the door does not know gets nothing.
func TestCallers(t *testing.T) {
	p := open(t, Deps{})
	alice := p.token("alice")
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	headers := func(list ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(list); i += 2 {
				r.Header.Set(list[i], list[i+1])
			}
		}
	}
	tests := []struct {
		name, query string
		change      func(*http.Request)
		want        string // of the jobs; empty: refused
	}{
		{"of this machine", "", nil, ""},
		{"of this machine, as clients call themselves", "", headers("X-ClickHouse-User", "default"), ""},
		{"of this machine, by the administrator's name", "", basic("local", ""), ""},
		{"basic", "", basic("alice", alice), "123"},
		{"basic, default", "", basic("default", alice), "123"},
		{"headers", "", headers("X-ClickHouse-User", "alice", "X-ClickHouse-Key", alice), "123"},
		{"key alone", "", headers("X-ClickHouse-Key", alice), "123"},
		{"bearer", "", headers("Authorization", "Bearer "+alice), "123"},
		{"in the address", "user=bob&password=" + url.QueryEscape(p.token("bob")), nil, "134"},
		{"a stranger", "", basic("carol", p.token("carol")), "13"},
		{"odd name", "", headers("X-ClickHouse-Key", p.token(`x' OR 1 --\`)), "13"},
		{"the name of everybody", "", headers("X-ClickHouse-Key", p.token("*")), "13"},
		{"another's token", "", basic("bob", alice), ""},
		{"a wrong token", "", basic("alice", alice+"x"), ""},
		{"a password", "", basic("default", "secret"), ""},
		{"the administrator's credential", "", basic("local", p.key.Administrator()), "1234"},
		{"a signed token of another", "", headers("X-ClickHouse-Key", p.key.Token(access.Principal{Role: access.Person, User: "alice"})), ""},
		{"a worker's token", "", headers("X-ClickHouse-Key", p.key.Token(access.Principal{Role: access.Worker, Worker: "w1"})), ""},
		{"a job's token", "", headers("X-ClickHouse-Key", p.key.Token(access.Principal{Role: access.Job, Job: 1, Lease: 1, User: "alice"})), ""},
		{"a name without token", "", basic("alice", ""), ""},
		{"through a proxy", "", headers("X-Forwarded-For", "10.0.0.1", "X-ClickHouse-Key", alice), "123"},
	}
	for _, tt := range tests {
		got := p.ask(t, tt.query, "SELECT job FROM jobs ORDER BY job", tt.change)
		if body := strings.ReplaceAll(got.body, "\n", ""); tt.want != "" && (got.status != 200 || body != tt.want) {
			t.Errorf("%s: %d %q; want %s", tt.name, got.status, got.body, tt.want)
		}
		if tt.want == "" && (got.status != 403 || got.header.Get("X-ClickHouse-Exception-Code") != "516") {
			t.Errorf("%s: %d %q; want AUTHENTICATION_FAILED", tt.name, got.status, got.body)
		}
	}
}

// A token counts until it is revoked, expires, or its user is shut out.
func TestPeople(t *testing.T) {
	p := open(t, Deps{})
	jobs := func(token string) string {
		got := p.ask(t, "", "SELECT job FROM jobs ORDER BY job", func(r *http.Request) { r.Header.Set("X-ClickHouse-Key", token) })
		if got.status != 200 {
			return got.header.Get("X-ClickHouse-Exception-Code")
		}
		return strings.ReplaceAll(got.body, "\n", "")
	}
	becomes := func(what, token, want string) {
		t.Helper()
		deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
		defer stop()
		got := ""
		for got = jobs(token); got != want && deadline.Err() == nil; {
			got = jobs(token)
		}
		if got != want {
			t.Errorf("%s: %s; want %s", what, got, want)
		}
	}
	becomes("carol", p.token("carol"), "13")
	expired, narrow := access.NewSecret(), access.NewSecret()
	p.broker.Append(t,
		events.TokenIssued{User: "alice", Token: access.TokenID(expired), SHA256: access.Digest(expired), Expires: time.Now().Add(-time.Hour), By: lab.Local},
		events.TokenIssued{User: "alice", Token: access.TokenID(narrow), SHA256: access.Digest(narrow), Scopes: []events.Scope{events.ScopeView}, By: lab.Local},
		events.TokenRevoked{User: "carol", Token: access.TokenID(p.token("carol")), By: lab.Local})
	becomes("carol, revoked", p.token("carol"), "516")
	becomes("alice, to view only", narrow, "123")
	becomes("alice, expired", expired, "516")
	p.broker.Append(t, events.DeviceTypeAdded{DeviceType: "secret", By: lab.Local},
		events.PermissionsSet{Kind: events.DeviceType, Name: "secret", Permissions: []events.Permission{{Group: "makers", Permission: "view_devicetype"}}, By: lab.Local})
	becomes("alice, where a type is hidden from her", p.token("alice"), "12")
	p.broker.Append(t, events.UserConfigured{User: "bob", Inactive: true, By: lab.Local}, events.UserConfigured{User: "alice", Superuser: true, By: lab.Local})
	becomes("bob, inactive", p.token("bob"), "516")
	becomes("alice, who may do everything", p.token("alice"), "1234")
}

// The policies and lab.Can know the same.
func TestAgreesWithCan(t *testing.T) {
	p := open(t, Deps{})
	fold := lab.New()
	for i, j := range p.jobs {
		fold.Evolve(uint64(i+1), j.At, j)
	}
	for _, user := range []events.UserName{"alice", "bob", "carol"} {
		want := ""
		for _, j := range p.jobs {
			if fold.Can(user, lab.View, events.Entity{Kind: events.Job, ID: j.Job.String()}) {
				want += j.Job.String() + "\n"
			}
		}
		got := p.ask(t, "", "SELECT job FROM jobs ORDER BY job", func(r *http.Request) { r.SetBasicAuth(string(user), p.token(user)) })
		if got.body != want {
			t.Errorf("%s sees %q; lab.Can says %q", user, got.body, want)
		}
	}
}

func TestHTTP(t *testing.T) {
	p := open(t, Deps{})
	zip := func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip, deflate") }
	tests := []struct {
		name, query, body string
		change            func(*http.Request)
		status            int
		want              string // in the body
		header            [2]string
	}{
		{"ping of the root", "", "", nil, 200, "Ok.", [2]string{}},
		{"query in the address", "query=SELECT+1", "", nil, 200, "1\n", [2]string{"Content-Type", "text/tab-separated-values; charset=UTF-8"}},
		{"half in each", "query=SELECT", "1", nil, 200, "1\n", [2]string{"X-ClickHouse-Format", "TabSeparated"}},
		{"parameters", "param_x=a%5C%27b&param_n=7", "SELECT {x:String}, {n:UInt8} FORMAT CSV", nil, 200, "\"a'b\",7", [2]string{"X-ClickHouse-Format", "CSV"}},
		{"format by name", "default_format=JSONCompact", "SELECT 1 AS a", nil, 200, `"name": "a"`, [2]string{"Content-Type", "application/json; charset=UTF-8"}},
		{"format by header", "", "SELECT 1 AS a", func(r *http.Request) { r.Header.Set("X-ClickHouse-Format", "JSONEachRow") }, 200, `{"a":1}`, [2]string{}},
		{"statement's own format wins", "default_format=CSV", "SELECT 'a' FORMAT TSV", nil, 200, "a\n", [2]string{}},
		{"Parquet", "default_format=Parquet", "SELECT job, name FROM jobs", nil, 200, "PAR1", [2]string{"Content-Type", "application/octet-stream"}},
		{"Arrow", "default_format=ArrowStream", "SELECT job FROM jobs", nil, 200, "job", [2]string{}},
		{"no statistics", "default_format=JSON", "SELECT count() FROM jobs", nil, 200, `"rows": 1`, [2]string{}},
		{"query id", "query=SELECT+1&query_id=mine", "", nil, 200, "1", [2]string{"X-ClickHouse-Query-Id", "mine"}},
		{"gzip", "", "SELECT 'zipped'", zip, 200, "zipped", [2]string{"Content-Encoding", "gzip"}},
		{"settings", "output_format_json_quote_64bit_integers=1&default_format=JSONEachRow&session_id=s&wait_end_of_query=1&max_threads=9", "SELECT 1::UInt64 AS a", nil, 200, `"1"`, [2]string{}},
		{"session time zone", "session_timezone=Asia%2FTokyo", "SELECT toString(toDateTime(0))", nil, 200, "1970-01-01 09:00:00", [2]string{}},
		{"database", "database=results", "SELECT count() FROM jobs", nil, 200, "4", [2]string{}},
		{"another database", "database=strata", "SELECT count() FROM job_state", nil, 404, "UNKNOWN_DATABASE", [2]string{}},
		{"unknown table", "", "SELECT * FROM nothing", nil, 404, "UNKNOWN_TABLE", [2]string{"X-ClickHouse-Exception-Code", "60"}},
		{"wrong syntax", "", "SELEKT 1", nil, 400, "SYNTAX_ERROR", [2]string{"X-ClickHouse-Exception-Code", "62"}},
		{"forbidden function", "", "SELECT file('/etc/passwd')", nil, 403, "ACCESS_DENIED", [2]string{"X-ClickHouse-Exception-Code", "497"}},
		{"forbidden setting", "additional_table_filters=%7B%7D", "SELECT 1", nil, 403, "READONLY", [2]string{"X-ClickHouse-Exception-Code", "164"}},
		{"insert", "query=INSERT+INTO+jobs+FORMAT+CSV", "1,2", nil, 403, "nothing is inserted here", [2]string{}},
		{"database twice", "database=results", "SELECT count() FROM jobs", func(r *http.Request) { r.Header.Set("X-ClickHouse-Database", "results") }, 200, "4", [2]string{}},
		{"too long", "", "SELECT '" + strings.Repeat("x", maxStatement) + "'", nil, 400, "262144 bytes", [2]string{}},
		{"broken blocks", "decompress=1", "SELECT 1", nil, 500, "cannot be read", [2]string{}},
		{"wrong version", "client_protocol_version=x", "SELECT 1", nil, 400, "is no number", [2]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := p.ask(t, tt.query, tt.body, func(r *http.Request) {
				r.Header.Set("X-ClickHouse-Key", p.key.Administrator())
				if tt.change != nil {
					tt.change(r)
				}
			})
			if got.header.Get("Content-Encoding") == "gzip" {
				z, err := gzip.NewReader(strings.NewReader(got.body))
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				got.body = string(text)
			}
			if got.status != tt.status || !strings.Contains(got.body, tt.want) || strings.Contains(got.body, "rows_read") {
				t.Errorf("%d %.300q; want %d with %q", got.status, got.body, tt.status, tt.want)
			}
			if name := tt.header[0]; name != "" && got.header.Get(name) != tt.header[1] {
				t.Errorf("header %s is %q; want %q", name, got.header.Get(name), tt.header[1])
			}
		})
	}
}

// Many statements of one caller wait for each other, and leave places to others.
func TestTurns(t *testing.T) {
	turns := newTurns()
	var held []func()
	for range atOnceOfEach {
		done, err := turns.take(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, done)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(gone, "alice"); err == nil {
		t.Error("alice has one place more than she may have")
	}
	done, err := turns.take(t.Context(), "bob")
	if err != nil {
		t.Fatalf("bob has to wait for alice: %v", err)
	}
	done()
	waiting := make(chan error, 1)
	go func() {
		done, err := turns.take(t.Context(), "alice")
		if err == nil {
			done()
		}
		waiting <- err
	}()
	for _, done := range held {
		done()
	}
	if err := <-waiting; err != nil {
		t.Errorf("who waited got %v", err)
	}
	if len(turns.each) != 0 || len(turns.all) != 0 {
		t.Errorf("places are held by nobody: %d callers, %d places", len(turns.each), len(turns.all))
	}
}
