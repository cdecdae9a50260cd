package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

func TestCoordinatorFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		want  Coordinator
		class pipeline.Class
		error string
	}{
		{"{}", Coordinator{"localhost", 3079, time.Second}, "", ""},
		{`{"port": 4000, "poll_delay": 0.5, "coordinator_hostname": "master", "blocksize": 4096}`, Coordinator{"master", 4000, time.Second / 2}, "", ""},
		{"not json", Coordinator{}, pipeline.Configuration, "invalid character"},
		{`{"port": "3079"}`, Coordinator{}, pipeline.Configuration, "cannot unmarshal string"},
		{`{"port": 70000}`, Coordinator{}, pipeline.Configuration, "port is 70000 and poll_delay 1, want 1 to 65535"},
		{`{"poll_delay": 0}`, Coordinator{}, pipeline.Configuration, "poll_delay 0, want 1 to 65535 and more than 0"},
	} {
		file := filepath.Join(t.TempDir(), "coordinator.conf")
		if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := ReadCoordinator(file)
		if err == nil && (got != tt.want || tt.class != "") {
			t.Errorf("%s: %+v, want %+v and an error of %q", tt.text, got, tt.want, tt.class)
		}
		if err != nil && (pipeline.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.error) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%s: error %v of class %q, want %q of %q", tt.text, err, pipeline.ClassOf(err), tt.error, tt.class)
		}
	}
}

// A machine without a coordinator is told so when a job of a group comes, and a file that may not be read is
// no reason to go on without.
func TestNoCoordinatorFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for file, want := range map[string]string{filepath.Join(dir, "missing"): "Missing coordinator configuration", dir: "read coordinator configuration"} {
		_, err := ByCoordinator(file)(t.Context(), "g", multinode.Request{Op: multinode.Join})
		if pipeline.ClassOf(err) != pipeline.Infrastructure || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v of class %q, want %q of the lab", file, err, pipeline.ClassOf(err), want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing file: %v", err)
	}
}

// conversation serves replies, one a connection, and returns what was asked.
func conversation(t *testing.T, replies ...string) (c Coordinator, asked <-chan map[string]any) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard, done := make(chan map[string]any, len(replies)), make(chan struct{})
	go func() {
		defer close(done)
		for _, reply := range replies {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn) // what came is judged below
			var question map[string]any
			var length int
			if _, err := fmt.Sscanf(string(text[:min(8, len(text))]), "%08X", &length); err == nil && length == len(text)-8 {
				_ = json.Unmarshal(text[8:], &question) // nil where it is none
			}
			heard <- question
			if reply != "" {
				fmt.Fprintf(conn, "%08X%s", len(reply), reply)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return Coordinator{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Delay: time.Millisecond}, heard
}

func TestCoordinatorTalk(t *testing.T) {
	t.Parallel()
	pairs := []multinode.Pair{{Key: "k", Value: "v"}}
	for _, tt := range []struct {
		name    string
		request multinode.Request
		replies []string
		want    multinode.Answer
		asked   map[string]any // of the last question, some of it
		error   string
	}{
		{"join", multinode.Request{Op: multinode.Join, Size: 2}, []string{`{"response": "wait"}`, `{"response": "group_data", "roles": {"9": "b", "7": "a"}}`},
			multinode.Answer{Outcome: multinode.Done, Members: []multinode.Member{{Client: "7", Role: "a"}, {Client: "9", Role: "b"}}},
			map[string]any{"request": "group_data", "group_size": 2.0, "client_name": "7", "group_name": "g", "role": "r"}, ""},
		{"send", multinode.Request{Op: multinode.Send, ID: "x", Message: pairs}, []string{`{"response": "ack"}`}, multinode.Answer{Outcome: multinode.Done},
			map[string]any{"request": "lava_send", "messageID": "x", "message": map[string]any{"k": "v"}}, ""},
		{"wait", multinode.Request{Op: multinode.Wait, ID: "x"}, []string{`{"response": "wait"}`, "", `{"response": "ack", "message": {"9": {"b": "2", "a": "1"}}}`},
			multinode.Answer{Outcome: multinode.Done, Messages: []multinode.Sent{{Client: "9", Message: []multinode.Pair{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}}}},
			map[string]any{"request": "lava_wait", "messageID": "x"}, ""},
		{"wait for all of a role", multinode.Request{Op: multinode.WaitAll, ID: "x", Of: "b"}, []string{`{"response": "ack", "message": {}}`}, multinode.Answer{Outcome: multinode.Done},
			map[string]any{"request": "lava_wait_all", "waitrole": "b"}, ""},
		{"refused", multinode.Request{Op: multinode.WaitAll, ID: "x"}, []string{`{"response": "nack"}`}, multinode.Answer{Outcome: multinode.Refused, Reason: "the coordinator refused it"},
			map[string]any{"request": "lava_wait_all"}, ""},
		{"sync", multinode.Request{Op: multinode.Sync, ID: "x"}, []string{`{"response": "ack", "message": "x"}`}, multinode.Answer{Outcome: multinode.Done}, map[string]any{"request": "lava_sync"}, ""},
		{"leave", multinode.Request{Op: multinode.Leave}, []string{`{"response": "ack"}`}, multinode.Answer{Outcome: multinode.Done}, map[string]any{"request": "clear_group"}, ""},
		{"no JSON", multinode.Request{Op: multinode.Sync, ID: "x"}, []string{"hello"}, multinode.Answer{}, nil, `the coordinator answered "hello"`},
		{"an odd message", multinode.Request{Op: multinode.Wait, ID: "x"}, []string{`{"response": "ack", "message": [1]}`}, multinode.Answer{}, nil, "the coordinator's message [1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, heard := conversation(t, tt.replies...)
			tt.request.Client, tt.request.Role, tt.request.Number = "7", "r", "12"
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := c.Ask(ctx, "g", tt.request)
			if tt.error != "" {
				if err == nil || !strings.Contains(err.Error(), tt.error) {
					t.Errorf("error %v, want %q", err, tt.error)
				}
				return
			}
			tt.want.Number, tt.want.Version = "12", multinode.Version
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("answer %+v, %v, want %+v", got, err, tt.want)
			}
			var question map[string]any
			for range tt.replies {
				question = <-heard
			}
			for key, want := range tt.asked {
				if !reflect.DeepEqual(question[key], want) {
					t.Errorf("asked %s = %v, want %v", key, question[key], want)
				}
			}
		})
	}
}

