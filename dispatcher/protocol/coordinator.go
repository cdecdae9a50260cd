package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

// CoordinatorFile is where a worker of LAVA has the settings of its coordinator.
const CoordinatorFile = "/etc/lava-coordinator/lava-coordinator.conf"

// Coordinator asks a group by LAVA's coordinator, which answers "wait" until there is something to
// say: it has to be asked again and again.
type Coordinator struct {
	Host  string        `json:"coordinator_hostname"`
	Port  int           `json:"port"`
	Delay time.Duration `json:"-"` // between two questions
}

// ReadCoordinator reads the settings of a file in LAVA's JSON form. A file that is not there is a
// fault of the lab, one that cannot be read a wrong configuration.
func ReadCoordinator(file string) (Coordinator, error) {
	c := Coordinator{Host: "localhost", Port: 3079}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, pipeline.Blamef(pipeline.Infrastructure, "Missing coordinator configuration")
	case err != nil:
		return c, pipeline.Blamef(pipeline.Infrastructure, "read coordinator configuration: %w", err)
	}
	poll := struct {
		*Coordinator
		Delay float64 `json:"poll_delay"`
	}{&c, 1}
	if err := json.Unmarshal(text, &poll); err != nil {
		return c, pipeline.Blamef(pipeline.Configuration, "coordinator configuration %s: %w", file, err)
	}
	if c.Port < 1 || c.Port > 65535 || poll.Delay <= 0 {
		return c, pipeline.Blamef(pipeline.Configuration, "coordinator configuration %s: port is %d and poll_delay %v, want 1 to 65535 and more than 0", file, c.Port, poll.Delay)
	}
	c.Delay = time.Duration(poll.Delay * float64(time.Second))
	return c, nil
}

// ByCoordinator returns an Ask that reads the settings when it is first needed: most jobs of a machine
// without a coordinator are in no group.
func ByCoordinator(file string) Ask {
	return func(ctx context.Context, group string, r multinode.Request) (multinode.Answer, error) {
		c, err := ReadCoordinator(file)
		if err != nil {
			return multinode.Answer{}, err
		}
		return c.Ask(ctx, group, r)
	}
}

// word is what a request is called in the coordinator's protocol.
func word(op multinode.Op) string {
	switch op {
	case multinode.Join:
		return "group_data"
	case multinode.Leave:
		return "clear_group"
	case multinode.WaitAll:
		return "lava_wait_all"
	}
	return "lava_" + string(op) // send, wait, sync
}

// Ask asks until the coordinator says something other than "wait". One that cannot be reached is
// asked again: it may be starting.
func (c Coordinator) Ask(ctx context.Context, group string, r multinode.Request) (multinode.Answer, error) {
	question := map[string]any{
		"port": c.Port, "blocksize": 4096, "poll_delay": c.Delay.Seconds(), "host": c.Host, "hostname": c.Host,
		"client_name": r.Client, "group_name": group, "role": r.Role, "request": word(r.Op),
	}
	if r.Size > 0 {
		question["group_size"] = r.Size
	}
	if r.ID != "" {
		question["messageID"] = r.ID
		message := map[string]string{}
		for _, p := range r.Message {
			message[p.Key] = p.Value
		}
		question["message"] = message
	}
	if r.Of != "" {
		question["waitrole"] = r.Of
	}
	text, err := json.Marshal(question)
	if err != nil {
		return multinode.Answer{}, err
	}
	if len(text) > multinode.MaxBytes {
		return multinode.Answer{}, pipeline.Blamef(pipeline.Job, "Message was too long to send!")
	}
	for {
		a, done, err := c.askOnce(ctx, text, r)
		if done {
			return a, err
		}
		select {
		case <-time.After(c.Delay):
		case <-ctx.Done():
			return multinode.Answer{}, errors.Join(ctx.Err(), err)
		}
	}
}

// askOnce has one conversation. It is not done where the answer is "wait", or where there is none.
func (c Coordinator) askOnce(ctx context.Context, text []byte, r multinode.Request) (a multinode.Answer, done bool, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return a, false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := fmt.Fprintf(conn, "%08X%s", len(text), text); err != nil {
		return a, false, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return a, false, err
	}
	body, err := io.ReadAll(io.LimitReader(conn, 16<<20))
	if err != nil || len(body) < 8 {
		return a, false, err
	}
	a, done, err = heard(body[8:], r.Op)
	a.Number = r.Number
	return a, done, err
}

// heard reads the coordinator's answer.
func heard(body []byte, op multinode.Op) (a multinode.Answer, done bool, err error) {
	var reply struct {
		Response string            `json:"response"`
		Roles    map[string]string `json:"roles"`
		Message  json.RawMessage   `json:"message"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return a, true, fmt.Errorf("the coordinator answered %q: %w", body, err)
	}
	a = multinode.Answer{Version: multinode.Version, Outcome: multinode.Done}
	switch reply.Response {
	case "wait":
		return a, false, nil
	case "nack":
		a.Outcome, a.Reason = multinode.Refused, "the coordinator refused it"
		return a, true, nil
	case "group_data":
		for _, client := range sorted(reply.Roles) {
			a.Members = append(a.Members, multinode.Member{Client: client, Role: reply.Roles[client]})
		}
		return a, true, nil
	}
	if op != multinode.Wait && op != multinode.WaitAll || len(reply.Message) == 0 {
		return a, true, nil
	}
	var all map[string]map[string]string
	if err := json.Unmarshal(reply.Message, &all); err != nil {
		return a, true, fmt.Errorf("the coordinator's message %s: %w", reply.Message, err)
	}
	for _, client := range sorted(all) {
		sent := multinode.Sent{Client: client}
		for _, key := range sorted(all[client]) {
			sent.Message = append(sent.Message, multinode.Pair{Key: key, Value: all[client][key]})
		}
		a.Messages = append(a.Messages, sent)
	}
	return a, true, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
