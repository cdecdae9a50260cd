package verdict

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"strata/events"
)

// stage is how far a device has come since it was last started.
type stage int

const (
	off    stage = iota // it has said nothing
	talks               // something that no line has told the nature of
	loader              // firmware or boot loader
	kernel              // the kernel was started
	user                // init runs
	shell               // somebody is logged in, or a test runs
)

// found is a sign that was seen.
type found struct {
	cause   events.Cause
	weight  weight
	line    uint64
	stage   stage
	foreign uint64 // lines of the console before it that are of no report of a kernel
	follows bool
	heals   bool
	ends    bool
}

// maxText is how much of a line is looked at, in bytes: what a line is stands in its beginning.
const maxText = 4096

// maxSigns bounds what is kept of one attempt: a kernel may report without end. The first are kept,
// and every fatal one.
const maxSigns = 200

// attempt is what one attempt at booting and testing showed.
type attempt struct {
	signs    []found
	stage    stage
	said     *uint64 // the last line of the console that says something, before the device was told to go off
	thrown   bool    // an action has failed
	leaving  bool    // something was typed after that, to switch the device off: what it says then is no evidence
	left     stage   // how far it had come then
	heard    uint64  // lines of the console
	damaged  uint64  // of them with characters that no console prints
	firstBad uint64  // the first of these
	lossy    uint64  // of them that are known lines with characters missing
	lost     uint64  // the first of these
	expected bool    // the device said that it would start again
	typed    *uint64 // where something was typed that no line has answered
	sent     string  // what was last typed
	cut      bool    // the last line that says something is the beginning of that, cut short
	login    bool    // a login prompt was seen
	booted   bool    // a kernel has printed its version since the device started
	off      bool    // the device has switched itself off, as it was told to
	handed   bool    // firmware has handed over, to a kernel or to more firmware
	foreign  uint64  // lines of the console after reports that are of none; no more are counted than matter
	until    uint64  // so many foreign lines matter
	echoes   int     // lines in which what was typed last may come back
	medium   medium  // what the boot loader was last seen to read from
}

// Scan takes in a job's log.
type Scan struct {
	now      attempt
	before   []attempt // those that were given up; at most maxAttempts, the latest
	stamped  bool      // the kernel's lines bear its time
	lines    uint64
	action   string // innermost action that failed
	level    string // of action
	threw    *uint64
	errorAt  *uint64 // the line with the error that ended the last attempt
	errorMsg string
	running  []string // names of actions that have begun and not ended, outermost first
	outcome  Outcome  // as the log itself tells
	failed   *failedCase
	tidying  bool // the dispatcher cleans after the job
	told     bool // the log tells how the job ended
	canceled *uint64
	lastLine string            // of the console that says something
	signals  map[string]uint64 // the line, from 1, in which the device reports that a case failed
	rest     string            // the beginning of a record that goes on
	restAt   uint64
	brought  brought
}

const maxAttempts = 8

// failedCase is the first failed case of a test.
type failedCase struct {
	suite, name string
	line        uint64
}

// Outcome is how a job ended, as its last fact tells.
type Outcome struct {
	Health events.JobHealth // empty: there was no job, only a console
	Type   events.ErrorType
	Error  string
	Lost   bool // its worker did not come back
}

