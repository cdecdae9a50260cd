package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
)

// longLog is a lab with a job whose log is as long as the viewer promises to be quick with.
type longLog struct {
	*lab
	job   events.JobID
	lines int
	rare  int // the line that is unlike all others
}

// openLong starts a lab with a long log. Where the lab of an earlier run is kept, nothing is generated.
// The marker is written last: a lab whose job was cut short is not taken for whole.
func (b *bench) openLong(ctx context.Context) (l longLog, err error) {
	dir := filepath.Join(b.scratch, "long-log")
	if b.year != "" {
		dir = filepath.Join(b.year, "long-log")
	}
	l = longLog{lines: b.sizes.longLog, rare: b.sizes.longLog*7/10 + 13}
	marker := filepath.Join(dir, fmt.Sprintf("job-of-%d-lines", l.lines))
	if text, err := os.ReadFile(marker); err == nil {
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63)
		if err != nil {
			return l, fmt.Errorf("read %s: %w", marker, err)
		}
		l.job = events.JobID(n)
		l.lab, err = b.start(ctx, dir)
		return l, err
	}
	if l.lab, err = b.start(ctx, dir); err != nil {
		return l, err
	}
	if err := l.make(ctx); err != nil {
		return l, errors.Join(err, l.stop())
	}
	return l, os.WriteFile(marker, []byte(l.job.String()+"\n"), 0o600)
}

// make runs a job that says all the lines.
// Frames are published as fast as they are acknowledged, past the spool: ten million lines take
// minutes so.
func (l *longLog) make(ctx context.Context) (err error) {
	b := l.b
	b.say("a job says %d lines; -year keeps them", l.lines)
	w, err := l.worker(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if l.job, err = submit(ctx, w.person.Conn); err != nil {
		return err
	}
	o, _, err := w.order(ctx, l.job)
	if err != nil {
		return err
	}
	me := access.Principal{Role: access.Job, Job: l.job, Lease: events.Lease(o.Lease), Worker: benchWorker}
	conn, err := l.connect(nats.Token(o.Work.Credential), nats.CustomInboxPrefix(me.Inbox()))
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	at := b.now().UTC().Add(-time.Duration(l.lines) * time.Millisecond)
	var body bytes.Buffer
	first := 0
	for i := range l.lines {
		fmt.Fprintf(&body, `{"dt":"%s",%s}`+"\n", at.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000000Z"), l.record(i))
		if body.Len() < events.MaxFrameBytes-2000 && i+1 < l.lines {
			continue
		}
		f := events.Frame{Job: l.job, Lease: events.Lease(o.Lease), First: uint64(first), Count: uint64(i + 1 - first), Body: bytes.TrimSuffix(body.Bytes(), []byte("\n"))}
		if _, err := stream.PublishFrame(ctx, js, f); err != nil {
			return err
		}
		body.Reset()
		first = i + 1
	}
	return w.finish(ctx, o, uint64(l.lines))
}

// record is a line of the long log without its time: mostly the console, some colour, and the dispatcher around it.
// Fifty stretches, whose beginnings and ends the viewer shows as its outline.
func (l *longLog) record(i int) string {
	step := l.lines / 50
	switch {
	case i%step == 0 && i/step < 49:
		return fmt.Sprintf(`"lvl":"info","msg":"start: %d stretch-%d (timeout 01:00:00) [common]"`, i/step+1, i/step+1)
	case i%step == step-1 && i/step < 49:
		return fmt.Sprintf(`"lvl":"info","msg":"end: %d stretch-%d (duration 00:01:00) [common]"`, i/step+1, i/step+1)
	case i == l.rare:
		return `"lvl":"target","msg":"the one line with a wombat in it"`
	case i%1000 == 700:
		return fmt.Sprintf(`"lvl":"debug","msg":"Received signal: <TESTCASE> TEST_CASE_ID=case-%d RESULT=pass"`, i)
	case i%97 == 3:
		return fmt.Sprintf(`"lvl":"target","msg":"[\u001b[0;32m  OK  \u001b[0m] Started Session %d of User root."`, i)
	}
	return fmt.Sprintf(`"lvl":"target","msg":%q`, consoleLine(i))
}

// token is the administrator's credential, for a browser.
func (l *lab) token() (string, error) {
	key, err := access.OpenKey(filepath.Join(l.dir, "key"))
	if err != nil {
		return "", err
	}
	return key.Administrator(), nil
}
