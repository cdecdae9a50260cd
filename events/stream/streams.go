package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

// The streams of a lab.
const (
	Submissions = "SUBMISSIONS" // submit.<user>, part.<P>.<n>: definitions; the sequence is the job's number
	Lab         = "LAB"         // facts of all entities
	Output      = "OUTPUT"      // output.<job>: frames
	Results     = "RESULTS"     // result.<job>: facts of results
	Work        = "WORK"        // work.<worker>: orders, until acknowledged
	Reports     = "REPORTS"     // report.<worker>: claims of workers, until acknowledged
	Sync        = "SYNC"        // sync.<group>: multinode messages
)

// The buckets of a lab.
const (
	Presence    = "presence"    // key-value: workers' signs of life, with a TTL; keys are escaped tokens
	Checkpoints = "checkpoints" // objects: snapshots of folds
	Turns       = "turns"       // key-value: who has which [Turn], with a TTL; keys are names of services
)

// How long the broker remembers message ids. A message that is sent again within the window is
// acknowledged with the number of the first one; later it would be recorded twice. The broker
// holds the ids in memory, about 100 bytes each.
const (
	SubmissionWindow = time.Hour       // people's scripts try again late
	FactWindow       = 2 * time.Minute // must be longer than Settings.Patience
)

// PersistOutputAsync is what Settings.AsyncOutput asks for: OUTPUT acknowledges frames before they
// are on disk. It is some fifty times faster under load, and a broker that is killed may lose the last
// frames; the spools of the workers fill the gap. It cannot be changed once the stream is there.
const PersistOutputAsync = jetstream.AsyncPersistMode

// configs returns the settings of all streams.
//
// Fixed for ever once a stream is made, and so chosen with care: storage (file); retention, where
// it is a work queue; PersistMode; the first sequence, which is the first job's number; DenyDelete,
// which can be set but not lifted. DenyPurge could not be lifted either and is not set anywhere: the
// archive purges what it has verified, and erasure of a job purges its subjects. No stream that holds facts, definitions
// or output has MaxAge: it would drop messages that a reader has not read.
func configs(s Settings) []jetstream.StreamConfig {
	base := jetstream.StreamConfig{
		Storage:     jetstream.FileStorage,
		Replicas:    max(1, s.Replicas),
		AllowDirect: true,
		Duplicates:  FactWindow,
		Discard:     jetstream.DiscardNew, // where there is a limit, refuse rather than forget
	}
	with := func(name, what string, subjects ...string) jetstream.StreamConfig {
		c := base
		c.Name, c.Description, c.Subjects = name, what, subjects
		return c
	}

	submissions := with(Submissions, "job definitions as submitted; the sequence is the job's number", "submit.*", "part.*.*")
	submissions.AllowAtomicPublish = true // parts of a multinode job come all or not at all
	submissions.Duplicates = SubmissionWindow
	submissions.FirstSeq = s.FirstJob

	lab := with(Lab, "facts of the lab, in one order", "job.*", "device.*", "devicetype.*", "worker.*",
		"tag.*", "user.*", "group.*", "query.*", "chart.*", "scheduling", "policy", "lab", "reservation.*", "issues", "notification.*")
	lab.AllowAtomicPublish = true
	lab.DenyDelete = true

	results := with(Results, "facts of results", "result.*")
	results.AllowAtomicPublish = true
	results.DenyDelete = true

	output := with(Output, "frames of jobs' output", "output.*")
	if s.OutputBytes > 0 {
		output.MaxBytes = s.OutputBytes
	}
	if s.AsyncOutput {
		output.PersistMode = PersistOutputAsync
	}

	work := with(Work, "orders to workers, until acknowledged", "work.*")
	work.Retention = jetstream.WorkQueuePolicy
	work.AllowAtomicPublish = true // many orders at once, see [Log.PublishTogether]
	reports := with(Reports, "claims of workers, until acknowledged", "report.*")
	reports.Retention = jetstream.WorkQueuePolicy

	all := []jetstream.StreamConfig{submissions, lab, results, output, work, reports,
		with(Sync, "messages between the jobs of a group, until it ends", "sync.*")}
	for i := range all {
		all[i].FirstSeq = max(all[i].FirstSeq, s.First[all[i].Name])
	}
	return all
}

