package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/device"
	"strata/schemas/job"
	"strata/schemas/order"
	"strata/schemas/yaml"
)

// How orders are kept for workers.
const (
	// redeliverAfter is the AckWait of all consumers here: an order that a worker was given and died
	// over, or a report that a dispatch did, comes again after that. Both take milliseconds, else what
	// comes twice is known.
	redeliverAfter = 5 * time.Second
	// textsKept is how long a long text lies in its bucket: longer than a worker may be away before
	// its jobs are ended.
	textsKept = 7 * 24 * time.Hour
)

// texts is the bucket of long texts.
type texts struct {
	bucket    jetstream.KeyValue
	consumers map[events.WorkerName]bool // those this process has made
}

// openTexts opens the bucket of long texts, and makes it where there is none.
func (s *service) openTexts(ctx context.Context) error {
	kv, err := s.Log.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: order.Texts, Description: "long texts of work orders", TTL: textsKept, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", order.Texts, err)
	}
	s.texts = texts{kv, map[events.WorkerName]bool{}}
	return nil
}

// send publishes the orders that the state asks for: those that reports are answered with, and for
// each lease its start, its cancel, and its end where the lab has ended it. What this process has not
// sent it sends, though another may have: workers bear doubles, the broker drops most.
func (s *service) send(now time.Time) error {
	for w := range s.state.lab.Workers() {
		if err := s.ensureConsumer(w.Name); err != nil {
			return err
		}
	}
	if err := s.collect(); err != nil {
		return err
	}
	// Answers to reports first: they end what must not go on.
	posts := make([]post, 0, len(s.state.outgoing))
	for _, o := range s.state.outgoing {
		posts = append(posts, post{outgoing: o})
	}
	var starts []*lab.Job
	for _, j := range s.state.jobs(s.state.unsent) {
		if j.State == lab.Scheduled && !s.state.sent[j.ID][j.Run.Lease].start {
			starts = append(starts, j)
		} else if p, due := s.endOf(j); due {
			posts = append(posts, p)
		} else {
			delete(s.state.unsent, j.ID) // until it changes
		}
	}
	s.state.outgoing = nil // they come back where they cannot be published
	s.deliver(posts)
	return s.sendStarts(starts, now)
}

// Starts are made and published together, so many at a time: their texts are in memory meanwhile. Few are
// made at the same moment: each waits for the broker, and hardly for the processor.
const (
	startsTogether = 48
	startsAtOnce   = 8
)

// sendStarts makes the orders of jobs that begin, and hands them on as soon as those before are with the broker.
func (s *service) sendStarts(jobs []*lab.Job, now time.Time) error {
	for part := range slices.Chunk(jobs, startsTogether) {
		made := make([]post, len(part))
		results := make([]error, len(part))
		var next atomic.Int64
		var making sync.WaitGroup
		for range min(startsAtOnce, len(part)) {
			// Nothing is changed while they are made: the state is only read then.
			making.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(part)); i = next.Add(1) - 1 {
					made[i], results[i] = s.start(part[i])
				}
			})
		}
		making.Wait()
		var failed error
		var posts []post
		for i, err := range results {
			var bad *badJob
			switch {
			case err == nil:
				posts = append(posts, made[i])
			case errors.As(err, &bad):
				failed = errors.Join(failed, s.giveUp(part[i], bad, now))
			default:
				failed = errors.Join(failed, err)
			}
		}
		// One that cannot be made now does not keep back the others.
		failed = errors.Join(failed, s.collect())
		s.deliver(posts)
		if failed != nil {
			return failed
		}
	}
	return nil
}

// start makes the order that begins a job.
func (s *service) start(j *lab.Job) (post, error) {
	work, err := s.work(j)
	if err != nil {
		return post{}, err
	}
	key := lease{j.ID, j.Run.Lease}
	o, was := orderFor(j), s.state.sent[j.ID][j.Run.Lease]
	o.Kind, o.Work = order.Start, &work
	was.start = true
	return post{outgoing{j.Run.Worker, o, fmt.Sprintf("%s/%d/%d", o.Kind, o.Job, o.Lease)}, key, was}, nil
}

