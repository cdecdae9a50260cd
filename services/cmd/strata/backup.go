package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events/access"
	"strata/events/dial"
	"strata/events/stream"
	"strata/schemas/config"
	"strata/services/archive"
)

// configName is what the configuration is called in a backup and beside a restored lab.
const configName = "strata.yaml"

func (a *app) backupCommand() *cobra.Command {
	var key, data, file string
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Back up a running lab",
		Long: `Write everything of a running lab into a directory that is empty or not there: the archive, brought up to the
sequences that are printed, orders, the output of jobs that run, users, tokens, workers' credentials and the
configuration file. The lab goes on meanwhile.

The lab's key, from which tokens are derived, is written to a file of its own (--key): keep it apart from the
backup, for whoever has both is the lab. Not in it: the tables of ClickHouse, which are made again, and what
workers hold on their own disks.

A file manifest.json with the digest of every other is written last; without it a backup is refused.`,
		Example: "  strata backup /mnt/backup/monday\n  strata backup /mnt/backup/monday --key /safe/lab.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Beside the backup and never in it: whoever carries the directory away must not have the
			// key by that.
			if key == "" {
				key = keyBeside(args[0])
			}
			return a.backup(cmd.Context(), args[0], key, data, file)
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", "file for the lab's key (default: DIR.key)")
	f.StringVar(&data, "data", "", "data directory of the lab (default: that of the local lab)")
	f.StringVar(&file, "config", "", "the lab's configuration file (default: that of the local lab)")
	return cmd
}

// keyBeside returns where the key of a backup lies unless told otherwise.
func keyBeside(dir string) string { return filepath.Clean(dir) + ".key" }

// What can be refused is refused before anything is written; what fails later takes away again what it
// has written.
func (a *app) backup(ctx context.Context, dir, keyFile, data, file string) (err error) {
	c, err := a.labConfig(file, data)
	if err != nil {
		return err
	}
	// The running lab's note tells which file it was started with: without this the backup of a lab
	// with a file would have none.
	if r, err := a.local(); err == nil && file == "" && data == "" {
		file = r.Config
	}
	if inside(keyFile, dir) {
		return misuse("--key %s lies in the backup: the key has to be kept apart from it", keyFile)
	}
	entries, err := os.ReadDir(dir)
	// An empty directory may be a mount: it is not taken away again where the backup fails.
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty (it has %s): a backup is written into an empty directory", dir, entries[0].Name())
	}
	secret, err := os.ReadFile(keyPath(c.Data))
	if err != nil {
		return fmt.Errorf("read the lab's key: %w; --data names the lab's data directory", err)
	}
	log, done, err := a.serviceLog(ctx, c)
	if err != nil {
		return err
	}
	defer done()
	store, err := openArchive(c, a.env)
	if err != nil {
		return err
	}
	m := archive.Manifest{At: a.now().UTC(), Version: version, Key: fingerprint(secret)}
	extra := map[string][]byte{}
	if file != "" {
		if extra[configName], err = os.ReadFile(file); err != nil {
			return fmt.Errorf("read the configuration: %w", err)
		}
		m.Config = configName
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the backup's directory: %w", err)
	}
	m, err = archive.Backup(ctx, log, store, dir, extra, m)
	if err == nil {
		err = os.WriteFile(keyFile, secret, 0o600)
	}
	if err != nil {
		return errors.Join(err, discard(dir, there))
	}
	if a.json {
		return a.printJSON(m)
	}
	a.printStreams("backed up", m.Streams)
	fmt.Fprintf(a.out, "%d files in %s; the lab's key is in %s: keep it apart\n", len(m.Files), dir, keyFile)
	return nil
}

// discard removes what a backup that failed has written.
func discard(dir string, keep bool) error {
	if !keep {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// inside tells whether a file lies below a directory.
// Links are not followed: it keeps people from a slip, not from deceiving themselves.
func inside(file, dir string) bool {
	f, ferr := filepath.Abs(file)
	d, derr := filepath.Abs(dir)
	rel, err := filepath.Rel(d, f)
	return errors.Join(ferr, derr, err) == nil && filepath.IsLocal(rel)
}

// fingerprint is by what a backup knows the key that belongs to it.
// A digest of its own, not the key's plain SHA-256: what stands in a manifest must be of no use for
// anything else that hashes the key.
func fingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("strata backup\n"), key...))
	return hex.EncodeToString(sum[:])
}

// checkKey refuses a key that is missing, or is not the one with a fingerprint; "" takes any.
// A wrong key would restore without an error, and every token and worker would be refused afterwards.
func checkKey(file, want string) error {
	secret, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the lab's key: %w; --key names where it was kept", err)
	}
	if want != "" && fingerprint(secret) != want {
		return fmt.Errorf("%s is not the key of the lab in this backup: tokens and workers would be refused; --key names another file", file)
	}
	return nil
}

// serviceLog opens the log of a running lab with the rights of its services, which whoever may read its key
// has.
// The address is that of --server, the configuration or the running lab, in this order; a name and
// password in it are taken out, as they would win over the services' own. The caller calls the
// function it returns, which closes the connection.
func (a *app) serviceLog(ctx context.Context, c config.Config) (*stream.Log, func(), error) {
	server := a.server
	if server == "" {
		server = c.Broker.URL
	}
	if server == "" {
		r, err := a.local()
		if err != nil {
			return nil, nil, err
		}
		server = r.NATS
	}
	key, err := access.OpenKey(keyPath(c.Data))
	if err != nil {
		return nil, nil, err
	}
	conn, err := dial.Connect(withoutUser(server), nats.Name("strata backup"), nats.UserInfo(access.ServiceUser, key.Password()),
		nats.CustomInboxPrefix(access.ServiceInbox))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the lab at %s with its key in %s: %w", withoutUser(server), c.Data, err)
	}
	store, err := openArchive(c, a.env)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	// Whether the broker syncs matters to who writes.
	log, err := stream.Open(ctx, conn, stream.Settings{Now: a.now, AllowLossyBroker: true, Archive: archive.NewReader(store).Archive()})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return log, conn.Close, nil
}

// quietLog is how a command logs that runs a broker for a moment.
func quietLog() config.Log { return config.Log{Level: "error", Format: "text"} }

// printStreams tells up to where the streams are in a backup.
func (a *app) printStreams(what string, streams map[string]uint64) {
	var all []string
	for _, name := range []string{stream.Lab, stream.Results, stream.Submissions} {
		all = append(all, fmt.Sprintf("%s to sequence %d", name, streams[name]))
	}
	fmt.Fprintf(a.out, "%s: %s\n", what, strings.Join(all, ", "))
}
