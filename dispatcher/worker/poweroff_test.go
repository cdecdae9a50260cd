package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/worker/jobproc"
	"strata/events"
	"strata/schemas/order"
)

// TestPowersOffAfterADeadJob lets a job's process die. It can switch nothing off any more, so the worker
// does, before it says that the job is over.
func TestPowersOffAfterADeadJob(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	off := filepath.Join(l.dir, "off")
	tests := []struct {
		name, script, commands string
		says                   string // of the verdict and the log; "" for nothing
		files                  []string
	}{
		{"one command", "say hello\ncrash", "power_off: touch " + off + "1", "the worker switched the device off", []string{off + "1"}},
		{"several commands", "say hello\ncrash", fmt.Sprintf("power_off: [touch %s2, touch %s3]", off, off),
			"the worker switched the device off", []string{off + "2", off + "3"}},
		{"a command that fails", "say hello\ncrash", "power_off: /bin/false", "the worker could not switch the device off: exit status 1", nil},
		{"not with the worker's credentials", "say hello\ncrash", "power_off: sh -c 'test -z \"$PDU_PASSWORD\" && touch " + off + "6'", "the worker switched the device off", []string{off + "6"}},
		{"no power", "say hello\ncrash", "hard_reset: touch " + off + "4", "", nil},
		{"a job that ended by itself", "say hello\nfail x", "power_off: touch " + off + "5", "", nil},
	}
	for i, tt := range tests {
		job, lease := uint64(i+1), uint64(i+7)
		o := start(job, lease, "q1")
		o.Version = order.Version
		o.Work = &order.Work{Display: fmt.Sprint(job), Credential: "any", Definition: order.Text{Inline: tt.script},
			Device: order.Text{Inline: "commands:\n  " + tt.commands}}
		l.publish(t, o)
		v := l.await(t, order.Finished, job, lease).Verdict
		for _, file := range tt.files {
			if !exists(file) {
				t.Errorf("%s: the job was reported finished, and %s was not run", tt.name, filepath.Base(file))
			}
		}
		if tt.says != "" && !strings.Contains(v.Error, tt.says) || tt.says == "" && strings.Contains(v.Error, "switch") {
			t.Errorf("%s: verdict %q, want %q in it", tt.name, v.Error, tt.says)
		}
		if !exists(l.jobDir(job, lease)) {
			t.Errorf("%s: no directory", tt.name)
		}
		var task jobproc.Task
		if err := jobproc.Read(filepath.Join(l.jobDir(job, lease), jobproc.TaskFile), &task); err != nil || task.Services.State != l.dir {
			t.Errorf("%s: the job was told that the state is in %q (error %v), want %q", tt.name, task.Services.State, err, l.dir)
		}
		if empty := l.await(t, order.SpoolEmpty, job, lease); empty.Lines != v.Lines {
			t.Errorf("%s: %d lines sent, the verdict says %d", tt.name, empty.Lines, v.Lines)
		}
	}
	for i, tt := range tests {
		want := []string{"hello"}
		if tt.says != "" {
			want = append(want, "The job's process ended without a result; "+tt.says+".")
		}
		if got := l.lines(t, events.JobID(i+1)); !slices.Equal(got, want) {
			t.Errorf("%s: log %q, want %q", tt.name, got, want)
		}
	}
	for _, n := range []string{"4", "5"} {
		if _, err := os.Stat(off + n); err == nil {
			t.Errorf("%s%s was run", off, n)
		}
	}
}
