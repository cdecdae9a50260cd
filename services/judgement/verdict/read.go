package verdict

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"strata/events"
)

// maxLine is the longest line that is read whole; the rest of a longer one is passed over.
const maxLine = 1 << 20

// Read takes in a file that is either a job's log (JSON lines of Strata, YAML lines of LAVA), or, where
// its first line is neither, what a console printed. It says which of both it was.
func Read(r io.Reader) (s *Scan, console bool, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	head, err := in.Peek(512)
	if err != nil && len(head) == 0 && err != io.EOF {
		return nil, false, fmt.Errorf("read the log: %w", err)
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, " \r\n"), []byte("\n"))
	if record.Match(line) {
		s, err = ReadLog(in)
		return s, false, err
	}
	s, err = ReadConsole(in)
	return s, true, err
}

// record is what a line of a job's log begins with.
var record = regexp.MustCompile(`^(- )?\{ ?"?(dt|lvl|line|time|level)"?: ?["0-9]`)

// ReadLog takes in a job's log: a record a line, as Strata prints them with --json and LAVA hands them out.
func ReadLog(r io.Reader) (*Scan, error) {
	s := new(Scan)
	n := 0
	err := eachLine(r, func(line []byte) error {
		n++
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("- "))
		if len(line) == 0 {
			return nil
		}
		var rec events.Record
		if err := json.Unmarshal(jsonOf(line), &rec); err != nil {
			// LAVA logs objects of Python as tagged YAML, which says nothing here; its line keeps its number.
			if !bytes.HasPrefix(line, []byte("{")) {
				return fmt.Errorf("line %d of the log is no record: %w", n, err)
			}
			rec = events.Record{}
		}
		s.Add(rec)
		return nil
	})
	return s, err
}

// quoted finds a message that LAVA wrote in YAML's single quotes.
var quoted = regexp.MustCompile(`^(\{.*"msg": )'(.*)'\}$`)

// jsonOf returns a record as JSON. LAVA's lines are YAML that is JSON too, but for texts in single quotes.
func jsonOf(line []byte) []byte {
	line = bytes.ReplaceAll(line, []byte(`tc": ! "`), []byte(`tc": "`))
	m := quoted.FindSubmatch(line)
	if m == nil {
		return line
	}
	text, err := json.Marshal(strings.ReplaceAll(string(m[2]), "''", "'"))
	if err != nil {
		return line
	}
	return append(append(append([]byte(nil), m[1]...), text...), '}')
}

// ReadConsole takes in what a console printed, as it was recorded: line n of the file is line n-1.
func ReadConsole(r io.Reader) (*Scan, error) {
	s := new(Scan)
	err := eachLine(r, func(line []byte) error {
		text := strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\ufffd")
		message, err := json.Marshal(text)
		if err != nil {
			return err
		}
		s.Add(events.Record{Level: events.Target, Message: message})
		return nil
	})
	return s, err
}

// eachLine hands over lines, the last one too where nothing ends it.
func eachLine(r io.Reader, each func([]byte) error) error {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		for skipped := err; skipped == bufio.ErrBufferFull; {
			_, skipped = in.ReadSlice('\n')
		}
		if len(line) > 0 {
			if err := each(line); err != nil {
				return err
			}
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return nil
		default:
			return fmt.Errorf("read the log: %w", err)
		}
	}
}