// orderFor returns an order about a job's run, of no kind yet.
func orderFor(j *lab.Job) order.Order {
	return order.Order{Version: order.Version, Job: uint64(j.ID), Lease: uint64(j.Run.Lease), Device: string(j.Run.Device)}
}

// endOf returns the order that ends a job which was begun, where that is due and has not been sent.
func (s *service) endOf(j *lab.Job) (p post, due bool) {
	key := lease{j.ID, j.Run.Lease}
	o, was := orderFor(j), s.state.sent[j.ID][j.Run.Lease]
	// The end of a lease is another order than the cancel that a person asked for before.
	kind := "cancel"
	switch {
	case j.State == lab.Canceling && !was.cancel:
		o.Kind, o.Reason = order.Cancel, reason(j.Cancel)
		was.cancel = true
	case j.State == lab.Finished && j.End.Lost && !was.over:
		o.Kind, o.Over, o.Reason = order.Cancel, true, j.End.Error
		was.over = true
		kind = "over"
	default:
		return post{}, false
	}
	return post{outgoing{j.Run.Worker, o, fmt.Sprintf("%s/%d/%d", kind, o.Job, o.Lease)}, key, was}, true
}

// reason says why a job is to end, as its log shows it.
func reason(c *lab.Cancel) string {
	switch {
	case c == nil:
		return "canceled"
	case c.Reason != "" && c.By != "":
		return fmt.Sprintf("canceled by %s: %s", c.By, c.Reason)
	case c.Reason != "":
		return c.Reason
	}
	return "canceled by " + string(c.By)
}

// badJob is in the error of work where no order can ever be made.
type badJob struct {
	class events.ErrorType
	text  string
}

// Error returns the sentence that users see as the job's error.
func (b *badJob) Error() string { return b.text }

// giveUp ends a job for which no order can be made.
func (s *service) giveUp(j *lab.Job, b *badJob, now time.Time) error {
	return s.append([]stream.Draft{{Event: events.JobFinished{
		Job: j.ID, Device: j.Run.Device, Worker: j.Run.Worker, Lease: j.Run.Lease, At: now.UTC(),
		Health: health(j, "fail"), ErrorType: b.class, Error: b.text, LinesKnown: true,
	}}})
}

// work gathers what the worker needs to run a job.
func (s *service) work(j *lab.Job) (order.Work, error) {
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	definition, err := s.Log.SubmissionText(ctx, j.Source.Sequence)
	if errors.Is(err, stream.ErrNoSubmission) {
		return order.Work{}, &badJob{events.JobError, "the job's definition was removed"}
	}
	if err != nil {
		return order.Work{}, fmt.Errorf("read definition of job %d: %w", j.ID, err)
	}
	// What is run must be what was checked at the gate.
	if sum := sha256.Sum256(definition); hex.EncodeToString(sum[:]) != j.Source.SHA256 {
		return order.Work{}, &badJob{events.BugError, "the job's definition is not the one that was submitted"}
	}
	config, err := s.deviceConfig(j, definition)
	if err != nil {
		return order.Work{}, err
	}
	if j.Part != nil {
		if definition, err = s.withMembers(j, definition); err != nil {
			return order.Work{}, err
		}
	}
	w := order.Work{Display: j.Display, OutputLimit: s.OutputLimit, FileLimit: s.FileLimit, FilesLimit: s.FilesLimit,
		Traceparent: s.state.traces[j.ID]}
	me := access.Principal{Role: access.Job, Job: j.ID, Lease: j.Run.Lease, Worker: j.Run.Worker}
	if j.Part != nil {
		me.Group, w.Group = j.Part.Group, j.Part.Group
	}
	w.Credential = s.Key.Token(me)
	if w.Secrets, err = s.secrets(j, definition); err != nil {
		return order.Work{}, err
	}
	named := []struct {
		name string
		to   *order.Text
		text string
	}{{"definition", &w.Definition, string(definition)}, {"device", &w.Device, config}}
	if on := s.state.lab.Worker(j.Run.Worker); on != nil {
		named = append(named, []struct {
			name string
			to   *order.Text
			text string
		}{{"dispatcher", &w.Dispatcher, on.Dispatcher}, {"env", &w.Env, on.Env}, {"env-dut", &w.EnvDUT, on.EnvDUT}}...)
	}
	for _, n := range named {
		if *n.to, err = s.text(ctx, j, n.name, n.text); err != nil {
			return order.Work{}, err
		}
	}
	return w, nil
}

