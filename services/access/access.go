// Package access answers the broker when it asks who a new connection is and what it may do.
//
// The broker hands every credential but the services' own to a subscriber of $SYS.REQ.USER.AUTH
// (auth callout). This service reads the token ([access.Key.Verify]), asks the folded lab whether
// the bearer still has business here, and answers with a user JWT that lists the bearer's rights,
// signed by the key's account key.
//
// A person is let in with a token that stands in the log (its digest does), or as the administrator with the
// credential that follows from the lab's key. A connection without a credential is somebody without a name, who
// may ask the api what the lab declares public. A worker is let in with the token that it was given last, while it is registered, a job's process from
// the order on until the job's output is complete. Rights end when the JWT expires, at the latest after [Deps.Lifetime]: then the broker closes
// the connection and the client comes back to ask anew. Any number of these services may run;
// one of them answers.
package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
)

// subject is where the broker asks, by its auth callout (nats-server ADR-26).
const subject = "$SYS.REQ.USER.AUTH"

// askWithin is how long a question to the log may take; the broker waits two seconds for an answer.
// A login that takes longer is refused by the broker itself, and the client comes again.
const askWithin = time.Second

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log // of a connection as access.ServiceUser
	Key    access.Key
	Now    func() time.Time
	Logger *slog.Logger

	Lifetime time.Duration // of what is answered; 0 is an hour
	// System is a connection to the broker's system account, see [SystemOptions]: through it the
	// connections of workers and people are cut whose token is revoked. nil: they end with their rights.
	System *nats.Conn
	// Ready is called once callers are answered, each time that the service starts; nil where nobody
	// waits for that.
	Ready func()
}

// Run answers until ctx ends. Before it has read the lab it answers nobody, so that no one is
// refused who has a right.
// The error is that of the log's driver, or of a subscription that could not be made. Rights that
// were given out stay with the broker when it ends.
func Run(ctx context.Context, d Deps) error {
	if d.Lifetime == 0 {
		d.Lifetime = time.Hour
	}
	issuer, err := d.Key.Issuer()
	if err != nil {
		return err
	}
	r := &responder{Deps: d, issuer: issuer, lab: lab.New(), folded: make(chan struct{}), revoked: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(ctx)
	var cutting sync.WaitGroup
	defer cutting.Wait()
	defer stop()
	if d.System != nil {
		cutting.Go(func() { r.cutWhenAsked(ctx) })
	}
	// Made by the driver's goroutine alone, at the first call of act: then the fold has all there
	// is.
	var sub *nats.Subscription
	act := func(time.Time) (time.Time, error) {
		r.askForCut()
		r.tellFolded()
		if sub != nil {
			return time.Time{}, nil
		}
		// A queue group: several responders share the questions.
		if sub, err = d.Log.Conn().QueueSubscribe(subject, "access", r.answer); err != nil {
			return time.Time{}, fmt.Errorf("listen for logins: %w", err)
		}
		if err := d.Log.Conn().FlushTimeout(10 * time.Second); err != nil {
			return time.Time{}, fmt.Errorf("listen for logins: %w", err)
		}
		if d.Ready != nil {
			d.Ready()
		}
		return time.Time{}, nil
	}
	err = d.Log.Run(ctx, stream.Driver{Name: "access", Fold: r.fold, Act: act, Checkpoint: &stream.Checkpoint{
		Format: lab.Format, Save: r.save, Load: r.load}})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	if sub != nil {
		err = errors.Join(err, sub.Drain())
	}
	return err
}

// responder answers questions. Its lab is folded by one goroutine and read by another.
// Of its Deps System and Ready may be nil.
type responder struct {
	Deps
	issuer nkeys.KeyPair

	mu     sync.RWMutex
	lab    *lab.State
	folded chan struct{} // closed, and made anew, when facts have been folded; guarded by mu
	// Of the goroutine that answers: a fact that was waited for in vain, and until when the log is not asked again.
	behind uint64
	silent time.Time

	stale   bool          // a fact has revoked a token, and no cut was asked for since; of the driver's goroutine
	revoked chan struct{} // asks for a cut
}

// fold, save and load are the driver's; logins are answered beside them, so the lab has a lock.
func (r *responder) fold(rec stream.Recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lab.Evolve(rec.Seq, rec.Time, rec.Event)
	r.stale = r.stale || revokes(rec.Event)
}

func (r *responder) save() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.lab.Encode()
}

func (r *responder) load(format string, data []byte) error {
	l, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lab = l
	return nil
}

// answer answers one question of the broker.
// It runs on the subscription's goroutine, one question after the other. The client is told of a
// refusal only that it is refused: the reason is for the lab's log.
func (r *responder) answer(m *nats.Msg) {
	req, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		r.Logger.Error("login question cannot be read", "error", err)
		return
	}
	res := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	// The answer is for this server and this connection only: both are named in what is signed.
	res.Audience = req.Server.ID
	who, until, err := r.identify(req.ConnectOptions)
	if err == nil {
		res.Jwt, err = r.permit(req.UserNkey, who, until)
	}
	if err != nil {
		r.Logger.Warn("login refused", "host", req.ClientInformation.Host, "name", req.ConnectOptions.Name, "error", err)
		res.Error = err.Error()
	}
	signed, err := res.Encode(r.issuer)
	if err != nil {
		r.Logger.Error("login cannot be answered", "error", err)
		return
	}
	if err := m.Respond([]byte(signed)); err != nil {
		r.Logger.Error("login cannot be answered", "error", err)
	}
}

