package multinode

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/dispatcher/protocol"
	"strata/events"
	"strata/events/eventtest"
	m "strata/schemas/multinode"
)

// TestGoldenGroup runs the two jobs of a group that the reference has run, on two shells, and compares
// what users and programs read: results, warnings and errors in their order, and what was typed at
// the devices.
func TestGoldenGroup(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(corpus(t), "golden-runs")
	b := eventtest.Start(t)
	start(t, b)
	var both sync.WaitGroup
	over := make(chan struct{}) // the server is over
	for role, id := range map[string]string{"server": "101", "client": "102"} {
		dir, tmp := filepath.Join(runs, "10-multinode-"+role), t.TempDir()
		both.Go(func() {
			if role == "server" {
				defer close(over)
			}
			replace := strings.NewReplacer("/var/lib/lava/dispatcher/tmp", tmp,
				"lava_test_results_dir: /lava-%s", "lava_test_results_dir: "+tmp+"/root/lava-%s", "lava_test_sh_cmd: /bin/sh", "lava_test_sh_cmd: /bin/bash",
				"os: debian", "os: test", "cd /tmp ;", "cd "+tmp+" ;",
				// Two boards have two /tmp, two shells have one: the other may be writing its file of messages anew.
				"cat /tmp/lava_multi_node_cache.txt", "echo messages",
				// Time enough on a machine that has other work; nothing here waits for one of them to end.
				"{minutes: 1}", "{minutes: 10}", "{minutes: 2}", "{minutes: 20}", "{minutes: 3}", "{minutes: 30}",
				"{seconds: 40}", "{seconds: 400}", "{seconds: 60}", "{seconds: 600}")
			text := func(name string) []byte {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
				}
				return []byte(replace.Replace(string(data)))
			}
			bus := protocol.Bus{Conn: b.Connect(t), Inbox: "_INBOX_job." + id + ".1"}
			var mu sync.Mutex
			var records []events.Record
			verdict := dispatcher.Run(t.Context(), dispatcher.Job{ID: id, Version: "test",
				Definition: text("job.yaml"), Device: text("device.yaml"), Dispatcher: text("dispatcher.yaml"),
				Dir: filepath.Join(tmp, id), Env: append(os.Environ(), "PS1=bash-5.2# "), Now: time.Now,
				Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
					mu.Lock()
					defer mu.Unlock()
					records = append(records, r)
					return nil
				}}),
				Ask: func(ctx context.Context, group string, r m.Request) (m.Answer, error) {
					if r.ID == "neverever" { // it was not sent in 40 s: we know after the other has left
						<-over
					}
					return bus.Ask(ctx, group, r)
				}})
			if verdict.Health != events.Complete {
				t.Errorf("%s: verdict %+v", role, verdict)
			}
			want := recorded(t, filepath.Join(dir, "logs.yaml"))
			var got []string
			for _, r := range records {
				got = append(got, story(string(r.Level), r.Message)...)
			}
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Errorf("%s: line %d of the story differs:\n got %q\nwant %q", role, i, got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
					break
				}
			}
		})
	}
	both.Wait()
}

// corpus returns the folder of recorded data.
func corpus(t *testing.T) string {
	t.Helper()
	root := os.Getenv("STRATA_CORPUS")
	if root == "" {
		root = "../../../shared"
	}
	dir := filepath.Join(root, "corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no recorded data: %v (STRATA_CORPUS)", err)
	}
	return dir
}

// recorded reads a log as the reference writes it: a JSON object a line, behind "- ".
func recorded(t *testing.T, file string) []string {
	f, err := os.Open(file)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var r struct {
			Level string          `json:"lvl"`
			Msg   json.RawMessage `json:"msg"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(s.Text(), "- ")), &r); err != nil {
			t.Errorf("%s: %v in %s", file, err, s.Text())
		}
		lines = append(lines, story(r.Level, r.Msg)...)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	return lines
}

var typed = regexp.MustCompile(`^<LAVA_`)

// story returns what counts of one record.
func story(level string, message json.RawMessage) []string {
	var text string
	if json.Unmarshal(message, &text) != nil {
		text = ""
	}
	switch level {
	case "results":
		var r struct{ Definition, Case, Result string }
		if err := json.Unmarshal(message, &r); err != nil {
			return []string{err.Error()}
		}
		return []string{fmt.Sprintf("result %s/%s: %s", r.Definition, r.Case, r.Result)}
	case "input":
		if typed.MatchString(text) {
			return []string{"typed " + text}
		}
	case "warning", "error":
		// Why the group was silent is ours to say; what a prompt looks like is nobody's business here.
		if slices.ContainsFunc([]string{"typical prompt", "very plain", "is over", "are over"}, func(s string) bool { return strings.Contains(text, s) }) {
			return nil
		}
		return []string{level + " " + text}
	}
	return nil
}
