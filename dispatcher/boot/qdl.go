package boot

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strconv"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/dispatcher/usb"
)

// QDLDir is where a deploy `to: qdl` unpacked its tarball.
const QDLDir pipeline.Key[string] = "qdl-deploy/qdl-directory/directory"

// qdl writes a system to a Qualcomm device in its emergency download mode.
//
// The mode is in the processor's ROM, so it works on a device whose flash is empty or broken; commands
// of the lab bring the device into it. There it shows itself under another serial number than its
// system's, board_qdl_id.
func qdl(pipeline.Data) pipeline.Action {
	return retried("boot-qdl-retry", "write a system in emergency download mode",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{connect{}, reset(), enterQDL(), usb.WaitQDL(), flashQDL()}
		})
}

// enterQDL is enter-qdl: commands of the worker that bring the device to its download mode.
func enterQDL() pipeline.Action {
	return pipeline.Basic{Title: "enter-qdl", About: "bring the device to its emergency download mode",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			return power.Run(ctx, s, parametersOf(s, "qdl").Get("enter-commands"), "Unable to enter QDL mode: '%s' failed")
		}}
}

// qdlVersion finds the version in what `qdl --version` prints.
var qdlVersion = regexp.MustCompile(`(\d+)\.(\d+)`)

// flashQDL is flash-qdl.
func flashQDL() pipeline.Action {
	return pipeline.Basic{Title: "flash-qdl", About: "write the system with qdl",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if id := s.Device.Get("board_qdl_id").Text(); id == "" || id == "00000000" {
				s.Invalid("[FLASH-QDL] board_qdl_id unset")
			}
			for _, key := range []string{"firehose_program", "rawprogram", "patch"} {
				if !s.Block().Has(key) {
					s.Invalid("[FLASH-QDL] '%s' is missing in the block", key)
				}
			}
			return tool("qdl")
		},
		Do: runQDL,
	}
}

func runQDL(ctx context.Context, s *pipeline.Session) error {
	text, err := s.CommandOutput(ctx, true, "qdl", "--version")
	if err != nil {
		return err
	}
	version := qdlVersion.FindStringSubmatch(text)
	if version == nil {
		return pipeline.Blame(pipeline.Infrastructure, errors.New("qdl does not tell its version: 2.0 or newer is needed"))
	}
	major, _ := strconv.Atoi(version[1]) // digits, as the pattern has it
	minor, _ := strconv.Atoi(version[2])
	if major < 2 {
		return pipeline.Blamef(pipeline.Infrastructure, "qdl is version %s, but 2.0 or newer is needed", version[0])
	}
	dir, ok := pipeline.Get(s, QDLDir)
	if !ok {
		return pipeline.Blamef(pipeline.Job, "there is nothing to write: deploy it with 'to: qdl'")
	}
	block := s.Block()
	dir = filepath.Join(dir, filepath.Clean("/"+block.Get("path").TextOr(".")))
	file := func(key string) string { return filepath.Join(dir, filepath.Clean("/"+block.Get(key).Text())) }
	argv := []string{"qdl"}
	if block.Get("debug").True() {
		argv = append(argv, "--debug")
	}
	if major > 2 || minor >= 7 {
		argv = append(argv, "--skipblock=sha256")
	}
	argv = append(argv, "--serial="+s.Device.Get("board_qdl_id").Text(), "--include="+dir)
	if storage := block.Get("storage").Text(); storage != "" {
		argv = append(argv, "--storage="+storage)
	}
	return s.Command(ctx, append(argv, file("firehose_program"), file("rawprogram"), file("patch"))...)
}
