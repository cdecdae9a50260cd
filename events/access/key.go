package access

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
)

// keyBytes is the length of the secret; as long as the hash that it keys.
const keyBytes = 32

// ServiceUser is the user name under which services connect. The broker lists it as the user whom
// the auth callout does not concern.
const ServiceUser = "strata"

// SystemUser is the user name under which services/access connects to the broker's system account,
// with the services' password. There it ends connections; it reads and writes no stream.
const SystemUser = "strata-system"

// Account is the broker's one account, in which all streams are.
const Account = "STRATA"

// Key is the lab's secret. What it signs, the account key of the broker and the services' password
// are all derived from it, each for its own purpose, so that one file is all there is to keep.
type Key struct {
	secret [keyBytes]byte
	tokens [keyBytes]byte // derived to sign tokens; kept, as doors verify one or two with each request
}

// OpenKey reads the key file, and makes it first where there is none: 64 hex digits, readable by its
// owner only. A file with other content is refused, not overwritten, for all tokens hang on it.
func OpenKey(path string) (Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	var secret [keyBytes]byte
	rand.Read(secret[:]) // never fails since Go 1.24
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Key{}, fmt.Errorf("make directory of access key: %w", err)
	}
	// Made beside and linked into place: of two processes that start at once, one key wins whole.
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return Key{}, fmt.Errorf("make access key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(secret[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Key{}, fmt.Errorf("write access key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("make access key %s: %w", path, err)
	}
	return readKey(path)
}

func readKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read access key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != keyBytes {
		return Key{}, fmt.Errorf("read access key %s: want %d hex digits and nothing else", path, 2*keyBytes)
	}
	k := Key{secret: [keyBytes]byte(secret)}
	copy(k.tokens[:], k.derive("tokens"))
	return k, nil
}

// Password returns the password of [ServiceUser].
func (k Key) Password() string {
	return base64.RawURLEncoding.EncodeToString(k.derive("services' password"))
}

// Issuer returns the key pair that signs what the auth callout answers. Its public key is what the
// broker is configured with (auth_callout.issuer).
func (k Key) Issuer() (nkeys.KeyPair, error) {
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteAccount, k.derive("account key"))
	if err != nil {
		return nil, fmt.Errorf("derive account key: %w", err)
	}
	return pair, nil
}

// derive returns 32 bytes that are good for one purpose and tell nothing of another.
func (k Key) derive(purpose string) []byte {
	out, err := hkdf.Key(sha256.New, k.secret[:], nil, "strata "+purpose, keyBytes)
	if err != nil {
		panic(fmt.Sprintf("access: derive %s: %v", purpose, err)) // only for lengths that are not ours
	}
	return out
}

// Mark returns 32 hex digits that stand for a text, always the same. Whoever has not the key cannot foresee them: they are
// for names in a table that others write to as well, who could take one first.
func (k Key) Mark(text string) string {
	mac := hmac.New(sha256.New, k.derive("marks"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (k Key) sign(claims []byte) []byte {
	mac := hmac.New(sha256.New, k.tokens[:])
	mac.Write(claims)
	return mac.Sum(nil)
}
