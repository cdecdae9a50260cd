package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"strata/schemas/job"
)

// Headers of callbacks.
const (
	HeaderDelivery  = "Strata-Delivery"  // "42.1": the same for each attempt, by which receivers know doubles
	HeaderSignature = "Strata-Signature" // t=<seconds since 1970>,v1=<HMAC in hex>, see [Sign]
)

// maxAnswer is how much of an answer is read, so that a connection can serve again.
// A receiver that answers with a page gets its connection closed instead of read to its end.
const maxAnswer = 64 << 10

// permanent is an error that a further attempt would meet again.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// later is an error with the time that the receiver asks to be left alone.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// headerName is a name that a header may have and that is not the connection's own.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

// call is one callback, ready to go.
type call struct {
	url      string
	callback job.Callback
	token    string
	delivery string
	body     func(io.Writer) error // nil: there is none
	secret   bool                  // the token stands in the body too
}

// secretBody is the key of a request's context that says that its body has a token in it.
type secretBody struct{}

// caller sends callbacks.
type caller struct {
	guard  guard
	client *http.Client
	secret string // signs; empty does not
	now    func() time.Time
	within time.Duration // one attempt, without the time that a large body takes on its way
}

// bytesASecond is how fast a receiver has to take a large body at least.
const bytesASecond = 256 << 10

// newCaller returns a client that dials by the guard; timeout is that of one attempt, and of each
// step of it.
func newCaller(g guard, secret string, timeout time.Duration, now func() time.Time) *caller {
	c := &caller{guard: g, secret: secret, now: now, within: timeout}
	c.client = &http.Client{
		// Of no proxy: behind one the address that is dialled would be the proxy's, and any could be reached.
		Transport: &http.Transport{DialContext: g.dial, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxIdleConnsPerHost: atOnce, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswer},
		CheckRedirect: c.redirect,
	}
	return c
}

// redirect follows as LAVA does, to where callbacks may go. What names the lab stays with the host that it was meant for.
// The client has the request to the next host ready by then, headers and all.
func (c *caller) redirect(to *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if err := c.allowed(to.URL); err != nil {
		return permanent{err}
	}
	first := via[0]
	if first.Context().Value(secretBody{}) != nil && to.ContentLength != 0 && (to.URL.Hostname() != first.URL.Hostname() || first.URL.Scheme == "https" && to.URL.Scheme != "https") {
		return permanent{errors.New("the receiver hands the callback on to another host, and there is a token in its body")}
	}
	if to.URL.Host != first.URL.Host || to.URL.Scheme != first.URL.Scheme {
		// Signature, token and whatever else names the lab; what stays says nothing but what is
		// sent.
		for name := range to.Header {
			if name != "User-Agent" && name != "Content-Type" && name != HeaderDelivery {
				to.Header.Del(name)
			}
		}
	}
	return nil
}

// allowed says whether a callback may go to an address; whether to the host's addresses is known when it is dialled.
// An error of it is permanent: neither scheme nor host changes.
func (c *caller) allowed(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("address begins with %q: callbacks go to http:// and https://", u.Scheme+"://")
	}
	return c.guard.host(u.Hostname())
}

