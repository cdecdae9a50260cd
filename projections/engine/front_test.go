package engine

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, method, query, body string
		want                      statement
		rows                      string
	}{
		{"query in the body", "POST", "database=d&max_threads=2&param_x=1", "SELECT {x:UInt8}", statement{
			text: "SELECT {x:UInt8}", format: "TabSeparated", asked: asked{"d", "", map[string]string{"max_threads": "2"}}, params: parameters{"x": "1"}}, ""},
		{"query in the address", "GET", "query=SELECT+1&default_format=Native&client_protocol_version=54460", "", statement{
			text: "SELECT 1", format: "Native", protocol: "54460", asked: asked{"", "", map[string]string{"readonly": "2"}}, params: parameters{}}, ""},
		{"rows in the body", "POST", "query=INSERT+INTO+t+(a)+FORMAT+CSV&insert_deduplication_token=k", "1\n2\n", statement{
			text: "INSERT INTO t (a)", format: "CSV", token: "k", asked: asked{"", "", map[string]string{}}, params: parameters{}}, "1\n2\n"},
		{"half in each", "POST", "query=SELECT", "1", statement{
			text: "SELECT\n1", format: "TabSeparated", asked: asked{"", "", map[string]string{}}, params: parameters{}}, ""},
		{"the client's own options are no settings", "POST", "quota_key=a&query_id=b&compress=1&session_id=c&role=d", "SELECT 1", statement{
			text: "SELECT 1", format: "TabSeparated", asked: asked{"", "d", map[string]string{}}, params: parameters{}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(httptest.NewRequest(tt.method, "/?"+tt.query, strings.NewReader(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			rows := ""
			if got.rows != nil {
				all, err := io.ReadAll(got.rows)
				if err != nil {
					t.Fatal(err)
				}
				rows, got.rows = string(all), nil
			}
			if !reflect.DeepEqual(got, tt.want) || rows != tt.rows {
				t.Errorf("parse\n got %+v %q\nwant %+v %q", got, rows, tt.want, tt.rows)
			}
		})
	}
}

func TestRequestBody(t *testing.T) {
	const text = "SELECT 'a text that is long enough to be compressed' -- compressed compressed compressed"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := io.WriteString(z, text)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	blocks := compress.NewWriter(compress.LevelZero, compress.ZSTD)
	if err := blocks.Compress([]byte(text)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, query, encoding string
		body                  []byte
		fails                 bool
	}{
		{"plain", "", "", []byte(text), false},
		{"gzip", "", "gzip", zipped.Bytes(), false},
		{"blocks", "decompress=1", "", blocks.Data, false},
		{"not gzip", "", "gzip", []byte(text), true},
		{"brotli", "", "br", []byte(text), true},
		{"broken block", "decompress=1", "", blocks.Data[:len(blocks.Data)-3], true},
		{"block with a wrong sum", "decompress=1", "", append([]byte{blocks.Data[0] + 1}, blocks.Data[1:]...), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/?"+tt.query, bytes.NewReader(tt.body))
			r.Header.Set("Content-Encoding", tt.encoding)
			got, err := parse(r)
			if tt.fails != (err != nil) {
				t.Fatalf("parse: %v; want an error: %t", err, tt.fails)
			}
			if err == nil && got.text != text {
				t.Errorf("text = %q; want %q", got.text, text)
			}
		})
	}
}

func TestSettingOrder(t *testing.T) {
	got := settingOrder(map[string]string{"readonly": "1", "b": "", "z": "", "a": ""})
	if want := []string{"a", "b", "z", "readonly"}; !reflect.DeepEqual(got, want) {
		t.Errorf("order %v; want %v: nothing can be set after readonly", got, want)
	}
	one := asked{"d", "r", map[string]string{"a": "1", "b": "2"}}.key()
	for _, other := range []string{asked{"d", "r", map[string]string{"a": "1"}}.key(), asked{"", "r", map[string]string{"a": "1", "b": "2"}}.key(),
		asked{"d", "", map[string]string{"a": "1", "b": "2"}}.key(), asked{"d", "r", map[string]string{"a": "1 b=2"}}.key()} {
		if one == other {
			t.Errorf("two kinds of sessions have the key %s", one)
		}
	}
}

func TestMayStream(t *testing.T) {
	for statement, want := range map[string]bool{
		"SELECT 1": true, "  select 1": true, "/* a */ -- b\n (SELECT 1)": true, "WITH x AS (SELECT 1) SELECT * FROM x": true,
		"FROM t SELECT a": true, "INSERT INTO t SELECT 1": false, "SELECTED": false, "SHOW TABLES": false, "": false, "-- SELECT": false,
	} {
		if got := mayStream.MatchString(statement); got != want {
			t.Errorf("mayStream %q = %t; want %t", statement, got, want)
		}
	}
	for statement, want := range map[string]bool{"SET a = 1": true, "use d": true, "CREATE TEMPORARY TABLE t (a Int8)": true, "CREATE TABLE t": false, "SETTLE": false} {
		if got := changesSession.MatchString(statement); got != want {
			t.Errorf("changesSession %q = %t; want %t", statement, got, want)
		}
	}
}

func TestReplyFails(t *testing.T) {
	failure := errors.New("Code: 60. DB::Exception: no such table. (UNKNOWN_TABLE)")
	early := httptest.NewRecorder()
	newReply(early, httptest.NewRequest(http.MethodPost, "/?compress=1", nil)).fail(failure)
	if early.Code != http.StatusInternalServerError || early.Header().Get("X-ClickHouse-Exception-Code") != "60" || !strings.HasPrefix(early.Body.String(), "Code: 60.") {
		t.Errorf("before the first byte: %d, %v, %q", early.Code, early.Header(), early.Body)
	}
	late := httptest.NewRecorder()
	out := newReply(late, httptest.NewRequest(http.MethodPost, "/", nil))
	if err := out.write([]byte("rows")); err != nil {
		t.Fatal(err)
	}
	out.fail(failure)
	tag := late.Header().Get("X-ClickHouse-Exception-Tag")
	want := "rows\r\n__exception__\r\n" + tag + "\r\n" + failure.Error() + "\n" // and its length, the tag, the marker
	if late.Code != http.StatusOK || len(tag) != 16 || !strings.HasPrefix(late.Body.String(), want) || !strings.HasSuffix(late.Body.String(), tag+"\r\n__exception__\r\n") {
		t.Errorf("after the first byte: %d %q", late.Code, late.Body)
	}
}

func TestFrontRefuses(t *testing.T) {
	f := &front{}
	for _, tt := range []struct {
		method, path string
		want         int
	}{{"GET", "/ping", 200}, {"GET", "/play", 404}, {"DELETE", "/", 405}} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want {
			t.Errorf("%s %s = %d; want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a'b", `\`, "`", `'; DROP TABLE t --`, "\x00\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, q := range []string{quote(s), quoteName(s)} {
			mark := q[:1]
			inner := q[1 : len(q)-1]
			if strings.Contains(strings.NewReplacer(`\\`, "", `\`+mark, "").Replace(inner), mark) {
				t.Errorf("%q quoted is %s, which ends before its end", s, q)
			}
		}
	})
}

func TestFreeAddress(t *testing.T) {
	got, err := freeAddress("")
	if u, perr := url.Parse("http://" + got); err != nil || perr != nil || u.Hostname() != "127.0.0.1" || u.Port() == "0" {
		t.Errorf("freeAddress of nothing = %q, %v; want a port on loopback", got, err)
	}
	if got, err := freeAddress("127.0.0.1:8123"); err != nil || got != "127.0.0.1:8123" {
		t.Errorf("freeAddress of an address = %q, %v; want it", got, err)
	}
	if _, err := freeAddress("8123"); err == nil {
		t.Error("an address without a host was taken")
	}
}
