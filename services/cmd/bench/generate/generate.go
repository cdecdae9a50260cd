// Package generate makes the history of a lab that never was: the logs of its jobs, line by line, as
// boards, kernels and test suites write them. It is what the tables are measured with.
//
// Everything is a function of a seed: the same [Lab] makes the same bytes on any machine, and job n
// can be made without the jobs before it. The lab has a number of profiles, each a board with a
// kernel and a test plan. Jobs of one profile print the same lines in nearly the same order, as boots
// of one kernel do; addresses, sizes, times, process numbers and now and then a line differ. One job
// in 250 ends in an oops. Some words are planted so that a search has something rare to find.
package generate

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"strata/events"
)

// Lab is a history to be made. The zero value of a field takes its default.
type Lab struct {
	Seed     uint64
	Profiles int           // boards with their kernel and test plan; 40
	Lines    int           // of a job, on average; 10,000
	Begin    time.Time     // of the first job; 2026-01-01
	Every    time.Duration // between the beginnings of jobs; 52 minutes: 10,000 a year

	profiles []profile
}

// Line is a line of a job's log.
type Line struct {
	Time  time.Time
	Level events.Level
	Text  []byte // valid until the next line is made
}

// RareWord is planted in one line of every thousandth job.
// It is in no list of words that lines are made of, so a search that finds it elsewhere is wrong.
const RareWord = "quasiperiodic"

// OopsWord stands in the log of a job that ends in an oops, and in no other.
const OopsWord = "dereference"

// New returns a lab.
// The same fields give the same lab for ever: a change of what it makes makes kept years worthless,
// and figures of before and after are not to be compared.
func New(l Lab) *Lab {
	if l.Profiles == 0 {
		l.Profiles = 40
	}
	if l.Lines == 0 {
		l.Lines = 10_000
	}
	if l.Begin.IsZero() {
		l.Begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if l.Every == 0 {
		l.Every = 52 * time.Minute
	}
	shared := newPool(rand.New(rand.NewPCG(l.Seed, 1<<40)))
	for i := range l.Profiles {
		l.profiles = append(l.profiles, newProfile(rand.New(rand.NewPCG(l.Seed, uint64(i))), shared))
	}
	return &l
}

// DeviceType returns the device type that a job, counted from 1, runs on.
func (l *Lab) DeviceType(job events.JobID) events.DeviceTypeName {
	return events.DeviceTypeName(l.profile(job).board)
}

// Device returns the device that a job runs on; there are five of each type.
func (l *Lab) Device(job events.JobID) events.DeviceName {
	return events.DeviceName(fmt.Sprintf("%s-%02d", l.profile(job).board, uint64(job)/uint64(l.Profiles)%5+1))
}

// Start returns when a job begins to write its log.
// Jobs begin one after the other and may overlap, as on several devices.
func (l *Lab) Start(job events.JobID) time.Time { return l.Begin.Add(time.Duration(job-1) * l.Every) }

func (l *Lab) profile(job events.JobID) *profile { return &l.profiles[uint64(job)%uint64(l.Profiles)] }

// Log makes the lines of a job's log.
// The sequence may be left early, and taken again from its beginning.
func (l *Lab) Log(job events.JobID) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		// The seed is turned by a constant of its own: a job's lines and its cases (another constant)
		// must not hang on one another.
		w := writer{Rand: rand.New(rand.NewPCG(l.Seed^0x9e3779b97f4a7c15, uint64(job))), job: job, now: l.Start(job), yield: yield}
		p := l.profile(job)
		_ = w.boot(p) && w.tests(p, l.Lines) && w.end(job)
	}
}

// writer writes one job's log.
// Its methods return false once nobody wants more lines.
type writer struct {
	*rand.Rand
	job   events.JobID
	now   time.Time
	up    int64 // the kernel's clock, microseconds
	buf   []byte
	made  int
	yield func(Line) bool
}

// boot writes what the dispatcher and a board say until a shell is there.
func (w *writer) boot(p *profile) bool {
	for _, f := range dispatcherLines() {
		if !w.line(events.Debug, f, false, 2000) {
			return false
		}
	}
	for _, f := range p.loader {
		if !w.line(events.Target, f, false, 12_000) {
			return false
		}
	}
	for i, f := range p.kernel {
		if i%97 == 96 && w.IntN(4) == 0 {
			continue // what depends on timing is not always said
		}
		if !w.line(events.Target, f, true, 3000) {
			return false
		}
	}
	for _, f := range p.services {
		if !w.line(events.Target, f, w.IntN(9) == 0, 9000) {
			return false
		}
	}
	return true
}