// secrets opens the submitter's secrets that a definition names. This is one of the two places where they are
// opened; the other is a callback's.
func (s *service) secrets(j *lab.Job, definition []byte) (map[string]string, error) {
	u := s.state.lab.User(j.User)
	if u == nil || len(u.Remote) == 0 {
		return nil, nil
	}
	root, err := yaml.Parse(definition)
	if err != nil {
		return nil, nil // the worker says so; a health check may be any text
	}
	var out map[string]string
	for _, name := range job.NamedSecrets(root) {
		sealed := s.state.lab.RemoteNamed(j.User, name)
		if sealed == "" {
			continue
		}
		value, err := s.Key.Open(sealed, access.Place(j.User, "remote", name))
		if err != nil {
			return nil, &badJob{events.InfrastructureError, fmt.Sprintf("the secret %q of %s cannot be opened: it was kept with another key of the lab; set it anew", name, j.User)}
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out, nil
}

// deviceConfig returns the configuration of the job's device, rendered with the job's context. A
// guest has that of its host, cut down.
func (s *service) deviceConfig(j *lab.Job, definition []byte) (string, error) {
	name := j.Run.Device
	if j.Guest() {
		host := s.hostOf(j)
		if host == nil {
			return "", &badJob{events.ConfigurationError, "no job of the group has a device for its guest"}
		}
		name = host.Run.Device
	}
	d := s.state.lab.Device(name)
	if d == nil {
		return "", &badJob{events.ConfigurationError, fmt.Sprintf("device %s has been removed", name)}
	}
	bad := func(err error) error {
		return &badJob{events.ConfigurationError, fmt.Sprintf("configuration of device %s, version %d: %v", d.Name, d.Version, err)}
	}
	var context *yaml.Node
	if root, err := yaml.Parse(definition); err == nil { // the gate has read it; a health check may lack a context
		context = root.Get("context")
	}
	types := device.Templates{Text: s.state.lab.Template}
	config, err := types.Render(string(d.Name), string(d.Type), []byte(d.Dictionary), context)
	if err != nil {
		return "", bad(err)
	}
	// Loaded to be checked, and handed on as text: the worker loads it again.
	if _, err := device.Load(config, nil); err != nil {
		return "", bad(err)
	}
	if !j.Guest() {
		return string(config), nil
	}
	whole, err := yaml.Parse(config)
	if err == nil {
		config, err = yaml.Write(guestConfig(whole))
	}
	if err != nil {
		return "", bad(err)
	}
	return string(config), nil
}

// text puts a text into an order, or where it is long into its bucket.
func (s *service) text(ctx context.Context, j *lab.Job, name, text string) (order.Text, error) {
	if len(text) <= order.InlineLimit {
		return order.Text{Inline: text}, nil
	}
	key := access.TextKey(j.Run.Worker, j.ID, j.Run.Lease, name)
	if _, err := s.texts.bucket.Put(ctx, key, []byte(text)); err != nil {
		return order.Text{}, fmt.Errorf("keep %s of job %d: %w", name, j.ID, err)
	}
	sum := sha256.Sum256([]byte(text))
	return order.Text{Key: key, SHA256: hex.EncodeToString(sum[:]), Bytes: len(text)}, nil
}

// ensureConsumer makes the consumer through which a worker reads its orders; the worker itself may
// not. There is one for each worker, so that none can be given another's.
func (s *service) ensureConsumer(w events.WorkerName) error {
	if s.texts.consumers[w] {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	_, err := s.Log.JetStream().CreateOrUpdateConsumer(ctx, stream.Work, jetstream.ConsumerConfig{
		Durable: events.EscapeToken(string(w)), Description: "orders of worker " + string(w),
		FilterSubject: access.WorkSubject(w), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: redeliverAfter, MaxAckPending: 64,
	})
	if err != nil {
		return fmt.Errorf("make consumer of worker %s: %w", w, err)
	}
	s.texts.consumers[w] = true
	return nil
}
