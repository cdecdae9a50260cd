package multinode

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	m "strata/schemas/multinode"
)

// script plays requests to a group, one a line: "41 join 2 server", "41 send ready ip=10.0.0.1",
// "42 wait ready", "42 wait-all done client", "41 sync both", "41 leave", "41 ends Canceled", and
// returns what was answered after each line as "42 ack 41:ip=10.0.0.1", all on one line.
type script struct {
	g     *group
	roles map[string]string
	next  int
}

func newScript() *script { return &script{g: newGroup(), roles: map[string]string{}} }

func (s *script) play(line string) string {
	w := strings.Fields(line)
	if w[1] == "ends" {
		return told(s.g.end(w[0], w[2]))
	}
	s.next++
	r := m.Request{Version: 1, Client: w[0], Op: m.Op(w[1]), Number: strconv.Itoa(s.next), Role: s.roles[w[0]], Reply: w[0]}
	switch r.Op {
	case m.Join:
		r.Size, _ = strconv.Atoi(w[2])
		r.Role = w[3]
		s.roles[w[0]] = r.Role
	case m.Leave:
	default:
		r.ID = w[2]
		for _, pair := range w[3:] {
			if k, v, ok := strings.Cut(pair, "="); ok {
				r.Message = append(r.Message, m.Pair{Key: k, Value: v})
			} else {
				r.Of = pair
			}
		}
	}
	return told(s.g.hear(r))
}

