package live

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"strata/services/api"
	"strata/services/api/door"
)

// viewQuery reads the parameters of the log viewer's questions into a request of the api: numbers, flags and the
// levels, with commas between them.
func viewQuery(r *http.Request, numbers, flags []string) (map[string]any, error) {
	in := map[string]any{"job": r.PathValue("job")}
	q := r.URL.Query()
	for _, name := range numbers {
		text := q.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return nil, fmt.Errorf("parameter %s is %q; it is a number from 0 on", name, text)
		}
		in[name] = n
	}
	for _, name := range flags {
		switch text := q.Get(name); text {
		case "", "0", "false":
		case "1", "true":
			in[name] = true
		default:
			return nil, fmt.Errorf("parameter %s is %q; it is 1 or 0", name, text)
		}
	}
	if levels := q.Get("levels"); levels != "" {
		in["levels"] = strings.Split(levels, ",")
	}
	return in, nil
}

// ServeLines answers GET /api/v1/jobs/{job}/log/lines: some lines of a log, wherever they stand. Parameters are those of
// [api.LinesRequest], the answer is [api.Lines].
func (l *Live) ServeLines(in api.Inside, w http.ResponseWriter, r *http.Request) {
	asked, err := viewQuery(r, []string{"row", "line", "count"}, []string{"end"})
	serveView(in, w, r, "log.lines", asked, err)
}

// ServeOutline answers GET /api/v1/jobs/{job}/log/outline with [api.LogOutline].
func (l *Live) ServeOutline(in api.Inside, w http.ResponseWriter, r *http.Request) {
	asked, err := viewQuery(r, nil, nil)
	serveView(in, w, r, "log.outline", asked, err)
}

// serveView asks a verb and answers with its JSON, compressed where the client takes that: text of consoles shrinks to a tenth.
func serveView(in api.Inside, w http.ResponseWriter, r *http.Request, verb string, asked map[string]any, bad error) {
	if bad != nil {
		refuse(w, http.StatusBadRequest, bad)
		return
	}
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	var out json.RawMessage
	if err := in.Call(r.Context(), who, verb, asked, &out); err != nil {
		refuseFor(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Encoding, Authorization, Cookie")
	// Below one packet or three nothing is won.
	if len(out) < 4<<10 || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(out) // the caller may be gone
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	_, _ = z.Write(out)
	_ = z.Close()
}

// refuseFor answers with what the api refused.
func refuseFor(w http.ResponseWriter, err error) {
	said := refusalOf(err)
	refuse(w, status(said.Code), errors.New(said.Message))
}

// ServeSearch answers GET /api/v1/jobs/{job}/log/search: what is found in one log, as it is found, a JSON object a line.
// Parameters are those of [api.SearchLogRequest], text as q; lines are [api.LogHits], the last one with done. What fails
// later than the first line is told as {"error": "…"}.
func (l *Live) ServeSearch(in api.Inside, w http.ResponseWriter, r *http.Request) {
	asked, err := viewQuery(r, []string{"from", "limit"}, []string{"regexp", "case", "back"})
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	asked["text"] = r.URL.Query().Get("q")
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	door.Long(r)
	control := http.NewResponseController(w)
	begun := false
	send := func(line []byte) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Accel-Buffering", "no")
		}
		// Each line has its time: a search may go on for minutes, a client that reads nothing may
		// not.
		if err := control.SetWriteDeadline(l.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
		return control.Flush()
	}
	err = in.Stream(r.Context(), who, "log.search", asked, func(p api.Piece) error { return send(p.Body) })
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case !begun:
		refuseFor(w, err)
	default:
		text, _ := json.Marshal(map[string]string{"error": err.Error()}) // a map of strings
		_ = send(text)                                                   // the caller may be gone
	}
}
