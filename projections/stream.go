package projections

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Refusal is ClickHouse's own word on a statement that it did not run, or did not run to its end.
type Refusal struct {
	Code    int    // such as 62 for a syntax error; 0 where it gave none
	Message string // for people
}

func (r *Refusal) Error() string { return r.Message }

// Stream runs a statement that a person wrote, read-only and bounded as by [DB.SQL], and returns its
// result as ClickHouse writes it in one of its formats, such as PrettyCompactMonoBlock, CSVWithNames
// or JSON, without holding it. More rows than the limit end in a [Refusal], as does everything that
// ClickHouse has against the statement; that may come from Read, after part of the result. The DSN
// must be one of HTTP.
func (db *DB) Stream(ctx context.Context, statement, format string, l Limits) (io.ReadCloser, error) {
	if db.options.Protocol != clickhouse.HTTP {
		return nil, fmt.Errorf("stream a result: the ClickHouse DSN is not one of http or https")
	}
	values := url.Values{"database": {db.database}, "default_format": {format}, viewerSetting: {everybody}}
	for name, value := range l.settings("throw") {
		values.Set(name, fmt.Sprint(value))
	}
	scheme := "http"
	if db.options.TLS != nil {
		scheme = "https"
	}
	address := url.URL{Scheme: scheme, Host: db.options.Addr[0], Path: "/", RawQuery: values.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), strings.NewReader(statement))
	if err != nil {
		return nil, fmt.Errorf("stream a result: %w", err)
	}
	if auth := db.options.Auth; auth.Username != "" {
		request.SetBasicAuth(auth.Username, auth.Password)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: db.options.DialTimeout}).DialContext, TLSClientConfig: db.options.TLS,
		ResponseHeaderTimeout: l.withDefaults().Time + 5*time.Second,
		DisableKeepAlives:     true, // a person's statement comes alone
		DisableCompression:    true,
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, away(err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 16<<10)) // what came of the message is better than none
		return nil, refusal(string(text))
	}
	tag := response.Header.Get("X-ClickHouse-Exception-Tag")
	return newResultReader(response.Body, tag), nil
}

func newResultReader(body io.ReadCloser, tag string) *resultReader {
	return &resultReader{body: body, in: bufio.NewReaderSize(body, 64<<10), marker: []byte("\r\n__exception__\r\n" + tag)}
}

// resultReader reads a result up to an exception that ends it. ClickHouse has sent status 200 by then
// and can only write into the body: a marker, the response's tag, and the message.
type resultReader struct {
	body   io.ReadCloser
	in     *bufio.Reader
	marker []byte
	err    error
}

func (r *resultReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	ahead, err := r.in.Peek(len(r.marker))
	if len(ahead) == 0 {
		if err != io.EOF {
			err = away(err)
		}
		r.err = err
		return 0, err
	}
	// All that is buffered can be searched without waiting; what may be a marker's beginning stays.
	ahead, _ = r.in.Peek(r.in.Buffered())
	if at := bytes.Index(ahead, r.marker); at == 0 {
		text, _ := io.ReadAll(io.LimitReader(r.in, 32<<10)) // as far as it came
		r.err = refusal(exceptionText(string(text[len(r.marker):])))
		return 0, r.err
	} else if at > 0 {
		ahead = ahead[:at]
	} else if err == nil {
		ahead = ahead[:len(ahead)-len(r.marker)+1]
	}
	return r.in.Read(p[:min(len(p), len(ahead))])
}

func (r *resultReader) Close() error { return r.body.Close() }

// exceptionText cuts the frame around the message of an exception: "<length> <tag>" and the closing
// marker stand behind it, each on a line.
func exceptionText(framed string) string {
	text, _, _ := strings.Cut(framed, "__exception__")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := len(lines) - 1; last > 0 {
		lines = lines[:last]
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

var codeInText = regexp.MustCompile(`Code: (\d+)\.`)

func refusal(text string) *Refusal {
	r := &Refusal{Message: strings.TrimSpace(text)}
	if code := codeInText.FindStringSubmatch(text); code != nil {
		r.Code, _ = strconv.Atoi(code[1]) // digits
	}
	return r
}
