package exports

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/pipeline"
)

// etab is where Linux' own NFS server says what it exports now (exportfs(8)).
const etab = "/var/lib/nfs/etab"

// nfsLimit is how long the NFS server may take to answer.
const nfsLimit = 5 * time.Second

// NFS makes sure that devices can mount a directory of the job from the host's NFS server. Where the
// dispatcher's configuration has an nfs_export_command it is run, with {DIR} for the directory;
// otherwise the directory, or one above it, must be exported already.
func NFS(ctx context.Context, s *pipeline.Session, dir string) error {
	if command := s.Dispatcher.Get("nfs_export_command"); !command.IsNull() {
		return nfsCommand(ctx, s, command, dir)
	}
	dial, cancel := context.WithTimeout(ctx, nfsLimit)
	defer cancel()
	host, err := s.DispatcherIP("nfs")
	if err != nil {
		return err
	}
	if !strings.Contains(host, ":") {
		host = net.JoinHostPort(host, "2049")
	}
	conn, err := new(net.Dialer).DialContext(dial, "tcp", host)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure,
			"no NFS server serves the worker's directories (set dispatcher_nfs_ip or nfs_export_command in the dispatcher configuration): %w", err)
	}
	conn.Close() // it answered
	return exported(etab, dir)
}

// NoNFS ends what NFS began.
func NoNFS(ctx context.Context, s *pipeline.Session, dir string) error {
	command := s.Dispatcher.Get("nfs_unexport_command")
	if command.IsNull() {
		return nil
	}
	return nfsCommand(ctx, s, command, dir)
}

// nfsCommand runs a command of the configuration, a text of words or a list of them.
func nfsCommand(ctx context.Context, s *pipeline.Session, command pipeline.Data, dir string) error {
	words := command.Texts()
	if command.Kind() == pipeline.Text {
		words = strings.Fields(command.Text())
	}
	if len(words) == 0 {
		return pipeline.Blamef(pipeline.Configuration, "the NFS command of the dispatcher's configuration is empty")
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "{DIR}", dir)
	}
	if err := s.Command(ctx, words...); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pipeline.Blamef(pipeline.Infrastructure, "export %s by NFS: %w", dir, err)
	}
	return nil
}

// exported looks a directory up in the server's table. Another server has no such table, and is
// believed.
func exported(table, dir string) error {
	f, err := os.Open(table)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "read the exports of the NFS server: %w", err)
	}
	defer f.Close()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var all []string
	lines := bufio.NewScanner(io.LimitReader(f, 4<<20))
	for lines.Scan() {
		path, _, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			continue
		}
		if below, err := filepath.Rel(path, dir); err == nil && filepath.IsLocal(below) {
			return nil
		}
		all = append(all, path)
	}
	if err := lines.Err(); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "read the exports of the NFS server: %w", err)
	}
	return pipeline.Blamef(pipeline.Configuration,
		"the host's NFS server does not export %s, but [%s]: set dispatcher_download_dir to an exported directory, or nfs_export_command", dir, strings.Join(all, ", "))
}
