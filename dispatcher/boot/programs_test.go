package boot_test

import (
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// answers are what the programs of the worker say that boot methods call. A program that is a console
// plays the script in $CONSOLE; docker's telnet into a model plays $TELNET.
const answers = `
'qdl --version') echo qdl version ${QDL-2.7};;
dfu-util*broken*) echo 'Cannot open DFU device';;
dfu-util*) printf 'No error condition is present\nDone!\n';;
fastboot*devices*) printf 'SER1\tfastboot\n';;
adb*devices*) printf 'List\nSER1\tdevice\n';;
adb*shell) exec $CONSOLE;;
'schroot '*) exec $CONSOLE;;
fastboot*) echo 'Finished. Total time: 0.1s';;
'timeout --preserve-status 10 uuu'*) exit 143;;
uuu*bad*) exit 1;;
gdb*) exec $CONSOLE;;
'mount -t vfat '*) eval "dir=\${$#}"; [ -z "$FAIL" ] || [ ! -e "$dir/zImage" ] || echo "$FAIL" >"$dir/FAIL.TXT";;
umount*) [ -z "$PROBE" ] || { rm "$PROBE"; : >"$PROBE"; };;
docker*--version*) echo "QEMU emulator version 9.1.2"; echo "Fast Models [11.27.19]";;
'docker run --rm --detach'*) ;;
'docker run --rm --init --name'*fastboot*) echo Finished.;;
'docker run --rm --init --name'*) ;;
'machine '*-kernel*) exec $CONSOLE;;
'machine '*) exec $TELNET;;
'docker exec'*telnet*) exec $TELNET;;
'docker exec'*) exec $CONSOLE;;
'docker run --rm --privileged'*) ;;
docker*' run '*) exec $CONSOLE;;
`

// A methodRun is one job with a method that hands the device to programs of the worker.
type methodRun struct {
	name string
	bench
	consoles map[string]string // scripts by the name of a variable
	env      []string
	calls    []string // in order, by how they begin; @ stands for the directory of the downloads, % for the job's
	class    pipeline.Class
	says     string // in the error, or in the log where there is none
}

// Methods that hand a device to a program of the worker call it as that program wants, with the files
// of the job, and blame whoever is to blame when it fails.
func TestPrograms(t *testing.T) {
	dispatchertest.Programs(t, answers, "JLinkExe", "pyocd", "openocd", "dfu-util", "qdl", "uuu", "bcu", "timeout", "fastboot", "adb",
		"gdb-multiarch", "docker", "mount", "umount", "bmaptool", "power", "machine")
	for _, tt := range slices.Concat(probes(t), downloadModes(), uuuRuns(), androids(t), sessions(), containers(t)) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record := dispatchertest.NewCalls(t)
			b := tt.bench
			b.dispatcher = "container_engine: docker, usb_root: '" + dispatchertest.USB(t) + "'"
			b.env = append(tt.env, record.Env())
			for name, script := range tt.consoles {
				b.env = append(b.env, name+"="+dispatchertest.Console(t, script))
			}
			for i := range b.blocks {
				if strings.Contains(tt.says, "timed out") { // else what is waited for comes, in the time that it takes
					b.blocks[i] += ", timeouts: {bootloader-interrupt: {seconds: 1}, wait-dfu-device: {seconds: 1}}"
				}
			}
			if b.script == "" {
				b.script = "hang"
			}
			r := b.run(t)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\nlog: %s", r.err, dispatchertest.TextOf(r.log))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			case tt.class == "" && !strings.Contains(dispatchertest.TextOf(r.log), tt.says):
				t.Errorf("the log does not say %q", tt.says)
			}
			got := record.List(t, r.dir)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], r.job, "%")
			}
			sortConsoles(got)
			fits := len(got) == len(tt.calls) || tt.class != "" && len(got) > len(tt.calls)
			for i, want := range tt.calls {
				fits = fits && i < len(got) && strings.HasPrefix(got[i], want)
			}
			if !fits {
				t.Errorf("calls:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.calls, "\n     "))
			}
		})
	}
}

// sortConsoles sorts neighbours that were started as consoles side by side: which of them writes down
// its call first is chance.
func sortConsoles(calls []string) {
	for i := 0; i < len(calls); {
		end := i
		for end < len(calls) && (strings.HasPrefix(calls[end], "docker exec") || strings.HasPrefix(calls[end], "adb -s SER1 ")) {
			end++
		}
		slices.Sort(calls[i:end])
		i = end + 1
	}
}

// board is the device of most programs.
const board = "board_id: SER1, usb_vendor_id: '0483', usb_product_id: df11, board_qdl_id: SER1, fastboot_serial_number: SER1, adb_serial_number: SER1, " +
	"fastboot_options: ['-u'], device_info: [{board_id: SER1}]"

// A second console is opened beside the primary one, and one that is not there is refused.
func TestNewConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, block, says string }{
		{"another", "method: new_connection, connection: uart1", ""},
		{"the primary one", "method: new_connection, connection: uart0", "'uart0' is the primary connection"},
		{"none", "method: new_connection, connection: uart2", "missing connect command for 'uart2'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := planOn(t, "", "minimal: ", []string{tt.block}, "hang")
			if tt.says == "" && r.err != nil || tt.says != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.says)) {
				t.Errorf("error: %v, want %q", r.err, tt.says)
			}
			said := slices.ContainsFunc(texts(r.log, events.Info), func(s string) bool { return strings.Contains(s, "Connecting to shell using 'cat'") })
			if said != (tt.says == "") {
				t.Errorf("connected: %t", said)
			}
		})
	}
}
