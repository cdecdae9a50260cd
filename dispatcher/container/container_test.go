package container_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/container"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// answers stand for an engine: it knows the image here:1, the password pw and one container.
const answers = `
docker*' image inspect '*here:1) ;;
docker*' image inspect '*) exit 1;;
docker*login*) read password; [ "$password" = pw ] || { echo denied; exit 1; };;
docker*' pull '*none*) echo 'manifest unknown'; exit 1;;
docker*' stop '*gone) echo 'Error: No such container: gone'; exit 1;;
docker*' stop '*stuck) echo 'it is stuck'; exit 1;;
docker*' run '*) echo done;;
`

func TestEngine(t *testing.T) {
	dispatchertest.Programs(t, answers, "docker")
	type run = func(ctx context.Context, s *pipeline.Session) error
	pull := func(image, remote string) run {
		return func(ctx context.Context, s *pipeline.Session) error {
			d, err := pipeline.ReadYAML([]byte(image))
			if err != nil {
				return err
			}
			return container.Pull(ctx, s, d, remote)
		}
	}
	stop := func(name string) run {
		return func(ctx context.Context, s *pipeline.Session) error {
			container.Stop(ctx, s, name, "--host", "h")
			return nil
		}
	}
	tool := func(t container.Tool) run {
		return func(ctx context.Context, s *pipeline.Session) error {
			out, err := t.Run(ctx, s)
			s.Log.Info("it printed %q", out)
			return err
		}
	}
	tests := []struct {
		name       string
		dispatcher string // keys of the worker's configuration
		block      string // keys of the block
		do         run
		calls      []string
		class      pipeline.Class
		says       string // in the error, or in the log where there is none
	}{
		{
			name:  "an image by its name",
			do:    pull("debian:13", ""),
			calls: []string{"docker pull debian:13"},
		},
		{
			name:  "an image that is here already",
			do:    pull("{image: 'here:1', local: true}", ""),
			calls: []string{"docker image inspect --format Image exists locally here:1"},
			says:  "Using local docker image 'here:1'",
		},
		{
			name:  "an image that is not here",
			do:    pull("{name: 'away:1', local: true}", "tcp://h:1"),
			calls: []string{"docker --host tcp://h:1 image inspect --format Image exists locally away:1", "docker --host tcp://h:1 pull away:1"},
			says:  "Unable to inspect docker image 'away:1'",
		},
		{
			name:  "an image that is nowhere",
			do:    pull("none:1", ""),
			calls: []string{"docker pull none:1"},
			class: pipeline.Infrastructure,
			says:  "Unable to pull docker image 'none:1'",
		},
		{
			name:  "a login",
			do:    pull("{image: 'r.example.com/a:1', login: {registry: r.example.com, user: u, password: pw}}", ""),
			calls: []string{"docker login --username u --password-stdin r.example.com", "docker pull r.example.com/a:1"},
		},
		{
			name:  "a wrong password",
			do:    pull("{image: 'r.example.com/a:1', login: {registry: r.example.com, user: u, password: other}}", ""),
			calls: []string{"docker login --username u --password-stdin r.example.com"},
			class: pipeline.Infrastructure,
			says:  "log in to registry 'r.example.com'",
		},
		{
			name:  "a container that is gone",
			do:    stop("gone"),
			calls: []string{"docker --host h stop --time 5 gone"},
			says:  "Stopping container gone",
		},
		{
			name:  "a container that does not stop",
			do:    stop("stuck"),
			calls: []string{"docker --host h stop --time 5 stuck"},
			says:  "stop container stuck: it is stuck",
		},
		{
			name:       "an engine that is not installed",
			dispatcher: "container_engine: no-such-engine",
			do:         pull("a", ""),
			class:      pipeline.Infrastructure,
			says:       "Cannot find command 'no-such-engine' in $PATH",
		},
		{
			name:       "a name with the worker's prefix",
			dispatcher: "container_engine: docker, prefix: lab2-",
			do: func(_ context.Context, s *pipeline.Session) error {
				s.Log.Info("%s", container.Name(s, "lava"))
				return nil
			},
			says: "lava-lab2-5-1",
		},
		{
			name:  "a program beside a device",
			block: "docker: {image: 'fb:1', devices: [/dev/a, '/dev/b:/dev/c']}",
			do:    tool(container.Tool{Argv: []string{"fastboot", "x"}, Serial: "SER1", Files: []string{"/d/a", "/d/b"}}),
			calls: []string{"docker pull fb:1", "docker run --rm --init --name lava-5-1-* --mount=type=bind,source=/d,destination=/d --device=/dev/a --device=/dev/bus/usb/001/008 fb:1 fastboot x"},
			says:  `it printed \"done\\n\"`,
		},
		{
			name: "a program of the worker",
			do:   tool(container.Tool{Argv: []string{"echo", "alone"}, Serial: "SER1"}),
			says: `it printed \"alone\\n\"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.dispatcher == "" {
				tt.dispatcher = "container_engine: docker"
			}
			record := dispatchertest.NewCalls(t)
			var log []events.Record
			in := pipeline.Inputs{
				ID: "5", Dir: filepath.Join(t.TempDir(), "5"), Now: time.Now, Env: append(os.Environ(), record.Env()),
				Job:        read(t, "{timeouts: {job: {minutes: 5}, action: {minutes: 1}}, actions: [{command: {"+tt.block+"}}]}"),
				Device:     read(t, "{constants: {failure_retry: 1}}"),
				Dispatcher: read(t, "{"+tt.dispatcher+", usb_root: '"+dispatchertest.USB(t)+"'}"),
				Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
					log = append(log, r)
					return nil
				}}),
				Methods: pipeline.Methods{
					Command: func(pipeline.Data) pipeline.Action {
						return pipeline.Basic{Title: "it", Broken: pipeline.Infrastructure, Do: tt.do}
					},
					Finalize: func() pipeline.Action { return pipeline.Basic{Title: "finalize"} },
				},
			}
			p, err := pipeline.Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Run(t.Context())
			switch {
			case tt.class == "" && err != nil:
				t.Errorf("error: %v", err)
			case tt.class != "" && (pipeline.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(err), err, tt.class, tt.says)
			case tt.class == "" && !strings.Contains(dispatchertest.TextOf(log), tt.says):
				t.Errorf("the log does not say %q: %s", tt.says, dispatchertest.TextOf(log))
			}
			if got := record.List(t); !slices.Equal(got, append([]string{}, tt.calls...)) {
				t.Errorf("calls:\n got %q\nwant %q", got, tt.calls)
			}
		})
	}
}

func read(t *testing.T, text string) pipeline.Data {
	t.Helper()
	d, err := pipeline.ReadYAML([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d
}
