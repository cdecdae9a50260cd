package lavaworker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"

	"strata/dispatcher/worker/lavajob"
	"strata/events"
	"strata/services/api"
	"strata/services/api/lava"
)

// doors answers far workers, and hands what they ask of a job on to that job.
type doors struct {
	workers *Workers
	in      api.Inside
}

// listed is a job in the answer to a ping.
// lava-worker keeps jobs by id and token, and shows the token for each request about the job.
type listed struct {
	ID    uint64 `json:"id"`
	Token string `json:"token"`
}

// oldest is the first release of LAVA whose workers speak this interface.
// As texts releases compare like their dates, for the year has four digits and the month two.
const oldest = "2020.09"

var release = regexp.MustCompile(`^20\d\d\.\d\d`)

// tooOld tells whether a worker is of a release from before the interface. One that names no release, such as one
// that runs from sources, is taken.
func tooOld(version string) bool {
	of := release.FindString(version)
	return of != "" && of < oldest
}

// ping answers what the worker has to do. It is a sign of life too.
// lava-worker asks every 20 s. It fetches and starts what is in "start"; of "running" it starts again what
// it has lost; what is in "cancel" it ends, and says at once that it is over where it does not know it.
func (d *doors) ping(w http.ResponseWriter, r *http.Request) {
	name := events.WorkerName(r.PathValue("name"))
	token := r.Header.Get("LAVA-Token")
	// In LAVA's order: the name, the token, the version.
	right, _, err := d.in.WorkerToken(r.Context(), name)
	switch {
	case api.HasCode(err, api.NotFound):
		refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown worker '%s'", name))
		return
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	case token == "":
		refuse(w, http.StatusBadRequest, "Missing 'token'")
		return
	// A worker that was imported keeps the token that LAVA gave it, besides the one of this lab.
	case !same(token, right) && !d.in.WorkerBrings(name, token):
		refuse(w, http.StatusBadRequest, "Invalid 'token'")
		return
	case !r.URL.Query().Has("version"):
		refuse(w, http.StatusBadRequest, "Missing 'version'")
		return
	}
	// On the bus it is known by this lab's own, also where it has brought LAVA's.
	if err := d.workers.heard(name, right); err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	// What the stand-in's jobs say on disk, so that the answer is right just after a restart, too.
	jobs, err := lavajob.Doors(d.workers.stateDir(name))
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	// Empty lists rather than null: lava-worker goes through them without looking.
	answer := map[lavajob.Phase][]listed{lavajob.Canceling: {}, lavajob.Running: {}, lavajob.Waiting: {}}
	for _, j := range jobs {
		answer[j.Phase] = append(answer[j.Phase], listed{j.Job, j.Token})
	}
	if version := r.URL.Query().Get("version"); tooOld(version) {
		// What it has begun it may end; it is given nothing new.
		// As LAVA: 409 ends a worker that was started with --exit-on-version-mismatch, and must not while
		// it has jobs to bring to their end.
		if answer[lavajob.Waiting] = []listed{}; len(jobs) == 0 || len(answer[lavajob.Running])+len(answer[lavajob.Canceling]) == 0 {
			refuse(w, http.StatusConflict, fmt.Sprintf("Version mismatch '%s' vs '%s': this lab takes workers from %s on", version, lava.Release, oldest))
			return
		}
	}
	reply(w, http.StatusOK, answer)
}

// register gives a worker its token, to an account that may register workers. Its password here is one
// of its tokens.
// LAVA takes workers by their address, too (WORKER_AUTO_REGISTER); this lab does not: behind a proxy all
// have one address.
func (d *doors) register(w http.ResponseWriter, r *http.Request) {
	name, user, password := r.PostFormValue("name"), r.PostFormValue("username"), r.PostFormValue("password")
	if name == "" {
		refuse(w, http.StatusBadRequest, "Missing 'name'")
		return
	}
	if user == "" {
		refuse(w, http.StatusForbidden, "Auto registration is disabled")
		return
	}
	// The same words for a wrong name and a wrong password: which of the two it is nobody is told.
	who, err := d.in.Authenticate(password, "lava-worker "+r.RemoteAddr)
	if err != nil || who.User != events.UserName(user) {
		refuse(w, http.StatusForbidden, fmt.Sprintf("Unknown user %s", user))
		return
	}
	var made api.Worker
	err = d.in.Call(r.Context(), who, "workers.register", api.WorkerRequest{Worker: events.WorkerName(name)}, &made)
	var refused *api.Error
	switch {
	case api.HasCode(err, api.Denied):
		why := fmt.Sprintf("Worker '%s' may not be registered by %s", name, user)
		// Whether there is one the ping tells everybody: 404 or not.
		if _, _, unknown := d.in.WorkerToken(r.Context(), events.WorkerName(name)); unknown == nil {
			why = fmt.Sprintf("Worker '%s' already registered", name)
		}
		refuse(w, http.StatusForbidden, why)
	case errors.As(err, &refused) && refused.Code == api.Invalid:
		refuse(w, http.StatusBadRequest, refused.Message)
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err.Error())
	default:
		// The token is the same each time: a machine that was made anew registers again and gets it.
		reply(w, http.StatusOK, map[string]string{"name": name, "token": made.Token})
	}
}

// job hands a request on to the job that it names. To know the job's token is to be its dispatcher.
// Directories are called <number>-<lease>: an order that came anew has another process with a token of its
// own, and the dispatcher of the one before reaches nothing.
func (d *doors) job(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("job"), 10, 63)
	if err != nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown job '%s'", r.PathValue("job")))
		return
	}
	// The number is digits alone, by ParseUint: nothing of the address is a pattern.
	files, err := filepath.Glob(filepath.Join(d.workers.Dir, "*", "jobs", fmt.Sprintf("%d-*", number), lavajob.File))
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	for _, file := range files {
		door, err := lavajob.Open(filepath.Dir(file))
		// A wrong token is told the same as a wrong number.
		if err != nil || !same(door.Token, r.Header.Get("LAVA-Token")) {
			continue
		}
		proxy := httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: door.Address}) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				// The dispatcher sends fewer lines at once after 413.
				var large *http.MaxBytesError
				if errors.As(err, &large) {
					refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes are taken at once", large.Limit))
					return
				}
				// Nobody answers for the job any more: it is over, and its dispatcher may go.
				// It makes LAVA's dispatcher end itself: what it would send nobody can take.
				refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown job '%d'", number))
			},
		}
		proxy.ServeHTTP(w, r)
		return
	}
	refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown job '%d'", number))
}

// reply answers in JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone, and asks again
}

func refuse(w http.ResponseWriter, status int, why string) {
	reply(w, status, map[string]string{"error": why})
}