func told(all []answer) string {
	var lines []string
	for _, a := range all {
		line := a.to + " " + string(a.Outcome)
		for _, s := range a.Messages {
			for _, p := range s.Message {
				line += fmt.Sprintf(" %s:%s=%s", s.Client, p.Key, p.Value)
			}
		}
		for _, x := range a.Members {
			line += " " + x.Client + "=" + x.Role
		}
		if a.Reason != "" {
			line += " (" + a.Reason + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func TestGroup(t *testing.T) {
	pair := [][2]string{{"41 join 2 server", ""}, {"42 join 2 client", "41 ack 41=server 42=client; 42 ack 41=server 42=client"}}
	three := [][2]string{{"1 join 3 a", ""}, {"2 join 3 b", ""}, {"3 join 3 b", "1 ack 1=a 2=b 3=b; 2 ack 1=a 2=b 3=b; 3 ack 1=a 2=b 3=b"}}
	for _, c := range []struct {
		name  string
		begin [][2]string
		lines [][2]string
	}{
		{"not joined", nil, [][2]string{{"41 send x", "41 nack (nobody has joined the group)"}, {"41 wait x", "41 nack (nobody has joined the group)"}}},
		{"wait before send", pair, [][2]string{{"42 wait x", ""}, {"41 send x ip=1 note=2", "42 ack 41:ip=1 41:note=2; 41 ack"}}},
		{"wait after send, twice", pair, [][2]string{{"41 send x ip=1", "41 ack"}, {"42 wait x", "42 ack 41:ip=1"}, {"42 wait x", "42 ack 41:ip=1"}}},
		{"a later send replaces values", pair, [][2]string{{"41 send x a=1 b=2", "41 ack"}, {"41 send x b=3 c=4", "41 ack"}, {"42 wait x", "42 ack 41:a=1 41:b=3 41:c=4"}}},
		{"one's own message", pair, [][2]string{{"41 send x", "41 ack"}, {"41 wait x", "41 ack"}}},
		{"wait-all before anybody sent", pair, [][2]string{{"42 wait-all x", ""}, {"41 send x k=1", "41 ack"}, {"42 send x k=2", "42 ack 41:k=1 42:k=2; 42 ack"}}},
		{"wait-all with a role", three, [][2]string{{"1 wait-all x b", ""}, {"2 send x", "2 ack"}, {"1 send x", "1 ack"}, {"3 send x k=3", "1 ack 3:k=3; 3 ack"}}},
		{"the own role does not answer", three, [][2]string{{"1 send x", "1 ack"}, {"1 wait-all x b", ""}}},
		{"unknown role", three, [][2]string{{"1 wait-all x nope", "1 nack (no job of the group has the role nope)"}, {"2 send x", "2 ack"}}},
		{"sync", pair, [][2]string{{"41 sync both", ""}, {"42 sync both", "41 ack; 42 ack"}}},
		{"sync again", pair, [][2]string{{"41 sync s", ""}, {"42 sync s", "41 ack; 42 ack"}, {"42 sync s", ""}, {"41 sync s", "42 ack; 41 ack"}}},
		{"one is a meeting ahead", three, [][2]string{{"1 sync s", ""}, {"2 sync s", ""}, {"3 sync s", "1 ack; 2 ack; 3 ack"}, {"3 sync s", ""}, {"1 sync s", ""}, {"2 sync s", "3 ack; 1 ack; 2 ack"}}},
		{"an id called nack", pair, [][2]string{{"41 send nack", "41 ack"}, {"42 wait nack", "42 ack"}}},
		{"too many", pair, [][2]string{{"43 join 2 server", "43 nack (the group has its 2 members already, job 43 is none of them)"}}},
		{"another size", [][2]string{{"41 join 2 server", ""}}, [][2]string{{"42 join 3 client", "42 nack (job 42 says that the group has 3 members, others said 2)"}}},
		{"over before it joined", [][2]string{{"41 join 2 server", ""}}, [][2]string{{"42 ends Canceled", "41 gone (job 42 is over (Canceled) and has not joined)"}}},
		{"nobody is left to send", pair, [][2]string{{"42 wait x", ""}, {"41 ends Incomplete", "42 gone (all other jobs of the group are over and none has sent x)"}}},
		{"somebody is left to send", three, [][2]string{{"1 wait x", ""}, {"2 ends Incomplete", ""}, {"3 send x", "1 ack; 3 ack"}}},
		{"a sender is over", three, [][2]string{{"1 wait-all x", ""}, {"2 send x", "2 ack"}, {"2 ends Complete", ""}, {"3 ends Canceled", "1 gone (job 3 is over (Canceled) and has not sent x)"}}},
		{"who waits may be over for all we know", pair, [][2]string{{"41 sync s", ""}, {"42 ends Canceled", "41 gone (job 42 is over (Canceled) and has not come to s)"}}},
		{"who came and is over has come", pair, [][2]string{{"42 sync s", ""}, {"42 ends Canceled", ""}, {"41 sync s", "42 ack; 41 ack"}}},
		{"left", pair, [][2]string{{"42 wait x", ""}, {"41 leave", "42 gone (all other jobs of the group are over and none has sent x); 41 ack"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript()
			for _, l := range slices.Concat(c.begin, c.lines) {
				if got := s.play(l[0]); got != l[1] {
					t.Errorf("%s: answered %q, want %q", l[0], got, l[1])
				}
			}
		})
	}
}

// A request that comes again under its number changes nothing and is answered as before, or as soon
// as there is an answer.
func TestHeardAgain(t *testing.T) {
	s := newScript()
	s.play("41 join 2 a")
	s.play("42 join 2 b")
	sync := m.Request{Version: 1, Op: m.Sync, Number: "x", Client: "41", ID: "s", Reply: "old"}
	if got := told(s.g.hear(sync)); got != "" {
		t.Fatalf("answered %q alone", got)
	}
	sync.Reply = "new"
	if got := told(s.g.hear(sync)); got != "" {
		t.Errorf("answered %q alone", got)
	}
	if got := s.play("42 sync s"); got != "new ack; 42 ack" {
		t.Errorf("answered %q", got)
	}
	if got := told(s.g.hear(sync)); got != "new ack" {
		t.Errorf("a lost answer: got %q", got)
	}
	if n := s.g.syncs["s"]["41"]; n != 1 {
		t.Errorf("41 has come %d times, want 1", n)
	}
}

// However requests of many members mix, and wherever a service starts again in the middle, in the end
// the same is answered to the same requests.
func TestRestart(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := 2 + r.IntN(3)
		var lines []string
		for i := range size {
			lines = append(lines, fmt.Sprintf("%d join %d r%d", i, size, i%2))
		}
		for range 30 {
			who, id := r.IntN(size), r.IntN(2)
			lines = append(lines, fmt.Sprintf("%d %s", who, []string{
				fmt.Sprintf("send m%d k=%d", id, r.IntN(9)), fmt.Sprintf("wait m%d", id),
				fmt.Sprintf("wait-all m%d r%d", id, id), fmt.Sprintf("sync s%d", id)}[r.IntN(4)]))
		}
		whole, cut := newScript(), newScript()
		at := r.IntN(len(lines))
		var want, got []string
		for i, l := range lines {
			answers := whole.play(l)
			if i >= at {
				want = append(want, answers)
			}
		}
		for i, l := range lines {
			answers := cut.play(l)
			if i >= at {
				got = append(got, answers)
			}
			if i == at-1 { // a new service reads the stream from its start
				again := newScript()
				for _, l := range lines[:at] {
					again.play(l)
				}
				if !reflect.DeepEqual(again.g, cut.g) {
					t.Fatalf("seed %d: the fold differs after reading again", seed)
				}
				cut = again
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: after a restart at %d\n got %q\nwant %q", seed, at, got, want)
		}
	}
}

func TestTooManyRequests(t *testing.T) {
	s := newScript()
	s.play("1 join 1 a")
	for range maxRequests - 1 {
		s.play("1 send x")
	}
	if got := s.play("1 send x"); got != "1 nack (the group has made 100000 requests already)" {
		t.Errorf("got %q", got)
	}
}
