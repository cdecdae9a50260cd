package config_test

import (
	"fmt"

	"strata/schemas/config"
)

func ExampleSettings() {
	for _, s := range config.Settings()[17:22] {
		fmt.Printf("%s: %s  # %s\n", s.Key, s.Default, s.About)
	}
	// Output:
	// clickhouse.dsn:   # ClickHouse server to use; empty runs the embedded engine
	// clickhouse.library:   # path of libchdb.so; empty looks in the usual places
	// jobs.first: 1  # number of the first job; counts when the lab is made
	// jobs.worker_loss_limit: 10m0s  # a job whose worker is away longer ends, Infrastructure
	// jobs.output_limit: 1GiB  # bytes of log that a job may write
}
