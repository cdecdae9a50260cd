package deploy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

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
		{
			name: "depthcharge",
			tftp: true,
			job: job{
				noTest: true,
				device: depthcharge,
				deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf'}, dtb: {url: 'file://DIR/preseed.cfg'}, ramdisk: {url: 'file://DIR/initrd.gz', compression: gz}}",
				leave: func(s *pipeline.Session) error {
					if fit, _ := pipeline.Get(s, pipeline.FITImage); !strings.HasPrefix(fit, "lab/9/tftp-deploy-") || !strings.HasSuffix(fit, "/kernel/image.itb") {
						return fmt.Errorf("the image is %q", fit)
					}
					return nil
				},
			},
			calls: []string{
				"lzma --keep --stdout ",
				"mkimage -D -I dts -O dtb -p 2048 -f auto -A arm64 -O linux -T kernel -C lzma -d ",
			},
		},
		{
			name: "a device tree behind the kernel, as a uImage",
			tftp: true,
			job: job{
				noTest: true,
				device: ", parameters: {bootm: {kernel: '0x80200000'}, text_offset: '0x80008000'}, actions: {deploy: {methods: {tftp: }, parameters: {append_dtb: true, use_xip: true, mkimage_arch: arm}}, boot: {methods: {u-boot: }}}",
				deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf', type: zimage}, dtb: {url: 'file://DIR/preseed.cfg'}}",
				leave: func(s *pipeline.Session) error {
					kernel, _ := pipeline.Get(s, pipeline.Artefact("kernel"))
					text, err := os.ReadFile(filepath.Join(filepath.Dir(kernel), "uImage"))
					if err != nil || len(text) != archive.UBootHeader+8 {
						return fmt.Errorf("the kernel has %d bytes: %w", len(text), err)
					}
					// Load address and entry point are the fifth and sixth word of the header.
					load, entry := binary.BigEndian.Uint32(text[16:]), binary.BigEndian.Uint32(text[20:])
					if string(text[archive.UBootHeader:]) != "appd-i x" || load != 0x80008000 || entry != load+archive.UBootHeader {
						return fmt.Errorf("%q is loaded at %#x and begins at %#x", text[archive.UBootHeader:], load, entry)
					}
					return nil
				},
			},
		},
		{
			name: "a kernel that the device cannot load",
			tftp: true,
			job: job{
				noTest: true,
				device: ", parameters: {}, actions: {deploy: {methods: {tftp: }, parameters: {mkimage_arch: arm}}, boot: {methods: {u-boot: }}}",
				deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf', type: image}}",
			},
			class: pipeline.Job,
			says:  "the device has no load addresses for bootm (parameters.bootm)",
		},
		{
			name: "a file that is too big for TFTP",
			tftp: true,
			job: job{
				noTest: true,
				limit:  ", tftp_size_limit: 3",
				device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
				deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf'}}",
			},
			class: pipeline.Job,
			says:  "Unable to send 'kernel' over tftp, file too big (3 > 3)",
		},
		{
			name: "persistent nfs",
			tftp: true,
			job: job{
				device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
				deploy: "{to: tftp, os: oe, kernel: {url: 'file://DIR/app.axf'}, persistent_nfs: {address: '127.9.8.7:/srv/root'}}",
				check: func(s *pipeline.Session) error {
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
				},
			},
			calls: []string{
				"mount -t nfs 127.9.8.7:/srv/root @/apply-overlay-tftp-*",
				"umount @/apply-overlay-tftp-*",
			},
		},
		{
			name: "persistent nfs, no server",
			tftp: true,
			job: job{
				noTest: true,
				device: ", actions: {deploy: {methods: {tftp: }}}",
				deploy: "{to: tftp, kernel: {url: 'file://DIR/app.axf'}, persistent_nfs: {address: '127.9.8.6:/srv/root'}}",
			},
			class: pipeline.Job,
			says:  "Unable to connect to the NFS server",
		},
		{
			name: "preseed",
			tftp: true,
			job: job{
				device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
				deploy: "{to: tftp, os: debian_installer, kernel: {url: 'file://DIR/app.axf'}, preseed: {url: 'file://DIR/preseed.cfg'}}",
				check: func(s *pipeline.Session) error {
					file, _ := pipeline.Get(s, pipeline.Artefact("preseed"))
					if text, err := os.ReadFile(file); !strings.HasSuffix(string(text), "\n"+tail+"\n") {
						return fmt.Errorf("the preseed file is %q: %w", text, err)
					}
					return nil
				},
			},
		},
		{
			name: "preseed in the ramdisk",
			tftp: true,
			job: job{
				device: ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {}}}",
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
				},
			},
		},
		{
			name: "iso-installer",
			tftp: true,
			job: job{
				device: qemu,
				deploy: "{" + iso + "2G}}",
				check: func(s *pipeline.Session) error {
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
				},
			},
			calls: []string{"isoinfo -R -i ", "isoinfo -R -i "},
		},
		{
			name: "iso-installer, too large",
			tftp: true,
			job: job{
				device: qemu,
				deploy: "{" + iso + "9G}}",
			},
			class: pipeline.Job,
			says:  "installation_size '9G' must be more than nothing and at most 8192M",
		},
		{
			name: "iso-installer, no size",
			tftp: true,
			job: job{
				device: qemu,
				deploy: "{" + iso + "2X}}",
			},
			class: pipeline.Job,
			says:  "installation_size '2X' must be a number with M or G",
		},
	}
}
