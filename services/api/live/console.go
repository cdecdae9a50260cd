package live

import (
	"encoding/json"
	"fmt"
	"net/http"

	"strata/services/api"
)

// ServeConsole answers POST /api/v1/jobs/{job}/log/console: a JSON object {do, session, text} as [api.ConsoleRequest] has it.
// What comes of what is typed is in the log.
// The web sends a request for each few keys. Errors are those of jobs.console as HTTP's statuses.
func (l *Live) ServeConsole(in api.Inside, w http.ResponseWriter, r *http.Request) {
	who, err := caller(in, r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	var asked struct {
		Job     string `json:"job"`
		Do      string `json:"do"`
		Session string `json:"session,omitempty"`
		Text    string `json:"text,omitempty"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	// A wish that nobody knows must not look fulfilled: the letters go to a board.
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf(`the request is no JSON object with do, session and text: %w`, err))
		return
	}
	asked.Job = r.PathValue("job")
	var session api.ConsoleSession
	if err := in.Call(r.Context(), who, "jobs.console", asked, &session); err != nil {
		refuseFor(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(session) // the caller may be gone
}
