package events

import "time"

// Verdict says who has to act on how a job ended.
type Verdict string

// The verdicts.
const (
	VerdictPass     Verdict = "pass"     // the job ran to its end and no case failed
	VerdictTest     Verdict = "test"     // what the job brought is to blame: its software, artefacts, definition or tests
	VerdictInfra    Verdict = "infra"    // the lab is to blame: its boards, power, consoles, network, workers or settings
	VerdictCanceled Verdict = "canceled" // a person or a rule ended the job
)

// Cause is what a verdict rests on. Each belongs to one verdict, see [Cause.Verdict].
type Cause string

// The causes. docs/judgement.md says how each is recognized.
const (
	CauseNone        Cause = ""                // all went well
	CauseTestFailed  Cause = "test-failed"     // a case of a test failed
	CauseTestTimeout Cause = "test-timeout"    // a test did not end in time
	CauseTestRun     Cause = "test-run"        // a test could not be run
	CausePanic       Cause = "kernel-panic"    // the kernel gave up
	CauseOops        Cause = "kernel-oops"     // the kernel accessed what it must not
	CauseBug         Cause = "kernel-bug"      // the kernel's own checks failed
	CauseLockup      Cause = "kernel-lockup"   // a processor or a lock is stuck
	CauseHungTask    Cause = "hung-task"       // a task waits for ever
	CauseMemory      Cause = "out-of-memory"   // memory ran out
	CauseSanitizer   Cause = "sanitizer"       // KASAN, KCSAN, KFENCE, UBSAN and the like
	CauseWarning     Cause = "kernel-warning"  // WARN()
	CauseFirmware    Cause = "firmware-fault"  // a fault of bare-metal software
	CauseRootfs      Cause = "no-rootfs"       // the kernel or its initramfs found no root file system or no init
	CauseImage       Cause = "bad-image"       // a boot loader refused what it was to boot
	CauseCommand     Cause = "loader-command"  // a boot loader refused a command
	CauseReset       Cause = "reset"           // the device started again by itself
	CauseHang        Cause = "hang"            // the device stopped in what the job brought
	CauseLogin       Cause = "login"           // nobody could log in
	CauseDefinition  Cause = "definition"      // the definition or its artefacts cannot be used
	CauseDownload    Cause = "download"        // artefacts could not be fetched
	CauseNetwork     Cause = "network"         // the device found no network, or no file in it
	CauseConsole     Cause = "console"         // the way to the device's console broke
	CauseNoise       Cause = "console-damage"  // characters were lost or made up on the console
	CauseSilent      Cause = "no-console"      // the device said nothing at all
	CausePower       Cause = "power"           // power could not be switched, or the reset did nothing
	CauseLoader      Cause = "boot-loader"     // the device did not get past its own firmware
	CauseHardware    Cause = "hardware"        // the device reports a fault of its hardware
	CauseHost        Cause = "worker"          // the worker: its programs, files, emulator
	CauseLost        Cause = "worker-lost"     // the worker did not come back
	CauseSettings    Cause = "settings"        // the device dictionary or the lab's settings
	CauseStrata      Cause = "strata"          // a fault of Strata itself
	CauseGroup       Cause = "multinode-group" // another part of the multinode job did not answer in time
	CauseCanceled    Cause = "canceled"
)

// Verdict returns the verdict that a cause leads to.
func (c Cause) Verdict() Verdict {
	switch c {
	case CauseNone:
		return VerdictPass
	case CauseCanceled:
		return VerdictCanceled
	case CauseDownload, CauseNetwork, CauseConsole, CauseNoise, CauseSilent, CausePower, CauseLoader, CauseHardware, CauseHost,
		CauseLost, CauseSettings, CauseStrata:
		return VerdictInfra
	}
	return VerdictTest
}

