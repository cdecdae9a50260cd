package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/projections/gate"
)

// Visit is a statement of somebody who need not be trusted, as ClickHouse's HTTP interface takes it.
type Visit struct {
	Viewer   Viewer
	Text     string
	Format   string            // of the answer where the statement names none; "" is TabSeparated
	Params   map[string]string // {name:Type} in the text, escaped as in TSV
	Settings map[string]string // that came with the request; see [gate.TakeSetting]
	Protocol string            // client_protocol_version, of clients that read Native blocks
	Blocks   string            // LZ4 or ZSTD: the answer in ClickHouse's compressed blocks; "" not
	Gzip     bool              // the answer may be compressed by gzip
}

// Answer is what ClickHouse wrote. An error in the middle stands at the end of Body in ClickHouse's
// frame, as it came.
type Answer struct {
	Format string
	Header http.Header // Content-Encoding and what clients need to find an error in Body
	Body   io.ReadCloser
}

// Reader returns Body up to an error that ends it, which then comes from Read as *[Refusal].
func (a *Answer) Reader() io.ReadCloser {
	return newResultReader(a.Body, a.Header.Get("X-ClickHouse-Exception-Tag"))
}

// Door asks ClickHouse for visitors: only what package gate lets through, bounded, with the rights of a
// role that reads the views of [Published] alone, and of rows about jobs those that the viewer may see.
type Door struct {
	db     *DB
	limits Limits
	client *http.Client

	mu    sync.Mutex
	known *gate.Functions // nil until the engine has been asked
}

// Door opens a door within limits. The DSN must be one of HTTP, and where it names a server, its user
// must have the role strata_viewer (docs/sql-door.md).
func (db *DB) Door(l Limits) (*Door, error) {
	if db.options.Protocol != clickhouse.HTTP {
		return nil, errors.New("open the SQL door: the ClickHouse DSN is not one of http or https")
	}
	l = l.withDefaults()
	return &Door{db: db, limits: l, client: &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: db.options.DialTimeout}).DialContext, TLSClientConfig: db.options.TLS,
		ResponseHeaderTimeout: l.Time + 5*time.Second, DisableCompression: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
	}}}, nil
}

// Close closes the idle connections.
func (d *Door) Close() { d.client.CloseIdleConnections() }

// handshake is what clickhouse-go asks first; package engine answers it by hand.
const handshake = "SELECT displayName(), version(), revision(), timezone()"

// visitorRole is the role that visitors have, and no other; definer the user in whose name views are
// read. Package engine has the same.
const (
	visitorRole = "strata_viewer"
	definer     = "strata_views"
)

// Ask checks a statement and asks it. What is refused comes back as *[gate.Refused] or *[Refusal], both
// in ClickHouse's words; [ErrAway] says that it does not answer.
func (d *Door) Ask(ctx context.Context, v Visit) (*Answer, error) {
	settings, err := d.settings(v.Settings)
	if err != nil {
		return nil, err
	}
	s := gate.Statement{Text: handshake}
	if strings.TrimSpace(v.Text) != handshake || v.Protocol == "" {
		if s, err = d.check(ctx, v); err != nil {
			return nil, err
		}
	}
	format := cmp.Or(s.Format, v.Format, "TabSeparated")
	if !gate.WritesFormat(format) {
		return nil, &gate.Refused{Code: 73, Name: "UNKNOWN_FORMAT", Message: fmt.Sprintf("Format %s is not written here", format)}
	}
	settings.Set("database", publishedName(d.db.database))
	settings.Set("role", visitorRole)
	settings.Set(viewerSetting, tag(v.Viewer))
	settings.Set("default_format", format)
	if v.Protocol != "" {
		settings.Set("client_protocol_version", v.Protocol)
	}
	if v.Blocks != "" {
		settings.Set("compress", "1")
		settings.Set("network_compression_method", v.Blocks)
	}
	settings.Set("max_query_size", "1048576") // written anew, a text is longer than it came
	v.bind(settings)
	response, err := d.post(ctx, settings, s.Text, v.Gzip)
	if err != nil {
		return nil, err
	}
	answer := &Answer{Format: format, Header: http.Header{}, Body: response.Body}
	for _, name := range []string{"Content-Encoding", "X-ClickHouse-Exception-Tag"} {
		if value := response.Header.Get(name); value != "" {
			answer.Header.Set(name, value)
		}
	}
	return answer, nil
}

// bind adds the parameters to a request.
func (v Visit) bind(values url.Values) {
	for name, value := range v.Params {
		values.Set("param_"+name, value)
	}
}

// settings returns the bounds, with what the visitor may bring along.
func (d *Door) settings(brought map[string]string) (url.Values, error) {
	values := url.Values{
		"max_memory_usage": {strconv.FormatUint(d.limits.Memory, 10)}, "max_threads": {"2"},
		"max_result_bytes": {strconv.FormatUint(d.limits.Memory, 10)},
		// Where memory ends, a statement ends: it does not go on on the disk.
		"max_bytes_ratio_before_external_group_by": {"0"}, "max_bytes_ratio_before_external_sort": {"0"},
		"max_ast_depth": {"500"}, "max_ast_elements": {"20000"}, "timeout_overflow_mode": {"throw"},
		// How much was read tells of rows that the visitor may not see.
		"output_format_write_statistics": {"0"},
		"readonly":                       {"1"},
	}
	for name, value := range brought {
		take, err := gate.TakeSetting(name)
		if err != nil {
			return nil, err
		}
		if take {
			values.Set(name, value)
		}
	}
	for _, b := range []struct {
		name        string
		least, most float64
	}{{"max_execution_time", 0.001, max(1, d.limits.Time.Seconds())}, {"max_result_rows", 1, float64(d.limits.Rows)}} {
		value, err := tighter(b.name, brought[b.name], b.least, b.most)
		if err != nil {
			return nil, err
		}
		values.Set(b.name, value)
	}
	return values, nil
}

