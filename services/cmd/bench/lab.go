package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/services/api"
)

// lab is a running `strata up`.
type lab struct {
	b       *bench
	dir     string
	began   time.Time // when its process was started
	command *exec.Cmd
	ended   chan error
	conns   []*nats.Conn
	// NATS and HTTP are what the --ready file says.
	NATS string `json:"nats"`
	HTTP string `json:"http"`
}

// startTime is how long a lab may take until it serves: replaying a million facts in each service
// takes minutes where there is no checkpoint yet.
const startTime = 10 * time.Minute

// start runs `strata up` on dir, without an engine, and waits until it serves.
// Its output goes to up.log in dir, of which an error shows the end. The caller stops or kills it.
func (b *bench) start(ctx context.Context, dir string, flags ...string) (*lab, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	// That of an earlier start would be found at once.
	readyFile := filepath.Join(dir, "ready.json")
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	said, err := os.Create(filepath.Join(dir, "up.log"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	if !slices.Contains(flags, "--config") {
		// One program asks for hundreds: how much the lab can do is measured, not how much it allows one to.
		limits := filepath.Join(dir, "limits.yaml")
		const text = "limits: {token_rate: 1000000, token_burst: 1000000, address_rate: 1000000, address_burst: 1000000}\n" +
			"worker: {tftp: 127.0.0.1:69, web: 127.0.0.1:0}\n" // as without a file
		if err := os.WriteFile(limits, []byte(text), 0o600); err != nil {
			return nil, err
		}
		flags = append([]string{"--config", limits}, flags...)
	}
	l := &lab{b: b, dir: dir, ended: make(chan error, 1)}
	// Not bound to ctx: a lab is stopped in good order, also when the measurement is interrupted.
	l.command = exec.Command(b.strata, append([]string{"up", "--data", dir, "--ready", readyFile, "--listen", "127.0.0.1:0",
		"--listen-nats", "127.0.0.1:0", "--listen-sql", ""}, flags...)...)
	// Its own runtime directory, or it would be taken for the lab of the person who measures.
	l.command.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+b.scratch, "STRATA_CLICKHOUSE_DSN=")
	l.command.Stdout, l.command.Stderr = said, said
	l.began = b.now()
	if err := l.command.Start(); err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	go func() { l.ended <- l.command.Wait() }()
	if err := l.awaitReady(ctx, readyFile); err != nil {
		_ = l.command.Process.Kill()
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("start the lab: %w\n%s", err, text[max(0, len(text)-2000):])
	}
	return l, nil
}

// awaitReady waits for the --ready file. It is looked for often: the time until it is there is a
// figure.
func (l *lab) awaitReady(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			return json.Unmarshal(text, l)
		}
		select {
		case <-tick.C:
		case err := <-l.ended:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the lab in good order and waits until its process is gone.
// It waits for as long as the lab takes.
func (l *lab) stop() error {
	for _, c := range l.conns {
		c.Close()
	}
	if err := l.command.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop the lab: %w", err)
	}
	if err := <-l.ended; err != nil {
		return fmt.Errorf("stop the lab: %w", err)
	}
	return nil
}

// kill ends the lab as a power cut ends it, but for what the kernel still writes.
// What was written and not synced is in the kernel's hands still, and survives: only cutting the power
// would show a disk that lies.
func (l *lab) kill() error {
	for _, c := range l.conns {
		c.Close()
	}
	if err := l.command.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the lab: %w", err)
	}
	<-l.ended // says that it was killed
	return nil
}

// connect opens a connection that is closed with the lab.
func (l *lab) connect(options ...nats.Option) (*nats.Conn, error) {
	// Whoever comes early waits for services/access, which has facts to read first.
	conn, err := nats.Connect(l.NATS, append(options, nats.Timeout(20*time.Second))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the lab: %w", err)
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

// person returns a connection of the administrator.
func (l *lab) person() (api.Client, error) {
	key, err := access.OpenKey(filepath.Join(l.dir, "key"))
	if err != nil {
		return api.Client{}, err
	}
	conn, err := l.connect(nats.Token(key.Administrator()))
	return api.Client{Conn: conn, User: access.Local}, err
}

// log opens the log as a service does, with the services' password. It refuses a broker that does
// not sync every write, so no figure can come from one.
func (l *lab) log(ctx context.Context) (*stream.Log, error) {
	key, err := access.OpenKey(filepath.Join(l.dir, "key"))
	if err != nil {
		return nil, err
	}
	conn, err := l.connect(nats.UserInfo(access.ServiceUser, key.Password()), nats.CustomInboxPrefix(access.ServiceInbox))
	if err != nil {
		return nil, err
	}
	return stream.Open(ctx, conn, stream.Settings{Now: l.b.now, Synced: stream.SyncedByMonitor(l.HTTP)})
}

// deviceText is the dictionary of the device that jobs of the measurements ask for.
const deviceText = `hostname: bench
available_architectures: [x86_64]
constants: {default-shell-prompt: 'lava-test: # '}
actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}
`

// jobText is a short definition of the usual kind.
// 700 bytes or so, with what the gate has to look at: timeouts, metadata, the three kinds of action.
const jobText = `job_name: measure the lab
device_type: bench
visibility: public
priority: medium
timeouts:
  job: {minutes: 15}
  action: {minutes: 5}
metadata: {build: 17, branch: main}
actions:
- deploy:
    to: tmpfs
    images:
      kernel: {image_arg: '-kernel {kernel}', url: 'http://127.0.0.1/bzImage'}
      ramdisk: {image_arg: '-initrd {ramdisk}', url: 'http://127.0.0.1/initramfs.cpio.gz', compression: gz}
- boot:
    method: qemu
    media: tmpfs
    prompts: ['lava-test: # ']
- test:
    definitions:
    - from: inline
      name: smoke
      path: inline/smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run: {steps: [lava-test-case one --result pass]}
`

// names of the one device and its worker.
const (
	benchDevice events.DeviceName = "bench-01"
	benchWorker events.WorkerName = "bench.example.com"
)

// furnish puts a worker and its device into the lab and returns the worker's token.
// A lab of an earlier run that has the device refuses it a second time: each measurement furnishes its
// own.
func furnish(ctx context.Context, person api.Client) (token string, err error) {
	var w api.Worker
	if err := person.Call(ctx, "workers.register", api.WorkerRequest{Worker: benchWorker}, &w); err != nil {
		return "", err
	}
	return w.Token, person.Call(ctx, "devices.add", api.DeviceRequest{Device: benchDevice, DeviceType: "bench",
		Worker: benchWorker, Dictionary: deviceText, Health: events.Good}, nil)
}

// submit publishes a definition as any NATS client would, and returns the job's number.
func submit(ctx context.Context, conn *nats.Conn) (events.JobID, error) {
	return submitText(ctx, conn, jobText)
}

// submitText publishes a definition.
// Without a Nats-Msg-Id: nothing is ever sent twice here.
func submitText(ctx context.Context, conn *nats.Conn, text string) (events.JobID, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := conn.RequestWithContext(ctx, "submit."+string(access.Local), []byte(text))
	if err != nil {
		return 0, fmt.Errorf("publish a definition: %w", err)
	}
	var ack struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Seq == 0 {
		return 0, fmt.Errorf("publish a definition: the bus answers %s", bytes.TrimSpace(answer.Data))
	}
	return events.JobID(ack.Seq), nil
}