// tests writes the output of the test plan until the log has about so many lines.
// A tenth more or less than asked for, so that jobs differ in length as real ones do.
func (w *writer) tests(p *profile, lines int) bool {
	lines += w.IntN(lines/5+1) - lines/10
	planted := w.IntN(max(1, lines-w.made)) + w.made
	for n := 0; w.made < lines-20; n++ {
		c := p.cases[n%len(p.cases)]
		ok := w.line(events.Debug, c.start, false, 500)
		for range 1 + w.IntN(c.most) {
			f := c.output[w.IntN(len(c.output))]
			ok = ok && w.line(events.Target, f, false, 40_000)
		}
		if w.IntN(12) == 0 {
			ok = ok && w.line(events.Target, p.kernel[len(p.kernel)/2+w.IntN(len(p.kernel)/2)], true, 900)
		}
		if ok = ok && w.line(events.Results, c.result, false, 800); !ok {
			return false
		}
		if w.made >= planted && w.job%1000 == 17 {
			planted = 1 << 62
			if !w.line(events.Target, "sampler: "+RareWord+" drift of %n ppm at 0x%x", false, 100) {
				return false
			}
		}
	}
	return true
}

// end writes an oops where the job has one, and the last words.
func (w *writer) end(job events.JobID) bool {
	if job%250 == 83 {
		for _, f := range oopsLines() {
			if !w.line(events.Target, f, true, 180) {
				return false
			}
		}
	}
	return w.line(events.Info, "Power off the device after %f seconds", false, 1000)
}

// line writes a line in a format, at most so many microseconds after the last one.
func (w *writer) line(level events.Level, format string, stamped bool, most int) bool {
	pause := w.IntN(most) + 1
	w.now = w.now.Add(time.Duration(pause) * time.Microsecond)
	w.buf = w.buf[:0]
	if stamped {
		w.up += int64(pause) - int64(pause)/8
		w.buf = fmt.Appendf(w.buf, "[%5d.%06d] ", w.up/1e6, w.up%1e6)
	}
	for {
		text, rest, more := strings.Cut(format, "%")
		w.buf = append(w.buf, text...)
		if !more {
			break
		}
		w.verb(rest[0])
		format = rest[1:]
	}
	w.made++
	return w.yield(Line{Time: w.now, Level: level, Text: w.buf})
}

// verb writes what changes from boot to boot.
// Letters stand for classes of words in real logs. What is rare matters as much as what is frequent:
// how many different words there are decides what an index costs.
func (w *writer) verb(verb byte) {
	switch verb {
	case 'n': // a small number
		w.buf = fmt.Appendf(w.buf, "%d", w.IntN(200))
	case 'N':
		w.buf = fmt.Appendf(w.buf, "%d", w.IntN(4_000_000))
	case 'd': // nearly always the same
		w.buf = fmt.Appendf(w.buf, "%d", 64<<(w.IntN(20)/19))
	case 'f':
		w.buf = fmt.Appendf(w.buf, "%d.%02d", w.IntN(60), w.IntN(100))
	case 'x': // an address
		w.buf = fmt.Appendf(w.buf, "%08x", w.Uint32()&0xfffff000)
	case 'X':
		w.buf = fmt.Appendf(w.buf, "ffff8880%08x", w.Uint32()&0xfffffff8)
	case 'o': // an offset in a function
		w.buf = fmt.Appendf(w.buf, "0x%x/0x%x", w.IntN(0x300), 0x300+w.IntN(0x300))
	case 'p': // a process
		w.buf = fmt.Appendf(w.buf, "%d", 80+w.IntN(3000))
	case 'm':
		w.buf = fmt.Appendf(w.buf, "52:54:%02x:%02x:%02x:%02x", w.IntN(256), w.IntN(256), w.IntN(256), w.IntN(256))
	case 'i':
		w.buf = fmt.Appendf(w.buf, "10.20.%d.%d", w.IntN(4), w.IntN(250)+2)
	case 'u':
		w.buf = fmt.Appendf(w.buf, "%08x-%04x-4%03x-a%03x-%012x", w.Uint32(), w.IntN(1<<16), w.IntN(1<<12), w.IntN(1<<12), w.Uint64()>>16)
	case 'j':
		w.buf = fmt.Appendf(w.buf, "%d", w.job)
	case '%':
		w.buf = append(w.buf, '%')
	}
}
