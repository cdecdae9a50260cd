package pipeline

// Key names something that an action leaves for later actions of its namespace, and its type:
//
//	const Overlay pipeline.Key[string] = "compress-overlay/output/file"
//	pipeline.Put(s, Overlay, path)
//	path, ok := pipeline.Get(s, Overlay)
//
// The names are LAVA's (action/label/key) where it has one. Keys that more than one package uses
// stand in this file.
type Key[T any] string

// Put leaves a value in the step's namespace.
func Put[T any](s *Session, key Key[T], value T) { s.shared.put(s.Step.Namespace, string(key), value) }

// Get returns what was left in the step's namespace, and whether anything was.
func Get[T any](s *Session, key Key[T]) (T, bool) { return GetFrom(s, s.Step.Namespace, key) }

// GetFrom is Get for another namespace.
func GetFrom[T any](s *Session, namespace string, key Key[T]) (T, bool) {
	v, ok := s.shared.values[namespace][string(key)].(T)
	return v, ok
}

// Image is a downloaded file of a block's `images`.
type Image struct {
	Label string // its key in the block, "rootfs"
	Path  string // where the file lies on the worker
	Arg   string // image_arg: what goes to the emulator's command line, with {label} for the path
}

// GuestOverlay is a drive that holds the test overlay.
type GuestOverlay struct {
	Path string // qcow2 file
	UUID string // of its ext2 file system
}

// Installer is a machine that installs a system from an ISO image (deploy iso-installer).
type Installer struct {
	Command []string // QEMU with all its options, without the kernel's arguments
	Append  string   // the kernel's arguments
	Disk    string   // the disk that the system is installed to
	Prompts []string // what shows that the installer has ended, well or not
}

// InstallerRun is what prepare-qemu-commands prepared.
const InstallerRun Key[Installer] = "prepare-qemu-commands/installer"

// What deploy leaves for boot, and both for test.
const (
	// Images are the block's images in the order of the block.
	Images Key[[]Image] = "download-action/images"
	// Guest is the drive with the overlay, where one was built (apply-overlay-guest).
	Guest Key[GuestOverlay] = "apply-overlay-guest/guest/filename"
	// UEFI is the directory of downloaded UEFI firmware.
	UEFI Key[string] = "deployimages/image/bios"
	// NFSRoot is the directory of an unpacked NFS root.
	NFSRoot Key[string] = "extract-rootfs/file/nfsroot"
	// OverlayFile is the overlay as a compressed tar, for unpacking at /.
	OverlayFile Key[string] = "compress-overlay/output/file"
	// ResultsDir is the overlay's root on the device, such as /lava-42.
	ResultsDir Key[string] = "test/results/lava_test_results_dir"
	// TestShell is the shell that runs the helpers on the device, such as /bin/sh.
	TestShell Key[string] = "test/shared/lava_test_sh_cmd"
	// PreCommands are typed before the runner is started.
	PreCommands Key[[]string] = "test/lava-test-shell/pre-command-list"
	// TargetEnv are the variables of env-dut that the device's shell gets.
	TargetEnv Key[[]Pair] = "deploy-device-env/environment/env_dict"
	// ShellFile is where TargetEnv is written on the device, such as ~/.bashrc.
	ShellFile Key[string] = "deploy-device-env/environment/shell_file"
)

// What deploy prepares for boot loaders.
const (
	// TFTPSuffix is the deploy's directory below the TFTP server's root.
	TFTPSuffix Key[string] = "tftp-deploy/tftp/suffix"
	// TFTPDir is the same directory on the worker.
	TFTPDir Key[string] = "tftp-deploy/tftp/tftp_dir"
	// BootCommand is how U-Boot starts the kernel: "bootm", "bootz" or "booti".
	BootCommand Key[string] = "uboot-prepare-kernel/bootcommand/bootcommand"
	// PreparedKernel is the kernel as converted for the boot loader, relative to the TFTP root.
	PreparedKernel Key[string] = "prepare-kernel/file/kernel"
	// PreparedRamdisk is the rebuilt ramdisk, relative to the TFTP root.
	PreparedRamdisk Key[string] = "compress-ramdisk/file/ramdisk"
	// RamdiskFile is the rebuilt ramdisk on the worker.
	RamdiskFile Key[string] = "compress-ramdisk/file/full-path"
	// PreseedLocal is the name of the preseed file within the ramdisk.
	PreseedLocal Key[string] = "compress-ramdisk/file/preseed_local"
	// FITImage is the kernel as depthcharge boots it, relative to the TFTP root.
	FITImage Key[string] = "prepare-fit/file/fit"
	// PersistentServer and PersistentDir name an NFS root that outlives the job.
	PersistentServer Key[string] = "parse-persistent-nfs/nfs_address/serverip"
	PersistentDir    Key[string] = "parse-persistent-nfs/nfs_address/nfsroot"
	// NBDServer, NBDPort and NBDInitrd are those of a root disk over the network.
	NBDServer Key[string] = "nbd-deploy/nbd/nbd_server_ip"
	NBDPort   Key[string] = "nbd-deploy/nbd/nbd_server_port"
	NBDInitrd Key[string] = "nbd-deploy/nbd/initrd"
	// DockerImage is the image that a deploy block pulled.
	DockerImage Key[string] = "deploy-docker/image/name"
	// OverlayDir is the overlay as a directory on the worker, which holds the results directory.
	OverlayDir Key[string] = "test/shared/location"
	// Substitutions are what a boot loader's commands were filled in with; interactive tests use it.
	Substitutions Key[[]Pair] = "bootloader-overlay/u-boot/substitutions"
)

// Served returns the key of one downloaded file as the device sees it: relative to the TFTP root.
func Served(label string) Key[string] { return Key[string]("download-action/file/" + label) }

// Artefact returns the key of one downloaded file by its label, such as "kernel".
func Artefact(label string) Key[string] { return Key[string]("download-action/" + label + "/file") }
