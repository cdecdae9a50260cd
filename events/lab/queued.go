package lab

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"strata/events"
)

// How "lab.v2" holds jobs that wait. A lab may have a million of them, and as JSON they would take longer
// to read than all else that a restart does. So they stand in records of bytes:
//
//	table   the names that many jobs repeat, each once; records name them by their place
//	chunks  of chunkJobs records, each chunk with its length in front: they are read side by side
//
// Numbers are varints of encoding/binary, texts have their length in front. A job of which a record
// cannot tell all, because it has a device or is to end, stands in the JSON beside them.

// chunkJobs is the number of jobs that one goroutine reads at a time.
const chunkJobs = 2048

// What a record has beside what every one has.
const (
	hasDisplay = 1 << iota // one that is not just the job's number
	hasText                // a digest that is not 64 lower-case hex digits
	hasPinDevice
	hasPinWorker
	hasTags
	hasGroups
	hasQueueTimeout
	hasRetries
	hasPart
	hasAttempt
	isPublic
	isCheck
	isEssential
	isGuest
)

// plain says that a record can tell all of a job.
func (j *Job) plain() bool {
	return j.State == Submitted && j.Cancel == nil && j.Run == nil && j.End == nil &&
		j.RetriedAs == 0 && j.NotRetried == "" && !j.Removed
}

// packer writes records.
type packer struct {
	table []string
	place map[string]uint64
	out   []byte
}

// pack returns the table and the chunks of plain jobs, which are in order of their numbers.
func pack(jobs []*Job) []byte {
	p := &packer{place: map[string]uint64{}}
	var chunks [][]byte
	for some := range slices.Chunk(jobs, chunkJobs) {
		p.out = make([]byte, 0, 160*len(some))
		last := events.JobID(0)
		for _, j := range some {
			p.number(uint64(j.ID - last))
			last = j.ID
			p.job(j)
		}
		chunks = append(chunks, p.out)
	}
	size := 0
	for _, c := range chunks {
		size += len(c) + 2*binary.MaxVarintLen64
	}
	p.out = make([]byte, 0, size)
	p.number(uint64(len(p.table)))
	for _, name := range p.table {
		p.text(name)
	}
	p.number(uint64(len(chunks)))
	for i, c := range chunks {
		p.number(uint64(min(chunkJobs, len(jobs)-i*chunkJobs)))
		p.number(uint64(len(c)))
		p.out = append(p.out, c...)
	}
	return p.out
}

// number, signed and text write what their names say; name writes the place of a text in the table.
func (p *packer) number(n uint64) { p.out = binary.AppendUvarint(p.out, n) }
func (p *packer) signed(n int64)  { p.out = binary.AppendVarint(p.out, n) }

func (p *packer) text(s string) {
	p.number(uint64(len(s)))
	p.out = append(p.out, s...)
}

func (p *packer) name(s string) {
	place, known := p.place[s]
	if !known {
		place = uint64(len(p.table))
		p.place[s] = place
		p.table = append(p.table, s)
	}
	p.number(place)
}

// names writes a list of names.
func names[N ~string](p *packer, list []N) {
	p.number(uint64(len(list)))
	for _, n := range list {
		p.name(string(n))
	}
}

