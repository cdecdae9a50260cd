package main

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

// wholePolicy has every part and key.
const wholePolicy = `fair_share:
  half_life: "7d"
  default_weight: 1
  users:
    alice: 2
  groups:
    kernel: 4
caps:
  default: 10
  users:
    ci: 0
  groups:
    kernel: 20
aging:
  within: "90m"
  bound: 80
rare_tags:
  percent: 25
  lend_after: "45s"
  tags:
    - hdmi
groups:
  kernel:
    - alice
    - bob.b@example.com
`

// A policy is read from a file as it is written to one.
func TestPolicyFile(t *testing.T) {
	t.Parallel()
	p, err := readPolicyFile("policy.yaml", wholePolicy)
	if err != nil {
		t.Fatal(err)
	}
	want := events.SchedulingPolicySet{
		FairShare: &events.FairShare{HalfLife: 604800, DefaultWeight: 1, Users: []events.UserWeight{{User: "alice", Weight: 2}}, Groups: []events.GroupWeight{{Group: "kernel", Weight: 4}}},
		Caps:      &events.Caps{Default: 10, Users: []events.UserCap{{User: "ci"}}, Groups: []events.GroupCap{{Group: "kernel", Devices: 20}}},
		Aging:     &events.Aging{Within: 5400, Bound: 80},
		RareTags:  &events.RareTags{Percent: 25, LendAfter: 45, Tags: []events.TagName{"hdmi"}},
		Groups:    []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "bob.b@example.com"}}},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("read %+v, want %+v", p, want)
	}
	if again, err := writePolicy(p); err != nil || again != wholePolicy {
		t.Errorf("written again, error %v:\n%s", err, again)
	}
	for _, tt := range []struct{ text, want string }{
		{"fair_share:\n  weights: 1", "p:2: unknown key weights: fair_share has default_weight, groups, half_life, users"},
		{"ageing: {}", "p:1: unknown key ageing: the file has aging, caps"},
		{"aging:\n  within: soon", `p:2: "soon" is no length of time: write it like 90s`},
		{"aging:\n  bound: high", "p:2: expected a whole number, found high"},
		{"aging:\n  bound: yes", "p:2: expected a whole number, found"},
		{"groups:\n  kernel: alice", "p:2: expected a list"},
		{"aging:\n  bound: 1\nrare_tags: {}\naging:\n  bound: 2", "p:4: key 'aging' stands twice, here and in line 1"},
		{"groups:\n  kernel: [alice]\n  kernel: [bob]", "p:3: key 'kernel' stands twice, here and in line 2"},
		{"caps: 7", "p:1: caps: expected a mapping"},
		{"caps: {", "p:2:"},
	} {
		if _, err := readPolicyFile("p", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.text, err, tt.want)
		}
	}
}

