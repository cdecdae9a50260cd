package api

import "testing"

// One caller opens no more than so many flows, whoever else has some; what has ended makes room.
func TestFlowsAreCounted(t *testing.T) {
	t.Parallel()
	var open openFlows
	for n := range flowsOf {
		if !open.take("alice") {
			t.Fatalf("after %d flows another one is refused, allowed are %d", n, flowsOf)
		}
	}
	if open.take("alice") {
		t.Error("one more flow than is allowed was taken")
	}
	if !open.take("bob") {
		t.Error("another caller has no room by it")
	}
	open.end("alice")
	if !open.take("alice") {
		t.Error("a flow that has ended makes no room")
	}
	open.end("bob")
	if _, there := open.of["bob"]; there {
		t.Error("a caller without flows is remembered")
	}
}