// job writes a record, but for the job's number.
func (p *packer) job(j *Job) {
	digest, flags := flagsOf(j)
	p.number(flags)
	p.number(j.Seq)
	p.name(string(j.User))
	p.name(string(j.DeviceType))
	p.signed(j.SubmittedAt.Unix())
	p.number(uint64(j.SubmittedAt.Nanosecond()))
	p.text(j.Name)
	p.signed(int64(j.Priority))
	p.signed(int64(j.JobTimeout))
	p.number(j.Source.Sequence)
	p.signed(int64(j.Source.Bytes))
	if flags&hasText != 0 {
		p.text(j.Source.SHA256)
	} else {
		p.out = append(p.out, digest...)
	}
	has := func(flag uint64, write func()) {
		if flags&flag != 0 {
			write()
		}
	}
	has(hasDisplay, func() { p.text(j.Display) })
	has(hasPinDevice, func() { p.name(string(j.PinDevice)) })
	has(hasPinWorker, func() { p.name(string(j.PinWorker)) })
	has(hasTags, func() { names(p, j.Tags) })
	has(hasGroups, func() { names(p, j.Visibility.Groups) })
	has(hasQueueTimeout, func() { p.signed(int64(j.QueueTimeout)) })
	has(hasRetries, func() { p.signed(int64(j.Retries)) })
	has(hasPart, func() {
		p.text(j.Part.Group)
		p.number(uint64(j.Part.Parent))
		p.name(j.Part.Role)
		p.signed(int64(j.Part.Size))
		p.name(j.Part.HostRole)
	})
	has(hasAttempt, func() {
		p.number(uint64(j.Attempt.Of))
		p.signed(int64(j.Attempt.N))
		names(p, j.Attempt.Avoid)
	})
}

// flagsOf returns the flags of a job's record, and the bytes of its digest where it is one.
func flagsOf(j *Job) (digest []byte, flags uint64) {
	digest, err := hex.DecodeString(j.Source.SHA256)
	for _, f := range []struct {
		flag uint64
		is   bool
	}{
		{hasDisplay, j.Display != j.ID.String()},
		{hasText, err != nil || len(digest) != 32 || hex.EncodeToString(digest) != j.Source.SHA256},
		{hasPinDevice, j.PinDevice != ""}, {hasPinWorker, j.PinWorker != ""},
		{hasTags, len(j.Tags) > 0}, {hasGroups, len(j.Visibility.Groups) > 0},
		{hasQueueTimeout, j.QueueTimeout != 0}, {hasRetries, j.Retries != 0},
		{hasPart, j.Part != nil}, {hasAttempt, j.Attempt != nil},
		{isPublic, j.Visibility.Public}, {isCheck, j.HealthCheck},
		{isEssential, j.Part != nil && j.Part.Essential}, {isGuest, j.Part != nil && j.Part.Guest},
	} {
		if f.is {
			flags |= f.flag
		}
	}
	return digest, flags
}

// errRecord is the error of every record that does not hold what it should.
var errRecord = errors.New("records of queued jobs are broken")

// unpacker reads what a packer has written. After its first error it reads nothing but zeros.
type unpacker struct {
	in    []byte
	table []string
	bad   bool
}

// unpack returns the jobs that [pack] wrote, in order of their numbers. share returns the one copy of a name
// that all may have.
func unpack(data []byte, share func(string) string) ([]*Job, error) {
	u := &unpacker{in: data}
	u.table = make([]string, u.count(1))
	for i := range u.table {
		u.table[i] = share(u.text())
	}
	type chunk struct {
		u    unpacker
		jobs []*Job
	}
	chunks := make([]chunk, u.count(2))
	total := 0
	for i := range chunks {
		n := u.number()
		bytes := u.take(u.count(1))
		if n > uint64(len(bytes)) {
			u.bad = true
			break
		}
		chunks[i] = chunk{unpacker{bytes, u.table, false}, make([]*Job, n)}
		total += int(n)
	}
	if u.bad || len(u.in) > 0 {
		return nil, errRecord
	}
	var next atomic.Int64
	var reading sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(chunks)) {
		reading.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chunks)); i = next.Add(1) - 1 {
				chunks[i].u.jobs(chunks[i].jobs)
			}
		})
	}
	reading.Wait()
	jobs := make([]*Job, 0, total)
	for i := range chunks {
		if chunks[i].u.bad || len(chunks[i].u.in) > 0 {
			return nil, fmt.Errorf("chunk %d: %w", i, errRecord)
		}
		jobs = append(jobs, chunks[i].jobs...)
	}
	return jobs, nil
}

