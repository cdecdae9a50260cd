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

// Artefact returns the key of one downloaded file by its label, such as "kernel".
func Artefact(label string) Key[string] { return Key[string]("download-action/" + label + "/file") }
