package sqldoor

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"strata/projections"
	"strata/projections/engine"
	"strata/projections/gate"
)

// maxStatement bounds the text of a statement: ClickHouse's own bound, max_query_size.
const maxStatement = 256 << 10

// handler answers requests of ClickHouse's HTTP interface.
type handler struct {
	Deps
	door   *projections.Door
	turns  *turns
	people *people
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Server-Display-Name", "strata")
	switch {
	case r.URL.Path == "/ping" || r.URL.Path == "/replicas_status":
		_, _ = io.WriteString(w, "Ok.\n") // the client has gone; nothing is lost
		return
	case r.URL.Path != "/":
		http.Error(w, "there are only /, /ping and /replicas_status here", http.StatusNotFound)
		return
	case r.Method == http.MethodGet && r.URL.RawQuery == "":
		_, _ = io.WriteString(w, "Ok.\n") // as ClickHouse does
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		http.Error(w, "GET and POST only", http.StatusMethodNotAllowed)
		return
	}
	viewer, err := h.viewer(r)
	if err != nil {
		fail(w, &gate.Refused{Code: codeAuthentication, Name: "AUTHENTICATION_FAILED", Message: err.Error()})
		return
	}
	visit, err := read(r)
	if err != nil {
		fail(w, err)
		return
	}
	visit.Viewer = viewer
	done, err := h.turns.take(r.Context(), viewer.User)
	if err != nil {
		return // nobody is there any more
	}
	defer done()
	answer, err := h.door.Ask(r.Context(), visit)
	if err != nil {
		if errors.Is(err, projections.ErrAway) {
			h.Logger.Warn("SQL not answered", "error", err)
			err = &gate.Refused{Code: codeNetwork, Name: "NETWORK_ERROR", Message: projections.ErrAway.Error()}
		}
		fail(w, err)
		return
	}
	defer answer.Body.Close()
	header := w.Header()
	for name, values := range answer.Header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	id := r.URL.Query().Get("query_id")
	if id == "" || len(id) > 200 || strings.ContainsAny(id, "\r\n") {
		id = rand.Text()
	}
	header.Set("X-ClickHouse-Query-Id", id)
	header.Set("X-ClickHouse-Format", answer.Format)
	header.Set("X-ClickHouse-Timezone", "UTC")
	// How much was read tells of rows that the caller may not see.
	header.Set("X-ClickHouse-Summary", `{"read_rows":"0","read_bytes":"0","written_rows":"0","written_bytes":"0","total_rows_to_read":"0","result_rows":"0","result_bytes":"0","elapsed_ns":"0"}`)
	header.Set("Content-Type", contentType(answer.Format))
	header.Set("X-Content-Type-Options", "nosniff")
	if _, err := io.Copy(w, answer.Body); err != nil && r.Context().Err() == nil {
		h.Logger.Warn("answer cut short", "error", err)
		panic(http.ErrAbortHandler) // else the client takes a part for the whole
	}
}

// options are values of the address that are no settings, and are read elsewhere or mean nothing here.
var options = map[string]bool{
	"query": true, "default_format": true, "client_protocol_version": true, "compress": true, "decompress": true, "query_id": true,
	"quota_key": true, "user": true, "password": true, "session_id": true, "session_timeout": true, "session_check": true,
	"close_session": true, "wait_end_of_query": true, "buffer_size": true, "stacktrace": true, "network_compression_method": true,
	"network_zstd_compression_level": true, "enable_http_compression": true,
}

