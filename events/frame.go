package events

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The headers of a frame of OUTPUT.
const (
	HeaderJob       = "strata-job"
	HeaderLease     = "strata-lease"
	HeaderFirstLine = "strata-first-line" // number of the first record, from 0
	HeaderLines     = "strata-lines"      // records in the body
)

// OutputSubject returns the subject of a job's frames, such as "output.42".
func OutputSubject(job JobID) string { return "output." + job.String() }

// NewFrame returns the frame of records, which are lines first, first+1, … of the job's log. It
// refuses what is over [MaxFrameBytes]; the caller decides what goes into a frame.
func NewFrame(job JobID, lease Lease, first uint64, records []Record) (Frame, error) {
	var body bytes.Buffer
	for i, r := range records {
		line, err := EncodeRecord(r)
		if err != nil {
			return Frame{}, fmt.Errorf("frame of job %d, line %d: %w", job, first+uint64(i), err)
		}
		body.Write(line)
	}
	f := Frame{Job: job, Lease: lease, First: first, Count: uint64(len(records)), Body: body.Bytes()}
	return f, f.check()
}

// EncodeRecord returns a record as it stands in a frame and in a spool: one line of JSON, with
// its line end.
func EncodeRecord(r Record) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line) // ends the line
	e.SetEscapeHTML(false)      // console lines are full of <LAVA_SIGNAL …>: shorter, and readable
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return line.Bytes(), nil
}

// Header returns the frame's headers. Its message id is the same whenever the same lines are sent
// again with the same secret, so that the broker itself drops most doubles. Nobody else can derive
// it: the table of ids is the stream's, and who published first under the id of another job's frame
// would have that dropped.
func (f Frame) Header() map[string][]string {
	header := map[string][]string{
		HeaderJob:       {f.Job.String()},
		HeaderLease:     {strconv.FormatUint(uint64(f.Lease), 10)},
		HeaderFirstLine: {strconv.FormatUint(f.First, 10)},
		HeaderLines:     {strconv.FormatUint(f.Count, 10)},
	}
	if f.Secret != "" {
		h := hmac.New(sha256.New, []byte(f.Secret))
		fmt.Fprintf(h, "%d/%d/%d+%d", f.Job, f.Lease, f.First, f.Count)
		header[HeaderMsgID] = []string{hex.EncodeToString(h.Sum(nil)[:16])}
	}
	return header
}

// DecodeFrame returns the frame that a message of OUTPUT holds. The job is that of the subject,
// which is what the sender had the right to write; a header that says otherwise is refused.
func DecodeFrame(subject string, header map[string][]string, body []byte) (Frame, error) {
	f := Frame{Body: body}
	token, found := strings.CutPrefix(subject, "output.")
	job, err := strconv.ParseUint(token, 10, 64)
	if !found || err != nil || JobID(job).String() != token {
		return f, fmt.Errorf("frame: subject %q is not output. and a job's number", subject)
	}
	f.Job = JobID(job)
	var said uint64
	for _, h := range []struct {
		name string
		to   *uint64
	}{{HeaderJob, &said}, {HeaderLease, (*uint64)(&f.Lease)}, {HeaderFirstLine, &f.First}, {HeaderLines, &f.Count}} {
		values := header[h.name]
		if len(values) == 0 {
			return f, fmt.Errorf("frame of job %d: header %s is missing", f.Job, h.name)
		}
		if *h.to, err = strconv.ParseUint(values[0], 10, 64); err != nil {
			return f, fmt.Errorf("frame of job %d: header %s: %q is not a number", f.Job, h.name, values[0])
		}
	}
	if said != job {
		return f, fmt.Errorf("frame on subject %s: header %s says %d", subject, HeaderJob, said)
	}
	return f, f.check()
}

// End returns the number of the line after the frame's last one.
func (f Frame) End() uint64 { return f.First + f.Count }

// Lines returns the body's records as bytes of JSON, without line ends.
func (f Frame) Lines() [][]byte {
	if len(f.Body) == 0 {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(f.Body, []byte{'\n'}), []byte{'\n'})
}

// Records decodes the body.
func (f Frame) Records() ([]Record, error) {
	records := make([]Record, 0, f.Count)
	for i, line := range f.Lines() {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("job %d, line %d: %w", f.Job, f.First+uint64(i), err)
		}
		records = append(records, r)
	}
	return records, nil
}

// From returns what the frame holds from line on: the frame itself where it begins no earlier, an
// empty one where it ends before.
func (f Frame) From(line uint64) Frame {
	if line <= f.First {
		return f
	}
	if line >= f.End() {
		return Frame{Job: f.Job, Lease: f.Lease, First: line, Secret: f.Secret}
	}
	body := f.Body
	for range line - f.First {
		body = body[bytes.IndexByte(body, '\n')+1:]
	}
	return Frame{f.Job, f.Lease, line, f.End() - line, body, f.Secret}
}

// check tells whether the frame's numbers fit its body.
func (f Frame) check() error {
	if len(f.Body) > MaxFrameBytes {
		return fmt.Errorf("frame of job %d, line %d: %d bytes, at most %d are allowed", f.Job, f.First, len(f.Body), MaxFrameBytes)
	}
	lines := uint64(bytes.Count(f.Body, []byte{'\n'}))
	if len(f.Body) > 0 && f.Body[len(f.Body)-1] != '\n' {
		lines++
	}
	if f.Count == 0 || lines != f.Count {
		return fmt.Errorf("frame of job %d, line %d: says %d lines, has %d", f.Job, f.First, f.Count, lines)
	}
	if f.First+f.Count < f.First {
		return fmt.Errorf("frame of job %d: line numbers %d+%d overflow", f.Job, f.First, f.Count)
	}
	return nil
}
