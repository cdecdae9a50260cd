package events

import (
	"fmt"
	"strconv"
	"strings"
)

// String returns the entity as it stands in ce-subject and in messages, such as "job/42" or
// "worker/lab1.example.com"; "scheduling" for the one without an id.
func (e Entity) String() string {
	if e.ID == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + "/" + e.ID
}

// Subject returns the subject of the entity's facts, such as "job.42" or
// "worker.lab1=2Eexample=2Ecom"; "scheduling" for the one without an id.
func (e Entity) Subject() string {
	if e.ID == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + "." + EscapeToken(e.ID)
}

// ParseSubject returns the entity whose facts stand on a subject.
func ParseSubject(subject string) (Entity, error) {
	kind, token, found := strings.Cut(subject, ".")
	if !found {
		return Entity{Kind: Kind(kind)}, nil
	}
	id, err := UnescapeToken(token)
	if err != nil {
		return Entity{}, fmt.Errorf("subject %q: %w", subject, err)
	}
	return Entity{Kind(kind), id}, nil
}

// EscapeToken returns a name as one token of a subject: every byte outside [A-Za-z0-9_-] is
// written =XX, in upper-case hex. The empty name, which NATS has no token for, is "=".
func EscapeToken(name string) string {
	if name == "" {
		return "="
	}
	plain := true
	for i := range len(name) {
		plain = plain && isPlain(name[i])
	}
	if plain {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// UnescapeToken returns the name that [EscapeToken] made the token of. Tokens that it would not
// have made are refused, so that a name has one subject only.
func UnescapeToken(token string) (string, error) {
	if token == "=" {
		return "", nil
	}
	name := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c != '=' {
			name = append(name, c)
			continue
		}
		if i+2 >= len(token) {
			return "", fmt.Errorf("token %q: = needs two hex digits after it", token)
		}
		v, err := strconv.ParseUint(token[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("token %q: =%s is not a byte in hex", token, token[i+1:i+3])
		}
		name = append(name, byte(v))
		i += 2
	}
	if EscapeToken(string(name)) != token {
		return "", fmt.Errorf("token %q: should be written %q", token, EscapeToken(string(name)))
	}
	return string(name), nil
}

func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