// read reads a request as ClickHouse's HTTP interface defines it: a statement in the address, in the body
// or half in each, or as a form with its parameters.
func read(r *http.Request) (projections.Visit, error) {
	values := r.URL.Query()
	form, isForm, err := formReader(r)
	if err != nil {
		return projections.Visit{}, err
	}
	if isForm {
		if err := readForm(form, values); err != nil {
			return projections.Visit{}, err
		}
	}
	v := projections.Visit{Text: values.Get("query"), Format: values.Get("default_format"), Protocol: values.Get("client_protocol_version"),
		Params: map[string]string{}, Settings: map[string]string{}}
	for name, all := range values {
		value := all[len(all)-1]
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			v.Params[param] = value
		} else if !options[name] && name != "database" {
			v.Settings[name] = value
		}
	}
	if v.Format == "" {
		v.Format = r.Header.Get("X-ClickHouse-Format")
	}
	if _, err := strconv.ParseUint(v.Protocol, 10, 32); v.Protocol != "" && err != nil {
		return v, &gate.Refused{Code: 36, Name: "BAD_ARGUMENTS", Message: fmt.Sprintf("client_protocol_version %q is no number", v.Protocol)}
	}
	if database := cmp.Or(values.Get("database"), r.Header.Get("X-ClickHouse-Database")); database != "" && database != "default" && database != projections.Published {
		return v, &gate.Refused{Code: 81, Name: "UNKNOWN_DATABASE", Message: fmt.Sprintf("Database %s does not exist; there is %s", database, projections.Published)}
	}
	switch {
	case values.Get("compress") != "1":
		v.Gzip = strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	case strings.EqualFold(values.Get("network_compression_method"), "ZSTD"):
		v.Blocks = "ZSTD"
	default:
		v.Blocks = "LZ4"
	}
	if isForm {
		return v, nil // nothing is left in the body
	}
	body, err := engine.RequestBody(r)
	if err != nil {
		return v, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxStatement+1))
	if err != nil && !errors.Is(err, io.EOF) { // a compressed body wraps its end
		return v, &gate.Refused{Code: 1000, Name: "POCO_EXCEPTION", Message: "the request cannot be read"}
	}
	if len(v.Text) > 0 && len(text) > 0 {
		v.Text += "\n"
	}
	v.Text += string(text)
	if len(v.Text) > maxStatement {
		return v, &gate.Refused{Code: 62, Name: "SYNTAX_ERROR", Message: fmt.Sprintf("Syntax error: the statement has more than %d bytes", maxStatement)}
	}
	return v, nil
}

// ClickHouse's codes that the door gives by itself (src/Common/ErrorCodes.cpp).
const (
	codeAuthentication = 516
	codeNetwork        = 210
)

// status is the HTTP status of a code, where it is not 500 (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
var status = map[int]int{
	36: 400, 43: 400, 46: 404, 47: 404, 48: 501, 60: 404, 62: 400, 73: 400, 81: 404, 115: 404, 158: 413, 159: 408, 164: 403, 241: 500,
	396: 413, codeAuthentication: 403, 497: 403, codeNetwork: 503,
}

// fail ends a response with an error in ClickHouse's words.
func fail(w http.ResponseWriter, err error) {
	text, code := err.Error(), 1002
	var gated *gate.Refused
	var refused *projections.Refusal
	switch {
	case errors.As(err, &gated):
		code = gated.Code
	case errors.As(err, &refused) && refused.Code != 0:
		code = refused.Code
	default:
		if _, scan := fmt.Sscanf(text, "Code: %d.", &code); scan != nil {
			text = "Code: 1002. DB::Exception: " + text + ". (UNKNOWN_EXCEPTION)"
		}
	}
	if code == codeAuthentication {
		w.Header().Set("WWW-Authenticate", `Basic realm="strata"`)
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	of := status[code]
	if of == 0 {
		of = http.StatusInternalServerError
	}
	w.WriteHeader(of)
	_, _ = io.WriteString(w, text+"\n") // a client that has gone does not read it
}

// contentType is what ClickHouse says of a format.
func contentType(format string) string {
	lower := strings.ToLower(format)
	switch {
	case strings.HasPrefix(lower, "json") && strings.Contains(lower, "eachrow"), lower == "ndjson", lower == "jsonlines", lower == "jsonl":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(lower, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(lower, "csv"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(lower, "withnames")]
	case strings.HasPrefix(lower, "tsv"), strings.HasPrefix(lower, "tabseparated"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(lower, "pretty"), lower == "vertical", lower == "values", lower == "tskv", lower == "markdown", strings.HasPrefix(lower, "raw"):
		return "text/plain; charset=UTF-8"
	case lower == "xml":
		return "application/xml; charset=UTF-8"
	}
	return "application/octet-stream"
}