// Flags change what they name of a policy.
func TestPolicyFlags(t *testing.T) {
	t.Parallel()
	apply := func(text string, args ...string) (string, error) {
		p, err := readPolicyFile("p", text)
		if err != nil {
			t.Fatal(err)
		}
		var in policyFlags
		cmd := newWorld(t).app(&bytes.Buffer{}).policySetWith(&in)
		if err := cmd.ParseFlags(args); err != nil {
			return "", err
		}
		if err := in.apply(&p, cmd.Flags().Changed); err != nil {
			return "", err
		}
		return writePolicy(p)
	}
	for _, tt := range []struct {
		text string
		args string
		want string // in the result, or the error
	}{
		{"", "--fair-share alice=2,bob=1", "half_life: \"7d\"\n  default_weight: 1\n  users:\n    alice: 2\n    bob: 1\n"},
		{wholePolicy, "--fair-share alice=5", "half_life: \"7d\"\n  default_weight: 1\n  users:\n    alice: 5\n  groups:\n    kernel: 4\n"},
		{wholePolicy, "--half-life 1d --default-weight 3 --group-share kernel=1", "half_life: \"1d\"\n  default_weight: 3\n  users:\n    alice: 2\n  groups:\n    kernel: 1\n"},
		{wholePolicy, "--cap 3 --user-cap ci=4 --group-cap kernel=5", "default: 3\n  users:\n    ci: 4\n  groups:\n    kernel: 5\n"},
		{"", "--aging 6h", "within: \"6h\"\n  bound: 100\n"},
		{wholePolicy, "--bound 70", "within: \"90m\"\n  bound: 70\n"},
		{"", "--rare-tags 10 --rare-tag usb --lend-after 0", "percent: 10\n  lend_after: \"0s\"\n  tags:\n    - usb\n"},
		{"", "--group kernel=alice+bob", "kernel:\n    - alice\n    - bob\n"},
		{wholePolicy, "--off all --aging 1h", "aging:\n  within: \"1h\"\n  bound: 100\n"},
		{"", "--off everything", `--off "everything": allowed are aging, all`},
		{"", "--bound 70", "--bound needs --aging"},
		{"", "--fair-share alice", `--fair-share "alice": write it like alice=2`},
		{"", "--aging soon", "--aging:"},
		{"", "--group kernel", `--group "kernel": write it like`},
	} {
		got, err := apply(tt.text, strings.Fields(tt.args)...)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.args, got, tt.want)
		}
	}
	if text, err := apply(wholePolicy, "--off", "fair-share,caps,rare-tags,groups"); err != nil || text != "aging:\n  within: \"90m\"\n  bound: 80\n" {
		t.Errorf("with the rest off, error %v:\n%s", err, text)
	}
}

// Each policy in the guide is one that the lab takes.
func TestDocumentedPolicies(t *testing.T) {
	t.Parallel()
	blocks := yamlBlocks(t, filepath.Join(workspace(t), "docs", "scheduling.md"))
	if len(blocks) < 5 {
		t.Fatalf("docs/scheduling.md has %d policies, want at least 5", len(blocks))
	}
	for _, block := range blocks {
		p, err := readPolicyFile("docs/scheduling.md", block)
		if err == nil {
			err = api.CheckPolicy(p)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
}

func TestParseFuture(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"now": "22 12:00", "in 90m": "22 13:30", "in 2 d": "24 12:00", "22:00": "22 22:00", "9:00": "23 09:00", "tomorrow 09:00": "23 09:00",
		"2026-11-30 18:00": "30 18:00", "2026-11-30T18:00:00Z": "30 18:00", "today 13:00": "22 13:00",
		"30m ago": "22 11:30", // as short as a clock time, and not of tomorrow
	} {
		if at, ok := parseFuture(text, now); !ok || at.Format("02 15:04") != want {
			t.Errorf("%q is %v, %v; want the %s", text, at, ok, want)
		}
	}
	for _, text := range []string{"", "soon", "in a while", "25:00", "tomorrow"} {
		if at, ok := parseFuture(text, now); ok {
			t.Errorf("%q is %v, want it refused", text, at)
		}
	}
}

// What is wrong with a call is said before the lab is asked.
func TestReservationMisuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct{ args, want string }{
		{"reservations add q1", "say when it ends: by --until, or by --for"},
		{"reservations add q1 --for 1h --until 22:00", "not by both"},
		{"reservations add q1 --for 1h --user=", "--user is empty"},
		{"reservations add q1 --for 1h --group=", "--group is empty"},
		{"reservations add q1 --for ever", "--for:"},
		{"reservations add q1 --from ever --for 1h", "--from \"ever\""},
		{"reservations end first", "not a reservation's number"},
		{"policy set", "name a file, or what to change"},
		{"policy set p.yaml --cap 3", "either a file or flags"},
	} {
		if status, text := w.strata(t, strings.Fields(tt.args)...); status != exitMisuse || !strings.Contains(text, tt.want) {
			t.Errorf("strata %s: status %d, said %q, want %q", tt.args, status, text, tt.want)
		}
	}
}
