package download

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// TestFileOfTheWorker asks for the order of another job, straight and through links. Neither the check of
// the job nor its run may read it.
func TestFileOfTheWorker(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	state, open := filepath.Join(root, "state"), filepath.Join(root, "open")
	order, fine := filepath.Join(state, "jobs", "7-1", "order.json"), filepath.Join(root, "stateful.img")
	for _, dir := range []string{filepath.Dir(order), open} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{order, fine} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link, folder, other := filepath.Join(open, "image"), filepath.Join(open, "images"), filepath.Join(root, "other")
	for name, to := range map[string]string{link: order, folder: filepath.Dir(order), other: state} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, state, path string
		refused           bool
	}{
		{"straight", state, order, true},
		{"with dots", state, open + "/../state/jobs/7-1/order.json", true},
		{"by a link", state, link, true},
		{"by a linked folder", state, filepath.Join(folder, "order.json"), true},
		{"where the worker knows its directory by a link", other, order, true},
		{"beside it", state, fine, false},
		{"where there is no worker", "", order, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const says = "lies in the worker's own directory"
			j := newJob(t, "file://"+tt.path, "")
			j.services.State = tt.state
			invalid, err := j.validate(t), j.run(t)
			if !tt.refused {
				if invalid != nil || err != nil || j.got != string(content) {
					t.Errorf("validation %v, run %v, %d bytes; want the file", invalid, err, len(j.got))
				}
				return
			}
			if pipeline.ClassOf(invalid) != pipeline.Job || !strings.Contains(invalid.Error(), says) {
				t.Errorf("validation: %s %v, want a Job error that it %s", pipeline.ClassOf(invalid), invalid, says)
			}
			if pipeline.ClassOf(err) != pipeline.Job || !strings.Contains(err.Error(), says) || j.got != "" {
				t.Errorf("run: %s %v, %d bytes; want a Job error that it %s", pipeline.ClassOf(err), err, len(j.got), says)
			}
		})
	}
}
