package test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/overlay"
	"strata/events"
	"strata/schemas/results"
)

// What lava-test-artifact sends: the beginning of a file, its lines by number, its end; or that it came
// another way (sent.go).
const fileMark = `<STRATA_FILE (\S+) ([^>\r\n]*)>`

// Limits of what one run gives over the console. A board may claim anything, and what is on its way is held.
const (
	maxConsoleFile = 16 << 20 // bytes; an hour and a half over a serial line
	maxUnsettled   = 8        // files of a run that wait for lines that were lost
	maxImported    = 20_000   // cases of one file
)

// incoming is a file on its way over the console.
type incoming struct {
	file     events.File // without what its bytes tell
	path     string      // on the device
	encoding string      // base64 or hex
	size     int
	check    string // what cksum makes of it, "-" where the device does not know
	lines    map[int][]byte
}

// fileLine acts on one mark of a file. One that makes no sense is a broken one: the lines that it stands
// for are missing then, and are asked for.
func (l *listener) fileLine(m connection.Match) error {
	word, _ := m.Group("1")
	rest, _ := m.Group("2")
	switch word {
	case "BEGIN", "SENT", "LEFT", "FAIL":
		if l.run == nil {
			return l.noRun()
		}
		l.endFile()
		if word != "BEGIN" {
			l.otherWay(word, rest)
			return nil
		}
		in, err := l.beginFile(rest, maxConsoleFile)
		if err != nil {
			l.s.Log.Error("A file is not kept: %s", err)
			return nil
		}
		l.run.file = in
	case "END":
		// It says what the beginning said, which may not have been heard.
		if l.run != nil && l.run.file == nil {
			if in, err := l.beginFile(rest, maxConsoleFile); err == nil {
				l.run.file = in
			}
		}
		l.endFile()
	default:
		if l.run != nil && l.run.file != nil {
			l.run.file.take(word, rest)
		}
	}
	return nil
}

// beginFile reads ENCODING SIZE CHECK KIND CASE PATH, of a file of the run. A file over the limit is not
// waited for.
func (l *listener) beginFile(text string, most int64) (*incoming, error) {
	in, err := announcedFile(text)
	if err != nil {
		return nil, err
	}
	in.file.Suite, in.file.Set = l.run.suite, l.set
	if most = min(most, l.s.Log.FileLimits().File); int64(in.size) > most {
		return nil, fmt.Errorf("file %s has %d bytes; at most %d are kept of one file", in.file.Name, in.size, most)
	}
	if name := path.Base(in.path); name != in.file.Name {
		l.s.Log.Info("File %q is kept as %s: names have letters, digits, '.', '_', '+' and '-'", name, in.file.Name)
	}
	return in, nil
}

// announcedFile reads what is said of a file.
func announcedFile(text string) (*incoming, error) {
	args := strings.SplitN(text, " ", 6)
	if len(args) != 6 {
		return nil, fmt.Errorf("its beginning came broken: %q", text)
	}
	size, err := strconv.Atoi(args[1])
	if err != nil || size < 0 || args[0] != "base64" && args[0] != "hex" {
		return nil, fmt.Errorf("its beginning came broken: %q", text)
	}
	in := &incoming{path: args[5], encoding: args[0], size: size, check: args[2], lines: map[int][]byte{}}
	in.file.Name = fileName(path.Base(in.path))
	if args[3] != "-" {
		in.file.Kind = args[3]
		if !slices.Contains(results.Readable(), in.file.Kind) {
			return nil, fmt.Errorf("%s: kind %q is none of %s", in.file.Name, in.file.Kind, strings.Join(results.Readable(), ", "))
		}
	}
	if args[4] != "-" {
		in.file.Case = args[4]
	}
	return in, nil
}

// fileName makes a name that a file may have of one that the device told.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 128 && events.FileName("x"+string(r)) {
			return r
		}
		return '_'
	}, name)
	name = name[:min(len(name), 128)]
	if !events.FileName(name) {
		return "file"
	}
	return name
}

// perLine is how many bytes stand in a line, and count how many lines there are.
func (in *incoming) perLine() int {
	if in.encoding == "hex" {
		return 16
	}
	return 57
}

func (in *incoming) count() int { return (in.size + in.perLine() - 1) / in.perLine() }

// take keeps a line if it has what a line of that number must have.
func (in *incoming) take(number, text string) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > in.count() {
		return
	}
	var data []byte
	if in.encoding == "hex" {
		data, err = hex.DecodeString(text)
	} else {
		data, err = base64.StdEncoding.DecodeString(text)
	}
	if err == nil && len(data) == min(in.perLine(), in.size-(n-1)*in.perLine()) {
		in.lines[n] = data
	}
}

