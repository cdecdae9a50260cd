package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/cache"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// Limits of one HTTP exchange.
const (
	silence  = 60 * time.Second // without a byte
	retries  = 9                // of a request that failed in a way that may pass
	firstGap = 100 * time.Millisecond

	redirects = 30 // as many as LAVA follows
)

// passing are the status codes that may be gone a moment later.
var passing = []int{408, 413, 420, 425, 429, 430, 500, 502, 503, 504, 507, 509, 529, 598}

// httpDownload gets a file from a web server.
type httpDownload struct {
	fetch
	client *http.Client
	wait   func(context.Context, time.Duration) error // between tries
}

func newHTTP(f fetch) pipeline.Action {
	return httpDownload{f, newClient(urlrule.Rules{}), pipeline.Sleep}
}

// newClient returns a client that asks no address which the worker's rules forbid.
func newClient(rules urlrule.Rules) *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: silence, Control: rules.Control}).DialContext,
		TLSHandshakeTimeout:   silence,
		ResponseHeaderTimeout: silence,
		DisableCompression:    true, // checksums and sizes are of the bytes that travel
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) >= redirects {
			return fmt.Errorf("stopped after %d redirects", redirects)
		}
		return rules.Check(r.URL.String())
	}}
}

// guarded returns the download as the worker's rules allow it.
func (d httpDownload) guarded(s *pipeline.Session) (httpDownload, error) {
	rules, err := urlrule.Read(s.Dispatcher)
	if err != nil {
		return d, err
	}
	if err := rules.Check(d.url); err != nil {
		return d, pipeline.Blame(pipeline.Job, err)
	}
	d.client = newClient(rules)
	return d, nil
}

// Name returns http-download.
func (httpDownload) Name() string { return "http-download" }

// Description says what the action does.
func (httpDownload) Description() string { return "use http to download the file" }

// Validate asks the server for the file, first for its head only.
func (d httpDownload) Validate(ctx context.Context, s *pipeline.Session) error {
	d.check(s)
	d, err := d.guarded(s)
	if err != nil {
		return err
	}
	defer d.client.CloseIdleConnections()
	if store, err := d.store(s); err != nil || store != nil && store.Has(d.wanted()) {
		return err
	}
	from, cached, err := d.source(s)
	if err != nil {
		return err
	}
	// The answer is only for the log of a job that cannot run: hours of waiting for a board are saved
	// where a URL is mistyped.
	problem := d.probe(ctx, s, from)
	if problem != "" && cached && s.Dispatcher.Get("http_cache_fallback_origin_url").True() {
		s.Log.Warning("%s; trying the origin instead of the cache", problem)
		problem = d.probe(ctx, s, d.url)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if problem != "" {
		s.Invalid("%s", problem)
	}
	return nil
}

// probe says why a URL cannot be had, or "".
func (d httpDownload) probe(ctx context.Context, s *pipeline.Session, from string) string {
	code := 0
	for _, method := range []string{http.MethodHead, http.MethodGet} { // some servers know no HEAD
		resp, err := d.request(ctx, s, method, from, nil)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return fmt.Sprintf("'%s' timed out", from)
			}
			return fmt.Sprintf("Unable to get '%s': %s", from, reason(err))
		}
		resp.Body.Close() // of a body that nobody reads
		if code = resp.StatusCode; code == http.StatusOK {
			return ""
		}
	}
	return fmt.Sprintf("Resource unavailable at '%s' (%d)", from, code)
}

// Run downloads the file, through the worker's cache where it has one.
func (d httpDownload) Run(ctx context.Context, s *pipeline.Session) error {
	d, err := d.guarded(s)
	if err != nil {
		return err
	}
	defer d.client.CloseIdleConnections()
	store, err := d.store(s)
	if err != nil {
		return err
	}
	if store != nil {
		err := d.shared(ctx, s, store)
		if !errors.Is(err, cache.ErrDamaged) {
			return err
		}
		s.Log.Warning("%s; downloading it again", cache.ErrDamaged)
		return d.shared(ctx, s, store)
	}
	resp, from, err := d.get(ctx, s, nil)
	if err != nil {
		return err
	}
	body := &resuming{d: d, ctx: ctx, s: s, from: from, resp: resp}
	defer body.Close()
	return d.save(ctx, s, body, resp.ContentLength)
}

// get asks for the file, at the lab's cache first where it has one; its errors have a class. With
// extra headers the answer may also be one to a condition.
func (d httpDownload) get(ctx context.Context, s *pipeline.Session, extra map[string]string) (resp *http.Response, from string, err error) {
	from, cached, err := d.source(s)
	if err != nil {
		return nil, "", err
	}
	s.Log.Info("downloading %s", from)
	resp, err = d.ask(ctx, s, from, extra)
	if err != nil && cached && s.Dispatcher.Get("http_cache_fallback_origin_url").True() {
		s.Log.Warning("%s; trying the origin instead of the cache", err)
		s.Log.Info("downloading %s", d.url)
		from = d.url
		resp, err = d.ask(ctx, s, from, extra)
	}
	return resp, from, err
}

// ask is get at one address.
func (d httpDownload) ask(ctx context.Context, s *pipeline.Session, from string, extra map[string]string) (*http.Response, error) {
	resp, err := d.request(ctx, s, http.MethodGet, from, extra)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		class := pipeline.Infrastructure
		if forbidden(err) {
			class = pipeline.Job
		}
		return nil, pipeline.Blamef(class, "Unable to download '%s': %w", from, reason(err))
	}
	conditional := []int{http.StatusNotModified, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}
	if resp.StatusCode != http.StatusOK && (extra == nil || !slices.Contains(conditional, resp.StatusCode)) {
		resp.Body.Close()
		return nil, pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': the server answered %s", from, resp.Status)
	}
	return resp, nil
}

