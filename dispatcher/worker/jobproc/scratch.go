package jobproc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"strata/dispatcher/pipeline"
	"strata/schemas/order"
)

// scratch returns the job's scratch directory: its own, or one below dispatcher_download_dir of the
// dispatcher's configuration, which then stands behind a link. The worker's web server and
// [RemoveScratch] know the link.
func scratch(j Job) (string, error) {
	config := dispatcherOf(j.Order)
	root := config.Get("dispatcher_download_dir").Text()
	if root == "" {
		return j.Scratch, nil
	}
	if !filepath.IsAbs(root) {
		return "", fmt.Errorf("dispatcher_download_dir: %q is no absolute path", root)
	}
	dir := filepath.Join(root, Folder(j.Order))
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("make dispatcher_download_dir: %w", err)
	}
	if err := errors.Join(os.RemoveAll(j.Scratch), os.Symlink(dir, j.Scratch)); err != nil {
		return "", fmt.Errorf("link scratch directory: %w", err)
	}
	return dir, nil
}

// RemoveScratch removes the scratch directory of the job in dir, wherever it is.
func RemoveScratch(dir string) error {
	path := filepath.Join(dir, ScratchDir)
	if elsewhere, err := os.Readlink(path); err == nil {
		if err := os.RemoveAll(elsewhere); err != nil {
			return err
		}
	}
	return os.RemoveAll(path)
}

// Folder returns what a job's directory is called below roots that jobs share, such as a TFTP
// server's: the prefix of the dispatcher's configuration and the job's number.
func Folder(o order.Order) string {
	if o.Work == nil {
		return ""
	}
	return dispatcherOf(o).Get("prefix").Text() + o.Work.Display
}

// dispatcherOf reads the dispatcher's configuration. One that cannot be read is empty here: the job
// itself ends over it.
func dispatcherOf(o order.Order) pipeline.Data {
	config, err := pipeline.ReadYAML([]byte(o.Work.Dispatcher.Inline))
	if err != nil {
		return pipeline.Data{}
	}
	return config
}
