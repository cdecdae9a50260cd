package lavaworker_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"strata/dispatcher/worker/jobproc"
	"strata/dispatcher/worker/lavajob"
)

// TestMain is also the process that answers for one job, as "strata lava-job" is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "lava-job" {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := jobproc.Main(os.Args[2], jobproc.Deps{Run: lavajob.Run(time.Now), Now: time.Now, Logger: log}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
