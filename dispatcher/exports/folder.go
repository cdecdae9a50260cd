package exports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// errNotServed says that there is no such file, or none that may be served: clients are not told
// which.
var errNotServed = errors.New("File not found") //nolint:staticcheck // boot loaders print it, and their users look for it

// split takes a name apart as a client gives it: "/42/tftp-deploy-x/kernel/Image" is folder "42" and
// the rest. There is no way up.
func split(name string) (folder, rest string, err error) {
	if strings.ContainsRune(name, 0) {
		return "", "", errNotServed
	}
	folder, rest, ok := strings.Cut(strings.TrimPrefix(path.Clean("/"+name), "/"), "/")
	if !ok || strings.HasPrefix(folder, ".") {
		return "", "", errNotServed // what stands beside the folders is the server's own
	}
	return folder, rest, nil
}

// open opens a file of a folder for a client. The error is errNotServed but for faults of this
// machine.
func open(folder, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, notServed(err)
	}
	defer root.Close()
	// Links are followed within the folder only. Without O_NONBLOCK a named pipe would keep us.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, notServed(err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0) {
		err = errNotServed
	}
	if err != nil {
		f.Close() // of a file that nobody read
		return nil, nil, notServed(err)
	}
	return f, info, nil
}

// notServed hides why a file is not served unless this machine is at fault.
func notServed(err error) error {
	for _, fault := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOMEM} {
		if errors.Is(err, fault) {
			return fmt.Errorf("open: %w", err)
		}
	}
	return errNotServed
}
