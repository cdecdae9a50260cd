package lavajob

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/worker/jobproc"
	"strata/events"
	"strata/schemas/order"
)

// File is the file in a job's directory that says where the job is answered for: a [Door].
const File = "lava.json"

// Phase is how far a job has come.
type Phase string

// The phases of a job, as the worker's ping lists them.
const (
	Waiting   Phase = "start"   // the far dispatcher has not begun
	Running   Phase = "running" // it has
	Canceling Phase = "cancel"  // it is to end
	Over      Phase = "over"
)

// Door is where the far dispatcher's requests about the job are answered.
// The file is replaced whole (jobproc.Write) and read by another process at each ping.
type Door struct {
	Job     uint64 `json:"job"`
	Address string `json:"address"` // of HTTP, on loopback
	Token   string `json:"token"`   // of LAVA's header LAVA-Token
	Phase   Phase  `json:"phase"`
}

// Open reads the door of the job in a directory. The error wraps fs.ErrNotExist while there is none.
func Open(dir string) (Door, error) {
	var d Door
	err := jobproc.Read(filepath.Join(dir, File), &d)
	return d, err
}

// Path is what LAVA's job addresses begin with.
const Path = "/scheduler/internal/v1/jobs/"

// bodyBytes is how long a request may be: LAVA sends up to 1,000 lines at once, and less when told 413.
// 1,000 lines of less than 100,000 characters can be more; then 413 makes them fewer.
const bodyBytes = 16 << 20

// Limits on the far dispatcher's silence and manners.
const (
	// As long as a lost worker's spool is waited for. A dispatcher of LAVA posts every 5 s while there is
	// output, and a silent test may take hours.
	silence  = 24 * time.Hour   // without a word the job ends as the lab's fault
	cleanUp  = 10 * time.Minute // what it may take to end a job that was canceled
	lastWord = 5 * time.Second  // for the answer to its last request
)

// Run returns the function that answers for a job, see jobproc.Deps.
// An error here is this machine's or the network's, never the test's.
func Run(now func() time.Time) func(context.Context, jobproc.Job) order.Verdict {
	return func(ctx context.Context, j jobproc.Job) order.Verdict {
		v, err := answer(ctx, j, now)
		if err != nil {
			return order.Verdict{Result: "fail", ErrorType: string(events.InfrastructureError), Error: err.Error()}
		}
		return v
	}
}

// standIn is a job that runs elsewhere.
// ended has room for the one verdict that there is, so that the handler never waits with the lock held.
type standIn struct {
	job   jobproc.Job
	now   func() time.Time
	word  chan struct{}      // has an element after each request
	ended chan order.Verdict // has the verdict

	mu      sync.Mutex
	door    Door
	taken   uint64   // lines of the far log that were taken
	ours    []uint64 // our line of each of them
	failure string   // as the result of the job itself has it
}

// answer serves until the far dispatcher has said how the job ended.
// The port is any that is free, on loopback: the lab's door hands requests on, so that a far machine needs
// one address and its TLS.
func answer(ctx context.Context, j jobproc.Job, now func() time.Time) (order.Verdict, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return order.Verdict{}, fmt.Errorf("answer for a job that runs elsewhere: %w", err)
	}
	s := &standIn{job: j, now: now, word: make(chan struct{}, 1), ended: make(chan order.Verdict, 1),
		door: Door{Job: j.Order.Job, Address: l.Addr().String(), Token: rand.Text() + rand.Text()[:6], Phase: Waiting}}
	// In case the far log quotes it: the token is as good as being the dispatcher.
	j.Log.Mask(s.door.Token)
	// The worker waits for as long as the far side may need to power its device off.
	plan := pipeline.Description{Pipeline: []pipeline.Node{{Name: "finalize", Timeout: cleanUp.Seconds()}}}
	if err := errors.Join(jobproc.Write(filepath.Join(j.Dir, jobproc.DescriptionFile), plan), s.save()); err != nil {
		_ = l.Close()
		return order.Verdict{}, err
	}
	// Bodies have no deadline: a slow network may take long for thousands of lines.
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		_ = server.Shutdown(ctx) // who still asks has had his time
		<-served
	}()
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	canceled := ctx.Done()
	for {
		select {
		case v := <-s.ended:
			return v, nil
		case <-s.word:
			quiet.Reset(silence)
		case <-quiet.C:
			return order.Verdict{}, fmt.Errorf("the dispatcher that was given the job has said nothing for %s", silence)
		// Who asks a second time does not want to wait for the far side any more.
		case <-j.Again:
			return order.Verdict{Result: "fail", ErrorType: string(events.CanceledError), Error: "the dispatcher did not end the job when it was asked to"}, nil
		case <-canceled:
			canceled = nil
			// A job that nobody has fetched ends at once; one that runs is ended by its dispatcher, which
			// powers the device off.
			began, err := s.cancel()
			if !began || err != nil {
				return order.Verdict{Result: "fail", ErrorType: string(events.CanceledError), Error: "canceled before it began"}, err
			}
		}
	}
}

