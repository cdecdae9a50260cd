package acceptance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A board behind the equipment of a real rack: pdudaemon switches its power when asked by HTTP, and
// ser2net has its serial line.
func TestRackEquipment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, port  string // outlet that the dictionary names
		fault, busy bool   // the switch does not work; somebody else looks at the console
		class       events.ErrorType
		says, cases string
	}{
		{name: "all is well", port: "7", says: "OK - accepted request", cases: "version:pass line:pass wait:pass"},
		{name: "the daemon knows no such outlet", port: "none", class: events.InfrastructureError, says: "Unable to reboot: "},
		// pdudaemon says OK all the same: the silent console is what tells.
		{name: "the outlet is dead", port: "7", fault: true, class: events.InfrastructureError, says: "bootloader-interrupt timed out after"},
		{name: "the console is taken", port: "7", busy: true, class: events.InfrastructureError, says: "Connection closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dispatchertest.Need(t, "curl:curl", "pdudaemon:pdudaemon", "ser2net:ser2net")
			b := virtualUBoot(t)
			b.Outlet, b.TTY = 7, true
			r := newRack(t, map[string]virtualBoard{"b1": b})
			values := r.values("b1")
			values["PDU"], values["PORT"] = pdudaemon(t, r), tt.port
			values["CONSOLE"] = ser2net(t, filepath.Join(r.dir, "b1.tty"))
			values["LINE"], values["PATIENCE"], values["SLEEP"] = "switched", "60", "1"
			if tt.fault {
				r.do(t, "fault", "b1", "stuck")
				values["PATIENCE"] = "5"
			}
			if tt.busy {
				other, err := net.Dial("tcp", "127.0.0.1:"+values["CONSOLE"])
				if err == nil {
					_, err = other.Read(make([]byte, 1)) // ser2net has taken it
				}
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
			}
			got := run(t, job{definition: atLoader, device: text(t, "testdata/pdu-device.yaml"), values: values})
			if tt.class == "" {
				got.wantComplete(t)
				got.wantResults(t, map[string]string{"pdu-reboot": "pass", "power-off": "pass"})
			} else {
				got.wantError(t, tt.class, tt.says)
			}
			if tt.busy {
				tt.says = "Port already in use"
			}
			got.wantText(t, tt.says)
			if cases := got.cases(t, "0_console"); cases != tt.cases {
				t.Errorf("the cases are %q, want %q\n%s", cases, tt.cases, got.text())
			}
			// The daemon answers before it acts.
			await(t, "the board to be off", func() bool { return r.do(t, "status", "b1") == "off" })
		})
	}
}

// pdudaemon starts one whose driver is a command line, and returns the address of its HTTP interface.
func pdudaemon(t *testing.T, r rack) string {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	command := fmt.Sprintf("VBOARD_RUN=%s %s %%s %%%%s", r.dir, r.program)
	config := fmt.Sprintf(`{"daemon": {"hostname": "127.0.0.1", "port": %d, "listener": "http", "logging_level": "DEBUG"},
 "pdus": {"rack": {"driver": "localcmdline", "cmd_on": %q, "cmd_off": %q}}}`,
		port, fmt.Sprintf(command, "on"), fmt.Sprintf(command, "off"))
	file := filepath.Join(dir, "pdudaemon.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	daemon(t, listens(address), "pdudaemon", "--conf", file, "--logfile", filepath.Join(dir, "pdudaemon.log"))
	return address
}

// ser2net serves a terminal by telnet, configured as docs/add-a-board.md says, and returns the port.
func ser2net(t *testing.T, terminal string) (port string) {
	t.Helper()
	_, config, found := strings.Cut(text(t, filepath.Join(dispatchertest.Root(t), "docs", "add-a-board.md")), "```yaml\n")
	config, _, _ = strings.Cut(config, "```")
	if !found || !strings.Contains(config, "localhost,2001") {
		t.Fatalf("docs/add-a-board.md has no configuration of ser2net, but %q", config)
	}
	port = fmt.Sprint(freePort(t))
	config = strings.NewReplacer("localhost,2001", "127.0.0.1,"+port, "/dev/serial/by-id/usb-FTDI_board1", terminal).Replace(config)
	file := filepath.Join(t.TempDir(), "ser2net.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	// It is not asked whether it listens: who connects opens the terminal, and has it alone.
	daemon(t, func() bool { return listening(t, port) }, "ser2net", "-n", "-d", "-u", "-c", file)
	return port
}

// listens returns a question: whether somebody listens there.
func listens(address string) func() bool {
	return func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		c.Close()
		return true
	}
}

// listening looks the port up in the kernel's table of sockets.
func listening(t *testing.T, port string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(table), fmt.Sprintf(":%04X 00000000:0000 0A", number))
}
