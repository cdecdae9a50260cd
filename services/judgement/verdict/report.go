package verdict

import "regexp"

// parts are what lines in a kernel's report of a crash consist of, on all architectures: functions with
// offsets, registers and stacks as words of hexadecimal digits, and the heads of their sections.
var parts = regexp.MustCompile(`\+0x[0-9a-f]+(/0x| |$)|\b(0x)?[0-9a-f]{8,16}\b.*\b(0x)?[0-9a-f]{8,16}\b|` +
	`(?i:call ?trace|back ?trace|stack dump|exception stack|mem-info|register|tainted)|\[#\d+\]|\[(cut here|end trace)|end trace|</?(TASK|IRQ|NMI|SOFTIRQ|EOI|#\w+)>|` +
	`(?:^|\] )(CPU|PID|Comm|Hardware name|Modules linked in|Last unloaded|Code|Workqueue|Process|Stack|Call|[RE]?(IP|SP|FLAGS)|[RCDE][A-D0-9][XIPS0-9]|PC|LR|SP|pc|lr|sp|ra|epc|x\d+|r\d+|pstate|GPR\d+|NIP|MSR|CFAR|Krnl|psw|PSW|FS|CR\d|DR\d|PKRU|task|Task|INFO|NMI|Sending|rcu|watchdog|Kernel Offset|SMP|Dumping|Node|Mem abort|Data abort|ESR|FSC|SET|EC|EA|ISV|CM|WnR|Flags|Internal error|Exception|Trace|irq event|hardirqs|softirqs|Showing)\b|` +
	`locks? held by|(?:^|\] )\s*#\d+: |[-=]{20}|\] *$`)

// ofReport says whether a line may be part of a kernel's report.
func ofReport(text string) bool { return parts.MatchString(text) }
