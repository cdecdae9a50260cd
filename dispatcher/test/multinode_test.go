package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"strata/dispatcher/pipeline"
	"strata/schemas/multinode"
)

// group is what a job of a group has beside its actions.
const group = "protocols: {lava-multinode: {target_group: g1, role: server, group_size: 2, timeout: {seconds: 20}, roles: {'7': server, '8': client}}}\n"

// replier answers a device's questions, and notes them.
type replier struct {
	answer multinode.Answer
	err    error
	silent bool // it answers when the time is up
	asked  []string
}

func (r *replier) ask(ctx context.Context, group string, q multinode.Request) (multinode.Answer, error) {
	if q.Op == multinode.Leave {
		return multinode.Answer{Outcome: multinode.Done}, nil
	}
	r.asked = append(r.asked, fmt.Sprint(group, " ", q.Client, "/", q.Role, " ", q.Op, " ", q.ID, " ", q.Of, q.Message))
	if r.silent {
		<-ctx.Done()
		return multinode.Answer{}, ctx.Err()
	}
	if r.answer.Outcome == "" {
		r.answer.Outcome = multinode.Done
	}
	return r.answer, r.err
}

// told is an answer with one message.
func told(pairs ...multinode.Pair) multinode.Answer {
	return multinode.Answer{Messages: []multinode.Sent{{Client: "8", Message: pairs}}}
}

// asking is what a device asks its group, and what becomes of it.
type asking struct {
	name  string
	entry string // of the definition in the job
	says  string
	group replier
	alone bool // in no group
	asked []string
	typed []string // after the runner's start
	want  []string
	class pipeline.Class
	text  string
}

func askings() []asking {
	call := func(text string) string { return start + "<LAVA_MULTI_NODE> <LAVA_" + text + ">\n" + end + over }
	passed := func(name string) []string {
		return []string{`results {"definition":"0_smoke","case":"multinode-` + name + `","result":"pass"}`, ended}
	}
	failed := func(name string) string {
		return `results {"definition":"0_smoke","case":"multinode-` + name + `","result":"fail"}`
	}
	gone := multinode.Answer{Outcome: multinode.Gone, Reason: "job 8 is over"}
	refused := multinode.Answer{Outcome: multinode.Refused, Reason: "no such role"}
	return []asking{
		{name: "send", says: call("SEND Ready ip=10.0.0.1 note=two words"), asked: []string{"g1 7/server send Ready [{ip 10.0.0.1} {note two words}]"},
			want: passed("send-ready")},
		{name: "wait", says: call("WAIT ip"), group: replier{answer: told(multinode.Pair{Key: "a", Value: "1"}, multinode.Pair{Key: "b", Value: "x y"})},
			asked: []string{"g1 7/server wait ip []"}, typed: []string{"<LAVA_WAIT_COMPLETE 8:a=1 8:b=x y>", ""}, want: passed("wait-ip")},
		{name: "wait for all of a role", says: call("WAIT_ALL up client"), asked: []string{"g1 7/server wait-all up client[]"},
			typed: []string{"<LAVA_WAIT_ALL_COMPLETE>", ""}, want: passed("wait_all-up")},
		{name: "sync", says: call("SYNC here"), asked: []string{"g1 7/server sync here []"},
			typed: []string{"<LAVA_SYNC_COMPLETE>", ""}, want: passed("sync-here")},
		{name: "expected", entry: "expected: [multinode-sync-b]", says: call("SYNC a"), typed: []string{"<LAVA_SYNC_COMPLETE>", ""},
			want: []string{"warning 'multinode-sync-a' not found in expected test case list!", "warning Forcing unexpected 'multinode-sync-a' result 'pass' to 'fail' ...",
				failed("sync-a"), "warning Reporting missing expected test cases as 'fail' ...", missing("multinode-sync-b"), ended}},
		{name: "refused", says: call("WAIT_ALL up nobody"), group: replier{answer: refused}, typed: []string{"<LAVA_WAIT_ALL_COMPLETE nack>", ""},
			want: []string{"error LAVA_WAIT_ALL up nobody: no such role", failed("wait_all-up"), ended}},
		{name: "a refused send has no reply", says: call("SEND x"), group: replier{answer: refused}, want: []string{"error LAVA_SEND x: no such role", failed("send-x"), ended}},
		{name: "gone", says: call("WAIT x"), group: replier{answer: gone},
			want: append([]string{"error LAVA_WAIT x: job 8 is over", "warning Sync error in multinode signal: protocol lava-multinode timed out WAIT", failed("wait-x")}, unfinished()...)},
		{name: "no answer in time", says: call("SYNC x"), group: replier{silent: true},
			want: append([]string{"warning Sync error in multinode signal: protocol lava-multinode timed out SYNC", failed("sync-x")}, unfinished()...)},
		{name: "nobody to ask", says: call("SYNC x"), group: replier{err: errors.New("broken pipe")}, want: unfinished(),
			class: pipeline.Infrastructure, text: "ask the multinode group: broken pipe"},
		{name: "unknown call", says: call("FOO x"), asked: []string{}, want: unfinished(), class: pipeline.Test, text: "Unrecognised API call LAVA_FOO"},
		{name: "too many arguments", says: call("WAIT a b"), asked: []string{}, want: unfinished(), class: pipeline.Test, text: `LAVA_WAIT takes one message id, not "a b"`},
		{name: "no argument", says: call("SYNC  "), asked: []string{}, want: unfinished(), class: pipeline.Test, text: "LAVA_SYNC needs a message id"},
		{name: "outside a run", says: "<LAVA_MULTI_NODE> <LAVA_SYNC x>\n", typed: []string{"<LAVA_SYNC_COMPLETE>", ""},
			want:  []string{"error Test case results without test definition (testsuite), probably the test runner was not started"},
			class: pipeline.Test, text: "Test case results without test definition"},
		{name: "in no group", alone: true, says: call("SYNC x"), want: []string{"error The device asks for LAVA_SYNC, but the job is in no multinode group", ended}},
	}
}

