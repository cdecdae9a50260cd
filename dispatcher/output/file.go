package output

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"strata/events"
)

// DefaultFileLimits are the limits of a logger that was given none.
func DefaultFileLimits() FileLimits { return FileLimits{File: 16 << 20, Job: 64 << 20} }

// FileLimits bound the files that a job's tests give, in bytes.
type FileLimits struct {
	File int64 // each
	Job  int64 // all of a job, those of equal content counted once
}

// FileLimits returns the limits of this job.
func (l *Logger) FileLimits() FileLimits { return l.files.limits }

// given is what a logger knows of files: how much room they took, and where each content lies.
type given struct {
	limits FileLimits
	bytes  int64
	at     map[string]events.File
}

// File logs a file of a test: its bytes, and then that it is whole. The file names suite, set, case,
// name and kind; the rest is found here. Content that the job gave before is not written again. The
// error says which limit it breaks; nothing of it is in the log then.
func (l *Logger) File(f events.File, data []byte) error {
	if !events.FileName(f.Name) {
		return fmt.Errorf("a file's name has 1 to 128 letters, digits, '.', '_', '+' and '-', which %q has not", f.Name)
	}
	sum := sha256.Sum256(data)
	f.SHA256, f.Bytes = hex.EncodeToString(sum[:]), uint64(len(data))
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := l.files.limits.File; int64(len(data)) > limit {
		return fmt.Errorf("file %s has %d bytes; at most %d are kept of one file", f.Name, len(data), limit)
	}
	before, known := l.files.at[f.SHA256]
	if known {
		f.First, f.Parts = before.First, before.Parts
	} else if err := l.writeFile(&f, data); err != nil {
		return err
	}
	l.put(events.Record{Level: events.FileData, Message: encode(events.FilePart{File: &f})})
	return l.err
}

// writeFile writes the bytes. They are as secret as the test made them: they are not masked, since a
// file that is not what it was is worth nothing, and so nobody but the job's readers gets it.
func (l *Logger) writeFile(f *events.File, data []byte) error {
	if room := l.files.limits.Job - l.files.bytes; int64(len(data)) > room {
		return fmt.Errorf("file %s has %d bytes, and this job may give %d more", f.Name, len(data), max(room, 0))
	}
	// Beyond the output limit lines wait, and may be dropped: a file would have holes.
	if l.limit.seen+int64(len(data))*3/2 > l.limit.limit {
		return fmt.Errorf("file %s: the output limit of the job leaves no room for %d bytes", f.Name, len(data))
	}
	f.First = l.next
	for rest := data; len(rest) > 0; f.Parts++ {
		part := rest[:min(len(rest), events.MaxPartBytes)]
		rest = rest[len(part):]
		l.put(events.Record{Level: events.FileData, Message: encode(events.FilePart{Data: part})})
	}
	l.files.bytes += int64(len(data))
	l.files.at[f.SHA256] = *f
	return l.err
}