var (
	ansi  = regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[c78=>]|\([AB0])`)
	stamp = regexp.MustCompile(`\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? `)
	// banner are lines of the programs that connect to a console: the device has not said them.
	banner       = regexp.MustCompile(`^\s*(Trying [\d.:a-f]+\.\.\.|Connected to |Escape character is|\[Enter .* for help\]|\[SOL Session operational|Terminal ready|picocom v|ser2net port)`)
	failedSignal = regexp.MustCompile(`^<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=(\S+) RESULT=fail`)
	begun        = regexp.MustCompile(`^start: ([0-9.]+) (\S+) \(timeout `)
	ended        = regexp.MustCompile(`^end: ([0-9.]+) (\S+) \(duration `)
	prompts      = regexp.MustCompile(`(?:^|[\w~/:\])@-] ?)[#$] ?(?:\[6n)?$|^(?:~|/\S*|\S+@\S+) ?[#$] `)
)

// Add takes the next record. The first is line 0.
func (s *Scan) Add(r events.Record) {
	line := s.lines
	s.lines++
	switch r.Level {
	case events.Results:
		s.result(r.Message, line)
		return
	case events.Target, events.Feedback, events.Input, events.Error, events.Exception, events.Info, events.Debug, events.Warning:
	default:
		return
	}
	var text string
	if json.Unmarshal(r.Message, &text) != nil {
		return
	}
	switch r.Level {
	case events.Target, events.Feedback:
		if r.Continues && len(s.rest) < 1<<16 {
			if s.rest == "" {
				s.restAt = line
			}
			s.rest += text
			return
		}
		if s.rest != "" {
			text, line, s.rest = s.rest+text, s.restAt, ""
		}
		s.console(text, line)
	case events.Input:
		if text = strings.TrimSpace(text); text != "" {
			if s.now.thrown && !s.now.leaving {
				s.now.leaving, s.now.left = true, s.now.stage
			}
			s.now.typed, s.now.sent, s.now.echoes = &line, text, echoLines
			s.now.medium.read(text)
		}
	case events.Exception:
		s.threw, s.now.thrown = &line, true
		// Each action above repeats the error; and what goes wrong in tidying up is not why the job ended.
		if s.errorAt == nil || text != s.errorMsg && !s.tidying {
			s.errorAt, s.errorMsg = &line, text
		}
		if strings.Contains(text, "cancel") {
			s.canceled = &line
		}
	case events.Error:
		if s.errorAt == nil {
			s.errorAt, s.errorMsg = &line, text
		}
	case events.Warning:
		if strings.HasPrefix(text, "Retrying: ") {
			s.again()
		}
	default:
		s.pipeline(text)
	}
}

// again begins another attempt.
func (s *Scan) again() {
	s.before = append(s.before, s.now)
	if len(s.before) > maxAttempts {
		s.before = s.before[1:]
	}
	s.now = attempt{}
	s.errorAt, s.errorMsg, s.action, s.level = nil, "", "", ""
}

// pipeline follows the dispatcher's own lines: which action runs, and which failed.
func (s *Scan) pipeline(text string) {
	s.brought.job = true
	s.tidying = s.tidying || text == "Cleaning after the job"
	if m := begun.FindStringSubmatch(text); m != nil {
		s.running = append(s.running, m[2])
		s.brought.action(m[2])
		if restarts(m[2]) {
			s.now.expected, s.now.stage = true, off
		}
		if strings.HasPrefix(m[2], "lava-test-") {
			s.now.stage = max(s.now.stage, shell)
		}
		return
	}
	m := ended.FindStringSubmatch(text)
	if m == nil {
		return
	}
	if n := len(s.running); n > 0 && s.running[n-1] == m[2] {
		s.running = s.running[:n-1]
	}
	if s.threw != nil && !strings.HasPrefix(s.level, m[1]+".") && !s.tidying {
		s.action, s.level = m[2], m[1]
	}
	s.threw = nil
}

// restarts says that an action switches or resets the device, which then starts from nothing.
func restarts(action string) bool {
	switch {
	case strings.Contains(action, "reset"), strings.Contains(action, "reboot"), strings.Contains(action, "power"):
		return true
	}
	return action == "boot-image-retry" || action == "execute-qemu" || action == "boot-qemu-image"
}

// result takes a result of the log.
func (s *Scan) result(message json.RawMessage, line uint64) {
	var r struct {
		Definition string           `json:"definition"`
		Case       string           `json:"case"`
		Result     string           `json:"result"`
		Message    string           `json:"error_msg"`
		Type       events.ErrorType `json:"error_type"`
		End        json.RawMessage  `json:"endtc"` // a number, in LAVA's logs as text
		Extra      json.RawMessage  `json:"extra"`
	}
	if json.Unmarshal(message, &r) != nil {
		return
	}
	if r.Definition == "lava" {
		s.brought.take(r.Extra)
		switch {
		case r.Case == "job":
			s.told = true
			s.outcome = Outcome{Type: r.Type, Error: r.Message, Health: events.Complete}
			if r.Type == events.CanceledError {
				s.outcome.Health = events.Canceled
			} else if r.Result != "pass" {
				s.outcome.Health = events.Incomplete
			}
		case r.Result == "pass" && (r.Case == "login-action" || r.Case == "auto-login-action"):
			s.reach(shell)
		}
		return
	}
	if r.Result != "fail" || s.failed != nil {
		return
	}
	at := line
	if signal := s.signals[r.Case]; signal > 0 {
		at = signal - 1
	} else if n, err := strconv.ParseUint(strings.Trim(string(r.End), `"`), 10, 64); err == nil && n < line {
		at = n
	}
	s.failed = &failedCase{r.Definition, r.Case, at}
}

// console takes a line of a console.
func (s *Scan) console(text string, line uint64) {
	a := &s.now
	if banner.MatchString(text) {
		return
	}
	a.heard++
	if strings.ContainsAny(text, "\ufffd\x00\x01\x02\x03\x04\x05\x06") {
		if a.damaged == 0 {
			a.firstBad = line
		}
		a.damaged++
	}
	text = plainText(text)
	text = strings.TrimSpace(text[:min(len(text), maxText)])
	if text == "" {
		return
	}
	if a.typed, s.lastLine = nil, text; !a.leaving {
		a.said = &line
	}
	a.cut = a.sent != "" && cutShort(text, a.sent)
	if m := failedSignal.FindStringSubmatch(text); m != nil && s.signals[m[1]] == 0 && len(s.signals) < maxSigns {
		if s.signals == nil {
			s.signals = map[string]uint64{}
		}
		s.signals[m[1]] = line + 1
	}
	has := strings.Contains(text, "] ") && stamp.MatchString(text)
	s.stamped = s.stamped || has
	if !has && (a.heard < maxWords && misses(text) || a.echoes > 0 && garbles(text, a.sent)) {
		if a.lossy == 0 {
			a.lost = line
		}
		a.lossy++
	}
	a.echoes = max(0, a.echoes-1)
	s.progress(text, has, line)
	if a.stage <= loader {
		a.medium.read(text)
	}
	if a.foreign < a.until && !ofReport(text) {
		a.foreign++
	}
	for _, i := range candidates(text) {
		if f, ok := s.match(&table[i], text, has); ok {
			f.line, f.stage, f.foreign = line, a.stage, a.foreign
			if f.weight == serious {
				a.until = a.foreign + foreignLines + 1
			}
			if len(a.signs) < maxSigns/2 || f.weight >= plain && len(a.signs) < maxSigns || f.weight == fatal {
				a.signs = append(a.signs, f)
			}
			return
		}
	}
}

// plainText returns a line without what moves a cursor.
func plainText(text string) string {
	if strings.IndexByte(text, '\x1b') >= 0 {
		text = ansi.ReplaceAllString(text, "")
	}
	if strings.ContainsAny(text, "\b\r\x00") {
		text = strings.NewReplacer("\b", "", "\r", "", "\x00", "").Replace(text)
	}
	return text
}

// match says whether a line is of a row of the table.
func (s *Scan) match(g *sign, text string, has bool) (found, bool) {
	at := strings.Index(text, g.has)
	if at < 0 || g.not != "" && strings.Contains(text, g.not) {
		return found{}, false
	}
	said := text
	if has {
		all := stamp.FindAllStringIndex(text, -1)
		said = text[all[len(all)-1][1]:]
	}
	if strings.Contains(said, "---[ end ") || g.like != nil && !g.like.MatchString(said) {
		return found{}, false
	}
	if g.early && s.now.stage >= user && !s.now.handed {
		return found{}, false
	}
	if g.kernel && !has && s.stamped {
		return found{}, false
	}
	// What a person typed is echoed: a kernel's words in the middle of a line without its time are no report.
	if g.weight >= serious && !has && s.stamped && g.cause != events.CauseFirmware && at > 0 && prompted(text[:at]) {
		return found{}, false
	}
	cause, w := s.blame(g, text)
	return found{cause: cause, weight: w, follows: g.follows, heals: g.heals, ends: g.ends}, true
}

// prompted says that a prompt stands in the beginning of a line: what comes after it was typed.
func prompted(before string) bool {
	return strings.Contains(before, "# ") || strings.Contains(before, "$ ") || strings.Contains(before, "=> ") || strings.Contains(before, "> ")
}

// Skip says that the next record is that line of the log: those before it are missing.
func (s *Scan) Skip(to uint64) { s.lines = max(s.lines, to) }

// Case takes in a test case as it was recorded, for a log that does not have all of them any more.
func (s *Scan) Case(c events.Case) {
	if c.Suite == "lava" || c.Result != events.Fail {
		return
	}
	at := c.Line
	if signal := s.signals[c.Name]; signal > 0 {
		at = signal - 1
	} else if c.EndLine != nil && *c.EndLine < at {
		at = *c.EndLine
	}
	if s.failed == nil || at < s.failed.line {
		s.failed = &failedCase{c.Suite, c.Name, at}
	}
}