// Next says in a sentence what to do next; empty for [CauseNone].
func (c Cause) Next() string {
	switch c {
	case CauseTestFailed:
		return "Look at the failed cases, and at what changed since they last passed."
	case CauseTestTimeout:
		return "See where the test stopped; give it more time only if it was still working."
	case CauseTestRun:
		return "Look at the test definition: its repository, dependencies and steps."
	case CausePanic, CauseOops, CauseBug, CauseLockup, CauseHungTask, CauseSanitizer, CauseWarning:
		return "Report the kernel's trace from the evidence line on to whoever built the kernel."
	case CauseMemory:
		return "See what used the memory, or ask for a device with more."
	case CauseFirmware:
		return "Report the registers below the evidence line to whoever built the firmware."
	case CauseRootfs:
		return "Check root= and init= on the kernel's command line, and that the image has the drivers for its disk."
	case CauseImage:
		return "Check that the image is of the type that the boot command takes, and that it is whole."
	case CauseCommand:
		return "Check the boot commands of the definition and the device dictionary."
	case CauseReset:
		return "See what ran when the device started again: a watchdog, a crash without a message, or the test itself."
	case CauseHang:
		return "Boot with earlycon and without quiet, and see what comes after the evidence line in a good boot."
	case CauseLogin:
		return "Check the user, password and prompts in the definition's boot action."
	case CauseDefinition:
		return "Correct the definition or its artefacts and submit the job again."
	case CauseDownload:
		return "Try the URL from the worker; submit the job again once its server answers."
	case CauseNetwork:
		return "Check the device's cable and switch port, and the worker's DHCP, TFTP and NFS services."
	case CauseConsole:
		return "Check the console server and its cable, and that nobody else holds the line."
	case CauseNoise:
		return "Check the speed of the line and its cable; slow typing down by character delays."
	case CauseSilent:
		return "Check that the device has power and that its console is the one in the dictionary."
	case CausePower:
		return "Try the power commands of the device dictionary by hand."
	case CauseLoader:
		return "Look at the device's boot loader and boot media; recover it if it does not start."
	case CauseHardware:
		return "Take the device out of use and have its hardware checked."
	case CauseHost:
		return "Look at the worker: disk space, installed programs, permissions."
	case CauseLost:
		return "Look at why the worker went away; the job may be submitted again."
	case CauseSettings:
		return "Correct the device dictionary or the settings that the error names."
	case CauseStrata:
		return "Report the job's log as a fault of Strata."
	case CauseGroup:
		return "Look at the other jobs of the group first."
	case CauseCanceled:
		return "Submit the job again if it is still wanted."
	}
	return ""
}

// LogPlace is a line of a job's log that a judgement points at. What stands there is not in the fact,
// because logs can be erased and facts cannot.
type LogPlace struct {
	Line uint64 `json:"line"` // from 0
	Kind Cause  `json:"kind"`
}

// Change is what a result means beside the earlier ones of the same case.
type Change string

// The changes.
const (
	Regression      Change = "regression"        // it passed last time, and fails
	Fix             Change = "fix"               // it failed last time, and passes
	Flaky           Change = "flaky"             // it fails now and then, and this time
	ShiftedUp       Change = "shifted-up"        // its measurement is lastingly higher
	ShiftedDown     Change = "shifted-down"      // its measurement is lastingly lower
	StillFailing    Change = "still-failing"     // it fails, as it did last time
	FirstTimeFailed Change = "first-time-failed" // it fails, and no earlier job has passed or failed it
)

// CaseChange is a change of one case.
type CaseChange struct {
	Suite  string  `json:"suite"`
	Set    string  `json:"set,omitempty"`
	Name   string  `json:"name"`
	Change Change  `json:"change"`
	Since  JobID   `json:"since,omitempty"`  // the job that it is compared with: the last that passed or failed it; of a shift the first that is shifted
	Score  float64 `json:"score,omitempty"`  // of a flaky case: share of neighbouring runs that ended differently, 0–1
	Before float64 `json:"before,omitempty"` // of a shift: the median until then
	After  float64 `json:"after,omitempty"`  // of a shift: the median since
	Worse  *bool   `json:"worse,omitempty"`  // of a shift: whether its unit says that it is for the worse; nil where it does not
	Issue  IssueID `json:"issue,omitempty"`  // the known issue that explains it
}

