package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"strata/events"
)

// alphabet is what LAVA makes its tokens of: the lower-case letters but v, and the digits.
const alphabet = "0123456789abcdefghijklmnopqrstuwxyz"

// secretLength is the length of LAVA's tokens, for which its clients and their configuration have room.
const secretLength = 128

// NewSecret returns a new token of a person: 128 characters, as LAVA's are.
func NewSecret() string {
	out := make([]byte, 0, secretLength)
	random := make([]byte, 2*secretLength)
	for len(out) < secretLength {
		rand.Read(random) // never fails since Go 1.24
		for _, b := range random {
			// Seven times the alphabet; what is above would make its first letters likelier.
			if int(b) < 7*len(alphabet) && len(out) < secretLength {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// Digest returns the SHA-256 of a token in hex, by which the lab knows it.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// TokenID returns the name of a token.
func TokenID(token string) events.TokenID { return events.TokenID(Digest(token)[:16]) }

// Administrator returns the credential of [Local], who may do everything. It hangs on the key alone: whoever
// can read the key file can make it.
func (k Key) Administrator() string { return k.Token(Principal{Role: Person, User: Local}) }

// Place says where a secret of a user belongs, for [Key.Seal]: a token's value by its name.
func Place(user events.UserName, kind, name string) string {
	return kind + " " + name + " of " + string(user)
}

// Bearer says how the bearer of a token talks on the bus, which follows from the token alone: as whom it
// asks the api (a token of the subject api.CALLER.VERB) and under which prefix it hears replies. No token is
// somebody without a name.
func Bearer(token string) (caller, inbox string) {
	if token == "" {
		return events.EscapeToken(""), anonymousInbox
	}
	if p, ok := claimed(token); ok && p.Role == Person {
		return events.EscapeToken(string(p.User)), p.Inbox()
	}
	id := TokenID(token)
	return Caller(id), tokenInbox + "." + string(id)
}

// Prefixes of reply subjects. Those of a person are for all of the person's unlimited tokens.
const (
	anonymousInbox = "_INBOX_anonymous"
	tokenInbox     = "_INBOX_token"
)

// callerMark stands before a token's name where it is a caller of the api: no user may be called so.
const callerMark = "@"

// Caller returns a token as the caller in subjects of the api, such as "=403fa9c0de12345678".
func Caller(id events.TokenID) string { return events.EscapeToken(callerMark + string(id)) }

// CallerToken returns the token that a caller's name in a subject of the api stands for; ok is false where it
// is a user's name.
func CallerToken(name string) (id events.TokenID, ok bool) {
	rest, ok := strings.CutPrefix(name, callerMark)
	return events.TokenID(rest), ok
}

// claimed reads whom a signed token speaks of, without asking whether that is true.
func claimed(token string) (p Principal, ok bool) {
	rest, ok := strings.CutPrefix(token, prefix)
	body, _, found := strings.Cut(rest, ".")
	if !ok || !found {
		return p, false
	}
	claims, err := base64.RawURLEncoding.Strict().DecodeString(body)
	return p, err == nil && json.Unmarshal(claims, &p) == nil
}

// Reserved says that a name is none for a person: those of the lab's own submitters, who may say for whom and
// for which device they submit, and whatever could be taken for a token.
func Reserved(user events.UserName) bool {
	return user == events.DoorUser || user == "lava-health" || strings.HasPrefix(string(user), callerMark)
}

// ClaimedUser returns the user whom a signed token speaks of, without asking whether that is true: the bearer
// learns so under which name to ask.
func ClaimedUser(token string) (events.UserName, bool) {
	p, ok := claimed(token)
	return p.User, ok && p.Role == Person
}