// jobs fills a chunk.
func (u *unpacker) jobs(into []*Job) {
	id := events.JobID(0)
	for i := range into {
		id += events.JobID(u.number())
		into[i] = u.job(id)
	}
}

// number, signed, text and name read what the packer's wrote.
func (u *unpacker) number() uint64 {
	n, size := binary.Uvarint(u.in)
	if size <= 0 {
		u.bad, u.in = true, nil
		return 0
	}
	u.in = u.in[size:]
	return n
}

func (u *unpacker) signed() int64 {
	n, size := binary.Varint(u.in)
	if size <= 0 {
		u.bad, u.in = true, nil
		return 0
	}
	u.in = u.in[size:]
	return n
}

// count reads the number of things that follow, of at least so many bytes each: a broken number must not
// make us ask for all memory there is.
func (u *unpacker) count(each int) int {
	n := u.number()
	if n > uint64(len(u.in)/each) {
		u.bad, u.in = true, nil
		return 0
	}
	return int(n)
}

// take returns the next n bytes.
func (u *unpacker) take(n int) []byte {
	if n > len(u.in) {
		u.bad, u.in = true, nil
		return nil
	}
	some := u.in[:n]
	u.in = u.in[n:]
	return some
}

func (u *unpacker) text() string { return string(u.take(u.count(1))) }

func (u *unpacker) name() string {
	place := u.number()
	if place >= uint64(len(u.table)) {
		u.bad = true
		return ""
	}
	return u.table[place]
}

// namesOf reads a list of names.
func namesOf[N ~string](u *unpacker) []N {
	var list []N
	for range u.count(1) {
		list = append(list, N(u.name()))
	}
	return list
}

// job reads a record.
func (u *unpacker) job(id events.JobID) *Job {
	flags := u.number()
	j := &Job{ID: id, Seq: u.number(), User: events.UserName(u.name()), DeviceType: events.DeviceTypeName(u.name()),
		HealthCheck: flags&isCheck != 0, Visibility: events.Visibility{Public: flags&isPublic != 0}}
	seconds, nanos := u.signed(), u.number()
	j.SubmittedAt = time.Unix(seconds, int64(nanos%1e9)).UTC()
	j.Name = u.text()
	j.Priority, j.JobTimeout = int(u.signed()), events.Seconds(u.signed())
	j.Source.Sequence, j.Source.Bytes = u.number(), int(u.signed())
	if flags&hasText != 0 {
		j.Source.SHA256 = u.text()
	} else {
		j.Source.SHA256 = hex.EncodeToString(u.take(32))
	}
	if flags&hasDisplay != 0 {
		j.Display = u.text()
	} else {
		j.Display = id.String()
	}
	if flags&hasPinDevice != 0 {
		j.PinDevice = events.DeviceName(u.name())
	}
	if flags&hasPinWorker != 0 {
		j.PinWorker = events.WorkerName(u.name())
	}
	if flags&hasTags != 0 {
		j.Tags = namesOf[events.TagName](u)
	}
	if flags&hasGroups != 0 {
		j.Visibility.Groups = namesOf[events.GroupName](u)
	}
	if flags&hasQueueTimeout != 0 {
		j.QueueTimeout = events.Seconds(u.signed())
	}
	if flags&hasRetries != 0 {
		j.Retries = int(u.signed())
	}
	if flags&hasPart != 0 {
		j.Part = &events.Membership{Group: u.text(), Parent: events.JobID(u.number()), Role: u.name(), Size: int(u.signed()),
			HostRole: u.name(), Essential: flags&isEssential != 0, Guest: flags&isGuest != 0}
	}
	if flags&hasAttempt != 0 {
		j.Attempt = &events.Attempt{Of: events.JobID(u.number()), N: int(u.signed()), Avoid: namesOf[events.DeviceName](u)}
	}
	return j
}
