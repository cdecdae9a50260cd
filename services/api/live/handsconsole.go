package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"strata/events"
	"strata/services/api"
	"strata/services/api/door"
)

// ServeDeviceConsole answers POST /api/v1/devices/{device}/console, which takes the console of a device that runs no job, and
// types on it: a JSON object {do, session, text, connection}.
//
// "take" begins a session, of commands.connections' main console or of the one that connection names. It is answered by
// server-sent events: each one's data is an [api.HandsMessage], the first with the session, and an idle console has a comment
// now and then. The session ends when its caller goes. "type" types text in it; what comes of that is in its events.
//
// It is a POST although nothing but "take" is in it: a link that somebody else planted is opened by GET, and would take a board.
func (l *Live) ServeDeviceConsole(in api.Inside, w http.ResponseWriter, r *http.Request) {
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	var asked struct {
		Do         string `json:"do"`
		Session    string `json:"session"`
		Text       string `json:"text"`
		Connection string `json:"connection"`
	}
	body := http.MaxBytesReader(w, r.Body, 64<<10)
	d := json.NewDecoder(body)
	// As of a job's console: the letters go to a board.
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf(`the request is no JSON object with do, session, text and connection: %w`, err))
		return
	}
	// To its end: of a body that is sent in chunks and not read out, the server does not notice that its sender goes.
	_, _ = io.Copy(io.Discard, body) // what is behind the object means nothing
	device := events.DeviceName(r.PathValue("device"))
	switch asked.Do {
	case "take":
		l.takeDevice(in, who, api.HandsRequest{Device: device, Use: events.UseConsole, Connection: asked.Connection}, w, r)
	case "type":
		if err := in.Call(r.Context(), who, "devices.type", api.TypeRequest{Device: device, Session: asked.Session, Text: asked.Text}, nil); err != nil {
			refuseFor(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("do is %q; allowed are take and type", asked.Do))
	}
}

// takeDevice tells what the console of a device says, until one of both sides has had enough.
func (l *Live) takeDevice(in api.Inside, who api.Caller, asked api.HandsRequest, w http.ResponseWriter, r *http.Request) {
	door.Long(r)
	s := newSender(w, r, l.Now)
	s.end(s.run(r.Context(), func(ctx context.Context) error {
		err := in.Stream(ctx, who, "devices.hands", asked, func(p api.Piece) error {
			return s.send(fmt.Appendf(nil, "data: %s\n\n", p.Body)) // one line of JSON
		})
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err() // the caller is gone, and nobody hears what became of the session
		}
		return err
	}))
}
