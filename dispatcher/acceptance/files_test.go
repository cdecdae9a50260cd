package acceptance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A binary file of a real guest arrives byte for byte, through its network and through its serial console.
func TestFilesOfAGuest(t *testing.T) {
	for _, by := range []string{"network", "console"} {
		t.Run(by, func(t *testing.T) {
			dispatchertest.Boots(t)
			dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86")
			got := run(t, job{
				definition: text(t, "testdata/files-job.yaml"), device: "{% extends 'qemu.jinja2' %}\n", context: "{arch: amd64, machine: q35, memory: 256}",
				dispatcher: "{}", web: "127.0.0.1:0", values: map[string]string{"DIR": materials(t, "kernel-amd64", "initramfs-amd64"), "BY": by},
			})
			got.wantComplete(t)
			got.wantResults(t, map[string]string{"0_smoke/digest": "pass", "0_smoke/after": "pass", "lava/0_smoke": "pass"})
			files, bodies := got.files(t)
			if len(files) != 1 {
				t.Fatalf("%d files are kept, want 1\n%s", len(files), got.text())
			}
			sum := sha256.Sum256(bodies[0])
			digest, told := hex.EncodeToString(sum[:]), got.result(t, "0_smoke/digest")["units"]
			if f := files[0]; f.Bytes != 200<<10 || len(bodies[0]) != 200<<10 || f.SHA256 != digest || told != digest || f.Name != "trace.dat" || f.Case != "digest" || f.Suite != "0_smoke" {
				t.Errorf("kept %d bytes of digest %s as %+v; the guest says %v", len(bodies[0]), digest, f, told)
			}
			if lines := strings.Count(got.text(), "STRATA_FILE "); (lines > 1000) != (by == "console") {
				t.Errorf("by %s: %d lines of the console are of the file", by, lines)
			}
		})
	}
}

// files returns the files of the tests, as the log has them.
func (o outcome) files(t *testing.T) (files []events.File, bodies [][]byte) {
	t.Helper()
	part := func(n uint64) (p events.FilePart) {
		if err := json.Unmarshal(o.log[n].Message, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for n, r := range o.log {
		if r.Level != events.FileData || part(uint64(n)).File == nil {
			continue
		}
		f := *part(uint64(n)).File
		var body []byte
		for i := range f.Parts {
			body = append(body, part(f.First+i).Data...)
		}
		files, bodies = append(files, f), append(bodies, body)
	}
	return files, bodies
}
