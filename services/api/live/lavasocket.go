package live

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"strata/events"
	"strata/services/api"
	"strata/services/api/door"
)

// writeWithin is how long one message may take to a listener.
const writeWithin = 30 * time.Second

// changedToken is what a worker is told whose token is worth nothing any more.
const changedToken = "the worker has another token now"

// pingEvery is how often a quiet connection is asked whether it lives; proxies end silent ones.
const pingEvery = 25 * time.Second

// ServeLAVA answers /ws/: an array of five texts for each event that the caller may see. What is wrong
// with a caller is told in LAVA's words and its manner, after the handshake.
func (l *Live) ServeLAVA(in api.Inside, w http.ResponseWriter, r *http.Request) {
	who, refused := visits(in, r)
	c, err := accept(w, r)
	if err != nil {
		return // the answer says why
	}
	defer c.CloseNow() //nolint:errcheck // the connection may be gone
	if refused != "" {
		text, _ := json.Marshal(map[string]string{"error": refused}) // a map of strings
		_ = write(r.Context(), c, text)                              // and close, whether it was heard or not
		_ = c.Close(websocket.StatusNormalClosure, "")
		return
	}
	hears := l.listen(who)
	defer l.leave(hears)
	if who.worker != "" {
		// From listen on cutWorker finds it; a change before that is seen here.
		if _, late := visits(in, r); late != "" { // its token changed before it was listening
			_ = c.Close(websocket.StatusPolicyViolation, changedToken)
			return
		}
	}
	ctx, done := in.While(c.CloseRead(r.Context()), who.caller)
	defer done()
	alive := time.NewTicker(pingEvery)
	defer alive.Stop()
	for {
		select {
		case e := <-hears.queue:
			if write(ctx, c, e.array) != nil {
				return
			}
		case <-hears.cut:
			_ = c.Close(websocket.StatusPolicyViolation, changedToken)
			return
		case <-hears.slow:
			_ = c.Close(websocket.StatusTryAgainLater, "too slow: events were lost")
			return
		case <-alive.C:
			if ping(ctx, c) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// ServeLAVAHealth answers /ws/v1/healthz.
// It says that the port answers, and no more.
func (l *Live) ServeLAVAHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write([]byte(`{"health": "good"}`)) // the caller may be gone
}

// visits returns who listens: a person, who may be nobody, or a worker; or why neither.
// A worker names itself by LAVA-Host and LAVA-Token; its token is this lab's, or the one that it had
// in LAVA. It is the api that knows tokens, not what was folded here: a worker may come the moment after it was registered.
func visits(in api.Inside, r *http.Request) (who visitor, refused string) {
	if token := r.Header.Get("LAVA-Token"); token != "" {
		host := events.WorkerName(r.Header.Get("LAVA-Host"))
		own, through, err := in.WorkerToken(r.Context(), host)
		if err != nil {
			return visitor{}, "Unknown worker"
		}
		if subtle.ConstantTimeCompare([]byte(token), []byte(own)) == 0 && !in.WorkerBrings(host, token) {
			return visitor{}, "Invalid worker token"
		}
		return visitor{worker: host, through: through}, ""
	}
	credential, err := door.Read(r)
	switch {
	// LAVA's words and its order of questions, here and below.
	case credential.Scheme != "" && credential.Scheme != "Basic":
		return visitor{}, "Only Basic authentication is supported"
	case err != nil:
		return visitor{}, "Invalid basic authentication"
	}
	listens, err := door.Who(in, r, credential)
	if err != nil {
		return visitor{}, "Unknown user"
	}
	return visitor{caller: listens}, ""
}

// accept makes a websocket of a request. Pages of other sites may not: a browser would send the
// visitor's session along.
// The library holds Origin against Host. Compression is off: it costs memory for each of thousands.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	door.Long(r)
	return websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
}

// write sends one message; a listener that does not take it within [writeWithin] is lost.
func write(ctx context.Context, c *websocket.Conn, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return c.Write(ctx, websocket.MessageText, text)
}

// ping asks whether the other side lives. Somebody has to read from the connection meanwhile: see
// CloseRead.
func ping(ctx context.Context, c *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return c.Ping(ctx)
}
