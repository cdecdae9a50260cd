package exports

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"strata/dispatcher/pipeline"
)

// hpaConfig is where Debian's tftpd-hpa says which directory it serves.
const hpaConfig = "/etc/default/tftpd-hpa"

// hostExport returns the export of a TFTP server that is not ours, by its directory. The worker has a
// folder of its own there, so that jobs of two workers with the same number do not meet.
func hostExport(dir, worker string, addresses []string) (pipeline.Export, error) {
	folder := "strata-" + plain(worker)
	e := pipeline.Export{Dir: filepath.Join(dir, folder), Path: folder}
	// Others read it, whatever our umask is: the server is another user's process.
	if err := errors.Join(os.MkdirAll(e.Dir, 0o755), os.Chmod(e.Dir, 0o755)); err != nil {
		return e, fmt.Errorf("make the worker's folder on the host's TFTP server: %w", err)
	}
	err := probe(e, addresses)
	if err != nil {
		_ = os.Remove(e.Dir) // no traces where nothing is served; running jobs' files keep it
	}
	return e, err
}

// hpaDirectory reads TFTP_DIRECTORY from tftpd-hpa's configuration, a file of shell assignments.
func hpaDirectory(file string) (string, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("port 69 belongs to a server whose directory is not known: set worker.tftp_dir")
	}
	if err != nil {
		return "", fmt.Errorf("find the directory of the host's TFTP server: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if value = strings.Trim(value, `"'`); ok && name == "TFTP_DIRECTORY" && filepath.IsAbs(value) {
			return value, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return "", fmt.Errorf("%s has no TFTP_DIRECTORY: set worker.tftp_dir", file)
}

// probe fetches a file that it wrote from the server, under each of the addresses until one has it:
// a server that takes the port need not serve the directory that its configuration names.
func probe(e pipeline.Export, addresses []string) error {
	content := rand.Text()
	f, err := os.CreateTemp(e.Dir, "probe-")
	if err != nil {
		return fmt.Errorf("write a file for the host's TFTP server: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write a file for the host's TFTP server: %w", err)
	}
	name := path.Join(e.Path, filepath.Base(f.Name()))
	var problems []error
	for _, address := range addresses {
		got, err := Fetch(address, name, 1024)
		if err == nil && string(got) != content {
			err = fmt.Errorf("fetch %s from %s: the content is another", name, address)
		}
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	return fmt.Errorf("the host's TFTP server does not serve %s; name the directory that it serves (worker.tftp_dir, --tftp-dir), or stop it: %w",
		e.Dir, errors.Join(problems...))
}

var notPlain = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// plain makes a folder's name of a worker's, which boot loaders can type.
func plain(worker string) string {
	return strings.TrimLeft(notPlain.ReplaceAllString(worker, "_"), ".")
}
