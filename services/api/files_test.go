package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// getFile returns the bytes of a file of a test.
func getFile(t *testing.T, c api.Client, in api.FileRequest) (string, error) {
	t.Helper()
	var b strings.Builder
	err := c.Stream(t.Context(), "files.get", in, func(m *nats.Msg) error { b.Write(m.Data); return nil })
	return b.String(), err
}

// speak publishes records as the lines of a job from first on.
func speak(t *testing.T, b *eventtest.Broker, job events.JobID, first uint64, records ...events.Record) {
	t.Helper()
	for i, r := range records {
		f, err := events.NewFrame(job, 5, first+uint64(i), []events.Record{r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// partOf is a record with bytes of a file.
func partOf(t *testing.T, data []byte) events.Record {
	t.Helper()
	message, err := json.Marshal(events.FilePart{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return events.Record{Time: noon, Level: events.FileData, Message: message}
}

// Files are listed, and come byte for byte; what is damaged, hidden or gone does not come at all.
func TestFiles(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})
	body := bytes.Repeat([]byte("<script>\x00\xff"), 9000)
	sum := sha256.Sum256(body)
	var records []events.Record
	for rest := body; len(rest) > 0; {
		n := min(len(rest), events.MaxPartBytes)
		records, rest = append(records, partOf(t, rest[:n])), rest[n:]
	}
	said := events.Record{Time: noon, Level: events.Target, Message: json.RawMessage(`"login:"`)}
	speak(t, b, job, 0, append([]events.Record{said}, append(records, said)...)...)
	file := events.File{Suite: "0_smoke", Case: "boot", Name: "trace.html", Bytes: uint64(len(body)), SHA256: hex.EncodeToString(sum[:]),
		First: 1, Parts: uint64(len(records)), Line: uint64(len(records)) + 1, At: noon}
	empty, damaged, off, aged := file, file, file, file
	none := sha256.Sum256(nil)
	empty.Name, empty.Parts, empty.Bytes, empty.SHA256 = "empty", 0, 0, hex.EncodeToString(none[:])
	damaged.Name, damaged.SHA256 = "damaged", strings.Repeat("0", 64)
	off.Name, off.First = "off", 2
	aged.Name, aged.First, aged.Parts = "aged", file.Line+1, 1
	erased, err := json.Marshal(events.FilePart{Erased: 7})
	if err != nil {
		t.Fatal(err)
	}
	speak(t, b, job, aged.First, events.Record{Time: noon, Level: events.FileData, Message: erased})
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, Lines: 9, Files: []events.File{file, empty}})
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, FirstLine: 9, Lines: 1, Files: []events.File{damaged, off, aged}})

	var list api.Files
	call(t, c, "jobs.files", api.JobRequest{Job: job}, &list)
	if len(list.Files) != 5 || list.Erased != nil || list.Files[0] != file {
		t.Errorf("listed: %+v; want five, the first %+v", list.Files, file)
	}
	for _, tt := range []struct {
		in   api.FileRequest
		want string
		says string // of the error
	}{
		{api.FileRequest{Name: "trace.html"}, string(body), ""},
		{api.FileRequest{Name: "trace.html", Suite: "0_smoke", Line: file.Line}, string(body), ""},
		{api.FileRequest{Name: "empty"}, "", ""},
		{api.FileRequest{Name: "trace.html", Suite: "1_other"}, "", "has no file"},
		{api.FileRequest{Name: "../trace.html"}, "", "has no file"},
		{api.FileRequest{Name: "damaged"}, "", "damaged"},
		{api.FileRequest{Name: "off"}, "", "no part of file"},
		{api.FileRequest{Name: "aged"}, "", "are aged out: the lab's rule has erased them"},
	} {
		tt.in.Job = job
		got, err := getFile(t, c, tt.in)
		switch {
		case tt.says == "" && (err != nil || got != tt.want):
			t.Errorf("%+v: %d bytes, %v; want %d", tt.in, len(got), err, len(tt.want))
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%+v: error %v; want one that says %q", tt.in, err, tt.says)
		}
	}
	b.Append(t, events.JobFilesErased{Job: job, Files: 5, Bytes: 7, After: 60})
	if call(t, c, "jobs.files", api.JobRequest{Job: job}, &list); list.Erased == nil || len(list.Files) != 5 {
		t.Errorf("listed once the bytes are erased: %+v", list)
	}
	b.Append(t, events.JobRemoved{Job: job, LogsOnly: true, By: "admin"})
	if _, err := getFile(t, c, api.FileRequest{Job: job, Name: "empty"}); err == nil || !strings.Contains(err.Error(), "erased") {
		t.Errorf("a file of an erased log: error %v; want one that says so", err)
	}
}
