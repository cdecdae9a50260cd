package played

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/output"
	"strata/events"
	"strata/events/access"
	"strata/events/dial"
	"strata/events/stream"
	"strata/schemas/order"
)

// gather is how long lines wait for others before they are sent, as they do with a real job.
const gather = 20 * time.Millisecond

// player plays one job.
type player struct {
	Deps
	order order.Order
	play  Play
	rand  *mathrand.Rand

	log    *output.Logger
	conn   *nats.Conn
	js     jetstream.JetStream
	secret string // of the frames' message ids
	body   []byte // lines that have not been sent
	count  uint64 // of them
	lines  uint64 // that have been sent
}

// run plays the job and says how it ended. Its output is on the bus when run returns, unless stop has
// ended: ctx is the job's, and ends when it is canceled.
func (p *player) run(ctx, stop context.Context) (order.Verdict, error) {
	p.log = output.New(output.Settings{Now: p.Now, Write: p.keep, Limit: p.order.Work.OutputLimit})
	p.secret = rand.Text()
	defer func() {
		if p.conn != nil {
			p.conn.Close()
		}
	}()
	began := p.Now()
	verdict, err := p.perform(ctx, stop, began)
	if err != nil {
		return verdict, err
	}
	p.finish(verdict)
	if err := p.flush(stop); err != nil {
		return verdict, err
	}
	verdict.Lines = p.lines
	return verdict, nil
}

// perform says what the console says, and waits until the job is over.
func (p *player) perform(ctx, stop context.Context, began time.Time) (order.Verdict, error) {
	pass := order.Verdict{Result: "pass"}
	for _, step := range p.play.Console {
		canceled, err := p.step(ctx, stop, step)
		if canceled || err != nil {
			return p.canceled(ctx), err
		}
	}
	switch p.play.End {
	case Hang:
		if err := p.flush(stop); err != nil {
			return pass, err
		}
		<-ctx.Done()
		return p.canceled(ctx), stop.Err()
	case Fail, Pass:
	}
	if canceled, err := p.wait(ctx, stop, p.play.Takes.draw(p.rand)-p.Now().Sub(began)); canceled || err != nil {
		return p.canceled(ctx), err
	}
	if p.play.End == Fail {
		return order.Verdict{Result: "fail", ErrorType: string(p.play.Class), Error: p.play.Error}, nil
	}
	return pass, nil
}

// canceled is the verdict of a job that was asked to end.
func (p *player) canceled(ctx context.Context) order.Verdict {
	v := order.Verdict{Result: "fail", ErrorType: string(events.CanceledError)}
	if cause := context.Cause(ctx); cause != nil {
		v.Error = cause.Error()
	}
	return v
}

// step says what one step says.
func (p *player) step(ctx, stop context.Context, s Step) (canceled bool, err error) {
	times := s.Times
	if s.Noise > 0 {
		times = s.Noise
	}
	for range times {
		if canceled, err := p.wait(ctx, stop, s.After.draw(p.rand)); canceled || err != nil {
			return canceled, err
		}
		switch {
		case s.Case != nil:
			p.result(*s.Case)
		case s.Noise > 0:
			p.log.Console(events.Target, "", p.noise())
		default:
			p.log.Console(events.Target, "", []byte(s.Say))
		}
		if len(p.body) > events.MaxFrameBytes/2 {
			if err := p.flush(stop); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// wait lets time go by, and what was said before go out where it is long enough.
func (p *player) wait(ctx, stop context.Context, d time.Duration) (canceled bool, err error) {
	if d >= gather {
		if err := p.flush(stop); err != nil {
			return false, err
		}
	}
	if d > 0 {
		select {
		case <-p.After(d):
		case <-ctx.Done():
		}
	}
	return ctx.Err() != nil, stop.Err()
}

// result logs the result of a case as a real job does.
func (p *player) result(c Case) {
	f := output.Fields{{Key: "definition", Value: c.Suite}, {Key: "case", Value: c.Name}, {Key: "result", Value: c.Result}}
	if c.Measurement != nil {
		f = f.Set("measurement", *c.Measurement)
		if c.Units != "" {
			f = f.Set("units", c.Units)
		}
	}
	p.log.Result(f)
}

// finish logs the end as a real job does: the result of the case job of suite lava.
func (p *player) finish(v order.Verdict) {
	f := output.Fields{{Key: "definition", Value: "lava"}, {Key: "case", Value: "job"}, {Key: "result", Value: v.Result}}
	if v.Result != "pass" {
		p.log.Error("%s", v.Error)
		f = f.Set("error_msg", v.Error).Set("error_type", v.ErrorType)
	}
	p.log.Result(f)
	p.log.Finish()
}

// noise returns a line as kernels say them.
func (p *player) noise() []byte {
	units := [...]string{"mmc0", "usb 1-1", "eth0", "i2c i2c-3", "random", "systemd[1]"}
	said := [...]string{"new high speed device number", "link up, Mbps", "clock rate in Hz is", "timeout, attempt", "blocks written"}
	return fmt.Appendf(nil, "[%12.6f] %s: %s %d", p.rand.Float64()*600, units[p.rand.IntN(len(units))],
		said[p.rand.IntN(len(said))], p.rand.IntN(100_000))
}

// keep takes a log record, to be sent with the next frame.
func (p *player) keep(r events.Record) error {
	line, err := events.EncodeRecord(r)
	if err != nil {
		return fmt.Errorf("encode log record: %w", err)
	}
	p.body = append(p.body, line...)
	p.count++
	return nil
}

// flush sends what has not been sent, as one frame or several, and returns when it is stored; the error
// is that of stop. The job's connection is made with its first frame.
func (p *player) flush(stop context.Context) error {
	for len(p.body) > 0 {
		f := events.Frame{Job: events.JobID(p.order.Job), Lease: events.Lease(p.order.Lease), First: p.lines, Secret: p.secret}
		for f.Count < p.count {
			end := len(f.Body) + bytes.IndexByte(p.body[len(f.Body):], '\n') + 1
			if end > events.MaxFrameBytes && f.Count > 0 {
				break
			}
			f.Body = p.body[:end]
			f.Count++
		}
		for {
			err := p.send(stop, f)
			if err == nil {
				break
			}
			if stop.Err() != nil {
				return stop.Err()
			}
			p.Logger.Warn("send frame", "job", p.order.Job, "line", f.First, "error", err)
			select {
			case <-p.After(pause):
			case <-stop.Done():
			}
		}
		p.body = p.body[len(f.Body):]
		p.count -= f.Count
		p.lines += f.Count
	}
	return nil
}

// send sends a frame under the job's own credential.
func (p *player) send(ctx context.Context, f events.Frame) error {
	if p.conn == nil {
		me := access.Principal{Role: access.Job, Job: f.Job, Lease: f.Lease}
		conn, err := dial.Connect(p.Servers, append([]nats.Option{nats.Name(me.String()), nats.Token(p.order.Work.Credential),
			nats.CustomInboxPrefix(me.Inbox()), nats.MaxReconnects(-1), nats.ReconnectWait(pause), nats.Timeout(answerWithin)}, p.NATS...)...)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		js, err := jetstream.New(conn)
		if err != nil {
			conn.Close()
			return fmt.Errorf("connect: %w", err)
		}
		p.conn, p.js = conn, js
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := stream.PublishFrame(ctx, p.js, f)
	return err
}
