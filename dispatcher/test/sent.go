package test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"strata/dispatcher/door"
)

// otherWay acts on what the device says of a file that does not come over the console: SENT ID … to the
// job's door, LEFT ID … in the folder that a container shares with the worker, or FAIL REASON ….
func (l *listener) otherWay(word, rest string) {
	id, about, _ := strings.Cut(rest, " ")
	in, err := l.beginFile(about, l.s.Log.FileLimits().File)
	var data []byte
	switch {
	case err != nil:
	case word == "FAIL":
		err = l.failed(id, in)
	case word == "SENT":
		data, err = l.sent(id)
	default:
		data, err = l.left(id, in)
	}
	switch {
	case errors.Is(err, errAnother) || err == nil && !in.is(data):
		// The console is still there to ask over.
		l.s.Log.Warning("File %s did not come as the device has it", in.file.Name)
		l.postpone(in)
	case err != nil:
		l.s.Log.Error("A file is not kept: %s", err)
	default:
		l.keepFile(in.file, data)
	}
}

// errAnother says that what is announced is not there.
var errAnother = errors.New("the file is not there")

// failed says why the device did not send a file.
func (l *listener) failed(reason string, in *incoming) error {
	switch reason {
	case "name":
		return fmt.Errorf("the path of file %s has a '>' or the end of a line in it", in.file.Name)
	case "network":
		return fmt.Errorf("file %s is to come over the network only, and the job's door did not answer the device", in.file.Name)
	case "room":
		return fmt.Errorf("file %s has %d bytes, and there is no room for it among the files of this job", in.file.Name, in.size)
	}
	return fmt.Errorf("the device did not send file %s (%q)", in.file.Name, reason)
}

// sent returns what came to the job's door.
func (l *listener) sent(id string) ([]byte, error) {
	if l.door == nil {
		return nil, errAnother
	}
	u, ok := l.door.Take(id)
	if !ok {
		return nil, errAnother
	}
	return readUpload(u)
}

func readUpload(u door.Upload) ([]byte, error) {
	data, err := u.Read()
	if err != nil {
		return nil, fmt.Errorf("read what the device sent: %w", err)
	}
	return data, nil
}

// left returns what a container left for us. It may have put there what it wants: a link, a pipe, a file
// that grows.
func (l *listener) left(id string, in *incoming) ([]byte, error) {
	if l.shared == "" || strings.Trim(id, "0123456789-") != "" || id == "" {
		return nil, errAnother
	}
	dir, err := os.OpenRoot(l.shared)
	if err != nil {
		return nil, fmt.Errorf("read what the container left: %w", err)
	}
	defer dir.Close()
	defer dir.Remove(id) //nolint:errcheck // the job's directory goes as a whole
	data, err := readRegular(dir, id, int64(in.size))
	if err != nil {
		l.s.Log.Debug("file %s of the container: %s", id, err)
		return nil, errAnother
	}
	return data, nil
}

// errNotRegular says that something is no plain file.
var errNotRegular = errors.New("is no regular file")

// readRegular reads a regular file below dir, at most one byte more than most. A link leads nowhere
// outside, and a named pipe keeps nobody waiting.
func readRegular(dir *os.Root, name string, most int64) ([]byte, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, most+1))
}

// postpone leaves a file for after the tests.
func (l *listener) postpone(in *incoming) {
	if len(l.run.unsettled) >= maxUnsettled {
		l.s.Log.Error("File %s is not kept: %d others wait to be read again", in.file.Name, maxUnsettled)
		return
	}
	l.run.unsettled = append(l.run.unsettled, in)
}

// settleDoor keeps what came to the door and was not announced: the console broke that line, and the
// file's path has said the same.
func (l *listener) settleDoor() {
	if l.door == nil {
		return
	}
	for _, u := range l.door.Rest() {
		data, err := readUpload(u)
		suite, about, _ := strings.Cut(u.About, " ")
		var in *incoming
		if err == nil {
			in, err = announcedFile(about)
		}
		if err == nil && !in.is(data) {
			err = fmt.Errorf("file %s did not come as the device has it", in.file.Name)
		}
		if err != nil {
			l.s.Log.Error("A file of %d bytes that the device sent is not kept: %s", u.Size, err)
			continue
		}
		for _, r := range l.begun {
			if r.suite == suite {
				in.file.Suite, in.file.Set = suite, r.endSet
			}
		}
		if in.file.Suite == "" {
			l.s.Log.Error("File %s is not kept: %q is no test of this shell", in.file.Name, suite)
			continue
		}
		l.keepFile(in.file, data)
	}
}
