package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"strata/dispatcher/boot"
	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

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
		{
			name: "fvp",
			job: job{
				noTest:  true,
				methods: "{}",
				deploy:  "{to: fvp, " + image + "}",
				leave:   has("fw", "app"),
			},
		},
		{
			name: "recovery with a console",
			job: job{
				noTest: true,
				leave:  has("fw", "app"),
				deploy: "{to: recovery, " + image + "}",
				device: ", " + console + ", actions: {deploy: {methods: {recovery: {tags: [serial]}}}, boot: {connections: {serial: }}}",
			},
		},
		{
			name: "download with a power supply",
			job: job{
				noTest: true,
				leave:  has("fw", "app"),
				deploy: "{to: download, " + image + "}",
				device: ", " + console + ", actions: {deploy: {methods: {}}, boot: {connections: {serial: }}}",
			},
			calls: []string{"power cycle"},
		},
		{
			name: "download by adb",
			job: job{
				noTest:  true,
				leave:   has("fw", "app"),
				methods: "{}",
				deploy:  "{to: download, " + image + "}",
				device:  ", adb_serial_number: SER1, fastboot_serial_number: SER1",
			},
			calls: []string{"adb start-server", "adb devices", "adb -s SER1 reboot-bootloader"},
		},
		{
			name: "download by fastboot",
			job: job{
				noTest:  true,
				leave:   has("fw", "app"),
				methods: "{}",
				deploy:  "{to: download, " + image + "}",
				device:  ", adb_serial_number: SER2, fastboot_serial_number: SER2",
			},
			calls: []string{"adb start-server", "adb devices", "fastboot -s SER2 reboot-bootloader"},
		},
		{
			name: "downloads with steps",
			job: job{
				noTest:  true,
				methods: "{}",
				deploy:  "{to: downloads, " + image + ", postprocess: {docker: {image: 'deb:1', steps: [make it], devices: [/dev/x]}}}",
				leave:   stepsWritten,
			},
			calls: []string{"docker pull deb:1", "docker run --rm --name lava-9-1.2 --workdir /lava-downloads --mount type=bind,source=@/downloads/common,destination=/lava-downloads"},
		},
		{
			name: "downloads without steps",
			job: job{
				noTest:  true,
				methods: "{}",
				deploy:  "{to: downloads, " + image + ", postprocess: {docker: {image: 'deb:1'}}}",
			},
			class: pipeline.Job,
			says:  "postprocess.docker has no steps",
		},
		{
			name: "docker",
			job: job{
				noTest:  true,
				leave:   pulled,
				methods: "{docker: }",
				deploy:  "{to: docker, image: 'debian:13'}",
			},
			calls: []string{"docker version", "docker pull debian:13"},
		},
		{
			name: "docker that is there",
			job: job{
				noTest:  true,
				leave:   pulled,
				methods: "{docker: }",
				deploy:  "{to: docker, image: {name: 'debian:13', local: true}}",
			},
			calls: []string{"docker version", "docker image inspect --format Image exists locally debian:13"},
		},
		{
			name: "docker that is not there, elsewhere",
			job: job{
				noTest:  true,
				leave:   pulled,
				methods: "{docker: {options: {remote: 'tcp://h:1'}}}",
				deploy:  "{to: docker, image: {name: 'absent:1', local: true}}",
			},
			calls: []string{
				"docker --host tcp://h:1 version",
				"docker --host tcp://h:1 image inspect --format Image exists locally absent:1",
				"docker --host tcp://h:1 pull absent:1",
			},
		},
		{
			name: "docker with a login",
			job: job{
				noTest:  true,
				methods: "{docker: }",
				deploy:  "{to: docker, image: {name: 'debian:13', login: {registry: r.example.com, user: u, password: pw}}}",
				leave:   func(s *pipeline.Session) error { _, err := os.Stat(filepath.Join(s.JobDir(), "logged-in")); return err },
			},
			calls: []string{
				"docker version",
				"docker login --username u --password-stdin r.example.com",
				"docker pull debian:13",
			},
		},
		{
			name: "docker, no name",
			job: job{
				noTest:  true,
				methods: "{docker: }",
				deploy:  "{to: docker, image: '-v /:/x'}",
			},
			class: pipeline.Job,
			says:  "image_name '-v /:/x' is invalid",
		},
		{
			name: "overlay",
			job: job{
				methods: "{overlay: }",
				deploy:  "{to: overlay, os: oe}",
				check: func(s *pipeline.Session) error {
					file, _ := pipeline.Get(s, pipeline.OverlayFile)
					into := filepath.Join(s.JobDir(), "into")
					if err := errors.Join(os.Mkdir(into, 0o755), archive.Unpack(into, file)); err != nil {
						return err
					}
					_, err := os.Stat(filepath.Join(into, "lava-9/0/tests/0_smoke/run.sh"))
					return err
				},
			},
		},
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
		{
			name: "u-boot-ums",
			job: job{
				methods: "{u-boot-ums: }",
				deploy:  "{to: u-boot-ums, os: oe, image: {url: 'file://DIR/root.ext4'}}",
				check:   runner("image", ""),
			},
		},
		{
			name: "uuu",
			job: job{
				methods: "{}",
				deploy:  "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.ext4', apply-overlay: true}}}",
				check:   runner("r", ""),
			},
		},
		{
			name: "uuu, sparse",
			job: job{
				methods: "{}",
				deploy:  "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.sparse', apply-overlay: true, sparse: true}}}",
				check:   runner("r", ""),
			},
		},
		{
			name: "uuu that is not sparse",
			job: job{
				methods: "{}",
				deploy:  "{to: uuu, os: oe, images: {boot: {url: 'file://DIR/app.axf'}, r: {url: 'file://DIR/root.ext4', apply-overlay: true, sparse: true}}}",
			},
			class: pipeline.Infrastructure,
			says:  "root.ext4 is no Android sparse image",
		},
		{
			name: "uuu without boot",
			job: job{
				methods: "{}",
				noTest:  true,
				deploy:  "{to: uuu, images: {r: {url: 'file://DIR/app.axf'}}}",
			},
			class: pipeline.Job,
			says:  "'boot' image is required, only found ['r']",
		},
		{
			name: "qdl with an overlay",
			job: job{
				methods: "{}",
				deploy:  qdl,
				check:   runner("qcomflash", "flat/root.ext4"),
			},
		},
		{
			name: "qdl",
			job: job{
				methods: "{}",
				noTest:  true,
				deploy:  "{to: qdl, qcomflash: {url: 'file://DIR/flat.tar.gz'}}",
				leave:   plain,
			},
		},
		{
			name: "qdl without the image",
			job: job{
				methods: "{}",
				deploy:  strings.Replace(qdl, "root.ext4", "other.img", 1),
			},
			class: pipeline.Job,
			says:  "The tarball of 'qcomflash' has no file other.img",
		},
		{
			name: "qemu-nfs",
			job: job{
				device: ", actions: {deploy: {methods: {nfs: }}, boot: {methods: {qemu-nfs: }}}",
				deploy: "{to: nfs, os: oe, images: {nfsrootfs: {url: 'file://DIR/tree.tar.gz', compression: gz}, kernel: {url: 'file://DIR/app.axf', image_arg: x}}}",
				check: func(s *pipeline.Session) error {
					root, _ := pipeline.Get(s, pipeline.NFSRoot)
					_, err1 := os.Stat(filepath.Join(root, "etc/passwd"))
					_, err2 := os.Stat(filepath.Join(root, "lava-9/bin/lava-test-runner"))
					return errors.Join(err1, err2)
				},
			},
		},
		{
			name: "qemu-nfs without a root",
			job: job{
				noTest: true,
				device: ", actions: {deploy: {methods: {nfs: }}, boot: {methods: {qemu-nfs: }}}",
				deploy: "{to: nfs, images: {kernel: {url: 'file://DIR/app.axf'}}}",
			},
			class: pipeline.Job,
			says:  "'images' has no 'nfsrootfs'",
		},
	}
}

// stepsWritten checks the script that a container works with.
func stepsWritten(s *pipeline.Session) error {
	text, err := os.ReadFile(filepath.Join(s.JobDir(), "downloads", "common", "postprocess.sh"))
	want := "#!/bin/sh\nexec 2>&1\nset -ex\nexport LAVA_JOB_ID='9'\nexport LAVA_DISPATCHER_IP='192.0.2.1'\nexport LAVA_DISPATCHER_PREFIX=''\nmake it\n"
	if string(text) != want {
		return fmt.Errorf("the script is %q: %w", text, err)
	}
	return nil
}
