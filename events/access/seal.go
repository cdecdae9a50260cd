package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// Facts are for ever and are read by many; a secret that the lab has to give out again stands in them sealed.
// What opens it is derived from the key file, which is in no stream, archive or backup of the log.

// sealed begins what [Key.Seal] returns; the digit is the version of what follows.
const sealed = "sealed1_"

// Seal encrypts a secret (AES-256-GCM) for a fact. Bound says where it belongs, such as "token alice
// 3fa9c0de12345678": it opens there only, so that nobody can have another's secret by copying it over.
func (k Key) Seal(secret, bound string) string {
	gcm := k.cipher()
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce) // never fails since Go 1.24
	return sealed + base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte(secret), []byte(bound)))
}

// errSealed does not say what of it was wrong, nor repeats it.
var errSealed = errors.New("cannot be opened: it was sealed with another key or for another place, or was changed")

// Open returns the secret that was sealed for that place.
func (k Key) Open(text, bound string) (string, error) {
	if len(text) < len(sealed) || text[:len(sealed)] != sealed {
		return "", fmt.Errorf("secret of %s %w", bound, errSealed)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text[len(sealed):])
	gcm := k.cipher()
	if err != nil || len(raw) < gcm.NonceSize() {
		return "", fmt.Errorf("secret of %s %w", bound, errSealed)
	}
	secret, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], []byte(bound))
	if err != nil {
		return "", fmt.Errorf("secret of %s %w", bound, errSealed)
	}
	return string(secret), nil
}

func (k Key) cipher() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("sealed secrets"))
	if err != nil {
		panic(fmt.Sprintf("access: %v", err)) // only for keys of another length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("access: %v", err)) // only for other block sizes
	}
	return gcm
}
