package engine

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// maxStatement bounds the text of a statement. ClickHouse's own bound on a parsed query is 256 KiB
// by default; inline data of an INSERT comes on top.
const maxStatement = 64 << 20

// statement is what one request asks for.
type statement struct {
	text   string
	format string // of the output, or of the rows in rows
	asked
	params   parameters
	token    string    // insert_deduplication_token: new each time, so no part of the session's key
	rows     io.Reader // nil, or what an INSERT … FORMAT reads
	protocol string    // client_protocol_version
}

// options are values of the URL that mean something to the front or nothing here; every other value
// is a setting of the engine, as ClickHouse's HTTP interface has it.
var options = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true,
	"compress": true, "decompress": true, "query_id": true, "quota_key": true, "user": true,
	"password": true, "role": true, "session_id": true, "session_timeout": true, "session_check": true,
	"close_session": true, "wait_end_of_query": true, "buffer_size": true, "stacktrace": true,
	"insert_deduplication_token": true, "network_compression_method": true,
	"network_zstd_compression_level": true, "log_comment": true, "enable_http_compression": true,
}

// insertFormat finds the FORMAT clause that ends an INSERT whose rows follow in the body.
var insertFormat = regexp.MustCompile(`(?is)^(\s*INSERT\s+INTO\s.*?)\s+FORMAT\s+(\w+)\s*;?\s*$`)

// parse reads a request as ClickHouse's HTTP interface defines it.
func parse(r *http.Request) (statement, error) {
	values := r.URL.Query()
	s := statement{
		asked:  asked{database: values.Get("database"), role: values.Get("role"), settings: map[string]string{}},
		format: values.Get("default_format"), text: values.Get("query"),
		token: values.Get("insert_deduplication_token"), protocol: values.Get("client_protocol_version"),
		params: parameters{},
	}
	for name, all := range values {
		value := all[len(all)-1]
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			s.params[param] = value
		} else if !options[name] {
			s.settings[name] = value
		}
	}
	if s.database == "" {
		s.database = r.Header.Get("X-ClickHouse-Database")
	}
	if s.format == "" {
		s.format = r.Header.Get("X-ClickHouse-Format")
	}
	if s.format == "" {
		s.format = "TabSeparated"
	}
	if r.Method == http.MethodGet && s.settings["readonly"] == "" {
		s.settings["readonly"] = "2" // as a server does: a link must not change anything
	}
	body, err := RequestBody(r)
	if err != nil {
		return s, err
	}
	if clause := insertFormat.FindStringSubmatch(s.text); clause != nil && r.Method == http.MethodPost {
		s.text, s.format, s.rows = clause[1], clause[2], body
		return s, nil
	}
	text, err := io.ReadAll(io.LimitReader(body, maxStatement+1))
	if err != nil && !errors.Is(err, io.EOF) {
		return s, exception{1000, "POCO_EXCEPTION", fmt.Errorf("read the request: %w", err)}
	}
	if len(text) > maxStatement {
		return s, exception{62, "SYNTAX_ERROR", fmt.Errorf("the statement has more than %d bytes", maxStatement)}
	}
	if s.text != "" && len(text) > 0 {
		s.text += "\n"
	}
	s.text += string(text)
	return s, nil
}

// RequestBody undoes the two kinds of compression that clients use: gzip by header, and blocks of
// ClickHouse's own framing by decompress=1.
func RequestBody(r *http.Request) (io.Reader, error) {
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, exception{1000, "POCO_EXCEPTION", fmt.Errorf("read the request as gzip: %w", err)}
		}
		body = z
	default:
		return nil, exception{48, "NOT_IMPLEMENTED", fmt.Errorf("Content-Encoding %q is not supported here; gzip is, and compress=lz4 or zstd", encoding)}
	}
	if r.URL.Query().Get("decompress") == "1" {
		body = compress.NewReader(body)
	}
	return body, nil
}

// changesSession matches statements that leave their mark on a connection, which then must not
// serve another request.
var changesSession = regexp.MustCompile(`(?is)^\s*(SET|USE|CREATE\s+TEMPORARY|CREATE\s+OR\s+REPLACE\s+TEMPORARY)\b`)

// mayStream matches statements that may be a SELECT. The library streams nothing else.
var mayStream = regexp.MustCompile(`(?is)^(\s|/\*.*?\*/|--[^\n]*\n|\()*(SELECT|WITH|FROM)\b`)