// missing returns the numbers of lines that did not come whole.
func (in *incoming) missing() (numbers []int) {
	for n := 1; n <= in.count(); n++ {
		if _, ok := in.lines[n]; !ok {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// whole returns the file's bytes, if they are what the device has.
func (in *incoming) whole() ([]byte, bool) {
	if len(in.lines) != in.count() {
		return nil, false
	}
	data := make([]byte, 0, in.size)
	for n := 1; n <= in.count(); n++ {
		data = append(data, in.lines[n]...)
	}
	return data, in.is(data)
}

// is says whether bytes are those that the device has, as far as it could tell.
func (in *incoming) is(data []byte) bool {
	return len(data) == in.size && (in.check == "-" || in.check == strconv.FormatUint(uint64(cksum(string(data))), 10))
}

// endFile keeps the file that is on its way, or leaves it for after the tests.
func (l *listener) endFile() {
	r := l.run
	if r == nil || r.file == nil {
		return
	}
	in := r.file
	r.file = nil
	if data, ok := in.whole(); ok {
		l.keepFile(in.file, data)
		return
	}
	l.s.Log.Warning("%d of %d lines of file %s came broken", len(in.missing()), in.count(), in.file.Name)
	l.postpone(in)
}

// keepFile puts a file into the job's log, and its cases among the results.
func (l *listener) keepFile(f events.File, data []byte) { keepFile(l.s.Log, f, data) }

func keepFile(log *output.Logger, f events.File, data []byte) {
	if err := log.File(f, data); err != nil {
		log.Error("A file is not kept: %s", err)
		return
	}
	log.Info("File %s is kept (%d bytes)", f.Name, len(data))
	if f.Kind == "" {
		return
	}
	cases, problems, err := results.Read(f.Kind, string(data))
	if err != nil {
		log.Error("No results were read from file %s: %s", f.Name, err)
		return
	}
	for _, p := range problems {
		log.Warning("File %s: %s", f.Name, p)
	}
	if left := len(cases) - maxImported; left > 0 {
		log.Error("File %s has %d cases; %d of them are left out", f.Name, len(cases), left)
		cases = cases[:maxImported]
	}
	for _, c := range cases {
		log.Result(imported(f, c))
	}
}

// imported is the result of a case that a file tells. It stands in the suite of the test that gave
// the file; suites of the file are sets.
func imported(f events.File, c results.Case) output.Fields {
	fields := output.Fields{{Key: "definition", Value: f.Suite}, {Key: "case", Value: c.Name}, {Key: "result", Value: c.Result}}
	set := strings.Join(slices.DeleteFunc([]string{c.Suite, c.Set}, func(s string) bool { return s == "" }), "/")
	if set == "" {
		set = f.Set
	}
	if set != "" {
		// Only what survives in an address names a set.
		fields = fields.Set("set", strings.Map(func(r rune) rune {
			if r == '/' || r < 128 && events.FileName("x"+string(r)) && r != '+' {
				return r
			}
			return '_'
		}, set))
	}
	if c.Measurement != nil {
		fields = fields.Set("measurement", *c.Measurement)
		if c.Units != "" {
			fields = fields.Set("units", c.Units)
		}
	}
	if c.Text != "" {
		text := []rune(c.Text)
		fields = fields.Set("error_msg", string(text[:min(len(text), 2048)]))
	}
	return fields.Set("file", f.Name)
}

// settleFiles asks the device, which is at its prompt, for the lines that came broken.
func (l *listener) settleFiles(ctx context.Context, r *running, ask bool) {
	if r.file != nil { // its end was not heard
		r.unsettled, r.file = append(r.unsettled, r.file), nil
	}
	mark, err := connection.Compile(fileMark, 0)
	if err != nil {
		panic(err) // a constant
	}
	for _, in := range r.unsettled {
		data, ok := in.whole()
		for try := 0; ask && !ok && try < readTries; try++ {
			if len(in.missing()) == 0 {
				clear(in.lines) // a character was changed, nobody knows where
			}
			if !l.readFile(ctx, in, mark) {
				break
			}
			data, ok = in.whole()
		}
		if !ok {
			l.s.Log.Error("File %s is not kept: %d of its %d lines could not be read", in.file.Name, len(in.missing()), in.count())
			continue
		}
		l.keepFile(in.file, data)
	}
	r.unsettled = nil
}

// readFile asks for missing lines once, and returns false when the device says nothing any more.
func (l *listener) readFile(ctx context.Context, in *incoming, mark connection.Pattern) bool {
	missing := in.missing()
	line := path.Join(l.root, "bin", "lava-test-artifact") + " --again " + overlay.Quote(in.path) + " " + in.encoding
	for _, n := range missing[:min(len(missing), askSingly)] {
		line += " " + strconv.Itoa(n)
	}
	if len(missing) > askSingly {
		line = line[:strings.LastIndex(line, in.encoding)] + in.encoding + " ''" // all of them
	}
	if err := l.s.SendLine(ctx, l.console, line); err != nil {
		return false
	}
	for {
		limited, cancel := context.WithTimeout(ctx, readSilence)
		m, err := l.console.Expect(limited, mark)
		cancel()
		if err != nil {
			return ctx.Err() == nil && limited.Err() != nil && len(in.missing()) < len(missing)
		}
		word, _ := m.Group("1")
		text, _ := m.Group("2")
		if word == "END" {
			return true
		}
		in.take(word, text)
	}
}