// What is too long for the protocol is not sent, and a coordinator that is away is asked until the time is up.
func TestCoordinatorLimits(t *testing.T) {
	t.Parallel()
	c := Coordinator{Host: "127.0.0.1", Port: 1, Delay: time.Millisecond}
	long := multinode.Request{Op: multinode.Send, ID: "x", Message: []multinode.Pair{{Key: "k", Value: strings.Repeat("v", multinode.MaxBytes)}}}
	if _, err := c.Ask(t.Context(), "g", long); pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(fmt.Sprint(err), "Message was too long to send!") {
		t.Errorf("a long message: %v of class %q", err, pipeline.ClassOf(err))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Ask(ctx, "g", multinode.Request{Op: multinode.Sync, ID: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody there: %v, want the end of the time", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word Word
		args string
		want string
	}{
		{Send, "id", "send id  []"},
		{Send, "id dropped a=1 b=two words c= d==", "send id  [{a 1} {b two words} {c } {d =}]"},
		{Send, "id =x a=1", "send id  [{a 1}]"},
		{Wait, " id ", "wait id  []"},
		{WaitAll, "id", "wait-all id  []"},
		{WaitAll, "id role", "wait-all id role []"},
		{Sync, "id", "sync id  []"},
		{WaitAll, "id role more", `LAVA_WAIT_ALL takes one message id, not "id role more"`},
		{Sync, "id more", `LAVA_SYNC takes one message id, not "id more"`},
		{Wait, "", "LAVA_WAIT needs a message id"},
		{"FOO", "id", "Unrecognised API call LAVA_FOO"},
	} {
		r, err := parse(tt.word, tt.args)
		got := fmt.Sprint(r.Op, " ", r.ID, " ", r.Of, " ", r.Message)
		if err != nil {
			got = err.Error()
			if pipeline.ClassOf(err) != pipeline.Test {
				t.Errorf("%s %q: an error of class %q, want the test's", tt.word, tt.args, pipeline.ClassOf(err))
			}
		}
		if got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.word, tt.args, got, tt.want)
		}
	}
}

func TestXNBD(t *testing.T) {
	t.Parallel()
	session := func(text string) *pipeline.Session {
		job, err := pipeline.ReadYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return &pipeline.Session{Job: job}
	}
	if err := (XNBD{}).Validate(session("protocols: {lava-xnbd: {port: auto}}")); err != nil {
		t.Error(err)
	}
	if err := (XNBD{}).Validate(session("protocols: {lava-xnbd: {}}")); pipeline.ClassOf(err) != pipeline.Job {
		t.Errorf("without a port: %v", err)
	}
	for request, want := range map[string]pipeline.Class{"set_port": "", "nbd_set_port": "", "get_port": pipeline.Job} {
		if err := (XNBD{}).Request(t.Context(), nil, session("request: "+request).Job); pipeline.ClassOf(err) != want {
			t.Errorf("%s: %v, want class %q", request, err, want)
		}
	}
}