// ChangeCounts counts the changes of a job's cases. The lists of a fact are bounded, these are not.
type ChangeCounts struct {
	Regressions  int `json:"regressions,omitempty"`
	Fixes        int `json:"fixes,omitempty"`
	Flaky        int `json:"flaky,omitempty"`
	Shifts       int `json:"shifts,omitempty"`
	StillFailing int `json:"still_failing,omitempty"`
	FirstFailed  int `json:"first_failed,omitempty"`
}

// IssueID is the number of a known issue, from 1.
type IssueID uint64

// IssueMatch says that a known issue shows in a job.
type IssueMatch struct {
	Issue IssueID `json:"issue"`
	Line  *uint64 `json:"line,omitempty"` // of the log, from 0, where the issue has a pattern for it
	Cases int     `json:"cases"`          // failed cases that it explains
}

// JobJudged records what a job's end means: who has to act, on what evidence, and what changed since
// the comparable jobs before it. It follows JobOutputComplete, once. Written by services/judgement.
type JobJudged struct {
	Job         JobID        `json:"job"`
	Verdict     Verdict      `json:"verdict"`
	Cause       Cause        `json:"cause,omitempty"`
	Evidence    *uint64      `json:"evidence,omitempty"` // line of the log, from 0; nil where no line shows it
	Action      string       `json:"action,omitempty"`   // the first action that failed and was not made good by a retry
	Findings    []LogPlace   `json:"findings,omitempty"` // other lines that say something was wrong; at most 20
	Baseline    JobID        `json:"baseline,omitempty"` // the last comparable job before it; 0: there was none
	Compared    int          `json:"compared"`           // comparable jobs that were looked at
	Counts      ChangeCounts `json:"counts"`
	Changes     []CaseChange `json:"changes,omitempty"`      // at most 200 of each kind
	Issues      []IssueMatch `json:"issues,omitempty"`       // known issues that show, by number
	HistoryAway bool         `json:"history_away,omitempty"` // ClickHouse did not answer in time: nothing was compared
	Rules       int          `json:"rules"`                  // version of the rules that judged, as docs/judgement.md counts them
}

// KnownIssueAdded records a rule by which failures are recognized as an issue that is known. All that it
// names has to hold. Written by services/api.
type KnownIssueAdded struct {
	Issue      IssueID           `json:"issue"`
	Title      string            `json:"title"`
	URL        string            `json:"url,omitempty"`
	Log        string            `json:"log,omitempty"`         // RE2 expression that a line of the log matches
	Case       string            `json:"case,omitempty"`        // glob for SUITE/CASE of a failed case, such as */ltp-*
	DeviceType DeviceTypeName    `json:"device_type,omitempty"` // of the job
	Name       string            `json:"name,omitempty"`        // glob for the job's name
	Metadata   map[string]string `json:"metadata,omitempty"`    // entries that the job's metadata has
	By         UserName          `json:"by"`
	At         time.Time         `json:"at"`
}

// KnownIssueRemoved records that an issue is not known any more. What was judged by it stays. Written
// by services/api.
type KnownIssueRemoved struct {
	Issue  IssueID  `json:"issue"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

func (e JobJudged) About() Entity         { return aboutJob(e.Job) }
func (e KnownIssueAdded) About() Entity   { return aboutIssues() }
func (e KnownIssueRemoved) About() Entity { return aboutIssues() }

// aboutIssues places all known issues on one subject: they are few, and their numbers must not be given twice.
func aboutIssues() Entity { return Entity{Kind: KnownIssues} }
