package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"strata/projections/grafana"
)

// It asks no lab: what it writes is of this binary, whose views the dashboards ask, so it is to be run
// again after an upgrade.
func (a *app) grafanaCommand() *cobra.Command {
	var address, place string
	var force bool
	cmd := &cobra.Command{
		Use:   "grafana DIR",
		Short: "Write dashboards for Grafana",
		Long: `Write a set of Grafana dashboards into a directory: the lab, its queue, the health of its devices, a job, the
history of a test. They ask the views of the database results by ClickHouse's own data source plug-in
(grafana-clickhouse-datasource).

Grafana's provisioning takes them as they are: datasource.yaml goes to /etc/grafana/provisioning/datasources,
dashboards.yaml to /etc/grafana/provisioning/dashboards, and the folder dashboards to where --path says. Or
import the files in dashboards by hand. User and token in datasource.yaml are yours to fill in.

Files that are there and say something else are left alone, and none is written, unless --force is given.`,
		Example: "  strata grafana ./grafana --sql lab.example.com:8123\n  sudo cp -r grafana/dashboards /var/lib/grafana/dashboards/strata",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			host, port, err := net.SplitHostPort(address)
			if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" || n == 0 {
				return misuse("--sql %q: write host:port, such as lab.example.com:8123", address)
			}
			files, err := grafana.Files(host, port, place)
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(files))
			if err := writeSet(args[0], names, files, force); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"dir": args[0], "files": names})
			}
			for _, name := range names {
				fmt.Fprintln(a.out, filepath.Join(args[0], filepath.FromSlash(name)))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&address, "sql", "localhost:8123", "host:port of the lab's ClickHouse interface, as Grafana reaches it")
	f.StringVar(&place, "path", "/var/lib/grafana/dashboards/strata", "where the folder dashboards will lie on Grafana's machine")
	f.BoolVar(&force, "force", false, "write over files that say something else")
	return cmd
}

// writeSet writes files below dir, each whole or not at all. Where one is there and differs it writes none, unless forced.
// All are looked at before one is written. A write that fails in the middle leaves those before it,
// which are whole.
func writeSet(dir string, names []string, files map[string][]byte, force bool) error {
	for _, name := range names {
		file := filepath.Join(dir, filepath.FromSlash(name))
		is, err := os.ReadFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !force && !bytes.Equal(is, files[name]):
			return fmt.Errorf("%s is there and says something else: --force writes over it", file)
		}
	}
	for _, name := range names {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		tmp := file + ".new"
		if err := os.WriteFile(tmp, files[name], 0o644); err != nil {
			return errors.Join(err, os.Remove(tmp))
		}
		if err := os.Rename(tmp, file); err != nil {
			return errors.Join(err, os.Remove(tmp))
		}
	}
	return nil
}
