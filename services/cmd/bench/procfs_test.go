package main

import (
	"os"
	"testing"
	"time"
)

// A process may call itself what it likes: the fields are found behind its name all the same.
func TestProcessorTimeOfAnyName(t *testing.T) {
	for _, name := range []string{"strata", "a) S 1 (b", "((", ""} {
		fields := behindName([]byte("42 (" + name + ") S 7 42 42 0 -1 4194304 1 2 3 4 150 25 0 0 20 0 1 0 99\n"))
		if len(fields) < 13 || fields[1] != "7" {
			t.Errorf("fields of a process called %q: %q, want its parent, 7, as the second", name, fields)
			continue
		}
		if used, err := usedBy(42, fields); err != nil || used != 1750*time.Millisecond {
			t.Errorf("processor time of a process called %q: %v, %v; want 1.75 s", name, used, err)
		}
	}
}

// What the children use is counted with their parent.
func TestProcessorTimeOfAll(t *testing.T) {
	own, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := processorTimeOfAll(os.Getpid())
	if err != nil || all < own {
		t.Errorf("this process with its children: %v, %v; want at least its own %v", all, err, own)
	}
	if _, err := processorTime(1 << 30); err == nil {
		t.Error("the time of a process that there is not: no error")
	}
}
