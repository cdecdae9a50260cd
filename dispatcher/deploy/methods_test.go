package deploy

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

func TestMain(m *testing.M) { dispatchertest.Main(m) }

// answers are what the programs of the worker say that deploy methods call. The board's disk is the
// directory $DISK: mounting copies it to the mount point, unmounting back, and then the board may
// leave $FAIL on it and shows it anew ($SEQ counts).
const answers = `
'mount -t nfs '*) eval "dir=\${$#}"; : >"$dir/is-mounted";;
mount*) eval "dir=\${$#}"; cp -r "$DISK/." "$dir";;
umount*) [ -z "$DISK" ] || { rm -rf "$DISK"; mkdir "$DISK"; cp -r "$1/." "$DISK"; find "$1" -mindepth 1 -delete; echo $$ >"$SEQ"; [ -z "$FAIL" ] || echo "$FAIL" >"$DISK/FAIL.TXT"; };;
'gadget off'*) [ -e "$DISK/on" ] && rm "$DISK/on";;
'gadget on'*) cp "$2" "$DISK/on";;
isoinfo*) eval "out=\${$#}"; echo "$5" >"$out";;
docker*' image inspect '*absent*) exit 1;;
docker*login*) read password; [ "$password" = pw ] && echo in >"$HOME/logged-in";;
adb*devices*) printf 'List\nSER1\tdevice\n';;
lzma*) echo packed;;
mkimage*) eval "out=\${$#}"; : >"$out";;
`

// A methodRun is one deploy block, run.
type methodRun struct {
	name string
	job
	tftp  bool           // there is a TFTP server
	fail  string         // what the board complains of
	calls []string       // in order, by how they begin; @ stands for the job's directory
	disk  string         // names and contents of the board's disk at the end
	class pipeline.Class // of the error
	says  string         // in the error
}

// Methods that hand what they downloaded to a program or a disk hand over the right thing, and clean
// up after themselves.
func TestMethodsRun(t *testing.T) {
	dispatchertest.Programs(t, answers, "mount", "umount", "gadget", "isoinfo", "docker", "adb", "fastboot", "lzma", "mkimage", "power", "cat-board")
	files := methodFiles(t)
	for _, tt := range slices.Concat(diskRuns(), downloadRuns(), imageRuns(), installerRuns(t)) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record, root, disk := dispatchertest.NewCalls(t), dispatchertest.USB(t), filepath.Join(t.TempDir(), "disk")
			if err := errors.Join(os.MkdirAll(filepath.Join(disk, "OLD"), 0o755), os.WriteFile(filepath.Join(disk, "OLD", "f"), nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			j := tt.job
			j.dispatcher = ", container_engine: docker, usb_root: '" + root + "'" + j.limit
			j.env = []string{record.Env(), "DISK=" + disk, "SEQ=" + dispatchertest.DiskSeq(root), "FAIL=" + tt.fail}
			if tt.tftp {
				j.services.TFTP = pipeline.Export{Dir: t.TempDir(), Path: "lab"}
			}
			j.deploy = strings.ReplaceAll(j.deploy, "DIR", files)
			j.device = strings.ReplaceAll(j.device, "CONSOLE", dispatchertest.Console(t, j.script))
			err := j.whole(t)
			switch {
			case tt.class == "" && err != nil:
				t.Errorf("error: %v\nlog: %s", err, dispatchertest.TextOf(j.log))
			case tt.class != "" && (err == nil || pipeline.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(err), err, tt.class, tt.says)
			}
			got := record.List(t, j.dir)
			fits := len(got) == len(tt.calls)
			for i, want := range tt.calls {
				fits = fits && strings.HasPrefix(got[i], want)
			}
			if !fits {
				t.Errorf("calls:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.calls, "\n     "))
			}
			if on := onDisk(t, disk); tt.disk != "" && on != tt.disk {
				t.Errorf("the disk has %s, want %s", on, tt.disk)
			}
		})
	}
}

// methodFiles makes what the methods download.
func methodFiles(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath(e2fs("mke2fs")); err != nil {
		t.Skip("SKIPPED: mke2fs is not installed")
	}
	var firmware bytes.Buffer
	z := zip.NewWriter(&firmware)
	w, err := z.Create("MB/b.txt")
	if err == nil {
		_, err = w.Write([]byte("board"))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string][]byte{"app.axf": []byte("app"), "firmware.zip": firmware.Bytes(), "firmware.tar.gz": packed(t, tarball(t, "MB/b.txt")),
		"tree.tar.gz": packed(t, tarball(t, "etc/passwd")), "preseed.cfg": []byte("d-i x"), "initrd.gz": emptyRamdisk(t)})
	image, flat := filepath.Join(dir, "root.ext4"), filepath.Join(dir, "flat")
	for _, argv := range [][]string{
		{e2fs("mke2fs"), "-q", "-F", "-t", "ext4", image, "8M"}, {"mkdir", flat}, {"cp", "--sparse=always", image, flat},
		{"cp", filepath.Join(dir, "app.axf"), filepath.Join(flat, "prog.elf")}, {"tar", "-C", dir, "-S", "-czf", filepath.Join(dir, "flat.tar.gz"), "flat"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v %s", argv, err, out)
		}
	}
	if err := archive.ToSparse(filepath.Join(dir, "root.sparse"), image); err != nil {
		t.Fatal(err)
	}
	return dir
}

func packed(t *testing.T, content []byte) []byte {
	t.Helper()
	return gzipped(t, string(content))
}

// onDisk lists files with their contents.
func onDisk(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		below, _ := filepath.Rel(dir, name)
		out = append(out, below+"="+string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}
