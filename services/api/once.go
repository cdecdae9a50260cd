package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// Clients that lose an answer send their submission again, with a key that they made for it. The bus knows
// message ids for an hour ([stream.SubmissionWindow]); this file makes that a day, which clients expect.

// KeyWindow is how long a key is remembered.
const KeyWindow = 24 * time.Hour

// keyBucket is the bucket of the broker that remembers keys, so that any process of the api knows them.
const keyBucket = "SUBMISSION_KEYS"

// maxKey is how long a key may be, in bytes.
// A UUID has 36: whatever a client makes for one submission fits.
const maxKey = 255

// keyEntry is what is remembered of a key.
// It is written before the definition is published and once more with the number: what lies between survives a crash.
type keyEntry struct {
	Digest string       `json:"digest"`        // SHA-256 of the definition
	After  uint64       `json:"after"`         // last submission before the first try
	At     time.Time    `json:"at"`            // of the first try
	Job    events.JobID `json:"job,omitempty"` // 0: a try is under way, or broke off
}

// SubmitOnce is [Inside.Submit] for a key of the caller's: however often it is sent within [KeyWindow], it is
// one job. A key that was used for another definition is refused, with Field idempotency_key.
// REST's POST jobs/ asks it for requests with the header Idempotency-Key. [Conflict] is a key of another definition,
// [Invalid] one that is too long; where the broker does not answer it is [Away], and the same key may be sent again.
func (i Inside) SubmitOnce(ctx context.Context, who Caller, definition []byte, key string) (events.JobID, error) {
	if len(key) > maxKey {
		return 0, &Error{Code: Invalid, Field: "idempotency_key", Message: fmt.Sprintf("Idempotency-Key has %d bytes, at most %d are allowed", len(key), maxKey)}
	}
	bucket, err := i.keys(ctx)
	if err != nil {
		return 0, refused(err)
	}
	sum := sha256.Sum256(definition)
	digest := hex.EncodeToString(sum[:])
	// Keys of the bucket take few characters, and one user's keys are no other's: a name with a zero byte cannot be.
	hashed := sha256.Sum256([]byte(string(who.User) + "\x00" + key))
	name := hex.EncodeToString(hashed[:])
	entry, first, err := i.keyed(ctx, bucket, name, digest)
	if err != nil {
		return 0, refused(err)
	}
	// One key for two definitions is a fault of the client, which would lose the second one.
	if entry.Digest != digest {
		return 0, &Error{Code: Conflict, Field: "idempotency_key", Message: "this Idempotency-Key was used for another definition"}
	}
	if entry.Job != 0 {
		return entry.Job, nil
	}
	id := "key-" + name
	if !first {
		// A try broke off, or is under way. The bus may have forgotten its id, or know it by that of an older release.
		if entry.Job, err = i.published(ctx, who.User, entry.After, id); err != nil {
			return 0, refused(err)
		}
	}
	if entry.Job == 0 {
		// The entry stays as it is: the next try goes on from it.
		if entry.Job, err = i.Submit(ctx, who, definition, id); err != nil {
			return 0, err
		}
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return 0, refused(err)
	}
	if _, err := bucket.Put(ctx, name, text); err != nil {
		i.a.logger.Warn("remember a submission's key", "err", err) // for the next hour the bus does
	}
	return entry.Job, nil
}

// keys opens the bucket, and makes it where it is missing.
// It is made at the first use, so that labs whose clients send no keys have none.
func (i Inside) keys(ctx context.Context) (jetstream.KeyValue, error) {
	js := i.a.log.JetStream()
	bucket, err := js.KeyValue(ctx, keyBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: keyBucket,
			Description: "Idempotency-Keys of submissions", TTL: KeyWindow, Storage: jetstream.FileStorage})
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", keyBucket, err)
	}
	return bucket, nil
}

// keyed returns what is remembered of a key, and begins to remember it; first says that it was not known.
func (i Inside) keyed(ctx context.Context, bucket jetstream.KeyValue, name, digest string) (entry keyEntry, first bool, err error) {
	last, err := i.a.log.Last(ctx, stream.Submissions)
	if err != nil {
		return entry, false, err
	}
	entry = keyEntry{Digest: digest, After: last, At: i.a.now().UTC()}
	text, err := json.Marshal(entry)
	if err != nil {
		return entry, false, err
	}
	// Who comes first makes the entry; all others read it.
	if _, err = bucket.Create(ctx, name, text); err == nil || !errors.Is(err, jetstream.ErrKeyExists) {
		return entry, err == nil, err
	}
	was, err := bucket.Get(ctx, name)
	if err != nil {
		return entry, false, fmt.Errorf("read a submission's key: %w", err)
	}
	entry = keyEntry{}
	if err := json.Unmarshal(was.Value(), &entry); err != nil {
		return entry, false, fmt.Errorf("read a submission's key: %w", err)
	}
	return entry, false, nil
}

// published looks for a submission by its message id; 0 is none.
// It reads the submissions of the doors since the first try: at most a day of them, and only after a broken try.
func (i Inside) published(ctx context.Context, user events.UserName, after uint64, id string) (events.JobID, error) {
	found := events.JobID(0)
	ids := []string{i.a.messageID(user, id), string(user) + "/" + id}
	for _, name := range []events.UserName{events.DoorUser, user} { // the latter of a release before, within a day of an upgrade
		err := i.a.log.Scan(ctx, stream.Submissions, "submit."+events.EscapeToken(string(name)), after+1, func(m stream.Message) error {
			// The last one counts, should the bus have taken two before this release looked.
			if slices.Contains(ids, m.Header.Get(events.HeaderMsgID)) {
				found = events.JobID(m.Seq)
			}
			return nil
		})
		if err != nil || found != 0 {
			return found, err
		}
	}
	return 0, nil
}
