package access

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"strata/events"
)

// ErrInvalid is in the error of [Key.Verify] for whatever is not a token that this key signed.
var ErrInvalid = errors.New("token is not valid here")

// Role is the kind of a principal.
type Role string

// The kinds of principal that are not services.
const (
	Worker Role = "worker"
	Job    Role = "job"    // the process that runs one job
	Person Role = "person" // a user, or somebody without a name
)

// Local is the administrator that every lab has, see [Key.Administrator].
const Local events.UserName = "local"

// Principal is who is on the other end of a connection.
type Principal struct {
	Role   Role              `json:"r"`
	Worker events.WorkerName `json:"w,omitempty"` // of a worker; of a job: the worker it runs on
	Serial uint64            `json:"s,omitempty"` // of a worker: which of its tokens this is, see lab.Worker.TokenSeq
	Job    events.JobID      `json:"j,omitempty"`
	Lease  events.Lease      `json:"l,omitempty"` // under which the job runs
	Group  string            `json:"g,omitempty"` // multinode group of the job
	User   events.UserName   `json:"u,omitempty"` // of a person; "" is somebody without a name

	// Of a person whose token stands in the log; no signed token claims them.
	Token   events.TokenID `json:"-"`
	Limited bool           `json:"-"` // speaks only as this token, which tells the api what it is for
	Submits bool           `json:"-"` // of a limited token: it may submit
}

// String names the principal for logs: "worker lab1", "job 42", "person local".
func (p Principal) String() string {
	switch p.Role {
	case Worker:
		return "worker " + string(p.Worker)
	case Job:
		return "job " + p.Job.String()
	}
	if p.Token != "" {
		return "person " + string(p.User) + ", token " + string(p.Token)
	}
	return "person " + string(p.User)
}

// prefix tells a token from other secrets, so that scanners and people know what they found. The
// digit is the version of what follows.
const prefix = "strata1_"

// Token returns a signed token of a worker, a job or [Local]: the prefix, what it claims and the signature. It does not
// expire: the responder asks the lab whether this is the token that the worker has now, and whether
// the job's output is still open.
func (k Key) Token(p Principal) string {
	claims, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("access: %v", err)) // strings and numbers always encode
	}
	enc := base64.RawURLEncoding
	return prefix + enc.EncodeToString(claims) + "." + enc.EncodeToString(k.sign(claims))
}

// Verify returns whom a token stands for, or an error with [ErrInvalid] in it that does not
// repeat the token.
func (k Key) Verify(token string) (Principal, error) {
	rest, ok := strings.CutPrefix(token, prefix)
	if !ok {
		return Principal{}, fmt.Errorf("%w: does not begin with %s", ErrInvalid, prefix)
	}
	body, tag, ok := strings.Cut(rest, ".")
	if !ok {
		return Principal{}, fmt.Errorf("%w: has no signature", ErrInvalid)
	}
	enc := base64.RawURLEncoding.Strict()
	claims, err := enc.DecodeString(body)
	signature, err2 := enc.DecodeString(tag)
	if err != nil || err2 != nil {
		return Principal{}, fmt.Errorf("%w: is not base64", ErrInvalid)
	}
	if !hmac.Equal(signature, k.sign(claims)) {
		return Principal{}, fmt.Errorf("%w: was signed with another key", ErrInvalid)
	}
	var p Principal
	if err := json.Unmarshal(claims, &p); err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, nil
}
