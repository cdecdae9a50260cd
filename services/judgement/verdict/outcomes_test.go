package verdict_test

import (
	"encoding/json"
	"strings"
	"testing"

	"strata/events"
	"strata/services/judgement/verdict"
)

// scan takes in a log of lines "level text"; target lines may leave the level out. The evidence is the line
// that begins with "* ".
func scan(t *testing.T, text string) (s *verdict.Scan, marked uint64) {
	t.Helper()
	s = new(verdict.Scan)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "* "); ok {
			line, marked = rest, uint64(i)+1
		}
		level, message := events.Target, line
		for _, l := range []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception, events.Input} {
			if rest, ok := strings.CutPrefix(line, string(l)+" "); ok {
				level, message = l, rest
			}
		}
		var body []byte
		if rest, ok := strings.CutPrefix(line, "results "); ok {
			level, body = events.Results, []byte(rest)
		} else {
			var err error
			if body, err = json.Marshal(message); err != nil {
				t.Fatal(err)
			}
		}
		s.Add(events.Record{Level: level, Message: body})
	}
	return s, marked
}

// outcome is a log and how its job ended, with what that means.
type outcome struct {
	name    string
	outcome verdict.Outcome
	cause   events.Cause
	log     string
}

func outcomes() []outcome {
	failed := func(class events.ErrorType, text string) verdict.Outcome {
		return verdict.Outcome{Health: events.Incomplete, Type: class, Error: text}
	}
	return []outcome{
		{"download", failed(events.InfrastructureError, "Unable to download 'https://x/Image': connection refused"), events.CauseDownload, `
debug start: 1.1.1 http-download (timeout 00:05:00) [common]
* exception Unable to download 'https://x/Image': connection refused
debug end: 1.1.1 http-download (duration 00:00:01) [common]
exception Unable to download 'https://x/Image': connection refused
info end: 1 tftp-deploy (duration 00:00:01) [common]
`},
		{"wrong digest", failed(events.JobError, "sha256sum wanted 12, got 34"), events.CauseDefinition, "* exception sha256sum wanted 12, got 34"},
		{"download too slow", failed(events.JobError, "http-download timed out after 300 seconds"), events.CauseDownload, `
debug start: 1.1.1 http-download (timeout 00:05:00) [common]
* exception http-download timed out after 300 seconds
debug end: 1.1.1 http-download (duration 00:05:00) [common]
`},
		{"console refused", failed(events.InfrastructureError, "Connection refused by the console of b1"), events.CauseConsole, `
debug start: 2.1 connect-device (timeout 00:05:00) [common]
* exception Connection refused by the console of b1
`},
		{"settings", failed(events.ConfigurationError, "device b1 has no power commands"), events.CauseSettings, "* exception device b1 has no power commands"},
		{"ours", failed(events.BugError, "index out of range"), events.CauseStrata, "* exception index out of range"},
		{"worker lost", verdict.Outcome{Health: events.Incomplete, Type: events.InfrastructureError, Error: "worker w1 did not come back", Lost: true}, events.CauseLost,
			"[    1.000000] usb: x\n"},
		{"canceled", verdict.Outcome{Health: events.Canceled, Type: events.CanceledError}, events.CauseCanceled, "[    1.000000] Kernel panic - not syncing: x\n* exception The job was canceled"},
		{"group", failed(events.MultinodeTimeout, "lava-sync timed out"), events.CauseGroup, "* exception lava-sync timed out"},
		{"panic, then the console closed", failed(events.InfrastructureError, "Connection closed"), events.CauseOops, `
debug start: 2 auto-login-action (timeout 00:05:00) [common]
[    0.000000] Linux version 6.6.0
* [    3.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    3.010000] Oops: 0002 [#1] SMP
[    3.100000] Kernel panic - not syncing: Fatal exception
Connection closed by foreign host.
exception Connection closed
`},
		{"network, then nothing", failed(events.JobError, "uboot-commands timed out after 60 seconds"), events.CauseNetwork, `
debug start: 2.4 uboot-commands (timeout 00:01:00) [common]
U-Boot 2024.01
=> tftp 0x40400000 Image
* ARP Retry count exceeded; starting again
exception uboot-commands timed out after 60 seconds
`},
		{"nothing at all", failed(events.JobError, "auto-login-action timed out after 60 seconds"), events.CauseSilent, `
debug start: 2.4 auto-login-action (timeout 00:01:00) [common]
Trying 127.0.0.1...
Connected to 127.0.0.1.
Escape character is '^]'.
* exception auto-login-action timed out after 60 seconds
`},
		{"kernel stops", failed(events.JobError, "auto-login-action timed out after 60 seconds"), events.CauseHang, `
debug start: 2.4 auto-login-action (timeout 00:01:00) [common]
Starting kernel ...
[    0.000000] Linux version 6.6.0
* [    1.500000] clk: Disabling unused clocks
exception auto-login-action timed out after 60 seconds
`},
		{"loader stops", failed(events.JobError, "bootloader-interrupt timed out after 60 seconds"), events.CauseLoader, `
debug start: 2.4 bootloader-interrupt (timeout 00:01:00) [common]
U-Boot SPL 2024.01 (x)
* Trying to boot from MMC1
exception bootloader-interrupt timed out after 60 seconds
`},
		{"login", failed(events.JobError, "Login incorrect"), events.CauseLogin, `
debug start: 2.5 login-action (timeout 00:01:00) [common]
[    3.000000] systemd[1]: x
board login:
* Login incorrect
exception Login incorrect
`},
		{"a first attempt that failed by itself", failed(events.InfrastructureError, "Unable to reboot: no answer"), events.CausePower, `
debug start: 2 boot (timeout 00:05:00) [common]
[    0.000000] Linux version 6.6.0
[    3.000000] Kernel panic - not syncing: x
error uboot-retry failed: 1 of 2 attempts. 'x'
warning Retrying: 2 uboot-retry (timeout 00:05:00)
debug start: 2.1 pdu-reboot (timeout 00:00:40) [common]
* exception Unable to reboot: no answer
debug end: 2.1 pdu-reboot (duration 00:00:01) [common]
`},
		{"test does not end", failed(events.TestError, "lava-test-shell timed out after 60 seconds"), events.CauseTestTimeout, `
debug start: 3.1 lava-test-shell (timeout 00:01:00) [common]
* + sleep 1000
exception lava-test-shell timed out after 60 seconds
`},
		{"test cannot be run", failed(events.TestError, "lava_test_shell connection dropped"), events.CauseTestRun, "* exception lava_test_shell connection dropped"},
		{"a test that looks for a host", verdict.Outcome{Health: events.Complete}, events.CauseTestFailed, `
debug start: 3.1 lava-test-shell (timeout 00:01:00) [common]
ssh: connect to host nobody port 22: Connection refused
udhcpc: no lease, failing
* <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=net RESULT=fail>
debug Received signal: <TESTCASE> TEST_CASE_ID=net RESULT=fail
results {"definition":"0_smoke","case":"net","result":"fail","starttc":5,"endtc":5}
`},
		{"a crash before the case", verdict.Outcome{Health: events.Complete}, events.CauseBug, `
debug start: 3.1 lava-test-shell (timeout 00:01:00) [common]
* [   10.000000] kernel BUG at mm/slub.c:1!
results {"definition":"0_smoke","case":"net","result":"fail"}
`},
		{"a crash that nothing fails of", verdict.Outcome{Health: events.Complete}, events.CauseNone, `
[   10.000000] WARNING: CPU: 0 PID: 1 at x.c:1
results {"definition":"0_smoke","case":"net","result":"pass"}
`},
		{"the pipeline's own failures are not the test's", verdict.Outcome{Health: events.Complete}, events.CauseNone, `
results {"definition":"lava","case":"login-action","result":"fail"}
results {"definition":"0_smoke","case":"net","result":"skip"}
`},
	}
}

// TestOutcomes weighs logs against how their jobs ended.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, tt := range outcomes() {
		s, line := scan(t, tt.log)
		j := s.Decide(tt.outcome)
		got := uint64(0)
		if j.Evidence != nil {
			got = *j.Evidence + 1
		}
		if j.Cause != tt.cause || got != line {
			t.Errorf("%s: judged %s by line %d, want %s by line %d", tt.name, j.Cause, got, tt.cause, line)
		}
	}
}