// identify says who the bearer of a credential is, if it is still welcome. A token may stand where
// NATS clients have a token, or as the password of any user name. It is good until a time; zero is for ever.
func (r *responder) identify(o jwt.ConnectOptions) (access.Principal, time.Time, error) {
	// Some clients can only send a user and a password.
	token := o.Token
	if token == "" {
		token = o.Password
	}
	if token == "" {
		// A client that names itself without a token meant to be somebody: it is refused rather than
		// made nobody.
		if o.Username == "" && o.JWT == "" && o.Nkey == "" {
			return access.Principal{Role: access.Person}, time.Time{}, nil
		}
		return access.Principal{}, time.Time{}, errors.New("a token is needed")
	}
	// Tokens that follow from the lab's key (workers, jobs, the administrator) stand in no fact.
	p, err := r.Key.Verify(token)
	if err != nil || p.Role != access.Job { // the log itself tells of a job
		r.catchUp()
	}
	if err == nil {
		return p, time.Time{}, r.welcome(p)
	}
	r.mu.RLock()
	login, known := r.lab.Authenticate(access.Digest(token), r.Now())
	r.mu.RUnlock()
	if !known {
		return access.Principal{}, time.Time{}, err
	}
	return person(login), login.Expires, nil
}

// person returns who has come with a token of the log.
// The broker knows such a connection by the token's name, so that it may be cut without the user's
// others.
func person(l lab.Login) access.Principal {
	return access.Principal{Role: access.Person, User: l.User, Token: l.Token, Limited: len(l.Scopes) > 0 || l.ActingFor != "",
		// Nobody submits as another: the job would be the other's alone.
		Submits: l.ActingFor == "" && lab.Covers(l.Scopes, lab.Submit, events.Job)}
}

// welcome says why a principal has no business here any more, nil where it has.
func (r *responder) welcome(p access.Principal) error {
	switch p.Role {
	case access.Worker:
		r.mu.RLock()
		defer r.mu.RUnlock()
		switch w := r.lab.Worker(p.Worker); {
		case w == nil:
			return fmt.Errorf("%s is not registered", p)
		// A token that was given out a moment ago may be ahead of this fold: its bearer tries again.
		case w.TokenSeq != p.Serial:
			return fmt.Errorf("%s has another token now: this one was revoked, or was given out a moment ago", p)
		}
		return nil
	case access.Job:
		open, err := r.open(p)
		if err == nil && !open {
			err = fmt.Errorf("%s has no output to send", p)
		}
		return err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p.User != access.Local || !r.lab.Superuser(p.User) {
		return fmt.Errorf("%s has no business here", p)
	}
	return nil
}

// open says whether a job's output is still taken under the bearer's lease. A lease that the fold does
// not know may have been given a moment ago: the job's own history tells.
// Job processes connect within a moment of the order, and again whenever they lose the broker.
func (r *responder) open(p access.Principal) (bool, error) {
	r.mu.RLock()
	j := r.lab.Job(p.Job)
	known := j != nil && j.Run != nil && j.Run.Lease >= p.Lease
	open := known && j.Run.Lease == p.Lease && !j.Run.OutputComplete
	r.mu.RUnlock()
	if known {
		return open, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	facts, err := r.Log.Load(ctx, events.Entity{Kind: events.Job, ID: p.Job.String()})
	if err != nil {
		return false, err
	}
	// The last order counts: one that came back was given out again under another lease.
	for _, f := range facts {
		switch e := f.Event.(type) {
		case events.JobScheduled:
			open = e.Lease == p.Lease
		case events.JobReturned, events.JobOutputComplete:
			open = false
		}
	}
	return open, nil
}

// permit returns the JWT that lets a principal in.
// What the rights are, events/access says. They expire with the token where that is sooner.
func (r *responder) permit(userKey string, p access.Principal, until time.Time) (string, error) {
	rights := p.Rights()
	c := jwt.NewUserClaims(userKey)
	c.Name = bearer(p)
	c.Audience = access.Account
	expires := r.Now().Add(r.Lifetime)
	if !until.IsZero() && until.Before(expires) {
		expires = until
	}
	c.Expires = expires.Unix()
	c.Permissions = jwt.Permissions{
		Pub: jwt.Permission{Allow: jwt.StringList(rights.Publish)},
		Sub: jwt.Permission{Allow: jwt.StringList(rights.Subscribe)},
	}
	signed, err := c.Encode(r.issuer)
	if err != nil {
		return "", fmt.Errorf("sign rights of %s: %w", p, err)
	}
	return signed, nil
}
