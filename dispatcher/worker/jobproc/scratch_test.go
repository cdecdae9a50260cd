package jobproc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/schemas/order"
)

func TestScratch(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "made", "too")
	for _, tt := range []struct{ name, config, want, problem string }{
		{"its own", "prefix: x-", "OWN", ""},
		{"below dispatcher_download_dir", "{prefix: x-, dispatcher_download_dir: " + other + "}", other + "/x-40.1", ""},
		{"not absolute", "dispatcher_download_dir: tmp", "", "no absolute path"},
		{"unreadable", "[", "OWN", ""}, // the job itself ends over it
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := Job{Dir: t.TempDir(), Order: order.Order{Work: &order.Work{Display: "40.1", Dispatcher: order.Text{Inline: tt.config}}}}
			j.Scratch = filepath.Join(j.Dir, ScratchDir)
			if err := os.Mkdir(j.Scratch, 0o755); err != nil {
				t.Fatal(err)
			}
			got, err := scratch(j)
			if got != strings.Replace(tt.want, "OWN", j.Scratch, 1) || (err != nil) != (tt.problem != "") {
				t.Fatalf("scratch %q, %v; want %q", got, err, tt.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v", err)
				}
				return
			}
			// As a job leaves it that was killed.
			if err := os.MkdirAll(filepath.Join(got, "overlay-x"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := RemoveScratch(j.Dir); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{got, j.Scratch} {
				if _, err := os.Lstat(path); !os.IsNotExist(err) {
					t.Errorf("%s stays: %v", path, err)
				}
			}
		})
	}
}