// send makes one attempt. It returns what the receiver said.
// The answer is the status alone. Errors name no address, and nothing that the receiver said.
func (c *caller) send(ctx context.Context, in call) (answer string, err error) {
	u, err := url.Parse(in.url)
	if err != nil {
		return "", permanent{errors.New("the address is no URL")} // the error would quote it, with what is secret in it
	}
	if err := c.allowed(u); err != nil {
		return "", permanent{err}
	}
	req, done, err := c.request(ctx, in)
	if err != nil {
		return "", err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, c.within+time.Duration(req.ContentLength/bytesASecond)*time.Second)
	defer cancel()
	if in.secret {
		ctx = context.WithValue(ctx, secretBody{}, true)
	}
	reply, err := c.client.Do(req.WithContext(ctx))
	if err != nil {
		var asked *url.Error
		if errors.As(err, &asked) {
			err = asked.Err // without the address
		}
		// In words for people, without the address that an error of the network names.
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("the receiver did not answer in %s", c.within)
		}
		var p permanent
		// An address that is refused now is refused in an hour.
		if errors.Is(err, errRefused) && !errors.As(err, &p) {
			err = permanent{err}
		}
		return "", err
	}
	defer func() {
		_, _ = io.Copy(io.Discard, io.LimitReader(reply.Body, maxAnswer))
		_ = reply.Body.Close()
	}()
	if reply.StatusCode/100 == 2 {
		return status(reply.StatusCode), nil
	}
	err = fmt.Errorf("the receiver answered %s", status(reply.StatusCode))
	switch reply.StatusCode {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusLengthRequired,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return "", permanent{err} // it is the request that is wrong
	}
	if s, aerr := strconv.Atoi(reply.Header.Get("Retry-After")); aerr == nil && s > 0 {
		return "", later{err, min(time.Duration(s)*time.Second, maxPause)}
	}
	return "", err
}

// status words an answer by its number: the receiver's own words may repeat what was sent.
// Answers stand in facts, which everybody reads who may see the job.
func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// request makes the request. done removes what it needs on disk.
// ctx is not yet that of the attempt: making a body of a long log may take longer than a receiver
// has.
func (c *caller) request(ctx context.Context, in call) (req *http.Request, done func(), err error) {
	done = func() {}
	mac := hmac.New(sha256.New, []byte(c.secret))
	at := strconv.FormatInt(c.now().Unix(), 10)
	// The body follows as it is written to the file; see Sign for the whole.
	fmt.Fprintf(mac, "%s.%s.", at, in.delivery)
	if in.body == nil {
		req, err = http.NewRequestWithContext(ctx, in.callback.Method, in.url, nil)
	} else {
		req, done, err = withBody(ctx, in, mac)
	}
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("User-Agent", "strata")
	req.Header.Set(HeaderDelivery, in.delivery)
	if c.secret != "" {
		req.Header.Set(HeaderSignature, "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)))
	}
	if in.token != "" {
		name := strings.TrimSpace(in.callback.Header)
		if !headerName.MatchString(name) || strings.ContainsFunc(in.token, unicode.IsControl) {
			done()
			return nil, nil, permanent{errors.New("the token or the name of its header has characters that a header may not have")}
		}
		req.Header.Set(textproto.CanonicalMIMEHeaderKey(name), in.token)
	}
	return req, done, nil
}

// withBody writes the body to a file, since a log may be larger than memory, and signs it on the way.
// The file lies where temporary files do, and is as large as the job's log; done removes it.
func withBody(ctx context.Context, in call, mac hash.Hash) (*http.Request, func(), error) {
	file, err := os.CreateTemp("", "strata-callback-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make room for the body: %w", err)
	}
	name := file.Name()
	done := func() { _ = os.Remove(name) } // the client closes it
	err = in.body(io.MultiWriter(file, mac))
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	var req *http.Request
	if err == nil {
		req, err = http.NewRequestWithContext(ctx, in.callback.Method, in.url, file)
	}
	if err != nil {
		_ = file.Close()
		done()
		return nil, nil, fmt.Errorf("write the body: %w", err)
	}
	req.ContentLength = size
	// A redirect with 307 or 308 sends the body once more.
	req.GetBody = func() (io.ReadCloser, error) { return os.Open(name) }
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if in.callback.ContentType == "json" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, done, nil
}

// Sign returns the signature of a body as [HeaderSignature] has it: HMAC-SHA256 with the lab's secret over the
// time, the delivery and the body with a point between them. Receivers make it again and compare.
func Sign(secret string, at time.Time, delivery string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s.%s", at.Unix(), delivery, body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}