// source returns where to get the file: the URL itself, or the lab's cache of it.
func (d httpDownload) source(s *pipeline.Session) (from string, cached bool, err error) {
	format := s.Dispatcher.Get("http_url_format_string").Text()
	if format == "" {
		return d.url, false, nil
	}
	if cacheable, err := d.cacheable(s); !cacheable || err != nil {
		return d.url, false, err
	}
	return strings.Replace(format, "%s", url.QueryEscape(d.url), 1), true, nil
}

// cacheable says whether a cache may have the file: the job and the worker's rules can forbid it.
func (d httpDownload) cacheable(s *pipeline.Session) (bool, error) {
	if !d.artefact.Params.Get("use_cache").Bool(true) {
		return false, nil
	}
	matches := func(key string) (bool, error) {
		for _, rule := range s.Dispatcher.Get(key).Texts() {
			re, err := regexp.Compile(rule)
			if err != nil {
				return false, pipeline.Blamef(pipeline.Configuration, "%s of the dispatcher's configuration: %w", key, err)
			}
			if re.MatchString(d.url) {
				return true, nil
			}
		}
		return false, nil
	}
	if excluded, err := matches("http_cache_exclude_rules"); excluded || err != nil {
		return false, err
	}
	if s.Dispatcher.Get("http_cache_include_rules").IsNull() {
		return true, nil
	}
	return matches("http_cache_include_rules")
}

// request makes a request and repeats it, ever more slowly, while the failure may pass.
func (d httpDownload) request(ctx context.Context, s *pipeline.Session, method, from string, extra map[string]string) (*http.Response, error) {
	// 100 ms, 200 ms, … 25.6 s: 51 s in all, within which a server is restarted.
	for try, gap := 0, firstGap; ; try, gap = try+1, gap*2 {
		req, err := http.NewRequestWithContext(ctx, method, from, nil)
		if err != nil {
			return nil, err
		}
		for _, h := range d.artefact.Params.Get("headers").Pairs() {
			req.Header.Set(h.Key, h.Value.Text())
		}
		for key, value := range extra {
			req.Header.Set(key, value)
		}
		resp, err := d.client.Do(req)
		if err == nil && !slices.Contains(passing, resp.StatusCode) || try == retries || noSuchHost(err) || forbidden(err) || ctx.Err() != nil {
			return resp, err
		}
		why := ""
		if err == nil {
			resp.Body.Close()
			why = resp.Status
		} else {
			why = reason(err).Error()
		}
		s.Log.Debug("%s '%s': %s, asking again in %s", method, from, why, gap)
		if err := d.wait(ctx, gap); err != nil {
			return nil, err
		}
	}
}

// noSuchHost says whether a name server knows that there is no such host: a wrong URL, most often.
func noSuchHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary
}

// forbidden says that the worker's rules ended a request.
func forbidden(err error) bool {
	var e *urlrule.Forbidden
	return errors.As(err, &e)
}

// reason takes the method and URL off an error of the client: the message names them already.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// resuming is the body of a download. Where the connection breaks, it asks for the rest, if the
// server names the version of the file, so that it cannot be the rest of another.
type resuming struct {
	d     httpDownload
	ctx   context.Context
	s     *pipeline.Session
	from  string
	resp  *http.Response
	n     int64 // bytes so far
	fails int   // since the last byte
}

// resumes is how often a download is taken up again without a byte in between.
const resumes = 5

func (b *resuming) Read(p []byte) (int, error) {
	for {
		n, err := b.read(p)
		b.n += int64(n)
		if n > 0 {
			b.fails = 0
			if err != io.EOF {
				return n, nil // an error comes again with the next read
			}
			return n, err
		}
		if err == nil || err == io.EOF || b.ctx.Err() != nil {
			return n, err
		}
		if b.fails++; b.fails > resumes || !b.resume(err) {
			return n, err
		}
	}
}

// read reads from the response, and gives up on a server that falls silent.
func (b *resuming) read(p []byte) (int, error) {
	// The transport has limits for dialling and for the head of an answer, none for its body.
	body := b.resp.Body
	watch := time.AfterFunc(silence, func() { body.Close() })
	defer watch.Stop()
	return body.Read(p)
}

// resume asks for the bytes that are missing.
func (b *resuming) resume(cause error) bool {
	// A weak tag says that two versions are alike, not that their bytes are.
	version := b.resp.Header.Get("ETag")
	if version == "" || strings.HasPrefix(version, "W/") {
		version = b.resp.Header.Get("Last-Modified")
	}
	if version == "" {
		return false
	}
	b.s.Log.Warning("the download of %s broke after %d bytes (%s), asking for the rest", b.from, b.n, cause)
	resp, err := b.d.request(b.ctx, b.s, http.MethodGet, b.from,
		map[string]string{"Range": fmt.Sprintf("bytes=%d-", b.n), "If-Range": version})
	if err != nil {
		return false
	}
	if resp.StatusCode != http.StatusPartialContent || !startsAt(resp, b.n) {
		resp.Body.Close()
		return false
	}
	b.resp.Body.Close() // of a connection that is broken
	// The rest carries the same version; the old header may say more, so it stays.
	resp.Header = b.resp.Header
	b.resp = resp
	return true
}

// startsAt says whether a partial answer begins with byte n of the file.
func startsAt(resp *http.Response, n int64) bool {
	unit, rest, _ := strings.Cut(resp.Header.Get("Content-Range"), " ")
	first, _, _ := strings.Cut(rest, "-")
	at, err := strconv.ParseInt(first, 10, 64)
	return unit == "bytes" && err == nil && at == n
}

// Close ends the response, which is at its end or of no use.
func (b *resuming) Close() error { return b.resp.Body.Close() }
