package api

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
)

// A password is for signing in at a page; programs have tokens. The log keeps a salted hash of it, and that
// sealed: whoever reads the log, an archive or a backup has nothing to guess at without the lab's key.

// What hashing a password costs: argon2id with 19 MiB and two passes, as OWASP advises. The hash tells its own
// figures, so they may be raised.
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonBytes   = 32

	// Bytes, as NIST SP 800-63B asks for at least; it asks for no digits or signs.
	minPassword = 8
	maxPassword = 1024
	// djangoName begins the hashes of a LAVA server, which are taken until their user comes.
	djangoName      = "pbkdf2_sha256"
	djangoMaxRounds = 10_000_000
	// hashesAtOnce bounds what sign-ins may cost the machine that jobs are scheduled on.
	hashesAtOnce = 2
)

// hashPassword returns what a password is checked by, in the form that argon2's own tools write.
// It takes some tens of ms of a core and 19 MiB, so it is called through [api.hash].
func hashPassword(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails since Go 1.24
	return argonHash(password, salt, argonMemory, argonPasses, argonThreads)
}

// argonHash writes the hash with its costs before it, in the form that checkPassword reads.
func argonHash(password string, salt []byte, memory, passes uint32, threads uint8) string {
	enc := base64.RawStdEncoding
	sum := argon2.IDKey([]byte(password), salt, passes, memory, threads, argonBytes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads, enc.EncodeToString(salt), enc.EncodeToString(sum))
}

// checkPassword says whether a password is that of a hash, of this lab's kind or of Django's. A hash of
// another kind is nobody's.
// A hash with costs beyond reason is refused rather than paid for: an import may have brought it.
func checkPassword(password, hash string) bool {
	again := ""
	switch parts := strings.Split(hash, "$"); {
	case len(parts) == 6 && parts[1] == "argon2id" && parts[2] == "v="+strconv.Itoa(argon2.Version):
		var memory, passes uint32
		var threads uint8
		salt, err := base64.RawStdEncoding.DecodeString(parts[4])
		if n, bad := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); n != 3 || bad != nil || err != nil ||
			memory > 1<<20 || passes == 0 || passes > 100 || threads == 0 {
			return false
		}
		again = argonHash(password, salt, memory, passes, threads)
	case len(parts) == 4 && parts[0] == djangoName:
		rounds, err := strconv.Atoi(parts[1])
		if err != nil || rounds < 1 || rounds > djangoMaxRounds {
			return false
		}
		again = djangoHash(password, parts[2], rounds)
	default:
		return false
	}
	return subtle.ConstantTimeCompare([]byte(again), []byte(hash)) == 1
}

// djangoHash returns Django's pbkdf2_sha256$rounds$salt$hash.
func djangoHash(password, salt string, rounds int) string {
	sum, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, sha256.Size)
	if err != nil {
		panic(fmt.Sprintf("api: %v", err)) // only for lengths that are not ours
	}
	return fmt.Sprintf("%s$%d$%s$%s", djangoName, rounds, salt, base64.StdEncoding.EncodeToString(sum))
}

// stale says that a hash is to be made anew when its password comes.
// Django's are stale as a whole, and so are argon2's of other costs.
func stale(hash string) bool {
	return !strings.HasPrefix(hash, fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonPasses, argonThreads))
}

// nobodysHash is checked where there is no account, so that whoever tries names learns nothing from the time.
const nobodysHash = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hash does the slow work of f when it is its turn.
// The error is ctx's: the caller has gone, or its time is over, while others were hashed.
func (a *api) hash(ctx context.Context, f func()) error {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		f()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sealPassword returns the fact of a new password, none where none is asked for.
// It is done before the state is looked at: record may ask several times, and hashing is slow. An
// empty password is a fact without a hash, which takes the password away.
func (a *api) sealPassword(ctx context.Context, who caller, in UserRequest) ([]events.Event, error) {
	if in.Password == nil {
		return nil, nil
	}
	e := events.PasswordSet{User: in.User, By: who.user}
	switch n := len(*in.Password); {
	case n == 0:
	case n < minPassword || n > maxPassword:
		return nil, &Error{Code: Invalid, Field: "password", Message: fmt.Sprintf("password has %d bytes, want %d to %d", n, minPassword, maxPassword)}
	default:
		if err := a.hash(ctx, func() { e.Sealed = a.sealHash(in.User, hashPassword(*in.Password)) }); err != nil {
			return nil, err
		}
	}
	return []events.Event{e}, nil
}

// sealHash seals a hash for a user's account alone.
// The place is part of what is sealed: moved to another account's fact it does not open.
func (a *api) sealHash(user events.UserName, hash string) string {
	return a.key.Seal(hash, access.Place(user, "password", ""))
}

// checkCurrent asks who changes its own password for the one before: a token or a browser that others got hold
// of must not become the account. Superusers could give themselves another account, so it asks them nothing.
func (a *api) checkCurrent(ctx context.Context, who caller, in UserRequest) error {
	own, has := false, false
	a.read(func(s *lab.State) {
		u := s.User(in.User)
		own = in.Password != nil && in.User == who.user && !who.acting && !who.superuser(s)
		has = u != nil && u.Password != ""
	})
	switch {
	case own && !has:
		// There is nothing to ask for. Whoever signs in by a password is not limited any more.
		return covered(who, lab.Administer, "")
	case !own:
		return nil
	}
	if right, err := a.tryPassword(ctx, in.User, in.Current, who.from); err != nil || right {
		return err
	}
	return &Error{Code: Denied, Field: "current", Message: "current is not the password of " + string(in.User)}
}

// tryPassword says whether a password is that of an account, as often as somebody may try. An account that is
// not there, or has none, takes as long.
// The error [Busy] says that too many were wrong; it comes before the password is looked at.
func (a *api) tryPassword(ctx context.Context, user events.UserName, password, from string) (right bool, err error) {
	if err := a.tries.allow(user, from, a.now()); err != nil {
		return false, err
	}
	hash := nobodysHash
	sealed := ""
	a.read(func(s *lab.State) {
		if u := s.User(user); u != nil && !u.Inactive {
			sealed = u.Password
		}
	})
	if sealed != "" {
		if hash, err = a.key.Open(sealed, access.Place(user, "password", "")); err != nil {
			return false, err
		}
	}
	// A megabyte of password would be hashed for nothing.
	if len(password) <= maxPassword {
		err = a.hash(ctx, func() { right = checkPassword(password, hash) && sealed != "" })
	}
	if err != nil {
		return false, err
	}
	if !right {
		return false, nil
	}
	a.tries.forget(user, from)
	if stale(hash) {
		a.rehash(ctx, user, password, sealed, from)
	}
	return true, nil
}

// rehash replaces a hash of an older kind, now that its password is here.
func (a *api) rehash(ctx context.Context, user events.UserName, password, was, from string) {
	e := events.PasswordSet{User: user, By: user}
	err := a.hash(ctx, func() { e.Sealed = a.sealHash(user, hashPassword(password)) })
	if err == nil {
		err = a.record(ctx, caller{user: user, from: from}, func(s *lab.State) ([]events.Event, error) {
			if u := s.User(user); u == nil || u.Password != was {
				return nil, nil // somebody has set another one
			}
			return []events.Event{e}, nil
		})
	}
	if err != nil {
		a.logger.Warn("a password keeps its old hash", "user", user, "err", err) // the next sign-in tries again
	}
}
