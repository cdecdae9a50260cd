package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"strata/services/api"
	"strata/services/api/door"
)

// quiet is after how long without an event a stream says that it lives.
const quiet = 15 * time.Second

// opening is how long a request that nothing was said to yet may still be refused.
// After it the answer's head goes out, so that a browser sees the stream open although nothing has
// come.
const opening = time.Second

// ServeLog answers GET /api/v1/jobs/{job}/log/live: the job's lines as server-sent events, from a line on,
// until the job's output is complete; the last event is named "end". Where the job is retried the
// attempt's log follows. An event's id names job and line ("42/17"), its data is the record as JSON.
// Parameters are those of [logAsked].
func (l *Live) ServeLog(in api.Inside, w http.ResponseWriter, r *http.Request) {
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
	door.Long(r)
	s := newSender(w, r, l.Now)
	s.end(s.run(r.Context(), func(ctx context.Context) error {
		return asked.stream(ctx, in, who, func(c chunk) error { return s.send(l.written.write(c, asEvents)) })
	}))
}

// ServeFacts answers GET /api/v1/events/live: the lab's facts as server-sent events, of all that the caller
// may see or of one entity (?entity=job/42), from a sequence on (?from=, or after Last-Event-ID), for as
// long as the caller listens. An event's id is the fact's sequence, its name the fact's.
func (l *Live) ServeFacts(in api.Inside, w http.ResponseWriter, r *http.Request) {
	asked := api.EventsRequest{Entity: r.URL.Query().Get("entity"), Follow: true}
	from, err := place(r, "from", 1)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	asked.From = from
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	door.Long(r)
	s := newSender(w, r, l.Now)
	s.end(s.run(r.Context(), func(ctx context.Context) error {
		return in.Stream(ctx, who, "events", asked, func(p api.Piece) error {
			var fact struct {
				Seq  uint64 `json:"seq"`
				Name string `json:"name"`
			}
			if err := json.Unmarshal(p.Body, &fact); err != nil {
				return fmt.Errorf("a fact that cannot be read: %w", err)
			}
			// The body is one line of JSON, as an event's data has to be.
			return s.send(fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", fact.Seq, fact.Name, p.Body))
		})
	}))
}

// place returns where a stream begins: after Last-Event-ID, else at a parameter, else at first.
// 0 is "where the verb begins by itself": for facts the last hundred.
func place(r *http.Request, parameter string, first uint64) (uint64, error) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		n, err := strconv.ParseUint(last, 10, 62)
		if err != nil {
			return 0, fmt.Errorf("header Last-Event-ID is %q; it is the id of the last event that came, a number", last)
		}
		return n + 1, nil
	}
	text := r.URL.Query().Get(parameter)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil || n < first {
		return 0, fmt.Errorf("parameter %s is %q; it is a number from %d on", parameter, text, first)
	}
	return n, nil
}

// caller returns who asks, with an error that may be shown.
func caller(in api.Inside, r *http.Request) (api.Caller, error) {
	credential, err := door.Read(r)
	if err != nil {
		return api.Caller{}, err
	}
	who, err := door.Who(in, r, credential)
	if err != nil {
		return api.Caller{}, errors.New("the token is not one of this lab, or is no longer worth anything")
	}
	return who, nil
}

// refuse answers a request that no stream comes of.
// The body is {"error": "…"}; 401 says by which scheme to come.
func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="strata"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the caller may be gone
}
