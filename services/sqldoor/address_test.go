package sqldoor

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strata/projections/gate"
)

// What needs no credential and no engine: signs of life, wrong addresses and methods.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for ask, want := range map[string]string{
		"GET /": "200 Ok.\n", "GET /ping": "200 Ok.\n", "HEAD /ping": "200 Ok.\n", "GET /ping?user=x": "200 Ok.\n", "GET /replicas_status": "200 Ok.\n",
		"GET /play": "404 there are only", "POST /ping/": "404 there are only", "GET //": "404 there are only",
		"DELETE /?query=SELECT+1": "405 GET and POST only", "OPTIONS /": "405 GET and POST only",
	} {
		method, path, _ := strings.Cut(ask, " ")
		w := httptest.NewRecorder()
		(&handler{}).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if got := w.Result().Status[:3] + " " + w.Body.String(); !strings.HasPrefix(got, want) || w.Header().Get("X-ClickHouse-Server-Display-Name") != "strata" {
			t.Errorf("%s: got %q (%v), want %q", ask, got, w.Header(), want)
		}
	}
}

// Errors have ClickHouse's codes, in the header and in the text, and its statuses; formats its types.
func TestAnswersInClickHousesWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		code   string
		text   string
	}{
		{&gate.Refused{Code: 62, Name: "SYNTAX_ERROR", Message: "no"}, 400, "62", "Code: 62. DB::Exception: no. (SYNTAX_ERROR)"},
		{&gate.Refused{Code: 516, Name: "AUTHENTICATION_FAILED", Message: "no"}, 403, "516", "(AUTHENTICATION_FAILED)"},
		{errors.New("Code: 60. DB::Exception: no table"), 404, "60", "no table"},
		{errors.New("Code: 159. DB::Exception: slow"), 408, "159", "slow"},
		{io.ErrUnexpectedEOF, 500, "1002", "Code: 1002. DB::Exception: unexpected EOF. (UNKNOWN_EXCEPTION)"},
	} {
		w := httptest.NewRecorder()
		fail(w, tt.err)
		asks := w.Header().Get("WWW-Authenticate") != ""
		if w.Code != tt.status || w.Header().Get("X-ClickHouse-Exception-Code") != tt.code || !strings.Contains(w.Body.String(), tt.text) || asks != (tt.code == "516") {
			t.Errorf("%v: got %d %v %s, want %d with code %s and %q", tt.err, w.Code, w.Header(), w.Body, tt.status, tt.code, tt.text)
		}
	}
	for format, want := range map[string]string{"JSONEachRow": "application/x-ndjson", "JSONLines": "application/x-ndjson", "JSON": "application/json", "JSONCompact": "application/json",
		"CSV": "text/csv; charset=UTF-8; header=absent", "CSVWithNames": "text/csv; charset=UTF-8; header=present", "TSV": "text/tab-separated-values", "TabSeparatedWithNames": "text/tab-separated-values",
		"PrettyCompact": "text/plain", "Vertical": "text/plain", "RawBLOB": "text/plain", "XML": "application/xml", "Native": "application/octet-stream", "Parquet": "application/octet-stream"} {
		if got := contentType(format); !strings.HasPrefix(got, want) {
			t.Errorf("type of %s: got %s, want %s", format, got, want)
		}
	}
	// A statement cannot come compressed in a form, and brings no tables.
	form := "--X\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--X--\r\n"
	for path, want := range map[string]string{"/?decompress=1": "cannot be compressed", "/": "external tables are not taken"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
		var refused *gate.Refused
		if _, err := read(r); !errors.As(err, &refused) || refused.Code != 48 || !strings.Contains(refused.Message, want) {
			t.Errorf("a form at %s: %v, want code 48 with %q", path, err, want)
		}
	}
}
