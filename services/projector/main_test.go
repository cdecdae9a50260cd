package projector

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"strata/projections/engine"
)

// TestMain runs the tests, or, as a child that the supervisor started, the engine.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == "engine-child" { // engine-child --path DIR --listen ADDR
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := engine.Serve(ctx, engine.Options{Path: os.Args[3], Listen: os.Args[5]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
