package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// This file reads what Linux tells of processes in /proc, as proc_pid_stat(5) has it.

// procTick is the unit of the processor times there: the kernel's USER_HZ, which is 100 on all that Go
// runs on, whatever the kernel itself counts by.
const procTick = time.Second / 100

// statOf returns the fields of /proc/<pid>/stat that stand behind the name of the process, the state
// the first of them and the parent the second.
func statOf(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := behindName(text)
	if len(fields) < 13 {
		return nil, fmt.Errorf("read /proc/%d/stat: %q has too few fields", pid, text)
	}
	return fields, nil
}

// behindName cuts a line of that file. The name, in brackets, may hold anything, brackets and blanks
// too, so it is the last bracket that ends it.
func behindName(line []byte) []string {
	return strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
}

// processorTime returns what a process has used of the processors since it started, in its own name
// and the kernel's, to a hundredth of a second. What its children use is not in it.
func processorTime(pid int) (time.Duration, error) {
	fields, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return usedBy(pid, fields)
}

// usedBy adds utime and stime, fields 14 and 15 of the whole line.
func usedBy(pid int, fields []string) (sum time.Duration, err error) {
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		sum += time.Duration(ticks) * procTick
	}
	return sum, nil
}

// processorTimeOfAll returns the same for a process and its children together: the engine of a lab is
// a child. A child that has ended is not in it any more, so between two readings none may end.
func processorTimeOfAll(pid int) (sum time.Duration, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // not a process
		}
		fields, err := statOf(n)
		if err != nil {
			continue // it has ended meanwhile
		}
		if n != pid && fields[1] != strconv.Itoa(pid) { // the parent
			continue
		}
		used, err := usedBy(n, fields)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
