package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/projections"
	"strata/projections/engine"
	"strata/schemas/config"
)

// visitorAccess is what callers of the SQL door may read of the embedded engine.
// The policies are of the database that [running.startEngine] has the engine make.
func visitorAccess() engine.Access {
	v := engine.Access{Databases: []string{projections.Published}}
	for _, p := range projections.RowPolicies("strata") {
		v.Rows = append(v.Rows, engine.Policy(p))
	}
	return v
}

// It is hidden: people never call it, but "strata up" does, so its flags are an interface between a
// lab and its child of the same build only.
func (a *app) clickhouseCommand() *cobra.Command {
	var o engine.Options
	cmd := &cobra.Command{
		Use:     "clickhouse",
		Short:   "Serve the ClickHouse engine",
		Long:    `Open the ClickHouse library on a directory and serve its HTTP interface. "strata up" runs this as a child.`,
		Example: "  strata clickhouse --path ./clickhouse --listen 127.0.0.1:8123",
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := a.newLogger(config.Log{Level: "warn", Format: "text"})
			if err != nil {
				return err
			}
			// Whoever reaches this port reaches all rows: it has no rights of its own, the SQL door in
			// front of it has.
			if err := closed(config.Listen{}, opening{"the engine", "--listen", o.Listen, false}); err != nil {
				return err
			}
			o.Logger = logger
			o.Access = visitorAccess()
			return engine.Serve(cmd.Context(), o)
		},
	}
	var database, user string
	grants := &cobra.Command{
		Use:   "grants",
		Short: "Print the SQL that prepares a ClickHouse server for visitors",
		Long: `Print the SQL that gives a ClickHouse server what the embedded engine has: the role and the user by
which visitors read the views, and the row policies that show each of them the jobs that they may see. Run
it as an administrator of that server once the tables are there, after each upgrade, and restart the projector.`,
		Example: "  strata clickhouse grants --user strata | clickhouse-client --multiquery",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, projections.Grants(database, user))
			return err
		},
	}
	grants.Flags().StringVar(&database, "database", "strata", "database of the lab's tables")
	grants.Flags().StringVar(&user, "user", "default", "user that the lab's DSN names")
	cmd.AddCommand(grants)
	cmd.Flags().StringVar(&o.Path, "path", "", "data directory")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8123", "address of the HTTP interface")
	return cmd
}
