package main

import (
	"github.com/spf13/cobra"

	"strata/projections/engine"
	"strata/schemas/config"
)

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
			o.Logger = logger
			return engine.Serve(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Path, "path", "", "data directory")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8123", "address of the HTTP interface")
	return cmd
}
