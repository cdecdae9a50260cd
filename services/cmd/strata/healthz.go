package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) healthzCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthz URL",
		Short: "Ask a process of the lab how it is",
		Long: `Ask a process of the lab how it is, by its /healthz, and exit with 0 where all its services run. It is
the health check of containers, whose image has no other HTTP client.`,
		Example: "  strata healthz http://127.0.0.1:8080",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Shorter than the five seconds after which compose.yaml gives a check up, so that its
			// reason is in the container's state.
			ctx, cancel := context.WithTimeout(cmd.Context(), 4*time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(args[0], "/")+"/healthz", nil)
			if err != nil {
				return misuse("%q is not an address: %v", args[0], err)
			}
			reply, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer reply.Body.Close()
			if _, err := io.Copy(a.out, reply.Body); err != nil {
				return fmt.Errorf("read %s: %w", r.URL, err)
			}
			if reply.StatusCode != http.StatusOK {
				return fmt.Errorf("%s is ill: %s", args[0], reply.Status)
			}
			return nil
		},
	}
}