// Open returns the log on a broker. It makes the streams and buckets that are missing and checks
// those that exist: what can be changed is brought to what this release wants, what cannot and
// differs is an error. It refuses a broker that does not sync each write, unless told otherwise.
func Open(ctx context.Context, nc *nats.Conn, s Settings) (*Log, error) {
	if s.Now == nil {
		return nil, errors.New("open log: Settings.Now is missing")
	}
	if s.Patience == 0 {
		s.Patience = 30 * time.Second
	}
	if s.Patience >= FactWindow {
		return nil, fmt.Errorf("open log: patience of %s must be below %s, the time the broker remembers message ids", s.Patience, FactWindow)
	}
	if s.PresenceTTL == 0 {
		s.PresenceTTL = 15 * time.Second
	}
	if s.TurnTTL == 0 {
		s.TurnTTL = 10 * time.Second
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := checkSync(s); err != nil {
		return nil, err
	}
	for _, c := range configs(s) {
		if err := s.insist(ctx, func(ctx context.Context) error { return ensureStream(ctx, js, c) }); err != nil {
			return nil, fmt.Errorf("open stream %s: %w", c.Name, err)
		}
	}
	if err := s.insist(ctx, func(ctx context.Context) error { return ensureBuckets(ctx, js, s) }); err != nil {
		return nil, err
	}
	return &Log{nc: nc, js: js, s: s, counters: new(Counters), recent: new(recent)}, nil
}

// insist asks again what the broker did not answer within [attemptTime], for [Settings.Patience] at the most: a slow disk takes
// its time to make a stream, and an answer gets lost with the connection. What is asked must bear to be asked twice.
func (s Settings) insist(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, attemptTime)
		err := ask(attempt)
		done()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

// ensureStream makes a stream, or brings the one there is to what can still be changed.
func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	st, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		st, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
			st, err = js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return err
	}
	info := st.CachedInfo()
	is := info.Config
	switch {
	case is.Storage != want.Storage:
		return fmt.Errorf("is kept in %s, must be in %s: this can't be changed, so move the stream away", is.Storage, want.Storage)
	case is.Retention != want.Retention:
		return fmt.Errorf("keeps messages by %s, must by %s: this can't be changed, so move the stream away", is.Retention, want.Retention)
	case is.DenyPurge:
		return errors.New("denies purges, so nothing could ever be archived: this can't be changed, so move the stream away")
	case is.MaxAge != 0:
		return fmt.Errorf("drops messages after %s, read or not: set max_age to 0", is.MaxAge)
	case want.FirstSeq > info.State.LastSeq+1:
		return fmt.Errorf("gives number %d next, and the first number is to be %d: it can be set only when the stream is made",
			info.State.LastSeq+1, want.FirstSeq)
	}
	next := is
	next.Subjects = merged(is.Subjects, want.Subjects)
	next.AllowAtomicPublish = is.AllowAtomicPublish || want.AllowAtomicPublish
	next.DenyDelete = is.DenyDelete || want.DenyDelete
	next.AllowDirect = true
	next.Discard = want.Discard
	next.Duplicates = max(is.Duplicates, want.Duplicates)
	if want.MaxBytes > 0 {
		next.MaxBytes = want.MaxBytes
	}
	if len(next.Subjects) == len(is.Subjects) && next.AllowAtomicPublish == is.AllowAtomicPublish &&
		next.DenyDelete == is.DenyDelete && is.AllowDirect && next.Discard == is.Discard &&
		next.Duplicates == is.Duplicates && next.MaxBytes == is.MaxBytes {
		return nil
	}
	_, err = js.UpdateStream(ctx, next)
	return err
}

// merged returns what is in either list. Subjects are never taken away: a newer release may have
// added them.
func merged(is, want []string) []string {
	all := slices.Clone(is)
	for _, s := range want {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// ensureBuckets makes the key-value and object buckets that are missing.
func ensureBuckets(ctx context.Context, js jetstream.JetStream, s Settings) error {
	for _, b := range []struct {
		name, what string
		ttl        time.Duration
	}{{Presence, "workers' signs of life", s.PresenceTTL}, {Turns, "which process has the turn", s.TurnTTL}} {
		_, err := js.KeyValue(ctx, b.name)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: b.name, Description: b.what, TTL: b.ttl,
				// In a file, for a bucket in memory is gone after a restart of the broker, and nobody would
				// make it again. Old signs are not believed all the same: their time to live goes on.
				Storage: jetstream.FileStorage, Replicas: max(1, s.Replicas),
			})
		}
		if err != nil {
			return fmt.Errorf("open bucket %s: %w", b.name, err)
		}
	}
	for name, what := range map[string]string{
		Checkpoints: "snapshots of folds",
	} {
		_, err := js.ObjectStore(ctx, name)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
				Bucket: name, Description: what, Storage: jetstream.FileStorage, Replicas: max(1, s.Replicas),
			})
		}
		if err != nil {
			return fmt.Errorf("open bucket %s: %w", name, err)
		}
	}
	return nil
}

// PresenceKey returns a worker's key in the bucket [Presence].
func PresenceKey(w events.WorkerName) string { return events.EscapeToken(string(w)) }

// streamOf returns the stream that holds an entity's facts.
func streamOf(e events.Entity) string {
	if e.Kind == events.Result {
		return Results
	}
	return Lab
}
