package test

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
)

// ledger is what is known of the numbered signals of one run.
//
// A console loses characters, and a kernel that reports something cuts the line that a test is
// printing. Our helpers therefore announce each signal that a result depends on by its number and
// length, keep a list of them on the device, and say at the end of the run how many there were.
// What arrives otherwise than it was announced is no result; after the tests the missing ones are
// read from the device's list. LAVA's own helpers announce nothing: their signals count as they come.
type ledger struct {
	numbers   bool           // the device numbers its signals
	announced int            // the highest number that it has announced
	heard     map[int]string // whole ones
	broken    map[int]string // what the console showed in the place of one
	stray     []string       // what it showed of some whose number was lost too
	loose     map[string]int // whole ones that came unannounced: how often each
	count     int            // of all, as the device says at the end; -1 before
	check     string         // what cksum makes of the list; "-" where it does not know
}

func newLedger() ledger {
	return ledger{heard: map[int]string{}, broken: map[int]string{}, loose: map[string]int{}, count: -1}
}

// last returns the highest number that is known of.
func (g *ledger) last() int {
	last := max(g.count, 0)
	for n := range g.heard {
		last = max(last, n)
	}
	for n := range g.broken {
		last = max(last, n)
	}
	return last
}

// missing returns the numbers of signals that were not heard whole, as far as is known.
func (g *ledger) missing() (numbers []int) {
	for n := 1; n <= g.last(); n++ {
		if _, ok := g.heard[n]; !ok {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// agrees says whether host and device count the same signals.
func (g *ledger) agrees() bool {
	if !g.numbers && g.count <= 0 {
		return true // nothing was numbered
	}
	if g.count < 0 || len(g.missing()) > 0 || len(g.heard) != g.count {
		return false
	}
	var list strings.Builder
	for n := 1; n <= g.count; n++ {
		list.WriteString(g.heard[n] + "\n")
	}
	return g.check == "-" || g.check == strconv.FormatUint(uint64(cksum(list.String())), 10)
}

// cksum is what the POSIX command of that name prints first: a CRC over the text and its length.
func cksum(text string) uint32 {
	var crc uint32
	feed := func(b byte) {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	for i := range len(text) {
		feed(text[i])
	}
	for n := len(text); n > 0; n >>= 8 {
		feed(byte(n))
	}
	return ^crc
}

// announced is the signal that comes next, by its device's own words.
type announced struct{ number, length int }

// markWithin finds a mark at the end of another one, whose own end was lost.
var markWithin = regexp.MustCompile(`^.*(<(?:LAVA_SIGNAL|STRATA)_(\S+) ([^>]+)>)$`)

// plain says whether a signal is one that no result depends on, and that is not numbered.
func plain(name string) bool {
	switch name {
	case "STARTRUN", "ENDRUN", "STARTTC", "ENDTC", "TESTRAISE", "TESTFEEDBACK", "TESTEVENT":
		return true
	}
	return false
}

// whole says whether a signal came as the device sent it. One that did not is a warning, and
// nothing else comes of it now.
func (l *listener) whole(m connection.Match, name string) bool {
	a, text := l.coming, m.Text
	oneLine := !strings.ContainsAny(text, "\r\n")
	if a != nil && oneLine && !plain(name) && (len(text) == a.length || utf8.RuneCountInString(text) == a.length) {
		l.run.heard[a.number], l.coming = text, nil
		return true
	}
	fits := oneLine && !strings.Contains(text[1:], "<LAVA_SIGNAL_") && !strings.Contains(text[1:], "<STRATA_")
	if fits && plain(name) {
		return true // the announced one is still to come
	}
	l.coming = nil
	switch {
	case a != nil:
		l.lose(a.number, text)
		return false
	case fits && !l.doubt(m.Before):
		if l.run != nil {
			l.run.loose[text]++ // a script's own, or one of helpers that announce nothing
		}
		return true
	}
	l.lose(0, text)
	return false
}

// doubt says whether an announcement may have stood in a text: one that a kernel message cut in two
// leaves at least one of these pieces, whatever the place.
func (l *listener) doubt(before string) bool {
	unsure := l.unsure
	l.unsure = false
	if unsure {
		return true
	}
	if l.run == nil || !l.run.numbers {
		return false
	}
	return strings.Contains(before, "STRAT") || strings.Contains(before, "_NEXT")
}

// lose notes what the console showed in the place of a signal; number is 0 where it is not known.
func (l *listener) lose(number int, shown string) {
	shown = strings.Join(strings.FieldsFunc(shown, func(r rune) bool { return r == '\r' || r == '\n' }), "\n")
	if from := len(shown) - maxEvidence; from > 0 {
		shown = strings.ToValidUTF8(shown[from:], "")
	}
	l.s.Log.Warning("A broken signal does not count: %q", shown)
	switch {
	case l.run == nil:
	case number > 0:
		l.run.broken[number] = shown
	default:
		l.run.stray = append(l.run.stray, shown)
	}
}

// maxEvidence is how much of the console is kept for a broken signal, in bytes: a few lines.
const maxEvidence = 512

// numbering acts on what helpers say about signals: which comes next, or how many there were.
// A mark that is broken itself is none.
func (l *listener) numbering(m connection.Match) error {
	kind, _ := m.Group("1")
	text, _ := m.Group("2")
	args := strings.Fields(text)
	l.unsure = true // of the signal that comes next, until this mark is seen to be good
	if len(args) < 3 || !l.known(args[0]) {
		return nil
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 {
		return nil
	}
	if kind == "SUM" && len(args) == 4 && args[3] == "install" {
		l.notInstalled(args[0])
		return nil
	}
	if l.run == nil || l.run.suite != args[0] {
		if kind == "SUM" && n == 0 && args[len(args)-1] != "0" {
			return nil // a script that failed before it could say that it began
		}
		if err := l.missedStart(args[0]); err != nil {
			return err
		}
	}
	if kind == "NEXT" && n <= l.run.announced {
		return nil // a digit was lost
	}
	l.run.numbers, l.unsure = true, false
	if l.coming != nil {
		l.lose(l.coming.number, m.Before)
		l.coming = nil
	}
	switch {
	case kind == "NEXT" && len(args) == 3 && n > 0:
		if length, err := strconv.Atoi(args[2]); err == nil {
			l.coming, l.run.announced = &announced{n, length}, n
		}
	case kind == "SUM" && len(args) == 4:
		l.run.count, l.run.check = n, args[2]
		l.ended(m, args[3])
	}
	return nil
}

// ended acts on the end of a run's script, of which the device says the status.
func (l *listener) ended(m connection.Match, status string) {
	r := l.run
	// A script that came to its end has said so. Cut in two, the signal leaves one of these pieces.
	if status == "0" && !r.over && (strings.Contains(m.Before, "LAVA_SIG") || strings.Contains(m.Before, "L_ENDRUN") || strings.Contains(m.Before, r.uuid)) {
		l.s.Log.Warning("The end of %s was not heard whole", r.suite)
		l.endRun()
	}
	l.lastRun = l.isLast(r.suite)
}

// notInstalled notes that a definition could not be installed, if the runner's own word for it was lost.
func (l *listener) notInstalled(suite string) {
	if !l.installFailed {
		l.s.Log.Warning("The device says that the installation of %s failed, which was not heard", suite)
		l.failInstall()
	}
	l.installFailed, l.unsure, l.lastRun = false, false, l.isLast(suite)
}

// isLast says whether a run is the last one of the stage.
func (l *listener) isLast(suite string) bool {
	last := ""
	for _, def := range l.runs {
		if def.Stage == l.stage {
			last = def.Name
		}
	}
	return last == suite
}

// known says whether a run is one of the job's, or the one that the device is in.
func (l *listener) known(suite string) bool {
	if l.run != nil && l.run.suite == suite {
		return true
	}
	for _, def := range l.runs {
		if def.Name == suite {
			return true
		}
	}
	return false
}

// missedStart begins a run whose own signal was not heard.
func (l *listener) missedStart(suite string) error {
	uuid := ""
	for _, def := range l.runs {
		if def.Name == suite {
			uuid = def.UUID
		}
	}
	l.s.Log.Warning("The start of %s was not heard whole", suite)
	return l.startRun([]string{suite, uuid})
}

// within acts on a whole mark at the end of a broken one, which had lost its own end.
func (l *listener) within(text string) (connection.Match, kind, bool) {
	at := markWithin.FindStringSubmatch(strings.NewReplacer("\r", " ", "\n", " ").Replace(text))
	if at == nil || at[1] == text {
		return connection.Match{}, nothing, false
	}
	m := connection.Match{Text: at[1], Groups: []connection.Group{{Name: "1", Text: at[2], Valid: true}, {Name: "2", Text: at[3], Valid: true}}}
	if strings.HasPrefix(at[1], "<STRATA_") {
		return m, numbered, true
	}
	return m, signaled, true
}

// unreadable logs a case that nobody will know, with what the console showed of it.
func (l *listener) unreadable(r *running, number int) {
	shown, ok := r.broken[number]
	if !ok {
		shown = strings.Join(r.stray, "\n")
	}
	l.s.Log.Warning("Signal %d of %s could not be read", number, r.suite)
	l.s.Log.Result(output.Fields{
		{Key: "definition", Value: r.suite},
		{Key: "case", Value: "signal-" + strconv.Itoa(number)},
		{Key: "result", Value: "unknown"},
		{Key: "extra", Value: output.Fields{
			{Key: "reason", Value: "The console broke this signal, and the device's list could not be read."},
			{Key: "console", Value: shown}}},
	})
}
