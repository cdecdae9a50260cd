package deploy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/boot"
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
			j.dispatcher = ", container_engine: docker, usb_root: '" + root + "'"
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

// diskRuns are those of the boards that show a disk.
func diskRuns() []methodRun {
	const board = ", board_id: SER1, usb_filesystem_label: BOARD, commands: {connect: 'CONSOLE', hard_reset: power cycle, power_off: power off}"
	const reset, mounts, unmounts = "power cycle", "mount /dev/sdx @/mount-", "umount @/mount-"
	constants := ", constants: {failure_retry: 1, default-shell-prompt: '# ', posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/sh, lava_test_shell_file: x}}"
	actions := func(method string) string {
		return board + constants + ", actions: {deploy: {methods: {" + method + "}}, boot: {connections: {serial: }, methods: {}}}"
	}
	mps := "mps: {parameters: {reboot-string: REBOOT}}"
	mcc := "mcc_prompt: 'Cmd> ', autorun_prompt: 'Press Enter to stop auto boot', mcc_reset_msg: Powering up, msd_mount_cmd: usb_on"
	stop := "print Press Enter to stop auto boot\nwait ^ $\nprompt Cmd> \nwait ^usb_on$\nprompt Cmd> \n"
	erase := stop + "wait ^flash$\nprompt Flash> \nwait ^eraseall$\nprint Erasing Flash\nprompt Flash> \nwait ^exit$\nprompt Cmd> \nhang"
	return []methodRun{
		{name: "mps", job: job{noTest: true, device: actions(mps),
			deploy: "{to: mps, images: {test_binary_2: {url: 'file://DIR/app.axf', rename: AN.AXF}, recovery_image: {url: 'file://DIR/firmware.zip', compression: zip}}}"},
			calls: []string{reset, mounts, unmounts}, disk: "MB/b.txt=board SOFTWARE/AN.AXF=app reboot.txt=REBOOT"},
		{name: "mps with a power supply", job: job{noTest: true, device: actions("mps: {parameters: {hard-reboot: true}}"), deploy: "{to: mps, images: {test_binary: {url: 'file://DIR/app.axf'}}}"},
			calls: []string{reset, mounts, unmounts, "power off"}, disk: "OLD/f= SOFTWARE/app.axf=app"},
		{name: "mps, another image", job: job{noTest: true, device: actions(mps), deploy: "{to: mps, images: {kernel: {url: 'file://DIR/app.axf'}, test_binary_1: {url: 'file://DIR/app.axf'}}}"},
			class: pipeline.Job, says: "Invalid image 'kernel'"},
		{name: "musca", job: job{noTest: true, device: actions("musca: "), deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}}}"},
			calls: []string{reset, mounts, unmounts, mounts, unmounts}, disk: "OLD/f= app.axf=app"},
		{name: "musca, a failure", fail: "bad hex", job: job{noTest: true, device: actions("musca: "), deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}}}"},
			calls: []string{reset, mounts, unmounts, mounts, unmounts}, class: pipeline.Infrastructure, says: "Flash failure indicated by presence of FAIL.TXT (Contents: 'bad hex')"},
		{name: "musca, two images", job: job{noTest: true, device: actions("musca: "), deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}, b: {url: 'file://DIR/app.axf'}}}"},
			class: pipeline.Job, says: "needs exactly one image, 'test_binary', found ['test_binary', 'b']"},
		{name: "vemsd", job: job{noTest: true, script: stop + "hang", device: actions("vemsd: {parameters: {" + mcc + "}}"), deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.tar.gz', compression: gz}}"},
			calls: []string{reset, mounts, unmounts}, disk: "MB/b.txt="},
		{name: "vemsd that erases", job: job{noTest: true, script: erase, device: actions("vemsd: {parameters: {" + mcc + ", flash_prompt: 'Flash> ', flash_enter_cmd: flash, flash_erase_cmd: eraseall, flash_erase_msg: Erasing, flash_exit_cmd: exit}}"),
			deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.zip', compression: zip}}"},
			calls: []string{reset, mounts, unmounts}, disk: "MB/b.txt=board"},
		{name: "vemsd without a prompt", job: job{noTest: true, device: actions("vemsd: {parameters: {}}"), deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.zip', compression: xz}}"},
			class: pipeline.Job, says: "Missing 'mcc_prompt'"},
		{name: "usbg-ms", job: job{noTest: true, device: ", actions: {deploy: {methods: {usbg-ms: {enable: [gadget, 'on', '{IMAGE}'], disable: [gadget, 'off']}}}}", deploy: "{to: usbg-ms, image: {url: 'file://DIR/app.axf'}}"},
			calls: []string{"gadget off", "gadget on @/usbg-ms-*/image/app.axf", "gadget off"}},
	}
}

// downloadRuns are those of methods that leave what they downloaded for boots and tests.
func downloadRuns() []methodRun {
	has := func(key, want string) func(s *pipeline.Session) error {
		return func(s *pipeline.Session) error {
			file, _ := pipeline.Get(s, pipeline.Artefact(key))
			text, err := os.ReadFile(file)
			if string(text) != want {
				return fmt.Errorf("%s has %q: %w", key, text, err)
			}
			return nil
		}
	}
	const constants = ", constants: {failure_retry: 1, default-shell-prompt: '# '}"
	const console = "commands: {connect: 'CONSOLE', hard_reset: power cycle}" + constants
	const image = "images: {fw: {url: 'file://DIR/app.axf'}}"
	pulled := func(s *pipeline.Session) error {
		if name, _ := pipeline.Get(s, pipeline.DockerImage); name != "debian:13" && name != "absent:1" {
			return fmt.Errorf("the image is %q", name)
		}
		return nil
	}
	return []methodRun{
		{name: "fvp", job: job{noTest: true, methods: "{}", deploy: "{to: fvp, " + image + "}", leave: has("fw", "app")}},
		{name: "recovery with a console", job: job{noTest: true, leave: has("fw", "app"), deploy: "{to: recovery, " + image + "}",
			device: ", " + console + ", actions: {deploy: {methods: {recovery: {tags: [serial]}}}, boot: {connections: {serial: }}}"}},
		{name: "download with a power supply", job: job{noTest: true, leave: has("fw", "app"), deploy: "{to: download, " + image + "}",
			device: ", " + console + ", actions: {deploy: {methods: {}}, boot: {connections: {serial: }}}"}, calls: []string{"power cycle"}},
		{name: "download by adb", job: job{noTest: true, leave: has("fw", "app"), methods: "{}", deploy: "{to: download, " + image + "}", device: ", adb_serial_number: SER1, fastboot_serial_number: SER1"},
			calls: []string{"adb start-server", "adb devices", "adb -s SER1 reboot-bootloader"}},
		{name: "download by fastboot", job: job{noTest: true, leave: has("fw", "app"), methods: "{}", deploy: "{to: download, " + image + "}", device: ", adb_serial_number: SER2, fastboot_serial_number: SER2"},
			calls: []string{"adb start-server", "adb devices", "fastboot -s SER2 reboot-bootloader"}},
		{name: "docker", job: job{noTest: true, leave: pulled, methods: "{docker: }", deploy: "{to: docker, image: 'debian:13'}"}, calls: []string{"docker version", "docker pull debian:13"}},
		{name: "docker that is there", job: job{noTest: true, leave: pulled, methods: "{docker: }", deploy: "{to: docker, image: {name: 'debian:13', local: true}}"},
			calls: []string{"docker version", "docker image inspect --format Image exists locally debian:13"}},
		{name: "docker that is not there, elsewhere", job: job{noTest: true, leave: pulled, methods: "{docker: {options: {remote: 'tcp://h:1'}}}", deploy: "{to: docker, image: {name: 'absent:1', local: true}}"},
			calls: []string{"docker --host tcp://h:1 version", "docker --host tcp://h:1 image inspect --format Image exists locally absent:1", "docker --host tcp://h:1 pull absent:1"}},
		{name: "docker with a login", job: job{noTest: true, methods: "{docker: }", deploy: "{to: docker, image: {name: 'debian:13', login: {registry: r.example.com, user: u, password: pw}}}",
			leave: func(s *pipeline.Session) error { _, err := os.Stat(filepath.Join(s.JobDir(), "logged-in")); return err }},
			calls: []string{"docker version", "docker login --username u --password-stdin r.example.com", "docker pull debian:13"}},
		{name: "docker, no name", job: job{noTest: true, methods: "{docker: }", deploy: "{to: docker, image: '-v /:/x'}"}, class: pipeline.Job, says: "image_name '-v /:/x' is invalid"},
		{name: "overlay", job: job{methods: "{overlay: }", deploy: "{to: overlay, os: oe}", check: func(s *pipeline.Session) error {
			file, _ := pipeline.Get(s, pipeline.OverlayFile)
			into := filepath.Join(s.JobDir(), "into")
			if err := errors.Join(os.Mkdir(into, 0o755), archive.Unpack(into, file)); err != nil {
				return err
			}
			_, err := os.Stat(filepath.Join(into, "lava-9/0/tests/0_smoke/run.sh"))
			return err
		}}},
	}
}

// imageRuns are those of methods that put the overlay into an image.
func imageRuns() []methodRun {
	runner := func(key, name string) func(s *pipeline.Session) error {
		return func(s *pipeline.Session) error {
			file, _ := pipeline.Get(s, pipeline.Artefact(key))
			if dir, ok := pipeline.Get(s, boot.QDLDir); ok {
				file = filepath.Join(dir, name)
			}
			if is, err := archive.IsSparse(file); err != nil || is {
				raw := filepath.Join(s.JobDir(), "raw")
				if err := errors.Join(err, archive.FromSparse(raw, file)); err != nil {
					return err
				}
				file = raw
			}
			out, err := exec.Command(e2fs("debugfs"), "-R", "stat /lava-9/bin/lava-test-runner", file).CombinedOutput()
			if !strings.Contains(string(out), "Mode:  0755") {
				return fmt.Errorf("the runner in %s: %s %w", file, out, err)
			}
			return nil
		}
	}
	qdl := "{to: qdl, os: oe, rootfs_image: root.ext4, qcomflash: {url: 'file://DIR/flat.tar.gz', apply-overlay: true}}"
	plain := func(s *pipeline.Session) error {
		dir, _ := pipeline.Get(s, boot.QDLDir)
		_, err := os.Stat(filepath.Join(dir, "flat", "prog.elf"))
		return err
	}
	return []methodRun{
		{name: "u-boot-ums", job: job{methods: "{u-boot-ums: }", deploy: "{to: u-boot-ums, os: oe, image: {url: 'file://DIR/root.ext4'}}", check: runner("image", "")}},
		{name: "uuu", job: job{methods: "{}", deploy: "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.ext4', apply-overlay: true}}}", check: runner("r", "")}},
		{name: "uuu, sparse", job: job{methods: "{}", deploy: "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.sparse', apply-overlay: true, sparse: true}}}", check: runner("r", "")}},
		{name: "uuu that is not sparse", job: job{methods: "{}", deploy: "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.ext4', apply-overlay: true, sparse: true}}}"},
			class: pipeline.Infrastructure, says: "root.ext4 is no Android sparse image"},
		{name: "uuu without boot", job: job{methods: "{}", noTest: true, deploy: "{to: uuu, images: {r: {url: 'file://DIR/app.axf'}}}"}, class: pipeline.Job, says: "'boot' image is required, only found ['r']"},
		{name: "qdl with an overlay", job: job{methods: "{}", deploy: qdl, check: runner("qcomflash", "flat/root.ext4")}},
		{name: "qdl", job: job{methods: "{}", noTest: true, deploy: "{to: qdl, qcomflash: {url: 'file://DIR/flat.tar.gz'}}", leave: plain}},
		{name: "qdl without the image", job: job{methods: "{}", deploy: strings.Replace(qdl, "root.ext4", "other.img", 1)}, class: pipeline.Job, says: "The tarball of 'qcomflash' has no file other.img"},
		{name: "qemu-nfs", job: job{device: ", actions: {deploy: {methods: {nfs: }}, boot: {methods: {qemu-nfs: }}}",
			deploy: "{to: nfs, os: oe, images: {nfsrootfs: {url: 'file://DIR/tree.tar.gz', compression: gz}, kernel: {url: 'file://DIR/app.axf', image_arg: x}}}", check: func(s *pipeline.Session) error {
				root, _ := pipeline.Get(s, pipeline.NFSRoot)
				_, err1 := os.Stat(filepath.Join(root, "etc/passwd"))
				_, err2 := os.Stat(filepath.Join(root, "lava-9/bin/lava-test-runner"))
				return errors.Join(err1, err2)
			}}},
		{name: "qemu-nfs without a root", job: job{noTest: true, device: ", actions: {deploy: {methods: {nfs: }}, boot: {methods: {qemu-nfs: }}}",
			deploy: "{to: nfs, images: {kernel: {url: 'file://DIR/app.axf'}}}"}, class: pipeline.Job, says: "'images' has no 'nfsrootfs'"},
	}
}

// installerRuns are those of methods whose files a boot loader or an installer fetches.
func installerRuns(t *testing.T) []methodRun {
	const depthcharge = ", parameters: {load_address: '0x44000000'}, actions: {deploy: {methods: {tftp: }, parameters: {mkimage_arch: arm64}}, boot: {methods: {depthcharge: }}}"
	// The root that outlives jobs: something listens at the address, and mounting is a program's.
	server, err := net.Listen("tcp", "127.9.8.7:2049")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	t.Cleanup(func() { server.Close() })
	const tail = "d-i preseed/late_command string cp -r /lava-* /target/"
	qemu := ", actions: {deploy: {methods: {image: {parameters: {guest: {size: 8}}}}}, boot: {methods: {qemu: {parameters: {command: qemu-system-x86_64, options: ['-m 512'], " +
		"boot_options: {console: ttyS0, boot_order: c}}}}}}"
	iso := "to: iso-installer, os: debian_installer, images: {preseed: {url: 'file://DIR/preseed.cfg'}, iso: {url: 'file://DIR/app.axf', image_arg: '-drive file={iso},media=cdrom'}}, iso: {kernel: /install/vmlinuz, initrd: /install/initrd.gz, installation_size: "
	return []methodRun{
		{name: "depthcharge", tftp: true, job: job{noTest: true, device: depthcharge,
			deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf'}, dtb: {url: 'file://DIR/preseed.cfg'}, ramdisk: {url: 'file://DIR/initrd.gz', compression: gz}}",
			leave: func(s *pipeline.Session) error {
				if fit, _ := pipeline.Get(s, pipeline.FITImage); !strings.HasPrefix(fit, "lab/9/tftp-deploy-") || !strings.HasSuffix(fit, "/kernel/image.itb") {
					return fmt.Errorf("the image is %q", fit)
				}
				return nil
			}}, calls: []string{"lzma --keep --stdout ", "mkimage -D -I dts -O dtb -p 2048 -f auto -A arm64 -O linux -T kernel -C lzma -d "}},
		{name: "persistent nfs", tftp: true, job: job{device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
			deploy: "{to: tftp, os: oe, kernel: {url: 'file://DIR/app.axf'}, persistent_nfs: {address: '127.9.8.7:/srv/root'}}", check: func(s *pipeline.Session) error {
				dir, _ := pipeline.Get(s, pipeline.PersistentDir)
				disk := ""
				for _, v := range s.Env() {
					if file, ok := strings.CutPrefix(v, "DISK="); ok {
						disk = file
					}
				}
				if _, err := os.Stat(filepath.Join(disk, "lava-9/bin/lava-test-runner")); err != nil || dir != "/srv/root" {
					return fmt.Errorf("the runner: %w, the directory %q", err, dir)
				}
				return nil
			}}, calls: []string{"mount -t nfs 127.9.8.7:/srv/root @/apply-overlay-tftp-*", "umount @/apply-overlay-tftp-*"}},
		{name: "persistent nfs, no server", tftp: true, job: job{noTest: true, device: ", actions: {deploy: {methods: {tftp: }}}",
			deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf'}, persistent_nfs: {address: '127.9.8.6:/srv/root'}}"}, class: pipeline.Job, says: "Unable to connect to the NFS server"},
		{name: "preseed", tftp: true, job: job{device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}", deploy: "{to: tftp, os: debian_installer, kernel: {url: 'file://DIR/app.axf'}, preseed: {url: 'file://DIR/preseed.cfg'}}",
			check: func(s *pipeline.Session) error {
				file, _ := pipeline.Get(s, pipeline.Artefact("preseed"))
				if text, err := os.ReadFile(file); !strings.HasSuffix(string(text), "\n"+tail+"\n") {
					return fmt.Errorf("the preseed file is %q: %w", text, err)
				}
				return nil
			}}},
		{name: "preseed in the ramdisk", tftp: true, job: job{device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
			deploy: "{to: tftp, os: centos_installer, kernel: {url: 'file://DIR/app.axf'}, ramdisk: {url: 'file://DIR/initrd.gz', compression: gz}, preseed: {url: 'file://DIR/preseed.cfg'}}",
			check: func(s *pipeline.Session) error {
				file, _ := pipeline.Get(s, pipeline.RamdiskFile)
				in, err := os.Open(file)
				if err != nil {
					return err
				}
				defer in.Close()
				disk, err := archive.ReadRamdisk(in)
				if local, _ := pipeline.Get(s, pipeline.PreseedLocal); err != nil || local != "preseed.cfg" || !disk.Has(local) {
					return fmt.Errorf("%q in %v: %w", local, disk, err)
				}
				preseed, _ := pipeline.Get(s, pipeline.Artefact("preseed"))
				if text, err := os.ReadFile(preseed); !strings.Contains(string(text), "curl -o /overlay.tar.gz tftp://192.0.2.1/lab/9/") {
					return fmt.Errorf("the file is %q: %w", text, err)
				}
				return nil
			}}},
		{name: "iso-installer", tftp: true, job: job{device: qemu, deploy: "{" + iso + "2G}}", check: func(s *pipeline.Session) error {
			m, _ := pipeline.Get(s, pipeline.InstallerRun)
			line := strings.Join(m.Command, " ")
			for _, want := range []string{"qemu-system-x86_64 -m 512 -kernel ", "/vmlinuz -initrd ", "/initrd.gz -drive format=raw,file=", "/hd.img -drive file=", ",media=cdrom -boot c"} {
				if !strings.Contains(line, want) {
					return fmt.Errorf("%q is not in %s", want, line)
				}
			}
			if !strings.HasPrefix(m.Append, "auto=true priority=critical install noprompt debian-installer/locale=en_US ") ||
				!strings.Contains(m.Append, " preseed/url=tftp://192.0.2.1/lab/9/") || !strings.HasSuffix(m.Append, "/preseed/preseed.cfg console=ttyS0") {
				return fmt.Errorf("the kernel is told %q", m.Append)
			}
			if info, err := os.Stat(m.Disk); err != nil || info.Size() != 2<<30 || !slices.Contains(m.Prompts, "reboot: Power down") {
				return fmt.Errorf("the disk: %v %w, the prompts %q", info, err, m.Prompts)
			}
			if _, ok := pipeline.Get(s, pipeline.Guest); !ok {
				return errors.New("there is no drive with the overlay")
			}
			return nil
		}}, calls: []string{"isoinfo -R -i ", "isoinfo -R -i "}},
		{name: "iso-installer, too large", tftp: true, job: job{device: qemu, deploy: "{" + iso + "9G}}"}, class: pipeline.Job, says: "installation_size '9G' must be more than nothing and at most 8192M"},
		{name: "iso-installer, no size", tftp: true, job: job{device: qemu, deploy: "{" + iso + "2X}}"}, class: pipeline.Job, says: "installation_size '2X' must be a number with M or G"},
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
