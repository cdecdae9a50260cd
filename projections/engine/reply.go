package engine

import (
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	chproto "github.com/ClickHouse/ch-go/proto"
)

// reply writes one response. Until its first byte an error becomes a status; after that a framed
// exception at the end of the body, which clients look for.
type reply struct {
	w       http.ResponseWriter
	tag     string           // marks a genuine exception in the body
	blocks  *compress.Writer // nil without compress=1
	gzip    bool             // the client takes gzip
	zip     *gzip.Writer     // nil until data is written, so that an error stays plain
	started bool
}

func newReply(w http.ResponseWriter, r *http.Request) *reply {
	out := &reply{w: w, tag: rand.Text()[:16]}
	values := r.URL.Query()
	if values.Get("compress") == "1" {
		method := compress.LZ4
		if strings.EqualFold(values.Get("network_compression_method"), "ZSTD") {
			method = compress.ZSTD
		}
		out.blocks = compress.NewWriter(compress.LevelZero, method)
	} else {
		out.gzip = strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	}
	return out
}

// write sends data, compressed as the client asked.
func (o *reply) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if !o.started {
		o.started = true
		o.w.Header().Set("Content-Type", "application/octet-stream")
		o.w.Header().Set("X-ClickHouse-Exception-Tag", o.tag)
		if o.gzip {
			o.w.Header().Set("Content-Encoding", "gzip")
			o.zip = gzip.NewWriter(o.w)
		}
	}
	if o.blocks != nil {
		if err := o.blocks.Compress(data); err != nil {
			return fmt.Errorf("compress a block: %w", err)
		}
		data = o.blocks.Data
	}
	var to io.Writer = o.w
	if o.zip != nil {
		to = o.zip
	}
	_, err := to.Write(data)
	return err
}

// close ends a response that went well.
func (o *reply) close() error {
	if o.zip != nil {
		return o.zip.Close()
	}
	return nil
}

var exceptionCode = regexp.MustCompile(`Code: (\d+)\.`)

// fail ends the response with err.
func (o *reply) fail(err error) {
	message := err.Error()
	if !o.started {
		if code := exceptionCode.FindStringSubmatch(message); code != nil {
			o.w.Header().Set("X-ClickHouse-Exception-Code", code[1])
		}
		o.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		o.w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(o.w, message+"\n") // a client that has gone does not read it
		return
	}
	var to io.Writer = o.w
	if o.zip != nil {
		to = o.zip
	}
	frame := fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n",
		o.tag, message, len(message)+1, o.tag)
	_, _ = io.WriteString(to, frame)
	_ = o.close()
}

// exception is an error of the front in the engine's form, which clients read the code from.
type exception struct {
	code int    // ClickHouse's number
	name string // and name, such as SYNTAX_ERROR
	err  error
}

func (e exception) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %v. (%s)", e.code, e.err, e.name)
}

func (e exception) Unwrap() error { return e.err }

// handshakeQuery is what clickhouse-go asks first, and decodes at the revision it asked with.
const handshakeQuery = "SELECT displayName(), version(), revision(), timezone()"

// answerHandshake answers the driver's handshake at its own protocol version, and tells it that the
// server's revision is 0: from then on the driver reads blocks exactly as libchdb writes them.
func answerHandshake(protocol string, out *reply) error {
	var revision uint64
	if _, err := fmt.Sscan(protocol, &revision); err != nil {
		return exception{36, "BAD_ARGUMENTS", fmt.Errorf("client_protocol_version %q is no number", protocol)}
	}
	block := proto.NewBlock()
	for _, c := range []struct {
		name string
		kind column.Type
	}{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := block.AddColumn(c.name, c.kind); err != nil {
			return fmt.Errorf("build the handshake: %w", err)
		}
	}
	if err := block.Append("strata engine", engineVersion, uint32(0), "UTC"); err != nil {
		return fmt.Errorf("build the handshake: %w", err)
	}
	var buffer chproto.Buffer
	if err := block.Encode(&buffer, revision); err != nil {
		return fmt.Errorf("build the handshake: %w", err)
	}
	return out.write(buffer.Buf)
}

// engineVersion is the ClickHouse version inside the library of LibraryVersion.
const engineVersion = "26.7.2.1"
