package exports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

func TestExported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	job := filepath.Join(dir, "tmp", "42", "extract-nfsrootfs-x")
	if err := os.MkdirAll(job, 0o755); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ table, want string }{
		"above":    {real + "/tmp\t*(rw,no_root_squash)\n", ""},
		"itself":   {"/srv\t*(ro)\n" + real + "/tmp/42/extract-nfsrootfs-x\t10.0.0.0/8(rw)\n", ""},
		"root":     {"/\t*(rw)\n", ""},
		"beside":   {real + "/tm\t*(rw)\n", "does not export"},
		"below":    {real + "/tmp/42/extract-nfsrootfs-x/etc\t*(rw)\n", "does not export"},
		"nothing":  {"", "does not export"},
		"no table": {"-", ""},
	} {
		table := filepath.Join(t.TempDir(), "etab")
		if tt.table != "-" {
			if err := os.WriteFile(table, []byte(tt.table), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := exported(table, job)
		if (err != nil) != (tt.want != "") || err != nil && (pipeline.ClassOf(err) != pipeline.Configuration || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
