package acceptance

import (
	"bytes"
	wire "encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// The host's fastboot talks to a board that says what U-Boot says on its console, and that writes and
// boots as its network protocol has it: what every run has of TestFastbootUBoot.
func TestFastboot(t *testing.T) {
	t.Parallel()
	dispatchertest.Boots(t)
	dispatchertest.Need(t, "fastboot:fastboot", "telnet:telnet", "bash:bash")
	files := t.TempDir()
	image, root := append([]byte("ANDROID!"), make([]byte, 4088)...), bytes.Repeat([]byte("root"), 5000)
	for name, content := range map[string][]byte{"boot.img": image, "rootfs.img": root, "nosuch.img": root} {
		if err := os.WriteFile(filepath.Join(files, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, second, says string }{
		{"written and booted", "rootfs", "Writing 'rootfs' "},
		{"a partition that is not there", "nosuch", "FAILED (remote: 'invalid partition or device')"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			peer := newFastbootPeer(t)
			board, values := newLabBoard(t, "sh", "testdata/fastboot-board.sh", peer.booted)
			values["PORT"], values["SITE"], values["SECOND"] = peer.port, serve(t, files), tt.second
			definition, _, _ := strings.Cut(text(t, "testdata/fastboot-job.yaml"), "- test:") // nobody runs one
			got := run(t, job{definition: strings.NewReplacer(".simg", ".img", ", apply-overlay: true", "").Replace(definition),
				device: text(t, "testdata/fastboot-device.jinja2"), values: values})
			got.wantText(t, tt.says, "Listening for fastboot command on ")
			if tt.second == "nosuch" {
				got.wantError(t, events.InfrastructureError, "Unable to run: ['fastboot', '-s', 'udp:127.0.0.1:"+peer.port)
				return
			}
			got.wantComplete(t)
			got.wantResults(t, map[string]string{"fastboot-flash-action": "pass", "boot-fastboot": "pass", "kernel-messages": "pass", "job": "pass"})
			if wrote := peer.written("rootfs"); !bytes.Equal(wrote, root) {
				t.Errorf("%d bytes were written, want the image's %d", len(wrote), len(root))
			}
			if wrote := peer.written("boot"); wrote != nil || board.starts != 2 {
				t.Errorf("the kernel was written (%d bytes); the power came %d times, want twice", len(wrote), board.starts)
			}
		})
	}
}

// Kinds of packets of fastboot over UDP (the protocol's README.md, "Fastboot UDP Protocol v1").
const (
	fastbootQuery, fastbootInit, fastbootData = 1, 2, 3
	fastbootMore                              = 1 // flag: the message goes on
)

// A fastbootPeer is the board's side of fastboot over UDP.
type fastbootPeer struct {
	port   string
	booted string // a file that is there once a kernel was booted

	mutex      sync.Mutex
	partitions map[string][]byte

	next, last uint16 // number of the packet that comes next, and of the last answer
	answer     []byte // which is sent again when it was lost
	command    []byte // as far as it has come
	says       string // to the next question
	download   []byte
	missing    int // bytes of the download
}

func newFastbootPeer(t *testing.T) *fastbootPeer {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &fastbootPeer{port: strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port), booted: filepath.Join(t.TempDir(), "booted"), partitions: map[string][]byte{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		packet := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(packet)
			if err != nil {
				return // the test is over
			}
			if n >= 4 {
				_, _ = c.WriteTo(p.take(packet[0], packet[1], wire.BigEndian.Uint16(packet[2:]), packet[4:n]), from) // or it asks again
			}
		}
	})
	t.Cleanup(func() {
		_ = c.Close()
		serving.Wait()
	})
	return p
}

// written returns what was written to a partition, nil for nothing.
func (p *fastbootPeer) written(partition string) []byte {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.partitions[partition]
}

// take answers a packet.
func (p *fastbootPeer) take(kind, flags byte, number uint16, data []byte) []byte {
	if kind != fastbootQuery && number == p.last && p.answer != nil {
		return p.answer
	}
	var body []byte
	switch kind {
	case fastbootQuery:
		body = wire.BigEndian.AppendUint16(nil, p.next)
		return append([]byte{kind, 0, byte(number >> 8), byte(number)}, body...)
	case fastbootInit:
		body = []byte{0, 1, 8, 0} // version 1, packets of 2,048 bytes
	case fastbootData:
		switch {
		case len(data) == 0:
			body, p.says = []byte(p.says), ""
		case p.missing > 0:
			p.download = append(p.download, data...)
			if p.missing -= len(data); p.missing <= 0 {
				p.says = "OKAY"
			}
		default:
			if p.command = append(p.command, data...); flags&fastbootMore == 0 {
				p.says, p.command = p.do(string(p.command)), nil
			}
		}
	}
	p.last, p.next = number, number+1
	p.answer = append([]byte{kind, 0, byte(number >> 8), byte(number)}, body...)
	return p.answer
}

// do carries out a command and returns what to say.
func (p *fastbootPeer) do(command string) string {
	verb, rest, _ := strings.Cut(command, ":")
	switch verb {
	case "getvar":
		if rest == "max-download-size" {
			return "OKAY0x08000000"
		}
		return "FAILVariable not implemented"
	case "download":
		n, err := strconv.ParseUint(rest, 16, 32)
		if err != nil {
			return "FAIL" + err.Error()
		}
		p.download, p.missing = nil, int(n)
		return fmt.Sprintf("DATA%08x", n)
	case "flash":
		if rest != "rootfs" && rest != "boot" {
			return "FAILinvalid partition or device"
		}
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.partitions[rest] = p.download
	case "boot":
		if err := os.WriteFile(p.booted, nil, 0o644); err != nil {
			return "FAIL" + err.Error()
		}
	}
	return "OKAY"
}
