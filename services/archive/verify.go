package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"strata/events/stream"
)

// Finding is something wrong with an archive.
type Finding struct {
	Object  string `json:"object"`  // name of the segment, text, log or index
	Problem string `json:"problem"` // what is wrong with it
}

// Report is what [Verify] found.
type Report struct {
	Findings []Finding              `json:"findings"`
	Chains   map[string]ChainReport `json:"chains"` // by stream
	Texts    int                    `json:"texts"`  // that were read
	Logs     int                    `json:"logs"`
	Erased   int                    `json:"erased"` // texts and logs that a fact says are gone
}

// ChainReport is how long a chain is. Whoever writes the digest of its end down elsewhere can tell later that
// nobody replaced the chain as a whole.
type ChainReport struct {
	Segments int    `json:"segments"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Messages int    `json:"messages"`
	SHA256   string `json:"sha256"` // of the last segment
}

// verification is a [Verify] under way.
type verification struct {
	store  Store
	report Report
	logs   map[uint64]jobLog // that the chain of LAB names
	texts  map[string]bool   // digest: whether a job that is not erased has it
	gone   map[uint64]bool   // jobs whose definition is erased
	silent map[uint64]bool   // and those whose log is
}

// Verify reads a whole archive and names what is not as it was written. The error is one of the store.
func Verify(ctx context.Context, store Store) (Report, error) {
	v := &verification{store: store, report: Report{Findings: []Finding{}, Chains: map[string]ChainReport{}},
		logs: map[uint64]jobLog{}, texts: map[string]bool{}, gone: map[uint64]bool{}, silent: map[uint64]bool{}}
	for _, name := range chained() { // LAB first: it tells what was erased
		if err := v.chain(ctx, name); err != nil {
			return v.report, err
		}
	}
	for _, check := range []func(context.Context) error{v.checkTexts, v.checkLogs} {
		if err := check(ctx); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

func (v *verification) found(object, format string, args ...any) {
	v.report.Findings = append(v.report.Findings, Finding{object, fmt.Sprintf(format, args...)})
}

// chain reads the segments of a stream in the order of their names, and holds each to the one before and to
// the index.
func (v *verification) chain(ctx context.Context, name string) error {
	indexed := name + "/index.json"
	ix, err := readIndex(ctx, v.store, indexed)
	if errors.Is(err, errDamaged) {
		v.found(indexed, "%v", err)
	} else if err != nil {
		return err
	}
	names, err := segmentsIn(ctx, v.store, name)
	if err != nil {
		return err
	}
	known := map[string]Segment{}
	for i, s := range ix.Segments {
		known[s.Name] = s
		if i > 0 && (s.Previous != ix.Segments[i-1].SHA256 || s.After != ix.Segments[i-1].Last) {
			v.found(indexed, "its entry %s does not follow %s", s.Name, ix.Segments[i-1].Name)
		}
		if !slices.Contains(names, s.Name) {
			v.found(s.Name, "is missing: messages %d to %d of %s are gone", s.First, s.Last, name)
		}
	}
	var report ChainReport
	before := Segment{}
	for _, n := range names {
		s, err := v.segment(ctx, name, n, known)
		if err != nil {
			return err
		}
		switch {
		case s.Name == "": // unreadable, and said so: what the index knows of it goes on
			s = known[n]
		case before.Name == "" && s.Previous != "":
			v.found(n, "names a segment before it that is missing: messages up to %d of %s are gone", s.After, name)
		case before.Name != "" && s.Previous != before.SHA256:
			v.found(n, "names %.12s… as the digest of the segment before, and %s has %.12s…: one of the two was altered or swapped, or one between is missing", or(s.Previous, "nothing"), before.Name, before.SHA256)
		case before.Name != "" && s.After != before.Last:
			v.found(n, "follows sequence %d, and the segment before ends with %d", s.After, before.Last)
		}
		if s.Name == "" {
			continue
		}
		if report.Segments == 0 {
			report.First = s.First
		}
		report.Segments, report.Messages = report.Segments+1, report.Messages+s.Messages
		report.Last, report.SHA256 = s.Last, s.SHA256
		before = s
	}
	if len(ix.Segments) == 0 && len(names) > 0 {
		v.found(indexed, "is missing or empty, and there are %d segments", len(names))
	}
	v.report.Chains[name] = report
	return nil
}

// segment reads one segment; a zero one where it cannot be read.
func (v *verification) segment(ctx context.Context, stream, name string, known map[string]Segment) (Segment, error) {
	data, err := read(ctx, v.store, name)
	if err != nil {
		return Segment{}, err
	}
	s := Segment{Name: name, SHA256: digest(data), Bytes: int64(len(data))}
	k, indexed := known[name]
	altered := indexed && k.SHA256 != s.SHA256
	if altered {
		v.found(name, "was altered: its digest is %s, the chain has %s", s.SHA256, k.SHA256)
	}
	s.header, err = openSegment(name, data, func(r record) error { v.record(stream, r); return nil })
	if err != nil {
		v.found(name, "%v", err)
		return Segment{}, nil
	}
	if s.Stream != stream {
		v.found(name, "holds messages of %s", s.Stream)
	}
	if altered {
		s.SHA256 = k.SHA256 // one finding is enough: the next segment names the digest that the chain has
	}
	return s, nil
}

// record notes what lies beside the segments.
func (v *verification) record(name string, r record) {
	switch {
	case r.Text != nil:
		v.texts[r.Text.SHA256] = v.texts[r.Text.SHA256] || !v.gone[r.Seq]
		return
	case r.Log != nil:
		v.logs[r.Log.Job] = *r.Log
	}
	if name != stream.Lab {
		return
	}
	f, err := r.message(name).Decode()
	if err != nil {
		return // of a newer release
	}
	var s Segment
	s.track(f.Event)
	for _, job := range s.Removed {
		v.gone[job] = true
	}
	for _, job := range s.Silenced {
		v.silent[job] = true
	}
}

// checkTexts reads each text that the chain of SUBMISSIONS names.
func (v *verification) checkTexts(ctx context.Context) error {
	for sum, wanted := range v.texts {
		_, err := readText(ctx, v.store, object{SHA256: sum})
		switch {
		case err == nil:
			v.report.Texts++
		case errors.Is(err, fs.ErrNotExist) && !wanted:
			v.report.Erased++
		case errors.Is(err, fs.ErrNotExist):
			v.found(textName(sum), "is missing, and no fact says that it was erased")
		case errors.Is(err, errDamaged):
			v.found(textName(sum), "%v", err)
		default:
			return err
		}
	}
	return nil
}

// checkLogs compares each log with the digest that the chain of LAB has.
func (v *verification) checkLogs(ctx context.Context) error {
	for job, l := range v.logs {
		err := checkLog(ctx, v.store, l)
		switch {
		case err == nil:
			v.report.Logs++
		case errors.Is(err, fs.ErrNotExist) && v.silent[job]:
			v.report.Erased++
		case errors.Is(err, fs.ErrNotExist):
			v.found(logName(job), "is missing, and no fact says that it was erased")
		case errors.Is(err, errDamaged):
			v.found(logName(job), "%v", err)
		default:
			return err
		}
	}
	return nil
}
