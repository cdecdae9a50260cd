package live

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"strata/services/api"
)

// ServeLogSocket answers GET /api/v1/jobs/{job}/log/socket: what [Live.ServeLog] sends, by websocket. Each message is a
// JSON object: {"lines": [{"id": "42/17", "record": {…}}, …]}, with "lost" where lines before them are missing;
// at last {"end": true}, and the connection is closed; or {"error": {…}}. Parameters are those of [logAsked].
func (l *Live) ServeLogSocket(in api.Inside, w http.ResponseWriter, r *http.Request) {
	asked, err := logAsked(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	// Who may not see the job is told by the status, as everywhere; after the handshake there is none.
	if err := in.Call(r.Context(), who, "jobs.show", map[string]string{"job": asked.Job}, nil); err != nil {
		refuseFor(w, err)
		return
	}
	c, err := accept(w, r)
	if err != nil {
		return // the answer says why
	}
	defer c.CloseNow() //nolint:errcheck // the connection may be gone
	// CloseRead ends ctx when the client goes away; what it says is not listened to.
	ctx, stop := context.WithCancel(c.CloseRead(r.Context()))
	// The library lets one write and one ping go side by side, so no lock is needed.
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		l.beat(ctx, c, stop)
	}()
	err = asked.stream(ctx, in, who, func(part chunk) error {
		if text := l.written.write(part, asMessage); text != nil {
			return write(ctx, c, text)
		}
		return nil
	})
	// Before stop, which ends ctx for its own reason.
	gone := ctx.Err() != nil
	stop()
	<-beating
	if !gone {
		finish(r.Context(), c, err)
	}
}

// beat pings now and then, and stops where nobody answers. Proxies end connections that are silent.
func (l *Live) beat(ctx context.Context, c *websocket.Conn, stop func()) {
	alive := time.NewTicker(pingEvery)
	defer alive.Stop()
	for {
		select {
		case <-alive.C:
			if ping(ctx, c) != nil {
				stop()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// finish says how a stream ended, and closes.
func finish(ctx context.Context, c *websocket.Conn, err error) {
	last, code := any(map[string]bool{"end": true}), websocket.StatusNormalClosure
	if err != nil {
		last, code = map[string]*api.Error{"error": refusalOf(err)}, websocket.StatusInternalError
	}
	text, _ := json.Marshal(last) // strings and a truth
	if write(ctx, c, text) == nil {
		_ = c.Close(code, "") // he may have gone
	}
}
