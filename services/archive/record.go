package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"strata/events/stream"
)

// record is a message as a line of JSON. Its data is text where that can be told back byte for byte, else
// base64.
type record struct {
	Stream  string              `json:"stream,omitempty"` // only in a backup's file of several streams
	Seq     uint64              `json:"seq"`
	Subject string              `json:"subject"`
	At      time.Time           `json:"at"`
	Header  map[string][]string `json:"header,omitempty"`
	Data    *string             `json:"data,omitempty"`
	Base64  []byte              `json:"base64,omitempty"`
	Text    *object             `json:"text,omitempty"` // of SUBMISSIONS: the definition lies by its digest
	Log     *jobLog             `json:"log,omitempty"`  // of LAB, with JobOutputComplete and JobFilesErased
}

// object is something that lies beside the segments.
type object struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// jobLog is the log of a job as the chain knows it.
type jobLog struct {
	object
	Job    uint64 `json:"job"`
	First  uint64 `json:"first"` // sequence in OUTPUT of its first message
	Last   uint64 `json:"last"`
	Frames int    `json:"frames"`
	// Emptied is set where the bytes of files are erased from it: it takes the place of the log as it was.
	Emptied bool `json:"emptied,omitempty"`
}

// pack makes the record of a message, without what only its stream needs.
func pack(m stream.Message) record {
	r := record{Seq: m.Seq, Subject: m.Subject, At: m.At.UTC(), Header: m.Header}
	if utf8.Valid(m.Data) {
		text := string(m.Data)
		r.Data = &text
	} else {
		r.Base64 = m.Data
	}
	return r
}

// data returns the bytes of the message, but of a definition.
func (r record) data() []byte {
	if r.Data != nil {
		return []byte(*r.Data)
	}
	return r.Base64
}

// message is the reverse of pack.
func (r record) message(name string) stream.Message {
	return stream.Message{Stream: name, Seq: r.Seq, Subject: r.Subject, At: r.At, Header: nats.Header(r.Header), Data: r.data()}
}

// line writes v as a line of JSON.
func line(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // definitions and logs stay readable
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return b.Bytes(), nil
}

// digest returns the SHA-256 of data in hex.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