// save writes the door for whoever hands requests on. The lock is held, or nobody else is there yet.
func (s *standIn) save() error { return jobproc.Write(filepath.Join(s.job.Dir, File), s.door) }

// cancel has the next ping tell the far dispatcher to end the job. It reports whether the job has begun.
func (s *standIn) cancel() (began bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.door.Phase == Over {
		return true, nil
	}
	began = s.door.Phase == Running
	s.door.Phase = Canceling
	if !began {
		s.door.Phase = Over
	}
	return began, s.save()
}

// ServeHTTP answers what the far dispatcher asks of its job.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
	// Checked here again, though the door has looked: another process on this machine can reach the port.
	if number != strconv.FormatUint(s.job.Order.Job, 10) || subtle.ConstantTimeCompare([]byte(r.Header.Get("LAVA-Token")), []byte(s.door.Token)) != 1 {
		refuse(w, http.StatusNotFound, fmt.Sprintf("Unknown job '%s'", number))
		return
	}
	select {
	case s.word <- struct{}{}:
	default:
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytes)
	if r.Method == http.MethodPost {
		var large *http.MaxBytesError
		// LAVA sends forms, urlencoded; a form in parts is not read and lacks its fields.
		if err := r.ParseForm(); errors.As(err, &large) {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes are taken at once", large.Limit))
			return
		} else if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && what == "":
		s.tell(w)
	case r.Method == http.MethodPost && what == "":
		s.state(w, r)
	case r.Method == http.MethodPost && what == "logs/":
		s.logs(w, r)
	default:
		refuse(w, http.StatusMethodNotAllowed, r.Method+" is not answered here")
	}
}

// tell hands out what the job is made of.
// The five texts and their keys are LAVA's. Secrets that the definition names are opened here, for the
// machine that runs the job, as in an order to a worker of ours.
func (s *standIn) tell(w http.ResponseWriter) {
	work := s.job.Order.Work
	definition, err := jobproc.Revealed(work)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{"definition": string(definition), "device": work.Device.Inline,
		"dispatcher": work.Dispatcher.Inline, "env": work.Env.Inline, "env-dut": work.EnvDUT.Inline})
}

// state takes how far the job has come.
func (s *standIn) state(w http.ResponseWriter, r *http.Request) {
	switch state := r.PostForm.Get("state"); state {
	// Said again after a lost answer, it changes nothing.
	case "RUNNING":
		if s.door.Phase == Waiting {
			s.door.Phase = Running
			if err := s.save(); err != nil {
				refuse(w, http.StatusInternalServerError, err.Error())
				return
			}
		}
	case "FINISHED":
		result := r.PostForm.Get("result")
		if result != "pass" && result != "fail" {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("Invalid health '%s'", result))
			return
		}
		if s.door.Phase != Over {
			s.door.Phase = Over
			// Once, by the phase. LAVA sends the end after the last line, unless a job takes too long to
			// cancel: what comes later is taken for as long as the process is there.
			s.ended <- s.verdict(result, r.PostForm.Get("error_type"), r.PostForm.Get("errors"))
			if err := s.save(); err != nil {
				refuse(w, http.StatusInternalServerError, err.Error())
				return
			}
		}
	// States of LAVA that no dispatcher may ask for; what is none at all has another sentence.
	case "SUBMITTED", "SCHEDULING", "SCHEDULED", "CANCELING":
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Not handled state '%s'", state))
		return
	default:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Invalid state '%s'", state))
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

// verdict makes ours of the far one. What the job's process left on its standard error explains an end
// that the log does not.
// kind is LAVA's error_type, whose words are this lab's classes: Infrastructure, Job, Test and so on.
func (s *standIn) verdict(result, kind, errors string) order.Verdict {
	v := order.Verdict{Result: result}
	if result == "pass" {
		return v
	}
	v.ErrorType, v.Error = kind, s.failure
	if v.Error == "" {
		v.Error = strings.TrimSpace(errors)
	}
	if v.ErrorType == "" && s.failure == "" {
		v.ErrorType = string(events.BugError)
		if v.Error == "" {
			v.Error = "the dispatcher's process ended without a result"
		}
	}
	return v
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

// Doors returns the jobs of a worker's state directory that a far dispatcher has to do with, by number.
// What is over, or has its verdict written, is in no list: the far worker is not to start it again.
func Doors(stateDir string) ([]Door, error) {
	files, err := filepath.Glob(filepath.Join(stateDir, "jobs", "*", File))
	if err != nil {
		return nil, fmt.Errorf("look for jobs: %w", err)
	}
	var doors []Door
	for _, file := range files {
		dir := filepath.Dir(file)
		d, err := Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was discarded meanwhile
		}
		if err != nil {
			return nil, err
		}
		if _, err := jobproc.ReadVerdict(dir); err == nil || d.Phase == Over {
			continue
		}
		doors = append(doors, d)
	}
	slices.SortFunc(doors, func(a, b Door) int { return cmp.Compare(a.Job, b.Job) })
	return doors, nil
}