func TestDevicesAskTheirGroup(t *testing.T) {
	t.Parallel()
	for _, tt := range askings() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := &job{entry: tt.entry, says: tt.says, stays: true, timeout: 60}
			if !tt.alone {
				j.ask = tt.group.ask
			}
			var err error
			synctest.Test(t, func(t *testing.T) { err = j.run(t) })
			if got := pipeline.ClassOf(err); got != tt.class || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v of class %q, want %q of class %q", err, got, tt.text, tt.class)
			}
			if got, want := strings.Join(j.story(t), "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("story:\n%s\nwant\n%s", got, want)
			}
			runner := slices.IndexFunc(j.typed, func(line string) bool { return strings.Contains(line, "lava-test-runner") })
			if got := j.typed[runner+1:]; !slices.Equal(got, tt.typed) {
				t.Errorf("typed %q, want %q", got, tt.typed)
			}
			if tt.asked != nil && !slices.Equal(tt.group.asked, tt.asked) {
				t.Errorf("asked %q, want %q", tt.group.asked, tt.asked)
			}
		})
	}
}

// Interactive scripts ask as well; what they hear fills the placeholders of later commands.
func TestScriptsAskTheirGroup(t *testing.T) {
	t.Parallel()
	passed, failed := `results {"definition":"lava","case":"0_s","result":"pass","duration":"T"}`, `results {"definition":"lava","case":"0_s","result":"fail","duration":"T"}`
	for _, tt := range []struct {
		kindStory
		group replier
		items string
		asked []string
	}{
		{kindStory: kindStory{name: "all four", want: []string{passed}, typed: []string{"ping 10.0.0.1"}},
			items: "{lava-send: 'ready ip=1 note=a b'}, {lava-sync: all}, {lava-wait-all: 'up role=client'}, {lava-wait-all: up}, {lava-wait: ip}, {command: 'ping {addr}'}",
			group: replier{answer: told(multinode.Pair{Key: "addr", Value: "10.0.0.1"})},
			asked: []string{"g1 7/server send ready [{ip 1} {note a b}]", "g1 7/server sync all []", "g1 7/server wait-all up client[]",
				"g1 7/server wait-all up []", "g1 7/server wait ip []"}},
		{kindStory: kindStory{name: "refused", want: []string{failed}, class: pipeline.Test, text: "LAVA_WAIT ip: no such id"},
			items: "{lava-wait: ip}, {command: never}", group: replier{answer: multinode.Answer{Outcome: multinode.Refused, Reason: "no such id"}}},
		{kindStory: kindStory{name: "gone", want: []string{failed}, class: pipeline.Test, text: "LAVA_SYNC all: job 8 is over"},
			items: "{lava-sync: all}, {command: never}", group: replier{answer: multinode.Answer{Outcome: multinode.Gone, Reason: "job 8 is over"}}},
		{kindStory: kindStory{name: "nobody to ask", want: []string{failed}, class: pipeline.Infrastructure, text: "broken pipe"},
			items: "{lava-sync: all}, {command: never}", group: replier{err: errors.New("broken pipe")}},
		{kindStory: kindStory{name: "wrong arguments", want: []string{failed}, class: pipeline.Test, text: "LAVA_SYNC takes one message id"},
			items: "{lava-sync: a b}, {command: never}", asked: []string{}},
	} {
		k := tt.kindStory
		k.ask = func(ctx context.Context, group string, q multinode.Request) (multinode.Answer, error) {
			return tt.group.ask(ctx, group, q)
		}
		k.block = "interactive: [{name: s, prompts: ['=> '], script: [" + tt.items + "]}]"
		t.Run(tt.name, func(t *testing.T) {
			k.run(t)
			if tt.asked != nil && !slices.Equal(tt.group.asked, tt.asked) {
				t.Errorf("asked %q, want %q", tt.group.asked, tt.asked)
			}
		})
	}
}

// A group's block becomes the action of its kind; only the shell's is one of its own.
func TestMultinodeKinds(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"{definitions: []}": "multinode-test", "{monitors: []}": newMonitors(pipeline.Data{}).Name(), "{interactive: []}": "lava-test-interactive-retry"} {
		if got := newMultinode(read(t, block)).Name(); got != want {
			t.Errorf("%s: %s, want %s", block, got, want)
		}
	}
}