// tighter returns a bound that a visitor asked for, or the door's own where none was, or one beyond it. ClickHouse
// drops what lies below its units (1 µs, 1 row), and then 0 is no bound at all: so there is a least one too.
func tighter(name, asked string, least, most float64) (string, error) {
	bound := most
	if asked != "" {
		n, err := strconv.ParseFloat(asked, 64)
		switch {
		case errors.Is(err, strconv.ErrRange): // beyond it
		case err != nil || math.IsNaN(n):
			return "", &gate.Refused{Code: 72, Name: "CANNOT_PARSE_NUMBER",
				Message: fmt.Sprintf("setting %s is %q; a number up to %s is taken", name, asked, strconv.FormatFloat(most, 'f', -1, 64))}
		case n > 0 && n < most:
			bound = max(n, least)
		}
	}
	if least == 1 {
		bound = math.Floor(bound)
	}
	return strconv.FormatFloat(bound, 'f', -1, 64), nil
}

// check has the engine write a statement anew and read it, and looks at both.
func (d *Door) check(ctx context.Context, v Visit) (gate.Statement, error) {
	known, err := d.functions(ctx)
	if err != nil {
		return gate.Statement{}, err
	}
	quick := func() url.Values {
		return url.Values{"readonly": {"1"}, "max_execution_time": {"10"}, "max_query_size": {"4194304"}, "max_ast_depth": {"1000"},
			"max_parser_depth": {"600"}, "default_format": {"TSVRaw"}, "role": {visitorRole}}
	}
	text := strings.TrimRight(strings.TrimSpace(v.Text), "; \n\t\r")
	canonical, err := d.read(ctx, quick(), "SELECT formatQuerySingleLine("+quoteText(text)+")")
	if err != nil {
		return gate.Statement{}, sayParsed(err)
	}
	s, err := gate.Read(strings.TrimSuffix(canonical, "\n"))
	if err != nil {
		return s, err
	}
	values := quick()
	values.Set("max_query_size", "1048576")
	v.bind(values)
	tree, err := d.read(ctx, values, "EXPLAIN AST "+s.Text)
	if err != nil {
		return s, err
	}
	return s, gate.Check(tree, *known)
}

// sayParsed cuts from a syntax error what it says of the function that found it.
func sayParsed(err error) error {
	var refused *Refusal
	if errors.As(err, &refused) {
		before, _, _ := strings.Cut(refused.Message, ": In scope SELECT formatQuerySingleLine(")
		if before != refused.Message {
			return &Refusal{refused.Code, before + ". (SYNTAX_ERROR)"}
		}
	}
	return err
}

// functions returns what visitors may call, of what the engine has.
func (d *Door) functions(ctx context.Context) (*gate.Functions, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known != nil {
		return d.known, nil
	}
	type function struct {
		Name      string `ch:"name"`
		Alias     string `ch:"alias_to"`
		Category  string `ch:"category"`
		Folds     bool   `ch:"folds"`
		Aggregate bool   `ch:"aggregate"`
	}
	list, err := all[function](ctx, d.db, "SELECT name, alias_to, toString(categories) AS category, toBool(case_insensitive) AS folds, toBool(is_aggregate) AS aggregate FROM system.functions")
	if err != nil {
		return nil, fmt.Errorf("ask for the engine's functions: %w", err)
	}
	type combinator struct {
		Name string `ch:"name"`
	}
	combinators, err := all[combinator](ctx, d.db, "SELECT name FROM system.aggregate_function_combinators WHERE NOT is_internal")
	if err != nil {
		return nil, fmt.Errorf("ask for the engine's combinators: %w", err)
	}
	rows := make([]gate.Function, len(list))
	for i, f := range list {
		rows[i] = gate.Function(f)
	}
	names := make([]string, len(combinators))
	for i, c := range combinators {
		names[i] = c.Name
	}
	known := gate.Known(rows, names)
	d.known = &known
	return d.known, nil
}

// read asks for a short answer.
func (d *Door) read(ctx context.Context, values url.Values, statement string) (string, error) {
	response, err := d.post(ctx, values, statement, false)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", away(err)
	}
	if tag := response.Header.Get("X-ClickHouse-Exception-Tag"); tag != "" {
		if whole, failed, cut := strings.Cut(string(text), "\r\n__exception__\r\n"+tag); cut {
			return whole, refusal(exceptionText(failed))
		}
	}
	return string(text), nil
}

// post asks the engine. Any answer but a result is an error.
func (d *Door) post(ctx context.Context, values url.Values, statement string, zip bool) (*http.Response, error) {
	scheme := "http"
	if d.db.options.TLS != nil {
		scheme = "https"
	}
	address := url.URL{Scheme: scheme, Host: d.db.options.Addr[0], Path: "/", RawQuery: values.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), strings.NewReader(statement))
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse: %w", err)
	}
	if auth := d.db.options.Auth; auth.Username != "" {
		request.SetBasicAuth(auth.Username, auth.Password)
	}
	if zip {
		request.Header.Set("Accept-Encoding", "gzip")
		values.Set("enable_http_compression", "1")
		request.URL.RawQuery = values.Encode()
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, away(err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 16<<10)) // what came of the message is better than none
		return nil, refusal(string(text))
	}
	return response, nil
}
